//! The main job on real data: 1,797 handwritten digits through dropout on the GPU, every bit checked against the CPU
//! reference, and a picture of what happened.
//!
//! `cargo run --release --example digits [PICTURE.png]`

use std::{error::Error, fs, path::Path, process::ExitCode, time::Instant};

use font8x8::{BASIC_FONTS, UnicodeFonts};
use wgpu_dropout::{Context, Dropout, Key, Mask, reference};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const DATA: &str = "data/digits.csv";
const SIDE: usize = 8;
const PIXELS: usize = SIDE * SIDE;
const BRIGHTEST: f32 = 16.0;

/// Srivastava et al. (2014) drop 0.2 of an input layer and 0.5 of a hidden one.
const RATES: [f64; 2] = [0.2, 0.5];

/// Under both rates: a mask for a larger p is part of the one for a smaller p.
const KEY: Key = Key::new(42);

/// A sound generator lies this many standard deviations off by chance once in a million times.
const DEVIATIONS: f64 = 4.9;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let picture = arguments.next().unwrap_or_else(|| format!("{ROOT}/target/digits.png"));
    if arguments.next().is_some() || picture.starts_with('-') {
        return Err("usage: cargo run --release --example digits [PICTURE.png]".into());
    }
    let digits = Digits::read(&format!("{ROOT}/{DATA}"))?;
    let n = digits.pixels.len();
    println!("data     {} digits of {SIDE}×{SIDE} pixels, {} elements ({DATA})", grouped(n / PIXELS), grouped(n));

    let start = Instant::now();
    let context = Context::new_blocking()?;
    let adapter = context.adapter_info();
    let driver = format!("{} {}", adapter.driver, adapter.driver_info);
    println!("adapter  {}, {}, {}", adapter.name, adapter.backend, driver.trim());
    println!("time     {:.1} ms to open the adapter", milliseconds(start));

    let start = Instant::now();
    context.forward_blocking(&Dropout::new(RATES[0])?.mask(KEY), &digits.pixels)?;
    println!("         {:.1} ms for the first call, with the compilation of its kernels", milliseconds(start));

    let mut report = Report::default();
    let mut results = vec![];
    for p in RATES {
        results.push(dropout(&context, p, &digits.pixels, &mut report)?);
    }
    println!("\nboth rates, one key");
    let [lighter, heavier] = [0, 1].map(|rate: usize| &results[rate].keep);
    let both: Vec<u32> = lighter.iter().zip(heavier).map(|(lighter, heavier)| lighter & heavier).collect();
    report.equal("nested", "agree: what is kept at p = 0.5 is kept at p = 0.2 too", &both, heavier);

    let title = format!("Dropout on {}, {}", adapter.name, adapter.backend);
    draw(&title, &digits, &results).save(Path::new(&picture)).map_err(|error| format!("{picture}: {error}"))?;
    println!("\npicture  {picture}");
    if report.failures > 0 {
        return Err(format!("{} of the checks above FAILED", report.failures).into());
    }
    Ok(())
}

/// What the GPU made of the digits at one rate.
struct Outcome {
    p: f64,
    mask: Mask,
    /// 1 = kept, one for each pixel.
    keep: Vec<u32>,
    y: Vec<f32>,
}

