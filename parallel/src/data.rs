//! The digits, and which of them make a batch.

use std::path::Path;

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::Error;

pub const PIXELS: usize = 64;
pub const CLASSES: usize = 10;

/// Pictures of 8 × 8 pixels from 0 to 1, row by row, and which digit each shows.
pub struct Digits {
    pub pixels: Vec<[f32; PIXELS]>,
    pub labels: Vec<u8>,
}

impl Digits {
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: path.into(), source })?;
        let mut digits = Self { pixels: vec![], labels: vec![] };
        for (number, line) in text.lines().enumerate().skip(1) {
            let wrong = || Error::Content {
                path: path.into(),
                reason: format!("line {} is not a label and {PIXELS} pixels from 0 to 16", number + 1),
            };
            let numbers: Option<Vec<u8>> = line.split(',').map(|number| number.trim().parse().ok()).collect();
            let numbers = numbers.filter(|numbers| numbers.len() == PIXELS + 1).ok_or_else(wrong)?;
            if usize::from(numbers[0]) >= CLASSES || numbers[1..].iter().any(|&pixel| pixel > 16) {
                return Err(wrong());
            }
            digits.labels.push(numbers[0]);
            digits.pixels.push(std::array::from_fn(|i| f32::from(numbers[i + 1]) / 16.0));
        }
        Ok(digits)
    }

    /// The pictures of a step's batch: the same in every process, and for every number of processes.
    pub fn batch(&self, seed: u64, step: usize, size: usize) -> Vec<usize> {
        let each = self.labels.len() / size;
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed ^ ((step / each) as u64 + 1) << 32));
        order[step % each * size..][..size].to_vec()
    }
}
