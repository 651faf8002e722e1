//! Prints conformance/vectors/conformance_v1.json, one entry a line: `scripts/conformance.sh` puts it there.
//!
//! The answers come from the CPU reference. Those that are also in the older files, which an implementation that shares
//! no code with this one has made, are checked against them here.

#[path = "../../tests/vectors/mod.rs"]
pub mod published;

#[path = "conformance_vectors/passes.rs"]
mod passes;

use half::{bf16, f16};
use serde::Serialize;
use wgpu_dropout::{
    BlockScaling, Dropout, Dtype, Element, Generator, KEEP_RULE_VERSION, Key, Kind, Operation, View, reference,
};
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
    section(&mut text, "normals", normals());
    section(&mut text, "kinds", kinds());
    section(&mut text, "strided", strided());
    section(&mut text, "shared", shared());
    section(&mut text, "gathered", gathered());
    section(&mut text, "drop_blocks", drop_blocks());
    section(&mut text, "fused", passes::fused());
    section(&mut text, "samples", passes::samples());
    section(&mut text, "products", passes::products());
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
        assert_eq!((mask.packed.bits.kept, &mask.packed.bits.crc32.words[..]), (answer.kept, &[answer.crc32][..]));
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

fn normals() -> Vec<Normals> {
    let mut normals = vec![];
    for &generator in Generator::ALL {
        let end = generator.normal_end();
        let mut add = |key: Key, start, length| {
            let z = reference::normals_q21(generator, key, start, length).unwrap();
            normals.push(Normals::new(named(generator, key), start, z));
        };
        // From every place in a block.
        for start in 0..4 {
            add(KEY, start, 17);
        }
        for length in [0, 1, 2, 3, 64, 65, 1000] {
            add(KEY, 2, length);
        }
        // Around the carries of the block's number and of the index.
        for start in [(1 << 32) - 3, (1 << 34) - 5, (1 << 34) - 4, 1 << 34, (1 << 35) - 1, (1 << 40) + 3] {
            add(KEY, start, 12);
        }
        for length in [1, 4, 7] {
            add(KEY, (end - u128::from(length)) as u64, length);
        }
        for key in [Key::new(0), Key::new(42).with_stream(7), Key::new(u64::MAX).with_stream(u64::MAX)] {
            add(key, 0, 8);
        }
        // Every octave but the last few, and every entry of most.
        add(Key::new(42).with_stream(7), 1 << 20, 1 << 20);
    }
    normals
}

const DROPS: [f64; 6] = [0.0, 0.1, 0.25, 0.5, 0.9, 1.0];

fn kinds() -> Vec<KindValues> {
    let mut kinds = vec![];
    for &kind in Kind::ALL {
        for direction in [Direction::Forward, Direction::Backward, Direction::Evaluation] {
            for p in DROPS {
                if (kind, p) == (Kind::Gaussian, 1.0) {
                    continue;
                }
                // Without random numbers one generator is as good as the other.
                let random = p != 0.0 && p != 1.0 && direction != Direction::Evaluation;
                for &generator in if random { Generator::ALL } else { &Generator::ALL[kinds.len() % 2..][..1] } {
                    for &dtype in Dtype::ALL {
                        let limit = if kind == Kind::Gaussian { generator.normal_end() } else { generator.index_end() };
                        let last = (limit - ELEMENTS as u128) as u64;
                        let starts = [0, 5, (1 << 32) - 20, (1 << 34) - 11, (1 << 35) - 15, (1 << 40) + 3, last];
                        let start = starts[kinds.len() % starts.len()];
                        kinds.push(kind_values(kind, direction, dtype, generator, p, start));
                    }
                }
            }
        }
    }
    kinds
}

/// Elements of an entry of the kinds. Every input meets every place in a group, because the starts differ.
const ELEMENTS: usize = 27 + TELLING;

