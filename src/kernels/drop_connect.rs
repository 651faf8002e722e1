//! `DropConnect` as launches. A product's mask lives inside of it, so these are products of this library's own; what they
//! decide and load is shared by as many terms as registers have room for: see shaders/drop_connect/.

use std::{fmt, ops::Range};

use bytemuck::{Pod, Zeroable};
use smallvec::SmallVec;

use super::{
    kernel::{Kernel, KeySource, Program, Storage},
    operand::{Bindings, Operand, Operands, Tensor, bind_parts},
    parameters::{Block, Parameters, small, words},
    plan::{KeyPlace, Launch, Plan},
    stage::Stage,
    target::{F16Conversion, Schedule, Target},
};
use crate::{
    DropConnect, Dropout, Dtype, Error, Generator, Key, Kind, Operation, Pass, drop_connect::ConnectWork, role::Role,
    wgsl::KeepRule,
};

/// A kernel of `DropConnect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Connect {
    pub(super) step: ConnectStep,
    pub(super) storage: Storage,
    /// None where every weight is kept.
    pub(super) random: Option<(Generator, KeySource)>,
    /// Whether rows of decisions begin at multiples of 32.
    pub(super) aligned: bool,
    /// How rows of elements begin.
    pub(super) rows: Rows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ConnectStep {
    Product {
        /// 8 outputs and not 4.
        wide: bool,
        /// One mask for all examples.
        one_mask: bool,
    },
    Gradient {
        /// 4 rows and not one.
        four_rows: bool,
        /// One mask for all rows.
        one_mask_of_rows: bool,
        /// One mask for all terms.
        one_mask_of_terms: bool,
        /// Whether sums go on from those that are stored.
        adds: bool,
    },
    Moments,
    Samples,
}

/// Where rows of elements begin, of every tensor of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Rows {
    /// Of f32, at multiples of 16 bytes.
    Quads,
    /// At whole words.
    Words,
    /// Inside of words too.
    Halves,
}

