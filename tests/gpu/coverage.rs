//! The kernels that can be chosen run, and give what the reference does: every pair of what can be said of a kernel (its
//! type, decision, walk, bindings, …). Which there are, and calls that choose them, comes from the library itself.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use half::{bf16, f16};
use wgpu_dropout::{
    BufferRange, Context, Dropout, Dtype, Element, Key, Mask, MaskFormat, Operation, Options, Pass, Ranges, Slice,
    Slices,
    kernels::{
        F16Conversion, Kernel, KeyPlace, Operand, PassPlan, Plan, Scenario, Schedule, Stage, Target, Tensor,
        pass_scenarios, reachable, scenarios,
    },
    reference,
};

use crate::adapters::{buffer, context_with, read, subjects};

const KEY: Key = Key::new(0x0123_4567_89ab_cdef).with_stream(77);
const SCALE: f32 = 1.5;

/// Bytes of finite numbers in every type, and of masks with every pattern.
fn content(size: u64) -> Vec<u8> {
    let word = |i: u64| (i as u32).wrapping_mul(0x9e37_79b1) & 0x3fff_3fff | 0x2000_2000;
    (0..(size + 16).div_ceil(4)).flat_map(|i| word(i).to_le_bytes()).collect()
}

fn part<'a>(buffers: &'a [Vec<u8>], operand: &Operand) -> &'a [u8] {
    &buffers[operand.buffer as usize][operand.offset as usize..][..operand.size as usize]
}

fn values<T: Element>(scenario: &Scenario, operation: &Operation, buffers: &[Vec<u8>]) -> Vec<u8> {
    let elements = |operand: Operand| -> Vec<T> { bytemuck::pod_collect_to_vec(part(buffers, &operand)) };
    let words = |operand: Operand| -> Vec<u32> { bytemuck::pod_collect_to_vec(part(buffers, &operand)) };
    let (x, other) = (scenario.input.map(elements).unwrap(), scenario.other.map(elements));
    let (packed, ids) = (scenario.packed_mask.map(words), scenario.row_ids.map(words));
    let mut slices = Slices::new(&x);
    if let Some(other) = &other {
        slices = slices.with_other(other);
    }
    if let Some(packed) = &packed {
        slices = slices.with_packed_mask(packed);
    }
    if let Some(ids) = &ids {
        slices = slices.with_row_ids(ids);
    }
    bytemuck::cast_slice(&reference::run(*operation, slices).unwrap()).to_vec()
}

fn expected(scenario: &Scenario, operation: &Operation, buffers: &[Vec<u8>]) -> Vec<u8> {
    match (operation, scenario.mask) {
        (Operation::KeepMask(mask), Some((format, length))) => {
            let words = match &scenario.row_ids {
                Some(ids) => {
                    let ids: Vec<u32> = bytemuck::pod_collect_to_vec(part(buffers, ids));
                    reference::gathered_keep_mask(mask, length, &ids).unwrap()
                }
                None => reference::keep_mask(mask, length).unwrap(),
            };
            match format {
                MaskFormat::Bits => bytemuck::cast_slice(&words).to_vec(),
                _ => (0..length as usize).map(|i| (words[i / 32] >> (i % 32)) as u8 & 1).collect(),
            }
        }
        _ => match scenario.dtype {
            Dtype::F32 => values::<f32>(scenario, operation, buffers),
            Dtype::F16 => values::<f16>(scenario, operation, buffers),
            _ => values::<bf16>(scenario, operation, buffers),
        },
    }
}

/// The operation with another p.
fn with_rate(operation: Operation, p: f64) -> Operation {
    let change = |mask: Mask| {
        let dropout = Dropout::of_kind(mask.kind(), p).unwrap().with_generator(mask.generator());
        dropout.mask(mask.key()).at(mask.view())
    };
    match operation {
        Operation::Forward(mask) => Operation::Forward(change(mask)),
        Operation::KeepMask(mask) => Operation::KeepMask(change(mask)),
        Operation::Select(mask) => Operation::Select(change(mask)),
        other => other,
    }
}

