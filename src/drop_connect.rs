use crate::{
    Error, Key, Kind, Mask, Pass, Place, View,
    pass::{Need, Needs, Stored, Work},
    role::Role,
};

/// `DropConnect` (Wan et al., *Regularization of neural networks using `DropConnect`*, ICML 2013): in training each weight of
/// a fully connected layer is dropped by itself, and for each example of a batch anew. Everywhere else the layer is the
/// product of weights and input.
///
/// For weights W of the shape (O, I) and a batch x of the shape (B, I)
///
/// `y[b, o] = Σ_i (keep ? W[o, i]·scale : +0)·x[b, i]`,
///
/// where the decision is that of index `start + (b·O + o)·I + i` of the mask. Dropped terms are +0, even where x is infinite.
/// The masks, B·O·I bits, are never stored: the product and both gradients make them again from the key, and take no memory
/// but for what goes in and comes out.
///
/// ```
/// use wgpu_dropout::{DropConnect, Dropout, Key, reference};
///
/// let (batch, outputs, inputs) = (2, 3, 4);
/// let mask = Dropout::new(0.5)?.mask(Key::new(42).with_layer(3));
/// let connect = DropConnect::new(mask, batch, outputs, inputs)?;
/// let (weights, x) = ([1.0_f32; 12], [1.0_f32; 8]);
/// let mut y = [0.0_f32; 6];
/// reference::run_pass(connect.forward(&weights[..], &x[..], &mut y[..]))?;
/// assert!(y.iter().all(|y| [0.0, 2.0, 4.0, 6.0, 8.0].contains(y)));
/// # Ok::<(), wgpu_dropout::Error>(())
/// ```
///
/// Sums are in f32, in an order of the device's choice: they differ from exact ones by at most
/// (terms + 8)·2⁻²⁴·Σ|terms|, and by half a unit in the last place more where the output has 16 bits. Where all terms and sums
/// are integers below 2²⁴, as for p = 0.5 with small ones, they are exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropConnect {
    mask: Mask,
    batch: u64,
    outputs: u64,
    inputs: u64,
    /// Decisions from example to example, and from output to output.
    strides: [u64; 2],
}

impl DropConnect {
    /// `DropConnect` with a mask of its own for every example, for `batch` examples, and weights from `inputs` to `outputs`.
    /// Any of these may be 0. The mask's [start](View::start) is the index of the first weight's decision for the first example.
    ///
    /// # Errors
    /// [`Error::Kind`] unless the mask is of inverted dropout, [`Error::NotContiguous`] unless its view is a start alone,
    /// [`Error::Shape`] for 2⁶⁴ decisions or more.
    pub fn new(mask: Mask, batch: u64, outputs: u64, inputs: u64) -> Result<Self, Error> {
        if mask.kind() != Kind::Inverted {
            return Err(Error::Kind { what: "DropConnect", kind: mask.kind() });
        }
        if !mask.view().is_contiguous() {
            return Err(Error::NotContiguous { strides: mask.view().strides().to_vec() });
        }
        let mask = mask.at(mask.view().index(0));
        // It has the checks of the shape.
        View::shared(0, &[batch, outputs, inputs], &[])?;
        Ok(Self { mask, batch, outputs, inputs, strides: [outputs.wrapping_mul(inputs), inputs] })
    }

    /// One mask for all examples of the batch (`true`), or one for each, as it is without this (`false`).
    #[must_use]
    pub const fn with_mask_per_batch(self, one: bool) -> Self {
        let of_example = if one { 0 } else { self.outputs.wrapping_mul(self.inputs) };
        Self { strides: [of_example, self.strides[1]], ..self }
    }

