//! Every kernel against the reference, on every adapter: masks and values bit for bit, outputs poisoned first, and
//! nothing written outside of the range.
use crate::adapters::{Subject, assert_words, bits, buffer, context_with, device, read, subjects};
use wgpu_dropout::{
    BufferRange, Context, Dropout, Generator, Key, Mask, MaskFormat, Options, kernels::Schedule, reference,
};

const POISON: u32 = 0xdead_beef;
/// Words of poison on each side of a range.
const GUARD: usize = 5;

const PROBABILITIES: [f64; 8] = [0.0, 1e-6, 0.1, 0.25, 0.5, 0.9, 0.999_999, 1.0];
const KEYS: [Key; 4] = [
    Key { seed: 0, stream: 0 },
    Key { seed: u64::MAX, stream: u64::MAX },
    Key { seed: 1 << 63, stream: 1 },
    Key { seed: 0x0123_4567_89ab_cdef, stream: 1 << 32 },
];

/// Elements of a workgroup: 64 invocations of 32 elements.
const WORKGROUP: u64 = 2048;

fn starts(generator: Generator, length: u64) -> [u64; 6] {
    let last = (generator.index_end() - u128::from(length.max(1))) as u64;
    [0, 5, (1 << 32) - 3, (1 << 35) - 8, (1 << 40) + 3, last]
}

/// Runs forward out of place, backward in place and the mask in one submission, and compares all three.
/// `input_shift` and `output_shift` are words before the ranges, so that they start at odd places.
fn check(context: &Context, mask: &Mask, length: u64, [input_shift, output_shift]: [usize; 2], name: &str) {
    let n = length as usize;
    let x: Vec<f32> = (0..n).map(|i| (i as f32 - 1000.5) * 0.37).collect();
    let guarded = |before: usize, words: &[u32]| [&vec![POISON; before], words, &[POISON; GUARD]].concat();
    let range = |buffer, before: usize, words: usize| BufferRange::new(buffer, before as u64 * 4, words as u64 * 4);
    let mask_words = n.div_ceil(32);

    let input = buffer(context, &guarded(input_shift, &bits(&x)));
    let output = buffer(context, &guarded(output_shift, &vec![POISON; n]));
    let in_place = buffer(context, &guarded(output_shift, &bits(&x)));
    let packed = buffer(context, &guarded(GUARD, &vec![POISON; mask_words]));

    let mut encoder = context.device().create_command_encoder(&Default::default());
    let (from, to) = (range(&input, input_shift, n), range(&output, output_shift, n));
    context.record_forward(&mut encoder, mask, from, to).unwrap();
    let data = range(&in_place, output_shift, n);
    context.record_backward(&mut encoder, mask, data, data).unwrap();
    context.record_keep_mask(&mut encoder, mask, range(&packed, GUARD, mask_words), length, MaskFormat::Bits).unwrap();
    context.queue().submit([encoder.finish()]);

    let expected = bits(&reference::forward(mask, &x).unwrap());
    let expected_mask = reference::keep_mask(mask, length).unwrap();
    let [input, output, in_place, packed] = read(context, [&input, &output, &in_place, &packed]);
    let what =
        |part: &str| format!("{name}: {part} of {length} elements, shifts {input_shift} {output_shift}, {mask:?}");
    assert_words(&packed, &guarded(GUARD, &expected_mask), || what("mask"));
    assert_words(&output, &guarded(output_shift, &expected), || what("forward"));
    assert_words(&in_place, &guarded(output_shift, &expected), || what("backward in place"));
    assert_words(&input, &guarded(input_shift, &bits(&x)), || what("untouched input"));
}

fn masks(length: u64) -> impl Iterator<Item = Mask> {
    Generator::ALL.iter().copied().flat_map(move |generator| {
        PROBABILITIES.into_iter().enumerate().flat_map(move |(i, p)| {
            starts(generator, length).into_iter().enumerate().map(move |(j, start)| {
                // Every key meets every p and every start.
                let key = KEYS[(i + j) % KEYS.len()];
                Dropout::new(p).unwrap().with_generator(generator).mask(key).at(start)
            })
        })
    })
}

