//! From an operation and its operands to launches. Which kernel handles which elements, select.rs says.

use std::ops::Range;

use smallvec::SmallVec;

use super::{
    kernel::{Kernel, KeySource, Program},
    operand::{Binding, Bindings, Kind, Layout, Operands, bindings},
    parameters::{Numbers, Parameters},
    select::{Part, Source, Task},
    target::{RUN, Target},
};
use crate::{Dropout, Dtype, Error, Generator, Key, MaskFormat, Operation, rate, role::Role};

/// Operands made ready for launches: split into chunks that the target can bind.
///
/// It says nothing of a mask, so that one plan serves many keys.
#[derive(Clone, Debug)]
pub struct Plan {
    target: Target,
    operands: Operands,
    chunks: SmallVec<[Chunk; 1]>,
}

/// A part of the elements that fits the target's bindings.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    pub(super) bindings: SmallVec<[Binding; 4]>,
    pub(super) layout: Layout,
    /// Elements of the operands before the chunk.
    pub(super) first: u64,
    pub(super) length: u64,
    /// Elements before the chunk in the binding of its input and its output. Of a packed output: words.
    pub(super) input_offset: u64,
    pub(super) output_offset: u64,
    /// And in that of another input.
    pub(super) other_offset: u64,
    /// Bits before the chunk in the binding of a packed mask of the caller.
    pub(super) packed_offset: u64,
    /// Elements before the first one in the binding of a bias.
    pub(super) bias_offset: u64,
    /// Words before the first id in the binding of row ids.
    pub(super) ids_offset: u64,
}

/// One dispatch: its kernel, its parameters, and its grid. Its bindings are those of its chunk.
#[derive(Clone, Debug)]
pub struct Launch {
    pub(super) chunk: u32,
    pub(super) kernel: Kernel,
    pub(super) parameters: Parameters,
    pub(super) workgroups: [u32; 3],
}

/// The launches of an operation, to be run in order.
pub type Launches = SmallVec<[Launch; 2]>;

/// Where the kernels find the key of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyPlace {
    /// Among the parameters: the mask's own.
    Parameters,
    /// In a buffer, so many 32-bit words after the start of its binding; the mask's own is not looked at.
    Buffer {
        /// Words before the key.
        word: u32,
    },
    /// The same for [`Mask::key_and_rate`](crate::Mask::key_and_rate): the mask's own p is not looked at either.
    RateBuffer {
        /// Words before the key.
        word: u32,
    },
}

impl KeyPlace {
    /// The operation as kernels are chosen for it: where p is known only when they run, as for any p in between.
    pub(super) fn operation(self, operation: &Operation) -> Result<Operation, Error> {
        match self {
            Self::RateBuffer { .. } => operation.with_any_rate(),
            Self::Parameters | Self::Buffer { .. } => Ok(*operation),
        }
    }

    pub(super) const fn source(self) -> KeySource {
        match self {
            Self::Parameters => KeySource::Parameter,
            Self::Buffer { .. } => KeySource::Buffer,
            Self::RateBuffer { .. } => KeySource::RateBuffer,
        }
    }

    /// The parameters that say where it is, for kernels of masks of a kind.
    pub(super) fn position(self, kind: crate::Kind) -> Numbers {
        match self {
            Self::Parameters => unreachable!("it is in no buffer"),
            Self::Buffer { word } => [word, 0, 0, 0],
            Self::RateBuffer { word } => [word, word + rate::first_constant(kind), 0, 0],
        }
    }
}

impl Launch {
    /// Which chunk's bindings it takes: see [`Plan::bindings`].
    pub const fn chunk(&self) -> usize {
        self.chunk as usize
    }

    /// The kernel.
    pub const fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The parameters, as bytes.
    pub fn parameters(&self) -> &[u8] {
        self.parameters.bytes()
    }

    /// Workgroups in x, y and z.
    pub const fn workgroups(&self) -> [u32; 3] {
        self.workgroups
    }
}

impl Plan {
    /// Splits operands into chunks for a target.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a target whose limits leave no room for the kernels.
    pub fn new(target: &Target, operands: &Operands) -> Result<Self, Error> {
        target.check()?;
        if let Some(bytes) = operands.row_ids.map(|ids| ids.size).filter(|&bytes| bytes > target.binding_limit() / 2) {
            return Err(Error::TooLarge { bytes, limit: target.binding_limit() / 2, what: "row ids of one call" });
        }
        // A bias too lies in the binding of every chunk.
        if let Some(bytes) = operands.bias.map(|bias| bias.size).filter(|&bytes| bytes > target.binding_limit() / 4) {
            return Err(Error::TooLarge { bytes, limit: target.binding_limit() / 4, what: "a bias" });
        }
        let mut plan = Self { target: *target, operands: *operands, chunks: SmallVec::new() };
        let length = operands.length;
        let step = plan.chunk_length();
        let mut first = 0;
        while first < length {
            let elements = first..length.min(first.saturating_add(step));
            first = elements.end;
            let chunk = plan.chunk(elements);
            plan.chunks.push(chunk);
        }
        Ok(plan)
    }

