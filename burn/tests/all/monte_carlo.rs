//! Samples and what they say: beside the library's reference, bit for bit in what is the reference's, and in the state of the
//! module, which is evaluation.

use burn::{
    module::Module,
    nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig},
    tensor::{DType, Device, Tensor},
};
use wgpu_dropout::reference;
use wgpu_dropout_burn::{Dropout, DropoutConfig, Error, Keys, Layers, MonteCarlo, Statistics, Uncertainty};

use crate::support::{assert_same, devices, numbers, read, tensor, wgpu};

const SHAPE: [usize; 2] = [7, 10];
const N: usize = 70;

#[derive(Module, Debug)]
struct Model {
    norm: BatchNorm,
    dropout: Dropout,
    output: Linear,
}

impl Model {
    fn new(device: &Device) -> Self {
        device.seed(1);
        Self {
            norm: BatchNormConfig::new(16).init(device),
            dropout: DropoutConfig::new(0.5).init(&mut Layers::new()),
            output: LinearConfig::new(16, 10).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>, keys: Keys) -> Tensor<2> {
        self.output.forward(self.dropout.forward(self.norm.forward(x), keys))
    }
}

fn input(device: &Device) -> Tensor<2> {
    tensor(numbers(7 * 16), [7, 16], device)
}

/// Made by hand, so that every sample is known: sample s of an element is a number times 1 + s mod 3.
fn samples(count: usize) -> Vec<Vec<f32>> {
    (0..count).map(|s| numbers(N).iter().map(|x| x * (1 + s % 3) as f32 + s as f32 / 8.0).collect()).collect()
}

#[track_caller]
fn assert_close(actual: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (a, b)) in actual.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}, {i}: {a} for {b}");
    }
}

/// In one, and in parts that are merged; whatever else holds the accumulators.
#[test]
fn statistics_are_the_references() {
    let all = samples(11);
    let flat = all.concat();
    let (mut mean, mut m2, mut variance) = (vec![0.0; N], vec![0.0; N], vec![0.0; N]);
    let statistics = wgpu_dropout::Statistics::new(N as u64);
    reference::run_pass(statistics.update(&flat[..], &mut mean[..], &mut m2[..])).unwrap();
    reference::run_pass(statistics.with_count(11).variance(&m2[..], &mut variance[..])).unwrap();
    for (name, device) in devices() {
        let of = |samples: &[Vec<f32>]| {
            let add = |statistics: Statistics<2>, x: &Vec<f32>| statistics.update(tensor(x.clone(), SHAPE, &device));
            samples.iter().try_fold(Statistics::new(), add).unwrap()
        };
        let whole = of(&all);
        let before = [read(whole.mean().unwrap()), read(whole.variance().unwrap())];
        assert_close(&before[0], &mean, 1e-5, &format!("{name}, mean"));
        assert_close(&before[1], &variance, 1e-5, &format!("{name}, variance"));

        let merged = of(&all[..4]).merge(of(&[])).unwrap().merge(of(&all[4..])).unwrap();
        assert_eq!(merged.count(), 11);
        assert_close(&read(merged.mean().unwrap()), &mean, 1e-5, &format!("{name}, mean of parts"));
        assert_close(&read(merged.variance().unwrap()), &variance, 1e-5, &format!("{name}, variance of parts"));

        let kept = whole.clone();
        let more = whole.update(tensor(vec![100.0; N], SHAPE, &device)).unwrap();
        assert!(read(more.mean().unwrap())[0] > before[0][0]);
        assert_same(&read(kept.mean().unwrap()), &before[0], "what another has a share in stays as it was");
    }
}

#[test]
fn half_precision_samples_have_f32_statistics() {
    // NdArray has none of 16 bits.
    for (name, device) in devices().into_iter().filter(|(name, _)| *name != "NdArray") {
        let Some(half) = [DType::F16, DType::BF16].into_iter().find(|&dtype| device.supports_dtype(dtype)) else {
            panic!("{name} has a type of 16 bits");
        };
        let x = tensor(vec![2049.0; N], SHAPE, &device);
        let statistics = Statistics::new().update(x.clone().cast(half)).unwrap();
        let statistics = statistics.update((x + 2.0).cast(half)).unwrap();
        assert_eq!(statistics.mean().unwrap().dtype(), DType::F32, "{name}");
        let mean = read(statistics.mean().unwrap());
        assert!(mean.iter().all(|mean| (mean - 2050.0).abs() <= 16.0), "{name}: {}", mean[0]);
    }
}

#[test]
fn uncertainty_is_the_references() {
    let all = samples(9);
    let flat = all.concat();
    let (mut probability, mut entropy) = (vec![0.0; N], vec![0.0; 7]);
    let [mut predictive, mut expected, mut information] = [(); 3].map(|()| vec![0.0; 7]);
    let uncertainty = wgpu_dropout::Uncertainty::new(7, 10).unwrap();
    reference::run_pass(uncertainty.update(&flat[..], &mut probability[..], &mut entropy[..])).unwrap();
    let work = uncertainty.with_count(9).finish(
        &probability[..],
        &entropy[..],
        &mut predictive[..],
        &mut expected[..],
        &mut information[..],
    );
    reference::run_pass(work).unwrap();
    assert!(information.iter().any(|&information| information > 0.01), "there is something to find");
    for (name, device) in devices() {
        let of = |samples: &[Vec<f32>]| {
            let add = |sum: Uncertainty, x: &Vec<f32>| sum.update(tensor(x.clone(), SHAPE, &device));
            samples.iter().try_fold(Uncertainty::new(), add).unwrap()
        };
        for uncertainty in [of(&all), of(&all[..2]).merge(of(&all[2..])).unwrap()] {
            assert_close(&read(uncertainty.mean_probability().unwrap()), &probability, 1e-5, name);
            let entropies = uncertainty.entropies().unwrap();
            assert_close(&read(entropies.predictive_entropy), &predictive, 2e-5, name);
            assert_close(&read(entropies.expected_entropy), &expected, 2e-5, name);
            assert_close(&read(entropies.mutual_information), &information, 2e-5, name);
        }
    }
}

