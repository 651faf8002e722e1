//! Statistics over Monte Carlo samples, and the samples themselves, as launches.
//!
//! Accumulators are f32 and of the size of one sample. A pass over samples splits them into chunks that can be bound: into
//! parts of the rows where even one sample is too large, and into groups of samples where not all of them can be bound.

use std::ops::Range;

use super::{
    kernel::{Kernel, Program, Storage},
    operand::{Bindings, Operand, Operands, Tensor, bind_parts},
    parameters::{Accumulation, Parameters, byte, small},
    plan::{KeyPlace, Launch, Launches, Plan},
    stage::Stage,
    target::{F16Conversion, Schedule, Target},
};
use crate::{
    Dtype, Error, Operation, Pass, Statistics, Uncertainty,
    role::Role,
    samples::SamplesWork,
    statistics::{StatisticsStep, StatisticsWork, Weights},
    uncertainty::{UncertaintyStep, UncertaintyWork},
};

/// A kernel over accumulators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Accumulate {
    /// With so many neighbouring elements to an invocation: see [`Self::widened`].
    Moments(Storage, u8),
    MergeMoments,
    MergeMeans,
    Variance,
    /// Of so many pairs of classes, and with so many rows to an invocation: see [`Self::widened`].
    FewClasses(Storage, u8, u8),
    /// With so many invocations to a row.
    ManyClasses(Storage, u8),
    PredictiveEntropy(u8),
    MutualInformation,
}

/// Classes that an invocation holds in registers.
const FEW: u64 = 32;

/// Classes that a row can have: with more, an invocation would take more steps than some drivers let it.
const MOST_CLASSES: u64 = 1 << 22;

/// Steps of all loops that an invocation takes in a launch: Mesa's drivers for processors end every loop after 65,535 without a
/// word, and operating systems end what takes a second or two.
const STEPS_PER_LAUNCH: u64 = 1 << 15;

