//! Tensors that no binding of most devices holds, for real. The machinery is tested in small by tests/gpu/random_cases.rs;
//! this takes 2 GiB of memory. With `cargo test --release --test gpu_large` every element is compared, else one part in
//! eight, and those around the seams.
#![cfg(feature = "gpu")]

mod adapters;

use std::thread;

use adapters::{buffer, subjects};
use half::f16;
use wgpu_dropout::{BufferRange, Dropout, Dtype, Key, reference, wgpu};

#[test]
fn two_to_the_28_f16_in_one_buffer() {
    const N: usize = 1 << 28;
    const PART: usize = 1 << 22;
    let mut tested = 0;
    for subject in subjects() {
        // A driver that has less room for a buffer says so; at least one has enough.
        if subject.context.device().limits().max_buffer_size < N as u64 * 2 {
            continue;
        }
        tested += 1;
        let context = &subject.context;
        let limits = context.device().limits();
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
        context.submit_forward(mask, range, range).unwrap();

        let [actual] = adapters::read(context, [&data]);
        let actual: &[f16] = bytemuck::cast_slice(&actual);
        thread::scope(|scope| {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            for core in 0..cores {
                let limits = &limits;
                scope.spawn(move || {
                    let seam = (limits.max_storage_buffer_binding_size / 2) as usize / PART;
                    for part in (core..N / PART).step_by(cores) {
                        let first = part * PART;
                        let at_seam = (part + 1) % seam.max(1) <= 1 || part == 0 || part == N / PART - 1;
                        if cfg!(debug_assertions) && part % 8 != 3 && !at_seam {
                            continue;
                        }
                        let x: Vec<f16> = (0..PART).map(|i| value(first + i)).collect();
                        let expected = reference::forward(&mask.skip(first as u64), &x).unwrap();
                        let wrong = (0..PART).find(|&i| actual[first + i].to_bits() != expected[i].to_bits());
                        assert_eq!(wrong.map(|i| first + i), None, "the first wrong element of {}", subject.name);
                    }
                });
            }
        });
    }
    assert!(tested > 0, "no adapter has room for {} bytes", N * 2);
}
