//! One logical tensor on several devices: each shard gets exactly the bits that the whole would have.
use crate::adapters::{Subject, assert_words, bits, device, subjects};
use wgpu_dropout::{Context, Dropout, Generator, Key, View, reference};

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