impl Accumulate {
    pub(super) const fn fragment(self) -> &'static str {
        match self {
            Self::Moments(..) => "statistics/moments",
            Self::MergeMoments => "statistics/merge_moments",
            Self::MergeMeans => "statistics/merge_means",
            Self::Variance => "statistics/variance",
            Self::FewClasses(..) => "statistics/few_classes",
            Self::ManyClasses(..) => "statistics/many_classes",
            Self::PredictiveEntropy(_) => "statistics/predictive_entropy",
            Self::MutualInformation => "statistics/mutual_information",
        }
    }

    /// The fragment that fills a role.
    pub(super) fn role(self, role: &str) -> Option<&'static str> {
        let storage = match self {
            Self::Moments(storage, _) | Self::FewClasses(storage, ..) | Self::ManyClasses(storage, _) => storage,
            _ => return None,
        };
        match (role, storage) {
            ("class_rows", _) if matches!(self, Self::FewClasses(_, _, 1)) => Some("statistics/rows_one"),
            ("class_rows", _) => Some("statistics/rows_two"),
            ("unit", _) if matches!(self, Self::Moments(_, 1)) => Some("statistics/unit_one"),
            ("unit", _) => Some("statistics/unit_four"),
            ("four_values", Storage::F32) => Some("statistics/four_f32"),
            ("four_values", _) => Some("statistics/four_halves"),
            ("value", Storage::F32) => Some("statistics/value_f32"),
            ("value", _) => Some("statistics/value_halves"),
            ("format", Storage::Bf16) => Some("storage/bf16"),
            ("format", Storage::F16(_)) => Some("storage/f16"),
            _ => None,
        }
    }

    /// The same with as many elements to an invocation as a launch of so many rows lets it have, where the distance of samples
    /// and the operands' places are multiples of so many elements.
    fn widened(self, target: &Target, rows: u64, classes: u64, places: &[u64]) -> Self {
        let all = |by: u64| places.iter().all(|place| place.is_multiple_of(by));
        let is_cpu = target.schedule == Schedule::Blocked;
        match self {
            // A CPU remembers where few pages are, and every sample is in one of its own: there more of each is read at a time.
            Self::Moments(storage, _) if is_cpu && rows.is_multiple_of(16) && all(16) => Self::Moments(storage, 16),
            Self::Moments(storage, _) if rows.is_multiple_of(4) && all(4) => Self::Moments(storage, 4),
            // A load costs a CPU's driver much, and hardly more for four elements. GPUs have the rows of neighbours in a cache.
            Self::FewClasses(storage, pairs, _)
                if is_cpu && rows.is_multiple_of(2) && classes.is_multiple_of(2) && all(4) =>
            {
                Self::FewClasses(storage, pairs, 2)
            }
            _ => self,
        }
    }

    /// Whether it accesses an operand four words at a time.
    pub(super) fn by_quads(self, role: Role) -> bool {
        match self {
            Self::Moments(storage, 4..) => role != Role::Input || storage == Storage::F32,
            Self::FewClasses(storage, _, 2) => match role {
                Role::Input => storage == Storage::F32,
                _ => role == Role::Probability,
            },
            _ => false,
        }
    }

    pub(super) fn constants(self, workgroup_size: u32) -> Vec<(&'static str, String)> {
        match self {
            Self::Moments(_, by) => vec![("UNITS", format!("{}u", by.div_ceil(4)))],
            Self::FewClasses(_, pairs, _) => vec![("PAIRS", format!("{pairs}u"))],
            Self::ManyClasses(_, lanes) | Self::PredictiveEntropy(lanes) => {
                let rows = workgroup_size / u32::from(lanes);
                vec![("LANES", format!("{lanes}u")), ("ROWS_PER_WORKGROUP", format!("{rows}u"))]
            }
            _ => vec![],
        }
    }

    /// Elements of an accumulator, or rows, that a workgroup handles.
    fn per_workgroup(self, target: &Target) -> u64 {
        let size = target.workgroup_size;
        u64::from(match self {
            Self::Moments(_, by) | Self::FewClasses(_, _, by) => u32::from(by) * size,
            Self::ManyClasses(_, lanes) | Self::PredictiveEntropy(lanes) => size / u32::from(lanes),
            _ => size,
        })
    }

    /// Samples that a launch goes through.
    fn samples_per_launch(self, target: &Target, classes: u64) -> u64 {
        let most = (STEPS_PER_LAUNCH / self.steps(classes)).max(1);
        match self {
            // For the pages again. Between launches nothing is rounded that would not be anyway.
            Self::FewClasses(..) if target.schedule == Schedule::Blocked => most.min(16),
            _ => most,
        }
    }

    /// Steps of its loops for a sample, and not fewer.
    fn steps(self, classes: u64) -> u64 {
        match self {
            // One row's. With two, a launch has 16 samples at most.
            Self::FewClasses(_, pairs, _) => 8 + 4 * u64::from(pairs),
            Self::ManyClasses(_, lanes) => {
                let lanes = u64::from(lanes);
                8 + 2 * lanes + 3 * classes.div_ceil(4 * lanes) + 2 * classes.div_ceil(256 * lanes)
            }
            // Fewer samples than could be, because rounding errors of sums grow with what was added to.
            Self::Moments(..) => 8,
            _ => 1,
        }
    }
}

/// Invocations that share a row of classes.
fn lanes(target: &Target, classes: u64) -> u8 {
    let wanted = match classes {
        0..=FEW => 1,
        _ if classes <= 4096 => 16,
        _ => 64,
    };
    byte(target.workgroup_size.min(wanted).into())
}

