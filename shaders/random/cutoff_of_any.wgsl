// The cutoff of a keep rule with any p.
// needs: random/keep_rule, key

// As random/cutoff.wgsl, which is right for p = 1 too. For p = 0 it is above all lanes.
fn keep_cutoff(rule: DropoutKeepRule) -> u32 {
    return select(max(rule.threshold >> 16u, 1u), 0x10000u, keeps_all(rule));
}
