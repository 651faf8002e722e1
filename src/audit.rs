//! Audits: whether a tensor is what an operation makes of another, and what would explain it where it is not.

use std::{fmt, vec};

use crate::{Dropout, Dtype, Error, Generator, Key, Kind, Mask, Operation, View};

/// What an audit found: whether `y` is the dropout of `x`. Its text says so in sentences.
///
/// Made by [`reference::audit`](crate::reference::audit), and on a device by `Context::audit`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Audit {
    /// How many elements there are.
    pub elements: u64,
    /// How many of them are not what the operation gives.
    pub mismatches: u64,
    /// The first of those.
    pub first: Option<Mismatch>,
    /// What else would give every element of `y`: another step, start, … None where nothing that was tried does, and
    /// where the elements are too few to tell.
    pub explanations: Vec<Explanation>,
}

impl Audit {
    /// Whether every element is what the operation gives.
    pub const fn is_right(&self) -> bool {
        self.mismatches == 0
    }
}

/// An element that is not what the operation gives, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// Its number in the data.
    pub position: u64,
    /// Its index in the whole logical tensor.
    pub index: u64,
    /// How it is stored.
    pub dtype: Dtype,
    /// What went in.
    pub x: u32,
    /// What the operation gives.
    pub expected: u32,
    /// What is there.
    pub actual: u32,
}

/// What would give every element of `y`, where the operation that was asked about does not.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Explanation {
    /// Another step of the key.
    Step {
        /// The key's own.
        given: u32,
        /// The one that explains.
        step: u32,
    },
    /// Another layer of the key.
    Layer {
        /// The key's own.
        given: u16,
        /// The one that explains.
        layer: u16,
    },
    /// Another sample of the key.
    Sample {
        /// The key's own.
        given: u16,
        /// The one that explains.
        sample: u16,
    },
    /// The key with its seed and its stream exchanged.
    Exchanged,
    /// Another start of the view.
    Start {
        /// The view's own.
        given: u64,
        /// The one that explains.
        start: u64,
    },
    /// Elements one after the other from the view's start on, without the gaps between its rows.
    Contiguous,
    /// The other generator.
    Generator {
        /// The mask's own.
        given: Generator,
        /// The one that explains.
        generator: Generator,
    },
    /// `y` is `x`, bit for bit: evaluation, or p = 0.
    Unchanged,
    /// The right elements are kept, but not scaled.
    Unscaled,
    /// The drop probability was taken for the probability to keep.
    KeepProbability {
        /// The mask's own drop probability, as far as its threshold tells.
        given: f64,
        /// The one that explains.
        p: f64,
    },
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.first.filter(|_| !self.is_right()) else {
            return write!(f, "y is the dropout of x: {} elements", self.elements);
        };
        write!(f, "y is not the dropout of x: {} of {} elements differ\n{first}", self.mismatches, self.elements)?;
        for explanation in &self.explanations {
            write!(f, "\n{explanation}")?;
        }
        if self.explanations.is_empty() {
            f.write_str("\nno other step, layer, sample, start or setting that was tried explains every element")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.dtype.size() as usize * 2;
        let number = |bits| format!("{} (0x{bits:0digits$x})", value(self.dtype, bits));
        write!(f, "the first is element {}", self.position)?;
        if self.index != self.position {
            write!(f, ", index {} of the whole tensor", self.index)?;
        }
        let (x, expected, actual) = (number(self.x), number(self.expected), number(self.actual));
        write!(f, ": x is {x}, y should be {expected} and is {actual}")
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Step { given, step } => write!(f, "step {step} instead of {given} explains every element"),
            Self::Layer { given, layer } => write!(f, "layer {layer} instead of {given} explains every element"),
            Self::Sample { given, sample } => write!(f, "sample {sample} instead of {given} explains every element"),
            Self::Exchanged => f.write_str("the key with seed and stream exchanged explains every element"),
            Self::Start { given, start } => write!(f, "start {start} instead of {given} explains every element"),
            Self::Contiguous => f.write_str("a view without gaps between its rows explains every element"),
            Self::Generator { given, generator } => {
                write!(f, "the generator {generator} instead of {given} explains every element")
            }
            Self::Unchanged => f.write_str("y is x unchanged, as in evaluation and for p = 0"),
            Self::Unscaled => f.write_str("the right elements are kept, but they are not scaled"),
            Self::KeepProbability { given, p } => {
                // A threshold has 32 bits.
                let [p, given] = [p, given].map(|p| (p * 1e9).round() / 1e9);
                write!(
                    f,
                    "p = {p} instead of {given} explains every element: p is the probability to drop, not to keep"
                )
            }
        }
    }
}

