use burn::tensor::{DType, Device, Tensor, TensorData};
use wgpu_dropout::{Generator, Kind, View, reference};
use wgpu_dropout_burn::{Error, dropout};

use crate::support::{assert_same, devices, elements, inverted, mask, numbers, read, read_as, tensor, wgpu};

#[test]
fn every_probability_generator_length_and_start() {
    for (name, device) in devices() {
        for n in [1, 3, 8, 31, 33, 255, 256, 1000, 65_537] {
            let x = elements(n);
            for p in [0.0, 1e-12, 0.1, 0.5, 0.99, 1.0] {
                for &generator in Generator::ALL {
                    for start in [0, 5, (1 << 32) - 3, (1 << 35) - 1000] {
                        let mask = mask(Kind::Inverted, p, generator, start);
                        let y = dropout(tensor(x.clone(), [n], &device), &mask).unwrap();
                        let what = format!("{name}, {n} elements, p = {p}, {generator}, start {start}");
                        assert_same(&read(y), &reference::forward(&mask, &x).unwrap(), &what);
                    }
                }
            }
        }
    }
}

#[test]
fn every_kind_and_view() {
    let shape = [6, 4, 5, 7];
    let x = numbers(840);
    for (name, device) in devices() {
        for &kind in Kind::ALL {
            let plain = mask(kind, 0.3, Generator::Threefry, 1 << 33);
            let whole = shape.map(|extent| extent as u64);
            let strided = View::strided(11, &whole, &[1000, 0, 9, 1]).unwrap();
            let masks = [
                plain,
                plain.shared(&whole, &[2, 3]).unwrap(),
                plain.shared(&whole, &[1, 2, 3]).unwrap(),
                plain.shared(&whole, &[0]).unwrap(),
                plain.at(strided),
                plain.at(View::rows(3, 35, 100)),
            ];
            for (i, mask) in masks.iter().enumerate() {
                let y = dropout(tensor(x.clone(), shape, &device), mask).unwrap();
                assert_same(&read(y), &reference::forward(mask, &x).unwrap(), &format!("{name}, {kind}, mask {i}"));
            }
        }
    }
}

/// However the elements lie in memory, they are the tensor's row by row.
#[test]
fn every_layout() {
    let shape = [6, 10, 64];
    let mask = mask(Kind::Inverted, 0.4, Generator::Threefry, 3);
    for (name, device) in devices() {
        let x = tensor(elements(6 * 10 * 64), shape, &device);
        let row = tensor(elements(64), [1, 1, 64], &device);
        let layouts: [(&str, Tensor<3>); 8] = [
            ("transposed", x.clone().swap_dims(1, 2)),
            ("permuted", x.clone().permute([2, 0, 1])),
            ("rows sliced", x.clone().slice([1..5])),
            ("columns sliced", x.clone().slice([0..6, 3..10, 5..40])),
            ("one row", x.clone().slice([3..4, 0..10, 0..64])),
            ("flipped", x.clone().flip([0, 2])),
            ("expanded", row.expand([6, 10, 64])),
            ("every other", x.slice([burn::tensor::s![..;2], burn::tensor::s![..], burn::tensor::s![..]])),
        ];
        for (layout, x) in layouts {
            let y = dropout(x.clone(), &mask).unwrap();
            let expected = reference::forward(&mask, &read(x)).unwrap();
            assert_same(&read(y), &expected, &format!("{name}, {layout}"));
        }
    }
}

/// In the middle of lazy operations, and after a product of matrices. Factors are powers of two, so that every rounding is known.
#[test]
fn inside_of_chains() {
    let mask = inverted(0.25);
    for (name, device) in devices() {
        let a = tensor(numbers(37 * 19), [37, 19], &device);
        let b = tensor(numbers(19 * 45), [19, 45], &device);
        let x = burn::tensor::activation::relu(a.matmul(b) * 0.5 - 1.0);
        let y = dropout(x.clone(), &mask).unwrap() * 4.0;
        let again = dropout(y.clone(), &mask.at(7)).unwrap();
        let dropped = reference::forward(&mask, &read(x)).unwrap();
        let expected: Vec<_> = dropped.iter().map(|y| y * 4.0).collect();
        assert_same(&read(y), &expected, name);
        assert_same(&read(again), &reference::forward(&mask.at(7), &expected).unwrap(), name);
    }
}

