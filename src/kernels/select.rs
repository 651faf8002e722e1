//! Which kernel handles the next elements of a call, and with which parameters: the one place that chooses.

use super::{
    fused::Fusing,
    kernel::{Decision, Elementwise, Inner, Input, Kernel, KeySource, MANY, Program, Skeleton, Storage, Strides, Unit},
    local::{Outer, in_32_bits},
    parameters::{self, Block, Numbers, Parameters, byte, small, words},
    plan::{Chunk, KeyPlace, Launch},
    target::{RUN, Schedule, Target},
};
use crate::{Dtype, Generator, Mask, MaskFormat, View, effect::Effect, view::Axis, wgsl::KeepRule};

/// What is done with the decisions.
#[expect(clippy::large_enum_variant, reason = "there is one for a call, which is not kept")]
#[derive(Clone, Copy)]
pub(super) enum Task {
    Elementwise {
        effect: Effect,
        dtype: Dtype,
    },
    KeepMask(MaskFormat),
    /// Normals as f32 elements.
    Normals,
    Fused(Fusing),
}

impl Task {
    pub(super) fn copies(self) -> bool {
        matches!(self, Self::Elementwise { effect: Effect::Copy, .. })
    }

    /// Whether it depends on which elements a mask keeps, or on noise.
    pub(super) fn is_random(self, mask: &Mask) -> bool {
        match self {
            Self::Elementwise { effect, .. } => effect.is_random(),
            Self::KeepMask(_) => !mask.keeps_all(),
            Self::Normals | Self::Fused(_) => true,
        }
    }

    const fn dtype(self) -> Option<Dtype> {
        match self {
            Self::Elementwise { dtype, .. } => Some(dtype),
            Self::Fused(fusing) => Some(fusing.dtype),
            Self::Normals => Some(Dtype::F32),
            Self::KeepMask(_) => None,
        }
    }

    const fn is_noise(self) -> bool {
        matches!(self, Self::Elementwise { effect: Effect::Gaussian { .. }, .. } | Self::Normals)
    }
}

const fn operation(effect: Effect) -> Elementwise {
    match effect {
        // A multiplication by 1 would flush subnormals on some devices.
        Effect::Copy => Elementwise::Identity,
        Effect::Drop => Elementwise::Zero,
        Effect::Multiply { .. } | Effect::Scale { .. } => Elementwise::Inverted,
        Effect::ScaleInBuffer => Elementwise::InvertedBuffer,
        Effect::Select => Elementwise::Standard,
        Effect::Other => Elementwise::Other,
        Effect::Alpha { .. } => Elementwise::Alpha,
        Effect::Gaussian { .. } => Elementwise::Gaussian,
    }
}

/// Where the decisions come from.
#[derive(Clone, Copy)]
pub(super) enum Source {
    All,
    Key { mask: Mask, key: KeyPlace },
    PackedMask,
}

/// What is left of a chunk.
pub(super) struct Part<'a> {
    pub(super) target: &'a Target,
    pub(super) task: Task,
    pub(super) source: Source,
    pub(super) chunk: &'a Chunk,
    /// Elements of the chunk that have been launched, and where the part ends.
    pub(super) done: u64,
    pub(super) end: u64,
    /// What else is launched with the elements.
    pub(super) repeats: Option<Repeats>,
}

/// Elements that take the same decisions as those before them, again and again.
#[derive(Clone, Copy)]
pub(super) struct Repeats {
    /// Of the first of them: from one to the next.
    pub(super) elements: u64,
    pub(super) count: u64,
}

/// How the next launch handles the next elements.
pub(super) struct Choice {
    pub(super) program: Program,
    /// At most so many elements.
    pub(super) count: u64,
}

/// How the decisions of the next elements can be made.
#[derive(Clone, Copy)]
pub(super) enum Decisions {
    /// Without a key: any elements.
    Any(Decision),
    /// Of consecutive indexes from this one on.
    Contiguous {
        generator: Generator,
        key: KeySource,
        index: u64,
    },
    Strided {
        generator: Generator,
        key: KeySource,
        strides: Strides,
    },
}

