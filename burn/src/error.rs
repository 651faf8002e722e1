use burn::tensor::DType;

/// Why dropout of a Burn tensor was refused. Nothing has been computed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the library itself refuses: a probability, a shape, a range of indexes.
    #[error(transparent)]
    Dropout(#[from] wgpu_dropout::Error),
    /// A type of elements that dropout is not defined for.
    #[error("dropout is defined for f32, f16 and bf16, and the tensor has {dtype:?}: cast it to one of these first")]
    Dtype {
        /// The tensor's.
        dtype: DType,
    },
    /// Tensors of one pass with two types of elements.
    #[error("a pass takes tensors of one type of elements, and has {expected:?} and {found:?}: cast one of them")]
    Dtypes {
        /// That of the others.
        expected: DType,
        /// That of this one.
        found: DType,
    },
    /// A tensor of another shape than the computation is for.
    #[error("{what} has shape {found:?}, and the computation is for {expected:?}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// What is asked for.
        expected: Vec<u64>,
        /// What it has.
        found: Vec<usize>,
    },
    /// A backend that has no dropout here.
    #[error(
        "there is no dropout for {name}: it runs on Burn's backends of CubeCL (wgpu among them), on Flex and on NdArray, each with \
         this crate's feature of that name"
    )]
    Backend {
        /// What Burn calls it.
        name: String,
    },
    /// A pass on a device that CubeCL compiles for without WGSL.
    #[error(
        "on {name} dropout runs element by element, and there are no passes (fused, DropBlock, DropConnect, statistics): they run on \
         Burn's wgpu with WGSL (without the features `vulkan` and `metal`, which make it compile SPIR-V or MSL), on Flex and on NdArray"
    )]
    Pass {
        /// What CubeCL calls it.
        name: String,
    },
    /// An operation that a device has no kernel for.
    #[error(
        "{what} has no kernel on {name}, only dropout of an element and its gradient have: it runs on Burn's wgpu with WGSL (without the \
         features `vulkan` and `metal`, which make it compile SPIR-V or MSL), on Flex and on NdArray"
    )]
    Operation {
        /// What was asked for.
        what: &'static str,
        /// What CubeCL calls the device's compiler.
        name: String,
    },
    /// More elements than a launch can number.
    #[error(
        "{elements} elements are more than 32 bits can number: split the tensor, with Mask::skip for the parts after the first"
    )]
    Large {
        /// The tensor's.
        elements: usize,
    },
    /// Samples on a device with autodiff.
    #[error(
        "samples are for evaluation, and this one is on a device with autodiff, where batch norm behaves as in training: take \
         the module's valid(), and inputs on the device's inner()"
    )]
    Gradients,
    /// Statistics of no samples.
    #[error("there is no mean of no samples: draw at least one")]
    NoSamples,
    /// A mask whose rows are looked up, with no ids to look them up by.
    #[error("the mask gathers rows by ids, which a tensor alone does not have: make one without Mask::gathered")]
    Gathered,
    /// Every number of a layer is taken.
    #[error("a key has room for 65536 layers, and all of them are taken: use another seed for the rest")]
    Layers,
}
