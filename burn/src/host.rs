//! Backends that compute on the host: the library's CPU reference.

use burn::backend::{Backend, TensorMetadata, read_sync, tensor::FloatTensor};
use burn::tensor::{DType, Element as BurnElement, TensorData};
use wgpu_dropout::{Element, Operation, Slice, reference};

use crate::{
    Error,
    backend::DropoutBackend,
    pass::{PassWork, Tensors},
};

#[cfg(feature = "flex")]
impl DropoutBackend for burn::backend::Flex {
    fn dropout_operate(x: FloatTensor<Self>, operation: Operation) -> FloatTensor<Self> {
        operate::<Self>(x, operation)
    }

    fn dropout_pass(inputs: Tensors<Self>, work: PassWork) -> Tensors<Self> {
        run_pass::<Self>(inputs, work)
    }
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "Burn still has it")]
impl DropoutBackend for burn::backend::NdArray {
    fn dropout_operate(x: FloatTensor<Self>, operation: Operation) -> FloatTensor<Self> {
        operate::<Self>(x, operation)
    }

    fn dropout_pass(inputs: Tensors<Self>, work: PassWork) -> Tensors<Self> {
        run_pass::<Self>(inputs, work)
    }
}

fn operate<B: Backend>(x: FloatTensor<B>, operation: Operation) -> FloatTensor<B> {
    let device = x.device();
    let x = read::<B>(x);
    let y = match x.dtype() {
        DType::F16 => compute::<half::f16>(&x, operation),
        DType::BF16 => compute::<half::bf16>(&x, operation),
        _ => compute::<f32>(&x, operation),
    };
    B::float_from_data(y.unwrap_or_else(|error| panic!("{error}")), &device)
}

fn compute<T: Element + BurnElement>(x: &TensorData, operation: Operation) -> Result<TensorData, Error> {
    Ok(TensorData::new(reference::run(operation, elements::<T>(x)?)?, x.shape().clone()))
}

fn read<B: Backend>(x: FloatTensor<B>) -> TensorData {
    read_sync(B::float_into_data(x)).unwrap_or_else(|error| panic!("{error}"))
}

fn elements<T: BurnElement>(x: &TensorData) -> Result<&[T], Error> {
    x.as_slice().map_err(|_| Error::Dtype { dtype: x.dtype() })
}

/// A pass of any type of elements.
fn run_pass<B: Backend>(inputs: Tensors<B>, work: PassWork) -> Tensors<B> {
    let inputs = inputs.into_vec();
    let (device, dtype) = (inputs[0].device(), inputs[0].dtype());
    let inputs: Vec<_> = inputs.into_iter().map(read::<B>).collect();
    let outputs = match dtype {
        DType::F16 => compute_pass::<half::f16>(&inputs, &work),
        DType::BF16 => compute_pass::<half::bf16>(&inputs, &work),
        _ => compute_pass::<f32>(&inputs, &work),
    };
    let outputs = outputs.unwrap_or_else(|error| panic!("{error}"));
    Tensors::new(outputs.into_iter().map(|y| B::float_from_data(y, &device)))
}

fn compute_pass<T>(inputs: &[TensorData], work: &PassWork) -> Result<Vec<TensorData>, Error>
where
    T: Element + BurnElement,
    for<'a> Slice<'a>: From<&'a [T]> + From<&'a mut [T]>,
{
    let shapes = work.output_shapes(inputs[0].shape());
    let mut outputs: Vec<Vec<T>> = shapes.iter().map(|shape| vec![T::narrow(0.0); shape.num_elements()]).collect();
    let of_inputs = inputs.iter().map(|x| Ok(Slice::from(elements::<T>(x)?))).collect::<Result<_, Error>>()?;
    let of_outputs = outputs.iter_mut().map(|y| Slice::from(&mut y[..])).collect();
    reference::run_pass(work.pass(of_inputs, of_outputs)?)?;
    Ok(outputs.into_iter().zip(shapes).map(|(y, shape)| TensorData::new(y, shape)).collect())
}
