//! Monte Carlo dropout: samples of a module's output, and what they say, without keeping them.

use std::ops::Range;

use burn::{
    backend::{Dispatch, TensorMetadata},
    tensor::{DType, Tensor},
};

use crate::{
    Error, Keys,
    backend::{DropoutBackend, check_device, dtype},
    pass::{PassWork, Tensors},
};

/// Predictions with uncertainty: a module runs once for each sample, with dropout on and all else in evaluation (Gal &
/// Ghahramani, *Dropout as a Bayesian approximation*, ICML 2016).
///
/// Evaluation in Burn is a device without autodiff: [`valid`](burn::module::Module::valid) of the module, and inputs on it. There
/// the keys of samples alone turn the layers of this crate on, so that batch norm takes its running statistics; to run the
/// module in training for its dropout would make them those of the batch, and change them. A layer that is frozen stays off, and
/// Burn's own dropout is always off.
///
/// Samples become [`Statistics`] or [`Uncertainty`] on the device one by one, in memory that does not depend on their number.
/// Samples of several ranges, devices or models (an ensemble) [merge](Statistics::merge).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// use wgpu_dropout_burn::{Dropout, DropoutConfig, Keys, Layers, MonteCarlo};
///
/// #[derive(Module, Debug)]
/// struct Model {
///     dropout: Dropout,
///     output: Linear,
/// }
///
/// impl Model {
///     fn forward(&self, x: Tensor<2>, keys: Keys) -> Tensor<2> {
///         self.output.forward(self.dropout.forward(x, keys))
///     }
/// }
///
/// let device = Device::flex();
/// let model = Model {
///     dropout: DropoutConfig::new(0.5).init(&mut Layers::new()),
///     output: LinearConfig::new(64, 10).init(&device.clone().autodiff()),
/// };
/// // … trained; and then
/// let model = model.valid();
/// let x = Tensor::ones([8, 64], &device);
/// let samples = MonteCarlo::new(Keys::new(42), 0..30)?;
/// let uncertainty = samples.uncertainty(|keys| model.forward(x.clone(), keys))?;
/// let entropies = uncertainty.entropies()?;
/// let [probability, information] = [uncertainty.mean_probability()?.dims()[1], entropies.mutual_information.dims()[0]];
/// assert_eq!([probability, information], [10, 8]);
/// # }
/// # Ok::<(), wgpu_dropout_burn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonteCarlo {
    keys: Keys,
    samples: Range<u32>,
}

impl MonteCarlo {
    /// Samples of these numbers. The sample of `keys` itself does not matter; another step gives others.
    ///
    /// # Errors
    /// [`Error::Dropout`] where they reach past the last of a key's 65,536 samples.
    pub fn new(keys: Keys, samples: Range<u32>) -> Result<Self, Error> {
        let (first, count) = (samples.start.into(), samples.len() as u64);
        if samples.end > 1 << 16 {
            return Err(wgpu_dropout::Error::Samples { first, count }.into());
        }
        Ok(Self { keys, samples })
    }

    /// The keys of each sample, in order, for whoever runs the module otherwise.
    pub fn keys(&self) -> impl Iterator<Item = Keys> + use<> {
        let keys = self.keys.with_sampling(true);
        #[expect(clippy::cast_possible_truncation, reason = "none is past the last of 65,536 samples")]
        self.samples.clone().map(move |sample| keys.with_sample(sample as u16))
    }

    /// Mean and variance of what `module` gives for each sample's keys.
    ///
    /// # Errors
    /// As [`Statistics::update`].
    pub fn statistics<const D: usize>(
        &self,
        mut module: impl FnMut(Keys) -> Tensor<D>,
    ) -> Result<Statistics<D>, Error> {
        self.keys().try_fold(Statistics::new(), |statistics, keys| statistics.update(module(keys)))
    }

    /// How uncertain a classifier is that gives logits for each sample's keys.
    ///
    /// # Errors
    /// As [`Uncertainty::update`].
    pub fn uncertainty(&self, mut module: impl FnMut(Keys) -> Tensor<2>) -> Result<Uncertainty, Error> {
        self.keys().try_fold(Uncertainty::new(), |uncertainty, keys| uncertainty.update(module(keys)))
    }
}

/// Mean and variance over samples of a tensor, on its device: two accumulators of f32, of the tensor's size each, however many
/// samples there are. [`wgpu_dropout::Statistics`] says how they are computed, and how accurate they are.
#[derive(Clone, Debug)]
pub struct Statistics<const D: usize> {
    accumulators: Accumulators<D, D>,
}

impl<const D: usize> Statistics<D> {
    /// Of no samples yet.
    pub const fn new() -> Self {
        Self { accumulators: Accumulators::NONE }
    }

