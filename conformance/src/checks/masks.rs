use wgpu_dropout::{Context, Dropout, Error, Generator, Key, Mask, MaskFormat};

use crate::{
    Outcome, Subject, Suite,
    cases::Case,
    outcome::Stop,
    vectors::{Packed, PackedBits},
};

pub async fn known_masks(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.masks {
        compare_known(subject, outcome, known.p, known.mask()?, &known.packed).await?;
    }
    Ok(())
}

pub async fn known_views(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.views {
        compare_known(subject, outcome, known.p, known.mask()?, &known.packed).await?;
    }
    Ok(())
}

pub async fn known_strides(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.strided {
        compare_known_bits(subject, outcome, known.p, known.mask()?, known.length(), None, &known.bits).await?;
    }
    Ok(())
}

pub async fn known_shared(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.shared {
        compare_known_bits(subject, outcome, known.p, known.mask()?, known.length(), None, &known.bits).await?;
    }
    Ok(())
}

pub async fn known_gathered(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.gathered {
        let ids = Some(&known.ids.0[..]);
        compare_known_bits(subject, outcome, known.p, known.mask()?, known.length(), ids, &known.bits).await?;
    }
    Ok(())
}

async fn compare_known(
    subject: &Subject,
    outcome: &mut Outcome,
    p: f64,
    mask: Mask,
    known: &Packed,
) -> Result<(), Stop> {
    compare_known_bits(subject, outcome, p, mask, known.length, None, &known.bits).await
}

async fn compare_known_bits(
    subject: &Subject,
    outcome: &mut Outcome,
    p: f64,
    mask: Mask,
    length: u64,
    row_ids: Option<&[u32]>,
    known: &PackedBits,
) -> Result<(), Stop> {
    let words = match row_ids {
        Some(ids) => subject.context().gathered_keep_mask(&mask, length, ids).await?,
        None => subject.context().keep_mask(&mask, length).await?,
    };
    let actual = PackedBits::new(length, &words);
    if actual == *known {
        outcome.compared += length;
        return Ok(());
    }
    // The reference, which has to fit the answer too, knows which elements are wrong.
    let case = Case::with_row_ids(p, mask, length, row_ids.map(<[u32]>::to_vec))?;
    let mismatches = outcome.mismatches;
    compare_words(outcome, &case, &words);
    if outcome.mismatches == mismatches {
        outcome.compare(false, || format!("{case}: expected {known:?}, actual {actual:?}"));
    }
    outcome.go_on()
}

/// The elements that a p just drops and just keeps, and each p's mask.
pub async fn known_thresholds(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.uniforms {
        for (p, keep) in known.drops_and_keeps() {
            let case = Case::of(p, known.key.mask(p)?.at(known.index), 1)?;
            let actual = subject.context().keep_mask(&case.mask, 1).await?.first().copied().unwrap_or_default();
            outcome.compare(actual == u32::from(keep), || {
                format!("{}: expected {}, actual mask word {actual:#x}", case.element(0), kept(keep))
            });
        }
    }
    for known in &suite.vectors.thresholds {
        let case = case_of(known.p)?;
        let threshold = case.mask.threshold();
        outcome.compare(threshold == known.threshold, || {
            format!("threshold of p {}: expected {}, actual {threshold}", known.p, known.threshold)
        });
        compare_masks(subject.context(), outcome, [&case]).await?;
    }
    Ok(())
}

/// Some elements with this p.
pub fn case_of(p: f64) -> Result<Case, Error> {
    Case::of(p, Dropout::new(p)?.mask(Key::new(9).with_stream(9)), 2080)
}

pub async fn lengths(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    compare_masks(subject.context(), outcome, &suite.cases.lengths).await
}

pub async fn start_indexes(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    compare_masks(subject.context(), outcome, &suite.cases.starts).await
}

pub async fn probabilities(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    compare_masks(subject.context(), outcome, &suite.cases.probabilities).await
}

/// Shared axes, other strides, and gathered rows.
pub async fn strides(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    compare_masks(subject.context(), outcome, &suite.cases.strided).await
}

pub async fn rows(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    compare_masks(subject.context(), outcome, &suite.cases.rows).await
}

async fn compare_masks(
    context: &Context,
    outcome: &mut Outcome,
    cases: impl IntoIterator<Item = &Case>,
) -> Result<(), Stop> {
    for case in cases {
        let words = match &case.row_ids {
            Some(ids) => context.gathered_keep_mask(&case.mask, case.length, ids).await?,
            None => context.keep_mask(&case.mask, case.length).await?,
        };
        compare_words(outcome, case, &words);
        outcome.go_on()?;
    }
    Ok(())
}

/// The key lies in a buffer; the mask's own is another.
pub async fn keys_in_buffers(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for case in suite.cases.starts.iter().chain(suite.cases.views()) {
        let without_key = Dropout::new(case.p)?.with_generator(case.mask.generator()).mask(Key::new(0));
        let without_key = without_key.at(case.mask.view());
        let words =
            subject.keep_mask_by_key(&without_key, case.mask.key(), case.length, case.row_ids.as_deref()).await?;
        compare_words(outcome, case, &words);
        outcome.go_on()?;
    }
    Ok(())
}

