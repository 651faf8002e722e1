//! Random blocks for given counters: lets anyone check the generators' published known answers on the device itself.

use super::{
    bind::bind_buffers,
    context::Context,
    pipelines::{Access, Kernel},
    slices::{Readback, reserve},
};
use crate::{Error, Generator};

/// Invocations of a workgroup of shaders/random_blocks.wgsl.
pub(crate) const WORKGROUP_SIZE: u64 = 64;

/// The counter and the key of one random block, as the keep rule names them. With Threefry the counter's words are
/// `group`, `part`, `domain` and the key's are `seed`, `stream`; for Philox see docs/keep-rule.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct BlockCounter {
    /// Low and high word of the key's seed.
    pub seed: [u32; 2],
    /// Low and high word of the key's stream.
    pub stream: [u32; 2],
    /// Low and high word of the group of eight elements.
    pub group: [u32; 2],
    /// 0 or 1.
    pub part: u32,
    /// 0 for keep masks; below 128 with Philox.
    pub domain: u32,
}

impl Context {
    /// Four random words for each counter, computed on the device.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Device`].
    pub async fn random_blocks(&self, generator: Generator, counters: &[BlockCounter]) -> Result<Vec<[u32; 4]>, Error> {
        let mut blocks = reserve(counters.len() as u64)?;
        if let Some(readback) = self.start_random_blocks(generator, counters)? {
            readback.finish_into(&mut blocks, counters.len()).await?;
        }
        Ok(blocks)
    }

    /// [`random_blocks`](Self::random_blocks), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`random_blocks`](Self::random_blocks).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn random_blocks_blocking(
        &self,
        generator: Generator,
        counters: &[BlockCounter],
    ) -> Result<Vec<[u32; 4]>, Error> {
        let mut blocks = reserve(counters.len() as u64)?;
        if let Some(readback) = self.start_random_blocks(generator, counters)? {
            readback.finish_into_blocking(&mut blocks, counters.len())?;
        }
        Ok(blocks)
    }

    fn start_random_blocks(&self, generator: Generator, counters: &[BlockCounter]) -> Result<Option<Readback>, Error> {
        self.check_device()?;
        if counters.is_empty() {
            return Ok(None);
        }
        let inner = &self.inner;
        let bytes: &[u8] = bytemuck::cast_slice(counters);
        let workgroups = (counters.len() as u64).div_ceil(WORKGROUP_SIZE);
        let most = u64::from(inner.limits.max_compute_workgroups_per_dimension);
        let limit =
            inner.limits.max_storage_buffer_binding_size.min(most * WORKGROUP_SIZE * size_of::<BlockCounter>() as u64);
        if bytes.len() as u64 > limit {
            return Err(Error::TooLarge { bytes: bytes.len() as u64, limit, what: "counters of one call" });
        }
        let questions = self.upload(bytes)?;
        let answers =
            self.create_buffer(counters.len() as u64 * 16, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC)?;
        let pipeline = inner.pipelines.get(&inner.device, Kernel::RandomBlocks { generator })?;
        let bindings = [questions.as_entire_binding(), answers.as_entire_binding()];
        let bind_group = bind_buffers(self, inner.pipelines.buffers_layout(Access::Separate), &bindings)?;
        self.read_back(&answers, |encoder| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(workgroups as u32, 1, 1);
            Ok(())
        })
        .map(Some)
    }
}