/// Runs a call in buffers of its own, and compares all of them.
fn run(context: &Context, scenario: &Scenario) {
    let Scenario { input, other, packed_mask, row_ids, output, .. } = *scenario;
    let all = [input, other, packed_mask, row_ids, Some(output)];
    let end = |number: u32| {
        let of = all.iter().flatten().filter(|operand| operand.buffer == number);
        of.map(|operand| operand.offset + operand.size).max().unwrap_or(4)
    };
    let count = all.iter().flatten().map(|operand| operand.buffer).max().unwrap_or(0) + 1;
    let mut contents: Vec<_> = (0..count).map(|number| content(end(number))).collect();
    let buffers: Vec<_> =
        contents.iter().map(|bytes| buffer(context, &bytemuck::pod_collect_to_vec::<u8, u32>(bytes))).collect();
    let range = |operand: &Operand| {
        BufferRange::new(&buffers[operand.buffer as usize], operand.offset, operand.size).with_dtype(scenario.dtype)
    };
    let mut ranges = match (&scenario.input, scenario.mask) {
        (Some(input), _) => Ranges::new(range(input), range(&scenario.output)),
        (None, Some((format, length))) => Ranges::mask(range(&scenario.output), length, format),
        (None, None) => unreachable!("no such call"),
    };
    if let Some(packed) = &scenario.packed_mask {
        ranges = ranges.with_packed_mask(range(packed));
    }
    if let Some(other) = &scenario.other {
        ranges = ranges.with_other(range(other));
    }
    if let Some(ids) = &scenario.row_ids {
        ranges = ranges.with_row_ids(range(ids).with_dtype(Dtype::F32));
    }
    let with_key = |key| match scenario.operation {
        Operation::Forward(mask) => Operation::Forward(mask.with_key(key)),
        Operation::KeepMask(mask) => Operation::KeepMask(mask.with_key(key)),
        Operation::Select(mask) => Operation::Select(mask.with_key(key)),
        _ => Operation::ApplyMask { scale: SCALE },
    };
    let operation = with_key(KEY);
    match scenario.key {
        KeyPlace::Buffer { .. } => {
            let keys = buffer(context, &bytemuck::pod_collect_to_vec::<u8, u32>(&KEY.to_bytes()));
            let key = context.bind_key(&keys).unwrap();
            context.submit(with_key(Key::new(5)).keyed_by(&key), ranges).unwrap();
        }
        KeyPlace::RateBuffer { .. } => {
            let bytes = operation.mask().unwrap().key_and_rate();
            let keys = buffer(context, &bytemuck::pod_collect_to_vec::<u8, u32>(&bytes));
            let key = context.bind_key_and_rate(&keys).unwrap();
            context.submit(with_rate(with_key(Key::new(5)), 0.01).keyed_by(&key), ranges).unwrap();
        }
        _ => drop(context.submit(operation, ranges).unwrap()),
    }
    let y = expected(scenario, &operation, &contents);
    let output = &scenario.output;
    contents[output.buffer as usize][output.offset as usize..][..output.size as usize].copy_from_slice(&y);
    for (buffer, expected) in buffers.iter().zip(&contents) {
        let [actual] = read(context, [buffer]);
        let actual: &[u8] = bytemuck::cast_slice(&actual);
        let wrong = (0..expected.len()).find(|&i| actual[i] != expected[i]);
        assert_eq!(wrong, None, "the first wrong byte, of {scenario:?}");
    }
}

/// Positive elements of a type, none far from 1, so that accumulators, logits and weights can be made of them.
fn ordinary(dtype: Dtype, size: u64) -> Vec<u8> {
    fn of<T: Element>(size: u64) -> Vec<u8> {
        let element = |i: u64| T::narrow(((i * 37) % 65 + 4) as f32 / 32.0);
        bytemuck::cast_slice(&(0..size / T::DTYPE.size()).map(element).collect::<Vec<_>>()).to_vec()
    }
    match dtype {
        Dtype::F32 => of::<f32>(size),
        Dtype::F16 => of::<f16>(size),
        _ => of::<bf16>(size),
    }
}

