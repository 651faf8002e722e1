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

fn run_pass<B: Backend>(inputs: Tensors<B>, work: PassWork) -> Tensors<B> {
    let inputs = inputs.into_vec();
    let device = inputs[0].device();
    let inputs: Vec<_> = inputs.into_iter().map(read::<B>).collect();
    let outputs = compute_pass(&inputs, &work).unwrap_or_else(|error| panic!("{error}"));
    Tensors::new(outputs.into_iter().map(|y| B::float_from_data(y, &device)))
}

fn compute_pass(inputs: &[TensorData], work: &PassWork) -> Result<Vec<TensorData>, Error> {
    let dtype = work.output_dtype(inputs[0].dtype());
    let output = |(i, shape)| match work.takes_place_of(i).filter(|_| work.goes_on()) {
        Some(input) => inputs[input].clone(),
        None => TensorData::zeros::<f32, _>(shape).convert_dtype(dtype),
    };
    let shapes = work.output_shapes(inputs[0].shape()).into_iter().enumerate();
    let mut outputs: Vec<_> = shapes.map(output).collect();
    let of_inputs = inputs.iter().map(slice).collect::<Result<_, _>>()?;
    let of_outputs = outputs.iter_mut().map(slice_mut).collect::<Result<_, _>>()?;
    reference::run_pass(work.pass(of_inputs, of_outputs)?)?;
    Ok(outputs)
}

fn slice(x: &TensorData) -> Result<Slice<'_>, Error> {
    Ok(match x.dtype() {
        DType::F16 => elements::<half::f16>(x)?.into(),
        DType::BF16 => elements::<half::bf16>(x)?.into(),
        _ => elements::<f32>(x)?.into(),
    })
}

fn slice_mut(x: &mut TensorData) -> Result<Slice<'_>, Error> {
    let dtype = x.dtype();
    let error = |_| Error::Dtype { dtype };
    Ok(match dtype {
        DType::F16 => x.as_mut_slice::<half::f16>().map_err(error)?.into(),
        DType::BF16 => x.as_mut_slice::<half::bf16>().map_err(error)?.into(),
        _ => x.as_mut_slice::<f32>().map_err(error)?.into(),
    })
}
