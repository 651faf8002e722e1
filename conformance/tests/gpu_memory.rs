//! Nothing proportional to the tensor is stored, and none of the caller's buffers is kept alive.
//!
//! A test program of its own, because the counters are those of a device: nothing else may run on it.

#[path = "../../tests/adapters/mod.rs"]
mod adapters;

use adapters::{buffer, device, subjects};
use wgpu_dropout::{Context, Dropout, Key, Options, wgpu};

/// Bytes of the device's buffers, which wgpu counts with its feature `counters`.
fn bytes(context: &Context) -> isize {
    context.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
    context.device().get_internal_counters().hal.buffer_memory.read()
}

#[test]
fn a_hundred_steps_need_no_memory() {
    const N: usize = 1 << 20;
    // GL counts no memory: a counter that stays 0 would prove nothing.
    let mut counted = 0;
    for subject in subjects().iter().filter(|subject| !subject.name.contains("(Gl)")) {
        counted += 1;
        for immediates in [true, false] {
            let (device, queue) = device(subject, |_| {});
            let options = Options::default().with_immediates(immediates);
            let context = Context::with_options(device, queue, options).unwrap();
            let [x, y] = [buffer(&context, &vec![0; N]), buffer(&context, &vec![0; N])];
            let dropout = Dropout::new(0.1).unwrap();
            let step = |step| {
                let mask = dropout.mask(Key::new(1).with_step(step));
                context.submit_forward(mask, &x, &y).unwrap();
                context.submit_backward(mask, &y, &y).unwrap();
            };
            (0..10).for_each(step);
            let warm = bytes(&context);
            assert!(warm >= 2 * 4 * N as isize, "the counters do not count: {warm}");
            (10..110).for_each(step);
            let after = bytes(&context);
            // At most another chunk of parameters.
            assert!(after <= warm + (128 << 10), "{}: {warm} → {after} bytes", subject.name);
            drop((x, y));
            let freed = bytes(&context);
            assert!(freed <= after - 2 * 4 * N as isize, "{}: {after} → {freed} bytes", subject.name);
        }
    }
    assert!(counted > 0, "no adapter that counts its memory");
}
