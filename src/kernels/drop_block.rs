//! `DropBlock` as launches: from seeds, which are an ordinary keep mask, to the packed mask of the elements and its
//! scale, in the caller's scratch; and the mask applied.
//!
//! Everything before the last step works on bits. Seeds are put where their blocks begin, in an array of all elements;
//! there a block is a set of distances, the same for every seed, and spreading is shifting: see shaders/drop_block/.

use std::ops::Range;

use super::{
    kernel::{Kernel, Program},
    operand::{Bindings, Kind, Operand, Operands, Tensor, bindings},
    parameters::{self, Parameters, small, words},
    plan::{KeyPlace, Launch, Launches, Plan},
    select::{Source, Task},
    stage::Stage,
    target::Target,
};
use crate::{
    BlockMask, BlockScaling, Dropout, Error, MaskFormat, Operation, Pass,
    drop_block::{BlockWork, Scratch},
    effect::Effect,
    pass::SCRATCH_ALIGNMENT,
    role::Role,
};

/// A step on the way from `DropBlock`'s seeds, as a keep mask, to the packed mask and its scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum BlockStep {
    /// Seeds to where their blocks begin.
    Place {
        /// Whether planes share masks.
        shared: bool,
    },
    /// Along the axes of a block.
    Spread,
    /// Both, one block after the other.
    Scatter,
    /// A mask that keeps all.
    Fill,
    /// What is kept, a number for each workgroup.
    Count,
    /// The sum of those and the scale.
    Scale,
}

impl BlockStep {
    /// Words of bits that an invocation handles.
    pub(crate) const fn words_per_invocation(self) -> u32 {
        match self {
            Self::Place { .. } | Self::Spread => 8,
            Self::Count => 64,
            Self::Scatter => 64,
            Self::Fill => 16,
            Self::Scale => 1,
        }
    }

    /// Whether it accesses an operand four words at a time.
    pub(crate) const fn by_quads(self, role: Role) -> bool {
        matches!((self, role), (Self::Scatter | Self::Count, Role::Input) | (Self::Fill, Role::Output))
    }

    pub(super) const fn fragment(self) -> &'static str {
        match self {
            Self::Place { .. } => "drop_block/place",
            Self::Spread => "drop_block/spread",
            Self::Scatter => "drop_block/scatter",
            Self::Fill => "drop_block/fill",
            Self::Count => "drop_block/count",
            Self::Scale => "drop_block/scale",
        }
    }
}

/// The stages of a pass, in order; none where nothing has to be done.
///
/// # Errors
/// [`Error::TooLarge`] where an axis has 2³¹ elements, planes that share masks are 2³² or more, or the rows under a block are
/// more bits than a binding; [`Error::NoRate`] for a rate in a buffer; those of [`BlockMask::expected_scale`].
pub(super) fn stages(
    target: &Target,
    work: &BlockWork,
    pass: &Pass<Tensor>,
    key: KeyPlace,
) -> Result<Vec<Stage>, Error> {
    if let KeyPlace::RateBuffer { .. } = key {
        return Err(Error::NoRate { what: "DropBlock" });
    }
    let mask = work.mask();
    if mask.elements() == 0 {
        return Ok(vec![]);
    }
    let Some((output, scratch)) = pass.place(Role::Output).zip(pass.scratch) else { unreachable!("checked") };
    let values = pass.place(Role::Input).map(|input| (output.dtype, input.operand));
    let of_output = match values {
        None => Operands::mask(MaskFormat::Bits, mask.elements(), output.operand)?,
        Some((dtype, input)) => Operands::values(dtype, input, output.operand)?,
    };
    if let Some(trivial) = mask.trivial()? {
        let operation = match work {
            BlockWork::Forward(_) => Operation::Forward(trivial),
            BlockWork::Mask(_) => Operation::KeepMask(trivial),
        };
        let plan = Plan::new(target, &of_output)?;
        let launches = plan.launches(&operation, KeyPlace::Parameters)?;
        return Ok(vec![Stage::of(&plan, launches)]);
    }
    let given = if values.is_none() { Some(output.operand) } else { None };
    let mut call = Call { target, mask, packed_output: given, scratch: scratch.operand, stages: vec![] };
    let packed = call.packed_mask(key)?;
    if let Some((dtype, _)) = values {
        let effect = match mask.scaling() {
            BlockScaling::Count => {
                call.count(packed)?;
                Effect::ScaleInBuffer
            }
            BlockScaling::Expected => Effect::Scale { scale: mask.expected_scale()? },
            BlockScaling::None => Effect::Select,
        };
        let plan = Plan::new(target, &of_output.with_packed_mask(packed)?)?;
        let launches = plan.launch_all(Task::Elementwise { effect, dtype }, Source::PackedMask)?;
        let header = Operand { size: HEADER, ..scratch.operand };
        let scale = (effect == Effect::ScaleInBuffer).then_some(header);
        call.stages.push(Stage { scale, ..Stage::of(&plan, launches) });
    }
    Ok(call.stages)
}

