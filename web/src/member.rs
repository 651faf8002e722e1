use wasm_bindgen::prelude::*;
use wgpu_dropout::{Context, Dropout, Error, Key, Kind, Mask, Operation, Slices, reference};

use crate::gpu::Gpu;

/// What is decided together, and what happens to the elements.
#[wasm_bindgen]
pub struct Member {
    mask: Mask,
    /// Of a gathered mask.
    row_ids: Option<Vec<u32>>,
}

#[wasm_bindgen]
impl Member {
    /// Every element by itself, by the decisions from 0 on.
    ///
    /// # Errors
    /// For a name that there is not, and a probability that the kind does not have.
    #[wasm_bindgen(constructor)]
    pub fn new(kind: &str, p: f64, training: bool, generator: &str, seed: u64, stream: u64) -> Result<Self, JsError> {
        let dropout = Dropout::of_kind(kind.parse()?, p)?.with_training(training).with_generator(generator.parse()?);
        Ok(Self { mask: dropout.mask(Key::new(seed).with_stream(stream)), row_ids: None })
    }

    /// The decisions from another one on. Before [`share`](Self::share).
    pub fn at(&mut self, start: u64) {
        self.mask = self.mask.at(start);
    }

    /// Gives the data's shape, and the axes along which a decision is shared.
    ///
    /// # Errors
    /// For axes that there are not.
    pub fn share(&mut self, shape: &[u32], axes: &[u32]) -> Result<(), JsError> {
        let shape: Vec<u64> = shape.iter().copied().map(u64::from).collect();
        let axes: Vec<usize> = axes.iter().map(|&axis| axis as usize).collect();
        self.mask = self.mask.shared(&shape, &axes)?;
        Ok(())
    }

    /// Looks rows up. After [`share`](Self::share).
    ///
    /// # Errors
    /// Where axis 0 is shared.
    pub fn gather(&mut self, row_ids: Vec<u32>) -> Result<(), JsError> {
        self.mask = self.mask.gathered()?;
        self.row_ids = Some(row_ids);
        Ok(())
    }
}

impl Member {
    fn slices<'a>(&'a self, x: &'a [f32]) -> Slices<'a, f32> {
        self.row_ids.iter().fold(Slices::new(x), |slices, ids| slices.with_row_ids(ids))
    }

    /// The packed mask, from the device.
    async fn keep_mask(&self, context: &Context, length: u64) -> Result<Vec<u32>, Error> {
        match &self.row_ids {
            None => context.keep_mask(&self.mask, length).await,
            Some(ids) => context.gathered_keep_mask(&self.mask, length, ids).await,
        }
    }

    /// And from the CPU.
    fn reference_mask(&self, length: u64) -> Result<Vec<u32>, Error> {
        match &self.row_ids {
            None => reference::keep_mask(&self.mask, length),
            Some(ids) => reference::gathered_keep_mask(&self.mask, length, ids),
        }
    }
}

/// What became of some values on the device, and how it compares with the CPU.
#[wasm_bindgen(getter_with_clone)]
pub struct Changed {
    /// The device's values.
    pub values: Vec<f32>,
    /// How many the device says to be kept: none for Gaussian noise, which has no mask.
    pub kept: Option<u32>,
    /// Values and bits of the mask that were compared.
    pub compared: u32,
    /// How many of them differ from the CPU reference.
    pub different: u32,
    /// The first of those.
    pub first: Option<String>,
}

#[wasm_bindgen]
impl Gpu {
    /// What the member makes of `x` on the device, and its mask there, both compared with the CPU reference.
    ///
    /// # Errors
    /// Those of the library.
    pub async fn change(&self, member: &Member, x: Vec<f32>) -> Result<Changed, JsError> {
        let operation = Operation::Forward(member.mask);
        let values = self.context.run(operation, member.slices(&x)).await?;
        let expected = reference::run(operation, member.slices(&x))?;
        let mut changed = Changed { values: vec![], kept: None, compared: 0, different: 0, first: None };
        for (i, (actual, expected)) in values.iter().zip(&expected).enumerate() {
            changed.compare(actual.to_bits() == expected.to_bits(), || {
                let [bits, expected_bits] = [actual, expected].map(|value| value.to_bits());
                format!("value {i} is {actual} ({bits:08x}) here and {expected} ({expected_bits:08x}) on the CPU")
            });
        }
        changed.values = values;
        if member.mask.kind() != Kind::Gaussian {
            let words = member.keep_mask(&self.context, x.len() as u64).await?;
            let expected = member.reference_mask(x.len() as u64)?;
            changed.kept = Some(words.iter().map(|word| word.count_ones()).sum());
            for i in 0..x.len() {
                let [here, there] = [&words, &expected].map(|words| words[i / 32] >> (i % 32) & 1 == 1);
                let name = |keep| if keep { "kept" } else { "dropped" };
                changed.compare(here == there, || {
                    format!("value {i} is {} here and {} on the CPU", name(here), name(there))
                });
            }
        }
        Ok(changed)
    }

    /// What the member makes of the elements with these bits, as bits; of gradients where `backward`.
    ///
    /// # Errors
    /// Those of the library.
    #[wasm_bindgen(js_name = valueBits)]
    pub async fn value_bits(&self, member: &Member, x: Vec<u32>, backward: bool) -> Result<Vec<u32>, JsError> {
        let x: Vec<f32> = x.into_iter().map(f32::from_bits).collect();
        let operation = if backward { Operation::Backward } else { Operation::Forward };
        let y = self.context.run(operation(member.mask), member.slices(&x)).await?;
        Ok(y.into_iter().map(f32::to_bits).collect())
    }

    /// The member's packed mask of `length` elements, as bytes.
    ///
    /// # Errors
    /// Those of the library.
    #[wasm_bindgen(js_name = keepMask)]
    pub async fn keep_mask(&self, member: &Member, length: u32) -> Result<Vec<u8>, JsError> {
        let words = member.keep_mask(&self.context, length.into()).await?;
        Ok(words.iter().flat_map(|word| word.to_le_bytes()).take(length.div_ceil(8) as usize).collect())
    }

    /// Standard normals.
    ///
    /// # Errors
    /// Those of the library.
    pub async fn normals(
        &self,
        generator: &str,
        seed: u64,
        stream: u64,
        start: u64,
        count: u32,
    ) -> Result<Vec<f32>, JsError> {
        let (generator, key) = (generator.parse()?, Key::new(seed).with_stream(stream));
        Ok(self.context.normals(generator, key, start, count.into()).await?)
    }
}

impl Changed {
    fn compare(&mut self, equal: bool, difference: impl FnOnce() -> String) {
        self.compared += 1;
        self.different += u32::from(!equal);
        if !equal && self.first.is_none() {
            self.first = Some(difference());
        }
    }
}
