//! Launches of the library's kernels by CubeCL: the one place that knows both.
//!
//! The library says what to launch, as data; here it becomes CubeCL's. Bindings are group 0's in order, the parameters come
//! last, and every storage buffer is `read_write`, because CubeCL keeps many tensors in one buffer.

use burn_cubecl::{CubeBackend, kernel::into_contiguous, ops::numeric::empty_device_dtype, tensor::CubeTensor};
use cubecl::{
    CubeCount, CubeDim, CubeKernel, PrecompiledSource,
    client::Client,
    ir::{ElemType, Scope, UIntKind, metadata::Info, settings::KernelSettings},
    prelude::{AddressType, ExecutionMode, KernelDefinition, KernelId, KernelMetadata},
    server::{Handle, KernelArguments, MetadataBindingInfo},
};
use wgpu_dropout::{
    Operation,
    kernels::{Binding, Kernel, KeyPlace, Launch, Operand, Operands, Plan, Schedule, Style, Target},
    normal_table::NORMAL_TABLE_UNIFORM,
};

use crate::{
    Error,
    backend::{DropoutBackend, dtype},
};

/// What a CubeCL runtime takes kernels as. Another way to run them would be another variant, with an arm in [`operate`].
enum Language {
    Wgsl,
}

impl Language {
    fn of(client: &Client) -> Result<Self, Error> {
        match client.name() {
            "wgpu<wgsl>" => Ok(Self::Wgsl),
            name => Err(Error::Backend { name: name.to_owned() }),
        }
    }
}

/// An error where there are no kernels for a device.
pub(crate) fn check(client: &Client) -> Result<(), Error> {
    Language::of(client).map(|_| ())
}

impl DropoutBackend for CubeBackend {
    fn dropout_operate(x: CubeTensor, operation: Operation) -> CubeTensor {
        operate(x, &operation).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn operate(x: CubeTensor, operation: &Operation) -> Result<CubeTensor, Error> {
    match Language::of(&x.client)? {
        Language::Wgsl => operate_wgsl(x, operation),
    }
}

fn operate_wgsl(x: CubeTensor, operation: &Operation) -> Result<CubeTensor, Error> {
    let x = into_contiguous(x);
    let in_place = x.can_mut();
    let y = if in_place {
        // No second handle: the tensor is ours alone.
        x.clone()
    } else {
        empty_device_dtype(x.client.clone(), x.device.clone(), x.meta.shape().clone(), x.dtype)
    };
    let input = operand(0, &x);
    let output = if in_place { input } else { operand(1, &y) };
    let operands = Operands::values(dtype(x.dtype)?, input, output)?;
    let plan = Plan::new(&target(&x.client), &operands)?;
    let buffers = [x.handle, y.handle.clone()];
    for (number, launch) in plan.launches(operation, KeyPlace::Parameters)?.iter().enumerate() {
        // What an earlier launch has written counts as read, so that its failure is not forgotten.
        let reads_output = in_place || number > 0;
        run(&y.client, &buffers, plan.bindings(launch.chunk()), launch, reads_output);
    }
    Ok(y)
}

/// Where a contiguous tensor lies: in the whole allocation that its handle is of.
fn operand(buffer: u32, tensor: &CubeTensor) -> Operand {
    let bytes = tensor.meta.num_elements() * tensor.dtype.size();
    Operand::new(buffer, tensor.handle.offset_start.unwrap_or(0), bytes as u64)
}

/// What of a device the kernels depend on.
fn target(client: &Client) -> Target {
    let properties = client.properties();
    // A software rasterizer is no card.
    let schedule = if properties.identity.physical.is_none() { Schedule::Blocked } else { Schedule::Groups };
    let mut target = Target::new(schedule).with_style(Style::ONE_GROUP);
    let (x, y, _) = properties.hardware.max_cube_count;
    target.max_workgroups_per_dimension = x.min(y);
    target.max_binding_size = properties.memory.max_page_size;
    target.binding_alignment = u32::try_from(properties.memory.alignment).unwrap_or(target.binding_alignment);
    target.max_storage_buffers = properties.hardware.max_bindings;
    target
}

/// Launches a kernel: `buffers` are those that the bindings number.
fn run(client: &Client, buffers: &[Handle], bindings: &[Binding], launch: &Launch, reads_output: bool) {
    use cubecl::prelude::BufferIOAttr::{ReadOnly, ReadWrite, WriteOnly};
    let mut arguments = KernelArguments::new();
    for binding in bindings {
        let mut handle = buffers[binding.buffer as usize].clone();
        handle.offset_start = Some(binding.offset);
        // A binding ends at a word, which the last element of a tensor of 16-bit floats may not; CubeCL rounds likewise.
        handle.offset_end = Some(handle.size().saturating_sub(binding.offset + binding.size));
        let io = match (binding.written, reads_output) {
            (false, _) => ReadOnly,
            (true, false) => WriteOnly,
            (true, true) => ReadWrite,
        };
        arguments = arguments.with_buffer_io(handle.binding(), io);
    }
    if launch.kernel().normal_table_binding().is_some() {
        let table: Vec<u8> = NORMAL_TABLE_UNIFORM.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        arguments = arguments.with_buffer_io(client.create_from_slice(&table).binding(), ReadOnly);
    }
    let words = launch.parameters().chunks(8).map(|bytes| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    });
    let arguments = arguments.with_info(MetadataBindingInfo::custom(words.collect()));
    let [x, y, z] = launch.workgroups();
    client.launch(Box::new(Precompiled(*launch.kernel())), CubeCount::Static(x, y, z), arguments);
}

/// A kernel of the library as one of CubeCL's.
struct Precompiled(Kernel);

impl Precompiled {
    fn settings(&self) -> KernelSettings {
        let size = CubeDim::new_1d(self.0.workgroup_size());
        // The kernels stay within what they are given.
        KernelSettings::new(size.0, ExecutionMode::Unchecked, AddressType::U32)
    }
}

impl KernelMetadata for Precompiled {
    /// Caches go by this alone: equal kernels have equal texts.
    fn id(&self) -> KernelId {
        KernelId::new::<Self>().cube_dim(self.settings().cube_dim).mode(ExecutionMode::Unchecked).info(self.0)
    }

    fn address_type(&self) -> ElemType {
        UIntKind::U32.into()
    }
}

impl CubeKernel for Precompiled {
    fn define(&self) -> KernelDefinition {
        let settings = self.settings();
        KernelDefinition { body: Scope::root(settings.clone()), settings, info: Info::default() }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        Some(PrecompiledSource {
            source: with_every_binding_used(&self.0.wgsl()),
            entrypoint_name: Kernel::ENTRY_POINT.to_owned(),
            lang: "wgsl",
        })
    }
}

/// The text with a use of each storage buffer: the layout of what CubeCL binds is made from those that the entry point uses, and
/// a kernel that writes zeros does not look at its input.
fn with_every_binding_used(text: &str) -> String {
    let declarations = text.lines().filter_map(|line| line.split_once("var<storage, read_write> "));
    let names = declarations.filter_map(|(_, rest)| rest.split_once(": array<")).filter(|(_, of)| !of.contains(','));
    let uses: String = names.map(|(name, _)| format!("\n    _ = arrayLength(&{name});")).collect();
    let body = text.find("fn main(").and_then(|main| Some(main + text[main..].find(") {")? + ") {".len()));
    let (head, tail) = text.split_at(body.unwrap_or(text.len()));
    format!("{head}{uses}{tail}")
}
