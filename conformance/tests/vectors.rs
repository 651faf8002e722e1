//! The published known answers for other implementations: the file is whole, the CPU reference agrees with every entry,
//! and the file agrees with the older ones, which an implementation that shares no code with this one has made.

#[path = "../examples/conformance_vectors.rs"]
#[allow(dead_code, reason = "main is the example's")]
mod conformance_vectors;

use conformance_vectors::published;
use half::{bf16, f16};
use wgpu_dropout::{Dropout, Dtype, Element, Generator, KEEP_RULE_VERSION, Kind, Operation, reference};
use wgpu_dropout_conformance::vectors::{
    Direction, FusedAnswer, KindValues, Normals, Packed, PackedBits, ProductAnswer, SamplesAnswer, Values, Vectors,
    Words,
};

#[test]
fn the_file_is_what_scripts_conformance_sh_writes() {
    let committed = include_str!("../vectors/conformance_v1.json");
    assert!(committed == conformance_vectors::text(), "run scripts/conformance.sh and look at the difference");
    assert!(committed.len() < 500_000);
    assert_eq!(Vectors::read().keep_rule_version, KEEP_RULE_VERSION.to_string());
}

#[test]
fn the_reference_agrees_with_every_entry() {
    let vectors = Vectors::read();
    for known in &vectors.blocks {
        let (counter, key) = (known.counter.words[..].try_into().unwrap(), &known.key.words);
        let block = match known.generator {
            Generator::Threefry => reference::threefry4x32_20(counter, key[..].try_into().unwrap()),
            _ => reference::philox4x32_10(counter, key[..].try_into().unwrap()),
        };
        assert_eq!(known.block.words, block, "{known:?}");
    }
    for known in &vectors.thresholds {
        let dropout = Dropout::new(known.p).unwrap();
        assert_eq!((known.threshold, known.scale.words[0]), (dropout.threshold(), dropout.scale().to_bits()));
    }
    for known in &vectors.uniforms {
        let uniform = reference::uniform(known.key.generator, known.key.key(), known.index);
        assert_eq!(known.uniform.words, [uniform], "{known:?}");
        for (p, keep) in known.drops_and_keeps() {
            assert_eq!(reference::keeps(&known.key.mask(p).unwrap().at(known.index), 0), keep, "{known:?}");
        }
    }
    let masks = vectors.masks.iter().map(|known| (known.mask().unwrap(), &known.packed));
    let views = vectors.views.iter().map(|known| (known.mask().unwrap(), &known.packed));
    for (mask, packed) in masks.chain(views) {
        assert_eq!(*packed, Packed::new(packed.length, &reference::keep_mask(&mask, packed.length).unwrap()));
    }
    for known in &vectors.values {
        match known.dtype {
            Dtype::F32 => values(known, f32::from_bits),
            Dtype::F16 => values(known, |bits| f16::from_bits(bits as u16)),
            Dtype::Bf16 => values(known, |bits| bf16::from_bits(bits as u16)),
            other => panic!("no answers for {other}"),
        }
    }
}

fn values<T: Element>(known: &Values, from_bits: impl Fn(u32) -> T) {
    let mask = known.mask().unwrap();
    assert_eq!(known.scale.words, [mask.scale().to_bits()]);
    let elements = |bits: &[u32]| bits.iter().map(|&bits| from_bits(bits)).collect::<Vec<_>>();
    let y = reference::forward(&mask, &elements(&known.x.words)).unwrap();
    for (i, (expected, actual)) in elements(&known.y.words).iter().zip(&y).enumerate() {
        // A NaN stands for any NaN, unless the bits are copied.
        let nan = !mask.keeps_all() && expected.widen().is_nan() && actual.widen().is_nan();
        assert!(nan || bytemuck::bytes_of(expected) == bytemuck::bytes_of(actual), "element {i} of {known:?}");
    }
    assert_eq!(y.len(), known.y.words.len());
}