    /// With one sample more, of f32, f16 or bf16.
    ///
    /// # Errors
    /// [`Error::Shape`] where it has another shape than those before, [`Error::Gradients`] on a device with autodiff,
    /// [`Error::Dtype`], [`Error::Backend`].
    pub fn update(self, sample: Tensor<D>) -> Result<Self, Error> {
        check(&sample)?;
        let elements = sample.shape().num_elements();
        let work = |count| Ok(PassWork::Statistics(of_elements(elements, count)));
        Ok(Self { accumulators: self.accumulators.update(sample.clone(), sample.dims(), work)? })
    }

    /// With the samples of another one: of a part of the samples, another device, or another model of an ensemble. The result is
    /// on this one's device.
    ///
    /// # Errors
    /// [`Error::Shape`] where the shapes differ.
    pub fn merge(self, other: Self) -> Result<Self, Error> {
        let work = |[elements, _]: [usize; 2], count, other_count| {
            Ok(PassWork::MergeStatistics { statistics: of_elements(elements, count), other_count })
        };
        Ok(Self { accumulators: self.accumulators.merge(other.accumulators, work)? })
    }

    /// How many samples there are.
    pub const fn count(&self) -> u64 {
        self.accumulators.count
    }

    /// Their mean, of f32.
    ///
    /// # Errors
    /// [`Error::NoSamples`].
    pub fn mean(&self) -> Result<Tensor<D>, Error> {
        Ok(self.accumulators.get()?.0)
    }

    /// Their variance, of f32: of the samples themselves, as NumPy's `var` gives it, not an estimate for others.
    ///
    /// # Errors
    /// [`Error::NoSamples`].
    pub fn variance(&self) -> Result<Tensor<D>, Error> {
        let (_, m2) = self.accumulators.get()?;
        let work = PassWork::Variance(of_elements(m2.shape().num_elements(), self.count()));
        if m2.shape().num_elements() == 0 {
            return Ok(m2);
        }
        match run(Tensors::One(m2.into_dispatch()), work) {
            Tensors::One(variance) => Ok(Tensor::from_dispatch(variance)),
            _ => unreachable!("it has one output"),
        }
    }
}

impl<const D: usize> Default for Statistics<D> {
    fn default() -> Self {
        Self::new()
    }
}

fn of_elements(elements: usize, count: u64) -> wgpu_dropout::Statistics {
    wgpu_dropout::Statistics::new(elements as u64).with_count(count)
}

/// How uncertain a classifier is, from samples of its logits, on their device: the mean probability and the mean entropy of each
/// row, in f32, however many samples there are. [`wgpu_dropout::Uncertainty`] says how they are computed, and how accurate they
/// are.
#[derive(Clone, Debug)]
pub struct Uncertainty {
    accumulators: Accumulators<2, 1>,
}

/// What samples of logits say of each row, in nats.
#[derive(Clone, Debug)]
pub struct Entropies {
    /// Entropy of the mean probability: all of the uncertainty.
    pub predictive_entropy: Tensor<1>,
    /// Mean entropy: what more data would not take away (aleatoric).
    pub expected_entropy: Tensor<1>,
    /// The difference: what the model does not know (epistemic), also called BALD.
    pub mutual_information: Tensor<1>,
}

impl Uncertainty {
    /// Of no samples yet.
    pub const fn new() -> Self {
        Self { accumulators: Accumulators::NONE }
    }

    /// With one sample of logits more, `[rows, classes]` of f32, f16 or bf16.
    ///
    /// # Errors
    /// [`Error::Shape`] where it has another shape than those before, [`Error::Dropout`] for no classes, [`Error::Gradients`] on a
    /// device with autodiff, [`Error::Dtype`], [`Error::Backend`].
    pub fn update(self, logits: Tensor<2>) -> Result<Self, Error> {
        check(&logits)?;
        let shape @ [rows, _] = logits.dims();
        let work = |count| Ok(PassWork::Uncertainty(of_logits(shape, count)?));
        Ok(Self { accumulators: self.accumulators.update(logits, [rows], work)? })
    }

    /// With the samples of another one: of a part of the samples, another device, or another model of an ensemble. The result is
    /// on this one's device.
    ///
    /// # Errors
    /// [`Error::Shape`] where the shapes differ.
    pub fn merge(self, other: Self) -> Result<Self, Error> {
        let work = |[elements, rows]: [usize; 2], count, other_count| {
            let uncertainty = of_logits([rows, elements.checked_div(rows).unwrap_or(0)], count)?;
            Ok(PassWork::MergeUncertainty { uncertainty, other_count })
        };
        Ok(Self { accumulators: self.accumulators.merge(other.accumulators, work)? })
    }

    /// How many samples there are.
    pub const fn count(&self) -> u64 {
        self.accumulators.count
    }

    /// The mean of the samples' probabilities, `[rows, classes]`: the prediction.
    ///
    /// # Errors
    /// [`Error::NoSamples`].
    pub fn mean_probability(&self) -> Result<Tensor<2>, Error> {
        Ok(self.accumulators.get()?.0)
    }