/// Bytes at the start of the scratch that are read as a scale: a count of two words, and the scale.
const HEADER: u64 = 16;

/// A call whose stages are being put together.
struct Call<'a> {
    target: &'a Target,
    mask: &'a BlockMask,
    /// Where the packed mask itself is the output.
    packed_output: Option<Operand>,
    scratch: Operand,
    stages: Vec<Stage>,
}

/// One spreading: by the distances 0, step, … and the last, each plus 0 to `across` − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Distances {
    step: u64,
    /// Before the last.
    steps: u64,
    last: u64,
    across: u64,
}

impl Distances {
    /// The bits before its place that a bit depends on.
    fn reach(&self) -> u64 {
        self.last + self.across - 1
    }
}

/// Distances of one spreading at most: more are quicker in two.
const MOST_DISTANCES: u64 = 12;

/// Spreadings that together cover a block.
fn spreadings(size: [u64; 3], block: [u64; 3]) -> Vec<Distances> {
    let across = block[2].min(32);
    // Along an axis: what a bit covers grows by a factor each time, and is laid side by side until the last one
    // overlaps.
    let along = |spreadings: &mut Vec<Distances>, stride: u64, length: u64, mut covered: u64| {
        while covered < length {
            let pieces = length.div_ceil(covered).min(MOST_DISTANCES);
            let reached = (pieces * covered).min(length);
            spreadings.push(Distances {
                step: covered * stride,
                steps: pieces - 1,
                last: (reached - covered) * stride,
                across: 1,
            });
            covered = reached;
        }
    };
    let mut spreadings = vec![];
    along(&mut spreadings, size[2], block[1], 1);
    along(&mut spreadings, size[1] * size[2], block[0], 1);
    // Neighbours in a row come with whatever is first.
    match spreadings.first_mut() {
        Some(first) => first.across = across,
        None if across > 1 => spreadings.push(Distances { step: 0, steps: 0, last: 0, across }),
        None => {}
    }
    along(&mut spreadings, 1, block[2], across);
    spreadings
}

/// Whether seeds fire so rarely that dropping their blocks one after the other, a word of a row at a time, is quicker
/// than spreading all bits.
fn is_sparse(mask: &BlockMask) -> bool {
    /// Words an element, on average. With 0.02 the one took 1.7 ms and the other 4.4 ms, beside a copy of 9.3 ms
    /// (blocks of 7 × 7 in 4096 planes of 56 × 56, lavapipe, two cores of an AMD EPYC, 2026-11-24); the one grows with
    /// it.
    const MOST: f64 = 0.03;
    let [depth, height, width] = mask.block();
    mask.is_unshared() && mask.rate() * (depth * height) as f64 * (width as f64 / 32.0 + 1.0) < MOST
}

