//! The comparison of an audit: its bindings, its launch, and what its output says.

use super::{
    kernel::{Kernel, Program},
    operand::{Binding, Layout, Operand},
    parameters::{Numbers, Parameters, small},
    plan::Launch,
    target::Target,
};
#[cfg(feature = "gpu")]
use crate::audit::Counts;
use crate::{Dtype, role::Role};

/// Words of the output of every comparison.
#[cfg(feature = "gpu")]
pub(crate) const AUDIT_WORDS: usize = MOST_WORKGROUPS as usize * WORDS;

/// Words that a workgroup writes, as in shaders/kernel/audit.wgsl.
#[cfg(feature = "gpu")]
const WORDS: usize = 8;

/// So many keep a device busy, and their output is small.
const MOST_WORKGROUPS: u32 = 256;

const LAYOUT: Layout = Layout::of(&[(Role::Input, 0, false), (Role::Expected, 1, false), (Role::Output, 2, true)]);

/// A comparison of two ranges of elements.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    pub(crate) launch: Launch,
    /// Of the range, and of what is expected there. The third is the output.
    #[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "the host layer binds"))]
    pub(crate) bindings: [Binding; 2],
}

impl Comparison {
    /// Of `actual` with `expected`, which has as many bytes; each, widened to where bindings may start, fits one.
    /// `tolerant` where some NaN is as good as another and subnormals may have been flushed.
    pub(crate) fn new(target: &Target, dtype: Dtype, actual: &Operand, expected: &Operand, tolerant: bool) -> Self {
        let bind = |operand: &Operand| Binding::of(operand, &(0..operand.size), false, target);
        let bindings = [bind(actual), bind(expected)];
        let before = |operand: &Operand, binding: &Binding| small((operand.offset - binding.offset) / dtype.size());
        let count = small(actual.size / dtype.size());
        let kernel = Kernel::new(target, Program::Audit { dtype }, LAYOUT);
        let mut parameters = Parameters::new();
        parameters.push::<Numbers>(&[
            count,
            before(actual, &bindings[0]),
            before(expected, &bindings[1]),
            u32::from(tolerant),
        ]);
        let most = MOST_WORKGROUPS.min(target.max_workgroups_per_dimension);
        let workgroups = count.div_ceil(target.workgroup_size).clamp(1, most);
        Self { launch: Launch { chunk: 0, kernel, parameters, workgroups: [workgroups, 1, 1] }, bindings }
    }

    /// What the output says, and whether all of it is certain.
    #[cfg(feature = "gpu")]
    pub(crate) fn counts(&self, output: &[u32]) -> (Counts, bool) {
        let mut counts = Counts::default();
        let mut is_certain = true;
        for found in output.chunks_exact(WORDS).take(self.launch.workgroups()[0] as usize) {
            let &[wrong, first, unsettled, zeros, others, ..] = found else { continue };
            counts.mismatches += u64::from(wrong);
            if wrong > 0 {
                counts.first = counts.first.or(Some(first.into()));
            }
            is_certain &= unsettled == 0;
            counts.dropped += u64::from(zeros);
            counts.kept += u64::from(others);
        }
        (counts, is_certain)
    }

    pub(crate) fn reachable(target: &Target, dtype: Dtype) -> Launch {
        let range = |buffer| Operand::new(buffer, 0, 4);
        Self::new(target, dtype, &range(0), &range(1), true).launch
    }
}
