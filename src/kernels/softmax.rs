//! Softmax and dropout as launches: chunks of whole rows, and how many invocations share a row.

use smallvec::SmallVec;

use super::{
    kernel::{Decision, Kernel, Program, Storage},
    operand::{Bindings, Operand, Tensor, bind_parts},
    parameters::{SoftmaxRows, byte, small},
    plan::{Chunk, KeyPlace, Launch, Launches},
    select::{Decisions, Part, Source, Task, groups_before_carry},
    stage::Stage,
    target::{F16Conversion, RUN, Schedule, Target},
};
use crate::{
    Dropout, Dtype, Error, Generator, Key, MaskFormat, Pass, SoftmaxDropout, View,
    role::Role,
    softmax::{Direction, SoftmaxWork},
};

/// Softmax and dropout of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Softmax {
    pub(crate) decision: Decision,
    pub(crate) storage: Storage,
    pub(crate) backward: bool,
    /// Invocations that share a row, a power of two.
    pub(crate) lanes: u8,
    /// Whether all rows begin and end at eight elements, and at units of 16 bytes.
    pub(crate) whole: bool,
    /// Whether some of what a workgroup walks over is outside of the rows, or not seen.
    pub(crate) masked: bool,
}

impl Softmax {
    pub(super) fn role(self, role: &str) -> Option<&'static str> {
        Some(match (role, self.storage) {
            ("lanes", _) if self.lanes == 1 => "softmax/one_lane",
            ("lanes", _) => "softmax/many_lanes",
            ("keep", _) if matches!(self.decision, Decision::All | Decision::Grouped { .. }) => "softmax/groups",
            ("keep", _) if self.lanes == 1 => "softmax/bits",
            ("keep", _) => "softmax/shared_bits",
            ("mask_scale", _) if self.decision == Decision::All => "softmax/no_scale",
            ("mask_scale", _) => "softmax/scale",
            ("eight", Storage::F32) => "storage/eight_f32",
            ("eight", _) => "storage/eight_halves",
            ("input_eight", Storage::F32) => "input/eight_f32",
            ("input_eight", _) => "input/eight_halves",
            ("format", Storage::F16(F16Conversion::Integer)) => "storage/f16",
            ("format", Storage::F16(F16Conversion::Native)) => "storage/f16_native",
            ("format", Storage::Bf16) => "storage/bf16_signed",
            _ => return None,
        })
    }
}

/// The launches of a pass; none where there are no elements.
///
/// # Errors
/// Those of [`SoftmaxWork::check`]; [`Error::TooLarge`] where a row is larger than a binding.
pub(super) fn stages(
    target: &Target,
    work: &SoftmaxWork,
    pass: &Pass<Tensor>,
    key: KeyPlace,
) -> Result<Vec<Stage>, Error> {
    work.check()?;
    let Some(output) = pass.place(Role::Output).copied() else { unreachable!("checked") };
    let operands: SmallVec<[(Role, Operand); 3]> =
        pass.tensors.iter().map(|(role, tensor)| (*role, tensor.operand)).collect();
    let call = Call { target, work, key, operands, output: output.operand, dtype: output.dtype };
    let (rows, columns) = (work.elements / work.softmax.keys(), work.softmax.keys());
    let most = call.rows_of_a_chunk()?;
    let mut stage = Stage { chunks: vec![], launches: Launches::new(), scale: None };
    let mut first = 0;
    while first < rows {
        let end = rows.min(first + most);
        let bytes = |row: u64| row * columns * call.dtype.size();
        let parts: SmallVec<[_; 3]> =
            call.operands.iter().map(|&(role, operand)| (role, operand, bytes(first)..bytes(end))).collect();
        let bindings = bind_parts(&parts, target);
        let number = small(stage.chunks.len() as u64);
        let mut done = first;
        while done < end {
            done += call.launch(&mut stage.launches, number, &bindings, [first, done, end])?;
        }
        stage.chunks.push((bindings.list, bindings.layout));
        first = end;
    }
    Ok(vec![stage])
}

struct Call<'a> {
    target: &'a Target,
    work: &'a SoftmaxWork,
    key: KeyPlace,
    operands: SmallVec<[(Role, Operand); 3]>,
    output: Operand,
    dtype: Dtype,
}

