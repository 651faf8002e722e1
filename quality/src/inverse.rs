//! The inverse of the standard normal's distribution function, to more digits than the normals have.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// 1 − Φ(x), the probability that a standard normal is above x.
pub fn above(x: f64) -> f64 {
    0.5 * libm::erfc(x * FRAC_1_SQRT_2)
}

/// −Φ⁻¹(m·2⁻³³) for rising m.
///
/// **Accuracy.** The root of a function that is known to a few units of the last place: libm's erfc has an error below
/// one, and the rounding of its argument makes x² of them, 40 at most here. An error ε of the probability, relative to
/// it, moves the root by ε·(1 − Φ(x))/φ(x), and that quotient (Mills') is below 1.26 for x ≥ 0 and below 1/x. So the root
/// is right to about 10⁻¹⁵; [`KNOWN`] shows it.
pub struct Inverse {
    /// The last root, where the search for the next begins.
    x: f64,
}

impl Inverse {
    pub fn new() -> Self {
        Self { x: 2.0 }
    }

    pub fn at(&mut self, m: u32) -> f64 {
        let p = f64::from(m) / (1u64 << 33) as f64;
        // Halley's method, whose error is below 14·step³ here.
        loop {
            let density = (-0.5 * self.x * self.x).exp() / TAU.sqrt();
            let newton = (above(self.x) - p) / density;
            let step = newton / (1.0 - 0.5 * self.x * newton);
            self.x += step;
            if step.abs() < 1e-6 {
                return self.x;
            }
        }
    }
}

/// m with −Φ⁻¹(m·2⁻³³), computed with 40 digits by mpmath.
pub const KNOWN: [(u32, f64); 9] = [
    (1, 6.3379577545537895),
    (3, 6.166429517819751),
    (12_345, 4.679604073327194),
    (1_048_577, 3.668329041243631),
    (268_435_455, 1.8627318690757106),
    (1_073_741_825, 1.1503493798104831),
    (2_874_452_353, 0.4271630235751333),
    (4_294_967_281, 4.377149059374934e-09),
    (4_294_967_295, 2.918099372916623e-10),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_roots_from_either_side() {
        let mut inverse = Inverse::new();
        for (m, root) in KNOWN.into_iter().chain(KNOWN.into_iter().rev()) {
            assert!((inverse.at(m) - root).abs() < 1e-14, "{m}: {root}");
        }
    }
}
