//! What the tests share: devices, data, and comparisons of every bit.

use burn::tensor::{Device, Element, Tensor, TensorData};
use wgpu_dropout::{Generator, Key, Kind, Mask};

/// Every backend: Burn's wgpu on whatever adapter there is, and those that compute on the host.
pub fn devices() -> Vec<(&'static str, Device)> {
    #[expect(deprecated, reason = "Burn still has NdArray")]
    let ndarray = Device::ndarray();
    vec![("wgpu", wgpu()), ("Flex", Device::flex()), ("NdArray", ndarray)]
}

pub fn wgpu() -> Device {
    Device::wgpu(Default::default())
}

/// Elements of every sort: numbers of both signs, zeros, infinities and NaN.
pub fn elements(n: usize) -> Vec<f32> {
    let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1.0e30, -1.0e-30];
    let element = |i: usize| match i % 29 {
        11 => special[i / 29 % special.len()],
        _ => (i.wrapping_mul(2_654_435_761) % 4001) as f32 / 128.0 - 15.0,
    };
    (0..n).map(element).collect()
}

/// Numbers alone.
pub fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i.wrapping_mul(40_503) % 997) as f32 / 64.0 - 7.0).collect()
}

pub fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data, shape), device)
}

pub fn read<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    read_as(x)
}

pub fn read_as<E: Element, const D: usize>(x: Tensor<D>) -> Vec<E> {
    x.into_data().try_into_vec().expect("the elements are of that type")
}

pub fn mask(kind: Kind, p: f64, generator: Generator, start: u64) -> Mask {
    let dropout = wgpu_dropout::Dropout::of_kind(kind, p).expect("p is a probability").with_generator(generator);
    dropout.mask(Key::new(0x1234_5678_9abc_def0).with_layer(3).with_step(77)).at(start)
}

pub fn inverted(p: f64) -> Mask {
    mask(Kind::Inverted, p, Generator::Threefry, 0)
}

/// Every bit, but for those of a NaN.
#[track_caller]
pub fn assert_same(actual: &[f32], expected: &[f32], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    let differ = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan());
    let wrong: Vec<_> = (0..actual.len()).filter(|&i| differ((&actual[i], &expected[i]))).collect();
    let first: Vec<_> = wrong.iter().take(5).map(|&i| (i, actual[i], expected[i])).collect();
    assert!(
        wrong.is_empty(),
        "{what}: {} of {} differ, first (index, actual, expected): {first:?}",
        wrong.len(),
        actual.len()
    );
}
