//! `DropBlock`, lists of kept rows, and audits.

use wgpu_dropout::{BlockMask, BlockScaling, Context, DropBlock, Dropout, Error, Generator, Key, Operation, reference};

use super::family::contexts;
use crate::{Outcome, Subject, Suite, cases::KEY, outcome::Stop, vectors::PackedBits};

pub async fn known_block_masks(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.drop_blocks {
        let mask = known.mask(BlockScaling::Count)?;
        let words = packed_mask(subject.context(), &mask).await?;
        let actual = PackedBits::new(mask.elements(), &words);
        outcome.compare(actual == known.bits, || {
            format!("blocks of {:?} in {:?}, {}, p {}", known.block.0, known.shape.0, known.key.generator, known.p)
        });
    }
    Ok(())
}

/// Known scales, through elements that are 1.
pub async fn known_block_scales(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.drop_blocks {
        for (scaling, scale) in
            [(BlockScaling::Count, &known.scale_count), (BlockScaling::Expected, &known.scale_expected)]
        {
            let mask = known.mask(scaling)?;
            let y = run(subject.context(), &mask, &vec![1.0_f32; mask.elements() as usize]).await?;
            for kept in y.iter().filter(|&&y| y != 0.0).take(1) {
                outcome.compare(kept.to_bits() == scale.words[0], || {
                    let (block, shape) = (&known.block.0, &known.shape.0);
                    format!("{scaling:?} of blocks of {block:?} in {shape:?}: {:08x}", kept.to_bits())
                });
            }
        }
    }
    Ok(())
}

/// Blocks of one to three axes, rare and many, of planes of every width; as bits and applied.
pub async fn drop_block(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for context in contexts(subject).into_iter().chain([subject.tiny()]) {
        for &generator in Generator::ALL {
            for (p, block, shape, shared) in [
                (0.1, &[7, 7][..], &[5, 3, 20, 23][..], &[][..]),
                (0.5, &[3], &[7, 131], &[]),
                (0.2, &[2, 3, 4], &[3, 6, 7, 9], &[]),
                (0.3, &[4, 2], &[2, 5, 9, 33], &[1]),
                (0.02, &[5, 5], &[9, 31, 32], &[]),
                (0.9, &[40, 1], &[3, 9, 70], &[]),
                (0.0, &[3, 3], &[2, 9, 9], &[]),
                (1.0, &[3, 3], &[2, 9, 9], &[]),
            ] {
                let drop_block = DropBlock::new(p, block)?.with_generator(generator);
                for scaling in [BlockScaling::Count, BlockScaling::Expected, BlockScaling::None] {
                    let mask = drop_block.with_scaling(scaling).shared_mask(KEY, shape, shared)?.at((1 << 32) - 1000)?;
                    let what = format!("{generator}, p {p}, blocks of {block:?} in {shape:?}, {scaling:?}");
                    compare_blocks(context, outcome, &mask, &what).await?;
                }
            }
        }
    }
    Ok(())
}

async fn packed_mask(context: &Context, mask: &BlockMask) -> Result<Vec<u32>, Error> {
    let mut words = vec![0; mask.elements().div_ceil(32) as usize];
    context.run_pass(mask.packed_mask(&mut words[..])).await?;
    Ok(words)
}

async fn run(context: &Context, mask: &BlockMask, x: &[f32]) -> Result<Vec<f32>, Error> {
    let mut y = vec![0.0; x.len()];
    context.run_pass(mask.forward(x, &mut y)).await?;
    Ok(y)
}

async fn compare_blocks(context: &Context, outcome: &mut Outcome, mask: &BlockMask, what: &str) -> Result<(), Stop> {
    let words = packed_mask(context, mask).await?;
    outcome.compare(words == reference::drop_block_mask(mask)?, || format!("the mask of {what}"));
    let x: Vec<f32> = (0..mask.elements()).map(|i| i as f32 + 1.0).collect();
    let (y, expected) = (run(context, mask, &x).await?, reference::drop_block(mask, &x)?);
    for (j, (y, expected)) in y.iter().zip(&expected).enumerate() {
        outcome.compare(y.to_bits() == expected.to_bits(), || {
            format!("element {j} of {what}: expected {expected}, actual {y}")
        });
    }
    outcome.go_on()
}

/// The rows that masks of all sorts keep, in order.
pub async fn kept_rows(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for context in contexts(subject).into_iter().chain([subject.tiny()]) {
        for &generator in Generator::ALL {
            for (p, start, rows) in
                [(0.0, 0, 70), (0.2, 0, 1), (0.2, 5, 32), (0.5, 0, 1025), (0.3, (1 << 35) - 700, 1000), (1.0, 0, 40)]
            {
                let mask = Dropout::new(p)?.with_generator(generator).mask(KEY).at(start);
                let (actual, expected) = (context.kept_rows(&mask, rows).await?, reference::kept_rows(&mask, rows)?);
                outcome.compare(actual == expected, || {
                    let first = actual.iter().zip(&expected).position(|(a, b)| a != b);
                    let (listed, kept) = (actual.len(), expected.len());
                    format!(
                        "{generator}, p {p}, start {start}, {rows} rows: {listed} listed, {kept} kept, first {first:?}"
                    )
                });
                outcome.go_on()?;
            }
        }
    }
    Ok(())
}

/// What is right passes, what is not is found where it is, and what explains it is said.
pub async fn audits(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let mask = Dropout::new(0.3)?.mask(KEY).at(7);
    let x: Vec<f32> = (0..3000).map(|i| i as f32 + 1.0).collect();
    let y = reference::forward(&mask, &x)?;
    for (number, context) in contexts(subject).into_iter().enumerate() {
        let operation = Operation::Forward(mask);
        let right = context.audit(operation, &x, &y).await?;
        outcome.compare(right.is_right(), || format!("what is right: {right}"));
        for wrong in [0, 1234, 2999] {
            let mut y = y.clone();
            y[wrong] += 1.0;
            let audit = context.audit(operation, &x, &y).await?;
            let found = audit.first.as_ref().is_some_and(|first| first.position == wrong as u64);
            outcome.compare(audit.mismatches == 1 && found, || format!("element {wrong} is wrong: {audit}"));
        }
        outcome.go_on()?;
        // The host looks for what explains it, with kernels that others checks have.
        if number == 0 {
            let stale = Key { stream: KEY.stream.wrapping_add(1), ..KEY };
            let audit = context.audit(Operation::Forward(mask.with_key(stale)), &x, &y).await?;
            outcome.compare(audit.to_string().contains("step"), || format!("another step: {audit}"));
        }
    }
    Ok(())
}
