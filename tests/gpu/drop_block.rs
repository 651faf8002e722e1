//! `DropBlock` against the reference, bit for bit, on every adapter: outputs and scratch poisoned first, and nothing
//! written outside of the ranges.
use half::{bf16, f16};
use wgpu_dropout::{
    BlockMask, BlockScaling, BufferRange, Context, DropBlock, Dtype, Element, Error, Generator, Key, Options,
    kernels::Schedule, reference, wgpu,
};

use crate::{
    adapters::{assert_words, buffer, context_with, device, read, subjects},
    vectors::drop_blocks,
};

const POISON: u32 = 0xdead_beef;
const SCALINGS: [BlockScaling; 3] = [BlockScaling::Count, BlockScaling::Expected, BlockScaling::None];

fn mask(p: f64, block: &[u64], shape: &[u64], shared: &[usize], scaling: BlockScaling, start: u64) -> BlockMask {
    let drop_block = DropBlock::new(p, block).unwrap().with_scaling(scaling);
    drop_block.shared_mask(Key::new(17).with_layer(2), shape, shared).unwrap().at(start).unwrap()
}

fn run<T: Element>(context: &Context, mask: &BlockMask, x: &[T]) -> Result<Vec<T>, Error> {
    let mut y = x.to_vec();
    context.run_pass_blocking(mask.forward(x, &mut y))?;
    Ok(y)
}

fn packed_mask(context: &Context, mask: &BlockMask) -> Result<Vec<u32>, Error> {
    let mut words = vec![0; mask.elements().div_ceil(32) as usize];
    context.run_pass_blocking(mask.packed_mask(&mut words[..]))?;
    Ok(words)
}

fn words<T: Element>(values: &[T]) -> Vec<u32> {
    let mut bytes = bytemuck::cast_slice::<T, u8>(values).to_vec();
    // The other half of a last word is not of the range.
    let poison = POISON.to_le_bytes();
    while !bytes.len().is_multiple_of(4) {
        bytes.push(poison[bytes.len() % 4]);
    }
    bytemuck::pod_collect_to_vec(&bytes)
}

/// Elements of any size and sign, NaN among those that are dropped too, but for 16-bit types: there a kept one may be
/// another.
fn elements<T: Element>(count: u64) -> Vec<T> {
    (0..count).map(|i| T::narrow((i % 1013) as f32 * 0.37 - 150.0)).collect()
}

/// Out of place, in place, and the mask alone, in one submission, from odd places of their buffers.
fn check<T: Element>(context: &Context, mask: &BlockMask, shifts: [usize; 2], name: &str) {
    let x: Vec<T> = elements(mask.elements());
    let each = T::DTYPE.size() as usize;
    let poison = |count: usize| [T::narrow(-77.0)].repeat(count);
    let place = |before: usize, values: &[T]| words(&[&poison(before), values, &poison(9)].concat());
    let range = |buffer, before: usize| {
        BufferRange::new(buffer, (before * each) as u64, (x.len() * each) as u64).with_dtype(T::DTYPE)
    };
    let [input_shift, output_shift] = shifts;
    let input = buffer(context, &place(input_shift, &x));
    let output = buffer(context, &place(output_shift, &poison(x.len())));
    let in_place = buffer(context, &place(output_shift, &x));
    let mask_words = x.len().div_ceil(32);
    let packed = buffer(context, &vec![POISON; mask_words + 3]);
    let scratch = buffer(context, &vec![POISON; 64 + mask.scratch_size() as usize / 4 + 5]);
    let in_scratch = BufferRange::new(&scratch, 256, mask.scratch_size());

    let mut encoder = context.device().create_command_encoder(&Default::default());
    let both = range(&in_place, output_shift);
    let to = BufferRange::new(&packed, 4, mask_words as u64 * 4);
    for pass in [
        mask.forward(range(&input, input_shift), range(&output, output_shift)),
        mask.forward(both, both),
        mask.packed_mask(to),
    ] {
        context.record_pass(&mut encoder, pass.with_scratch(in_scratch)).unwrap();
    }
    context.queue().submit([encoder.finish()]);

    let expected = reference::drop_block(mask, &x).unwrap();
    let expected_mask = reference::drop_block_mask(mask).unwrap();
    let [input, output, in_place, packed, scratch] = read(context, [&input, &output, &in_place, &packed, &scratch]);
    let what = |part: &str| format!("{name}: {part}, {}, shifts {shifts:?}, {mask:?}", T::DTYPE);
    assert_words(&packed, &[&[POISON], &expected_mask[..], &[POISON; 2]].concat(), || what("mask"));
    assert_words(&output, &place(output_shift, &expected), || what("out of place"));
    assert_words(&in_place, &place(output_shift, &expected), || what("in place"));
    assert_words(&input, &place(input_shift, &x), || what("untouched input"));
    let after = 64 + mask.scratch_size() as usize / 4;
    assert_words(&scratch[..64], &[POISON; 64], || what("before the scratch"));
    assert_words(&scratch[after..], &[POISON; 5], || what("after the scratch"));
}

