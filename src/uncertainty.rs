use crate::{
    Error, Pass, Place,
    pass::{Need, Needs, Stored, Work},
    role::Role,
    statistics::samples_in,
};

/// How uncertain a classifier is, from Monte Carlo samples of its logits, streaming. For the T samples' probabilities
/// p = softmax(logits), in nats:
///
/// | | |
/// |---|---|
/// | predictive entropy | H(mean of p): all of the uncertainty |
/// | expected entropy | mean of H(p): what more data would not take away (aleatoric) |
/// | mutual information | the difference, never below 0: what the model does not know (epistemic), also called BALD |
///
/// After Depeweg et al. (*Decomposition of uncertainty in Bayesian deep learning*, ICML 2018) and Houlsby et al. (*Bayesian
/// active learning for classification and preference learning*, 2011).
///
/// Two accumulators of f32 hold the mean probability, rows × classes, and the mean entropy, one for each row; their size does
/// not depend on the number of samples, and how many they hold is the host's to know: [`with_count`](Self::with_count).
///
/// ```
/// use wgpu_dropout::{Uncertainty, reference};
///
/// let uncertainty = Uncertainty::new(1, 2)?;
/// let (mut probability, mut entropy) = ([0.0_f32; 2], [0.0_f32; 1]);
/// // Two samples, each certain, that contradict each other.
/// let logits = [1000.0_f32, 0.0, 0.0, 1000.0];
/// reference::run_pass(uncertainty.update(&logits[..], &mut probability[..], &mut entropy[..]))?;
/// let (mut predictive, mut expected, mut information) = ([0.0_f32; 1], [0.0_f32; 1], [0.0_f32; 1]);
/// reference::run_pass(uncertainty.finish(
///     &probability[..], &entropy[..], &mut predictive[..], &mut expected[..], &mut information[..],
/// ))?;
/// assert_eq!(probability, [0.5, 0.5]);
/// assert_eq!((predictive[0], expected[0]), (2.0_f32.ln(), 0.0));
/// assert_eq!(information[0], 2.0_f32.ln());
/// # Ok::<(), wgpu_dropout::Error>(())
/// ```
///
/// # Accuracy
///
/// The largest logit is subtracted before the exponential, so that no logit is too large; one of −∞ has probability 0, and
/// 0·log 0 is 0. A row with NaN, with +∞, or with nothing but −∞ gives NaN. Beside binary64, for up to 65,536 classes and
/// 1000 samples, a mean probability is within 2·10⁻⁶ relative + 10⁻⁷, and entropies and mutual information are within 10⁻⁵.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Uncertainty {
    rows: u64,
    classes: u64,
    count: u64,
}

impl Uncertainty {
    /// Of so many rows of logits, one for each class. The accumulators hold no samples yet, and what is in them does not
    /// matter.
    ///
    /// # Errors
    /// [`Error::Number`] for no classes, [`Error::TooLarge`] for 2⁶⁴ probabilities and more. On a device a row has at most 2²²
    /// classes.
    pub fn new(rows: u64, classes: u64) -> Result<Self, Error> {
        if classes == 0 {
            return Err(Error::Number { what: "classes", value: 0, remedy: "give logits with at least one" });
        }
        if rows.checked_mul(classes).is_none() {
            return Err(Error::TooLarge { bytes: u64::MAX, limit: u64::MAX, what: "bytes of all probabilities" });
        }
        Ok(Self { rows, classes, count: 0 })
    }

