//! The adapters that every GPU test runs on: all that wgpu finds. A missing one fails the tests.
#![allow(dead_code, reason = "each test program uses the part that it needs")]

use std::{env, sync::OnceLock};

use wgpu_dropout::{Context, Options, wgpu};

/// An adapter under test.
pub struct Subject {
    pub name: String,
    pub adapter: wgpu::Adapter,
    pub context: Context,
}

/// Every adapter on this machine. Panics when a required one is missing: by default one of Vulkan and one of GL on Linux,
/// of Metal on macOS, of DirectX 12 on Windows. `WGPU_DROPOUT_REQUIRE=vulkan,vulkan:swiftshader` names others: a backend,
/// or a backend and a part of an adapter's name.
pub fn subjects() -> &'static [Subject] {
    static SUBJECTS: OnceLock<Vec<Subject>> = OnceLock::new();
    SUBJECTS.get_or_init(|| {
        let subjects: Vec<_> = pollster::block_on(instance().enumerate_adapters(wgpu::Backends::all()))
            .into_iter()
            .map(|adapter| {
                let info = adapter.get_info();
                let context = pollster::block_on(Context::from_adapter(&adapter)).unwrap();
                Subject { name: format!("{} ({:?})", info.name, info.backend), adapter, context }
            })
            .collect();
        let default = match env::consts::OS {
            "macos" => "metal",
            "windows" => "dx12",
            _ => "vulkan,gl",
        };
        let required = env::var("WGPU_DROPOUT_REQUIRE").unwrap_or_else(|_| default.into());
        for wanted in required.split(',').filter(|wanted| !wanted.is_empty()) {
            let (backend, name) = wanted.split_once(':').unwrap_or((wanted, ""));
            let found = |subject: &Subject| {
                let info = subject.adapter.get_info();
                info.backend.to_str() == backend && info.name.to_lowercase().contains(name)
            };
            assert!(subjects.iter().any(found), "no adapter '{wanted}': run scripts/test.sh");
        }
        assert!(!subjects.is_empty(), "no adapter at all");
        subjects
    })
}

pub fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle())
}

/// A device of the test's own on the subject's adapter.
pub fn device(subject: &Subject, change: impl FnOnce(&mut wgpu::DeviceDescriptor<'_>)) -> (wgpu::Device, wgpu::Queue) {
    let wanted = wgpu_dropout::requirements(&subject.adapter);
    let mut descriptor = wgpu::DeviceDescriptor {
        required_features: wanted.features,
        required_limits: wanted.limits,
        ..Default::default()
    };
    change(&mut descriptor);
    pollster::block_on(subject.adapter.request_device(&descriptor)).unwrap()
}

/// A context with other options on a device of the test's own.
pub fn context_with(subject: &Subject, options: Options) -> Context {
    let (device, queue) = device(subject, |_| {});
    Context::with_options(device, queue, options).unwrap()
}

/// A buffer for every use in a test, with this content.
pub fn buffer(context: &Context, words: &[u32]) -> wgpu::Buffer {
    let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: size_of_val(words) as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    context.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(words));
    buffer
}

/// The content of buffers, in one submission.
pub fn read<const N: usize>(context: &Context, buffers: [&wgpu::Buffer; N]) -> [Vec<u32>; N] {
    let mut encoder = context.device().create_command_encoder(&Default::default());
    let staging = buffers.map(|buffer| {
        let staging = context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        staging
    });
    context.queue().submit([encoder.finish()]);
    for staging in &staging {
        staging.map_async(wgpu::MapMode::Read, .., Result::unwrap);
    }
    context.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
    staging.map(|staging| bytemuck::cast_slice(&staging.get_mapped_range(..).unwrap()).to_vec())
}

/// Fails with the first few places where the two differ.
pub fn assert_words(actual: &[u32], expected: &[u32], what: impl FnOnce() -> String) {
    assert_words_by(actual, expected, |actual, expected| actual == expected, what);
}

pub fn assert_words_by(
    actual: &[u32],
    expected: &[u32],
    same: impl Fn(u32, u32) -> bool,
    what: impl FnOnce() -> String,
) {
    assert_eq!(actual.len(), expected.len());
    let wrong: Vec<_> = (0..actual.len()).filter(|&i| !same(actual[i], expected[i])).collect();
    if !wrong.is_empty() {
        let shown: Vec<_> = wrong
            .iter()
            .take(5)
            .map(|&i| format!("  index {i}: expected {:08x}, actual {:08x}", expected[i], actual[i]))
            .collect();
        panic!("{}: {} of {} words differ\n{}", what(), wrong.len(), actual.len(), shown.join("\n"));
    }
}

/// Words of f32 elements.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