fn check_types(context: &Context, mask: &BlockMask, shifts: [usize; 2], name: &str) {
    check::<f32>(context, mask, shifts, name);
    check::<f16>(context, mask, shifts, name);
    check::<bf16>(context, mask, shifts, name);
}

#[test]
fn known_answers() {
    for subject in subjects() {
        for answer in drop_blocks() {
            let mask = answer.mask(BlockScaling::Count);
            answer.check(&packed_mask(&subject.context, &mask).unwrap()).unwrap();
            for (scaling, scale) in
                [(BlockScaling::Count, answer.scale_count), (BlockScaling::Expected, answer.scale_expected)]
            {
                let x = vec![1.0; mask.elements() as usize];
                let y = run(&subject.context, &answer.mask(scaling), &x).unwrap();
                let kept = y.iter().filter(|y| y.to_bits() == scale && scale != 0).count();
                let zeros = y.iter().filter(|y| y.to_bits() == 0).count();
                assert_eq!((kept as u64, kept + zeros), (answer.kept, x.len()), "{} {answer:?}", subject.name);
            }
        }
    }
}

/// Shapes with rows of any length beside words, planes of one element, blocks of one element and larger than the plane,
/// of more than a word and of more distances than one spreading has.
const SHAPES: [(&[u64], &[u64]); 21] = [
    (&[3, 64], &[7]),
    (&[2, 5, 67], &[2]),
    (&[3, 300], &[33]),
    (&[2, 1500], &[401]),
    (&[70, 1], &[1]),
    (&[37, 3], &[2]),
    (&[5, 3, 20, 20], &[7, 7]),
    (&[2, 33, 65], &[4, 6]),
    (&[3, 3, 8, 32], &[3, 3]),
    (&[2, 2, 13, 7], &[9, 9]),
    (&[4, 1, 1], &[3, 3]),
    (&[100, 2, 3], &[2, 2]),
    (&[1, 40, 90], &[29, 40]),
    (&[2, 70, 1], &[5, 1]),
    (&[3, 1, 70], &[1, 35]),
    (&[6, 6], &[1, 1]),
    (&[2, 3, 5, 6, 7], &[2, 3, 3]),
    (&[2, 20, 9, 11], &[15, 2, 4]),
    (&[3, 4, 4, 32], &[2, 2, 8]),
    (&[2, 3, 1, 9], &[2, 5, 1]),
    (&[0, 3, 9, 9], &[3, 3]),
];

#[test]
fn shapes_and_blocks() {
    for subject in subjects() {
        for (number, (shape, block)) in SHAPES.into_iter().enumerate() {
            for (i, scaling) in SCALINGS.into_iter().enumerate() {
                let p = [0.1, 0.3, 0.7, 0.01][(number + i) % 4];
                let mask = mask(p, block, shape, &[], scaling, [0, 5, 31, 1 << 40][(number + i) % 4]);
                check::<f32>(&subject.context, &mask, [number % 5, i], &subject.name);
            }
        }
    }
}