    /// Says how many samples the accumulators hold.
    #[must_use]
    pub const fn with_count(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// Rows of logits in a sample.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Classes of a row.
    pub const fn classes(&self) -> u64 {
        self.classes
    }

    /// How many samples the accumulators hold.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Adds samples of logits, T × rows × classes (row-major), to the accumulators `probability` and `entropy`, which then
    /// hold T more. T is what `logits` has room for, any number. Logits are of any [`Dtype`](crate::Dtype), accumulators of
    /// f32.
    pub fn update<P: Place>(self, logits: impl Into<P>, probability: impl Into<P>, entropy: impl Into<P>) -> Pass<P> {
        let logits = logits.into();
        let step = UncertaintyStep::Update { samples: samples_in(&logits, self.rows * self.classes) };
        Self::pass(self, step)
            .with(Role::Input, logits)
            .with(Role::Probability, probability)
            .with(Role::Entropy, entropy)
    }

    /// Adds the samples of other accumulators, of which there are `other_count`, to `probability` and `entropy`: from another
    /// device, or another part of the samples.
    pub fn merge<P: Place>(
        self,
        other_probability: impl Into<P>,
        other_entropy: impl Into<P>,
        other_count: u64,
        probability: impl Into<P>,
        entropy: impl Into<P>,
    ) -> Pass<P> {
        Self::pass(self, UncertaintyStep::Merge { other_count })
            .with(Role::OtherProbability, other_probability)
            .with(Role::OtherEntropy, other_entropy)
            .with(Role::Probability, probability)
            .with(Role::Entropy, entropy)
    }

    /// What the accumulators say, for each row: the predictive entropy, the expected entropy, and the mutual information, in
    /// nats. All of f32.
    pub fn finish<P: Place>(
        self,
        probability: impl Into<P>,
        entropy: impl Into<P>,
        predictive_entropy: impl Into<P>,
        expected_entropy: impl Into<P>,
        mutual_information: impl Into<P>,
    ) -> Pass<P> {
        Self::pass(self, UncertaintyStep::Finish)
            .with(Role::Input, probability)
            .with(Role::Other, entropy)
            .with(Role::PredictiveEntropy, predictive_entropy)
            .with(Role::ExpectedEntropy, expected_entropy)
            .with(Role::MutualInformation, mutual_information)
    }

    fn pass<P: Place>(self, step: UncertaintyStep) -> Pass<P> {
        Pass::new(Work::Uncertainty(UncertaintyWork { uncertainty: self, step }))
    }
}

/// A pass over accumulators.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct UncertaintyWork {
    pub(crate) uncertainty: Uncertainty,
    pub(crate) step: UncertaintyStep,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum UncertaintyStep {
    Update { samples: u64 },
    Merge { other_count: u64 },
    Finish,
}

impl UncertaintyWork {
    pub(crate) fn needs(&self) -> Needs {
        let Uncertainty { rows, classes, count } = self.uncertainty;
        let of_rows = |role| Need::new(role, Stored::F32(rows), "it must have an element for each row");
        let of_classes =
            |role| Need::new(role, Stored::F32(rows * classes), "it must have an element for each class of each row");
        let updated = |need| Need { is_updated: count > 0, ..need };
        let accumulators = [updated(of_classes(Role::Probability)), updated(of_rows(Role::Entropy))];
        match self.step {
            UncertaintyStep::Update { samples } => {
                let logits = (rows * classes).saturating_mul(samples);
                let remedy = "it must have whole samples, each with a logit for each class of each row";
                let logits = Need::new(Role::Input, Stored::Elements(logits), remedy);
                [logits].into_iter().chain(accumulators).collect()
            }
            UncertaintyStep::Merge { .. } => {
                let others = [of_classes(Role::OtherProbability), of_rows(Role::OtherEntropy)];
                others.into_iter().chain(accumulators).collect()
            }
            UncertaintyStep::Finish => Needs::from_iter([
                of_classes(Role::Input),
                of_rows(Role::Other),
                of_rows(Role::PredictiveEntropy),
                of_rows(Role::ExpectedEntropy),
                of_rows(Role::MutualInformation),
            ]),
        }
    }

    pub(crate) const fn describe(&self) -> (&'static str, &'static str) {
        match self.step {
            UncertaintyStep::Update { .. } => ("update of uncertainty", "logits, a probability and an entropy"),
            UncertaintyStep::Merge { .. } => ("merging of uncertainty", "two probabilities and two entropies"),
            UncertaintyStep::Finish => {
                ("entropies", "a probability and an entropy, and the three outputs that are computed from them")
            }
        }
    }
}
