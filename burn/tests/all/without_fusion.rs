//! The backends themselves, without Burn's fusion around them: what a program has that leaves Burn's feature `fusion` out.

use burn::{
    backend::{
        Autodiff, AutodiffBackend,
        ops::FloatTensorOps,
        read_sync,
        tensor::{Device, FloatTensor},
    },
    tensor::{Shape, TensorData},
};
use burn_cubecl::CubeBackend as B;
use wgpu_dropout::{Generator, Kind, Operation, reference};
use wgpu_dropout_burn::DropoutBackend;

use crate::support::{assert_same, elements, mask, numbers};

type A = Autodiff<B>;

fn tensor(data: &[f32], shape: [usize; 2]) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(data.to_vec(), shape), &Device::<B>::default())
}

fn read(x: FloatTensor<B>) -> Vec<f32> {
    read_sync(B::float_into_data(x)).unwrap().try_into_vec().unwrap()
}

#[test]
fn forward_and_backward_of_a_transposed_tensor() {
    for p in [0.3, 1.0] {
        let mask = mask(Kind::Inverted, p, Generator::Threefry, 6);
        let (x, w) = (elements(51 * 130), numbers(51 * 130));
        let transposed = || B::float_transpose(tensor(&x, [51, 130]));
        let y = B::dropout_operate(transposed(), Operation::Forward(mask));
        assert_same(&read(y), &reference::forward(&mask, &read(transposed())).unwrap(), "forward");

        let tracked = A::float_set_require_grad(A::from_inner(transposed()), true);
        let y = A::dropout_operate(tracked.clone(), Operation::Forward(mask));
        let weighted = A::float_mul(y, A::from_inner(tensor(&w, [130, 51])));
        let gradients = A::backward(A::float_sum(weighted));
        let dx = A::grad(&tracked, &gradients).expect("it is tracked");
        assert_same(&read(dx), &reference::backward(&mask, &w).unwrap(), "backward");
    }
}

/// What is computed in place takes no memory, and gives the same.
#[test]
fn in_place_and_elsewhere() {
    let mask = mask(Kind::Inverted, 0.5, Generator::Philox, 0);
    let x = elements(333 * 7);
    let expected = reference::forward(&mask, &x).unwrap();
    let alone = tensor(&x, [333, 7]);
    let memory = alone.handle.memory.clone().binding().id();
    let y = B::dropout_operate(alone, Operation::Forward(mask));
    assert!(y.handle.memory.clone().binding().id() == memory, "nobody else held it");
    assert_same(&read(y), &expected, "in place");

    let held = tensor(&x, [333, 7]);
    let y = B::dropout_operate(held.clone(), Operation::Forward(mask));
    assert!(y.handle.memory.clone().binding().id() != held.handle.memory.clone().binding().id(), "it was held");
    assert_same(&read(y), &expected, "elsewhere");
    assert_same(&read(held), &x, "what was held");
}

#[test]
fn shapes_stay() {
    let mask = mask(Kind::Inverted, 0.5, Generator::Threefry, 0);
    let y = B::dropout_operate(tensor(&numbers(12), [3, 4]), Operation::Forward(mask));
    assert_eq!(*y.meta.shape(), Shape::from([3, 4]));
}
