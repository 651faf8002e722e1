//! Passes: computations on several tensors, as values that every tier takes.

use smallvec::SmallVec;

use crate::{
    Dtype, Element, Error, drop_block::BlockWork, drop_connect::ConnectWork, fused, role::Role, samples::SamplesWork,
    softmax::SoftmaxWork, statistics::StatisticsWork, uncertainty::UncertaintyWork,
};

/// A computation, and where its tensors lie: what is to be done, whole, as a value. `P` is the kind of place, and with it
/// says which tier takes it:
///
/// | places | taken by |
/// |---|---|
/// | [`Slice`] | `Context::run_pass`, [`reference::run_pass`](crate::reference::run_pass) |
/// | `BufferRange` | `Context::submit_pass`, `Context::record_pass` |
/// | [`kernels::Tensor`](crate::kernels::Tensor) | [`kernels::PassPlan`](crate::kernels::PassPlan) |
///
/// The constructors are methods of what is computed, [`BlockMask::forward`](crate::BlockMask::forward) for one, and say
/// which tensors it takes. They check nothing; whoever runs a pass does. Elements are of one [`Dtype`] in all tensors of a
/// pass, but for those whose description says f32.
#[derive(Clone, Debug)]
#[must_use = "a pass does nothing until a context or the reference takes it"]
pub struct Pass<P> {
    pub(crate) work: Work,
    pub(crate) tensors: SmallVec<[(Role, P); 4]>,
    pub(crate) scratch: Option<P>,
}

/// What a pass computes: one variant for each member, whose file says what it means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    DropBlock(BlockWork),
    Fused(fused::Work),
    Softmax(SoftmaxWork),
    DropConnect(ConnectWork),
    Samples(SamplesWork),
    Statistics(StatisticsWork),
    Uncertainty(UncertaintyWork),
}

/// Where a tensor lies: a [`Slice`], a `BufferRange` or a [`kernels::Tensor`](crate::kernels::Tensor).
pub trait Place: sealed::Sealed {
    /// How its elements are stored.
    fn dtype(&self) -> Dtype;
    /// Bytes of all of them.
    fn bytes(&self) -> u64;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A tensor that a computation takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    pub(crate) role: Role,
    pub(crate) stored: Stored,
    pub(crate) is_optional: bool,
    /// Whether what it holds before matters, though it is written to.
    #[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "devices need to have it uploaded"))]
    pub(crate) is_updated: bool,
    /// What to do where the size is another.
    pub(crate) remedy: &'static str,
}

/// What a tensor holds, and how much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored {
    /// Elements of the pass's type.
    Elements(u64),
    /// f32, whatever the type of the others.
    F32(u64),
    /// The one or the other.
    F32OrElements(u64),
    /// 32-bit words.
    Words(u64),
}

impl Need {
    pub(crate) const fn new(role: Role, stored: Stored, remedy: &'static str) -> Self {
        Self { role, stored, is_optional: false, is_updated: false, remedy }
    }
}

/// The tensors of a computation.
pub(crate) type Needs = SmallVec<[Need; 6]>;

impl Work {
    pub(crate) fn needs(&self) -> Needs {
        match self {
            Self::DropBlock(work) => work.needs(),
            Self::Fused(work) => work.needs(),
            Self::Softmax(work) => work.needs(),
            Self::DropConnect(work) => work.needs(),
            Self::Samples(work) => work.needs(),
            Self::Statistics(work) => work.needs(),
            Self::Uncertainty(work) => work.needs(),
        }
    }

    /// What it is called in errors, and what it needs.
    const fn describe(&self) -> (&'static str, &'static str) {
        match self {
            Self::DropBlock(work) => work.describe(),
            Self::Fused(work) => work.describe(),
            Self::Softmax(work) => work.describe(),
            Self::DropConnect(work) => work.describe(),
            Self::Samples(work) => work.describe(),
            Self::Statistics(work) => work.describe(),
            Self::Uncertainty(work) => work.describe(),
        }
    }

    /// Whether an input may be the output's own range.
    pub(crate) const fn runs_in_place(&self) -> bool {
        match self {
            Self::DropBlock(_) | Self::Fused(_) | Self::Softmax(_) => true,
            Self::Statistics(work) => work.runs_in_place(),
            Self::DropConnect(_) | Self::Samples(_) | Self::Uncertainty(_) => false,
        }
    }

    /// Bytes of scratch: 0 where it needs none.
    pub(crate) fn scratch_size(&self) -> u64 {
        match self {
            Self::DropBlock(work) => work.scratch_size(),
            Self::Fused(work) => work.scratch_size(),
            Self::Softmax(_) | Self::DropConnect(_) | Self::Samples(_) | Self::Statistics(_) | Self::Uncertainty(_) => {
                0
            }
        }
    }
}

/// What the scratch, and every part of it, begins at a multiple of: what bindings need on any device.
pub(crate) const SCRATCH_ALIGNMENT: u64 = 256;

impl<P: Place> Pass<P> {
    pub(crate) fn new(work: Work) -> Self {
        Self { work, tensors: SmallVec::new(), scratch: None }
    }

    pub(crate) fn with(mut self, role: Role, place: impl Into<P>) -> Self {
        self.tensors.retain(|(other, _)| *other != role);
        self.tensors.push((role, place.into()));
        self
    }

