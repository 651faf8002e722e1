//! Which kernel handles the next elements of a call, and with which parameters: the one place that chooses.

use smallvec::SmallVec;

use super::{
    kernel::{Decision, Elementwise, Inner, Input, Kernel, KeySource, MANY, Program, Skeleton, Storage, Strides, Unit},
    parameters::{self, Block, Numbers, Parameters, byte, small, words},
    plan::{Chunk, KeyPlace, Launch},
    target::{RUN, Schedule, Target},
};
use crate::{
    Dtype, Generator, Mask, MaskFormat, View,
    effect::Effect,
    view::{Axis, MAX_AXES},
    wgsl::KeepRule,
};

/// What is done with the decisions.
#[derive(Clone, Copy)]
pub(super) enum Task {
    Elementwise {
        effect: Effect,
        dtype: Dtype,
    },
    KeepMask(MaskFormat),
    /// Normals as f32 elements.
    Normals,
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
            Self::Normals => true,
        }
    }

    const fn dtype(self) -> Option<Dtype> {
        match self {
            Self::Elementwise { dtype, .. } => Some(dtype),
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
    Strided {
        generator: Generator,
        key: KeySource,
        strides: Strides,
    },
}

impl Part<'_> {
    /// The next launch, and how many elements it handles.
    pub(super) fn next(&self, chunk: u32) -> (Launch, u64) {
        let (decisions, count) = self.decisions(self.end - self.done);
        let choice = match self.task {
            task if task.is_noise() => self.choose_noise(decisions, count),
            Task::Elementwise { effect, dtype } => self.choose_elementwise(decisions, operation(effect), dtype, count),
            Task::KeepMask(format) => self.choose_mask(decisions, format, count),
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

    fn input_offset(&self) -> u64 {
        self.chunk.input_offset + self.done
    }

    fn other_offset(&self) -> u64 {
        self.chunk.other_offset + self.done
    }

    /// Elements before the next one in the output's binding; of a mask of bits, words.
    fn output_offset(&self) -> u64 {
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
    fn decisions(&self, left: u64) -> (Decisions, u64) {
        let (mask, key) = match self.source {
            Source::All => return (Decisions::Any(Decision::All), left),
            Source::PackedMask => return (Decisions::Any(Decision::PackedMask), left),
            Source::Key { mask, key } => (self.mask(&mask), key),
        };
        let generator = mask.generator();
        let key = if key == KeyPlace::Parameters { KeySource::Parameter } else { KeySource::Buffer };
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
            choose(Skeleton::Edge, decision, count.min(left))
        };
        // Elements until the output is at a multiple of 16 bytes.
        let to_quad = to.next_multiple_of(per_quad) - to;
        let both_at_quads = (from + to_quad).is_multiple_of(per_quad) && (other + to_quad).is_multiple_of(per_quad);
        // One of two inputs begins inside of a word, and the other does not.
        if from % per_word != other % per_word {
            return edge(left);
        }

        match (self.target.schedule, decisions) {
            (Schedule::Blocked, _) => {
                let run = match decisions {
                    Decisions::Strided { strides, .. } => run_of(strides),
                    _ => RUN,
                };
                let tile = u64::from(self.target.workgroup_size) * run;
                if left < to_quad + tile {
                    return edge(left);
                }
                if to_quad > 0 {
                    return edge(to_quad);
                }
                let decision = match decisions {
                    Decisions::Any(decision) => decision,
                    Decisions::Strided { generator, key, strides } => Decision::Strided { generator, key, strides },
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
                    let Source::Key { key: KeyPlace::Buffer { word }, .. } = self.source else { unreachable!() };
                    parameters.push::<Numbers>(&[word, 0, 0, 0]);
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
                // Whose it is appends it.
                Block::Dispatch => {}
                Block::Comparison
                | Block::Advance
                | Block::Blocks
                | Block::Probe
                | Block::Places
                | Block::Spread
                | Block::Scatter
                | Block::Counts => unreachable!("not of an operation's kernels"),
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
    fn view(&self) -> View {
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
fn groups_before_carry(index: u64) -> u64 {
    let low = (index >> 3) & 0xffff_ffff;
    (1 << 32) - low - u64::from(!index.is_multiple_of(8))
}

/// A view of the next elements with positions in 32 bits.
struct Local {
    start: u64,
    /// The outermost first.
    outer: SmallVec<[Outer; MAX_AXES]>,
    inner: Axis,
    /// Position of the first element.
    first: u64,
    /// Elements of all the axes, but for one whose rows are looked up.
    walked: u64,
    /// Elements up to the end of an axis that is longer than 32 bits reach.
    reach: u64,
}

/// An axis but for the innermost: the decisions and the elements from one coordinate to the next.
#[derive(Clone, Copy)]
struct Outer {
    stride: u64,
    elements: u64,
}

impl Local {
    /// Whether every run of 32 elements, counted from the first on, is of one row, and begins at a multiple of 32 there.
    fn is_aligned(&self) -> bool {
        let strides = self.outer.iter().map(|outer| outer.stride);
        let all = strides.chain([self.start, self.first, self.inner.extent]);
        self.inner.stride == 1 && all.into_iter().all(|number| number.is_multiple_of(RUN))
    }

    fn kind(&self, gathered: bool) -> Strides {
        let inner = match self.inner.stride {
            0 if self.inner.extent >= MANY.into() => Inner::SharedByMany,
            0 => Inner::Shared,
            1 if self.is_aligned() => Inner::Aligned,
            1 => Inner::Dense,
            _ => Inner::Spread,
        };
        // Few texts serve all numbers of axes.
        let outer = match self.outer.len() {
            0 | 1 => 1,
            2 => 2,
            _ => 7,
        };
        Strides { outer, inner, gathered }
    }
}

/// The strides of a view as kernels take them, with positions in 32 bits, for as many elements as [`Local::reach`] says; but
/// 32 elements are always possible.
fn in_32_bits(view: &View) -> Local {
    const MOST: u64 = 1 << 31;
    let is_gathered = view.is_gathered();
    let mut axes = view.merged();
    // A kernel has an innermost axis, which is not looked up.
    if axes.len() == usize::from(is_gathered) {
        axes.push(Axis { extent: 1, stride: 0 });
    }
    // The axes from `number` on are walked through, `inside` elements.
    let (mut number, mut inside) = (axes.len(), 1);
    while number > usize::from(is_gathered) {
        let extent = axes[number - 1].extent.max(1);
        let Some(elements) = extent.checked_mul(inside).filter(|&elements| elements <= MOST) else { break };
        (number, inside) = (number - 1, elements);
    }
    let mut walked: SmallVec<[Axis; MAX_AXES]> = axes[number..].into();
    let (mut start, mut first, mut reach) = (view.start(), view.skipped(), u64::MAX);
    if let Some(&long) = number.checked_sub(1).and_then(|number| axes.get(number)) {
        let far = first / inside;
        first %= inside;
        if is_gathered {
            // Rows are counted from the first element's on.
            walked.insert(0, long);
        } else {
            // So are the coordinates of a long axis, but for a few before it: past the end of the axis, where no more than 32
            // elements may be needed, its coordinates begin at 0, and those few are as many again.
            let coordinate = far % long.extent;
            let left = long.extent - coordinate;
            let before = coordinate.min(if inside < 2 * RUN { 2 * RUN / inside } else { 0 });
            reach = left.saturating_mul(inside).saturating_sub(first);
            let next = view.skip(reach).index(0);
            start = view.index(0).wrapping_sub(offset(&walked, first)).wrapping_sub(before.wrapping_mul(long.stride));
            first += before * inside;
            walked.insert(0, Axis { extent: left.saturating_add(before), ..long });
            if number > 1 {
                walked.insert(0, Axis { extent: 2, stride: next.wrapping_sub(start) });
            }
        }
    }
    // What no position reaches need not fit.
    let fits = |elements: u64| elements.min(u32::MAX.into());
    let inner = walked.pop().unwrap_or(Axis { extent: 1, stride: 0 });
    let mut elements = inner.extent;
    let mut outer: SmallVec<[Outer; MAX_AXES]> = SmallVec::new();
    for axis in walked.iter().rev() {
        outer.insert(0, Outer { stride: axis.stride, elements: fits(elements) });
        elements = elements.saturating_mul(axis.extent);
    }
    let walked = if is_gathered { outer[0].elements } else { fits(elements) };
    Local { start, outer, inner: Axis { extent: fits(inner.extent), ..inner }, first, walked, reach }
}

/// Decisions from the first element of these axes to another.
fn offset(axes: &[Axis], mut position: u64) -> u64 {
    let mut offset: u64 = 0;
    for axis in axes.iter().rev() {
        offset = offset.wrapping_add((position % axis.extent).wrapping_mul(axis.stride));
        position /= axis.extent;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index of an element as a kernel computes it.
    fn index(local: &Local, element: u64, ids: &[u32]) -> u64 {
        let mut rest = local.first + element;
        assert!(rest < (1 << 32) - 1);
        let mut index = local.start;
        for (axis, outer) in local.outer.iter().enumerate() {
            let coordinate = rest / outer.elements;
            rest -= coordinate * outer.elements;
            let coordinate = if axis == 0 && !ids.is_empty() {
                ids[usize::try_from(coordinate).unwrap()].into()
            } else {
                coordinate
            };
            index = index.wrapping_add(coordinate.wrapping_mul(outer.stride));
        }
        assert!(rest < local.inner.extent, "{rest} of {}", local.inner.extent);
        index.wrapping_add(rest.wrapping_mul(local.inner.stride))
    }

    /// Rows of any length, in 32 bits.
    #[test]
    fn long_rows_keep_their_indexes() {
        for length in [1, 5, 1 << 31, (1 << 31) + 1, 1 << 32, (1 << 32) + 4, 1 << 40, u64::MAX - 1] {
            for gap in [0, 1, 1 << 33] {
                for skip in [0, 3, (1 << 31) - 2, (1 << 32) - 16, (1 << 40) - 20, u64::MAX - (1 << 21)] {
                    let view = View::rows(7, length, u64::saturating_add(length, gap)).skip(skip);
                    let local = in_32_bits(&view);
                    for j in [0, 1, 2, 14, 15, 16, 17, 31, 40, (1 << 20) - 1] {
                        if j < RUN.max(local.reach) {
                            assert_eq!(index(&local, j, &[]), view.index(j), "{view:?} {j}");
                        }
                    }
                }
            }
        }
    }

    /// Axes of any length too, whichever of them is the long one.
    #[test]
    fn long_axes_keep_their_indexes() {
        let shapes: [&[u64]; 7] = [
            &[3, 1 << 31, 5],
            &[1 << 20, 3, 1 << 33],
            &[2, 3, 1 << 32, 4],
            &[1 << 30, 7, 1 << 20],
            &[5, 4, 1 << 16, 1 << 16],
            &[3, (1 << 31) - 1, 1],
            &[2, 2, 2, 2, 2, 2, 2, 1 << 31],
        ];
        for shape in shapes {
            for strides in [[1 << 50, 0, 7, 1, 9, 0, 2, 3], [0, 1, 0, 0, 1, 1, 0, 1], [3, 0, 1 << 40, 0, 2, 0, 1, 0]] {
                let view = View::strided(11, shape, &strides[..shape.len()]).unwrap();
                let all: u64 = shape.iter().product();
                let row = all / shape[0];
                for skip in [0, 1, 4, 5, 17, row - 3, row, row - 31, all / 2 + 1, all - 9, row.saturating_sub(1 << 30)]
                {
                    let view = view.skip(skip);
                    let local = in_32_bits(&view);
                    for j in [0, 1, 2, 3, 4, 5, 6, 7, 8, 1000, 1 << 20, 1 << 30, (1 << 30) + 3, (1 << 31) - 1] {
                        if j < (all - skip).min(RUN.max(local.reach)) {
                            assert_eq!(index(&local, j, &[]), view.index(j), "{view:?} {j}");
                        }
                    }
                }
            }
        }
    }

    /// The runs of kernels go past the end, and an invocation that found no element there would never end.
    #[test]
    fn there_are_elements_past_the_end() {
        for (shape, strides) in [(&[70][..], &[0][..]), (&[7, 10], &[0, 0]), (&[70], &[3]), (&[1 << 33], &[0])] {
            let all: u64 = shape.iter().product();
            for skip in [0, all - 40, all - 1] {
                let local = in_32_bits(&View::strided(3, shape, strides).unwrap().skip(skip));
                for past in 0..RUN {
                    let rest = (local.first + (all - skip).min(1 << 31) + past)
                        % local.outer.last().map_or(local.walked, |o| o.elements);
                    assert!(rest < local.inner.extent, "{shape:?} {skip} {past}");
                }
            }
        }
    }

    #[test]
    fn gathered_rows_are_counted_from_the_first() {
        let ids = [9, 0, 4_000_000_000, 2, 9];
        for shape in [&[5, 3, 2][..], &[5], &[5, 1]] {
            let view = View::shared(3, shape, &[]).unwrap().gathered().unwrap();
            let row: u64 = shape[1..].iter().product();
            for skip in 0..5 * row {
                let local = in_32_bits(&view.skip(skip));
                for j in 0..5 * row - skip {
                    let expected = view.gathered_index(skip + j, &ids);
                    assert_eq!(
                        index(&local, j, &ids[usize::try_from(skip / row).unwrap()..]),
                        expected,
                        "{shape:?} {skip} {j}"
                    );
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
