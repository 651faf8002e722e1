use crate::{
    Error, Kind, Mask, Pass, Place,
    pass::{Need, Needs, Stored, Work},
    role::Role,
};

/// Softmax and dropout in one pass, as attention has them (Vaswani et al., *Attention is all you need*, NeurIPS 2017,
/// sections 3.2.1 and 5.4): `y = dropout(softmax(x·factor))` along the last axis.
///
/// The tensors are row-major, of the shape (…, queries, keys) with any number of matrices, of f32 or 16-bit elements. The
/// decision of an element is that of its index in this shape, so that the mask is the one of dropout as a pass of its own; what
/// [view](Mask::at) the mask has says where the data lies in the whole, for shards of heads or batches.
///
/// The softmax is computed in f32 with the maximum subtracted, and within 2·10⁻⁶ of its value and 10⁻⁷ of the exact one, for
/// rows of up to 65,536 keys; dropout scales what is kept, and chooses on integers. A row that sees no keys, or nothing but
/// minus infinities, is +0; one with a NaN or a plus infinity that it sees is NaN where it is kept.
///
/// ```
/// use wgpu_dropout::{Dropout, Key, SoftmaxDropout, reference};
///
/// let mask = Dropout::new(0.1)?.mask(Key::new(42).with_layer(3));
/// let softmax = SoftmaxDropout::new(mask, 3, 4)?.with_factor(0.125).with_causal(true);
/// let scores = [1.0_f32; 2 * 3 * 4]; // two heads
/// let mut y = [0.0; 2 * 3 * 4];
/// reference::run_pass(softmax.forward(&scores[..], &mut y[..]))?;
/// // The first query sees keys 0 and 1: there is one more key than queries.
/// assert!(y[..2].iter().all(|&y| y == 0.0 || (y - 0.5 * mask.scale()).abs() < 1e-6));
/// assert_eq!(y[2..4], [0.0, 0.0]);
/// # Ok::<(), wgpu_dropout::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftmaxDropout {
    mask: Mask,
    queries: u64,
    keys: u64,
    factor: f32,
    causal: bool,
}

impl SoftmaxDropout {
    /// Of matrices with so many rows and columns. For a softmax without dropout take a mask of p = 0, or of
    /// [evaluation](crate::Dropout::with_training).
    ///
    /// # Errors
    /// [`Error::Kind`] for a mask of another kind than [`Kind::Inverted`]; [`Error::Number`] unless queries and keys
    /// are 1 to 2³¹ − 1.
    pub fn new(mask: Mask, queries: u64, keys: u64) -> Result<Self, Error> {
        if mask.kind() != Kind::Inverted {
            return Err(Error::Kind { what: "a softmax with dropout", kind: mask.kind() });
        }
        for (what, value) in [("queries of a softmax", queries), ("keys of a softmax", keys)] {
            if !(1..1 << 31).contains(&value) {
                return Err(Error::Number { what, value, remedy: "give 1 to 2147483647" });
            }
        }
        Ok(Self { mask, queries, keys, factor: 1.0, causal: false })
    }

    /// What the input is multiplied by before the softmax, 1/√(size of a head) in attention. 1 where nothing is said.
    ///
    /// # Errors
    /// None here; [`Error::Factor`] where the pass is run, for one that is not finite.
    #[must_use]
    pub const fn with_factor(self, factor: f32) -> Self {
        Self { factor, ..self }
    }

    /// Whether a query sees only the keys up to its own: key ≤ query + keys − queries, both counted from 0, so that the last
    /// query sees all keys. The others become +0.
    #[must_use]
    pub const fn with_causal(self, causal: bool) -> Self {
        Self { causal, ..self }
    }

    /// The mask.
    pub const fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Rows of a matrix.
    pub const fn queries(&self) -> u64 {
        self.queries
    }

    /// Columns of a matrix: elements of a row.
    pub const fn keys(&self) -> u64 {
        self.keys
    }