impl Call<'_> {
    fn region(&self, region: usize) -> Operand {
        let of = Scratch::of(self.mask);
        Operand::new(self.scratch.buffer, self.scratch.offset + of.regions[region], of.region_size)
    }

    /// Has the packed mask made, and returns where: in the output, or in the scratch.
    fn packed_mask(&mut self, key: KeyPlace) -> Result<Operand, Error> {
        let mask = self.mask;
        let (size, block) = (mask.size(), mask.block());
        if let Some(&bytes) = size.iter().find(|&&size| size >= 1 << 31) {
            return Err(Error::TooLarge { bytes, limit: (1 << 31) - 1, what: "elements of a spatial axis" });
        }
        let planes = mask.plane_axes().as_flattened().iter().product();
        if !mask.is_unshared() && planes > u64::from(u32::MAX) {
            return Err(Error::TooLarge {
                bytes: planes,
                limit: u32::MAX.into(),
                what: "planes that share block masks",
            });
        }

        // Seeds from the start of a word on, because that is the cheapest.
        let masks = mask.plane_masks(0..mask.plane_count());
        let of_mask = mask.plane_seeds();
        let start = mask.start() + masks.start * of_mask;
        let before = start % 32;
        let length = before + (masks.end - masks.start) * of_mask;
        let region = self.region(0);
        let seeds = Operand::new(region.buffer, region.offset, MaskFormat::Bits.size(length));
        let plan = Plan::new(self.target, &Operands::mask(MaskFormat::Bits, length, seeds)?)?;
        let launches = plan.launches(&Operation::KeepMask(mask.seeds(start - before)?), key)?;
        self.stages.push(Stage::of(&plan, launches));

        if is_sparse(mask) {
            let output = match self.packed_output {
                Some(output) => {
                    // It may begin anywhere.
                    let all = Plan::new(self.target, &Operands::mask(MaskFormat::Bits, mask.elements(), output)?)?;
                    let keeps_all = Operation::KeepMask(Dropout::new(0.0)?.mask(mask.key()));
                    self.stages.push(Stage::of(&all, all.launches(&keeps_all, KeyPlace::Parameters)?));
                    output
                }
                None => {
                    let output = Operand { size: MaskFormat::Bits.size(mask.elements()), ..self.region(1) };
                    let stage = self.fill(output)?;
                    self.stages.push(stage);
                    output
                }
            };
            let stage = self.scatter(seeds, before, output)?;
            self.stages.push(stage);
            return Ok(output);
        }
        let spreadings = spreadings(size, block);
        let bits = MaskFormat::Bits.size(mask.elements());
        let in_region = |operand: Operand| Operand { size: bits, ..operand };
        let target = |step: usize| match (self.packed_output, step == spreadings.len()) {
            (Some(output), true) => output,
            _ => in_region(self.region((step + 1) % 2)),
        };
        let (first, others) = (target(0), (1..=spreadings.len()).map(target).collect::<Vec<_>>());
        let stage = self.place(seeds, masks.start, before, first, spreadings.is_empty())?;
        self.stages.push(stage);
        let mut from = first;
        for (i, (spreading, to)) in spreadings.iter().zip(others).enumerate() {
            let stage = self.spread(spreading, from, to, i + 1 == spreadings.len())?;
            self.stages.push(stage);
            from = to;
        }
        Ok(from)
    }

    fn place(
        &self,
        seeds: Operand,
        first_mask: u64,
        before: u64,
        output: Operand,
        writes_keep: bool,
    ) -> Result<Stage, Error> {
        let mask = self.mask;
        let [depth, height, width] = mask.size();
        let [seed_depth, seed_height, seed_width] = mask.seed_size();
        let (of_plane, of_mask) = (mask.plane_elements(), mask.plane_seeds());
        // The bit of a mask's first seed in the range of all seeds.
        let bit = |number: u64| before + (number - first_mask) * of_mask;
        let reads = |words: &Range<u64>| self.seed_words(words.start * 32..words.end * 32, first_mask, before);
        let step = BlockStep::Place { shared: !mask.is_unshared() };
        self.bits(step, seeds, output, reads, |chunk| {
            let first = chunk.words.start * 32;
            let (plane, in_plane) = (first / of_plane, first % of_plane);
            let coordinates = [in_plane % width, in_plane / width % height, in_plane / width / height];
            // In the binding, modulo 2³²; what lies before it has wrapped.
            let seen = |number: u64| {
                bit(number).wrapping_add(u64::from(chunk.input_offset) * 32).wrapping_sub(chunk.reads.start * 32)
            };
            let axes = mask.plane_axes();
            let (base, first_plane) = match step {
                BlockStep::Place { shared: true } => {
                    // That of mask 0, which may lie before the binding.
                    let shift = first_mask.wrapping_mul(of_mask);
                    (seen(first_mask).wrapping_sub(shift), mask.first_plane() + plane)
                }
                _ => (seen(mask.plane_mask(plane)), 0),
            };
            let mut parameters = Parameters::new();
            parameters.push(&parameters::Places {
                size: [width, height, depth].map(small),
                words: small(chunk.words.end - chunk.words.start),
                seeds: [seed_width, seed_height, seed_depth].map(small),
                elements: small(chunk.elements),
                first: coordinates.map(small),
                first_plane: small(first_plane),
                base: words(base)[0],
                mask_seeds: words(of_mask)[0],
                output_offset: chunk.output_offset,
                writes_keep: writes_keep.into(),
                own: [3, 2, 1, 0].map(|pair: usize| small(axes[pair][0].min(u32::MAX.into()))),
                sharing: [3, 2, 1, 0].map(|pair: usize| small(axes[pair][1].min(u32::MAX.into()))),
            });
            parameters
        })
    }

    /// The words of all seeds, of which the first is bit `before`, that some elements' rows need.
    fn seed_words(&self, elements: Range<u64>, first_mask: u64, before: u64) -> Range<u64> {
        let mask = self.mask;
        let [_, height, width] = mask.size();
        let [seed_depth, seed_height, seed_width] = mask.seed_size();
        let (of_plane, of_mask) = (mask.plane_elements(), mask.plane_seeds());
        let last = elements.end.min(mask.elements()) - 1;
        let planes = elements.start / of_plane..last / of_plane + 1;
        let masks = mask.plane_masks(planes.clone());
        let mut bits = masks.start * of_mask..masks.end * of_mask;
        if mask.is_unshared() || planes.end - planes.start == 1 {
            // Some of them only: of the first and the last plane not those before the first element, and after the
            // last.
            let seeds_before = |element: u64| {
                let (z, y, x) = (element / width / height, element / width % height, element % width);
                match (z < seed_depth, y < seed_height) {
                    (true, true) => (z * seed_height + y) * seed_width + x.min(seed_width),
                    (true, false) => (z + 1) * seed_height * seed_width,
                    (false, _) => of_mask,
                }
            };
            bits.start += seeds_before(elements.start % of_plane);
            bits.end = bits.end - of_mask + seeds_before(last % of_plane + 1);
        }
        let from_first = |bit: u64| before + bit - first_mask * of_mask;
        // At least a word, because nothing cannot be bound.
        let first = (from_first(bits.start) / 32).min(from_first(bits.end).saturating_sub(1) / 32);
        first..from_first(bits.end).div_ceil(32).max(first + 1)
    }

    /// Drops the blocks of seeds that fire from a mask that keeps all. Every plane has a mask of its own.
    fn scatter(&self, seeds: Operand, before: u64, output: Operand) -> Result<Stage, Error> {
        let mask = self.mask;
        let [depth, height, width] = mask.size();
        let [block_depth, block_height, block_width] = mask.block();
        let [seed_depth, seed_height, seed_width] = mask.seed_size();
        let (of_plane, of_mask) = (mask.plane_elements(), mask.plane_seeds());
        let reach = ((block_depth - 1) * height + block_height - 1) * width + block_width - 1;
        let first_mask = mask.plane_mask(0);
        let reads = |words: &Range<u64>| {
            self.seed_words((words.start * 32).saturating_sub(reach)..words.end * 32, first_mask, before)
        };
        self.bits(BlockStep::Scatter, seeds, output, reads, |chunk| {
            let bits =
                (chunk.reads.start * 32).max(before)..(chunk.reads.end * 32).min(before + mask.plane_count() * of_mask);
            let (plane, in_plane) = ((bits.start - before) / of_mask, (bits.start - before) % of_mask);
            let first =
                [in_plane % seed_width, in_plane / seed_width % seed_height, in_plane / seed_width / seed_height];
            let mut parameters = Parameters::new();
            parameters.push(&parameters::Scatter {
                size: [width, height, depth].map(small),
                words: small(chunk.reads.end - chunk.reads.start),
                seeds: [seed_width, seed_height, seed_depth].map(small),
                count: small(bits.end - bits.start),
                first: first.map(small),
                input_bit: chunk.input_offset * 32 + small(bits.start - chunk.reads.start * 32),
                block: [block_width, block_height, block_depth].map(small),
                output_words: small(chunk.words.end - chunk.words.start),
                first_element: words((plane * of_plane).wrapping_sub(chunk.words.start * 32))[0],
                output_offset: chunk.output_offset,
                unused: [0; 2],
            });
            parameters
        })
    }

    fn spread(&self, by: &Distances, input: Operand, output: Operand, writes_keep: bool) -> Result<Stage, Error> {
        let reach = by.reach().div_ceil(32);
        let reads = |words: &Range<u64>| words.start.saturating_sub(reach)..words.end;
        self.bits(BlockStep::Spread, input, output, reads, |chunk| {
            let mut parameters = Parameters::new();
            parameters.push(&parameters::Spread {
                words: small(chunk.words.end - chunk.words.start),
                elements: small(chunk.elements),
                input_offset: chunk.input_offset + small(chunk.words.start - chunk.reads.start),
                output_offset: chunk.output_offset,
                step_words: small(by.step / 32),
                step_bits: small(by.step % 32),
                steps: small(by.steps),
                across: small(by.across),
                last_words: small(by.last / 32),
                last_bits: small(by.last % 32),
                writes_keep: writes_keep.into(),
                unused: 0,
            });
            parameters
        })
    }

    fn fill(&self, output: Operand) -> Result<Stage, Error> {
        let parts = |words: &Range<u64>| [0..0, words.clone()];
        self.chunks(BlockStep::Fill, None, output, [output.size / 4, 4], parts, |chunk| {
            let mut parameters = Parameters::new();
            parameters.push(&parameters::Counts {
                words: small(chunk.words.end - chunk.words.start),
                input_offset: 0,
                output_offset: chunk.output_offset,
                is_first: 0,
                elements: words(chunk.elements),
                unused: [0; 2],
            });
            parameters
        })
    }

    /// Has the kept elements counted and divided, into the header.
    fn count(&mut self, packed: Operand) -> Result<(), Error> {
        let elements = words(self.mask.elements());
        // The region that the packed mask is not in.
        let free = self.region(usize::from(self.region(0).offset == packed.offset));
        // Small bindings have fewer words than a workgroup counts.
        let per_number = self.workgroup_words(BlockStep::Count).min(self.room() / 4 * 4);
        let numbers = Operand::new(free.buffer, free.offset, (packed.size / 4).div_ceil(per_number) * 4);
        let stage = self.numbers(BlockStep::Count, packed, numbers, per_number, elements)?;
        self.stages.push(stage);
        let header = Operand::new(free.buffer, self.scratch.offset, SCRATCH_ALIGNMENT);
        let stage = self.numbers(BlockStep::Scale, numbers, header, u64::MAX, elements)?;
        self.stages.push(stage);
        Ok(())
    }

    /// Chunks of words that become a number each `per_number`, or all the same few words.
    fn numbers(
        &self,
        step: BlockStep,
        input: Operand,
        output: Operand,
        per_number: u64,
        elements: [u32; 2],
    ) -> Result<Stage, Error> {
        let writes = |words: &Range<u64>| match step {
            BlockStep::Count => words.start / per_number..words.end.div_ceil(per_number),
            _ => 0..output.size / 4,
        };
        let length = input.size / 4;
        let multiple = if step == BlockStep::Count { per_number } else { 1 };
        self.chunks(
            step,
            Some(input),
            output,
            [length, multiple],
            |words| [words.clone(), writes(words)],
            |chunk| {
                let mut parameters = Parameters::new();
                parameters.push(&parameters::Counts {
                    words: small(chunk.words.end - chunk.words.start),
                    input_offset: chunk.input_offset,
                    output_offset: chunk.output_offset,
                    is_first: u32::from(chunk.words.start == 0),
                    elements,
                    unused: [0; 2],
                });
                parameters
            },
        )
    }

    /// Chunks of words of bits, of one for each element, that are computed from the words that `reads` names.
    fn bits(
        &self,
        step: BlockStep,
        input: Operand,
        output: Operand,
        reads: impl Fn(&Range<u64>) -> Range<u64>,
        parameters: impl Fn(&Chunk) -> Parameters,
    ) -> Result<Stage, Error> {
        let length = output.size / 4;
        self.chunks(step, Some(input), output, [length, 1], |words| [reads(words), words.clone()], parameters)
    }

    /// Splits so many words into chunks of a multiple of some, so that what each reads and writes can be bound.
    fn chunks(
        &self,
        step: BlockStep,
        input: Option<Operand>,
        output: Operand,
        [length, multiple]: [u64; 2],
        parts: impl Fn(&Range<u64>) -> [Range<u64>; 2],
        parameters: impl Fn(&Chunk) -> Parameters,
    ) -> Result<Stage, Error> {
        let target = self.target;
        let operands = Operands { input, ..Operands::output(Kind::Mask(MaskFormat::Bits), output, length) };
        let most = u64::from(target.max_workgroups_per_dimension);
        let per_workgroup = self.workgroup_words(step);
        // Bits are counted in 32 bits, and workgroups in two dimensions.
        let at_most = if step == BlockStep::Scale { 1 << 26 } else { (most * most * per_workgroup).min(1 << 26) };
        let room = self.room();
        let mut stage = Stage { chunks: vec![], launches: Launches::new(), scale: None };
        let mut first = 0;
        while first < length {
            let mut count = (length - first).min(at_most.next_multiple_of(multiple));
            let (range, [read, write]) = loop {
                let range = first..first + count;
                let [mut read, mut write] = parts(&range);
                // Regions of the scratch have room for them.
                if step.by_quads(Role::Input) {
                    read = read.start / 4 * 4..read.end.next_multiple_of(4);
                }
                if step.by_quads(Role::Output) {
                    write.end = write.end.next_multiple_of(4);
                }
                let needed = (read.end - read.start).max(write.end - write.start);
                if needed <= room && (step != BlockStep::Scatter || read.end - read.start <= at_most) {
                    break (range, [read, write]);
                }
                if count <= multiple {
                    let what = "a binding of the rows under a block";
                    return Err(Error::TooLarge { bytes: needed * 4, limit: room * 4, what });
                }
                // What is halved becomes a multiple.
                count = (count / 2).next_multiple_of(multiple).min(count - 1);
                count = (count - count % multiple).max(multiple);
            };
            let part = |role| match role {
                Role::Output => write.start * 4..write.end * 4,
                _ => read.start * 4..read.end * 4,
            };
            let Bindings { list, layout, offsets } = bindings(&operands, part, target);
            let chunk = Chunk {
                elements: (self.mask.elements().saturating_sub(range.start * 32)).min((range.end - range.start) * 32),
                words: range,
                reads: read,
                input_offset: small(offsets[Role::Input as usize] / 4),
                output_offset: small(offsets[Role::Output as usize] / 4),
            };
            let kernel = Kernel::new(target, Program::DropBlock(step), layout);
            let workgroups = match step {
                BlockStep::Scale => 1,
                BlockStep::Scatter => (chunk.reads.end - chunk.reads.start).div_ceil(per_workgroup),
                _ => count.div_ceil(per_workgroup),
            };
            let [x, y] = if workgroups <= most { [workgroups, 1] } else { [most, workgroups.div_ceil(most)] };
            stage.launches.push(Launch {
                chunk: small(stage.chunks.len() as u64),
                kernel,
                parameters: parameters(&chunk),
                workgroups: [small(x), small(y), 1],
            });
            stage.chunks.push((list, layout));
            first += count;
        }
        Ok(stage)
    }

    /// Words of a range that a binding has room for, wherever it begins.
    fn room(&self) -> u64 {
        let around = u64::from(self.target.binding_alignment) + 4;
        self.target.binding_limit().saturating_sub(around) / 4
    }

    fn workgroup_words(&self, step: BlockStep) -> u64 {
        u64::from(self.target.workgroup_size) * u64::from(step.words_per_invocation())
    }
}