/// What it does, and to what type.
impl std::fmt::Display for Accumulate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Moments(storage, by) => write!(f, "moments {storage}, by {by}"),
            Self::MergeMoments => f.write_str("merge moments"),
            Self::MergeMeans => f.write_str("merge means"),
            Self::Variance => f.write_str("variance"),
            Self::FewClasses(storage, pairs, rows) => {
                write!(f, "uncertainty {storage}, {pairs} pairs of classes, {rows} rows")
            }
            Self::ManyClasses(storage, lanes) => write!(f, "uncertainty {storage}, {lanes} invocations a row"),
            Self::PredictiveEntropy(lanes) => write!(f, "predictive entropy, {lanes} invocations a row"),
            Self::MutualInformation => f.write_str("mutual information"),
        }
    }
}

/// The stages of a pass of [`Statistics`].
pub(super) fn statistics_stages(
    target: &Target,
    work: &StatisticsWork,
    pass: &Pass<Tensor>,
) -> Result<Vec<Stage>, Error> {
    work.check()?;
    let (elements, count) = (work.statistics.elements(), work.statistics.count());
    let operand = |role| pass.place(role).map(|tensor| tensor.operand);
    let accumulators = |roles: &[(Role, Role)]| -> Vec<Part> {
        let parts = roles.iter().filter_map(|&(role, given)| Some(Part::new(role, operand(given)?, 1)));
        parts.collect()
    };
    let mut call = Call { target, rows: elements, classes: 1, stages: vec![] };
    match work.step {
        StatisticsStep::Update { samples } => {
            let Some(input) = pass.place(Role::Input) else { unreachable!("checked") };
            let step = Accumulate::Moments(storage(input.dtype), 1);
            let parts = accumulators(&[(Role::Mean, Role::Mean), (Role::M2, Role::M2)]);
            call.update(step, *input, &parts, samples, count)?;
        }
        StatisticsStep::Merge { other_count } => {
            let parts = accumulators(&[
                (Role::Mean, Role::Mean),
                (Role::M2, Role::M2),
                (Role::OtherMean, Role::OtherMean),
                (Role::OtherM2, Role::OtherM2),
            ]);
            if other_count > 0 {
                call.each_row(Accumulate::MergeMoments, &parts, &Weights::of(count, other_count))?;
            }
        }
        StatisticsStep::Variance => {
            let parts = accumulators(&[(Role::Output, Role::Output), (Role::Input, Role::Input)]);
            let weights = Weights { earlier: count as f64, new: 1.0 / count as f64, distance: 0.0 };
            call.each_row(Accumulate::Variance, &parts, &weights)?;
        }
    }
    Ok(call.stages)
}

/// The stages of a pass of [`Uncertainty`].
pub(super) fn uncertainty_stages(
    target: &Target,
    work: &UncertaintyWork,
    pass: &Pass<Tensor>,
) -> Result<Vec<Stage>, Error> {
    let (rows, classes, count) = (work.uncertainty.rows(), work.uncertainty.classes(), work.uncertainty.count());
    let part = |role, given, each| pass.place(given).map(|tensor| Part::new(role, tensor.operand, each));
    if classes > MOST_CLASSES && !matches!(work.step, UncertaintyStep::Merge { .. }) {
        return Err(Error::TooLarge { bytes: classes * 4, limit: MOST_CLASSES * 4, what: "a row of classes" });
    }
    let mut call = Call { target, rows, classes, stages: vec![] };
    match work.step {
        UncertaintyStep::Update { samples } => {
            let Some(input) = pass.place(Role::Input) else { unreachable!("checked") };
            let storage = storage(input.dtype);
            let step = match u8::try_from(classes.div_ceil(2)) {
                Ok(pairs) if classes <= FEW => Accumulate::FewClasses(storage, pairs, 1),
                _ => Accumulate::ManyClasses(storage, lanes(target, classes)),
            };
            let parts = [part(Role::Probability, Role::Probability, classes), part(Role::Entropy, Role::Entropy, 1)];
            call.update(step, *input, &parts.into_iter().flatten().collect::<Vec<_>>(), samples, count)?;
        }
        UncertaintyStep::Merge { other_count } if other_count > 0 => {
            let weights = Weights::of(count, other_count);
            for (own, other, each) in
                [(Role::Probability, Role::OtherProbability, classes), (Role::Entropy, Role::OtherEntropy, 1)]
            {
                let parts = [part(Role::Mean, own, 1), part(Role::OtherMean, other, 1)];
                let mut means = Call { target, rows: rows * each, classes: 1, stages: vec![] };
                let parts: Vec<_> = parts.into_iter().flatten().collect();
                means.each_row(Accumulate::MergeMeans, &parts, &weights)?;
                call.stages.append(&mut means.stages);
            }
        }
        UncertaintyStep::Merge { .. } => {}
        UncertaintyStep::Finish => {
            let parts =
                [part(Role::PredictiveEntropy, Role::PredictiveEntropy, 1), part(Role::Input, Role::Input, classes)];
            let weights = Weights::of(0, 1);
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            call.each_row(Accumulate::PredictiveEntropy(lanes(target, classes)), &parts, &weights)?;
            let of_rows = [
                (Role::PredictiveEntropy, Role::PredictiveEntropy),
                (Role::ExpectedEntropy, Role::ExpectedEntropy),
                (Role::Other, Role::Other),
                (Role::MutualInformation, Role::MutualInformation),
            ];
            let parts: Vec<_> = of_rows.into_iter().filter_map(|(role, given)| part(role, given, 1)).collect();
            call.each_row(Accumulate::MutualInformation, &parts, &weights)?;
        }
    }
    Ok(call.stages)
}

