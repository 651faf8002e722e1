//! Passes as launches: what is checked of every one, and whose planner goes on.

use super::{
    drop_block, drop_connect, fused,
    operand::{Operand, Tensor, check, check_apart},
    plan::KeyPlace,
    softmax,
    stage::Stage,
    statistics,
    target::Target,
};
#[cfg(feature = "internal-faults")]
use crate::Dtype;
use crate::{
    Error, Pass,
    pass::{SCRATCH_ALIGNMENT, Work},
};

/// A pass as data: its stages, in order.
#[derive(Clone, Debug)]
pub struct PassPlan {
    stages: Vec<Stage>,
}

impl PassPlan {
    /// What to launch for a pass whose tensors lie in numbered buffers. No stages where nothing has to be done.
    ///
    /// # Errors
    /// [`Error::Operands`] for other tensors than the pass needs, [`Error::Dtype`], [`Error::Size`], [`Error::Alignment`],
    /// [`Error::Overlap`], [`Error::ScratchBuffer`], [`Error::IndexRange`], [`Error::TooLarge`], [`Error::NoRate`],
    /// [`Error::Unsupported`] where the target binds fewer storage buffers than these are, and what the pass itself names.
    pub fn new(target: &Target, pass: &Pass<Tensor>, key: KeyPlace) -> Result<Self, Error> {
        target.check()?;
        pass.check()?;
        check_places(pass)?;
        let stages = match pass.work {
            Work::DropBlock(ref work) => drop_block::stages(target, work, pass, key)?,
            Work::Fused(ref work) => fused::stages(target, work, pass, key)?,
            Work::Softmax(ref work) => softmax::stages(target, work, pass, key)?,
            Work::DropConnect(ref work) => drop_connect::stages(target, work, pass, key)?,
            Work::Samples(ref work) => statistics::samples_stages(target, work, pass, key)?,
            Work::Statistics(ref work) => statistics::statistics_stages(target, work, pass)?,
            Work::Uncertainty(ref work) => statistics::uncertainty_stages(target, work, pass)?,
        };
        for launch in stages.iter().flat_map(|stage: &Stage| &stage.launches) {
            target.check_buffers(launch.kernel())?;
        }
        Ok(Self { stages })
    }

    /// The stages.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }
}

/// Checks where the tensors lie: at multiples of their elements, and apart from what is written, but for a tensor that takes
/// an output's own place.
fn check_places(pass: &Pass<Tensor>) -> Result<(), Error> {
    for (role, tensor) in &pass.tensors {
        check(role.name(), &tensor.operand, if pass.has_words(*role) { 4 } else { tensor.dtype.size() })?;
    }
    for (number, (role, written)) in pass.tensors.iter().enumerate().filter(|(_, (role, _))| role.is_written()) {
        for (i, (other_role, other)) in pass.tensors.iter().enumerate() {
            let in_place = !other_role.is_written() && pass.work.runs_in_place() && other.operand == written.operand;
            // Of two that are written to, once.
            let is_pair = i < number || i > number && !other_role.is_written();
            if is_pair && !in_place {
                check_apart(other_role.name(), &other.operand, &written.operand)?;
            }
        }
        debug_assert!(role.is_written());
    }
    let needed = pass.work.scratch_size();
    if needed == 0 {
        return Ok(());
    }
    let remedy = "the scratch_size of what is computed says how many it needs, and Pass::with_scratch takes them";
    let missing = Error::Size { role: "scratch", size: 0, remedy };
    let Operand { buffer, offset, size } = pass.scratch.ok_or(missing)?.operand;
    if !offset.is_multiple_of(SCRATCH_ALIGNMENT) {
        return Err(Error::Alignment { role: "scratch", offset, alignment: SCRATCH_ALIGNMENT });
    }
    if !size.is_multiple_of(4) || size < needed {
        return Err(Error::Size { role: "scratch", size, remedy });
    }
    for (role, tensor) in &pass.tensors {
        if tensor.operand.buffer == buffer {
            return Err(Error::ScratchBuffer { role: role.name() });
        }
    }
    Ok(())
}

#[cfg(feature = "internal-faults")]
impl Pass<Tensor> {
    /// The same with other places, for tests. The function is told of each tensor where it lies, its type and whether it is
    /// written to, which of scratch is none.
    #[doc(hidden)]
    pub fn moved<Q>(&self, mut to: impl FnMut(Operand, Dtype, Option<bool>) -> Q) -> Pass<Q> {
        let mut moved = |place: &Tensor, is_written| to(place.operand, place.dtype, is_written);
        Pass {
            work: self.work,
            tensors: self.tensors.iter().map(|(role, place)| (*role, moved(place, Some(role.is_written())))).collect(),
            scratch: self.scratch.as_ref().map(|place| moved(place, None)),
        }
    }
}

/// Passes that together choose every kernel.
pub fn scenarios() -> Vec<Pass<Tensor>> {
    let mut scenarios = drop_block::scenarios();
    scenarios.extend(fused::scenarios());
    scenarios.extend(softmax::scenarios());
    scenarios.extend(drop_connect::scenarios());
    scenarios.extend(statistics::scenarios());
    scenarios
}
