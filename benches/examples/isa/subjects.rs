//! The kernels that are counted: those that a plan launches for the common cases, and some to compare them with.

use wgpu_dropout::{
    Dropout, Dtype, Generator, Key, Kind, Mask, MaskFormat, Operation, View,
    kernels::{
        F16Conversion, Kernel, KeyPlace, Launch, Operand, Operands, ParameterStyle, Plan, Schedule, Style, Target,
    },
};

use crate::{Result, passes};

/// Elements of a call.
pub const N: u64 = 1 << 20;

/// A case, and the kernels that it may be launched with.
pub struct Subject {
    pub name: &'static str,
    /// Without doubles. Of several the worst counts.
    pub kernels: Vec<Counted>,
}

/// A kernel, and what it takes to count its instructions.
#[derive(Clone, Copy)]
pub struct Counted {
    pub kernel: Kernel,
    /// Elements, or positions of a mask, that an invocation decides.
    pub elements: u32,
    /// Bytes of immediates; 0 where the parameters are elsewhere.
    pub parameters: u32,
}

/// Where a kernel's text says for how many elements an invocation is: 8 of a group, else 32 but for some that are
/// interleaved.
const RUN: &str = "\nconst RUN = ";

impl Counted {
    fn new(launch: &Launch) -> Result<Self> {
        let kernel = *launch.kernel();
        let text = kernel.wgsl();
        let run =
            text.split_once(RUN).and_then(|(_, rest)| rest.split_once("u;")).and_then(|(run, _)| run.parse().ok());
        let elements = run.ok_or_else(|| format!("'{kernel}' has no '{}' of a number", RUN.trim()))?;
        Ok(Self::of(launch, elements))
    }

    /// Of a kernel whose invocations handle so many elements.
    pub fn of(launch: &Launch, elements: u32) -> Self {
        let kernel = *launch.kernel();
        let in_immediates = kernel.style().parameters == ParameterStyle::Immediates;
        let parameters = if in_immediates { launch.parameters().len() as u32 } else { 0 };
        Self { kernel, elements, parameters }
    }

    /// Elements of a launch, with those that the last workgroup has no work for.
    fn all_elements(&self, launch: &Launch) -> u64 {
        let workgroups: u64 = launch.workgroups().into_iter().map(u64::from).product();
        workgroups * u64::from(self.kernel.workgroup_size()) * u64::from(self.elements)
    }
}

/// The kernel that handles most elements of an operation. The others are for its ends.
fn main_kernel(target: &Target, operands: Operands, operation: Operation) -> Result<Counted> {
    most_elements(&Plan::new(target, &operands)?.launches(&operation, KeyPlace::Parameters)?)
}

pub fn most_elements(launches: &[Launch]) -> Result<Counted> {
    let mut most = None;
    for launch in launches {
        let counted = Counted::new(launch)?;
        let elements = counted.all_elements(launch);
        if most.is_none_or(|(_, before)| elements > before) {
            most = Some((counted, elements));
        }
    }
    Ok(most.ok_or("a plan without launches")?.0)
}

/// Two ranges of N elements of f32.
fn two_ranges() -> Result<Operands> {
    let size = N * Dtype::F32.size();
    Ok(Operands::values(Dtype::F32, Operand::new(0, 0, size), Operand::new(1, 0, size))?)
}

/// Forward of f32 with a mask for a shape of N elements, and ids where it looks rows up.
fn forward_of_shape(target: &Target, mask: Mask) -> Result<Counted> {
    let operands = two_ranges()?;
    let operands = match mask.view().row_ids() {
        0 => operands,
        rows => operands.with_row_ids(Operand::new(2, 0, rows * 4))?,
    };
    main_kernel(target, operands, Operation::Forward(mask))
}

/// Forward of `n` elements, from `input_offset` bytes on.
fn forward(target: &Target, dtype: Dtype, mask: Mask, n: u64, input_offset: u64) -> Result<Counted> {
    let size = n * dtype.size();
    let operands = Operands::values(dtype, Operand::new(0, input_offset, size), Operand::new(1, 0, size))?;
    main_kernel(target, operands, Operation::Forward(mask))
}

fn in_place(target: &Target, dtype: Dtype, mask: Mask) -> Result<Counted> {
    let range = Operand::new(0, 0, N * dtype.size());
    main_kernel(target, Operands::values(dtype, range, range)?, Operation::Forward(mask))
}

fn packed_mask(target: &Target, mask: Mask) -> Result<Counted> {
    let format = MaskFormat::Bits;
    let operands = Operands::mask(format, N, Operand::new(0, 0, format.size(N)))?;
    main_kernel(target, operands, Operation::KeepMask(mask))
}

