//! `audit` on files: its exit status, and what it says.

mod common;

use common::{Files, f32_npy, npy, run};
use half::f16;
use wgpu_dropout::{Dropout, Generator, Key, View, reference};

const OPTIONS: [&str; 6] = ["--p", "0.1", "--seed", "42", "--stream", "0x700000003e8"];

fn x(length: usize) -> Vec<f32> {
    (0..length).map(|i| 1.0 + i as f32).collect()
}

/// Exit status and standard output, by a GPU and by the CPU alike.
fn audit(files: &[&str], more: &[&str]) -> (i32, String) {
    let said = [&[][..], &["--cpu"]].map(|processor| {
        let output = run([&["audit"], files, &OPTIONS, more, processor].concat());
        assert_eq!(output.stderr, b"", "{}", String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    });
    assert_eq!(said[0], said[1]);
    said[0].clone()
}

/// The message of an audit that could not be made: exit status 2, nothing on stdout.
fn fails(arguments: &[&str]) -> String {
    let output = run([&["audit"], arguments].concat());
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]), "{message}");
    message
}

#[test]
fn says_whether_and_why_not() {
    let files = Files::new();
    let x = x(6000);
    let key = Key::new(42).with_stream(0x700_0000_03e8);
    let mask = Dropout::new(0.1).unwrap().mask(key).at(5);
    let of_x = files.write("x.npy", &f32_npy("(60, 100)", &x));
    let write = |y: &[f32]| files.write("y.npy", &f32_npy("(60, 100)", y));
    let forward = |mask| reference::forward(&mask, &x).unwrap();

    let y = write(&forward(mask));
    for backward in [&["--start", "5"][..], &["--start", "5", "--backward"]] {
        assert_eq!(audit(&[&of_x, &y], backward), (0, "y is the dropout of x: 6000 elements\n".to_owned()));
    }
    let (status, said) = audit(&[&of_x, &y], &["--start", "6"]);
    assert!(status == 1 && said.contains("start 5 instead of 6 explains every element"), "{said}");
    let (status, said) = audit(&[&of_x, &y], &["--start", "5", "--generator", "philox"]);
    assert!(status == 1 && said.contains("threefry instead of philox"), "{said}");
    let (status, said) = audit(&[&of_x, &y], &["--start", "5", "--row-length", "100", "--row-pitch", "200"]);
    assert!(status == 1 && said.contains("without gaps"), "{said}");
    let rows = ["--start", "5", "--row-length", "100", "--row-pitch", "200"];
    let y = write(&forward(mask.at(View::rows(5, 100, 200))));
    assert_eq!(audit(&[&of_x, &y], &rows).0, 0);

    let y = write(&forward(mask.with_key(key.with_step(1001))));
    let (status, said) = audit(&[&of_x, &y], &["--start", "5"]);
    assert!(status == 1 && said.contains("step 1001 instead of 1000 explains every element"), "{said}");
    let mut wrong = forward(mask);
    wrong[17] = 2.5;
    let y = write(&wrong);
    let (status, said) = audit(&[&of_x, &y], &["--start", "5"]);
    let expected = "y is not the dropout of x: 1 of 6000 elements differ\n\
        the first is element 17, index 22 of the whole tensor: x is 18 (0x41900000), y should be 20 (0x41a00000) and is 2.5 \
        (0x40200000)\n\
        no other step, layer, sample, start or setting that was tried explains every element\n";
    assert_eq!((status, &said[..]), (1, expected));
}

#[test]
fn takes_16_bits() {
    let files = Files::new();
    let x: Vec<f16> = x(2000).into_iter().map(f16::from_f32).collect();
    let mask = common::mask(0.1, 42, 0x700_0000_03e8, 0, Generator::Threefry);
    let bytes = |values: &[f16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let y = reference::forward(&mask, &x).unwrap();
    let of_x = files.write("x.npy", &npy("<f2", false, "(2000,)", &bytes(&x)));
    let of_y = files.write("y.npy", &npy("<f2", false, "(2000,)", &bytes(&y)));
    assert_eq!(audit(&[&of_x, &of_y], &[]).0, 0);
    let (status, said) = audit(&[&of_x, &of_x], &[]);
    assert!(status == 1 && said.contains("y is x unchanged") && said.contains("0x3c00"), "{said}");
    let bits = files.write("bits.npy", &npy("<u2", false, "(2000,)", &bytes(&x)));
    assert_eq!(audit(&[&bits, &bits], &["--dtype", "bf16"]).0, 1);
}

#[test]
fn what_cannot_be_found_out_has_another_status() {
    let files = Files::new();
    let short = files.write("short.npy", &f32_npy("(3,)", &[1.0; 3]));
    let long = files.write("long.npy", &f32_npy("(4,)", &[1.0; 4]));
    let half = files.write("half.npy", &npy("<f2", false, "(3,)", &[0; 6]));
    let with = |files: &[&str]| fails(&[files, &["--p", "0.1", "--seed", "1", "--cpu"]].concat());
    let message = with(&[&short, &long]);
    assert!(message.contains("(4,)") && message.contains("(3,)") && message.contains("one shape"), "{message}");
    let message = with(&[&short, &half]);
    assert!(message.contains("f16") && message.contains("f32") && message.contains("one dtype"), "{message}");
    let message = with(&[&short, &files.path("nowhere.npy")]);
    assert!(message.contains("nowhere.npy") && message.contains("cannot be opened"), "{message}");
    let message = with(&[&short]);
    assert!(message.contains("Y.npy"), "{message}");
    let message = fails(&[&short, &short, "--p", "2", "--seed", "1", "--cpu"]);
    assert!(message.contains("p is 2"), "{message}");
    let message = fails(&[&short, &short, "--p", "0.1", "--seed", "1", "--adapter", "99"]);
    assert!(message.contains("adapter 99 does not exist"), "{message}");
    let message = fails(&[&short, &short, "--p", "0.1", "--seed", "1", "--start", "18446744073709551615", "--cpu"]);
    assert!(message.contains("3 elements from start"), "{message}");
    assert_eq!(files.names().len(), 3);
}
