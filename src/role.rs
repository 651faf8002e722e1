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
}

impl Role {
    pub(crate) const ALL: [Self; 7] =
        [Self::Input, Self::Other, Self::PackedMask, Self::RowIds, Self::Output, Self::Arguments, Self::Expected];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Arguments => "arguments",
            Self::Expected => "expected",
            Self::Input => "input",
            Self::Other => "other",
            Self::PackedMask => "packed_mask",
            Self::RowIds => "row_ids",
            Self::Output => "output",
        }
    }

    /// Whether kernels write to it.
    pub(crate) const fn is_written(self) -> bool {
        matches!(self, Self::Output | Self::Arguments)
    }
}
