//! What the host layer promises: parameters survive any order of submission, the caller's encoder, passes, scopes
//! and handlers are left as they were, threads may share a context, a lost device is an error.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::adapters::{assert_words, bits, buffer, context_with, device, read, subjects};
use wgpu_dropout::{BufferRange, Context, Dropout, Error, Key, Mask, MaskFormat, Options, Ranges, reference, wgpu};

const N: usize = 96;

fn mask(step: u32) -> Mask {
    Dropout::new(0.5).unwrap().mask(Key::new(1).with_step(step))
}

fn x() -> Vec<f32> {
    (1..=N).map(|i| i as f32).collect()
}

fn expected(step: u32) -> Vec<u32> {
    bits(&reference::forward(&mask(step), &x()).unwrap())
}

/// Both ways for parameters to travel, on every adapter.
fn contexts() -> Vec<Context> {
    subjects()
        .iter()
        .flat_map(|subject| {
            [true, false].map(|immediates| context_with(subject, Options::default().with_immediates(immediates)))
        })
        .collect()
}

fn encoder(context: &Context) -> wgpu::CommandEncoder {
    context.device().create_command_encoder(&Default::default())
}

#[test]
fn ten_thousand_calls_in_one_encoder() {
    const CALLS: usize = 10_000;
    for context in contexts() {
        let data = buffer(&context, &bits(&x()).repeat(CALLS));
        let mut encoder = encoder(&context);
        for call in 0..CALLS {
            let range = BufferRange::new(&data, (call * N * 4) as u64, N as u64 * 4);
            context.record_forward(&mut encoder, mask(call as u32), range, range).unwrap();
        }
        context.queue().submit([encoder.finish()]);
        let expected: Vec<u32> = (0..CALLS).flat_map(|call| expected(call as u32)).collect();
        assert_words(&read(&context, [&data])[0], &expected, || format!("{:?}", context.adapter_info()));
    }
}

#[test]
fn buffers_bound_once_take_many_keys() {
    for context in contexts() {
        let (input, output) = (buffer(&context, &bits(&x())), buffer(&context, &[0; N]));
        let copies = buffer(&context, &[0; N * 300]);
        let bound = context.bind(Ranges::new(&input, &output)).unwrap();
        let mut encoder = encoder(&context);
        for call in 0..300 {
            bound.record_forward(&mut encoder, mask(call)).unwrap();
            encoder.copy_buffer_to_buffer(&output, 0, &copies, u64::from(call) * N as u64 * 4, N as u64 * 4);
        }
        context.queue().submit([encoder.finish()]);
        let expected: Vec<u32> = (0..300).flat_map(expected).collect();
        assert_words(&read(&context, [&copies])[0], &expected, || "bound".into());
    }
}

#[test]
fn encoders_in_reverse_order_and_one_dropped() {
    for context in contexts() {
        let [first, dropped, second] = [1, 2, 3].map(|step| {
            let data = buffer(&context, &bits(&x()));
            let mut encoder = encoder(&context);
            context.record_forward(&mut encoder, mask(step), &data, &data).unwrap();
            (data, encoder)
        });
        drop(dropped.1);
        context.queue().submit([second.1.finish()]);
        context.queue().submit([first.1.finish()]);
        let [first, dropped, second] = read(&context, [&first.0, &dropped.0, &second.0]);
        assert_words(&first, &expected(1), || "recorded first, submitted last".into());
        assert_words(&second, &expected(3), || "recorded last, submitted first".into());
        assert_words(&dropped, &bits(&x()), || "never submitted".into());
    }
}

