//! Passes on several tensors, and the layers of them.

use burn::tensor::{Device, Tensor};
use wgpu_dropout::{
    Activation, BlockScaling, DropBlock, DropConnect, Dropout, Fused, Key, Mask, Pass, Slice, reference,
};
use wgpu_dropout_burn::{
    DropBlockConfig, DropConnectLinearConfig, FusedDropoutConfig, Keys, Layers, drop_block, drop_connect, fused,
};

use crate::support::{assert_same, devices, inverted, numbers, read, tensor, wgpu};

const SHAPE: [usize; 3] = [5, 7, 33];
const N: usize = 5 * 7 * 33;
const COLUMNS: usize = 33;

fn run(pass: Pass<Slice<'_>>) {
    reference::run_pass(pass).unwrap();
}

fn with_rows(p: f64) -> Fused {
    let rows = Dropout::new(0.25).unwrap().mask(Key::new(8).with_layer(1)).at(17);
    Fused::new(inverted(p).at(5), COLUMNS as u64).unwrap().with_row_keep(rows).unwrap()
}

/// With and without each part; bit for bit where the activation is.
#[test]
fn fused_forward_is_the_references() {
    let (x, bias, residual) = (numbers(N), numbers(COLUMNS), numbers(2 * N)[N..].to_vec());
    for (name, device) in devices() {
        for p in [0.0, 0.3, 1.0] {
            for activation in [Activation::None, Activation::Relu] {
                for parts in 0..8 {
                    let (has_bias, has_residual, has_rows) = (parts & 1 > 0, parts & 2 > 0, parts & 4 > 0);
                    let plain = Fused::new(inverted(p).at(5), COLUMNS as u64).unwrap();
                    let work = if has_rows { with_rows(p) } else { plain }.with_activation(activation);
                    let mut expected = vec![0.0; N];
                    let mut pass = work.forward(&x[..], &mut expected[..]);
                    if has_bias {
                        pass = pass.with_bias(&bias[..]);
                    }
                    if has_residual {
                        pass = pass.with_residual(&residual[..]);
                    }
                    run(pass);
                    let of_bias = has_bias.then(|| tensor(bias.clone(), [COLUMNS], &device));
                    let of_residual = has_residual.then(|| tensor(residual.clone(), SHAPE, &device));
                    let y = fused(tensor(x.clone(), SHAPE, &device), of_bias, of_residual, &work).unwrap();
                    assert_same(&read(y), &expected, &format!("{name}, p = {p}, {activation}, parts {parts}"));
                }
            }
        }
    }
}

/// Gradients of x, bias and residual of Σ w·y. Small integers and a scale of 2, so that the bias's sums are exact in any order.
#[test]
fn fused_gradients_are_the_references() {
    let small = |n: usize, of: usize| -> Vec<f32> { (0..n).map(|i| (i * 7 % of) as f32 - (of / 2) as f32).collect() };
    let (x, bias, w) = (small(N, 11), small(COLUMNS, 5), small(N, 9));
    for (name, device) in devices() {
        let device = device.autodiff();
        for activation in [Activation::None, Activation::Relu] {
            let work = Fused::new(inverted(0.5).at(5), COLUMNS as u64).unwrap().with_activation(activation);
            let of_x = tensor(x.clone(), SHAPE, &device).require_grad();
            let of_bias = tensor(bias.clone(), [COLUMNS], &device).require_grad();
            let of_residual = tensor(x.clone(), SHAPE, &device).require_grad();
            let y = fused(of_x.clone(), Some(of_bias.clone()), Some(of_residual.clone()), &work).unwrap();
            let gradients = (y * tensor(w.clone(), SHAPE, &device)).sum().backward();

            let (mut dx, mut db) = (vec![0.0; N], vec![0.0; COLUMNS]);
            let mut pass = work.backward(&w[..], &mut dx[..]).with_bias_gradient(&mut db[..]);
            if activation != Activation::None {
                pass = pass.with_input(&x[..]).with_bias(&bias[..]);
            }
            run(pass);
            assert_same(&read(of_x.grad(&gradients).unwrap()), &dx, &format!("{name}, {activation}, x"));
            assert_same(&read(of_bias.grad(&gradients).unwrap()), &db, &format!("{name}, {activation}, bias"));
            assert_same(&read(of_residual.grad(&gradients).unwrap()), &w, &format!("{name}, {activation}, residual"));

            // Where x alone is tracked, or the bias alone.
            let x_alone = tensor(x.clone(), SHAPE, &device).require_grad();
            let y = fused(x_alone.clone(), Some(tensor(bias.clone(), [COLUMNS], &device)), None, &work).unwrap();
            let gradients = (y * tensor(w.clone(), SHAPE, &device)).sum().backward();
            assert_same(&read(x_alone.grad(&gradients).unwrap()), &dx, &format!("{name}, {activation}, x alone"));
            let bias_alone = tensor(bias.clone(), [COLUMNS], &device).require_grad();
            let y = fused(tensor(x.clone(), SHAPE, &device), Some(bias_alone.clone()), None, &work).unwrap();
            let gradients = (y * tensor(w.clone(), SHAPE, &device)).sum().backward();
            assert_same(&read(bias_alone.grad(&gradients).unwrap()), &db, &format!("{name}, {activation}, bias alone"));
        }
    }
}

