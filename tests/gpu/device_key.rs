//! Keys in buffers of the device: a recorded sequence advances without the host.
use crate::adapters::{assert_words, bits, buffer, context_with, read, subjects};
use wgpu_dropout::{
    BufferRange, Context, Dropout, Generator, Key, Mask, MaskFormat, Options, Ranges, View, reference, wgpu,
};

const N: u64 = 5003;
const KEY: Key = Key::new(0x0123_4567_89ab_cdef).with_layer(7).with_sample(9).with_step(u32::MAX - 1);

fn contexts() -> Vec<(String, Context)> {
    let mut contexts = vec![];
    for subject in subjects() {
        for immediates in [true, false] {
            let context = context_with(subject, Options::default().with_immediates(immediates));
            contexts.push((format!("{}, immediates: {immediates}", subject.name), context));
        }
    }
    contexts
}

/// Words before the key, the key, words after it.
fn key_buffer(context: &Context, before: usize) -> wgpu::Buffer {
    let key: Vec<u32> = bytemuck::pod_collect_to_vec(&KEY.to_bytes());
    buffer(context, &[&vec![0xdead_beef; before], &key[..], &[0xdead_beef; 3]].concat())
}

/// Whatever is asked of the buffer's key must not come from this one.
fn mask(generator: Generator, key: Key) -> Mask {
    Dropout::new(0.3).unwrap().with_generator(generator).mask(key).at(View::rows(11, 1000, 1024))
}

/// The step wraps and the fields beside it stay.
#[test]
fn a_sequence_advances_without_the_host() {
    const STEPS: u32 = 5;
    for (name, context) in contexts() {
        for &generator in Generator::ALL {
            let keys = key_buffer(&context, 70);
            let key = context.bind_key(BufferRange::new(&keys, 280, 16)).unwrap();
            let x: Vec<f32> = (0..N).map(|i| i as f32 + 1.0).collect();
            let (input, output) = (buffer(&context, &bits(&x)), buffer(&context, &vec![0; N as usize]));
            let all = buffer(&context, &vec![0; N as usize * STEPS as usize]);
            let bound = context.bind(Ranges::new(&input, &output)).unwrap();
            let mut encoder = context.device().create_command_encoder(&Default::default());
            for step in 0..STEPS {
                bound.record_forward(&mut encoder, mask(generator, Key::new(1)).keyed_by(&key)).unwrap();
                encoder.copy_buffer_to_buffer(&output, 0, &all, u64::from(step) * N * 4, N * 4);
                key.record_advance(&mut encoder, if step == 0 { 1 } else { 3 }).unwrap();
            }
            context.queue().submit([encoder.finish()]);
            let steps = [0, 1, 4, 7, 10].map(|later| KEY.with_step((u32::MAX - 1).wrapping_add(later)));
            let expected: Vec<u32> =
                steps.iter().flat_map(|&key| bits(&reference::forward(&mask(generator, key), &x).unwrap())).collect();
            let [all, keys] = read(&context, [&all, &keys]);
            assert_words(&all, &expected, || format!("{name} {generator}"));
            let last: Vec<u32> = bytemuck::pod_collect_to_vec(&KEY.with_step(11).to_bytes());
            assert_eq!(keys, [&vec![0xdead_beef; 70], &last[..], &[0xdead_beef; 3]].concat(), "{name}");
        }
    }
}

/// Also in one pass of the caller: the advance comes between the two.
#[test]
fn masks_take_the_key_of_a_buffer() {
    for (name, context) in contexts() {
        for format in [MaskFormat::Bits, MaskFormat::Bytes] {
            let keys = key_buffer(&context, 0);
            let key = context.bind_key(BufferRange::new(&keys, 0, 16)).unwrap();
            let words = format.size(N).div_ceil(4);
            let outputs = [buffer(&context, &vec![0; words as usize]), buffer(&context, &vec![0; words as usize])];
            let range = |buffer| BufferRange::new(buffer, 0, format.size(N));
            let anonymous = mask(Generator::Threefry, Key::new(1));
            let mut encoder = context.device().create_command_encoder(&Default::default());
            {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                context.record_keep_mask(&mut pass, anonymous.keyed_by(&key), range(&outputs[0]), N, format).unwrap();
                key.record_advance(&mut pass, 1).unwrap();
                context.record_keep_mask(&mut pass, anonymous.keyed_by(&key), range(&outputs[1]), N, format).unwrap();
            }
            context.queue().submit([encoder.finish()]);
            let actual = read(&context, [&outputs[0], &outputs[1]]);
            for (actual, step) in actual.iter().zip([u32::MAX - 1, u32::MAX]) {
                let keep = reference::keep_mask(&mask(Generator::Threefry, KEY.with_step(step)), N).unwrap();
                let expected = match format {
                    MaskFormat::Bits => keep,
                    _ => {
                        let mut bytes: Vec<u8> =
                            (0..N as usize).map(|i| (keep[i / 32] >> (i % 32)) as u8 & 1).collect();
                        bytes.resize(words as usize * 4, 0);
                        bytemuck::pod_collect_to_vec(&bytes)
                    }
                };
                assert_words(actual, &expected, || format!("{name} {format:?} step {step}"));
            }
        }
    }
}
