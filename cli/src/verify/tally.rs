/// What a check compared, and the first few differences.
#[derive(Debug, Default)]
pub struct Tally {
    pub compared: u64,
    pub mismatches: u64,
    /// Index, expected, actual.
    pub first: Vec<String>,
}

const SHOWN: usize = 4;

impl Tally {
    /// Counts a comparison.
    pub fn compare(&mut self, equal: bool, describe: impl FnOnce() -> String) {
        self.compared += 1;
        if !equal {
            self.mismatches += 1;
            if self.first.len() < SHOWN {
                self.first.push(describe());
            }
        }
    }
}
