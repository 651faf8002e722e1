//! 16-bit storage: every input through every conversion, and the same mask for every type.
use crate::adapters::{context_with, subjects};
use half::{bf16, f16};
use wgpu_dropout::{
    Context, Dropout, Element, Key, Options,
    kernels::{F16Conversion, Schedule},
    reference,
};

/// Every schedule, and either conversion of f16 where the device's own are good for something.
fn contexts() -> Vec<(String, Context)> {
    let mut contexts = vec![];
    for subject in subjects() {
        let groups = Options::default().with_schedule(Schedule::Groups);
        let probed = context_with(subject, groups).probe_f16_blocking().unwrap();
        for &schedule in Schedule::ALL {
            let options = Options::default().with_schedule(schedule);
            contexts.push((format!("{} {schedule:?}", subject.name), context_with(subject, options)));
            if probed == F16Conversion::Native {
                let context = context_with(subject, options.with_f16(F16Conversion::Integer));
                contexts.push((format!("{} {schedule:?}, integers", subject.name), context));
            }
        }
    }
    contexts
}

/// The probe finds the conversions of this device right or not, and says the same again; where the integers that it compares
/// with are wrong, it finds a difference.
#[test]
fn the_probe_can_fail() {
    let mut native = 0;
    for subject in subjects() {
        // Kernels for the CPU take integers without asking.
        let options = Options::default().with_schedule(Schedule::Groups);
        let context = context_with(subject, options);
        let probed = context.probe_f16_blocking().unwrap();
        assert_eq!(context.f16_conversion(), Some(probed));
        assert_eq!(pollster::block_on(context.probe_f16()).unwrap(), probed);
        assert_eq!(context.target().f16, probed);
        let has_f16 = context.device().features().contains(wgpu_dropout::wgpu::Features::SHADER_F16);
        if !has_f16 {
            assert_eq!(probed, F16Conversion::Integer, "{}", subject.name);
            continue;
        }
        native += u32::from(probed == F16Conversion::Native);
        // Ties rounded up; and a rounding towards zero, as of pack2x16float on some devices.
        for (text, other) in [
            ("vec4<i32>(0xfff - (112 << 23u)) + even", "vec4<i32>(0x1000 - (112 << 23u))"),
            ("f32(f16(low)), f32(f16(high))", "bitcast<f32>(bitcast<u32>(low) & 0xffffe000u), high"),
        ] {
            let wrong = context_with(subject, options.with_replaced_text(text, other));
            assert_eq!(wrong.probe_f16_blocking().unwrap(), F16Conversion::Integer, "{} {other}", subject.name);
        }
    }
    // lavapipe has them, and they are right.
    let lavapipe =
        subjects().iter().any(|subject| subject.name.contains("llvmpipe") && subject.name.contains("Vulkan"));
    assert!(!lavapipe || native > 0);
}

/// All 65,536 values of a 16-bit type, eight times under different keys: with p = 0.9 each is still kept somewhere with
/// probability 0.57, with p ≤ 0.5 with 0.996.
fn check_every_value<T: Element>(from_bits: impl Fn(u16) -> T, same: impl Fn(u32, u32, u32) -> bool) {
    let x: Vec<T> = (0..=u16::MAX).map(from_bits).collect();
    let bits =
        |values: &[T]| -> Vec<u32> { bytemuck::cast_slice::<T, u16>(values).iter().map(|&half| half.into()).collect() };
    for (name, context) in contexts() {
        // The scale of 0.2 is 1.25, which makes ties; with other scales hardly a product is one.
        for p in [1e-6, 0.1, 0.2, 0.25, 0.5, 0.9] {
            for step in 0..8 {
                let mask = Dropout::new(p).unwrap().mask(Key::new(1).with_step(step));
                let actual = bits(&context.forward_blocking(&mask, &x).unwrap());
                let expected = bits(&reference::forward(&mask, &x).unwrap());
                let wrong = (0..=0xffff).find(|&x| !same(x, actual[x as usize], expected[x as usize]));
                let what = |x: u32| {
                    format!("{x:04x}: expected {:04x}, actual {:04x}", expected[x as usize], actual[x as usize])
                };
                assert_eq!(wrong.map(what), None, "{name} {} p {p}", T::DTYPE);
            }
        }
    }
}

/// A kept NaN gives some NaN.
fn same_or_nan(is_nan: impl Fn(u16) -> bool) -> impl Fn(u32, u32, u32) -> bool {
    move |_, actual, expected| actual == expected || is_nan(actual as u16) && is_nan(expected as u16)
}

#[test]
fn every_f16() {
    check_every_value(f16::from_bits, same_or_nan(|half| f16::from_bits(half).is_nan()));
}

/// A kept bf16 subnormal, an f32 subnormal too, gives the exact result or a zero of its sign.
#[test]
fn every_bf16() {
    let same = same_or_nan(|half| bf16::from_bits(half).is_nan());
    check_every_value(bf16::from_bits, |x, actual, expected| {
        let is_subnormal = x & 0x7fff != 0 && x & 0x7fff < 0x0080;
        same(x, actual, expected) || is_subnormal && actual == expected & 0x8000
    });
}

/// Evaluation copies the bits, whatever they are.
#[test]
fn everything_kept_copies_the_bits() {
    let x: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    for subject in subjects() {
        let context = &subject.context;
        let words: &[u32] = bytemuck::cast_slice(&x);
        let (input, output) =
            (crate::adapters::buffer(context, words), crate::adapters::buffer(context, &vec![7; words.len()]));
        let range = |buffer| wgpu_dropout::BufferRange::from(buffer).with_dtype(wgpu_dropout::Dtype::F16);
        let mask = Dropout::new(0.5).unwrap().with_training(false).mask(Key::new(1));
        context.submit_forward(mask, range(&input), range(&output)).unwrap();
        crate::adapters::assert_words(&crate::adapters::read(context, [&output])[0], words, || subject.name.clone());
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
