//! Packed masks of the caller, applied to slices. random_cases.rs does it in buffers of every kind.
use crate::adapters::subjects;
use half::{bf16, f16};
use wgpu_dropout::{Dropout, Element, Key, reference};

fn check<T: Element>(x: &[T]) {
    let given: Vec<u32> = (0..x.len().div_ceil(32) as u32).map(|i| i.wrapping_mul(0x9e37_79b1)).collect();
    for subject in subjects() {
        let expected = reference::apply_mask(&given, 0.75, x).unwrap();
        let actual = subject.context.apply_mask_blocking(&given, 0.75, x).unwrap();
        let later = pollster::block_on(subject.context.apply_mask(&given, 0.75, x)).unwrap();
        let bytes = |values: &[T]| bytemuck::cast_slice::<T, u8>(values).to_vec();
        assert!(bytes(&actual) == bytes(&expected), "{} {} {}", subject.name, T::DTYPE, x.len());
        assert!(bytes(&later) == bytes(&expected), "{} {}, async", subject.name, T::DTYPE);
    }
}

#[test]
fn any_length_and_type() {
    for length in [0, 1, 31, 32, 33, 64, 2047, 2048, 2049, 70_001] {
        let x: Vec<f32> = (0..length).map(|i| (i % 1000) as f32 / 8.0 - 60.0).collect();
        check(&x);
        check(&x.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>());
        check(&x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>());
    }
}

/// A mask that was exported gives the forward that it came from; what it drops is +0, whatever it was.
#[test]
fn an_exported_mask_replays_forward() {
    let mask = Dropout::new(0.4).unwrap().mask(Key::new(3)).at(5);
    let x: Vec<f32> = (0..10_000).map(|i| i as f32).collect();
    for subject in subjects() {
        let context = &subject.context;
        let keep = context.keep_mask_blocking(&mask, x.len() as u64).unwrap();
        let replayed = context.apply_mask_blocking(&keep, mask.scale(), &x).unwrap();
        assert_eq!(replayed, context.forward_blocking(&mask, &x).unwrap(), "{}", subject.name);
        for poison in [f32::NAN, f32::INFINITY, -0.0] {
            let y = context.apply_mask_blocking(&[0], 1.0, &[poison; 32]).unwrap();
            assert!(y.iter().all(|y| y.to_bits() == 0), "{} {poison}: {y:?}", subject.name);
        }
    }
}