fn kind_values(kind: Kind, direction: Direction, dtype: Dtype, generator: Generator, p: f64, start: u64) -> KindValues {
    let key = named(generator, KEY);
    let (x, y) = (Words { digits: 0, words: vec![] }, Words { digits: 0, words: vec![] });
    let entry = KindValues { kind, direction, dtype, key, p, start, x, y };
    let operation = entry.operation().unwrap();
    let (x, y) = match dtype {
        Dtype::F32 => {
            let mut x = f32_inputs().map(f32::from_bits).to_vec();
            x.extend(telling(&operation, x.len() as u64));
            run_kind(operation, &x, |y| y.to_bits())
        }
        Dtype::F16 => {
            let mut x = f16_inputs().map(f16::from_bits).to_vec();
            x.extend(telling(&operation, x.len() as u64).map(f16::from_f32));
            run_kind(operation, &x, |y| y.to_bits().into())
        }
        _ => {
            let mut x = bf16_inputs().map(bf16::from_bits).to_vec();
            x.extend(telling(&operation, x.len() as u64).map(bf16::from_f32));
            run_kind(operation, &x, |y| y.to_bits().into())
        }
    };
    KindValues { x, y, ..entry }
}

fn run_kind<T: Element>(operation: Operation, x: &[T], bits: impl Fn(T) -> u32) -> (Words, Words) {
    let mut y = reference::run(operation, x).unwrap();
    let selects = operation.mask().is_some_and(|mask| mask.kind() == Kind::Standard && mask.training());
    if !operation.copies() && !selects {
        // Any NaN is right, and which one the reference gives depends on the processor.
        let nan = T::narrow(f32::from_bits(0x7fc0_0000));
        y.iter_mut().filter(|y| y.widen().is_nan()).for_each(|y| *y = nan);
    }
    let digits = T::DTYPE.size() as usize * 2;
    (Words::new(digits, x.iter().copied().map(&bits)), Words::new(digits, y.into_iter().map(&bits)))
}

/// Elements that tell two roundings from one.
const TELLING: usize = 6;

fn telling(operation: &Operation, first: u64) -> [f32; TELLING] {
    std::array::from_fn(|i| wgpu_dropout_conformance::telling(operation, first + i as u64))
}

fn strided() -> Vec<StridedAnswer> {
    let mut strided = vec![];
    for &generator in Generator::ALL {
        let end = generator.index_end();
        let last = |offset: u64| (end - 1 - u128::from(offset)) as u64;
        let cases: [(u64, &[u64], &[u64], u64); 26] = [
            (0, &[100], &[1], 0),
            (5, &[100], &[1], 31),
            (0, &[70], &[0], 0),
            (3, &[70], &[3], 1),
            (3, &[70], &[8], 0),
            (3, &[7, 9], &[9, 1], 5),
            // Gaps, zeros, and rows that overlap or go backward in importance.
            (7, &[7, 9], &[20, 2], 0),
            (7, &[7, 9], &[1, 7], 3),
            (0, &[6, 11], &[0, 1], 0),
            (0, &[6, 11], &[1, 0], 0),
            (0, &[6, 11], &[4, 1], 2),
            (1, &[5, 6, 7], &[7, 0, 1], 0),
            (1, &[5, 6, 7], &[6, 1, 0], 8),
            (1, &[5, 1, 7, 1], &[100, 77, 2, 99], 0),
            (9, &[2, 3, 2, 3, 2, 3, 2, 3], &[1000, 0, 300, 7, 0, 40, 1, 0], 100),
            (9, &[2, 2, 2, 2, 2, 2, 2, 2], &[1, 2, 4, 8, 16, 32, 64, 128], 0),
            (9, &[2, 1, 2, 1, 2, 1, 2, 40], &[0, 5, 0, 5, 0, 5, 0, 1], 0),
            // Carries.
            ((1 << 32) - 20, &[6, 10], &[10, 1], 0),
            ((1 << 32) - 3, &[4, 40], &[0x1_0000_0001, 1], 7),
            ((1 << 35) - 30, &[9, 4, 5], &[7, 0, 1], 0),
            ((1 << 35) - 8, &[6, 8], &[8, 1], 1),
            ((1 << 58) - 5, &[3, 20], &[1 << 40, 1], 0),
            (0, &[3, 4, 5], &[0xffff_ffff, 0xffff_ffff, 0xffff_ffff], 0),
            // To the last index, in both directions.
            (last(9 * 100 + 6), &[10, 7], &[100, 1], 0),
            (last(6 * 100 + 9), &[10, 7], &[1, 100], 0),
            // Without elements.
            (0, &[3, 0, 5], &[u64::MAX, 1, u64::MAX], 0),
        ];
        for (n, (start, shape, strides, skip)) in cases.into_iter().enumerate() {
            let (p, key) = (DROPS[1..5][n % 4], named(generator, KEY));
            let (shape, strides) = (Numbers(shape.to_vec()), Numbers(strides.to_vec()));
            let bits = PackedBits::new(0, &[]);
            let mut answer = StridedAnswer { key, p, start, shape, strides, skip, bits };
            let length = answer.length();
            answer.bits = PackedBits::new(length, &reference::keep_mask(&answer.mask().unwrap(), length).unwrap());
            strided.push(answer);
        }
        // Far apart, to the last index of the generator.
        let strides = Numbers(vec![(end / 4) as u64, (end / 64) as u64, 1]);
        let (start, shape) = (last((end / 4) as u64 * 3 + (end / 64) as u64 * 15 + 2), Numbers(vec![4, 16, 3]));
        let mut far = StridedAnswer {
            key: named(generator, KEY),
            p: 0.5,
            start,
            shape,
            strides,
            skip: 0,
            bits: PackedBits::new(0, &[]),
        };
        far.bits = PackedBits::new(far.length(), &reference::keep_mask(&far.mask().unwrap(), far.length()).unwrap());
        strided.push(far);
    }
    strided
}

