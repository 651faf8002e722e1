//! Attention with dropout, a tile of scores at a time (Dao et al., *FlashAttention*, NeurIPS 2022): forward and backward, and no
//! scores or masks in memory. `wgsl::attention` gives the decisions, so that the result does not depend on the tiles, and is that
//! of `SoftmaxDropout` on a whole matrix of scores.
//!
//! ```text
//! cargo run --example attention -- [--tiles 32x32,8x16,…] [--batches 2] [--heads 3] [--queries 50] [--keys 77] [--size 16]
//!                                  [--p 0.2] [--causal]
//! ```
//!
//! A tile is of so many queries × keys. It fails where a result differs from that of the plain path by more than 2·10⁻⁵ of the
//! largest magnitude of its tensor, or from that of other tiles by more than 10⁻⁵ of it.

use std::error::Error;

use wgpu_dropout::{
    Context, Dropout, Generator, Key, Mask, SoftmaxDropout, reference,
    wgpu::{self, util::DeviceExt},
    wgsl,
};

/// What is computed: scores of the shape (batches, heads, queries, keys), and vectors of a size.
#[derive(Clone, Copy, Debug)]
pub struct Problem {
    pub batches: usize,
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub size: usize,
    pub mask: Mask,
    pub causal: bool,
}

/// Inputs, row-major with the vectors last, and the gradient of the output.
struct Inputs {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    dy: Vec<f32>,
}

/// Names of what comes out, in order.
const OUTPUTS: [&str; 4] = ["output", "gradient of q", "gradient of k", "gradient of v"];

type Outputs = [Vec<f32>; 4];

// An invocation has a query, or a key, of its own; a workgroup takes the other side tile by tile through workgroup memory.
const SHADER: &str = "
@group(0) @binding(0) var<uniform> rule: DropoutKeepRule;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
// Of every query: the logarithm of its sum of exponentials, and the product of its output and that one's gradient.
@group(0) @binding(6) var<storage, read_write> rows: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> dq: array<f32>;
// Of every key: first the gradient of k, then that of v.
@group(0) @binding(8) var<storage, read_write> dkv: array<f32>;

const SHAPE = DropoutAttention(HEADS, QUERIES, KEYS);
const LOWEST = -3.0e38;
// The tile of keys, or of queries, that all invocations look at: two vectors for each.
var<workgroup> tile_a: array<f32, TILE * SIZE>;
var<workgroup> tile_b: array<f32, TILE * SIZE>;

alias Vector = array<f32, SIZE>;

fn sees(query: u32, key: u32) -> bool {
    return query < QUERIES && key < KEYS && (!CAUSAL || key + QUERIES <= query + KEYS);
}

fn product_with_a(x: ptr<function, Vector>, j: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < SIZE; i++) {
        sum += (*x)[i] * tile_a[j * SIZE + i];
    }
    return sum;
}

fn product_with_b(x: ptr<function, Vector>, j: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < SIZE; i++) {
        sum += (*x)[i] * tile_b[j * SIZE + i];
    }
    return sum;
}

