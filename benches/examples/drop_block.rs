//! `DropBlock` of a whole batch beside the fastest copy of as many elements, on every adapter: each step alone, and the
//! call.
//!
//!     cargo run --release -p wgpu-dropout-bench --example drop_block [ROUNDS [PART OF AN ADAPTER'S NAME]]

use wgpu_dropout::{
    BlockMask, BlockScaling, BufferRange, DropBlock, Dropout, Key, MaskFormat, Operation, Options, Ranges,
    wgpu::{self, util::DeviceExt},
};
use wgpu_dropout_bench::{Bench, Yardstick, YardstickKind};

const SHAPE: [u64; 4] = [64, 64, 56, 56];
const BLOCK: [u64; 2] = [7, 7];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(15), |rounds| rounds.parse())?;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    for adapter in pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all())) {
        let name = adapter.get_info().name;
        if std::env::args().nth(2).is_some_and(|part| !name.contains(&part)) {
            continue;
        }
        let bench = Bench::new(&adapter, Options::default())?;
        println!("{name}, {:?}", adapter.get_info().backend);
        measure(&bench, rounds)?;
    }
    Ok(())
}

fn measure(bench: &Bench, rounds: usize) -> Result<(), Box<dyn std::error::Error>> {
    let context = &bench.context;
    let device = context.device();
    let mask = |scaling| -> Result<BlockMask, wgpu_dropout::Error> {
        DropBlock::new(0.1, &BLOCK)?.with_scaling(scaling).mask(Key::new(42), &SHAPE)
    };
    let counted = mask(BlockScaling::Count)?;
    let n = counted.elements();
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let buffer = |words: u64| {
        let x: Vec<f32> = (0..words).map(|i| i as f32).collect();
        let contents = bytemuck::cast_slice(&x);
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
    };
    // More than the caches hold, as in the throughput bench.
    let data: Vec<_> = (0..3).map(|_| [buffer(n), buffer(n)]).collect();
    let (packed, scratch) = (buffer(n.div_ceil(32)), buffer(counted.scratch_size() / 4));
    let seeds = SHAPE[0] * SHAPE[1] * (SHAPE[2] - BLOCK[0] + 1) * (SHAPE[3] - BLOCK[1] + 1);
    let seed_mask = Dropout::new(counted.rate())?.mask(Key::new(42));
    let seed_range = BufferRange::new(&packed, 0, MaskFormat::Bits.size(seeds));

    let yardsticks = Yardstick::family(device, YardstickKind::Copy);
    let yardsticks: Vec<_> = yardsticks.iter().filter(|yardstick| yardstick.fits(n)).collect();
    let mut names: Vec<String> = yardsticks.iter().map(|yardstick| yardstick.name.clone()).collect();
    let copies = names.len();
    names.extend(["forward", "seeds", "apply mask", "block mask", "expected", "none", "count"].map(str::to_owned));
    let mut samples = vec![vec![]; names.len()];
    for round in 0..=rounds {
        let [input, output] = &data[round % data.len()];
        for (i, samples) in samples.iter_mut().enumerate() {
            let milliseconds = bench.timer.pass(|pass| {
                if let Some(yardstick) = yardsticks.get(i) {
                    yardstick.record(pass, &yardstick.bind(device, input, output), n);
                    return Ok(());
                }
                match i - copies {
                    0 => context.record_forward(pass, Dropout::new(0.1)?.mask(Key::new(42)), input, output),
                    1 => context.record(
                        pass,
                        Operation::KeepMask(seed_mask),
                        Ranges::mask(seed_range, seeds, MaskFormat::Bits),
                    ),
                    2 => context.record_apply_mask(pass, &packed, 1.5, input, output),
                    3 => context.record_pass(pass, counted.packed_mask(&packed).with_scratch(&scratch)),
                    i => {
                        let scaling = [BlockScaling::Expected, BlockScaling::None, BlockScaling::Count][i - 4];
                        let blocks = mask(scaling)?.forward(input, output);
                        context.record_pass(pass, blocks.with_scratch(&scratch))
                    }
                }
            })?;
            // The first round warms up.
            if round > 0 {
                samples.push(milliseconds);
            }
        }
    }
    // The least and the quartiles: on a busy machine the least says more.
    let quartiles = |samples: &[f64]| {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        [0, 1, 2, 3].map(|quarter| sorted[sorted.len() * quarter / 4])
    };
    let copy = (0..copies).map(|i| quartiles(&samples[i])).min_by(|a, b| a[2].total_cmp(&b[2])).unwrap_or([0.0; 4]);
    let print = |name: &str, [least, first, median, third]: [f64; 4]| {
        let ratios = [least / copy[0], median / copy[2]];
        println!(
            "  {name:12} {median:8.3} ms ({first:.3}–{third:.3}), least {least:.3}, × copy {:.2}, least {:.2}",
            ratios[1], ratios[0]
        );
    };
    print("copy", copy);
    for (name, samples) in names.iter().zip(&samples).skip(copies) {
        print(name, quartiles(samples));
    }
    Ok(())
}
