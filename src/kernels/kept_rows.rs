//! The list of kept rows: its bindings and launches.

use smallvec::{SmallVec, smallvec};

use super::{
    kernel::{Kernel, Program},
    operand::{Binding, Layout, Operand, check, check_apart},
    parameters::{Numbers, small},
    plan::{Chunk, KeyPlace, Launch, Launches},
    select::{Part, Source, Task},
    target::Target,
};
use crate::{Error, Mask, MaskFormat, Operation, role::Role};

/// Bytes of the arguments: workgroups in x, y and z, and the number of kept rows.
const ARGUMENTS: u64 = 16;

/// Rows of a launch. One workgroup walks over all of them, and operating systems end what takes a second or two.
const ROWS_PER_LAUNCH: u64 = 1 << 22;

/// A list of kept rows, ready for launches.
#[derive(Clone, Debug)]
pub(crate) struct KeptRows {
    target: Target,
    rows: u64,
    rows_per_workgroup: u32,
    /// Of every launch.
    #[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "the host layer binds"))]
    pub(crate) bindings: SmallVec<[Binding; 2]>,
    layout: Layout,
    /// Words before the list and the arguments in their bindings.
    list_word: u64,
    arguments_word: u64,
}

impl KeptRows {
    pub(crate) fn new(
        target: &Target,
        rows: u32,
        rows_per_workgroup: u32,
        list: &Operand,
        arguments: &Operand,
    ) -> Result<Self, Error> {
        target.check()?;
        if rows_per_workgroup == 0 {
            return Err(Error::Number { what: "rows per workgroup", value: 0, remedy: "it must be at least 1" });
        }
        check("list", list, 4)?;
        check("arguments", arguments, 4)?;
        if list.size != u64::from(rows) * 4 {
            return Err(Error::Size { role: "list", size: list.size, remedy: "a list has 4 for each row" });
        }
        if arguments.size != ARGUMENTS {
            return Err(Error::Size { role: "arguments", size: arguments.size, remedy: "arguments have 16" });
        }
        let list = match rows {
            // There is no list to bind.
            0 => arguments,
            _ => check_apart("arguments", arguments, list).map(|()| list)?,
        };
        let bind = |operand: &Operand| Binding::of(operand, &(0..operand.size), true, target);
        let (of_list, mut of_arguments) = (bind(list), bind(arguments));
        let joined = of_arguments.join(&of_list, true);
        let bindings: SmallVec<[Binding; 2]> =
            if joined { smallvec![of_arguments] } else { smallvec![of_list, of_arguments] };
        let limit = target.max_binding_size;
        if let Some(binding) = bindings.iter().find(|binding| binding.size > limit) {
            return Err(Error::TooLarge { bytes: binding.size, limit, what: "max_storage_buffer_binding_size" });
        }
        let last = usize::from(!joined);
        let layout = Layout::of(&[(Role::Output, 0, true), (Role::Arguments, u8::from(!joined), true)]);
        Ok(Self {
            target: *target,
            rows: rows.into(),
            rows_per_workgroup,
            layout,
            list_word: (list.offset - bindings[0].offset) / 4,
            arguments_word: (arguments.offset - bindings[last].offset) / 4,
            bindings,
        })
    }

    /// The launches, to be run in order. There is always one: it writes the arguments.
    pub(crate) fn launches(&self, mask: &Mask, key: KeyPlace) -> Result<Launches, Error> {
        let operation = key.operation(&Operation::KeepMask(*mask))?;
        operation.check(self.rows, None)?;
        let Some(mask) = operation.mask() else { unreachable!("it has one") };
        let mut launches = Launches::new();
        let mut first = 0;
        while first < self.rows || launches.is_empty() {
            let chunk = Chunk {
                layout: self.layout,
                first,
                length: (self.rows - first).min(ROWS_PER_LAUNCH),
                output_offset: self.list_word,
                ..Chunk::default()
            };
            let task = Task::KeepMask(MaskFormat::Bits);
            let source = if mask.keeps_all() { Source::All } else { Source::Key { mask: *mask, key } };
            let part =
                Part { target: &self.target, task, source, chunk: &chunk, done: 0, end: chunk.length, repeats: None };
            let (decision, count) = part.decide_runs();
            let kernel = Kernel::new(&self.target, Program::KeptRows { decision }, self.layout);
            let mut parameters = part.parameters(&kernel, 0, count);
            let most = self.target.max_workgroups_per_dimension;
            let dispatch = [small(self.arguments_word), small(first), self.rows_per_workgroup, most];
            parameters.push::<Numbers>(&dispatch);
            launches.push(Launch { chunk: 0, kernel, parameters, workgroups: [1, 1, 1] });
            first += count;
        }
        Ok(launches)
    }

    /// Launches of every kind for a mask: the arguments in a buffer of their own, and beside the list.
    pub(crate) fn reachable(target: &Target, mask: &Mask, key: KeyPlace) -> Result<Launches, Error> {
        let mut launches = Launches::new();
        for arguments in [Operand::new(1, 0, ARGUMENTS), Operand::new(0, 128, ARGUMENTS)] {
            launches.extend(Self::new(target, 32, 1, &Operand::new(0, 0, 128), &arguments)?.launches(mask, key)?);
        }
        Ok(launches)
    }
}
