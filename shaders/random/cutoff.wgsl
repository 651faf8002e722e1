// The cutoff of a keep rule with 0 < p < 1.
// needs: random/keep_rule

// For the smallest thresholds, below 2^16, the high half is 0, and lanes of 0 are all ties: these become 0 or 0xffff.
fn keep_cutoff(rule: DropoutKeepRule) -> u32 {
    return max(rule.threshold >> 16u, 1u);
}
