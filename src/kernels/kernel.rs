//! A kernel: which fragments make up its text.

use smallvec::SmallVec;

use super::{
    drop_block::BlockStep,
    drop_connect::{Connect, ConnectStep},
    fragment,
    fused::{Bias, Fusion},
    operand::Layout,
    parameters::{Block, MAX_IMMEDIATES, small},
    softmax::Softmax,
    statistics::Accumulate,
    target::{F16Conversion, ParameterStyle, Style, Target},
};
use crate::{Activation, Dtype, Generator, MaskFormat, audit::Bits, fused, role::Role};

/// The line with which a kernel copies its parameters.
const COPY_PARAMETERS: &str = "    parameters = given;\n";

/// How `random/normal` reads the table of normals.
pub(super) const NORMAL_ENTRY: &str = "fn dropout_normal_entry(i: u32) -> vec2<u32> { return normal_table[i].xy; }\n";

/// One compute kernel: a small value that names a WGSL text. Equal kernels have equal texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kernel {
    pub(crate) program: Program,
    pub(crate) layout: Layout,
    pub(crate) workgroup_size: u32,
    pub(crate) style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Program {
    /// `repeated` where the decisions of some elements are those of others too, again and again.
    Elementwise {
        skeleton: Skeleton,
        decision: Decision,
        operation: Elementwise,
        storage: Storage,
        repeated: bool,
    },
    KeepMask {
        decision: Decision,
        format: MaskFormat,
    },
    KeptRows {
        decision: Decision,
    },
    Audit {
        dtype: Dtype,
    },
    DropBlock(BlockStep),
    /// Sums of rows of f32, stored so.
    SumRows {
        storage: Storage,
    },
    Softmax(Softmax),
    DropConnect(Connect),
    Accumulate(Accumulate),
    AdvanceKey,
    RandomBlocks {
        generator: Generator,
    },
    ProbeF16,
}

/// How an elementwise operation walks over its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Skeleton {
    Groups,
    Interleaved {
        unit: Unit,
        input: Input,
        run: u8,
    },
    Blocked {
        input: Input,
    },
    Edge,
    /// Noise on runs of so many elements, at multiples of 16 bytes.
    NoiseQuads {
        run: u8,
    },
    /// Noise on elements at any offset.
    NoiseEdge,
    /// A fused pass on runs of so many elements, to multiples of 16 bytes.
    FusedQuads {
        input: Input,
        run: u8,
    },
    /// A fused pass on elements at any offset.
    FusedEdge,
    /// A fused pass that sums columns, so many neighbours an invocation; and writes elements too, or not.
    FusedGradient {
        input: Input,
        run: u8,
        writes: bool,
    },
}

/// What memory is accessed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Unit {
    Word,
    Quad,
}

/// Where the input begins: at a multiple of 16 bytes, at a word, or inside of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Input {
    Quads,
    Words,
    Halves,
    /// Each row at another of these.
    Any,
}

/// What says whether an element is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Decision {
    /// Everything is kept.
    All,
    /// The keep rule for contiguous elements by whole groups, from so many elements after the start of one.
    Grouped { generator: Generator, key: KeySource, shift: u8 },
    /// The same as bits; whether from inside of a group.
    GroupedBits { generator: Generator, key: KeySource, inside: bool },
    /// The keep rule for contiguous elements by runs of 32; `aligned` when they begin at a multiple of 32.
    Blocked { generator: Generator, key: KeySource, aligned: bool },
    /// The keep rule for any strides.
    Strided { generator: Generator, key: KeySource, strides: Strides },
    /// A packed mask of the caller.
    PackedMask,
    /// The normals of consecutive indexes; whether from inside of a block of four.
    Normals { generator: Generator, key: KeySource, inside: bool },
    /// The normals of any strides.
    StridedNormals { generator: Generator, key: KeySource, strides: Strides },
}

/// What of merged axes a kernel's text depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Strides {
    /// Axes but for the innermost.
    pub(crate) outer: u8,
    pub(crate) inner: Inner,
    /// Whether the coordinate of the first axis is looked up.
    pub(crate) gathered: bool,
}

impl Strides {
    /// For kernels that decide 32 elements at a time.
    pub(crate) fn by_runs(self) -> Self {
        if self.inner == Inner::SharedByMany { Self { inner: Inner::Shared, ..self } } else { self }
    }

    /// For kernels that decide 32 elements at a time, from anywhere.
    pub(crate) fn plain(self) -> Self {
        let inner = match self.inner {
            Inner::Dense | Inner::Aligned => Inner::Dense,
            Inner::Shared | Inner::SharedByMany => Inner::Shared,
            Inner::Spread => Inner::Spread,
        };
        Self { inner, ..self }
    }
}

