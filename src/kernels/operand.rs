//! Operands: the ranges of buffers that an operation reads and writes, and the bindings that show them to a kernel.

use std::fmt::Write;

use smallvec::SmallVec;

use super::{parameters::byte, target::Target};
use crate::{Dtype, Error, MaskFormat, pass, pass::Place, role::Role};

/// A range of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operand {
    /// Which buffer: any number, the same for the same buffer.
    pub buffer: u32,
    /// Bytes before the range.
    pub offset: u64,
    /// Bytes of the range.
    pub size: u64,
}

impl Operand {
    /// `size` bytes of a buffer from byte `offset` on.
    pub const fn new(buffer: u32, offset: u64, size: u64) -> Self {
        Self { buffer, offset, size }
    }

    fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }

    /// The first 4-byte word, and one past the last.
    fn words(&self) -> (u64, u64) {
        (self.offset / 4, self.end().div_ceil(4))
    }
}

/// A tensor of a [`Pass`](crate::Pass): a range of a buffer and how its elements are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    pub(crate) operand: Operand,
    pub(crate) dtype: Dtype,
}

impl Operand {
    /// The range with elements of a type.
    pub const fn with_dtype(self, dtype: Dtype) -> Tensor {
        Tensor { operand: self, dtype }
    }
}

/// Of f32.
impl From<Operand> for Tensor {
    fn from(operand: Operand) -> Self {
        operand.with_dtype(Dtype::F32)
    }
}

impl pass::sealed::Sealed for Tensor {}

impl Place for Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn bytes(&self) -> u64 {
        self.operand.size
    }
}

/// What an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operands {
    pub(crate) kind: Kind,
    pub(crate) input: Option<Operand>,
    pub(crate) other: Option<Operand>,
    /// A row of elements.
    pub(crate) bias: Option<Operand>,
    pub(crate) packed_mask: Option<Operand>,
    pub(crate) row_ids: Option<Operand>,
    pub(crate) output: Operand,
    /// Elements.
    pub(crate) length: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Elements in, elements out.
    Values(Dtype),
    /// A keep mask out.
    Mask(MaskFormat),
}

impl Operands {
    /// Elements of a type from `input` to `output`; the same range for both means in place.
    ///
    /// # Errors
    /// [`Error::Alignment`], [`Error::Size`], [`Error::Length`], [`Error::Overlap`].
    pub fn values(dtype: Dtype, input: Operand, output: Operand) -> Result<Self, Error> {
        let element = dtype.size();
        check("input", &input, element)?;
        check("output", &output, element)?;
        if input.size != output.size {
            return Err(Error::Length { input: input.size, output: output.size });
        }
        if input != output {
            check_apart("input", &input, &output)?;
        }
        let length = input.size / element;
        Ok(Self { input: Some(input), ..Self::output(Kind::Values(dtype), output, length) })
    }

    pub(super) const fn output(kind: Kind, output: Operand, length: u64) -> Self {
        Self { kind, input: None, other: None, bias: None, packed_mask: None, row_ids: None, output, length }
    }

    /// Normals, as f32 elements.
    ///
    /// # Errors
    /// [`Error::Alignment`], [`Error::Size`].
    pub fn normals(output: Operand) -> Result<Self, Error> {
        check("output", &output, 4)?;
        Ok(Self::output(Kind::Values(Dtype::F32), output, output.size / 4))
    }

    /// The same, with another input: what takes the place of dropped elements. It may be the output's own range.
    ///
    /// # Errors
    /// [`Error::Alignment`], [`Error::Size`], [`Error::Length`], [`Error::Overlap`].
    pub fn with_other(self, other: Operand) -> Result<Self, Error> {
        let Kind::Values(dtype) = self.kind else {
            return Err(Error::Operands { operation: "keep mask", needs: "a mask as the output" });
        };
        check("other input", &other, dtype.size())?;
        if other.size != self.output.size {
            return Err(Error::Length { input: other.size, output: self.output.size });
        }
        if other != self.output {
            check_apart("other input", &other, &self.output)?;
        }
        Ok(Self { other: Some(other), ..self })
    }

    /// The same, with the ids of gathered rows: 4 bytes for each row of axis 0 of the mask's shape.
    ///
    /// # Errors
    /// [`Error::Alignment`], [`Error::Size`], [`Error::Overlap`] where the ids share a word with the output.
    pub fn with_row_ids(self, ids: Operand) -> Result<Self, Error> {
        check("row ids", &ids, 4)?;
        check_apart("row ids", &ids, &self.output)?;
        Ok(Self { row_ids: Some(ids), ..self })
    }

