//! What kernels are called: in the listing, in reports, and at the head of their texts.

use std::fmt;

use super::{
    drop_block::BlockStep,
    fused::{Bias, Fusion},
    kernel::{Decision, Elementwise, Inner, Kernel, KeySource, Program, Skeleton, Storage},
    softmax::Softmax,
    target::F16Conversion,
};

/// A short name: what is done, to what type, by which decision, how, and the operands' bindings.
impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.program {
            Program::Audit { dtype } => write!(f, "audit {dtype}")?,
            Program::DropBlock(BlockStep::Place { shared }) => {
                write!(f, "drop block, place{}", if shared { ", shared masks" } else { "" })?;
            }
            Program::DropBlock(BlockStep::Spread) => f.write_str("drop block, spread")?,
            Program::DropBlock(BlockStep::Scatter) => f.write_str("drop block, scatter")?,
            Program::DropBlock(BlockStep::Fill) => f.write_str("drop block, fill")?,
            Program::DropBlock(BlockStep::Count) => f.write_str("drop block, count")?,
            Program::DropBlock(BlockStep::Scale) => f.write_str("drop block, scale")?,
            Program::SumRows { storage } => write!(f, "sum rows {storage}")?,
            Program::Softmax(Softmax { storage, backward, lanes, whole, masked, .. }) => {
                f.write_str(if backward { "softmax backward" } else { "softmax" })?;
                write!(f, " {storage}, {lanes} to a row")?;
                f.write_str(if whole { ", by quads" } else { "" })?;
                f.write_str(if masked { ", masked" } else { "" })?;
            }
            Program::DropConnect(connect) => connect.fmt(f)?,
            Program::Accumulate(step) => step.fmt(f)?,
            Program::AdvanceKey => f.write_str("advance key")?,
            Program::RandomBlocks { generator } => write!(f, "random blocks, {generator}")?,
            Program::ProbeF16 => f.write_str("probe f16")?,
            Program::KeepMask { format, .. } => write!(f, "mask {}", format.name())?,
            Program::KeptRows { .. } => f.write_str("kept rows")?,
            Program::Elementwise { skeleton, operation, storage, repeated, .. } => {
                f.write_str(match operation {
                    Elementwise::Inverted => "inverted",
                    Elementwise::InvertedBuffer => "inverted, scale in a buffer,",
                    Elementwise::Identity => "copy",
                    Elementwise::Zero => "zero",
                    Elementwise::Standard => "standard",
                    Elementwise::Other => "select",
                    Elementwise::Alpha => "alpha",
                    Elementwise::Gaussian => "gaussian",
                    Elementwise::Normal => "normals",
                    Elementwise::Fused(Fusion { backward: false, .. }) => "fused",
                    Elementwise::Fused(_) => "fused backward",
                })?;
                write!(f, " {storage}")?;
                match skeleton {
                    Skeleton::Groups => f.write_str(", groups")?,
                    Skeleton::Interleaved { unit, input, run } => {
                        write!(f, ", interleaved {run} by {unit:?}, input {input:?}")?;
                    }
                    Skeleton::Blocked { input } => write!(f, ", blocked, input {input:?}")?,
                    Skeleton::Edge => f.write_str(", edge")?,
                    Skeleton::NoiseQuads { run } => write!(f, ", noise by {run}")?,
                    Skeleton::NoiseEdge => f.write_str(", noise at the edge")?,
                    Skeleton::FusedQuads { input, run } => write!(f, ", by {run}, input {input:?}")?,
                    Skeleton::FusedEdge => f.write_str(", edge")?,
                    Skeleton::FusedGradient { input, run, writes } => {
                        write!(f, ", columns by {run}, input {input:?}")?;
                        f.write_str(if writes { "" } else { ", sums alone" })?;
                    }
                }
                if let Elementwise::Fused(fusion) = operation {
                    write!(f, ", {}", fusion.activation)?;
                    f.write_str(match fusion.bias {
                        Bias::None => "",
                        Bias::Quads => ", bias by quads",
                        Bias::Elements => ", bias by elements",
                    })?;
                    f.write_str(if fusion.few_columns { ", few columns" } else { "" })?;
                    f.write_str(if fusion.rows.is_some() { ", row keep" } else { "" })?;
                }
                if repeated {
                    f.write_str(", repeated")?;
                }
            }
        }
        let key = |key| match key {
            KeySource::Parameter => "",
            KeySource::Buffer => ", key in a buffer",
            KeySource::RateBuffer => ", key and rate in a buffer",
        };
        match self.decision() {
            None => {}
            Some(Decision::All) => f.write_str(", all kept")?,
            Some(Decision::PackedMask) => f.write_str(", packed mask")?,
            Some(Decision::Grouped { generator, key: source, shift }) => {
                write!(f, ", {generator} by groups from {shift}{}", key(source))?;
            }
            Some(Decision::GroupedBits { generator, key: source, inside }) => {
                write!(f, ", {generator} by groups{}{}", if inside { " from inside" } else { "" }, key(source))?;
            }
            Some(Decision::Blocked { generator, key: source, aligned }) => {
                write!(f, ", {generator} by words{}{}", if aligned { " aligned" } else { "" }, key(source))?;
            }
            Some(Decision::Normals { generator, key: source, inside }) => {
                write!(f, ", {generator}{}{}", if inside { " from inside" } else { "" }, key(source))?;
            }
            Some(
                Decision::Strided { generator, key: source, strides }
                | Decision::StridedNormals { generator, key: source, strides },
            ) => {
                let inner = match strides.inner {
                    Inner::Dense => "dense",
                    Inner::Aligned => "aligned",
                    Inner::Shared => "shared",
                    Inner::SharedByMany => "widely shared",
                    Inner::Spread => "spread",
                };
                let gathered = if strides.gathered { ", rows looked up" } else { "" };
                write!(f, ", {generator} by {} strides and a {inner} one{gathered}{}", strides.outer, key(source))?;
            }
        }
        self.layout.fmt(f)
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16(F16Conversion::Integer) => "f16",
            Self::F16(F16Conversion::Native) => "f16 native",
            Self::Bf16 => "bf16",
        })
    }
}