/// Forward, keep mask and backward on the GPU, each compared with what it must be.
fn dropout(context: &Context, p: f64, x: &[f32], report: &mut Report) -> Result<Outcome, wgpu_dropout::Error> {
    let mask = Dropout::new(p)?.mask(KEY);
    let n = x.len();
    println!("\np = {p}, scale {}, probability to keep {}/2^32", mask.scale(), mask.threshold());

    let y = context.forward_blocking(&mask, x)?;
    let words = context.keep_mask_blocking(&mask, n as u64)?;
    // A gradient without a zero, so that what passed can be told from what did not.
    let dy: Vec<f32> = (0..n).map(|i| 0.5 + (i % 97) as f32).collect();
    let dx = context.backward_blocking(&mask, &dy)?;

    let unpack = |words: &[u32]| -> Vec<u32> { (0..n).map(|i| words[i / 32] >> (i % 32) & 1).collect() };
    let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|value| value.to_bits()).collect() };
    let keep = unpack(&words);
    let gradient: Vec<f32> =
        dy.iter().zip(&keep).map(|(&dy, &keep)| if keep == 1 { dy * mask.scale() } else { 0.0 }).collect();
    report.equal("mask", "bits equal the reference", &keep, &unpack(&reference::keep_mask(&mask, n as u64)?));
    report.equal("values", "equal the reference bit for bit", &bits(&y), &bits(&reference::forward(&mask, x)?));
    report.equal("gradient", "pass backward exactly where forward kept", &bits(&dx), &bits(&gradient));

    let q = mask.threshold() as f64 / (1u64 << 32) as f64;
    let kept: u32 = keep.iter().sum();
    let (expected, deviation) = (n as f64 * q, (n as f64 * q * (1.0 - q)).sqrt());
    let words = format!("of {}; expected", grouped(n));
    report.within("kept", &words, kept.into(), expected, deviation, |count| grouped(count.round() as usize));
    // Each x stays with probability q and is then divided by q.
    let mean = |values: &[f32], power| values.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / n as f64;
    let deviation = (mean(x, 2) * (1.0 - q) / q / n as f64).sqrt();
    report.within("mean", "after; before", mean(&y, 1), mean(x, 1), deviation, |mean| format!("{mean:.4}"));

    let mut times = [0.0; 21];
    for time in &mut times {
        let start = Instant::now();
        context.forward_blocking(&mask, x)?;
        *time = milliseconds(start);
    }
    times.sort_by(f64::total_cmp);
    println!("  time      {:.2} ms for upload, dropout and read-back: the median of {} calls", times[10], times.len());
    Ok(Outcome { p, mask, keep, y })
}

/// Prints a line for each check and counts those that fail.
#[derive(Default)]
struct Report {
    failures: usize,
}

impl Report {
    fn line(&mut self, name: &str, passed: bool, finding: String) {
        self.failures += usize::from(!passed);
        println!("  {name:<9} {finding}{}", if passed { "" } else { "   FAILED" });
    }

    fn equal(&mut self, name: &str, what: &str, actual: &[u32], expected: &[u32]) {
        let length = actual.len().max(expected.len());
        let mut differences = (0..length).filter(|&i| actual.get(i) != expected.get(i)).peekable();
        let first = differences.peek().map_or(String::new(), |&i| {
            let place = format!("digit {}, pixel {}", i / PIXELS, i % PIXELS);
            format!("; first wrong: {place}, {:x?} and not {:x?}", actual.get(i), expected.get(i))
        });
        let count = differences.count();
        let finding = format!("{} of {} {what}{first}", grouped(length - count), grouped(length));
        self.line(name, count == 0, finding);
    }

    fn within(&mut self, name: &str, words: &str, actual: f64, expected: f64, deviation: f64, show: fn(f64) -> String) {
        let margin = DEVIATIONS * deviation;
        let [found, centre, spread] = [actual, expected, margin].map(show);
        let finding = format!("{found} {words} {centre} ± {spread} ({DEVIATIONS} standard deviations)");
        self.line(name, (actual - expected).abs() <= margin, finding);
    }
}

/// The data set: labels 0–9, and pixels 0–16 row by row.
struct Digits {
    labels: Vec<u8>,
    pixels: Vec<f32>,
}

impl Digits {
    fn read(path: &str) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let mut digits = Self { labels: vec![], pixels: vec![] };
        for (number, line) in (1..).zip(text.lines()).skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            if fields.len() != 1 + PIXELS {
                return Err(format!("{path}:{number}: {} fields, not a label and {PIXELS} pixels", fields.len()));
            }
            let parse = |field: usize, most: u8| match fields[field].parse() {
                Ok(value) if value <= most => Ok(value),
                _ => Err(format!("{path}:{number}: field {} is '{}', not 0 to {most}", field + 1, fields[field])),
            };
            digits.labels.push(parse(0, 9)?);
            for field in 1..=PIXELS {
                digits.pixels.push(parse(field, BRIGHTEST as u8)?.into());
            }
        }
        if digits.labels.is_empty() {
            return Err(format!("{path}: no digits: expected a line of names, then a line for each digit"));
        }
        Ok(digits)
    }
}

type Color = [u8; 3];
const PAPER: Color = [24, 27, 33];
const INK: Color = [236, 239, 244];
const FAINT: Color = [150, 158, 172];
const DROPPED: Color = [158, 60, 40];
const KEPT: Color = [120, 176, 168];

/// The brightest value that any of the rows shows.
const MOST: f32 = BRIGHTEST * 2.0;

