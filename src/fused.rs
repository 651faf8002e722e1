use crate::{
    Activation, Error, Kind, Mask,
    pass::{self, Need, Needs, Pass, Place, SCRATCH_ALIGNMENT, Stored},
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
    pub(crate) elements: u64,
    /// Whether the gradient of the bias is computed too.
    pub(crate) sums_columns: bool,
}

impl Fused {
    /// Dropout of a tensor whose last axis has `columns` elements. The mask is one of inverted dropout, with any view; in
    /// evaluation nothing is dropped or scaled.
    ///
    /// # Errors
    /// [`Error::Kind`] for another kind of dropout, [`Error::Number`] for no columns.
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
    /// [`Error::RowKeep`] for the key of the elements' mask, whose decisions would be the same ones again; for another
    /// generator; and for a view of rows that do not follow each other. [`Error::Kind`] for another kind than inverted dropout.
    pub fn with_row_keep(self, rows: Mask) -> Result<Self, Error> {
        check_kind(&rows)?;
        let refused = |problem| Err(Error::RowKeep { problem });
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
        let (input, output) = (input.into(), output.into());
        Pass::new(Work::of(*self, false, elements(&input))).with(Role::Input, input).with(Role::Output, output)
    }

    /// The gradient of x from that of y, with every decision made again. With an activation it needs
    /// [x](Pass::with_input), and the [bias](Pass::with_bias) if there was one. The gradient of a residual is that of y.
    ///
    /// It is the steps in reverse: `g = dy·row scale`, `g = g·scale`, `dx = g·activation′(v)`, and +0 where the element or
    /// its row was dropped; relu′ is selected, `v ≤ 0 ? +0 : g`.
    pub fn backward<P: Place>(&self, gradient: impl Into<P>, output: impl Into<P>) -> Pass<P> {
        let (gradient, output) = (gradient.into(), output.into());
        Pass::new(Work::of(*self, true, elements(&gradient))).with(Role::Gradient, gradient).with(Role::Output, output)
    }

