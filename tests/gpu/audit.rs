//! Audits find what is wrong, and say the same as the reference's.

use half::{bf16, f16};
use wgpu_dropout::{
    Audit, BufferRange, Context, Dropout, Dtype, Element, Error, Explanation, Generator, Key, Mask, Operation, Options,
    View, reference,
};

use crate::adapters::{buffer, context_with, device, subjects};

const KEY: Key = Key::new(0x0123_4567_89ab_cdef).with_layer(7).with_sample(9).with_step(1000);

fn mask(p: f64) -> Mask {
    Dropout::new(p).unwrap().mask(KEY).at(77)
}

/// Numbers of several sizes and both signs, without 0.
fn numbers<T: Element>(length: usize) -> Vec<T> {
    let number = |i: usize| (1 + i % 1013) as f32 * if i.is_multiple_of(3) { -0.37 } else { 1.9 };
    (0..length).map(|i| T::narrow(number(i))).collect()
}

fn bytes<T: Element>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

/// On slices, and in buffers at odd places, both the reference's.
fn audit<T: Element>(context: &Context, operation: Operation, x: &[T], y: &[T], what: &str) -> Audit {
    let expected = reference::audit(operation, x, y).unwrap();
    let found = context.audit_blocking(operation, x, y).unwrap();
    assert_eq!(found, expected, "{what}");
    let element = T::DTYPE.size();
    let size = element * x.len() as u64;
    let mut content = vec![0xa5; 3 * element as usize];
    content.extend(bytes(x));
    content.extend(vec![0x5a; 65 * element as usize]);
    content.extend(bytes(y));
    content.resize(content.len().next_multiple_of(4) + 4, 0);
    let words = buffer(context, &bytemuck::pod_collect_to_vec(&content));
    let range = |at: u64| BufferRange::new(&words, at * element, size).with_dtype(T::DTYPE);
    let (x, y) = (range(3), range(68 + x.len() as u64));
    assert_eq!(context.audit_buffers_blocking(operation, x, y).unwrap(), expected, "{what}, in buffers");
    found
}

fn each_type(check: impl Fn(Dtype)) {
    Dtype::ALL.iter().for_each(|&dtype| check(dtype));
}

/// Both are the same kernels: one type is enough to see both audited.
fn passes<T: Element>(mask: Mask) -> Vec<Operation> {
    match T::DTYPE {
        Dtype::F32 => vec![Operation::Forward(mask), Operation::Backward(mask)],
        _ => vec![Operation::Forward(mask)],
    }
}

fn right_and_wrong<T: Element>(context: &Context, name: &str) {
    for length in [0, 1, 63, 9001] {
        let x = numbers::<T>(length);
        for mask in [
            mask(0.1),
            mask(0.5).at(View::rows(5, 33, 100).skip(7)),
            mask(0.0),
            mask(1.0),
            Dropout::new(0.3).unwrap().with_training(false).mask(KEY),
        ] {
            for operation in passes::<T>(mask) {
                let y = reference::forward(&mask, &x).unwrap();
                let what = format!("{name} {operation:?} {length} {}", T::DTYPE);
                let found = audit(context, operation, &x, &y, &what);
                assert!(found.is_right() && found.elements == length as u64 && found.first.is_none(), "{what}");
                assert!(
                    context
                        .audit_blocking(operation, &x, &context.forward_blocking(&mask, &x).unwrap())
                        .unwrap()
                        .is_right()
                );
                for at in [0, length / 2, length.wrapping_sub(1)] {
                    if at >= length {
                        continue;
                    }
                    let mut wrong = y.clone();
                    let changed = if y[at].widen() == 0.0 { 3.0 } else { 0.0 };
                    wrong[at] = T::narrow(changed);
                    let found = audit(context, operation, &x, &wrong, &what);
                    let first = found.first.unwrap();
                    assert_eq!((found.mismatches, first.position), (1, at as u64), "{what}");
                    assert_eq!(first.index, mask.view().index(at as u64), "{what}");
                    // One element may be explained by chance, but is not; that nothing was done to it is a fact.
                    let unchanged = bytes(&wrong) == bytes(&x) && !mask.keeps_all();
                    assert_eq!(found.explanations, vec![Explanation::Unchanged; unchanged.into()], "{what}");
                }
            }
        }
    }
}