/// Elements that an invocation handles where many share each decision.
pub(crate) const MANY: u32 = 128;

/// The innermost of merged axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Inner {
    /// A decision for each element, one after the other.
    Dense,
    /// The same where every run of 32 elements is of one row, and begins at a multiple of 32.
    Aligned,
    /// One decision for all of them.
    Shared,
    /// The same, for so many that they are decided for 128 elements at once.
    SharedByMany,
    /// Any stride.
    Spread,
}

/// Where a kernel finds the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum KeySource {
    Parameter,
    Buffer,
    /// With p, and what follows from it, after the key.
    RateBuffer,
}

/// What happens to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Elementwise {
    Inverted,
    /// With a scale that lies in a buffer.
    InvertedBuffer,
    Identity,
    Zero,
    Standard,
    /// As standard, with another input in place of +0.
    Other,
    Alpha,
    Gaussian,
    /// Of an output alone: the normals.
    Normal,
    Fused(Fusion),
}

impl Elementwise {
    /// Whether it computes with numbers, and does not only move bits.
    const fn converts(self) -> bool {
        matches!(self, Self::Inverted | Self::InvertedBuffer | Self::Alpha | Self::Gaussian | Self::Fused(_))
    }
}

/// How elements are stored and converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Storage {
    F32,
    F16(F16Conversion),
    Bf16,
}

impl Storage {
    pub(crate) const fn new(dtype: Dtype, f16: F16Conversion) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16(f16),
            Dtype::Bf16 => Self::Bf16,
        }
    }
}

impl Decision {
    fn random(self) -> Option<(Generator, KeySource)> {
        match self {
            Self::Grouped { generator, key, .. }
            | Self::GroupedBits { generator, key, .. }
            | Self::Blocked { generator, key, .. }
            | Self::Strided { generator, key, .. }
            | Self::Normals { generator, key, .. }
            | Self::StridedNormals { generator, key, .. } => Some((generator, key)),
            Self::All | Self::PackedMask => None,
        }
    }

    fn strides(self) -> Option<Strides> {
        match self {
            Self::Strided { strides, .. } | Self::StridedNormals { strides, .. } => Some(strides),
            _ => None,
        }
    }

    const fn is_noise(self) -> bool {
        matches!(self, Self::Normals { .. } | Self::StridedNormals { .. })
    }
}

impl Kernel {
    pub(super) fn new(target: &Target, program: Program, layout: Layout) -> Self {
        let layout = if target.style.read_write { layout.all_written() } else { layout };
        let mut kernel = Self { program, layout, workgroup_size: target.workgroup_size, style: target.style };
        // Some kernels have more parameters than immediates have room for.
        if kernel.style.parameters == ParameterStyle::Immediates && kernel.parameter_bytes() > MAX_IMMEDIATES {
            kernel.style.parameters = ParameterStyle::Uniform;
        }
        kernel
    }

    /// The name of the entry point of every kernel.
    pub const ENTRY_POINT: &'static str = "main";

