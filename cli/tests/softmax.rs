//! `softmax`: results by hand, on the GPU as on the CPU, and what is refused.

mod common;

use common::{Files, f32_npy, fails, misused, npy, succeeds, values};
use wgpu_dropout::{Dropout, Key, SoftmaxDropout, reference};

const ALL: [&str; 5] = ["softmax", "--p", "0", "--seed", "1"];

fn near(actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        assert!((actual - expected).abs() < 1e-6, "{actual}, not {expected}");
    }
}

/// With p = 0 nothing is random.
#[test]
fn results_by_hand() {
    let files = Files::new();
    let ln = |x: f32| x.ln();
    let x = files.write("x.npy", &f32_npy("(2, 3)", &[ln(1.0), ln(2.0), ln(5.0), ln(4.0), ln(4.0), ln(2.0)]));
    let dy = files.write("dy.npy", &f32_npy("(2, 3)", &[1.0, 0.0, 0.0, 0.0, 0.0, 5.0]));
    let y = files.path("y.npy");
    for processor in [&[][..], &["--cpu"]] {
        let run = |options: &[&str]| {
            succeeds([&ALL[..], processor, options, &[&x, &y]].concat());
            values(&files.read("y.npy"), "(2, 3)")
        };
        near(&run(&[]), &[0.125, 0.25, 0.625, 0.4, 0.4, 0.2]);
        // The square of each.
        near(&run(&["--factor", "2"]), &[1.0 / 30.0, 4.0 / 30.0, 25.0 / 30.0, 16.0 / 36.0, 16.0 / 36.0, 4.0 / 36.0]);
        near(&run(&["--factor", "-1"]), &[10.0 / 17.0, 5.0 / 17.0, 2.0 / 17.0, 0.25, 0.25, 0.5]);
        // The first query does not see the last key.
        near(&run(&["--causal"]), &[1.0 / 3.0, 2.0 / 3.0, 0.0, 0.4, 0.4, 0.2]);
        // p (dp − Σ p dp).
        near(&run(&["--backward", &dy]), &[0.109_375, -0.031_25, -0.078_125, -0.4, -0.4, 0.8]);
    }
}

/// The mask is the key's, and a file may be replaced by its own softmax.
#[test]
fn dropout_is_that_of_the_reference() {
    let files = Files::new();
    let x: Vec<f32> = (0..2 * 3 * 40).map(|i| (i * 37 % 101) as f32 / 25.0).collect();
    let mask = Dropout::new(0.25).unwrap().mask(Key::new(42).with_stream(7)).at(5);
    let softmax = SoftmaxDropout::new(mask, 3, 40).unwrap().with_causal(true);
    let mut expected = vec![0.0_f32; x.len()];
    reference::run_pass(softmax.forward(&x, &mut expected)).unwrap();
    let key = ["softmax", "--p", "0.25", "--seed", "42", "--stream", "7", "--start", "5", "--causal"];
    for processor in [&[][..], &["--cpu"]] {
        let file = files.write("x.npy", &f32_npy("(2, 3, 40)", &x));
        succeeds([&key[..], processor, &[&file, &file]].concat());
        let y = values(&files.read("x.npy"), "(2, 3, 40)");
        near(&y, &expected);
        let zeros = |values: &[f32]| values.iter().map(|y| y.to_bits() == 0).collect::<Vec<_>>();
        assert_eq!(zeros(&y), zeros(&expected));
    }
    // As 16-bit elements, of which 1 is 0x3c00: four that are the same.
    let halves = files.write("h.npy", &npy("<f2", false, "(1, 4)", &[0, 0x3c].repeat(4)));
    let y = files.path("y.npy");
    succeeds([&ALL[..], &[&halves, &y]].concat());
    assert!(files.read("y.npy").ends_with(&[0, 0x34].repeat(4)));
    // Without elements there is nothing to do.
    let none = files.write("none.npy", &f32_npy("(0, 4)", &[]));
    succeeds([&ALL[..], &[&none, &y]].concat());
    assert!(values(&files.read("y.npy"), "(0, 4)").is_empty());
}

/// What cannot be leaves nothing behind.
#[test]
fn refusals() {
    let files = Files::new();
    let x = files.write("x.npy", &f32_npy("(2, 3)", &[1.0; 6]));
    let other = files.write("other.npy", &f32_npy("(3, 2)", &[1.0; 6]));
    let halves = files.write("halves.npy", &npy("<f2", false, "(2, 3)", &[0; 12]));
    let scalar = files.write("scalar.npy", &f32_npy("()", &[1.0]));
    let (y, nowhere) = (files.path("y.npy"), files.path("nowhere/y.npy"));
    for (arguments, part) in [
        (&["--factor", "inf", &*x, &*y][..], "inf"),
        (&["--backward", &other, &x, &y], "(3, 2)"),
        (&["--backward", &halves, &x, &y], "f16"),
        (&["--p", "2", &x, &y], "2"),
        (&[&scalar, &y], "no axes"),
        (&[&x, &nowhere], "create the directory"),
    ] {
        let options = if arguments[0] == "--p" { &["softmax", "--seed", "1", "--cpu"][..] } else { &ALL };
        let message = fails([options, arguments].concat());
        assert!(message.contains(part), "{message}");
    }
    misused([&ALL[..], &["--factor", "much", &x, &y]].concat());
    misused([&ALL[..], &["--kind", "alpha", &x, &y]].concat());
    let left: Vec<_> = files.names().into_iter().collect();
    assert_eq!(left, ["halves.npy", "other.npy", "scalar.npy", "x.npy"]);
}
