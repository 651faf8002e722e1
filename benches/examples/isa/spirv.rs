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

/// A module, and the buffers that it is given.
pub struct Shader {
    pub words: Vec<u32>,
    pub buffers: Vec<Buffer>,
}

/// A buffer of a module.
#[derive(Clone, Copy)]
pub struct Buffer {
    pub group: u32,
    pub binding: u32,
    pub is_uniform: bool,
}

/// # Errors
/// Where naga does not take the text, or it has bindings other than storage and uniform buffers.
pub fn translate(text: &str, abilities: Abilities) -> Result<Shader> {
    let module = naga::front::wgsl::parse_str(text).map_err(|error| error.emit_to_string(text))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).map_err(|error| error.emit_to_string(text))?;

    let mut binding_map = BTreeMap::new();
    let mut buffers = vec![];
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = variable.binding else { continue };
        let is_uniform = match variable.space {
            naga::AddressSpace::Storage { .. } => false,
            naga::AddressSpace::Uniform => true,
            _ => return Err(format!("{binding:?} is no buffer").into()),
        };
        let naga::ResourceBinding { group, binding: number } = binding;
        binding_map
            .insert(binding, spv::BindingInfo { descriptor_set: group, binding: number, binding_array_size: None });
        buffers.push(Buffer { group, binding: number, is_uniform });
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
