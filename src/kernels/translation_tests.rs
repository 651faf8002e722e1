//! Every kernel in the languages of the backends, with the settings of wgpu and without a device: naga translates it,
//! and spirv-val and glslangValidator, where they are installed, check the result. Nothing on Linux checks MSL or HLSL.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use naga::{
    AddressSpace, Module, ResourceBinding, ShaderStage,
    back::{glsl, hlsl, msl, spv},
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{ModuleInfo, ValidationFlags, Validator},
};

use super::{
    kernel::{Decision, Kernel, Program},
    reachable,
    target::Style,
    tests::{CAPABILITIES, targets},
};

const STAGE: ShaderStage = ShaderStage::Compute;

/// Restricted where wgpu restricts on devices without robust buffer access.
const POLICIES: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Restrict,
    buffer: BoundsCheckPolicy::Restrict,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

/// A kernel as wgpu hands it to a backend.
struct Final {
    kernel: Kernel,
    module: Module,
    info: ModuleInfo,
}

/// Of kernels that differ only in their bindings, or in which start inside of a group they are for, one; with parameters as
/// immediates and as a uniform, because every backend but browsers has both.
fn kernels() -> Vec<Final> {
    let mut kernels = BTreeMap::new();
    for kernel in targets().iter().flat_map(reachable).filter(|kernel| kernel.style != Style::ONE_GROUP) {
        let mut program = kernel.program;
        if let Program::Elementwise { decision: Decision::Grouped { shift, .. }, .. } = &mut program {
            *shift = (*shift).min(1);
        }
        kernels.entry((program, kernel.style)).or_insert(kernel);
    }
    kernels
        .into_values()
        .map(|kernel| {
            let module = naga::front::wgsl::parse_str(&kernel.wgsl()).unwrap();
            let info = Validator::new(ValidationFlags::all(), CAPABILITIES).validate(&module).unwrap();
            Final { kernel, module, info }
        })
        .collect()
}

impl Final {
    /// The buffers with a binding, numbered.
    fn buffers(&self) -> impl Iterator<Item = (ResourceBinding, u8, AddressSpace)> {
        let bound = self.module.global_variables.iter().filter_map(|(_, v)| Some((v.binding?, v.space)));
        bound.zip(0..).map(|((binding, space), slot)| (binding, slot, space))
    }

    fn spirv(&self) -> Vec<u8> {
        let options = spv::Options {
            bounds_check_policies: POLICIES,
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            ..Default::default()
        };
        let pipeline = spv::PipelineOptions { shader_stage: STAGE, entry_point: "main".to_owned() };
        let words = spv::write_vec(&self.module, &self.info, &options, Some(&pipeline)).unwrap();
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    fn msl(&self) -> String {
        let target = |slot, space| msl::BindTarget {
            buffer: Some(slot),
            mutable: space != AddressSpace::Uniform,
            ..Default::default()
        };
        let resources = msl::EntryPointResources {
            resources: self.buffers().map(|(binding, slot, space)| (binding, target(slot, space))).collect(),
            immediates_buffer: Some(8),
            sizes_buffer: Some(9),
        };
        let options = msl::Options {
            lang_version: (2, 0),
            per_entry_point_map: [("main".to_owned(), resources)].into(),
            fake_missing_bindings: false,
            bounds_check_policies: POLICIES,
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        };
        let pipeline = msl::PipelineOptions { entry_point: Some((STAGE, "main".to_owned())), ..Default::default() };
        let (text, info) = msl::write_string(&self.module, &self.info, &options, &pipeline).unwrap();
        assert!(info.entry_point_names.iter().all(Result::is_ok), "{}", self.kernel);
        text
    }

    fn hlsl(&self) -> String {
        let target = |register| hlsl::BindTarget { register, ..Default::default() };
        let options = hlsl::Options {
            binding_map: self.buffers().map(|(binding, slot, _)| (binding, target(slot.into()))).collect(),
            fake_missing_bindings: false,
            immediates_target: Some(target(8)),
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        };
        let pipeline = hlsl::PipelineOptions { entry_point: Some((STAGE, "main".to_owned())) };
        let mut text = String::new();
        let written = hlsl::Writer::new(&mut text, &options, &pipeline).write(&self.module, &self.info, None).unwrap();
        assert!(written.entry_point_names.iter().all(Result::is_ok), "{}", self.kernel);
        text
    }

    fn glsl(&self) -> String {
        let options = glsl::Options {
            version: glsl::Version::new_gles(310),
            writer_flags: glsl::WriterFlags::empty(),
            binding_map: self.buffers().map(|(binding, slot, _)| (binding, slot)).collect(),
            zero_initialize_workgroup_memory: false,
        };
        let pipeline = glsl::PipelineOptions { shader_stage: STAGE, entry_point: "main".to_owned(), multiview: None };
        let policies = BoundsCheckPolicies::default();
        let mut text = String::new();
        let mut writer = glsl::Writer::new(&mut text, &self.module, &self.info, &options, &pipeline, policies).unwrap();
        writer.write().unwrap();
        text
    }
}

#[test]
fn every_kernel_translates() {
    let kernels = kernels();
    let folder = tempfile::tempdir().unwrap();
    let (mut spirv, mut glsl) = (vec![], vec![]);
    for kernel in &kernels {
        // Named so that a tool's complaint says which it is.
        let style = format!("{:?}", kernel.kernel.style.parameters);
        let name =
            format!("{} {style}", kernel.kernel).replace(|character: char| !character.is_ascii_alphanumeric(), "");
        let write = |extension: &str, content: &[u8]| -> PathBuf {
            let path = folder.path().join(format!("{name}.{extension}"));
            fs::write(&path, content).unwrap();
            path
        };
        let of_this = |text: &str, needed: &str| {
            assert!(text.contains(needed), "{}, {style}:\n{text}", kernel.kernel);
        };
        spirv.push(write("spv", &kernel.spirv()));
        of_this(&kernel.msl(), "kernel void main_(");
        of_this(&kernel.hlsl(), "[numthreads(64, 1, 1)]");
        // OpenGL ES has no 16-bit floats, and its devices are not given these.
        if !kernel.kernel.needs_f16() {
            let text = kernel.glsl();
            of_this(&text, "local_size_x = 64");
            glsl.push(write("comp", text.as_bytes()));
        }
    }
    let by_tools = [
        // One file a call is all that it takes.
        check("spirv-val", &["--target-env", "vulkan1.0"], &spirv, 1),
        check("glslangValidator", &[], &glsl, 64),
    ];
    println!("{} kernels in SPIR-V, MSL, HLSL and GLSL ES; {}", kernels.len(), by_tools.join(", "));
    assert!(kernels.len() > 300 && fs::read_dir(&folder).unwrap().count() == spirv.len() + glsl.len());
}

/// Has a program check files, so many a call, and says how many it did.
fn check(program: &str, arguments: &[&str], files: &[PathBuf], batch: usize) -> String {
    if Command::new(program).arg("--version").output().is_err() {
        return format!("{program} is not installed");
    }
    for files in files.chunks(batch) {
        let output = Command::new(program).args(arguments).args(files).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{program} {files:?}:\n{}", String::from_utf8_lossy(&said));
    }
    format!("{program} checked {}", files.len())
}