#[test]
fn drop_block_and_its_gradient_are_the_references() {
    let shape = [2, 3, 17, 19];
    let x = numbers(2 * 3 * 17 * 19);
    for (name, device) in devices() {
        let device = device.autodiff();
        for scaling in [BlockScaling::Count, BlockScaling::Expected, BlockScaling::None] {
            for p in [0.0, 0.15, 1.0] {
                let blocks = DropBlock::new(p, &[4, 3]).unwrap().with_scaling(scaling);
                let mask = blocks.mask(Key::new(3), &shape.map(|extent| extent as u64)).unwrap().at(9).unwrap();
                let expected = reference::drop_block(&mask, &x).unwrap();
                let of_x = tensor(x.clone(), shape, &device).require_grad();
                let y = drop_block(of_x.clone(), &mask).unwrap();
                let what = format!("{name}, {scaling:?}, p = {p}");
                assert_same(&read(y.clone()), &expected, &what);
                let gradients = (y * tensor(x.clone(), shape, &device)).sum().backward();
                assert_same(&read(of_x.grad(&gradients).unwrap()), &expected, &format!("{what}, gradient"));
            }
        }
    }
}

/// Small integers, so that sums are exact in any order.
#[test]
fn drop_connect_and_its_gradients_are_the_references() {
    let small = |n: usize, of: usize| -> Vec<f32> { (0..n).map(|i| (i * 5 % of) as f32 - (of / 2) as f32).collect() };
    let (batch, outputs, inputs) = (6, 17, 45);
    let (weights, x, w) = (small(outputs * inputs, 7), small(batch * inputs, 9), small(batch * outputs, 5));
    let of = DropConnect::new(inverted(0.5).at(3), batch as u64, outputs as u64, inputs as u64).unwrap();
    let (mut y, mut dw, mut dx) = (vec![0.0; w.len()], vec![0.0; weights.len()], vec![0.0; x.len()]);
    run(of.forward(&weights[..], &x[..], &mut y[..]));
    run(of.backward_weights(&x[..], &w[..], &mut dw[..]));
    run(of.backward_input(&weights[..], &w[..], &mut dx[..]));
    for (name, device) in devices() {
        let device = device.autodiff();
        let of_weights = tensor(weights.clone(), [outputs, inputs], &device).require_grad();
        let of_x = tensor(x.clone(), [batch, inputs], &device).require_grad();
        let product = drop_connect(of_weights.clone(), of_x.clone(), &of).unwrap();
        assert_same(&read(product.clone()), &y, name);
        let gradients = (product * tensor(w.clone(), [batch, outputs], &device)).sum().backward();
        assert_same(&read(of_weights.grad(&gradients).unwrap()), &dw, &format!("{name}, weights"));
        assert_same(&read(of_x.grad(&gradients).unwrap()), &dx, &format!("{name}, input"));
    }
}

fn keys() -> Keys {
    Keys::new(31).with_step(4)
}

fn key(layer: u16) -> Key {
    Key::new(31).with_step(4).with_layer(layer)
}

