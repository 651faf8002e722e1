//! `apply` with bias, activation, row keep and residual: results by hand, and what is refused.

mod common;

use common::{Files, f32_npy, fails, misused, succeeds, values};

/// With p = 0 nothing is random but the rows.
#[test]
fn results_by_hand() {
    let files = Files::new();
    let x = files.write("x.npy", &f32_npy("(2, 3)", &[1.0, -2.0, 3.0, -4.0, 5.0, -6.0]));
    let bias = files.write("b.npy", &f32_npy("(3,)", &[0.5, 0.5, -4.0]));
    let residual = files.write("r.npy", &f32_npy("(2, 3)", &[10.0, 20.0, 30.0, 40.0, 50.0, 60.0]));
    let (y, db) = (files.path("y.npy"), files.path("db.npy"));
    let mask = ["apply", "--p", "0", "--seed", "1", "--cpu"];
    let parts = ["--bias", &bias, "--activation", "relu"];
    succeeds([&mask[..], &parts, &["--residual", &residual, &x, &y]].concat());
    assert_eq!(values(&files.read("y.npy"), "(2, 3)"), [11.5, 20.0, 30.0, 40.0, 55.5, 60.0]);
    succeeds([&mask[..], &parts, &["--backward", "--input", &x, "--bias-gradient", &db, &residual, &y]].concat());
    assert_eq!(values(&files.read("y.npy"), "(2, 3)"), [10.0, 0.0, 0.0, 0.0, 50.0, 0.0]);
    assert_eq!(values(&files.read("db.npy"), "(3,)"), [10.0, 50.0, 0.0]);
    // All rows dropped: the residual is left.
    succeeds([&mask[..], &["--row-p", "1", "--row-stream", "2", "--residual", &residual, &x, &y]].concat());
    assert_eq!(values(&files.read("y.npy"), "(2, 3)"), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
}

/// What does not go together leaves nothing behind.
#[test]
fn refusals() {
    let files = Files::new();
    let x = files.write("x.npy", &f32_npy("(2, 3)", &[1.0; 6]));
    let bias = files.write("b.npy", &f32_npy("(2,)", &[1.0; 2]));
    let y = files.path("y.npy");
    let call = |options: &[&str]| {
        let mask = ["apply", "--p", "0.5", "--seed", "1", "--cpu"];
        let arguments: Vec<String> = [&mask[..], options, &[&x, &y]].concat().into_iter().map(str::to_owned).collect();
        arguments
    };
    for (options, part) in [
        (&["--bias", &*bias][..], "its shape is (2,)"),
        (&["--residual", &bias], "the shape of IN"),
        (&["--kind", "alpha", "--activation", "relu"], "inverted"),
        (&["--activation", "gelu", "--backward"], "--input"),
        (&["--row-p", "0.5", "--row-stream", "0"], "key"),
        (&["--row-p", "2", "--row-stream", "1"], "probability"),
        (&["--backward", "--bias-gradient", &y], "same file"),
    ] {
        let message = fails(call(options));
        assert!(message.contains(part), "{message}");
    }
    for options in [
        &["--residual", &*x, "--backward"][..],
        &["--input", &x],
        &["--bias-gradient", &y],
        &["--row-p", "0.5"],
        &["--row-stream", "1"],
        &["--block", "1", "--bias", &bias],
        &["--activation", "tanh"],
    ] {
        misused(call(options));
    }
    assert_eq!(files.names().into_iter().collect::<Vec<_>>(), ["b.npy", "x.npy"]);
}
