//! Monte Carlo samples of dropout: an output for each of several masks.

use wgpu_dropout::{Element, Mask, Operation, Samples};

use crate::{args::number, error::Error, input::Input, npy::Header, output::WholeFile, processor::Processor, progress};

/// How many, and which.
#[derive(clap::Args)]
pub struct SamplesArgs {
    /// Write so many samples, each with a mask of its own: OUT gets a first axis of this size
    #[arg(
        long, value_name = "T", value_parser = number, allow_negative_numbers = true,
        conflicts_with_all = ["backward", "block"]
    )]
    samples: Option<u64>,

    /// The sample of the stream that the first one takes
    #[arg(long, value_name = "S0", value_parser = number, default_value = "0", requires = "samples", allow_negative_numbers = true)]
    first_sample: u64,
}

impl SamplesArgs {
    /// The samples of a mask, where some are wanted.
    pub fn samples(&self, mask: Mask) -> Result<Option<Samples>, Error> {
        let samples = self.samples.map(|count| Samples::new(mask, self.first_sample, count));
        Ok(samples.transpose()?)
    }
}

/// Writes the samples, as many at once as the device binds.
pub fn run<T: Element + Send + Sync>(
    samples: &Samples,
    row_ids: Option<&[u32]>,
    processor: &Processor,
    input: Input,
    mut output: WholeFile,
) -> Result<(), Error> {
    let count = u64::from(samples.count());
    let shape = [&[count], input.shape()].concat();
    output.write(&Vec::from(&Header::new(&input.header().descr, &shape)))?;
    let x: Vec<T> = input.read_all()?;
    let at_once = processor.samples_at_once(size_of_val(&x[..]) as u64);
    let bar = progress::bar(count, at_once);
    let mut done = 0;
    while done < count {
        let new = at_once.min(count - done);
        let some = Samples::new(*samples.mask(), u64::from(samples.first()) + done, new)?;
        output.write(bytemuck::cast_slice(&draw(&some, row_ids, processor, &x)?))?;
        done += new;
        bar.set_position(done);
    }
    bar.finish_and_clear();
    output.finish()
}

fn draw<T: Element + Send + Sync>(
    samples: &Samples,
    row_ids: Option<&[u32]>,
    processor: &Processor,
    x: &[T],
) -> Result<Vec<T>, Error> {
    if let Processor::Cpu = processor {
        // On every core.
        let mask = samples.mask();
        let numbers = (samples.first()..=u16::MAX).take(samples.count() as usize);
        let masks = numbers.map(|sample| mask.with_key(mask.key().with_sample(sample)));
        let drawn = masks.map(|mask| processor.run(Operation::Forward(mask), x, row_ids));
        return Ok(drawn.collect::<Result<Vec<_>, _>>()?.concat());
    }
    let mut y = vec![T::zeroed(); x.len() * samples.count() as usize];
    processor.run_pass(match row_ids {
        None => samples.forward(x, &mut y),
        Some(ids) => samples.gathered_forward(x, ids, &mut y),
    })?;
    Ok(y)
}