/// Dropout is on, batch norm takes its running statistics, and they are what they were.
#[test]
fn all_but_dropout_stays_in_evaluation() {
    let device = wgpu();
    let training = device.clone().autodiff();
    let model = Model::new(&training);
    model.forward(input(&training) * 3.0, Keys::new(1)); // so that running statistics are no longer those at first
    let running = |model: &Model| {
        [read(model.norm.running_mean.value_sync().inner()), read(model.norm.running_var.value_sync().inner())].concat()
    };
    let before = running(&model);
    assert!(before.iter().any(|&of| of != 0.0 && of != 1.0));

    let valid = model.valid();
    let samples = MonteCarlo::new(Keys::new(42).with_step(3), 5..9).unwrap();
    let x = input(&device);
    let outputs: Vec<_> = samples.keys().map(|keys| read(valid.forward(x.clone(), keys))).collect();
    // Normalized with the running statistics, then a mask of the library.
    let normalized = valid.norm.forward(x.clone());
    for (sample, output) in (5..).zip(&outputs) {
        let keys = Keys::new(42).with_step(3).with_sample(sample);
        let expected = valid.output.forward(valid.dropout.sample(normalized.clone(), keys));
        assert_same(output, &read(expected), &format!("sample {sample}"));
    }
    assert_ne!(outputs[0], outputs[1], "dropout is on");
    let plain = || read(valid.forward(x.clone(), Keys::new(42)));
    assert_same(&plain(), &read(valid.output.forward(normalized)), "and off without samples");

    let statistics = samples.statistics(|keys| valid.forward(x.clone(), keys)).unwrap();
    assert_eq!(statistics.count(), 4);
    assert!(read(statistics.variance().unwrap()).iter().any(|&variance| variance > 0.0));
    let of_running = [&valid.norm.running_mean, &valid.norm.running_var].map(|state| read(state.value_sync()));
    assert_same(&of_running.concat(), &before, "running statistics");

    // A frozen layer is off here too.
    let frozen = Model { dropout: model.dropout.clone().freeze(), ..model.clone() }.valid();
    let frozen = samples.statistics(|keys| frozen.forward(x.clone(), keys)).unwrap();
    assert!(read(frozen.variance().unwrap()).iter().all(|&variance| variance == 0.0));

    // The trap: the module in training.
    let x = input(&training);
    let refused = samples.statistics(|keys| model.forward(x.clone(), keys)).unwrap_err();
    assert!(matches!(refused, Error::Gradients) && refused.to_string().contains("valid()"));
}

/// Bytes in use, at the highest while samples are drawn.
#[test]
fn memory_does_not_depend_on_samples() {
    let device = wgpu();
    let model = Model::new(&device.clone().autodiff()).valid();
    let x: Tensor<2> = Tensor::ones([4096, 16], &device);
    let output = 4096 * 10 * 4;
    let most_used = |samples| {
        let mut most = 0;
        let usage = || device.memory_pool_usage().expect("wgpu counts its memory");
        let statistics = MonteCarlo::new(Keys::new(1), 0..samples).unwrap().statistics(|keys| {
            most = usage().bytes_in_use.max(most);
            model.forward(x.clone(), keys)
        });
        read(statistics.unwrap().mean().unwrap());
        most
    };
    let [_, few, many] = [most_used(16), most_used(16), most_used(400)];
    // What 384 samples would take, if they were kept, is far more.
    assert!(many < few + 40 * output, "{few} bytes, {many} bytes");
}

#[test]
fn bad_samples_are_refused() {
    let device = Device::flex();
    assert!(MonteCarlo::new(Keys::new(1), 0..65_536).is_ok());
    assert!(MonteCarlo::new(Keys::new(1), 7..65_537).unwrap_err().to_string().contains("7"));
    assert!(matches!(Statistics::<2>::new().mean(), Err(Error::NoSamples)));
    assert!(matches!(Statistics::<2>::new().variance(), Err(Error::NoSamples)));
    assert!(matches!(Uncertainty::new().entropies(), Err(Error::NoSamples)));
    let of = |shape: [usize; 2]| Statistics::new().update(Tensor::<2>::ones(shape, &device)).unwrap();
    assert!(matches!(of([2, 3]).update(Tensor::ones([3, 2], &device)), Err(Error::Shape { .. })));
    assert!(matches!(of([2, 3]).merge(of([3, 2])), Err(Error::Shape { .. })));
    assert!(matches!(Uncertainty::new().update(Tensor::ones([2, 0], &device)), Err(Error::Dropout(_))));
    let none = of([0, 3]).merge(of([0, 3])).unwrap();
    assert_eq!((none.count(), none.variance().unwrap().dims()), (2, [0, 3]));
}
