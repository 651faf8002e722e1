//! Tensors that no binding of most devices holds, for real. The machinery is tested in small by tests/gpu_random_cases.rs;
//! this takes 2 GiB of memory:
//!
//! `cargo test --release --all-features --test gpu_large -- --ignored`
#![cfg(all(feature = "gpu", feature = "half"))]

mod adapters;

use std::thread;

use adapters::{buffer, subjects};
use half::f16;
use wgpu_dropout::{BufferRange, Dropout, Dtype, Key, reference, wgpu};

#[test]
#[ignore = "needs 2 GiB of memory"]
fn two_to_the_28_f16_in_one_buffer() {
    const N: usize = 1 << 28;
    const PART: usize = 1 << 22;
    for subject in subjects().iter().filter(|subject| subject.name.contains("Vulkan")) {
        let context = &subject.context;
        let limits = context.device().limits();
        assert!(limits.max_buffer_size >= N as u64 * 2, "{}: {} bytes", subject.name, limits.max_buffer_size);
        println!(
            "{}: a binding has {} bytes, the tensor {}",
            subject.name,
            limits.max_storage_buffer_binding_size,
            N * 2
        );

        // Its indexes pass 2³².
        let mask = Dropout::new(0.1).unwrap().mask(Key::new(28)).at((1 << 32) - (1 << 27) + 1);
        let value = |i: usize| f16::from_bits(0x3c00 | (i % 1021) as u16);
        let data = buffer(context, &vec![0; N / 2]);
        for part in 0..N / PART {
            let x: Vec<f16> = (0..PART).map(|i| value(part * PART + i)).collect();
            context.queue().write_buffer(&data, (part * PART * 2) as u64, bytemuck::cast_slice(&x));
            context.queue().submit([]);
            context.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
        }
        let range = BufferRange::from(&data).with_dtype(Dtype::F16);
        context.submit_forward(&mask, range, range).unwrap();

        let [actual] = adapters::read(context, [&data]);
        let actual: &[f16] = bytemuck::cast_slice(&actual);
        thread::scope(|scope| {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            for core in 0..cores {
                scope.spawn(move || {
                    for part in (core..N / PART).step_by(cores) {
                        let first = part * PART;
                        let x: Vec<f16> = (0..PART).map(|i| value(first + i)).collect();
                        let expected = reference::forward(&mask.skip(first as u64), &x).unwrap();
                        let wrong = (0..PART).find(|&i| actual[first + i].to_bits() != expected[i].to_bits());
                        assert_eq!(wrong.map(|i| first + i), None, "the first wrong element of {}", subject.name);
                    }
                });
            }
        });
    }
}
