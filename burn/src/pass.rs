//! Passes of the library as work of a backend: which tensors go in and come out, and what the gradients are.

use burn::{
    backend::{Backend, ExtensionType, tensor::FloatTensor},
    tensor::{DType, Shape},
};
use wgpu_dropout::{Activation, BlockMask, DropConnect, Error, Fused, Pass, Place, Statistics, Uncertainty};

/// The tensors that a pass takes or gives, in the order that its [`PassWork`] says.
#[derive(ExtensionType)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub enum Tensors<B: Backend> {
    /// One.
    One(FloatTensor<B>),
    /// Two.
    Two(FloatTensor<B>, FloatTensor<B>),
    /// Three.
    Three(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
    /// Four.
    Four(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
}

impl<B: Backend> Tensors<B> {
    /// Those of a list.
    ///
    /// # Panics
    /// For none, and for more than four: no pass has so many.
    pub fn new(tensors: impl IntoIterator<Item = FloatTensor<B>>) -> Self {
        let mut tensors = tensors.into_iter();
        let mut next = || tensors.next();
        match (next(), next(), next(), next(), next()) {
            (Some(first), None, ..) => Self::One(first),
            (Some(first), Some(second), None, ..) => Self::Two(first, second),
            (Some(first), Some(second), Some(third), None, _) => Self::Three(first, second, third),
            (Some(first), Some(second), Some(third), Some(fourth), None) => Self::Four(first, second, third, fourth),
            _ => panic!("a pass has one to four tensors"),
        }
    }

    /// As a list.
    pub fn into_vec(self) -> Vec<FloatTensor<B>> {
        match self {
            Self::One(first) => vec![first],
            Self::Two(first, second) => vec![first, second],
            Self::Three(first, second, third) => vec![first, second, third],
            Self::Four(first, second, third, fourth) => vec![first, second, third, fourth],
        }
    }
}

/// A pass, without its tensors: a value that backends take. All of the tensors are of one type of elements, but for what is
/// computed from samples, which is of f32.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PassWork {
    /// x, the bias and the residual, if there are some, to y.
    Fused {
        /// What is computed.
        fused: Fused,
        /// Whether there is a bias.
        bias: bool,
        /// Whether there is a residual.
        residual: bool,
    },
    /// The gradient of y, and with an activation x, and the bias if there is one, to the gradients of x and, where it is asked
    /// for, of the bias.
    FusedBackward {
        /// What was computed.
        fused: Fused,
        /// Whether there is a bias.
        bias: bool,
        /// Whether its gradient is asked for.
        bias_gradient: bool,
    },
    /// x to y, and the gradient of y to that of x.
    DropBlock(BlockMask),
    /// The weights and x to y.
    Connect(DropConnect),
    /// The weights and the gradient of y to that of x.
    ConnectInput(DropConnect),
    /// x and the gradient of y to that of the weights.
    ConnectWeights(DropConnect),
    /// A sample, and the mean and M₂ so far, to the mean and M₂ with it.
    Statistics(Statistics),
    /// The mean and M₂ of other samples, and those so far, to the mean and M₂ of all.
    MergeStatistics {
        /// What is there so far.
        statistics: Statistics,
        /// How many samples the others are of.
        other_count: u64,
    },
    /// M₂ to the variance.
    Variance(Statistics),
    /// A sample of logits, and the mean probability and entropy so far, to those with it.
    Uncertainty(Uncertainty),
    /// The mean probability and entropy of other samples, and those so far, to those of all.
    MergeUncertainty {
        /// What is there so far.
        uncertainty: Uncertainty,
        /// How many samples the others are of.
        other_count: u64,
    },
    /// The mean probability and entropy to predictive entropy, expected entropy and mutual information.
    Entropies(Uncertainty),
}

impl PassWork {
    /// Shapes of the outputs, from the first input's.
    pub(crate) fn output_shapes(&self, first: &Shape) -> Vec<Shape> {
        let shape = |extents: &[u64]| Shape::from(extents.iter().map(|&extent| extent as usize).collect::<Vec<_>>());
        match self {
            Self::FusedBackward { fused, bias_gradient: true, .. } => vec![first.clone(), shape(&[fused.columns()])],
            Self::Fused { .. } | Self::FusedBackward { .. } | Self::DropBlock(_) => vec![first.clone()],
            Self::Connect(of) => vec![shape(&[of.batch(), of.outputs()])],
            Self::ConnectInput(of) => vec![shape(&[of.batch(), of.inputs()])],
            Self::ConnectWeights(of) => vec![shape(&[of.outputs(), of.inputs()])],
            Self::Statistics(_) | Self::MergeStatistics { .. } => vec![first.clone(), first.clone()],
            Self::Variance(_) => vec![first.clone()],
            Self::Uncertainty(uncertainty) | Self::MergeUncertainty { uncertainty, .. } => {
                vec![first.clone(), shape(&[uncertainty.rows()])]
            }
            Self::Entropies(uncertainty) => vec![shape(&[uncertainty.rows()]); 3],
        }
    }

