//! Dropout here beside Burn's own `nn::Dropout`, in one run on one device, turn by turn: time of operations, of epochs of a
//! network that learns digits, memory between forward and backward, and accuracy; and the product of DropConnect beside Burn's
//! own matrix product. With Burn's features as this package has them, fusion is on and autotuning off; `--features
//! burn/autotune` has it on, as Burn's own default is.
//!
//! `cargo run --release --example against_burn [operations] [products] [memory] [epochs] [accuracy]`

#[path = "common/digits.rs"]
mod digits;

use std::{collections::HashMap, error::Error, fs, hint::black_box, time::Instant};

use burn::{
    module::Module,
    nn::{self, Linear, LinearConfig, loss::CrossEntropyLossConfig},
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{
        Device, Distribution, Tensor,
        activation::{gelu, relu},
    },
};
use digits::{Digit, batch, read};
use wgpu_dropout::{Activation, DropConnect, Dropout, Fused, Key};
use wgpu_dropout_burn::{DropoutConfig, FusedDropout, FusedDropoutConfig, Keys, Layers, drop_connect, dropout, fused};

/// What is measured, by name.
type Part = (&'static str, fn(&Device) -> Outcome<()>);

type Outcome<T> = Result<T, Box<dyn Error>>;

const P: f64 = 0.1;
const COLUMNS: usize = 1024;
const ROUNDS: usize = 11;
const WARM_UP: usize = 2;

fn main() -> Outcome<()> {
    let device = Device::wgpu(Default::default());
    let wanted: Vec<_> = std::env::args().skip(1).collect();
    let parts: [Part; 5] = [
        ("operations", operations),
        ("products", products),
        ("memory", memory),
        ("epochs", epochs),
        ("accuracy", accuracy),
    ];
    if let Some(unknown) = wanted.iter().find(|wanted| parts.iter().all(|(name, _)| name != wanted)) {
        return Err(format!("{unknown} is none of {}", parts.map(|(name, _)| name).join(", ")).into());
    }
    println!("{}", std::env::args().collect::<Vec<_>>().join(" "));
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            println!("\n{name}");
            part(&device)?;
        }
    }
    Ok(())
}

fn mask(step: u32) -> wgpu_dropout::Mask {
    Dropout::new(P).expect("p is a probability").mask(Key::new(42).with_step(step))
}

/// Something that is timed: a call, with the number of the call.
type Call<'a> = Box<dyn FnMut(u32) -> Outcome<Vec<Tensor<2>>> + 'a>;

