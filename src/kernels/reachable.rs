//! The kernels that can be chosen, from the function that chooses.

use std::collections::BTreeSet;

use super::{
    audit::Comparison,
    kept_rows::KeptRows,
    kernel::Kernel,
    operand::{Operand, Operands},
    pass::PassPlan,
    plan::{self, KeyPlace, Plan},
    stage::Stage,
    target::Target,
};
use crate::{Dropout, Dtype, Error, Generator, Key, Kind, Mask, MaskFormat, Operation, View};

/// Kernels that a target's launches can have, in order: what [`Plan`] chooses for every type, generator, source of the key,
/// start, and place of the operands of inverted dropout; and for every kind, stride, gathered rows and another input, with
/// some of these each. Two kernels that differ in where the operands lie alone have the same fragments.
pub fn reachable(target: &Target) -> Vec<Kernel> {
    let mut kernels = BTreeSet::new();
    for scenario in scenarios() {
        let plan = scenario.operands().and_then(|operands| Plan::new(target, &operands));
        let launches = plan.and_then(|plan| plan.launches(&scenario.operation, scenario.key));
        kernels.extend(launches.into_iter().flatten().map(|launch| *launch.kernel()));
    }
    for (&generator, start) in Generator::ALL.iter().flat_map(|generator| [(generator, 0), (generator, 1)]) {
        // At a multiple of 16 bytes, and some more.
        let plan = Operands::normals(Operand::new(0, 4, 4 * LENGTH)).and_then(|operands| Plan::new(target, &operands));
        let launches = plan.and_then(|plan| plan.normals(generator, Key::new(0), start));
        kernels.extend(launches.into_iter().flatten().map(|launch| *launch.kernel()));
    }
    for scenario in scenarios() {
        if let Operation::KeepMask(mask) = scenario.operation {
            let launches = KeptRows::reachable(target, &mask, scenario.key);
            kernels.extend(launches.into_iter().flatten().map(|launch| *launch.kernel()));
        }
    }
    kernels.extend(Dtype::ALL.iter().map(|&dtype| *Comparison::reachable(target, dtype).kernel()));
    for pass in super::pass::scenarios() {
        let plan = PassPlan::new(target, &pass, KeyPlace::Parameters);
        let launches = plan.iter().flat_map(PassPlan::stages).flat_map(Stage::launches);
        kernels.extend(launches.map(|launch| *launch.kernel()));
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
    /// What takes the place of dropped elements.
    pub other: Option<Operand>,
    /// A packed mask of the caller.
    pub packed_mask: Option<Operand>,
    /// The ids of gathered rows.
    pub row_ids: Option<Operand>,
    /// Elements or a mask out.
    pub output: Operand,
    /// Of an output that is a mask.
    pub mask: Option<(MaskFormat, u64)>,
}

impl Scenario {
    fn new(operation: Operation, key: KeyPlace, dtype: Dtype, (input, output): (Operand, Operand)) -> Self {
        let row_ids = operation.mask().filter(|mask| mask.view().is_gathered());
        let row_ids = row_ids.map(|mask| Operand::new(3, 8, 4 * mask.view().row_ids()));
        Self { operation, key, dtype, input: Some(input), other: None, packed_mask: None, row_ids, output, mask: None }
    }

    fn keep_mask(mask: Mask, key: KeyPlace, format: MaskFormat, offset: u64) -> Self {
        let output = Operand::new(0, offset, format.size(LENGTH));
        let scenario = Self::new(Operation::KeepMask(mask), key, Dtype::F32, (output, output));
        Self { input: None, mask: Some((format, LENGTH)), ..scenario }
    }

    /// What the call works on.
    ///
    /// # Errors
    /// None: every scenario is a right one.
    pub fn operands(&self) -> Result<Operands, Error> {
        let mut operands = match (self.input, self.mask) {
            (_, Some((format, length))) => Operands::mask(format, length, self.output)?,
            (input, None) => Operands::values(self.dtype, input.unwrap_or(self.output), self.output)?,
        };
        if let Some(other) = self.other {
            operands = operands.with_other(other)?;
        }
        if let Some(ids) = self.row_ids {
            operands = operands.with_row_ids(ids)?;
        }
        self.packed_mask.map_or(Ok(operands), |mask| operands.with_packed_mask(mask))
    }
}

/// Calls of every kind.
pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios = inverted();
    scenarios.extend(apply_mask());
    scenarios.extend(strided());
    scenarios.extend(kinds());
    scenarios.extend(selections_of_all());
    scenarios.extend(rates());
    scenarios
}

