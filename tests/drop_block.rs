//! The published known answers of `DropBlock`, on the CPU reference, and what it says of bad values.
//!
//! tests/vectors/family_v1.json was made by an implementation that shares no code with this one.

mod vectors;

use vectors::drop_blocks;
use wgpu_dropout::{BlockScaling, DropBlock, Error, Key, reference};

#[test]
fn known_answers() {
    let answers = drop_blocks();
    assert_eq!(answers.len(), 24);
    for answer in answers {
        let mask = answer.mask(BlockScaling::Count);
        assert_eq!(mask.rate().to_bits(), answer.rate_bits, "{answer:?}");
        assert_eq!(mask.threshold(), answer.threshold, "{answer:?}");
        let words = reference::drop_block_mask(&mask).unwrap();
        answer.check(&words).unwrap();
        for (scaling, expected) in [
            (BlockScaling::Count, Some(answer.scale_count)),
            (BlockScaling::Expected, Some(answer.scale_expected)),
            (BlockScaling::None, None),
        ] {
            let mask = answer.mask(scaling);
            let scale = reference::drop_block_scale(&mask).unwrap();
            assert_eq!(scale.map(f32::to_bits), expected, "{scaling:?} {answer:?}");
            let x: Vec<f32> = (1..=mask.elements()).map(|i| i as f32).collect();
            let y = reference::drop_block(&mask, &x).unwrap();
            for (j, (x, y)) in x.iter().zip(&y).enumerate() {
                let kept = words[j / 32] >> (j % 32) & 1 == 1;
                assert_eq!(*y, if kept { x * scale.unwrap_or(1.0) } else { 0.0 });
            }
        }
    }
}

/// In evaluation nothing is dropped, and no bits change.
#[test]
fn evaluation_is_the_identity() {
    let drop_block = DropBlock::new(0.5, &[2]).unwrap().with_training(false);
    let mask = drop_block.mask(Key::new(1), &[2, 8]).unwrap();
    let x = [f32::from_bits(0x7fa0_0001); 16];
    let y = reference::drop_block(&mask, &x).unwrap();
    assert!(y.iter().all(|y| y.to_bits() == 0x7fa0_0001));
}

#[test]
fn shards_of_planes_are_the_whole() {
    let drop_block = DropBlock::new(0.2, &[3, 2]).unwrap().with_scaling(BlockScaling::Expected);
    let mask = drop_block.shared_mask(Key::new(4), &[3, 4, 9, 7], &[1]).unwrap().at(11).unwrap();
    let x: Vec<f32> = (1..=mask.elements()).map(|i| i as f32).collect();
    let whole = reference::drop_block(&mask, &x).unwrap();
    for cut in 0..=12 {
        let part = |first, count| {
            let x = &x[first as usize * 63..][..count as usize * 63];
            reference::drop_block(&mask.planes(first, count).unwrap(), x).unwrap()
        };
        assert_eq!([part(0, cut), part(cut, 12 - cut)].concat(), whole);
    }
    // One mask for all channels.
    for image in whole.chunks(4 * 63) {
        for channel in image.chunks(63) {
            assert!(channel.iter().zip(image).all(|(a, b)| (*a == 0.0) == (*b == 0.0)));
        }
    }
}

#[test]
fn errors_name_the_value() {
    let says = |error: Error, words: &[&str]| {
        let message = error.to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    says(DropBlock::new(1.5, &[3]).unwrap_err(), &["1.5"]);
    says(DropBlock::new(0.5, &[]).unwrap_err(), &["0 axes", "1, 2 or 3"]);
    says(DropBlock::new(0.5, &[1; 4]).unwrap_err(), &["4 axes"]);
    says(DropBlock::new(0.5, &[3, 0]).unwrap_err(), &["axis 1", "at least 1"]);
    let drop_block = DropBlock::new(0.5, &[2, 2]).unwrap();
    says(drop_block.mask(Key::new(1), &[5]).unwrap_err(), &["[5]", "2 spatial"]);
    says(drop_block.shared_mask(Key::new(1), &[5, 5, 5], &[1]).unwrap_err(), &["[1]", "before"]);
    says(drop_block.mask(Key::new(1), &[u64::MAX, 5, 5]).unwrap_err(), &["2^64"]);
    let mask = drop_block.mask(Key::new(1), &[2, 5, 5]).unwrap();
    mask.at(u64::MAX - 31).unwrap();
    says(mask.at(u64::MAX - 30).unwrap_err(), &["32 elements", "start"]);
    says(mask.planes(1, 2).unwrap_err(), &["2 planes from plane 1", "of 2"]);
    says(reference::drop_block(&mask, &[0_f32; 49]).unwrap_err(), &["196 bytes", "shape"]);
    let wide = DropBlock::new(0.5, &[1 << 25]).unwrap().with_scaling(BlockScaling::Expected);
    says(wide.mask(Key::new(1), &[1 << 26]).unwrap().expected_scale().unwrap_err(), &["33554432", "Count"]);
}
