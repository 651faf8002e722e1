//! Launches of the library's kernels by CubeCL, where it takes WGSL.
//!
//! The library says what to launch, as data; here it becomes CubeCL's. Bindings are group 0's in order, the parameters come
//! last, and every storage buffer is `read_write`, because CubeCL keeps many tensors in one buffer.

use burn_cubecl::{kernel::into_contiguous, ops::numeric::empty_device_dtype, tensor::CubeTensor};
use cubecl::{
    CubeCount, CubeDim, CubeKernel, PrecompiledSource,
    client::Client,
    ir::{ElemType, Scope, UIntKind, metadata::Info, settings::KernelSettings},
    prelude::{
        AddressType,
        BufferIOAttr::{ReadOnly, ReadWrite, WriteOnly},
        ExecutionMode, KernelDefinition, KernelId, KernelMetadata,
    },
    server::{Handle, KernelArguments, MetadataBindingInfo},
};
use wgpu_dropout::{
    Operation,
    kernels::{Binding, Kernel, KeyPlace, Launch, Operand, Operands, PassPlan, Plan, Schedule, Style, Target, Tensor},
    normal_table::NORMAL_TABLE_UNIFORM,
};

use crate::{Error, backend::dtype, pass::PassWork};

pub(super) fn operate(x: CubeTensor, operation: &Operation) -> Result<CubeTensor, Error> {
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
        run(&y.client, &buffers, plan.bindings(launch.chunk()), None, launch, reads_output);
    }
    Ok(y)
}

pub(super) fn run_pass(inputs: Vec<CubeTensor>, work: &PassWork) -> Result<Vec<CubeTensor>, Error> {
    let inputs: Vec<_> = inputs.into_iter().map(into_contiguous).collect();
    let first = &inputs[0];
    let (client, shape) = (first.client.clone(), first.meta.shape().clone());
    let new = |shape| empty_device_dtype(client.clone(), first.device.clone(), shape, work.output_dtype(first.dtype));
    // A tensor that is computed in place is one buffer.
    let in_place = |output| work.takes_place_of(output).filter(|&input| inputs[input].can_mut());
    let shapes = work.output_shapes(&shape).into_iter().enumerate();
    let (outputs, of_outputs): (Vec<_>, Vec<_>) = shapes
        .map(|(i, shape)| match (in_place(i), work.takes_place_of(i)) {
            (Some(input), _) => (inputs[input].clone(), input),
            (None, Some(input)) if work.goes_on() => (inputs[input].copy(), inputs.len() + i),
            _ => (new(shape), inputs.len() + i),
        })
        .unzip();
    let is_read = work.goes_on() || of_outputs.iter().any(|&buffer| buffer < inputs.len());

    let tensors = || inputs.iter().chain(&outputs);
    let numbers = (0..inputs.len()).chain(of_outputs);
    let mut places = Vec::with_capacity(inputs.len() + outputs.len());
    for (tensor, number) in tensors().zip(numbers) {
        places.push(operand(number as u32, tensor).with_dtype(dtype(tensor.dtype)?));
    }
    let of_outputs = places.split_off(inputs.len());
    let mut pass = work.pass::<Tensor>(places, of_outputs)?;
    let mut buffers: Vec<_> = tensors().map(|tensor| tensor.handle.clone()).collect();
    let scratch = work.scratch_size(shape.num_elements() as u64);
    if scratch > 0 {
        pass = pass.with_scratch(Operand::new(buffers.len() as u32, 0, scratch));
        buffers.push(client.empty(scratch as usize));
    }
    let plan = PassPlan::new(&target(&client), &pass, KeyPlace::Parameters)?;
    let mut earlier = is_read;
    for stage in plan.stages() {
        for launch in stage.launches() {
            run(&client, &buffers, stage.bindings(launch.chunk()), stage.scale(), launch, earlier);
            earlier = true;
        }
    }
    Ok(outputs)
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
fn run(
    client: &Client,
    buffers: &[Handle],
    bindings: &[Binding],
    scale: Option<&Operand>,
    launch: &Launch,
    reads_output: bool,
) {
    let bind = |buffer: u32, offset: u64, size: u64| {
        let mut handle = buffers[buffer as usize].clone();
        handle.offset_start = Some(offset);
        // A binding ends at a word, which the last element of a tensor of 16-bit floats may not; CubeCL rounds likewise.
        handle.offset_end = Some(handle.size().saturating_sub(offset + size));
        handle.binding()
    };
    let mut arguments = KernelArguments::new();
    for &Binding { buffer, offset, size, written, .. } in bindings {
        let io = match (written, reads_output) {
            (false, _) => ReadOnly,
            (true, false) => WriteOnly,
            (true, true) => ReadWrite,
        };
        arguments = arguments.with_buffer_io(bind(buffer, offset, size), io);
    }
    if let (Some(scale), Some(_)) = (scale, launch.kernel().key_binding()) {
        arguments = arguments.with_buffer_io(bind(scale.buffer, scale.offset, scale.size), ReadOnly);
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
        Some(PrecompiledSource { source: self.0.wgsl(), entrypoint_name: Kernel::ENTRY_POINT.to_owned(), lang: "wgsl" })
    }
}
