//! `noise` through pipes and files, against the published normals.

mod common;

use std::{
    io::Read,
    process::Stdio,
    time::{Duration, Instant},
};

use common::{Files, command, fails, misused, succeeds};
use serde::Deserialize;
use wgpu_dropout::{Generator, Key, reference};

#[derive(Deserialize)]
struct Answers {
    normals: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    generator: String,
    seed: String,
    stream: String,
    start: String,
    z_q21: Vec<i32>,
}

fn answers() -> Vec<Answer> {
    let answers: Answers = serde_json::from_str(include_str!("../../tests/vectors/family_v1.json")).unwrap();
    answers.normals
}

fn bytes<T: bytemuck::NoUninit>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

#[test]
fn published_normals_in_every_format() {
    let files = Files::new();
    let answers = answers();
    assert_eq!(answers.len(), 32);
    for (i, answer) in answers.iter().enumerate() {
        let count = answer.z_q21.len().to_string();
        let options = ["noise", "--seed", &answer.seed, "--stream", &answer.stream, "--start", &answer.start];
        let options = [&options[..], &["--generator", &answer.generator, "--count", &count]].concat();
        let values: Vec<f32> = answer.z_q21.iter().map(|&z| z as f32 / 2_097_152.0).collect();
        // A few on the adapter too; that every normal is right there, other tests see.
        for processor in [&["--cpu"][..], &[]].into_iter().take(if i % 8 == 1 { 2 } else { 1 }) {
            let noise = |more: &[&str]| succeeds([&options, processor, more].concat());
            assert_eq!(noise(&[]), bytes(&values), "{options:?}");
            assert_eq!(noise(&["--format", "f32"]), bytes(&values), "{options:?}");
            assert_eq!(noise(&["--format", "q21"]), bytes(&answer.z_q21), "{options:?}");
            let npy = noise(&["--format", "npy"]);
            assert_eq!(npy, common::f32_npy(&format!("({count},)"), &values), "{options:?}");
            for (format, content) in [("f32", bytes(&values)), ("q21", bytes(&answer.z_q21)), ("npy", npy)] {
                assert_eq!(noise(&["--format", format, "--output", &files.path("noise")]), b"");
                assert!(files.read("noise") == content, "{options:?} {format} in a file");
            }
        }
    }
    assert_eq!(files.names().len(), 1);
}

/// The defaults: Threefry, stream 0, start 0, f32. Hexadecimal seeds.
#[test]
fn defaults() {
    let expected = reference::normals(Generator::Threefry, Key::new(255), 0, 9).unwrap();
    assert_eq!(succeeds(["noise", "--seed", "0xff", "--count", "9", "--cpu"]), bytes(&expected));
}

/// Longer than a chunk of 2^22 normals, and than what one thread makes.
#[test]
fn pieces_join() {
    const CHUNK: u64 = 1 << 22;
    for processor in [&[][..], &["--cpu"]] {
        let noise = |start: u64, count: u64| {
            let (start, count) = (start.to_string(), count.to_string());
            let options = ["noise", "--seed", "5", "--start", &start, "--count", &count, "--generator", "philox"];
            succeeds([&options, processor].concat())
        };
        let whole = noise(3, CHUNK + 5003);
        assert_eq!(whole.len() as u64, 4 * (CHUNK + 5003));
        let seam = reference::normals(Generator::Philox, Key::new(5), 3 + CHUNK - 4096, 4096 + 5003).unwrap();
        assert!(whole[4 * (CHUNK - 4096) as usize..] == bytes(&seam), "{processor:?}");
        assert!(whole[..16] == bytes(&reference::normals(Generator::Philox, Key::new(5), 3, 4).unwrap()));
    }
}

