//! `apply` on files, against the library's reference.

mod common;

use common::{Files, bits, f32_npy, mask, npy, numbers, succeeds, values};
use wgpu_dropout::{Generator, reference};

/// (Python's text of the shape, elements)
const SHAPES: [(&str, usize); 8] = [
    ("()", 1),
    ("(0,)", 0),
    ("(1,)", 1),
    ("(33,)", 33),
    ("(2, 0, 3)", 0),
    ("(3, 5, 7)", 105),
    ("(2048, 3)", 6144),
    ("(1, 1, 1, 70001)", 70_001),
];

#[test]
fn equals_the_reference_and_keeps_the_shape() {
    let files = Files::new();
    for (shape, length) in SHAPES {
        let x = numbers(length);
        let input = files.write("in.npy", &f32_npy(shape, &x));
        for &generator in Generator::ALL {
            let mask = mask(0.1, 42, 0x7_0000_0000, 5, generator);
            let expected = bits(&reference::forward(&mask, &x).unwrap());
            for processor in [&[][..], &["--cpu"]] {
                for backward in [&[][..], &["--backward"]] {
                    let output = files.path("out.npy");
                    let options = ["apply", "--p", "0.1", "--seed", "42", "--stream", "0x700000000", "--start", "5"];
                    let more = ["--generator", generator.name(), &input, &output];
                    let said = succeeds([&options, processor, backward, &more].concat());
                    assert_eq!(said, b"");
                    let y = values(&files.read("out.npy"), shape);
                    assert!(bits(&y) == expected, "{shape} {generator} {processor:?} {backward:?}");
                }
            }
        }
    }
    assert_eq!(files.names().len(), 2, "{:?}", files.names());
}

/// Longer than a chunk (2^22 elements), so that chunks join.
#[test]
fn long_arrays_are_taken_in_pieces() {
    let length = (1 << 22) + 4099;
    let shape = format!("({length},)");
    let x = numbers(length);
    let files = Files::new();
    let input = files.write("in.npy", &f32_npy(&shape, &x));
    let mask = mask(0.5, 1, 0, (1 << 35) - 3, Generator::Threefry);
    let expected = bits(&reference::forward(&mask, &x).unwrap());
    for processor in [&[][..], &["--cpu"]] {
        let output = files.path("out.npy");
        let options = ["apply", "--p", "0.5", "--seed", "1", "--start", "34359738365", &input, &output];
        succeeds([&options, processor].concat());
        assert!(bits(&values(&files.read("out.npy"), &shape)) == expected, "{processor:?}");
    }
}

#[test]
fn start_gives_a_part_of_the_whole() {
    let files = Files::new();
    let x = numbers(1000);
    let apply = |name: &str, x: &[f32], start: &str| {
        let shape = format!("({},)", x.len());
        let input = files.write(name, &f32_npy(&shape, x));
        let output = files.path("out.npy");
        succeeds(["apply", "--p", "0.3", "--seed", "9", "--start", start, &input, &output]);
        bits(&values(&files.read("out.npy"), &shape))
    };
    let whole = apply("whole.npy", &x, "0");
    assert_eq!(apply("first.npy", &x[..613], "0"), whole[..613]);
    assert_eq!(apply("second.npy", &x[613..], "613"), whole[613..]);
}

#[test]
fn input_and_output_may_be_one_file() {
    let files = Files::new();
    let x = numbers(5000);
    let file = files.write("a.npy", &f32_npy("(50, 100)", &x));
    succeeds(["apply", "--p", "0.25", "--seed", "3", &file, &file]);
    let expected = reference::forward(&mask(0.25, 3, 0, 0, Generator::Threefry), &x).unwrap();
    assert_eq!(bits(&values(&files.read("a.npy"), "(50, 100)")), bits(&expected));
    assert_eq!(files.names().len(), 1);
}

/// Whatever the bits: p = 0 copies NaNs with their payload and subnormals, p = 1 writes +0.
#[test]
fn nothing_and_everything_dropped() {
    let files = Files::new();
    let x: Vec<_> = [0x7fa0_0001, 0xffc0_dead, 1, 0x8000_0001, 0x8000_0000, 0x7f80_0000].map(f32::from_bits).into();
    let input = files.write("in.npy", &f32_npy("(6,)", &x));
    let output = files.path("out.npy");
    for processor in [&[][..], &["--cpu"]] {
        for (p, expected) in [("0", bits(&x)), ("-0.0", bits(&x)), ("1", vec![0; 6])] {
            succeeds([&["apply", "--p", p, "--seed", "3", &input, &output], processor].concat());
            assert_eq!(bits(&values(&files.read("out.npy"), "(6,)")), expected, "p {p} {processor:?}");
        }
    }
}

#[cfg(unix)]
mod permissions {
    use std::{
        fs,
        os::unix::{
            fs::{FileTypeExt, PermissionsExt, symlink},
            net::UnixListener,
        },
        process::Command,
    };

    use super::*;
    use crate::common::fails;