    /// The whole WGSL text, with an entry point of that name and constants for everything that is known before a launch.
    pub fn wgsl(&self) -> String {
        let fragments = fragment::collect(self.skeleton(), &|role| self.role(role));
        let needs_table = self.needs_normal_table();
        let mut text = String::new();
        let enables: SmallVec<[&str; 1]> = fragments.iter().flat_map(|fragment| fragment.enables()).collect();
        for extension in enables {
            text += &format!("enable {extension};\n");
        }
        text += &format!("// {self}: generated by wgpu-dropout {}.\n\n", env!("CARGO_PKG_VERSION"));
        for (name, value) in self.constants() {
            text += &format!("const {name} = {value};\n");
        }
        // A kernel with long loops copies its parameters first: some drivers read them anew at every step. Not one whose invocations
        // wait for each other, because browsers take what was copied to be another number in each.
        let waits = fragments.iter().any(|fragment| fragment.text.contains("Barrier()"));
        let copies = !waits && fragments.iter().any(|fragment| fragment.text.contains(COPY_PARAMETERS));
        let declared: Vec<_> = fragments.iter().flat_map(|fragment| fragment.parameters()).collect();
        let mut members: Vec<_> = Block::ALL.iter().copied().map(Block::declaration).collect();
        members.retain(|member| declared.contains(member));
        if !members.is_empty() {
            text += &format!("\nstruct Parameters {{\n    {},\n}}\n", members.join(",\n    "));
            let bindings = u32::from(self.layout.count());
            let last = bindings + u32::from(self.key_binding().is_some()) + u32::from(needs_table);
            let name = if copies { "given" } else { "parameters" };
            text += &match self.style.parameters {
                ParameterStyle::Immediates => format!("var<immediate> {name}: Parameters;\n"),
                ParameterStyle::Uniform => format!("@group(1) @binding(0) var<uniform> {name}: Parameters;\n"),
                ParameterStyle::LastBinding => {
                    format!("@group(0) @binding({last}) var<uniform> {name}: Parameters;\n")
                }
            };
            if copies {
                text += "var<private> parameters: Parameters;\n";
            }
        }
        text += "\n";
        let atomic = self.program == Program::DropBlock(BlockStep::Scatter);
        text += &self.layout.declare(|role| self.reads_quads(role), atomic, |role| self.merges(role));
        if let Some((group, binding)) = self.key_binding() {
            let access = if self.style.read_write { "read_write" } else { "read" };
            let name = if self.reads_scale() { "scale" } else { "key" };
            text +=
                &format!("@group({group}) @binding({binding}) var<storage, {access}> {name}_binding: array<u32>;\n");
            text += &format!("fn {name}_word(i: u32) -> u32 {{ return {name}_binding[i]; }}\n");
        }
        if let Some((group, binding)) = self.normal_table_binding() {
            // Launchers that keep tensors in one buffer have no uniform ones but the parameters.
            let space = if self.style.read_write { "storage, read_write" } else { "uniform" };
            text += &format!("@group({group}) @binding({binding}) var<{space}> normal_table: array<vec4<u32>, 512>;\n");
            text += NORMAL_ENTRY;
        }
        for fragment in fragments {
            // One text for all tensors.
            if fragment.name.starts_with("tensor/") {
                for role in self.tensors(fragment.name.starts_with("tensor/store")) {
                    text += "\n";
                    text += &fragment.text.replace("tensor_", &format!("{}_", role.name()));
                }
                continue;
            }
            text += "\n";
            match copies {
                true => text += fragment.text,
                false => text += &fragment.text.replace(COPY_PARAMETERS, ""),
            }
            // Another input is read as the input is.
            let others = [Role::Other, Role::Gradient].into_iter().filter(|&role| self.layout.binding(role).is_some());
            for other in others.filter(|_| fragment.name.starts_with("input/")) {
                text += "\n";
                text += &fragment.text.replace("input_", &format!("{}_", other.name()));
            }
        }
        text
    }

    /// Invocations of a workgroup, in x.
    pub const fn workgroup_size(&self) -> u32 {
        self.workgroup_size
    }

    /// How the text declares bindings and parameters.
    pub const fn style(&self) -> Style {
        self.style
    }

    /// Whether the text needs WGSL's extension `f16`.
    pub const fn needs_f16(&self) -> bool {
        match self.program {
            Program::SumRows { storage } => matches!(storage, Storage::F16(F16Conversion::Native)),
            Program::Elementwise { storage: Storage::F16(F16Conversion::Native), operation, .. } => {
                operation.converts()
            }
            Program::Softmax(Softmax { storage: Storage::F16(F16Conversion::Native), .. }) => true,
            Program::DropConnect(Connect { storage: Storage::F16(F16Conversion::Native), .. }) => true,
            program => matches!(program, Program::ProbeF16),
        }
    }

    /// The group and binding of the key, for kernels that read it from a buffer: 16 bytes, [`Key::to_bytes`](crate::Key);
    /// with the rate, 48 bytes, [`Mask::key_and_rate`](crate::Mask::key_and_rate); or, for kernels that read a scale from a
    /// buffer, of that: two words, and the scale as an f32.
    pub fn key_binding(&self) -> Option<(u32, u32)> {
        (self.key_is_in_buffer() || self.reads_scale()).then(|| self.style.key_binding(self.layout.count().into()))
    }

    /// The group and binding of the table of normals, for kernels that make noise: a uniform buffer, or a storage buffer where
    /// all of these are `read_write`, with the 8 KiB of
    /// [`NORMAL_TABLE_UNIFORM`](crate::normal_table::NORMAL_TABLE_UNIFORM).
    pub fn normal_table_binding(&self) -> Option<(u32, u32)> {
        let bindings = u32::from(self.layout.count()) + u32::from(self.key_is_in_buffer());
        self.needs_normal_table().then(|| self.style.table_binding(bindings))
    }

    fn needs_normal_table(&self) -> bool {
        let samples = matches!(self.program, Program::DropConnect(Connect { step: ConnectStep::Samples, .. }));
        samples || self.decision().is_some_and(Decision::is_noise)
    }