fn operations(device: &Device) -> Outcome<()> {
    let training = device.clone().autodiff();
    let burns = nn::DropoutConfig::new(P).init();
    for power in [20, 22, 24] {
        let n = 1_usize << power;
        let normal = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &training);
        let shape = [n / COLUMNS, COLUMNS];
        let x = normal(shape);
        let tracked = normal(shape).require_grad();
        let bias = normal([1, COLUMNS]).flatten::<1>(0, 1).require_grad();
        let residual = normal(shape).require_grad();
        let plain = x.clone().inner();
        // What is in no pool yet is written before anything is timed.
        device.sync()?;
        let gradient = |y: Tensor<2>| -> Outcome<Vec<Tensor<2>>> {
            let gradients = y.sum().backward();
            let of = |x: &Tensor<2>| x.grad(&gradients);
            Ok([of(&tracked), of(&residual)].into_iter().flatten().collect())
        };
        let (tracked, bias, residual) = (&tracked, &bias, &residual);
        let calls: Vec<(&str, Call)> = vec![
            ("x * 1.25", Box::new(|_| Ok(vec![plain.clone() * 1.25]))),
            ("forward, ours", Box::new(|step| Ok(vec![dropout(x.clone(), &mask(step))?.inner()]))),
            ("forward, Burn's", Box::new(|_| Ok(vec![burns.forward(x.clone()).inner()]))),
            ("forward + backward, ours", Box::new(|step| gradient(dropout(tracked.clone(), &mask(step))?))),
            ("forward + backward, Burn's", Box::new(|_| gradient(burns.forward(tracked.clone())))),
            (
                "residual + dropout(gelu(x + bias)), fused here",
                Box::new(|step| {
                    let of = Fused::new(mask(step), COLUMNS as u64)?.with_activation(Activation::Gelu);
                    gradient(fused(tracked.clone(), Some(bias.clone()), Some(residual.clone()), &of)?)
                }),
            ),
            (
                "residual + dropout(gelu(x + bias)), dropout here",
                Box::new(|step| {
                    let hidden = gelu(tracked.clone() + bias.clone().unsqueeze());
                    gradient(residual.clone() + dropout(hidden, &mask(step))?)
                }),
            ),
            (
                "residual + dropout(gelu(x + bias)), Burn's",
                Box::new(|_| {
                    let hidden = gelu(tracked.clone() + bias.clone().unsqueeze());
                    gradient(residual.clone() + burns.forward(hidden))
                }),
            ),
        ];
        let times = time(device, calls, (1 << 24 >> power).clamp(1, 8))?;
        let of = |name: &str| times[name];
        println!("2^{power} elements of f32, p = {P}, ms a call, median of {ROUNDS}");
        for name in times.keys() {
            println!("  {name}: {:.2}", times[name] * 1e3);
        }
        let forward = of("forward, ours");
        println!(
            "  forward: {:.2} × Burn's, {:.2} × x * 1.25",
            forward / of("forward, Burn's"),
            forward / of("x * 1.25")
        );
        let both = of("forward + backward, ours") / of("forward + backward, Burn's");
        let [of_fused, of_dropout, of_burn] = ["fused here", "dropout here", "Burn's"]
            .map(|who| of(&format!("residual + dropout(gelu(x + bias)), {who}")));
        println!("  forward + backward: {both:.2} × Burn's");
        println!(
            "  with bias, gelu and residual: fused {:.2}, dropout alone {:.2} × Burn's",
            of_fused / of_burn,
            of_dropout / of_burn
        );
    }
    Ok(())
}

/// The product of DropConnect, with a mask for each example and without, beside Burn's product of matrices.
fn products(device: &Device) -> Outcome<()> {
    for side in [512, 2048] {
        let normal = |rows| Tensor::<2>::random([rows, side], Distribution::Normal(0.0, 1.0), device);
        let (x, weights) = (&normal(BATCH), &normal(side));
        let connect = |p, step| -> Outcome<Vec<Tensor<2>>> {
            let mask = Dropout::new(p)?.mask(Key::new(42).with_step(step));
            let connect = DropConnect::new(mask, BATCH as u64, side as u64, side as u64)?;
            Ok(vec![drop_connect(weights.clone(), x.clone(), &connect)?])
        };
        let calls: Vec<(&str, Call)> = vec![
            ("DropConnect, p = 0.5", Box::new(|step| connect(0.5, step))),
            ("DropConnect, p = 0", Box::new(|step| connect(0.0, step))),
            ("matmul, Burn's", Box::new(|_| Ok(vec![x.clone().matmul(weights.clone().transpose())]))),
        ];
        let times = time(device, calls, 4)?;
        println!("{BATCH} examples, {side} inputs, {side} outputs, f32, ms a call, median of {ROUNDS}");
        for name in times.keys() {
            println!("  {name}: {:.2}", times[name] * 1e3);
        }
        println!("  without a mask: {:.2} × Burn's", times["DropConnect, p = 0"] / times["matmul, Burn's"]);
    }
    Ok(())
}

