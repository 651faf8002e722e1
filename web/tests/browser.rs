//! The library in a browser, against the CPU reference. scripts/test-web.sh runs this in headless Chromium.
#![cfg(target_arch = "wasm32")]

use std::{cell::RefCell, future::Future, sync::Arc};

use futures_channel::oneshot;
use half::{bf16, f16};
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};
use wgpu_dropout::{
    BlockCounter, BufferRange, Context, Dropout, Dtype, Element, Error, Generator, Key, Mask, MaskFormat, View,
    reference, requirements,
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

async fn open(limits: Limits) -> Context {
    let descriptor = DeviceDescriptor { required_limits: limits, ..Default::default() };
    let (device, queue) = adapter().await.request_device(&descriptor).await.expect("a device");
    Context::from_device(device, queue).expect("a context")
}

async fn context() -> Context {
    let limits = requirements(&adapter().await).limits;
    open(limits).await
}

/// Runs `work` and asserts that the device had nothing to say about it. In browsers calls cannot return such errors.
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

/// From `input` to `output`, byte ranges of one buffer of the given size: everything else stays as it was.
async fn check_two_ranges(context: &Context, size: u64, dtype: Dtype, [input, output]: [u64; 2], bytes: u64) {
    let what = format!("{dtype}, {bytes} bytes from {input} to {output}");
    let mask = mask(0.1);
    let (x, expected): (Vec<u8>, Vec<u8>) = match dtype {
        Dtype::F32 => both::<f32>(&mask, bytes),
        Dtype::F16 => both::<f16>(&mask, bytes),
        Dtype::Bf16 => both::<bf16>(&mask, bytes),
    };
    let mut contents = vec![POISON; size as usize];
    contents[input as usize..][..bytes as usize].copy_from_slice(&x);
    let actual = without_errors(context, async {
        let buffer = buffer(context, &contents);
        let range = |offset| BufferRange::new(&buffer, offset, bytes).with_dtype(dtype);
        context.submit_forward(&mask, range(input), range(output)).unwrap();
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
    let context = open(Limits::default()).await;
    let binding = context.device().limits().max_storage_buffer_binding_size;
    assert_eq!(binding, 128 << 20, "the default, which was asked for");
    let size = binding + (1 << 20);
    check_two_ranges(&context, size, Dtype::F32, [68, size - 40_000], 36_000).await;
}

#[wasm_bindgen_test]
async fn a_range_larger_than_a_binding_goes_through_in_pieces() {
    let context = open(Limits::default()).await;
    let size = context.device().limits().max_storage_buffer_binding_size + (1 << 20);
    let mask = mask(0.1);
    without_errors(&context, async {
        let contents = vec![1.0_f32; (size / 4) as usize];
        let buffer = buffer(&context, bytemuck::cast_slice(&contents));
        context.submit_forward(&mask, &buffer, &buffer).unwrap();
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
            context.record_keep_mask(&mut encoder, &mask(0.5).at(call * 32), word, 32, MaskFormat::Bits).unwrap();
            // Every seventh is dropped, and recorded again.
            if call % 7 == 0 {
                let mut encoder = context.device().create_command_encoder(&Default::default());
                context.record_keep_mask(&mut encoder, &mask(0.5).at(call * 32), word, 32, MaskFormat::Bits).unwrap();
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

#[wasm_bindgen_test]
async fn wrong_calls_are_errors_of_the_call() {
    let context = context().await;
    let buffer = buffer(&context, &[0; 64]);
    let range = |offset, size| BufferRange::new(&buffer, offset, size);
    let submit = |input, output| context.submit_forward(&mask(0.1), input, output);
    assert!(matches!(submit(range(0, 32), range(16, 32)), Err(Error::Overlap { .. })));
    assert!(matches!(submit(range(0, 32), range(48, 32)), Err(Error::OutOfBounds { .. })));
    assert!(matches!(submit(range(2, 32), range(32, 32)), Err(Error::Alignment { .. })));
    let past_the_end = mask(0.1).at(u64::MAX);
    assert!(matches!(context.forward(&past_the_end, &[1.0; 2]).await, Err(Error::IndexRange { .. })));
}

thread_local! {
    static REPORTED: RefCell<Vec<String>> = const { RefCell::new(vec![]) };
}

/// As the README says: what the device itself refuses reaches its handler.
#[wasm_bindgen_test]
async fn errors_of_the_device_reach_its_handler() {
    let context = context().await;
    context.device().on_uncaptured_error(Arc::new(|error: wgpu::Error| {
        REPORTED.with_borrow_mut(|reported| reported.push(error.to_string()));
    }));
    let buffer = buffer(&context, &[0; 64]);
    buffer.destroy();
    context.submit_forward(&mask(0.1), &buffer, &buffer).expect("the call knows nothing of it");
    // By the time of a later answer, the error has been told.
    context.keep_mask(&mask(0.1), 32).await.unwrap();
    let reported = REPORTED.take();
    assert!(reported.iter().any(|error| error.contains("destroyed")), "{reported:?}");
}
