//! The parameters of the network, whole or a shard of them.

use std::ops::Range;

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::data::{CLASSES, PIXELS};

/// A matrix, row by row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

impl Matrix {
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![0.0; rows * columns] }
    }

    /// Kaiming's uniform initialisation.
    fn random(rows: usize, columns: usize, rng: &mut impl Rng) -> Self {
        let bound = (6.0 / rows as f32).sqrt();
        let values = (0..rows * columns).map(|_| (rng.random::<f32>() * 2.0 - 1.0) * bound).collect();
        Self { rows, columns, values }
    }

    fn part(&self, rows: Range<usize>, columns: Range<usize>) -> Self {
        let row = |row: usize| &self.values[row * self.columns..][..self.columns][columns.clone()];
        Self { rows: rows.len(), columns: columns.len(), values: rows.clone().flat_map(row).copied().collect() }
    }

    fn put(&mut self, part: &Self, row: usize, column: usize) {
        for (i, values) in part.values.chunks(part.columns).enumerate() {
            self.values[(row + i) * self.columns + column..][..part.columns].copy_from_slice(values);
        }
    }
}

/// Of a network 64 → wide → narrow → 10: weights of shape (inputs, outputs) and biases, in this order. Gradients likewise.
///
/// The units of the wide layer can be split: the first product by its columns, the second by its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameters(pub [Matrix; 6]);

impl Parameters {
    pub fn random(seed: u64, wide: usize, narrow: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self([
            Matrix::random(PIXELS, wide, &mut rng),
            Matrix::zeros(1, wide),
            Matrix::random(wide, narrow, &mut rng),
            Matrix::zeros(1, narrow),
            Matrix::random(narrow, CLASSES, &mut rng),
            Matrix::zeros(1, CLASSES),
        ])
    }

    pub fn zeros_like(&self) -> Self {
        Self(self.0.each_ref().map(|matrix| Matrix::zeros(matrix.rows, matrix.columns)))
    }

    /// What a process with these units of the wide layer holds.
    pub fn shard(&self, units: Range<usize>) -> Self {
        let [w1, b1, w2, b2, w3, b3] = &self.0;
        Self([
            w1.part(0..w1.rows, units.clone()),
            b1.part(0..1, units.clone()),
            w2.part(units, 0..w2.columns),
            b2.clone(),
            w3.clone(),
            b3.clone(),
        ])
    }

    /// Puts a shard where it belongs.
    pub fn put_shard(&mut self, shard: &Self, first_unit: usize) {
        for (i, (whole, part)) in self.0.iter_mut().zip(&shard.0).enumerate() {
            let (row, column) = match i {
                0 | 1 => (0, first_unit),
                2 => (first_unit, 0),
                _ => (0, 0),
            };
            whole.put(part, row, column);
        }
    }

    /// All values, one matrix after the other.
    pub fn flat(&self) -> Vec<f32> {
        self.0.iter().flat_map(|matrix| &matrix.values).copied().collect()
    }

    /// The same shapes with other values.
    pub fn with_values(mut self, mut values: &[f32]) -> Self {
        for matrix in &mut self.0 {
            let (own, rest) = values.split_at(matrix.values.len());
            matrix.values.copy_from_slice(own);
            values = rest;
        }
        self
    }

    /// A step of gradient descent with momentum.
    pub fn descend(&mut self, velocity: &mut Self, gradient: &Self, rate: f32, momentum: f32) {
        for ((matrix, velocity), gradient) in self.0.iter_mut().zip(&mut velocity.0).zip(&gradient.0) {
            for ((value, velocity), gradient) in
                matrix.values.iter_mut().zip(&mut velocity.values).zip(&gradient.values)
            {
                *velocity = momentum * *velocity + gradient;
                *value -= rate * *velocity;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_put_together_are_the_whole() {
        let whole = Parameters::random(1, 10, 3);
        let mut together = whole.zeros_like();
        for units in [0..3, 3..4, 4..10] {
            together.put_shard(&whole.shard(units.clone()), units.start);
        }
        assert_eq!(together, whole);
        assert_eq!(whole.zeros_like().with_values(&whole.flat()), whole);
    }
}
