//! `kernels`: the listing, and complete texts that compile.

mod common;

use common::{fails, misused, succeeds};
use serde_json::Value;

fn text(arguments: &[&str]) -> String {
    String::from_utf8(succeeds([&["kernels"], arguments].concat())).unwrap()
}

#[test]
fn lists_what_there_is() {
    let groups = text(&[]);
    for kernel in
        ["inverted f32, groups, threefry by groups from 0; input; output*", "mask bits, philox by groups; output*"]
    {
        assert!(groups.lines().any(|line| line == kernel), "{kernel} is missing in:\n{groups}");
    }
    assert!(text(&["--schedule", "blocked"]).contains("inverted bf16, blocked, input Words"));
}

#[test]
fn prints_complete_wgsl() {
    for operation in ["forward", "copy", "apply-mask", "mask-bits", "mask-bytes"] {
        for schedule in ["groups", "interleaved", "blocked"] {
            for style in ["immediates", "uniform", "one-group"] {
                for more in [&[][..], &["--dtype", "f16", "--native-f16"], &["--generator", "philox", "--start", "5"]] {
                    let arguments = [&["--print", operation, "--schedule", schedule, "--style", style], more].concat();
                    let text = text(&arguments);
                    let entry = "@compute @workgroup_size(WORKGROUP_SIZE)\nfn main(";
                    assert_eq!(text.matches(entry).count(), 1, "{arguments:?}");
                    assert!(!text.contains("override "), "{arguments:?}");
                    assert_eq!(text.contains("var<immediate>"), style == "immediates", "{arguments:?}");
                    assert_eq!(
                        text.contains("var<storage, read>"),
                        style != "one-group" && !operation.starts_with("mask")
                    );
                }
            }
        }
    }
}

/// As another program would launch them.
#[test]
fn prints_launches() {
    let launches = text(&["--print", "forward", "--launches", "--length", "1001", "--input-offset", "4"]);
    let launches: Value = serde_json::from_str(&launches).unwrap();
    let launches = launches.as_array().unwrap();
    assert!(launches.len() > 1);
    for launch in launches {
        assert!(launch["wgsl"].as_str().unwrap().contains("fn main("));
        assert_eq!(launch["parameters"].as_str().unwrap().len() % 32, 0);
        assert_eq!(launch["bindings"].as_array().unwrap().len(), 2);
        assert_eq!(launch["workgroups"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn errors() {
    let message = misused(["kernels", "--schedule", "nonsense"]);
    assert!(message.contains("groups, interleaved or blocked"), "{message}");
    let message = misused(["kernels", "--print", "forward", "--workgroup-size", "257"]);
    assert!(message.contains("257"), "{message}");
    let message = fails(["kernels", "--print", "forward", "--length", "0"]);
    assert!(message.contains("--length"), "{message}");
    let message = fails(["kernels", "--print", "forward", "--input-offset", "2"]);
    assert!(message.contains("multiple of 4"), "{message}");
    let message = fails(["kernels", "--print", "forward", "--row-length", "0", "--row-pitch", "5"]);
    assert!(message.contains("row length 0"), "{message}");
    let message = fails(["kernels", "--print", "mask-bits", "--length", "18446744073709551615"]);
    assert!(message.contains("error"), "{message}");
}