/// The stages that draw samples: those of the elementwise operation, for each into its own part of the output.
pub(super) fn samples_stages(
    target: &Target,
    work: &SamplesWork,
    pass: &Pass<Tensor>,
    key: KeyPlace,
) -> Result<Vec<Stage>, Error> {
    if key != KeyPlace::Parameters {
        let needs = "the key of the mask, not one in a buffer: every sample has a key of its own";
        return Err(Error::Operands { operation: "samples of dropout", needs });
    }
    let Some((input, output)) = pass.place(Role::Input).zip(pass.place(Role::Output)) else { unreachable!("checked") };
    let mut stages = vec![];
    let mut offset = output.operand.offset;
    for mask in work.masks() {
        let output = Operand { offset, size: input.operand.size, ..output.operand };
        let mut operands = Operands::values(input.dtype, input.operand, output)?;
        if let Some(ids) = pass.place(Role::RowIds) {
            operands = operands.with_row_ids(ids.operand)?;
        }
        let plan = Plan::new(target, &operands)?;
        let launches = plan.launches(&Operation::Forward(mask), key)?;
        stages.push(Stage::of(&plan, launches));
        offset += output.size;
    }
    Ok(stages)
}

/// 16-bit floats are only widened, which integers do as well as anything.
const fn storage(dtype: Dtype) -> Storage {
    Storage::new(dtype, F16Conversion::Integer)
}

/// An operand of f32 whose words belong to rows.
#[derive(Clone, Copy)]
struct Part {
    role: Role,
    operand: Operand,
    words_per_row: u64,
}

impl Part {
    const fn new(role: Role, operand: Operand, words_per_row: u64) -> Self {
        Self { role, operand, words_per_row }
    }

    fn bytes(&self, rows: &Range<u64>) -> Range<u64> {
        rows.start * self.words_per_row * 4..rows.end * self.words_per_row * 4
    }
}

/// A pass whose stages are being put together.
struct Call<'a> {
    target: &'a Target,
    rows: u64,
    /// Elements of a row of the input.
    classes: u64,
    stages: Vec<Stage>,
}

