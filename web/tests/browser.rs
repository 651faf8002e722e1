//! The library in a browser, against the CPU reference. scripts/test-web.sh runs this in headless Chromium.
#![cfg(target_arch = "wasm32")]

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use futures_channel::oneshot;
use half::{bf16, f16};
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};
use wgpu_dropout::{
    BlockCounter, BufferRange, Context, Dropout, Dtype, Element, Error, Generator, Key, Kind, Mask, MaskFormat,
    Operation, Options, Ranges, Slices, View, reference, requirements,
    wgpu::{
        self, BufferUsages, DeviceDescriptor, ErrorFilter, Instance, InstanceDescriptor, Limits, MapMode,
        RequestAdapterOptions,
    },
};

wasm_bindgen_test_configure!(run_in_browser);

const KEY: Key = Key { seed: 0x0123_4567_89ab_cdef, stream: 0xfedc_ba98_7654_3210 };

/// What output bytes hold before a run.
const POISON: u8 = 0xd5;

/// A missing adapter fails every test: they all begin here.
async fn adapter() -> wgpu::Adapter {
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle());
    let adapter = instance.request_adapter(&RequestAdapterOptions::default()).await;
    adapter.expect("an adapter: headless Chromium has one with --enable-unsafe-webgpu (web/webdriver.json)")
}

async fn open(label: &str, limits: Limits) -> Context {
    let descriptor = DeviceDescriptor { label: Some(label), required_limits: limits, ..Default::default() };
    let (device, queue) = adapter().await.request_device(&descriptor).await.expect("a device");
    Context::from_device(device, queue).expect("a context")
}

async fn context() -> Context {
    context_on("test").await
}

/// On a device of this name.
async fn context_on(label: &str) -> Context {
    let limits = requirements(&adapter().await).limits;
    open(label, limits).await
}

/// Runs `work` and asserts that the device had nothing to say about it: calls that do not wait cannot return that.
async fn without_errors<T>(context: &Context, work: impl Future<Output = T>) -> T {
    let validation = context.device().push_error_scope(ErrorFilter::Validation);
    let memory = context.device().push_error_scope(ErrorFilter::OutOfMemory);
    let value = work.await;
    for scope in [memory, validation] {
        let error = scope.pop().await;
        assert!(error.is_none(), "{}", error.unwrap());
    }
    value
}

fn mask(p: f64) -> Mask {
    Dropout::new(p).unwrap().mask(KEY)
}

/// Normal numbers of both signs, and their narrow forms: subnormals may be flushed.
fn values<T: Element>(length: usize) -> Vec<T> {
    (0..length).map(|i| T::narrow((i % 251) as f32 * 0.37 - 46.1)).collect()
}

#[track_caller]
fn assert_same<T: bytemuck::Pod + PartialEq + std::fmt::Debug>(actual: &[T], expected: &[T], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let bytes = |value: &T| bytemuck::bytes_of(value).to_vec();
    if let Some(i) = (0..actual.len()).find(|&i| bytes(&actual[i]) != bytes(&expected[i])) {
        panic!("{what}: element {i}: expected {:?}, actual {:?}", expected[i], actual[i]);
    }
}

fn buffer(context: &Context, bytes: &[u8]) -> wgpu::Buffer {
    let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("test"),
        size: bytes.len() as u64,
        usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    context.queue().write_buffer(&buffer, 0, bytes);
    buffer
}

async fn read(context: &Context, buffer: &wgpu::Buffer, offset: u64, size: u64) -> Vec<u8> {
    let staging = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("read-back"),
        size,
        usage: BufferUsages::COPY_DST | BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = context.device().create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, size);
    context.queue().submit([encoder.finish()]);
    let (sender, receiver) = oneshot::channel();
    staging.map_async(MapMode::Read, .., move |result| sender.send(result).expect("someone waits"));
    receiver.await.expect("a call back").expect("mapped");
    staging.get_mapped_range(..).expect("mapped").to_vec()
}

#[wasm_bindgen_test]
async fn there_is_an_adapter_and_the_library_opens_it() {
    let adapter = adapter().await;
    console_log!("{:?}\n{:?}", adapter.get_info(), requirements(&adapter).limits);
    let context = Context::new().await.unwrap();
    assert_eq!(context.adapter_info().backend, wgpu::Backend::BrowserWebGpu);
    assert!(!context.uses_immediates(), "browsers have none: this tests the parameters in uniform buffers");
}