    /// The same, with a packed mask of the caller: 4·⌈n/32⌉ bytes for n elements.
    ///
    /// # Errors
    /// Those of [`values`](Self::values), and [`Error::Overlap`] where the mask shares a word with the output.
    pub fn with_packed_mask(self, mask: Operand) -> Result<Self, Error> {
        check("mask", &mask, 4)?;
        if mask.size != MaskFormat::Bits.size(self.length) {
            return Err(Error::Size { role: "mask", size: mask.size, remedy: MaskFormat::REMEDY });
        }
        check_apart("mask", &mask, &self.output)?;
        Ok(Self { packed_mask: Some(mask), ..self })
    }

    /// The keep mask of `length` elements.
    ///
    /// # Errors
    /// [`Error::Alignment`], [`Error::Size`] unless the range has [`MaskFormat::size`] bytes.
    pub fn mask(format: MaskFormat, length: u64, output: Operand) -> Result<Self, Error> {
        check("mask", &output, if format == MaskFormat::Bits { 4 } else { 1 })?;
        if output.size != format.size(length) {
            return Err(Error::Size { role: "mask", size: output.size, remedy: MaskFormat::REMEDY });
        }
        Ok(Self::output(Kind::Mask(format), output, length))
    }

    /// Elements.
    pub const fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn in_place(&self) -> bool {
        self.input == Some(self.output)
    }

    /// How many ranges of the output's buffer one binding may have to hold.
    pub(crate) fn ranges_of_the_output(&self) -> u64 {
        let beside = |operand: Option<Operand>| {
            operand.is_some_and(|operand| operand.buffer == self.output.buffer && operand != self.output)
        };
        let all = [self.input, self.other, self.packed_mask];
        1 + all.into_iter().map(|operand| u64::from(beside(operand))).sum::<u64>()
    }

    /// How many row ids there are.
    pub(crate) fn number_of_row_ids(&self) -> Option<u64> {
        self.row_ids.map(|ids| ids.size / 4)
    }
}

pub(crate) fn check(role: &'static str, operand: &Operand, alignment: u64) -> Result<(), Error> {
    let &Operand { offset, size, .. } = operand;
    if !offset.is_multiple_of(alignment) {
        return Err(Error::Alignment { role, offset, alignment });
    }
    if !size.is_multiple_of(alignment) {
        return Err(Error::Size { role, size, remedy: "it must be a multiple of the size of an element" });
    }
    Ok(())
}

/// An error where two ranges of one buffer share a word, which two invocations would write to, or read and write.
pub(crate) fn check_apart(role: &'static str, other: &Operand, output: &Operand) -> Result<(), Error> {
    let ((start, end), (output_start, output_end)) = (other.words(), output.words());
    if other.buffer == output.buffer && other.size > 0 && start < output_end && output_start < end {
        return Err(Error::Overlap {
            role,
            start: other.offset,
            end: other.end(),
            output_start: output.offset,
            output_end: output.end(),
        });
    }
    Ok(())
}

/// A storage binding of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binding {
    /// Which buffer, as in [`Operand::buffer`].
    pub buffer: u32,
    /// Bytes before the binding, a multiple of the target's alignment.
    pub offset: u64,
    /// Bytes, a multiple of 4.
    pub size: u64,
    /// Whether the kernel writes there.
    pub written: bool,
}

impl Binding {
    /// The smallest binding of a part of a range.
    pub(super) fn of(operand: &Operand, part: &std::ops::Range<u64>, written: bool, target: &Target) -> Self {
        let (start, end) = (operand.offset + part.start, operand.offset + part.end);
        let offset = start - start % u64::from(target.binding_alignment);
        Self { buffer: operand.buffer, offset, size: end.next_multiple_of(4) - offset, written }
    }

    fn end(&self) -> u64 {
        self.offset + self.size
    }

    /// One binding for both, where they are of a buffer that is written to, and overlap: no byte may be bound twice then.
    pub(super) fn join(&mut self, other: &Self, written: bool) -> bool {
        let overlap = self.offset < other.end() && other.offset < self.end();
        let joined = self.buffer == other.buffer && written && overlap;
        if joined {
            let end = self.end().max(other.end());
            self.offset = self.offset.min(other.offset);
            self.size = end - self.offset;
        }
        joined
    }
}

