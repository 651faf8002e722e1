//! The published known answers as this project reads and writes them: conformance/vectors/conformance_v1.json, whose format
//! is described in docs/format.md.

mod passes;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wgpu_dropout::{
    BlockMask, BlockScaling, DropBlock, Dropout, Dtype, Error, Generator, Key, Kind, Mask, Operation, View,
};

pub use passes::{FusedAnswer, ProductAnswer, SamplesAnswer};

/// The whole file. One section a field, in the file's order.
#[derive(Debug, Deserialize)]
pub struct Vectors {
    pub keep_rule_version: String,
    pub blocks: Vec<Block>,
    pub thresholds: Vec<Threshold>,
    pub uniforms: Vec<Uniform>,
    pub masks: Vec<MaskAnswer>,
    pub views: Vec<ViewAnswer>,
    pub values: Vec<Values>,
    pub normals: Vec<Normals>,
    pub kinds: Vec<KindValues>,
    pub strided: Vec<StridedAnswer>,
    pub shared: Vec<SharedAnswer>,
    pub gathered: Vec<GatheredAnswer>,
    pub drop_blocks: Vec<BlockAnswer>,
    pub fused: Vec<FusedAnswer>,
    pub samples: Vec<SamplesAnswer>,
    pub products: Vec<ProductAnswer>,
}

/// What a generator makes of a counter and a key: 4 and 2 words with Philox.
#[derive(Debug, Serialize, Deserialize)]
pub struct Block {
    #[serde(with = "text")]
    pub generator: Generator,
    pub counter: Words,
    pub key: Words,
    pub block: Words,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Threshold {
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub threshold: u64,
    pub scale: Words,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Uniform {
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub index: u64,
    pub uniform: Words,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct MaskAnswer {
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    #[serde(flatten)]
    pub packed: Packed,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ViewAnswer {
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    #[serde(with = "number")]
    pub row_length: u64,
    #[serde(with = "number")]
    pub row_pitch: u64,
    /// Local elements before the first.
    #[serde(with = "number")]
    pub skip: u64,
    #[serde(flatten)]
    pub packed: Packed,
}

/// Elements of a storage type and what dropout makes of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Values {
    #[serde(with = "dtype")]
    pub dtype: Dtype,
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    pub scale: Words,
    pub x: Words,
    pub y: Words,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Normals {
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub start: u64,
    #[serde(with = "number")]
    pub length: u64,
    pub crc32: Words,
    /// In units of 2⁻²¹, of a few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub z: Option<Numbers<i32>>,
}

/// Elements of a storage type and what a kind of dropout makes of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct KindValues {
    #[serde(with = "text")]
    pub kind: Kind,
    pub direction: Direction,
    #[serde(with = "dtype")]
    pub dtype: Dtype,
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    pub x: Words,
    pub y: Words,
}

/// What of a layer is computed. Evaluation is of x, not of a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Forward,
    Backward,
    Evaluation,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct StridedAnswer {
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    pub shape: Numbers<u64>,
    pub strides: Numbers<u64>,
    /// Local elements before the first.
    #[serde(with = "number")]
    pub skip: u64,
    #[serde(flatten)]
    pub bits: PackedBits,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SharedAnswer {
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    pub shape: Numbers<u64>,
    pub shared: Numbers<usize>,
    #[serde(flatten)]
    pub bits: PackedBits,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct GatheredAnswer {
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    pub shape: Numbers<u64>,
    pub shared: Numbers<usize>,
    pub ids: Numbers<u32>,
    #[serde(flatten)]
    pub bits: PackedBits,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct NamedKey {
    #[serde(with = "text")]
    pub generator: Generator,
    #[serde(with = "number")]
    pub seed: u64,
    #[serde(with = "number")]
    pub stream: u64,
}

/// A packed mask of so many elements.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Packed {
    #[serde(with = "number")]
    pub length: u64,
    #[serde(flatten)]
    pub bits: PackedBits,
}

/// A packed mask, whole or as its checksum.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedBits {
    #[serde(with = "number")]
    pub kept: u64,
    pub crc32: Words,
    /// Its bytes, of a short one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Words>,
}

/// Numbers, separated by spaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers<T>(pub Vec<T>);

/// Bit patterns: words of so many hexadecimal digits, separated by spaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Words {
    pub digits: usize,
    pub words: Vec<u32>,
}

/// A mask of up to so many elements is in the file whole, and so many normals.
const SHORT: u64 = 1024;
const FEW: usize = 64;

impl Vectors {
    pub fn read() -> Self {
        serde_json::from_str(include_str!("../vectors/conformance_v1.json")).expect("a test reads this file")
    }
}

impl NamedKey {
    pub fn key(&self) -> Key {
        Key::new(self.seed).with_stream(self.stream)
    }

    pub fn mask(&self, p: f64) -> Result<Mask, Error> {
        Ok(Dropout::new(p)?.with_generator(self.generator).mask(self.key()))
    }
}

impl Uniform {
    /// The p that just drops the element, and the p that just keeps it.
    pub fn drops_and_keeps(&self) -> [(f64, bool); 2] {
        let p = |threshold: f64| 1.0 - threshold / 4_294_967_296.0;
        let uniform = f64::from(self.uniform.words[0]);
        [(p(uniform), false), (p(uniform + 1.0), true)]
    }
}

impl MaskAnswer {
    pub fn mask(&self) -> Result<Mask, Error> {
        Ok(self.key.mask(self.p)?.at(self.start))
    }
}

impl ViewAnswer {
    pub fn mask(&self) -> Result<Mask, Error> {
        Ok(self.key.mask(self.p)?.at(View::rows(self.start, self.row_length, self.row_pitch)).skip(self.skip))
    }
}

impl Values {
    pub fn mask(&self) -> Result<Mask, Error> {
        Ok(self.key.mask(self.p)?.at(self.start))
    }
}

impl Normals {
    /// From the normals in units of 2⁻²¹.
    pub fn new(key: NamedKey, start: u64, z: Vec<i32>) -> Self {
        let bytes: Vec<u8> = z.iter().flat_map(|z| z.to_le_bytes()).collect();
        let crc32 = Words::new(8, [crc32fast::hash(&bytes)]);
        Self { key, start, length: z.len() as u64, crc32, z: (z.len() <= FEW).then_some(Numbers(z)) }
    }
}

impl KindValues {
    pub fn operation(&self) -> Result<Operation, Error> {
        let dropout = Dropout::of_kind(self.kind, self.p)?.with_training(self.direction != Direction::Evaluation);
        let mask = dropout.with_generator(self.key.generator).mask(self.key.key()).at(self.start);
        Ok(match self.direction {
            Direction::Backward => Operation::Backward(mask),
            Direction::Forward | Direction::Evaluation => Operation::Forward(mask),
        })
    }
}

impl StridedAnswer {
    pub fn mask(&self) -> Result<Mask, Error> {
        Ok(self.key.mask(self.p)?.at(View::strided(self.start, &self.shape.0, &self.strides.0)?).skip(self.skip))
    }

    pub fn length(&self) -> u64 {
        self.shape.0.iter().product::<u64>() - self.skip
    }
}

impl SharedAnswer {
    pub fn mask(&self) -> Result<Mask, Error> {
        self.key.mask(self.p)?.at(self.start).shared(&self.shape.0, &self.shared.0)
    }

    pub fn length(&self) -> u64 {
        self.shape.0.iter().product()
    }
}

/// The mask of `DropBlock` over the whole shape, and what kept elements are multiplied by.
#[derive(Debug, Serialize, Deserialize)]
pub struct BlockAnswer {
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    pub shape: Numbers<u64>,
    pub block: Numbers<u64>,
    /// Of the seeds.
    #[serde(with = "number")]
    pub threshold: u64,
    #[serde(flatten)]
    pub bits: PackedBits,
    pub scale_count: Words,
    pub scale_expected: Words,
}

impl BlockAnswer {
    pub fn mask(&self, scaling: BlockScaling) -> Result<BlockMask, Error> {
        let drop_block = DropBlock::new(self.p, &self.block.0)?.with_generator(self.key.generator);
        drop_block.with_scaling(scaling).mask(self.key.key(), &self.shape.0)?.at(self.start)
    }
}

impl GatheredAnswer {
    pub fn mask(&self) -> Result<Mask, Error> {
        self.key.mask(self.p)?.at(self.start).shared(&self.shape.0, &self.shared.0)?.gathered()
    }

    pub fn length(&self) -> u64 {
        self.shape.0.iter().product()
    }
}

impl Packed {
    pub fn new(length: u64, words: &[u32]) -> Self {
        Self { length, bits: PackedBits::new(length, words) }
    }
}

impl PackedBits {
    pub fn new(length: u64, words: &[u32]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Self {
            kept: words.iter().map(|word| u64::from(word.count_ones())).sum(),
            crc32: Words::new(8, [crc32fast::hash(&bytes)]),
            mask: (length <= SHORT).then(|| Words::new(2, bytes.into_iter().map(u32::from))),
        }
    }
}

impl Words {
    pub fn new(digits: usize, words: impl IntoIterator<Item = u32>) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        // As it is read: the text of no words does not tell how long one would be.
        Self { digits: if words.is_empty() { 0 } else { digits }, words }
    }
}

impl<T: std::fmt::Display> Serialize for Numbers<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.iter().map(T::to_string).collect::<Vec<_>>().join(" "))
    }
}

