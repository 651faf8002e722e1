//! The value contract: what happens to NaN, infinities, zeros and subnormals, kept and dropped. WGSL leaves the
//! handling of some of these to the device, so each exception is tested by its name.
use crate::adapters::{assert_words_by, bits, buffer, read, subjects};
use wgpu_dropout::{Dropout, Key, Mask};

/// 4,096 copies of a value: with p = 0.5, about half are kept.
const COPIES: usize = 4096;

/// Runs every path (whole workgroups and edges, out of place and in place) and compares each element:
/// +0 where dropped, and `kept(bits)` must accept it where kept.
fn check(p: f64, x: f32, kept: impl Fn(u32) -> bool) {
    let mask = Dropout::new(p).unwrap().mask(Key::new(11));
    for subject in subjects() {
        let context = &subject.context;
        let keep = wgpu_dropout::reference::keep_mask(&mask, COPIES as u64 + 7).unwrap();
        let words = vec![x.to_bits(); COPIES + 7];
        let (input, output) = (buffer(context, &words), buffer(context, &vec![0xdead_beef; words.len()]));
        let in_place = buffer(context, &words);
        context.submit_forward(mask, &input, &output).unwrap();
        context.submit_backward(mask, &in_place, &in_place).unwrap();
        for actual in read(context, [&output, &in_place]) {
            for (i, &actual) in actual.iter().enumerate() {
                let is_kept = keep[i / 32] >> (i % 32) & 1 == 1;
                let right = if is_kept { kept(actual) } else { actual == 0 };
                assert!(right, "{}: x = {x:e}, p = {p}, element {i}, kept {is_kept}: {actual:08x}", subject.name);
            }
        }
    }
}

#[test]
fn infinities_and_zeros_and_normals_are_exact() {
    for p in [0.1, 0.5, 0.999_999] {
        let scale = Dropout::new(p).unwrap().scale();
        for x in [f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1.0, -3.5, f32::MAX, f32::MIN, f32::MIN_POSITIVE] {
            check(p, x, |actual| actual == (x * scale).to_bits());
        }
    }
}

/// Exception 1: a kept NaN gives some NaN, its payload is the device's. A dropped NaN gives +0.
#[test]
fn a_kept_nan_is_some_nan() {
    for x in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001), f32::from_bits(0xffff_ffff)] {
        check(0.5, x, |actual| f32::from_bits(actual).is_nan());
    }
}

/// Exception 2: a kept subnormal gives the exact product or a zero of its sign (some devices flush).
#[test]
fn a_kept_subnormal_is_exact_or_flushed() {
    for bits in [1, 2, 0x0000_ffff, 0x007f_ffff, 0x8000_0001, 0x807f_ffff] {
        let x = f32::from_bits(bits);
        let scale = Dropout::new(0.5).unwrap().scale();
        check(0.5, x, |actual| actual == (x * scale).to_bits() || actual == bits & 0x8000_0000);
    }
}

/// p = 1 writes +0, whatever was there.
#[test]
fn p_1_drops_everything() {
    for x in [1.0, -1.0, f32::NAN, f32::INFINITY, -0.0] {
        check(1.0, x, |_| false);
    }
}

/// For p = 0 and in evaluation the bits are copied unchanged: signalling NaNs and subnormals too.
#[test]
fn everything_kept_copies_the_bits() {
    let words: Vec<u32> = (0..5000u32).map(|i| i.wrapping_mul(0x9e37_79b9)).chain([1, 0x7f80_0001]).collect();
    let key = Key::new(0);
    let masks: [Mask; 2] =
        [Dropout::new(0.0).unwrap().mask(key), Dropout::new(0.7).unwrap().with_training(false).mask(key)];
    for subject in subjects() {
        for mask in masks {
            let context = &subject.context;
            let (input, output) = (buffer(context, &words), buffer(context, &vec![0; words.len()]));
            context.submit_forward(mask, &input, &output).unwrap();
            context.submit_forward(mask, &input, &input).unwrap();
            let [input, output] = read(context, [&input, &output]);
            for actual in [input, output] {
                assert_words_by(&actual, &words, |a, b| a == b, || format!("{}: {mask:?}", subject.name));
            }
            let x = [f32::from_bits(1), -0.0, 2.5];
            assert_eq!(bits(&context.forward_blocking(&mask, &x).unwrap()), bits(&x));
        }
    }
}