/// Whether two results are the same, or as near as rounding leaves the members that are not exact: their tests know the bound
/// of each.
fn is_near(dtype: Dtype, expected: &[u8], actual: &[u8]) -> bool {
    fn of<T: Element>(expected: &[u8], actual: &[u8], unit: f32) -> bool {
        let values =
            |bytes: &[u8]| bytemuck::pod_collect_to_vec::<u8, T>(bytes).iter().map(|x| x.widen()).collect::<Vec<_>>();
        let near = |(e, a): (f32, f32)| (e - a).abs() <= unit * (1.0 + e.abs()) || e.is_nan() && a.is_nan() || e == a;
        values(expected).into_iter().zip(values(actual)).all(near)
    }
    expected == actual
        || match dtype {
            Dtype::F32 => of::<f32>(expected, actual, 1e-4),
            Dtype::F16 => of::<f16>(expected, actual, 2e-3),
            _ => of::<bf16>(expected, actual, 2e-2),
        }
}

fn slice(dtype: Dtype, words: &mut [u32], size: u64, is_written: bool) -> Slice<'_> {
    fn of<T: Element>(words: &mut [u32], size: u64, is_written: bool) -> Slice<'_> {
        let elements = &mut bytemuck::cast_slice_mut::<u32, T>(words)[..(size / T::DTYPE.size()) as usize];
        if is_written { Slice::from(elements) } else { Slice::from(&*elements) }
    }
    match dtype {
        Dtype::F32 => of::<f32>(words, size, is_written),
        Dtype::F16 => of::<f16>(words, size, is_written),
        _ => of::<bf16>(words, size, is_written),
    }
}

/// Runs a pass in buffers of its own, and compares all of them but the scratch.
fn run_pass(context: &Context, pass: &Pass<Tensor>) {
    let mut tensors = vec![];
    let _: Pass<Operand> = pass.moved(|operand, dtype, is_written| {
        tensors.push((operand, dtype, is_written));
        operand
    });
    let mut contents = BTreeMap::new();
    for (operand, ..) in &tensors {
        let all: &mut Vec<u8> = contents.entry(operand.buffer).or_default();
        if all.len() < (operand.offset + operand.size) as usize {
            *all = content(operand.offset + operand.size);
        }
    }
    let place = |all: &mut BTreeMap<u32, Vec<u8>>, operand: &Operand, bytes: &[u8]| {
        all.get_mut(&operand.buffer).unwrap()[operand.offset as usize..][..bytes.len()].copy_from_slice(bytes);
    };
    for (operand, dtype, _) in &tensors {
        place(&mut contents, operand, &ordinary(*dtype, operand.size));
    }
    let words = |bytes: &[u8]| -> Vec<u32> {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytemuck::pod_collect_to_vec(&bytes)
    };
    let buffers: BTreeMap<_, _> =
        contents.iter().map(|(&number, bytes)| (number, buffer(context, &words(bytes)))).collect();
    let on_device = pass.moved(|operand, dtype, _| {
        BufferRange::new(&buffers[&operand.buffer], operand.offset, operand.size).with_dtype(dtype)
    });
    context.submit_pass(on_device).unwrap();

    // On the CPU every tensor has a slice of its own; what is updated begins as it does in the buffers.
    let mut copies: Vec<_> = tensors.iter().map(|(operand, dtype, _)| words(&ordinary(*dtype, operand.size))).collect();
    let mut left = copies.iter_mut();
    let on_host = pass.moved(|operand, dtype, is_written| {
        slice(dtype, left.next().unwrap(), operand.size, is_written.unwrap_or(true))
    });
    reference::run_pass(on_host).unwrap();
    for ((operand, dtype, is_written), copy) in tensors.iter().zip(&copies) {
        let [actual] = read(context, [&buffers[&operand.buffer]]);
        let actual = &bytemuck::cast_slice::<u32, u8>(&actual)[operand.offset as usize..][..operand.size as usize];
        let expected = &bytemuck::cast_slice::<u32, u8>(copy)[..operand.size as usize];
        let is_compared = *is_written == Some(true);
        assert!(!is_compared || is_near(*dtype, expected, actual), "{operand:?} of {pass:?}");
    }
}

