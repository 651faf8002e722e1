//! What is computed of an element, step by step, from docs/format.md alone: so that one can tell what a device is free to
//! do, and what it would return if it rounded once where the format rounds twice.

use wgpu_dropout::{Kind, Operation, reference};

/// What happens to an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// Bits are chosen: its own, those of another input, +0, or a number that the host has made.
    Bits,
    /// `x·by`.
    Product { by: f32 },
    /// `(x·scale) + shift`.
    Affine { scale: f32, shift: f32 },
}

impl Step {
    /// Of the element whose decision, or normal, has this index.
    pub(crate) fn of(operation: &Operation, keep: bool, index: u64) -> Self {
        let (mask, is_backward) = match operation {
            Operation::Forward(mask) => (mask, false),
            Operation::Backward(mask) => (mask, true),
            Operation::ApplyMask { scale } if keep => return Self::Product { by: *scale },
            _ => return Self::Bits,
        };
        if operation.copies() || mask.threshold() == 0 {
            return Self::Bits;
        }
        let q = keep_probability(mask.threshold());
        match mask.kind() {
            Kind::Standard if !mask.training() => {
                // The mask of evaluation does not say p; what a 1 becomes does.
                let of_one = reference::run(Operation::Forward(mask.at(0)), &[1.0_f32]);
                of_one.map_or(Self::Bits, |of_one| Self::Product { by: of_one[0] })
            }
            Kind::Gaussian => {
                let s = sigma(q) * reference::normal(mask.generator(), mask.key(), index);
                Self::Product { by: 1.0 + s }
            }
            Kind::Standard => Self::Bits,
            _ if !keep => Self::Bits,
            Kind::Alpha => {
                let [scale, shift] = alpha(q);
                if is_backward { Self::Product { by: scale } } else { Self::Affine { scale, shift } }
            }
            // Inverted.
            _ => Self::Product { by: (1.0 / q) as f32 },
        }
    }

    /// Whether a device may return a zero of the result's sign: where the element, or the exact product, is a subnormal f32.
    /// That of an affine map is absorbed by what is added.
    pub(crate) fn may_flush(self, x: f32) -> bool {
        let Self::Product { by } = self else { return false };
        // Exact in binary64.
        let product = (f64::from(x) * f64::from(by)).abs();
        x.is_subnormal() || product != 0.0 && product < f32::MIN_POSITIVE.into()
    }

    /// Whether it computes, and so may give another NaN for a NaN.
    pub(crate) fn computes(self) -> bool {
        self != Self::Bits
    }
}

fn keep_probability(threshold: u64) -> f64 {
    threshold as f64 / 4_294_967_296.0
}

/// A and B.
fn alpha(q: f64) -> [f32; 2] {
    let (alpha, d) = (-1.758_099_340_847_376_6, 1.0 - q);
    let a = 1.0 / (q * (1.0 + d * (alpha * alpha))).sqrt();
    [a as f32, -((a * d) * alpha) as f32]
}

fn sigma(q: f64) -> f32 {
    ((1.0 - q) / q).sqrt() as f32
}

/// What comes out of an element in the ways that WGSL would allow compilers to fuse the steps: one way where alpha dropout
/// keeps the element, two of Gaussian dropout, and none of the rest.
pub fn fused(operation: &Operation, local: u64, x: f32) -> Vec<f32> {
    Place::of(operation, local).map_or(vec![], |place| place.fused(x))
}

/// An ordinary number for an element that every way to [fuse](fused) the steps gives another result for, or as many ways as
/// possible.
pub fn telling(operation: &Operation, local: u64) -> f32 {
    let Some(place) = Place::of(operation, local) else { return 1.25 };
    let mixed = |n: u32| (n.wrapping_add(64 * local as u32).wrapping_mul(0x9e37_79b1) >> 9) as f32;
    let candidates = (0..64).map(|n| 0.5 + mixed(n) / 4_194_304.0);
    let told = |x: f32| place.fused(x).into_iter().filter(|&fused| fused != place.right(x)).count();
    candidates.map(|x| (told(x), x)).fold((0, 1.25), |best, next| if next.0 > best.0 { next } else { best }).1
}

