//! `cargo bench`: dropout and the best copy kernel at 2²⁴ elements under criterion, on the adapter that wgpu picks.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wgpu_dropout::{Dtype, Generator, Options, wgpu};
use wgpu_dropout_bench::{Bench, BoundSubject, Op, Subject, Yardstick, YardstickKind};

const N: u64 = 1 << 24;

fn throughput(criterion: &mut Criterion) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default())).expect("an adapter");
    let bench = Bench::new(&adapter, Options::default()).expect("a device");
    let sets = bench.buffers(Dtype::F32, N);
    let mut group = criterion.benchmark_group(format!("{} 2^24 f32", bench.adapter().name));
    group.sample_size(10).throughput(Throughput::Bytes(N * 8));

    for yardstick in Yardstick::family(bench.context.device(), YardstickKind::Copy) {
        let bind_group = yardstick.bind(bench.context.device(), &sets[0][0], &sets[0][1]);
        group.bench_function(BenchmarkId::from_parameter(&yardstick.name), |bencher| {
            bencher.iter_custom(|iterations| {
                (0..iterations)
                    .map(|_| {
                        let pass = bench.timer.pass(|pass| {
                            yardstick.record(pass, &bind_group, N);
                            Ok(())
                        });
                        Duration::from_secs_f64(pass.expect("a device that answers") * 1e-3)
                    })
                    .sum()
            });
        });
    }
    for op in [Op::Forward, Op::InPlace, Op::Mask].into_iter().chain(Op::FAMILY) {
        let subject = Subject { op, dtype: Dtype::F32, generator: Generator::default(), p: 0.1 };
        let bound = BoundSubject::new(&bench.context, &subject, &sets[0], N).expect("buffers that fit");
        group.throughput(Throughput::Bytes(op.bytes(Dtype::F32, N)));
        group.bench_function(op.name(), |bencher| {
            bencher.iter_custom(|iterations| {
                (0..iterations)
                    .map(|_| {
                        let pass = bench.timer.pass(|pass| bound.record(pass, &subject));
                        Duration::from_secs_f64(pass.expect("a device that answers") * 1e-3)
                    })
                    .sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