/// The forward pass of a mask, which an audit takes for it.
impl From<Mask> for Operation {
    fn from(mask: Mask) -> Self {
        Self::Forward(mask)
    }
}

/// The forward pass of a mask, which an audit takes for it.
impl From<&Mask> for Operation {
    fn from(mask: &Mask) -> Self {
        Self::Forward(*mask)
    }
}

impl From<&Operation> for Operation {
    fn from(operation: &Operation) -> Self {
        *operation
    }
}

/// A number as it is stored.
fn value(dtype: Dtype, bits: u32) -> f32 {
    match dtype {
        Dtype::F32 => f32::from_bits(bits),
        Dtype::Bf16 => f32::from_bits(bits << 16),
        Dtype::F16 => {
            let (sign, magnitude) = ((bits & 0x8000) << 16, bits & 0x7fff);
            let value = match magnitude {
                0x7c00.. => f32::from_bits(0x7f80_0000 | magnitude << 13),
                // Exponents are 112 apart; a multiplication normalises subnormals too, and is exact.
                _ => f32::from_bits(magnitude << 13) * f32::from_bits((112 + 127) << 23),
            };
            f32::from_bits(value.to_bits() | sign)
        }
    }
}

/// What of a type's bits an audit looks at, without their sign.
#[derive(Clone, Copy)]
pub(crate) struct Bits {
    pub(crate) sign: u32,
    pub(crate) infinity: u32,
    /// Smaller magnitudes, but 0, may be flushed to 0 by a device.
    pub(crate) flushed_below: u32,
    /// Larger magnitudes than can come of a number that may be flushed: the largest scale is 2³².
    pub(crate) settled_from: u32,
}

impl Bits {
    pub(crate) const fn of(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self {
                sign: 0x8000_0000,
                infinity: 0x7f80_0000,
                flushed_below: 0x0080_0000,
                settled_from: (127 - 93) << 23,
            },
            Dtype::Bf16 => {
                Self { sign: 0x8000, infinity: 0x7f80, flushed_below: 0x0080, settled_from: (127 - 93) << 7 }
            }
            // A subnormal of binary16 is a normal number of f32, which kernels compute in.
            Dtype::F16 => Self { sign: 0x8000, infinity: 0x7c00, flushed_below: 1, settled_from: 0 },
        }
    }

    /// Whether a device may return `actual` where the reference has `expected`, as the section on values of
    /// docs/keep-rule.md says: bit-equal, but that a kept NaN gives some NaN, and a kept subnormal the exact result or a
    /// zero of its sign. What is copied keeps its bits.
    pub(crate) fn is_right(self, copies: bool, x: u32, expected: u32, actual: u32) -> bool {
        let is_nan = |bits: u32| bits & !self.sign > self.infinity;
        let magnitude = x & !self.sign;
        let may_be_flushed = magnitude != 0 && magnitude < self.flushed_below;
        // The scale is 1 or more, so only what is dropped gives 0.
        let kept = expected & !self.sign != 0;
        actual == expected
            || !copies && (is_nan(expected) && is_nan(actual) || may_be_flushed && kept && actual == x & self.sign)
    }

    /// Whether it shows if an element is kept or dropped.
    pub(crate) const fn tells(self, x: u32) -> bool {
        x & !self.sign >= self.flushed_below
    }
}