// Loads the keys from one on, with their values.
fn load_keys(matrix: u32, first: u32, invocation: u32) {
    workgroupBarrier();
    for (var i = invocation; i < TILE * SIZE; i += WORKGROUP) {
        let inside = first + i / SIZE < KEYS;
        let element = (matrix * KEYS + first) * SIZE + i;
        tile_a[i] = select(0.0, k[element], inside);
        tile_b[i] = select(0.0, v[element], inside);
    }
    workgroupBarrier();
}

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let matrix = workgroup.y;
    let query = workgroup.x * WORKGROUP + invocation;
    let row = matrix * QUERIES + min(query, QUERIES - 1u);
    var own: Vector;
    var sums: Vector;
    for (var i = 0u; i < SIZE; i++) {
        own[i] = q[row * SIZE + i] * FACTOR;
    }
    var most = LOWEST;
    var sum = 0.0;
    for (var first = 0u; first < KEYS; first += TILE) {
        load_keys(matrix, first, invocation);
        var scores: array<f32, TILE>;
        var next = most;
        for (var j = 0u; j < TILE; j++) {
            scores[j] = LOWEST;
            if sees(query, first + j) {
                scores[j] = product_with_a(&own, j);
            }
            next = max(next, scores[j]);
        }
        let before = exp(most - next);
        sum *= before;
        for (var i = 0u; i < SIZE; i++) {
            sums[i] *= before;
        }
        most = next;
        var keep = 0u;
        for (var j = 0u; j < TILE; j++) {
            if j % 32u == 0u {
                keep = dropout_attention_keep_bits(rule, SHAPE, matrix / HEADS, matrix % HEADS, query, first + j);
            }
            if sees(query, first + j) {
                let e = exp(scores[j] - most);
                sum += e;
                let kept = select(0.0, e * rule.scale, ((keep >> (j % 32u)) & 1u) == 1u);
                for (var i = 0u; i < SIZE; i++) {
                    sums[i] += kept * tile_b[j * SIZE + i];
                }
            }
        }
    }
    if query < QUERIES {
        // A query that sees no key has no sum.
        let inverse = select(1.0 / sum, 0.0, sum == 0.0);
        var dot = 0.0;
        for (var i = 0u; i < SIZE; i++) {
            let result = sums[i] * inverse;
            y[row * SIZE + i] = result;
            dot += result * dy[row * SIZE + i];
        }
        rows[row] = vec2<f32>(most + log(max(sum, 1e-37)), dot);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_queries(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let matrix = workgroup.y;
    let query = workgroup.x * WORKGROUP + invocation;
    let row = matrix * QUERIES + min(query, QUERIES - 1u);
    var own: Vector;
    var own_dy: Vector;
    var sums: Vector;
    for (var i = 0u; i < SIZE; i++) {
        own[i] = q[row * SIZE + i] * FACTOR;
        own_dy[i] = dy[row * SIZE + i];
    }
    let of_row = rows[row];
    for (var first = 0u; first < KEYS; first += TILE) {
        load_keys(matrix, first, invocation);
        var keep = 0u;
        for (var j = 0u; j < TILE; j++) {
            if j % 32u == 0u {
                keep = dropout_attention_keep_bits(rule, SHAPE, matrix / HEADS, matrix % HEADS, query, first + j);
            }
            if sees(query, first + j) {
                let p = exp(product_with_a(&own, j) - of_row.x);
                let dp = select(0.0, product_with_b(&own_dy, j) * rule.scale, ((keep >> (j % 32u)) & 1u) == 1u);
                let ds = p * (dp - of_row.y) * FACTOR;
                for (var i = 0u; i < SIZE; i++) {
                    sums[i] += ds * tile_a[j * SIZE + i];
                }
            }
        }
    }
    if query < QUERIES {
        for (var i = 0u; i < SIZE; i++) {
            dq[row * SIZE + i] = sums[i];
        }
    }
}

// The keep bits of a tile: for each of its queries those of the workgroup's keys, 32 a word.
const WORDS = (WORKGROUP + 31u) / 32u;
var<workgroup> tile_keep: array<u32, TILE * WORDS>;
var<workgroup> tile_rows: array<vec2<f32>, TILE>;

fn load_queries(matrix: u32, first: u32, first_key: u32, invocation: u32) {
    workgroupBarrier();
    for (var i = invocation; i < TILE * SIZE; i += WORKGROUP) {
        let inside = first + i / SIZE < QUERIES;
        let element = (matrix * QUERIES + first) * SIZE + i;
        tile_a[i] = select(0.0, q[element] * FACTOR, inside);
        tile_b[i] = select(0.0, dy[element], inside);
    }
    for (var i = invocation; i < TILE; i += WORKGROUP) {
        tile_rows[i] = rows[matrix * QUERIES + min(first + i, QUERIES - 1u)];
    }
    for (var i = invocation; i < TILE * WORDS; i += WORKGROUP) {
        let key = first_key + i % WORDS * 32u;
        tile_keep[i] =
            dropout_attention_keep_bits(rule, SHAPE, matrix / HEADS, matrix % HEADS, first + i / WORDS, key);
    }
    workgroupBarrier();
}

@compute @workgroup_size(WORKGROUP)
fn backward_keys(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let matrix = workgroup.y;
    let key = workgroup.x * WORKGROUP + invocation;
    let row = matrix * KEYS + min(key, KEYS - 1u);
    var own: Vector;
    var own_v: Vector;
    var dk: Vector;
    var dv: Vector;
    for (var i = 0u; i < SIZE; i++) {
        own[i] = k[row * SIZE + i];
        own_v[i] = v[row * SIZE + i];
    }
    for (var first = 0u; first < QUERIES; first += TILE) {
        load_queries(matrix, first, workgroup.x * WORKGROUP, invocation);
        for (var j = 0u; j < TILE; j++) {
            if sees(first + j, key) {
                let keep = (tile_keep[j * WORDS + invocation / 32u] >> (invocation % 32u)) & 1u;
                let p = exp(product_with_a(&own, j) - tile_rows[j].x);
                let kept = select(0.0, p * rule.scale, keep == 1u);
                let dp = select(0.0, product_with_b(&own_v, j) * rule.scale, keep == 1u);
                let ds = p * (dp - tile_rows[j].y);
                for (var i = 0u; i < SIZE; i++) {
                    // The queries in the tile have the factor.
                    dk[i] += ds * tile_a[j * SIZE + i];
                    dv[i] += kept * tile_b[j * SIZE + i];
                }
            }
        }
    }
    if key < KEYS {
        for (var i = 0u; i < SIZE; i++) {
            dkv[row * SIZE + i] = dk[i];
            dkv[BATCHES * HEADS * KEYS * SIZE + row * SIZE + i] = dv[i];
        }
    }
}";

impl Problem {
    fn matrices(&self) -> usize {
        self.batches * self.heads
    }

    fn factor(&self) -> f32 {
        1.0 / (self.size as f32).sqrt()
    }

    fn inputs(&self) -> Inputs {
        let values = |rows: usize, salt: u32| -> Vec<f32> {
            let count = (self.matrices() * rows * self.size) as u32;
            let random = |i: u32| (i.wrapping_mul(0x9e37_79b1) ^ salt).wrapping_mul(0x85eb_ca6b) >> 8;
            (0..count).map(|i| random(i) as f32 / (1 << 23) as f32 - 1.0).collect()
        };
        Inputs {
            q: values(self.queries, 1).iter().map(|q| q * 3.0).collect(),
            k: values(self.keys, 2),
            v: values(self.keys, 3),
            dy: values(self.queries, 4),
        }
    }
}

/// By tiles of `tile[0]` queries × `tile[1]` keys.
fn tiled(
    context: &Context,
    problem: &Problem,
    inputs: &Inputs,
    tile: [usize; 2],
    generator: Generator,
) -> Result<Outputs, Box<dyn Error>> {
    let (device, queue) = (context.device(), context.queue());
    let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let init = |contents: &[u8], usage| {
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
    };
    let floats = |values: &[f32]| init(bytemuck::cast_slice(values), storage);
    let rule = wgsl::KeepRule::try_from(&problem.mask)?;
    let rows = vec![0.0; problem.matrices() * problem.queries * 2];
    let buffers = [
        init(bytemuck::bytes_of(&rule), wgpu::BufferUsages::UNIFORM),
        floats(&inputs.q),
        floats(&inputs.k),
        floats(&inputs.v),
        floats(&inputs.dy),
        floats(&vec![0.0; inputs.q.len()]),
        floats(&rows),
        floats(&vec![0.0; inputs.q.len()]),
        floats(&vec![0.0; 2 * inputs.k.len()]),
    ];
    let mut encoder = device.create_command_encoder(&Default::default());
    // Which side a workgroup has of its own, and which buffers an entry point uses.
    let passes: [(&str, [usize; 2], usize, &[u32]); 3] = [
        ("forward", tile, problem.queries, &[0, 1, 2, 3, 4, 5, 6]),
        ("backward_queries", tile, problem.queries, &[0, 1, 2, 3, 4, 6, 7]),
        ("backward_keys", [tile[1], tile[0]], problem.keys, &[0, 1, 2, 3, 4, 6, 8]),
    ];
    for (entry_point, [workgroup, other], count, used) in passes {
        let limits = device.limits();
        let shared = 4 * other * (2 * problem.size + workgroup.div_ceil(32) + 2);
        if workgroup == 0 || workgroup > limits.max_compute_invocations_per_workgroup as usize {
            return Err(format!("a tile of {workgroup} does not fit a workgroup: take 1 to 256").into());
        }
        if other == 0 || shared > limits.max_compute_workgroup_storage_size as usize {
            return Err(format!("a tile of {other} does not fit workgroup memory: take smaller tiles").into());
        }
        let constants = format!(
            "const WORKGROUP = {workgroup}u;\nconst TILE = {other}u;\nconst BATCHES = {}u;\nconst HEADS = {}u;\n\
             const QUERIES = {}u;\nconst KEYS = {}u;\nconst SIZE = {}u;\nconst CAUSAL = {};\nconst FACTOR = {:?};\n",
            problem.batches,
            problem.heads,
            problem.queries,
            problem.keys,
            problem.size,
            problem.causal,
            problem.factor(),
        );
        let text = wgsl::attention(generator) + &constants + SHADER;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("attention"),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry_point),
            layout: None,
            module: &module,
            entry_point: Some(entry_point),
            compilation_options: Default::default(),
            cache: None,
        });
        let entries: Vec<_> = used
            .iter()
            .map(|&binding| wgpu::BindGroupEntry { binding, resource: buffers[binding as usize].as_entire_binding() })
            .collect();
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(count.div_ceil(workgroup) as u32, problem.matrices() as u32, 1);
    }
    let staging = [5, 7, 8].map(|number: usize| {
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffers[number].size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(&buffers[number], 0, &staging, 0, staging.size());
        staging
    });
    queue.submit([encoder.finish()]);
    for staging in &staging {
        staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("the device can be read"));
    }
    device.poll(wgpu::PollType::wait_indefinitely())?;
    let read = |number: usize| -> Result<Vec<f32>, Box<dyn Error>> {
        Ok(bytemuck::pod_collect_to_vec(&staging[number].get_mapped_range(..)?))
    };
    let mut dk = read(2)?;
    let dv = dk.split_off(inputs.k.len());
    Ok([read(0)?, read(1)?, dk, dv])
}

