//! Fused passes as launches: an elementwise operation whose kernels also read a bias, another tensor, and decisions of rows.

use smallvec::SmallVec;

use super::{
    kernel::{Decision, Elementwise, Input, Kernel, KeySource, Program, Skeleton, Storage},
    local::in_32_bits,
    operand::{Bindings, Operand, Operands, Tensor, bind_parts, check_apart},
    parameters::{self, Parameters, byte, reciprocal, small, words},
    plan::{Chunk, KeyPlace, Launch, Launches, Plan},
    select::{Choice, Decisions, Part, Source, Task, groups_before_carry},
    stage::Stage,
    target::{RUN, Schedule, Target},
};
use crate::{
    Activation, Dropout, Dtype, Error, Fused, Generator, Key, Mask, Pass,
    fused::{ROWS_EACH, SUMS_EACH, Scratch, Work},
    role::Role,
};

/// What of a fused pass a kernel's text depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fusion {
    pub(crate) backward: bool,
    pub(crate) activation: Activation,
    pub(crate) bias: Bias,
    /// Whether there is a residual, or backward an x.
    pub(crate) other: bool,
    /// Whether rows have fewer elements than an invocation handles.
    pub(crate) few_columns: bool,
    /// Where the row keep's decisions come from.
    pub(crate) rows: Option<(Generator, KeySource)>,
}

/// How a bias is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Bias {
    None,
    Quads,
    Elements,
}

/// A fused pass as what is done with the decisions.
#[derive(Clone, Copy)]
pub(super) struct Fusing {
    pub(super) dtype: Dtype,
    pub(super) backward: bool,
    pub(super) activation: Activation,
    pub(super) columns: u64,
    /// Whether a bias and another tensor are looked at.
    pub(super) bias: bool,
    pub(super) other: bool,
    /// The row keep, where it drops some rows and not all.
    pub(super) rows: Option<Mask>,
    /// Of a walk down columns: where the sums go.
    pub(super) walk: Walk,
}

/// Where the sums of a walk down columns go.
#[derive(Clone, Copy, Default)]
pub(super) struct Walk {
    /// Sums before the first in their binding.
    partial: u64,
    /// Whether they are added to.
    adds: bool,
    /// Runs of a row.
    runs: u64,
}

/// The stages of a pass, in order; none where nothing has to be done.
///
/// # Errors
/// [`Error::Columns`], those of the masks, [`Error::TooLarge`] for a row that does not fit a binding with others.
pub(super) fn stages(target: &Target, work: &Work, pass: &Pass<Tensor>, key: KeyPlace) -> Result<Vec<Stage>, Error> {
    work.check()?;
    let Some(output) = pass.place(Role::Output) else { unreachable!("checked") };
    let operand = |role| pass.place(role).map(|tensor| tensor.operand);
    let (source, other) = if work.backward { (Role::Gradient, Role::Input) } else { (Role::Input, Role::Other) };
    let used = |role| operand(role).filter(|_| work.needs_argument());
    let mut operands = Operands::values(output.dtype, operand(source).unwrap_or(output.operand), output.operand)?;
    if let Some(other) = used(other) {
        operands = operands.with_other(other)?;
    }
    if let Some(ids) = operand(Role::RowIds) {
        operands = operands.with_row_ids(ids)?;
    }
    operands.bias = used(Role::Bias);
    if work.elements == 0 {
        return Ok(vec![]);
    }
    let mask = match key {
        KeyPlace::RateBuffer { .. } => work.fused.mask().with_any_rate(),
        KeyPlace::Parameters | KeyPlace::Buffer { .. } => work.fused.mask(),
    };
    let fusing = Fusing {
        dtype: output.dtype,
        backward: work.backward,
        activation: work.fused.activation(),
        columns: work.fused.columns(),
        bias: operands.bias.is_some(),
        other: operands.other.is_some(),
        rows: work.rows(),
        walk: Walk::default(),
    };
    let source = if mask.keeps_all() && fusing.rows.is_none() { Source::All } else { Source::Key { mask, key } };
    if let Some((gradient, scratch)) = pass.place(Role::BiasGradient).zip(pass.scratch) {
        for (role, tensor) in pass.tensors.iter().filter(|(role, _)| *role != Role::BiasGradient) {
            check_apart(role.name(), &tensor.operand, &gradient.operand)?;
        }
        let scratch = scratch.operand;
        return Call { target, operands: &operands, fusing, source, scratch }.stages(*gradient);
    }
    let plan = Plan::new(target, &operands)?;
    Ok(vec![Stage::of(&plan, plan.launch_all(Task::Fused(fusing), source)?)])
}

