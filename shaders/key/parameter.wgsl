// The key: among the parameters, from the host.
// needs: random/keep_rule
// parameters: rule: DropoutKeepRule

fn keyed_rule() -> DropoutKeepRule {
    return parameters.rule;
}
