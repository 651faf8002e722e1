//! RADV without a GPU: with RADV_FORCE_FAMILY it makes a device that compiles and does nothing else.

#![allow(unsafe_code, reason = "Vulkan is called through ash, whose functions are all unsafe")]

use std::ffi::{CStr, CString, c_char, c_void};

use ash::{ext, khr, vk};
use serde::{Deserialize, Serialize};
use wgpu_dropout::kernels::Kernel;

use crate::{
    Result,
    spirv::{self, Abilities},
};

/// RADV's statistics of a kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Statistics {
    pub instructions: u64,
    /// Vector registers of a subgroup.
    pub vgprs: u64,
    /// Scalar registers of a subgroup.
    pub sgprs: u64,
    /// Bytes.
    pub code_size: u64,
    /// Cycles, of issue and of stalls.
    pub latency: u64,
    /// Cycles for which 64 invocations keep the busiest unit busy: the vector unit, unless a kernel takes so many
    /// registers that too few subgroups are there to hide the latency.
    pub inverse_throughput: u64,
}

/// What RADV made of a text.
pub struct Compiled {
    pub statistics: Statistics,
    /// Whether it has loops or branches left, so that the statistics are weighted.
    pub branches: bool,
}

/// A device of a GPU that is not there.
pub struct Radv {
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    abilities: Abilities,
    pub device_name: String,
    pub mesa_version: String,
    instance: ash::Instance,
    // It keeps the loader's library loaded.
    _entry: ash::Entry,
}

