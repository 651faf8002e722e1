//! From WGSL to SPIR-V, as wgpu does it for its Vulkan backend.

use std::collections::BTreeMap;

use naga::{
    back::spv,
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ValidationFlags, Validator},
};
use wgpu_dropout::kernels::Kernel;

use crate::Result;

/// What of a device the translation depends on.
#[derive(Clone, Copy)]
pub struct Abilities {
    /// Of SPIR-V.
    pub version: (u8, u8),
    /// 16-bit floats, in storage buffers too.
    pub f16: bool,
    pub f16_between_stages: bool,
    /// Whether the device itself keeps accesses within buffers.
    pub robust_buffers: bool,
}

/// A module, and the storage buffers that it is given: as many, of group 0 from binding 0 on.
pub struct Shader {
    pub words: Vec<u32>,
    pub buffers: u32,
}

/// # Errors
/// Where naga does not take the text, or it has bindings other than storage buffers of group 0 without gaps.
pub fn translate(text: &str, abilities: Abilities) -> Result<Shader> {
    let module = naga::front::wgsl::parse_str(text).map_err(|error| error.emit_to_string(text))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).map_err(|error| error.emit_to_string(text))?;

    let mut binding_map = BTreeMap::new();
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = variable.binding else { continue };
        if binding.group != 0 || !matches!(variable.space, naga::AddressSpace::Storage { .. }) {
            return Err(format!("{binding:?} is no storage buffer of group 0").into());
        }
        let place = spv::BindingInfo { descriptor_set: 0, binding: binding.binding, binding_array_size: None };
        binding_map.insert(binding, place);
    }
    let buffers = binding_map.len() as u32;
    if binding_map.keys().any(|binding| binding.binding >= buffers) {
        return Err("the bindings have gaps".into());
    }

    let mut capabilities = vec![spv::Capability::Shader];
    if abilities.f16 {
        capabilities.push(spv::Capability::Float16);
    }
    // As in wgpu-hal's vulkan/adapter.rs, and as the library asks for: workgroup memory is not zeroed.
    let options = spv::Options {
        lang_version: abilities.version,
        flags: spv::WriterFlags::empty(),
        capabilities: Some(capabilities.into_iter().collect()),
        bounds_check_policies: BoundsCheckPolicies {
            index: BoundsCheckPolicy::Restrict,
            buffer: if abilities.robust_buffers { BoundsCheckPolicy::Unchecked } else { BoundsCheckPolicy::Restrict },
            image_load: BoundsCheckPolicy::Restrict,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: true,
        emit_int_div_checks: true,
        use_storage_input_output_16: abilities.f16_between_stages,
        fake_missing_bindings: false,
        binding_map,
        ..Default::default()
    };
    let entry_point = Kernel::ENTRY_POINT.to_owned();
    let pipeline = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point };
    Ok(Shader { words: spv::write_vec(&module, &info, &options, Some(&pipeline))?, buffers })
}