impl Decisions {
    /// For the kernels that take anything: by runs of 32, of which the first begins so many elements before the range.
    pub(super) fn at_the_edge(self, lead: u64) -> Decision {
        match self {
            Self::Any(decision) => decision,
            Self::Strided { generator, key, strides } => Decision::Strided { generator, key, strides: strides.plain() },
            Self::Contiguous { generator, key, index } => {
                let aligned = index.wrapping_sub(lead).is_multiple_of(RUN);
                Decision::Blocked { generator, key, aligned }
            }
        }
    }
}

impl Part<'_> {
    /// The next launch, and how many elements it handles.
    pub(super) fn next(&self, chunk: u32) -> (Launch, u64) {
        let (decisions, count) = self.decisions(self.end - self.done);
        let choice = match self.task {
            task if task.is_noise() => self.choose_noise(decisions, count),
            Task::Elementwise { effect, dtype } => self.choose_elementwise(decisions, operation(effect), dtype, count),
            Task::KeepMask(format) => self.choose_mask(decisions, format, count),
            Task::Fused(fusing) => self.choose_fused(&fusing, decisions, count),
            Task::Normals => unreachable!("it is noise"),
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
        let z = self.repeats.map_or(1, |repeats| repeats.count.div_ceil(self.repeats_each(repeats)));
        (Launch { chunk, kernel, parameters, workgroups: [small(x), small(y), small(z)] }, count)
    }

    /// Whether what comes next is shared along the outermost axis, so that it is decided for many elements at once.
    pub(super) fn repeated(&self) -> Option<Repeats> {
        let (Task::Elementwise { dtype, .. }, Source::Key { mask, .. }) = (self.task, self.source) else { return None };
        let view = self.mask(&mask).view();
        if view.is_contiguous() || view.is_gathered() || self.task.is_noise() {
            return None;
        }
        let merged = view.merged();
        let (&Axis { stride: 0, .. }, inner @ [_, ..]) = merged.split_first()? else { return None };
        let elements = inner.iter().try_fold(1, |product: u64, axis| product.checked_mul(axis.extent))?;
        let count = (self.end - self.done) / elements;
        // All of them begin where the first does in a unit of 16 bytes, and at a word, which two would write to otherwise.
        let fits = (elements * dtype.size()).is_multiple_of(16)
            && view.skipped().is_multiple_of(elements)
            && self.output_offset().is_multiple_of(self.elements_per_word());
        (fits && elements >= LEAST_REPEATED && count > 1).then_some(Repeats { elements, count })
    }

    /// Repeats of a workgroup: few, so that there are many workgroups.
    fn repeats_each(&self, repeats: Repeats) -> u64 {
        repeats.count.div_ceil(self.target.max_workgroups_per_dimension.into()).max(REPEATS_EACH)
    }

    /// How a kernel that decides runs of 32 decides what is left, and how much of it.
    pub(super) fn decide_runs(&self) -> (Decision, u64) {
        let (decisions, left) = self.decisions(self.end - self.done);
        match decisions {
            Decisions::Any(decision) => (decision, left),
            Decisions::Strided { generator, key, strides } => {
                (Decision::Strided { generator, key, strides: strides.plain() }, left)
            }
            Decisions::Contiguous { generator, key, index } => {
                (Decision::Blocked { generator, key, aligned: index.is_multiple_of(RUN) }, left)
            }
        }
    }

    pub(super) fn input_offset(&self) -> u64 {
        self.chunk.input_offset + self.done
    }

    pub(super) fn other_offset(&self) -> u64 {
        self.chunk.other_offset + self.done
    }

    /// Elements before the next one in the output's binding; of a mask of bits, words.
    pub(super) fn output_offset(&self) -> u64 {
        match self.task {
            Task::KeepMask(MaskFormat::Bits) => self.chunk.output_offset + self.done / RUN,
            _ => self.chunk.output_offset + self.done,
        }
    }

    fn elements_per_word(&self) -> u64 {
        match (self.task, self.task.dtype()) {
            (_, Some(dtype)) => 4 / dtype.size(),
            (Task::KeepMask(MaskFormat::Bytes), _) => 4,
            _ => 1,
        }
    }

    /// The mask of what is left.
    fn mask(&self, mask: &Mask) -> Mask {
        mask.skip(self.chunk.first + self.done)
    }

    /// How the next of `left` elements are decided, and how many of them can be so.
    pub(super) fn decisions(&self, left: u64) -> (Decisions, u64) {
        let (mask, key) = match self.source {
            Source::All => return (Decisions::Any(Decision::All), left),
            Source::PackedMask => return (Decisions::Any(Decision::PackedMask), left),
            // There is a key, because rows are decided.
            Source::Key { mask, .. } if matches!(self.task, Task::Fused(_)) && mask.keeps_all() => {
                return (Decisions::Any(Decision::All), left);
            }
            Source::Key { mask, key } => (self.mask(&mask), key),
        };
        let generator = mask.generator();
        let key = key.source();
        let view = mask.view();
        if view.is_contiguous() {
            return (Decisions::Contiguous { generator, key, index: view.index(0) }, left);
        }
        let merged = view.merged();
        if let (Some(&Axis { extent, stride: 1 }), false) = (merged.last(), view.is_gathered()) {
            let of_this_row = extent - view.skipped() % extent;
            // Long rows are worth a launch each. Masks have no place for a row that begins inside of a word.
            let is_mask = matches!(self.task, Task::KeepMask(_));
            if of_this_row >= left || !is_mask && of_this_row >= LONG_ROW.max(left / 32) {
                return (Decisions::Contiguous { generator, key, index: view.index(0) }, of_this_row.min(left));
            }
        }
        let local = in_32_bits(&view);
        let strides = local.kind(view.is_gathered());
        let count = match self.task {
            Task::KeepMask(_) if local.reach < left => (local.reach - local.reach % RUN).max(RUN),
            _ => local.reach,
        };
        (Decisions::Strided { generator, key, strides }, count.min(left))
    }

    /// Noise: runs of elements at multiples of 16 bytes, and by another kernel whatever else there is.
    fn choose_noise(&self, decisions: Decisions, left: u64) -> Choice {
        let (operation, dtype) = match self.task {
            Task::Elementwise { dtype, .. } => (Elementwise::Gaussian, dtype),
            _ => (Elementwise::Normal, Dtype::F32),
        };
        let per_quad = 16 / dtype.size();
        let to = self.output_offset();
        let from = if operation == Elementwise::Normal { to } else { self.input_offset() };
        let to_quad = to.next_multiple_of(per_quad) - to;
        let (skeleton, count) = match (from + to_quad).is_multiple_of(per_quad) {
            true if to_quad > 0 && left > to_quad => (Skeleton::NoiseEdge, to_quad),
            true if to_quad == 0 && left >= per_quad => {
                let run = if self.target.schedule == Schedule::Blocked { 4 * per_quad } else { per_quad };
                (Skeleton::NoiseQuads { run: byte(run) }, left - left % per_quad)
            }
            _ => (Skeleton::NoiseEdge, left),
        };
        let decision = match decisions {
            Decisions::Contiguous { generator, key, index } => {
                let lead = to % (4 / dtype.size());
                Decision::Normals { generator, key, inside: !index.wrapping_sub(lead).is_multiple_of(4) }
            }
            Decisions::Strided { generator, key, strides } => {
                Decision::StridedNormals { generator, key, strides: strides.plain() }
            }
            Decisions::Any(_) => unreachable!("noise has a key"),
        };
        let storage = Storage::new(dtype, self.target.f16);
        Choice { program: Program::Elementwise { skeleton, decision, operation, storage, repeated: false }, count }
    }

    fn choose_mask(&self, decisions: Decisions, format: MaskFormat, left: u64) -> Choice {
        let (decision, count) = match decisions {
            Decisions::Any(decision) => (decision, left),
            Decisions::Strided { generator, key, strides } => {
                (Decision::Strided { generator, key, strides: strides.plain() }, left)
            }
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
        let takes_other = operation == Elementwise::Other;
        let (from, to) = (self.input_offset(), self.output_offset());
        let other = if takes_other { self.other_offset() } else { from };
        let input_after = |elements: u64| match [from + elements, other + elements] {
            both if both.iter().all(|at| at.is_multiple_of(per_quad)) => Input::Quads,
            both if both.iter().all(|at| at.is_multiple_of(per_word)) => Input::Words,
            _ => Input::Halves,
        };
        let choose = |skeleton, decision, count| Choice {
            program: Program::Elementwise { skeleton, decision, operation, storage, repeated: self.repeats.is_some() },
            count,
        };
        // What the faster kernels leave over, by the kernel that takes anything.
        let edge = |count: u64| choose(Skeleton::Edge, decisions.at_the_edge(to % per_word), count.min(left));
        // Elements until the output is at a multiple of 16 bytes.
        let to_quad = to.next_multiple_of(per_quad) - to;
        let both_at_quads = (from + to_quad).is_multiple_of(per_quad) && (other + to_quad).is_multiple_of(per_quad);
        // One of two inputs begins inside of a word, and the other does not.
        if from % per_word != other % per_word {
            return edge(left);
        }

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
                    Decisions::Strided { generator, key, strides } => {
                        Decision::Strided { generator, key, strides: strides.by_runs() }
                    }
                    Decisions::Contiguous { generator, key, index } => {
                        Decision::Blocked { generator, key, aligned: index.is_multiple_of(RUN) }
                    }
                };
                choose(Skeleton::Blocked { input: input_after(0) }, decision, left - left % tile)
            }
            (Schedule::Groups, Decisions::Any(_) | Decisions::Contiguous { .. })
                if both_at_quads && !takes_other && self.target.workgroup_size > 1 =>
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
                    Decisions::Strided { .. } => unreachable!("not matched here"),
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
                    Decisions::Strided { generator, key, strides } => {
                        (Decision::Strided { generator, key, strides }, to_unit, run_of(strides), u64::MAX)
                    }
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
    pub(super) fn parameters(&self, kernel: &Kernel, lead: u64, count: u64) -> Parameters {
        let mut parameters = Parameters::new();
        for block in kernel.blocks() {
            match block {
                Block::Elements => parameters.push(&parameters::Elements {
                    count: small(count),
                    input_offset: small(self.input_offset()),
                    output_offset: small(self.output_offset()),
                    other_offset: small(self.other_offset()),
                }),
                Block::Rule => parameters.push(&self.rule(kernel, lead)),
                Block::Key => {
                    let Source::Key { mask, key } = self.source else { unreachable!("of masks alone") };
                    parameters.push(&key.position(mask.kind()));
                }
                Block::Strides => self.push_strides(&mut parameters, kernel),
                Block::RowIds => {
                    let view = self.view();
                    let row = view.skipped() / view.shape()[1..].iter().product::<u64>().max(1);
                    parameters.push::<Numbers>(&[small(self.chunk.ids_offset + row), 0, 0, 0]);
                }
                Block::PackedMask => {
                    let first_bit = self.chunk.packed_offset + self.done;
                    parameters.push::<Numbers>(&[small(first_bit), 0, 0, 0]);
                }
                Block::Repeats => {
                    let Some(repeats) = self.repeats else { unreachable!("only for repeats") };
                    let each = self.repeats_each(repeats);
                    parameters.push::<Numbers>(&[small(repeats.count), small(repeats.elements), small(each), 0]);
                }
                Block::Scaling => {
                    let Task::Elementwise { effect: Effect::Scale { scale } | Effect::Multiply { scale }, .. } =
                        self.task
                    else {
                        unreachable!("only these scale")
                    };
                    parameters.push::<Numbers>(&[scale.to_bits(), 0, 0, 0]);
                }
                Block::Alpha => {
                    let Task::Elementwise { effect: Effect::Alpha { scale, shift, dropped }, .. } = self.task else {
                        unreachable!("only this is alpha")
                    };
                    parameters.push::<Numbers>(&[scale.to_bits(), shift.to_bits(), dropped.to_bits(), 0]);
                }
                Block::Gaussian => {
                    let Task::Elementwise { effect: Effect::Gaussian { sigma }, .. } = self.task else {
                        unreachable!("only this is Gaussian")
                    };
                    parameters.push::<Numbers>(&[sigma.to_bits(), 0, 0, 0]);
                }
                Block::Columns => parameters.push(&self.columns()),
                Block::Walk => parameters.push(&self.walk()),
                Block::Rows => parameters.push(&self.rows()),
                // Whose it is appends it.
                Block::Dispatch | Block::SoftmaxRows => {}
                Block::Comparison
                | Block::Advance
                | Block::Blocks
                | Block::Probe
                | Block::Places
                | Block::Spread
                | Block::Scatter
                | Block::Counts
                | Block::RowSums
                | Block::Accumulation
                | Block::Product
                | Block::Slope
                | Block::Moments
                | Block::Sampling => unreachable!("not of an operation's kernels"),
            }
        }
        parameters
    }

    fn rule(&self, kernel: &Kernel, lead: u64) -> KeepRule {
        let Source::Key { mask, .. } = self.source else { unreachable!("without a key there is no rule") };
        let view = self.view();
        let start = match kernel.strides() {
            Some(_) => in_32_bits(&view).start,
            // That of position 0.
            None => view.index(0).wrapping_sub(lead),
        };
        KeepRule::new(&mask, start)
    }

    /// Where the next elements are.
    pub(super) fn view(&self) -> View {
        let Source::Key { mask, .. } = self.source else { unreachable!("without a key there are no strides") };
        self.mask(&mask).view()
    }

    fn push_strides(&self, parameters: &mut Parameters, kernel: &Kernel) {
        let local = in_32_bits(&self.view());
        parameters.push(&parameters::Strides {
            inner_stride: words(local.inner.stride),
            inner_extent: small(local.inner.extent),
            first: small(local.first),
        });
        let Some(Strides { outer: room, gathered: is_gathered, .. }) = kernel.strides() else { return };
        // Before the axes that there are, others without a stride: what kernels decide past the end of the shape, and nobody
        // looks at, is the beginning again. A gathered axis stays the first.
        let (gathered, others) = local.outer.split_at(usize::from(is_gathered));
        let missing = usize::from(room) - local.outer.len();
        let nothing = Outer { stride: 0, elements: local.walked };
        for outer in gathered.iter().chain(std::iter::repeat_n(&nothing, missing)).chain(others) {
            parameters.push(&parameters::Axis::new(outer.stride, small(outer.elements)));
        }
    }
}

/// Elements from which on repeats are worth launches of their own.
const LEAST_REPEATED: u64 = 4096;

/// Repeats of a workgroup, for which its random numbers are made once.
const REPEATS_EACH: u64 = 8;

/// Elements that an invocation handles.
fn run_of(strides: Strides) -> u64 {
    if strides.inner == Inner::SharedByMany { MANY.into() } else { RUN }
}

/// Elements from which on a row is worth a launch.
const LONG_ROW: u64 = 1 << 16;

/// Groups from that of an index on until the low word of their number wraps; one fewer where the index is inside of its
/// group, and the next one is needed too.
pub(super) fn groups_before_carry(index: u64) -> u64 {
    let low = (index >> 3) & 0xffff_ffff;
    (1 << 32) - low - u64::from(!index.is_multiple_of(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_before_a_carry() {
        assert_eq!(groups_before_carry(0), 1 << 32);
        assert_eq!(groups_before_carry((1 << 35) - 8), 1);
        assert_eq!(groups_before_carry((1 << 35) - 7), 0);
        assert_eq!(groups_before_carry((1 << 35) - 9), 1);
        assert_eq!(groups_before_carry(1 << 35), 1 << 32);
    }
}