    /// So many decisions from example to example and from output to output, instead of outputs·inputs and inputs: for a shard
    /// of the weights, those of the whole, with a mask that [begins](Mask::at) at the shard's first decision.
    ///
    /// ```
    /// # use wgpu_dropout::{DropConnect, Dropout, Key, reference};
    /// // The last 3 of 8 outputs, of 4 inputs each.
    /// let mask = Dropout::new(0.5)?.mask(Key::new(42));
    /// let shard = DropConnect::new(mask.at(5 * 4), 2, 3, 4)?.with_strides(8 * 4, 4);
    /// # Ok::<(), wgpu_dropout::Error>(())
    /// ```
    #[must_use]
    pub const fn with_strides(self, of_example: u64, of_output: u64) -> Self {
        Self { strides: [of_example, of_output], ..self }
    }

    /// The mask.
    pub const fn mask(&self) -> Mask {
        self.mask
    }

    /// Examples of the batch.
    pub const fn batch(&self) -> u64 {
        self.batch
    }

    /// Outputs of the layer, rows of the weights.
    pub const fn outputs(&self) -> u64 {
        self.outputs
    }

    /// Inputs of the layer, columns of the weights.
    pub const fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Decisions from example to example, and from output to output.
    pub const fn strides(&self) -> [u64; 2] {
        self.strides
    }

    /// The product: weights (O, I) and an input (B, I) to an output (B, O).
    ///
    /// It fails with [`Error::IndexRange`] where the decisions reach past the generator's range. On a device it fails with
    /// [`Error::TooLarge`] where a row of a tensor is larger than a binding.
    pub fn forward<P: Place>(self, weights: impl Into<P>, input: impl Into<P>, output: impl Into<P>) -> Pass<P> {
        let pass = Pass::new(Work::DropConnect(ConnectWork::Forward(self)));
        pass.with(Role::Weights, weights).with(Role::Input, input).with(Role::Output, output)
    }

    /// The gradient of the input, `dx[b, i] = Σ_o (keep ? W[o, i]·scale : +0)·dy[b, o]`: weights (O, I) and the gradient of the
    /// output (B, O) to that of the input (B, I).
    ///
    /// It fails as [`forward`](Self::forward), and on a device with [`Error::TooLarge`] for 16-bit weights that are larger than
    /// a binding.
    pub fn backward_input<P: Place>(
        self,
        weights: impl Into<P>,
        gradient: impl Into<P>,
        input_gradient: impl Into<P>,
    ) -> Pass<P> {
        let pass = Pass::new(Work::DropConnect(ConnectWork::BackwardInput(self)));
        pass.with(Role::Weights, weights).with(Role::Gradient, gradient).with(Role::Output, input_gradient)
    }

    /// The gradient of the weights, `dW[o, i] = Σ_b (keep ? x[b, i]·scale : +0)·dy[b, o]`: an input (B, I) and the gradient of
    /// the output (B, O) to that of the weights (O, I).
    ///
    /// It fails as [`forward`](Self::forward), and on a device with [`Error::TooLarge`] for 16-bit inputs or gradients that are
    /// larger than a binding.
    pub fn backward_weights<P: Place>(
        self,
        input: impl Into<P>,
        gradient: impl Into<P>,
        weights_gradient: impl Into<P>,
    ) -> Pass<P> {
        let pass = Pass::new(Work::DropConnect(ConnectWork::BackwardWeights(self)));
        pass.with(Role::Input, input).with(Role::Gradient, gradient).with(Role::Output, weights_gradient)
    }

    /// What inference needs, the mean and the variance of the product over all masks: weights (O, I) and an input (B, I) to the
    /// mean `W·x` and the variance `p/(1 − p)·Σ_i W²x²`, both (B, O). With p as the mask has it, in evaluation too.
    ///
    /// It fails as [`forward`](Self::forward), and with [`Error::InfiniteVariance`] for p = 1. A rate in a buffer is
    /// [`Error::NoRate`].
    pub fn moments<P: Place>(
        self,
        weights: impl Into<P>,
        input: impl Into<P>,
        mean: impl Into<P>,
        variance: impl Into<P>,
    ) -> Pass<P> {
        let pass = Pass::new(Work::DropConnect(ConnectWork::Moments(self)));
        let pass = pass.with(Role::Weights, weights).with(Role::Input, input);
        pass.with(Role::Output, mean).with(Role::OutputVariance, variance)
    }