/// Seconds of each call: medians of rounds that alternate, in another order each.
fn time<'a>(device: &Device, mut calls: Vec<(&'a str, Call)>, repeats: u32) -> Outcome<HashMap<&'a str, f64>> {
    let mut samples: HashMap<&str, Vec<f64>> = HashMap::new();
    let mut step = 0;
    let count = calls.len();
    for round in 0..ROUNDS + WARM_UP {
        for turn in 0..count {
            let (name, call) = &mut calls[(turn + round) % count];
            device.sync()?;
            let start = Instant::now();
            for _ in 0..repeats {
                step += 1;
                let outputs = call(step)?;
                device.flush()?;
                black_box(outputs);
            }
            device.sync()?;
            if round >= WARM_UP {
                samples.entry(name).or_default().push(start.elapsed().as_secs_f64() / f64::from(repeats));
            }
        }
    }
    Ok(samples.into_iter().map(|(name, of)| (name, median(of))).collect())
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Bytes in use after forward, over those of the output: what a layer holds until backward.
fn memory(device: &Device) -> Outcome<()> {
    let training = device.clone().autodiff();
    let n = 1 << 22;
    let used = || -> Outcome<i64> {
        device.sync()?;
        Ok(device.memory_pool_usage().ok_or("this device does not count its memory")?.bytes_in_use.cast_signed())
    };
    let burns = nn::DropoutConfig::new(P).init();
    let ours = DropoutConfig::new(P).init(&mut Layers::new());
    // The output of an operation before, of which none keeps its output itself: what is held is the layer's.
    let measure = |forward: &dyn Fn(Tensor<1>) -> Tensor<1>| -> Outcome<i64> {
        let x = Tensor::<1>::ones([n], &training).require_grad();
        device.flush()?;
        let before = used()?;
        let y = forward(x.clone());
        device.flush()?;
        let held = used()? - before - 4 * n as i64;
        let gradients = y.sum().backward();
        black_box(x.grad(&gradients).ok_or("there is a gradient")?.into_data());
        Ok(held)
    };
    for (name, forward) in [
        ("ours", &(|x| ours.forward(x, Keys::new(1))) as &dyn Fn(Tensor<1>) -> Tensor<1>),
        ("Burn's", &|x| burns.forward(x)),
    ] {
        measure(forward)?;
        println!("2^22 elements of f32, bytes held until backward, {name}: {}", measure(forward)?);
    }
    Ok(())
}

/// Whose dropout a network has.
#[derive(Clone, Copy)]
enum Whose {
    Ours,
    /// Ours, with the bias and the activation before it in one pass.
    Fused,
    Burns,
}

/// 64-1024-1024-10, with dropout of one kind or another.
#[derive(Module, Debug)]
struct Mlp {
    layers: [Linear; 3],
    dropouts: [AnyDropout; 2],
}

#[derive(Module, Debug)]
enum AnyDropout {
    Ours(wgpu_dropout_burn::Dropout),
    Fused(FusedDropout),
    Burns(nn::Dropout),
}

impl Mlp {
    fn new(width: usize, whose: Whose, device: &Device) -> Self {
        let mut numbers = Layers::new();
        let hidden = |from| LinearConfig::new(from, width).with_bias(!matches!(whose, Whose::Fused)).init(device);
        let dropouts = [0.5; 2].map(|p| match whose {
            Whose::Ours => AnyDropout::Ours(DropoutConfig::new(p).init(&mut numbers)),
            Whose::Fused => {
                AnyDropout::Fused(FusedDropoutConfig::new(p, width).init(Activation::Relu, &mut numbers, device))
            }
            Whose::Burns => AnyDropout::Burns(nn::DropoutConfig::new(p).init()),
        });
        Self { layers: [hidden(64), hidden(width), LinearConfig::new(width, 10).init(device)], dropouts }
    }

    fn forward(&self, x: Tensor<2>, keys: Keys) -> Tensor<2> {
        let [first, second, last] = &self.layers;
        let drop = |i: usize, x| match &self.dropouts[i] {
            AnyDropout::Ours(dropout) => dropout.forward(relu(x), keys),
            AnyDropout::Fused(dropout) => dropout.forward(x, None, keys),
            AnyDropout::Burns(dropout) => dropout.forward(relu(x)),
        };
        last.forward(drop(1, second.forward(drop(0, first.forward(x)))))
    }
}

const BATCH: usize = 64;