    /// The entropies of each row.
    ///
    /// # Errors
    /// [`Error::NoSamples`].
    pub fn entropies(&self) -> Result<Entropies, Error> {
        let (probability, entropy) = self.accumulators.get()?;
        let work = PassWork::Entropies(of_logits(probability.dims(), self.count())?);
        let [predictive_entropy, expected_entropy, mutual_information] = if entropy.dims() == [0] {
            [(); 3].map(|()| entropy.clone())
        } else {
            match run(Tensors::Two(probability.into_dispatch(), entropy.into_dispatch()), work) {
                Tensors::Three(predictive, expected, information) => {
                    [predictive, expected, information].map(Tensor::from_dispatch)
                }
                _ => unreachable!("it has three outputs"),
            }
        };
        Ok(Entropies { predictive_entropy, expected_entropy, mutual_information })
    }
}

impl Default for Uncertainty {
    fn default() -> Self {
        Self::new()
    }
}

fn of_logits([rows, classes]: [usize; 2], count: u64) -> Result<wgpu_dropout::Uncertainty, Error> {
    Ok(wgpu_dropout::Uncertainty::new(rows as u64, classes as u64)?.with_count(count))
}

/// Two tensors of f32 in which samples are gathered, and how many there are.
#[derive(Clone, Debug)]
struct Accumulators<const D: usize, const E: usize> {
    both: Option<(Tensor<D>, Tensor<E>)>,
    count: u64,
}

impl<const D: usize, const E: usize> Accumulators<D, E> {
    const NONE: Self = Self { both: None, count: 0 };

    fn get(&self) -> Result<(Tensor<D>, Tensor<E>), Error> {
        self.both.clone().ok_or(Error::NoSamples)
    }

    fn update(
        self,
        sample: Tensor<D>,
        of_second: [usize; E],
        work: impl FnOnce(u64) -> Result<PassWork, Error>,
    ) -> Result<Self, Error> {
        let (first, second) = self.both.unwrap_or_else(|| {
            let (device, dtype) = (sample.device(), DType::F32);
            (Tensor::zeros(sample.dims(), (&device, dtype)), Tensor::zeros(of_second, (&device, dtype)))
        });
        check_same(&sample, &first)?;
        let (work, count) = (work(self.count)?, self.count + 1);
        if sample.shape().num_elements() == 0 {
            return Ok(Self { both: Some((first, second)), count });
        }
        let inputs = Tensors::Three(sample.into_dispatch(), first.into_dispatch(), second.into_dispatch());
        Ok(Self { both: Some(run_on(inputs, work)), count })
    }

    fn merge(
        self,
        other: Self,
        work: impl FnOnce([usize; 2], u64, u64) -> Result<PassWork, Error>,
    ) -> Result<Self, Error> {
        let (Some((first, second)), Some((other_first, other_second))) = (self.both.clone(), other.both.clone()) else {
            return Ok(if self.both.is_some() { self } else { other });
        };
        check_same(&other_first, &first)?;
        let elements = [first.shape().num_elements(), second.shape().num_elements()];
        let count = self.count + other.count;
        let work = work(elements, self.count, other.count)?;
        if elements.contains(&0) {
            return Ok(Self { count, ..self });
        }
        // Where they are ours alone, they are computed in place.
        drop((self, other));
        let device = first.device();
        let inputs = Tensors::Four(
            other_first.to_device(&device).into_dispatch(),
            other_second.to_device(&device).into_dispatch(),
            first.into_dispatch(),
            second.into_dispatch(),
        );
        Ok(Self { both: Some(run_on(inputs, work)), count })
    }
}

fn run_on<const D: usize, const E: usize>(inputs: Tensors<Dispatch>, work: PassWork) -> (Tensor<D>, Tensor<E>) {
    match run(inputs, work) {
        Tensors::Two(first, second) => (Tensor::from_dispatch(first), Tensor::from_dispatch(second)),
        _ => unreachable!("it has two outputs"),
    }
}

fn run(inputs: Tensors<Dispatch>, work: PassWork) -> Tensors<Dispatch> {
    <Dispatch as DropoutBackend>::dropout_pass(inputs, work)
}

fn check<const D: usize>(sample: &Tensor<D>) -> Result<(), Error> {
    dtype(sample.dtype())?;
    if sample.device().is_autodiff() {
        return Err(Error::Gradients);
    }
    check_device(&sample.clone().into_dispatch().device(), None)
}

fn check_same<const D: usize>(tensor: &Tensor<D>, earlier: &Tensor<D>) -> Result<(), Error> {
    let (found, expected) = (tensor.dims(), earlier.dims());
    if found == expected {
        return Ok(());
    }
    let expected = expected.iter().map(|&extent| extent as u64).collect();
    Err(Error::Shape { what: "a sample", expected, found: found.to_vec() })
}
