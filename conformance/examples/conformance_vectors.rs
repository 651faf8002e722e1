//! Prints conformance/vectors/conformance_v1.json, one entry a line: `scripts/conformance.sh` puts it there.
//!
//! The answers come from the CPU reference. Those that are also in the older files, which an implementation that shares
//! no code with this one has made, are checked against them here.

#[path = "../../tests/vectors/mod.rs"]
pub mod published;

use half::{bf16, f16};
use serde::Serialize;
use wgpu_dropout::{Dropout, Element, Generator, KEEP_RULE_VERSION, Key, View, reference};
use wgpu_dropout_conformance::vectors::*;

fn main() {
    print!("{}", text());
}

pub fn text() -> String {
    let mut text = format!("{{\n\"keep_rule_version\": \"{KEEP_RULE_VERSION}\"");
    section(&mut text, "blocks", blocks());
    section(&mut text, "thresholds", thresholds());
    section(&mut text, "uniforms", uniforms());
    section(&mut text, "masks", masks());
    section(&mut text, "views", views());
    section(&mut text, "values", values());
    text + "\n}\n"
}

fn section<T: Serialize>(text: &mut String, name: &str, entries: Vec<T>) {
    let lines: Vec<_> = entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
    *text += &format!(",\n\"{name}\": [\n{}\n]", lines.join(",\n"));
}

const KEY: Key = Key { seed: 0x0123_4567_89ab_cdef, stream: 0xfedc_ba98_7654_3210 };

/// The threshold's low half is 15: many ties of the high halves, and only few of them kept.
const TIES: f64 = 0.062_499_996_507_540_345;

fn named(generator: Generator, key: Key) -> NamedKey {
    NamedKey { generator, seed: key.seed, stream: key.stream }
}

fn block(generator: Generator, counter: [u32; 4], key: [u32; 4]) -> Block {
    let (key, block) = match generator {
        Generator::Threefry => (&key[..], reference::threefry4x32_20(counter, key)),
        _ => (&key[..2], reference::philox4x32_10(counter, [key[0], key[1]])),
    };
    let words = |words: &[u32]| Words::new(8, words.iter().copied());
    Block { generator, counter: words(&counter), key: words(key), block: words(&block) }
}

