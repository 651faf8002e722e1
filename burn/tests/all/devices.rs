//! Training on two devices at once, by Burn's own means: the model is forked, each device has its rows of the batch, and the
//! optimiser takes the gradients of both. Their masks are those of one device with all rows.

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    optim::{GradientsParams, MultiGradientsParams, SgdConfig},
    tensor::{
        Device, Tensor,
        wgpu::{WgpuBackend, WgpuOptions},
    },
};
use wgpu_dropout_burn::{Dropout, DropoutConfig, Keys, Layers};

use crate::support::{assert_same, numbers, read, tensor};

const ROWS: usize = 24;
const COLUMNS: usize = 40;

#[derive(Module, Debug)]
struct Model {
    hidden: Linear,
    dropout: Dropout,
    output: Linear,
}

impl Model {
    fn new(device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(COLUMNS, 32).init(device),
            dropout: DropoutConfig::new(0.5).init(&mut Layers::new()),
            output: LinearConfig::new(32, 3).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>, keys: Keys) -> Tensor<2> {
        let x = burn::tensor::activation::relu(self.hidden.forward(x));
        self.output.forward(self.dropout.forward(x, keys))
    }

    /// The gradients of the mean over all rows, of which these begin at `first`.
    fn gradients(self, x: &[f32], first: usize, keys: Keys, device: &Device) -> GradientsParams {
        let rows = x.len() / COLUMNS;
        let y = self.forward(tensor(x.to_vec(), [rows, COLUMNS], device) * 0.125, keys.with_first_row(first as u64));
        let loss = y.powi_scalar(2).sum() / (ROWS * 3) as f32;
        GradientsParams::from_grads(loss.backward(), &self)
    }
}

/// One adapter over Vulkan, another over OpenGL.
fn two() -> [Device; 2] {
    [WgpuBackend::Vulkan, WgpuBackend::Gl].map(|api| {
        WgpuOptions::default().graphics_api(api).init().unwrap_or_else(|error| panic!("an adapter is missing: {error}"))
    })
}

#[test]
fn two_devices_have_the_masks_and_the_training_of_one() {
    let devices = two();
    let keys = Keys::new(11);

    // The masks, uneven parts, first alone.
    let dropout = DropoutConfig::new(0.3).init(&mut Layers::new());
    let x = numbers(ROWS * COLUMNS);
    let at = 7 * COLUMNS;
    let whole = read(dropout.sample(tensor(x.clone(), [ROWS, COLUMNS], &devices[0]), keys));
    let parts = [(&x[..at], 0), (&x[at..], 7)];
    let on = |(part, first): (&[f32], u64), device: &Device| {
        let part = tensor(part.to_vec(), [part.len() / COLUMNS, COLUMNS], device);
        read(dropout.sample(part, keys.with_first_row(first)))
    };
    for order in [[0, 1], [1, 0]] {
        let both = [on(parts[0], &devices[order[0]]), on(parts[1], &devices[order[1]])].concat();
        assert_same(&both, &whole, "the parts on two devices");
    }
    assert_ne!(on((&x[at..], 0), &devices[1]), whole[at..], "a part that says nothing of its rows has other masks");

    // And a training with them.
    let [one, other] = devices.map(|device| device.autodiff());
    let start = Model::new(&one);
    let train = |both: bool| {
        let (mut model, mut optimiser) = (start.clone(), SgdConfig::new().init());
        for step in 0..4 {
            let keys = keys.with_step(step);
            model = if both {
                let there = model.clone().fork(&other).gradients(&x[at..], 7, keys, &other);
                let here = model.clone().gradients(&x[..at], 0, keys, &one);
                let grads = vec![(here, one.clone()), (there, other.clone())];
                optimiser.step_multi(0.05, model, MultiGradientsParams { grads }).fork(&one)
            } else {
                let gradients = model.clone().gradients(&x, 0, keys, &one);
                optimiser.step(0.05, model, gradients)
            };
        }
        [read(model.hidden.weight.val()), read(model.output.weight.val())].concat()
    };
    let (alone, both) = (train(false), train(true));
    let moved = read(start.hidden.weight.val()).iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let apart = alone.iter().zip(&both).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(moved > 1e-3 && apart < 1e-3 * moved, "moved {moved}, {apart} apart");
}
