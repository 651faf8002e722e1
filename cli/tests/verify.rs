//! `verify`: that it passes, and that it can fail.

mod common;

use std::process::Output;

use common::{Files, fails, run};
use serde_json::Value;

const CHECKS: usize = 63;

/// In the names of four checks that take no time, the third of which is [`THIRD`].
const QUICK: &str = "block";
const THIRD: &str = "masks: known block masks";

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
        assert_eq!(suite.attribute("errors").unwrap(), count(suite, "error").to_string());
    }
    (output, count(document.root(), "testcase"), count(document.root(), "failure"))
}

/// Each adapter by a run of its own, all at once: drivers for processors make kernels on one core.
#[test]
fn every_adapter_passes() {
    let info: Value = serde_json::from_slice(&common::succeeds(["info", "--json"])).unwrap();
    let adapters = info["adapters"].as_array().unwrap();
    std::thread::scope(|scope| {
        for (number, adapter) in adapters.iter().enumerate() {
            scope.spawn(move || passes(number, adapter));
        }
    });
}

fn passes(number: usize, adapter: &Value) {
    let files = Files::new();
    let (output, cases, failures) = verify(&files, &["--adapter", &number.to_string(), "--timeout", "1200"]);
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
    let [of_adapter] = &report["adapters"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((&of_adapter["status"], &of_adapter["name"]), (&"passed".into(), &adapter["name"]));
    let checks = of_adapter["checks"].as_array().unwrap();
    assert_eq!(checks.len(), CHECKS);
    // Nothing passes by comparing nothing.
    let compared = |about: &str| {
        let of = checks.iter().filter(|check| check["about"] == about);
        of.map(|check| check["compared"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(compared("generators") > 16_000);
    assert!(compared("masks") > 25_000_000);
    assert!(compared("values") > 5_000_000);
}

/// All adapters, in the order in which `info` has them, and without an option the one that it says is the default. What is
/// checked is what takes no time.
#[test]
fn all_adapters_or_the_default_one() {
    let files = Files::new();
    let info: Value = serde_json::from_slice(&common::succeeds(["info", "--json"])).unwrap();
    let names = |adapters: &Value| -> Vec<Value> {
        adapters.as_array().unwrap().iter().map(|adapter| adapter["name"].clone()).collect()
    };
    let (output, ..) = verify(&files, &["--all", "--only", QUICK]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(names(&json(&files)["adapters"]), names(&info["adapters"]));
    let (output, ..) = verify(&files, &["--only", QUICK]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let report = json(&files);
    let [chosen] = &report["adapters"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!(info["adapters"][chosen["index"].as_u64().unwrap() as usize]["default"], true);
}

/// The first adapter failed in the way that the test wants; every other passed. Returns its report, and the table.
fn fails_on_the_first(files: &Files, more: &[&str]) -> (Value, String) {
    fails_on(0, files, &[&["--all"], more].concat())
}

fn fails_on(adapter: usize, files: &Files, more: &[&str]) -> (Value, String) {
    let (output, _, _) = verify(files, more);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{table}");
    let message = String::from_utf8(output.stderr).unwrap();
    let start = format!("error: verify: failed on adapter {adapter}: ");
    assert!(message.starts_with(&start) && !message.contains("; "), "{message}{table}");
    let report = json(files);
    assert_eq!(report["passed"], false);
    let adapters = report["adapters"].as_array().unwrap();
    assert!(adapters[1..].iter().all(|adapter| adapter["status"] == "passed"), "{table}");
    (adapters[0].clone(), table)
}

/// The number of the adapter that the faults are planted on: not SwiftShader, if there is another, because it takes five times
/// as long to build a kernel.
fn quick_adapter() -> usize {
    let info: Value = serde_json::from_slice(&common::succeeds(["info", "--json"])).unwrap();
    let adapters = info["adapters"].as_array().unwrap();
    adapters.iter().position(|adapter| !adapter["name"].as_str().unwrap().contains("SwiftShader")).unwrap_or_default()
}

/// A wrong kernel is found by the check that looks for it, which says where and what.
#[test]
fn wrong_kernels_are_found_and_named() {
    let adapter = quick_adapter();
    for (fault, check, named) in [
        ("rotation", "generators: known blocks", "threefry, known block "),
        ("carry", "generators: blocks", "philox, block "),
        ("start", "masks: start indexes", "(index 4294967325) of threefry"),
        ("threshold", "masks: known thresholds", "element 0 (index 12345) of threefry"),
        ("ties", "masks: known masks", "of threefry, p 0.1, seed 0, stream 0"),
        ("tail", "masks: lengths", "the unused bits after threefry"),
        ("key", "masks: keys in buffers", "of threefry, p 0.1, seed 81985529216486895"),
        ("packed", "values: packed masks", "kept, f16 "),
        ("rows", "masks: known views", "of threefry, p 0.3"),
        ("dispatch", "masks: chunks", "of threefry, p 0.1"),
        ("leak", "values: lengths", "dropped, f32 80000000 (-0e0): expected 00000000 (0e0), actual"),
        ("f16", "values: every f16", "kept, f16 "),
        ("bf16", "values: every bf16", "kept, bf16 "),
        ("edge", "masks: bytes in buffers", "bytes around a mask of Bytes at byte 2 were written"),
        ("cutoff", "masks: other schedules", "expected dropped, actual kept"),
        ("settle", "masks: other schedules", "of threefry, p 0.1"),
        ("neighbour", "values: other schedules", "(index 136) of threefry"),
        ("interleaved", "values: other schedules", "element 4 (index 4) of threefry, p 0.1"),
        ("input-offset", "values: f32 in buffers", "element 0 (index 0) of threefry"),
        ("output-offset", "values: f32 in buffers", "element 0 (index 0) of threefry"),
        ("column", "masks: rows", ", 5], strides [10, 1] after 7"),
        ("fused", "values: separate roundings", ", what fused steps give"),
        ("fused-noise", "values: separate roundings", "gaussian, start 0, 4099 elements, f32 "),
        ("other-offset", "values: selection", "of threefry"),
        ("choice", "values: selection", "of threefry, p 0.3"),
        ("gathered", "masks: known gathered rows", "strides [12, 1] after 0, rows gathered"),
        ("row-ids", "masks: strides", "after 240, rows gathered"),
        ("inner-stride", "masks: known strides", "strides [3] after 1"),
        ("inner-shared", "masks: known shared masks", "strides [5, 1, 0, 0] after 0"),
        ("normal-table", "generators: known normals", "normal "),
        ("sign", "generators: known normals", "normal 2 of threefry, seed 81985529216486895"),
        ("normal-lane", "generators: known normals", "normal 4 of threefry"),
        ("alpha-dropped", "values: known kinds", "alpha, start "),
        ("standard", "values: known kinds", "standard, start "),
        ("scaling", "values: evaluation", "standard, start 3"),
        ("rate", "values: rates in buffers", "alpha, start "),
        ("spread", "masks: known block masks", "blocks of "),
        ("count", "values: known block scales", "Count of blocks of "),
        ("listed", "masks: kept rows", "listed, "),
        ("comparison", "values: audits", "element 0 is wrong"),
        ("residual", "values: known passes", "fused none, f32, threefry: element "),
        ("relu", "values: fused", "relu of 64 columns, f16: element "),
        ("gelu", "values: fused", "gelu of 3 columns, f32: element "),
        ("row-keep", "values: fused", "relu of 64 columns, f16: element "),
        ("slope", "values: gradients of fused", "gradient of relu of 64 columns, bf16: element "),
        ("column-sums", "values: gradients of fused", "gradient of relu of 64 columns, bf16"),
        ("causal", "values: softmax", "6 queries, 7 keys, factor 0.5, causal true, f32: element 14"),
        ("row-mean", "values: gradients of softmax", "gradient, 6 queries, 7 keys"),
        ("carried", "values: products", "the product, 7 examples, 12 outputs, 33 inputs"),
        ("examples", "values: products", "gradient, 5 examples, 9 outputs, 64 inputs"),
        ("squares", "values: products", "variance, 5 examples"),
        ("first-sample", "values: products", "samples, 5 examples"),
        ("sample", "values: samples", "sample 1 of inverted, f32: element "),
        ("welford", "values: statistics", "variance, f32: element 0: "),
        ("merged", "values: statistics", "variance, f32: element "),
        ("last-class", "values: uncertainty", "probability, 7 classes, f32: element 0: "),
        ("lanes", "values: uncertainty", "expected entropy, 40 classes, f16: element "),
        ("information", "values: uncertainty", "mutual information, 7 classes, f32: element 0: "),
    ] {
        let files = Files::new();
        // One adapter is enough: that the others pass is asked of crashes and hangs below.
        let more = ["--adapter", &adapter.to_string(), "--only", check, "--plant-fault", fault];
        let (report, table) = fails_on(adapter, &files, &more);
        assert_eq!(report["status"], "failed", "{fault}");
        let failed = &report["checks"][0];
        let (about, name) = check.split_once(": ").unwrap();
        assert_eq!(
            (&failed["about"], &failed["check"], &failed["passed"]),
            (&about.into(), &name.into(), &false.into())
        );
        let first: Vec<_> = failed["first_mismatches"].as_array().unwrap().iter().map(Value::to_string).collect();
        assert!(first.iter().any(|line| line.contains(named)), "{fault}: {first:#?}");
        assert!(table.contains(named) && table.contains(&format!("{about}: right on ")), "{table}");
    }
}

/// A driver that takes its process with it is a failure of its own adapter, and what was known before stays known.
#[test]
fn a_crash_fails_alone() {
    let files = Files::new();
    let (report, table) = fails_on_the_first(&files, &["--only", QUICK, "--plant-fault", "crash"]);
    assert_eq!(report["status"], "crashed");
    assert_eq!(report["checks"].as_array().unwrap().len(), 2);
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("its process ended with") && error.contains(&format!("during '{THIRD}'")), "{error}");
    assert!(cfg!(not(unix)) || error.contains("signal: 6"), "{error}");
    assert!(table.contains(&format!("  CRASHED: {error}")), "{table}");
}

#[test]
fn a_hang_fails_alone() {
    let files = Files::new();
    let more = ["--only", QUICK, "--plant-fault", "hang", "--timeout", "15"];
    let (report, table) = fails_on_the_first(&files, &more);
    assert_eq!(report["status"], "timed out");
    assert_eq!(report["checks"].as_array().unwrap().len(), 2);
    let error = report["error"].as_str().unwrap();
    assert_eq!(error, format!("no result after 15 s (--timeout), during '{THIRD}'"));
    assert!(table.contains(&format!("  TIMED OUT: {error}")), "{table}");
}

/// As a driver that closes everything and then does not let the process end.
#[cfg(unix)]
#[test]
fn a_hang_at_the_end_fails_alone() {
    let files = Files::new();
    let more = ["--only", QUICK, "--plant-fault", "hang-at-end", "--timeout", "8"];
    let begin = std::time::Instant::now();
    let (report, _) = fails_on_the_first(&files, &more);
    assert_eq!(report["status"], "timed out");
    assert!(begin.elapsed().as_secs() < 60);
    assert_eq!(report["error"], format!("no result after 8 s (--timeout), during '{THIRD}'"));
}

/// What a driver prints is not taken for a result, and hides none.
#[test]
fn a_drivers_noise_is_passed_over() {
    let files = Files::new();
    let (output, cases, failures) = verify(&files, &["--only", QUICK, "--plant-fault", "noise"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((cases, failures), (4, 0));
}

/// How 16-bit floats are converted is part of the report.
#[test]
fn the_conversion_of_f16_is_reported() {
    let files = Files::new();
    let (output, ..) = verify(&files, &["--only", "generators"]);
    let report = json(&files);
    let conversion = report["adapters"][0]["f16_conversion"].as_str().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(&format!("f16 is converted by {conversion}")));
    let info: Value = serde_json::from_slice(&common::succeeds(["info", "--json"])).unwrap();
    assert!(info["adapters"].as_array().unwrap().iter().any(|adapter| adapter["f16_conversion"] == conversion));
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
    let message = common::misused(["verify", "--timeout", "0"]);
    assert!(message.contains("--timeout"), "{message}");
    assert!(files.names().is_empty());
    let output = run(["verify", "--only", "nonsense"]);
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("no check has 'nonsense' in its name") && table.contains("masks: lengths"), "{table}");
}
