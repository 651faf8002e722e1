//! Headers that no `numpy.save` wrote: each is an error that says what is wrong, quickly and without much memory.

mod common;

use common::{Files, bits, fails, npy_with_header, numbers, succeeds, values};

fn apply(files: &Files, npy: &[u8]) -> [String; 7] {
    let (input, output) = (files.write("in.npy", npy), files.path("out.npy"));
    ["apply", "--p=0", "--seed=1", "--cpu", "--stream=0", &input, &output].map(str::to_owned)
}

#[track_caller]
fn refused(npy: &[u8], part: &str) {
    let files = Files::new();
    let message = fails(apply(&files, npy));
    assert!(message.contains(part), "'{part}' is not in: {message}");
    assert!(message.len() < 600, "{message}");
    assert!(!message.trim_end().chars().any(char::is_control), "{message:?}");
    assert_eq!(files.names().len(), 1);
}

#[track_caller]
fn header_refused(text: &str, part: &str) {
    refused(&npy_with_header(text, &[0; 12]), part);
}

fn with_version(major: u8, minor: u8, length: &[u8], text: &[u8]) -> Vec<u8> {
    [b"\x93NUMPY", &[major, minor][..], length, text].concat()
}

#[test]
fn lengths_and_versions() {
    for length in [u32::MAX, 1 << 31, 65_536] {
        refused(&with_version(2, 0, &length.to_le_bytes(), b"{}"), "more than 65535");
        refused(&with_version(3, 0, &length.to_le_bytes(), b"{}"), "more than 65535");
    }
    refused(&with_version(1, 0, &[0xff, 0xff], b"{}"), "ends inside its header");
    refused(&with_version(1, 0, &[0], b""), "ends inside its header");
    refused(&with_version(1, 0, &[], b""), "ends inside its header");
    refused(b"\x93NUMPY", "ends inside its header");
    refused(b"\x93NUMPY\x01", "ends inside its header");
    refused(&with_version(1, 0, &[0, 0], b""), "expected '{'");
    for (major, minor) in [(0, 0), (0, 1), (1, 1), (2, 7), (4, 0), (255, 255)] {
        let part = format!("version {major}.{minor}");
        refused(&with_version(major, minor, &[2, 0], b"{}"), &part);
    }
}

#[test]
fn dictionaries() {
    let ok = "'descr': '<f4', 'fortran_order': False, 'shape': (3,)";
    for (text, part) in [
        ("", "expected '{'"),
        ("{}", "'descr' is missing"),
        ("{'descr': '<f4'}", "'fortran_order' is missing"),
        ("{'descr': '<f4', 'fortran_order': False}", "'shape' is missing"),
        ("{'fortran_order': False, 'shape': (3,)}", "'descr' is missing"),
        (&format!("{{{ok}, 'shape': (3,)}}"), "comes twice"),
        (&format!("{{{ok}, 'extra': 1}}"), "unknown key 'extra'"),
        (&format!("{{{ok}, 'shape\u{0}': 1}}"), "unknown key 'shape\\0'"),
        (&format!("{{{ok}"), "expected '}'"),
        (&format!("{{{ok},"), "expected a string"),
        (&format!("{{{ok}}} junk"), "expected nothing more"),
        (&format!("{{{ok}}}\u{0}"), "expected nothing more"),
        (&format!("({ok})"), "expected '{'"),
        ("{'descr' '<f4'}", "expected ':'"),
        ("{'descr': '<f4}", "does not end"),
        ("{'descr': '<f4\\", "does not end"),
        ("{'descr': [('a', '<f4'", "does not end"),
        ("{1: '<f4'}", "expected a string"),
        ("\u{feff}{}", "expected '{'"),
        ("null", "expected '{'"),
        ("{'\u{1f4a9}\u{7}\u{1b}[31m': 1}", "unknown key"),
    ] {
        header_refused(text, part);
    }
}