    /// What it works on.
    pub const fn operands(&self) -> &Operands {
        &self.operands
    }

    /// How many chunks there are.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The bindings of a chunk: those of group 0, in order.
    pub fn bindings(&self, chunk: usize) -> &[Binding] {
        &self.chunks[chunk].bindings
    }

    /// Which of a chunk's bindings shows what.
    pub(crate) fn layout(&self, chunk: usize) -> Layout {
        self.chunks[chunk].layout
    }

    /// The launches that compute an operation, in order. None where nothing has to be done: no elements, or a copy in
    /// place.
    ///
    /// # Errors
    /// [`Error::IndexRange`] when the mask reaches past the generator's range, [`Error::Shape`] and [`Error::View`],
    /// [`Error::RowIds`], [`Error::NoRate`] for the evaluation of standard dropout with a rate in a buffer,
    /// [`Error::Operands`] where the operation needs other operands, [`Error::Unsupported`] where the target binds fewer
    /// storage buffers than these are.
    pub fn launches(&self, operation: &Operation, key: KeyPlace) -> Result<Launches, Error> {
        let Operands { kind, input, other, packed_mask, .. } = self.operands;
        let operation = &key.operation(operation)?;
        let fits = match operation {
            Operation::Forward(_) | Operation::Backward(_) => (true, false, false),
            Operation::KeepMask(_) => (false, false, false),
            Operation::ApplyMask { .. } => (true, false, true),
            Operation::Select(_) => (true, true, false),
        } == (input.is_some(), other.is_some(), packed_mask.is_some());
        let task = match (kind, operation.effect()) {
            (Kind::Values(dtype), Some(effect)) if fits => Task::Elementwise { effect, dtype },
            (Kind::Mask(format), None) if fits => Task::KeepMask(format),
            _ => return Err(Error::Operands { operation: operation.name(), needs: operation.needs() }),
        };
        operation.check(self.operands.length, self.operands.number_of_row_ids())?;
        if task.copies() && self.operands.in_place() {
            return Ok(Launches::new());
        }
        let source = match operation.mask() {
            None => Source::PackedMask,
            Some(mask) if task.is_random(mask) => Source::Key { mask: *mask, key },
            Some(_) => Source::All,
        };
        self.launch_all(task, source)
    }

    /// The launches that write normals, one for each element of the output, from index `start` on.
    ///
    /// # Errors
    /// [`Error::IndexRange`], [`Error::Operands`] for other operands than [`Operands::normals`].
    pub fn normals(&self, generator: Generator, key: Key, start: u64) -> Result<Launches, Error> {
        let Operands { kind, input, length, .. } = self.operands;
        if kind != Kind::Values(Dtype::F32) || input.is_some() {
            return Err(Error::Operands { operation: "normals", needs: "an output of f32 alone" });
        }
        generator.check_normals(start, length)?;
        // Any p in between: only what names the noise is looked at.
        let mask = Dropout::gaussian(0.5)?.with_generator(generator).mask(key).at(start);
        self.launch_all(Task::Normals, Source::Key { mask, key: KeyPlace::Parameters })
    }

    pub(super) fn launch_all(&self, task: Task, source: Source) -> Result<Launches, Error> {
        let mut launches = Launches::new();
        for (number, chunk) in (0..).zip(&self.chunks) {
            let mut part =
                Part { target: &self.target, task, source, chunk, done: 0, end: chunk.length, repeats: None };
            while part.done < chunk.length {
                // What is repeated counts once.
                let mut after = None;
                if let Some(repeats) = part.repeated() {
                    after = Some(part.done + repeats.count * repeats.elements);
                    (part.end, part.repeats) = (part.done + repeats.elements, Some(repeats));
                }
                loop {
                    let (launch, count) = part.next(number);
                    debug_assert!(count > 0 && part.done + count <= part.end);
                    self.target.check_buffers(launch.kernel())?;
                    launches.push(launch);
                    part.done += count;
                    if after.is_none() || part.done == part.end {
                        break;
                    }
                }
                part.done = after.unwrap_or(part.done);
                (part.end, part.repeats) = (chunk.length, None);
            }
        }
        Ok(launches)
    }

