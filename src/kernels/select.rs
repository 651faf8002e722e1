//! Which kernel handles the next elements of a call, and with which parameters: the one place that chooses.

use super::{
    kernel::{Decision, Elementwise, Input, Kernel, KeySource, Program, Skeleton, Storage, Unit},
    parameters::{self, Block, Numbers, Parameters, byte, small, words},
    plan::{Chunk, KeyPlace, Launch},
    target::{RUN, Schedule, Target},
};
use crate::{Dtype, Generator, Mask, MaskFormat, View, wgsl::KeepRule};

/// What is done with the decisions.
#[derive(Clone, Copy)]
pub(super) enum Task {
    Elementwise { operation: Elementwise, dtype: Dtype, scale: f32 },
    KeepMask(MaskFormat),
}

impl Task {
    pub(super) fn elementwise(mask: &Mask, dtype: Dtype) -> Self {
        // A multiplication by 1 would flush subnormals on some devices.
        let operation = if mask.keeps_all() { Elementwise::Identity } else { Elementwise::Inverted };
        Self::Elementwise { operation, dtype, scale: mask.scale() }
    }

    pub(super) fn copies(self) -> bool {
        matches!(self, Self::Elementwise { operation: Elementwise::Identity, .. })
    }
}

/// Where the decisions come from.
#[derive(Clone, Copy)]
pub(super) enum Source {
    All,
    Key { mask: Mask, key: KeyPlace },
    PackedMask,
}

impl Source {
    pub(super) fn of(mask: &Mask, key: KeyPlace) -> Self {
        if mask.keeps_all() { Self::All } else { Self::Key { mask: *mask, key } }
    }
}

/// What is left of a chunk.
pub(super) struct Part<'a> {
    pub(super) target: &'a Target,
    pub(super) task: Task,
    pub(super) source: Source,
    pub(super) chunk: &'a Chunk,
    /// Elements of the chunk that have been launched.
    pub(super) done: u64,
}

/// How the next launch handles the next elements.
struct Choice {
    program: Program,
    /// At most so many elements.
    count: u64,
}

/// How the decisions of the next elements can be made.
#[derive(Clone, Copy)]
enum Decisions {
    /// Without a key: any elements.
    Any(Decision),
    /// Of consecutive indexes from this one on.
    Contiguous {
        generator: Generator,
        key: KeySource,
        index: u64,
    },
    Rows {
        generator: Generator,
        key: KeySource,
    },
}

