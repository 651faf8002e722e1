//! Each error is reached, names the values and the remedy, and does not panic.
use crate::adapters::{buffer, context_with, device, subjects};
use wgpu_dropout::{
    BlockCounter, BufferRange, Context, DropBlock, Dropout, Dtype, Error, Generator, Key, Mask, MaskFormat, Operation,
    Options, Ranges, View, reference, wgpu, wgsl::KeepRule,
};

fn mask() -> Mask {
    Dropout::new(0.5).unwrap().mask(Key::new(1))
}

/// Asserts the variant, and that the message holds each of these words.
macro_rules! assert_error {
    ($result:expr, $pattern:pat, $($word:expr),+) => {
        match $result {
            Err(error @ $pattern) => {
                let message = error.to_string();
                $(assert!(message.contains($word), "'{}' is missing in: {message}", $word);)+
            }
            other => panic!("expected {}, got {other:?}", stringify!($pattern)),
        }
    };
}

#[test]
fn probability() {
    for p in [-0.1, 1.000_001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -5e-324] {
        assert_error!(Dropout::new(p), Error::Probability { .. }, &p.to_string(), "from 0 to 1");
    }
}

#[test]
fn index_range() {
    let context = &subjects()[0].context;
    for (generator, start, length, ok) in [
        (Generator::Threefry, u64::MAX, 1, true),
        (Generator::Threefry, u64::MAX, 2, false),
        (Generator::Philox, (1 << 59) - 4, 4, true),
        (Generator::Philox, (1 << 59) - 4, 5, false),
        (Generator::Philox, u64::MAX, 1, false),
    ] {
        let mask = Dropout::new(0.5).unwrap().with_generator(generator).mask(Key::new(1)).at(start);
        let x = vec![1.0; length];
        if ok {
            context.forward_blocking(&mask, &x).unwrap();
            wgpu_dropout::reference::forward(&mask, &x).unwrap();
            continue;
        }
        let data = buffer(context, &vec![0; length]);
        let (start, remedy) = (start.to_string(), "use a smaller start");
        assert_error!(context.forward_blocking(&mask, &x), Error::IndexRange { .. }, &start, remedy);
        assert_error!(context.keep_mask_blocking(&mask, length as u64), Error::IndexRange { .. }, &start, remedy);
        assert_error!(context.submit_forward(mask, &data, &data), Error::IndexRange { .. }, &start, remedy);
        assert_error!(wgpu_dropout::reference::forward(&mask, &x), Error::IndexRange { .. }, &start, remedy);
    }
}

#[test]
fn ranges() {
    let context = &subjects()[0].context;
    let (a, b) = (buffer(context, &[0; 64]), buffer(context, &[0; 64]));
    let range = |buffer, offset, size| BufferRange::new(buffer, offset, size);
    let forward = |input, output| context.submit_forward(mask(), input, output);

    assert_error!(forward(range(&a, 0, 64), range(&b, 0, 60)), Error::Length { .. }, "64", "60", "same length");
    assert_error!(forward(range(&a, 0, 62), range(&b, 0, 62)), Error::Size { .. }, "input", "62", "size of an element");
    assert_error!(forward(range(&a, 2, 64), range(&b, 0, 64)), Error::Alignment { .. }, "input", "2", "multiple of 4");
    assert_error!(
        forward(range(&a, 0, 128), range(&b, 132, 128)),
        Error::OutOfBounds { role: "output", .. },
        "132",
        "128",
        "256",
        "shorten"
    );
    assert_error!(forward(range(&a, u64::MAX - 3, 8), range(&b, 0, 8)), Error::OutOfBounds { .. }, "input");
    assert_error!(
        forward(range(&a, 0, 128), range(&a, 124, 128)),
        Error::Overlap { .. },
        "0..128",
        "124..252",
        "in place"
    );
    forward(range(&a, 0, 128), range(&a, 128, 128)).unwrap();
    forward(range(&a, 0, 0), range(&a, 256, 0)).unwrap();

    let keep_mask = |range, length| context.submit_keep_mask(mask(), range, length, MaskFormat::Bits);
    assert_error!(keep_mask(range(&a, 0, 8), 65), Error::Size { role: "mask", .. }, "8", "length/32");
    assert_error!(keep_mask(range(&a, 0, 12), 64), Error::Size { role: "mask", .. }, "12");
    assert_error!(keep_mask(range(&a, 256, 4), 32), Error::OutOfBounds { role: "mask", .. }, "256");
    keep_mask(range(&a, 252, 4), 1).unwrap();
}

