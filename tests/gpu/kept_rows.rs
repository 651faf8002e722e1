//! Lists of kept rows: the reference's, wherever they go, and a dispatch that takes them.

use wgpu_dropout::{
    BufferRange, Context, Dropout, Error, Generator, Key, Mask, Options, RowList, View, reference, wgpu,
};

use crate::adapters::{assert_words, buffer, context_with, device, read, subjects};

const FILL: u32 = 0xdead_beef;

fn mask(p: f64, generator: Generator) -> Mask {
    Dropout::new(p).unwrap().with_generator(generator).mask(Key::new(0x0123_4567_89ab_cdef).with_stream(99))
}

/// Rows that end within a word, a tile of the walk, and a launch.
const COUNTS: [u32; 8] = [0, 1, 31, 33, 1000, 8192, 8193, 40_003];

/// Runs it in buffers with something before, between and after, and compares all of them.
fn check(context: &Context, mask: Mask, rows: u32, each: u32, one_buffer: bool, what: &str) {
    let kept = reference::kept_rows(&mask, rows.into()).unwrap();
    let most = context.device().limits().max_compute_workgroups_per_dimension;
    let arguments = reference::kept_rows_dispatch(kept.len() as u32, each, most).unwrap();
    let rows_at = |first: &[u32]| [first, &kept[..], &vec![FILL; rows as usize - kept.len() + 3]].concat();
    let list_words = rows as usize + 3 + 3;
    if one_buffer {
        let words = buffer(context, &vec![FILL; 5 + list_words]);
        let list = BufferRange::new(&words, (4 + 3) * 4, u64::from(rows) * 4);
        let list = RowList::new(rows, list, BufferRange::new(&words, 4, 16)).with_rows_per_workgroup(each);
        context.submit_kept_rows(mask, list).unwrap();
        let expected = rows_at(&[&[FILL], &arguments[..], &[FILL; 2]].concat());
        let [actual] = read(context, [&words]);
        assert_words(&actual[..expected.len()], &expected, || format!("{what}, one buffer"));
    } else {
        let words = buffer(context, &vec![FILL; 67 + list_words]);
        let others = buffer(context, &[FILL; 9]);
        let list = BufferRange::new(&words, 67 * 4, u64::from(rows) * 4);
        let list = RowList::new(rows, list, BufferRange::new(&others, 12, 16)).with_rows_per_workgroup(each);
        context.submit_kept_rows(mask, list).unwrap();
        let [actual, others] = read(context, [&words, &others]);
        let expected = rows_at(&[FILL; 67]);
        assert_words(&actual[..expected.len()], &expected, || what.to_owned());
        assert_words(&others, &[&[FILL; 3], &arguments[..], &[FILL; 2]].concat(), || format!("{what}, arguments"));
    }
}

#[test]
fn lists_are_the_references() {
    for subject in subjects() {
        for immediates in [true, false] {
            let context = context_with(subject, Options::default().with_immediates(immediates));
            for &generator in Generator::ALL {
                for (p, view) in [
                    (0.1, View::contiguous(0)),
                    (0.5, View::contiguous((1 << 35) - 1000)),
                    (0.97, View::contiguous(13)),
                    (0.3, View::rows(5, 77, 1000).skip(30)),
                    (0.0, View::contiguous(3)),
                    (1.0, View::contiguous(3)),
                ] {
                    for rows in COUNTS {
                        let what = format!("{} {generator} p {p} {view:?} {rows} rows", subject.name);
                        check(&context, mask(p, generator).at(view), rows, 1 + rows / 100, rows % 2 == 1, &what);
                    }
                }
            }
        }
    }
}

/// Longer than a launch, and through slices. 2²² rows a launch.
#[test]
fn launches_go_on_where_the_last_ended() {
    let rows = (1 << 22) + 40;
    for subject in subjects() {
        let mask = mask(0.4, Generator::Threefry).at((1 << 35) - 77);
        check(&subject.context, mask, rows, 1, false, &subject.name);
        let listed = subject.context.kept_rows_blocking(&mask, rows.into()).unwrap();
        assert_words(&listed, &reference::kept_rows(&mask, rows.into()).unwrap(), || subject.name.clone());
    }
}

/// Slices go through buffers that the device can bind, and hold the numbers of all rows.
#[test]
fn slices_are_taken_in_pieces() {
    for subject in subjects() {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffer_binding_size = 1 << 14;
        });
        let context = Context::from_device(device, queue).unwrap();
        for rows in [0, 1, 4092, 4093, 20_011] {
            let mask = mask(0.2, Generator::Philox).at(9);
            let expected = reference::kept_rows(&mask, rows).unwrap();
            assert_words(&context.kept_rows_blocking(&mask, rows).unwrap(), &expected, || subject.name.clone());
            let listed = pollster::block_on(context.kept_rows(&mask, rows)).unwrap();
            assert_words(&listed, &expected, || subject.name.clone());
        }
        let words = buffer(&context, &vec![0; 8192]);
        let list = RowList::new(8000, BufferRange::new(&words, 0, 32_000), BufferRange::new(&words, 32_000, 16));
        let error = context.submit_kept_rows(mask(0.1, Generator::Philox), list).unwrap_err();
        assert!(matches!(error, Error::TooLarge { bytes: 32_000.., limit: 16_384, .. }), "{error}");
    }
}

