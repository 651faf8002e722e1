//! The passes that are timed: what each takes, and the same work in separate ones.

use wgpu_dropout::{
    Activation, BlockMask, BufferRange, Context, DropBlock, DropConnect, Dropout, Error, Fused, Key, Mask, MaskFormat,
    Operation, Pass, Place, Ranges, SoftmaxDropout, Statistics, Uncertainty, wgpu,
};

use crate::{Sizes, mover::Traffic};

/// A pass that is timed, on f32 with p = 0.1 (DropConnect: 0.5). What it works on follows from one number n, a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassOp {
    /// Bias, activation, dropout and residual, of n elements in rows of 1024.
    Fused(Activation),
    /// The same with relu and stochastic depth of rows.
    FusedRows,
    /// The gradient of x, through bias and activation.
    FusedBackward(Activation),
    /// That with gelu, and the gradient of the bias.
    BiasGradient,
    /// Of n elements in rows of 1024, without dropout.
    Softmax,
    /// With dropout.
    SoftmaxDropout,
    /// The gradient of x, without dropout.
    SoftmaxBackward,
    /// With dropout.
    SoftmaxDropoutBackward,
    /// Blocks of 7 × 7 in n/1024 planes of 56 × 56; the scale is counted.
    DropBlock,
    /// A mask for each of 64 examples; as many outputs as inputs, of which the terms are 4 n.
    DropConnect,
    /// The gradient of its input.
    DropConnectInput,
    /// The gradient of its weights.
    DropConnectWeights,
    /// Mean and variance of 64 samples of n/64 rows of 10 elements.
    Statistics,
    /// Mean probabilities and entropies of 64 samples of n/64 rows of 10 classes.
    Uncertainty,
}

/// A tensor of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    X,
    Other,
    Bias,
    /// What the separate passes hand on.
    Middle,
    Y,
    SecondY,
}

impl Slot {
    /// In order.
    pub(crate) const ALL: [Self; 6] = [Self::X, Self::Other, Self::Bias, Self::Middle, Self::Y, Self::SecondY];
}

/// The least n.
pub(crate) const LEAST: u64 = 1 << 12;

const P: f64 = 0.1;
const COLUMNS: u64 = 1024;
const BATCH: u64 = 64;
const SAMPLES: u64 = 64;
const CLASSES: u64 = 10;

fn dropped(p: f64) -> Result<Mask, Error> {
    Ok(Dropout::new(p)?.mask(Key::new(42)))
}

fn fused(p: f64, activation: Activation) -> Result<Fused, Error> {
    Ok(Fused::new(dropped(p)?, COLUMNS)?.with_activation(activation))
}

fn softmax(p: f64, n: u64) -> Result<SoftmaxDropout, Error> {
    SoftmaxDropout::new(dropped(p)?, n / COLUMNS, COLUMNS)
}

fn blocks(n: u64) -> Result<BlockMask, Error> {
    DropBlock::new(P, &[7, 7])?.mask(Key::new(42), &[n >> 10, 56, 56])
}

/// Outputs, and inputs.
const fn side(n: u64) -> u64 {
    1 << ((n.ilog2() - 4) / 2)
}

fn connect(p: f64, n: u64) -> Result<DropConnect, Error> {
    DropConnect::new(dropped(p)?, BATCH, side(n), side(n))
}