#[test]
fn right_ones_pass_and_single_wrong_elements_are_found() {
    for subject in subjects() {
        let uniform = context_with(subject, Options::default().with_immediates(false));
        each_type(|dtype| match dtype {
            Dtype::F32 => right_and_wrong::<f32>(&subject.context, &subject.name),
            Dtype::F16 => right_and_wrong::<f16>(&subject.context, &subject.name),
            _ => right_and_wrong::<bf16>(&uniform, &subject.name),
        });
    }
}

fn explained<T: Element>(context: &Context, name: &str) {
    let x = numbers::<T>(10_011);
    let rows = mask(0.1).at(View::rows(77, 100, 130));
    let with = |key| mask(0.1).with_key(key);
    let forward = |mask: &Mask| reference::forward(mask, &x).unwrap();
    let philox = Dropout::new(0.1).unwrap().with_generator(Generator::Philox).mask(KEY).at(77);
    let length = x.len() as u64;
    let exchanged = Key::new(KEY.stream).with_stream(KEY.seed);
    let packed = reference::keep_mask(&mask(0.1), length).unwrap();
    let p = mask(0.1).threshold() as f64 / (1u64 << 32) as f64;
    for (asked, y, text) in [
        (mask(0.1), forward(&with(KEY.with_step(1001))), "step 1001 instead of 1000 explains every element"),
        (mask(0.1), forward(&with(KEY.with_step(999))), "step 999 instead of 1000"),
        (with(KEY.with_step(1)), forward(&with(KEY.with_step(u32::MAX))), "step 4294967295 instead of 1 "),
        (mask(0.1), forward(&with(KEY.with_step(1002))), "step 1002"),
        (mask(0.1), forward(&with(KEY.with_layer(8))), "layer 8 instead of 7"),
        (mask(0.1), forward(&with(KEY.with_layer(6))), "layer 6"),
        (mask(0.1), forward(&with(KEY.with_sample(10))), "sample 10 instead of 9"),
        (mask(0.1), forward(&with(exchanged)), "seed and stream exchanged"),
        (mask(0.1), forward(&mask(0.1).at(78)), "start 78 instead of 77"),
        (mask(0.1), forward(&mask(0.1).at(76)), "start 76"),
        (mask(0.1), forward(&mask(0.1).at(0)), "start 0 instead of 77"),
        (mask(0.1), forward(&mask(0.1).at(77 + length)), "start 10088"),
        (rows, forward(&rows.at(View::rows(177, 100, 130))), "start 177"),
        (rows, forward(&rows.at(View::rows(207, 100, 130))), "start 207"),
        (rows, forward(&rows.at(77)), "without gaps between its rows"),
        (mask(0.1), forward(&philox), "philox instead of threefry"),
        (philox, forward(&mask(0.1)), "threefry instead of philox"),
        (mask(0.1), x.clone(), "y is x unchanged"),
        (mask(0.1), reference::apply_mask(&packed, 1.0, &x).unwrap(), "not scaled"),
        (mask(0.1), forward(&mask(p)), "p = 0.9 instead of 0.1"),
    ]
    .into_iter()
    .step_by(if T::DTYPE == Dtype::F32 { 1 } else { 3 })
    {
        let what = format!("{name} {} {text}", T::DTYPE);
        for operation in passes::<T>(asked) {
            let found = audit(context, operation, &x, &y, &what);
            let said = found.to_string();
            assert!(found.mismatches > 100 && found.explanations.len() == 1 && said.contains(text), "{what}: {said}");
            // All but one element is not every element.
            let mut almost = y.clone();
            *almost.last_mut().unwrap() = T::narrow(0.123);
            let found = audit(context, operation, &x, &almost, &what);
            assert!(found.mismatches > 100 && found.explanations.is_empty(), "{what}: {found}");
            assert!(found.to_string().contains("no other step"), "{what}: {found}");
        }
    }
}

#[test]
fn what_explains_every_element_is_said() {
    for subject in subjects() {
        each_type(|dtype| match dtype {
            Dtype::F32 => explained::<f32>(&subject.context, &subject.name),
            Dtype::F16 => explained::<f16>(&subject.context, &subject.name),
            _ => explained::<bf16>(&subject.context, &subject.name),
        });
    }
}

