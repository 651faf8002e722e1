//! What must not change a result: repetition, workgroup size, how parameters travel, splits, in place.
use crate::adapters::{assert_words, bits, buffer, context_with, read, subjects};
use wgpu_dropout::{BufferRange, Context, Dropout, Generator, Key, Options, kernels::Schedule, reference};

const LENGTH: usize = 20_011;

fn input() -> Vec<f32> {
    (0..LENGTH).map(|i| (i as f32).sin() * 100.0 + 200.0).collect()
}

fn contexts() -> Vec<(String, Context)> {
    let mut contexts = vec![];
    for subject in subjects() {
        for &schedule in Schedule::ALL {
            for (workgroup_size, immediates) in
                [(1, true), (32, true), (64, true), (64, false), (96, true), (256, false)]
            {
                let options = Options::default()
                    .with_workgroup_size(workgroup_size)
                    .with_immediates(immediates)
                    .with_schedule(schedule);
                contexts.push((format!("{} {options:?}", subject.name), context_with(subject, options)));
            }
        }
    }
    contexts
}

#[test]
fn workgroup_size_schedule_and_parameter_path_do_not_matter() {
    let x = input();
    for &generator in Generator::ALL {
        let mask = Dropout::new(0.3).unwrap().with_generator(generator).mask(Key::new(5)).at(77);
        let expected = bits(&reference::forward(&mask, &x).unwrap());
        for (name, context) in contexts() {
            assert_words(&bits(&context.forward_blocking(&mask, &x).unwrap()), &expected, || name.clone());
            let words = context.keep_mask_blocking(&mask, LENGTH as u64).unwrap();
            assert_words(&words, &reference::keep_mask(&mask, LENGTH as u64).unwrap(), || name);
        }
    }
}

#[test]
fn the_uniform_path_is_really_taken() {
    for subject in subjects() {
        let context = context_with(subject, Options::default().with_immediates(false));
        assert!(!context.uses_immediates());
    }
}

#[test]
fn the_same_key_gives_the_same_mask_and_another_key_another() {
    for subject in subjects() {
        let words = |key| subject.context.keep_mask_blocking(&Dropout::new(0.5).unwrap().mask(key), 4096).unwrap();
        let key = Key::new(9).with_layer(1).with_step(2);
        assert_eq!(words(key), words(key));
        for other in [
            Key::new(8).with_layer(1).with_step(2),
            key.with_layer(2),
            key.with_step(3),
            key.with_sample(1),
            Key::new(9),
        ] {
            assert_ne!(words(key), words(other), "{other:?}");
        }
    }
}

#[test]
fn chunks_at_odd_places_equal_the_whole() {
    let x = input();
    let dropout = Dropout::new(0.4).unwrap();
    for subject in subjects() {
        for &generator in Generator::ALL {
            let mask = dropout.with_generator(generator).mask(Key::new(3)).at((1 << 32) - 5000);
            let whole = subject.context.forward_blocking(&mask, &x).unwrap();
            let mut joined = vec![];
            let mut rest = &x[..];
            for length in [1, 7, 8, 2049, 31, 4096, 5000, 64, LENGTH] {
                let (chunk, after) = rest.split_at(length.min(rest.len()));
                let part = mask.skip(joined.len() as u64);
                joined.extend(subject.context.forward_blocking(&part, chunk).unwrap());
                rest = after;
            }
            assert_words(&bits(&joined), &bits(&whole), || subject.name.clone());
        }
    }
}

/// Chunks recorded with one pair of buffers at their own offsets, so that odd offsets and odd starts meet.
#[test]
fn chunks_of_one_buffer_equal_the_whole() {
    let x = input();
    let mask = Dropout::new(0.4).unwrap().mask(Key::new(3)).at(3);
    let expected = bits(&reference::forward(&mask, &x).unwrap());
    for subject in subjects() {
        let data = buffer(&subject.context, &bits(&x));
        let mut first = 0;
        for length in [5, 100, 4096, 9001, LENGTH - 13_202] {
            let range = BufferRange::new(&data, first * 4, length as u64 * 4);
            subject.context.submit_forward(mask.skip(first), range, range).unwrap();
            first += length as u64;
        }
        assert_eq!(first, LENGTH as u64);
        assert_words(&read(&subject.context, [&data])[0], &expected, || subject.name.clone());
    }
}

/// Backward is the gradient of forward, which is linear: as (forward(x + h·e) − forward(x)) / h says it, and by the exported
/// mask, element by element, with arithmetic of this test's own.
#[test]
fn backward_is_the_gradient_of_forward() {
    let dropout = Dropout::new(0.35).unwrap();
    for subject in subjects() {
        for &generator in Generator::ALL {
            let mask = dropout.with_generator(generator).mask(Key::new(1));
            let x = input();
            let dy: Vec<f32> = (0..LENGTH).map(|i| (i % 17) as f32 - 8.0).collect();
            let dx = subject.context.backward_blocking(&mask, &dy).unwrap();
            let keep = subject.context.keep_mask_blocking(&mask, LENGTH as u64).unwrap();
            let later: Vec<f32> = x.iter().map(|x| x + 1.0).collect();
            let [y, y_later] = [&x, &later].map(|x| subject.context.forward_blocking(&mask, x).unwrap());
            for i in 0..LENGTH {
                let kept = keep[i / 32] >> (i % 32) & 1 == 1;
                let expected = if kept { dy[i] * dropout.scale() } else { 0.0 };
                assert_eq!(dx[i], expected, "{} element {i}", subject.name);
                let slope = (y_later[i] - y[i]) / (later[i] - x[i]);
                assert!((slope * dy[i] - dx[i]).abs() < 1e-3 * dx[i].abs() + 1e-6, "{} element {i}", subject.name);
            }
        }
    }
}

#[test]
fn masks_shrink_as_p_grows() {
    for subject in subjects() {
        for &generator in Generator::ALL {
            let mut larger = vec![u32::MAX; 3125];
            let mut kept = 100_001;
            for p in [0.0, 1e-6, 0.1, 0.25, 0.5, 0.500_01, 0.9, 0.999_999, 1.0] {
                let mask = Dropout::new(p).unwrap().with_generator(generator).mask(Key::new(6));
                let words = subject.context.keep_mask_blocking(&mask, 100_000).unwrap();
                assert!(words.iter().zip(&larger).all(|(now, before)| now & !before == 0), "{} {p}", subject.name);
                let count: u32 = words.iter().map(|word| word.count_ones()).sum();
                assert!(count <= kept);
                (larger, kept) = (words, count);
            }
            assert_eq!(kept, 0);
        }
    }
}