impl PassOp {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Fused(Activation::Relu),
        Self::Fused(Activation::Gelu),
        Self::FusedRows,
        Self::FusedBackward(Activation::Relu),
        Self::FusedBackward(Activation::Gelu),
        Self::BiasGradient,
        Self::Softmax,
        Self::SoftmaxDropout,
        Self::SoftmaxBackward,
        Self::SoftmaxDropoutBackward,
        Self::DropBlock,
        Self::DropConnect,
        Self::DropConnectInput,
        Self::DropConnectWeights,
        Self::Statistics,
        Self::Uncertainty,
    ];

    /// Those that sizes ask for.
    pub fn wanted(sizes: &Sizes) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|op| sizes.wants(op.name()))
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fused(Activation::Gelu) => "bias, gelu, dropout, residual",
            Self::Fused(_) => "bias, relu, dropout, residual",
            Self::FusedRows => "bias, relu, dropout, stochastic depth, residual",
            Self::FusedBackward(Activation::Gelu) => "bias, gelu, dropout, backward",
            Self::FusedBackward(_) => "bias, relu, dropout, backward",
            Self::BiasGradient => "bias, gelu, dropout, backward, with the gradient of the bias",
            Self::Softmax => "softmax",
            Self::SoftmaxDropout => "softmax and dropout",
            Self::SoftmaxBackward => "softmax, backward",
            Self::SoftmaxDropoutBackward => "softmax and dropout, backward",
            Self::DropBlock => "DropBlock of a batch, blocks of 7 × 7",
            Self::DropConnect => "DropConnect",
            Self::DropConnectInput => "DropConnect, gradient of the input",
            Self::DropConnectWeights => "DropConnect, gradient of the weights",
            Self::Statistics => "mean and variance of samples",
            Self::Uncertainty => "entropies of samples",
        }
    }

    /// What it works on, for reports.
    pub fn shape(self, n: u64) -> String {
        match self {
            Self::DropBlock => format!("{} × 56 × 56", n >> 10),
            Self::DropConnect | Self::DropConnectInput | Self::DropConnectWeights => {
                format!("{BATCH} × {} × {}", side(n), side(n))
            }
            Self::Statistics | Self::Uncertainty => format!("{SAMPLES} × {} × {CLASSES}", n / SAMPLES),
            _ => format!("{} × {COLUMNS}", n / COLUMNS),
        }
    }

    /// Elements of a tensor; 0 where the pass and the separate ones have no such.
    pub(crate) fn elements(self, slot: Slot, n: u64) -> u64 {
        let (weights, values, of_sample) = (side(n) * side(n), BATCH * side(n), n / SAMPLES * CLASSES);
        match (self, slot) {
            (Self::DropBlock, Slot::X | Slot::Y) => (n >> 10) * 56 * 56,
            (Self::DropBlock, Slot::Middle) => ((n >> 10) * 56 * 56).div_ceil(32),
            (Self::DropConnect | Self::DropConnectInput, Slot::Other) => weights,
            (Self::DropConnect | Self::DropConnectInput, Slot::X | Slot::Y) => values,
            (Self::DropConnectWeights, Slot::X | Slot::Other) => values,
            (Self::DropConnectWeights, Slot::Y) => weights,
            (Self::DropConnect | Self::DropConnectInput | Self::DropConnectWeights, Slot::Middle) => {
                BATCH * weights / 32
            }
            (Self::Statistics | Self::Uncertainty, Slot::X) => SAMPLES * of_sample,
            (Self::Statistics | Self::Uncertainty, Slot::Y) | (Self::Statistics, Slot::SecondY) => of_sample,
            (Self::Uncertainty, Slot::SecondY) => n / SAMPLES,
            (Self::Fused(_) | Self::FusedRows | Self::FusedBackward(_) | Self::BiasGradient, Slot::Bias)
            | (Self::BiasGradient, Slot::SecondY) => COLUMNS,
            (Self::Fused(_) | Self::FusedRows | Self::FusedBackward(_), Slot::Other | Slot::Middle)
            | (Self::SoftmaxDropoutBackward, Slot::Other | Slot::Middle)
            | (Self::BiasGradient | Self::SoftmaxBackward, Slot::Other)
            | (Self::SoftmaxDropout, Slot::Middle) => n,
            (
                Self::Fused(_)
                | Self::FusedRows
                | Self::FusedBackward(_)
                | Self::BiasGradient
                | Self::Softmax
                | Self::SoftmaxDropout
                | Self::SoftmaxBackward
                | Self::SoftmaxDropoutBackward,
                Slot::X | Slot::Y,
            ) => n,
            _ => 0,
        }
    }

    pub(crate) fn scratch_size(self, n: u64) -> Result<u64, Error> {
        Ok(match self {
            Self::BiasGradient => fused(P, Activation::Gelu)?.scratch_size(n),
            Self::DropBlock => blocks(n)?.scratch_size(),
            _ => 0,
        })
    }

    /// The pass, without its scratch; or without its mask, for those that stand [beside](Self::beside) that.
    pub(crate) fn pass<P: Place>(
        self,
        is_masked: bool,
        n: u64,
        mut at: impl FnMut(Slot) -> P,
    ) -> Result<Pass<P>, Error> {
        let p = |p: f64| if is_masked { p } else { 0.0 };
        let rows = || fused(P, Activation::Relu)?.with_row_keep(dropped(P)?.with_key(Key::new(43)));
        let (x, y) = (at(Slot::X), at(Slot::Y));
        Ok(match self {
            Self::Fused(activation) => {
                fused(p(P), activation)?.forward(x, y).with_bias(at(Slot::Bias)).with_residual(at(Slot::Other))
            }
            Self::FusedRows => rows()?.forward(x, y).with_bias(at(Slot::Bias)).with_residual(at(Slot::Other)),
            Self::FusedBackward(activation) => {
                fused(p(P), activation)?.backward(x, y).with_input(at(Slot::Other)).with_bias(at(Slot::Bias))
            }
            Self::BiasGradient => fused(p(P), Activation::Gelu)?
                .backward(x, y)
                .with_input(at(Slot::Other))
                .with_bias(at(Slot::Bias))
                .with_bias_gradient(at(Slot::SecondY)),
            Self::Softmax => softmax(0.0, n)?.forward(x, y),
            Self::SoftmaxDropout => softmax(p(P), n)?.forward(x, y),
            Self::SoftmaxBackward => softmax(0.0, n)?.backward(x, at(Slot::Other), y),
            Self::SoftmaxDropoutBackward => softmax(p(P), n)?.backward(x, at(Slot::Other), y),
            Self::DropBlock => blocks(n)?.forward(x, y),
            Self::DropConnect => connect(p(0.5), n)?.forward(at(Slot::Other), x, y),
            Self::DropConnectInput => connect(p(0.5), n)?.backward_input(at(Slot::Other), x, y),
            Self::DropConnectWeights => connect(p(0.5), n)?.backward_weights(at(Slot::Other), x, y),
            Self::Statistics => Statistics::new(n / SAMPLES * CLASSES).update(x, y, at(Slot::SecondY)),
            Self::Uncertainty => Uncertainty::new(n / SAMPLES, CLASSES)?.update(x, y, at(Slot::SecondY)),
        })
    }

    /// What it is measured against.
    pub(crate) const fn beside(self) -> Beside {
        match self {
            Self::Fused(_) | Self::FusedRows | Self::FusedBackward(_) | Self::BiasGradient => Beside::Mover(
                Traffic::Tensors { inputs: 2, row: Some(COLUMNS) },
                &[Slot::X, Slot::Other, Slot::Bias, Slot::Y],
            ),
            Self::Softmax | Self::DropBlock => {
                Beside::Mover(Traffic::Tensors { inputs: 1, row: None }, &[Slot::X, Slot::Y])
            }
            Self::SoftmaxBackward => {
                Beside::Mover(Traffic::Tensors { inputs: 2, row: None }, &[Slot::X, Slot::Other, Slot::Y])
            }
            Self::Statistics => Beside::Mover(Traffic::Samples { count: SAMPLES }, &[Slot::X, Slot::Y, Slot::SecondY]),
            // Of the entropies, a tenth of the probabilities, nothing is moved.
            Self::Uncertainty => Beside::Mover(Traffic::Samples { count: SAMPLES }, &[Slot::X, Slot::Y, Slot::Y]),
            Self::SoftmaxDropout | Self::SoftmaxDropoutBackward => Beside::WithoutMask("the softmax alone"),
            Self::DropConnect | Self::DropConnectInput | Self::DropConnectWeights => {
                Beside::WithoutMask("the product without a mask")
            }
        }
    }

    /// How the same work is done in separate passes; none where there are no such.
    pub fn separate(self) -> Option<&'static str> {
        match self {
            Self::Fused(_) => Some("bias; activation; dropout; residual"),
            Self::FusedRows => Some("bias; activation; dropout; dropout of rows; residual"),
            Self::FusedBackward(_) => Some("dropout; bias and activation"),
            Self::SoftmaxDropout | Self::SoftmaxDropoutBackward => Some("softmax; dropout"),
            Self::DropBlock => Some("packed mask; its application"),
            Self::DropConnect | Self::DropConnectInput | Self::DropConnectWeights => {
                Some("packed masks; product without a mask")
            }
            Self::Statistics | Self::Uncertainty => Some("a sample after the other"),
            Self::BiasGradient | Self::Softmax | Self::SoftmaxBackward => None,
        }
    }

    /// Appends the same work in separate passes.
    pub(crate) fn record_separate<'a>(
        self,
        context: &Context,
        pass: &mut wgpu::ComputePass<'_>,
        n: u64,
        scratch: Option<&'a wgpu::Buffer>,
        buffer: impl Fn(Slot) -> &'a wgpu::Buffer,
    ) -> Result<(), Error> {
        let at = |slot| BufferRange::from(buffer(slot));
        let [x, other, middle, y] = [Slot::X, Slot::Other, Slot::Middle, Slot::Y].map(at);
        let bits = |elements| BufferRange::new(buffer(Slot::Middle), 0, MaskFormat::Bits.size(elements));
        match self {
            Self::Fused(_) | Self::FusedRows => {
                let activation = if let Self::Fused(activation) = self { activation } else { Activation::Relu };
                context
                    .record_pass(pass, fused(0.0, Activation::None)?.forward(x, middle).with_bias(at(Slot::Bias)))?;
                context.record_pass(pass, fused(0.0, activation)?.forward(middle, y))?;
                context.record_forward(pass, dropped(P)?, y, middle)?;
                if self == Self::FusedRows {
                    let rows = dropped(P)?.with_key(Key::new(43)).shared(&[n / COLUMNS, COLUMNS], &[1])?;
                    context.record_forward(pass, rows, middle, middle)?;
                }
                context.record_pass(pass, fused(0.0, Activation::None)?.forward(middle, y).with_residual(other))
            }
            Self::FusedBackward(activation) => {
                context.record_backward(pass, dropped(P)?, x, middle)?;
                let through = fused(0.0, activation)?.backward(middle, y);
                context.record_pass(pass, through.with_input(other).with_bias(at(Slot::Bias)))
            }
            Self::SoftmaxDropout => {
                context.record_pass(pass, softmax(0.0, n)?.forward(x, middle))?;
                context.record_forward(pass, dropped(P)?, middle, y)
            }
            Self::SoftmaxDropoutBackward => {
                context.record_backward(pass, dropped(P)?, other, middle)?;
                context.record_pass(pass, softmax(0.0, n)?.backward(x, middle, y))
            }
            Self::DropBlock => {
                let mask = blocks(n)?.packed_mask(bits(self.elements(Slot::X, n)));
                context.record_pass(pass, mask.with_scratch(scratch.map_or(y, BufferRange::from)))?;
                context.record_apply_mask(pass, bits(self.elements(Slot::X, n)), 1.1, x, y)
            }
            Self::DropConnect | Self::DropConnectInput | Self::DropConnectWeights => {
                let terms = BATCH * side(n) * side(n);
                let masks = Ranges::mask(bits(terms), terms, MaskFormat::Bits);
                context.record(pass, Operation::KeepMask(dropped(0.5)?), masks)?;
                context.record_pass(pass, self.pass(false, n, at)?)
            }
            Self::Statistics | Self::Uncertainty => {
                let bytes = n / SAMPLES * CLASSES * 4;
                for sample in 0..SAMPLES {
                    let x = BufferRange::new(buffer(Slot::X), sample * bytes, bytes);
                    context.record_pass(
                        pass,
                        match self {
                            Self::Statistics => Statistics::new(n / SAMPLES * CLASSES).with_count(sample).update(
                                x,
                                y,
                                at(Slot::SecondY),
                            ),
                            _ => Uncertainty::new(n / SAMPLES, CLASSES)?.with_count(sample).update(
                                x,
                                y,
                                at(Slot::SecondY),
                            ),
                        },
                    )?;
                }
                Ok(())
            }
            Self::BiasGradient | Self::Softmax | Self::SoftmaxBackward => Ok(()),
        }
    }
}

/// What a pass is measured against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beside {
    /// A plain kernel that moves the same tensors, of these slots.
    Mover(Traffic, &'static [Slot]),
    /// Itself without a mask, which is called so.
    WithoutMask(&'static str),
}
