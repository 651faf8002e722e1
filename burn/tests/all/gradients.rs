use burn::tensor::{Device, Tensor};
use wgpu_dropout::{Generator, Kind, Mask, reference};
use wgpu_dropout_burn::dropout;

use crate::support::{assert_same, devices, inverted, mask, numbers, read, tensor};

const SHAPE: [usize; 2] = [33, 71];
const N: usize = 33 * 71;

fn with_autodiff() -> impl Iterator<Item = (String, Device)> {
    devices().into_iter().flat_map(|(name, device)| {
        let device = device.autodiff();
        [(name.to_owned(), device.clone()), (format!("{name}, checkpointing"), device.gradient_checkpointing())]
    })
}

/// The gradient of Σ w·dropout(x), of x.
fn gradient(mask: &Mask, w: Tensor<2>, device: &Device) -> Vec<f32> {
    let x = tensor(numbers(N), SHAPE, device).require_grad();
    let y = dropout(x.clone(), mask).unwrap();
    let gradients = (y * w).sum().backward();
    read(x.grad(&gradients).expect("x is tracked"))
}

#[test]
fn of_every_kind_are_those_of_backward() {
    let w: Vec<_> = numbers(N).into_iter().rev().collect();
    for (name, device) in with_autodiff() {
        for (kind, p) in Kind::ALL.iter().flat_map(|&kind| [0.0, 0.3, 1.0].map(|p| (kind, p))) {
            if kind == Kind::Gaussian && p == 1.0 {
                continue;
            }
            for &generator in Generator::ALL {
                let mask = mask(kind, p, generator, (1 << 32) - 100);
                let expected = reference::backward(&mask, &w).unwrap();
                let actual = gradient(&mask, tensor(w.clone(), SHAPE, &device), &device);
                assert_same(&actual, &expected, &format!("{name}, {kind}, p = {p}, {generator}"));
            }
        }
    }
}

/// A gradient that lies otherwise than the tensor: of a sum, which is one number expanded, and of a transposition.
#[test]
fn of_every_layout() {
    let mask = inverted(0.3);
    for (name, device) in with_autodiff() {
        let x = tensor(numbers(N), SHAPE, &device).require_grad();
        let gradients = dropout(x.clone(), &mask).unwrap().sum().backward();
        let expected = reference::backward(&mask, &[1.0; N]).unwrap();
        assert_same(&read(x.grad(&gradients).unwrap()), &expected, &format!("{name}, of a sum"));

        let w = tensor(numbers(N), [71, 33], &device);
        let gradients = (dropout(x.clone(), &mask).unwrap().transpose() * w.clone()).sum().backward();
        let expected = reference::backward(&mask, &read(w.transpose())).unwrap();
        assert_same(&read(x.grad(&gradients).unwrap()), &expected, &format!("{name}, of a transposition"));

        let transposed = tensor(numbers(N), SHAPE, &device).require_grad();
        let gradients = dropout(transposed.clone().transpose(), &mask).unwrap().sum().backward();
        let of_rows = tensor(reference::backward(&mask, &[1.0; N]).unwrap(), [71, 33], &device).transpose();
        assert_same(
            &read(transposed.grad(&gradients).unwrap()),
            &read(of_rows),
            &format!("{name}, of a transposed tensor"),
        );
    }
}

/// What is not kept for backward is computed again, from the same mask: y² needs y.
#[test]
fn with_the_output_computed_again() {
    let mask = inverted(0.5); // a scale of 2, so that the products are exact
    for (name, device) in with_autodiff() {
        let x = tensor(numbers(N), SHAPE, &device).require_grad();
        let y = dropout(x.clone() * 2.0, &mask).unwrap();
        let squares = (y.clone() * y).sum();
        let gradients = squares.backward();
        let doubled: Vec<_> = numbers(N).iter().map(|x| x * 2.0).collect();
        let of_y: Vec<_> = reference::forward(&mask, &doubled).unwrap().iter().map(|y| y * 2.0).collect();
        let expected: Vec<_> = reference::backward(&mask, &of_y).unwrap().iter().map(|dx| dx * 2.0).collect();
        assert_same(&read(x.grad(&gradients).unwrap()), &expected, &name);
    }
}

/// An infinite gradient of what was dropped is +0.
#[test]
fn of_what_was_dropped_are_zero() {
    let mask = inverted(0.5);
    for (name, device) in with_autodiff() {
        let w = Tensor::full(SHAPE, f32::INFINITY, &device);
        let expected = reference::backward(&mask, &[f32::INFINITY; N]).unwrap();
        assert_same(&gradient(&mask, w, &device), &expected, &name);
    }
}