/// A training that goes on epoch by epoch.
struct Training<'a> {
    network: Mlp,
    optimizer: ModuleOptimizer,
    keys: Keys,
    digits: &'a [Digit],
    device: Device,
}

impl Training<'_> {
    fn epoch(mut self, epoch: u32) -> Outcome<Self> {
        let loss_of = CrossEntropyLossConfig::new().init(&self.device);
        for (number, digits) in self.digits.chunks(BATCH).enumerate() {
            let step = epoch * self.digits.len().div_ceil(BATCH) as u32 + number as u32;
            let (pictures, labels) = batch(digits, &self.device);
            let loss = loss_of.forward(self.network.forward(pictures, self.keys.with_step(step)), labels);
            let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
            self.network = self.optimizer.step(1e-3, self.network, gradients);
        }
        self.device.sync()?;
        Ok(self)
    }
}

fn training<'a>(width: usize, seed: u64, whose: Whose, digits: &'a [Digit], device: &Device) -> Training<'a> {
    let device = device.clone().autodiff();
    device.seed(seed);
    let network = Mlp::new(width, whose, &device);
    Training { network, optimizer: AdamConfig::new().init(), keys: Keys::new(seed), digits, device }
}

fn epochs(device: &Device) -> Outcome<()> {
    let (learnt, _) = read()?;
    let [mut ours, mut fused, mut burns] =
        [Whose::Ours, Whose::Fused, Whose::Burns].map(|whose| training(1024, 1, whose, &learnt, device));
    let mut seconds = [vec![], vec![], vec![]];
    for epoch in 0..8 {
        ours = timed(ours, epoch, &mut seconds[0])?;
        fused = timed(fused, epoch, &mut seconds[1])?;
        burns = timed(burns, epoch, &mut seconds[2])?;
    }
    // The first compiles kernels.
    for (i, clock) in ["wall", "CPU"].into_iter().enumerate() {
        let [ours, fused, burns] =
            seconds.each_ref().map(|of| median(of[1..].iter().map(|clocks| clocks[i]).collect()));
        println!(
            "MLP 64-1024-1024-10, {} digits, {clock} seconds an epoch, median of 7: Burn's {burns:.2}, ours {ours:.2}: {:.2} ×, \
             fused with bias and relu {fused:.2}: {:.2} ×",
            learnt.len(),
            ours / burns,
            fused / burns,
        );
    }
    Ok(())
}

fn timed<'a>(training: Training<'a>, epoch: u32, seconds: &mut Vec<[f64; 2]>) -> Outcome<Training<'a>> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let training = training.epoch(epoch)?;
    seconds.push([start.elapsed().as_secs_f64(), cpu_seconds() - cpu]);
    Ok(training)
}

/// Held-out digits that are right, for each seed, and the t statistic of the difference of pairs.
fn accuracy(device: &Device) -> Outcome<()> {
    let (learnt, held_out) = read()?;
    let mut differences = vec![];
    for seed in 0..20 {
        let mut right = [0.0; 2];
        for (right, whose) in right.iter_mut().zip([Whose::Ours, Whose::Burns]) {
            let mut training = training(256, seed, whose, &learnt, device);
            for epoch in 0..10 {
                training = training.epoch(epoch)?;
            }
            let (pictures, labels) = batch(&held_out, device);
            let guesses = training.network.valid().forward(pictures, Keys::new(seed)).argmax(1).flatten::<1>(0, 1);
            *right = 100.0 * f64::from(guesses.equal(labels).int().sum().into_scalar::<i32>()) / held_out.len() as f64;
        }
        println!("MLP 64-256-256-10, 10 epochs, seed {seed}: ours {:.2} %, Burn's {:.2} %", right[0], right[1]);
        differences.push(right[0] - right[1]);
    }
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|of| (of - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = mean / (variance / n).sqrt();
    println!("difference {mean:+.2} points on average, t = {t:+.2} with 19 degrees of freedom (5 % beyond ±2.09)");
    Ok(())
}

/// What the process has computed, where Linux says so: on a machine that others use too, the steadier clock of a device that is
/// its processor.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