const KEYS: [KeyPlace; 2] = [KeyPlace::Parameters, KeyPlace::Buffer { word: 0 }];

/// Inverted dropout of contiguous elements.
fn inverted() -> Vec<Scenario> {
    let mut scenarios = vec![];
    for mask in contiguous_masks() {
        for key in KEYS {
            scenarios.push(Scenario::keep_mask(mask, key, MaskFormat::Bits, 0));
            scenarios.push(Scenario::keep_mask(mask, key, MaskFormat::Bytes, 0));
            scenarios.push(Scenario::keep_mask(mask, key, MaskFormat::Bytes, 1));
            for &dtype in Dtype::ALL {
                let calls = places(dtype, LENGTH).into_iter();
                scenarios.extend(calls.map(|place| Scenario::new(Operation::Forward(mask), key, dtype, place)));
            }
        }
    }
    scenarios
}

/// Packed masks: in a buffer of their own, far away in the output's, and near to it.
fn apply_mask() -> Vec<Scenario> {
    let mut scenarios = vec![];
    for &dtype in Dtype::ALL {
        for (input, output) in places(dtype, LENGTH) {
            // In a buffer of its own, far away in the output's, and near to it.
            let after = input.offset.max(output.offset) + input.size;
            for (buffer, offset) in [
                (2, 0),
                (output.buffer, after.next_multiple_of(256) + 4096),
                (output.buffer, after.next_multiple_of(4)),
            ] {
                let operation = Operation::ApplyMask { scale: 1.0 };
                let packed_mask = Some(Operand::new(buffer, offset, MaskFormat::Bits.size(LENGTH)));
                let call = Scenario::new(operation, KeyPlace::Parameters, dtype, (input, output));
                scenarios.push(Scenario { packed_mask, ..call });
            }
        }
    }
    scenarios
}

/// Every stride, with everything else in turn.
fn strided() -> Vec<Scenario> {
    let mut scenarios = vec![];
    for view in views() {
        for &dtype in Dtype::ALL {
            let places = places(dtype, LENGTH);
            for kind in [Kind::Inverted, Kind::Gaussian] {
                let turn = scenarios.len();
                let Some((mask, key)) = in_turn(kind, turn) else { continue };
                scenarios.push(Scenario::new(
                    Operation::Forward(mask.at(view)),
                    key,
                    dtype,
                    places[turn % places.len()],
                ));
            }
            let Some((mask, key)) = in_turn(Kind::Inverted, scenarios.len()) else { continue };
            let (format, offset) = if dtype == Dtype::F32 { (MaskFormat::Bits, 0) } else { (MaskFormat::Bytes, 1) };
            scenarios.push(Scenario::keep_mask(mask.at(view), key, format, offset));
        }
    }
    scenarios
}

/// Every kind and another input, at some of the places, with everything else in turn.
fn kinds() -> Vec<Scenario> {
    let mut scenarios = vec![];
    let starts = [0, 1, 5].map(View::contiguous);
    let views: Vec<_> =
        starts.into_iter().cycle().zip(views()).flat_map(|(start, view)| [start, start, view]).collect();
    for &dtype in Dtype::ALL {
        for place @ (input, output) in places(dtype, LENGTH).into_iter().step_by(3) {
            for kind in [Kind::Standard, Kind::Alpha, Kind::Gaussian] {
                let turn = scenarios.len();
                let Some((mask, key)) = in_turn(kind, turn) else { continue };
                let operation = Operation::Forward(mask.at(views[turn % views.len()]));
                scenarios.push(Scenario::new(operation, key, dtype, place));
            }
            // In a buffer of its own, where the output is, and inside of a word when the input is not.
            for other in [Operand::new(2, 0, input.size), output, Operand::new(2, dtype.size(), input.size)] {
                let turn = scenarios.len();
                let Some((mask, key)) = in_turn(Kind::Inverted, turn) else { continue };
                let operation = Operation::Select(mask.at(views[turn % views.len()]));
                let call = Scenario::new(operation, key, dtype, place);
                scenarios.push(Scenario { other: Some(other), ..call });
            }
        }
    }
    scenarios
}

/// Selections that keep everything: copies, beside another input.
fn selections_of_all() -> Vec<Scenario> {
    let Ok(all) = Dropout::new(0.0) else { return vec![] };
    let operation = Operation::Select(all.mask(Key::new(0)));
    let of_dtype = |&dtype: &Dtype| {
        places(dtype, LENGTH).into_iter().step_by(3).map(move |place| {
            let call = Scenario::new(operation, KeyPlace::Parameters, dtype, place);
            Scenario { other: Some(Operand::new(2, 0, place.0.size)), ..call }
        })
    };
    Dtype::ALL.iter().flat_map(of_dtype).collect()
}