impl Call<'_> {
    /// Bytes of a range that can be bound beside others of the same buffer, all in one binding.
    fn room(&self, operands: impl Iterator<Item = Operand> + Clone) -> u64 {
        let in_buffer = |buffer| operands.clone().filter(|operand| operand.buffer == buffer).count() as u64;
        let most = operands.clone().map(|operand| in_buffer(operand.buffer)).max().unwrap_or(1);
        // A binding may start up to an alignment early, and end in a started word.
        let around = u64::from(self.target.binding_alignment) + 4;
        (self.target.binding_limit() / most).saturating_sub(around)
    }

    /// Rows that can be bound at once, of so many bytes each.
    fn rows_per_chunk(&self, step: Accumulate, bytes_per_row: u64, room: u64) -> Result<u64, Error> {
        let most = u64::from(self.target.max_workgroups_per_dimension);
        let mut rows = (room / bytes_per_row).min(most * most * step.per_workgroup(self.target));
        // All but the last for whole invocations.
        if rows > 16 {
            rows -= rows % 16;
        }
        let rows = rows.min(self.rows);
        if rows == 0 {
            return Err(Error::TooLarge { bytes: bytes_per_row, limit: room, what: "a row of classes in a binding" });
        }
        Ok(rows)
    }

    /// Adds samples to accumulators.
    fn update(
        &mut self,
        step: Accumulate,
        input: Tensor,
        parts: &[Part],
        samples: u64,
        count: u64,
    ) -> Result<(), Error> {
        if self.rows == 0 || samples == 0 {
            return Ok(());
        }
        let element = input.dtype.size();
        let room = self.room(parts.iter().map(|part| part.operand).chain([input.operand]));
        let per_chunk = self.rows_per_chunk(step, self.classes * 4, room)?;
        let stride = self.rows * self.classes;
        let per_launch = step.samples_per_launch(self.target, self.classes);
        let mut stage = Stage { chunks: vec![], launches: Launches::new(), scale: None };
        let mut first_row = 0;
        while first_row < self.rows {
            let rows = first_row..self.rows.min(first_row + per_chunk);
            let of_rows = (rows.end - rows.start) * self.classes;
            // From the first sample's rows to the last one's.
            let most = 1 + (room / element - of_rows) / stride;
            let mut first = 0;
            while first < samples {
                let new = (samples - first).min(most).min(per_launch);
                let start = first * stride + rows.start * self.classes;
                let bytes = start * element..(start + (new - 1) * stride + of_rows) * element;
                let of_input = (Role::Input, input.operand, bytes);
                let weights = Weights::of(count.saturating_add(first), new);
                self.launch(&mut stage, step, Some((of_input, element)), parts, &rows, [new, stride], &weights);
                first += new;
            }
            first_row = rows.end;
        }
        self.stages.push(stage);
        Ok(())
    }

    /// Computes each row of the first operand from the same row of the others.
    fn each_row(&mut self, step: Accumulate, parts: &[Part], weights: &Weights) -> Result<(), Error> {
        if self.rows == 0 {
            return Ok(());
        }
        let room = self.room(parts.iter().map(|part| part.operand));
        let widest = parts.iter().map(|part| part.words_per_row).max().unwrap_or(1);
        let per_chunk = self.rows_per_chunk(step, widest * 4, room)?;
        let mut stage = Stage { chunks: vec![], launches: Launches::new(), scale: None };
        let mut first_row = 0;
        while first_row < self.rows {
            let rows = first_row..self.rows.min(first_row + per_chunk);
            self.launch(&mut stage, step, None, parts, &rows, [1, 0], weights);
            first_row = rows.end;
        }
        self.stages.push(stage);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, clippy::type_complexity, reason = "each is a number of its own")]
    #[expect(clippy::cast_possible_truncation, reason = "weights are rounded to f32")]
    fn launch(
        &self,
        stage: &mut Stage,
        step: Accumulate,
        input: Option<((Role, Operand, Range<u64>), u64)>,
        parts: &[Part],
        rows: &Range<u64>,
        [samples, stride]: [u64; 2],
        weights: &Weights,
    ) {
        let input_element = input.as_ref().map_or(4, |(_, element)| *element);
        let parts_of_rows = parts.iter().map(|part| (part.role, part.operand, part.bytes(rows)));
        let all: Vec<_> = input.into_iter().map(|(input, _)| input).chain(parts_of_rows).collect();
        let Bindings { list, layout, offsets } = bind_parts(&all, self.target);
        // Accumulators have their places in the order in which they were given.
        let mut places = parts.iter().filter(|part| part.role != Role::Input);
        let mut next = || places.next().map_or(0, |part| small(offsets[part.role as usize] / 4));
        let [first_offset, second_offset, other_offset, other_second_offset] = [next(), next(), next(), next()];
        let count = rows.end - rows.start;
        let input_offset = offsets[Role::Input as usize] / input_element;
        let places = [stride, input_offset, first_offset.into(), second_offset.into()];
        let step = step.widened(self.target, count, self.classes, &places);
        let kernel = Kernel::new(self.target, Program::Accumulate(step), layout);
        let mut parameters = Parameters::new();
        parameters.push(&Accumulation {
            count: small(count),
            samples: small(samples),
            stride: small(if samples == 1 { 0 } else { stride }),
            classes: small(self.classes),
            earlier: weights.earlier as f32,
            weight: weights.new as f32,
            other_weight: weights.distance as f32,
            input_offset: small(input_offset),
            first_offset,
            second_offset,
            other_offset,
            other_second_offset,
        });
        let workgroups = count.div_ceil(step.per_workgroup(self.target));
        let x = workgroups.min(self.target.max_workgroups_per_dimension.into());
        let chunk = small(stage.chunks.len() as u64);
        stage.chunks.push((list, layout));
        let workgroups = [small(x), small(workgroups.div_ceil(x)), 1];
        stage.launches.push(Launch { chunk, kernel, parameters, workgroups });
    }
}

