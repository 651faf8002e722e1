use crate::{Error, MaskFormat, Operation};

/// The slices that an operation works on: what [`Context::run`](crate::Context) and [`reference::run`](crate::reference::run)
/// take.
#[derive(Clone, Copy, Debug)]
pub struct Slices<'a, T> {
    pub(crate) input: &'a [T],
    pub(crate) other: Option<&'a [T]>,
    pub(crate) packed_mask: Option<&'a [u32]>,
    pub(crate) row_ids: Option<&'a [u32]>,
}

impl<'a, T> Slices<'a, T> {
    /// Elements.
    pub const fn new(input: &'a [T]) -> Self {
        Self { input, other: None, packed_mask: None, row_ids: None }
    }

    /// The same with what takes the place of dropped elements: as many, for [`Operation::Select`].
    #[must_use]
    pub const fn with_other(self, other: &'a [T]) -> Self {
        Self { other: Some(other), ..self }
    }

    /// The same with a packed mask of the caller: `⌈n/32⌉` words for n elements.
    #[must_use]
    pub const fn with_packed_mask(self, words: &'a [u32]) -> Self {
        Self { packed_mask: Some(words), ..self }
    }

    /// The same with the ids of rows, one for each row of axis 0 of a [gathered](crate::Mask::gathered) mask's shape.
    #[must_use]
    pub const fn with_row_ids(self, ids: &'a [u32]) -> Self {
        Self { row_ids: Some(ids), ..self }
    }

    #[cfg(feature = "gpu")]
    pub(crate) fn after(&self, elements: usize) -> Self {
        Self {
            input: &self.input[elements..],
            other: self.other.map(|other| &other[elements..]),
            packed_mask: self.packed_mask.map(|words| &words[elements / 32..]),
            ..*self
        }
    }

    #[cfg(feature = "gpu")]
    pub(crate) fn first(&self, elements: usize) -> Self {
        let words = elements.div_ceil(32);
        Self {
            input: &self.input[..elements],
            other: self.other.map(|other| &other[..elements]),
            packed_mask: self.packed_mask.map(|mask| &mask[..words]),
            ..*self
        }
    }

    /// Checks that these are what an operation needs that gives an element for each element.
    pub(crate) fn check(&self, operation: &Operation) -> Result<(), Error> {
        let needs = |needs| Err(Error::Operands { operation: operation.name(), needs });
        match (operation, self.packed_mask, self.other) {
            (Operation::KeepMask(_), ..) => return needs("a mask as the output, which keep_mask returns"),
            (Operation::ApplyMask { .. }, Some(words), None) => check_mask_words(words, self.input.len())?,
            (Operation::Select(_), None, Some(other)) => {
                let bytes = |slice: &[T]| size_of_val(slice) as u64;
                if other.len() != self.input.len() {
                    return Err(Error::Length { input: bytes(self.input), output: bytes(other) });
                }
            }
            (Operation::Forward(_) | Operation::Backward(_), None, None) => {}
            _ => return needs(operation.needs()),
        }
        operation.check(self.input.len() as u64, self.row_ids.map(|ids| ids.len() as u64))
    }
}

/// All of the elements, and nothing else.
impl<'a, T> From<&'a [T]> for Slices<'a, T> {
    fn from(input: &'a [T]) -> Self {
        Self::new(input)
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for Slices<'a, T> {
    fn from(input: &'a [T; N]) -> Self {
        Self::new(input)
    }
}

impl<'a, T> From<&'a Vec<T>> for Slices<'a, T> {
    fn from(input: &'a Vec<T>) -> Self {
        Self::new(input)
    }
}

/// Checks that a packed mask is one of `length` elements.
fn check_mask_words(mask: &[u32], length: usize) -> Result<(), Error> {
    if mask.len() != length.div_ceil(32) {
        return Err(Error::Size { role: "mask", size: size_of_val(mask) as u64, remedy: MaskFormat::REMEDY });
    }
    Ok(())
}
