//! What `apply` says of bad input, and that it leaves nothing behind.

mod common;

use common::{Files, f32_npy, fails, misused, npy, numbers};

const OPTIONS: [&str; 6] = ["apply", "--p", "0.5", "--seed", "1", "--cpu"];

/// Runs with these options and files; the message must contain all the `parts`, and only the input may be left.
fn check(options: &[&str], input: &[u8], parts: &[&str]) {
    let files = Files::new();
    let (input, output) = (files.write("in.npy", input), files.path("out.npy"));
    let message = fails([options, &[&input, &output]].concat());
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
    assert_eq!(files.names().into_iter().collect::<Vec<_>>(), ["in.npy"], "{message}");
}

fn good() -> Vec<u8> {
    f32_npy("(3, 4)", &numbers(12))
}

fn cut(mut bytes: Vec<u8>, by: usize) -> Vec<u8> {
    bytes.truncate(bytes.len() - by);
    bytes
}

#[test]
fn contents() {
    let twelve = [0; 48];
    let grown = [good(), vec![0]].concat();
    let cases: [(Vec<u8>, &[&str]); 17] = [
        (vec![], &["in.npy'", "is empty"]),
        (b"P".to_vec(), &["in.npy'", "not an .npy file", "numpy.save"]),
        (b"a text, not an array".to_vec(), &["not an .npy file", "numpy.save"]),
        (b"PK\x03\x04 an archive".to_vec(), &[".npz archive", "numpy.save"]),
        (npy("<f8", false, "(6,)", &twelve), &["'<f8'", "astype('<f4')"]),
        (npy("<f2", false, "(23,)", &twelve), &["(23,)", "46 bytes", "48"]),
        (npy("<u2", false, "(24,)", &twelve), &["'<u2'", "--dtype bf16"]),
        (npy("<i4", false, "(12,)", &twelve), &["'<i4'", "astype('<f4')"]),
        (npy("|O", false, "(12,)", &twelve), &["'|O'"]),
        (npy(">f4", false, "(12,)", &twelve), &["'>f4' (big-endian)", "astype('<f4')"]),
        (npy("<f4", true, "(3, 4)", &twelve), &["Fortran order", "ascontiguousarray"]),
        (cut(good(), 1), &["(3, 4)", "48 bytes", "47", "damaged"]),
        (cut(good(), 48), &["(3, 4)", "48 bytes", "there are 0"]),
        (grown, &["(3, 4)", "48 bytes", "49"]),
        (cut(good(), 49), &["ends inside its header"]),
        (npy("<f4", false, "(1099511627776, 1099511627776)", &twelve), &["(1099511627776, 1099511627776)", "2^64"]),
        (npy("<f4", false, "(4611686018427387904,)", &twelve), &["(4611686018427387904,)", "2^64"]),
    ];
    for (input, parts) in cases {
        check(&OPTIONS, &input, parts);
    }
}

/// Where the length is not known beforehand, the end of the data tells.
#[cfg(target_os = "linux")]
#[test]
fn contents_of_a_pipe() {
    use std::{io::Write, process::Stdio};

    for (input, part) in [(cut(good(), 1), "there are 47"), ([good(), vec![0]].concat(), "more than 48")] {
        let files = Files::new();
        let mut child = common::command()
            .args(OPTIONS)
            .args(["/dev/stdin", &files.path("out.npy")])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        let output = child.wait_with_output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(message.contains(part) && message.contains("/dev/stdin"), "{message}");
        assert!(files.names().is_empty(), "{:?}", files.names());
    }
}