#[wasm_bindgen_test]
async fn generators_give_the_published_answers() {
    // Random123's: counter and key all zeros, all ones.
    let context = context().await;
    let ones = BlockCounter { seed: [!0; 2], stream: [!0; 2], group: [!0; 2], part: !0, domain: !0 };
    let counters = [BlockCounter::default(), ones];
    let blocks = without_errors(&context, context.random_blocks(Generator::Threefry, &counters)).await.unwrap();
    let expected =
        [[0x9c6c_a96a, 0xe17e_ae66, 0xfc10_ecd4, 0x5256_a7d8], [0x2a88_1696, 0x5701_2287, 0xf6c7_446e, 0xa16a_6732]];
    assert_eq!(blocks, expected);
}

#[wasm_bindgen_test]
async fn masks_equal_the_reference() {
    let context = context().await;
    for &generator in Generator::ALL {
        for (p, start, length) in [
            (0.1, 0, 1),
            (0.1, 5, 31),
            (0.5, 0, 32),
            (0.9, (1 << 32) - 3, 2049),
            (0.1, (1 << 35) - 8, 65_537),
            (0.0, 0, 100),
            (1.0, 0, 100),
        ] {
            let mask = Dropout::new(p).unwrap().with_generator(generator).mask(KEY).at(start);
            let words = without_errors(&context, context.keep_mask(&mask, length)).await.unwrap();
            let what = format!("{generator}, p {p}, start {start}, {length} elements");
            assert_same(&words, &reference::keep_mask(&mask, length).unwrap(), &what);
        }
    }
}

#[wasm_bindgen_test]
async fn forward_and_backward_equal_the_reference_for_every_type() {
    async fn check<T: Element + PartialEq + std::fmt::Debug>(context: &Context) {
        for length in [1, 2, 7, 33, 2048, 4099] {
            for start in [0, 3] {
                let (mask, x) = (mask(0.1).at(start), values::<T>(length));
                let what = format!("{}, {length} elements from {start}", T::DTYPE);
                let y = without_errors(context, context.forward(&mask, &x)).await.unwrap();
                assert_same(&y, &reference::forward(&mask, &x).unwrap(), &what);
                let dx = without_errors(context, context.backward(&mask, &x)).await.unwrap();
                assert_same(&dx, &reference::backward(&mask, &x).unwrap(), &what);
            }
        }
    }
    let context = context().await;
    check::<f32>(&context).await;
    check::<f16>(&context).await;
    check::<bf16>(&context).await;
}

#[wasm_bindgen_test]
async fn long_slices_equal_the_reference() {
    let context = context().await;
    let (mask, x) = (mask(0.5).at((1 << 32) - 5), values::<f32>((1 << 22) + 17));
    let y = without_errors(&context, context.forward(&mask, &x)).await.unwrap();
    assert_same(&y, &reference::forward(&mask, &x).unwrap(), "2^22 + 17 elements");
}

#[wasm_bindgen_test]
async fn views_of_rows_get_the_bits_of_the_whole() {
    let context = context().await;
    let (rows, columns) = (33, 100);
    let whole = reference::forward(&mask(0.3), &vec![1.0_f32; rows * columns]).unwrap();
    // The columns 37 to 99.
    let width = columns - 37;
    let view = View::rows(37, width as u64, columns as u64);
    let ones = vec![1.0_f32; rows * width];
    let part = without_errors(&context, context.forward(&mask(0.3).at(view), &ones)).await.unwrap();
    let expected: Vec<f32> = (0..rows * width).map(|i| whole[i / width * columns + 37 + i % width]).collect();
    assert_same(&part, &expected, "columns of a matrix");
}

/// Both ways, against the reference; `ids` of a gathered mask.
async fn check_run<T: Element + PartialEq + std::fmt::Debug>(
    context: &Context,
    mask: &Mask,
    ids: Option<&[u32]>,
    x: &[T],
) {
    for operation in [Operation::Forward(*mask), Operation::Backward(*mask)] {
        let slices = ids.iter().fold(Slices::new(x), |slices, ids| slices.with_row_ids(ids));
        let y = without_errors(context, context.run(operation, slices)).await.unwrap();
        assert_same(&y, &reference::run(operation, slices).unwrap(), &format!("{}, {operation:?}", T::DTYPE));
    }
}

