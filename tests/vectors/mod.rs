//! Reads the files of known answers beside this one.
#![allow(dead_code, reason = "each test program uses the part of the vectors that it needs")]

pub mod family;

use wgpu_dropout::{BlockMask, BlockScaling, DropBlock, Dropout, Generator, Key, Mask};

pub struct GeneratorAnswer {
    pub name: String,
    pub rounds: usize,
    pub counter: [u32; 4],
    /// Two words for Philox, the rest 0.
    pub key: [u32; 4],
    pub output: [u32; 4],
}

pub fn generators() -> Vec<GeneratorAnswer> {
    let words = |text: &str| {
        let mut words = [0; 4];
        for (word, hex) in words.iter_mut().zip(text.split_whitespace()) {
            *word = u32::from_str_radix(hex, 16).unwrap();
        }
        words
    };
    lines(include_str!("random123.txt"))
        .map(|line| {
            let fields: Vec<_> = line.split('|').collect();
            let (name, rounds) = fields[0].trim().split_once(' ').unwrap();
            GeneratorAnswer {
                name: name.to_owned(),
                rounds: rounds.parse().unwrap(),
                counter: words(fields[1]),
                key: words(fields[2]),
                output: words(fields[3]),
            }
        })
        .collect()
}

pub struct ThresholdAnswer {
    pub p: f64,
    pub threshold: u64,
    pub scale_bits: u32,
}

pub fn thresholds() -> Vec<ThresholdAnswer> {
    lines(include_str!("threshold_v1.txt"))
        .filter(|line| line.matches('|').count() == 2)
        .map(|line| {
            let fields: Vec<_> = line.split('|').map(str::trim).collect();
            ThresholdAnswer {
                p: fields[0].parse().unwrap(),
                threshold: u64::from_str_radix(fields[1], 16).unwrap(),
                scale_bits: u32::from_str_radix(fields[2], 16).unwrap(),
            }
        })
        .collect()
}

pub struct BoundaryAnswer {
    pub generator: Generator,
    pub key: Key,
    pub index: u64,
    pub uniform: u32,
}

impl BoundaryAnswer {
    /// The p that just drops the element, and the p that just keeps it.
    pub fn drops_and_keeps(&self) -> [(f64, bool); 2] {
        let p = |threshold: f64| 1.0 - threshold / 4_294_967_296.0;
        [(p(f64::from(self.uniform)), false), (p(f64::from(self.uniform) + 1.0), true)]
    }
}

pub fn boundaries() -> Vec<BoundaryAnswer> {
    lines(include_str!("threshold_v1.txt"))
        .filter(|line| line.matches('|').count() == 1)
        .map(|line| {
            let (left, uniform) = line.split_once('|').unwrap();
            let fields: Vec<_> = left.split_whitespace().collect();
            BoundaryAnswer {
                generator: fields[0].parse().unwrap(),
                key: Key::new(fields[1].parse().unwrap()).with_stream(fields[2].parse().unwrap()),
                index: fields[3].parse().unwrap(),
                uniform: u32::from_str_radix(uniform.trim(), 16).unwrap(),
            }
        })
        .collect()
}

pub struct MaskAnswer {
    pub line: String,
    pub generator: Generator,
    pub key: Key,
    pub p: f64,
    pub start: u64,
    pub count: u64,
    pub threshold: u64,
    pub kept: u64,
    pub crc32: u32,
    pub first_bytes: u64,
}

impl MaskAnswer {
    pub fn mask(&self) -> Mask {
        Dropout::new(self.p).unwrap().with_generator(self.generator).mask(self.key).at(self.start)
    }

    /// Checks packed words against this line.
    pub fn check(&self, words: &[u32]) -> Result<(), String> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let kept: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
        let first_bytes = u64::from_be_bytes(bytes[..8].try_into().unwrap());
        let actual = (self.mask().threshold(), kept, crc32fast::hash(&bytes), first_bytes);
        let expected = (self.threshold, self.kept, self.crc32, self.first_bytes);
        if actual != expected {
            return Err(format!("{}\n  expected {expected:x?}\n  actual   {actual:x?}", self.line));
        }
        Ok(())
    }
}

pub fn masks() -> Vec<MaskAnswer> {
    lines(include_str!("keep_rule_v1.txt"))
        .map(|line| {
            let fields: Vec<_> = line.split_whitespace().filter(|field| *field != "|").collect();
            MaskAnswer {
                line: line.to_owned(),
                generator: fields[0].parse().unwrap(),
                key: Key::new(fields[1].parse().unwrap()).with_stream(fields[2].parse().unwrap()),
                p: fields[3].parse().unwrap(),
                start: fields[4].parse().unwrap(),
                count: fields[5].parse().unwrap(),
                threshold: u64::from_str_radix(fields[6], 16).unwrap(),
                kept: fields[7].parse().unwrap(),
                crc32: u32::from_str_radix(fields[8], 16).unwrap(),
                first_bytes: u64::from_str_radix(fields[9], 16).unwrap(),
            }
        })
        .collect()
}

/// A known answer of `DropBlock`, of family_v1.json.
#[derive(Debug)]
pub struct DropBlockAnswer {
    pub shape: Vec<u64>,
    pub block: Vec<u64>,
    pub p: f64,
    pub generator: Generator,
    pub key: Key,
    pub start: u64,
    pub rate_bits: u64,
    pub threshold: u64,
    pub kept: u64,
    /// Packed bytes.
    pub mask: Vec<u8>,
    pub scale_count: u32,
    pub scale_expected: u32,
}

impl DropBlockAnswer {
    pub fn mask(&self, scaling: BlockScaling) -> BlockMask {
        let drop_block = DropBlock::new(self.p, &self.block).unwrap();
        let drop_block = drop_block.with_scaling(scaling).with_generator(self.generator);
        drop_block.mask(self.key, &self.shape).unwrap().at(self.start).unwrap()
    }

    /// Checks packed words against this answer.
    pub fn check(&self, words: &[u32]) -> Result<(), String> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let kept: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
        let (used, padding) = bytes.split_at(self.mask.len());
        if kept != self.kept || used != self.mask || padding.iter().any(|&byte| byte != 0) {
            return Err(format!("{self:?}\n  actual {kept} {bytes:02x?}"));
        }
        Ok(())
    }
}

pub fn drop_blocks() -> Vec<DropBlockAnswer> {
    let family: serde_json::Value = serde_json::from_str(include_str!("family_v1.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let number = |value: &serde_json::Value| text(value).parse::<u64>().unwrap();
    let hex = |value: &serde_json::Value| u64::from_str_radix(value.as_str().unwrap(), 16).unwrap();
    let numbers = |value: &serde_json::Value| value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let bytes = |value: &serde_json::Value| {
        let hex = text(value);
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let answers = family["drop_block"].as_array().unwrap().iter();
    answers
        .map(|answer| DropBlockAnswer {
            shape: numbers(&answer["shape"]),
            block: numbers(&answer["block"]),
            p: text(&answer["p"]).parse().unwrap(),
            generator: text(&answer["generator"]).parse().unwrap(),
            key: Key::new(number(&answer["seed"])).with_stream(number(&answer["stream"])),
            start: number(&answer["start"]),
            rate_bits: hex(&answer["rate_bits"]),
            threshold: number(&answer["threshold"]),
            kept: number(&answer["kept"]),
            mask: bytes(&answer["mask"]),
            scale_count: hex(&answer["scale_count"]) as u32,
            scale_expected: hex(&answer["scale_expected"]) as u32,
        })
        .collect()
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty())
}
