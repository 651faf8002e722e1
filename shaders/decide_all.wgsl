// Decision: everything is kept, without random numbers.

fn decide(position: u32) -> u32 {
    return 0xffffffffu;
}