fn gray(value: f32) -> Color {
    let shade = (value / MOST).clamp(0.0, 1.0).sqrt();
    [40, 44, 52].map(|darkest: u8| (f32::from(darkest) + shade * (255.0 - f32::from(darkest))) as u8)
}

/// The first digits: as they are, then for each rate what came out and the mask.
fn draw(title: &str, digits: &Digits, results: &[Outcome]) -> Canvas {
    const ZOOM: usize = 10;
    const STEP: usize = SIDE * ZOOM + 10;
    const LEFT: usize = 256;
    const TOP: usize = 104;
    let shown = digits.pixels.len().min(16 * PIXELS);
    let (width, height) = (LEFT + 16 * STEP + 14, TOP + STEP + results.len() * (2 * STEP + 16) + 68);
    let mut canvas = Canvas { width, pixels: vec![PAPER; width * height] };
    canvas.text([24, 24], 3, INK, title);
    for (i, label) in digits.labels.iter().take(16).enumerate() {
        canvas.text([LEFT + i * STEP + 32, TOP - 24], 2, FAINT, &label.to_string());
    }

    let mut top = TOP;
    let mut row = |name: &str, note: &str, gap: usize, color: &dyn Fn(usize) -> Color| {
        top += gap;
        canvas.text([24, top + 18], 2, INK, name);
        canvas.text([24, top + 44], 2, FAINT, note);
        for i in 0..shown {
            let (digit, y, x) = (i / PIXELS, i % PIXELS / SIDE, i % SIDE);
            canvas.fill([LEFT + digit * STEP + x * ZOOM, top + y * ZOOM], [ZOOM - 1; 2], color(i));
        }
        top += STEP;
    };
    row("before", "values 0-16", 0, &|i| gray(digits.pixels[i]));
    for Outcome { p, mask, keep, y } in results {
        let after = |i: usize| if keep[i] == 1 { gray(y[i]) } else { DROPPED };
        row(&format!("after p = {p}"), &format!("kept x {}", mask.scale()), 16, &after);
        let share = 100.0 * f64::from(keep[..shown].iter().sum::<u32>()) / shown as f64;
        row("its mask", &format!("{share:.1}% kept"), 0, &|i| if keep[i] == 1 { KEPT } else { DROPPED });
    }

    let (bottom, mut left) = (top + 24, LEFT);
    for (color, name) in [(DROPPED, "dropped: 0 after, no gradient"), (KEPT, "kept")] {
        canvas.fill([left, bottom], [20, 20], color);
        canvas.text([left + 30, bottom + 2], 2, INK, name);
        left += 16 * name.len() + 78;
    }
    for step in 0..=MOST as usize {
        canvas.fill([left + 6 * step, bottom], [6, 20], gray(step as f32));
    }
    canvas.text([left + 6 * MOST as usize + 16, bottom + 2], 2, INK, &format!("value of a pixel, 0 to {MOST}"));
    canvas
}

struct Canvas {
    width: usize,
    pixels: Vec<Color>,
}

impl Canvas {
    fn fill(&mut self, [left, top]: [usize; 2], [width, height]: [usize; 2], color: Color) {
        let right = (left + width).min(self.width);
        for row in self.pixels.chunks_mut(self.width).skip(top).take(height) {
            row[left.min(right)..right].fill(color);
        }
    }

    fn text(&mut self, [left, top]: [usize; 2], zoom: usize, color: Color, text: &str) {
        for (i, character) in text.chars().enumerate() {
            for (y, row) in BASIC_FONTS.get(character).unwrap_or_default().into_iter().enumerate() {
                for x in (0..8).filter(|x| row >> x & 1 == 1) {
                    self.fill([left + (8 * i + x) * zoom, top + y * zoom], [zoom; 2], color);
                }
            }
        }
    }

    /// Writes a PNG beside `path` and renames it, so that nobody sees half a picture.
    fn save(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        let part = path.with_extension("png.part");
        let (width, height) = (self.width as u32, (self.pixels.len() / self.width) as u32);
        let mut encoder = png::Encoder::new(fs::File::create(&part)?, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        fs::rename(&part, path).inspect_err(|_| fs::remove_file(&part).unwrap_or_default())?;
        Ok(())
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// 115008 as 115,008.
fn grouped(number: usize) -> String {
    match number / 1000 {
        0 => number.to_string(),
        thousands => format!("{},{:03}", grouped(thousands), number % 1000),
    }
}