/// A rate beside the key: every kind, another input and masks, with everything else in turn.
fn rates() -> Vec<Scenario> {
    let key = KeyPlace::RateBuffer { word: 0 };
    let starts = [0, 1, 5].map(View::contiguous).into_iter().cycle();
    let views: Vec<_> = views().into_iter().zip(starts).flat_map(|(view, start)| [start, start, view]).collect();
    let mut scenarios = vec![];
    for &dtype in Dtype::ALL {
        let places = places(dtype, LENGTH);
        // At a multiple of 16 bytes, in place, and not at a word.
        for number in [0, 2, 8] {
            for &kind in Kind::ALL {
                let turn = scenarios.len();
                let Some(mask) = mask(kind, Generator::ALL[turn % Generator::ALL.len()]) else { continue };
                let operation = Operation::Forward(mask.at(views[turn % views.len()]));
                scenarios.push(Scenario::new(operation, key, dtype, places[number]));
            }
        }
        let turn = scenarios.len();
        let Some(mask) = mask(Kind::Inverted, Generator::ALL[turn % Generator::ALL.len()]) else { continue };
        let mask = mask.at(views[turn % views.len()]);
        let call = Scenario::new(Operation::Select(mask), key, dtype, places[0]);
        scenarios.push(Scenario { other: call.input.map(|input| Operand { buffer: 2, ..input }), ..call });
        scenarios.push(Scenario::keep_mask(mask, key, MaskFormat::Bits, 0));
        scenarios.push(Scenario::keep_mask(mask, key, MaskFormat::Bytes, 1));
    }
    scenarios
}

/// Generators, and places of the key, by turns.
fn in_turn(kind: Kind, turn: usize) -> Option<(Mask, KeyPlace)> {
    let generator = Generator::ALL[turn % Generator::ALL.len()];
    Some((mask(kind, generator)?, KEYS[turn / 2 % KEYS.len()]))
}

/// Several tiles of every kernel, and something left over.
const LENGTH: u64 = 3 * 8192 + 77;

fn mask(kind: Kind, generator: Generator) -> Option<Mask> {
    Some(Dropout::of_kind(kind, 0.5).ok()?.with_generator(generator).mask(Key::new(0)))
}

fn contiguous_masks() -> Vec<Mask> {
    let mut masks = vec![];
    for mask in Generator::ALL.iter().filter_map(|&generator| mask(Kind::Inverted, generator)) {
        masks.extend((0..8).map(|start| mask.at(start)));
        // The carry of a group's number within the elements.
        masks.extend([(1 << 35) - 8192, (1 << 35) - 8191].map(|start| mask.at(start)));
    }
    masks.extend([0.0, 1.0].iter().filter_map(|&p| Some(Dropout::new(p).ok()?.mask(Key::new(0)))));
    masks
}

/// One, two and more axes around each kind of innermost one, with and without gathered rows.
pub(super) fn views() -> Vec<View> {
    let mut views = vec![View::rows(0, 5, 7)];
    // The last begins every row at a multiple of 32.
    for (inner, extent, start, skip) in [(1, 40, 3, 7), (0, 40, 3, 7), (0, 200, 3, 7), (3, 40, 3, 7), (1, 64, 32, 64)] {
        for (shape, strides) in [
            (&[1000, extent][..], &[512, inner][..]),
            (&[20, 50, extent], &[9216, 192, inner]),
            (&[10, 2, 50, 1, extent], &[9216, 0, 192, 0, inner]),
        ] {
            let Ok(view) = View::strided(start, shape, strides) else { continue };
            // The elements are fewer than the shape has.
            views.push(view.skip(skip));
            views.extend(view.gathered().map(|view| view.skip(skip)));
        }
    }
    // Shared along the outermost axis, with one and more inside of it.
    for (shape, strides) in [(&[4, 8200][..], &[0, 1][..]), (&[4, 205, 40], &[0, 50, 1])] {
        views.extend([0, 5].iter().filter_map(|&start| Some(View::strided(start, shape, strides).ok()?.skip(0))));
    }
    views
}

/// Where input and output can lie: two buffers, in place, two ranges of one buffer far from each other and near, at a
/// multiple of 16 bytes and after it.
pub(super) fn places(dtype: Dtype, length: u64) -> Vec<(Operand, Operand)> {
    let (element, size) = (dtype.size(), length * dtype.size());
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