#[wasm_bindgen_test]
async fn every_kind_equals_the_reference_for_every_type() {
    let context = context().await;
    for &kind in Kind::ALL {
        for training in [true, false] {
            let dropout = Dropout::of_kind(kind, 0.3).unwrap().with_training(training);
            for &generator in Generator::ALL {
                let mask = dropout.with_generator(generator).mask(KEY).at((1 << 34) - 5);
                check_run(&context, &mask, None, &values::<f32>(1003)).await;
            }
            check_run(&context, &dropout.mask(KEY), None, &values::<f16>(517)).await;
            check_run(&context, &dropout.mask(KEY), None, &values::<bf16>(517)).await;
        }
    }
    // Everything is dropped, to +0.
    for kind in [Kind::Standard, Kind::Alpha] {
        for training in [true, false] {
            let mask = Dropout::of_kind(kind, 1.0).unwrap().with_training(training).mask(KEY);
            check_run(&context, &mask, None, &[-0.0_f32, 1.5, -2.0]).await;
        }
    }
}

#[wasm_bindgen_test]
async fn shared_masks_equal_the_reference() {
    let context = context().await;
    let shapes: [(&[u64], &[usize]); 9] = [
        (&[7, 3, 32, 32], &[2, 3]),
        (&[7, 3, 32, 32], &[1]),
        (&[2, 3, 5, 7], &[1, 3]),
        (&[2, 3, 5, 7, 2], &[0, 2, 4]),
        (&[4, 9, 33], &[0]),
        (&[6, 1000], &[1]),
        // One decision for all, with a last word that is not full.
        (&[6, 40], &[0, 1]),
        (&[37], &[0]),
        (&[7], &[]),
    ];
    for (shape, axes) in shapes {
        let length: u64 = shape.iter().product();
        for start in [0, (1 << 33) + 5] {
            let shared = |dropout: Dropout| dropout.mask(KEY).at(start).shared(shape, axes).unwrap();
            let mask = shared(Dropout::new(0.4).unwrap());
            let words = without_errors(&context, context.keep_mask(&mask, length)).await.unwrap();
            let expected = reference::keep_mask(&mask, length).unwrap();
            assert_same(&words, &expected, &format!("{shape:?} shared along {axes:?} from {start}"));
            check_run(&context, &mask, None, &values::<f32>(length as usize)).await;
            check_run(&context, &shared(Dropout::alpha(0.4).unwrap()), None, &values::<f32>(length as usize)).await;
            check_run(&context, &shared(Dropout::gaussian(0.4).unwrap()), None, &values::<f32>(length as usize)).await;
        }
    }
}

#[wasm_bindgen_test]
async fn strided_and_gathered_masks_equal_the_reference() {
    let context = context().await;
    let x = values::<f32>(5 * 12);
    let strided = View::strided(9, &[5, 12], &[100, 3]).unwrap();
    for dropout in [Dropout::new(0.4).unwrap(), Dropout::gaussian(0.4).unwrap()] {
        check_run(&context, &dropout.mask(KEY).at(strided), None, &x).await;
        let ids = [7, 0, 7, u32::MAX, 4_000_000_000];
        for axes in [&[][..], &[1]] {
            let mask = dropout.mask(KEY).at(13).shared(&[5, 12], axes).unwrap().gathered().unwrap();
            check_run(&context, &mask, Some(&ids), &x).await;
            if dropout.kind() != Kind::Gaussian {
                let call = context.gathered_keep_mask(&mask, 60, &ids);
                let words = without_errors(&context, call).await.unwrap();
                assert_same(&words, &reference::gathered_keep_mask(&mask, 60, &ids).unwrap(), "gathered mask");
            }
        }
    }
    assert!(matches!(context.keep_mask(&Dropout::gaussian(0.4).unwrap().mask(KEY), 8).await, Err(Error::NoMask)));
}

#[wasm_bindgen_test]
async fn normals_equal_the_reference() {
    let context = context().await;
    for &generator in Generator::ALL {
        for (start, count) in [(0, 1), (3, 4099), ((1 << 34) - 6, 1000)] {
            let call = context.normals(generator, KEY, start, count);
            let normals = without_errors(&context, call).await.unwrap();
            let expected = reference::normals(generator, KEY, start, count).unwrap();
            assert_same(&normals, &expected, &format!("{generator}, {count} normals from {start}"));
        }
    }
}

#[wasm_bindgen_test]
async fn a_selection_equals_the_reference() {
    let context = context().await;
    let (x, other) = (values::<f32>(1003), vec![-7.5_f32; 1003]);
    let slices = Slices::new(&x).with_other(&other);
    let operation = Operation::Select(mask(0.4).at(5));
    let y = without_errors(&context, context.run(operation, slices)).await.unwrap();
    assert_same(&y, &reference::run(operation, slices).unwrap(), "selection");
}