/// Every schedule, type and generator, at places that every kernel handles.
#[test]
fn schedules_types_and_offsets() {
    for subject in subjects() {
        for &schedule in Schedule::ALL {
            let context = context_with(subject, Options::default().with_schedule(schedule));
            for scaling in SCALINGS {
                for (generator, shifts) in Generator::ALL.iter().flat_map(|g| [(g, [0, 0]), (g, [3, 1]), (g, [8, 6])]) {
                    let drop_block = DropBlock::new(0.2, &[5, 4]).unwrap().with_scaling(scaling);
                    let drop_block = drop_block.with_generator(*generator);
                    let mask = drop_block.mask(Key::new(5), &[3, 4, 31, 29]).unwrap().at(77).unwrap();
                    check_types(&context, &mask, shifts, &format!("{} {schedule:?}", subject.name));
                }
            }
        }
    }
}

/// Everything kept and everything dropped need no seeds; evaluation copies every bit.
#[test]
fn without_random_numbers() {
    for subject in subjects() {
        for p in [0.0, 1.0] {
            for scaling in SCALINGS {
                let mask = mask(p, &[3, 3], &[2, 40, 33], &[], scaling, 0);
                check_types(&subject.context, &mask, [1, 2], &subject.name);
            }
        }
        let drop_block = DropBlock::new(0.5, &[2]).unwrap().with_training(false);
        let mask = drop_block.mask(Key::new(1), &[2, 300]).unwrap();
        let x = [f32::from_bits(0x7fa0_0001); 600];
        let y = run(&subject.context, &mask, &x).unwrap();
        assert!(y.iter().all(|y| y.to_bits() == 0x7fa0_0001), "{}", subject.name);
    }
}

/// Bits stay, of NaN and subnormals too; what is dropped is +0, whatever it was.
#[test]
fn kept_bits_stay_without_a_scale() {
    fn check<T: Element>(context: &Context, bytes: Vec<u8>) {
        let x: Vec<T> = bytemuck::pod_collect_to_vec(&bytes);
        let mask = mask(0.4, &[3], &[1, x.len() as u64], &[], BlockScaling::None, 3);
        let (y, expected) = (run(context, &mask, &x).unwrap(), reference::drop_block(&mask, &x).unwrap());
        assert_eq!(bytemuck::cast_slice::<T, u8>(&y), bytemuck::cast_slice::<T, u8>(&expected));
    }
    for subject in subjects() {
        let words: Vec<u32> = (0..5000_u32).map(|i| i.wrapping_mul(0x9e37_79b1) | ((i % 3) << 30)).collect();
        let halves: Vec<u16> = (0..=u16::MAX).collect();
        let bytes = |of: &[u16]| bytemuck::cast_slice::<u16, u8>(of).to_vec();
        check::<f32>(&subject.context, bytemuck::cast_slice(&words).to_vec());
        check::<f16>(&subject.context, bytes(&halves));
        check::<bf16>(&subject.context, bytes(&halves));
        for scaling in SCALINGS {
            for poison in [f32::NAN, f32::INFINITY, -0.0] {
                let mask = mask(0.5, &[9], &[50, 9], &[], scaling, 0);
                let y = run(&subject.context, &mask, &[poison; 450]).unwrap();
                let keep = reference::drop_block_mask(&mask).unwrap();
                for (j, y) in y.iter().enumerate() {
                    assert!(keep[j / 32] >> (j % 32) & 1 == 1 || y.to_bits() == 0, "{} {poison}", subject.name);
                }
            }
        }
    }
}

#[test]
fn shared_masks() {
    for subject in subjects() {
        for (shape, shared) in [
            (&[3, 4, 9, 10][..], &[1][..]),
            (&[3, 4, 9, 10], &[0]),
            (&[3, 4, 9, 10], &[0, 1]),
            (&[2, 3, 2, 3, 5, 6], &[1, 3]),
            (&[2, 3, 2, 3, 5, 6], &[0, 2]),
        ] {
            for scaling in SCALINGS {
                let mask = mask(0.3, &[3, 2], shape, shared, scaling, 9);
                check::<f32>(&subject.context, &mask, [0, 0], &subject.name);
                check::<f32>(&subject.context, &mask.planes(2, 7).unwrap(), [0, 0], &subject.name);
            }
        }
    }
}

