//! One logical tensor on several devices: each shard gets exactly the bits that the whole would have.
use crate::adapters::{Subject, assert_words, bits, device, subjects};
use wgpu_dropout::{Context, Dropout, Generator, Key, Kind, Operation, Slices, View, reference};

/// Four contexts of their own, on two adapters where there are two.
fn four_contexts() -> Vec<(&'static Subject, Context)> {
    (0..4)
        .map(|i| {
            let subject = &subjects()[i % subjects().len()];
            let (device, queue) = device(subject, |_| {});
            (subject, Context::from_device(device, queue).unwrap())
        })
        .collect()
}

/// Rows (data parallel) and columns (tensor parallel) at once, forward and backward, evenly and unevenly.
#[test]
fn a_matrix_split_two_by_two() {
    let contexts = four_contexts();
    if subjects().len() > 1 {
        assert_ne!(contexts[0].0.name, contexts[1].0.name);
    }
    for (rows, columns, row_cut, column_cut) in [(64, 96, 32, 48), (101, 77, 30, 13), (50, 8195, 1, 8194)] {
        for &generator in Generator::ALL {
            let mask = Dropout::new(0.3).unwrap().with_generator(generator).mask(Key::new(8)).at((1 << 35) - 3000);
            let x: Vec<f32> = (0..rows * columns).map(|i| i as f32 + 0.25).collect();
            let whole = reference::forward(&mask, &x).unwrap();
            for backward in [false, true] {
                let mut joined = vec![0.0; rows * columns];
                for (part, (subject, context)) in contexts.iter().enumerate() {
                    let rows = if part / 2 == 0 { 0..row_cut } else { row_cut..rows };
                    let range = if part % 2 == 0 { 0..column_cut } else { column_cut..columns };
                    let shard: Vec<f32> =
                        rows.clone().flat_map(|row| &x[row * columns..][range.clone()]).copied().collect();
                    let start = mask.view().start() + (rows.start * columns + range.start) as u64;
                    let place = mask.at(View::rows(start, range.len() as u64, columns as u64));
                    let y = match backward {
                        false => context.forward_blocking(&place, &shard),
                        true => context.backward_blocking(&place, &shard),
                    }
                    .unwrap_or_else(|error| panic!("{}: {error}", subject.name));
                    for (row, y) in rows.zip(y.chunks(range.len())) {
                        joined[row * columns..][range.clone()].copy_from_slice(y);
                    }
                }
                assert_words(&bits(&joined), &bits(&whole), || format!("{rows} × {columns}, backward: {backward}"));
            }
        }
    }
}

/// Images with a channel mask, split by samples, channels and rows over the contexts, with every kind: a shard has the strides
/// of the whole.
#[test]
fn a_shared_mask_split_over_contexts() {
    let contexts = four_contexts();
    let (shape, shared) = ([5_u64, 7, 6, 11], [2, 3]);
    let row_major = [7 * 6 * 11, 6 * 11, 11, 1];
    let x: Vec<f32> = (0..shape.iter().product::<u64>()).map(|i| i as f32 + 0.25).collect();
    for &generator in Generator::ALL {
        for &kind in Kind::ALL {
            let mask = Dropout::of_kind(kind, 0.4).unwrap().with_generator(generator).mask(Key::new(8));
            let whole_view = View::shared((1 << 35) - 9, &shape, &shared).unwrap();
            for of in [Operation::Forward, Operation::Backward] {
                let whole = reference::run(of(mask.at(whole_view)), &x).unwrap();
                let mut joined = vec![0.0; x.len()];
                // Two parts along each axis but the last: eight shards, of which each context gets two.
                for part in 0..8 {
                    let (subject, context) = &contexts[part % contexts.len()];
                    let cut = |axis: usize, at: u64| if part >> axis & 1 == 0 { 0..at } else { at..shape[axis] };
                    let ranges = [cut(0, 2), cut(1, 3), cut(2, 1), 0..shape[3]];
                    let mut places = vec![];
                    for n in ranges[0].clone() {
                        for c in ranges[1].clone() {
                            for h in ranges[2].clone() {
                                let first = n * row_major[0] + c * row_major[1] + h * row_major[2];
                                places.extend(first..first + shape[3]);
                            }
                        }
                    }
                    let strides = whole_view.strides();
                    let before: u64 = ranges.iter().zip(strides).map(|(range, stride)| range.start * stride).sum();
                    let extents = ranges.map(|range| range.end - range.start);
                    let view = View::strided(whole_view.start() + before, &extents, strides).unwrap();
                    let shard: Vec<f32> = places.iter().map(|&place| x[place as usize]).collect();
                    let y = context.run_blocking(of(mask.at(view)), &shard);
                    let y = y.unwrap_or_else(|error| panic!("{}: {error}", subject.name));
                    for (&place, y) in places.iter().zip(y) {
                        joined[place as usize] = y;
                    }
                }
                assert_words(&bits(&joined), &bits(&whole), || format!("{generator} {kind}"));
            }
        }
    }
}

/// Rows that are gathered by the numbers of samples: shuffled, and dealt out to several contexts, each takes its mask along.
#[test]
fn shuffled_rows_carry_their_masks() {
    const ROWS: u32 = 101;
    const ROW: usize = 37;
    let contexts = four_contexts();
    let numbers: Vec<u32> = (0..ROWS).map(|row| row * 1_000_003).collect();
    // 40 has no common factor with 101.
    let shuffled: Vec<u32> = (0..ROWS).map(|row| numbers[(row * 40 % ROWS) as usize]).collect();
    let sample = |number: u32| (0..ROW).map(move |i| (number % 1000) as f32 + i as f32 / 64.0);
    for &kind in Kind::ALL {
        for shared in [&[][..], &[1]] {
            let mask = Dropout::of_kind(kind, 0.4).unwrap().mask(Key::new(8)).at((1 << 32) - 9);
            let of_rows = |rows: u64| mask.shared(&[rows, ROW as u64], shared).unwrap().gathered().unwrap();
            let x: Vec<f32> = numbers.iter().flat_map(|&number| sample(number)).collect();
            let all = of_rows(ROWS.into());
            let whole = reference::run(Operation::Forward(all), Slices::new(&x).with_row_ids(&numbers)).unwrap();
            for (part, ids) in shuffled.chunks(ROWS as usize / 4).enumerate() {
                let (subject, context) = &contexts[part % contexts.len()];
                let x: Vec<f32> = ids.iter().flat_map(|&number| sample(number)).collect();
                let operation = Operation::Forward(of_rows(ids.len() as u64));
                let y = context.run_blocking(operation, Slices::new(&x).with_row_ids(ids)).unwrap();
                for (y, number) in y.chunks(ROW).zip(ids) {
                    let row = numbers.iter().position(|other| other == number).unwrap();
                    let expected = &whole[row * ROW..][..ROW];
                    assert_words(&bits(y), &bits(expected), || format!("{}: {kind}, sample {number}", subject.name));
                }
            }
        }
    }
}