/// From `input` to `output`, byte ranges of one buffer of the given size: everything else stays as it was.
async fn check_two_ranges(context: &Context, size: u64, dtype: Dtype, [input, output]: [u64; 2], bytes: u64) {
    let what = format!("{dtype}, {bytes} bytes from {input} to {output}");
    let mask = mask(0.1);
    let (x, expected): (Vec<u8>, Vec<u8>) = match dtype {
        Dtype::F32 => both::<f32>(&mask, bytes),
        Dtype::F16 => both::<f16>(&mask, bytes),
        Dtype::Bf16 => both::<bf16>(&mask, bytes),
        other => unreachable!("{other} is new: test it here"),
    };
    let mut contents = vec![POISON; size as usize];
    contents[input as usize..][..bytes as usize].copy_from_slice(&x);
    let actual = without_errors(context, async {
        let buffer = buffer(context, &contents);
        let range = |offset| BufferRange::new(&buffer, offset, bytes).with_dtype(dtype);
        context.submit_forward(mask, range(input), range(output)).unwrap();
        let actual = read(context, &buffer, 0, size).await;
        buffer.destroy();
        actual
    })
    .await;
    contents[output as usize..][..bytes as usize].copy_from_slice(&expected);
    // Not assert_same: these may be large.
    assert!(actual == contents, "{what}: first at byte {:?}", actual.iter().zip(&contents).position(|(a, b)| a != b));
}

/// Some values and what becomes of them, as bytes.
fn both<T: Element>(mask: &Mask, bytes: u64) -> (Vec<u8>, Vec<u8>) {
    let x = values::<T>((bytes / T::DTYPE.size()) as usize);
    let y = reference::forward(mask, &x).unwrap();
    (bytemuck::cast_slice(&x).to_vec(), bytemuck::cast_slice(&y).to_vec())
}

/// Browsers refuse two writable bindings that overlap ("Writable storage buffer binding aliasing"), and bindings start
/// at multiples of 256 bytes: so these ranges must share one binding.
#[wasm_bindgen_test]
async fn near_ranges_of_one_buffer() {
    let context = context().await;
    for &dtype in Dtype::ALL {
        for places in [[64, 192], [192, 64], [260, 388], [4, 132]] {
            check_two_ranges(&context, 1024, dtype, places, 128).await;
        }
        check_two_ranges(&context, 32_800, dtype, [16, 16_400], 16_384).await;
    }
}

#[wasm_bindgen_test]
async fn in_place_ranges() {
    let context = context().await;
    for &dtype in Dtype::ALL {
        check_two_ranges(&context, 32_768, dtype, [260, 260], 16_388).await;
    }
}

/// Further apart than one binding reaches, so that there are two.
#[wasm_bindgen_test]
async fn far_ranges_of_one_buffer() {
    let context = open("test", Limits::default()).await;
    let binding = context.device().limits().max_storage_buffer_binding_size;
    assert_eq!(binding, 128 << 20, "the default, which was asked for");
    let size = binding + (1 << 20);
    check_two_ranges(&context, size, Dtype::F32, [68, size - 40_000], 36_000).await;
}

#[wasm_bindgen_test]
async fn a_range_larger_than_a_binding_goes_through_in_pieces() {
    let context = open("test", Limits::default()).await;
    let size = context.device().limits().max_storage_buffer_binding_size + (1 << 20);
    let mask = mask(0.1);
    without_errors(&context, async {
        let contents = vec![1.0_f32; (size / 4) as usize];
        let buffer = buffer(&context, bytemuck::cast_slice(&contents));
        context.submit_forward(mask, &buffer, &buffer).unwrap();
        // The beginning, the seam and the end.
        for offset in [0, size - (2 << 20), size - (1 << 20)] {
            let bytes = read(&context, &buffer, offset, 1 << 20).await;
            let expected = reference::forward(&mask.skip(offset / 4), &contents[..1 << 18]).unwrap();
            assert_same(bytemuck::cast_slice(&bytes), &expected, &format!("from byte {offset} on"));
        }
        buffer.destroy();
    })
    .await;
}

