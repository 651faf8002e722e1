use crate::{
    Error, Pass, Place,
    pass::{Need, Needs, Stored, Work},
    role::Role,
};

/// Mean and variance over Monte Carlo samples, streaming: whoever keeps dropout on at inference (Gal & Ghahramani, *Dropout
/// as a Bayesian approximation*, ICML 2016) and has drawn T outputs gets what they have in common, and how far they differ.
///
/// Two accumulators of f32, one element for each element of an output, hold the mean and M₂, the sum of squared deviations
/// from it. Their size does not depend on the number of samples. How many they hold is the host's to know:
/// [`with_count`](Self::with_count). Samples may come in any number of passes, and accumulators from several devices
/// [merge](Self::merge).
///
/// ```
/// use wgpu_dropout::{Statistics, reference};
///
/// let (mut mean, mut m2, mut variance) = ([0.0_f32; 2], [0.0_f32; 2], [0.0_f32; 2]);
/// let statistics = Statistics::new(2);
/// reference::run_pass(statistics.update(&[1.0_f32, 10.0, 3.0, 10.0][..], &mut mean[..], &mut m2[..]))?; // two samples
/// let statistics = statistics.with_count(2);
/// reference::run_pass(statistics.update(&[5.0_f32, 10.0][..], &mut mean[..], &mut m2[..]))?; // and a third
/// reference::run_pass(statistics.with_count(3).variance(&m2[..], &mut variance[..]))?;
/// assert_eq!(mean, [3.0, 10.0]);
/// assert_eq!(variance, [8.0 / 3.0, 0.0]);
/// # Ok::<(), wgpu_dropout::Error>(())
/// ```
///
/// # Accuracy
///
/// Samples are added as Welford does (*Technometrics* 4, 1962), relative to the mean so far or to the first sample, and sets
/// of samples merge as Chan, Golub & `LeVeque` do (*COMPSTAT* 1982); a large mean costs no digits. For σ the standard
/// deviation of all the samples, beside binary64, where a pass of more than 4,096 samples, or of more than the device binds
/// at once, counts as several:
///
/// - the mean is within 10⁻⁵·σ, or 10⁻⁶·σ for up to 1000 samples, and for each pass one rounding of the mean itself:
///   2⁻²⁴·|mean|;
/// - the variance is within 10⁻⁵·σ² and, for each pass after the first, 2⁻²²·|mean|·σ: that is what the rounded means cost.
///
/// Accumulators have the range of f32. A sample that is not finite makes mean and M₂ of its element NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Statistics {
    elements: u64,
    count: u64,
}

impl Statistics {
    /// Of outputs of so many elements. The accumulators hold no samples yet, and what is in them does not matter.
    pub const fn new(elements: u64) -> Self {
        Self { elements, count: 0 }
    }

