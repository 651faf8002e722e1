//! What a tensor is to a computation.

/// The name is the one that errors and WGSL have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Input,
    Other,
    PackedMask,
    RowIds,
    Output,
    /// Of kept rows: what an indirect dispatch over them takes.
    Arguments,
    /// Of an audit: what the input is compared with.
    Expected,
    /// A row that is added to every row.
    Bias,
    /// The gradient of an output.
    Gradient,
    BiasGradient,
    /// Numbers of a row each, of which there are several.
    Partial,
    Weights,
    Mean,
    Variance,
    /// Beside an output that is a mean.
    OutputVariance,
}

impl Role {
    pub(crate) const ALL: &[Self] = &[
        Self::Input,
        Self::Other,
        Self::PackedMask,
        Self::RowIds,
        Self::Output,
        Self::Arguments,
        Self::Expected,
        Self::Bias,
        Self::Gradient,
        Self::BiasGradient,
        Self::Partial,
        Self::Weights,
        Self::Mean,
        Self::Variance,
        Self::OutputVariance,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Arguments => "arguments",
            Self::Expected => "expected",
            Self::Bias => "bias",
            Self::Gradient => "gradient",
            Self::BiasGradient => "bias_gradient",
            Self::Partial => "partial",
            Self::Input => "input",
            Self::Other => "other",
            Self::PackedMask => "packed_mask",
            Self::RowIds => "row_ids",
            Self::Output => "output",
            Self::Weights => "weights",
            Self::Mean => "mean",
            Self::Variance => "variance",
            Self::OutputVariance => "output_variance",
        }
    }

    /// Whether kernels write to it.
    pub(crate) const fn is_written(self) -> bool {
        matches!(self, Self::Output | Self::Arguments | Self::BiasGradient | Self::Partial | Self::OutputVariance)
    }
}
