//! `apply` with what stands around dropout: bias, activation, row keep, residual, and their gradients.

use std::path::{Path, PathBuf};

use wgpu_dropout::{Activation, Dropout, Dtype, Element, Fused, Key, Mask, Pass, Slice};

use crate::{
    args::{ProcessorArgs, number},
    error::Error,
    input::Input,
    npy::{Header, printable},
    output::WholeFile,
};

/// What stands around dropout: y = residual + dropout(activation(x + bias)).
#[derive(clap::Args)]
pub struct FusedArgs {
    /// An .npy array that is added to every row: an element for each of IN's last axis, stored as IN
    #[arg(long, value_name = "B.npy", conflicts_with = "block")]
    bias: Option<PathBuf>,

    /// The function before dropout: none, relu, gelu, gelu_tanh or silu
    #[arg(long, value_name = "NAME", conflicts_with = "block")]
    activation: Option<Activation>,

    /// An .npy array of IN's shape and type that the result is added to
    #[arg(long, value_name = "R.npy", conflicts_with_all = ["block", "backward"])]
    residual: Option<PathBuf>,

    /// The probability to drop a whole row of the last axis (stochastic depth)
    #[arg(long, value_name = "P", requires = "row_stream", conflicts_with = "block", allow_negative_numbers = true)]
    row_p: Option<f64>,

    /// The stream of the rows' key, another than --stream; its seed is --seed
    #[arg(long, value_name = "S", value_parser = number, requires = "row_p", allow_negative_numbers = true)]
    row_stream: Option<u64>,

    /// With --backward and an activation: the input of the forward pass
    #[arg(long = "input", value_name = "X.npy", requires = "backward", conflicts_with = "block")]
    x: Option<PathBuf>,

    /// With --backward: the file that gets the gradient of the bias, the sum of each column, stored as IN
    #[arg(long, value_name = "DB.npy", requires = "backward", conflicts_with = "block")]
    bias_gradient: Option<PathBuf>,
}

/// Everything else of the command.
pub struct Call<'a> {
    pub mask: Mask,
    pub row_ids: Option<&'a [u32]>,
    pub backward: bool,
    pub output: &'a Path,
    pub processor: &'a ProcessorArgs,
}

impl FusedArgs {
    pub const fn is_given(&self) -> bool {
        self.bias.is_some()
            || self.activation.is_some()
            || self.residual.is_some()
            || self.row_p.is_some()
            || self.x.is_some()
            || self.bias_gradient.is_some()
    }

    /// What of the options can be known to be wrong before a file is opened.
    pub fn check(&self, backward: bool) -> Result<(), Error> {
        let is_curved = self.activation.is_some_and(|activation| activation != Activation::None);
        if backward && is_curved && self.x.is_none() {
            return Err(Error::Options(
                "the gradient of an activation depends on its input: give it with --input X.npy",
            ));
        }
        Ok(())
    }

    fn fused(&self, mask: Mask, columns: u64) -> Result<Fused, Error> {
        let fused = Fused::new(mask, columns)?.with_activation(self.activation.unwrap_or_default());
        let (Some(p), Some(stream)) = (self.row_p, self.row_stream) else { return Ok(fused) };
        let dropout = Dropout::new(p)?.with_generator(mask.generator()).with_training(mask.training());
        Ok(fused.with_row_keep(dropout.mask(Key::new(mask.key().seed).with_stream(stream)))?)
    }

    pub fn run(&self, call: &Call<'_>, input: Input) -> Result<(), Error> {
        match input.dtype {
            Dtype::F32 => self.run_with::<f32>(call, input),
            Dtype::F16 => self.run_with::<half::f16>(call, input),
            Dtype::Bf16 => self.run_with::<half::bf16>(call, input),
            other => unreachable!("no array is read as {other}"),
        }
    }

    fn run_with<T: Element>(&self, call: &Call<'_>, input: Input) -> Result<(), Error> {
        let dtype = input.dtype;
        let header = input.header().clone();
        // A single number is a row of one.
        let columns = header.shape.last().copied().unwrap_or(1);
        let fused = self.fused(call.mask, columns)?;
        let row = [columns];
        let bias = self
            .bias
            .as_deref()
            .map(|path| read::<T>(path, dtype, &row, "a bias has one axis, IN's last one"))
            .transpose()?;
        let of_input = |path: Option<&Path>| {
            path.map(|path| read::<T>(path, dtype, &header.shape, "it must have the shape of IN")).transpose()
        };
        let residual = of_input(self.residual.as_deref())?;
        let x = of_input(self.x.as_deref())?;
        if self.bias_gradient.as_deref() == Some(call.output) {
            return Err(Error::Options("OUT and --bias-gradient are the same file: give each its own"));
        }
        let mut output = WholeFile::create(call.output)?;
        let mut gradient = self.bias_gradient.as_deref().map(WholeFile::create).transpose()?;
        let processor = call.processor.open()?;

        let source: Vec<T> = input.read_all()?;
        let mut y = vec![T::zeroed(); source.len()];
        let mut sums = vec![T::zeroed(); if gradient.is_some() { columns as usize } else { 0 }];
        let mut pass: Pass<Slice<'_>> =
            if call.backward { fused.backward(&source, &mut y) } else { fused.forward(&source, &mut y) };
        if let Some(bias) = &bias {
            pass = pass.with_bias(bias);
        }
        if let Some(residual) = &residual {
            pass = pass.with_residual(residual);
        }
        if let Some(x) = &x {
            pass = pass.with_input(x);
        }
        if let Some(ids) = call.row_ids {
            pass = pass.with_row_ids(ids);
        }
        if gradient.is_some() {
            pass = pass.with_bias_gradient(&mut sums);
        }
        processor.run_pass(pass)?;
        output.write(&Vec::from(&header))?;
        output.write(bytemuck::cast_slice(&y))?;
        if let Some(gradient) = &mut gradient {
            gradient.write(&Vec::from(&Header::new(&header.descr, &row)))?;
            gradient.write(bytemuck::cast_slice(&sums))?;
        }
        output.finish()?;
        gradient.map_or(Ok(()), WholeFile::finish)
    }
}

/// All of an array that must be stored as IN, and have a shape.
fn read<T: Element>(path: &Path, dtype: Dtype, shape: &[u64], rule: &str) -> Result<Vec<T>, Error> {
    let input = Input::open(path, if dtype == Dtype::Bf16 { Some(dtype) } else { None })?;
    if input.dtype != dtype {
        let problem = format!("its elements are {}, and those of IN {dtype}: save it with the type of IN", input.dtype);
        return Err(Error::input(path, problem));
    }
    if input.shape() != shape {
        let found = printable(&input.header().shape_text());
        let expected = printable(&Header::new("", shape).shape_text());
        return Err(Error::input(path, format!("its shape is {found}: {rule}, here {expected}")));
    }
    input.read_all()
}
