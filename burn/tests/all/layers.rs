use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use wgpu_dropout::{Generator, Kind, Mask, reference};
use wgpu_dropout_burn::{
    AlphaDropoutConfig, DropPathConfig, Dropout, Dropout1dConfig, Dropout2dConfig, Dropout3dConfig, DropoutConfig,
    GaussianDropoutConfig, Keys, Layers, LockedDropoutConfig,
};

use crate::support::{assert_same, numbers, read, tensor, wgpu};

const SEED: u64 = 99;

fn keys() -> Keys {
    Keys::new(SEED).with_step(12)
}

/// What a layer of a number has to compute.
fn expected(kind: Kind, layer: u16, shape: &[usize], shared: &[usize], start: u64, x: &[f32]) -> Vec<f32> {
    let key = wgpu_dropout::Key::new(SEED).with_layer(layer).with_step(12);
    let mut mask: Mask = wgpu_dropout::Dropout::of_kind(kind, 0.4).unwrap().mask(key).at(start);
    if !shared.is_empty() {
        let shape: Vec<_> = shape.iter().map(|&extent| extent as u64).collect();
        mask = mask.shared(&shape, shared).unwrap();
    }
    reference::forward(&mask, x).unwrap()
}

#[test]
fn each_layer_is_a_mask_of_the_library() {
    let device = wgpu().autodiff();
    let mut layers = Layers::starting_at(7);
    let volume = [4, 3, 2, 5, 3];
    let x = numbers(360);
    macro_rules! check {
        ($config:ident, $shape:expr, $kind:expr, $shared:expr, $layer:literal, $row:literal) => {
            let layer = $config::new(0.4).init(&mut layers);
            for first_row in [0_u64, 2] {
                let y = layer.forward(tensor(x.clone(), $shape, &device), keys().with_first_row(first_row));
                let expected = expected($kind, $layer, &$shape, $shared, first_row * $row, &x);
                assert_same(&read(y), &expected, concat!(stringify!($config), " in training"));
            }
            let y = layer.sample(tensor(x.clone(), $shape, &wgpu()), keys());
            assert_same(&read(y), &expected($kind, $layer, &$shape, $shared, 0, &x), stringify!($config));
        };
    }
    check!(DropoutConfig, [10, 36], Kind::Inverted, &[], 7, 36);
    check!(Dropout1dConfig, [4, 3, 30], Kind::Inverted, &[2], 8, 3);
    check!(Dropout2dConfig, [4, 3, 6, 5], Kind::Inverted, &[2, 3], 9, 3);
    check!(Dropout3dConfig, volume, Kind::Inverted, &[2, 3, 4], 10, 3);
    check!(DropPathConfig, [4, 9, 10], Kind::Inverted, &[1, 2], 11, 1);
    check!(AlphaDropoutConfig, [36, 10], Kind::Alpha, &[], 12, 10);
    check!(GaussianDropoutConfig, [36, 10], Kind::Gaussian, &[], 13, 10);
    check!(LockedDropoutConfig, [4, 9, 10], Kind::Inverted, &[1], 14, 10);
}

/// Active exactly where Burn's own is.
#[test]
fn active_as_burns_own() {
    let ours = DropoutConfig::new(0.5).init(&mut Layers::new());
    let burns = burn::nn::DropoutConfig::new(0.5).init();
    let is_active = |ours: &Dropout, burns: &burn::nn::Dropout, device: &Device| {
        let ones = || Tensor::<1>::ones([1000], device);
        let active = [ours.forward(ones(), keys()), burns.forward(ones())].map(|y| read(y).contains(&0.0));
        assert_eq!(active[0], active[1], "{device:?}");
        active[0]
    };
    let (inference, training) = (wgpu(), wgpu().autodiff());
    assert!(!is_active(&ours, &burns, &inference));
    assert!(is_active(&ours, &burns, &training));
    let (frozen, burns_frozen) = (ours.clone().freeze(), burns.clone().freeze());
    assert!(!is_active(&frozen, &burns_frozen, &training));
    assert!(is_active(&frozen.clone().unfreeze(), &burns_frozen.clone().unfreeze(), &training));
    assert!(!is_active(&frozen.valid().train(), &burns_frozen.valid().train(), &training));
    assert!(is_active(&ours.valid().train(), &burns.valid().train(), &training));
}

/// Parts of a batch on several workers are parts of it.
#[test]
fn shards_are_parts_of_the_batch() {
    let device = wgpu().autodiff();
    let layer = Dropout2dConfig::new(0.5).init(&mut Layers::new());
    let x = tensor(numbers(8 * 5 * 6 * 7), [8, 5, 6, 7], &device);
    let whole = read(layer.forward(x.clone(), keys()));
    let parts = [(0, 3), (3, 8)]
        .map(|(from, to)| read(layer.forward(x.clone().slice([from..to]), keys().with_first_row(from as u64))));
    assert_same(&parts.concat(), &whole, "shards");
}

#[test]
fn keys_name_masks() {
    let device = wgpu().autodiff();
    let mut layers = Layers::new();
    let [first, second] = [(); 2].map(|()| DropoutConfig::new(0.5).init(&mut layers));
    let of = |layer: &Dropout, keys: Keys| read(layer.forward(Tensor::<1>::ones([512], &device), keys));
    assert_eq!(of(&first, keys()), of(&first, keys()), "the same keys");
    let others = [
        of(&second, keys()),
        of(&first, keys().with_step(13)),
        of(&first, keys().with_sample(1)),
        of(&first, Keys::new(1).with_step(12)),
        of(&first, keys().with_first_row(1)),
    ];
    for (i, other) in others.iter().enumerate() {
        assert_ne!(&of(&first, keys()), other, "{i}");
    }
}

#[test]
fn bad_layers_are_refused() {
    let mut layers = Layers::new();
    for p in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert!(DropoutConfig::new(p).try_init(&mut layers).unwrap_err().to_string().contains("probability"), "{p}");
    }
    assert!(GaussianDropoutConfig::new(1.0).try_init(&mut layers).is_err());
    assert_eq!(DropoutConfig::new(0.5).init(&mut layers).layer(), 0, "a refused layer takes no number");
    let mut last = Layers::starting_at(u16::MAX);
    assert_eq!(DropoutConfig::new(0.5).init(&mut last).layer(), u16::MAX);
    assert!(DropoutConfig::new(0.5).try_init(&mut last).unwrap_err().to_string().contains("65536"));
}

#[test]
fn display_and_configuration() {
    let config = DropoutConfig::new(0.5).with_generator(Generator::Philox);
    let layer = config.init(&mut Layers::new());
    assert_eq!(format!("{layer}"), "Dropout {prob: 0.5, layer: 0}");
    assert_eq!(format!("{}", layer.freeze()), "Dropout {prob: 0.5, layer: 0, training: disabled}");
    let text = serde_json::to_string(&config).unwrap();
    let again: DropoutConfig = serde_json::from_str(&text).unwrap();
    assert_eq!((again.prob, again.generator), (0.5, Generator::Philox));
}