fn check_lengths(context: &Context, subject: &Subject, lengths: &[u64]) {
    for &length in lengths {
        for mask in masks(length) {
            check(context, &mask, length, [0, 0], &subject.name);
        }
    }
}

#[test]
fn lengths_around_groups_and_runs() {
    for subject in subjects() {
        check_lengths(&subject.context, subject, &[0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33]);
    }
}

/// Every schedule, on every adapter.
#[test]
fn lengths_around_workgroups() {
    for subject in subjects() {
        for &schedule in Schedule::ALL {
            let context = context_with(subject, Options::default().with_schedule(schedule));
            check_lengths(&context, subject, &[WORKGROUP - 1, WORKGROUP, WORKGROUP + 1, 2 * WORKGROUP + 33]);
        }
    }
}

/// A device of 3 workgroups a dimension: rows of dispatches, and several dispatches, at a small size.
#[test]
fn lengths_around_dispatch_rows() {
    const MOST: u64 = 3;
    for subject in subjects() {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_compute_workgroups_per_dimension = MOST as u32;
        });
        let context = Context::from_device(device, queue).unwrap();
        let row = MOST * WORKGROUP;
        for length in
            [row - 1, row, row + 1, MOST * row - 1, MOST * row, MOST * row + 1, (MOST + 2) * row + WORKGROUP + 1]
        {
            for &generator in Generator::ALL {
                for start in [0, 5, (1 << 35) - 8] {
                    let mask = Dropout::new(0.1).unwrap().with_generator(generator).mask(KEYS[3]).at(start);
                    check(&context, &mask, length, [0, 0], &subject.name);
                    check(&context, &mask, length, [0, 1], &subject.name);
                }
            }
        }
    }
}

#[test]
fn ranges_at_odd_offsets() {
    for subject in subjects() {
        for shifts in [[4, 4], [4, 64], [1, 0], [0, 1], [3, 2], [63, 65], [128, 67]] {
            for length in [1, 33, WORKGROUP, WORKGROUP + 5] {
                for p in [0.0, 0.1] {
                    let mask = Dropout::new(p).unwrap().mask(KEYS[3]).at(5);
                    check(&subject.context, &mask, length, shifts, &subject.name);
                }
            }
        }
    }
}

#[test]
fn two_ranges_of_one_buffer() {
    for subject in subjects() {
        let context = &subject.context;
        let n = WORKGROUP as usize + 5;
        let x: Vec<f32> = (0..n).map(|i| i as f32 + 0.5).collect();
        let mask = Dropout::new(0.3).unwrap().mask(KEYS[0]);
        let expected = bits(&reference::forward(&mask, &x).unwrap());
        // Input first and output first; the ranges touch, at multiples of 16 bytes and not.
        for (input_at, output_at) in [(0, n), (n, 0), (4, n + 7), (n + 11, 4), (0, n + 3)] {
            let mut words = vec![POISON; 2 * n + 16];
            words[input_at..input_at + n].copy_from_slice(&bits(&x));
            let data = buffer(context, &words);
            let range = |at: usize| BufferRange::new(&data, at as u64 * 4, n as u64 * 4);
            context.submit_forward(mask, range(input_at), range(output_at)).unwrap();
            words[output_at..output_at + n].copy_from_slice(&expected);
            assert_words(&read(context, [&data])[0], &words, || format!("{}: {input_at} {output_at}", subject.name));
        }
    }
}

/// Large enough that many ties are decided by part 1, and that a wrong 64-bit carry would show.
#[test]
fn a_million_elements() {
    for subject in subjects() {
        for &generator in Generator::ALL {
            for (p, start) in [(0.1, 0), (0.1, (1 << 35) - (1 << 19) + 3), (0.999_999, (1 << 32) - (1 << 19))] {
                let mask = Dropout::new(p).unwrap().with_generator(generator).mask(KEYS[1]).at(start);
                check(&subject.context, &mask, (1 << 20) + 1, [0, 0], &subject.name);
            }
        }
    }
}