/// Which binding shows which operand. What of the bindings a kernel's text depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Layout {
    /// For each role the number of its binding.
    bindings: [Option<u8>; Role::ALL.len()],
    /// A bit for each binding: whether it is declared `read_write`.
    written: u8,
    count: u8,
}

impl Layout {
    /// Of an output alone, and of an input and an output.
    pub(crate) const OUTPUT: Self = Self::of(&[(Role::Output, 0, true)]);
    pub(crate) const INPUT_OUTPUT: Self = Self::of(&[(Role::Input, 0, false), (Role::Output, 1, true)]);

    /// Of these roles, each with the number of its binding and whether that is written to.
    pub(crate) const fn of(roles: &[(Role, u8, bool)]) -> Self {
        let mut layout = Self { bindings: [None; Role::ALL.len()], written: 0, count: 0 };
        let mut i = 0;
        while i < roles.len() {
            let (role, binding, written) = roles[i];
            layout.bindings[role as usize] = Some(binding);
            layout.written |= (written as u8) << binding;
            layout.count = if binding < layout.count { layout.count } else { binding + 1 };
            i += 1;
        }
        layout
    }

    /// The same with every binding declared `read_write`.
    pub(crate) const fn all_written(self) -> Self {
        Self { written: (1 << self.count) - 1, ..self }
    }

    pub(crate) const fn binding(self, role: Role) -> Option<u8> {
        self.bindings[role as usize]
    }

    pub(crate) const fn count(self) -> u8 {
        self.count
    }

    pub(crate) const fn is_written(self, binding: u8) -> bool {
        self.written >> binding & 1 == 1
    }

    /// The WGSL declarations: of every binding an array of words, or of units of four words where every operand in it is
    /// accessed so; and for every operand functions that access it either way. Of an `atomic` output, which shares no
    /// binding, bits are cleared, and nothing else. Of what is `merged`, some bits of a word are replaced.
    pub(crate) fn declare(
        self,
        by_quads: impl Fn(Role) -> bool,
        atomic: bool,
        merged: impl Fn(Role) -> bool,
    ) -> String {
        let mut text = String::new();
        for binding in 0..self.count {
            let roles: Vec<_> = Role::ALL.iter().copied().filter(|&role| self.binding(role) == Some(binding)).collect();
            let name = roles.iter().map(|role| role.name()).collect::<Vec<_>>().join("_and_");
            let merges = roles.iter().any(|&role| merged(role));
            let quads = !merges && roles.iter().all(|&role| by_quads(role));
            let access = if self.is_written(binding) { "read_write" } else { "read" };
            let atomic = atomic && roles == [Role::Output];
            let element = match (quads, atomic || merges) {
                (_, true) => "atomic<u32>",
                (true, _) => "vec4<u32>",
                (false, _) => "u32",
            };
            let _ = writeln!(
                text,
                "@group(0) @binding({binding}) var<storage, {access}> {name}_binding: array<{element}>;"
            );
            if atomic {
                text += "fn clear_output_bits(i: u32, bits: u32) { atomicAnd(&output_binding[i], ~bits); }\n";
                continue;
            }
            if merges {
                for role in roles {
                    declare_merging(&mut text, role, &format!("{name}_binding"), merged(role));
                }
                continue;
            }
            for role in roles {
                declare_access(&mut text, role, &format!("{name}_binding"), quads, self.is_written(binding));
            }
        }
        text
    }
}

/// Of atomic words: other invocations have the rest of their bits.
fn declare_merging(text: &mut String, role: Role, binding: &str, merged: bool) {
    let name = role.name();
    let _ = writeln!(text, "fn {name}_word(i: u32) -> u32 {{ return atomicLoad(&{binding}[i]); }}");
    let words: Vec<_> = (0..4).map(|j| format!("{name}_word(4u * i + {j}u)")).collect();
    let _ = writeln!(text, "fn {name}_quad(i: u32) -> vec4<u32> {{ return vec4<u32>({}); }}", words.join(", "));
    if merged {
        let _ = writeln!(text, "fn store_{name}_word(i: u32, x: u32) {{ atomicStore(&{binding}[i], x); }}");
        let _ = writeln!(
            text,
            "fn merge_{name}_word(i: u32, bits: u32, x: u32) {{ atomicAnd(&{binding}[i], ~bits); atomicOr(&{binding}[i], x); }}"
        );
    }
}