impl<'de, T: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for Numbers<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let numbers: Result<_, _> = text.split_whitespace().map(str::parse).collect();
        numbers.map(Self).map_err(serde::de::Error::custom)
    }
}

impl From<Words> for String {
    fn from(words: Words) -> Self {
        let digits = words.digits;
        words.words.iter().map(|word| format!("{word:0digits$x}")).collect::<Vec<_>>().join(" ")
    }
}

impl TryFrom<String> for Words {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let words: Result<_, _> = text.split_whitespace().map(|word| u32::from_str_radix(word, 16)).collect();
        Ok(Self { digits: text.split_whitespace().next().map_or(0, str::len), words: words? })
    }
}

/// Numbers are strings, because many programs read a number of JSON as binary64.
mod number {
    use super::*;

    /// The shortest text that parses to the same number, with an exponent where that is long.
    pub(super) fn serialize<T: std::fmt::Debug, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:?}"))
    }

    pub(super) use super::text::deserialize;
}

mod text {
    use super::*;

    pub(super) fn serialize<T: std::fmt::Display, S: Serializer>(text: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(text)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

mod dtype {
    use super::*;

    pub(super) use super::text::serialize;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Dtype, D::Error> {
        let name = String::deserialize(deserializer)?;
        let dtype = Dtype::ALL.iter().copied().find(|dtype| dtype.name() == name);
        dtype.ok_or_else(|| serde::de::Error::custom(format!("unknown dtype '{name}'")))
    }
}
