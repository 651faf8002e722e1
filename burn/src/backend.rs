//! What a backend computes: whatever takes a tensor and gives one of its shape, and passes on several tensors. Everything else is
//! built on these two.

#![allow(deprecated, reason = "Burn still has NdArray")]

use burn::{
    backend::{Backend, Dispatch, DispatchDevice, TensorMetadata, backend_extension, tensor::FloatTensor},
    tensor::{DType, Tensor},
};
use wgpu_dropout::{Dtype, Mask, Operation};

use crate::{
    Error,
    pass::{PassWork, Tensors},
};

/// Burn's backends with dropout.
///
/// Whoever calls it directly sees to what [`dropout`] checks; it panics otherwise, or, on lazy backends, when its output is read.
#[backend_extension(
    Cube: cfg(feature = "cube"),
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait DropoutBackend: Backend {
    /// An operation on a tensor: [`Operation::Forward`] or [`Operation::Backward`].
    #[fusion(dtype = x, shape = x)]
    fn dropout_operate(x: FloatTensor<Self>, operation: Operation) -> FloatTensor<Self>;

    /// A pass on several tensors: [`PassWork`] says which, and what comes out.
    #[fusion(meta = crate::pass::outputs)]
    fn dropout_pass(#[extension_type] inputs: Tensors<Self>, work: PassWork) -> Tensors<Self>;
}

/// Dropout of a tensor of f32, f16 or bf16, on whatever device it is: what the mask's [`Kind`](wgpu_dropout::Kind) says, bit
/// for bit the [reference](wgpu_dropout::reference)'s. The elements are those of the tensor row by row, however they lie in
/// memory; the mask's [view](Mask::at) says which part of a larger tensor they are.
///
/// Its gradient is `keep ? scale·w : +0` with the same mask, computed again from the key: nothing but the mask's value is kept
/// for backward, and recomputation by gradient checkpointing gives the same bits.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use wgpu_dropout::{Dropout, Key};
/// use wgpu_dropout_burn::dropout;
///
/// let device = Device::flex().autodiff();
/// let x = Tensor::<2>::ones([4, 256], &device).require_grad();
/// let mask = Dropout::new(0.1)?.mask(Key::new(42).with_layer(3).with_step(1000));
/// let y = dropout(x.clone(), &mask)?;
/// let gradients = y.clone().sum().backward();
/// let dx = x.grad(&gradients).unwrap();
/// assert_eq!(dx.into_data(), y.into_data()); // of ones: the same mask, the same scale
/// # }
/// # Ok::<(), wgpu_dropout_burn::Error>(())
/// ```
///
/// # Errors
/// [`Error::Dropout`] when the mask is for another number of elements or reaches past what its generator can address,
/// [`Error::Dtype`], [`Error::Gathered`], [`Error::Backend`] on a device that has no kernels here, and, where CubeCL takes no WGSL,
/// [`Error::Large`].
pub fn dropout<const D: usize>(x: Tensor<D>, mask: &Mask) -> Result<Tensor<D>, Error> {
    let elements = x.shape().num_elements();
    dtype(x.dtype())?;
    if mask.view().is_gathered() {
        return Err(Error::Gathered);
    }
    mask.check_length(elements as u64)?;
    let operation = Operation::Forward(*mask);
    let x = x.into_dispatch();
    check_device(&x.device(), Some((&operation, elements)))?;
    if elements == 0 || operation.copies() {
        return Ok(Tensor::from_dispatch(x));
    }
    Ok(Tensor::from_dispatch(<Dispatch as DropoutBackend>::dropout_operate(x, operation)))
}

/// The library's type of elements for Burn's.
pub(crate) fn dtype(dtype: DType) -> Result<Dtype, Error> {
    match dtype {
        DType::F32 | DType::Flex32 => Ok(Dtype::F32),
        DType::F16 => Ok(Dtype::F16),
        DType::BF16 => Ok(Dtype::Bf16),
        _ => Err(Error::Dtype { dtype }),
    }
}

/// An error for a device without kernels for an operation on so many elements, or for a pass: otherwise it would come up only when
/// an output is read.
pub(crate) fn check_device(device: &DispatchDevice, operation: Option<(&Operation, usize)>) -> Result<(), Error> {
    #[allow(unreachable_patterns, reason = "Burn may have no other backends")]
    match device {
        DispatchDevice::Autodiff(_) => check_device(&device.clone().inner(), operation),
        #[cfg(feature = "cube")]
        DispatchDevice::Cube(device) => match operation {
            Some((operation, elements)) => crate::cube::check(&device.client(), operation, elements),
            None => crate::cube::check_pass(&device.client()),
        },
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => Ok(()),
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => Ok(()),
        _ => Err(Error::Backend { name: Dispatch::name(device) }),
    }
}
