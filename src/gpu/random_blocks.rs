//! Random blocks for given counters: lets anyone check the generators' published known answers on the device itself.

use super::{
    bind::{Ready, create_bind_group, record_all},
    context::Context,
    error_scope::Reports,
    transfer::Readback,
};
use crate::{Error, Generator, kernels, reference};

/// The counter and the key of one random block, as the keep rule names them. With Threefry the counter's words are
/// `group`, `part`, `domain` and the key's are `seed`, `stream`; for Philox see docs/format.md.
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
        let mut blocks = reference::reserve(counters.len() as u64)?;
        let mut reports = Reports::later();
        if let Some(readback) = self.start_random_blocks(&mut reports, generator, counters)? {
            self.finish(reports, readback, &mut blocks, counters.len()).await?;
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
        let mut blocks = reference::reserve(counters.len() as u64)?;
        if let Some(readback) = self.start_random_blocks(&mut Reports::now(), generator, counters)? {
            readback.finish_into_blocking(&mut blocks, counters.len())?;
        }
        Ok(blocks)
    }

    fn start_random_blocks(
        &self,
        reports: &mut Reports,
        generator: Generator,
        counters: &[BlockCounter],
    ) -> Result<Option<Readback>, Error> {
        self.check_device()?;
        if counters.is_empty() {
            return Ok(None);
        }
        let inner = &self.inner;
        let bytes: &[u8] = bytemuck::cast_slice(counters);
        let target = &inner.target;
        let most = u64::from(target.max_workgroups_per_dimension) * u64::from(target.workgroup_size);
        let limit = target.max_binding_size.min(most * size_of::<BlockCounter>() as u64);
        if bytes.len() as u64 > limit {
            return Err(Error::TooLarge { bytes: bytes.len() as u64, limit, what: "counters of one call" });
        }
        let questions = self.upload(reports, bytes)?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let answers = self.create_buffer(reports, counters.len() as u64 * 16, usage)?;
        // As many as fit a dispatch.
        let count = kernels::words(counters.len() as u64)[0];
        let launch = kernels::random_blocks(target, generator, count);
        let layout = inner.pipelines.operands_layout(&inner.device, launch.kernel().layout());
        let resources = [questions.as_entire_binding(), answers.as_entire_binding()];
        let bind_group = create_bind_group(self, reports, layout, &resources)?;
        let ready = [Ready::new(self, reports, &launch)?];
        let readback = self.read_back(reports, &answers, |_, encoder| {
            record_all(encoder, &ready, |_| &bind_group, None);
            Ok(())
        })?;
        Ok(Some(readback))
    }
}
