// Decision: everything is kept, without random numbers.

fn decide(element: u32) -> u32 {
    return 0xffffffffu;
}
