//! Dispatches: planned first, when whatever can fail is done, then recorded.

use std::ops::Range;

use super::{Record, call::Call, context::Context, pipelines::Kernel};
use crate::Error;

/// One dispatch, ready to be recorded: whatever can fail has been done.
pub(super) struct Dispatch<'a> {
    pipeline: wgpu::ComputePipeline,
    groups: Groups<'a>,
    parameters: Parameters,
    workgroups: [u32; 2],
}

/// What a kernel sees beside its parameters.
#[derive(Clone, Copy)]
pub(super) struct Groups<'a> {
    /// Group 0: the elements.
    pub(super) buffers: &'a wgpu::BindGroup,
    /// Group 2: what the decision reads, if anything.
    pub(super) decision: Option<&'a wgpu::BindGroup>,
}

enum Parameters {
    Immediates(Call),
    Slot(wgpu::BindGroup, u32),
}

impl Context {
    /// Splits positions into dispatches of at most the device's workgroups a dimension.
    pub(super) fn plan<'a>(
        &self,
        dispatches: &mut Vec<Dispatch<'a>>,
        kernel: Kernel,
        groups: Groups<'a>,
        positions: Range<u64>,
        mut call: Call,
    ) -> Result<(), Error> {
        if positions.is_empty() {
            return Ok(());
        }
        let inner = &self.inner;
        let pipeline = inner.pipelines.get(&inner.device, kernel)?;
        let workgroup_elements = inner.pipelines.workgroup_elements();
        let most = u64::from(inner.limits.max_compute_workgroups_per_dimension);
        let mut first = positions.start;
        while first < positions.end {
            // Whole rows of workgroups, then what is left of a row: no workgroup lies outside of the range.
            let workgroups = (positions.end - first).div_ceil(workgroup_elements);
            let [x, y] = if workgroups <= most { [workgroups, 1] } else { [most, (workgroups / most).min(most)] };
            call.first = first as u32;
            call.length = positions.end as u32;
            let parameters = match &inner.slots {
                None => Parameters::Immediates(call),
                Some(slots) => {
                    let (bind_group, offset) = slots.write(&inner.device, &inner.queue, &call)?;
                    Parameters::Slot(bind_group, offset)
                }
            };
            let workgroups = [x as u32, y as u32];
            dispatches.push(Dispatch { pipeline: pipeline.clone(), groups, parameters, workgroups });
            first += x * y * workgroup_elements;
        }
        Ok(())
    }
}

/// Appends what was planned. Nothing here can fail.
pub(super) fn record(recorder: &mut impl Record, dispatches: &[Dispatch<'_>]) {
    if dispatches.is_empty() {
        return;
    }
    recorder.in_compute_pass(&mut |pass| {
        for dispatch in dispatches {
            pass.set_pipeline(&dispatch.pipeline);
            pass.set_bind_group(0, dispatch.groups.buffers, &[]);
            match &dispatch.parameters {
                Parameters::Immediates(call) => pass.set_immediates(0, bytemuck::bytes_of(call)),
                Parameters::Slot(bind_group, offset) => pass.set_bind_group(1, bind_group, &[*offset]),
            }
            if let Some(decision) = dispatch.groups.decision {
                pass.set_bind_group(2, decision, &[]);
            }
            let [x, y] = dispatch.workgroups;
            pass.dispatch_workgroups(x, y, 1);
        }
    });
}