#[test]
fn every_size_of_workgroup_sums_right() {
    let subject = &subjects()[0];
    for (size, rows) in [(1, 100), (3, 500), (64, 5000), (100, 7000)] {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_compute_invocations_per_workgroup = size;
            descriptor.required_limits.max_compute_workgroup_size_x = size;
        });
        let options = Options::default().with_workgroup_size(size);
        let context = Context::with_options(device, queue, options).unwrap();
        check(&context, mask(0.3, Generator::Threefry).at(3), rows, 2, false, &format!("workgroups of {size}"));
    }
}

/// The key in a buffer, and then a dispatch over what was kept, in one pass and without the host: it adds 1 to each row
/// of a counter.
#[test]
fn a_dispatch_takes_the_arguments() {
    const ROWS: u32 = 3000;
    const EACH: u32 = 64;
    let shader = "
        @group(0) @binding(0) var<storage, read> list: array<u32>;
        @group(0) @binding(1) var<storage, read> arguments: array<u32>;
        @group(0) @binding(2) var<storage, read_write> counts: array<u32>;
        @compute @workgroup_size(64)
        fn main(
            @builtin(workgroup_id) id: vec3<u32>,
            @builtin(num_workgroups) all: vec3<u32>,
            @builtin(local_invocation_index) invocation: u32,
        ) {
            let i = ((id.z * all.y + id.y) * all.x + id.x) * 64u + invocation;
            if i < arguments[3] { counts[list[i]] += 1u; }
        }";
    for subject in subjects() {
        let context = &subject.context;
        let device = context.device();
        let indirect = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 16,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::INDIRECT | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let (list, counts) = (buffer(context, &[0; ROWS as usize]), buffer(context, &[0; ROWS as usize]));
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(shader.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        let entries = [&list, &indirect, &counts];
        let entries = [0, 1, 2]
            .map(|binding| wgpu::BindGroupEntry { binding, resource: entries[binding as usize].as_entire_binding() });
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mask = mask(0.3, Generator::Threefry);
        let keys = buffer(context, &bytemuck::pod_collect_to_vec::<u8, u32>(&mask.key().to_bytes()));
        let key = context.bind_key(&keys).unwrap();
        let rows = RowList::new(ROWS, &list, &indirect).with_rows_per_workgroup(EACH);
        let mut encoder = device.create_command_encoder(&Default::default());
        for _ in 0..2 {
            context.record_kept_rows(&mut encoder, mask.with_key(Key::new(1)).keyed_by(&key), rows).unwrap();
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups_indirect(&indirect, 0);
            drop(pass);
            key.record_advance(&mut encoder, 1).unwrap();
        }
        context.queue().submit([encoder.finish()]);
        let mut expected = vec![0; ROWS as usize];
        for step in [0, 1] {
            let mask = mask.with_key(mask.key().with_step(mask.key().step() + step));
            for row in reference::kept_rows(&mask, ROWS.into()).unwrap() {
                expected[row as usize] += 1;
            }
        }
        let [counts] = read(context, [&counts]);
        assert_words(&counts, &expected, || subject.name.clone());
    }
}

#[test]
fn errors() {
    let context = &subjects()[0].context;
    let (a, b) = (buffer(context, &[0; 64]), buffer(context, &[0; 64]));
    let range = |buffer, offset, size| BufferRange::new(buffer, offset, size);
    let mask = mask(0.1, Generator::Threefry);
    let submit = |rows: RowList<'_>| context.submit_kept_rows(mask, rows).map(drop);
    let says = |result: Result<(), Error>, words: &[&str]| {
        let message = result.unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let arguments = range(&b, 0, 16);
    submit(RowList::new(64, &a, arguments)).unwrap();
    submit(RowList::new(60, range(&a, 0, 240), range(&a, 240, 16))).unwrap();
    submit(RowList::new(0, range(&a, 8, 0), range(&a, 0, 16))).unwrap();
    says(
        submit(RowList::new(64, &a, arguments).with_rows_per_workgroup(0)),
        &["rows per workgroup is 0", "at least 1"],
    );
    says(submit(RowList::new(63, &a, arguments)), &["list", "256 bytes", "4 for each row"]);
    says(submit(RowList::new(64, &a, range(&b, 0, 12))), &["arguments", "12 bytes", "16"]);
    says(submit(RowList::new(63, range(&a, 2, 252), arguments)), &["list", "byte 2", "multiple of 4"]);
    says(submit(RowList::new(64, &a, range(&b, 244, 16))), &["arguments", "244", "reaches past"]);
    says(submit(RowList::new(64, range(&a, 4, 256), arguments)), &["list", "4", "reaches past"]);
    says(submit(RowList::new(61, range(&a, 0, 244), range(&a, 240, 16))), &["arguments", "overlap"]);
    let key = context.bind_key(range(&b, 32, 16)).unwrap();
    let keyed = context.submit_kept_rows(mask.keyed_by(&key), RowList::new(64, &a, arguments));
    says(keyed.map(drop), &["key", "own"]);
    let past = mask.at(u64::MAX);
    says(context.submit_kept_rows(past, RowList::new(64, &a, arguments)).map(drop), &["64", "smaller start"]);
    says(context.kept_rows_blocking(&past, 2).map(drop), &["2 elements", "smaller start"]);
    says(context.kept_rows_blocking(&mask, 1 << 32).map(drop), &["4294967296", "Mask::skip"]);
}
