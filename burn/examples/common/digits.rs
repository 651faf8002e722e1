//! The handwritten digits that the examples learn.

use std::{error::Error, fs};

use burn::tensor::{Device, Int, Tensor, TensorData};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/digits.csv");
pub const PIXELS: usize = 64;

pub struct Digit {
    /// 8 rows of 8, from 0 to 1.
    pub pixels: [f32; PIXELS],
    pub label: i32,
}

/// Those to learn from, and every fifth, which is held out.
pub fn read() -> Result<(Vec<Digit>, Vec<Digit>), Box<dyn Error>> {
    let text = fs::read_to_string(DATA).map_err(|error| format!("{DATA}: {error}"))?;
    let (mut learnt, mut held_out) = (vec![], vec![]);
    for (number, line) in text.lines().skip(1).enumerate() {
        let row = || format!("{DATA}: line {} is no row of a label and {PIXELS} pixels", number + 2);
        let numbers = line.split(',').map(str::parse::<u8>).collect::<Result<Vec<_>, _>>().map_err(|_| row())?;
        let (&label, pixels) = numbers.split_first().ok_or_else(row)?;
        let pixels: Vec<_> = pixels.iter().map(|&pixel| f32::from(pixel) / 16.0).collect();
        let digit = Digit { pixels: pixels.try_into().map_err(|_| row())?, label: label.into() };
        if number % 5 == 4 { held_out.push(digit) } else { learnt.push(digit) }
    }
    Ok((learnt, held_out))
}

/// Pictures `[n, 64]`, and labels `[n]`.
pub fn batch<'a>(digits: impl IntoIterator<Item = &'a Digit>, device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
    let (pixels, labels): (Vec<_>, Vec<_>) = digits.into_iter().map(|digit| (digit.pixels, digit.label)).unzip();
    let n = labels.len();
    let pictures = Tensor::from_data(TensorData::new(pixels.into_flattened(), [n, PIXELS]), device);
    (pictures, Tensor::from_data(TensorData::new(labels, [n]), device))
}
