//! The rule in CubeCL's own language, on whatever compiler Burn's wgpu has here: the published known answers first, because it is
//! a second copy of the rule, and then the library's reference. Nothing of Burn's runs but transfers.

#[path = "../../../tests/vectors/mod.rs"]
mod vectors;

use burn::{
    backend::{AutodiffBackend, Backend, ops::FloatTensorOps, read_sync, tensor::Device},
    tensor::{Element as BurnElement, TensorData},
};
use burn_cubecl::{CubeBackend as B, tensor::CubeTensor};
use cubecl::prelude::*;
use half::{bf16, f16};
use serde_json::Value;
use wgpu_dropout::{Dropout, Dtype, Element, Generator, Key, Kind, Mask, Operation, View, reference};

use super::{
    generator::{Block, philox4x32_10, threefry4x32_20},
    launch,
};
use crate::{DropoutBackend, Error};

fn upload<E: BurnElement>(x: &[E]) -> CubeTensor {
    B::float_from_data(TensorData::new(x.to_vec(), [x.len()]), &Device::<B>::default())
}

fn read<E: BurnElement>(x: CubeTensor) -> Vec<E> {
    read_sync(B::float_into_data(x)).unwrap().try_into_vec().unwrap()
}

fn run<E: BurnElement>(operation: &Operation, x: &[E]) -> Vec<E> {
    read(launch::operate(upload(x), operation).unwrap())
}

/// Elements of any type as their bits.
#[derive(Clone, Debug, PartialEq)]
struct Bits {
    dtype: Dtype,
    bits: Vec<u32>,
}

impl Bits {
    fn f32(&self) -> Vec<f32> {
        self.bits.iter().map(|&bits| f32::from_bits(bits)).collect()
    }

    fn f16(&self) -> Vec<f16> {
        self.bits.iter().map(|&bits| f16::from_bits(bits as u16)).collect()
    }

    fn bf16(&self) -> Vec<bf16> {
        self.bits.iter().map(|&bits| bf16::from_bits(bits as u16)).collect()
    }

    fn values(&self) -> Vec<f32> {
        match self.dtype {
            Dtype::F16 => self.f16().iter().map(|x| x.widen()).collect(),
            Dtype::Bf16 => self.bf16().iter().map(|x| x.widen()).collect(),
            _ => self.f32(),
        }
    }

    /// What the kernel makes of them.
    fn run(&self, operation: &Operation) -> Vec<u32> {
        match self.dtype {
            Dtype::F16 => run(operation, &self.f16()).iter().map(|x| x.to_bits().into()).collect(),
            Dtype::Bf16 => run(operation, &self.bf16()).iter().map(|x| x.to_bits().into()).collect(),
            _ => run(operation, &self.f32()).iter().map(|x| x.to_bits()).collect(),
        }
    }

    /// And the reference.
    fn expected(&self, operation: Operation) -> Vec<u32> {
        match self.dtype {
            Dtype::F16 => reference::run(operation, &*self.f16()).unwrap().iter().map(|x| x.to_bits().into()).collect(),
            Dtype::Bf16 => {
                reference::run(operation, &*self.bf16()).unwrap().iter().map(|x| x.to_bits().into()).collect()
            }
            _ => reference::run(operation, &*self.f32()).unwrap().iter().map(|x| x.to_bits()).collect(),
        }
    }

    /// Checks the kernel's results, bit for bit. Where docs/format.md leaves a choice, and bits are not copied, a NaN stands for
    /// any, and what is subnormal in f32 may be a zero of its sign.
    #[track_caller]
    fn check(&self, operation: &Operation, expected: &[u32], what: &str) {
        let actual = self.run(operation);
        assert_eq!(actual.len(), expected.len(), "{what}");
        let mask = operation.mask().unwrap();
        let copies = operation.copies() || mask.kind() == Kind::Standard && mask.training();
        let results = [expected, &actual].map(|bits| Bits { dtype: self.dtype, bits: bits.to_vec() }.values());
        let tiny = |x: f32| x.abs() <= f32::MIN_POSITIVE;
        for (i, x) in self.values().into_iter().enumerate() {
            let [expected_value, actual_value] = [results[0][i], results[1][i]];
            let same = expected[i] == actual[i];
            let nan = expected_value.is_nan() && actual_value.is_nan();
            let flushed = (tiny(x) || tiny(expected_value))
                && actual_value == 0.0
                && actual_value.is_sign_negative() == expected_value.is_sign_negative()
                && expected[i] != 0;
            assert!(
                same || !copies && (nan || flushed),
                "{what}: {operation:?} makes {:x} of element {i}, {x:e}, {:x}, and not {:x}",
                actual[i],
                self.bits[i],
                expected[i]
            );
        }
    }
}

