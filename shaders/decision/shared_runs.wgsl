// Decision: of four runs of 32 elements at once, where many elements share each decision.
// needs: key, random/keep_bits, random/strides

fn decide_runs(position: u32) -> vec4<u32> {
    const FIRST = vec4<u32>(0u, 32u, 64u, 96u);
    var rule = keyed_rule();
    let start = rule.start;
    var keep = vec4<u32>(0u);
    // From each decision on all bits are replaced by it; the next one replaces what is its own.
    var done = 0u;
    while done < 128u {
        let place = place_of(start, position + done);
        rule.start = place.index;
        // Bits of each run before this decision's first: 0 to 32.
        let before = clamp(vec4<u32>(done) + vec4<u32>(32u), FIRST + vec4<u32>(32u), FIRST + vec4<u32>(64u)) - FIRST
            - vec4<u32>(32u);
        // Two shifts, because one by 32 is not defined.
        let own = (vec4<u32>(0xffffffffu) << (before / 2u)) << (before - before / 2u);
        keep = select(keep & ~own, keep | own, dropout_keeps_one(rule));
        done += place.left;
    }
    return keep;
}