impl Connect {
    pub(super) const fn fragment(&self) -> &'static str {
        match self.step {
            ConnectStep::Product { .. } => "drop_connect/product",
            ConnectStep::Gradient { .. } => "drop_connect/gradient",
            ConnectStep::Moments => "drop_connect/moments",
            ConnectStep::Samples => "drop_connect/samples",
        }
    }

    /// The fragment that fills a role that is of these kernels alone.
    pub(super) const fn role(&self, role: &str) -> Option<&'static str> {
        Some(match (role.as_bytes(), self.storage) {
            (b"rows", _) if self.random.is_some() => "drop_connect/rows",
            (b"rows", _) => "drop_connect/no_rows",
            (b"tensor", Storage::F32) => "tensor/f32",
            (b"tensor", _) => "tensor/halves",
            (b"store", Storage::F32) => "tensor/store_f32",
            (b"store", _) if matches!(self.rows, Rows::Halves) => "tensor/store_halves",
            (b"store", _) => "tensor/store_pairs",
            (b"format", Storage::F32) => "",
            (b"format", Storage::F16(F16Conversion::Native)) => "storage/f16_native",
            (b"format", Storage::F16(F16Conversion::Integer)) => "storage/f16",
            (b"format", Storage::Bf16) => "storage/bf16_signed",
            _ => return None,
        })
    }

    pub(super) const fn block(&self) -> Block {
        match self.step {
            ConnectStep::Product { .. } => Block::Product,
            ConnectStep::Gradient { .. } => Block::Slope,
            ConnectStep::Moments => Block::Moments,
            ConnectStep::Samples => Block::Sampling,
        }
    }

    /// Not of the gradient of the product, which is read an element at a time: its last ones may be no whole unit.
    pub(super) fn reads_quads(&self, role: Role) -> bool {
        self.rows == Rows::Quads && !role.is_written() && role != Role::Gradient
    }

    /// Whether invocations may have a half each of one word of an output.
    pub(super) fn merges(&self, role: Role) -> bool {
        self.rows == Rows::Halves && role.is_written()
    }

    pub(super) fn constants(&self) -> Vec<(&'static str, String)> {
        let mut constants = vec![
            ("QUADS", (self.rows == Rows::Quads).to_string()),
            ("WHOLE_WORDS", (self.rows != Rows::Halves).to_string()),
        ];
        let masked = self.random.is_some();
        match self.step {
            ConnectStep::Product { wide, one_mask } => constants.extend([
                ("MASKED", masked.to_string()),
                // Walks along rows begin there whatever the row does.
                ("DROPOUT_START_IS_ALIGNED", "true".to_owned()),
                ("ROWS_ARE_ALIGNED", self.aligned.to_string()),
                ("WIDE", wide.to_string()),
                ("OUTPUTS_PER_TILE", if wide { "8u" } else { "4u" }.to_owned()),
                ("ONE_MASK", one_mask.to_string()),
            ]),
            ConnectStep::Gradient { four_rows, one_mask_of_rows, one_mask_of_terms, adds } => constants.extend([
                ("MASKED", masked.to_string()),
                ("DROPOUT_START_IS_ALIGNED", self.aligned.to_string()),
                ("ROWS_ARE_ALIGNED", self.aligned.to_string()),
                ("FOUR_ROWS", four_rows.to_string()),
                ("ROWS_PER_TILE", if four_rows { "4u" } else { "1u" }.to_owned()),
                ("ONE_MASK_OF_ROWS", one_mask_of_rows.to_string()),
                ("ONE_MASK_OF_TERMS", one_mask_of_terms.to_string()),
                ("ADDS", adds.to_string()),
            ]),
            ConnectStep::Moments => {}
            ConnectStep::Samples => constants.push(("SAMPLES_PER_INVOCATION", format!("{SAMPLES_EACH}u"))),
        }
        constants
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            ConnectStep::Product { wide, one_mask } => {
                let wide = if wide { " by 8" } else { "" };
                write!(f, "drop connect{wide}{}", if one_mask { ", one mask" } else { "" })?;
            }
            ConnectStep::Gradient { four_rows, one_mask_of_rows, one_mask_of_terms, adds } => {
                write!(f, "drop connect, gradient{}", if four_rows { " by 4 rows" } else { "" })?;
                f.write_str(if one_mask_of_rows { ", one mask of rows" } else { "" })?;
                f.write_str(if one_mask_of_terms { ", one mask of terms" } else { "" })?;
                f.write_str(if adds { ", continued" } else { "" })?;
            }
            ConnectStep::Moments => f.write_str("drop connect, moments")?,
            ConnectStep::Samples => f.write_str("drop connect, samples")?,
        }
        let rows = match self.rows {
            Rows::Quads => "quads",
            Rows::Words => "words",
            Rows::Halves => "halves",
        };
        write!(f, ",{} by {rows}", self.storage)?;
        match self.random {
            None => f.write_str(", all kept"),
            Some((generator, source)) => {
                let aligned = if self.aligned { " aligned" } else { "" };
                let source = match source {
                    KeySource::Parameter => "",
                    KeySource::Buffer => ", key in a buffer",
                    KeySource::RateBuffer => ", key and rate in a buffer",
                };
                write!(f, ", {generator}{aligned}{source}")
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Product {
    pub(crate) strides: [[u32; 2]; 2],
    pub(crate) examples: u32,
    pub(crate) outputs: u32,
    pub(crate) inputs: u32,
    pub(crate) tiles: u32,
    pub(crate) weights_offset: u32,
    pub(crate) input_offset: u32,
    pub(crate) output_offset: u32,
    pub(crate) output_pitch: u32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Slope {
    pub(crate) strides: [[u32; 2]; 2],
    pub(crate) rows: u32,
    pub(crate) terms: u32,
    pub(crate) inputs: u32,
    pub(crate) tiles: u32,
    pub(crate) factors_offset: u32,
    pub(crate) gradient_offset: u32,
    pub(crate) output_offset: u32,
    pub(crate) row_pitch: u32,
    pub(crate) term_pitch: u32,
    pub(crate) unused_0: u32,
    pub(crate) unused: [u32; 2],
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Moments {
    pub(crate) examples: u32,
    pub(crate) outputs: u32,
    pub(crate) inputs: u32,
    pub(crate) tiles: u32,
    pub(crate) weights_offset: u32,
    pub(crate) input_offset: u32,
    pub(crate) mean_offset: u32,
    pub(crate) variance_offset: u32,
    pub(crate) output_pitch: u32,
    pub(crate) factor: f32,
    pub(crate) unused: [u32; 2],
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Sampling {
    pub(crate) length: u32,
    pub(crate) samples: u32,
    pub(crate) first_sample: u32,
    pub(crate) tiles: u32,
    pub(crate) mean_offset: u32,
    pub(crate) variance_offset: u32,
    pub(crate) output_offset: u32,
    pub(crate) zero: u32,
}

/// Samples of an invocation.
const SAMPLES_EACH: u64 = 16;

/// Examples of a tile.
const EXAMPLES: u64 = 4;

/// Neighbours that an invocation computes of a gradient.
const NEIGHBOURS: u64 = 32;

/// The stages of a pass, in order; none where nothing has to be done.
///
/// # Errors
/// Those of the shapes, [`Error::TooLarge`] where a row is larger than a binding or 16-bit sums would have to be taken up
/// again, [`Error::NoRate`] for moments with a rate in a buffer.
pub(super) fn stages(
    target: &Target,
    work: &ConnectWork,
    pass: &Pass<Tensor>,
    key: KeyPlace,
) -> Result<Vec<Stage>, Error> {
    work.check()?;
    let is_rate = matches!(key, KeyPlace::RateBuffer { .. });
    if is_rate && matches!(work, ConnectWork::Moments(_)) {
        return Err(Error::NoRate { what: "moments of DropConnect" });
    }
    let Some(output) = pass.place(Role::Output) else { unreachable!("checked") };
    if output.operand.size == 0 {
        return Ok(vec![]);
    }
    let of = work.of();
    let mut call = Call { target, of, pass, key, dtype: output.dtype, stage: Stage::none() };
    let terms = match work {
        ConnectWork::Forward(_) | ConnectWork::Moments(_) => of.inputs(),
        ConnectWork::BackwardInput(_) => of.outputs(),
        ConnectWork::BackwardWeights(_) => of.batch(),
        ConnectWork::Samples { .. } => 1,
    };
    let drops_all = of.mask().threshold() == 0 && !is_rate && !matches!(work, ConnectWork::Samples { .. });
    if terms == 0 || drops_all {
        let written = pass.tensors.iter().filter(|(role, _)| role.is_written());
        return written.map(|(_, tensor)| zeros(target, of, tensor)).collect();
    }
    match *work {
        ConnectWork::Forward(_) => call.product()?,
        ConnectWork::Moments(_) => call.moments()?,
        ConnectWork::BackwardInput(_) => call.gradient(&Sums {
            factors: Role::Weights,
            rows: of.batch(),
            terms: of.outputs(),
            strides: of.strides(),
            pitches: [of.outputs(), 1],
        })?,
        ConnectWork::BackwardWeights(_) => call.gradient(&Sums {
            factors: Role::Input,
            rows: of.outputs(),
            terms: of.batch(),
            strides: [of.strides()[1], of.strides()[0]],
            pitches: [1, of.outputs()],
        })?,
        ConnectWork::Samples { first, count, .. } => call.samples(first, count)?,
    }
    Ok(vec![call.stage])
}

/// +0 everywhere.
fn zeros(target: &Target, of: &DropConnect, tensor: &Tensor) -> Result<Stage, Error> {
    let plan = Plan::new(target, &Operands::values(tensor.dtype, tensor.operand, tensor.operand)?)?;
    let drop_all = Operation::Forward(Dropout::new(1.0)?.mask(of.mask().key()));
    let launches = plan.launches(&drop_all, KeyPlace::Parameters)?;
    Ok(Stage::of(&plan, launches))
}

/// A gradient, as the sums that it is made of.
struct Sums {
    /// What neighbours are multiplied with: rows of as many elements as there are inputs, one for each term.
    factors: Role,
    rows: u64,
    terms: u64,
    /// Decisions from row to row, and from term to term.
    strides: [u64; 2],
    /// Elements of the gradient of the product from row to row, and from term to term.
    pitches: [u64; 2],
}

/// A part of a tensor: some rows.
type Part = (Role, Range<u64>);

struct Call<'a> {
    target: &'a Target,
    of: &'a DropConnect,
    pass: &'a Pass<Tensor>,
    key: KeyPlace,
    dtype: Dtype,
    stage: Stage,
}

impl Call<'_> {
    fn product(&mut self) -> Result<(), Error> {
        let of = self.of;
        let wide = self.target.schedule == Schedule::Blocked;
        let outputs_per_tile = if wide { 8 } else { 4 };
        let (inputs, pitch) = (of.inputs(), of.outputs());
        let [of_example, of_output] = of.strides();
        let step = ConnectStep::Product { wide, one_mask: of_example == 0 };
        let each = [&[pitch, inputs][..], &[inputs]];
        for [examples, outputs] in self.chunks([of.batch(), pitch], each, [EXAMPLES, outputs_per_tile])? {
            let tiles = length(&outputs).div_ceil(outputs_per_tile);
            let start = at(of.mask().view().start(), &[(of_example, examples.start), (of_output, outputs.start)]);
            let parts = [
                (Role::Weights, rows(&outputs, inputs)),
                (Role::Input, rows(&examples, inputs)),
                (Role::Output, rows(&examples, pitch)),
            ];
            let invocations = length(&examples).div_ceil(EXAMPLES) * tiles;
            self.launch(step, &parts, &[inputs, pitch, outputs.start, outputs.end], start, invocations, |offset| {
                bytemuck::bytes_of(&Product {
                    strides: [of_example, of_output].map(words),
                    examples: small(length(&examples)),
                    outputs: small(length(&outputs)),
                    inputs: small(inputs),
                    tiles: small(tiles),
                    weights_offset: offset(Role::Weights),
                    input_offset: offset(Role::Input),
                    output_offset: offset(Role::Output) + small(outputs.start),
                    output_pitch: small(pitch),
                })
                .into()
            })?;
        }
        Ok(())
    }

    fn moments(&mut self) -> Result<(), Error> {
        let of = self.of;
        let (inputs, pitch) = (of.inputs(), of.outputs());
        #[expect(clippy::cast_possible_truncation, reason = "rounded once, as the format says")]
        let factor = of.variance_factor() as f32;
        let each = [&[pitch, pitch, inputs][..], &[inputs]];
        for [examples, outputs] in self.chunks([of.batch(), pitch], each, [EXAMPLES, 4])? {
            let tiles = length(&outputs).div_ceil(4);
            let parts = [
                (Role::Weights, rows(&outputs, inputs)),
                (Role::Input, rows(&examples, inputs)),
                (Role::Output, rows(&examples, pitch)),
                (Role::OutputVariance, rows(&examples, pitch)),
            ];
            let invocations = length(&examples).div_ceil(EXAMPLES) * tiles;
            self.launch(
                ConnectStep::Moments,
                &parts,
                &[inputs, pitch, outputs.start, outputs.end],
                0,
                invocations,
                |offset| {
                    bytemuck::bytes_of(&Moments {
                        examples: small(length(&examples)),
                        outputs: small(length(&outputs)),
                        inputs: small(inputs),
                        tiles: small(tiles),
                        weights_offset: offset(Role::Weights),
                        input_offset: offset(Role::Input),
                        mean_offset: offset(Role::Output) + small(outputs.start),
                        variance_offset: offset(Role::OutputVariance) + small(outputs.start),
                        output_pitch: small(pitch),
                        factor,
                        unused: [0; 2],
                    })
                    .into()
                },
            )?;
        }
        Ok(())
    }

    fn gradient(&mut self, sums: &Sums) -> Result<(), Error> {
        let of = self.of;
        let inputs = of.inputs();
        let four_rows = self.target.schedule == Schedule::Blocked;
        let rows_per_tile = if four_rows { 4 } else { 1 };
        let tiles = inputs.div_ceil(NEIGHBOURS);
        let [of_row, of_term] = sums.strides;
        let [row_pitch, term_pitch] = sums.pitches;
        // The rows of the gradient of the product are examples.
        let by_rows = sums.factors == Role::Weights;
        let each =
            if by_rows { [&[inputs, of.outputs()][..], &[inputs]] } else { [&[inputs][..], &[inputs, of.outputs()]] };
        for [these, terms] in self.chunks([sums.rows, sums.terms], each, [rows_per_tile, 1])? {
            let adds = terms.start > 0;
            if length(&terms) < sums.terms && self.dtype != Dtype::F32 {
                let bytes = sums.terms.saturating_mul(inputs).saturating_mul(self.dtype.size());
                let what = "a binding of what 16-bit sums are made of, which are rounded once";
                return Err(Error::TooLarge { bytes, limit: self.target.binding_limit(), what });
            }
            let step = ConnectStep::Gradient {
                four_rows,
                one_mask_of_rows: of_row == 0,
                one_mask_of_terms: of_term == 0,
                adds,
            };
            let start = at(of.mask().view().start(), &[(of_row, these.start), (of_term, terms.start)]);
            let (examples, first_output) = if by_rows { (&these, terms.start) } else { (&terms, these.start) };
            let parts = [
                (sums.factors, rows(&terms, inputs)),
                (Role::Gradient, rows(examples, of.outputs())),
                (Role::Output, rows(&these, inputs)),
            ];
            let invocations = length(&these).div_ceil(rows_per_tile) * tiles;
            self.launch(step, &parts, &[inputs], start, invocations, |offset| {
                bytemuck::bytes_of(&Slope {
                    strides: [of_row, of_term].map(words),
                    rows: small(length(&these)),
                    terms: small(length(&terms)),
                    inputs: small(inputs),
                    tiles: small(tiles),
                    factors_offset: offset(sums.factors),
                    gradient_offset: offset(Role::Gradient) + small(first_output),
                    output_offset: offset(Role::Output),
                    row_pitch: small(row_pitch),
                    term_pitch: small(term_pitch),
                    unused_0: 0,
                    unused: [0; 2],
                })
                .into()
            })?;
        }
        Ok(())
    }

    fn samples(&mut self, first: u64, count: u64) -> Result<(), Error> {
        let all = self.of.output_elements();
        let start = self.of.mask().view().start();
        let room = self.room(3) / self.dtype.size() / 4 * 4;
        let mut done = 0;
        while done < all {
            // A part of every sample, or some whole samples. But for the first part they begin with a block of normals.
            let length =
                if all <= room { all } else { (all - done).min(if done == 0 { room - start % 4 } else { room }) };
            let elements = done..done + length;
            let tiles = (start.wrapping_add(done) % 4 + length).div_ceil(4);
            let each = if length == all { room / all } else { 1 };
            let most = (self.invocations() / tiles).saturating_mul(SAMPLES_EACH).max(1);
            let mut sample = 0;
            while sample < count {
                let samples = (count - sample).min(each).min(most);
                let from = sample * all;
                let parts = [
                    (Role::GivenMean, elements.clone()),
                    (Role::GivenVariance, elements.clone()),
                    (Role::Output, from + elements.start..from + (samples - 1) * all + elements.end),
                ];
                let invocations = samples.div_ceil(SAMPLES_EACH) * tiles;
                let begins = [length, start.wrapping_add(done) % 4];
                self.launch(ConnectStep::Samples, &parts, &begins, start.wrapping_add(done), invocations, |offset| {
                    bytemuck::bytes_of(&Sampling {
                        length: small(length),
                        samples: small(samples),
                        first_sample: small(first + sample),
                        tiles: small(tiles),
                        mean_offset: offset(Role::GivenMean),
                        variance_offset: offset(Role::GivenVariance),
                        output_offset: offset(Role::Output),
                        zero: 0,
                    })
                    .into()
                })?;
                sample += samples;
            }
            done = elements.end;
        }
        Ok(())
    }

    /// Splits two axes so that bindings have room. `each` has, for a coordinate of either axis, the elements of the tensors
    /// whose rows are along it; chunks but the last are multiples of tiles.
    fn chunks(&self, axes: [u64; 2], each: [&[u64]; 2], tile: [u64; 2]) -> Result<Vec<[Range<u64>; 2]>, Error> {
        let room = self.room(each[0].len() as u64 + each[1].len() as u64) / self.dtype.size();
        let mut most = [0; 2];
        for axis in 0..2 {
            let largest = each[axis].iter().copied().max().unwrap_or(1).max(1);
            let rows = room / largest;
            if rows == 0 {
                let (bytes, limit) = (largest.saturating_mul(self.dtype.size()), room * self.dtype.size());
                return Err(Error::TooLarge { bytes, limit, what: "a binding of a row of DropConnect" });
            }
            most[axis] = axes[axis].min(rows);
        }
        // Workgroups are counted in two dimensions.
        let tiles = self.invocations();
        most[1] = most[1].min(tiles.saturating_mul(tile[1]));
        let across = most[1].div_ceil(tile[1]).max(1);
        most[0] = most[0].min((tiles / across).max(1).saturating_mul(tile[0]));
        for axis in 0..2 {
            if most[axis] < axes[axis] && most[axis] > tile[axis] {
                most[axis] -= most[axis] % tile[axis];
            }
        }
        let split = |axis: usize| {
            let (all, step) = (axes[axis], most[axis]);
            (0..all.div_ceil(step)).map(move |i| i * step..all.min((i + 1) * step))
        };
        Ok(split(0).flat_map(|first| split(1).map(move |second| [first.clone(), second])).collect())
    }

    /// Bytes of a tensor that a binding has room for, wherever it begins, and if it is one for this many.
    fn room(&self, tensors: u64) -> u64 {
        let around = u64::from(self.target.binding_alignment) + 4;
        let written = |buffer| {
            self.pass.tensors.iter().any(|(role, tensor)| role.is_written() && tensor.operand.buffer == buffer)
        };
        let share = self.pass.tensors.iter().filter(|(_, tensor)| written(tensor.operand.buffer)).count();
        let tensors = if share > 1 { tensors } else { 1 };
        (self.target.binding_limit() / tensors).saturating_sub(around)
    }

    /// Invocations of a launch at most.
    fn invocations(&self) -> u64 {
        let most = u64::from(self.target.max_workgroups_per_dimension);
        most.saturating_mul(most).saturating_mul(self.target.workgroup_size.into()).min(1 << 32)
    }

    /// Appends a launch. `begins` says what rows of elements begin at multiples of.
    fn launch(
        &mut self,
        step: ConnectStep,
        parts: &[Part],
        begins: &[u64],
        start: u64,
        invocations: u64,
        block: impl Fn(&dyn Fn(Role) -> u32) -> SmallVec<[u8; 64]>,
    ) -> Result<(), Error> {
        let size = self.dtype.size();
        let operand = |role| self.pass.place(role).map_or(Operand::new(0, 0, 0), |tensor| tensor.operand);
        let in_kernel = |role| match (step, role) {
            // Either is what neighbours are multiplied with.
            (ConnectStep::Gradient { .. }, Role::Weights | Role::Input) => Role::Other,
            _ => role,
        };
        let part = |(role, part): &Part| (in_kernel(*role), operand(*role), part.start * size..part.end * size);
        let bound: SmallVec<[_; 4]> = parts.iter().map(part).collect();
        let Bindings { list, layout, offsets } = bind_parts(&bound, self.target);
        if let Some(binding) = list.iter().find(|binding| binding.size > self.target.binding_limit()) {
            let limit = self.target.binding_limit();
            return Err(Error::TooLarge { bytes: binding.size, limit, what: "a binding of tensors that lie together" });
        }
        let offset = |role: Role| offsets[in_kernel(role) as usize] / size;
        let begin_at = |multiple: u64| {
            let mut all = begins.iter().copied().chain(parts.iter().map(|(role, _)| offset(*role)));
            all.all(|elements| elements.is_multiple_of(multiple))
        };
        let reads = parts.iter().filter(|(role, _)| !role.is_written());
        let quads = begins[0].is_multiple_of(4) && reads.clone().all(|(role, _)| offset(*role).is_multiple_of(4));
        let rows = match self.dtype {
            Dtype::F32 if quads && step != ConnectStep::Samples => Rows::Quads,
            Dtype::F32 => Rows::Words,
            _ if begin_at(2) => Rows::Words,
            _ => Rows::Halves,
        };
        let mask = self.of.mask();
        let is_rate = matches!(self.key, KeyPlace::RateBuffer { .. });
        let decides = mask.training() && (is_rate || !mask.keeps_all());
        let random = match step {
            ConnectStep::Product { .. } | ConnectStep::Gradient { .. } => decides,
            ConnectStep::Moments => false,
            ConnectStep::Samples => true,
        };
        let mut strides = self.of.strides().into_iter().chain([start]);
        let aligned = decides && step != ConnectStep::Samples && strides.all(|stride| stride.is_multiple_of(32));
        let connect = Connect {
            step,
            storage: Storage::new(self.dtype, self.target.f16),
            random: random.then(|| (mask.generator(), self.key.source())),
            aligned,
            rows,
        };
        let kernel = Kernel::new(self.target, Program::DropConnect(connect), layout);
        let mut parameters = Parameters::new();
        for of_kernel in kernel.blocks() {
            match of_kernel {
                Block::Rule => parameters.push(&KeepRule::new(&mask, start)),
                Block::Key => parameters.push(&self.key.position(Kind::Inverted)),
                _ => parameters.push_bytes(&block(&|role| small(offset(role)))),
            }
        }
        let workgroups = invocations.div_ceil(self.target.workgroup_size.into());
        let most = u64::from(self.target.max_workgroups_per_dimension);
        let [x, y] = if workgroups <= most { [workgroups, 1] } else { [most, workgroups.div_ceil(most)] };
        self.stage.launches.push(Launch {
            chunk: small(self.stage.chunks.len() as u64),
            kernel,
            parameters,
            workgroups: [small(x), small(y), 1],
        });
        self.stage.chunks.push((list, layout));
        Ok(())
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}

/// The elements of some rows.
fn rows(range: &Range<u64>, each: u64) -> Range<u64> {
    range.start * each..range.end * each
}

/// An index and some strides further. It wraps where no decision is looked at.
fn at(start: u64, steps: &[(u64, u64)]) -> u64 {
    steps.iter().fold(start, |index, (stride, count)| index.wrapping_add(stride.wrapping_mul(*count)))
}

/// Passes that together choose every kernel for each type and place, and by turns with what random numbers.
pub(super) fn scenarios() -> Vec<Pass<Tensor>> {
    let mut scenarios = vec![];
    let shapes = [[64, 64], [6, 10], [5, 7]];
    let calls = Dtype::ALL.iter().flat_map(|dtype| shapes.iter().map(move |shape| (dtype, shape)));
    for (turn, (&dtype, &[outputs, inputs])) in calls.enumerate() {
        let generator = Generator::ALL[turn % Generator::ALL.len()];
        for (p, per_batch) in [(0.5, false), (0.5, true), (0.0, false)] {
            let mask = Dropout::new(p).map(|dropout| dropout.with_generator(generator).mask(Key::new(0)));
            let Ok(of) = mask.and_then(|mask| DropConnect::new(mask, 3, outputs, inputs)) else { continue };
            let of = of.with_mask_per_batch(per_batch);
            let tensor =
                |buffer: u32, elements: u64| Operand::new(buffer, 0, elements * dtype.size()).with_dtype(dtype);
            let [weights, input, output] = [tensor(0, outputs * inputs), tensor(1, 3 * inputs), tensor(2, 3 * outputs)];
            scenarios.extend([
                of.forward(weights, input, output),
                of.backward_input(weights, output, input),
                of.backward_weights(input, output, weights),
            ]);
            if p == 0.0 {
                let variance = tensor(3, 3 * outputs);
                scenarios.push(of.moments(weights, input, output, variance));
                scenarios.push(of.samples(output, variance, tensor(4, 6 * outputs), 0, 2));
            }
        }
    }
    scenarios
}