/// Other masks give the same few elements, and all the same ones where nothing can be told.
#[test]
fn nothing_is_said_where_the_elements_cannot_tell() {
    for subject in subjects() {
        let check = |asked: Mask, x: &[f32], y: &[f32]| {
            let found = audit(&subject.context, Operation::Forward(asked), x, y, &subject.name);
            assert!(found.mismatches > 0 && found.explanations.is_empty(), "{}: {found}", subject.name);
        };
        let next = |p| mask(p).with_key(KEY.with_step(1001));
        let x = numbers::<f32>(1000);
        // Few elements.
        check(mask(0.5), &x[..20], &reference::forward(&next(0.5), &x[..20]).unwrap());
        // Many, of which few are not 0 anyway.
        let mut zeros = vec![0.0; 1000];
        zeros[..20].copy_from_slice(&x[..20]);
        check(mask(0.5), &zeros, &reference::forward(&next(0.5), &zeros).unwrap());
        // Hardly anything is kept, or dropped, by either.
        check(mask(0.999), &x, &vec![0.0; 1000]);
        check(mask(0.001), &x, &x.iter().map(|x| x * mask(0.001).scale()).collect::<Vec<_>>());
        check(mask(1.0), &x, &reference::forward(&next(0.5), &x).unwrap());
        // What is more than chance is said.
        let y = reference::forward(&next(0.5), &x[..60]).unwrap();
        let found = audit(&subject.context, Operation::Forward(mask(0.5)), &x[..60], &y, &subject.name);
        assert_eq!(found.explanations, [Explanation::Step { given: 1000, step: 1001 }]);
    }
}

/// A device's result in place of the exact one, for an x.
type Change<'a, T> = Box<dyn Fn(&T, &T) -> T + 'a>;

/// NaN of any kind for a kept NaN, and a zero of its sign for a kept subnormal; nothing else. On devices that flush and
/// on those that do not.
fn tolerated<T: Element + PartialEq>(context: &Context, name: &str, x: &[T]) {
    let nan = T::narrow(f32::NAN);
    for p in [0.3, 0.0] {
        let operation = Operation::Forward(mask(p));
        let exact = reference::forward(&mask(p), x).unwrap();
        let tiny = |x: &T| x.widen() != 0.0 && x.widen().abs() < 1e-30;
        let zero = |x: &T| T::narrow(if x.widen().is_sign_negative() { -0.0 } else { 0.0 });
        let variants: [(&str, Change<'_, T>, u64); 3] = [
            ("exact", Box::new(|_, y| *y), 0),
            (
                "flushed",
                Box::new(|x, y| if tiny(x) && y.widen() != 0.0 { zero(x) } else { *y }),
                u64::from(p == 0.0 && x.iter().any(tiny)),
            ),
            // A NaN that was dropped, and the wrong zero.
            (
                "wrong",
                Box::new(|x, y| {
                    if x.widen().is_nan() {
                        nan
                    } else if tiny(x) {
                        T::narrow(-0.0)
                    } else {
                        *y
                    }
                }),
                1,
            ),
        ];
        for (variant, of, wrong) in variants {
            let y: Vec<T> = x.iter().zip(&exact).map(|(x, y)| of(x, y)).collect();
            let what = format!("{name} {} p {p} {variant}", T::DTYPE);
            let expected = reference::audit(operation, x, &y).unwrap();
            assert_eq!(expected.mismatches.min(1), wrong, "{what}: {expected}");
            let found = context.audit_blocking(operation, x, &y).unwrap();
            assert_eq!(found.mismatches, expected.mismatches, "{what}");
            let places = [found.first, expected.first].map(|first| first.map(|first| (first.position, first.actual)));
            assert_eq!(places[0], places[1], "{what}");
        }
    }
}

#[test]
fn what_the_contract_leaves_open_is_tolerated() {
    for subject in subjects() {
        let cycle = |words: &[u32]| (0..5000).map(|i| words[i % words.len()]).collect::<Vec<u32>>();
        let (context, name) = (&subject.context, &subject.name);
        let f32s =
            [0x7fa0_0001, 0xffc0_1234, 0x0000_0001, 0x8000_0400, 0x007f_ffff, 0x807f_ffff, 0x3f80_0000, 0, 0x7f80_0000];
        let f32s: Vec<_> = cycle(&f32s).into_iter().map(f32::from_bits).collect();
        tolerated(context, name, &f32s);
        // Where the host has nothing to decide.
        tolerated(context, name, &f32s.iter().map(|x| if x.is_subnormal() { 1.0 } else { *x }).collect::<Vec<_>>());
        let bf16s = [0x7fa1, 0xffc1, 0x0001, 0x8004, 0x007f, 0x807f, 0x3f80, 0, 0x7f80];
        let bf16s: Vec<_> = cycle(&bf16s).into_iter().map(|bits| bf16::from_bits(bits as u16)).collect();
        tolerated(context, name, &bf16s);
        // A subnormal of f16 is a normal number to compute with; here 0 is the tiniest.
        let f16s = [0x7d01, 0xfe01, 0x0001, 0x8004, 0x03ff, 0x83ff, 0x3c00, 0x7c00];
        let f16s: Vec<_> = cycle(&f16s).into_iter().map(|bits| f16::from_bits(bits as u16)).collect();
        let exact = reference::forward(&mask(0.3), &f16s).unwrap();
        assert!(context.audit_blocking(mask(0.3), &f16s, &exact).unwrap().is_right(), "{name}");
        let flushed: Vec<_> =
            exact.iter().map(|y| if y.to_f32().abs() < 6e-5 { f16::from_f32(y.to_f32() * 0.0) } else { *y }).collect();
        let found = audit_counts(context, &f16s, &flushed);
        assert_eq!(found, reference::audit(mask(0.3), &f16s, &flushed).unwrap().mismatches, "{name}");
        assert!(found > 100, "{name}");
    }
}

fn audit_counts(context: &Context, x: &[f16], y: &[f16]) -> u64 {
    context.audit_blocking(mask(0.3), x, y).unwrap().mismatches
}

/// With chunks that the device can bind, and a mistake in a late one.
#[test]
fn chunks_join() {
    for subject in subjects() {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffer_binding_size = 1 << 14;
        });
        let context = Context::from_device(device, queue).unwrap();
        let x = numbers::<f32>(50_003);
        let mut y = reference::forward(&mask(0.1).with_key(KEY.with_step(1001)), &x).unwrap();
        let found = audit(&context, mask(0.1).into(), &x, &y, &subject.name);
        assert_eq!(found.explanations, [Explanation::Step { given: 1000, step: 1001 }]);
        y = reference::forward(&mask(0.1), &x).unwrap();
        y[47_001] = 1.0;
        let found = audit(&context, mask(0.1).into(), &x, &y, &subject.name);
        assert_eq!((found.mismatches, found.first.unwrap().index), (1, 47_078));
        let x = numbers::<f16>(50_003);
        let y = reference::forward(&mask(0.1), &x).unwrap();
        assert!(audit(&context, mask(0.1).into(), &x, &y, &subject.name).is_right());
    }
}