/// The step of an element, and sigma and the normal of Gaussian dropout.
struct Place {
    step: Step,
    gaussian: Option<[f32; 2]>,
}

impl Place {
    fn of(operation: &Operation, local: u64) -> Option<Self> {
        let (Operation::Forward(mask) | Operation::Backward(mask)) = operation else { return None };
        let index = mask.view().index(local);
        if mask.kind() == Kind::Gaussian {
            let z = reference::normal(mask.generator(), mask.key(), index);
            let gaussian = Some([sigma(keep_probability(mask.threshold())), z]);
            return Some(Self { step: Step::of(operation, true, index), gaussian });
        }
        Some(Self { step: Step::of(operation, reference::keeps(mask, local), index), gaussian: None })
    }

    fn right(&self, x: f32) -> f32 {
        match self.step {
            Step::Bits => x,
            Step::Product { by } => x * by,
            Step::Affine { scale, shift } => x * scale + shift,
        }
    }

    fn fused(&self, x: f32) -> Vec<f32> {
        match (self.step, self.gaussian) {
            (Step::Affine { scale, shift }, _) => vec![x.mul_add(scale, shift)],
            (Step::Product { .. }, Some([sigma, z])) => {
                vec![x * sigma.mul_add(z, 1.0), x.mul_add(sigma * z, x)]
            }
            _ => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu_dropout::{Dropout, Key};

    /// The steps give what the reference does, and the ways to fuse them something else.
    #[test]
    fn steps_are_those_of_the_reference() {
        for &kind in Kind::ALL {
            for p in [0.1, 0.3, 0.7] {
                let mask = Dropout::of_kind(kind, p).unwrap().mask(Key::new(5));
                for operation in [Operation::Forward(mask), Operation::Backward(mask)] {
                    let x: Vec<f32> = (0..1000).map(|local| telling(&operation, local)).collect();
                    let y = reference::run(operation, &x).unwrap();
                    let mut told = [0; 2];
                    for (local, (&x, y)) in (0..).zip(x.iter().zip(y)) {
                        let keep = kind == Kind::Gaussian || reference::keeps(&mask, local);
                        match Step::of(&operation, keep, local) {
                            Step::Bits => {}
                            Step::Product { by } => assert_eq!(x * by, y),
                            Step::Affine { scale, shift } => assert_eq!(x * scale + shift, y),
                        }
                        for (way, fused) in fused(&operation, local, x).into_iter().enumerate() {
                            told[way] += u32::from(fused != y);
                        }
                    }
                    let expected = match (kind, operation) {
                        (Kind::Alpha, Operation::Forward(_)) => [50, 0],
                        (Kind::Gaussian, _) => [100, 100],
                        _ => [0, 0],
                    };
                    assert!(told[0] >= expected[0] && told[1] >= expected[1], "{kind} {p}: {told:?}");
                }
            }
        }
    }

    #[test]
    fn zeros_are_for_subnormals_of_the_steps() {
        let step = Step::Product { by: 0.5 };
        assert!(step.may_flush(f32::MIN_POSITIVE) && step.may_flush(-1e-40) && !step.may_flush(0.0));
        assert!(!step.may_flush(2.0 * f32::MIN_POSITIVE) && !step.may_flush(f32::NAN));
        // The exact product is below the least normal number, and rounds to it.
        let by = 1.0 - f32::EPSILON / 2.0;
        let rounds_up = Step::Product { by };
        assert_eq!(f32::MIN_POSITIVE * by, f32::MIN_POSITIVE);
        assert!(rounds_up.may_flush(f32::MIN_POSITIVE));
        assert!(!Step::Bits.may_flush(1e-40) && !Step::Affine { scale: 1.0, shift: 1.0 }.may_flush(1e-40));
    }
}