    /// Storage buffers that a pipeline binds.
    pub(crate) fn storage_buffers(&self) -> u32 {
        let table = self.style.read_write && self.needs_normal_table();
        u32::from(self.layout.count()) + u32::from(self.key_binding().is_some()) + u32::from(table)
    }

    /// Which binding shows what.
    #[cfg(feature = "gpu")]
    pub(crate) const fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn decision(&self) -> Option<Decision> {
        match self.program {
            Program::Elementwise { decision, .. }
            | Program::KeepMask { decision, .. }
            | Program::Softmax(Softmax { decision, .. })
            | Program::KeptRows { decision } => Some(decision),
            Program::Audit { .. }
            | Program::DropBlock(_)
            | Program::SumRows { .. }
            | Program::DropConnect(_)
            | Program::Accumulate(_)
            | Program::AdvanceKey
            | Program::RandomBlocks { .. }
            | Program::ProbeF16 => None,
        }
    }

    fn reads_scale(&self) -> bool {
        matches!(self.program, Program::Elementwise { operation: Elementwise::InvertedBuffer, .. })
    }

    fn key(&self) -> Option<KeySource> {
        Some(self.random()?.1)
    }

    /// Where its random numbers come from.
    fn random(&self) -> Option<(Generator, KeySource)> {
        match self.program {
            Program::DropConnect(connect) => connect.random,
            _ => self.decision()?.random().or_else(|| self.fusion()?.rows),
        }
    }

    /// Whether it walks down columns.
    fn walks(&self) -> bool {
        matches!(self.program, Program::Elementwise { skeleton: Skeleton::FusedGradient { .. }, .. })
    }

    /// What kind of a fused pass it is, if it is one.
    pub(super) fn fusion(&self) -> Option<Fusion> {
        match self.program {
            Program::Elementwise { operation: Elementwise::Fused(fusion), .. } => Some(fusion),
            _ => None,
        }
    }

    /// Whether invocations may have a half each of one word of an operand.
    fn merges(&self, role: Role) -> bool {
        matches!(self.program, Program::DropConnect(connect) if connect.merges(role))
    }

    /// The tensors that it writes to, or those that it reads.
    fn tensors(&self, written: bool) -> impl Iterator<Item = Role> {
        let all = Role::ALL.iter().copied().filter(|&role| self.layout.binding(role).is_some());
        all.filter(move |role| role.is_written() == written)
    }

    fn key_is_in_buffer(&self) -> bool {
        matches!(self.key(), Some(KeySource::Buffer | KeySource::RateBuffer))
    }

    fn rate_is_in_buffer(&self) -> bool {
        self.key() == Some(KeySource::RateBuffer)
    }

    fn parameter_bytes(&self) -> usize {
        self.blocks().into_iter().map(|block| self.block_bytes(block)).sum()
    }

    /// Bytes of a block of the parameters.
    pub(super) fn block_bytes(&self, block: Block) -> usize {
        let outer = self.strides().map_or(0, |strides| usize::from(strides.outer));
        match block {
            Block::Strides => block.size() + 16 * outer,
            _ => block.size(),
        }
    }

    /// How its decisions, or normals, are strided, if they are.
    pub(super) fn strides(&self) -> Option<Strides> {
        self.decision().and_then(Decision::strides)
    }

    fn is_repeated(&self) -> bool {
        matches!(self.program, Program::Elementwise { repeated: true, .. })
    }

    fn takes_other(&self) -> bool {
        matches!(self.program, Program::Elementwise { operation: Elementwise::Other, .. })
            || self.fusion().is_some_and(|fusion| fusion.other)
    }

    /// Whether there is another input, which a selection that keeps everything binds too and does not look at.
    fn binds_other(&self) -> bool {
        self.layout.binding(Role::Other).is_some()
    }