/// The last normals that can be addressed, and no more, although nobody said how many.
#[test]
fn without_end_ends_with_the_index_range() {
    for &generator in Generator::ALL {
        let start = (generator.normal_end() - 13) as u64;
        let expected = reference::normals(generator, Key::new(1), start, 13).unwrap();
        for processor in [&[][..], &["--cpu"]] {
            let (name, start) = (generator.name(), start.to_string());
            let options = ["noise", "--seed=1", "--count=0", "--generator", name, "--start", &start];
            assert_eq!(succeeds([&options, processor].concat()), bytes(&expected), "{generator}");
        }
    }
    // Past the end there is nothing.
    let end = (1u64 << 58).to_string();
    for count in ["0", "1"] {
        let options = ["noise", "--seed=1", "--generator=philox", "--cpu", "--start", &end, "--count", count];
        let message = fails(options);
        assert!(message.contains("2^58") && message.contains(&end), "{message}");
    }
}

/// `wgpu-dropout noise --count 0 … | head -c 4000000`
#[test]
fn without_end_stops_quietly_when_the_reader_goes_away() {
    for format in ["f32", "q21"] {
        let mut child = command()
            .args(["noise", "--seed", "1", "--count", "0", "--cpu", "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut read = vec![0; 4_000_000];
        child.stdout.take().unwrap().read_exact(&mut read).unwrap();
        // The pipe is closed now.
        let patience = Instant::now() + Duration::from_secs(60);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > patience {
                child.kill().unwrap();
                panic!("still running");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{format}");
        let expected = if format == "q21" {
            bytes(&reference::normals_q21(Generator::Threefry, Key::new(1), 0, 1_000_000).unwrap())
        } else {
            bytes(&reference::normals(Generator::Threefry, Key::new(1), 0, 1_000_000).unwrap())
        };
        assert!(read == expected, "{format}");
    }
}

#[test]
fn errors() {
    let files = Files::new();
    let file = files.path("noise");
    let noise = |more: &[&str]| fails([&["noise", "--seed", "1", "--cpu"], more].concat());
    // Should these go on, then not for long.
    let near_the_end = ["--start", "18446744073709551552", "--count", "0"];
    let message = noise(&[&near_the_end[..], &["--format", "npy"]].concat());
    assert!(message.contains("--count 0") && message.contains("header"), "{message}");
    let message = noise(&[&near_the_end[..], &["--output", &file]].concat());
    assert!(message.contains("--count 0") && message.contains("--output"), "{message}");
    let message = noise(&["--count", "2", "--start", "18446744073709551615", "--output", &file]);
    assert!(message.contains("start 18446744073709551615") && message.contains("2^64"), "{message}");
    let message = noise(&["--count", "18446744073709551615", "--generator", "philox", "--output", &file]);
    assert!(message.contains("18446744073709551615") && message.contains("2^58"), "{message}");
    let message = noise(&["--count", "2", "--output", &files.path("nowhere/noise")]);
    assert!(message.contains("nowhere/noise") && message.contains("create the directory"), "{message}");
    let message = fails(["noise", "--seed", "1", "--count", "2", "--adapter", "99", "--output", &file]);
    assert!(message.contains("adapter 99 does not exist"), "{message}");
    for (options, named) in [
        (&["--seed", "1", "--count", "2", "--format", "text"][..], "f32, q21, npy"),
        (&["--seed", "1", "--count", "2", "--generator", "mt19937"], "threefry or philox"),
        (&["--seed", "1", "--count", "-1"], "--count"),
        (&["--seed", "1"], "--count"),
        (&["--count", "2"], "--seed"),
        (&["--seed", "1", "--count", "2", "--p", "0.1"], "--p"),
        (&["--seed", "1", "--count", "2", "--cpu", "--adapter", "0"], "--adapter"),
    ] {
        let message = misused([&["noise"], options].concat());
        assert!(message.contains(named), "{message}");
    }
    assert!(files.names().is_empty(), "{:?}", files.names());
}

/// Not every error of a pipe is a reader that has seen enough.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command().args(["noise", "--seed", "1", "--cpu", "--count", "100000"]).stdout(full).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("standard output cannot be written"), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_binary_goes_to_a_terminal() {
    let (_controller, terminal) = common::terminal();
    let options = ["noise", "--seed", "1", "--cpu", "--count", "64"];
    let output = command().args(options).stdout(terminal).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("terminal") && message.contains("--output"), "{message}");
}