#[test]
fn several_operations_share_a_callers_pass() {
    for context in contexts() {
        let data = buffer(&context, &bits(&x()));
        let (copy, words) = (buffer(&context, &[0; N]), buffer(&context, &[0; N / 32]));
        let mut encoder = encoder(&context);
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            context.record_forward(&mut pass, mask(1), &data, &copy).unwrap();
            context.record_backward(&mut pass, mask(2), &data, &data).unwrap();
            context.record_keep_mask(&mut pass, mask(3), &words, N as u64, MaskFormat::Bits).unwrap();
            // Evaluation out of place, where a buffer copy would not be possible inside of a pass.
            let evaluation = Dropout::new(0.5).unwrap().with_training(false).mask(Key::new(1));
            context.record_forward(&mut pass, evaluation, &data, &copy).unwrap();
        }
        context.queue().submit([encoder.finish()]);
        let [data, copy, words] = read(&context, [&data, &copy, &words]);
        assert_words(&data, &expected(2), || "backward".into());
        assert_words(&copy, &expected(2), || "evaluation copies what backward left".into());
        assert_words(&words, &reference::keep_mask(&mask(3), N as u64).unwrap(), || "mask".into());
    }
}

#[test]
fn eight_threads_share_a_context() {
    fn shareable<T: Send + Sync + Clone>() {}
    shareable::<Context>();
    for context in contexts() {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let context = context.clone();
                scope.spawn(move || {
                    for step in 0..20 {
                        let step = thread * 1000 + step;
                        let y = context.forward_blocking(&mask(step), &x()).unwrap();
                        assert_words(&bits(&y), &expected(step), || format!("thread {thread}"));
                        let words = pollster::block_on(context.keep_mask(&mask(step), N as u64)).unwrap();
                        assert_eq!(words, reference::keep_mask(&mask(step), N as u64).unwrap());
                    }
                });
            }
        });
    }
}

#[test]
fn a_callers_error_scopes_see_nothing() {
    for context in contexts() {
        let data = buffer(&context, &[0; N]);
        data.destroy();
        let scope = context.device().push_error_scope(wgpu::ErrorFilter::Validation);
        assert!(matches!(context.submit_forward(mask(1), &data, &data), Err(Error::Device { .. })));
        assert!(pollster::block_on(scope.pop()).is_none());
    }
}

/// After an error the caller's encoder can still be used.
#[test]
fn an_error_leaves_the_encoder_usable() {
    for context in contexts() {
        let (data, gone) = (buffer(&context, &bits(&x())), buffer(&context, &[0; N]));
        gone.destroy();
        let mut encoder = encoder(&context);
        context.record_forward(&mut encoder, mask(1), &gone, &gone).unwrap_err();
        context.record_forward(&mut encoder, mask(1), &data, &data).unwrap();
        context.queue().submit([encoder.finish()]);
        assert_words(&read(&context, [&data])[0], &expected(1), || "after an error".into());
    }
}

#[test]
fn a_callers_handlers_stay_installed() {
    for subject in subjects() {
        let (device, queue) = device(subject, |_| {});
        let (lost, uncaptured) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let flag = lost.clone();
        device.set_device_lost_callback(move |_, _| flag.store(true, Ordering::SeqCst));
        let flag = uncaptured.clone();
        device.on_uncaptured_error(Arc::new(move |_| flag.store(true, Ordering::SeqCst)));
        let context = Context::from_device(device.clone(), queue).unwrap();
        context.forward_blocking(&mask(1), &x()).unwrap();
        assert!(!uncaptured.load(Ordering::SeqCst));
        // An error of the caller's own reaches the caller's handler.
        let _invalid = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4,
            usage: wgpu::BufferUsages::empty(),
            mapped_at_creation: false,
        });
        assert!(uncaptured.load(Ordering::SeqCst), "{}", subject.name);
        device.destroy();
        let _ = device.poll(wgpu::PollType::Poll);
        assert!(lost.load(Ordering::SeqCst), "{}", subject.name);
    }
}