/// More calls than a chunk of parameters holds, in encoders that are submitted in another order, some not at all.
#[wasm_bindgen_test]
async fn parameters_stay_with_their_calls() {
    const CALLS: u64 = 700;
    let context = context().await;
    without_errors(&context, async {
        let output = buffer(&context, &[POISON; CALLS as usize * 4]);
        let mut commands = vec![];
        for call in 0..CALLS {
            let mut encoder = context.device().create_command_encoder(&Default::default());
            let word = BufferRange::new(&output, call * 4, 4);
            context.record_keep_mask(&mut encoder, mask(0.5).at(call * 32), word, 32, MaskFormat::Bits).unwrap();
            // Every seventh is dropped, and recorded again.
            if call % 7 == 0 {
                let mut encoder = context.device().create_command_encoder(&Default::default());
                context.record_keep_mask(&mut encoder, mask(0.5).at(call * 32), word, 32, MaskFormat::Bits).unwrap();
                commands.push(encoder.finish());
            } else {
                commands.push(encoder.finish());
            }
        }
        context.queue().submit(commands.into_iter().rev());
        let bytes = read(&context, &output, 0, CALLS * 4).await;
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
        assert_same(&words, &reference::keep_mask(&mask(0.5), CALLS * 32).unwrap(), "words of many calls");
    })
    .await;
}

/// Bound once, and recorded into one pass, each call on what the calls before it have left.
#[wasm_bindgen_test]
async fn bound_ranges_are_recorded_with_many_keys() {
    const N: u64 = 1000;
    let context = context().await;
    let x = values::<f32>(N as usize);
    let masks = [0, 1, 2, 3].map(|step| Dropout::new(0.1).unwrap().mask(KEY.with_step(step)));
    let last = mask(0.5).at(7);
    let bytes = without_errors(&context, async {
        let data = buffer(&context, bytemuck::cast_slice(&x));
        let words = buffer(&context, &vec![POISON; MaskFormat::Bits.size(N) as usize]);
        let in_place = context.bind(Ranges::new(&data, &data)).unwrap();
        let keep = context.bind(Ranges::mask(&words, N, MaskFormat::Bits)).unwrap();
        let apply = context.bind(Ranges::new(&data, &data).with_packed_mask(&words)).unwrap();
        let mut encoder = context.device().create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for mask in masks {
                in_place.record_forward(&mut pass, mask).unwrap();
            }
            keep.record_keep_mask(&mut pass, last).unwrap();
            apply.record(&mut pass, Operation::ApplyMask { scale: last.scale() }).unwrap();
        }
        context.queue().submit([encoder.finish()]);
        read(&context, &data, 0, 4 * N).await
    })
    .await;
    let expected = masks.iter().chain([&last]).fold(x, |x, mask| reference::forward(mask, &x).unwrap());
    assert_same(bytemuck::cast_slice(&bytes), &expected, "six calls");
}

#[wasm_bindgen_test]
async fn wrong_calls_are_errors_of_the_call() {
    let context = context().await;
    let buffer = buffer(&context, &[0; 64]);
    let range = |offset, size| BufferRange::new(&buffer, offset, size);
    let submit = |input, output| context.submit_forward(mask(0.1), input, output);
    assert!(matches!(submit(range(0, 32), range(16, 32)), Err(Error::Overlap { .. })));
    assert!(matches!(submit(range(0, 32), range(48, 32)), Err(Error::OutOfBounds { .. })));
    assert!(matches!(submit(range(2, 32), range(32, 32)), Err(Error::Alignment { .. })));
    let past_the_end = mask(0.1).at(u64::MAX);
    assert!(matches!(context.forward(&past_the_end, &[1.0; 2]).await, Err(Error::IndexRange { .. })));
}

thread_local! {
    static REPORTED: RefCell<Vec<String>> = const { RefCell::new(vec![]) };
}

/// Collects what reaches the device's handler of uncaptured errors, from now on.
fn listen(context: &Context) {
    REPORTED.take();
    context.device().on_uncaptured_error(Arc::new(|error: wgpu::Error| {
        REPORTED.with_borrow_mut(|reported| reported.push(error.to_string()));
    }));
}

/// Waits until the handler has heard of an error with this text.
async fn heard(text: &str) {
    // Results and answers of error scopes can overtake it.
    while !REPORTED.take().iter().any(|error| error.contains(text)) {
        pause(10.0).await;
    }
}

/// Asserts that the handler has heard nothing.
async fn heard_nothing(context: &Context) {
    read(context, &buffer(context, &[0; 4]), 0, 4).await;
    pause(200.0).await;
    assert_eq!(REPORTED.take(), Vec::<String>::new());
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, milliseconds: f64);
}

async fn pause(milliseconds: f64) {
    let pause = Promise::new(&mut |resolve, _| set_timeout(&resolve, milliseconds));
    JsFuture::from(pause).await.expect("a timer");
}