/// Sums over one index, in binary64: `out[i, j] = Σ_l a(i, l)·b(l, j)`.
fn matmul(
    [rows, columns, terms]: [usize; 3],
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
) -> Vec<f32> {
    let each = |i: usize, j: usize| (0..terms).map(|l| f64::from(a(i, l)) * f64::from(b(l, j))).sum::<f64>() as f32;
    (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| each(i, j)).collect()
}

/// By whole matrices of scores, with softmax and dropout as one pass.
fn plain(
    problem: &Problem,
    inputs: &Inputs,
    run: impl Fn(wgpu_dropout::Pass<wgpu_dropout::Slice<'_>>) -> Result<(), wgpu_dropout::Error>,
) -> Result<Outputs, Box<dyn Error>> {
    let &Problem { queries, keys, size, .. } = problem;
    let softmax = SoftmaxDropout::new(problem.mask, queries as u64, keys as u64)?
        .with_factor(problem.factor())
        .with_causal(problem.causal);
    let (mut scores, mut gradients) = (vec![], vec![]);
    for matrix in 0..problem.matrices() {
        let q = |query: usize, i: usize| inputs.q[(matrix * queries + query) * size + i];
        let k = |i: usize, key: usize| inputs.k[(matrix * keys + key) * size + i];
        let dy = |query: usize, i: usize| inputs.dy[(matrix * queries + query) * size + i];
        let v = |i: usize, key: usize| inputs.v[(matrix * keys + key) * size + i];
        scores.extend(matmul([queries, keys, size], q, k));
        gradients.extend(matmul([queries, keys, size], dy, v));
    }
    let (mut p, mut ds) = (vec![0.0; scores.len()], vec![0.0; scores.len()]);
    run(softmax.forward(&scores, &mut p))?;
    run(softmax.backward(&scores, &gradients, &mut ds))?;
    let mut outputs = Outputs::default();
    for matrix in 0..problem.matrices() {
        let p = |query: usize, key: usize| p[(matrix * queries + query) * keys + key];
        let ds = |query: usize, key: usize| ds[(matrix * queries + query) * keys + key];
        let of_queries = |x: &'_ [f32], query: usize, i: usize| x[(matrix * queries + query) * size + i];
        let of_keys = |x: &'_ [f32], key: usize, i: usize| x[(matrix * keys + key) * size + i];
        outputs[0].extend(matmul([queries, size, keys], p, |key, i| of_keys(&inputs.v, key, i)));
        outputs[1].extend(matmul([queries, size, keys], ds, |key, i| of_keys(&inputs.k, key, i)));
        let transposed = |key, query| ds(query, key);
        outputs[2].extend(matmul([keys, size, queries], transposed, |query, i| of_queries(&inputs.q, query, i)));
        let transposed = |key, query| p(query, key);
        outputs[3].extend(matmul([keys, size, queries], transposed, |query, i| of_queries(&inputs.dy, query, i)));
    }
    Ok(outputs)
}

/// The largest difference as a part of the largest magnitude, for each output. NaN counts as infinite.
fn differences(actual: &Outputs, expected: &Outputs) -> [f64; 4] {
    std::array::from_fn(|number| {
        let (actual, expected) = (&actual[number], &expected[number]);
        let most = expected.iter().fold(f64::MIN_POSITIVE, |most, x| most.max(f64::from(x.abs())));
        let each = actual.iter().zip(expected).map(|(a, e)| (f64::from(*a) - f64::from(*e)).abs() / most);
        each.fold(0.0, |worst, x| {
            if x <= worst {
                worst
            } else if x.is_nan() {
                f64::INFINITY
            } else {
                x
            }
        })
    })
}

/// Computes a problem by every tile, and holds the results against the plain path and each other. Says what the differences are.
///
/// # Errors
/// Where they are too large.
pub fn check(context: &Context, problem: &Problem, tiles: &[[usize; 2]]) -> Result<String, Box<dyn Error>> {
    const OF_PLAIN: f64 = 2e-5;
    const OF_TILES: f64 = 1e-5;
    let generator = problem.mask.generator();
    let inputs = problem.inputs();
    let on_the_cpu = plain(problem, &inputs, reference::run_pass)?;
    let on_the_device = plain(problem, &inputs, |pass| context.run_pass_blocking(pass))?;
    let mut first: Option<Outputs> = None;
    let mut text = String::new();
    for &tile in tiles {
        let actual = tiled(context, problem, &inputs, tile, generator)?;
        let others = [
            ("plain path on the CPU", Some(&on_the_cpu), OF_PLAIN),
            ("plain path on the device", Some(&on_the_device), OF_PLAIN),
            ("first tiles", first.as_ref(), OF_TILES),
        ];
        for (what, other, most) in others.into_iter().filter_map(|(what, other, most)| Some((what, other?, most))) {
            let differences = differences(&actual, other);
            let shown = differences.map(|difference| format!("{difference:.1e}")).join(", ");
            text += &format!("tiles of {} x {}, from the {what}: {shown}\n", tile[0], tile[1]);
            if let Some(number) = differences.iter().position(|difference| difference.is_nan() || *difference > most) {
                let problem = format!("the {} differs by {:e} of its largest", OUTPUTS[number], differences[number]);
                return Err(format!("{text}{problem}: at most {most:e} was expected").into());
            }
        }
        first.get_or_insert(actual);
    }
    Ok(text)
}

#[allow(dead_code, reason = "tests take the check alone")]
/// A context whose device has all the workgroup memory that there is, for large tiles.
fn open() -> Result<Context, Box<dyn Error>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let wanted = wgpu_dropout::requirements(&adapter);
    let available = adapter.limits();
    let descriptor = wgpu::DeviceDescriptor {
        required_features: wanted.features,
        required_limits: wgpu::Limits {
            max_compute_workgroup_storage_size: available.max_compute_workgroup_storage_size,
            ..wanted.limits
        },
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))?;
    Ok(Context::from_device(device, queue)?)
}