/// Behind a guard, with another one after it.
pub async fn bits_in_buffers(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let cases = suite.cases.lengths.iter().chain(suite.cases.views());
    for (case, offset) in cases.zip([4, 8, 256, 260].into_iter().cycle()) {
        compare_in_buffer(subject, subject.context(), outcome, case, MaskFormat::Bits, offset).await?;
    }
    Ok(())
}

/// Behind a guard that ends inside of a word, with another one after it.
pub async fn bytes_in_buffers(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let cases = suite.cases.lengths.iter().chain(&suite.cases.starts).chain(suite.cases.views());
    for (case, offset) in cases.zip([4, 1, 2, 3, 257].into_iter().cycle()) {
        compare_in_buffer(subject, subject.context(), outcome, case, MaskFormat::Bytes, offset).await?;
    }
    Ok(())
}

/// By the kernels that other devices use. A view takes its time, which goes into making kernels: each generator by one of
/// them, in turn.
pub async fn other_schedules(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let contexts = || subject.others().iter().map(|(_, context)| context);
    for case in suite.cases.lengths.iter().chain(&suite.cases.starts).chain(&suite.cases.probabilities) {
        for context in contexts() {
            compare_masks(context, outcome, [case]).await?;
        }
    }
    for &generator in Generator::ALL {
        let views = suite.cases.views().filter(|case| case.mask.generator() == generator);
        let others = contexts().cycle().skip(generator as usize);
        for ((case, context), offset) in views.zip(others).zip([1, 2, 3, 4].into_iter().cycle()) {
            compare_masks(context, outcome, [case]).await?;
            if case.length > 2000 {
                compare_in_buffer(subject, context, outcome, case, MaskFormat::Bytes, offset).await?;
            }
        }
        let whole = suite.cases.lengths.iter().chain(&suite.cases.starts);
        let whole = whole.filter(|case| case.length > 2000 && case.mask.generator() == generator);
        for (case, offset) in whole.zip([1, 2, 3, 4].into_iter().cycle()) {
            for context in contexts() {
                compare_in_buffer(subject, context, outcome, case, MaskFormat::Bytes, offset).await?;
            }
        }
    }
    Ok(())
}

/// On a device with tiny limits. A browser gives none: there nothing is split, and this says so.
pub async fn chunks(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    outcome.note_unless(subject.splits(), "this device is an ordinary one: nothing was split");
    let large = suite.cases.lengths.iter().chain(suite.cases.views()).filter(|case| case.length > 2049);
    for &generator in Generator::ALL {
        let large = large.clone().filter(|case| case.mask.generator() == generator);
        // Of every case one format with either generator, by turns.
        let formats = [(MaskFormat::Bits, 4), (MaskFormat::Bytes, 1), (MaskFormat::Bits, 8), (MaskFormat::Bytes, 3)];
        for (case, (format, offset)) in large.zip(formats.into_iter().cycle().skip(generator as usize)) {
            compare_in_buffer(subject, subject.tiny(), outcome, case, format, offset).await?;
        }
    }
    Ok(())
}

async fn compare_in_buffer(
    subject: &Subject,
    context: &Context,
    outcome: &mut Outcome,
    case: &Case,
    format: MaskFormat,
    offset: u64,
) -> Result<(), Stop> {
    let (bytes, untouched) = subject
        .keep_mask_in_buffer(context, &case.mask, (case.length, case.row_ids.as_deref()), format, offset)
        .await?;
    outcome.compare(untouched, || format!("bytes around a mask of {format:?} at byte {offset} were written: {case}"));
    match format {
        MaskFormat::Bits => compare_words(outcome, case, &bytemuck::pod_collect_to_vec(&bytes)),
        // Bytes.
        _ => {
            for (local, &actual) in (0..).zip(&bytes) {
                let expected = u8::from(case.keeps(local));
                outcome.compare(expected == actual, || {
                    format!("{}: expected byte {expected}, actual {actual}", case.element(local))
                });
            }
        }
    }
    outcome.go_on()
}

/// Every element, and that the unused bits are 0.
fn compare_words(outcome: &mut Outcome, case: &Case, words: &[u32]) {
    let words_match = words.len() == case.keep.len();
    outcome.compare(words_match, || format!("{} words of {case}, expected {}", words.len(), case.keep.len()));
    for (w, (&expected, &actual)) in case.keep.iter().zip(words).enumerate() {
        let first = w as u64 * 32;
        let used = (case.length - first).min(32);
        for bit in 0..used {
            let (expected, actual) = (expected >> bit & 1, actual >> bit & 1);
            outcome.compare(expected == actual, || {
                let (expected, actual) = (kept(expected == 1), kept(actual == 1));
                format!("{}: expected {expected}, actual {actual}", case.element(first + bit))
            });
        }
        if used < 32 {
            outcome.compare(actual >> used == 0, || {
                format!("the unused bits after {case}: expected 0, actual {actual:08x}")
            });
        }
    }
}

pub fn kept(keep: bool) -> &'static str {
    if keep { "kept" } else { "dropped" }
}
