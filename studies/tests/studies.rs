//! Every study holds, and fails when it is made to do something wrong. A missing adapter fails all of them.

use std::{path::Path, process::Command};

use wgpu_dropout_studies::studies;

/// Runs the program, and returns its exit status, what it printed, and the JSON.
fn study(output: &Path, arguments: &[&str]) -> (Option<i32>, String, serde_json::Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgpu-dropout-studies"));
    let result = command.arg("--output").arg(output).args(arguments).output().unwrap();
    let printed = String::from_utf8(result.stdout).unwrap();
    let json = std::fs::read(output.join("study.json"))
        .map_or(serde_json::Value::Null, |text| serde_json::from_slice(&text).unwrap());
    (result.status.code(), printed + &String::from_utf8(result.stderr).unwrap(), json)
}

fn verdicts(json: &serde_json::Value) -> Vec<(&str, bool)> {
    let verdict = |entry: &'_ serde_json::Value| entry["holds"].as_bool().unwrap();
    json["studies"].as_array().unwrap().iter().map(|entry| (entry["name"].as_str().unwrap(), verdict(entry))).collect()
}

#[test]
fn every_study_holds_and_the_page_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (status, printed, json) = study(folder.path(), &["--quick"]);
    assert_eq!(status, Some(0), "{printed}");
    let expected: Vec<_> = studies::ALL.iter().map(|study| (study.name, true)).collect();
    assert_eq!(verdicts(&json), expected, "{printed}");
    let page = std::fs::read_to_string(folder.path().join("index.html")).unwrap();
    for outside in ["<script", "src=", "@import", "url(", "http://", "https://"] {
        let found = page.replace("http://www.w3.org/", "").contains(outside);
        assert!(!found, "the page has {outside}");
    }
    for study in studies::ALL {
        assert!(page.contains(&format!("<article id=\"{}\">", study.name)));
    }
    assert!(page.matches("<svg").count() >= studies::ALL.len());
}

#[test]
fn every_study_fails_on_its_planted_fault() {
    let folder = tempfile::tempdir().unwrap();
    let (status, printed, json) = study(folder.path(), &["--quick", "--plant-fault"]);
    assert_eq!(status, Some(1), "{printed}");
    let expected: Vec<_> = studies::ALL.iter().map(|study| (study.name, false)).collect();
    assert_eq!(verdicts(&json), expected, "{printed}");
}

#[test]
fn the_same_seed_prints_the_same_digits_and_another_one_others() {
    // One that measures by masks alone, one that trains, one of linear algebra.
    let names = ["unbiased", "inverted-standard", "drop-block"];
    let run = |seed| {
        let folder = tempfile::tempdir().unwrap();
        let only = names.iter().flat_map(|name| ["--only", name]);
        let arguments: Vec<_> = ["--quick", "--seed", seed].into_iter().chain(only).collect();
        let (status, printed, json) = study(folder.path(), &arguments);
        assert_eq!(status, Some(0), "{printed}");
        names.map(|name| {
            let entries = json["studies"].as_array().unwrap();
            entries.iter().find(|entry| entry["name"] == name).unwrap()["findings"].to_string()
        })
    };
    let (first, again, other) = (run("7"), run("7"), run("8"));
    assert_eq!(first, again);
    assert!(first.iter().zip(&other).all(|(first, other)| first != other));
}

#[test]
fn unknown_studies_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (status, printed, _) = study(folder.path(), &["--only", "biased"]);
    assert_eq!(status, Some(2));
    assert!(printed.contains("--only biased") && printed.contains("unbiased"), "{printed}");
}

#[test]
fn a_regression_may_come_from_a_folder() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let line = |i: u32| format!("{} {} {}\n", i % 7, i * 5 % 11, 2 * (i % 7) + i * i % 13);
    std::fs::write(data.path().join("data.txt"), (0..90).map(line).collect::<String>()).unwrap();
    std::fs::write(data.path().join("index_features.txt"), "0\n1\n").unwrap();
    let arguments = ["--quick", "--only", "l2", "--data", data.path().to_str().unwrap()];
    let (status, printed, _) = study(folder.path(), &arguments);
    assert!(status == Some(2) && printed.contains("index_target.txt"), "{printed}");
    std::fs::write(data.path().join("index_target.txt"), "2\n").unwrap();
    let (status, printed, json) = study(folder.path(), &arguments);
    assert_eq!(status, Some(0), "{printed}");
    assert!(json["studies"][0]["findings"]["remarks"].to_string().contains("90 examples of 2 features"));
}