/// A call of either sort.
#[derive(Clone, Copy)]
enum Call<'a> {
    Operation(&'a Scenario),
    Pass(&'a Pass<Tensor>),
}

impl Call<'_> {
    /// What it launches; nothing where the target cannot run it.
    fn kernels(&self, target: &Target) -> Vec<Kernel> {
        match self {
            Self::Operation(scenario) => {
                let plan = Plan::new(target, &scenario.operands().unwrap()).unwrap();
                let launches = plan.launches(&scenario.operation, scenario.key).unwrap();
                launches.iter().map(|launch| *launch.kernel()).collect()
            }
            Self::Pass(pass) => {
                let plan = PassPlan::new(target, pass, KeyPlace::Parameters);
                let launches = plan.iter().flat_map(PassPlan::stages).flat_map(Stage::launches);
                launches.map(|launch| *launch.kernel()).collect()
            }
        }
    }

    fn run(&self, context: &Context) {
        match self {
            Self::Operation(scenario) => run(context, scenario),
            Self::Pass(pass) => run_pass(context, pass),
        }
    }
}

/// Every two things that kernels' names say of them, by number.
#[derive(Default)]
struct Pairs {
    numbers: BTreeMap<(String, String), usize>,
    of: BTreeMap<Kernel, Vec<usize>>,
}

impl Pairs {
    fn of(&mut self, kernel: &Kernel) -> &[usize] {
        self.of.entry(*kernel).or_insert_with(|| {
            let name = kernel.to_string();
            let words: Vec<_> = name.split([',', ';']).flat_map(|part| part.trim().split(" from ")).collect();
            let pairs = words.iter().enumerate().flat_map(|(i, a)| words[i + 1..].iter().map(move |b| (a, b)));
            let mut number = |(a, b): (&&str, &&str)| {
                let next = self.numbers.len();
                *self.numbers.entry((a.to_string(), b.to_string())).or_insert(next)
            };
            pairs.map(&mut number).collect()
        })
    }
}

/// A kernel is the same whatever context it runs in, so it is enough that a pair runs in one of them. Most of the time goes
/// into making pipelines: calls with many pairs that are new come first, so that few are needed.
#[test]
fn every_pair_of_what_kernels_are_runs() {
    // The software driver for Vulkan where there is one, else what there is.
    let subject = subjects().iter().find(|subject| subject.name.contains("Vulkan")).unwrap_or(&subjects()[0]);
    let (scenarios, passes) = (scenarios(), pass_scenarios());
    let all_calls: Vec<_> = scenarios.iter().map(Call::Operation).chain(passes.iter().map(Call::Pass)).collect();
    let (mut pairs, mut needed, mut contexts) = (Pairs::default(), BTreeSet::new(), vec![]);
    // Each with how many pairs are new at most: the largest is taken first.
    let mut calls = BinaryHeap::new();
    for &schedule in Schedule::ALL {
        for f16 in [F16Conversion::Integer, F16Conversion::Native] {
            let has_f16 = subject.context.device().features().contains(wgpu_dropout::wgpu::Features::SHADER_F16);
            if f16 == F16Conversion::Native && (schedule == Schedule::Blocked || !has_f16) {
                continue;
            }
            let context = context_with(subject, Options::default().with_schedule(schedule).with_f16(f16));
            let target = context.target();
            for (number, call) in all_calls.iter().enumerate() {
                let all: BTreeSet<_> =
                    call.kernels(&target).iter().flat_map(|kernel| pairs.of(kernel).to_vec()).collect();
                calls.push((all.len(), contexts.len(), number, all));
            }
            // Those of neither have tests of their own.
            let tools = ["kept rows", "audit", "normals", "advance key", "random blocks", "probe f16"];
            let is_tool = |name: &str| tools.iter().any(|tool| name.starts_with(tool));
            let kernels: Vec<_> = reachable(&target).into_iter().filter(|k| !is_tool(&k.to_string())).collect();
            let of_target: BTreeSet<_> = kernels.iter().flat_map(|kernel| pairs.of(kernel).to_vec()).collect();
            assert!(kernels.len() > 100 && of_target.len() > 200);
            needed.extend(of_target);
            contexts.push(context);
        }
    }
    let mut seen = BTreeSet::new();
    while let Some((most, context, number, all)) = calls.pop() {
        let new = all.difference(&seen).count();
        if new == 0 {
            continue;
        }
        if new < most {
            calls.push((new, context, number, all));
            continue;
        }
        all_calls[number].run(&contexts[context]);
        seen.extend(all);
    }
    let names: BTreeMap<_, _> = pairs.numbers.iter().map(|(pair, number)| (number, pair)).collect();
    let missing: Vec<_> = needed.difference(&seen).map(|number| names[number]).collect();
    assert!(missing.is_empty(), "not run: {missing:?}");
}
