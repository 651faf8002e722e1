//! `info`: the adapters, and what of them matters here.

use std::io::{self, Write};

use serde_json::{Value, json};
use wgpu_dropout::{Context, KEEP_RULE_VERSION, kernels::F16Conversion, wgpu};

use crate::{adapter, error::Error};

/// List the adapters: names, drivers, and the features and limits that matter here
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Error> {
    let adapters = adapter::all()?;
    // The library's own choice.
    let default = adapter::best(&adapters).ok();
    let described: Vec<_> =
        (0..).zip(&adapters).map(|(index, adapter)| Described::new(index, adapter, default == Some(index))).collect();
    let text = if args.json {
        let adapters: Vec<_> = described.iter().map(Described::json).collect();
        format!("{:#}\n", json!({ "keep_rule_version": KEEP_RULE_VERSION, "adapters": adapters }))
    } else {
        described.iter().map(Described::table).collect::<Vec<_>>().join("\n")
    };
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Error::Stdout)
}

struct Described {
    index: usize,
    default: bool,
    info: wgpu::AdapterInfo,
    features: Vec<(&'static str, bool)>,
    limits: Vec<(&'static str, u64)>,
    /// Found out on the device.
    f16: String,
}

impl Described {
    fn new(index: usize, adapter: &wgpu::Adapter, default: bool) -> Self {
        let (features, limits) = (adapter.features(), adapter.limits());
        let compute = adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS);
        Self {
            index,
            default,
            info: adapter.get_info(),
            features: vec![
                ("compute_shaders", compute),
                ("immediates", features.contains(wgpu::Features::IMMEDIATES)),
                ("shader_f16", features.contains(wgpu::Features::SHADER_F16)),
                ("shader_int64", features.contains(wgpu::Features::SHADER_INT64)),
                ("subgroup", features.contains(wgpu::Features::SUBGROUP)),
                ("timestamp_query", features.contains(wgpu::Features::TIMESTAMP_QUERY)),
            ],
            f16: f16(adapter),
            limits: vec![
                ("max_storage_buffer_binding_size", limits.max_storage_buffer_binding_size),
                ("max_buffer_size", limits.max_buffer_size),
                ("max_compute_workgroups_per_dimension", limits.max_compute_workgroups_per_dimension.into()),
                ("max_compute_invocations_per_workgroup", limits.max_compute_invocations_per_workgroup.into()),
                ("max_immediate_size", limits.max_immediate_size.into()),
                ("min_storage_buffer_offset_alignment", limits.min_storage_buffer_offset_alignment.into()),
            ],
        }
    }

    fn json(&self) -> Value {
        let object = |pairs: Vec<(&str, Value)>| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Value>();
        json!({
            "index": self.index,
            "default": self.default,
            "name": self.info.name,
            "backend": format!("{:?}", self.info.backend),
            "device_type": format!("{:?}", self.info.device_type),
            "driver": self.info.driver,
            "driver_info": self.info.driver_info,
            "vendor": self.info.vendor,
            "device": self.info.device,
            "f16_conversion": self.f16,
            "features": object(self.features.iter().map(|&(name, has)| (name, has.into())).collect()),
            "limits": object(self.limits.iter().map(|&(name, limit)| (name, limit.into())).collect()),
        })
    }

    fn table(&self) -> String {
        let default = if self.default { " (default)" } else { "" };
        let mut text = format!("adapter {}{default}\n", self.index);
        let mut row = |name: &str, value: &str| text += &format!("  {name:<38} {value}\n");
        row("name", &self.info.name);
        row("backend", &format!("{:?}", self.info.backend));
        row("type", &format!("{:?}", self.info.device_type));
        row("driver", &adapter::driver(&self.info));
        row("f16 is converted by", &self.f16);
        for &(name, has) in &self.features {
            row(name, if has { "yes" } else { "no" });
        }
        for &(name, limit) in &self.limits {
            row(name, &if name.contains("size") { bytes(limit) } else { limit.to_string() });
        }
        text
    }
}

/// How the adapter's device converts 16-bit floats.
fn f16(adapter: &wgpu::Adapter) -> String {
    if !adapter.features().contains(wgpu::Features::SHADER_F16) {
        return adapter::f16_name(F16Conversion::Integer).to_owned();
    }
    let probed = pollster::block_on(async { Context::from_adapter(adapter).await?.probe_f16().await });
    probed.map_or_else(|error| format!("unknown: {error}"), |conversion| adapter::f16_name(conversion).to_owned())
}

/// 134217728 (128 MiB)
fn bytes(n: u64) -> String {
    let unit = [("GiB", 30), ("MiB", 20), ("KiB", 10)].into_iter().find(|(_, shift)| n >> shift > 0);
    match unit {
        Some((unit, shift)) if n.trailing_zeros() >= shift => format!("{n} ({} {unit})", n >> shift),
        Some((unit, shift)) => format!("{n} ({:.1} {unit})", n as f64 / (1u64 << shift) as f64),
        None => n.to_string(),
    }
}