impl Part<'_> {
    /// The next launch, and how many elements it handles.
    pub(super) fn next(&self, chunk: u32) -> (Launch, u64) {
        let (decisions, count) = self.decisions(self.chunk.length - self.done);
        let choice = match self.task {
            Task::Elementwise { operation, dtype, .. } => self.choose_elementwise(decisions, operation, dtype, count),
            Task::KeepMask(format) => self.choose_mask(decisions, format, count),
        };
        let kernel = Kernel::new(self.target, choice.program, self.chunk.layout);
        // Positions begin before the elements.
        let lead = self.output_offset() % self.elements_per_word();
        let each = kernel.workgroup_elements();
        let most = u64::from(self.target.max_workgroups_per_dimension);
        let workgroups = (lead + choice.count).div_ceil(each);
        // Whole rows of workgroups, then what is left of a row: no workgroup lies outside of the range.
        let [x, y] = if workgroups <= most { [workgroups, 1] } else { [most, (workgroups / most).min(most)] };
        let count = choice.count.min(x * y * each - lead);
        let parameters = self.parameters(&kernel, lead, count);
        (Launch { chunk, kernel, parameters, workgroups: [small(x), small(y), 1] }, count)
    }

    fn input_offset(&self) -> u64 {
        self.chunk.input_offset + self.done
    }

    /// Elements before the next one in the output's binding; of a mask of bits, words.
    fn output_offset(&self) -> u64 {
        match self.task {
            Task::KeepMask(MaskFormat::Bits) => self.chunk.output_offset + self.done / RUN,
            _ => self.chunk.output_offset + self.done,
        }
    }

    fn elements_per_word(&self) -> u64 {
        match self.task {
            Task::Elementwise { dtype, .. } => 4 / dtype.size(),
            Task::KeepMask(MaskFormat::Bits) => 1,
            Task::KeepMask(MaskFormat::Bytes) => 4,
        }
    }

    /// The mask of what is left.
    fn mask(&self, mask: &Mask) -> Mask {
        mask.skip(self.chunk.first + self.done)
    }

    /// How the next of `left` elements are decided, and how many of them can be so.
    fn decisions(&self, left: u64) -> (Decisions, u64) {
        let (mask, key) = match self.source {
            Source::All => return (Decisions::Any(Decision::All), left),
            Source::PackedMask => return (Decisions::Any(Decision::PackedMask), left),
            Source::Key { mask, key } => (self.mask(&mask), key),
        };
        let generator = mask.generator();
        let key = if key == KeyPlace::Parameters { KeySource::Parameter } else { KeySource::Buffer };
        let view = mask.view();
        let contiguous = |count| (Decisions::Contiguous { generator, key, index: view.index(0) }, count);
        if view.is_contiguous() {
            return contiguous(left);
        }
        let of_this_row = view.row_length() - view.column();
        if of_this_row >= left {
            return contiguous(left);
        }
        // Long rows are worth a launch each. Masks have no place for a row that begins inside of a word.
        let is_mask = matches!(self.task, Task::KeepMask(_));
        if !is_mask && of_this_row >= LONG_ROW.max(left / 32) {
            return contiguous(of_this_row);
        }
        (Decisions::Rows { generator, key }, left)
    }

    fn choose_mask(&self, decisions: Decisions, format: MaskFormat, left: u64) -> Choice {
        let (decision, count) = match decisions {
            Decisions::Any(decision) => (decision, left),
            Decisions::Rows { generator, key } => (Decision::Rows { generator, key }, left),
            Decisions::Contiguous { generator, key, index } => {
                let lead = self.output_offset() % self.elements_per_word();
                let index = index.wrapping_sub(lead);
                let groups = groups_before_carry(index);
                let runs = groups / (RUN / 8) * RUN;
                match self.target.schedule {
                    Schedule::Groups | Schedule::Interleaved if runs > lead => {
                        (Decision::GroupedBits { generator, key, inside: index % 8 != 0 }, left.min(runs - lead))
                    }
                    // One run over the carry, or all.
                    schedule => {
                        let count = if schedule == Schedule::Blocked { left } else { left.min(RUN - lead) };
                        (Decision::Blocked { generator, key, aligned: index.is_multiple_of(RUN) }, count)
                    }
                }
            }
        };
        Choice { program: Program::KeepMask { decision, format }, count }
    }

    fn choose_elementwise(&self, decisions: Decisions, operation: Elementwise, dtype: Dtype, left: u64) -> Choice {
        let storage = Storage::new(dtype, self.target.f16);
        let per_word = 4 / dtype.size();
        let per_quad = 4 * per_word;
        let (from, to) = (self.input_offset(), self.output_offset());
        let input_after = |elements: u64| match from + elements {
            at if at.is_multiple_of(per_quad) => Input::Quads,
            at if at.is_multiple_of(per_word) => Input::Words,
            _ => Input::Halves,
        };
        let choose = |skeleton, decision, count| Choice {
            program: Program::Elementwise { skeleton, decision, operation, storage },
            count,
        };
        // What the faster kernels leave over, by the kernel that takes anything.
        let edge = |count: u64| {
            let decision = match decisions {
                Decisions::Any(decision) => decision,
                Decisions::Rows { generator, key } => Decision::Rows { generator, key },
                Decisions::Contiguous { generator, key, index } => {
                    let start = index.wrapping_sub(to % per_word);
                    Decision::Blocked { generator, key, aligned: start.is_multiple_of(RUN) }
                }
            };
            choose(Skeleton::Edge, decision, count.min(left))
        };
        // Elements until the output is at a multiple of 16 bytes.
        let to_quad = to.next_multiple_of(per_quad) - to;
        let both_at_quads = (from + to_quad).is_multiple_of(per_quad);

        match (self.target.schedule, decisions) {
            (Schedule::Blocked, _) => {
                let tile = u64::from(self.target.workgroup_size) * RUN;
                if left < to_quad + tile {
                    return edge(left);
                }
                if to_quad > 0 {
                    return edge(to_quad);
                }
                let decision = match decisions {
                    Decisions::Any(decision) => decision,
                    Decisions::Rows { generator, key } => Decision::Rows { generator, key },
                    Decisions::Contiguous { generator, key, index } => {
                        Decision::Blocked { generator, key, aligned: index.is_multiple_of(RUN) }
                    }
                };
                choose(Skeleton::Blocked { input: input_after(0) }, decision, left - left % tile)
            }
            (Schedule::Groups, Decisions::Any(_) | Decisions::Contiguous { .. })
                if both_at_quads && self.target.workgroup_size > 1 =>
            {
                let (decision, head, most) = match decisions {
                    Decisions::Contiguous { generator, key, index } => {
                        // Of f32 two units of 16 bytes are a group: begin with the one that is nearer to its start.
                        let nearer = dtype == Dtype::F32 && index.wrapping_add(to_quad) % 8 >= 4;
                        let head = if nearer { to_quad + 4 } else { to_quad };
                        let shift = index.wrapping_add(head) % 8;
                        let most = groups_before_carry(index.wrapping_add(head)) * 8;
                        (Decision::Grouped { generator, key, shift: byte(shift) }, head, most)
                    }
                    Decisions::Any(decision) => (decision, to_quad, u64::MAX),
                    Decisions::Rows { .. } => unreachable!("not matched here"),
                };
                if left < head + 8 {
                    return edge(left);
                }
                if head > 0 {
                    return edge(head);
                }
                match most {
                    // One group over the carry.
                    0 => edge(8),
                    _ => choose(Skeleton::Groups, decision, (left - left % 8).min(most)),
                }
            }
            _ => {
                let unit = if both_at_quads { Unit::Quad } else { Unit::Word };
                let to_unit = if both_at_quads { to_quad } else { to.next_multiple_of(per_word) - to };
                let (decision, head, run, most) = match decisions {
                    Decisions::Any(decision) => (decision, to_unit, RUN, u64::MAX),
                    Decisions::Rows { generator, key } => (Decision::Rows { generator, key }, to_unit, RUN, u64::MAX),
                    Decisions::Contiguous { generator, key, index } => {
                        // From the start of a group on, where the output can begin with it: then 8 elements at a time.
                        let to_group = (8 - index % 8) % 8;
                        let at_group = unit == Unit::Word && (to + to_group).is_multiple_of(per_word);
                        let (head, run) = if at_group { (to_group, 8) } else { (to_unit, RUN) };
                        let start = index.wrapping_add(head);
                        let groups = groups_before_carry(start);
                        let decision = Decision::GroupedBits { generator, key, inside: start % 8 != 0 };
                        (decision, head, run, groups * 8)
                    }
                };
                let tile = u64::from(self.target.workgroup_size) * run;
                if left < head + tile {
                    return edge(left);
                }
                if head > 0 {
                    return edge(head);
                }
                let count = left.min(most);
                if count < tile {
                    return edge(tile);
                }
                let input = if unit == Unit::Quad { Input::Quads } else { input_after(0).max(Input::Words) };
                choose(Skeleton::Interleaved { unit, input, run: byte(run) }, decision, count - count % tile)
            }
        }
    }

    /// The parameters of a kernel for the next `count` elements.
    fn parameters(&self, kernel: &Kernel, lead: u64, count: u64) -> Parameters {
        let mut parameters = Parameters::new();
        for block in kernel.blocks() {
            match block {
                Block::Elements => parameters.push(&parameters::Elements {
                    count: small(count),
                    input_offset: small(self.input_offset()),
                    output_offset: small(self.output_offset()),
                    unused: 0,
                }),
                Block::Rule => parameters.push(&self.rule(kernel, lead, count)),
                Block::Key => {
                    let Source::Key { key: KeyPlace::Buffer { word }, .. } = self.source else { unreachable!() };
                    parameters.push::<Numbers>(&[word, 0, 0, 0]);
                }
                Block::Rows => parameters.push(&self.rows(count).1),
                Block::PackedMask => {
                    let first_bit = self.chunk.packed_offset + self.done;
                    parameters.push::<Numbers>(&[small(first_bit), 0, 0, 0]);
                }
                Block::Scaling => {
                    let Task::Elementwise { scale, .. } = self.task else { unreachable!() };
                    parameters.push::<Numbers>(&[scale.to_bits(), 0, 0, 0]);
                }
                Block::Advance | Block::Blocks | Block::Probe => unreachable!("not of an operation's kernels"),
            }
        }
        parameters
    }

    fn rule(&self, kernel: &Kernel, lead: u64, count: u64) -> KeepRule {
        let Source::Key { mask, .. } = self.source else { unreachable!("without a key there is no rule") };
        let start = match kernel.decision() {
            Some(Decision::Rows { .. }) => self.rows(count).0,
            // That of position 0.
            _ => self.mask(&mask).view().index(0).wrapping_sub(lead),
        };
        KeepRule::new(&mask, start)
    }

    /// The start of the first row and the parameters of rows, for the next `count` elements.
    fn rows(&self, count: u64) -> (u64, parameters::Rows) {
        let Source::Key { mask, .. } = self.source else { unreachable!("without a key there are no rows") };
        let view = self.mask(&mask).view();
        let (start, row_length, row_pitch, column) = in_32_bits(view, count);
        (start, parameters::Rows { row_pitch: words(row_pitch), row_length, column })
    }
}