#[test]
fn keys_and_given_masks_in_buffers() {
    let context = &subjects()[0].context;
    let (a, b) = (buffer(context, &[0; 256]), buffer(context, &[0; 256]));
    let range = |buffer, offset, size| BufferRange::new(buffer, offset, size);

    assert_error!(context.bind_key(&a), Error::Size { role: "key", .. }, "1024", "16");
    assert_error!(context.bind_key(range(&a, 2, 16)), Error::Alignment { role: "key", .. }, "2", "multiple of 4");
    assert_error!(context.bind_key(range(&a, 1020, 16)), Error::OutOfBounds { role: "key", .. }, "1020");
    let key = context.bind_key(range(&a, 0, 16)).unwrap();
    assert_error!(context.submit_forward(mask().keyed_by(&key), &b, &a), Error::SameBuffer, "own");
    assert_error!(context.submit_forward(mask().keyed_by(&key), &a, &a), Error::SameBuffer, "own");
    let bits = MaskFormat::Bits;
    let keep_mask = context.submit_keep_mask(mask().keyed_by(&key), range(&a, 512, 4), 32, bits);
    assert_error!(keep_mask, Error::SameBuffer, "own");
    // What is only read may be one buffer.
    context.submit_forward(mask().keyed_by(&key), &a, &b).unwrap();

    assert_error!(context.bind_key_and_rate(&a), Error::Size { role: "key", .. }, "1024", "48");
    assert_error!(context.bind_key_and_rate(range(&a, 0, 16)), Error::Size { role: "key", .. }, "16", "48");
    assert_error!(
        context.bind_key_and_rate(range(&a, 2, 48)),
        Error::Alignment { role: "key", .. },
        "2",
        "multiple of 4"
    );
    assert_error!(context.bind_key_and_rate(range(&a, 980, 48)), Error::OutOfBounds { role: "key", .. }, "980");
    let vertices = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 48,
        usage: wgpu::BufferUsages::VERTEX,
        mapped_at_creation: false,
    });
    assert_error!(context.bind_key_and_rate(&vertices), Error::Usage { role: "key", .. }, "STORAGE");
    let key = context.bind_key_and_rate(range(&a, 0, 48)).unwrap();
    assert_error!(context.submit_forward(mask().keyed_by(&key), &b, &a), Error::SameBuffer, "own");
    let standard = Dropout::standard(0.5).unwrap().with_training(false).mask(Key::new(1));
    let evaluation = context.submit_forward(standard.keyed_by(&key), &b, &b);
    assert_error!(evaluation, Error::NoRate { .. }, "evaluation of standard dropout", "bind_key");
    let blocks = DropBlock::new(0.1, &[3]).unwrap().mask(Key::new(1), &[256]).unwrap();
    let mut encoder = context.device().create_command_encoder(&Default::default());
    let scratch = buffer(context, &vec![0; blocks.scratch_size() as usize / 4]);
    let refused = context.record_pass(&mut encoder, blocks.forward(&b, &b).with_scratch(&scratch).keyed_by(&key));
    assert_error!(refused, Error::NoRate { .. }, "DropBlock", "bind_key");

    let apply = |given, input, output| context.submit_apply_mask(given, 2.0, input, output);
    let data = range(&b, 0, 128);
    assert_error!(apply(range(&a, 0, 8), data, data), Error::Size { role: "mask", .. }, "8 bytes", "length/32");
    assert_error!(apply(range(&a, 1022, 4), data, data), Error::Alignment { role: "mask", .. }, "1022");
    for (at, bytes) in [(0, "0..16"), (124, "124..140")] {
        let data = range(&b, 0, 512);
        assert_error!(apply(range(&b, at, 16), data, data), Error::Overlap { role: "mask", .. }, bytes, "share");
    }
    for near in [128, 252, 256] {
        apply(range(&b, near, 4), data, data).unwrap();
    }
    apply(range(&a, 4, 4), range(&a, 0, 128), data).unwrap();

    for words in [0, 2] {
        let given = vec![0; words];
        let slices = context.apply_mask_blocking(&given, 1.0, &[1.0_f32; 32]);
        assert_error!(slices, Error::Size { role: "mask", .. }, &format!("{} bytes", words * 4));
        assert_error!(
            reference::apply_mask(&given, 1.0, &[1.0_f32; 32]),
            Error::Size { role: "mask", .. },
            "length/32"
        );
    }
}

