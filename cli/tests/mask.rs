//! `mask` through pipes and files, against the published hashes.

mod common;
#[path = "../../tests/vectors/mod.rs"]
mod vectors;

use std::{
    io::Read,
    process::Stdio,
    time::{Duration, Instant},
};

use common::{Files, command, fails, misused, succeeds};
use wgpu_dropout::{Generator, reference};

/// The options that name the mask of a published answer.
fn options(answer: &vectors::MaskAnswer) -> Vec<String> {
    let (p, seed, stream) = (answer.p.to_string(), answer.key.seed.to_string(), format!("{:#x}", answer.key.stream));
    let (start, generator) = (answer.start.to_string(), answer.generator.to_string());
    let options =
        ["mask", "--p", &p, "--seed", &seed, "--stream", &stream, "--start", &start, "--generator", &generator];
    options.map(str::to_owned).into()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    assert_eq!(bytes.len() % 4, 0);
    bytes.chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn published_masks() {
    for answer in vectors::masks() {
        let count = ["--count".to_owned(), answer.count.to_string()];
        let bytes = succeeds([&options(&answer)[..], &count].concat());
        assert_eq!(bytes.len() as u64, answer.count.div_ceil(32) * 4);
        answer.check(&words(&bytes)).unwrap();
        if answer.count <= 65_536 {
            let bytes = succeeds([&options(&answer)[..], &count, &["--cpu".to_owned()]].concat());
            answer.check(&words(&bytes)).unwrap();
        }
    }
}

#[test]
fn every_format_has_the_same_bits() {
    let files = Files::new();
    for count in [1u64, 31, 32, 33, 1000, 300_007] {
        let mask = common::mask(0.3, 5, 6, 7, Generator::Philox);
        let expected: Vec<u8> = (0..count).map(|local| u8::from(reference::keeps(&mask, local))).collect();
        let count = count.to_string();
        for processor in [&[][..], &["--cpu"]] {
            let mask = |more: &[&str]| {
                let options = ["mask", "--p", "0.3", "--seed", "5", "--stream", "6", "--start", "7"];
                succeeds([&options[..], &["--generator", "philox", "--count", &count], processor, more].concat())
            };
            let bits = mask(&[]);
            let words = words(&bits);
            let unpacked: Vec<u8> = (0..expected.len()).map(|j| (words[j / 32] >> (j % 32) & 1) as u8).collect();
            assert!(unpacked == expected, "{count} bits");
            assert_eq!(
                words.iter().map(|word| word.count_ones()).sum::<u32>(),
                expected.iter().map(|&k| u32::from(k)).sum::<u32>()
            );
            assert!(mask(&["--format", "bytes"]) == expected, "{count} bytes");
            let npy = mask(&["--format", "npy"]);
            assert!(npy == common::npy("|b1", false, &format!("({count},)"), &expected), "{count} npy");

            for (format, content) in [("bits", &bits), ("bytes", &expected), ("npy", &npy)] {
                let file = files.path("mask");
                assert_eq!(mask(&["--format", format, "--output", &file]), b"");
                assert!(files.read("mask") == *content, "{count} {format} in a file");
            }
        }
    }
    assert_eq!(files.names().len(), 1);
}

/// Longer than a chunk: 2^26 elements on a GPU, 2^22 with --cpu.
#[test]
fn pieces_join() {
    for (chunk, processor) in [(1u64 << 26, &[][..]), (1 << 22, &["--cpu"])] {
        let mask = |start: u64, count: u64| {
            let (start, count) = (start.to_string(), count.to_string());
            let options = ["mask", "--p", "0.1", "--seed", "5", "--start", &start, "--count", &count];
            succeeds([&options, processor].concat())
        };
        let whole = mask(3, chunk + 5003);
        assert_eq!(whole.len() as u64, (chunk + 5003).div_ceil(32) * 4);
        // From 1000 elements before the seam on.
        let seam = mask(3 + chunk - 4096, 4096 + 5003);
        assert!(whole[((chunk - 4096) / 8) as usize..] == seam, "{processor:?}");
    }
}

/// The last 64 elements that can be addressed, and no more, although nobody said how many.
#[test]
fn without_end_ends_with_the_index_range() {
    let ends: Vec<_> = vectors::masks()
        .into_iter()
        .filter(|answer| u128::from(answer.start) + u128::from(answer.count) == answer.generator.index_end())
        .collect();
    assert_eq!(ends.iter().map(|answer| answer.generator).collect::<Vec<_>>(), Generator::ALL);
    for answer in ends {
        for processor in [None, Some("--cpu".to_owned())] {
            let more = ["--count".to_owned(), "0".to_owned()];
            let bytes = succeeds(options(&answer).into_iter().chain(more).chain(processor));
            answer.check(&words(&bytes)).unwrap();
        }
        // Past the end there is nothing.
        if answer.generator == Generator::Philox {
            let end = answer.generator.index_end().to_string();
            let message = fails(["mask", "--p=0.1", "--seed=1", "--count=0", "--generator=philox", "--start", &end]);
            assert!(message.contains("2^59") && message.contains(&end), "{message}");
        }
    }
}

/// `wgpu-dropout mask --count 0 … | head -c 20000000`
#[test]
fn without_end_stops_quietly_when_the_reader_goes_away() {
    for options in [&["--format", "bits"][..], &["--format", "bytes"], &["--cpu"]] {
        let mut child = command()
            .args(["mask", "--p", "0.1", "--seed", "1", "--count", "0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let wanted = if options.contains(&"--cpu") { 1_000_000 } else { 20_000_000 };
        let mut bytes = vec![0; wanted];
        child.stdout.take().unwrap().read_exact(&mut bytes).unwrap();
        // The pipe is closed now.
        let patience = Instant::now() + Duration::from_secs(60);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > patience {
                child.kill().unwrap();
                panic!("still running {options:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{options:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{options:?}");
        let kept = if options.contains(&"bytes") {
            bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>() as f64 / wanted as f64
        } else {
            bytes.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>() as f64 / (8 * wanted) as f64
        };
        assert!((kept - 0.9).abs() < 0.001, "{kept}");
    }
}

#[test]
fn errors() {
    let files = Files::new();
    let file = files.path("mask");
    let mask = |more: &[&str]| fails([&["mask", "--p", "0.1", "--seed", "1", "--cpu"], more].concat());
    // Should these go on, then not for long.
    let near_the_end = ["--start", "18446744073709551552", "--count", "0"];
    let message = mask(&[&near_the_end[..], &["--format", "npy"]].concat());
    assert!(message.contains("--count 0") && message.contains("header"), "{message}");
    let message = mask(&[&near_the_end[..], &["--output", &file]].concat());
    assert!(message.contains("--count 0") && message.contains("--output"), "{message}");
    let message = mask(&["--count", "2", "--start", "18446744073709551615"]);
    assert!(message.contains("2 elements from start 18446744073709551615") && message.contains("2^64"), "{message}");
    let message = mask(&["--count", "0", "--row-length", "3", "--row-pitch", "4"]);
    assert!(message.contains("--row-length"), "{message}");
    let message = mask(&["--count", "2", "--output", &files.path("nowhere/mask")]);
    assert!(message.contains("nowhere/mask") && message.contains("create the directory"), "{message}");
    let message = fails(["mask", "--p", "inf", "--seed", "1", "--count", "2"]);
    assert!(message.contains("p is inf"), "{message}");
    let message = fails(["mask", "--p", "0.1", "--seed", "1", "--count", "2", "--adapter", "99", "--output", &file]);
    assert!(message.contains("adapter 99 does not exist"), "{message}");
    let message = misused(["mask", "--p", "0.1", "--seed", "1", "--count", "2", "--format", "text"]);
    assert!(message.contains("'text'") && message.contains("bits, bytes, npy"), "{message}");
    let message = misused(["mask", "--p", "0.1", "--seed", "1"]);
    assert!(message.contains("--count"), "{message}");
    assert!(files.names().is_empty(), "{:?}", files.names());
}

/// Not every error of a pipe is a reader that has seen enough.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let options = ["mask", "--p", "0.1", "--seed", "1", "--cpu", "--count"];
    for count in ["1", "1000000"] {
        let output = command().args(options).arg(count).stdout(full.try_clone().unwrap()).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains("standard output cannot be written"), "{message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_binary_goes_to_a_terminal() {
    let (_controller, terminal) = common::terminal();
    let options = ["mask", "--p", "0.1", "--seed", "1", "--cpu", "--count", "64"];
    let output = command().args(options).stdout(terminal).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("terminal") && message.contains("--output"), "{message}");
}