    fn mode(path: &str) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_has_the_permissions_of_any_new_file() {
        let files = Files::new();
        let input = files.write("in.npy", &f32_npy("(4,)", &numbers(4)));
        let output = files.path("out.npy");
        let arguments = ["apply", "--p", "0.5", "--seed", "1", "--cpu", &input, &output];
        let run = |umask: &str| {
            let script = format!("umask {umask}; exec \"$0\" \"$@\"");
            let program = env!("CARGO_BIN_EXE_wgpu-dropout");
            assert!(Command::new("sh").args(["-c", &script, program]).args(arguments).status().unwrap().success());
        };
        run("027");
        assert_eq!(mode(&output), 0o640);
        fs::remove_file(&output).unwrap();
        run("022");
        assert_eq!(mode(&output), 0o644);
        // One that is there keeps its own.
        fs::set_permissions(&output, fs::Permissions::from_mode(0o606)).unwrap();
        run("022");
        assert_eq!(mode(&output), 0o606);
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let files = Files::new();
        let input = files.write("in.npy", &f32_npy("(4,)", &numbers(4)));
        let (target, link) = (files.write("target.npy", b""), files.path("link.npy"));
        symlink(&target, &link).unwrap();
        succeeds(["apply", "--p", "0.5", "--seed", "1", "--cpu", &input, &link]);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(values(&fs::read(&target).unwrap(), "(4,)").len(), 4);
    }

    /// Guards against replacing /dev/null by a file, as root could. With a socket, so that a failure does no harm.
    #[test]
    fn what_is_not_a_file_is_not_replaced() {
        let files = Files::new();
        let input = files.write("in.npy", &f32_npy("(4,)", &numbers(4)));
        let socket = files.path("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        let message = fails(["apply", "--p", "0.5", "--seed", "1", "--cpu", &input, &socket]);
        assert!(message.contains(&socket) && message.contains("not a regular file"), "{message}");
        assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    }
}

/// The two column halves of a matrix, placed with a view, are the columns of the whole.
#[test]
fn shards_of_columns_equal_the_whole() {
    const ROWS: usize = 50;
    let columns = |x: &[f32], range: std::ops::Range<usize>| -> Vec<f32> {
        x.chunks(100).flat_map(|row| row[range.clone()].to_vec()).collect()
    };
    let x = numbers(ROWS * 100);
    let whole = reference::forward(&mask(0.3, 9, 0, 0, Generator::Threefry), &x).unwrap();
    for processor in [&[][..], &["--cpu"]] {
        for (start, range) in [("0", 0..37), ("37", 37..100)] {
            let files = Files::new();
            let (width, part) = (range.len().to_string(), columns(&x, range.clone()));
            let shape = format!("({ROWS}, {width})");
            let (input, output) = (files.write("in.npy", &f32_npy(&shape, &part)), files.path("out.npy"));
            let options = ["apply", "--p", "0.3", "--seed", "9", "--start", start, "--row-length", &width];
            succeeds([&options[..], &["--row-pitch", "100", &input, &output], processor].concat());
            assert_eq!(bits(&values(&files.read("out.npy"), &shape)), bits(&columns(&whole, range)), "{processor:?}");
        }
    }
}

/// 16-bit numbers, whose bits travel as they are; the reference is the library's, which is tested against `half`.
#[test]
fn halves_equal_the_reference() {
    let mask = mask(0.3, 9, 0, 0, Generator::Threefry);
    let x: Vec<f32> = numbers(1001).iter().map(|x| x / 8.0).collect();
    let half: Vec<half::f16> = x.iter().map(|&x| half::f16::from_f32(x)).collect();
    let brain: Vec<half::bf16> = x.iter().map(|&x| half::bf16::from_f32(x)).collect();
    let check = |descr: &str, dtype: &[&str], input: &[u8], expected: &[u8]| {
        for processor in [&[][..], &["--cpu"]] {
            let files = Files::new();
            let (path, output) = (files.write("in.npy", &npy(descr, false, "(1001,)", input)), files.path("out.npy"));
            let options = ["apply", "--p", "0.3", "--seed", "9", &path, &output];
            succeeds([&options[..], dtype, processor].concat());
            assert!(files.read("out.npy") == npy(descr, false, "(1001,)", expected), "{descr} {processor:?}");
        }
    };
    let expected = reference::forward(&mask, &half).unwrap();
    check("<f2", &[], bytemuck::cast_slice(&half), bytemuck::cast_slice(&expected));
    let expected = reference::forward(&mask, &brain).unwrap();
    check("<u2", &["--dtype", "bf16"], bytemuck::cast_slice(&brain), bytemuck::cast_slice(&expected));
}

/// Interrupted in the middle, it leaves OUT as it was and nothing beside it.
#[cfg(unix)]
#[test]
fn an_interruption_leaves_nothing_behind() {
    use std::{fs::OpenOptions, io::Write, process::Stdio, thread::sleep, time::Duration};

    use rustix::process::{Pid, Signal, kill_process};

    for signal in [Signal::INT, Signal::TERM] {
        let files = Files::new();
        let output = files.write("out.npy", b"as it was");
        // A pipe that never ends keeps the program waiting for data.
        let input = files.path("in.npy");
        assert!(std::process::Command::new("mkfifo").arg(&input).status().unwrap().success());
        let arguments = ["apply", "--cpu", "--p", "0.5", "--seed", "1", &input, &output];
        let mut child = common::command().args(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = OpenOptions::new().write(true).open(&input).unwrap();
        pipe.write_all(&f32_npy("(1000000,)", &[1.0; 100])).unwrap();
        for _ in 0..600 {
            if files.names().len() == 3 {
                break;
            }
            sleep(Duration::from_millis(50));
        }
        assert_eq!(files.names().len(), 3, "no temporary file appeared: {:?}", files.names());
        // It waits in a read then.
        sleep(Duration::from_millis(300));
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal:?}");
        assert_eq!(files.names().into_iter().collect::<Vec<_>>(), ["in.npy", "out.npy"], "{signal:?}");
        assert_eq!(files.read("out.npy"), b"as it was", "{signal:?}");
    }
}