    /// Bytes of scratch for a backward pass over so many elements that gives the gradient of the bias: sums of columns, for
    /// every few rows. Other passes need none.
    pub fn scratch_size(&self, elements: u64) -> u64 {
        Scratch::new(elements, self.columns).size
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

fn elements(place: &impl Place) -> u64 {
    place.bytes() / place.dtype().size()
}

/// Rows whose sum one invocation takes.
pub(crate) const ROWS_EACH: u64 = 32;

/// Sums of which one more is taken at a time, where there are many.
pub(crate) const SUMS_EACH: u64 = 64;

/// Where sums of columns lie in the scratch of a pass: rows of f32, first one for every few rows of the tensor, then fewer
/// and fewer, in the two regions by turns.
pub(crate) struct Scratch {
    pub(crate) regions: [u64; 2],
    pub(crate) size: u64,
}

impl Scratch {
    pub(crate) fn new(elements: u64, columns: u64) -> Self {
        let bytes = |rows: u64| rows.saturating_mul(columns).saturating_mul(4).saturating_add(SCRATCH_ALIGNMENT);
        let aligned = |bytes: u64| bytes - bytes % SCRATCH_ALIGNMENT;
        let first = (elements / columns).div_ceil(ROWS_EACH);
        let second = aligned(bytes(first));
        Self { regions: [0, second], size: second.saturating_add(aligned(bytes(first.div_ceil(SUMS_EACH)))) }
    }
}

fn check_kind(mask: &Mask) -> Result<(), Error> {
    if mask.kind() == Kind::Inverted {
        return Ok(());
    }
    Err(Error::Kind { what: "a fused pass", kind: mask.kind() })
}

impl<P: Place> Pass<P> {
    /// A bias of a [`Fused`] pass: an element for each column, of the type of x.
    pub fn with_bias(self, bias: impl Into<P>) -> Self {
        self.with(Role::Bias, bias)
    }

    /// What the result of a forward [`Fused`] pass is added to: as x. It may be the output's own place.
    pub fn with_residual(self, residual: impl Into<P>) -> Self {
        self.with(Role::Other, residual)
    }

    /// The x of a backward [`Fused`] pass.
    pub fn with_input(self, input: impl Into<P>) -> Self {
        self.with(Role::Input, input)
    }

    /// Where a backward [`Fused`] pass writes the gradient of the bias: an element for each column, of f32 or of the type of
    /// x, the sum of the f32 gradients of x before they are rounded to their type. The same bits on every run on a device. It
    /// takes [scratch](Self::with_scratch) of [`Fused::scratch_size`].
    pub fn with_bias_gradient(self, gradient: impl Into<P>) -> Self {
        let mut pass = self.with(Role::BiasGradient, gradient);
        if let pass::Work::Fused(work) = &mut pass.work {
            work.sums_columns = work.backward;
        }
        pass
    }

    /// The ids of rows of a [gathered](Mask::gathered) mask: a `u32` for each row of axis 0 of the mask's shape.
    pub fn with_row_ids(self, ids: impl Into<P>) -> Self {
        self.with(Role::RowIds, ids)
    }
}

impl Work {
    const fn of(fused: Fused, backward: bool, elements: u64) -> pass::Work {
        pass::Work::Fused(Self { fused, backward, elements, sums_columns: false })
    }

    pub(crate) fn needs(&self) -> Needs {
        const AS_MANY: &str = "it must have as many elements as the tensor that the pass begins with";
        const ROW: &str = "it has an element for each column";
        let optional = |need: Need| Need { is_optional: true, ..need };
        let (elements, row) = (Stored::Elements(self.elements), Stored::Elements(self.fused.columns));
        let mut needs = Needs::new();
        needs.push(Need::new(if self.backward { Role::Gradient } else { Role::Input }, elements, AS_MANY));
        needs.push(Need::new(Role::Output, elements, AS_MANY));
        needs.push(optional(Need::new(Role::Bias, row, ROW)));
        if self.backward {
            let x = Need::new(Role::Input, elements, AS_MANY);
            needs.push(Need { is_optional: !self.fused.activation.is_curved(), ..x });
            needs.push(optional(Need::new(Role::BiasGradient, Stored::F32OrElements(self.fused.columns), ROW)));
        } else {
            needs.push(optional(Need::new(Role::Other, elements, AS_MANY)));
        }
        if self.fused.mask.view().is_gathered() {
            let ids = Stored::Words(self.fused.mask.view().row_ids());
            needs.push(Need::new(Role::RowIds, ids, "there is an id for each row of axis 0 of the mask's shape"));
        }
        needs
    }

    pub(crate) const fn describe(&self) -> (&'static str, &'static str) {
        match (self.backward, self.fused.activation.is_curved()) {
            (false, _) => {
                ("fused", "an input and an output; a bias, a residual, and the ids of gathered rows if there are some")
            }
            (true, false) => {
                ("fused backward", "a gradient and an output; row ids if the mask is gathered; no residual")
            }
            (true, true) => (
                "fused backward",
                "a gradient, an output and, because there is an activation, the x of the forward pass (Pass::with_input); row \
                 ids if the mask is gathered; no residual",
            ),
        }
    }

    pub(crate) fn scratch_size(&self) -> u64 {
        if self.sums_columns { self.fused.scratch_size(self.elements) } else { 0 }
    }

    /// Whether bias and x are looked at.
    pub(crate) const fn needs_argument(&self) -> bool {
        !self.backward || self.fused.activation.is_curved()
    }

    /// The rows that are dropped as a whole, if any can be.
    pub(crate) fn rows(&self) -> Option<Mask> {
        self.fused.rows.filter(|rows| !rows.keeps_all())
    }

    /// Checks the elements against rows and masks.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Fused { columns, mask, rows, .. } = self.fused;
        if !self.elements.is_multiple_of(columns) {
            return Err(Error::Columns { elements: self.elements, columns });
        }
        mask.check_length(self.elements)?;
        rows.map_or(Ok(()), |rows| rows.check_length(self.elements / columns))
    }
}