#[test]
fn a_lost_device_is_an_error() {
    for subject in subjects() {
        let context = pollster::block_on(Context::from_adapter(&subject.adapter)).unwrap();
        let data = buffer(&context, &bits(&x()));
        let bound = context.bind(Ranges::new(&data, &data)).unwrap();
        context.device().destroy();
        let lost = |result: Result<(), Error>, what: &str| {
            assert!(matches!(result, Err(Error::DeviceLost { .. })), "{} {what}: {result:?}", subject.name);
        };
        lost(context.forward_blocking(&mask(1), &x()).map(drop), "slices");
        lost(context.keep_mask_blocking(&mask(1), 5).map(drop), "mask");
        lost(context.submit_forward(mask(1), &data, &data).map(drop), "buffers");
        lost(context.warm_up(Default::default(), Default::default()), "warm up");
        // These do not poll, and know of it because others did.
        lost(context.bind(Ranges::new(&data, &data)).map(drop), "bind");
        lost(bound.record_forward(&mut encoder(&context), mask(1)), "recording");
    }
}

/// On a caller's device the library has no handler: slices still answer with an error, and recording does not panic.
#[test]
fn a_lost_device_of_the_caller_is_an_error() {
    for immediates in [true, false] {
        for subject in subjects() {
            let context = context_with(subject, Options::default().with_immediates(immediates));
            let data = buffer(&context, &bits(&x()));
            let bound = context.bind(Ranges::new(&data, &data)).unwrap();
            context.device().destroy();
            let result = context.forward_blocking(&mask(1), &x());
            assert!(
                matches!(result, Err(Error::Device { .. } | Error::DeviceLost { .. })),
                "{}: {result:?}",
                subject.name
            );
            assert!(pollster::block_on(context.keep_mask(&mask(1), 5)).is_err(), "{}", subject.name);
            // Whether recording fails is the device's choice; that it returns is the promise.
            let _ = bound.record_forward(&mut encoder(&context), mask(1));
            let _ = context.submit_forward(mask(1), &data, &data);
        }
    }
}

/// Recording polls nothing: a callback of the caller's that is due is not run by it, not even under a lock that it needs.
#[test]
fn recording_runs_no_callback_of_the_caller() {
    for subject in subjects() {
        // A context that watches its device is the one that could poll.
        let context = pollster::block_on(Context::from_adapter(&subject.adapter)).unwrap();
        let data = buffer(&context, &bits(&x()));
        let bound = context.bind(Ranges::new(&data, &data)).unwrap();
        let staging = context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 16,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let called = Arc::new(AtomicBool::new(false));
        let flag = called.clone();
        staging.map_async(wgpu::MapMode::Read, .., move |_| flag.store(true, Ordering::SeqCst));
        let key_buffer = buffer(&context, &[0; 4]);
        let key = context.bind_key(&key_buffer).unwrap();
        let mut encoder = encoder(&context);
        for step in 0..10 {
            bound.record_forward(&mut encoder, mask(step)).unwrap();
            context.record_forward(&mut encoder, mask(step), &data, &data).unwrap();
            key.record_advance(&mut encoder, 1).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(!called.load(Ordering::SeqCst), "{}", subject.name);
        context.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
        assert!(called.load(Ordering::SeqCst), "{}", subject.name);
    }
}

/// Recording from several threads at once, each the first to need a pipeline: nobody waits for another's compiler, and all
/// get the right one.
#[test]
fn eight_threads_need_a_new_pipeline() {
    for context in contexts() {
        let outputs: Vec<_> = (0..8).map(|_| buffer(&context, &[0; N])).collect();
        let input = buffer(&context, &bits(&x()));
        std::thread::scope(|scope| {
            for (step, output) in (0..).zip(&outputs) {
                let (context, input) = (&context, &input);
                scope.spawn(move || context.submit_forward(mask(step), input, output).unwrap());
            }
        });
        for (step, output) in (0..).zip(&outputs) {
            assert_words(&read(&context, [output])[0], &expected(step), || format!("thread {step}"));
        }
    }
}
