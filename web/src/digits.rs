use wasm_bindgen::prelude::*;
use wgpu_dropout::{Dropout, Key};

use crate::gpu::Gpu;

/// What dropout made of some values.
#[wasm_bindgen(getter_with_clone)]
pub struct Dropped {
    /// The values after dropout.
    pub values: Vec<f32>,
    /// The packed mask, as `wgpu-dropout mask` writes it.
    pub mask: Vec<u8>,
    /// A kept element's 32-bit uniform is below this.
    pub threshold: u64,
    /// What kept elements were multiplied by.
    pub scale: f32,
    /// How many were kept.
    pub kept: u32,
}

#[wasm_bindgen]
impl Gpu {
    /// Dropout of `x` on the device.
    ///
    /// # Errors
    /// Those of the library.
    pub async fn dropout(&self, x: Vec<f32>, p: f64, seed: u64, stream: u64) -> Result<Dropped, JsError> {
        let mask = Dropout::new(p)?.mask(Key::new(seed).with_stream(stream));
        let values = self.context.forward(&mask, &x).await?;
        let words = self.context.keep_mask(&mask, x.len() as u64).await?;
        Ok(Dropped {
            values,
            mask: words.iter().flat_map(|word| word.to_le_bytes()).collect(),
            threshold: mask.threshold(),
            scale: mask.scale(),
            kept: words.iter().map(|word| word.count_ones()).sum(),
        })
    }
}
