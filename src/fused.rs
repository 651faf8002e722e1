use crate::{
    Activation, Dtype, Error, Kind, Mask,
    pass::{self, Pass, Place},
    role::Role,
};

/// What stands around dropout in a network, in one pass over memory: bias, activation, dropout, row keep, residual.
///
/// For a tensor whose last axis has `columns` elements, in this order, with one rounding a line, and what is absent left out:
///
/// ```text
/// v = x + bias                        the bias is a row
/// a = activation(v)
/// e = keep ? a·scale : +0             inverted dropout: the mask
/// e = row keep ? e·row scale : +0     stochastic depth (Huang et al., ECCV 2016): a decision for every row
/// y = residual + e
/// ```
///
/// ```
/// use wgpu_dropout::{Activation, Dropout, Fused, Key, reference};
///
/// let mask = Dropout::new(0.1)?.mask(Key::new(42).with_layer(3));
/// let fused = Fused::new(mask, 4)?.with_activation(Activation::Relu);
/// let (x, bias, residual) = ([1.0_f32; 8], [0.0, 1.0, 2.0, -3.0_f32], [10.0_f32; 8]);
/// let mut y = [0.0_f32; 8];
/// reference::run_pass(fused.forward(&x[..], &mut y[..]).with_bias(&bias[..]).with_residual(&residual[..]))?;
/// assert!(y[3] == 10.0 && y[7] == 10.0); // relu(1 − 3)
/// # Ok::<(), wgpu_dropout::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fused {
    mask: Mask,
    columns: u64,
    activation: Activation,
    rows: Option<Mask>,
}

/// A pass of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Work {
    pub(crate) fused: Fused,
    pub(crate) backward: bool,
}

impl Fused {
    /// Dropout of a tensor whose last axis has `columns` elements. The mask is one of inverted dropout, with any view; in
    /// evaluation nothing is dropped or scaled.
    ///
    /// # Errors
    /// [`Error::FusedMask`] for another kind of dropout, [`Error::Number`] for no columns.
    pub fn new(mask: Mask, columns: u64) -> Result<Self, Error> {
        check_kind(&mask)?;
        if columns == 0 {
            return Err(Error::Number { what: "columns", value: 0, remedy: "the last axis has at least one element" });
        }
        Ok(Self { mask, columns, activation: Activation::None, rows: None })
    }

    /// The same with a function before dropout.
    #[must_use]
    pub const fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// The same with rows, of `columns` elements each, that are dropped as a whole: row r takes the decision with the index
    /// r, from the [start](crate::View::start) of this mask on. With a key in a buffer this mask's key differs from the one
    /// there in the bits in which the two masks' own keys differ; its p is that of the host.
    ///
    /// # Errors
    /// [`Error::FusedMask`] for the key of the elements' mask, whose decisions would be the same ones again; for another
    /// generator; for another kind than inverted dropout; and for a view of rows that do not follow each other.
    pub fn with_row_keep(self, rows: Mask) -> Result<Self, Error> {
        check_kind(&rows)?;
        let refused = |problem| Err(Error::FusedMask { problem });
        if rows.key() == self.mask.key() {
            return refused("the row keep has the key of the elements: give it one of its own, as another layer");
        }
        if rows.generator() != self.mask.generator() {
            return refused("the row keep has another generator than the elements: use one for both");
        }
        if !rows.view().is_contiguous() {
            return refused("the row keep has a view with strides: give it a start alone, the number of the first row");
        }
        Ok(Self { rows: Some(rows), ..self })
    }

    /// `y` from `x`: as many elements of the same type, whole rows; the same place for both means in place. A
    /// [bias](Pass::with_bias) and a [residual](Pass::with_residual) may be added.
    pub fn forward<P: Place>(&self, input: impl Into<P>, output: impl Into<P>) -> Pass<P> {
        Pass::new(pass::Work::Fused(Work { fused: *self, backward: false }))
            .with(Role::Input, input)
            .with(Role::Output, output)
    }

    /// The gradient of x from that of y, with every decision made again. With an activation it needs
    /// [x](Pass::with_input), and the [bias](Pass::with_bias) if there was one. The gradient of a residual is that of y.
    ///
    /// It is the steps in reverse: `g = dy·row scale`, `g = g·scale`, `dx = g·activation′(v)`, and +0 where the element or
    /// its row was dropped; relu′ is selected, `v ≤ 0 ? +0 : g`.
    pub fn backward<P: Place>(&self, gradient: impl Into<P>, output: impl Into<P>) -> Pass<P> {
        Pass::new(pass::Work::Fused(Work { fused: *self, backward: true }))
            .with(Role::Gradient, gradient)
            .with(Role::Output, output)
    }

    /// The mask of the elements.
    pub const fn mask(&self) -> Mask {
        self.mask
    }

    /// Elements of the last axis.
    pub const fn columns(&self) -> u64 {
        self.columns
    }

    /// The function before dropout.
    pub const fn activation(&self) -> Activation {
        self.activation
    }

    /// The mask of the rows.
    pub const fn row_keep(&self) -> Option<Mask> {
        self.rows
    }
}

