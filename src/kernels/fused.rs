//! Fused passes as launches: an elementwise operation whose kernels also read a bias, another tensor, and decisions of rows.

use super::{
    kernel::{Bias, Decision, Elementwise, Fusion, Input, Program, Skeleton, Storage},
    operand::{Operand, Operands, Tensor},
    parameters::{self, byte, reciprocal, small, words},
    plan::{KeyPlace, Plan},
    select::{Choice, Decisions, Part, Source, Task, groups_before_carry},
    stage::Stage,
    target::{RUN, Schedule, Target},
};
use crate::{Activation, Dropout, Dtype, Error, Fused, Generator, Key, Mask, Pass, fused::Work, role::Role};

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
}

/// The stages of a pass, in order; none where nothing has to be done.
///
/// # Errors
/// [`Error::Columns`], those of the masks, [`Error::TooLarge`] for a row that does not fit a binding with others.
pub(super) fn stages(
    target: &Target,
    work: &Work,
    pass: &Pass<Tensor>,
    key: KeyPlace,
) -> Result<Vec<Stage>, Error> {
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
    };
    let source = if mask.keeps_all() && fusing.rows.is_none() { Source::All } else { Source::Key { mask, key } };
    let plan = Plan::new(target, &operands)?;
    Ok(vec![Stage::of(&plan, plan.launch_all(Task::Fused(fusing), source)?)])
}

/// Passes that together choose every kernel.
pub(super) fn scenarios() -> Vec<Pass<Tensor>> {
    let mut scenarios = vec![];
    let generators = Generator::ALL.iter().cycle();
    let numbered = Activation::ALL.iter().flat_map(|activation| Dtype::ALL.iter().map(move |dtype| (activation, dtype)));
    for (turn, ((&activation, &dtype), &generator)) in numbered.zip(generators).enumerate() {
        // Rows that begin at units of 16 bytes and words, at neither, and short ones.
        for (columns, start) in [(1024, 0), (1000, 5), (999, 0), (7, 3), (1024, 1)] {
            let p = if columns == 1000 && turn % 2 == 0 { 0.0 } else { 0.5 };
            let mask = |key| Dropout::new(p).map(|dropout| dropout.with_generator(generator).mask(Key::new(key)));
            let Ok(fused) = mask(1).and_then(|mask| Fused::new(mask.at(start), columns)) else { continue };
            let mut fused = fused.with_activation(activation);
            if turn % 3 != 1 {
                let rows = Dropout::new(0.5).map(|dropout| dropout.with_generator(generator).mask(Key::new(2)));
                fused = rows.and_then(|rows| fused.with_row_keep(rows)).unwrap_or(fused);
            }
            let size = 40 * 1024 / columns * columns * dtype.size();
            for shift in [0, dtype.size()] {
                let tensor = |buffer, size| Operand::new(buffer, shift * u64::from(buffer), size).with_dtype(dtype);
                let bias = tensor(2, columns * dtype.size());
                let forward = fused.forward(tensor(0, size), tensor(4, size));
                scenarios.extend([forward.clone(), forward.clone().with_bias(bias)]);
                scenarios.push(forward.with_bias(bias).with_residual(tensor(3, size)));
                let backward = fused.backward(tensor(0, size), tensor(4, size)).with_input(tensor(3, size));
                scenarios.extend([backward.clone(), backward.with_bias(bias)]);
            }
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
            let decision = match decisions {
                Decisions::Any(decision) => decision,
                Decisions::Strided { generator, key, strides } => {
                    Decision::Strided { generator, key, strides: strides.plain() }
                }
                Decisions::Contiguous { generator, key, index } => {
                    let start = index.wrapping_sub(to % per_word);
                    Decision::Blocked { generator, key, aligned: start.is_multiple_of(RUN) }
                }
            };
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
