use std::collections::BTreeMap;

use burn::tensor::Device;
use wgpu_dropout::{Generator, Key, reference};
use wgpu_dropout_burn::Keys;

use crate::regression::Options;

/// An error that stops a study.
pub type Error = Box<dyn std::error::Error>;

/// What was measured: lists of numbers, by name. Where there are several networks, a number for each.
pub type Measured = BTreeMap<String, Vec<f64>>;

/// What a study is measured with. All randomness is the library's, from the seed.
pub struct Lab {
    /// Where networks are trained; its inner device evaluates.
    pub device: Device,
    /// Whether the study does what its fault says.
    pub fault: bool,
    /// Of the regression.
    pub options: Options,
    quick: bool,
    seed: u64,
}

impl Lab {
    pub fn new(seed: u64, words: &[String]) -> Result<Self, Error> {
        let has = |word: &str| words.iter().any(|other| other == word);
        let rest: Vec<String> = words.iter().filter(|word| !["quick", "fault"].contains(&&***word)).cloned().collect();
        let device = Device::wgpu(Default::default()).autodiff();
        Ok(Self { device, fault: has("fault"), quick: has("quick"), seed, options: Options::parse(&rest)? })
    }

    /// How much: in a full run, and in a quick one.
    pub const fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// The keys of the study's masks.
    pub const fn keys(&self) -> Keys {
        Keys::new(self.seed)
    }

    /// Standard normals. Numbers above 1000 are those of no layer.
    pub fn normals(&self, number: u16, count: usize) -> Result<Vec<f32>, Error> {
        self.normals_of(Key::new(self.seed).with_layer(1000 + number), count)
    }

    /// The numbers below `count` in random order, which is independent of the normals of this number.
    pub fn permutation(&self, number: u16, count: usize) -> Result<Vec<usize>, Error> {
        let normals = self.normals_of(Key::new(self.seed).with_layer(1000 + number).with_step(1), count)?;
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| normals[a].total_cmp(&normals[b]));
        Ok(order)
    }

    fn normals_of(&self, key: Key, count: usize) -> Result<Vec<f32>, Error> {
        Ok(reference::normals(Generator::default(), key, 0, count as u64)?)
    }

    /// Says that so much of the work is done.
    pub fn progress(&self, done: usize, of: usize) {
        println!("progress {}", done as f64 / of.max(1) as f64);
    }
}