#[test]
fn values_of_the_keys() {
    let with = |descr: &str, order: &str, shape: &str| {
        format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n")
    };
    let shape = |shape: &str| with("'<f4'", "False", shape);
    for (text, part) in [
        (shape("3"), "expected '('"),
        (shape("(3)"), "expected ','"),
        (shape("[3]"), "expected '('"),
        (shape("None"), "expected '('"),
        (shape("(-3,)"), "expected a dimension"),
        (shape("(3, -1)"), "expected a dimension"),
        (shape("(3.0,)"), "expected ','"),
        (shape("(1e3,)"), "expected ','"),
        (shape("(1+2,)"), "expected ','"),
        (shape("(3 3)"), "expected ','"),
        (shape("(3,, 3)"), "expected a dimension"),
        (shape("(,)"), "expected a dimension"),
        (shape("(True,)"), "expected a dimension"),
        (shape("((3,),)"), "expected a dimension"),
        (shape("(3, 4"), "expected a dimension"),
        (shape("(18446744073709551616,)"), "more than 2^64 - 1"),
        (shape(&format!("({},)", "9".repeat(5000))), "more than 2^64 - 1"),
        (shape("(18446744073709551615,)"), "more than 2^64 bytes"),
        (shape("(18446744073709551615, 18446744073709551615)"), "more than 2^64 bytes"),
        (shape("(3, __import__('os').system('true'))"), "expected a dimension"),
        (shape(&format!("({})", "2, ".repeat(5000))), "more than 2^64 bytes"),
        (shape(&format!("({})", "(".repeat(5000))), "expected a dimension"),
        (with("'<f4'", "false", "(3,)"), "expected True or False"),
        (with("'<f4'", "0", "(3,)"), "expected True or False"),
        (with("'<f4'", "Falsehood", "(3,)"), "expected '}'"),
        (with("<f4", "False", "(3,)"), "expected a string"),
        (with("None", "False", "(3,)"), "expected a string"),
        (with("''", "False", "(3,)"), "dtype is ''"),
        (with("'<f4 '", "False", "(3,)"), "dtype is '<f4 '"),
        (with("'<f4\u{0}'", "False", "(3,)"), "dtype is '<f4\\0'"),
        (with("'=f4'", "False", "(3,)"), "dtype is '=f4'"),
        (with("[('a', '<f4'), ('b]', '<i8', (2,))]", "False", "(3,)"), "dtype is [('a', '<f4'), ('b]', '<i8', (2,))]"),
        (with(&"[".repeat(20_000), "False", "(3,)"), "does not end"),
        (with(&["[".repeat(20_000), "]".repeat(20_000)].concat(), "False", "(3,)"), "dtype is [[["),
        (with(&format!("'{}'", "x".repeat(30_000)), "False", "(3,)"), "dtype is 'xxx"),
    ] {
        header_refused(&text, part);
    }
    refused(&[&npy_with_header(&shape("(3,)"), &[])[..], &[0; 11]].concat(), "needs 12 bytes");
    refused(&with_version(1, 0, &[4, 0], b"{\xff\xfe'"), "expected a string");
    refused(&with_version(3, 0, &[4, 0, 0, 0], b"\0\0\0\0"), "expected '{'");
}

/// What the format allows and NumPy does not write today, or writes for other arrays.
#[test]
fn unusual_but_right() {
    let x = numbers(3);
    let data: Vec<u8> = x.iter().flat_map(|value| value.to_le_bytes()).collect();
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
    let wide = (text.len() as u32).to_le_bytes();
    for npy in [
        npy_with_header(text, &data),
        [with_version(2, 0, &wide, text.as_bytes()), data.clone()].concat(),
        [with_version(3, 0, &wide, text.as_bytes()), data.clone()].concat(),
        npy_with_header("{\"shape\":(3,),\"fortran_order\":False,\"descr\":\"<f4\"}", &data),
        npy_with_header("{ 'descr' : '<f4' ,\t'fortran_order' : False ,\r\n'shape' : ( 3L , ) }  \n", &data),
    ] {
        let files = Files::new();
        succeeds(apply(&files, &npy));
        assert_eq!(bits(&values(&files.read("out.npy"), "(3,)")), bits(&x));
    }
    // No elements, although the other dimensions are huge.
    let files = Files::new();
    let shape = "(1099511627776, 1099511627776, 0)";
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    succeeds(apply(&files, &npy_with_header(&text, &[])));
    assert_eq!(values(&files.read("out.npy"), shape), []);
}
