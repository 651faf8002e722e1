//! `kernels`: what runs on a device, as text.

use std::io::{self, Write};

use serde_json::json;
use wgpu_dropout::{
    Dropout, Dtype, Generator, Key, MaskFormat, Operation, View,
    kernels::{self, F16Conversion, KeyPlace, Launches, Operand, Operands, Plan, Schedule, Style, Target},
};

use crate::{
    args::{number, schedule},
    error::Error,
};

/// List the kernels, or print the complete WGSL of one
///
/// Without --print: every kernel that can be chosen for the schedule, a line each. With --print: the kernel that handles
/// most of the elements of a call as the other options describe it. No GPU is needed.
#[derive(clap::Args)]
pub struct Args {
    /// Print the WGSL of the kernel of this operation
    #[arg(long, value_name = "OPERATION")]
    print: Option<PrintedOperation>,

    /// Print every launch of the call instead, as JSON: WGSL, parameters, bindings and grid
    #[arg(long, requires = "print")]
    launches: bool,

    /// How the work is shared out: groups and interleaved are for GPUs, blocked is for devices that run on the CPU
    #[arg(long, default_value = "groups", value_parser = schedule)]
    schedule: Schedule,

    /// How bindings and parameters are declared: immediates, uniform, or one-group (everything in group 0, all read_write)
    #[arg(long, default_value = "immediates", value_parser = style)]
    style: Style,

    /// The element type: f32, f16 or bf16
    #[arg(long, default_value_t)]
    dtype: Dtype,

    /// Convert f16 by the device's own conversions, as on devices that were seen to do it right
    #[arg(long)]
    native_f16: bool,

    /// The random generator: threefry or philox
    #[arg(long, default_value_t)]
    generator: Generator,

    /// The key lies in a buffer
    #[arg(long)]
    key_in_buffer: bool,

    /// Where the first element lies in the whole tensor, in elements
    #[arg(long, value_parser = number, default_value = "0")]
    start: u64,

    /// For rows of a wider matrix: elements of a row
    #[arg(long, value_name = "L", value_parser = number, requires = "row_pitch")]
    row_length: Option<u64>,

    /// And elements from the start of a row to the start of the next
    #[arg(long, value_name = "P", value_parser = number, requires = "row_length")]
    row_pitch: Option<u64>,

    /// Elements of the call
    #[arg(long, value_parser = number, default_value = "1048576")]
    length: u64,

    /// Bytes before the input in its buffer
    #[arg(long, value_name = "BYTES", value_parser = number, default_value = "0")]
    input_offset: u64,

    /// Bytes before the output in its buffer
    #[arg(long, value_name = "BYTES", value_parser = number, default_value = "0")]
    output_offset: u64,

    /// Input and output are one range, the output's
    #[arg(long)]
    in_place: bool,

    /// Invocations of a workgroup, 1 to 256
    #[arg(long, default_value = "64", value_parser = clap::value_parser!(u32).range(1..=256))]
    workgroup_size: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PrintedOperation {
    /// y = keep ? x·scale : +0; backward is the same kernel
    Forward,
    /// What p = 0 and evaluation do
    Copy,
    /// With a packed mask of the caller
    ApplyMask,
    /// The packed keep mask
    MaskBits,
    /// The keep mask as bytes
    MaskBytes,
}

fn style(name: &str) -> Result<Style, String> {
    match name {
        "immediates" => Ok(Style::IMMEDIATES),
        "uniform" => Ok(Style::UNIFORM),
        "one-group" => Ok(Style::ONE_GROUP),
        _ => Err("use immediates, uniform or one-group".to_owned()),
    }
}

pub fn run(args: &Args) -> Result<(), Error> {
    let text = match args.print {
        None => list(&args.target()),
        Some(operation) => {
            let (plan, launches) = args.plan(operation)?;
            if args.launches {
                format!("{:#}\n", describe(&plan, &launches))
            } else {
                // The others handle the ends that it leaves over.
                let most = |launch: &&kernels::Launch| launch.workgroups().map(u64::from).iter().product::<u64>();
                let launch = launches.iter().max_by_key(most);
                let launch = launch.ok_or(Error::Options("nothing is launched for such a call: give a --length"))?;
                launch.kernel().wgsl()
            }
        }
    };
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Error::Stdout)
}

fn list(target: &Target) -> String {
    kernels::reachable(target).iter().map(|kernel| format!("{kernel}\n")).collect()
}

impl Args {
    fn target(&self) -> Target {
        let mut target = Target::new(self.schedule).with_style(self.style);
        target.workgroup_size = self.workgroup_size;
        if self.native_f16 {
            target.f16 = F16Conversion::Native;
        }
        target
    }

    fn plan(&self, operation: PrintedOperation) -> Result<(Plan, Launches), Error> {
        let p = if operation == PrintedOperation::Copy { 0.0 } else { 0.5 };
        let view = match (self.row_length, self.row_pitch) {
            (Some(length), Some(pitch)) => View::rows(self.start, length, pitch),
            _ => View::contiguous(self.start),
        };
        let mask = Dropout::new(p)?.with_generator(self.generator).mask(Key::new(0)).at(view);
        let size = self.length.checked_mul(self.dtype.size());
        let size = size.ok_or(Error::Options("--length is more than memory can be: give fewer elements"))?;
        let input = Operand::new(0, self.input_offset, size);
        let output = Operand::new(1, self.output_offset, size);
        let packed_mask = Operand::new(2, 0, MaskFormat::Bits.size(self.length));
        let values = || Operands::values(self.dtype, if self.in_place { output } else { input }, output);
        let mask_of = |format: MaskFormat| {
            Operands::mask(format, self.length, Operand::new(1, self.output_offset, format.size(self.length)))
        };
        let (operands, operation) = match operation {
            PrintedOperation::Forward | PrintedOperation::Copy => (values()?, Operation::Forward(mask)),
            PrintedOperation::ApplyMask => {
                (values()?.with_packed_mask(packed_mask)?, Operation::ApplyMask { scale: mask.scale() })
            }
            PrintedOperation::MaskBits => (mask_of(MaskFormat::Bits)?, Operation::KeepMask(mask)),
            PrintedOperation::MaskBytes => (mask_of(MaskFormat::Bytes)?, Operation::KeepMask(mask)),
        };
        let key = if self.key_in_buffer { KeyPlace::Buffer { word: 0 } } else { KeyPlace::Parameters };
        let plan = Plan::new(&self.target(), &operands)?;
        let launches = plan.launches(&operation, key)?;
        Ok((plan, launches))
    }
}

fn describe(plan: &Plan, launches: &Launches) -> serde_json::Value {
    let launches = launches.iter().map(|launch| {
        let bindings = plan.bindings(launch.chunk()).iter().map(|binding| {
            json!({
                "buffer": binding.buffer,
                "offset": binding.offset,
                "size": binding.size,
                "written": binding.written,
            })
        });
        let parameters: String = launch.parameters().iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "kernel": launch.kernel().to_string(),
            "workgroups": launch.workgroups(),
            "workgroup_size": launch.kernel().workgroup_size(),
            "parameters": parameters,
            "bindings": bindings.collect::<Vec<_>>(),
            "key_binding": launch.kernel().key_binding(),
            "wgsl": launch.kernel().wgsl(),
        })
    });
    launches.collect()
}
