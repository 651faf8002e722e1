//! 16-bit storage: every input through every conversion, and the same mask for every type.
#![cfg(all(feature = "gpu", feature = "half"))]

mod adapters;

use adapters::{assert_words_by, subjects};
use half::{bf16, f16};
use wgpu_dropout::{Dropout, Element, Key, reference};

/// All 65,536 values of a 16-bit type, eight times under different keys: with p = 0.9 each is still kept somewhere with
/// probability 0.57, with p ≤ 0.5 with 0.996.
fn check_every_value<T: Element>(from_bits: impl Fn(u16) -> T, same: impl Fn(u32, u32) -> bool) {
    let x: Vec<T> = (0..=u16::MAX).map(from_bits).collect();
    let bits =
        |values: &[T]| -> Vec<u32> { bytemuck::cast_slice::<T, u16>(values).iter().map(|&half| half.into()).collect() };
    for subject in subjects() {
        // The scale of 0.2 is 1.25, which makes ties; with other scales hardly a product is one.
        for p in [1e-6, 0.1, 0.2, 0.25, 0.5, 0.9] {
            for step in 0..8 {
                let mask = Dropout::new(p).unwrap().mask(Key::new(1).with_step(step));
                let actual = bits(&subject.context.forward_blocking(&mask, &x).unwrap());
                let expected = bits(&reference::forward(&mask, &x).unwrap());
                assert_words_by(&actual, &expected, &same, || format!("{} {} p {p}", subject.name, T::DTYPE));
            }
        }
    }
}

/// A kept NaN gives some NaN.
fn same_or_nan(is_nan: impl Fn(u16) -> bool) -> impl Fn(u32, u32) -> bool {
    move |actual, expected| actual == expected || is_nan(actual as u16) && is_nan(expected as u16)
}

#[test]
fn every_f16() {
    check_every_value(f16::from_bits, same_or_nan(|half| f16::from_bits(half).is_nan()));
}

/// A kept bf16 subnormal, an f32 subnormal too, gives the exact result or a zero of its sign.
#[test]
fn every_bf16() {
    let same = same_or_nan(|half| bf16::from_bits(half).is_nan());
    check_every_value(bf16::from_bits, |actual, expected| {
        let is_small = expected & 0x7fff < 0x0100 + 0x0500;
        same(actual, expected) || is_small && actual == expected & 0x8000
    });
}

/// Evaluation copies the bits, whatever they are.
#[test]
fn everything_kept_copies_the_bits() {
    let x: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    for subject in subjects() {
        let context = &subject.context;
        let words: &[u32] = bytemuck::cast_slice(&x);
        let (input, output) = (adapters::buffer(context, words), adapters::buffer(context, &vec![7; words.len()]));
        let range = |buffer| wgpu_dropout::BufferRange::from(buffer).with_dtype(wgpu_dropout::Dtype::F16);
        let mask = Dropout::new(0.5).unwrap().with_training(false).mask(Key::new(1));
        context.submit_forward(&mask, range(&input), range(&output)).unwrap();
        adapters::assert_words(&adapters::read(context, [&output])[0], words, || subject.name.clone());
    }
}

#[test]
fn the_mask_is_the_same_for_every_type() {
    const N: usize = 10_001;
    let mask = Dropout::new(0.3).unwrap().mask(Key::new(5)).at(77);
    for subject in subjects() {
        let context = &subject.context;
        let kept_f32: Vec<bool> =
            context.forward_blocking(&mask, &[1.0_f32; N]).unwrap().iter().map(|&y| y != 0.0).collect();
        let kept_f16: Vec<bool> =
            context.forward_blocking(&mask, &[f16::ONE; N]).unwrap().iter().map(|&y| y != f16::ZERO).collect();
        let kept_bf16: Vec<bool> =
            context.forward_blocking(&mask, &[bf16::ONE; N]).unwrap().iter().map(|&y| y != bf16::ZERO).collect();
        assert!(kept_f32 == kept_f16 && kept_f32 == kept_bf16, "{}", subject.name);
    }
}
