//! What a verdict is made of: a measured value beside what theory says, and what may lie between them by chance.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::number::{digits, grouped};

/// How often all statistical checks of one study together may fail by chance though the claim is true.
pub const FAMILY_WISE_RATE: f64 = 1e-6;

/// All the comparisons that share one error rate: each gets its part of it (Bonferroni).
#[derive(Clone, Copy, Debug)]
pub struct Family {
    comparisons: usize,
}

impl Family {
    /// All the comparisons of a study, counted before it is run.
    pub const fn of(comparisons: usize) -> Self {
        Self { comparisons }
    }

    /// How many standard errors a normal estimate may be off, on either side.
    pub fn deviations(self) -> f64 {
        Normal::standard().inverse_cdf(FAMILY_WISE_RATE / (2.0 * self.comparisons as f64)).abs()
    }

    /// The same for this estimate, of which the standard error may be an estimate too.
    fn deviations_of(self, estimate: &Estimate) -> f64 {
        let rate = FAMILY_WISE_RATE / (2.0 * self.comparisons as f64);
        match estimate.freedom.map(|freedom| StudentsT::new(0.0, 1.0, freedom)) {
            Some(Ok(student)) => student.inverse_cdf(rate).abs(),
            _ => self.deviations(),
        }
    }

    /// An interval around the estimate, for figures and tables.
    pub fn interval(self, estimate: &Estimate) -> (f64, f64) {
        let half = self.deviations_of(estimate) * estimate.error;
        (estimate.value - half, estimate.value + half)
    }

    fn words(self, deviations: f64) -> String {
        let total = digits(FAMILY_WISE_RATE, 1);
        match self.comparisons {
            1 => format!("false alarm {total}: ± {deviations:.2} standard errors"),
            count => {
                let each = digits(FAMILY_WISE_RATE / count as f64, 2);
                let count = grouped(count);
                format!("false alarm {total} over {count} comparisons, {each} each: ± {deviations:.2} standard errors")
            }
        }
    }
}

/// A measured value with its standard error.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub value: f64,
    pub error: f64,
    /// Degrees of freedom, where the standard error is measured too; else it is known.
    pub freedom: Option<f64>,
}

impl Estimate {
    /// A value whose standard error follows from theory.
    pub const fn known(value: f64, error: f64) -> Self {
        Self { value, error, freedom: None }
    }

    /// The mean of independent measurements: two at least.
    pub fn mean(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { value: mean, error: (squares / (n - 1.0) / n).sqrt(), freedom: Some(n - 1.0) }
    }

    /// What a function makes of sums over independent parts, with the standard error from leaving out one part at a time: the
    /// jackknife. `statistic` is given the parts that are left.
    pub fn jackknife<T>(parts: &[T], statistic: impl Fn(&mut dyn Iterator<Item = &T>) -> f64) -> Self {
        let n = parts.len() as f64;
        let without = |left_out: usize| {
            statistic(&mut parts.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, part)| part))
        };
        let values: Vec<f64> = (0..parts.len()).map(without).collect();
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let value = statistic(&mut parts.iter());
        Self { value, error: (squares * (n - 1.0) / n).sqrt(), freedom: Some(n - 1.0) }
    }

    /// A share of independent trials, with the standard error that it has where the share is `expected`.
    pub fn share(count: usize, trials: usize, expected: f64) -> Self {
        Self::known(count as f64 / trials as f64, (expected * (1.0 - expected) / trials as f64).sqrt())
    }

    /// The same in other units.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { value: self.value * factor, error: self.error * factor.abs(), ..self }
    }
}

/// One line of a verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What is compared, in words.
    pub what: String,
    pub measured: f64,
    /// What theory says, where it says a value.
    pub theory: Option<f64>,
    /// Of what is measured, at the corrected level; or what it may be, where nothing is random.
    pub interval: [f64; 2],
    /// What the interval is: its error rate, or why it is so wide.
    pub because: String,
    pub holds: bool,
}

impl Check {
    /// Holds when the value of theory lies within the interval around the estimate.
    pub fn agrees(what: impl Into<String>, estimate: Estimate, theory: f64, family: Family) -> Self {
        let deviations = family.deviations_of(&estimate);
        let (low, high) = family.interval(&estimate);
        Self {
            what: what.into(),
            measured: estimate.value,
            theory: Some(theory),
            interval: [low, high],
            because: family.words(deviations),
            holds: (low..=high).contains(&theory),
        }
    }

    /// Holds when the largest of the distances from theory, in standard errors, is within what the family allows.
    pub fn all_agree(what: impl Into<String>, z: &[f64], family: Family) -> Self {
        let bound = family.deviations();
        // A distance that is not a number is no agreement.
        let worst = z.iter().map(|z| if z.is_nan() { f64::INFINITY } else { z.abs() }).fold(0.0, f64::max);
        Self {
            what: what.into(),
            measured: worst,
            theory: None,
            interval: [0.0, bound],
            because: family.words(bound),
            holds: !z.is_empty() && worst <= bound,
        }
    }