    /// Says how many samples the accumulators hold.
    #[must_use]
    pub const fn with_count(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// Elements of an output, and of each accumulator.
    pub const fn elements(&self) -> u64 {
        self.elements
    }

    /// How many samples the accumulators hold.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Adds samples, T × elements (row-major), to the accumulators `mean` and `m2`, which then hold T more. T is what
    /// `samples` has room for, any number. Samples are of any [`Dtype`](crate::Dtype), accumulators of f32.
    pub fn update<P: Place>(self, samples: impl Into<P>, mean: impl Into<P>, m2: impl Into<P>) -> Pass<P> {
        let samples = samples.into();
        let step = StatisticsStep::Update { samples: samples_in(&samples, self.elements) };
        Self::pass(self, step).with(Role::Input, samples).with(Role::Mean, mean).with(Role::M2, m2)
    }

    /// Adds the samples of other accumulators, of which there are `other_count`, to `mean` and `m2`: from another device,
    /// or another part of the samples.
    pub fn merge<P: Place>(
        self,
        other_mean: impl Into<P>,
        other_m2: impl Into<P>,
        other_count: u64,
        mean: impl Into<P>,
        m2: impl Into<P>,
    ) -> Pass<P> {
        Self::pass(self, StatisticsStep::Merge { other_count })
            .with(Role::OtherMean, other_mean)
            .with(Role::OtherM2, other_m2)
            .with(Role::Mean, mean)
            .with(Role::M2, m2)
    }

    /// The variance M₂/T of the T samples that the accumulators hold: that of the samples, as NumPy's `var` gives it, not an
    /// estimate for others. `variance` may be the place of `m2`.
    ///
    /// It fails with [`Error::Number`] where they hold none.
    pub fn variance<P: Place>(self, m2: impl Into<P>, variance: impl Into<P>) -> Pass<P> {
        Self::pass(self, StatisticsStep::Variance).with(Role::Input, m2).with(Role::Output, variance)
    }

    fn pass<P: Place>(self, step: StatisticsStep) -> Pass<P> {
        Pass::new(Work::Statistics(StatisticsWork { statistics: self, step }))
    }
}

/// How many samples of so many elements a tensor has room for.
pub(crate) fn samples_in(samples: &impl Place, elements: u64) -> u64 {
    (samples.bytes() / samples.dtype().size()).checked_div(elements).unwrap_or(0)
}

/// A pass over accumulators.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StatisticsWork {
    pub(crate) statistics: Statistics,
    pub(crate) step: StatisticsStep,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum StatisticsStep {
    Update { samples: u64 },
    Merge { other_count: u64 },
    Variance,
}

impl StatisticsWork {
    pub(crate) fn needs(&self) -> Needs {
        let remedy = "it must have an element for each element of an output";
        let elements = self.statistics.elements;
        let of = |role| Need::new(role, Stored::F32(elements), remedy);
        let updated = |role| Need { is_updated: self.statistics.count > 0, ..of(role) };
        match self.step {
            StatisticsStep::Update { samples } => {
                let samples = elements.saturating_mul(samples);
                let remedy = "it must have whole samples, each of as many elements as an output";
                let samples = Need::new(Role::Input, Stored::Elements(samples), remedy);
                Needs::from_iter([samples, updated(Role::Mean), updated(Role::M2)])
            }
            StatisticsStep::Merge { .. } => {
                Needs::from_iter([of(Role::OtherMean), of(Role::OtherM2), updated(Role::Mean), updated(Role::M2)])
            }
            StatisticsStep::Variance => Needs::from_iter([of(Role::Input), of(Role::Output)]),
        }
    }

    pub(crate) const fn describe(&self) -> (&'static str, &'static str) {
        match self.step {
            StatisticsStep::Update { .. } => ("update of statistics", "samples, a mean and an M2"),
            StatisticsStep::Merge { .. } => ("merging of statistics", "two means and two M2"),
            StatisticsStep::Variance => ("variance", "an M2 and a variance"),
        }
    }

    pub(crate) const fn runs_in_place(&self) -> bool {
        matches!(self.step, StatisticsStep::Variance)
    }

    /// An error for the variance of no samples.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.step == StatisticsStep::Variance && self.statistics.count == 0 {
            let remedy = "say with Statistics::with_count how many the accumulators hold";
            return Err(Error::Number { what: "samples", value: 0, remedy });
        }
        Ok(())
    }
}

/// What merging weighs with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    /// Samples that were there, as far as a device counts.
    pub(crate) earlier: f64,
    /// The part of all samples that is new.
    pub(crate) new: f64,
    /// What the square of the means' distance counts: c·T/(c + T) for c samples and T new ones.
    pub(crate) distance: f64,
}

impl Weights {
    pub(crate) fn of(earlier: u64, new: u64) -> Self {
        let (earlier, new) = (earlier as f64, new as f64);
        let part = if new == 0.0 { 0.0 } else { new / (earlier + new) };
        Self { earlier, new: part, distance: earlier * part }
    }
}