/// Elements from which on a row is worth a launch.
const LONG_ROW: u64 = 1 << 16;

/// Groups from that of an index on until the low word of their number wraps; one fewer where the index is inside of its
/// group, and the next one is needed too.
fn groups_before_carry(index: u64) -> u64 {
    let low = (index >> 3) & 0xffff_ffff;
    (1 << 32) - low - u64::from(!index.is_multiple_of(8))
}

/// Start of the first row, row length, row pitch and column that give the next `count` elements of a view the same
/// indexes, with a length and a column that kernels can add to a position in 32 bits.
fn in_32_bits(view: View, count: u64) -> (u64, u32, u64, u32) {
    const MOST: u64 = 1 << 31;
    let (start, length, pitch, column) = (view.start(), view.row_length(), view.row_pitch(), view.column());
    debug_assert!(count <= MOST);
    if length <= MOST {
        return (start, small(length), pitch, small(column));
    }
    // The elements reach over the end of at most one row: as well the row may begin later, and be shorter.
    let of_this_row = (length - column).min(MOST);
    let later = column - (MOST - of_this_row).min(column);
    let column = column - later;
    let length = column + of_this_row;
    (start.wrapping_add(later), small(length), pitch.wrapping_sub(later), small(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of any length, in 32 bits.
    #[test]
    fn long_rows_keep_their_indexes() {
        for length in [1, 5, 1 << 31, (1 << 31) + 1, 1 << 32, (1 << 32) + 4, 1 << 40, u64::MAX - 1] {
            for gap in [0, 1, 1 << 33] {
                for skip in [0, 3, (1 << 31) - 2, (1 << 32) - 16, (1 << 40) - 20, u64::MAX - 40] {
                    let view = View::rows(7, length, u64::saturating_add(length, gap)).skip(skip);
                    let (start, row_length, row_pitch, column) = in_32_bits(view, 1 << 20);
                    assert!(u64::from(column) + (1 << 20) < 1 << 32);
                    for j in [0, 1, 2, 14, 15, 16, 17, 40, (1 << 20) - 1] {
                        let position = u64::from(column) + j;
                        let (row, at) = (position / u64::from(row_length), position % u64::from(row_length));
                        let index = start.wrapping_add(row.wrapping_mul(row_pitch)).wrapping_add(at);
                        assert_eq!(index, view.index(j), "{view:?} {j}");
                    }
                }
            }
        }
    }

    #[test]
    fn groups_before_a_carry() {
        assert_eq!(groups_before_carry(0), 1 << 32);
        assert_eq!(groups_before_carry((1 << 35) - 8), 1);
        assert_eq!(groups_before_carry((1 << 35) - 7), 0);
        assert_eq!(groups_before_carry((1 << 35) - 9), 1);
        assert_eq!(groups_before_carry(1 << 35), 1 << 32);
    }
}
