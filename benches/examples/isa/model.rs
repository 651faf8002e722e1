//! What the figures would mean on GPUs that we may not have: a model, and not a measurement.

/// A GPU by its vendor's published figures.
pub struct Gpu {
    pub name: &'static str,
    /// Bandwidth of its memory, GB/s.
    pub bandwidth: f64,
    /// 32-bit integer instructions that it can begin each clock: the stream processors of AMD's, 64 for each
    /// multiprocessor of NVIDIA's. NVIDIA's "INT32 TOPS" are twice that times the clock, because they count a
    /// multiply-add as two.
    pub lanes: u32,
    /// The highest clock that is published, GHz.
    pub clock: f64,
}

impl Gpu {
    /// All figures: vendor's published figure. RDNA 3 begins some pairs of instructions at once, integer ones hardly.
    pub const ALL: &'static [Self] = &[
        Self { name: "RX 6900 XT", bandwidth: 512.0, lanes: 80 * 64, clock: 2.25 },
        Self { name: "RX 7900 XTX", bandwidth: 960.0, lanes: 96 * 64, clock: 2.5 },
        Self { name: "MI300X", bandwidth: 5300.0, lanes: 304 * 64, clock: 2.1 },
        Self { name: "RTX 4090", bandwidth: 1008.0, lanes: 128 * 64, clock: 2.52 },
        Self { name: "A100 SXM 80 GB", bandwidth: 2039.0, lanes: 108 * 64, clock: 1.41 },
        Self { name: "H100 SXM", bandwidth: 3350.0, lanes: 132 * 64, clock: 1.98 },
        Self { name: "H200 SXM", bandwidth: 4800.0, lanes: 132 * 64, clock: 1.98 },
    ];

    /// 32-bit integer instructions, in 10¹² a second.
    pub fn integer_rate(&self) -> f64 {
        f64::from(self.lanes) * self.clock * 1e-3
    }

    /// What memory and arithmetic take for an element that moves so many bytes and takes so many instructions.
    pub fn predict(&self, bytes: f64, instructions: f64) -> Prediction {
        Prediction { memory: bytes / self.bandwidth * 1e3, arithmetic: instructions / self.integer_rate() }
    }
}

/// Picoseconds an element.
pub struct Prediction {
    pub memory: f64,
    pub arithmetic: f64,
}

impl Prediction {
    /// The speed in parts of a copy's: 1 where memory takes longer, as if the two overlapped perfectly.
    pub fn fraction_of_a_copy(&self) -> f64 {
        (self.memory / self.arithmetic).min(1.0)
    }
}

/// The kernels of the model, with the bytes of memory that an element moves.
pub const KERNELS: [(&str, f64); 2] = [("forward f32", 8.0), ("forward f16 native", 4.0)];
