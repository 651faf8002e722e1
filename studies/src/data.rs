//! The real data: tables of `data/`, whose notices are in its README.

use std::{fs, path::Path};

use nalgebra::{DMatrix, DVector};

use crate::Error;

pub const DIGITS: &str = include_str!("../../data/digits.csv");
pub const DIABETES: &str = include_str!("../../data/diabetes.csv");
pub const BREAST_CANCER: &str = include_str!("../../data/breast_cancer.csv");

/// All of them, read once.
pub struct Data {
    /// 1,797 × 64, values 0 to 16; the target is the digit.
    pub digits: Table,
    /// Diabetes, 442 × 10, of which the target is the progression of the disease; or what a folder has.
    pub regression: Table,
    /// The folder, if it is one.
    pub folder: Option<String>,
    /// 569 × 30; the target is 1 for benign.
    pub breast_cancer: Table,
}

/// Examples as rows.
#[derive(Clone, Debug)]
pub struct Table {
    pub x: DMatrix<f64>,
    pub y: DVector<f64>,
    /// Of the columns of x.
    pub names: Vec<String>,
}

impl Data {
    /// Those of `data/`, with the regression of a folder in the place of diabetes if there is one: see [`Table::of_folder`].
    pub fn read(folder: Option<&Path>) -> Result<Self, Error> {
        let table = |name: &str, text| Table::read(text).map_err(|error| format!("data/{name}.csv: {error}"));
        Ok(Self {
            digits: table("digits", DIGITS)?,
            regression: folder.map_or_else(|| Ok(table("diabetes", DIABETES)?), Table::of_folder)?,
            folder: folder.map(|folder| folder.display().to_string()),
            breast_cancer: table("breast_cancer", BREAST_CANCER)?,
        })
    }
}

impl Table {
    /// From CSV with a line of names; the target is the first column.
    pub fn read(text: &str) -> Result<Self, Error> {
        let mut lines = text.lines();
        let names: Vec<String> = lines.next().unwrap_or("").split(',').skip(1).map(Into::into).collect();
        let (mut x, mut y) = (vec![], vec![]);
        for (number, line) in (2..).zip(lines) {
            let row: Result<Vec<f64>, _> = line.split(',').map(str::parse).collect();
            let row = row.map_err(|error| format!("line {number}: {error}"))?;
            if row.len() != names.len() + 1 {
                return Err(format!("line {number}: {} fields, not {}", row.len(), names.len() + 1).into());
            }
            y.push(row[0]);
            x.extend_from_slice(&row[1..]);
        }
        if y.is_empty() || names.is_empty() {
            return Err("no data: expected a line of names, then a line for each example".into());
        }
        Ok(Self { x: DMatrix::from_row_slice(y.len(), names.len(), &x), y: DVector::from_vec(y), names })
    }

    /// A regression in the form of the public experiments with Monte Carlo dropout: `data.txt` has a line of numbers for each
    /// example, `index_features.txt` and `index_target.txt` the columns of the features and the one of the target, from 0.
    pub fn of_folder(folder: &Path) -> Result<Self, Error> {
        let read = |name: &str| -> Result<Vec<Vec<f64>>, Error> {
            let path = folder.join(name);
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
            let row = |(number, line): (usize, &str)| -> Result<Vec<f64>, Error> {
                let row: Result<_, _> = line.split_whitespace().map(str::parse).collect();
                row.map_err(|error| format!("{}:{number}: {error}", path.display()).into())
            };
            numbered.map(row).collect()
        };
        let rows = read("data.txt")?;
        let columns = |name: &str| -> Result<Vec<usize>, Error> {
            let all = read(name)?.concat();
            let known = |&column: &f64| {
                column >= 0.0 && column.fract() == 0.0 && rows.iter().all(|row| (column as usize) < row.len())
            };
            match all.iter().find(|column| !known(column)) {
                Some(column) => Err(format!(
                    "{}: there is no column {column} in every line of data.txt",
                    folder.join(name).display()
                )
                .into()),
                None => Ok(all.iter().map(|&column| column as usize).collect()),
            }
        };
        let (features, target) = (columns("index_features.txt")?, columns("index_target.txt")?);
        let &[target] = &target[..] else {
            return Err(
                format!("{}: {} columns, not 1", folder.join("index_target.txt").display(), target.len()).into()
            );
        };
        if rows.len() < 2 || features.is_empty() {
            return Err(format!(
                "{}: {} examples of {} features are too few",
                folder.display(),
                rows.len(),
                features.len()
            )
            .into());
        }
        Ok(Self {
            x: DMatrix::from_fn(rows.len(), features.len(), |row, column| rows[row][features[column]]),
            y: DVector::from_fn(rows.len(), |row, _| rows[row][target]),
            names: features.iter().map(ToString::to_string).collect(),
        })
    }

    /// With every column of mean 0 and variance 1 (over all rows), the target too; constant columns become 0.
    #[must_use]
    pub fn standardised(&self) -> Self {
        let mut table = self.clone();
        table.x.column_iter_mut().for_each(|mut column| standardise(column.as_mut_slice()));
        standardise(table.y.as_mut_slice());
        table
    }

    /// x row by row, as the device has it.
    pub fn rows(&self) -> Vec<f32> {
        row_major(&self.x)
    }
}

/// A matrix row by row, as f32.
pub fn row_major(matrix: &DMatrix<f64>) -> Vec<f32> {
    matrix.transpose().iter().map(|&value| value as f32).collect()
}

fn standardise(values: &mut [f64]) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    for value in values {
        *value = if deviation > 0.0 { (*value - mean) / deviation } else { 0.0 };
    }
}