impl Drop for Radv {
    fn drop(&mut self) {
        // SAFETY: pipelines borrow this, so nothing made from the device or the instance is left.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

fn failed(what: &str) -> impl Fn(vk::Result) -> String {
    move |error| format!("{what}: {error}")
}

fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().take_while(|&&c| c != 0).map(|&c| c as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Radv {
    /// Opens the device that the environment names: see `family.rs`.
    pub fn open() -> Result<Self> {
        // SAFETY: loads the system's Vulkan loader, whose initialisation is trusted.
        let entry = unsafe { ash::Entry::load() }.map_err(|error| format!("there is no Vulkan loader: {error}"))?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: `info` names no layers and no extensions.
        let instance = unsafe { entry.create_instance(&info, None) }.map_err(failed("vkCreateInstance"))?;
        match Self::open_device(&instance) {
            Ok((device, about)) => Ok(Self {
                executables: khr::pipeline_executable_properties::Device::new(&instance, &device),
                device,
                abilities: about.abilities,
                device_name: about.device_name,
                mesa_version: about.mesa_version,
                instance,
                _entry: entry,
            }),
            Err(error) => {
                // SAFETY: no device was made.
                unsafe { instance.destroy_instance(None) };
                Err(error)
            }
        }
    }

    fn open_device(instance: &ash::Instance) -> Result<(ash::Device, About)> {
        // SAFETY: the instance is alive.
        let devices = unsafe { instance.enumerate_physical_devices() }.map_err(failed("vkEnumeratePhysicalDevices"))?;
        let &physical = devices.first().ok_or("RADV gives no device")?;
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
        // SAFETY: the device is of the instance, whose version has this function and this structure.
        unsafe { instance.get_physical_device_properties2(physical, &mut properties) };
        let properties = properties.properties;
        if driver.driver_id != vk::DriverId::MESA_RADV {
            return Err(format!("'{}' is not RADV: check RADV_ICD", text(&properties.device_name)).into());
        }

        // SAFETY: the device is of the instance.
        let extensions = unsafe { instance.enumerate_device_extension_properties(physical) }
            .map_err(failed("vkEnumerateDeviceExtensionProperties"))?;
        let has = |name: &CStr| extensions.iter().any(|extension| extension.extension_name_as_c_str() == Ok(name));
        let mut names = vec![khr::pipeline_executable_properties::NAME];
        if !has(names[0]) {
            return Err("the device has no VK_KHR_pipeline_executable_properties".into());
        }
        let has_robustness = has(ext::robustness2::NAME);
        if has_robustness {
            names.push(ext::robustness2::NAME);
        }

        let mut has_11 = vk::PhysicalDeviceVulkan11Features::default();
        let mut has_12 = vk::PhysicalDeviceVulkan12Features::default();
        let mut has_robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
        let mut features = vk::PhysicalDeviceFeatures2::default().push_next(&mut has_11).push_next(&mut has_12);
        if has_robustness {
            features = features.push_next(&mut has_robust);
        }
        // SAFETY: the device is of the instance, and its version and extensions have these structures.
        unsafe { instance.get_physical_device_features2(physical, &mut features) };
        let features = features.features;

        // What wgpu would turn on of it, where it matters to kernels.
        let f16 =
            [has_12.shader_float16, has_11.storage_buffer16_bit_access, has_11.uniform_and_storage_buffer16_bit_access];
        let f16 = f16 == [vk::TRUE; 3];
        let f16_between_stages = f16 && has_11.storage_input_output16 == vk::TRUE;
        let core =
            vk::PhysicalDeviceFeatures::default().robust_buffer_access(features.robust_buffer_access == vk::TRUE);
        let mut on_11 = vk::PhysicalDeviceVulkan11Features::default()
            .storage_buffer16_bit_access(f16)
            .uniform_and_storage_buffer16_bit_access(f16)
            .storage_input_output16(f16_between_stages);
        let mut on_12 = vk::PhysicalDeviceVulkan12Features::default().shader_float16(f16);
        let mut on_robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default()
            .robust_buffer_access2(has_robust.robust_buffer_access2 == vk::TRUE)
            .robust_image_access2(has_robust.robust_image_access2 == vk::TRUE);
        let mut on_executables =
            vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
        let names: Vec<_> = names.into_iter().map(CStr::as_ptr).collect();
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
        let mut info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&names)
            .enabled_features(&core)
            .push_next(&mut on_11)
            .push_next(&mut on_12)
            .push_next(&mut on_executables);
        if has_robustness {
            info = info.push_next(&mut on_robust);
        }
        // SAFETY: `info` asks for what the device has, and lives as long as the call.
        let device = unsafe { instance.create_device(physical, &info, None) }.map_err(failed("vkCreateDevice"))?;
        let abilities = Abilities {
            version: if properties.api_version >= vk::API_VERSION_1_3 { (1, 6) } else { (1, 5) },
            f16,
            f16_between_stages,
            robust_buffers: has_robust.robust_buffer_access2 == vk::TRUE,
        };
        let (device_name, mesa_version) = (text(&properties.device_name), text(&driver.driver_info));
        Ok((device, About { abilities, device_name, mesa_version }))
    }

    /// Compiles a kernel's text that takes so many bytes of immediates.
    pub fn compile(&self, text: &str, immediates: u32) -> Result<Compiled> {
        let shader = spirv::translate(text, self.abilities)?;
        let pipeline = Pipeline::new(self, &shader, immediates)?;
        Ok(Compiled { statistics: pipeline.statistics()?, branches: pipeline.has_branches()? })
    }
}

struct About {
    abilities: Abilities,
    device_name: String,
    mesa_version: String,
}

/// A compute pipeline with what it is made of; null what is not there yet.
struct Pipeline<'a> {
    radv: &'a Radv,
    /// Of group 0 and on.
    set_layouts: Vec<vk::DescriptorSetLayout>,
    layout: vk::PipelineLayout,
    module: vk::ShaderModule,
    pipeline: vk::Pipeline,
}

impl Drop for Pipeline<'_> {
    fn drop(&mut self) {
        let device = &self.radv.device;
        // SAFETY: these are of the device, and used nowhere else. Null ones are passed over.
        unsafe {
            device.destroy_pipeline(self.pipeline, None);
            device.destroy_shader_module(self.module, None);
            device.destroy_pipeline_layout(self.layout, None);
            for &layout in &self.set_layouts {
                device.destroy_descriptor_set_layout(layout, None);
            }
        }
    }
}

impl<'a> Pipeline<'a> {
    fn new(radv: &'a Radv, shader: &spirv::Shader, immediates: u32) -> Result<Self> {
        let device = &radv.device;
        let mut new = Self {
            radv,
            set_layouts: vec![],
            layout: vk::PipelineLayout::null(),
            module: vk::ShaderModule::null(),
            pipeline: vk::Pipeline::null(),
        };

        let groups = shader.buffers.iter().map(|buffer| buffer.group + 1).max().unwrap_or(0);
        for group in 0..groups {
            let binding = |buffer: &spirv::Buffer| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(buffer.binding)
                    .descriptor_type(match buffer.is_uniform {
                        true => vk::DescriptorType::UNIFORM_BUFFER,
                        false => vk::DescriptorType::STORAGE_BUFFER,
                    })
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            };
            let bindings: Vec<_> = shader.buffers.iter().filter(|buffer| buffer.group == group).map(binding).collect();
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            // SAFETY: here and below: the device is alive, and each structure lives as long as the call that takes it.
            let layout = unsafe { device.create_descriptor_set_layout(&info, None) };
            new.set_layouts.push(layout.map_err(failed("vkCreateDescriptorSetLayout"))?);
        }