/// Random123's, that of the C++ standard, those of the keep rule's worked example, and words that carry.
fn blocks() -> Vec<Block> {
    let mut blocks = vec![];
    for answer in published::generators() {
        let generator = match (answer.name.as_str(), answer.rounds) {
            ("threefry4x32", 20) => Generator::Threefry,
            ("philox4x32", 10) => Generator::Philox,
            _ => continue,
        };
        let block = block(generator, answer.counter, answer.key);
        assert_eq!(block.block.words, answer.output);
        blocks.push(block);
    }
    let standard = block(Generator::Philox, [2499, 0, 0, 0], [20_111_115, 0, 0, 0]);
    assert_eq!(standard.block.words[3], 1_955_073_260);
    blocks.push(standard);
    for part in [0, 1] {
        for group in [0, 0x144c] {
            blocks.push(block(Generator::Threefry, [group, 0, part, 0], [42, 0, 7, 0]));
        }
        blocks.push(block(Generator::Philox, [0, part << 31, 7, 0], [42, 0, 0, 0]));
    }
    let edges = [0, 1, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
    for &generator in Generator::ALL {
        for (i, edge) in edges.into_iter().enumerate() {
            let other = edges[(i * 3 + 1) % edges.len()];
            blocks.push(block(generator, [edge, other, other, edge], [other, edge, edge, other]));
        }
    }
    blocks
}

fn thresholds() -> Vec<Threshold> {
    let published = published::thresholds();
    let more = [0.05, 0.15, 0.75, 0.999, 1e-9, 2.5e-10, 0.125_000_000_1, 1.0 / 3.0 * 2.0, 0.999_999_999_9];
    let threshold = |p| {
        let dropout = Dropout::new(p).unwrap();
        Threshold { p, threshold: dropout.threshold(), scale: Words::new(8, [dropout.scale().to_bits()]) }
    };
    let mut thresholds = vec![];
    for answer in &published {
        let threshold = threshold(answer.p);
        assert_eq!((threshold.threshold, threshold.scale.words[0]), (answer.threshold, answer.scale_bits));
        thresholds.push(threshold);
    }
    thresholds.extend(more.map(threshold));
    thresholds
}

fn uniforms() -> Vec<Uniform> {
    let uniform = |generator, key, index| Uniform {
        key: named(generator, key),
        index,
        uniform: Words::new(8, [reference::uniform(generator, key, index)]),
    };
    let mut uniforms = vec![];
    for answer in published::boundaries() {
        let uniform = uniform(answer.generator, answer.key, answer.index);
        assert_eq!(uniform.uniform.words, [answer.uniform]);
        uniforms.push(uniform);
    }
    for &generator in Generator::ALL {
        for index in (0..8).chain([1 << 32, (1 << 35) - 1, 1 << 35, 1 << 40, (generator.index_end() - 1) as u64]) {
            uniforms.push(uniform(generator, KEY, index));
        }
    }
    uniforms
}

fn mask(generator: Generator, key: Key, p: f64, start: u64, length: u64) -> MaskAnswer {
    let mask = Dropout::new(p).unwrap().with_generator(generator).mask(key).at(start);
    let packed = Packed::new(length, &reference::keep_mask(&mask, length).unwrap());
    MaskAnswer { key: named(generator, key), p, start, packed }
}

fn masks() -> Vec<MaskAnswer> {
    let mut masks = vec![];
    for answer in published::masks() {
        let mask = mask(answer.generator, answer.key, answer.p, answer.start, answer.count);
        assert_eq!((mask.packed.kept, &mask.packed.crc32.words[..]), (answer.kept, &[answer.crc32][..]));
        masks.push(mask);
    }
    for &generator in Generator::ALL {
        let end = generator.index_end();
        // Around the carries of the group and of the index, and the last.
        for start in [0, 5, (1 << 32) - 3, (1 << 32) + 1, (1 << 35) - 8, (1 << 35) - 1, (1 << 40) + 3] {
            for length in [1, 33, 200] {
                masks.push(mask(generator, KEY, 0.1, start, length));
            }
        }
        for length in [1, 33, 200] {
            masks.push(mask(generator, KEY, 0.1, (end - u128::from(length)) as u64, length));
        }
        for length in [0, 7, 8, 9, 31, 32, 63, 64, 65] {
            masks.push(mask(generator, KEY, 0.5, 3, length));
        }
        for p in [0.0, 1.0, 1e-10, 0.25, 0.5, 0.9, 0.999_999_999_9] {
            masks.push(mask(generator, KEY, p, 77, 500));
        }
        // Where the second part of the random bits decides: one element in 65,536.
        for p in [0.1, TIES] {
            let key = Key::new(42).with_stream(7);
            let threshold = Dropout::new(p).unwrap().threshold();
            let is_tie = |&index: &u64| u64::from(reference::uniform(generator, key, index)) >> 16 == threshold >> 16;
            masks.extend((0..).filter(is_tie).take(4).map(|index| mask(generator, key, p, index - index % 8, 8)));
            masks.push(mask(generator, key, p, 1 << 20, (1 << 18) + 17));
        }
    }
    masks
}

fn views() -> Vec<ViewAnswer> {
    let mut views = vec![];
    for &generator in Generator::ALL {
        let end = generator.index_end();
        for (start, row_length, row_pitch, skip, length) in [
            (5, 5, 10, 0, 100),
            (5, 5, 10, 7, 100),
            (0, 1, 1, 0, 65),
            (0, 1, 3, 2, 70),
            (3, 31, 32, 5, 500),
            (3, 32, 32, 5, 500),
            (3, 33, 77, 32, 500),
            (0, 200, 201, 0, 1000),
            (12, 1000, 1001, 999, 1002),
            ((1 << 32) - 50, 7, 100, 3, 300),
            ((1 << 35) - 50, 8, 16, 0, 300),
            ((1 << 40) + 3, 70, 1000, 11, 300),
            // A pitch of more than 32 bits, and products with a carry.
            (0, 3, (1 << 40) + 5, 1, 60),
            (9, 5, 0xffff_ffff, 0, 60),
            // Far into the view.
            (1, 3, 10, 1 << 33, 100),
            // Rows longer than 32 bits reach, and their ends.
            (0, (1 << 32) + 4, 1 << 33, (1 << 32) - 60, 300),
            (0, 1 << 32, 1 << 33, (1 << 32) - 16, 70),
            (3, (1 << 31) + 1, (1 << 31) + 9, (1 << 31) - 100, 300),
            (1, (1 << 40) + 1, (1 << 41) + 3, (3 << 40) - 20, 300),
            (0, u64::MAX - 5, u64::MAX - 2, (1 << 59) - 70, 70),
            // To the last index.
            ((end - 9 * 100 - 7) as u64, 7, 100, 0, 70),
        ] {
            let (key, p) = (KEY, 0.3);
            let mask = Dropout::new(p).unwrap().with_generator(generator).mask(key);
            let mask = mask.at(View::rows(start, row_length, row_pitch)).skip(skip);
            let packed = Packed::new(length, &reference::keep_mask(&mask, length).unwrap());
            views.push(ViewAnswer { key: named(generator, key), p, start, row_length, row_pitch, skip, packed });
        }
    }
    views
}

fn values() -> Vec<Values> {
    let mut values = vec![];
    // The scales of 0.2 and 1/3 are 1.25 and 1.5: only with such are there ties when a product is rounded to 16 bits.
    for (n, p) in [0.0, 1e-6, 0.1, 0.2, 1.0 / 3.0, 0.5, 0.9, 1.0].into_iter().enumerate() {
        let generator = Generator::ALL[n % Generator::ALL.len()];
        values.push(values_of(generator, p, &f32_inputs().map(f32::from_bits), |y| y.to_bits()));
        values.push(values_of(generator, p, &f16_inputs().map(f16::from_bits), |y| y.to_bits().into()));
        values.push(values_of(generator, p, &bf16_inputs().map(bf16::from_bits), |y| y.to_bits().into()));
    }
    values
}

fn values_of<T: Element>(generator: Generator, p: f64, x: &[T], bits: impl Fn(T) -> u32) -> Values {
    let start = (1 << 32) - 20;
    let mask = Dropout::new(p).unwrap().with_generator(generator).mask(KEY).at(start);
    // Each comes several times, so that most are kept at least once and dropped at least once.
    let x = x.repeat(4);
    let mut y = reference::forward(&mask, &x).unwrap();
    if !mask.keeps_all() {
        // Any NaN is right, and which one the reference gives depends on the processor.
        let nan = T::narrow(f32::from_bits(0x7fc0_0000));
        y.iter_mut().filter(|y| y.widen().is_nan()).for_each(|y| *y = nan);
    }
    let digits = T::DTYPE.size() as usize * 2;
    Values {
        dtype: T::DTYPE,
        key: named(generator, KEY),
        p,
        start,
        scale: Words::new(8, [mask.scale().to_bits()]),
        x: Words::new(digits, x.into_iter().map(&bits)),
        y: Words::new(digits, y.into_iter().map(&bits)),
    }
}

/// Zeros, infinities, NaNs, subnormals, the largest and the smallest, ties to even, and ordinary numbers. The count
/// has no common factor with 8, so each comes to several lanes.
fn f32_inputs() -> [u32; 27] {
    [
        0x0000_0000,
        0x8000_0000,
        0x7f80_0000,
        0xff80_0000,
        0x7fc0_0000,
        0xffc0_0001,
        0x7fa0_0001,
        0x0000_0001,
        0x8000_0001,
        0x007f_ffff,
        0x8040_0000,
        0x0080_0000,
        0x8080_0000,
        0x7f7f_ffff,
        0xff7f_ffff,
        0x7f00_0000,
        0x3f80_0000,
        0xbf80_0000,
        0x3f80_0001,
        0x3fff_ffff,
        0x4049_0fdb,
        0xc2f6_e979,
        0x4b7f_ffff,
        0x0d00_0003,
        0x7e99_999a,
        0x3eaa_aaab,
        0xb333_3333,
    ]
}

fn f16_inputs() -> [u16; 27] {
    [
        0x0000, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0xfe01, 0x7d01, 0x0001, 0x8001, 0x03ff, 0x8200, 0x0400, 0x8400, 0x7bff,
        0xfbff, 0x7800, 0x3c00, 0xbc00, 0x3c01, 0x3fff, 0x4248, 0xd7b7, 0x0003, 0x0005, 0x77ff, 0x3555, 0x8007,
    ]
}

fn bf16_inputs() -> [u16; 27] {
    [
        0x0000, 0x8000, 0x7f80, 0xff80, 0x7fc0, 0xffc1, 0x7fa1, 0x0001, 0x8001, 0x007f, 0x8040, 0x0080, 0x8080, 0x7f7f,
        0xff7f, 0x7f00, 0x3f80, 0xbf80, 0x3f81, 0x3fff, 0x4049, 0xc2f7, 0x0003, 0x0005, 0x7e9a, 0x3eab, 0xb333,
    ]
}