    /// Samples of normals with these moments, before the activation, as inference averages over: mean and variance (B, O) to
    /// (`samples`, B, O). Sample s is `mean + √variance·z`, with the normal z of the index `start + b·O + o` at the mask's key
    /// with `first_sample` + s for its sample; `start` is the mask's.
    ///
    /// It fails with [`Error::Number`] where `first_sample + samples` is more than 65,536, the samples that a key has, and with
    /// [`Error::IndexRange`] where the normals reach past the generator's range.
    pub fn samples<P: Place>(
        self,
        mean: impl Into<P>,
        variance: impl Into<P>,
        output: impl Into<P>,
        first_sample: u64,
        samples: u64,
    ) -> Pass<P> {
        let work = ConnectWork::Samples { of: self, first: first_sample, count: samples };
        let pass = Pass::new(Work::DropConnect(work));
        pass.with(Role::GivenMean, mean).with(Role::GivenVariance, variance).with(Role::Output, output)
    }

    /// What the variance of the moments is multiplied by: (1 − q)/q for the probability q to keep, in binary64.
    pub(crate) fn variance_factor(&self) -> f64 {
        let q = self.mask.dropout_threshold() as f64 / 4_294_967_296.0;
        (1.0 - q) / q
    }

    /// Elements of an output.
    pub(crate) const fn output_elements(&self) -> u64 {
        self.batch.saturating_mul(self.outputs)
    }

    /// The mask of all decisions, as the elements of the shape (B, O, I).
    pub(crate) fn decisions(&self) -> Result<Mask, Error> {
        let shape = [self.batch, self.outputs, self.inputs];
        let [of_example, of_output] = self.strides;
        Ok(self.mask.at(View::strided(self.mask.view().start(), &shape, &[of_example, of_output, 1])?))
    }

    /// The mask with the key of a sample.
    pub(crate) fn key_of_sample(&self, sample: u64) -> Key {
        self.mask.key().with_sample(u16::try_from(sample).unwrap_or(u16::MAX))
    }
}

/// A pass of `DropConnect`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ConnectWork {
    Forward(DropConnect),
    BackwardInput(DropConnect),
    BackwardWeights(DropConnect),
    Moments(DropConnect),
    Samples { of: DropConnect, first: u64, count: u64 },
}

/// Samples that a key has.
const SAMPLES: u64 = 1 << 16;

impl ConnectWork {
    pub(crate) const fn of(&self) -> &DropConnect {
        match self {
            Self::Forward(of)
            | Self::BackwardInput(of)
            | Self::BackwardWeights(of)
            | Self::Moments(of)
            | Self::Samples { of, .. } => of,
        }
    }

    pub(crate) fn needs(&self) -> Needs {
        let &DropConnect { batch, outputs, inputs, .. } = self.of();
        let need = |role, [rows, columns]: [u64; 2], remedy| {
            Need::new(role, Stored::Elements(rows.saturating_mul(columns)), remedy)
        };
        let of_weights = |role| need(role, [outputs, inputs], "the shape is (outputs, inputs)");
        let of_inputs = |role| need(role, [batch, inputs], "the shape is (batch, inputs)");
        let of_outputs = |role| need(role, [batch, outputs], "the shape is (batch, outputs)");
        match self {
            Self::Forward(_) => {
                [of_weights(Role::Weights), of_inputs(Role::Input), of_outputs(Role::Output)].into_iter().collect()
            }
            Self::BackwardInput(_) => {
                [of_weights(Role::Weights), of_outputs(Role::Gradient), of_inputs(Role::Output)].into_iter().collect()
            }
            Self::BackwardWeights(_) => {
                [of_inputs(Role::Input), of_outputs(Role::Gradient), of_weights(Role::Output)].into_iter().collect()
            }
            Self::Moments(_) => {
                let outputs = [Role::Output, Role::OutputVariance].map(of_outputs);
                [of_weights(Role::Weights), of_inputs(Role::Input)].into_iter().chain(outputs).collect()
            }
            Self::Samples { of, count, .. } => {
                let samples = Stored::Elements(of.output_elements().saturating_mul(*count));
                let output = Need::new(Role::Output, samples, "the shape is (samples, batch, outputs)");
                [of_outputs(Role::GivenMean), of_outputs(Role::GivenVariance), output].into_iter().collect()
            }
        }
    }