    /// What the input is multiplied by.
    pub const fn factor(&self) -> f32 {
        self.factor
    }

    /// Whether a query sees only the keys up to its own.
    pub const fn causal(&self) -> bool {
        self.causal
    }

    /// The keys that a query sees: of row `query` of a matrix those before this one.
    pub(crate) fn seen(&self, query: u64) -> u64 {
        if self.causal { (query + 1 + self.keys).saturating_sub(self.queries) } else { self.keys }
    }

    /// `output = dropout(softmax(input·factor))`. Both are of the same length: whole matrices. The same range for both means
    /// in place.
    ///
    /// # Errors
    /// When the pass is run: [`Error::Size`] for other lengths, [`Error::Factor`], [`Error::IndexRange`], [`Error::Shape`]
    /// for a mask's view of another length, [`Error::RowIds`] for a [gathered](Mask::gathered) one, [`Error::TooLarge`] for
    /// a row of more bytes than a binding, and what running any pass can say.
    pub fn forward<P: Place>(self, input: impl Into<P>, output: impl Into<P>) -> Pass<P> {
        let input = input.into();
        Pass::new(self.work(Direction::Forward, &input)).with(Role::Input, input).with(Role::Output, output)
    }

    /// The gradient of the input, from the input of [`forward`](Self::forward) and the gradient of its output:
    /// `input_gradient = factor·p·(dp − Σ p·dp)`, where p is the softmax without dropout, `dp = keep ? dy·scale : +0`, and the
    /// sum is over a row. All three are of the same length; the input gradient may take the place of either input.
    ///
    /// It takes the input, and computes p and the mask again, where others have forward write p besides its result. The output
    /// alone does not say what p is where it is dropped; p would be a second tensor to write, to keep and to read, and as 16-bit
    /// elements a rounded one. Computing it costs one more reading of the input, and no precision.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn backward<P: Place>(
        self,
        input: impl Into<P>,
        output_gradient: impl Into<P>,
        input_gradient: impl Into<P>,
    ) -> Pass<P> {
        let input = input.into();
        Pass::new(self.work(Direction::Backward, &input))
            .with(Role::Input, input)
            .with(Role::Gradient, output_gradient)
            .with(Role::Output, input_gradient)
    }

    /// The work on an input, which says how many matrices there are.
    fn work(self, direction: Direction, input: &impl Place) -> Work {
        // Both are below 2³¹.
        let matrix = self.queries * self.keys;
        let matrices = input.bytes() / input.dtype().size() / matrix;
        Work::Softmax(SoftmaxWork { softmax: self, direction, elements: matrices * matrix })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// A softmax, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SoftmaxWork {
    pub(crate) softmax: SoftmaxDropout,
    pub(crate) direction: Direction,
    /// Of whole matrices.
    pub(crate) elements: u64,
}

impl SoftmaxWork {
    pub(crate) fn needs(&self) -> Needs {
        let roles: &[Role] = match self.direction {
            Direction::Forward => &[Role::Input, Role::Output],
            Direction::Backward => &[Role::Input, Role::Gradient, Role::Output],
        };
        let remedy = "all tensors of a softmax have as many elements, whole matrices of queries × keys";
        roles.iter().map(|&role| Need::new(role, Stored::Elements(self.elements), remedy)).collect()
    }

    pub(crate) const fn describe(&self) -> (&'static str, &'static str) {
        match self.direction {
            Direction::Forward => ("softmax and dropout", "an input and an output"),
            Direction::Backward => {
                ("softmax and dropout, backward", "an input, the gradient of the output and that of the input")
            }
        }
    }

    /// Checks what is not about the tensors.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let SoftmaxDropout { mask, factor, .. } = self.softmax;
        if !factor.is_finite() {
            return Err(Error::Factor { factor });
        }
        mask.check_row_ids(None)?;
        mask.check_length(self.elements)
    }
}