#[test]
fn layers_are_passes_of_the_library() {
    let (training, inference): (Device, Device) = (wgpu().autodiff(), wgpu());
    let mut layers = Layers::new();

    let layer =
        FusedDropoutConfig::new(0.4, COLUMNS).with_row_prob(0.25).init(Activation::Relu, &mut layers, &training);
    let mask: Mask = Dropout::new(0.4).unwrap().mask(key(0)).at(2 * 7 * 33);
    let rows = Dropout::new(0.25).unwrap().mask(key(1)).at(2 * 7);
    let work = Fused::new(mask, 33).unwrap().with_activation(Activation::Relu).with_row_keep(rows).unwrap();
    let (x, zeros) = (numbers(N), [0.0; COLUMNS]);
    let mut expected = vec![0.0; N];
    run(work.forward(&x[..], &mut expected[..]).with_bias(&zeros[..]).with_residual(&x[..]));
    let of_x = || tensor(x.clone(), SHAPE, &training);
    assert_same(&read(layer.forward(of_x(), Some(of_x()), keys().with_first_row(2))), &expected, "fused, in training");
    let relu: Vec<_> = x.iter().map(|&x| if x < 0.0 { 0.0 } else { x }).collect();
    let layer = burn::module::Module::valid(&layer);
    assert_same(
        &read(layer.forward(tensor(x.clone(), SHAPE, &inference), None, keys())),
        &relu,
        "fused, in evaluation",
    );

    let row = layer.clone().forward(tensor(numbers(COLUMNS), [COLUMNS], &inference), None, keys());
    assert_same(&read(row), &relu[..COLUMNS], "fused, of one axis");

    let layer = DropBlockConfig::new(0.2, [3, 3]).init(&mut layers);
    let blocks = DropBlock::new(0.2, &[3, 3]).unwrap().with_scaling(BlockScaling::Expected);
    let x = numbers(4 * 2 * 10 * 11);
    let whole = blocks.mask(key(2), &[4, 2, 10, 11]).unwrap();
    let of_x = tensor(x.clone(), [4, 2, 10, 11], &training);
    let expected = reference::drop_block(&whole, &x).unwrap();
    assert_same(&read(layer.forward(of_x.clone(), keys())), &expected, "blocks");
    let part = layer.forward(of_x.slice_dim(0, 1..4), keys().with_first_row(1));
    assert_same(&read(part), &expected[2 * 10 * 11..], "blocks of a part of the batch");

    let layer = DropConnectLinearConfig::new(0.5, 12, 9).init(&mut layers, &training);
    let x = tensor(numbers(7 * 12), [7, 12], &training);
    let whole = read(layer.forward(x.clone(), keys()));
    let part = read(layer.forward(x.clone().slice_dim(0, 3..7), keys().with_first_row(3)));
    assert_same(&part, &whole[3 * 9..], "connections of a part of the batch");
    let evaluated = burn::module::Module::valid(&layer).forward(tensor(numbers(7 * 12), [7, 12], &inference), keys());
    assert!(read(evaluated).iter().zip(&whole).any(|(a, b)| a != b), "nothing is dropped in evaluation");
}

#[test]
fn passes_refuse_bad_input() {
    let device = wgpu();
    let x = || Tensor::<2>::ones([3, 4], &device);
    let work = Fused::new(inverted(0.5), 4).unwrap();
    let wrong = |error: wgpu_dropout_burn::Error| error.to_string();
    assert!(wrong(fused(Tensor::<2>::ones([3, 5], &device), None, None, &work).unwrap_err()).contains("last axis"));
    assert!(wrong(fused(x(), Some(Tensor::ones([3], &device)), None, &work).unwrap_err()).contains("bias"));
    let other = Some(Tensor::<2>::ones([4, 3], &device));
    assert!(wrong(fused(x(), None, other, &work).unwrap_err()).contains("residual"));
    let blocks = DropBlock::new(0.5, &[2]).unwrap().mask(Key::new(0), &[3, 5]).unwrap();
    assert!(wrong(drop_block(x(), &blocks).unwrap_err()).contains("15"));
    let of = DropConnect::new(inverted(0.5), 3, 2, 4).unwrap();
    assert!(wrong(drop_connect(Tensor::ones([2, 5], &device), x(), &of).unwrap_err()).contains("weights"));
}