/// What `y` is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Candidate {
    Operation(Operation),
    /// What the mask keeps, times 1.
    Unscaled(Mask),
    /// `x` itself.
    Unchanged,
}

impl Candidate {
    pub(crate) fn skip(self, elements: u64) -> Self {
        match self {
            Self::Operation(operation) => Self::Operation(operation.skip(elements)),
            Self::Unscaled(mask) => Self::Unscaled(mask.skip(elements)),
            Self::Unchanged => Self::Unchanged,
        }
    }

    /// Whether it leaves every bit as it is.
    pub(crate) fn copies(&self) -> bool {
        match self {
            Self::Operation(operation) => operation.copies(),
            Self::Unscaled(_) => false,
            Self::Unchanged => true,
        }
    }
}

/// A comparison that is to be made next: of `count` elements from `first` on, with a candidate for those.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) candidate: Candidate,
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) mismatches: u64,
    /// The first mismatch, counted from the first element compared.
    pub(crate) first: Option<u64>,
    /// Elements of `y` that are +0 or not, where what it is compared with [tells](Bits::tells).
    pub(crate) dropped: u64,
    pub(crate) kept: u64,
}

/// An audit in progress: which comparison comes next depends on those before. The one who asks makes them.
pub(crate) struct Search {
    operation: Operation,
    mask: Mask,
    /// Elements of a comparison.
    chunk: u64,
    phase: Phase,
    /// Elements compared in this phase.
    done: u64,
    /// Of the phase in which y is compared with x.
    unchanged: Counts,
    candidates: vec::IntoIter<(Explanation, Candidate)>,
    first: Option<u64>,
    audit: Audit,
}

#[derive(Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Phase {
    Given,
    Unchanged,
    Other(Explanation, Candidate),
    End,
}

/// Of a candidate so many elements are compared first: nearly all fail there.
const FIRST_LOOK: u64 = 1 << 14;

/// How improbable it must be, as a power of 1/2, that another mask has the same decisions by chance.
const BITS_OF_EVIDENCE: f64 = 30.0;

impl Search {
    pub(crate) fn new(operation: Operation, elements: u64, chunk: u64) -> Result<Self, Error> {
        let (Operation::Forward(mask) | Operation::Backward(mask)) = operation else {
            let needs = "to be a forward or a backward pass for an audit";
            return Err(Error::Operands { operation: operation.name(), needs });
        };
        operation.check(elements, None)?;
        Ok(Self {
            operation,
            mask,
            chunk,
            phase: Phase::Given,
            done: 0,
            unchanged: Counts::default(),
            candidates: vec![].into_iter(),
            first: None,
            audit: Audit { elements, mismatches: 0, first: None, explanations: vec![] },
        })
    }

    /// The next comparison; none at the end.
    pub(crate) fn next(&mut self) -> Option<Question> {
        loop {
            let left = self.audit.elements - self.done;
            let (candidate, most) = match self.phase {
                Phase::Given => (Candidate::Operation(self.operation), self.chunk),
                Phase::Unchanged => (Candidate::Unchanged, self.chunk),
                Phase::Other(_, candidate) if self.done == 0 => (candidate, self.chunk.min(FIRST_LOOK)),
                Phase::Other(_, candidate) => (candidate, self.chunk),
                Phase::End => return None,
            };
            if left > 0 {
                let (first, count) = (self.done, left.min(most));
                return Some(Question { candidate: candidate.skip(first), first, count });
            }
            self.end_of_phase();
        }
    }

