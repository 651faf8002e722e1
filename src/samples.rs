use crate::{
    Error, Key, Mask, Pass, Place,
    pass::{Need, Needs, Stored, Work},
    role::Role,
};

/// Monte Carlo samples of dropout: one input, and T outputs of which each has a mask of its own, in one recording. Sample s
/// of these takes the key's [`sample`](Key::with_sample) `first + s`, so that samples may be drawn in several calls and on
/// several devices.
///
/// ```
/// use wgpu_dropout::{Dropout, Key, Samples, reference};
///
/// let mask = Dropout::new(0.5)?.mask(Key::new(42).with_layer(3));
/// let x = [1.0_f32; 100];
/// let mut y = vec![0.0_f32; 8 * 100];
/// reference::run_pass(Samples::new(mask, 0, 8)?.forward(&x[..], &mut y[..]))?;
/// assert_eq!(y[300..400], reference::forward(&mask.with_key(mask.key().with_sample(3)), &x)?);
/// # Ok::<(), wgpu_dropout::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Samples {
    mask: Mask,
    first: u16,
    count: u32,
}

impl Samples {
    /// Samples `first` to `first + count − 1` of a mask. The sample of the mask's own key does not matter.
    ///
    /// # Errors
    /// [`Error::Samples`] where they reach past the last of a key's 65,536 samples.
    pub fn new(mask: Mask, first: u64, count: u64) -> Result<Self, Error> {
        let end = first.checked_add(count).filter(|&end| end <= 1 << 16);
        match (u16::try_from(first), u32::try_from(count), end) {
            (Ok(first), Ok(count), Some(_)) => Ok(Self { mask, first, count }),
            // None of no samples is past the end.
            (_, Ok(0), Some(_)) => Ok(Self { mask, first: 0, count: 0 }),
            _ => Err(Error::Samples { first, count }),
        }
    }

    /// The mask, with the key that all samples share but for its sample.
    pub const fn mask(&self) -> &Mask {
        &self.mask
    }

    /// The first sample.
    pub const fn first(&self) -> u16 {
        self.first
    }

    /// How many samples there are.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Dropout of the input, n elements, once for each sample: the output has T × n elements (row-major). The mask may be of
    /// any kind and view; one whose rows are [gathered](Mask::gathered) takes ids: see
    /// [`gathered_forward`](Self::gathered_forward). The key cannot lie in a buffer.
    pub fn forward<P: Place>(self, input: impl Into<P>, output: impl Into<P>) -> Pass<P> {
        let input = input.into();
        let elements = input.bytes() / input.dtype().size();
        let work = SamplesWork { samples: self, elements, has_row_ids: false };
        Pass::new(Work::Samples(work)).with(Role::Input, input).with(Role::Output, output)
    }

    /// [`forward`](Self::forward) of a mask whose rows are gathered, with their ids: u32, one for each row.
    pub fn gathered_forward<P: Place>(
        self,
        input: impl Into<P>,
        row_ids: impl Into<P>,
        output: impl Into<P>,
    ) -> Pass<P> {
        let input = input.into();
        let elements = input.bytes() / input.dtype().size();
        let work = SamplesWork { samples: self, elements, has_row_ids: true };
        Pass::new(Work::Samples(work)).with(Role::Input, input).with(Role::RowIds, row_ids).with(Role::Output, output)
    }
}

/// A pass that draws samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SamplesWork {
    samples: Samples,
    /// Of the input.
    pub(crate) elements: u64,
    has_row_ids: bool,
}

impl SamplesWork {
    pub(crate) fn needs(&self) -> Needs {
        let input = Need::new(Role::Input, Stored::Elements(self.elements), "it must have whole elements");
        let remedy = "it must have the input's elements once for each sample";
        let all = self.elements.saturating_mul(self.samples.count.into());
        let output = Need::new(Role::Output, Stored::Elements(all), remedy);
        let ids = Stored::Words(self.samples.mask.view().row_ids());
        let ids = Need::new(Role::RowIds, ids, "it must have an id for each row of axis 0");
        [input].into_iter().chain(self.has_row_ids.then_some(ids)).chain([output]).collect()
    }

    pub(crate) const fn describe(&self) -> (&'static str, &'static str) {
        match self.has_row_ids {
            false => ("samples of dropout", "an input and an output"),
            true => ("samples of gathered dropout", "an input, row ids and an output"),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.samples.count.into()
    }

    /// The mask of each sample, in order.
    pub(crate) fn masks(&self) -> impl Iterator<Item = Mask> + use<> {
        let Samples { mask, first, count } = self.samples;
        (0..count).map(move |sample| {
            #[expect(clippy::cast_possible_truncation, reason = "none is past the last of 65,536 samples")]
            let sample = (u32::from(first) + sample) as u16;
            let key: Key = mask.key().with_sample(sample);
            mask.with_key(key)
        })
    }
}
