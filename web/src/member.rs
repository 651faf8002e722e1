use wasm_bindgen::prelude::*;
use wgpu_dropout::{BlockMask, Context, DropBlock, Dropout, Error, Key, Kind, Mask, Operation, Slices, reference};

use crate::gpu::Gpu;

/// What is decided together, and what happens to the elements.
#[wasm_bindgen]
pub struct Member {
    dropout: Dropout,
    mask: Mask,
    /// Of a gathered mask.
    row_ids: Option<Vec<u32>>,
    /// Of `DropBlock`, instead of the mask.
    blocks: Option<BlockMask>,
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
        let mask = dropout.mask(Key::new(seed).with_stream(stream));
        Ok(Self { dropout, mask, row_ids: None, blocks: None })
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

    /// Blocks over the last axes of the shape instead, one mask for all planes along the axes.
    ///
    /// # Errors
    /// For another kind than inverted dropout, and for shapes and axes that there are not.
    pub fn block(&mut self, shape: &[u32], block: &[u32], axes: &[u32]) -> Result<(), JsError> {
        let dropout = self.dropout;
        if dropout.kind() != Kind::Inverted {
            return Err(JsError::new(&format!(
                "blocks are dropped from inverted dropout, and not from {}",
                dropout.kind()
            )));
        }
        let [shape, block] = [shape, block].map(|sizes| sizes.iter().copied().map(u64::from).collect::<Vec<_>>());
        let axes: Vec<usize> = axes.iter().map(|&axis| axis as usize).collect();
        let blocks = DropBlock::new(dropout.p(), &block)?.with_training(dropout.training());
        let blocks = blocks.with_generator(self.mask.generator());
        self.blocks = Some(blocks.shared_mask(self.mask.key(), &shape, &axes)?.at(self.mask.view().start())?);
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

    /// What becomes of `x`, from the device.
    async fn change(&self, context: &Context, operation: Operation, x: &[f32]) -> Result<Vec<f32>, Error> {
        let Some(blocks) = &self.blocks else { return context.run(operation, self.slices(x)).await };
        let mut y = vec![0.0; x.len()];
        context.run_pass(blocks.forward(x, &mut y)).await?;
        Ok(y)
    }

    /// And from the CPU.
    fn reference(&self, operation: Operation, x: &[f32]) -> Result<Vec<f32>, Error> {
        match &self.blocks {
            None => reference::run(operation, self.slices(x)),
            Some(blocks) => reference::drop_block(blocks, x),
        }
    }

    /// The packed mask, from the device.
    async fn keep_mask(&self, context: &Context, length: u64) -> Result<Vec<u32>, Error> {
        if let Some(blocks) = &self.blocks {
            let mut words = vec![0; blocks.elements().div_ceil(32) as usize];
            context.run_pass(blocks.packed_mask(&mut words[..])).await?;
            return Ok(words);
        }
        match &self.row_ids {
            None => context.keep_mask(&self.mask, length).await,
            Some(ids) => context.gathered_keep_mask(&self.mask, length, ids).await,
        }
    }

    /// And from the CPU.
    fn reference_mask(&self, length: u64) -> Result<Vec<u32>, Error> {
        match (&self.blocks, &self.row_ids) {
            (Some(blocks), _) => reference::drop_block_mask(blocks),
            (None, None) => reference::keep_mask(&self.mask, length),
            (None, Some(ids)) => reference::gathered_keep_mask(&self.mask, length, ids),
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
        let values = member.change(&self.context, operation, &x).await?;
        let expected = member.reference(operation, &x)?;
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
        let y = member.change(&self.context, operation(member.mask), &x).await?;
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
