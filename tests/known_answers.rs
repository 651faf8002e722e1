//! The published known answers, on the CPU reference. `gpu_known_answers.rs` runs the same files on every adapter.
//!
//! tests/vectors/random123.txt comes from Random123 itself; keep_rule_v1.txt, threshold_v1.txt and family_v1.json were made
//! by an implementation that shares no code with this one. So these tests do not compare the code with itself.

mod vectors;

use rand::{Rng, SeedableRng};
use vectors::{GeneratorAnswer, boundaries, family, generators, masks, thresholds};
use wgpu_dropout::{Dropout, Generator, Key, reference};

#[test]
fn random123() {
    for GeneratorAnswer { name, rounds, counter, key, output } in generators() {
        let actual = match name.as_str() {
            "threefry4x32" => reference::threefry4x32(rounds, counter, key),
            "philox4x32" => reference::philox4x32(rounds, counter, [key[0], key[1]]),
            other => panic!("unknown generator {other}"),
        };
        assert_eq!(actual, output, "{name} {rounds} rounds, counter {counter:x?}");
    }
}

#[test]
fn philox_10000th_output_of_the_cpp_standard() {
    assert_eq!(reference::philox4x32_10([2499, 0, 0, 0], [20_111_115, 0])[3], 1_955_073_260);
}

/// The crate `rand_philox` shares no code with ours.
#[test]
fn philox_equals_rand_philox() {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    for _ in 0..1000 {
        let counter = std::array::from_fn(|_| rng.next_u32());
        let key = std::array::from_fn(|_| rng.next_u32());
        assert_eq!(
            reference::philox4x32_10(counter, key),
            rand_philox::philox4x32_10(counter, key),
            "counter {counter:x?}, key {key:x?}"
        );
    }
}

#[test]
fn threshold_and_scale() {
    for answer in thresholds() {
        let dropout = Dropout::new(answer.p).unwrap();
        assert_eq!(dropout.threshold(), answer.threshold, "threshold of p = {}", answer.p);
        assert_eq!(dropout.scale().to_bits(), answer.scale_bits, "scale of p = {}", answer.p);
    }
    assert_eq!(Dropout::new(-0.0).unwrap().threshold(), 1 << 32);
}

#[test]
fn uniforms_at_their_boundaries() {
    for answer in boundaries() {
        let (generator, key, index) = (answer.generator, answer.key, answer.index);
        assert_eq!(reference::uniform(generator, key, index), answer.uniform);
        for (p, keep) in answer.drops_and_keeps() {
            let mask = Dropout::new(p).unwrap().with_generator(generator).mask(key).at(index);
            assert_eq!(reference::keeps(&mask, 0), keep, "{generator} index {index} p {p}");
        }
    }
}

#[test]
fn masks_of_the_keep_rule() {
    for answer in masks() {
        let words = reference::keep_mask(&answer.mask(), answer.count).unwrap();
        answer.check(&words).unwrap();
    }
}

/// The reference evaluates eight elements at a time and the second part lazily: that must not change anything.
#[test]
fn groupwise_masks_equal_the_rule_element_by_element() {
    for &generator in Generator::ALL {
        for p in [0.1, 0.5, 0.999] {
            for start in [0, 3, (1 << 35) - 13] {
                let mask = Dropout::new(p).unwrap().with_generator(generator).mask(wgpu_dropout::Key::new(3)).at(start);
                let words = reference::keep_mask(&mask, 100_003).unwrap();
                for local in 0..100_003 {
                    let bit = words[local as usize >> 5] >> (local & 31) & 1;
                    assert_eq!(bit == 1, reference::keeps(&mask, local), "{generator} p {p} start {start} + {local}");
                }
            }
        }
    }
}

/// What becomes of 0 and 1 shows the constants, and sigma is seen through the normals.
#[test]
fn constants_of_the_kinds() {
    for known in family::constants() {
        let (zeros, ones) = ([0.0_f32; 1000], [1.0_f32; 1000]);
        let place = format!("p {}", known.p);
        let alpha = Dropout::alpha(known.p).unwrap().mask(Key::new(1));
        let [shifted, scaled] = [reference::forward(&alpha, &zeros), reference::backward(&alpha, &ones)];
        for (local, (shifted, scaled)) in (0..).zip(shifted.unwrap().into_iter().zip(scaled.unwrap())) {
            let kept = reference::keeps(&alpha, local);
            let expected = if kept { (known.alpha_shift, known.alpha_scale) } else { (known.alpha_dropped, 0.0) };
            assert_eq!((shifted, scaled), expected, "{place}");
        }
        let standard = Dropout::standard(known.p).unwrap().with_training(false).mask(Key::new(1));
        assert_eq!(reference::forward(&standard, &[1.0_f32]).unwrap(), [known.standard_evaluation], "{place}");
        let gaussian = Dropout::gaussian(known.p).unwrap().mask(Key::new(1));
        let factors = reference::forward(&gaussian, &ones).unwrap();
        let normals = reference::normals(gaussian.generator(), gaussian.key(), 0, 1000).unwrap();
        for (factor, z) in factors.into_iter().zip(normals) {
            let s = known.sigma * z;
            assert_eq!(factor, 1.0 + s, "{place}");
        }
    }
}

#[test]
fn values_of_the_kinds() {
    for known in family::values() {
        known.check(&reference::run(known.operation, &known.x).unwrap()).unwrap();
    }
}

#[test]
fn shared_masks_and_gathered_rows() {
    for known in family::masks() {
        let words = match &known.ids {
            Some(ids) => reference::gathered_keep_mask(&known.mask, known.length, ids),
            None => reference::keep_mask(&known.mask, known.length),
        };
        known.check(&words.unwrap()).unwrap();
    }
}

#[test]
fn every_line_of_the_vectors_is_read() {
    assert_eq!(generators().len(), 12);
    assert_eq!(masks().len(), 21);
    assert_eq!(thresholds().len(), 22);
    assert_eq!(boundaries().len(), 5);
    // Of 6 values there are two kinds each.
    assert_eq!((family::constants().len(), family::values().len(), family::masks().len()), (9, 2 * 6 + 21, 27 + 8));
}