/// Fails where `work` is never done, with more than a test that hangs would say.
async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    let (mut work, mut minute) = (pin!(work), pin!(pause(60_000.0)));
    poll_fn(|context| {
        let done = work.as_mut().poll(context);
        assert!(done.is_ready() || minute.as_mut().poll(context).is_pending(), "{what}: not within a minute");
        done
    })
    .await
}

/// Calls that do not wait leave what the device refuses to its handler.
#[wasm_bindgen_test]
async fn errors_of_submissions_reach_the_handler_of_the_device() {
    let context = context().await;
    listen(&context);
    let buffer = buffer(&context, &[0; 64]);
    buffer.destroy();
    context.submit_forward(mask(0.1), &buffer, &buffer).expect("the call knows nothing of it");
    soon("the error", heard("destroyed")).await;
    // It was not the fault of any other call.
    context.keep_mask(&mask(0.1), 32).await.unwrap();
}

/// A context on the device of another, with a mistake in every kernel that has this text.
fn with_mistake(context: &Context, text: &'static str, other: &'static str) -> Context {
    let options = Options::default().with_replaced_text(text, other);
    Context::with_options(context.device().clone(), context.queue().clone(), options).expect("a kernel has the text")
}

/// What dropout does to an element, and something that does not compile.
const SCALING: [&str; 2] = ["return x * constant_scale();", "return y;"];

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, call: &str) {
    assert!(matches!(result, Err(Error::Device { .. })), "{call}: {result:?}");
}

/// Has the browser run `code` before a method of every device with this label. That stays, and no other device notices.
fn meddle(label: &str, method: &str, code: &str) {
    js_sys::eval(&format!(
        "{{
            const real = GPUDevice.prototype.{method};
            GPUDevice.prototype.{method} = function (descriptor) {{
                if (this.label === '{label}') {{
                    {code}
                }}
                return real.call(this, descriptor);
            }};
        }}"
    ))
    .expect("the browser has the method");
}

#[wasm_bindgen_test]
async fn a_refused_pipeline_is_an_error_of_the_call_each_time() {
    meddle("counts pipelines", "createComputePipeline", "globalThis.pipelines = (globalThis.pipelines ?? 0) + 1;");
    let built = || js_sys::eval("globalThis.pipelines ?? 0").unwrap().as_f64().unwrap();
    let context = context_on("counts pipelines").await;
    listen(&context);
    let broken = with_mistake(&context, SCALING[0], SCALING[1]);
    let x = values::<f32>(100);
    for time in ["first", "second"] {
        let before = built();
        // With the browser's words about the text.
        let refused = broken.forward(&mask(0.1), &x).await;
        assert!(matches!(refused, Err(Error::Device { what: "compute pipeline", .. })), "{time}: {refused:?}");
        // A call with the pipeline of the first one would fail too, and so would every call after it.
        assert!(built() > before, "{time}: it was built anew");
    }
    // The kernels without the mistake, and the device, are none the worse.
    let words = broken.keep_mask(&mask(0.1), 100).await.unwrap();
    assert_same(&words, &reference::keep_mask(&mask(0.1), 100).unwrap(), "mask");
    let y = context.forward(&mask(0.1), &x).await.unwrap();
    assert_same(&y, &reference::forward(&mask(0.1), &x).unwrap(), "forward without the mistake");
    let before = built();
    context.forward(&mask(0.1), &x).await.unwrap();
    assert_eq!(built(), before, "a good pipeline is built once");
    heard_nothing(&context).await;
}

#[wasm_bindgen_test]
async fn every_call_that_waits_returns_what_the_browser_refuses() {
    let context = context().await;
    listen(&context);
    let broken = with_mistake(&context, "fn main(", "fn other(");
    let (mask, x, words) = (mask(0.1), values::<f32>(100), [!0; 4]);
    assert_refused(broken.forward(&mask, &x).await, "forward");
    assert_refused(broken.forward(&mask, &values::<f16>(100)).await, "forward of f16");
    assert_refused(broken.backward(&mask, &x).await, "backward");
    assert_refused(broken.keep_mask(&mask, 100).await, "keep_mask");
    assert_refused(broken.apply_mask(&words, 2.0, &x).await, "apply_mask");
    let slices = Slices::new(&x).with_packed_mask(&words);
    assert_refused(broken.run(Operation::ApplyMask { scale: 2.0 }, slices).await, "run");
    let counters = [BlockCounter::default()];
    assert_refused(broken.random_blocks(Generator::Threefry, &counters).await, "random_blocks");
    heard_nothing(&context).await;
}

