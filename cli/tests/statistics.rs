//! `statistics`, `uncertainty` and `apply --samples` on files, beside binary64.

mod common;

use common::{Files, bits, f32_npy, fails, mask, misused, npy, numbers, succeeds, values};
use wgpu_dropout::{Generator, reference};

const PROCESSORS: [&[&str]; 2] = [&[], &["--cpu"]];

fn near(actual: &[f32], expected: &[f64], most: f64, what: &str) {
    assert_eq!(actual.len(), expected.len());
    for (i, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        assert!((f64::from(actual) - expected).abs() <= most, "{what} {i}: {actual} and not {expected}");
    }
}

#[test]
fn mean_and_variance() {
    let files = Files::new();
    for (shape, of_one, count, elements) in
        [("(5, 2, 3)", "(2, 3)", 5, 6), ("(7,)", "()", 7, 1), ("(3, 0)", "(0,)", 3, 0)]
    {
        let x: Vec<f32> = (0..count * elements).map(|i| ((i * 7919) % 1013) as f32 / 64.0 - 5.0).collect();
        let samples = files.write("samples.npy", &f32_npy(shape, &x));
        let (means, variances): (Vec<f64>, Vec<f64>) = (0..elements)
            .map(|i| {
                let x: Vec<_> = x[i..].iter().step_by(elements).map(|&x| f64::from(x)).collect();
                let mean = x.iter().sum::<f64>() / x.len() as f64;
                (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64)
            })
            .unzip();
        for processor in PROCESSORS {
            let [mean, variance] = ["mean.npy", "variance.npy"].map(|name| files.path(name));
            let options = ["statistics", &samples, "--mean", &mean, "--variance", &variance];
            assert_eq!(succeeds([&options, processor].concat()), b"");
            let largest = x.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
            let most = 1e-5 * f64::from(largest);
            near(&values(&files.read("mean.npy"), of_one), &means, most, "mean");
            near(&values(&files.read("variance.npy"), of_one), &variances, most * f64::from(largest), "variance");
        }
    }
    assert_eq!(files.names().len(), 3, "{:?}", files.names());
}

#[test]
fn uncertainty() {
    let files = Files::new();
    // Certain and alike, certain and contrary, uncertain.
    let x = [50.0_f32, 0.0, 50.0, 0.0, 1.0, 1.0, 50.0, 0.0, 0.0, 50.0, 1.0, 1.0];
    let logits = files.write("logits.npy", &f32_npy("(2, 3, 2)", &x));
    let ln_2 = 2_f64.ln();
    for processor in PROCESSORS {
        let names = ["p.npy", "h.npy", "e.npy", "i.npy"];
        let [p, h, e, i] = names.map(|name| files.path(name));
        let options = [
            "uncertainty",
            &logits,
            "--probability",
            &p,
            "--entropy",
            &h,
            "--expected-entropy",
            &e,
            "--mutual-information",
            &i,
        ];
        assert_eq!(succeeds([&options[..], processor].concat()), b"");
        near(&values(&files.read("p.npy"), "(3, 2)"), &[1.0, 0.0, 0.5, 0.5, 0.5, 0.5], 1e-6, "probability");
        near(&values(&files.read("h.npy"), "(3,)"), &[0.0, ln_2, ln_2], 1e-5, "predictive entropy");
        near(&values(&files.read("e.npy"), "(3,)"), &[0.0, 0.0, ln_2], 1e-5, "expected entropy");
        near(&values(&files.read("i.npy"), "(3,)"), &[0.0, ln_2, 0.0], 1e-5, "mutual information");
        // One of them is enough.
        assert_eq!(succeeds([&["uncertainty", &logits, "--entropy", &files.path("h2.npy")], processor].concat()), b"");
        assert_eq!(files.read("h2.npy"), files.read("h.npy"));
    }
}

#[test]
fn samples() {
    let files = Files::new();
    let x = numbers(15);
    let input = files.write("in.npy", &f32_npy("(3, 5)", &x));
    let mask = mask(0.5, 42, 0x7_0000_0001, 5, Generator::Threefry);
    let mut expected = vec![];
    for sample in 65_533..=65_535 {
        expected.extend(reference::forward(&mask.with_key(mask.key().with_sample(sample)), &x).unwrap());
    }
    for processor in PROCESSORS {
        let output = files.path("out.npy");
        let options = ["apply", "--p", "0.5", "--seed", "42", "--stream", "0x700000001", "--start", "5"];
        let more = ["--samples", "3", "--first-sample", "65533", &input, &output];
        assert_eq!(succeeds([&options, processor, &more].concat()), b"");
        assert_eq!(bits(&values(&files.read("out.npy"), "(3, 3, 5)")), bits(&expected));
        // The ids of rows go along.
        let ids = files.write("ids.npy", &npy("<u4", false, "(3,)", &[4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]));
        let options = ["apply", "--p", "0.5", "--seed", "1", "--row-ids", &ids, "--samples", "2"];
        assert_eq!(succeeds([&options, processor, &[&input, &output]].concat()), b"");
        values(&files.read("out.npy"), "(2, 3, 5)");
    }
}

/// Refused, and nothing written.
#[test]
fn errors() {
    let files = Files::new();
    let samples = files.write("samples.npy", &f32_npy("(2, 3)", &numbers(6)));
    let none = files.write("none.npy", &f32_npy("(0, 3, 2)", &[]));
    let scalar = files.write("scalar.npy", &f32_npy("()", &[1.0]));
    let no_classes = files.write("no_classes.npy", &f32_npy("(2, 3, 0)", &[]));
    let [a, b] = ["a.npy", "b.npy"].map(|name| files.path(name));
    let says = |arguments: &[&str], parts: &[&str]| {
        let message = fails(arguments);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    };
    says(&["statistics", &samples, "--mean", &a, "--variance", &a, "--cpu"], &["one file"]);
    says(&["statistics", &none, "--mean", &a, "--variance", &b, "--cpu"], &["none.npy", "no samples"]);
    says(&["statistics", &scalar, "--mean", &a, "--variance", &b, "--cpu"], &["scalar.npy", "no axes"]);
    says(&["uncertainty", &samples, "--entropy", &a, "--cpu"], &["(2, 3)", "three axes"]);
    says(&["uncertainty", &none, "--entropy", &a, "--cpu"], &["no samples"]);
    says(&["uncertainty", &no_classes, "--entropy", &a, "--cpu"], &["classes is 0"]);
    says(&["uncertainty", &samples, "--entropy", &a, "--probability", &a, "--cpu"], &["one file"]);
    misused(["uncertainty", &samples, "--cpu"]);
    misused(["statistics", &samples, "--mean", &a, "--cpu"]);
    let apply = ["apply", "--p", "0.5", "--seed", "1", "--cpu", &samples, &a];
    says(&[&apply[..], &["--samples", "7", "--first-sample", "65530"]].concat(), &["7 samples", "65530", "65536"]);
    misused([&apply[..], &["--samples", "2", "--backward"]].concat());
    misused([&apply[..], &["--samples", "2", "--block", "2"]].concat());
    misused([&apply[..], &["--first-sample", "2"]].concat());
    assert_eq!(files.names().len(), 4, "{:?}", files.names());
}
