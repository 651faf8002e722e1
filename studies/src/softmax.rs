//! A softmax layer in plain code on the host: what studies train where one layer is enough.

use nalgebra::{DMatrix, DVector};

/// `softmax(W·x + b)`, with weights of the shape (classes, inputs).
#[derive(Clone, Debug)]
pub struct Layer {
    pub weights: DMatrix<f64>,
    pub bias: DVector<f64>,
}

/// Logarithms of the softmax, in place.
pub fn log_softmax(logits: &mut [f64]) {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
    let normaliser = most + sum.ln();
    logits.iter_mut().for_each(|logit| *logit -= normaliser);
}

impl Layer {
    /// All zeros: every class is equally probable.
    pub fn new(classes: usize, inputs: usize) -> Self {
        Self { weights: DMatrix::zeros(classes, inputs), bias: DVector::zeros(classes) }
    }

    /// Logits of examples, which are the columns of x: (classes, examples).
    pub fn logits(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        let mut logits = &self.weights * x;
        logits.column_iter_mut().for_each(|mut column| column += &self.bias);
        logits
    }

    /// One step down the gradient of the mean cross-entropy of examples that are columns of x, with a rate each for the
    /// weights and the bias.
    pub fn step(&mut self, x: &DMatrix<f64>, labels: &[usize], rate_of_weights: f64, rate_of_bias: f64) {
        let mut error = self.logits(x);
        for (mut column, &label) in error.column_iter_mut().zip(labels) {
            log_softmax(column.as_mut_slice());
            column.iter_mut().for_each(|log| *log = log.exp());
            column[label] -= 1.0;
        }
        let n = labels.len() as f64;
        self.weights -= &error * x.transpose() * (rate_of_weights / n);
        self.bias -= error.column_sum() * (rate_of_bias / n);
    }

    /// The mean cross-entropy of examples that are columns of x.
    pub fn loss(&self, x: &DMatrix<f64>, labels: &[usize]) -> f64 {
        let mut logits = self.logits(x);
        let loss = logits.column_iter_mut().zip(labels).map(|(mut column, &label)| {
            log_softmax(column.as_mut_slice());
            -column[label]
        });
        loss.sum::<f64>() / labels.len() as f64
    }
}
