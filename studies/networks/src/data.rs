//! The tables of `data/`, whose notices are in its README.

use crate::Error;

/// Examples as rows.
pub struct Table {
    /// Row by row.
    pub x: Vec<f32>,
    pub y: Vec<f32>,
    /// Numbers of a row of x.
    pub width: usize,
}

impl Table {
    /// Digits of 8×8 pixels, 0 to 1.
    pub fn digits() -> Result<Self, Error> {
        let mut table = Self::read(include_str!("../../../data/digits.csv"))?;
        table.x.iter_mut().for_each(|x| *x /= 16.0);
        Ok(table)
    }

    pub fn diabetes() -> Result<Self, Error> {
        Self::read(include_str!("../../../data/diabetes.csv"))
    }

    fn read(text: &str) -> Result<Self, Error> {
        let (mut x, mut y) = (vec![], vec![]);
        for line in text.lines().skip(1) {
            let mut numbers = line.split(',').map(str::parse);
            y.push(numbers.next().ok_or("an empty line in a table")??);
            for number in numbers {
                x.push(number?);
            }
        }
        Ok(Self { width: x.len() / y.len(), x, y })
    }

    pub fn len(&self) -> usize {
        self.y.len()
    }

    pub fn row(&self, i: usize) -> &[f32] {
        &self.x[i * self.width..(i + 1) * self.width]
    }

    /// These rows of x, one after the other.
    pub fn rows(&self, rows: &[usize]) -> Vec<f32> {
        rows.iter().flat_map(|&i| self.row(i)).copied().collect()
    }

    /// The classes of these rows.
    pub fn labels(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().map(|&i| self.y[i] as usize).collect()
    }
}
