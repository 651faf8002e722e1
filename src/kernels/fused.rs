//! Fused passes as launches: an elementwise operation whose kernels also read a bias, another tensor, and decisions of rows.

use super::{
    kernel::{Bias, Decision, Elementwise, Fusion, Input, Program, Skeleton, Storage},
    parameters::{self, byte, reciprocal, small, words},
    select::{Choice, Decisions, Part, Source, Task, groups_before_carry},
    target::{RUN, Schedule},
};
use crate::{Activation, Dtype, Mask};

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