    /// Elements of every chunk but the last: whole runs.
    fn chunk_length(&self) -> u64 {
        let bytes_each = match self.operands.kind {
            Kind::Values(dtype) => dtype.size(),
            // A mask of bits has few bytes; its positions, 32-bit too, are what limits a chunk.
            Kind::Mask(MaskFormat::Bits) => 2,
            Kind::Mask(MaskFormat::Bytes) => 1,
        };
        // A binding may start up to an alignment early, and end in a started word.
        let around = u64::from(self.target.binding_alignment) + 4;
        let mut room = self.target.binding_limit();
        // Ids in the output's buffer may have to lie in its binding, all of them.
        for whole in [self.operands.row_ids, self.operands.bias].into_iter().flatten() {
            if whole.buffer == self.operands.output.buffer {
                room -= (whole.size + around).min(room);
            }
        }
        let room = room / self.operands.ranges_of_the_output();
        // Room for the lead before the first position.
        let most = (room.saturating_sub(around) / bytes_each).min((1 << 31) - RUN);
        (most - most % RUN).max(RUN)
    }

    fn chunk(&self, elements: Range<u64>) -> Chunk {
        let operands = &self.operands;
        let bytes = |role| {
            if role == Role::RowIds {
                // Every chunk sees all of them.
                return 0..operands.row_ids.map_or(0, |ids| ids.size);
            }
            if role == Role::Bias {
                return 0..operands.bias.map_or(0, |bias| bias.size);
            }
            let size = |elements: u64| match (role, operands.kind) {
                (Role::PackedMask, _) => MaskFormat::Bits.size(elements),
                (_, Kind::Values(dtype)) => elements * dtype.size(),
                (_, Kind::Mask(format)) => format.size(elements),
            };
            size(elements.start)..size(elements.end)
        };
        let Bindings { list, layout, offsets } = bindings(operands, bytes, &self.target);
        let unit = match operands.kind {
            Kind::Values(dtype) => dtype.size(),
            Kind::Mask(MaskFormat::Bits) => 4,
            Kind::Mask(MaskFormat::Bytes) => 1,
        };
        Chunk {
            bindings: list,
            layout,
            first: elements.start,
            length: elements.end - elements.start,
            input_offset: offsets[Role::Input as usize] / unit,
            output_offset: offsets[Role::Output as usize] / unit,
            other_offset: offsets[Role::Other as usize] / unit,
            bias_offset: offsets[Role::Bias as usize] / unit,
            packed_offset: offsets[Role::PackedMask as usize] * 8,
            ids_offset: offsets[Role::RowIds as usize] / 4,
        }
    }
}

/// The launch that adds to a key's step, `word` words after the start of its binding.
pub(crate) fn advance_key(target: &Target, word: u32, steps: u32) -> Launch {
    let kernel = Kernel::new(target, Program::AdvanceKey, Layout::OUTPUT);
    let mut parameters = Parameters::new();
    parameters.push::<Numbers>(&[word, steps, 0, 0]);
    Launch { chunk: 0, kernel, parameters, workgroups: [1, 1, 1] }
}

/// The launch that computes random blocks from the counters in the input.
pub(crate) fn random_blocks(target: &Target, generator: Generator, count: u32) -> Launch {
    let kernel = Kernel::new(target, Program::RandomBlocks { generator }, Layout::INPUT_OUTPUT);
    let mut parameters = Parameters::new();
    parameters.push::<Numbers>(&[count, 0, 0, 0]);
    Launch { chunk: 0, kernel, parameters, workgroups: [count.div_ceil(target.workgroup_size), 1, 1] }
}

/// The launch that compares a device's conversions of f16 with those in integer arithmetic.
pub(crate) fn probe_f16(target: &Target) -> Launch {
    /// As in shaders/kernel/probe_f16.wgsl.
    const VALUES_PER_INVOCATION: u32 = 64;
    // Products with these have ties, and many digits.
    const SCALES: [f32; 4] = [1.25, 1.5, 1.111_111_2, 10.0];
    let kernel = Kernel::new(target, Program::ProbeF16, Layout::OUTPUT);
    let mut parameters = Parameters::new();
    parameters.push(&SCALES);
    let invocations = (1 << 16) / VALUES_PER_INVOCATION;
    Launch { chunk: 0, kernel, parameters, workgroups: [invocations.div_ceil(target.workgroup_size), 1, 1] }
}

/// Comparisons of that launch.
#[cfg(feature = "gpu")]
pub(crate) const F16_PROBES: u64 = 18 << 16;
