//! Launches of the rule in CubeCL's own language.

use burn::tensor::{DType, Shape};
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{CubeDim, calculate_cube_count_elemwise, client::Client, prelude::BufferArg, server::Handle};
use wgpu_dropout::{Effect, Operation, normal_table::NORMAL_TABLE_PACKED};

use super::{
    elementwise::{ConstantsLaunch, Formula, RUN, Variant, elementwise, noise},
    index::place,
    keep_rule::RuleLaunch,
};
use crate::{Error, backend::dtype};

/// An error for what the kernel does not cover.
pub(super) fn check(client: &Client, operation: &Operation, elements: usize) -> Result<(), Error> {
    let mask = operation.mask().ok_or_else(|| uncovered(client, operation))?;
    formula(client, operation)?;
    place(&mask.view(), elements).map(|_| ())
}

fn uncovered(client: &Client, operation: &Operation) -> Error {
    let what = match operation {
        Operation::KeepMask(_) => "a keep mask",
        Operation::ApplyMask { .. } => "a packed mask",
        Operation::Select(_) => "a selection of two tensors",
        _ => "this kind of dropout",
    };
    Error::Operation { what, name: client.name().to_owned() }
}

/// What happens to an element, and the numbers of that; none where bits are copied.
fn formula(client: &Client, operation: &Operation) -> Result<Option<(Formula, [f32; 3])>, Error> {
    Ok(Some(match operation.effect().ok_or_else(|| uncovered(client, operation))? {
        Effect::Copy => return Ok(None),
        Effect::Drop => (Formula::Drop, [0.0; 3]),
        Effect::Multiply { scale } => (Formula::Multiply, [scale, 0.0, 0.0]),
        Effect::Scale { scale } => (Formula::Scale, [scale, 0.0, 0.0]),
        Effect::Select => (Formula::Select, [0.0; 3]),
        Effect::Alpha { scale, shift, dropped } => (Formula::Alpha, [scale, shift, dropped]),
        Effect::Gaussian { sigma } => (Formula::Gaussian, [sigma, 0.0, 0.0]),
        _ => return Err(uncovered(client, operation)),
    }))
}

pub(super) fn operate(x: CubeTensor, operation: &Operation) -> Result<CubeTensor, Error> {
    let Some((formula, [scale, shift, dropped])) = formula(&x.client, operation)? else { return Ok(x) };
    if x.meta.num_elements() == 0 {
        return Ok(x);
    }
    let Some(mask) = operation.mask() else { return Err(uncovered(&x.client, operation)) };
    let x = into_contiguous(x);
    let elements = x.meta.num_elements();
    let dtype = dtype(x.dtype)?;
    let (place, inner) = place(&mask.view(), elements)?;
    let words = (elements as u64 * dtype.size()).div_ceil(4);

    let in_place = x.handle.can_mut();
    let of_y = if in_place { x.handle.clone() } else { x.client.empty(words as usize * 4) };
    let y = CubeTensor::new_contiguous(x.client.clone(), x.device.clone(), x.meta.shape().clone(), of_y, x.dtype);
    let client = &y.client;
    let input = buffer(&x, words);
    let output = if in_place { BufferArg::alias(0, words as usize) } else { buffer(&y, words) };

    let units = elements.div_ceil(RUN as usize);
    let cube_dim = CubeDim::new(client, units);
    let count = calculate_cube_count_elemwise(client, units, cube_dim);
    let variant = Variant { formula, dtype, generator: mask.generator(), inner };
    let (rule, constants) = (RuleLaunch::of(mask), ConstantsLaunch::new(scale, shift, dropped, 0));
    let words = words as u32;
    if formula == Formula::Gaussian {
        let table: Vec<u8> = NORMAL_TABLE_PACKED.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        let table = buffer_of(&y, client.create_from_slice(&table), 1024);
        noise::launch(client, count, cube_dim, input, output, table, rule, place, constants, words, variant);
    } else {
        elementwise::launch(client, count, cube_dim, input, output, rule, place, constants, words, variant);
    }
    Ok(y)
}

/// A contiguous tensor's words. The last may reach past its elements, but not past its memory, which ends at a word.
fn buffer(x: &CubeTensor, words: u64) -> BufferArg {
    let end = x.handle.offset_start.unwrap_or(0) + words * 4;
    let mut handle = x.handle.clone();
    if end > handle.size() {
        handle = Handle::from_memory(handle.memory, handle.service, handle.stream, end);
        handle.offset_start = x.handle.offset_start;
    } else {
        handle.offset_end = Some(handle.size() - end);
    }
    buffer_of(x, handle, words)
}

/// Words of a handle on a tensor's device.
fn buffer_of(x: &CubeTensor, handle: Handle, words: u64) -> BufferArg {
    let shape = Shape::from([words as usize]);
    CubeTensor::new_contiguous(x.client.clone(), x.device.clone(), shape, handle, DType::U32).into_buffer_arg()
}