/// A pass that gives the gradient of a bias too.
struct Call<'a> {
    target: &'a Target,
    operands: &'a Operands,
    fusing: Fusing,
    source: Source,
    scratch: Operand,
}

/// Rows of sums from which on they become fewer before the last step.
const MANY_SUMS: u64 = 256;

impl Call<'_> {
    /// First a row of sums for every few rows of the tensor, with the gradient of x where that fits; then sums of those.
    fn stages(&self, gradient: Tensor) -> Result<Vec<Stage>, Error> {
        let columns = self.fusing.columns;
        let rows = self.operands.length / columns;
        // What fits one binding wherever it begins.
        let room = self.target.binding_limit().saturating_sub(self.around()) / 4 / columns;
        if room == 0 {
            let limit = self.target.binding_limit();
            return Err(Error::TooLarge { bytes: columns.saturating_mul(4), limit, what: "a row of sums" });
        }
        let regions = Scratch::new(self.operands.length, columns).regions;
        let region = |number: usize, rows: u64| {
            Operand::new(self.scratch.buffer, self.scratch.offset + regions[number], rows * columns * 4)
        };
        let mut sums = (0, rows.div_ceil(ROWS_EACH));
        let (first, writes) = self.walk(region(0, sums.1), room)?;
        let mut stages = vec![first];
        if !writes {
            let plan = Plan::new(self.target, self.operands)?;
            stages.push(Stage::of(&plan, plan.launch_all(Task::Fused(self.fusing), self.source)?));
        }
        while sums.1 > MANY_SUMS.min(room) {
            let fewer = (1 - sums.0, sums.1.div_ceil(SUMS_EACH));
            let (from, to) = (region(sums.0, sums.1), region(fewer.0, fewer.1));
            stages.push(self.sum(from, to.into(), sums.1, SUMS_EACH, room));
            sums = fewer;
        }
        stages.push(self.sum(region(sums.0, sums.1), gradient, sums.1, sums.1, room));
        Ok(stages)
    }

    /// What a binding has beside the range that it is for.
    fn around(&self) -> u64 {
        u64::from(self.target.binding_alignment) + 4
    }

    /// The sums of every few rows, and whether the gradient of x is written too.
    fn walk(&self, sums: Operand, room: u64) -> Result<(Stage, bool), Error> {
        let Operands { input: Some(input), other, row_ids, bias, output, length, .. } = *self.operands else {
            unreachable!("there is a gradient")
        };
        let Fusing { columns, dtype, .. } = self.fusing;
        let (rows, row) = (length / columns, columns * dtype.size());
        let per_quad = 16 / dtype.size();
        let writes = columns.is_multiple_of(per_quad)
            && [Some(input), other, Some(output)]
                .into_iter()
                .flatten()
                .all(|operand| operand.offset.is_multiple_of(16))
            && self.target.binding_alignment.is_multiple_of(16);
        // Ranges of one buffer may have to share a binding.
        let limit = self.target.binding_limit();
        let whole = [bias, row_ids].into_iter().flatten();
        let shares = |operand: &Operand| writes && operand.buffer == output.buffer && *operand != output;
        let tensors = [Some(input), other].into_iter().flatten().filter(shares).count() as u64;
        let beside: u64 = whole.filter(|&operand| shares(&operand)).map(|operand| operand.size + self.around()).sum();
        let most_rows = (limit.saturating_sub(beside) / (1 + tensors)).saturating_sub(self.around()) / row;
        let most_rows = most_rows.min(((1 << 31) - RUN) / columns).min(room.saturating_mul(ROWS_EACH));
        if most_rows == 0 {
            return Err(Error::TooLarge { bytes: row, limit, what: "a row of a pass that sums columns" });
        }
        let mut stage = Stage { chunks: vec![], launches: Launches::new(), scale: None };
        let mut first = 0;
        while first < rows {
            // Whole blocks of rows, or a part of one.
            let of_block = ROWS_EACH - first % ROWS_EACH;
            let blocks = most_rows / ROWS_EACH * ROWS_EACH;
            let most = if of_block == ROWS_EACH && blocks > 0 { blocks } else { of_block.min(most_rows) };
            let mut count = most.min(rows - first);
            let launch = loop {
                let part = |size: u64| first * size..(first + count) * size;
                let mut parts: SmallVec<[_; 6]> = SmallVec::new();
                parts.push((Role::Input, input, part(row)));
                parts.extend(other.map(|other| (Role::Other, other, part(row))));
                parts.extend(row_ids.map(|ids| (Role::RowIds, ids, 0..ids.size)));
                parts.extend(bias.map(|bias| (Role::Bias, bias, 0..bias.size)));
                if writes {
                    parts.push((Role::Output, output, part(row)));
                }
                let of_sums = first / ROWS_EACH..(first + count).div_ceil(ROWS_EACH);
                parts.push((Role::Partial, sums, of_sums.start * columns * 4..of_sums.end * columns * 4));
                let Bindings { list, layout, offsets } = bind_parts(&parts, self.target);
                let unit = |role: Role| offsets[role as usize] / dtype.size();
                let chunk = Chunk {
                    bindings: list,
                    layout,
                    first: first * columns,
                    length: count * columns,
                    input_offset: unit(Role::Input),
                    output_offset: unit(Role::Output),
                    other_offset: unit(Role::Other),
                    bias_offset: unit(Role::Bias),
                    packed_offset: 0,
                    ids_offset: offsets[Role::RowIds as usize] / 4,
                };
                let walk = Walk { partial: offsets[Role::Partial as usize] / 4, adds: of_block < ROWS_EACH, runs: 0 };
                match self.walk_chunk(&chunk, walk, writes, small(stage.chunks.len() as u64)) {
                    Ok(launch) => {
                        stage.chunks.push((chunk.bindings, chunk.layout));
                        break launch;
                    }
                    // Fewer rows, as far as positions reach: whole blocks, or a row after the other.
                    Err(fewer) => {
                        count = if fewer >= ROWS_EACH { fewer / ROWS_EACH * ROWS_EACH } else { fewer.min(of_block) };
                        if count == 0 {
                            let what = "decisions of a row that ends an axis inside of it";
                            return Err(Error::TooLarge { bytes: row, limit: 1 << 31, what });
                        }
                    }
                }
            };
            stage.launches.push(launch);
            first += count;
        }
        Ok((stage, writes))
    }

    /// A launch that handles the rows of a chunk, or how many rows it could.
    fn walk_chunk(&self, chunk: &Chunk, walk: Walk, writes: bool, number: u32) -> Result<Launch, u64> {
        let Fusing { columns, dtype, activation, bias, other, .. } = self.fusing;
        let (per_word, per_quad) = (4 / dtype.size(), 16 / dtype.size());
        let mut part = Part {
            target: self.target,
            task: Task::Fused(self.fusing),
            source: self.source,
            chunk,
            done: 0,
            end: chunk.length,
            repeats: None,
        };
        let is_blocked = self.target.schedule == Schedule::Blocked;
        let (decision, run) = match self.source {
            Source::Key { mask, key } if !mask.keeps_all() => {
                let (generator, key) = (mask.generator(), key.source());
                let view = part.view();
                if view.is_contiguous() {
                    let index = view.index(0);
                    let by_groups = !is_blocked && columns.is_multiple_of(8) && index.is_multiple_of(8);
                    if by_groups && groups_before_carry(index) * 8 >= chunk.length {
                        (Decision::GroupedBits { generator, key, inside: false }, 8)
                    } else {
                        let aligned = columns.is_multiple_of(RUN) && index.is_multiple_of(RUN);
                        (Decision::Blocked { generator, key, aligned }, RUN)
                    }
                } else {
                    let local = in_32_bits(&view);
                    if local.reach < chunk.length {
                        return Err(local.reach / columns);
                    }
                    (Decision::Strided { generator, key, strides: local.kind(view.is_gathered()).plain() }, RUN)
                }
            }
            _ => (Decision::All, if is_blocked { RUN } else { 8 }),
        };
        let offsets = [chunk.input_offset, if other { chunk.other_offset } else { chunk.input_offset }];
        let at = |unit: u64| offsets.iter().chain([&columns]).all(|number| number.is_multiple_of(unit));
        let is_inside = offsets.iter().all(|offset| offset % per_word == 1) && columns.is_multiple_of(per_word);
        let input = match () {
            () if at(per_quad) => Input::Quads,
            () if at(per_word) => Input::Words,
            () if is_inside => Input::Halves,
            () => Input::Any,
        };
        let by_quads = [columns, chunk.bias_offset].iter().all(|number| number.is_multiple_of(per_quad));
        let bias = match bias {
            false => Bias::None,
            true if by_quads => Bias::Quads,
            true => Bias::Elements,
        };
        let rows = self.fusing.rows.and_then(|rows| match self.source {
            Source::Key { key, .. } => Some((rows.generator(), key.source())),
            Source::All | Source::PackedMask => None,
        });
        let fusion = Fusion { backward: true, activation, bias, other, few_columns: false, rows };
        let program = Program::Elementwise {
            skeleton: Skeleton::FusedGradient { input, run: byte(run), writes },
            decision,
            operation: Elementwise::Fused(fusion),
            storage: Storage::new(dtype, self.target.f16),
            repeated: false,
        };
        let kernel = Kernel::new(self.target, program, chunk.layout);
        let (rows, runs) = (chunk.length / columns, columns.div_ceil(run));
        part.task = Task::Fused(Fusing { walk: Walk { runs, ..walk }, ..self.fusing });
        let most = u64::from(self.target.max_workgroups_per_dimension);
        let workgroups = (runs * rows.div_ceil(ROWS_EACH)).div_ceil(self.target.workgroup_size.into());
        let x = workgroups.min(most);
        let y = workgroups.div_ceil(x).min(most);
        let z = workgroups.div_ceil(x * y);
        if z > most {
            let invocations = (most * most).saturating_mul(most * u64::from(self.target.workgroup_size));
            return Err((invocations / runs * ROWS_EACH).min(rows - 1));
        }
        let parameters = part.parameters(&kernel, 0, rows);
        Ok(Launch { chunk: number, kernel, parameters, workgroups: [small(x), small(y), small(z)] })
    }

    /// Sums of `each` of so many rows of f32, of which `room` can be bound.
    fn sum(&self, input: Operand, output: Tensor, rows: u64, each: u64, room: u64) -> Stage {
        let columns = self.fusing.columns;
        let most = u64::from(self.target.max_workgroups_per_dimension);
        let per_word = 4 / output.dtype.size();
        let mut stage = Stage { chunks: vec![], launches: Launches::new(), scale: None };
        let program = Program::SumRows { storage: Storage::new(output.dtype, self.target.f16) };
        // Whole sums, or parts of one after the other.
        let at_once = if room >= each { (room / each).min(most) * each } else { room };
        let mut first = 0;
        while first < rows {
            let end = (first + at_once).min((first / each + at_once.div_ceil(each)) * each).min(rows);
            let blocks = first / each..end.div_ceil(each);
            let row = columns * output.dtype.size();
            let parts = [
                (Role::Input, input, first * columns * 4..end * columns * 4),
                (Role::Output, output.operand, blocks.start * row..blocks.end * row),
            ];
            let Bindings { list, layout, offsets } = bind_parts(&parts, self.target);
            let kernel = Kernel::new(self.target, program, layout);
            // Columns that begin and end words, but for the first and the last.
            let of_launch = most * u64::from(self.target.workgroup_size) * per_word;
            let output_offset = offsets[Role::Output as usize] / output.dtype.size();
            let mut column = 0;
            while column < columns {
                let count = (of_launch - (output_offset + column) % per_word).min(columns - column);
                let mut parameters = Parameters::new();
                parameters.push(&parameters::RowSums {
                    columns: small(count),
                    pitch: small(columns),
                    rows: small(end - first),
                    each: small(each),
                    input_offset: small(offsets[Role::Input as usize] / 4 + column),
                    output_offset: small(output_offset + column),
                    adds: (first % each > 0).into(),
                    unused: 0,
                });
                let words = ((output_offset + column) % per_word + count).div_ceil(per_word);
                let x = words.div_ceil(self.target.workgroup_size.into());
                stage.launches.push(Launch {
                    chunk: small(stage.chunks.len() as u64),
                    kernel,
                    parameters,
                    workgroups: [small(x), small(blocks.end - blocks.start), 1],
                });
                column += count;
            }
            stage.chunks.push((list, layout));
            first = end;
        }
        stage
    }
}