        let range = vk::PushConstantRange::default().stage_flags(vk::ShaderStageFlags::COMPUTE).size(immediates);
        // There are none of 0 bytes.
        let ranges: Vec<_> = (immediates > 0).then_some(range).into_iter().collect();
        let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&new.set_layouts).push_constant_ranges(&ranges);
        // SAFETY: as above; the limit of 128 bytes, which every device has, is above what kernels take.
        new.layout = unsafe { device.create_pipeline_layout(&info, None) }.map_err(failed("vkCreatePipelineLayout"))?;

        let info = vk::ShaderModuleCreateInfo::default().code(&shader.words);
        // SAFETY: as above; naga validated what it wrote.
        new.module = unsafe { device.create_shader_module(&info, None) }.map_err(failed("vkCreateShaderModule"))?;

        let entry_point = CString::new(Kernel::ENTRY_POINT)?;
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(new.module)
            .name(&entry_point);
        let flags = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
            | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
        let infos = [vk::ComputePipelineCreateInfo::default().flags(flags).layout(new.layout).stage(stage)];
        // SAFETY: as above; the layout has every binding of the module.
        let made = unsafe { device.create_compute_pipelines(vk::PipelineCache::null(), &infos, None) };
        new.pipeline = made.map_err(|(_, error)| format!("vkCreateComputePipelines: {error}"))?[0];
        Ok(new)
    }

    /// The one program that the pipeline has.
    fn executable(&self) -> vk::PipelineExecutableInfoKHR<'static> {
        vk::PipelineExecutableInfoKHR::default().pipeline(self.pipeline).executable_index(0)
    }

    fn statistics(&self) -> Result<Statistics> {
        // SAFETY: the pipeline was made for its statistics to be asked for, and has a program.
        let list = unsafe { self.radv.executables.get_pipeline_executable_statistics(&self.executable()) }
            .map_err(failed("vkGetPipelineExecutableStatisticsKHR"))?;
        let get = |name: &str| {
            let found = list.iter().find(|statistic| text(&statistic.name).eq_ignore_ascii_case(name));
            let found = found.ok_or_else(|| format!("this RADV has no statistic '{name}'"))?;
            match found.format {
                // SAFETY: the format says which member it is.
                vk::PipelineExecutableStatisticFormatKHR::UINT64 => Ok(unsafe { found.value.u64 }),
                other => Err(format!("the statistic '{name}' is {other:?} and not a whole number")),
            }
        };
        Ok(Statistics {
            instructions: get("Instructions")?,
            vgprs: get("VGPRs")?,
            sgprs: get("SGPRs")?,
            code_size: get("Code size")?,
            latency: get("Latency")?,
            inverse_throughput: get("Inverse Throughput")?,
        })
    }

    /// Looks for loops and branches in Mesa's intermediate language, after it was optimised.
    fn has_branches(&self) -> Result<bool> {
        let executables = &self.radv.executables;
        let failed = failed("vkGetPipelineExecutableInternalRepresentationsKHR");
        // SAFETY: the pipeline was made for its representations to be asked for, and has a program.
        let mut list = unsafe { executables.get_pipeline_executable_internal_representations(&self.executable()) }
            .map_err(&failed)?;
        let mut bodies: Vec<Vec<u8>> = list.iter().map(|representation| vec![0; representation.data_size]).collect();
        for (representation, body) in list.iter_mut().zip(&mut bodies) {
            representation.p_data = body.as_mut_ptr().cast::<c_void>();
        }
        let mut count = list.len() as u32;
        // SAFETY: as above; `list` has `count` members, and each points to as many bytes as it says.
        unsafe {
            (executables.fp().get_pipeline_executable_internal_representations_khr)(
                self.radv.device.handle(),
                &self.executable(),
                &mut count,
                list.as_mut_ptr(),
            )
        }
        .result()
        .map_err(&failed)?;
        let nir = list.iter().zip(&bodies).find(|(representation, _)| text(&representation.name).starts_with("NIR"));
        let nir = nir.ok_or("this RADV does not show its NIR")?.1;
        let nir = String::from_utf8_lossy(nir);
        if !nir.contains("impl main") {
            return Err("this RADV shows its NIR in a way that radv.rs does not know".into());
        }
        Ok(nir.lines().map(str::trim_start).any(|line| line.starts_with("if ") || line.starts_with("loop ")))
    }
}
