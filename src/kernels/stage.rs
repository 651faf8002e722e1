//! Stages: launches that take the same places, in order.

use smallvec::SmallVec;

use super::{
    operand::{Binding, Layout, Operand},
    plan::{Launch, Launches, Plan},
};

/// Some launches of a pass, and the bindings of group 0 for each of their chunks. Stages run in order.
#[derive(Clone, Debug)]
pub struct Stage {
    pub(crate) chunks: Vec<(SmallVec<[Binding; 4]>, Layout)>,
    pub(crate) launches: Launches,
    /// What kernels that read a scale from a buffer read it from.
    pub(crate) scale: Option<Operand>,
}

impl Stage {
    /// Nothing yet.
    pub(super) fn none() -> Self {
        Self { chunks: vec![], launches: Launches::new(), scale: None }
    }

    pub(super) fn of(plan: &Plan, launches: Launches) -> Self {
        let chunk = |chunk| (SmallVec::from_slice(plan.bindings(chunk)), plan.layout(chunk));
        Self { chunks: (0..plan.chunks()).map(chunk).collect(), launches, scale: None }
    }

    /// The launches, in order.
    pub fn launches(&self) -> &[Launch] {
        &self.launches
    }

    /// The bindings of a chunk: those of group 0, in order. Buffers have the numbers of the pass's tensors.
    pub fn bindings(&self, chunk: usize) -> &[Binding] {
        &self.chunks[chunk].0
    }

    /// Where the scale lies that the launches read from a buffer: [`Kernel::key_binding`](super::Kernel::key_binding) says at
    /// which binding.
    pub const fn scale(&self) -> Option<&Operand> {
        self.scale.as_ref()
    }
}