fn shared() -> Vec<SharedAnswer> {
    let mut shared = vec![];
    for &generator in Generator::ALL {
        let end = generator.index_end();
        let cases: [(u64, &[u64], &[usize]); 20] = [
            // Channels, locked, a row, a batch, and with channels last.
            (0, &[3, 5, 4, 7], &[2, 3]),
            (0, &[3, 40, 5], &[2]),
            (0, &[2, 3, 2, 3, 4], &[2, 3, 4]),
            (0, &[6, 3, 10], &[0]),
            (5, &[9, 4, 5], &[1, 2]),
            (5, &[9, 4, 5], &[0, 1, 2]),
            (5, &[2, 4, 5, 7], &[1, 2]),
            // Without any, with one axis, one element.
            (3, &[5, 20], &[]),
            (3, &[90], &[0]),
            (3, &[1], &[0]),
            // Every other axis, of eight.
            (11, &[2, 3, 2, 3, 2, 3, 2, 3], &[0, 2, 4, 6]),
            (11, &[2, 3, 2, 3, 2, 3, 2, 3], &[1, 3, 5, 7]),
            (11, &[1, 2, 1, 3, 1, 4, 1, 5], &[1, 4, 7]),
            // Long runs of one decision, and of many.
            (1, &[3, 3000], &[1]),
            (1, &[4, 2, 1025], &[1]),
            (1, &[2000, 2, 3], &[1]),
            ((1 << 32) - 4, &[4, 3, 9], &[2]),
            ((1 << 35) - 7, &[5, 3, 4], &[1]),
            ((end - 15) as u64, &[5, 3, 4], &[2]),
            (7, &[4, 0, 3], &[0]),
        ];
        for (n, (start, shape, axes)) in cases.into_iter().enumerate() {
            let (p, key) = (DROPS[1..5][n % 4], named(generator, KEY));
            let (shape, axes) = (Numbers(shape.to_vec()), Numbers(axes.to_vec()));
            let mut answer = SharedAnswer { key, p, start, shape, shared: axes, bits: PackedBits::new(0, &[]) };
            let length = answer.length();
            answer.bits = PackedBits::new(length, &reference::keep_mask(&answer.mask().unwrap(), length).unwrap());
            shared.push(answer);
        }
    }
    shared
}

