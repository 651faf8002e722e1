//! Every kernel that can be chosen, from the function that chooses.

use std::collections::BTreeSet;

use super::{
    kernel::Kernel,
    operand::{Operand, Operands},
    plan::{self, KeyPlace, Plan},
    target::Target,
};
use crate::{Dropout, Dtype, Error, Generator, Key, Mask, MaskFormat, Operation, View};

/// The kernels that a target's launches can have, in order: what [`Plan`] chooses for every operation, type, generator,
/// source of the key, view, start, and place of the operands.
pub fn reachable(target: &Target) -> Vec<Kernel> {
    let mut kernels = BTreeSet::new();
    for scenario in scenarios() {
        let plan = scenario.operands().and_then(|operands| Plan::new(target, &operands));
        let launches = plan.and_then(|plan| plan.launches(&scenario.operation, scenario.key));
        kernels.extend(launches.into_iter().flatten().map(|launch| *launch.kernel()));
    }
    kernels.insert(*plan::advance_key(target, 0, 1).kernel());
    kernels.insert(*plan::probe_f16(target).kernel());
    kernels.extend(Generator::ALL.iter().map(|&generator| *plan::random_blocks(target, generator, 1).kernel()));
    kernels.into_iter().collect()
}

/// A call. Together, [`scenarios`] choose every kernel.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What is computed.
    pub operation: Operation,
    /// Where the key is.
    pub key: KeyPlace,
    /// Of the elements.
    pub dtype: Dtype,
    /// Elements in.
    pub input: Option<Operand>,
    /// A packed mask of the caller.
    pub packed_mask: Option<Operand>,
    /// Elements or a mask out.
    pub output: Operand,
    /// Of an output that is a mask.
    pub mask: Option<(MaskFormat, u64)>,
}

impl Scenario {
    /// What the call works on.
    ///
    /// # Errors
    /// None: every scenario is a right one.
    pub fn operands(&self) -> Result<Operands, Error> {
        let operands = match (self.input, self.mask) {
            (_, Some((format, length))) => Operands::mask(format, length, self.output)?,
            (input, None) => Operands::values(self.dtype, input.unwrap_or(self.output), self.output)?,
        };
        self.packed_mask.map_or(Ok(operands), |mask| operands.with_packed_mask(mask))
    }
}

/// Calls of every kind.
pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios = vec![];
    for mask in masks() {
        for key in [KeyPlace::Parameters, KeyPlace::Buffer { word: 0 }] {
            for (format, offset) in [(MaskFormat::Bits, 0), (MaskFormat::Bytes, 0), (MaskFormat::Bytes, 1)] {
                scenarios.push(Scenario {
                    operation: Operation::KeepMask(mask),
                    key,
                    dtype: Dtype::F32,
                    input: None,
                    packed_mask: None,
                    output: Operand::new(0, offset, format.size(LENGTH)),
                    mask: Some((format, LENGTH)),
                });
            }
            for &dtype in Dtype::ALL {
                scenarios.extend(places(dtype).into_iter().map(|(input, output)| Scenario {
                    operation: Operation::Forward(mask),
                    key,
                    dtype,
                    input: Some(input),
                    packed_mask: None,
                    output,
                    mask: None,
                }));
            }
        }
    }
    for &dtype in Dtype::ALL {
        for (input, output) in places(dtype) {
            // In a buffer of its own, far away in the output's, and near to it.
            let after = input.offset.max(output.offset) + input.size;
            for (buffer, offset) in [
                (2, 0),
                (output.buffer, after.next_multiple_of(256) + 4096),
                (output.buffer, after.next_multiple_of(4)),
            ] {
                scenarios.push(Scenario {
                    operation: Operation::ApplyMask { scale: 1.0 },
                    key: KeyPlace::Parameters,
                    dtype,
                    input: Some(input),
                    packed_mask: Some(Operand::new(buffer, offset, MaskFormat::Bits.size(LENGTH))),
                    output,
                    mask: None,
                });
            }
        }
    }
    scenarios
}
/// Several tiles of every kernel, and something left over.
const LENGTH: u64 = 3 * 8192 + 77;

fn masks() -> Vec<Mask> {
    let mut masks = vec![];
    for &generator in Generator::ALL {
        let mask = Dropout::new(0.5).map(|dropout| dropout.with_generator(generator).mask(Key::new(0)));
        let Ok(mask) = mask else { continue };
        masks.extend((0..8).map(|start| mask.at(start)));
        // The carry of a group's number within the elements.
        masks.extend([(1 << 35) - 8192, (1 << 35) - 8191].map(|start| mask.at(start)));
        masks.push(mask.at(View::rows(0, 5, 7)));
    }
    masks.extend(Dropout::new(0.0).map(|dropout| dropout.mask(Key::new(0))));
    masks
}

/// Where input and output can lie: two buffers, in place, two ranges of one buffer far from each other and near, at a
/// multiple of 16 bytes and after it.
fn places(dtype: Dtype) -> Vec<(Operand, Operand)> {
    let (element, size) = (dtype.size(), LENGTH * dtype.size());
    let far = (size + 4096).next_multiple_of(256);
    let mut places = vec![];
    for before in [0, 1, 2, 3] {
        let shifted = before * element;
        places.extend([
            (Operand::new(0, 0, size), Operand::new(1, shifted, size)),
            (Operand::new(0, shifted, size), Operand::new(1, 0, size)),
            (Operand::new(0, shifted, size), Operand::new(0, shifted, size)),
            (Operand::new(0, 0, size), Operand::new(0, far + shifted, size)),
            (Operand::new(0, far + shifted, size), Operand::new(0, 0, size)),
            (Operand::new(0, 0, size), Operand::new(0, size.next_multiple_of(16) + shifted, size)),
            (Operand::new(0, size.next_multiple_of(16) + shifted, size), Operand::new(0, 0, size)),
        ]);
    }
    places
}
