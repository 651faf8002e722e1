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
    /// What samples are made of.
    GivenMean,
    GivenVariance,
    /// Beside an output that is a mean.
    OutputVariance,
    /// Of statistics: accumulators, those of other samples, and what comes of them.
    Mean,
    M2,
    OtherMean,
    OtherM2,
    Probability,
    Entropy,
    OtherProbability,
    OtherEntropy,
    PredictiveEntropy,
    ExpectedEntropy,
    MutualInformation,
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
        Self::GivenMean,
        Self::GivenVariance,
        Self::OutputVariance,
        Self::Mean,
        Self::M2,
        Self::OtherMean,
        Self::OtherM2,
        Self::Probability,
        Self::Entropy,
        Self::OtherProbability,
        Self::OtherEntropy,
        Self::PredictiveEntropy,
        Self::ExpectedEntropy,
        Self::MutualInformation,
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
            Self::GivenMean => "mean",
            Self::GivenVariance => "variance",
            Self::OutputVariance => "output_variance",
            Self::Mean => "mean",
            Self::M2 => "m2",
            Self::OtherMean => "other_mean",
            Self::OtherM2 => "other_m2",
            Self::Probability => "probability",
            Self::Entropy => "entropy",
            Self::OtherProbability => "other_probability",
            Self::OtherEntropy => "other_entropy",
            Self::PredictiveEntropy => "predictive_entropy",
            Self::ExpectedEntropy => "expected_entropy",
            Self::MutualInformation => "mutual_information",
        }
    }

    /// Whether kernels write to it.
    pub(crate) const fn is_written(self) -> bool {
        matches!(
            self,
            Self::Output
                | Self::Arguments
                | Self::BiasGradient
                | Self::Partial
                | Self::OutputVariance
                | Self::Mean
                | Self::M2
                | Self::Probability
                | Self::Entropy
                | Self::PredictiveEntropy
                | Self::ExpectedEntropy
                | Self::MutualInformation
        )
    }
}