#[test]
fn the_reference_agrees_with_every_entry_of_the_family() {
    let vectors = Vectors::read();
    for known in &vectors.normals {
        let (key, start, length) = (known.key, known.start, known.length);
        let z = reference::normals_q21(key.generator, key.key(), start, length).unwrap();
        let actual = Normals::new(key, start, z);
        assert_eq!((&known.crc32, &known.z), (&actual.crc32, &actual.z), "{known:?}");
    }
    for known in &vectors.kinds {
        match known.dtype {
            Dtype::F32 => kind(known, f32::from_bits),
            Dtype::F16 => kind(known, |bits| f16::from_bits(bits as u16)),
            Dtype::Bf16 => kind(known, |bits| bf16::from_bits(bits as u16)),
            other => panic!("no answers for {other}"),
        }
    }
    for known in &vectors.strided {
        let length = known.length();
        let words = reference::keep_mask(&known.mask().unwrap(), length).unwrap();
        assert_eq!(known.bits, PackedBits::new(length, &words), "{known:?}");
    }
    for known in &vectors.shared {
        let length = known.length();
        let words = reference::keep_mask(&known.mask().unwrap(), length).unwrap();
        assert_eq!(known.bits, PackedBits::new(length, &words), "{known:?}");
    }
    for known in &vectors.gathered {
        let length = known.length();
        let words = reference::gathered_keep_mask(&known.mask().unwrap(), length, &known.ids.0).unwrap();
        assert_eq!(known.bits, PackedBits::new(length, &words), "{known:?}");
    }
}

#[test]
fn the_reference_agrees_with_every_entry_of_the_passes() {
    let vectors = Vectors::read();
    for known in &vectors.fused {
        match known.dtype {
            Dtype::F32 => fused::<f32>(known),
            Dtype::F16 => fused::<f16>(known),
            _ => fused::<bf16>(known),
        }
    }
    for known in &vectors.samples {
        match known.dtype {
            Dtype::F32 => samples::<f32>(known),
            Dtype::F16 => samples::<f16>(known),
            _ => samples::<bf16>(known),
        }
    }
    for known in &vectors.products {
        let (of, [w, x, dy]) = (known.product().unwrap(), [&known.w, &known.x, &known.dy].map(elements::<f32>));
        let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
        reference::run_pass(of.forward(&w, &x, &mut y)).unwrap();
        reference::run_pass(of.backward_input(&w, &dy, &mut dx)).unwrap();
        reference::run_pass(of.backward_weights(&x, &dy, &mut dw)).unwrap();
        for (expected, actual) in [(&known.y, y), (&known.dx, dx), (&known.dw, dw)] {
            assert_eq!(elements::<f32>(expected), actual, "{known:?}");
        }
    }
    // Some infinity of which nothing is seen.
    let infinite = |known: &&ProductAnswer| known.x.words.contains(&f32::INFINITY.to_bits());
    assert!(vectors.products.iter().filter(infinite).count() >= 2);
    assert!(vectors.products.iter().all(|known| elements::<f32>(&known.y).iter().all(|y| y.is_finite())));
}

fn elements<T: Element>(words: &Words) -> Vec<T> {
    let size = T::DTYPE.size() as usize;
    let bytes: Vec<u8> = words.words.iter().flat_map(|word| word.to_le_bytes().into_iter().take(size)).collect();
    bytemuck::pod_collect_to_vec(&bytes)
}

/// The same bits; a NaN stands for any NaN.
fn assert_same<T: Element>(expected: &Words, actual: &[T], what: &dyn std::fmt::Debug) {
    let expected: Vec<T> = elements(expected);
    assert_eq!(expected.len(), actual.len(), "{what:?}");
    for (i, (expected, actual)) in expected.iter().zip(actual).enumerate() {
        let nan = expected.widen().is_nan() && actual.widen().is_nan();
        assert!(nan || bytemuck::bytes_of(expected) == bytemuck::bytes_of(actual), "element {i} of {what:?}");
    }
}

fn fused<T: Element>(known: &FusedAnswer) {
    let fused = known.fused().unwrap();
    let [x, bias, residual, dy] = [&known.x, &known.bias, &known.residual, &known.dy].map(elements::<T>);
    let (mut y, mut dx) = (x.clone(), x.clone());
    reference::run_pass(fused.forward(&x, &mut y).with_bias(&bias).with_residual(&residual)).unwrap();
    reference::run_pass(fused.backward(&dy, &mut dx).with_input(&x).with_bias(&bias)).unwrap();
    assert_same(&known.y, &y, known);
    assert_same(&known.dx, &dx, known);
}

fn samples<T: Element>(known: &SamplesAnswer) {
    let x: Vec<T> = elements(&known.x);
    let mut y = x.repeat(known.samples as usize);
    reference::run_pass(known.samples().unwrap().forward(&x, &mut y)).unwrap();
    assert_same(&known.y, &y, known);
}

