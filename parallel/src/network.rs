//! A step of the network on one device: the whole of it, or what a process with a part of the rows and the units does.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData, activation};
use wgpu_dropout::{Dropout, Key, Mask, View};
use wgpu_dropout_burn::dropout;

use crate::{
    Error,
    data::{CLASSES, Digits, PIXELS},
    parameters::{Matrix, Parameters},
};

/// What does not change while a network is trained.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    pub seed: u64,
    pub batch: usize,
    pub wide: usize,
    pub narrow: usize,
    pub p: f64,
}

/// The part of the batch's rows and of the wide layer's units that a process has.
#[derive(Clone, Debug)]
pub struct Part {
    pub rows: Range<usize>,
    pub units: Range<usize>,
}

/// The masks of a step: of the pixels, of the wide layer and of the narrow one.
#[derive(Clone, Copy, Debug)]
pub struct Masks([Mask; 3]);

impl Network {
    pub fn whole(&self) -> Part {
        Part { rows: 0..self.batch, units: 0..self.wide }
    }

    /// The masks of a part. The keys are the same for every part; what differs is which elements it holds: its view. Nothing
    /// else is needed to agree on a mask.
    pub fn masks(&self, step: usize, part: &Part) -> Result<Masks, Error> {
        let key = |layer| Key::new(self.seed).with_layer(layer).with_step(step as u32);
        let dropout = Dropout::new(self.p)?;
        let row = part.rows.start as u64;
        let [wide, narrow, first_unit, units] =
            [self.wide, self.narrow, part.units.start, part.units.len()].map(|number| number as u64);
        Ok(Masks([
            Dropout::new(self.p * 0.4)?.mask(key(0)).at(row * PIXELS as u64),
            dropout.mask(key(1)).at(View::rows(row * wide + first_unit, units, wide)),
            dropout.mask(key(2)).at(row * narrow),
        ]))
    }

    /// The loss, a sum over the part's rows of shares of the batch's mean, and the gradients of the part's parameters.
    /// `sum_products` gets what is to be summed over the processes that have the same rows and other units.
    pub fn gradients(
        &self,
        device: &Device,
        parameters: &Parameters,
        digits: &Digits,
        rows: &[usize],
        masks: &Masks,
        sum_products: impl FnOnce(&mut [f32]),
    ) -> Result<(f32, Parameters), Error> {
        let [w1, b1, w2, b2, w3, b3] = parameters.0.each_ref().map(|matrix| tensor(matrix, device).require_grad());
        let Masks([of_pixels, of_wide, of_narrow]) = *masks;

        let pixels = rows.iter().flat_map(|&row| digits.pixels[row]).collect();
        let x = tensor(&Matrix { rows: rows.len(), columns: PIXELS, values: pixels }, device);
        let wide = activation::relu(dropout(x, &of_pixels)?.matmul(w1.clone()) + b1.clone());
        let product = dropout(wide, &of_wide)?.matmul(w2.clone());

        let mut values = floats(product.clone());
        sum_products(&mut values);
        let sum = tensor(&Matrix { rows: rows.len(), columns: self.narrow, values }, device).require_grad();
        let narrow = dropout(activation::relu(sum.clone() + b2.clone()), &of_narrow)?;
        let logits = narrow.matmul(w3.clone()) + b3.clone();
        let mut labels = Matrix::zeros(rows.len(), CLASSES);
        for (i, &row) in rows.iter().enumerate() {
            labels.values[i * CLASSES + usize::from(digits.labels[row])] = -1.0 / self.batch as f32;
        }
        let loss = (activation::log_softmax(logits, 1) * tensor(&labels, device)).sum();

        // The sum cuts the graph in two: its gradient goes into the product of every process as it is.
        let above = loss.backward();
        let value = floats(loss)[0];
        let gradient = Tensor::from_inner(sum.grad(&above).expect("the loss depends on the sum"));
        let below = (product * gradient).sum().backward();
        let of = |leaf: &Tensor<2>, gradients| floats(leaf.grad(gradients).expect("every parameter has a gradient"));
        let gradients =
            [of(&w1, &below), of(&b1, &below), of(&w2, &below), of(&b2, &above), of(&w3, &above), of(&b3, &above)];
        Ok((value, parameters.clone().with_values(&gradients.concat())))
    }

    /// What each mask keeps of the part, as the device computes it in training: one byte an element, 1 for kept.
    pub fn kept(&self, device: &Device, masks: &Masks, part: &Part) -> Result<[Vec<u8>; 3], Error> {
        let Masks([of_pixels, of_wide, of_narrow]) = masks;
        let kept = |mask, columns| -> Result<_, Error> {
            let ones = Tensor::<2>::ones([part.rows.len(), columns], device);
            Ok(floats(dropout(ones, mask)?).iter().map(|&value| u8::from(value != 0.0)).collect())
        };
        Ok([kept(of_pixels, PIXELS)?, kept(of_wide, part.units.len())?, kept(of_narrow, self.narrow)?])
    }
}

fn tensor(matrix: &Matrix, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(matrix.values.clone(), [matrix.rows, matrix.columns]), device)
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("tensors here are of f32")
}