/// What nobody else holds is computed in place, and what somebody holds stays as it is.
#[test]
fn what_is_held_stays() {
    let mask = inverted(0.5);
    let data = elements(4099);
    for (name, device) in devices() {
        let x = tensor(data.clone(), [4099], &device);
        let view = x.clone().slice([64..128]);
        let y = dropout(x.clone(), &mask).unwrap();
        assert_same(&read(x), &data, name);
        assert_same(&read(view.clone()), &data[64..128], name);
        let of_view = dropout(view, &mask).unwrap();
        assert_same(&read(of_view), &reference::forward(&mask, &data[64..128]).unwrap(), name);
        assert_same(&read(y), &reference::forward(&mask, &data).unwrap(), name);
    }
}

#[test]
fn sixteen_bit_floats() {
    for (name, device) in devices() {
        // NdArray has neither.
        for n in [1, 2, 5, 1027].into_iter().filter(|_| name != "NdArray") {
            for p in [0.1, 1.0] {
                let (mask, x) = (inverted(p).at(1), numbers(n));
                let f16: Vec<_> = x.iter().map(|&x| half::f16::from_f32(x)).collect();
                let tensor = Tensor::<1>::from_data(TensorData::new(f16.clone(), [n]), (&device, DType::F16));
                let y: Vec<half::f16> = read_as(dropout(tensor, &mask).unwrap());
                assert_eq!(y, reference::forward(&mask, &f16).unwrap(), "{name}, f16, {n}, p = {p}");
                let bf16: Vec<_> = x.iter().map(|&x| half::bf16::from_f32(x)).collect();
                let tensor = Tensor::<1>::from_data(TensorData::new(bf16.clone(), [n]), (&device, DType::BF16));
                let y: Vec<half::bf16> = read_as(dropout(tensor, &mask).unwrap());
                assert_eq!(y, reference::forward(&mask, &bf16).unwrap(), "{name}, bf16, {n}, p = {p}");
            }
        }
    }
}

#[test]
fn dropped_means_zero() {
    for (name, device) in devices() {
        let y = dropout(Tensor::<1>::full([1000], f32::NAN, &device), &inverted(0.5)).unwrap();
        let y = read(y);
        let keeps = reference::forward(&inverted(0.5), &[1.0_f32; 1000]).unwrap();
        assert!(
            y.iter().zip(&keeps).all(|(y, &keep)| if keep == 0.0 { y.to_bits() == 0 } else { y.is_nan() }),
            "{name}"
        );
    }
}

#[test]
fn many_threads_agree() {
    let data = elements(20_001);
    let expected = |step: u64| reference::forward(&inverted(0.3).at(step), &data).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (data, expected) = (&data, &expected);
            scope.spawn(move || {
                for step in 0..10 {
                    let y = dropout(tensor(data.clone(), [20_001], &wgpu()), &inverted(0.3).at(step)).unwrap();
                    assert_same(&read(y), &expected(step), &format!("thread {thread}, step {step}"));
                }
            });
        }
    });
}

#[test]
fn nothing_to_do() {
    for (name, device) in devices() {
        let y = dropout(Tensor::<2>::zeros([0, 5], &device), &inverted(0.5)).unwrap();
        assert_eq!(y.dims(), [0, 5], "{name}");
    }
}

#[test]
fn bad_input_is_refused() {
    let x = || Tensor::<2>::ones([3, 4], &wgpu());
    let message = |error: Error| error.to_string();
    let of_other_shape = inverted(0.5).shared(&[3, 5], &[1]).unwrap();
    assert!(message(dropout(x(), &of_other_shape).unwrap_err()).contains("15"));
    assert!(matches!(dropout(x(), &inverted(0.5).at(u64::MAX - 3)).unwrap_err(), Error::Dropout(_)));
    let gathered = inverted(0.5).shared(&[3, 4], &[1]).unwrap().gathered().unwrap();
    assert!(matches!(dropout(x(), &gathered).unwrap_err(), Error::Gathered));
    let double = Tensor::<1>::from_data(TensorData::new(vec![1.0_f64], [1]), (&Device::flex(), DType::F64));
    assert!(message(dropout(double, &inverted(0.5)).unwrap_err()).contains("F64"));
}