    /// The same with scratch, where the pass needs some: at least as many bytes as the `scratch_size` of what is computed, from
    /// a multiple of 256 on, in a buffer of its own. What it holds before does not matter; passes that run one after the other
    /// can share it. On slices the context makes its own.
    pub fn with_scratch(self, scratch: impl Into<P>) -> Self {
        Self { scratch: Some(scratch.into()), ..self }
    }

    pub(crate) fn place(&self, role: Role) -> Option<&P> {
        self.tensors.iter().find_map(|(other, place)| (*other == role).then_some(place))
    }

    /// The same with other places for the same tensors.
    #[cfg(feature = "gpu")]
    pub(crate) fn map<Q>(&self, mut to: impl FnMut(&P) -> Q) -> Pass<Q> {
        Pass {
            work: self.work,
            tensors: self.tensors.iter().map(|(role, place)| (*role, to(place))).collect(),
            scratch: self.scratch.as_ref().map(to),
        }
    }

    /// Whether a tensor holds 32-bit words.
    pub(crate) fn has_words(&self, role: Role) -> bool {
        self.work.needs().iter().any(|need| need.role == role && matches!(need.stored, Stored::Words(_)))
    }

    /// Checks that the tensors are those that the computation needs, and returns the type of their elements.
    pub(crate) fn check(&self) -> Result<Dtype, Error> {
        let needs = self.work.needs();
        let (operation, text) = self.work.describe();
        let is_known = |role| needs.iter().any(|need| need.role == role);
        let is_there = |need: &Need| need.is_optional || self.place(need.role).is_some();
        if !needs.iter().all(is_there) || !self.tensors.iter().all(|(role, _)| is_known(*role)) {
            return Err(Error::Operands { operation, needs: text });
        }
        let there = || needs.iter().filter_map(|need| Some((need, self.place(need.role)?)));
        let mut of_pass = None;
        for (need, place) in there() {
            let expected = match need.stored {
                Stored::Elements(_) => *of_pass.get_or_insert(place.dtype()),
                Stored::F32(_) => Dtype::F32,
                Stored::F32OrElements(_) if place.dtype() == Dtype::F32 => Dtype::F32,
                Stored::F32OrElements(_) => of_pass.unwrap_or_default(),
                Stored::Words(_) => place.dtype(),
            };
            if place.dtype() != expected {
                return Err(Error::Dtype { input: expected, output: place.dtype() });
            }
        }
        for (need, place) in there() {
            let bytes = match need.stored {
                Stored::Elements(count) | Stored::F32OrElements(count) => count.checked_mul(place.dtype().size()),
                Stored::F32(count) | Stored::Words(count) => count.checked_mul(4),
            };
            if bytes != Some(place.bytes()) {
                return Err(Error::Size { role: need.role.name(), size: place.bytes(), remedy: need.remedy });
            }
        }
        Ok(of_pass.unwrap_or_default())
    }
}

/// A slice of the host as a tensor: of `f32`, and with the feature `half` of `half::f16` and `half::bf16`; or the 32-bit
/// words of a packed mask. What a pass writes to must be `&mut`.
#[derive(Debug)]
pub struct Slice<'a> {
    bytes: Bytes<'a>,
    dtype: Dtype,
}

#[derive(Debug)]
enum Bytes<'a> {
    Read(&'a [u8]),
    Write(&'a mut [u8]),
}

impl Slice<'_> {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Read(bytes) => bytes,
            Bytes::Write(bytes) => bytes,
        }
    }

    pub(crate) fn as_bytes_mut(&mut self) -> Result<&mut [u8], Error> {
        match &mut self.bytes {
            Bytes::Read(_) => {
                Err(Error::Operands { operation: "run a pass", needs: "a mutable slice for what it writes" })
            }
            Bytes::Write(bytes) => Ok(bytes),
        }
    }
}

impl sealed::Sealed for Slice<'_> {}

impl Place for Slice<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn bytes(&self) -> u64 {
        self.as_bytes().len() as u64
    }
}

impl<'a, T: Element> From<&'a [T]> for Slice<'a> {
    fn from(elements: &'a [T]) -> Self {
        Self { bytes: Bytes::Read(bytemuck::cast_slice(elements)), dtype: T::DTYPE }
    }
}

impl<'a, T: Element> From<&'a mut [T]> for Slice<'a> {
    fn from(elements: &'a mut [T]) -> Self {
        Self { bytes: Bytes::Write(bytemuck::cast_slice_mut(elements)), dtype: T::DTYPE }
    }
}

impl<'a, T: Element> From<&'a Vec<T>> for Slice<'a> {
    fn from(elements: &'a Vec<T>) -> Self {
        Self::from(&elements[..])
    }
}

impl<'a, T: Element> From<&'a mut Vec<T>> for Slice<'a> {
    fn from(elements: &'a mut Vec<T>) -> Self {
        Self::from(&mut elements[..])
    }
}

/// Row ids, and other words that are read.
impl<'a> From<&'a [u32]> for Slice<'a> {
    fn from(words: &'a [u32]) -> Self {
        Self { bytes: Bytes::Read(bytemuck::cast_slice(words)), dtype: Dtype::F32 }
    }
}

/// The words of a packed mask.
impl<'a> From<&'a mut [u32]> for Slice<'a> {
    fn from(words: &'a mut [u32]) -> Self {
        Self { bytes: Bytes::Write(bytemuck::cast_slice_mut(words)), dtype: Dtype::F32 }
    }
}