fn check_kind(mask: &Mask) -> Result<(), Error> {
    if mask.kind() == Kind::Inverted {
        return Ok(());
    }
    Err(Error::FusedMask { problem: "it is not of inverted dropout: make it with Dropout::new" })
}

impl<P: Place> Pass<P> {
    /// A bias of a [`Fused`] pass: an element for each column, of the type of x.
    #[must_use]
    pub fn with_bias(self, bias: impl Into<P>) -> Self {
        self.with(Role::Bias, bias)
    }

    /// What the result of a forward [`Fused`] pass is added to: as x. It may be the output's own place.
    #[must_use]
    pub fn with_residual(self, residual: impl Into<P>) -> Self {
        self.with(Role::Other, residual)
    }

    /// The x of a backward [`Fused`] pass.
    #[must_use]
    pub fn with_input(self, input: impl Into<P>) -> Self {
        self.with(Role::Input, input)
    }

    /// Where a backward [`Fused`] pass writes the gradient of the bias: an element for each column, of f32 or of the type of
    /// x, the sum of the f32 gradients of x before they are rounded to their type. The same bits on every run on a device.
    #[must_use]
    pub fn with_bias_gradient(self, gradient: impl Into<P>) -> Self {
        self.with(Role::BiasGradient, gradient)
    }

    /// The ids of rows of a [gathered](Mask::gathered) mask: a `u32` for each row of axis 0 of the mask's shape.
    #[must_use]
    pub fn with_row_ids(self, ids: impl Into<P>) -> Self {
        self.with(Role::RowIds, ids)
    }
}

impl Work {
    /// The tensor that the pass begins with.
    pub(crate) const fn source(&self) -> Role {
        if self.backward { Role::Gradient } else { Role::Input }
    }

    /// The tensor of as many elements that it is combined with, if there is one.
    pub(crate) fn other<P: Place>(&self, pass: &Pass<P>) -> Option<Role> {
        let role = if self.backward { Role::Input } else { Role::Other };
        let is_used = !self.backward || self.fused.activation.is_curved();
        (is_used && pass.place(role).is_some()).then_some(role)
    }

    /// Whether a bias is looked at.
    pub(crate) fn uses_bias<P: Place>(&self, pass: &Pass<P>) -> bool {
        let is_used = !self.backward || self.fused.activation.is_curved();
        is_used && pass.place(Role::Bias).is_some()
    }

    /// The rows that are dropped as a whole, if any can be.
    pub(crate) fn rows(&self) -> Option<Mask> {
        self.fused.rows.filter(|rows| !rows.keeps_all())
    }

    /// Checks what the tensors must be of each other, and returns the type and the number of elements.
    pub(crate) fn check<P: Place>(&self, pass: &Pass<P>) -> Result<(Dtype, u64), Error> {
        let Fused { columns, mask, .. } = self.fused;
        let needs = |needs| Error::Operands { operation: if self.backward { "fused backward" } else { "fused" }, needs };
        let source = pass.place(self.source()).ok_or_else(|| needs("a tensor to begin with"))?;
        let output = pass.place(Role::Output).ok_or_else(|| needs("an output"))?;
        if self.backward && pass.place(Role::Other).is_some() {
            return Err(needs("no residual: its gradient is that of the output"));
        }
        if !self.backward && pass.place(Role::BiasGradient).is_some() {
            return Err(needs("no gradient of the bias, which the backward pass gives"));
        }
        if self.backward && self.fused.activation.is_curved() && pass.place(Role::Input).is_none() {
            return Err(needs("the x of the forward pass (Pass::with_input), because there is an activation"));
        }
        let dtype = output.dtype();
        for role in [self.source(), Role::Other, Role::Input, Role::Bias] {
            let Some(place) = pass.place(role) else { continue };
            if place.dtype() != dtype {
                return Err(Error::Dtype { input: place.dtype(), output: dtype });
            }
            if role != Role::Bias && place.bytes() != output.bytes() {
                return Err(Error::Length { input: place.bytes(), output: output.bytes() });
            }
        }
        let is_row = |place: &P| place.bytes() == columns.saturating_mul(place.dtype().size());
        if let Some(bias) = pass.place(Role::Bias).filter(|bias| !is_row(bias)) {
            return Err(Error::Size { role: "bias", size: bias.bytes(), remedy: "it has an element for each column" });
        }
        if let Some(gradient) = pass.place(Role::BiasGradient) {
            if ![Dtype::F32, dtype].contains(&gradient.dtype()) {
                return Err(Error::Dtype { input: dtype, output: gradient.dtype() });
            }
            if !is_row(gradient) {
                let remedy = "it has an element for each column";
                return Err(Error::Size { role: "bias gradient", size: gradient.bytes(), remedy });
            }
        }
        let elements = source.bytes() / dtype.size();
        if !elements.is_multiple_of(columns) {
            return Err(Error::Columns { elements, columns });
        }
        mask.check_length(elements)?;
        mask.check_row_ids(pass.place(Role::RowIds).map(|ids| ids.bytes() / 4))?;
        if let Some(rows) = self.fused.rows {
            rows.check_length(elements / columns)?;
        }
        Ok((dtype, elements))
    }
}