/// One to three axes, odd and even blocks, blocks as large as a plane and larger, planes of one element, and to the
/// last index.
fn drop_blocks() -> Vec<BlockAnswer> {
    let mut answers = vec![];
    for &generator in Generator::ALL {
        let last = |seeds: u64| (generator.index_end() - u128::from(seeds)) as u64;
        let cases: [(f64, u64, &[u64], &[u64]); 15] = [
            (0.1, 0, &[2, 3, 8, 8], &[3, 3]),
            (0.1, 5, &[2, 20, 23], &[7, 7]),
            (0.25, 0, &[3, 5, 64], &[2]),
            (0.5, 3, &[2, 6, 7, 9], &[2, 3, 4]),
            (0.1, (1 << 32) - 100, &[4, 14, 14], &[4, 5]),
            (0.2, (1 << 35) - 100, &[4, 14, 14], &[14, 14]),
            (0.2, 1, &[4, 9, 9], &[20, 3]),
            (0.9, 0, &[3, 9, 40], &[1, 33]),
            (0.3, 0, &[40, 1], &[3]),
            (0.3, 0, &[6, 33, 31], &[1, 1]),
            (0.05, 0, &[8, 3, 28, 28], &[7, 7]),
            (0.0, 9, &[2, 5, 5], &[3, 3]),
            (1.0, 9, &[2, 5, 5], &[3, 3]),
            (1e-10, 0, &[2, 5, 5], &[3, 3]),
            (0.4, last(2 * 6 * 6), &[2, 8, 8], &[3, 3]),
        ];
        for (p, start, shape, block) in cases {
            let mut answer = BlockAnswer {
                key: named(generator, KEY),
                p,
                start,
                shape: Numbers(shape.to_vec()),
                block: Numbers(block.to_vec()),
                threshold: 0,
                bits: PackedBits::new(0, &[]),
                scale_count: Words::new(8, [0]),
                scale_expected: Words::new(8, [0]),
            };
            let mask = answer.mask(BlockScaling::Count).unwrap();
            let words = reference::drop_block_mask(&mask).unwrap();
            let scale = |scaling| {
                let scale = reference::drop_block_scale(&answer.mask(scaling).unwrap()).unwrap();
                Words::new(8, [scale.unwrap_or(1.0).to_bits()])
            };
            (answer.scale_count, answer.scale_expected) = (scale(BlockScaling::Count), scale(BlockScaling::Expected));
            (answer.threshold, answer.bits) = (mask.threshold(), PackedBits::new(mask.elements(), &words));
            answers.push(answer);
        }
    }
    answers
}

fn gathered() -> Vec<GatheredAnswer> {
    let mut gathered = vec![];
    for &generator in Generator::ALL {
        let end = generator.index_end();
        let past = |decisions: u128| (end - (decisions << 32)) as u64;
        /// Start, shape, shared axes, ids.
        type Rows<'a> = (u64, &'a [u64], &'a [usize], &'a [u32]);
        let cases: [Rows<'_>; 14] = [
            (0, &[5, 12], &[], &[7, 0, 7, 3, 4_000_000_000]),
            // Embeddings: a decision for an entry of the vocabulary.
            (0, &[8, 6], &[1], &[5, 1, 5, 0, u32::MAX, 5, 1, u32::MAX]),
            (3, &[40], &[], &[9; 40]),
            (3, &[5], &[], &[u32::MAX, 0, 1, 0x8000_0000, 0x7fff_ffff]),
            (6, &[4, 1], &[], &[3, 2, 1, 0]),
            (6, &[3, 2, 5, 7], &[2], &[u32::MAX, 8, u32::MAX]),
            (6, &[3, 2, 5, 7], &[1, 3], &[2, 1, 0]),
            (6, &[3, 2, 3, 2, 3, 2, 3, 2], &[2, 4, 7], &[100, 0xffff_fffe, 100]),
            ((1 << 32) - 5, &[3, 4], &[], &[0, 1, 2]),
            ((1 << 35) - 5, &[3, 4], &[], &[0, 1, u32::MAX]),
            (5, &[2, 1025], &[], &[u32::MAX, 77]),
            // To the last index.
            (past(3), &[4, 3, 2], &[2], &[u32::MAX, 0, u32::MAX, 0xffff_fffe]),
            (past(1), &[4, 3, 2], &[1, 2], &[u32::MAX, 0, 12, u32::MAX]),
            (0, &[0, 3], &[], &[]),
        ];
        for (n, (start, shape, axes, ids)) in cases.into_iter().enumerate() {
            let (p, key) = (DROPS[1..5][n % 4], named(generator, KEY));
            let (shape, shared, ids) = (Numbers(shape.to_vec()), Numbers(axes.to_vec()), Numbers(ids.to_vec()));
            let mut answer = GatheredAnswer { key, p, start, shape, shared, ids, bits: PackedBits::new(0, &[]) };
            let length = answer.length();
            let words = reference::gathered_keep_mask(&answer.mask().unwrap(), length, &answer.ids.0).unwrap();
            answer.bits = PackedBits::new(length, &words);
            gathered.push(answer);
        }
    }
    gathered
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