    /// The type of the outputs' elements, from the first input's.
    pub(crate) const fn output_dtype(&self, first: DType) -> DType {
        match self {
            Self::Statistics(_) | Self::Uncertainty(_) => DType::F32,
            _ => first,
        }
    }

    /// The library's pass, with its tensors, but for scratch.
    pub(crate) fn pass<P: Place>(&self, inputs: Vec<P>, outputs: Vec<P>) -> Result<Pass<P>, Error> {
        let missing = || Error::Operands { operation: "a pass", needs: "the tensors that its PassWork says" };
        let mut all = inputs.into_iter();
        let mut outputs = outputs.into_iter();
        let mut next = || all.next().ok_or_else(missing);
        let first = next()?;
        let output = outputs.next().ok_or_else(missing)?;
        Ok(match *self {
            Self::Fused { fused, bias, residual } => {
                let mut pass = fused.forward(first, output);
                if bias {
                    pass = pass.with_bias(next()?);
                }
                if residual {
                    pass = pass.with_residual(next()?);
                }
                pass
            }
            Self::FusedBackward { fused, bias, bias_gradient } => {
                let mut pass = fused.backward(first, output);
                if fused.activation() != Activation::None {
                    pass = pass.with_input(next()?);
                    if bias {
                        pass = pass.with_bias(next()?);
                    }
                }
                if bias_gradient {
                    pass = pass.with_bias_gradient(outputs.next().ok_or_else(missing)?);
                }
                pass
            }
            Self::DropBlock(mask) => mask.forward(first, output),
            Self::Connect(of) => of.forward(first, next()?, output),
            Self::ConnectInput(of) => of.backward_input(first, next()?, output),
            Self::ConnectWeights(of) => of.backward_weights(first, next()?, output),
            Self::Statistics(statistics) => statistics.update(first, output, outputs.next().ok_or_else(missing)?),
            Self::MergeStatistics { statistics, other_count } => {
                statistics.merge(first, next()?, other_count, output, outputs.next().ok_or_else(missing)?)
            }
            Self::Variance(statistics) => statistics.variance(first, output),
            Self::Uncertainty(uncertainty) => uncertainty.update(first, output, outputs.next().ok_or_else(missing)?),
            Self::MergeUncertainty { uncertainty, other_count } => {
                uncertainty.merge(first, next()?, other_count, output, outputs.next().ok_or_else(missing)?)
            }
            Self::Entropies(uncertainty) => {
                let [expected, information] = [outputs.next(), outputs.next()];
                let information = information.ok_or_else(missing)?;
                uncertainty.finish(first, next()?, output, expected.ok_or_else(missing)?, information)
            }
        })
    }

    /// Bytes of scratch on a device, for a first input of so many elements.
    #[cfg(feature = "cube")]
    pub(crate) fn scratch_size(&self, elements: u64) -> u64 {
        match self {
            Self::FusedBackward { fused, bias_gradient: true, .. } => fused.scratch_size(elements),
            Self::DropBlock(mask) => mask.scratch_size(),
            _ => 0,
        }
    }

    /// How many of its inputs, from the first on, its gradients need.
    pub(crate) fn saved(&self) -> usize {
        match self {
            Self::Fused { fused, bias, .. } if fused.activation() != Activation::None => 1 + usize::from(*bias),
            Self::Connect(_) => 2,
            _ => 0,
        }
    }

    /// The input whose place an output may take.
    pub(crate) const fn takes_place_of(&self, output: usize) -> Option<usize> {
        match (self, output) {
            (Self::Fused { .. } | Self::FusedBackward { .. } | Self::DropBlock(_) | Self::Variance(_), 0) => Some(0),
            (Self::Statistics(_) | Self::Uncertainty(_), _) => Some(1 + output),
            (Self::MergeStatistics { .. } | Self::MergeUncertainty { .. }, _) => Some(2 + output),
            _ => None,
        }
    }

    /// Whether the outputs go on from what is in the inputs whose places they take.
    pub(crate) const fn goes_on(&self) -> bool {
        matches!(
            self,
            Self::Statistics(_) | Self::Uncertainty(_) | Self::MergeStatistics { .. } | Self::MergeUncertainty { .. }
        )
    }
}

/// What comes out, for Burn's fusion, before anything is computed.
#[cfg(feature = "fusion")]
pub(crate) fn outputs(inputs: &TensorsMetadata, work: &PassWork) -> TensorsMetadata {
    use burn::backend::fusion::custom::TensorSpec;
    let (TensorsMetadata::One(first)
    | TensorsMetadata::Two(first, _)
    | TensorsMetadata::Three(first, ..)
    | TensorsMetadata::Four(first, ..)) = inputs;
    let dtype = work.output_dtype(first.dtype);
    let mut specs = work.output_shapes(&first.shape).into_iter().map(|shape| TensorSpec::new(shape, dtype));
    match (specs.next(), specs.next(), specs.next()) {
        (Some(first), Some(second), Some(third)) => TensorsMetadata::Three(first, second, third),
        (Some(first), Some(second), None) => TensorsMetadata::Two(first, second),
        (Some(first), None, _) => TensorsMetadata::One(first),
        (None, ..) => unreachable!("a pass has an output"),
    }
}
