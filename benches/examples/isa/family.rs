//! Families of GPUs, and a process for each.

use std::process::{Command, Stdio};

use crate::{ONE_FAMILY, Result, measure::FamilyReport};

/// GPUs with the same instructions.
pub struct Family {
    /// What RADV calls it, that of older versions first.
    pub names: &'static [&'static str],
    pub generation: &'static str,
    /// Cycles for which a vector instruction of 64 lanes keeps a SIMD busy. A SIMD of RDNA has 32 lanes, one of GCN 16.
    pub cycles: u32,
}

impl Family {
    pub const ALL: &'static [Self] = &[
        Self { names: &["NAVI10"], generation: "RDNA 1", cycles: 2 },
        Self { names: &["NAVI21"], generation: "RDNA 2", cycles: 2 },
        // Mesa 23.1 has the second name.
        Self { names: &["GFX1100", "NAVI31"], generation: "RDNA 3", cycles: 2 },
        Self { names: &["VEGA10"], generation: "Vega, GCN 5", cycles: 4 },
    ];

    pub fn find(name: &str) -> Result<&'static Self> {
        let known = || Self::ALL.iter().flat_map(|family| family.names).copied().collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().find(|family| family.names.contains(&name));
        found.ok_or_else(|| format!("unknown family '{name}'. There are: {}", known()).into())
    }
}

/// The figures of a family, from another process; none where RADV does not know it.
pub fn measure(family: &Family) -> Result<Option<FamilyReport>> {
    let driver =
        std::env::var("RADV_ICD").map_err(|_| "RADV_ICD does not name RADV's .json file: run scripts/isa.sh")?;
    for name in family.names {
        let output = Command::new(std::env::current_exe()?)
            .args([ONE_FAMILY, name])
            .env("RADV_FORCE_FAMILY", name)
            // The loader's name for it, and the one that loaders before 1.3.207 know.
            .env("VK_DRIVER_FILES", &driver)
            .env("VK_ICD_FILENAMES", &driver)
            .env_remove("VK_ADD_DRIVER_FILES")
            // Figures from here and now, and from RADV as it comes.
            .env("MESA_SHADER_CACHE_DISABLE", "true")
            .env_remove("RADV_DEBUG")
            .env_remove("RADV_PERFTEST")
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            eprint!("{said}");
            return Ok(Some(serde_json::from_slice(&output.stdout)?));
        }
        // RADV's words before it ends the process.
        if !said.contains("Unknown family") {
            let said = said.trim_end().trim_start_matches("isa: ");
            return Err(format!("{name}: {said} ({})", output.status).into());
        }
    }
    Ok(None)
}
