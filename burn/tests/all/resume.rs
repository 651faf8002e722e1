//! Training that is interrupted goes on as if it had not been.

use burn::{
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    optim::{GradientsParams, SgdConfig},
    store::ModuleRecord,
    tensor::{Device, Tensor},
};
use wgpu_dropout_burn::{Dropout, DropoutConfig, Keys, Layers};

use crate::support::{assert_same, numbers, read, tensor, wgpu};

#[derive(Module, Debug)]
struct Model {
    hidden: Linear,
    dropout: Dropout,
    output: Linear,
}

impl Model {
    fn new(device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(24, 40).init(device),
            dropout: DropoutConfig::new(0.5).init(&mut Layers::new()),
            output: LinearConfig::new(40, 3).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>, keys: Keys) -> Tensor<2> {
        let x = burn::tensor::activation::relu(self.hidden.forward(x));
        self.output.forward(self.dropout.forward(x, keys))
    }

    fn parameters(self) -> Vec<f32> {
        [read(self.hidden.weight.val()), read(self.output.weight.val())].concat()
    }
}

fn train(mut model: Model, steps: std::ops::Range<u32>, device: &Device) -> Model {
    let mut optimizer = SgdConfig::new().init();
    let keys = Keys::new(5);
    for step in steps {
        let x = tensor(numbers(16 * 24), [16, 24], device) * 0.125;
        let loss = model.forward(x, keys.with_step(step)).powi_scalar(2).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.01, model, gradients);
    }
    model
}

fn start(device: &Device) -> Model {
    // Weights that do not depend on what else the process draws.
    let mut model = Model::new(device);
    model.hidden.weight = Param::from_tensor(tensor(numbers(24 * 40), [24, 40], device) * 0.02);
    model.output.weight = Param::from_tensor(tensor(numbers(40 * 3), [40, 3], device) * 0.02);
    model
}

#[test]
fn from_a_record_in_the_middle() {
    let device = wgpu().autodiff();
    let start = start(&device);
    let whole = train(start.clone(), 0..6, &device).parameters();
    assert_ne!(start.clone().parameters(), whole, "something was learnt");

    let record = train(start.clone(), 0..3, &device).into_record().into_bytes().unwrap();
    let resumed = Model::new(&device).load_record(ModuleRecord::from_bytes(record).unwrap());
    assert_same(&train(resumed.clone(), 3..6, &device).parameters(), &whole, "resumed");

    // With the masks of other steps it is another training.
    assert_ne!(train(resumed, 0..3, &device).parameters(), whole);
}

/// Two models that are trained at the same time do not disturb each other.
#[test]
fn two_models_on_two_threads() {
    let device = wgpu().autodiff();
    let start = start(&device);
    let alone = train(start.clone(), 0..4, &device).parameters();
    std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| train(start.clone(), 0..4, &wgpu().autodiff()).parameters()));
        for parameters in both.map(|thread| thread.join().unwrap()) {
            assert_same(&parameters, &alone, "beside another");
        }
    });
}