/// Some words of a step.
struct Chunk {
    words: Range<u64>,
    /// Their bits that are elements.
    elements: u64,
    /// The words of the input that they are computed from.
    reads: Range<u64>,
    /// Words before those, and before the output's, in their bindings.
    input_offset: u32,
    output_offset: u32,
}

/// Passes that together choose every kernel.
pub(super) fn scenarios() -> Vec<Pass<Tensor>> {
    let mut scenarios = vec![];
    let shape = [3, 2, 64, 67];
    for (p, shared, block) in [
        (0.5, &[][..], [2, 3]),
        (0.5, &[1], [2, 3]),
        (0.5, &[], [1, 1]),
        (0.5, &[1], [1, 1]),
        // Whose seeds fire rarely.
        (0.02, &[], [9, 9]),
    ] {
        for scaling in [BlockScaling::Count, BlockScaling::Expected, BlockScaling::None] {
            let mask = crate::DropBlock::new(p, &block).and_then(|drop_block| {
                drop_block.with_scaling(scaling).shared_mask(crate::Key::new(0), &shape, shared)
            });
            let Ok(mask) = mask else { continue };
            let scratch = Operand::new(9, 0, mask.scratch_size());
            let packed = Operand::new(0, 0, MaskFormat::Bits.size(mask.elements()));
            scenarios.push(mask.packed_mask(packed).with_scratch(scratch));
            for &dtype in crate::Dtype::ALL {
                for (input, output) in super::reachable::places(dtype, mask.elements()) {
                    let of = |operand: Operand| operand.with_dtype(dtype);
                    scenarios.push(mask.forward(of(input), of(output)).with_scratch(scratch));
                }
            }
        }
    }
    scenarios
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every element of a block is at one of the distances, and nothing else is.
    #[test]
    fn spreadings_cover_a_block() {
        for size in [[1, 1, 300], [1, 40, 50], [9, 30, 40]] {
            for block in [[1, 1, 1], [1, 1, 31], [1, 1, 33], [1, 1, 300], [1, 7, 7], [1, 40, 2], [3, 5, 4], [9, 29, 35]]
            {
                let block: [u64; 3] = std::array::from_fn(|axis| block[axis].min(size[axis]));
                let mut covered = vec![0];
                for by in spreadings(size, block) {
                    let steps = (0..by.steps).map(|i| i * by.step).chain([by.last]);
                    let distances: Vec<_> = steps.flat_map(|step| (0..by.across).map(move |x| step + x)).collect();
                    let before = std::mem::take(&mut covered);
                    covered = before.iter().flat_map(|b| distances.iter().map(move |d| b + d)).collect();
                    covered.sort_unstable();
                    covered.dedup();
                }
                let [depth, height, width] = block;
                let rows = (0..depth).flat_map(|z| (0..height).map(move |y| (z * size[1] + y) * size[2]));
                let expected: Vec<_> = rows.flat_map(|row| (0..width).map(move |x| row + x)).collect();
                assert_eq!(covered, expected, "{size:?} {block:?}");
            }
        }
    }
}