#[test]
fn usage() {
    let context = &subjects()[0].context;
    let (good, bad) = (
        buffer(context, &[0; 4]),
        context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 16,
            usage: wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        }),
    );
    assert_error!(context.submit_forward(mask(), &bad, &good), Error::Usage { role: "input", .. }, "STORAGE");
    assert_error!(context.submit_forward(mask(), &good, &bad), Error::Usage { role: "output", .. }, "STORAGE");
}

#[test]
fn too_large() {
    for subject in subjects() {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffer_binding_size = 1 << 16;
        });
        let context = Context::from_device(device, queue).unwrap();
        let counters = vec![BlockCounter::default(); 2049];
        assert_error!(
            context.random_blocks_blocking(Generator::Philox, &counters),
            Error::TooLarge { .. },
            "65568",
            "65536",
            "split"
        );
        context.random_blocks_blocking(Generator::Philox, &counters[1..]).unwrap();
    }
}

#[test]
fn views() {
    let context = &subjects()[0].context;
    for (row_length, row_pitch) in [(0, 5), (6, 5), (0, 0)] {
        let mask = mask().at(View::rows(1, row_length, row_pitch));
        let (length, pitch) = (format!("length {row_length}"), format!("pitch {row_pitch}"));
        assert_error!(context.forward_blocking(&mask, &[1.0_f32; 9]), Error::View { .. }, &length, &pitch, "at least");
        assert_error!(reference::keep_mask(&mask, 9), Error::View { .. }, &length, &pitch, "at least");
    }
    let past = mask().at(View::rows(u64::MAX - 20, 3, 10));
    context.forward_blocking(&past, &[1.0_f32; 6]).unwrap();
    assert_error!(context.forward_blocking(&past, &[1.0_f32; 9]), Error::IndexRange { .. }, "9 elements");
}

#[test]
fn storage_types() {
    let context = &subjects()[0].context;
    let (a, b) = (buffer(context, &[0; 16]), buffer(context, &[0; 16]));
    let range = |buffer, offset, size| BufferRange::new(buffer, offset, size).with_dtype(Dtype::F16);
    let forward = |input, output| context.submit_forward(mask(), input, output);
    assert_error!(forward(range(&a, 0, 64), BufferRange::from(&b)), Error::Dtype { .. }, "f16", "f32", "same type");
    assert_error!(forward(range(&a, 0, 3), range(&b, 0, 3)), Error::Size { .. }, "3", "size of an element");
    assert_error!(forward(range(&a, 1, 2), range(&b, 0, 2)), Error::Alignment { .. }, "1", "multiple of 2");
    // Two ranges of one buffer that share no byte, but a word.
    assert_error!(forward(range(&a, 0, 6), range(&a, 6, 6)), Error::Overlap { .. }, "0..6", "6..12", "word");
    forward(range(&a, 0, 6), range(&a, 8, 6)).unwrap();
    forward(range(&a, 2, 6), range(&a, 2, 6)).unwrap();
    let odd = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 6,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    assert_error!(forward(range(&odd, 4, 2), range(&b, 0, 2)), Error::LastWord { .. }, "input", "6", "multiple of 4");
    forward(range(&odd, 0, 4), range(&b, 0, 4)).unwrap();
}