/// Passes that together choose every kernel.
pub(super) fn scenarios() -> Vec<Pass<Tensor>> {
    let place = |buffer, elements: u64| Operand::new(buffer, 0, elements * 4);
    let mut passes = vec![];
    let statistics = Statistics::new(100).with_count(1);
    for &dtype in Dtype::ALL {
        for elements in [99, 100, 112] {
            let statistics = Statistics::new(elements).with_count(1);
            let samples = Operand::new(0, 0, elements * dtype.size()).with_dtype(dtype);
            passes.push(statistics.update(samples, place(1, elements), place(2, elements)));
            // On slices all that is written lies in one buffer.
            passes.push(statistics.update(samples, place(1, elements), Operand::new(1, 512, elements * 4)));
        }
        for classes in (1..=FEW).step_by(2).chain([FEW + 1, 5000]) {
            let Ok(uncertainty) = Uncertainty::new(1, classes) else { continue };
            let logits = Operand::new(0, 0, classes * dtype.size()).with_dtype(dtype);
            passes.push(uncertainty.update(logits, place(1, classes), place(2, 1)));
        }
        for classes in (2..=FEW).step_by(2) {
            let Ok(uncertainty) = Uncertainty::new(2, classes) else { continue };
            let logits = Operand::new(0, 0, 2 * classes * dtype.size()).with_dtype(dtype);
            passes.push(uncertainty.update(logits, place(1, 2 * classes), place(2, 2)));
        }
    }
    passes.push(statistics.merge(place(0, 100), place(1, 100), 1, place(2, 100), place(3, 100)));
    passes.push(statistics.variance(place(0, 100), place(1, 100)));
    passes.push(statistics.variance(place(0, 100), place(0, 100)));
    for classes in [10, FEW + 1, 5000] {
        let Ok(uncertainty) = Uncertainty::new(1, classes) else { continue };
        passes.push(uncertainty.merge(place(0, classes), place(1, 1), 1, place(2, classes), place(3, 1)));
        passes.push(uncertainty.finish(place(0, classes), place(1, 1), place(2, 1), place(3, 1), place(4, 1)));
    }
    passes
}
