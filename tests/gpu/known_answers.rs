//! The published known answers, computed by every adapter. The same files drive the CPU in `known_answers.rs`.
use crate::adapters::subjects;
use wgpu_dropout::{BlockCounter, Dropout, Generator, Key, reference};

/// The answers of the round counts that the kernels use, and the long-range check of the C++ standard's Philox.
#[test]
fn random123() {
    let counter = |c: [u32; 4], k: [u32; 4], generator| match generator {
        Generator::Threefry => {
            BlockCounter { group: [c[0], c[1]], part: c[2], domain: c[3], seed: [k[0], k[1]], stream: [k[2], k[3]] }
        }
        // Part and domain go into the upper bits of the second word; here the word comes whole.
        _ => BlockCounter { group: [c[0], c[1]], stream: [c[2], c[3]], seed: [k[0], k[1]], part: 0, domain: 0 },
    };
    for (generator, name, rounds) in [(Generator::Threefry, "threefry4x32", 20), (Generator::Philox, "philox4x32", 10)]
    {
        let answers: Vec<_> = crate::vectors::generators()
            .into_iter()
            .filter(|answer| answer.name == name && answer.rounds == rounds)
            .collect();
        assert_eq!(answers.len(), 3);
        let counters: Vec<_> = answers.iter().map(|answer| counter(answer.counter, answer.key, generator)).collect();
        for subject in subjects() {
            let actual = subject.context.random_blocks_blocking(generator, &counters).unwrap();
            for (answer, actual) in answers.iter().zip(actual) {
                assert_eq!(actual, answer.output, "{}: {name}, counter {:x?}", subject.name, answer.counter);
            }
        }
    }
    for subject in subjects() {
        let counter = counter([2499, 0, 0, 0], [20_111_115, 0, 0, 0], Generator::Philox);
        let block = subject.context.random_blocks_blocking(Generator::Philox, &[counter]).unwrap();
        assert_eq!(block[0][3], 1_955_073_260, "{}", subject.name);
    }
}

/// Philox needs a multiply-high that WGSL does not have: an error in a carry shows only for some operands.
#[test]
fn philox_equals_rand_philox() {
    use rand::{Rng, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(2);
    let counters: Vec<_> = (0..20_000)
        .map(|_| BlockCounter {
            group: std::array::from_fn(|_| rng.next_u32()),
            stream: std::array::from_fn(|_| rng.next_u32()),
            seed: std::array::from_fn(|_| rng.next_u32()),
            part: 0,
            domain: 0,
        })
        .collect();
    for subject in subjects() {
        let blocks = subject.context.random_blocks_blocking(Generator::Philox, &counters).unwrap();
        for (c, block) in counters.iter().zip(blocks) {
            let counter = [c.group[0], c.group[1], c.stream[0], c.stream[1]];
            assert_eq!(block, rand_philox::philox4x32_10(counter, c.seed), "{}: {c:x?}", subject.name);
        }
    }
}

#[test]
fn masks_of_the_keep_rule() {
    for subject in subjects() {
        for answer in crate::vectors::masks() {
            let words = subject.context.keep_mask_blocking(&answer.mask(), answer.count).unwrap();
            answer.check(&words).unwrap_or_else(|error| panic!("{}: {error}", subject.name));
        }
    }
}

/// p one step to each side of an element's uniform: only an exact 32-bit comparison gets both right.
#[test]
fn uniforms_at_their_boundaries() {
    for subject in subjects() {
        for answer in crate::vectors::boundaries() {
            for (p, keep) in answer.drops_and_keeps() {
                let mask = Dropout::new(p).unwrap().with_generator(answer.generator).mask(answer.key).at(answer.index);
                let words = subject.context.keep_mask_blocking(&mask, 1).unwrap();
                assert_eq!(words, [u32::from(keep)], "{}: index {} p {p}", subject.name, answer.index);
            }
        }
    }
}

#[test]
fn scales() {
    for subject in subjects() {
        for answer in crate::vectors::thresholds() {
            let mask = Dropout::new(answer.p).unwrap().mask(wgpu_dropout::Key::new(1));
            let y = subject.context.forward_blocking(&mask, &[1.0; 4096]).unwrap();
            let keep = subject.context.keep_mask_blocking(&mask, 4096).unwrap();
            for (i, y) in y.iter().enumerate() {
                let expected = if keep[i / 32] >> (i % 32) & 1 == 1 { answer.scale_bits } else { 0 };
                assert_eq!(y.to_bits(), expected, "{}: p {} element {i}", subject.name, answer.p);
            }
        }
    }
}

/// What becomes of 0 and 1 shows the constants, and sigma is seen through the normals.
#[test]
fn constants_of_the_kinds() {
    for subject in subjects() {
        let context = &subject.context;
        for known in crate::vectors::family::constants() {
            let (zeros, ones) = ([0.0_f32; 1000], [1.0_f32; 1000]);
            let place = format!("{}: p {}", subject.name, known.p);
            let alpha = Dropout::alpha(known.p).unwrap().mask(Key::new(1));
            let shifted = context.forward_blocking(&alpha, &zeros).unwrap();
            let scaled = context.backward_blocking(&alpha, &ones).unwrap();
            for (local, pair) in (0..).zip(shifted.into_iter().zip(scaled)) {
                let kept = reference::keeps(&alpha, local);
                let expected = if kept { (known.alpha_shift, known.alpha_scale) } else { (known.alpha_dropped, 0.0) };
                assert_eq!(pair, expected, "{place}");
            }
            let standard = Dropout::standard(known.p).unwrap().with_training(false).mask(Key::new(1));
            assert_eq!(context.forward_blocking(&standard, &[1.0]).unwrap(), [known.standard_evaluation], "{place}");
            let gaussian = Dropout::gaussian(known.p).unwrap().mask(Key::new(1));
            let factors = context.forward_blocking(&gaussian, &ones).unwrap();
            let normals = context.normals_blocking(gaussian.generator(), gaussian.key(), 0, 1000).unwrap();
            for (factor, z) in factors.into_iter().zip(normals) {
                let s = known.sigma * z;
                assert_eq!(factor, 1.0 + s, "{place}");
            }
        }
    }
}

#[test]
fn values_of_the_kinds() {
    for subject in subjects() {
        for known in crate::vectors::family::values() {
            let y = subject.context.run_blocking(known.operation, &known.x).unwrap();
            known.check(&y).unwrap_or_else(|error| panic!("{}: {error}", subject.name));
        }
    }
}

#[test]
fn shared_masks_and_gathered_rows() {
    for subject in subjects() {
        for known in crate::vectors::family::masks() {
            let words = match &known.ids {
                Some(ids) => subject.context.gathered_keep_mask_blocking(&known.mask, known.length, ids),
                None => subject.context.keep_mask_blocking(&known.mask, known.length),
            };
            known.check(&words.unwrap()).unwrap_or_else(|error| panic!("{}: {error}", subject.name));
        }
    }
}