/// The packed mask of a view, as what becomes of ones.
fn packed(mask: &Mask, length: u64) -> Vec<u32> {
    let y = run(&Operation::Forward(*mask), &vec![1.0_f32; length as usize]);
    let mut words = vec![0; y.len().div_ceil(32)];
    for (j, _) in y.iter().enumerate().filter(|&(_, &y)| y != 0.0) {
        words[j >> 5] |= 1 << (j & 31);
    }
    words
}

/// The entries of a section of the conformance vectors.
fn section(name: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/vectors/conformance_v1.json");
    let text = std::fs::read_to_string(path).unwrap();
    let entries = serde_json::from_str::<Value>(&text).unwrap()[name].as_array().unwrap().clone();
    assert!(entries.len() > 5, "{name}");
    entries
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap_or_else(|| panic!("{name} of {entry}"))
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(entry: &Value, name: &str) -> T {
    text(entry, name).parse().unwrap()
}

fn numbers<T: std::str::FromStr<Err: std::fmt::Debug>>(entry: &Value, name: &str) -> Vec<T> {
    text(entry, name).split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn hex(entry: &Value, name: &str) -> Vec<u32> {
    text(entry, name).split_whitespace().map(|word| u32::from_str_radix(word, 16).unwrap()).collect()
}

fn mask_of(entry: &Value, kind: Kind, training: bool) -> Mask {
    let dropout = Dropout::of_kind(kind, number(entry, "p")).unwrap().with_generator(number(entry, "generator"));
    let key = Key::new(number(entry, "seed")).with_stream(number(entry, "stream"));
    dropout.with_training(training).mask(key).at(number::<u64>(entry, "start"))
}

fn bits_of(entry: &Value, name: &str) -> Bits {
    let dtype = Dtype::ALL.iter().find(|dtype| dtype.name() == text(entry, "dtype")).copied().unwrap();
    Bits { dtype, bits: hex(entry, name) }
}

#[track_caller]
fn check_packed(entry: &Value, mask: &Mask, length: u64) {
    let words = packed(mask, length);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let kept: u32 = words.iter().map(|word| word.count_ones()).sum();
    assert_eq!(kept, number::<u32>(entry, "kept"), "{entry}");
    assert_eq!(format!("{:08x}", crc32fast::hash(&bytes)), text(entry, "crc32"), "{entry}");
}

/// Writes the blocks of counters and keys, of four words each.
#[cube(launch)]
fn write_blocks(counters: &[u32], keys: &[u32], blocks: &mut [u32], #[comptime] generator: Generator) {
    let at = ABSOLUTE_POS * 4;
    if at < blocks.len() {
        let counter = Block { x: counters[at], y: counters[at + 1], z: counters[at + 2], w: counters[at + 3] };
        let key = Block { x: keys[at], y: keys[at + 1], z: keys[at + 2], w: keys[at + 3] };
        let block = if comptime!(generator == Generator::Philox) {
            philox4x32_10(counter, key)
        } else {
            threefry4x32_20(counter, key)
        };
        blocks[at] = block.x;
        blocks[at + 1] = block.y;
        blocks[at + 2] = block.z;
        blocks[at + 3] = block.w;
    }
}

#[test]
fn blocks_of_the_vectors() {
    let entries = section("blocks");
    for &generator in Generator::ALL {
        let entries: Vec<_> = entries.iter().filter(|entry| text(entry, "generator") == generator.name()).collect();
        assert!(!entries.is_empty());
        let padded = |name: &str| {
            let words = entries.iter().flat_map(|entry| {
                let mut words = hex(entry, name);
                words.resize(4, 0);
                words
            });
            upload(&words.map(f32::from_bits).collect::<Vec<_>>())
        };
        let (counters, keys, blocks) = (padded("counter"), padded("key"), padded("counter").copy());
        let count = CubeCount::Static(entries.len() as u32, 1, 1);
        write_blocks::launch(
            &blocks.client.clone(),
            count,
            CubeDim::new_1d(1),
            counters.into_buffer_arg(),
            keys.into_buffer_arg(),
            blocks.clone().into_buffer_arg(),
            generator,
        );
        for (entry, block) in entries.iter().zip(read::<f32>(blocks).chunks(4)) {
            assert_eq!(block.iter().map(|word| word.to_bits()).collect::<Vec<_>>(), hex(entry, "block"), "{entry}");
        }
    }
}

#[test]
fn uniforms_of_the_vectors() {
    for entry in section("uniforms") {
        let [uniform] = hex(&entry, "uniform")[..] else { panic!("{entry}") };
        let key = Key::new(number(&entry, "seed")).with_stream(number(&entry, "stream"));
        for (threshold, keep) in [(f64::from(uniform), false), (f64::from(uniform) + 1.0, true)] {
            let dropout = Dropout::new(1.0 - threshold / 4_294_967_296.0).unwrap();
            let mask = dropout.with_generator(number(&entry, "generator")).mask(key).at(number::<u64>(&entry, "index"));
            assert_eq!(packed(&mask, 1) == [1], keep, "{entry}");
        }
    }
}

#[test]
fn masks_and_views_of_the_vectors() {
    for entry in section("masks") {
        check_packed(&entry, &mask_of(&entry, Kind::Inverted, true), number(&entry, "length"));
    }
    for entry in section("views") {
        let mask = mask_of(&entry, Kind::Inverted, true);
        let view = View::rows(mask.view().start(), number(&entry, "row_length"), number(&entry, "row_pitch"));
        check_packed(&entry, &mask.at(view.skip(number(&entry, "skip"))), number(&entry, "length"));
    }
    for entry in section("strided") {
        let mask = mask_of(&entry, Kind::Inverted, true);
        let shape = numbers::<u64>(&entry, "shape");
        let skip = number(&entry, "skip");
        let view = View::strided(mask.view().start(), &shape, &numbers(&entry, "strides")).unwrap();
        check_packed(&entry, &mask.at(view.skip(skip)), shape.iter().product::<u64>() - skip);
    }
    for entry in section("shared") {
        let shape = numbers::<u64>(&entry, "shape");
        let mask = mask_of(&entry, Kind::Inverted, true).shared(&shape, &numbers(&entry, "shared")).unwrap();
        check_packed(&entry, &mask, shape.iter().product());
    }
}

#[test]
fn values_and_kinds_of_the_vectors() {
    for entry in section("values") {
        let operation = Operation::Forward(mask_of(&entry, Kind::Inverted, true));
        bits_of(&entry, "x").check(&operation, &hex(&entry, "y"), &entry["p"].to_string());
    }
    for entry in section("kinds") {
        let direction = text(&entry, "direction");
        let mask = mask_of(&entry, number(&entry, "kind"), direction != "evaluation");
        let operation = if direction == "backward" { Operation::Backward(mask) } else { Operation::Forward(mask) };
        bits_of(&entry, "x").check(&operation, &hex(&entry, "y"), &entry["p"].to_string());
    }
}

/// Answers that were made without the reference.
#[test]
fn independent_answers() {
    for answer in vectors::masks() {
        answer.check(&packed(&answer.mask(), answer.count)).unwrap();
    }
    for known in vectors::family::values() {
        known.check(&run(&known.operation, &known.x)).unwrap();
    }
    for known in vectors::family::masks().iter().filter(|known| known.ids.is_none()) {
        known.check(&packed(&known.mask, known.length)).unwrap();
    }
}

/// Every f16 and bf16, and f32 that are next to where their rounding changes.
#[test]
fn every_conversion() {
    for dtype in [Dtype::F16, Dtype::Bf16] {
        let x = Bits { dtype, bits: (0..=0xffff).collect() };
        for p in [1e-9, 0.1, 0.3, 0.75, 0.9999] {
            let dropout = Dropout::new(p).unwrap();
            let operation = Operation::Forward(dropout.mask(Key::new(1)).at(3));
            x.check(&operation, &x.expected(operation), "every element");
            let evaluation = Dropout::standard(p).unwrap().with_training(false).mask(Key::new(1));
            x.check(&Operation::Forward(evaluation), &x.expected(Operation::Forward(evaluation)), "evaluation");
        }
    }
}

/// Small numbers without a pattern, for cases.
struct Cases(u64);

impl Cases {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        reference::random_block(Generator::Threefry, Key::new(7), self.0, 0, 99).into_iter().map(u64::from).sum::<u64>()
            >> 1
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// A view of some elements, and how many.
    fn view(&mut self) -> (View, u64) {
        let near = self.below(40);
        let start = self.of(&[0, 3, 8, (1 << 32) - 20, (1 << 35) - 9, (1 << 53) + 1]) + near;
        let shape: Vec<u64> = (0..=self.below(5)).map(|_| 1 + self.below(7)).collect();
        let elements: u64 = shape.iter().product();
        match self.below(4) {
            0 => (View::contiguous(start), 1 + self.below(5000)),
            1 => {
                let columns = 1 + self.below(70);
                let pitch = columns + self.of(&[0, 1, 50, 1 << 34]);
                (View::rows(start, columns, pitch).skip(self.of(&[0, 1, 64, 1 << 31])), 1 + self.below(3000))
            }
            2 => {
                let axes: Vec<usize> = (0..shape.len()).filter(|_| self.below(2) == 0).collect();
                (View::shared(start, &shape, &axes).unwrap(), elements)
            }
            _ => {
                let strides: Vec<u64> = shape.iter().map(|_| self.of(&[0, 1, 3, 1000, (1 << 33) + 5])).collect();
                let skipped = self.below(elements);
                (View::strided(start, &shape, &strides).unwrap().skip(skipped), elements - skipped)
            }
        }
    }
}

#[test]
fn random_cases_equal_the_reference() {
    let mut cases = Cases(0);
    for case in 0..250 {
        let (view, elements) = cases.view();
        let far = Dropout::gaussian(0.5).unwrap().with_generator(Generator::Philox).mask(Key::new(0)).at(view);
        let far = far.check_length(elements).is_err();
        let p = cases.of(&[0.0, 1e-12, 0.1, 0.25, 0.5, 0.77, 1.0 - 1e-9, 1.0]);
        let kind = cases.of(Kind::ALL);
        let p = if kind == Kind::Gaussian && p == 1.0 { 0.5 } else { p };
        // Some views reach past what Philox can address.
        let generator = if far { Generator::Threefry } else { cases.of(Generator::ALL) };
        let dropout = Dropout::of_kind(kind, p).unwrap().with_generator(generator);
        let key = Key::new(cases.next()).with_stream(cases.next() << 24 ^ cases.next());
        let mask = dropout.with_training(cases.below(5) > 0).mask(key).at(view);
        let operation = if cases.below(2) == 0 { Operation::Forward(mask) } else { Operation::Backward(mask) };
        let dtype = cases.of(Dtype::ALL);
        let bits = (0..elements).map(|_| cases.next() as u32 & if dtype == Dtype::F32 { u32::MAX } else { 0xffff });
        let x = Bits { dtype, bits: bits.collect() };
        x.check(&operation, &x.expected(operation), &format!("case {case}, {dtype}, p = {p}, {elements} elements"));
    }
}

/// What nobody else holds is computed in place, and what somebody holds stays as it is; part of a tensor is where it begins.
#[test]
fn in_place_and_elsewhere() {
    let operation = Operation::Forward(Dropout::new(0.5).unwrap().mask(Key::new(3)).at(5));
    for n in [1, 64, 1001] {
        let x: Vec<_> = (0..n).map(|i| f16::from_f32(i as f32)).collect();
        let expected = reference::run(operation, &*x).unwrap();
        let alone = upload(&x);
        let memory = alone.handle.memory.clone().binding().id();
        let y = launch::operate(alone, &operation).unwrap();
        assert!(y.handle.memory.clone().binding().id() == memory, "nobody else held it");
        assert_eq!(read::<f16>(y), expected);
        let held = upload(&x);
        let y = launch::operate(held.clone(), &operation).unwrap();
        assert_eq!((read::<f16>(y), read::<f16>(held)), (expected, x));
    }
}

/// The crate's functions take this way where CubeCL takes no WGSL, and refuse passes there.
#[test]
fn functions_of_the_crate() {
    let device = burn::tensor::Device::wgpu(Default::default());
    let x: Vec<_> = (0..3000).map(|i| i as f32 - 1500.0).collect();
    let mask = Dropout::new(0.3).unwrap().mask(Key::new(9)).shared(&[30, 20, 5], &[2]).unwrap();
    let tensor = || burn::tensor::Tensor::<3>::from_data(TensorData::new(x.clone(), [30, 20, 5]), &device);
    let y = crate::dropout(tensor(), &mask).unwrap().into_data().try_into_vec::<f32>().unwrap();
    assert_eq!(y, reference::forward(&mask, &x).unwrap());

    let fused = wgpu_dropout::Fused::new(Dropout::new(0.3).unwrap().mask(Key::new(9)), 5).unwrap();
    let takes_wgsl = upload(&[1.0_f32]).client.name() == "wgpu<wgsl>";
    match crate::fused(tensor(), None, None, &fused) {
        Ok(_) => assert!(takes_wgsl),
        Err(error) => assert!(matches!(error, Error::Pass { .. }) && !takes_wgsl, "{error}"),
    }
}

#[test]
fn gradients() {
    type A = burn::backend::Autodiff<B>;
    let x: Vec<_> = (0..1000).map(|i| i as f32 / 8.0 - 60.0).collect();
    for kind in [Kind::Inverted, Kind::Standard, Kind::Alpha, Kind::Gaussian] {
        let mask = Dropout::of_kind(kind, 0.3).unwrap().mask(Key::new(2)).at(6);
        let tracked = A::float_set_require_grad(A::from_inner(upload(&x)), true);
        let gradients = A::backward(A::dropout_operate(tracked.clone(), Operation::Forward(mask)));
        let dx = read::<f32>(A::grad(&tracked, &gradients).expect("it is tracked"));
        assert_eq!(dx, reference::backward(&mask, &[1.0_f32; 1000]).unwrap(), "{kind}");
    }
}

#[test]
fn what_is_not_covered_is_refused() {
    let ones = || upload(&[1.0_f32; 8]);
    let refused = |operation| launch::operate(ones(), &operation).unwrap_err();
    let mask = Dropout::new(0.5).unwrap().mask(Key::new(1));
    for operation in [Operation::KeepMask(mask), Operation::Select(mask), Operation::ApplyMask { scale: 2.0 }] {
        assert!(matches!(refused(operation), Error::Operation { .. }));
    }
    let gathered = mask.shared(&[2, 4], &[1]).unwrap().gathered().unwrap();
    assert!(matches!(refused(Operation::Forward(gathered)), Error::Gathered));
    let large = launch::check(&ones().client, &Operation::Forward(mask), 1 << 32);
    assert!(matches!(large.unwrap_err(), Error::Large { .. }));
}

/// The process' CPU time, in hundredths of a second.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("it is Linux");
    let fields: Vec<_> = stat[stat.rfind(')').unwrap()..].split_whitespace().collect();
    fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap()
}

/// How many times the library's kernels' time it takes, in turns: `cargo test --lib -- --ignored --nocapture beside`.
#[test]
#[ignore = "a measurement"]
fn beside_the_librarys_kernels() {
    let x = upload(&vec![1.0_f32; 1 << 22]);
    let channels = View::shared(0, &[64, 64, 1024], &[2]).unwrap();
    let views = [("start 0", View::contiguous(0)), ("start 5", View::contiguous(5)), ("channels of 1024", channels)];
    let work = [
        (Kind::Inverted, Generator::Threefry),
        (Kind::Inverted, Generator::Philox),
        (Kind::Gaussian, Generator::Threefry),
    ];
    for (place, view) in views {
        for (kind, generator) in work {
            let dropout = Dropout::of_kind(kind, 0.1).unwrap().with_generator(generator);
            let operation = Operation::Forward(dropout.mask(Key::new(1)).at(view));
            // CPU time, which a busy machine disturbs less; the adapters here are software.
            let milliseconds = |operate: fn(CubeTensor, &Operation) -> Result<CubeTensor, Error>| {
                let began = cpu_ticks();
                for _ in 0..8 {
                    let y = operate(x.clone(), &operation).unwrap();
                    B::sync(&y.device).unwrap();
                }
                (cpu_ticks() - began) as f64 * 10.0 / 8.0
            };
            let mut times = [0.0; 2];
            for round in 0..6 {
                for (time, operate) in times.iter_mut().zip([launch::operate, super::wgsl::operate]) {
                    let taken = milliseconds(operate);
                    if round > 0 {
                        *time += taken / 5.0;
                    }
                }
            }
            let [cube, library] = times;
            println!(
                "{kind}, {generator}, {place}: {cube:.1} ms, {:.2} times the library's {library:.1} ms",
                cube / library
            );
        }
    }
}