/// A call that does not wait is over when the browser says so.
#[wasm_bindgen_test]
async fn a_refused_pipeline_is_an_error_of_the_next_call_that_needs_it() {
    let context = context().await;
    listen(&context);
    let broken = with_mistake(&context, SCALING[0], SCALING[1]);
    let data = buffer(&context, &[0; 400]);
    let submit = || broken.submit_forward(mask(0.1), &data, &data);
    for time in ["first", "second"] {
        submit().expect("nobody knows yet");
        soon("the error", heard("Invalid ComputePipeline")).await;
        // Not of one that does not.
        broken.keep_mask(&mask(0.1), 100).await.unwrap();
        // Once: then it is built anew.
        let refused = submit();
        assert!(matches!(refused, Err(Error::Device { what: "compute pipeline", .. })), "{time}: {refused:?}");
    }
    submit().expect("nobody knows yet");
    assert_refused(broken.forward(&mask(0.1), &values::<f32>(100)).await, "a call that waits");
}

#[wasm_bindgen_test]
async fn calls_on_a_destroyed_device_are_errors() {
    async fn check(context: &Context, is_expected: impl Fn(&Error) -> bool) {
        let (mask, x) = (mask(0.1), values::<f32>(100));
        let check = |result: Result<(), Error>, call: &str| match result {
            Err(error) if is_expected(&error) => {}
            other => panic!("{call}: {other:?}"),
        };
        // With a pipeline that is there, and with those that are not.
        for x in [&x[..], &x[..1]] {
            check(soon("forward", context.forward(&mask, x)).await.map(drop), "forward");
        }
        check(soon("backward", context.backward(&mask, &x)).await.map(drop), "backward");
        check(soon("keep_mask", context.keep_mask(&mask, 100)).await.map(drop), "keep_mask");
        check(soon("apply_mask", context.apply_mask(&[!0; 4], 2.0, &x)).await.map(drop), "apply_mask");
        let counters = [BlockCounter::default()];
        let blocks = soon("random_blocks", context.random_blocks(Generator::Philox, &counters)).await;
        check(blocks.map(drop), "random_blocks");
    }
    let context = context().await;
    listen(&context);
    context.forward(&mask(0.1), &values::<f32>(100)).await.unwrap();
    context.device().destroy();
    check(&context, |error| matches!(error, Error::Device { .. })).await;
    pause(200.0).await;
    assert_eq!(REPORTED.take(), Vec::<String>::new());
    // The library watches a device that it opened.
    let context = Context::new().await.unwrap();
    context.forward(&mask(0.1), &values::<f32>(100)).await.unwrap();
    context.device().destroy();
    check(&context, |error| matches!(error, Error::DeviceLost { .. })).await;
}

#[wasm_bindgen_test]
async fn a_call_under_way_when_its_device_is_destroyed_is_an_error() {
    let context = context().await;
    let (mask, x) = (mask(0.1), values::<f32>(1 << 20));
    let mut call = pin!(context.forward(&mask, &x));
    let submitted = poll_fn(|waker| Poll::Ready(call.as_mut().poll(waker).is_pending())).await;
    assert!(submitted, "it waits for the device");
    context.device().destroy();
    assert_refused(soon("forward", call).await, "forward");
}