/// Passes that together choose every kernel.
pub(super) fn scenarios() -> Vec<Pass<Tensor>> {
    let mut scenarios = vec![];
    let generators = Generator::ALL.iter().cycle();
    let numbered =
        Activation::ALL.iter().flat_map(|activation| Dtype::ALL.iter().map(move |dtype| (activation, dtype)));
    for (turn, ((&activation, &dtype), &generator)) in numbered.zip(generators).enumerate() {
        // Rows that begin at units of 16 bytes and words, at neither, and short ones, by turns.
        let places = [(1024, 0), (1000, 5), (999, 0), (7, 3), (1024, 1)];
        for (columns, start) in [places[turn * 2 % places.len()]] {
            let p = if columns == 1000 && turn % 2 == 0 { 0.0 } else { 0.5 };
            let mask = |key| Dropout::new(p).map(|dropout| dropout.with_generator(generator).mask(Key::new(key)));
            let Ok(fused) = mask(1).and_then(|mask| Fused::new(mask.at(start), columns)) else { continue };
            let mut fused = fused.with_activation(activation);
            if turn % 3 != 1 {
                let rows = Dropout::new(0.5).map(|dropout| dropout.with_generator(generator).mask(Key::new(2)));
                fused = rows.and_then(|rows| fused.with_row_keep(rows)).unwrap_or(fused);
            }
            let size = 40 * 1024 / columns * columns * dtype.size();
            let shift = turn as u64 / 2 % 2 * dtype.size();
            let tensor = |buffer, size| Operand::new(buffer, shift * u64::from(buffer), size).with_dtype(dtype);
            let bias = tensor(2, columns * dtype.size());
            let forward = fused.forward(tensor(0, size), tensor(4, size));
            scenarios.extend([forward.clone(), forward.clone().with_bias(bias)]);
            scenarios.push(forward.with_bias(bias).with_residual(tensor(3, size)));
            let backward = fused.backward(tensor(0, size), tensor(4, size)).with_input(tensor(3, size));
            let gradient = Operand::new(7, 0, columns * 4);
            let scratch = Operand::new(9, 0, fused.scratch_size(size / dtype.size()));
            let sums = backward.clone().with_bias(bias).with_bias_gradient(gradient).with_scratch(scratch);
            scenarios.extend([sums, backward.clone(), backward.with_bias(bias)]);
            let sums = fused.with_activation(Activation::None).backward(tensor(0, size), tensor(4, size));
            let gradient = tensor(7, columns * dtype.size());
            scenarios.push(sums.with_bias_gradient(gradient).with_scratch(scratch));
        }
    }
    // Every way to decide.
    for view in super::reachable::views() {
        let Some((fused, ids)) = Dropout::new(0.5).ok().and_then(|dropout| {
            let mask = dropout.mask(Key::new(1)).at(view);
            Some((Fused::new(mask, 1).ok()?, view.is_gathered().then(|| Operand::new(1, 0, 4 * view.row_ids()))))
        }) else {
            continue;
        };
        let size = 8192 * 4;
        let pass = fused.forward(Operand::new(0, 0, size), Operand::new(0, 0, size));
        scenarios.push(match ids {
            Some(ids) => pass.with_row_ids(ids),
            None => pass,
        });
    }
    scenarios
}