#[test]
fn errors() {
    let context = &subjects()[0].context;
    let says = |result: Result<Audit, Error>, words: &[&str]| {
        let message = result.unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let x = [1.0_f32; 4];
    says(context.audit_blocking(mask(0.1), &x, &x[..3]), &["16 bytes", "12", "same length"]);
    says(reference::audit(mask(0.1), &x, &x[..3]), &["16 bytes", "12", "same length"]);
    for operation in [Operation::KeepMask(mask(0.1)), Operation::ApplyMask { scale: 1.0 }] {
        says(context.audit_blocking(operation, &x, &x), &["mask", "forward or a backward pass"]);
        says(reference::audit(operation, &x, &x), &["mask", "forward or a backward pass"]);
    }
    says(context.audit_blocking(mask(0.1).at(u64::MAX), &x, &x), &["4 elements", "smaller start"]);
    let words = buffer(context, &[0; 4]);
    let range = |offset, size| BufferRange::new(&words, offset, size);
    let buffers = |x, y| context.audit_buffers_blocking(mask(0.1), x, y);
    buffers(range(0, 16), range(0, 16)).unwrap();
    buffers(range(0, 12), range(4, 12)).unwrap();
    says(buffers(range(0, 8), range(0, 16)), &["8 bytes", "16"]);
    says(buffers(range(0, 16), range(2, 8)), &["output", "2", "multiple of 4"]);
    says(buffers(range(8, 16), range(0, 16)), &["input", "reaches past"]);
    says(buffers(range(0, 16), range(0, 16).with_dtype(Dtype::F16)), &["f32", "f16"]);
}

/// As every async call, for any executor.
#[test]
fn audits_may_cross_threads() {
    fn crosses<T: Send>(_: &T) {}
    let context = &subjects()[0].context;
    let words = buffer(context, &[0; 4]);
    crosses(&context.audit(mask(0.1), &[1.0_f32], &[1.0]));
    crosses(&context.audit_buffers(mask(0.1), &words, &words));
    assert!(pollster::block_on(context.audit_buffers(mask(0.1), &words, &words)).unwrap().is_right());
}
