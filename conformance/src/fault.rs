use std::str::FromStr;

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
    /// A given mask: its bits are not shifted to where the range begins inside a word.
    Given,
    /// The high word of the row pitch is left out.
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
}

impl Fault {
    pub const ALL: [Self; 14] = [
        Self::Rotation,
        Self::Carry,
        Self::Start,
        Self::Threshold,
        Self::Ties,
        Self::Tail,
        Self::Key,
        Self::Given,
        Self::Rows,
        Self::Dispatch,
        Self::Leak,
        Self::F16,
        Self::Bf16,
        Self::Edge,
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
            Self::Given => "given",
            Self::Rows => "rows",
            Self::Dispatch => "dispatch",
            Self::Leak => "leak",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Edge => "edge",
        }
    }

    /// The text of a shader, and what takes its place.
    pub(crate) const fn replace(self) -> (&'static str, &'static str) {
        match self {
            Self::Rotation => ("vec4<u32>(6u, 20u, 17u, 11u)", "vec4<u32>(6u, 20u, 17u, 12u)"),
            Self::Carry => ("(middle_1 >> 16u) + (middle_2 >> 16u);\n}", "((middle_1 + a_lo * b_hi) >> 16u);\n}"),
            Self::Start => ("select(0u, 1u, low < b)", "0u"),
            Self::Threshold => ("let limit = rule.threshold - 1u;", "let limit = rule.threshold;"),
            Self::Ties => ("ties = select(0u, ties, ties_matter);", "ties = 0u;"),
            Self::Tail => ("decide(position) & used", "decide(position)"),
            Self::Key => (
                "vec2<u32>(key_words[first + 2u], key_words[first + 3u])",
                "vec2<u32>(key_words[first + 3u], key_words[first + 2u])",
            ),
            Self::Given => ("keep <<= shift;", ""),
            Self::Rows => ("multiply_64(call.row_pitch, row)", "multiply_64(vec2<u32>(call.row_pitch.x, 0u), row)"),
            Self::Dispatch => ("workgroup.y * workgroups.x + workgroup.x", "workgroup.x"),
            Self::Leak => (
                "select(vec4<u32>(0u), bitcast<vec4<u32>>(operate(bitcast<vec4<f32>>(words))), kept)",
                "bitcast<vec4<u32>>(operate(bitcast<vec4<f32>>(words)) * vec4<f32>(kept))",
            ),
            Self::F16 => ("vec4<i32>(0xfff - (112 << 23u)) + even", "vec4<i32>(0x1000 - (112 << 23u))"),
            Self::Bf16 => ("bits + (vec4<u32>(0x7fffu) + even)", "bits"),
            Self::Edge => ("if covered != 0xffffffffu {", "if false {"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|fault| fault.name() == name).ok_or_else(|| format!("unknown fault '{name}'"))
    }
}
