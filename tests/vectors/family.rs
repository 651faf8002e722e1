//! The known answers of the family: tests/vectors/family_v1.json, without the sections of normals and of DropBlock.

use serde::Deserialize;
use wgpu_dropout::{Dropout, Generator, Key, Kind, Mask, Operation, View};

/// 64-bit numbers are strings there, and so are words in hexadecimal.
#[derive(Deserialize)]
struct Sections {
    constants: Vec<ConstantsLine>,
    values: Vec<ValuesLine>,
    kinds: Vec<KindLine>,
    shared: Vec<MaskLine>,
    gathered: Vec<MaskLine>,
}

#[derive(Deserialize)]
struct ConstantsLine {
    p: String,
    sigma: String,
    alpha_scale: String,
    alpha_shift: String,
    alpha_dropped: String,
    standard_evaluation: String,
}

#[derive(Deserialize)]
struct NamedMask {
    p: String,
    generator: String,
    seed: String,
    stream: String,
    start: String,
}

#[derive(Deserialize)]
struct ValuesLine {
    #[serde(flatten)]
    mask: NamedMask,
    x: Vec<String>,
    alpha: Vec<String>,
    gaussian: Vec<String>,
}

#[derive(Deserialize)]
struct KindLine {
    kind: String,
    #[serde(flatten)]
    mask: NamedMask,
    x: Vec<String>,
    y: Vec<String>,
}

#[derive(Deserialize)]
struct MaskLine {
    shape: Vec<u64>,
    shared: Vec<usize>,
    #[serde(default)]
    ids: Option<Vec<u32>>,
    #[serde(flatten)]
    named: NamedMask,
    mask: String,
}

pub struct Constants {
    pub p: f64,
    pub sigma: f32,
    pub alpha_scale: f32,
    pub alpha_shift: f32,
    pub alpha_dropped: f32,
    pub standard_evaluation: f32,
}

/// What an operation makes of f32 elements.
pub struct Values {
    pub operation: Operation,
    pub x: Vec<f32>,
    pub y: Vec<f32>,
}

impl Values {
    /// Checks a result. A NaN stands for any NaN, where bits are not copied.
    pub fn check(&self, y: &[f32]) -> Result<(), String> {
        let (Operation::Forward(mask) | Operation::Backward(mask)) = self.operation else { return Err("no".into()) };
        let copies = self.operation.copies() || mask.kind() == Kind::Standard && mask.training();
        if y.len() != self.y.len() {
            return Err(format!("{} elements", y.len()));
        }
        for (i, (expected, actual)) in self.y.iter().zip(y).enumerate() {
            let nan = !copies && expected.is_nan() && actual.is_nan();
            if !nan && expected.to_bits() != actual.to_bits() {
                return Err(format!("{:?} element {i}: expected {expected:e}, actual {actual:e}", self.operation));
            }
        }
        Ok(())
    }
}

pub struct MaskAnswer {
    pub mask: Mask,
    pub length: u64,
    pub ids: Option<Vec<u32>>,
    /// The bytes that hold an element.
    pub bytes: Vec<u8>,
}

impl MaskAnswer {
    /// Checks packed words.
    pub fn check(&self, words: &[u32]) -> Result<(), String> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let (used, unused) = bytes.split_at(self.bytes.len().min(bytes.len()));
        if used != self.bytes || unused.iter().any(|&byte| byte != 0) {
            return Err(format!("{:?}: expected {:x?}, actual {bytes:x?}", self.mask, self.bytes));
        }
        Ok(())
    }
}

fn sections() -> Sections {
    serde_json::from_str(include_str!("family_v1.json")).unwrap()
}

fn floats(words: &[String]) -> Vec<f32> {
    words.iter().map(|word| float(word)).collect()
}

fn float(word: &str) -> f32 {
    f32::from_bits(u32::from_str_radix(word, 16).unwrap())
}

impl NamedMask {
    fn mask(&self, kind: Kind, training: bool) -> Mask {
        let generator: Generator = self.generator.parse().unwrap();
        let dropout = Dropout::of_kind(kind, self.p.parse().unwrap()).unwrap().with_generator(generator);
        let key = Key::new(self.seed.parse().unwrap()).with_stream(self.stream.parse().unwrap());
        dropout.with_training(training).mask(key).at(self.start.parse::<u64>().unwrap())
    }
}

pub fn constants() -> Vec<Constants> {
    let line = |line: ConstantsLine| Constants {
        p: line.p.parse().unwrap(),
        sigma: float(&line.sigma),
        alpha_scale: float(&line.alpha_scale),
        alpha_shift: float(&line.alpha_shift),
        alpha_dropped: float(&line.alpha_dropped),
        standard_evaluation: float(&line.standard_evaluation),
    };
    sections().constants.into_iter().map(line).collect()
}

/// Of the sections `values` and `kinds`.
pub fn values() -> Vec<Values> {
    let sections = sections();
    let mut values = vec![];
    for line in sections.values {
        for (kind, y) in [(Kind::Alpha, &line.alpha), (Kind::Gaussian, &line.gaussian)] {
            let operation = Operation::Forward(line.mask.mask(kind, true));
            values.push(Values { operation, x: floats(&line.x), y: floats(y) });
        }
    }
    for line in sections.kinds {
        // "standard", "standard evaluation", "alpha backward".
        let (kind, direction) = line.kind.split_once(' ').unwrap_or((&line.kind, ""));
        let mask = line.mask.mask(kind.parse().unwrap(), direction != "evaluation");
        let operation = if direction == "backward" { Operation::Backward(mask) } else { Operation::Forward(mask) };
        values.push(Values { operation, x: floats(&line.x), y: floats(&line.y) });
    }
    values
}

/// Of the sections `shared` and `gathered`.
pub fn masks() -> Vec<MaskAnswer> {
    let sections = sections();
    let line = |line: MaskLine| {
        let mask = line.named.mask(Kind::Inverted, true);
        let view = View::shared(mask.view().start(), &line.shape, &line.shared).unwrap();
        let byte = |i: usize| u8::from_str_radix(&line.mask[i..i + 2], 16).unwrap();
        MaskAnswer {
            mask: mask.at(if line.ids.is_some() { view.gathered().unwrap() } else { view }),
            length: line.shape.iter().product(),
            bytes: (0..line.mask.len()).step_by(2).map(byte).collect(),
            ids: line.ids,
        }
    };
    sections.shared.into_iter().chain(sections.gathered).map(line).collect()
}