impl Call<'_> {
    /// Rows that bindings have room for, wherever they begin.
    fn rows_of_a_chunk(&self) -> Result<u64, Error> {
        let beside = |&&(_, operand): &&(Role, Operand)| operand.buffer == self.output.buffer && operand != self.output;
        let together = 1 + self.operands.iter().filter(beside).count() as u64;
        let around = u64::from(self.target.binding_alignment) + 4;
        let room = (self.target.binding_limit() / together).saturating_sub(around);
        let columns = self.work.softmax.keys();
        let elements = (room / self.dtype.size()).min((1 << 31) - 2 * RUN);
        if elements < columns {
            let what = "a binding of one row of a softmax";
            return Err(Error::TooLarge { bytes: columns * self.dtype.size(), limit: room, what });
        }
        Ok(elements / columns)
    }

    /// Launches the next rows, from `done` on, of a chunk of the rows `first` to `end`; returns how many.
    fn launch(
        &self,
        launches: &mut Launches,
        number: u32,
        bindings: &Bindings,
        [first, done, end]: [u64; 3],
    ) -> Result<u64, Error> {
        let (softmax, target) = (&self.work.softmax, self.target);
        let columns = softmax.keys();
        let offset = |role: Role| {
            let there = self.operands.iter().any(|&(other, _)| other == role);
            if there { bindings.offsets[role as usize] / self.dtype.size() + (done - first) * columns } else { 0 }
        };
        let chunk = Chunk {
            layout: bindings.layout,
            first: done * columns,
            length: (end - done) * columns,
            input_offset: offset(Role::Input),
            output_offset: offset(Role::Output),
            other_offset: offset(Role::Gradient),
            ..Chunk::default()
        };
        let mask = match self.key {
            KeyPlace::RateBuffer { .. } => softmax.mask().with_any_rate(),
            KeyPlace::Parameters | KeyPlace::Buffer { .. } => *softmax.mask(),
        };
        let source = if mask.keeps_all() { Source::All } else { Source::Key { mask, key: self.key } };
        let task = Task::KeepMask(MaskFormat::Bits);
        let part = Part { target, task, source, chunk: &chunk, done: 0, end: chunk.length, repeats: None };
        let (decisions, elements) = part.decisions(chunk.length);
        let rows = elements / columns;
        if rows == 0 {
            let shape = mask.view().shape().to_vec();
            let problem = format!(
                "an axis of more than 2^31 elements ends inside of a row of {columns} keys: give a mask whose axes end with a row"
            );
            return Err(Error::Shape { shape, problem });
        }
        let per_word = 4 / self.dtype.size();
        let to = offset(Role::Output);
        let meet = per_word > 1 && !(columns.is_multiple_of(per_word) && to.is_multiple_of(per_word));
        // Rows that meet inside of a word are not written at once: every other row first, then those between.
        let step = if meet && rows > 1 { 2 } else { 1 };
        let lanes = self.lanes(rows.div_ceil(step));
        let per_workgroup = u64::from(target.workgroup_size / lanes);
        let most = u64::from(target.max_workgroups_per_dimension);
        let rows = rows.min((most * most).saturating_mul(per_workgroup) * step);
        let offsets = [Role::Input, Role::Gradient, Role::Output].map(offset);
        let whole =
            columns.is_multiple_of(8) && offsets.iter().all(|offset| (offset * self.dtype.size()).is_multiple_of(16));
        let decision = match decisions {
            Decisions::Contiguous { generator, key, index } => {
                let by_groups = target.schedule != Schedule::Blocked && whole && index.is_multiple_of(8);
                if by_groups && groups_before_carry(index) * 8 >= elements {
                    Decision::Grouped { generator, key, shift: 0 }
                } else {
                    let aligned = index.is_multiple_of(RUN) && !meet && columns.is_multiple_of(RUN);
                    Decision::Blocked { generator, key, aligned }
                }
            }
            other => other.at_the_edge(0),
        };
        for first_row in 0..step {
            let count = (rows - first_row).div_ceil(step);
            let workgroups = count.div_ceil(per_workgroup);
            let [x, y] = if workgroups <= most { [workgroups, 1] } else { [most, workgroups.div_ceil(most)] };
            let is_full = whole && columns.is_multiple_of(RUN * u64::from(lanes)) && !softmax.causal();
            let masked = !is_full || lanes > 1 && x * y * per_workgroup != count;
            let program = Program::Softmax(Softmax {
                decision,
                storage: Storage::new(self.dtype, target.f16),
                backward: self.work.direction == Direction::Backward,
                lanes: byte(lanes.into()),
                whole,
                masked,
            });
            let kernel = Kernel::new(target, program, bindings.layout);
            let mut parameters = part.parameters(&kernel, 0, count);
            parameters.push(&self.rows(done, first_row, step));
            launches.push(Launch { chunk: number, kernel, parameters, workgroups: [small(x), small(y), 1] });
        }
        Ok(rows)
    }

    /// Invocations that share a row.
    fn lanes(&self, rows: u64) -> u32 {
        /// Rows that keep a processor busy, an invocation each: a few workgroups for every core.
        const ENOUGH: u64 = 512;
        let runs = self.work.softmax.keys().div_ceil(RUN);
        let useful = match self.target.schedule {
            Schedule::Blocked => runs.min(ENOUGH.div_ceil(rows)),
            Schedule::Groups | Schedule::Interleaved => runs,
        };
        // Few texts serve all numbers of columns.
        let fits = |lanes: &u64| *lanes <= useful && u64::from(self.target.workgroup_size).is_multiple_of(*lanes);
        small([64, 16, 4].into_iter().find(fits).unwrap_or(1))
    }

    fn rows(&self, done: u64, first: u64, step: u64) -> SoftmaxRows {
        let softmax = &self.work.softmax;
        let (queries, keys) = (softmax.queries(), softmax.keys());
        let signed = |x: u64| i32::try_from(x).unwrap_or(i32::MAX);
        let factor = softmax.factor();
        let magnitude = factor.abs();
        let (queries_that_differ, visible) = match softmax.causal() {
            true => (queries, signed(keys) - signed(queries) + 1),
            false => (1, signed(keys)),
        };
        SoftmaxRows {
            columns: small(keys),
            first: small(first),
            step: small(step),
            queries: small(queries_that_differ),
            query: small(done % queries_that_differ),
            visible,
            sign: factor.to_bits() & 1 << 31,
            zero: 0,
            // Of 0 times minus infinity there would be NaN.
            exponent: (magnitude * std::f32::consts::LOG2_E).max(f32::MIN_POSITIVE),
            margin: (MARGIN / magnitude).min(f32::MAX),
            factor,
            unused: 0,
        }
    }
}

