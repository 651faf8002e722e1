//! Kernels as data: dropout launched by hand on plain wgpu, without the library's host layer.
//!
//! `kernels::Plan` says which WGSL texts to run, with which parameters, bindings and grids; a framework with a launcher of
//! its own needs no more. The result is the reference's, bit for bit.

use wgpu::util::DeviceExt;
use wgpu_dropout::{
    Dropout, Dtype, Key, Operation,
    kernels::{KeyPlace, Operand, Operands, Plan, Schedule, Style, Target},
    reference, wgpu,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()))?;

    // What is computed: dropout of a tensor that begins at element 1000 of a larger one.
    let x: Vec<f32> = (0..100_003).map(|i| i as f32 / 8.0).collect();
    let mask = Dropout::new(0.1)?.mask(Key::new(42).with_layer(3)).at(1000);

    // Where it lies: buffer 0 is the input, whose tensor begins after 4 bytes, and buffer 1 the output.
    let size = size_of_val(&x[..]) as u64;
    let operands = Operands::values(Dtype::F32, Operand::new(0, 4, size), Operand::new(1, 0, size))?;

    // For which device: the kernels for GPUs, with parameters in a uniform buffer.
    let mut target = Target::new(Schedule::Groups).with_style(Style::UNIFORM);
    target.max_binding_size = device.limits().max_storage_buffer_binding_size;
    target.binding_alignment = device.limits().min_storage_buffer_offset_alignment;
    let plan = Plan::new(&target, &operands)?;

    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let init = |contents: &[u8], usage| {
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
    };
    let buffers = [init(bytemuck::cast_slice(&[&[0.0], &x[..]].concat()), usage), init(&vec![0; size as usize], usage)];

    let mut encoder = device.create_command_encoder(&Default::default());
    for launch in plan.launches(&Operation::Forward(mask), KeyPlace::Parameters)? {
        let kernel = launch.kernel();
        println!("{:?} workgroups of {kernel}", launch.workgroups());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(kernel.wgsl().into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let bind = |group, resources: Vec<wgpu::BindingResource<'_>>| {
            let entries: Vec<_> =
                (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
            let layout = pipeline.get_bind_group_layout(group);
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries })
        };
        let operands = plan.bindings(launch.chunk()).iter().map(|binding| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &buffers[binding.buffer as usize],
                offset: binding.offset,
                size: wgpu::BufferSize::new(binding.size),
            })
        });
        let parameters = init(launch.parameters(), wgpu::BufferUsages::UNIFORM);
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bind(0, operands.collect()), &[]);
        pass.set_bind_group(1, &bind(1, vec![parameters.as_entire_binding()]), &[]);
        let [columns, rows, layers] = launch.workgroups();
        pass.dispatch_workgroups(columns, rows, layers);
    }

    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    encoder.copy_buffer_to_buffer(&buffers[1], 0, &staging, 0, size);
    queue.submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("the device can be read"));
    device.poll(wgpu::PollType::wait_indefinitely())?;
    let y: Vec<f32> = bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..)?);

    let expected = reference::forward(&mask, &x)?;
    let different = y.iter().zip(&expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    println!("{} elements on {}, {different} differ from the reference", x.len(), adapter.get_info().name);
    if different > 0 {
        return Err("the launches differ from the reference".into());
    }
    Ok(())
}
