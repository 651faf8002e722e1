//! `kept-rows` through pipes and files, against the library's reference.

mod common;

use common::{Files, command, fails, misused, npy, succeeds};
use wgpu_dropout::{Generator, reference};

fn bytes(rows: &[u32]) -> Vec<u8> {
    rows.iter().flat_map(|row| row.to_le_bytes()).collect()
}

#[test]
fn equals_the_reference() {
    let files = Files::new();
    for count in [0u64, 1, 33, 1000, 100_003] {
        for &generator in Generator::ALL {
            let rows = reference::kept_rows(&common::mask(0.3, 5, 6, 7, generator), count).unwrap();
            let expected = bytes(&rows);
            let count = count.to_string();
            for processor in [&[][..], &["--cpu"]] {
                let list = |more: &[&str]| {
                    let options = ["kept-rows", "--p", "0.3", "--seed", "5", "--stream", "6", "--start", "7"];
                    let generator = ["--generator", generator.name(), "--count", &count];
                    succeeds([&options[..], &generator, processor, more].concat())
                };
                assert!(list(&[]) == expected, "{count} {generator} {processor:?}");
                let array = npy("<u4", false, &format!("({},)", rows.len()), &expected);
                assert!(list(&["--format", "npy"]) == array, "{count} {generator} {processor:?}");
                for (format, content) in [("raw", &expected), ("npy", &array)] {
                    let file = files.path("rows");
                    assert_eq!(list(&["--format", format, "--output", &file]), b"");
                    assert!(files.read("rows") == *content, "{count} {format} in a file");
                }
            }
        }
    }
    assert_eq!(files.names().len(), 1);
}

/// Longer than a chunk: 2^22 rows.
#[test]
fn pieces_join() {
    let count = (1u64 << 22) + 1003;
    let expected = bytes(&reference::kept_rows(&common::mask(0.9, 5, 0, 3, Generator::Threefry), count).unwrap());
    let count = count.to_string();
    let options = ["kept-rows", "--p", "0.9", "--seed", "5", "--start", "3", "--count", &count];
    for processor in [&[][..], &["--cpu"]] {
        assert!(succeeds([&options, processor].concat()) == expected, "{processor:?}");
    }
}

#[test]
fn errors() {
    let files = Files::new();
    let options = ["kept-rows", "--p", "0.1", "--seed", "1", "--cpu", "--count"];
    let list = |more: &[&str]| fails([&options, more].concat());
    let message = list(&["4294967296", "--output", &files.path("rows")]);
    assert!(message.contains("32 bits") && message.contains("--start"), "{message}");
    let message = list(&["2", "--start", "18446744073709551615"]);
    assert!(message.contains("2 elements from start 18446744073709551615"), "{message}");
    let message = misused([&options[..], &["2", "--format", "text"]].concat());
    assert!(message.contains("'text'") && message.contains("raw, npy"), "{message}");
    let message = misused(["kept-rows", "--p", "0.1", "--seed", "1"]);
    assert!(message.contains("--count"), "{message}");
    assert!(files.names().is_empty(), "{:?}", files.names());
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_binary_goes_to_a_terminal() {
    let (_controller, terminal) = common::terminal();
    let options = ["kept-rows", "--p", "0.1", "--seed", "1", "--cpu", "--count", "64"];
    let output = command().args(options).stdout(terminal).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("terminal") && message.contains("--output"), "{message}");
}