#[test]
fn destroyed_and_foreign_buffers() {
    for subject in subjects() {
        let (context, other) = (&subject.context, context_with(subject, Options::default()));
        let good = buffer(context, &[0; 16]);
        let destroyed = buffer(context, &[0; 16]);
        destroyed.destroy();
        let foreign = buffer(&other, &[0; 16]);
        let mut encoder = context.device().create_command_encoder(&Default::default());
        for bad in [&destroyed, &foreign] {
            assert_error!(context.record_forward(&mut encoder, mask(), bad, &good), Error::Device { .. }, "buffers");
            assert_error!(context.record_forward(&mut encoder, mask(), &good, bad), Error::Device { .. }, "buffers");
            assert_error!(context.record_forward(&mut encoder, mask(), bad, bad), Error::Device { .. }, "buffers");
            assert_error!(
                context.submit_keep_mask(mask(), bad, 512, MaskFormat::Bits),
                Error::Device { .. },
                "buffers"
            );
        }
        // A buffer that is destroyed after it was bound: the submission fails, with an error.
        let bound_then_destroyed = buffer(context, &[0; 16]);
        let bound = context.bind(Ranges::new(&bound_then_destroyed, &bound_then_destroyed)).unwrap();
        bound_then_destroyed.destroy();
        let _ = bound.record_forward(&mut encoder, mask());
    }
}

#[test]
fn unsupported() {
    for subject in subjects() {
        for workgroup_size in [0, 257, u32::MAX] {
            let (device, queue) = device(subject, |_| {});
            let context = Context::with_options(device, queue, Options::default().with_workgroup_size(workgroup_size));
            assert_error!(context, Error::Unsupported { .. }, &workgroup_size.to_string(), "Options");
        }
        // A fault of a test that is planted nowhere would be found by no check.
        let (other_device, queue) = device(subject, |_| {});
        let options = Options::default().with_replaced_text("no such text", "");
        let context = Context::with_options(other_device, queue, options);
        assert_error!(context, Error::Unsupported { .. }, "no such text");
        let (two, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffers_per_shader_stage = 2;
        });
        assert_error!(Context::from_device(two, queue), Error::Unsupported { .. }, "3 storage buffers", "request");
        let (small, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffer_binding_size = 1024;
        });
        assert_error!(Context::from_device(small, queue), Error::Unsupported { .. }, "1024 bytes", "request");
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits = wgpu::Limits::downlevel_webgl2_defaults();
            descriptor.required_features = wgpu::Features::empty();
        });
        assert_error!(Context::from_device(device, queue), Error::Unsupported { .. }, "request");
    }
}

/// Skipping past the last index is an error, and not the first index again.
#[test]
fn past_the_last_index() {
    let context = &subjects()[0].context;
    for mask in [mask().at(u64::MAX - 9).skip(10), mask().at(View::rows(u64::MAX - 20, 3, 10)).skip(9)] {
        assert_error!(context.forward_blocking(&mask, &[1.0_f32; 1]), Error::IndexRange { .. }, "start");
        assert_error!(context.keep_mask_blocking(&mask, 1), Error::IndexRange { .. }, "start");
        assert_error!(reference::forward(&mask, &[1.0_f32; 1]), Error::IndexRange { .. }, "start");
        // Nothing is left, and that is no error.
        assert_eq!(context.keep_mask_blocking(&mask, 0).unwrap(), [0; 0]);
    }
}

/// A key of another context is refused before the encoder is touched.
#[test]
fn keys_of_other_contexts() {
    for subject in subjects() {
        let (context, other) = (&subject.context, context_with(subject, Options::default()));
        let data = buffer(context, &[7; 16]);
        let key = other.bind_key(&buffer(&other, &[0; 4])).unwrap();
        let key_and_rate = other.bind_key_and_rate(&buffer(&other, &[0; 12])).unwrap();
        let mut encoder = context.device().create_command_encoder(&Default::default());
        for key in [key, key_and_rate] {
            let refused = context.record_forward(&mut encoder, mask().keyed_by(&key), &data, &data);
            assert_error!(refused, Error::OtherContext { what: "key" }, "another context");
        }
        context.queue().submit([encoder.finish()]);
        assert_eq!(crate::adapters::read(context, [&data])[0], [7; 16]);
    }
}