    pub(crate) const fn describe(&self) -> (&'static str, &'static str) {
        match self {
            Self::Forward(_) => ("DropConnect", "weights, an input and an output"),
            Self::BackwardInput(_) => {
                ("DropConnect, gradient of the input", "weights, the output's gradient and the input's")
            }
            Self::BackwardWeights(_) => {
                ("DropConnect, gradient of the weights", "an input, the output's gradient and the weights'")
            }
            Self::Moments(_) => ("moments of DropConnect", "weights, an input, a mean and a variance"),
            Self::Samples { .. } => ("samples of DropConnect", "a mean, a variance and an output"),
        }
    }

    /// Checks what the tensors say nothing of.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let of = self.of();
        match *self {
            Self::Forward(_) | Self::BackwardInput(_) | Self::BackwardWeights(_) => {
                let decisions = of.output_elements().saturating_mul(of.inputs);
                of.decisions()?.check_length(decisions)
            }
            Self::Moments(_) if of.mask.dropout_threshold() == 0 => Err(Error::InfiniteVariance),
            Self::Moments(_) => Ok(()),
            Self::Samples { first, count, .. } => {
                let last = first.saturating_add(count);
                if last > SAMPLES {
                    let remedy = "with those before the first, at most 65536: what a key has bits for";
                    return Err(Error::Number { what: "samples", value: last, remedy });
                }
                of.mask.generator().check_normals(of.mask.view().start(), of.output_elements())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dropout;

    #[test]
    fn what_does_not_go_together_is_refused() {
        let mask = Dropout::new(0.5).unwrap().mask(Key::new(1));
        let standard = Dropout::standard(0.5).unwrap().mask(Key::new(1));
        assert!(matches!(DropConnect::new(standard, 1, 1, 1), Err(Error::Kind { kind: Kind::Standard, .. })));
        let rows = mask.at(View::rows(0, 3, 5));
        assert!(matches!(DropConnect::new(rows, 1, 1, 1), Err(Error::NotContiguous { .. })));
        assert!(matches!(DropConnect::new(mask, 1 << 32, 1 << 31, 2), Err(Error::Shape { .. })));
        let last = DropConnect::new(mask.at(u64::MAX - 5), 1, 2, 3).unwrap();
        ConnectWork::Forward(last).check().unwrap();
        let one = last.with_mask_per_batch(true);
        ConnectWork::Forward(DropConnect { batch: 7, ..one }).check().unwrap();
        let past = DropConnect::new(mask.at(u64::MAX - 4), 1, 2, 3).unwrap();
        assert!(matches!(ConnectWork::BackwardInput(past).check(), Err(Error::IndexRange { .. })));
        assert!(matches!(ConnectWork::BackwardWeights(past).check(), Err(Error::IndexRange { .. })));
        ConnectWork::Moments(past).check().unwrap();
        let all = DropConnect::new(Dropout::new(1.0).unwrap().mask(Key::new(1)), 1, 2, 3).unwrap();
        assert!(matches!(ConnectWork::Moments(all).check(), Err(Error::InfiniteVariance)));
        ConnectWork::Samples { of: last, first: 65_535, count: 1 }.check().unwrap();
        let samples = ConnectWork::Samples { of: last, first: 65_535, count: 2 }.check();
        assert!(matches!(samples, Err(Error::Number { value: 65_537, .. })));
    }
}