/// How far exponents may be above 0. The larger, the less precise are the exponentials; the smaller, the more often sums are
/// scaled again.
const MARGIN: f32 = 4.0;

/// Passes with every type, decision, number of invocations to a row, and place, each with some of the others.
pub(super) fn scenarios() -> Vec<Pass<Tensor>> {
    let mut scenarios = vec![];
    let starts = [View::contiguous(0), View::contiguous(5), View::rows(0, 64, 100)];
    for (&dtype, &generator) in
        Dtype::ALL.iter().flat_map(|dtype| Generator::ALL.iter().map(move |generator| (dtype, generator)))
    {
        for [queries, keys] in [[6, 7], [6, 1000], [600, 64], [64, 1024], [2, 4096]] {
            let turn = scenarios.len();
            let Ok(dropout) = Dropout::new(if turn % 8 == 6 { 0.0 } else { 0.5 }) else { continue };
            let mask = dropout.with_generator(generator).mask(Key::new(0)).at(starts[turn % starts.len()]);
            let Ok(softmax) = SoftmaxDropout::new(mask, queries, keys) else { continue };
            let softmax = softmax.with_causal(turn % 5 == 1);
            let size = queries * keys * dtype.size();
            let place = |buffer, offset| Operand::new(buffer, offset, size).with_dtype(dtype);
            scenarios.push(match turn % 3 {
                0 => softmax.forward(place(0, 0), place(1, 0)),
                1 => softmax.forward(place(0, 0), place(0, 0)),
                _ => softmax.forward(place(0, 0), place(1, dtype.size())),
            });
            scenarios.push(match turn % 3 {
                0 => softmax.backward(place(0, 0), place(1, 0), place(2, 0)),
                1 => softmax.backward(place(0, 0), place(1, 0), place(1, 0)),
                _ => softmax.backward(place(0, 0), place(1, dtype.size()), place(2, dtype.size())),
            });
        }
    }
    scenarios
}
