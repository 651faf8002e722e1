//! The figures of a family.

use serde::{Deserialize, Serialize};

use crate::{
    Result,
    family::Family,
    radv::{Radv, Statistics},
    straight_line::straight_line,
    subjects::{self, Counted},
};

/// What was counted for a family of GPUs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FamilyReport {
    /// As RADV calls it.
    pub family: String,
    pub generation: String,
    pub device: String,
    pub mesa_version: String,
    /// Of a vector instruction of 64 lanes.
    pub cycles_per_vector_instruction: u32,
    pub kernels: Vec<Figures>,
}

/// What was counted of a kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    pub kernel: String,
    /// What the library calls it.
    pub library_name: String,
    pub elements_per_invocation: u32,
    /// As it is.
    #[serde(flatten)]
    pub statistics: Statistics,
    /// Without guards and ties.
    pub straight_line: Statistics,
    /// Of the straight line. A product of 32-bit integers counts as four.
    pub vector_instructions_per_element: f64,
    /// Whether the straight line has loops or branches, so that the figure before is weighted by RADV's guesses.
    pub weighted: bool,
}

/// In this process, whose environment names the family.
pub fn family(family: &Family, name: &str) -> Result<FamilyReport> {
    let radv = Radv::open()?;
    let mut kernels = vec![];
    for subject in subjects::all()? {
        let mut worst: Option<Figures> = None;
        for counted in &subject.kernels {
            let figures = count(&radv, family, subject.name, counted)
                .map_err(|error| format!("{} ({}): {error}", subject.name, counted.kernel))?;
            let each = figures.vector_instructions_per_element;
            if worst.as_ref().is_none_or(|worst| each > worst.vector_instructions_per_element) {
                worst = Some(figures);
            }
        }
        kernels.extend(worst);
    }
    Ok(FamilyReport {
        family: name.to_owned(),
        generation: family.generation.to_owned(),
        device: radv.device_name.clone(),
        mesa_version: radv.mesa_version.clone(),
        cycles_per_vector_instruction: family.cycles,
        kernels,
    })
}

fn count(radv: &Radv, family: &Family, name: &str, counted: &Counted) -> Result<Figures> {
    let text = counted.kernel.wgsl();
    let whole = radv.compile(&text, counted.parameters)?;
    let straight = radv.compile(&straight_line(&text), counted.parameters)?;
    let cycles = straight.statistics.inverse_throughput as f64;
    Ok(Figures {
        kernel: name.to_owned(),
        library_name: counted.kernel.to_string(),
        elements_per_invocation: counted.elements,
        statistics: whole.statistics,
        straight_line: straight.statistics,
        vector_instructions_per_element: cycles / f64::from(family.cycles) / f64::from(counted.elements),
        weighted: straight.branches,
    })
}