/// Shards of planes are the whole, for what counts nothing.
#[test]
fn shards_are_the_whole() {
    for subject in subjects() {
        for (scaling, shared) in
            [(BlockScaling::Expected, &[][..]), (BlockScaling::None, &[]), (BlockScaling::None, &[1])]
        {
            let mask = mask(0.2, &[3, 5], &[4, 3, 17, 19], shared, scaling, 1000);
            let x: Vec<f32> = elements(mask.elements());
            let whole = run(&subject.context, &mask, &x).unwrap();
            for cut in [1, 5, 11] {
                let part = |first: u64, count: u64| {
                    let x = &x[first as usize * 17 * 19..][..count as usize * 17 * 19];
                    run(&subject.context, &mask.planes(first, count).unwrap(), x).unwrap()
                };
                assert_eq!([part(0, cut), part(cut, 12 - cut)].concat(), whole, "{} {scaling:?}", subject.name);
            }
        }
    }
}

/// A device of small bindings and few workgroups: every step in several chunks, and one count over all of them.
#[test]
fn more_than_a_binding() {
    for subject in subjects() {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffer_binding_size = 2048;
            descriptor.required_limits.max_compute_workgroups_per_dimension = 2;
        });
        let context = Context::from_device(device, queue).unwrap();
        for (shape, block, shared) in [
            (&[12, 3, 41, 43][..], &[4, 5][..], &[][..]),
            (&[12, 3, 41, 43], &[4, 5], &[1]),
            (&[1, 250, 301], &[9, 7], &[]),
            (&[2, 40_003], &[50], &[]),
            (&[6, 5, 40, 43], &[1, 1], &[0]),
            (&[2, 30, 60, 61], &[3, 2, 2], &[]),
        ] {
            for scaling in SCALINGS {
                check::<f32>(&context, &mask(0.1, block, shape, shared, scaling, 13), [0, 0], &subject.name);
                check::<f32>(&context, &mask(0.02, block, shape, shared, scaling, 45), [0, 0], &subject.name);
            }
            check::<f16>(&context, &mask(0.1, block, shape, shared, BlockScaling::Count, 0), [1, 1], &subject.name);
        }
        // Rows under a block that do not fit a binding.
        let wide = mask(0.1, &[9, 3], &[20, 9000], &[], BlockScaling::None, 0);
        let error = packed_mask(&context, &wide).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}

/// A key in a buffer, and the backward pass in a pass of the caller's.
#[test]
fn keys_in_buffers_and_passes() {
    for subject in subjects() {
        let context = &subject.context;
        let block_mask = mask(0.3, &[3, 3], &[2, 3, 21, 22], &[], BlockScaling::Count, 3);
        let key = Key::new(99).with_layer(7).with_step(4);
        let x: Vec<f32> = elements(block_mask.elements());
        let key_words: Vec<u32> = bytemuck::pod_collect_to_vec(&key.to_bytes());
        let key_buffer = buffer(context, &[&[POISON; 3], &key_words[..]].concat());
        let bound = context.bind_key(BufferRange::new(&key_buffer, 12, 16)).unwrap();
        let data = buffer(context, &words(&x));
        let scratch = buffer(context, &vec![POISON; block_mask.scratch_size() as usize / 4]);
        let mut encoder = context.device().create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            let in_place = || block_mask.forward(&data, &data).with_scratch(&scratch);
            context.record_pass(&mut pass, in_place().keyed_by(&bound)).unwrap();
            bound.record_advance(&mut pass, 1).unwrap();
            context.record_pass(&mut pass, in_place().keyed_by(&bound)).unwrap();
        }
        context.queue().submit([encoder.finish()]);
        let once = reference::drop_block(&block_mask.with_key(key), &x).unwrap();
        let twice = reference::drop_block(&block_mask.with_key(key.with_step(5)), &once).unwrap();
        let [data] = read(context, [&data]);
        assert_words(&data, &words(&twice), || subject.name.clone());

        let on_key = context.record_pass(
            &mut context.device().create_command_encoder(&Default::default()),
            block_mask.forward(&scratch, &scratch).with_scratch(&key_buffer).keyed_by(&bound),
        );
        assert!(matches!(on_key, Err(Error::SameBuffer)), "{on_key:?}");
    }
}

