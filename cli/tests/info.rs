//! `info`.

mod common;

use common::{command, succeeds};
use serde_json::Value;

#[test]
fn json_lists_every_adapter_under_its_number() {
    let info: Value = serde_json::from_slice(&succeeds(["info", "--json"])).unwrap();
    assert_eq!(info["keep_rule_version"], 1);
    let adapters = info["adapters"].as_array().unwrap();
    assert!(!adapters.is_empty());
    assert_eq!(adapters.iter().filter(|adapter| adapter["default"] == true).count(), 1);
    for (n, adapter) in adapters.iter().enumerate() {
        assert_eq!(adapter["index"], n);
        for key in ["name", "backend", "device_type", "driver", "driver_info"] {
            assert!(adapter[key].is_string(), "{key} of {adapter}");
        }
        for key in ["compute_shaders", "immediates", "shader_f16", "shader_int64", "subgroup", "timestamp_query"] {
            assert!(adapter["features"][key].is_boolean(), "{key} of {adapter}");
        }
        for key in [
            "max_storage_buffer_binding_size",
            "max_buffer_size",
            "max_compute_workgroups_per_dimension",
            "max_compute_invocations_per_workgroup",
            "max_immediate_size",
            "min_storage_buffer_offset_alignment",
        ] {
            assert!(adapter["limits"][key].is_u64(), "{key} of {adapter}");
        }
    }
}

#[test]
fn the_table_says_the_same() {
    let info: Value = serde_json::from_slice(&succeeds(["info", "--json"])).unwrap();
    let table = String::from_utf8(succeeds(["info"])).unwrap();
    for adapter in info["adapters"].as_array().unwrap() {
        assert!(table.contains(&format!("adapter {}", adapter["index"])), "{table}");
        assert!(table.contains(adapter["name"].as_str().unwrap()), "{table}");
        assert!(table.contains(&adapter["limits"]["max_buffer_size"].to_string()), "{table}");
    }
    assert_eq!(table.matches("(default)").count(), 1, "{table}");
}

/// Every command that needs an adapter says how to get one; --cpu needs none.
#[test]
fn without_an_adapter() {
    let mask = ["mask", "--p", "0.1", "--seed", "1", "--count", "32"];
    for arguments in [&["info"][..], &["info", "--json"], &["verify"], &["verify", "--all"], &mask] {
        // A backend that is not compiled in.
        let output = command().args(arguments).env("WGPU_BACKEND", "noop").output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert_eq!(output.stdout, b"");
        assert!(message.starts_with("error: no GPU adapter was found: "), "{message}");
    }
    let output = command().args(mask).arg("--cpu").env("WGPU_BACKEND", "noop").output().unwrap();
    assert!(output.status.success() && output.stdout.len() == 4, "{output:?}");
}