    /// What the comparison found.
    pub(crate) fn answer(&mut self, question: &Question, counts: &Counts) {
        self.done += question.count;
        match self.phase {
            Phase::Given => {
                self.audit.mismatches += counts.mismatches;
                self.first = self.first.or(counts.first.map(|first| question.first + first));
            }
            Phase::Unchanged => {
                self.unchanged.mismatches += counts.mismatches;
                self.unchanged.dropped += counts.dropped;
                self.unchanged.kept += counts.kept;
            }
            Phase::Other(..) if counts.mismatches > 0 => self.next_candidate(),
            Phase::Other(..) | Phase::End => {}
        }
    }

    fn end_of_phase(&mut self) {
        match self.phase {
            // Where everything is kept, no other key makes a difference.
            Phase::Given if self.audit.mismatches > 0 && !self.mask.keeps_all() => {
                (self.phase, self.done) = (Phase::Unchanged, 0);
            }
            Phase::Unchanged => {
                if self.unchanged.mismatches == 0 {
                    self.audit.explanations.push(Explanation::Unchanged);
                }
                self.candidates = self.neighbours().into_iter();
                self.next_candidate();
            }
            Phase::Other(explanation, _) => {
                self.audit.explanations.push(explanation);
                self.next_candidate();
            }
            Phase::Given | Phase::End => self.phase = Phase::End,
        }
    }

    fn next_candidate(&mut self) {
        let next = self.candidates.next();
        self.phase = next.map_or(Phase::End, |(explanation, candidate)| Phase::Other(explanation, candidate));
        self.done = 0;
    }

    /// Where the first mismatch is.
    pub(crate) fn first_mismatch(&self) -> Option<(u64, Operation)> {
        self.first.map(|position| (position, self.operation.skip(position)))
    }

    /// The result, with the first mismatch's x, expected and actual y.
    pub(crate) fn finish(self, dtype: Dtype, bits: Option<[u32; 3]>) -> Audit {
        let first = self.first.zip(bits).map(|(position, [x, expected, actual])| {
            let index = self.mask.view().index(position);
            Mismatch { position, index, dtype, x, expected, actual }
        });
        Audit { first, ..self.audit }
    }

    /// The masks that a mistake may have led to, as far as the elements can tell them from others.
    fn neighbours(&self) -> Vec<(Explanation, Candidate)> {
        let (mask, length) = (self.mask, self.audit.elements);
        let mut found: Vec<(Explanation, Mask)> = vec![];
        let mut add = |explanation, other: Mask| {
            let is_new = other != mask && found.iter().all(|(_, known)| *known != other);
            if is_new && other.check_length(length).is_ok() && self.can_tell(&other) {
                found.push((explanation, other));
            }
        };
        let key = mask.key();
        for by in [1, u32::MAX, 2, u32::MAX - 1] {
            let step = key.step().wrapping_add(by);
            add(Explanation::Step { given: key.step(), step }, mask.with_key(key.with_step(step)));
        }
        for by in [1, u16::MAX] {
            let layer = key.layer().wrapping_add(by);
            add(Explanation::Layer { given: key.layer(), layer }, mask.with_key(key.with_layer(layer)));
            let sample = key.sample().wrapping_add(by);
            add(Explanation::Sample { given: key.sample(), sample }, mask.with_key(key.with_sample(sample)));
        }
        add(Explanation::Exchanged, mask.with_key(Key::new(key.stream).with_stream(key.seed)));
        let view = mask.view();
        let given = view.start();
        let mut steps = vec![1, length];
        if !view.is_contiguous() {
            steps.extend(view.shape().iter().chain(view.strides()));
        }
        let others = steps.iter().flat_map(|&by| [given.checked_add(by), given.checked_sub(by)]);
        for start in others.flatten().chain([0]) {
            add(Explanation::Start { given, start }, mask.at(view.with_start(start)));
        }
        add(Explanation::Contiguous, mask.at(View::contiguous(given)));
        for &generator in Generator::ALL {
            let other = mask_with(&mask, drop_probability(&mask), generator);
            add(Explanation::Generator { given: mask.generator(), generator }, other);
        }
        let given = drop_probability(&mask);
        let p = 1.0 - given;
        add(Explanation::KeepProbability { given, p }, mask_with(&mask, p, mask.generator()));
        let operation = |mask| match self.operation {
            Operation::Backward(_) => Candidate::Operation(Operation::Backward(mask)),
            _ => Candidate::Operation(Operation::Forward(mask)),
        };
        let mut candidates: Vec<_> =
            found.into_iter().map(|(explanation, mask)| (explanation, operation(mask))).collect();
        if mask.kind() == Kind::Inverted && self.can_tell(&mask) {
            candidates.insert(0, (Explanation::Unscaled, Candidate::Unscaled(mask)));
        }
        candidates
    }

