use std::str::FromStr;

/// What a fused multiplication and addition gives, from the errors of the product (Dekker) and the sum (Knuth): the built-in
/// function is not fused on every device. Each step is rounded by itself, so that no compiler takes the errors for zeros.
macro_rules! fused {
    ($x:literal, $by:literal, $plus:literal, $zero:literal, $times:literal) => {
        concat!(
            "let zero = ",
            $zero,
            "; let factor = ",
            $x,
            "; let by = vec4<f32>(",
            $by,
            ");
    let plus = vec4<f32>(",
            $plus,
            ");
    let factor_split = rounded(factor * 4097.0, zero);
    let factor_high = rounded(factor_split - rounded(factor_split - factor, zero), zero);
    let factor_low = rounded(factor - factor_high, zero);
    let by_split = rounded(by * 4097.0, zero);
    let by_high = rounded(by_split - rounded(by_split - by, zero), zero);
    let by_low = rounded(by - by_high, zero);
    let product = rounded(factor * by, zero);
    let product_error = rounded(rounded(rounded(rounded(factor_high * by_high, zero) - product, zero)
        + rounded(factor_high * by_low, zero), zero) + rounded(factor_low * by_high, zero), zero)
        + rounded(factor_low * by_low, zero);
    let sum = rounded(product + plus, zero);
    let second = rounded(sum - product, zero);
    let sum_error = rounded(product - rounded(sum - second, zero), zero) + rounded(plus - second, zero);
    return ",
            $times,
            "rounded(sum + (product_error + sum_error), zero);"
        )
    };
}

/// A mistake to make in the shaders, so that one sees which check finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Threefry: one rotation distance.
    Rotation,
    /// Philox: a carry of the multiply-high is lost.
    Carry,
    /// The start index: its carry into the high word is lost.
    Start,
    /// The comparison keeps one uniform more.
    Threshold,
    /// The second part of the random bits is left out.
    Ties,
    /// The mask's unused bits are not 0.
    Tail,
    /// A key in a buffer: the words of its stream are exchanged.
    Key,
    /// A packed mask of the caller: its bits are not shifted to where the range begins inside a word.
    Packed,
    /// Strides: their high word is left out.
    Rows,
    /// The second row of workgroups does the work of the first again.
    Dispatch,
    /// f32: what is dropped is multiplied by 0.
    Leak,
    /// f16: ties are rounded up.
    F16,
    /// bfloat16: cut off and not rounded.
    Bf16,
    /// What shares a word with the ends of a range is overwritten.
    Edge,
    /// Kernels for GPUs: the comparison keeps one half of a uniform more.
    Cutoff,
    /// Kernels for GPUs: the second part of the random bits is left out.
    Settle,
    /// Kernels for GPUs, from a start inside of a group: the neighbour's decisions are left out.
    Neighbour,
    /// Kernels for GPUs: the bits that invocations lend each other are taken from another place.
    Interleaved,
    /// The input is read from the start of its binding.
    InputOffset,
    /// The output is written to the start of its binding.
    OutputOffset,
    /// Strides: the first element is taken for the first of its row.
    Column,
    /// Alpha dropout: multiplication and addition are fused.
    Fused,
    /// Gaussian dropout: the same.
    FusedNoise,
    /// Selection: the other input is read from where the first is.
    OtherOffset,
    /// Selection: the inputs are exchanged.
    Choice,
    /// Gathered rows: the row's own number is taken for its id.
    Gathered,
    /// Gathered rows: the ids are read from the start of their binding.
    RowIds,
    /// Strides: that of the innermost axis is taken for 1.
    InnerStride,
    /// Strides: a run of one decision ends one element later.
    InnerShared,
    /// Normals: one entry of the table, of the octave 12.
    NormalTable,
    /// Normals: the sign is that of another bit.
    Sign,
    /// Normals: from inside of a block, the next one's words come too early.
    NormalLane,
    /// Alpha dropout: what is dropped is 0.
    AlphaDropped,
    /// Standard dropout: what is kept is computed with, by 1.
    Standard,
    /// What is multiplied is multiplied by the next number.
    Scaling,
    /// A rate in a buffer: alpha dropout takes the constants of inverted dropout.
    Rate,
    /// `DropBlock`: the last distance of a spreading is left out.
    Spread,
    /// `DropBlock`: the first bit of each word is not counted.
    Count,
    /// Kept rows: they are listed in another order.
    Listed,
    /// Audits: the first element is not looked at.
    Comparison,
    /// The residual is not added.
    Residual,
    /// Relu: a −0 and a NaN with a sign are taken for numbers below 0.
    Relu,
    /// Gelu: a digit of a constant.
    Gelu,
    /// Row keep: every row takes the decision of the first.
    RowKeep,
    /// Relu backward: at 0 the gradient passes.
    Slope,
    /// Sums of columns: the last of a block's rows is left out.
    ColumnSums,
    /// Softmax: every query sees the keys of the first.
    Causal,
    /// Softmax backward: the mean of a row is not subtracted.
    RowMean,
    /// `DropConnect`: from a row that begins inside of a word, the next word's bits are left out.
    Carried,
    /// `DropConnect` backward: neighbouring rows have one mask.
    Examples,
    /// Moments: terms are not squared.
    Squares,
    /// Samples of `DropConnect` begin at 0.
    FirstSample,
    /// All samples have one key.
    Sample,
    /// Statistics: the deviation from the earlier mean is squared.
    Welford,
    /// Statistics: merged means are taken to be the same.
    Merged,
    /// Uncertainty: where classes are odd the last one counts twice.
    LastClass,
    /// Uncertainty: invocations that share a row forget how their maxima differ.
    Lanes,
    /// Uncertainty: the mutual information is the predictive entropy.
    Information,
}