#[test]
fn the_async_tier() {
    for subject in subjects() {
        let mask = mask(0.3, &[3, 3], &[2, 3, 21, 22], &[], BlockScaling::Count, 3);
        let x: Vec<f16> = elements(mask.elements());
        let mut y = x.clone();
        pollster::block_on(subject.context.run_pass(mask.forward(&x, &mut y))).unwrap();
        assert_words(&words(&y), &words(&reference::drop_block(&mask, &x).unwrap()), || subject.name.clone());
        let mut keep = vec![0; x.len().div_ceil(32)];
        pollster::block_on(subject.context.run_pass(mask.packed_mask(&mut keep[..]))).unwrap();
        assert_words(&keep, &reference::drop_block_mask(&mask).unwrap(), || subject.name.clone());
    }
}

#[test]
fn errors_name_the_value() {
    let subject = &subjects()[0];
    let context = &subject.context;
    let mask = mask(0.3, &[3, 3], &[2, 3, 8, 8], &[], BlockScaling::Count, 0);
    let [x, y] = [0; 2].map(|_| buffer(context, &[0; 384]));
    let scratch = buffer(context, &vec![0; mask.scratch_size() as usize / 4 + 64]);
    let says = |result: Result<wgpu::SubmissionIndex, Error>, words: &[&str]| {
        let message = result.unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let submit = |input: BufferRange<'_>, output: BufferRange<'_>, scratch: BufferRange<'_>| {
        context.submit_pass(mask.forward(input, output).with_scratch(scratch))
    };
    let range = |buffer, offset, size| BufferRange::new(buffer, offset, size);
    let (input, output) = (range(&x, 0, 1536), range(&y, 0, 1536));
    let size = mask.scratch_size();
    submit(input, output, range(&scratch, 256, size)).unwrap();
    says(submit(input, output, range(&scratch, 0, size - 4)), &["scratch", &(size - 4).to_string(), "scratch_size"]);
    says(submit(input, output, range(&scratch, 4, size)), &["scratch", "byte 4", "256"]);
    says(submit(input, output, range(&scratch, 512, size)), &["scratch", "reaches past"]);
    says(submit(input, output, range(&x, 0, 1536)), &["scratch", "input"]);
    says(submit(input, output, range(&y, 0, 1536)), &["scratch", "output"]);
    says(submit(range(&x, 0, 1532), range(&y, 0, 1532), range(&scratch, 0, size)), &["input", "1532", "shape"]);
    says(submit(input, range(&y, 0, 1532), range(&scratch, 0, size)), &["output", "1532", "shape"]);
    says(submit(input.with_dtype(Dtype::F16), output, range(&scratch, 0, size)), &["f16", "f32"]);
    let both = buffer(context, &[0; 768]);
    says(submit(range(&both, 0, 1536), range(&both, 512, 1536), range(&scratch, 0, size)), &["overlap"]);
    says(context.submit_pass(mask.forward(input, output)), &["scratch", "with_scratch"]);
    let error = run(context, &mask, &[0.0_f32; 5]).unwrap_err().to_string();
    assert!(error.contains("20 bytes"), "{error}");
    let x = [0.0_f32; 384];
    let error = context.run_pass_blocking(mask.forward(&x[..], &x[..])).unwrap_err().to_string();
    assert!(error.contains("mutable"), "{error}");

    let (few, queue) = device(subject, |descriptor| {
        descriptor.required_limits.max_storage_buffers_per_shader_stage = 3;
    });
    let context = Context::from_device(few, queue).unwrap();
    let error = run(&context, &mask, &[0.0_f32; 384]).unwrap_err().to_string();
    assert!(error.contains("max_storage_buffers_per_shader_stage"), "{error}");
}