    /// Whether it would be more than chance if this mask explained the elements: of independent decisions each agrees with
    /// the probability that an element is kept, or dropped.
    fn can_tell(&self, mask: &Mask) -> bool {
        let dropped = drop_probability(mask);
        if dropped == 0.0 || dropped == 1.0 {
            return false;
        }
        // Where a decision is shared, all that agree by it are one.
        let alone = self.mask.view().decisions_an_element();
        let bits = |count: u64, probability: f64| count as f64 * alone * -probability.log2();
        bits(self.unchanged.dropped, dropped) + bits(self.unchanged.kept, 1.0 - dropped) > BITS_OF_EVIDENCE
    }
}

/// The drop probability that a mask has, exactly.
fn drop_probability(mask: &Mask) -> f64 {
    1.0 - mask.threshold() as f64 / 4_294_967_296.0
}

/// The mask with another probability and generator.
fn mask_with(mask: &Mask, p: f64, generator: Generator) -> Mask {
    let dropout = Dropout::of_kind(mask.kind(), p).map(|dropout| dropout.with_generator(generator));
    dropout.map_or(*mask, |dropout| dropout.mask(mask.key()).at(mask.view()))
}

#[cfg(all(test, feature = "half"))]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn numbers_are_read_as_they_are_stored() {
        for bits in 0..=u16::MAX {
            let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            assert!(same(value(Dtype::F16, bits.into()), f16::from_bits(bits).to_f32()), "{bits:x}");
            assert!(same(value(Dtype::Bf16, bits.into()), bf16::from_bits(bits).to_f32()), "{bits:x}");
        }
    }

    /// The same as the checks of conformance, which know what is kept.
    #[test]
    fn right_is_what_the_contract_says() {
        let of = Bits::of(Dtype::F32);
        const SUBNORMAL: u32 = 0x8000_0400;
        for (copies, x, expected, actual, right) in [
            (false, 0x7fa0_0001, 0x7fe0_0001, 0xffc0_0000, true),
            (false, 0x7fa0_0001, 0x7fe0_0001, 0x7f80_0000, false),
            (false, 0x7fa0_0001, 0, 0x7fc0_0000, false),
            (true, 0x7fa0_0001, 0x7fa0_0001, 0x7fc0_0000, false),
            (false, SUBNORMAL, 0x8000_0500, 0x8000_0500, true),
            (false, SUBNORMAL, 0x8000_0500, 0x8000_0000, true),
            (false, SUBNORMAL, 0x8000_0500, 0, false),
            (false, SUBNORMAL, 0x8000_0500, SUBNORMAL, false),
            (false, SUBNORMAL, 0, 0x8000_0000, false),
            (true, SUBNORMAL, SUBNORMAL, 0x8000_0000, false),
            (false, 0x3f80_0000, 0x3fa0_0000, 0, false),
        ] {
            assert_eq!(of.is_right(copies, x, expected, actual), right, "{x:x} {expected:x} {actual:x}");
        }
        // A subnormal of f16 is none of f32.
        assert!(!Bits::of(Dtype::F16).is_right(false, 0x8004, 0x8005, 0x8000));
        assert!(Bits::of(Dtype::Bf16).is_right(false, 0x8004, 0x8005, 0x8000));
    }
}