#[test]
fn options() {
    let with = |more: &[&'static str]| [&["apply"], more].concat();
    check(&with(&["--p", "1.5", "--seed", "1"]), &good(), &["p is 1.5", "from 0 to 1"]);
    check(&with(&["--p", "-0.1", "--seed", "1"]), &good(), &["p is -0.1", "from 0 to 1"]);
    check(&with(&["--p", "NaN", "--seed", "1"]), &good(), &["p is NaN", "from 0 to 1"]);
    let end = ["--p", "0.5", "--seed", "1", "--start", "18446744073709551605"];
    check(&with(&end), &good(), &["12 elements from start 18446744073709551605", "threefry", "2^64"]);
    let end = ["--p", "0.5", "--seed", "1", "--start", "0x7fffffffffffff8", "--generator", "philox"];
    check(&with(&end), &good(), &["12 elements from start 576460752303423480", "philox", "2^59"]);
    let dtype = ["--p", "0.5", "--seed", "1", "--dtype", "bf16"];
    check(&with(&dtype), &good(), &["'<f4'", "--dtype bf16 needs '<u2'"]);
    let rows = ["--p", "0.5", "--seed", "1", "--row-length", "6", "--row-pitch", "5"];
    check(&with(&rows), &good(), &["row length 6 and row pitch 5"]);
    check(&with(&["--p", "0.5", "--seed", "1", "--adapter", "99"]), &good(), &["adapter 99 does not exist", "  0: "]);
}

/// The whole array is checked, before anything is written: not each chunk of 2^22 elements.
#[test]
fn the_index_range_of_a_long_array() {
    let length = (1 << 22) + 32;
    let input = f32_npy(&format!("({length},)"), &vec![0.0; length]);
    let start = (u64::MAX - (1 << 22)).to_string();
    check(&[&OPTIONS[..], &["--start", &start]].concat(), &input, &[&format!("{length} elements from start {start}")]);
}

/// The last elements there are can still be had.
#[test]
fn the_index_range_ends_where_it_says() {
    let files = Files::new();
    let (input, output) = (files.write("in.npy", &good()), files.path("out.npy"));
    for (generator, start) in [("threefry", "18446744073709551604"), ("philox", "576460752303423476")] {
        common::succeeds([&OPTIONS[..], &["--start", start, "--generator", generator, &input, &output]].concat());
    }
}

#[test]
fn usage() {
    let files = Files::new();
    let input = files.write("in.npy", &good());
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--p", "much", "--seed", "1"], &["'much'", "--p"]),
        (&["--p", "0.5", "--seed", "-1"], &["'-1'", "0 to 18446744073709551615"]),
        (&["--p", "0.5", "--seed", "18446744073709551616"], &["'18446744073709551616'", "0 to 18446744073709551615"]),
        (&["--p", "0.5", "--seed", "0xg"], &["'0xg'", "hexadecimal"]),
        (&["--p", "0.5", "--seed", "1.5"], &["'1.5'", "whole number"]),
        (&["--p", "0.5", "--seed", "1", "--start", "-5"], &["'-5'", "--start"]),
        (&["--p", "0.5", "--seed", "1", "--generator", "mt19937"], &["'mt19937'", "threefry or philox"]),
        (&["--p", "0.5", "--seed", "1", "--cpu", "--adapter", "0"], &["--cpu", "--adapter"]),
        (&["--seed", "1"], &["--p"]),
    ];
    for (options, parts) in cases {
        let message = misused([&["apply"], options, &[&input, &files.path("out.npy")]].concat());
        for part in parts {
            assert!(message.contains(part), "'{part}' is not in: {message}");
        }
    }
    assert_eq!(files.names().len(), 1);
}

#[test]
fn paths() {
    let files = Files::new();
    let input = files.write("in.npy", &good());
    let fails = |input: &str, output: &str| fails([&OPTIONS[..], &[input, output]].concat());

    let missing = files.path("missing.npy");
    let message = fails(&missing, &files.path("out.npy"));
    assert!(message.contains(&missing) && message.contains("cannot be opened"), "{message}");

    let message = fails(&files.path(""), &files.path("out.npy"));
    assert!(message.contains("cannot be read") || message.contains("cannot be opened"), "{message}");

    let nowhere = files.path("nowhere/out.npy");
    let message = fails(&input, &nowhere);
    assert!(message.contains(&nowhere) && message.contains("create the directory"), "{message}");
    assert!(!message.contains(".wgpu-dropout-"), "{message}");

    let message = fails(&input, &files.path(""));
    assert!(message.contains("not a regular file"), "{message}");

    let message = fails(&input, &files.path("out/"));
    assert!(message.contains("not a regular file"), "{message}");

    assert_eq!(files.names().len(), 1, "{:?}", files.names());
}

/// An output that was there before an error is still there after it.
#[test]
fn an_old_output_survives_an_error() {
    let files = Files::new();
    let (input, output) = (files.write("in.npy", &cut(good(), 4)), files.write("out.npy", b"precious"));
    fails([&OPTIONS[..], &[&input, &output]].concat());
    assert_eq!(files.read("out.npy"), b"precious");
    fails([&OPTIONS[..], &[&input, &input]].concat());
    assert_eq!(files.read("in.npy"), cut(good(), 4));
}