/// Each call in turn, until all have ended.
async fn together<T>(calls: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut calls: Vec<_> = calls.into_iter().map(|call| (Some(call), None)).collect();
    poll_fn(|context| {
        for (call, result) in &mut calls {
            if let Some(Poll::Ready(value)) = call.as_mut().map(|call| call.as_mut().poll(context)) {
                (*call, *result) = (None, Some(value));
            }
        }
        if calls.iter().all(|(call, _)| call.is_none()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    calls.into_iter().filter_map(|(_, result)| result).collect()
}

#[wasm_bindgen_test]
async fn calls_at_once_get_results_and_errors_of_their_own() {
    let context = context().await;
    listen(&context);
    let broken = with_mistake(&context, SCALING[0], SCALING[1]);
    let x = values::<f32>(5000);
    let masks: Vec<_> = (0..8).map(|i| mask(0.1).at(100 * i)).collect();
    let call = |i: usize| -> Pin<Box<dyn Future<Output = _> + '_>> {
        let context = if i.is_multiple_of(2) { &context } else { &broken };
        Box::pin(context.forward(&masks[i], &x))
    };
    let results = together((0..masks.len()).map(call).collect()).await;
    for (i, result) in results.into_iter().enumerate() {
        if i.is_multiple_of(2) {
            assert_same(&result.unwrap(), &reference::forward(&masks[i], &x).unwrap(), &format!("call {i}"));
        } else {
            assert_refused(result, &format!("call {i}"));
        }
    }
    heard_nothing(&context).await;
}

#[wasm_bindgen_test]
async fn no_memory_is_an_error_of_the_call() {
    // SwiftShader has no buffer of the largest size that it says to have.
    let code = "if (globalThis.memoryIsFull) { descriptor = { ...descriptor, size: this.limits.maxBufferSize }; }";
    meddle("short of memory", "createBuffer", code);
    let set_full = |full: bool| js_sys::eval(&format!("globalThis.memoryIsFull = {full}")).unwrap();
    let context = context_on("short of memory").await;
    listen(&context);
    let (mask, x) = (mask(0.1), values::<f32>(100));
    // Not even for the first parameters.
    set_full(true);
    for time in ["first", "second"] {
        let y = soon("forward", context.forward(&mask, &x)).await;
        assert!(matches!(y, Err(Error::OutOfMemory { .. })), "{time}: {y:?}");
        let words = soon("keep_mask", context.keep_mask(&mask, 100)).await;
        assert!(matches!(words, Err(Error::OutOfMemory { .. })), "{time}: {words:?}");
    }
    set_full(false);
    let y = context.forward(&mask, &x).await.unwrap();
    assert_same(&y, &reference::forward(&mask, &x).unwrap(), "with memory again");
    heard_nothing(&context).await;
}

/// wgpu knows no internal errors in browsers, and panics where it meets one.
#[wasm_bindgen_test]
async fn an_internal_error_is_an_error_of_the_call() {
    // A pipeline that is invalid, and of which an internal error is all that the browser says.
    let label = "internal errors";
    meddle(label, "pushErrorScope", "(this.filters ??= []).push(descriptor);");
    let code = "if (this.filters.pop() === 'internal' && this.failed) {
        this.failed = false;
        return real.call(this).then(() => new GPUInternalError('made up'));
    }";
    meddle(label, "popErrorScope", code);
    let code = "this.pushErrorScope('validation');
        const pipeline = real.call(this, { ...descriptor, compute: { ...descriptor.compute, entryPoint: 'nowhere' } });
        this.popErrorScope();
        this.failed = true;
        globalThis.internalErrors = (globalThis.internalErrors ?? 0) + 1;
        return pipeline;";
    meddle(label, "createComputePipeline", code);
    let made = || js_sys::eval("globalThis.internalErrors ?? 0").unwrap().as_f64().unwrap();
    let context = context_on(label).await;
    listen(&context);
    for time in ["first", "second"] {
        let before = made();
        assert_refused(soon("forward", context.forward(&mask(0.1), &values::<f32>(100))).await, time);
        assert!(made() > before, "{time}: it was built anew");
    }
    heard_nothing(&context).await;
}

/// Not when the browser gets to it: it does not know how large they are.
#[wasm_bindgen_test]
async fn buffers_end_with_the_call() {
    let code = "if (descriptor.label === 'wgpu-dropout slice') {
        const buffer = real.call(this, descriptor);
        globalThis.alive = (globalThis.alive ?? new Set()).add(buffer);
        buffer.destroy = function () { globalThis.alive.delete(this); GPUBuffer.prototype.destroy.call(this); };
        return buffer;
    }";
    meddle("counts buffers", "createBuffer", code);
    let alive = || js_sys::eval("globalThis.alive?.size ?? -1").unwrap().as_f64().unwrap();
    let context = context_on("counts buffers").await;
    let (mask, x) = (mask(0.1), values::<f32>(100));
    context.forward(&mask, &x).await.unwrap();
    assert_eq!(alive(), 0.0, "forward");
    context.keep_mask(&mask, 100).await.unwrap();
    context.apply_mask(&[!0; 4], 2.0, &x).await.unwrap();
    context.random_blocks(Generator::Philox, &[BlockCounter::default()]).await.unwrap();
    assert_eq!(alive(), 0.0, "all the others");
    let broken = with_mistake(&context, SCALING[0], SCALING[1]);
    assert_refused(broken.forward(&mask, &x).await, "forward");
    assert_eq!(alive(), 0.0, "a call that failed");
    {
        let mut call = pin!(context.forward(&mask, &x));
        let submitted = poll_fn(|waker| Poll::Ready(call.as_mut().poll(waker).is_pending())).await;
        assert!(submitted && alive() > 0.0, "it waits for the device");
    }
    assert_eq!(alive(), 0.0, "a call that was given up");
}