fn declare_access(text: &mut String, role: Role, binding: &str, quads: bool, written: bool) {
    let name = role.name();
    let (word, quad) = match quads {
        true => (format!("{binding}[i / 4u][i % 4u]"), format!("{binding}[i]")),
        false => {
            let words: Vec<_> = (0..4).map(|j| format!("{binding}[4u * i + {j}u]")).collect();
            (format!("{binding}[i]"), format!("vec4<u32>({})", words.join(", ")))
        }
    };
    let _ = writeln!(text, "fn {name}_word(i: u32) -> u32 {{ return {word}; }}");
    if !matches!(role, Role::PackedMask | Role::RowIds | Role::Output | Role::Arguments | Role::Expected) {
        let _ = writeln!(text, "fn {name}_quad(i: u32) -> vec4<u32> {{ return {quad}; }}");
    }
    if role == Role::Arguments {
        let _ = writeln!(text, "fn store_{name}_word(i: u32, x: u32) {{ {word} = x; }}");
    }
    if role.is_written() && role != Role::Arguments && written {
        let store_quad = match quads {
            true => format!("{binding}[i] = x;"),
            false => (0..4).map(|j| format!("{binding}[4u * i + {j}u] = x[{j}];")).collect::<Vec<_>>().join(" "),
        };
        let _ = writeln!(text, "fn store_{name}_quad(i: u32, x: vec4<u32>) {{ {store_quad} }}");
        let _ = writeln!(text, "fn store_{name}_word(i: u32, x: u32) {{ {word} = x; }}");
    }
}

/// The bindings of some operands' parts, their layout, and for each role the bytes of its part before in the binding.
pub(crate) struct Bindings {
    pub(crate) list: SmallVec<[Binding; 4]>,
    pub(crate) layout: Layout,
    pub(crate) offsets: [u64; Role::ALL.len()],
}

/// Binds parts of an operation's operands: `parts` gives the bytes of each role's range.
pub(crate) fn bindings(operands: &Operands, parts: impl Fn(Role) -> std::ops::Range<u64>, target: &Target) -> Bindings {
    let all = [
        (Role::Input, operands.input),
        (Role::Other, operands.other),
        (Role::PackedMask, operands.packed_mask),
        (Role::RowIds, operands.row_ids),
        (Role::Bias, operands.bias),
        (Role::Output, Some(operands.output)),
    ];
    let there = all.into_iter().filter_map(|(role, operand)| Some((role, operand?, parts(role))));
    bind_parts(&there.collect::<SmallVec<[_; 5]>>(), target)
}

/// Binds parts of operands, each with the bytes of its range: those of a buffer that is written to share a binding where they
/// would overlap.
pub(crate) fn bind_parts(parts: &[(Role, Operand, std::ops::Range<u64>)], target: &Target) -> Bindings {
    let written = |buffer: u32| parts.iter().any(|(role, other, _)| role.is_written() && other.buffer == buffer);
    let mut list: SmallVec<[Binding; 4]> = SmallVec::new();
    for (_, operand, part) in parts {
        let mut binding = Binding::of(operand, part, written(operand.buffer), target);
        // Joined with one it may overlap another.
        while let Some(i) = list.iter().position(|other| binding.join(other, binding.written)) {
            list.remove(i);
        }
        list.push(binding);
    }
    let mut layout = Layout { bindings: [None; Role::ALL.len()], written: 0, count: byte(list.len() as u64) };
    let mut offsets = [0; Role::ALL.len()];
    for (role, operand, part) in parts {
        let start = operand.offset + part.start;
        let holds = |binding: &Binding| {
            let reaches = binding.offset <= start && operand.offset + part.end <= binding.end();
            binding.buffer == operand.buffer && reaches
        };
        if let Some(i) = list.iter().position(holds) {
            layout.bindings[*role as usize] = Some(byte(i as u64));
            layout.written |= u8::from(list[i].written) << i;
            offsets[*role as usize] = start - list[i].offset;
        }
    }
    Bindings { list, layout, offsets }
}

/// The bindings by the operands that they show, a `*` at those that are declared `read_write`.
impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for binding in 0..self.count {
            let roles: Vec<_> = Role::ALL.iter().copied().filter(|&role| self.binding(role) == Some(binding)).collect();
            let names = roles.iter().map(|role| role.name()).collect::<Vec<_>>().join("+");
            write!(f, "; {names}{}", if self.is_written(binding) { "*" } else { "" })?;
        }
        Ok(())
    }
}
