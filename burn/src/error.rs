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
    /// A backend that has no kernels here.
    #[error(
        "there is no dropout for {name}: it runs on Burn's wgpu with WGSL (without the features `vulkan` and `metal`, which \
         make it compile SPIR-V or MSL), on Flex and on NdArray, each with this crate's feature of that name"
    )]
    Backend {
        /// What Burn calls it.
        name: String,
    },
    /// A mask whose rows are looked up, with no ids to look them up by.
    #[error("the mask gathers rows by ids, which a tensor alone does not have: make one without Mask::gathered")]
    Gathered,
    /// Every number of a layer is taken.
    #[error("a key has room for 65536 layers, and all of them are taken: use another seed for the rest")]
    Layers,
}
