//! `connect`: products, gradients, moments and samples of arrays in files, on the GPU as on the CPU.

mod common;

use common::{Files, fails, misused, npy, succeeds};
use wgpu_dropout::{DropConnect, Dropout, Generator, Key, reference};

const KEY: [&str; 6] = ["--p", "0.5", "--seed", "42", "--start", "3"];

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Small integers.
fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7 + seed) % 5) as f32 - 2.0).collect()
}

fn connect() -> DropConnect {
    let mask = Dropout::new(0.5).unwrap().with_generator(Generator::Threefry).mask(Key::new(42)).at(3);
    DropConnect::new(mask, 4, 5, 6).unwrap()
}

struct Arrays {
    files: Files,
    w: Vec<f32>,
    x: Vec<f32>,
    dy: Vec<f32>,
}

impl Arrays {
    fn new() -> Self {
        let (files, w, x, dy) = (Files::new(), values(30, 1), values(24, 2), values(20, 3));
        files.write("w.npy", &npy("<f4", false, "(5, 6)", &bytes(&w)));
        files.write("x.npy", &npy("<f4", false, "(4, 6)", &bytes(&x)));
        files.write("dy.npy", &npy("<f4", false, "(4, 5)", &bytes(&dy)));
        Self { files, w, x, dy }
    }

    fn arguments(&self, names: &[&str], options: &[&str]) -> Vec<String> {
        let path = |name: &&str| if name.starts_with("--") { (*name).to_owned() } else { self.files.path(name) };
        let names = names.iter().map(path);
        let others = KEY.iter().chain(options).map(|option| (*option).to_owned());
        ["connect".to_owned()].into_iter().chain(names).chain(others).collect()
    }

    /// The data of a file of 32-bit floats, which are the last of it.
    fn data(&self, name: &str, count: usize) -> Vec<u8> {
        let all = self.files.read(name);
        all[all.len() - 4 * count..].to_vec()
    }
}

#[test]
fn products_and_gradients_are_the_references() {
    let arrays = Arrays::new();
    let Arrays { w, x, dy, .. } = &arrays;
    for processor in [&[][..], &["--cpu"]] {
        for (one, option) in [(false, None), (true, Some("--per-batch"))] {
            let of = connect().with_mask_per_batch(one);
            let options: Vec<_> = processor.iter().copied().chain(option).collect();
            let (mut y, mut dx, mut dw) = ([0.0_f32; 20], [0.0_f32; 24], [0.0_f32; 30]);
            reference::run_pass(of.forward(w, x, &mut y[..])).unwrap();
            reference::run_pass(of.backward_input(w, dy, &mut dx[..])).unwrap();
            reference::run_pass(of.backward_weights(x, dy, &mut dw[..])).unwrap();
            succeeds(arrays.arguments(&["w.npy", "x.npy", "y.npy"], &options));
            let backward = ["w.npy", "x.npy", "--backward", "dy.npy", "dx.npy", "dw.npy"];
            succeeds(arrays.arguments(&backward, &options));
            assert_eq!(arrays.data("y.npy", 20), bytes(&y));
            assert_eq!(arrays.data("dx.npy", 24), bytes(&dx));
            assert_eq!(arrays.data("dw.npy", 30), bytes(&dw));
        }
    }
}

#[test]
fn moments_and_samples() {
    let arrays = Arrays::new();
    let (mut mean, mut variance) = ([0.0_f32; 20], [0.0_f32; 20]);
    reference::run_pass(connect().moments(&arrays.w, &arrays.x, &mut mean[..], &mut variance[..])).unwrap();
    let mut samples = vec![0.0_f32; 60];
    reference::run_pass(connect().samples(&mean[..], &variance[..], &mut samples, 7, 3)).unwrap();
    let names = ["w.npy", "x.npy", "y.npy", "--moments", "mean.npy", "variance.npy"];
    succeeds(arrays.arguments(&names, &["--cpu", "--samples", "3", "--first-sample", "7"]));
    assert_eq!(arrays.data("mean.npy", 20), bytes(&mean));
    assert_eq!(arrays.data("variance.npy", 20), bytes(&variance));
    assert_eq!(arrays.data("y.npy", 60), bytes(&samples));
    succeeds(arrays.arguments(&["w.npy", "x.npy", "--moments", "mean.npy", "variance.npy"], &[]));
    assert_eq!(arrays.data("mean.npy", 20), bytes(&mean));
}

#[test]
fn what_does_not_go_together_writes_nothing() {
    let arrays = Arrays::new();
    let before = arrays.files.names();
    let fails = |names: &[&str], options: &[&str]| fails(arrays.arguments(names, options));
    let misused = |names: &[&str], options: &[&str]| misused(arrays.arguments(names, options));
    assert!(fails(&["w.npy", "x.npy"], &[]).contains("Y.npy"));
    assert!(fails(&["w.npy", "dy.npy", "y.npy"], &["--cpu"]).contains("columns"));
    assert!(fails(&["w.npy", "x.npy", "y.npy", "--moments", "m.npy", "v.npy"], &[]).contains("--samples"));
    assert!(fails(&["w.npy", "x.npy", "--moments", "m.npy", "m.npy"], &["--cpu"]).contains("one file"));
    assert!(fails(&["w.npy", "x.npy", "--backward", "x.npy", "dx.npy", "dw.npy"], &["--cpu"]).contains("(4, 5)"));
    assert!(fails(&["w.npy", "x.npy", "y.npy"], &["--cpu", "--samples", "65537"]).contains("65536"));
    assert!(
        fails(&["w.npy", "x.npy", "y.npy"], &["--cpu", "--row-length", "2", "--row-pitch", "5"]).contains("strides")
    );
    misused(&["w.npy", "x.npy", "y.npy"], &["--samples", "2", "--per-batch"]);
    misused(&["w.npy", "x.npy", "y.npy", "--backward", "dy.npy", "dx.npy", "dw.npy"], &[]);
    misused(&["w.npy", "x.npy", "y.npy"], &["--first-sample", "2"]);
    assert_eq!(arrays.files.names(), before);
}