/// Rows from which on a launch is of a single one: their lengths are no 32-bit numbers to count with.
const LONG_ROW: u64 = 1 << 30;

impl Part<'_> {
    /// Runs to multiples of 16 bytes, of whole workgroups, and by another kernel whatever else there is.
    pub(super) fn choose_fused(&self, fusing: &Fusing, decisions: Decisions, left: u64) -> Choice {
        let &Fusing { dtype, columns, .. } = fusing;
        let (per_word, per_quad) = (4 / dtype.size(), 16 / dtype.size());
        let column = self.column(fusing);
        let left = if columns > LONG_ROW { left.min(columns - column) } else { left };
        let (to, from) = (self.output_offset(), self.input_offset());
        let other = if fusing.other { self.other_offset() } else { from };
        let to_quad = to.next_multiple_of(per_quad) - to;
        let rows = fusing.rows.and_then(|mask| match self.source {
            Source::Key { key, .. } => Some((mask.generator(), key.source())),
            Source::All | Source::PackedMask => None,
        });
        let choose = |skeleton, decision, bias, run: u64, count| {
            let &Fusing { backward, activation, .. } = fusing;
            let bias = if fusing.bias { bias } else { Bias::None };
            let few_columns = bias != Bias::None && columns < run;
            let fusion = Fusion { backward, activation, bias, other: fusing.other, few_columns, rows };
            let (operation, storage) = (Elementwise::Fused(fusion), Storage::new(dtype, self.target.f16));
            Choice { program: Program::Elementwise { skeleton, decision, operation, storage, repeated: false }, count }
        };
        let edge = |count: u64| {
            let decision = decisions.at_the_edge(to % per_word);
            choose(Skeleton::FusedEdge, decision, Bias::Elements, RUN, count.min(left))
        };
        // One of two inputs begins inside of a word, and the other does not.
        if from % per_word != other % per_word {
            return edge(left);
        }
        let is_blocked = self.target.schedule == Schedule::Blocked;
        let (decision, run, most) = match decisions {
            Decisions::Any(decision) => (decision, if is_blocked { RUN } else { 8 }, u64::MAX),
            Decisions::Strided { generator, key, strides } => {
                (Decision::Strided { generator, key, strides: strides.by_runs() }, RUN, u64::MAX)
            }
            Decisions::Contiguous { generator, key, index } => {
                let start = index.wrapping_add(to_quad);
                if is_blocked {
                    (Decision::Blocked { generator, key, aligned: start.is_multiple_of(RUN) }, RUN, u64::MAX)
                } else {
                    // Inside of a group every run takes one group more.
                    let inside = !start.is_multiple_of(8);
                    let run = if inside { RUN } else { 8 };
                    (Decision::GroupedBits { generator, key, inside }, run, groups_before_carry(start) * 8)
                }
            }
        };
        let tile = u64::from(self.target.workgroup_size) * run;
        if left < to_quad + tile {
            return edge(left);
        }
        if to_quad > 0 {
            return edge(to_quad);
        }
        let count = left.min(most);
        if count < tile {
            return edge(tile);
        }
        let input = match [from, other] {
            both if both.iter().all(|at| at.is_multiple_of(per_quad)) => Input::Quads,
            both if both.iter().all(|at| at.is_multiple_of(per_word)) => Input::Words,
            _ => Input::Halves,
        };
        let by_quads = [columns, column, self.chunk.bias_offset].iter().all(|number| number.is_multiple_of(per_quad));
        let bias = if by_quads { Bias::Quads } else { Bias::Elements };
        choose(Skeleton::FusedQuads { input, run: byte(run) }, decision, bias, run, count - count % tile)
    }

    /// The column of the next element.
    fn column(&self, fusing: &Fusing) -> u64 {
        (self.chunk.first + self.done) % fusing.columns
    }

    fn fusing(&self) -> Fusing {
        let Task::Fused(fusing) = self.task else { unreachable!("only fused passes have rows and columns") };
        fusing
    }

    pub(super) fn columns(&self) -> parameters::Columns {
        let fusing = self.fusing();
        // Of a long row any column is as good.
        let (count, first) =
            if fusing.columns > LONG_ROW { (1 << 31, 0) } else { (fusing.columns, self.column(&fusing)) };
        let count = small(count);
        let bias_offset = small(self.chunk.bias_offset);
        parameters::Columns { count, reciprocal: reciprocal(count), first: small(first), bias_offset }
    }

    pub(super) fn walk(&self) -> parameters::Walk {
        let Fusing { columns, walk, .. } = self.fusing();
        parameters::Walk {
            columns: small(columns),
            reciprocal: reciprocal(small(walk.runs)),
            partial: small(walk.partial) | u32::from(walk.adds) << 31,
            bias_offset: small(self.chunk.bias_offset),
        }
    }

    pub(super) fn rows(&self) -> parameters::Rows {
        let fusing = self.fusing();
        let (Some(rows), Source::Key { mask, .. }) = (fusing.rows, self.source) else {
            unreachable!("a row keep has a key")
        };
        let row = (self.chunk.first + self.done) / fusing.columns;
        let (own, other) = (rows.key(), mask.key());
        parameters::Rows {
            seed: words(own.seed ^ other.seed),
            stream: words(own.stream ^ other.stream),
            start: words(rows.view().index(row)),
            threshold: words(rows.threshold())[0],
            scale: rows.scale(),
        }
    }
}
