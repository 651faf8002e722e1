//! `verify`: that it passes, and that it can fail.

mod common;

use std::process::Output;

use common::{Files, fails, run};
use serde_json::Value;

const CHECKS: usize = 8;

fn json(files: &Files) -> Value {
    serde_json::from_slice(&files.read("verify.json")).unwrap()
}

/// Runs with both reports. The XML must be well formed and count what it holds; returns (test cases, failed ones).
fn verify(files: &Files, more: &[&str]) -> (Output, usize, usize) {
    let (json, junit) = (files.path("verify.json"), files.path("verify.xml"));
    let output = run([&["verify", "--json", &json, "--junit", &junit], more].concat());
    assert_eq!(files.names().into_iter().collect::<Vec<_>>(), ["verify.json", "verify.xml"]);
    let xml = String::from_utf8(files.read("verify.xml")).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let count = |node: roxmltree::Node<'_, '_>, tag: &str| node.descendants().filter(|n| n.has_tag_name(tag)).count();
    for suite in document.descendants().filter(|node| node.has_tag_name("testsuite")) {
        assert_eq!(suite.attribute("tests").unwrap(), count(suite, "testcase").to_string());
        assert_eq!(suite.attribute("failures").unwrap(), count(suite, "failure").to_string());
    }
    (output, count(document.root(), "testcase"), count(document.root(), "failure"))
}

#[test]
fn the_default_adapter_passes() {
    let files = Files::new();
    let (output, cases, failures) = verify(&files, &[]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert_eq!(output.stderr, b"", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((cases, failures), (CHECKS, 0));
    assert_eq!(table.matches("  pass  ").count(), CHECKS, "{table}");
    for line in ["generators: right on 1 of 1", "masks: right on 1 of 1", "values: right on 1 of 1"] {
        assert!(table.contains(line), "{table}");
    }
    let report = json(&files);
    assert_eq!(report["passed"], true);
    let adapter = &report["adapters"][0];
    assert_eq!(adapter["status"], "passed");
    let checks = adapter["checks"].as_array().unwrap();
    assert_eq!(checks.len(), CHECKS);
    // Nothing passes by comparing nothing.
    let compared = |about: &str| {
        let of = checks.iter().filter(|check| check["about"] == about);
        of.map(|check| check["compared"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(compared("generators"), 7);
    assert!(compared("masks") > 23_000_000);
    assert!(compared("values") > 9_000_000);
}

#[test]
fn every_adapter_passes() {
    let files = Files::new();
    let info: Value = serde_json::from_slice(&common::succeeds(["info", "--json"])).unwrap();
    let (output, ..) = verify(&files, &["--all"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let report = json(&files);
    let names =
        |list: &Value| list.as_array().unwrap().iter().map(|adapter| adapter["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&report["adapters"]), names(&info["adapters"]));
}

#[test]
fn errors() {
    let files = Files::new();
    let message = fails(["verify", "--adapter", "99", "--json", &files.path("verify.json")]);
    assert!(message.contains("adapter 99 does not exist") && message.contains("  0: "), "{message}");
    let message = fails(["verify", "--junit", &files.path("nowhere/verify.xml")]);
    assert!(message.contains("nowhere/verify.xml") && message.contains("create the directory"), "{message}");
    let message = common::misused(["verify", "--adapter", "0", "--all"]);
    assert!(message.contains("--all") && message.contains("--adapter"), "{message}");
    assert!(files.names().is_empty());
}