fn normals(target: &Target) -> Result<Counted> {
    let operands = Operands::normals(Operand::new(0, 0, N * Dtype::F32.size()))?;
    most_elements(&Plan::new(target, &operands)?.normals(Generator::default(), Key::new(42), 0)?)
}

pub fn all() -> Result<Vec<Subject>> {
    // With p = 0.1 there are ties to settle, as there are with most.
    let dropout = Dropout::new(0.1)?;
    let mask = dropout.mask(Key::new(42));
    let philox = dropout.with_generator(Generator::Philox).mask(Key::new(42));
    let integer = Target::new(Schedule::Groups).with_style(Style::IMMEDIATES);
    let mut native = integer;
    native.f16 = F16Conversion::Native;
    let interleaved = Target::new(Schedule::Interleaved).with_style(Style::IMMEDIATES);

    let one =
        |name, kernel: Result<Counted>| Ok::<_, Box<dyn std::error::Error>>(Subject { name, kernels: vec![kernel?] });
    let f32_from = |start: u64| forward(&integer, Dtype::F32, mask.at(start), N, 0);
    let mut every_start: Vec<Counted> = vec![];
    for start in 1..8 {
        let counted = f32_from(start)?;
        if every_start.iter().all(|other| other.kernel != counted.kernel) {
            every_start.push(counted);
        }
    }
    // As many decisions for the elements of a plane, a sample or a column as a network has. All end at N elements, inside of
    // a plane where they have to.
    let shared = |shape: &[u64], axes: &[usize]| View::shared(0, shape, axes).map(|view| mask.at(view.skip(0)));
    let channels = shared(&[N.div_ceil(56 * 56), 56, 56], &[1, 2])?;
    let samples = shared(&[N >> 16, 1 << 16], &[1])?;
    let locked = shared(&[128, 16, N >> 11], &[0])?;
    let rows = shared(&[N / 256, 256], &[])?.gathered()?;
    let vocabulary = shared(&[N / 256, 256], &[1])?.gathered()?;
    let of_kind = |kind| -> Result<Counted> {
        forward(&integer, Dtype::F32, Dropout::of_kind(kind, 0.1)?.mask(Key::new(42)), N, 0)
    };
    let select = || -> Result<Counted> {
        let other = Operand::new(2, 0, N * Dtype::F32.size());
        main_kernel(&integer, two_ranges()?.with_other(other)?, Operation::Select(mask))
    };
    let mut subjects = vec![
        one("forward f32", f32_from(0))?,
        one("forward f16 native", forward(&native, Dtype::F16, mask, N, 0))?,
        one("forward f16 integer", forward(&integer, Dtype::F16, mask, N, 0))?,
        one("forward bf16", forward(&integer, Dtype::Bf16, mask, N, 0))?,
        one("forward f32 in place", in_place(&integer, Dtype::F32, mask))?,
        one("forward f32, start 5", f32_from(5))?,
        Subject { name: "forward f32, worst start of 1 to 7", kernels: every_start },
        one("forward f16 native, start 5", forward(&native, Dtype::F16, mask.at(5), N, 0))?,
        one("forward f32, input 4 bytes on", forward(&integer, Dtype::F32, mask, N, 4))?,
        one("forward f16 native, input 2 bytes on", forward(&native, Dtype::F16, mask, N, 2))?,
        one("forward bf16, input 2 bytes on", forward(&integer, Dtype::Bf16, mask, N, 2))?,
        one("packed mask", packed_mask(&integer, mask))?,
        one("packed mask, start 5", packed_mask(&integer, mask.at(5)))?,
        one("forward f32, Philox", forward(&integer, Dtype::F32, philox, N, 0))?,
        one("packed mask, Philox", packed_mask(&integer, philox))?,
        one("forward f32, interleaved", forward(&interleaved, Dtype::F32, mask, N, 0))?,
        one("channel dropout", forward_of_shape(&integer, channels))?,
        one("stochastic depth by row", forward_of_shape(&integer, samples))?,
        one("locked dropout", forward_of_shape(&integer, locked))?,
        one("gathered rows of 256", forward_of_shape(&integer, rows))?,
        one("embedding dropout", forward_of_shape(&integer, vocabulary))?,
        one("standard dropout", of_kind(Kind::Standard))?,
        one("alpha dropout", of_kind(Kind::Alpha))?,
        one("Gaussian dropout", of_kind(Kind::Gaussian))?,
        one("normals", normals(&integer))?,
        one("select", select())?,
        one("forward f32, rows", forward(&integer, Dtype::F32, mask.at(View::rows(0, 1000, 1031)), N, 0))?,
        // Too few elements for any other kernel.
        one("forward f32, edge", forward(&integer, Dtype::F32, mask, 5, 0))?,
    ];
    subjects.extend(passes::all(&integer, mask)?);
    Ok(subjects)
}