impl Fault {
    pub const ALL: &'static [Self] = &[
        Self::Rotation,
        Self::Carry,
        Self::Start,
        Self::Threshold,
        Self::Ties,
        Self::Tail,
        Self::Key,
        Self::Packed,
        Self::Rows,
        Self::Dispatch,
        Self::Leak,
        Self::F16,
        Self::Bf16,
        Self::Edge,
        Self::Cutoff,
        Self::Settle,
        Self::Neighbour,
        Self::Interleaved,
        Self::InputOffset,
        Self::OutputOffset,
        Self::Column,
        Self::Fused,
        Self::FusedNoise,
        Self::OtherOffset,
        Self::Choice,
        Self::Gathered,
        Self::RowIds,
        Self::InnerStride,
        Self::InnerShared,
        Self::NormalTable,
        Self::Sign,
        Self::NormalLane,
        Self::AlphaDropped,
        Self::Standard,
        Self::Scaling,
        Self::Rate,
        Self::Spread,
        Self::Count,
        Self::Listed,
        Self::Comparison,
        Self::Residual,
        Self::Relu,
        Self::Gelu,
        Self::RowKeep,
        Self::Slope,
        Self::ColumnSums,
        Self::Causal,
        Self::RowMean,
        Self::Carried,
        Self::Examples,
        Self::Squares,
        Self::FirstSample,
        Self::Sample,
        Self::Welford,
        Self::Merged,
        Self::LastClass,
        Self::Lanes,
        Self::Information,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Carry => "carry",
            Self::Start => "start",
            Self::Threshold => "threshold",
            Self::Ties => "ties",
            Self::Tail => "tail",
            Self::Key => "key",
            Self::Packed => "packed",
            Self::Rows => "rows",
            Self::Dispatch => "dispatch",
            Self::Leak => "leak",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Edge => "edge",
            Self::Cutoff => "cutoff",
            Self::Settle => "settle",
            Self::Neighbour => "neighbour",
            Self::Interleaved => "interleaved",
            Self::InputOffset => "input-offset",
            Self::OutputOffset => "output-offset",
            Self::Column => "column",
            Self::Fused => "fused",
            Self::FusedNoise => "fused-noise",
            Self::OtherOffset => "other-offset",
            Self::Choice => "choice",
            Self::Gathered => "gathered",
            Self::RowIds => "row-ids",
            Self::InnerStride => "inner-stride",
            Self::InnerShared => "inner-shared",
            Self::NormalTable => "normal-table",
            Self::Sign => "sign",
            Self::NormalLane => "normal-lane",
            Self::AlphaDropped => "alpha-dropped",
            Self::Standard => "standard",
            Self::Scaling => "scaling",
            Self::Rate => "rate",
            Self::Spread => "spread",
            Self::Count => "count",
            Self::Listed => "listed",
            Self::Comparison => "comparison",
            Self::Residual => "residual",
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::RowKeep => "row-keep",
            Self::Slope => "slope",
            Self::ColumnSums => "column-sums",
            Self::Causal => "causal",
            Self::RowMean => "row-mean",
            Self::Carried => "carried",
            Self::Examples => "examples",
            Self::Squares => "squares",
            Self::FirstSample => "first-sample",
            Self::Sample => "sample",
            Self::Welford => "welford",
            Self::Merged => "merged",
            Self::LastClass => "last-class",
            Self::Lanes => "lanes",
            Self::Information => "information",
        }
    }

    /// The text of a kernel, and what takes its place.
    pub(crate) const fn replace(self) -> (&'static str, &'static str) {
        match self {
            Self::Rotation => ("vec4<u32>(6u, 20u, 17u, 11u)", "vec4<u32>(6u, 20u, 17u, 12u)"),
            Self::Carry => ("(middle_1 >> 16u) + (middle_2 >> 16u);\n}", "((middle_1 + a_lo * b_hi) >> 16u);\n}"),
            Self::Start => ("select(0u, 1u, low < b)", "0u"),
            Self::Threshold => ("let limit = rule.threshold - 1u;", "let limit = rule.threshold;"),
            Self::Ties => ("ties = select(0u, ties, ties_matter);", "ties = 0u;"),
            Self::Tail => ("decide_bits(position) & used", "decide_bits(position)"),
            Self::Key => (
                "vec2<u32>(key_word(first + 2u), key_word(first + 3u))",
                "vec2<u32>(key_word(first + 3u), key_word(first + 2u))",
            ),
            Self::Packed => ("packed_bits(first) << lead()", "packed_bits(first)"),
            Self::Rows => ("multiply_high(b.x, c) + b.y * c", "multiply_high(b.x, c)"),
            Self::Dispatch => ("workgroup.y * workgroups.x + workgroup.x", "workgroup.x"),
            Self::Leak => (
                "return select(vec4<u32>(bitcast<u32>(dropped())), bitcast<vec4<u32>>(operate(bitcast<vec4<f32>>(words))), kept);",
                "return bitcast<vec4<u32>>(operate(bitcast<vec4<f32>>(words)) * vec4<f32>(kept));",
            ),
            Self::F16 => ("vec4<i32>(0xfff - (112 << 23u)) + even", "vec4<i32>(0x1000 - (112 << 23u))"),
            Self::Bf16 => ("bits + (vec4<u32>(0x7fffu) + even)", "bits"),
            Self::Edge => ("if covered != 0xffffffffu {", "if false {"),
            Self::Cutoff => ("max(rule.threshold >> 16u, 1u)", "(rule.threshold >> 16u) + 2u"),
            Self::Settle => ("return settle_ties(rule, group, block);", "return block;"),
            Self::Neighbour => ("blocks[min(invocation + 1u, WORKGROUP_SIZE - 1u)]", "blocks[invocation]"),
            Self::Interleaved => ("bit = share.first % BITS;", "bit = 0u;"),
            Self::InputOffset => ("parameters.elements.input_offset", "0u"),
            Self::OutputOffset => ("parameters.elements.output_offset", "0u"),
            Self::Column => ("parameters.strides.first + element", "element"),
            Self::Fused => (
                "return rounded(x * constant_scale(), constant_zero()) + constant_shift();",
                fused!("x", "constant_scale()", "constant_shift()", "constant_zero()", ""),
            ),
            Self::FusedNoise => (
                "return x * rounded(s + 1.0, constant_zero());",
                fused!("z", "constant_sigma()", "1.0", "constant_zero()", "x * "),
            ),
            Self::OtherOffset => ("parameters.elements.other_offset", "parameters.elements.input_offset"),
            Self::Choice => ("select(other, words, kept_lanes(keep))", "select(words, other, kept_lanes(keep))"),
            Self::Gathered => ("coordinate = row_id(coordinate);", "coordinate += 0u;"),
            Self::RowIds => ("parameters.row_ids.first + row", "row"),
            Self::InnerStride => {
                ("add_product_64(index, parameters.strides.inner_stride, rest)", "dropout_add_64(index, rest)")
            }
            Self::InnerShared => (
                "let left = parameters.strides.inner_extent - rest;",
                "let left = parameters.strides.inner_extent - rest + select(0u, 1u, rest > 0u);",
            ),
            Self::NormalTable => {
                ("return normal_table[i].xy;", "return normal_table[i].xy + vec2<u32>(select(0u, 1u, i == 200u), 0u);")
            }
            Self::Sign => {
                ("z | (words & vec4<u32>(0x80000000u))", "z | ((words << vec4<u32>(1u)) & vec4<u32>(0x80000000u))")
            }
            Self::NormalLane => {
                ("vec4<u32>(own.zw, next.xy), inside == 2u", "vec4<u32>(own.zw, next.yx), inside == 2u")
            }
            Self::AlphaDropped => ("return constant_dropped();", "return 0.0;"),
            Self::Standard => (
                "return select(vec4<u32>(0u), words, kept);",
                "return select(vec4<u32>(0u), bitcast<vec4<u32>>(bitcast<vec4<f32>>(words) * 1.0000001), kept);",
            ),
            Self::Spread => ("i <= spread.steps", "i < spread.steps"),
            Self::Count => (
                "countOneBits(input_quad((counts.input_offset + word) / 4u))",
                "countOneBits(input_quad((counts.input_offset + word) / 4u) & vec4<u32>(0xfffffffeu))",
            ),
            Self::Listed => ("position + firstTrailingBit(keep)", "position + firstLeadingBit(keep)"),
            Self::Comparison => ("differs && !open);", "differs && !open && i != 0u);"),
            Self::Residual => ("return residual + rounded(selected, hidden_zero());", "return selected;"),
            Self::Relu => (
                "let is_negative = (bits > vec4<i32>(NEGATIVE_ZERO)) & (bits <= vec4<i32>(MINUS_INFINITY));",
                "let is_negative = bits < vec4<i32>(0);",
            ),
            Self::Gelu => ("(1.0 + 0.3275911 * z)", "(1.0 + 0.3275811 * z)"),
            Self::RowKeep => ("dropout_add_64(parameters.rows.start, row)", "parameters.rows.start"),
            Self::Slope => (
                "(bits <= vec4<i32>(MINUS_INFINITY)) | (bits == vec4<i32>(0));",
                "(bits <= vec4<i32>(MINUS_INFINITY)) & (bits != vec4<i32>(0));",
            ),
            Self::ColumnSums => ("min(first + ROWS_EACH, rows)", "min(first + ROWS_EACH - 1u, rows)"),
            Self::Causal => ("clamp(rows.visible + query, 0,", "clamp(rows.visible, 0,"),
            Self::RowMean => ("(g.first - of_row.mean)", "g.first"),
            Self::Carried => ("(carried >> inside) | ((bits << (31u - inside)) << 1u)", "carried >> inside"),
            Self::Examples => ("vec2<u32>(row + r, term)", "vec2<u32>(row, term)"),
            Self::Squares => ("sums.squares + term * term", "sums.squares + abs(term)"),
            Self::FirstSample => ("(parameters.sampling.first_sample + sample)", "sample"),
            Self::Sample => (
                "    return parameters.rule;",
                "    var rule = parameters.rule; rule.stream.y &= 0xffff0000u; return rule;",
            ),
            Self::Welford => ("squares[i] += delta * (x - mean[i]);", "squares[i] += delta * delta;"),
            Self::Merged => ("(m2 + delta * delta * parameters.accumulation.other_weight)", "m2"),
            Self::LastClass => ("e.y = select(0.0, e.y, last_is_whole);", "e.y += 0.0;"),
            Self::Lanes => ("e * (part.weighted + y * part.sum)", "e * part.weighted"),
            Self::Information => ("let difference = predictive - expected;", "let difference = predictive;"),
            Self::Rate => {
                ("key_word(parameters.key.constants + number)", "key_word(parameters.key.word + 5u + number)")
            }
            Self::Scaling => {
                ("return x * constant_scale();", "return x * bitcast<f32>(bitcast<u32>(constant_scale()) + 1u);")
            }
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name).ok_or_else(|| format!("unknown fault '{name}'"))
    }
}

#[cfg(test)]
mod tests {
    use wgpu_dropout::kernels::{Schedule, Target, reachable};

    use super::Fault;

    /// A kernel that is rewritten takes its faults along: here it shows in a second, on a device in minutes.
    #[test]
    fn every_fault_is_in_a_kernel() {
        let kernels = Schedule::ALL.iter().flat_map(|&schedule| reachable(&Target::new(schedule)));
        let kernels: Vec<String> = kernels.map(|kernel| kernel.wgsl()).collect();
        for fault in Fault::ALL {
            let (text, _) = fault.replace();
            assert!(kernels.iter().any(|kernel| kernel.contains(text)), "{}: {text}", fault.name());
        }
    }
}