    /// The blocks of the parameters, in order.
    pub(crate) fn blocks(&self) -> SmallVec<[Block; 6]> {
        let mut blocks = SmallVec::new();
        match self.program {
            Program::Audit { .. } => blocks.push(Block::Comparison),
            Program::DropBlock(BlockStep::Place { .. }) => blocks.push(Block::Places),
            Program::DropBlock(BlockStep::Spread) => blocks.push(Block::Spread),
            Program::DropBlock(BlockStep::Scatter) => blocks.push(Block::Scatter),
            Program::DropBlock(BlockStep::Fill | BlockStep::Count | BlockStep::Scale) => blocks.push(Block::Counts),
            Program::SumRows { .. } => blocks.push(Block::RowSums),
            Program::DropConnect(_) => {}
            Program::Accumulate(_) => blocks.push(Block::Accumulation),
            Program::AdvanceKey => blocks.push(Block::Advance),
            Program::RandomBlocks { .. } => blocks.push(Block::Blocks),
            Program::ProbeF16 => blocks.push(Block::Probe),
            Program::Elementwise { .. } | Program::KeepMask { .. } | Program::KeptRows { .. } | Program::Softmax(_) => {
                blocks.push(Block::Elements);
            }
        }
        let decision = self.decision();
        if let Some((_, key)) = self.random() {
            blocks.push(Block::Rule);
            if key != KeySource::Parameter {
                blocks.push(Block::Key);
            }
        }
        if let Some(strides) = self.strides() {
            blocks.push(Block::Strides);
            if strides.gathered {
                blocks.push(Block::RowIds);
            }
        }
        if decision == Some(Decision::PackedMask) {
            blocks.push(Block::PackedMask);
        }
        if let Program::Elementwise { operation, repeated, .. } = self.program {
            blocks.extend(repeated.then_some(Block::Repeats));
            blocks.extend(match operation {
                _ if self.rate_is_in_buffer() => None,
                Elementwise::Inverted => Some(Block::Scaling),
                Elementwise::Alpha => Some(Block::Alpha),
                Elementwise::Gaussian => Some(Block::Gaussian),
                Elementwise::InvertedBuffer
                | Elementwise::Identity
                | Elementwise::Zero
                | Elementwise::Standard
                | Elementwise::Other
                | Elementwise::Normal
                | Elementwise::Fused(_) => None,
            });
        }
        if let Some(fusion) = self.fusion() {
            blocks.push(if self.walks() { Block::Walk } else { Block::Columns });
            blocks.extend(fusion.rows.map(|_| Block::Rows));
        }
        if let Program::KeptRows { .. } = self.program {
            blocks.push(Block::Dispatch);
        }
        if let Program::Softmax(_) = self.program {
            blocks.push(Block::SoftmaxRows);
        }
        if let Program::DropConnect(connect) = self.program {
            blocks.push(connect.block());
        }
        blocks
    }

    /// Whether the text accesses an operand four words at a time, and nothing else.
    fn reads_quads(&self, role: Role) -> bool {
        let skeleton = match self.program {
            Program::Elementwise { skeleton, .. } => skeleton,
            Program::RandomBlocks { .. } => return true,
            Program::DropBlock(step) => return step.by_quads(role),
            Program::Softmax(softmax) => return softmax.whole && role != Role::RowIds,
            Program::DropConnect(connect) => return connect.reads_quads(role),
            Program::Accumulate(step) => return step.by_quads(role),
            Program::KeepMask { .. }
            | Program::KeptRows { .. }
            | Program::Audit { .. }
            | Program::SumRows { .. }
            | Program::AdvanceKey
            | Program::ProbeF16 => return false,
        };
        match (skeleton, role) {
            (_, Role::PackedMask | Role::RowIds | Role::Partial) => false,
            (Skeleton::Edge | Skeleton::NoiseEdge | Skeleton::FusedEdge, _) => false,
            (_, Role::Bias) => self.fusion().is_some_and(|fusion| fusion.bias == Bias::Quads),
            (Skeleton::Groups | Skeleton::NoiseQuads { .. }, _)
            | (Skeleton::Blocked { .. } | Skeleton::FusedQuads { .. } | Skeleton::FusedGradient { .. }, Role::Output) => {
                true
            }
            (
                Skeleton::Blocked { input }
                | Skeleton::FusedQuads { input, .. }
                | Skeleton::FusedGradient { input, .. },
                _,
            ) => input == Input::Quads,
            (Skeleton::Interleaved { unit, .. }, _) => unit == Unit::Quad,
        }
    }

