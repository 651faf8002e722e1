//! Backends that compute on the host: the library's CPU reference.

use burn::backend::{Backend, TensorMetadata, read_sync, tensor::FloatTensor};
use burn::tensor::{DType, Element as BurnElement, TensorData};
use wgpu_dropout::{Element, Operation, reference};

use crate::{Error, backend::DropoutBackend};

#[cfg(feature = "flex")]
impl DropoutBackend for burn::backend::Flex {
    fn dropout_operate(x: FloatTensor<Self>, operation: Operation) -> FloatTensor<Self> {
        operate::<Self>(x, operation)
    }
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "Burn still has it")]
impl DropoutBackend for burn::backend::NdArray {
    fn dropout_operate(x: FloatTensor<Self>, operation: Operation) -> FloatTensor<Self> {
        operate::<Self>(x, operation)
    }
}

fn operate<B: Backend>(x: FloatTensor<B>, operation: Operation) -> FloatTensor<B> {
    let device = x.device();
    let x = read_sync(B::float_into_data(x)).unwrap_or_else(|error| panic!("{error}"));
    let y = match x.dtype() {
        DType::F16 => compute::<half::f16>(&x, operation),
        DType::BF16 => compute::<half::bf16>(&x, operation),
        _ => compute::<f32>(&x, operation),
    };
    B::float_from_data(y.unwrap_or_else(|error| panic!("{error}")), &device)
}

fn compute<T: Element + BurnElement>(x: &TensorData, operation: Operation) -> Result<TensorData, Error> {
    let elements = x.as_slice::<T>().map_err(|_| Error::Dtype { dtype: x.dtype() })?;
    Ok(TensorData::new(reference::run(operation, elements)?, x.shape().clone()))
}