/// Each operation says which operands it needs.
#[test]
fn operands() {
    let context = &subjects()[0].context;
    let (a, b, bits) = (buffer(context, &[0; 32]), buffer(context, &[0; 32]), buffer(context, &[0; 1]));
    let values = Ranges::new(&a, &b);
    let masked = values.with_packed_mask(&bits);
    let output = Ranges::mask(&bits, 32, MaskFormat::Bits);
    let (forward, apply) = (Operation::Forward(mask()), Operation::ApplyMask { scale: 2.0 });
    let keep_mask = Operation::KeepMask(mask());
    for (operation, wrong) in [(forward, masked), (forward, output), (keep_mask, values), (apply, values)] {
        assert_error!(context.submit(operation, wrong), Error::Operands { .. }, "needs", "mask");
    }
    for (operation, right) in [(forward, values), (keep_mask, output), (apply, masked)] {
        context.submit(operation, right).unwrap();
    }
    assert_error!(context.run_blocking(keep_mask, &[1.0_f32][..]), Error::Operands { .. }, "keep_mask");
    assert_error!(context.run_blocking(apply, &[1.0_f32][..]), Error::Operands { .. }, "a packed mask");
}

/// The text of the keep rule knows no rows.
#[test]
fn the_keep_rule_of_rows() {
    let rows = mask().at(View::rows(3, 5, 9));
    assert_error!(KeepRule::try_from(&rows), Error::NotContiguous { .. }, "strides", "9, 1");
    assert_eq!(KeepRule::try_from(&mask().at(View::rows(3, 5, 5))).unwrap().start, [3, 0]);
}

/// Room on the host is asked for, and not taken for granted.
#[test]
fn a_result_that_the_host_cannot_hold() {
    let result = reference::keep_mask(&mask(), 1 << 60);
    assert_error!(result, Error::OutOfMemory { what: "result on the host" }, "host");
}

/// wgpu's own error stays reachable.
#[test]
fn sources() {
    let context = &subjects()[0].context;
    let data = buffer(context, &[0; 16]);
    data.destroy();
    let error = context.submit_forward(mask(), &data, &data).unwrap_err();
    let source = std::error::Error::source(&error).expect("wgpu's error");
    assert!(source.downcast_ref::<wgpu::Error>().is_some(), "{source:?}");
}

/// In a process of its own, because wgpu reads the environment: natively there is no WebGPU backend.
#[test]
fn no_adapter() {
    if std::env::var_os("WGPU_DROPOUT_CHILD").is_some() {
        let remedy = match std::env::consts::OS {
            "linux" => "mesa-vulkan-drivers",
            "macos" => "Metal",
            _ => "driver",
        };
        assert_error!(Context::new_blocking(), Error::NoAdapter { .. }, remedy);
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    passes(child.args(["errors::no_adapter", "--exact"]).env("WGPU_BACKEND", "webgpu"));
}

/// Runs this program again for one test, which must be found there and pass.
fn passes(child: &mut std::process::Command) {
    let output = child.env("WGPU_DROPOUT_CHILD", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("test result: ok. 1 passed"), "{said}");
}

/// In a process of its own with a limited address space: lavapipe answers, where without a limit the kernel might kill.
#[cfg(target_os = "linux")]
#[test]
fn out_of_memory() {
    const PIECE: usize = 64 << 20;
    if std::env::var_os("WGPU_DROPOUT_CHILD").is_some() {
        let vulkan = subjects().iter().find(|subject| subject.name.contains("Vulkan")).unwrap();
        let context = &vulkan.context;
        let x = vec![1.0; PIECE / 4];
        let mut hoard: Vec<Vec<u8>> = vec![];
        loop {
            let mut piece = vec![];
            if piece.try_reserve_exact(PIECE / 2).is_err() {
                break;
            }
            hoard.push(piece);
            assert!(hoard.len() < 200, "the limit was never reached");
        }
        // Room for the result on the host, and not for a buffer on the device.
        hoard.truncate(hoard.len() - 3);
        let result = context.forward_blocking(&mask(), &x);
        assert!(matches!(result, Err(Error::OutOfMemory { what: "buffer" })), "{:?}", result.map(drop));
        let host = context.keep_mask_blocking(&mask(), 1 << 40);
        assert!(matches!(host, Err(Error::OutOfMemory { what: "result on the host" })), "{:?}", host.map(drop));
        drop(hoard);
        // The device lives on.
        context.forward_blocking(&mask(), &x).unwrap();
        return;
    }
    let limited = "ulimit -v 4000000; exec \"$0\" errors::out_of_memory --exact";
    passes(std::process::Command::new("sh").args(["-c", limited]).arg(std::env::current_exe().unwrap()));
}