    fn skeleton(&self) -> &'static str {
        match self.program {
            Program::Elementwise { skeleton: Skeleton::Groups, .. } => "kernel/elementwise_groups",
            Program::Elementwise { skeleton: Skeleton::Interleaved { .. }, .. } => "kernel/elementwise_interleaved",
            Program::Elementwise { skeleton: Skeleton::Blocked { .. }, .. } => "kernel/elementwise_blocked",
            Program::Elementwise { skeleton: Skeleton::Edge, .. } => "kernel/elementwise_edge",
            Program::Elementwise { skeleton: Skeleton::NoiseQuads { .. }, .. } => "kernel/noise_quads",
            Program::Elementwise { skeleton: Skeleton::NoiseEdge, .. } => "kernel/noise_edge",
            Program::Elementwise { skeleton: Skeleton::FusedQuads { .. }, .. } => "fused/quads",
            Program::Elementwise { skeleton: Skeleton::FusedEdge, .. } => "fused/edge",
            Program::Elementwise { skeleton: Skeleton::FusedGradient { .. }, .. } => "fused/gradient",
            Program::SumRows { .. } => "fused/sum_rows",
            Program::KeepMask { format: MaskFormat::Bits, .. } => "kernel/mask_bits",
            Program::KeepMask { format: MaskFormat::Bytes, .. } => "kernel/mask_bytes",
            Program::KeptRows { .. } => "kernel/kept_rows",
            Program::Audit { .. } => "kernel/audit",
            Program::DropBlock(step) => step.fragment(),
            Program::Softmax(Softmax { backward: false, .. }) => "kernel/softmax",
            Program::Softmax(Softmax { backward: true, .. }) => "kernel/softmax_backward",
            Program::DropConnect(connect) => connect.fragment(),
            Program::Accumulate(step) => step.fragment(),
            Program::AdvanceKey => "kernel/advance_key",
            Program::RandomBlocks { .. } => "kernel/random_blocks",
            Program::ProbeF16 => "kernel/probe_f16",
        }
    }

    /// The fragment that fills a role; none where there is nothing to fill it with.
    fn role(&self, role: &str) -> Option<&'static str> {
        if let Program::Accumulate(step) = self.program {
            return step.role(role);
        }
        let decision = self.decision();
        Some(match role {
            "generator" => match (self.program, self.random()) {
                (Program::RandomBlocks { generator }, _) | (_, Some((generator, _))) => {
                    super::generator_fragment(generator)
                }
                _ => return None,
            },
            // A constant of the kernel.
            "alignment" => "",
            "key" => match self.key()? {
                KeySource::Parameter => "key/parameter",
                KeySource::Buffer => "key/buffer",
                KeySource::RateBuffer => "key/rate_buffer",
            },
            "cutoff" if self.rate_is_in_buffer() => "random/cutoff_of_any",
            "cutoff" => "random/cutoff",
            "decision" => match decision? {
                Decision::All => "decision/all",
                Decision::Grouped { shift: 0, .. } => "decision/grouped",
                Decision::Grouped { .. } => "decision/shifted",
                Decision::GroupedBits { .. } => "decision/grouped_bits",
                Decision::Blocked { .. } => "decision/blocked",
                Decision::Strided { .. } => "decision/strided",
                Decision::PackedMask => "decision/packed_mask",
                Decision::Normals { .. } | Decision::StridedNormals { .. } => return None,
            },
            "repeats" if self.is_repeated() => "kernel/repeats",
            "repeats" => "kernel/once",
            "runs" => match self.run() {
                MANY => "decision/shared_runs",
                _ => "decision/one_run",
            },
            "noise" => match decision? {
                Decision::Normals { .. } => "noise/contiguous",
                Decision::StridedNormals { .. } => "noise/strided",
                _ => return None,
            },
            "row_ids" => match decision?.strides()?.gathered {
                true => "random/row_ids",
                false => "random/no_row_ids",
            },
            "fusing" if self.fusion()?.backward => "fused/backward",
            "fusing" => "fused/forward",
            "activation" => match self.fusion()?.activation {
                Activation::None => "activation/none",
                Activation::Relu => "activation/relu",
                Activation::Gelu => "activation/gelu",
                Activation::GeluTanh => "activation/gelu_tanh",
                Activation::Silu => "activation/silu",
            },
            "bias" => match self.fusion()?.bias {
                Bias::None => "fused/no_bias",
                Bias::Quads => "fused/bias_quads",
                Bias::Elements => "fused/bias_elements",
            },
            "row_keep" => match self.fusion()?.rows {
                None => "fused/no_rows",
                Some(_) if self.walks() => "fused/row_rule",
                Some(_) => "fused/rows",
            },
            "columns" if self.walks() => "fused/walk",
            "columns" => "fused/columns",
            "gradient" => match self.program {
                Program::Elementwise { skeleton: Skeleton::FusedGradient { writes: true, .. }, .. } => "fused/writes",
                _ => "fused/no_writes",
            },
            "sum_storage" => match self.program {
                Program::SumRows { storage: Storage::F32 } => "fused/sum_f32",
                _ => "fused/sum_halves",
            },
            "format" if matches!(self.program, Program::SumRows { .. }) => match self.program {
                Program::SumRows { storage: Storage::Bf16 } => "storage/bf16",
                Program::SumRows { storage: Storage::F16(F16Conversion::Native) } => "storage/f16_native",
                _ => "storage/f16",
            },
            "scaled" => {
                if decision? == Decision::All {
                    "fused/unscaled"
                } else {
                    "fused/scaled"
                }
            }
            _ => {
                if let Program::Softmax(softmax) = self.program {
                    return softmax.role(role);
                }
                if let Program::DropConnect(connect) = self.program {
                    return connect.role(role);
                }
                let Program::Elementwise { skeleton, operation, storage, .. } = self.program else { return None };
                match (role, storage) {
                    ("operation", _) => match operation {
                        Elementwise::Inverted | Elementwise::InvertedBuffer => "operation/inverted",
                        Elementwise::Identity => "operation/identity",
                        Elementwise::Zero => "operation/zero",
                        Elementwise::Standard | Elementwise::Other => "operation/standard",
                        Elementwise::Alpha => "operation/alpha",
                        Elementwise::Gaussian => "operation/gaussian",
                        Elementwise::Normal => "operation/normal",
                        Elementwise::Fused(_) => return None,
                    },
                    ("constants", _) => match operation {
                        _ if self.rate_is_in_buffer() => "constants/rate_buffer",
                        Elementwise::Inverted => "constants/scaling",
                        Elementwise::InvertedBuffer => "constants/counted",
                        Elementwise::Alpha => "constants/alpha",
                        Elementwise::Gaussian => "constants/gaussian",
                        _ => return None,
                    },
                    // Made from the input's fragment.
                    ("other", _) if self.binds_other() => "",
                    ("other", _) => "input/no_other",
                    ("noise_input", _) if operation == Elementwise::Normal => "input/none",
                    ("noise_input", _) => "",
                    ("noise_storage", Storage::F32) => "storage/f32_noise",
                    ("noise_storage", _) => "storage/halves_noise",
                    ("fused_storage", Storage::F32) => "fused/f32",
                    ("fused_storage", _) => "fused/halves",
                    ("storage", Storage::F32) => "storage/f32",
                    ("storage", _) => "storage/halves",
                    ("group", Storage::F32) => "storage/f32_group",
                    ("group", _) => "storage/halves_group",
                    ("format", Storage::F32) => "",
                    // Each as what it is for does it best.
                    ("format", Storage::Bf16) => match skeleton {
                        Skeleton::Groups | Skeleton::Interleaved { .. } => "storage/bf16",
                        Skeleton::NoiseQuads { run } if u64::from(run) < super::target::RUN => "storage/bf16",
                        Skeleton::FusedQuads { run, .. } | Skeleton::FusedGradient { run, .. }
                            if u64::from(run) < super::target::RUN =>
                        {
                            "storage/bf16"
                        }
                        _ => "storage/bf16_signed",
                    },
                    ("format", Storage::F16(F16Conversion::Native)) if operation.converts() => "storage/f16_native",
                    ("format", Storage::F16(_)) => "storage/f16",
                    ("input", _) => match skeleton {
                        Skeleton::Blocked { input }
                        | Skeleton::Interleaved { input, .. }
                        | Skeleton::FusedQuads { input, .. }
                        | Skeleton::FusedGradient { input, .. } => match input {
                            Input::Quads => "input/quads",
                            Input::Words => "input/words",
                            Input::Halves => "input/halves",
                            Input::Any => "input/any",
                        },
                        Skeleton::Groups
                        | Skeleton::Edge
                        | Skeleton::NoiseQuads { .. }
                        | Skeleton::NoiseEdge
                        | Skeleton::FusedEdge => {
                            return None;
                        }
                    },
                    _ => return None,
                }
            }
        })
    }

    /// What the text has as constants, before everything else.
    fn constants(&self) -> Vec<(&'static str, String)> {
        let number = |x: u32| format!("{x}u");
        let mut constants = vec![("WORKGROUP_SIZE", number(self.workgroup_size))];
        if let Program::Audit { dtype } = self.program {
            let Bits { sign, infinity, flushed_below, settled_from } = Bits::of(dtype);
            let elements_per_word = number(if dtype == Dtype::F32 { 1 } else { 2 });
            constants.extend([
                ("ELEMENTS_PER_WORD", elements_per_word),
                ("SIGN_BIT", number(sign)),
                ("INFINITE", number(infinity)),
                ("FLUSHED_BELOW", number(flushed_below)),
                ("SETTLED_FROM", number(settled_from)),
            ]);
        }
        if let Program::DropBlock(step) = self.program {
            constants.push(("WORDS_PER_INVOCATION", number(step.words_per_invocation())));
            if let BlockStep::Place { shared } = step {
                constants.push(("PLANES_SHARE_MASKS", shared.to_string()));
            }
        }
        if let Program::Softmax(Softmax { lanes, whole, masked, .. }) = self.program {
            constants.extend([
                ("LANES", number(lanes.into())),
                ("WHOLE", whole.to_string()),
                ("MASKED", masked.to_string()),
            ]);
        }
        if let Program::DropConnect(connect) = self.program {
            constants.extend(connect.constants());
        }
        if let Program::Accumulate(step) = self.program {
            constants.extend(step.constants(self.workgroup_size));
        }
        let Some(decision) = self.decision() else { return constants };
        let skeleton = match self.program {
            Program::Elementwise { skeleton, .. } => Some(skeleton),
            _ => None,
        };
        constants.push(("RUN", number(self.run())));
        match decision {
            Decision::Grouped { shift, .. } => constants.push(("START_SHIFT", number(shift.into()))),
            Decision::GroupedBits { inside, .. } => constants.push(("INSIDE_GROUP", inside.to_string())),
            Decision::Blocked { aligned, .. } => constants.push(("DROPOUT_START_IS_ALIGNED", aligned.to_string())),
            Decision::Strided { strides, .. } => {
                constants.push(("DROPOUT_START_IS_ALIGNED", (strides.inner == Inner::Aligned).to_string()));
            }
            Decision::Normals { inside, .. } => constants.push(("INSIDE_BLOCK", inside.to_string())),
            Decision::All | Decision::PackedMask | Decision::StridedNormals { .. } => {}
        }
        if let Some(fusion) = self.fusion() {
            constants.push(("HAS_BIAS", (fusion.bias != Bias::None).to_string()));
            if let Program::Elementwise { skeleton: Skeleton::FusedGradient { writes, .. }, .. } = self.program {
                constants.push(("ROWS_EACH", number(small(fused::ROWS_EACH))));
                constants.push(("WRITES", writes.to_string()));
            } else {
                constants.push(("FEW_COLUMNS", fusion.few_columns.to_string()));
            }
            let decides_runs = matches!(decision, Decision::Blocked { .. } | Decision::Strided { .. });
            if fusion.rows.is_some() && !decides_runs {
                constants.push(("DROPOUT_START_IS_ALIGNED", false.to_string()));
            }
        }
        if let Some(Strides { outer, inner, gathered }) = self.strides() {
            constants.push(("OUTER_AXES", number(outer.into())));
            let (is_dense, is_shared) =
                (matches!(inner, Inner::Dense | Inner::Aligned), matches!(inner, Inner::Shared | Inner::SharedByMany));
            constants.push(("INNER_IS_DENSE", is_dense.to_string()));
            constants.push(("INNER_IS_SHARED", is_shared.to_string()));
            constants.push(("GATHERED", gathered.to_string()));
        }
        if matches!(self.program, Program::Elementwise { .. }) && !decision.is_noise() {
            constants.push(("TAKES_OTHER", self.takes_other().to_string()));
            constants.push(("REPEATED", self.is_repeated().to_string()));
        }
        match skeleton {
            Some(Skeleton::Groups) => constants.push(("GROUPS_PER_WORKGROUP", number(self.groups_per_workgroup()))),
            Some(Skeleton::Interleaved { unit, .. }) => {
                constants.push(("WORDS_PER_UNIT", number(if unit == Unit::Quad { 4 } else { 1 })));
            }
            _ => {}
        }
        constants
    }

    /// Elements of an invocation.
    fn run(&self) -> u32 {
        match self.program {
            Program::Elementwise { skeleton: Skeleton::Groups, .. } => 8,
            Program::Elementwise {
                skeleton:
                    Skeleton::Interleaved { run, .. }
                    | Skeleton::NoiseQuads { run }
                    | Skeleton::FusedQuads { run, .. }
                    | Skeleton::FusedGradient { run, .. },
                ..
            } => run.into(),
            _ => 32,
        }
    }

    fn groups_per_workgroup(&self) -> u32 {
        match self.decision() {
            // The last invocation only lends what it decides.
            Some(Decision::Grouped { shift: 1.., .. }) => self.workgroup_size - 1,
            _ => self.workgroup_size,
        }
    }

    /// Elements, or positions, of a workgroup.
    pub(crate) fn workgroup_elements(&self) -> u64 {
        match self.program {
            Program::Elementwise { skeleton: Skeleton::Groups, .. } => u64::from(self.groups_per_workgroup()) * 8,
            _ => u64::from(self.workgroup_size) * u64::from(self.run()),
        }
    }
}
