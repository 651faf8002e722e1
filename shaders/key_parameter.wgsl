// The key: among the parameters, from the host.

fn keyed_rule() -> KeepRule {
    return call.rule;
}