#[allow(dead_code, reason = "tests take the check alone")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut problem = Problem {
        batches: 2,
        heads: 3,
        queries: 50,
        keys: 77,
        size: 16,
        mask: Dropout::new(0.2)?.mask(Key::new(42).with_layer(3)),
        causal: false,
    };
    let mut tiles = vec![[32, 32], [8, 16], [64, 8], [7, 33]];
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--causal" {
            problem.causal = true;
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{name} {value}: give a whole number"));
        match name.as_str() {
            "--batches" => problem.batches = number()?,
            "--heads" => problem.heads = number()?,
            "--queries" => problem.queries = number()?,
            "--keys" => problem.keys = number()?,
            "--size" => problem.size = number()?,
            "--p" => {
                let p = value.parse().map_err(|_| format!("--p {value}: give a number from 0 to 1"))?;
                problem.mask = Dropout::new(p)?.mask(problem.mask.key());
            }
            "--tiles" => {
                let tile = |text: &str| {
                    let (queries, keys) = text.split_once('x')?;
                    Some([queries.parse().ok()?, keys.parse().ok()?])
                };
                let all: Option<Vec<_>> = value.split(',').map(tile).collect();
                tiles = all.ok_or_else(|| format!("--tiles {value}: give queries x keys, as 32x32,8x16"))?;
            }
            _ => return Err(format!("unknown option {name}: see the head of examples/attention.rs").into()),
        }
    }
    let Problem { batches, heads, queries, keys, size, .. } = problem;
    if [batches, heads, queries, keys, size].contains(&0) {
        return Err("every size must be at least 1".into());
    }
    let context = open()?;
    println!("{problem:?} on {}; differences of {OUTPUTS:?}", context.adapter_info().name);
    print!("{}", check(&context, &problem, &tiles)?);
    Ok(())
}