fn kind<T: Element>(known: &KindValues, from_bits: impl Fn(u32) -> T) {
    let operation = known.operation().unwrap();
    let elements = |bits: &[u32]| bits.iter().map(|&bits| from_bits(bits)).collect::<Vec<_>>();
    let y = reference::run(operation, &elements(&known.x.words)).unwrap();
    let copies = operation.copies() || known.kind == Kind::Standard && known.direction != Direction::Evaluation;
    for (i, (expected, actual)) in elements(&known.y.words).iter().zip(&y).enumerate() {
        let nan = !copies && expected.widen().is_nan() && actual.widen().is_nan();
        assert!(nan || bytemuck::bytes_of(expected) == bytemuck::bytes_of(actual), "element {i} of {known:?}");
    }
    assert_eq!(y.len(), known.y.words.len());
}

/// The entries of the kinds meet every combination once, and look where one rounding would be seen for two.
#[test]
fn the_kinds_are_all_there() {
    let kinds = Vectors::read().kinds;
    let directions = [Direction::Forward, Direction::Backward, Direction::Evaluation];
    for &kind in Kind::ALL {
        for direction in directions {
            for &dtype in Dtype::ALL {
                for p in [0.0, 0.1, 0.25, 0.5, 0.9, 1.0] {
                    let count = |generator| {
                        let is = |known: &&KindValues| {
                            (known.kind, known.direction, known.dtype) == (kind, direction, dtype)
                                && (known.p, known.key.generator) == (p, generator)
                        };
                        kinds.iter().filter(is).count()
                    };
                    let counts = [count(Generator::Threefry), count(Generator::Philox)];
                    let expected = match (kind, direction, p) {
                        (Kind::Gaussian, _, 1.0) => 0,
                        (_, Direction::Evaluation, _) | (_, _, 0.0 | 1.0) => 1,
                        _ => 2,
                    };
                    assert_eq!(counts.iter().sum::<usize>(), expected, "{kind} {direction:?} {dtype} {p}");
                }
            }
        }
    }
    let told = kinds.iter().filter(|known| known.dtype == Dtype::F32).filter(|known| {
        let operation = known.operation().unwrap();
        let mut elements = (0..).zip(known.x.words.iter().zip(&known.y.words));
        elements.any(|(local, (&x, &y))| {
            let fused = wgpu_dropout_conformance::fused(&operation, local, f32::from_bits(x));
            fused.iter().any(|fused| !fused.is_nan() && fused.to_bits() != y)
        })
    });
    let told: Vec<_> = told.map(|known| (known.kind, known.direction)).collect();
    assert!(told.contains(&(Kind::Alpha, Direction::Forward)));
    assert!(
        told.contains(&(Kind::Gaussian, Direction::Forward)) && told.contains(&(Kind::Gaussian, Direction::Backward))
    );
    let backward = |known: &KindValues| matches!(known.operation().unwrap(), Operation::Backward(_));
    assert!(kinds.iter().all(|known| backward(known) == (known.direction == Direction::Backward)));
}

#[test]
fn the_older_files_are_part_of_it() {
    let vectors = Vectors::read();
    for answer in published::generators() {
        let generator = match (answer.name.as_str(), answer.rounds) {
            ("threefry4x32", 20) => Generator::Threefry,
            ("philox4x32", 10) => Generator::Philox,
            _ => continue,
        };
        let found = vectors.blocks.iter().any(|known| {
            let same = known.generator == generator && known.counter.words == answer.counter;
            same && answer.key.starts_with(&known.key.words) && known.block.words == answer.output
        });
        assert!(found, "{} {:x?}", answer.name, answer.counter);
    }
    for answer in published::thresholds() {
        let found = vectors.thresholds.iter().find(|known| known.p == answer.p).unwrap();
        assert_eq!((found.threshold, found.scale.words[0]), (answer.threshold, answer.scale_bits), "p {}", answer.p);
    }
    for answer in published::boundaries() {
        let of = |known: &&wgpu_dropout_conformance::vectors::Uniform| {
            known.key.generator == answer.generator && known.key.key() == answer.key && known.index == answer.index
        };
        assert_eq!(vectors.uniforms.iter().find(of).unwrap().uniform.words, [answer.uniform]);
    }
    for answer in published::masks() {
        let known = vectors
            .masks
            .iter()
            .find(|known| known.mask().unwrap() == answer.mask() && known.packed.length == answer.count);
        let packed = &known.unwrap_or_else(|| panic!("{} is missing", answer.line)).packed;
        assert_eq!(
            (packed.bits.kept, &packed.bits.crc32.words[..]),
            (answer.kept, &[answer.crc32][..]),
            "{}",
            answer.line
        );
    }
}