    /// Holds when each estimate agrees with its value of theory. What is measured is the largest distance, as a part of what
    /// the family allows: 1 is the edge of an interval.
    pub fn each_agrees(what: impl Into<String>, pairs: &[(Estimate, f64)], family: Family) -> Self {
        let part = |(estimate, theory): &(Estimate, f64)| {
            let allowed = family.deviations_of(estimate) * estimate.error;
            let part = (estimate.value - theory).abs() / allowed;
            if part.is_nan() { f64::INFINITY } else { part }
        };
        let worst = pairs.iter().map(part).fold(0.0, f64::max);
        let deviations = pairs.iter().map(|(estimate, _)| family.deviations_of(estimate)).fold(0.0, f64::max);
        Self {
            what: what.into(),
            measured: worst,
            theory: None,
            interval: [0.0, 1.0],
            because: format!("1 is the edge of an interval; {}", family.words(deviations)),
            holds: !pairs.is_empty() && worst <= 1.0,
        }
    }

    /// Holds when the whole interval around the estimate lies above the bound.
    pub fn above(what: impl Into<String>, estimate: Estimate, bound: f64, family: Family) -> Self {
        let (low, high) = family.interval(&estimate);
        Self {
            what: what.into(),
            measured: estimate.value,
            theory: None,
            interval: [low, high],
            because: format!("all of it above {}; {}", digits(bound, 3), family.words(family.deviations_of(&estimate))),
            holds: low > bound,
        }
    }

    /// Holds when the whole interval around the estimate lies below the bound.
    pub fn below(what: impl Into<String>, estimate: Estimate, bound: f64, family: Family) -> Self {
        let (low, high) = family.interval(&estimate);
        Self {
            what: what.into(),
            measured: estimate.value,
            theory: None,
            interval: [low, high],
            because: format!("all of it below {}; {}", digits(bound, 3), family.words(family.deviations_of(&estimate))),
            holds: high < bound,
        }
    }

    /// Holds when the value lies within the tolerance of theory: nothing is random here, and `because` says where the
    /// tolerance comes from.
    pub fn near(
        what: impl Into<String>,
        measured: f64,
        theory: f64,
        tolerance: f64,
        because: impl Into<String>,
    ) -> Self {
        let interval = [theory - tolerance, theory + tolerance];
        Self {
            what: what.into(),
            measured,
            theory: Some(theory),
            interval,
            because: because.into(),
            holds: (interval[0]..=interval[1]).contains(&measured),
        }
    }

    /// Holds when the value is at most the bound; `because` says where that comes from.
    pub fn at_most(what: impl Into<String>, measured: f64, bound: f64, because: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured,
            theory: None,
            interval: [0.0, bound],
            because: because.into(),
            holds: measured <= bound,
        }
    }

    /// Holds when the value is at least the bound; `because` says where that comes from.
    pub fn at_least(what: impl Into<String>, measured: f64, bound: f64, because: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured,
            theory: None,
            interval: [bound, f64::INFINITY],
            because: because.into(),
            holds: measured >= bound,
        }
    }

    /// Holds when a count is what it must be.
    pub fn exactly(what: impl Into<String>, count: usize, expected: usize) -> Self {
        Self::near(what, count as f64, expected as f64, 0.0, "exactly")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_tables() {
        // Two-sided 10⁻⁶ and 10⁻⁸.
        assert!((Family::of(1).deviations() - 4.891_638).abs() < 1e-5);
        assert!((Family::of(100).deviations() - 5.730_729).abs() < 1e-5);
        // Student's t, two-sided 10⁻⁶, 9 degrees of freedom.
        let estimate = Estimate { value: 0.0, error: 1.0, freedom: Some(9.0) };
        let (low, high) = Family::of(1).interval(&estimate);
        assert!(low == -high && (10.0..12.0).contains(&high), "{high}");
    }

    #[test]
    fn checks_can_fail() {
        let family = Family::of(1);
        let estimate = Estimate::known(1.0, 0.1);
        assert!(Check::agrees("", estimate, 1.4, family).holds);
        assert!(!Check::agrees("", estimate, 1.5, family).holds);
        assert!(!Check::agrees("", Estimate::known(f64::NAN, 0.1), 1.0, family).holds);
        assert!(Check::all_agree("", &[-4.8, 1.0], family).holds);
        assert!(!Check::all_agree("", &[-4.9, 1.0], family).holds);
        assert!(!Check::all_agree("", &[f64::NAN], family).holds);
        assert!(!Check::all_agree("", &[], family).holds);
        assert!(Check::each_agrees("", &[(estimate, 1.4)], family).holds);
        assert!(!Check::each_agrees("", &[(estimate, 1.0), (estimate, 1.5)], family).holds);
        assert!(!Check::each_agrees("", &[(Estimate::known(1.0, 0.0), 1.0)], family).holds);
        assert!(Check::above("", estimate, 0.5, family).holds && !Check::above("", estimate, 0.6, family).holds);
        assert!(Check::below("", estimate, 1.5, family).holds && !Check::below("", estimate, 1.4, family).holds);
        assert!(!Check::near("", f64::NAN, 1.0, 1.0, "").holds && !Check::at_most("", f64::NAN, 1.0, "").holds);
        assert!(!Check::exactly("", 1, 2).holds);
    }

    #[test]
    fn means_have_their_standard_error() {
        let estimate = Estimate::mean(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((estimate.value, estimate.freedom), (2.5, Some(3.0)));
        assert!((estimate.error - (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-15);
        // Of a mean, the jackknife is the usual standard error.
        let mean = |parts: &mut dyn Iterator<Item = &f64>| {
            let parts: Vec<f64> = parts.copied().collect();
            parts.iter().sum::<f64>() / parts.len() as f64
        };
        let jackknife = Estimate::jackknife(&[1.0, 2.0, 3.0, 4.0], mean);
        assert!((jackknife.value - 2.5).abs() < 1e-15 && (jackknife.error - estimate.error).abs() < 1e-12);
    }
}
