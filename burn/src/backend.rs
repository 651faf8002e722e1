//! What a backend computes: one method for whatever takes a tensor and gives one of its shape. Everything else is built on it.

#![allow(deprecated, reason = "Burn still has NdArray")]

use std::marker::PhantomData;

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, DispatchDevice, TensorMetadata,
        autodiff::{
            NodeId,
            checkpoint::{
                base::Checkpointer, retro_forward::RetroForward, state::BackwardStates, strategy::CheckpointStrategy,
            },
            grads::Gradients,
            ops::{Backward, Ops, OpsKind, unary},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::{DType, Tensor},
};
use wgpu_dropout::{Dtype, Mask, Operation};

use crate::Error;

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
/// [`Error::Dtype`], [`Error::Gathered`], and [`Error::Backend`] on a device that has no kernels here.
pub fn dropout<const D: usize>(x: Tensor<D>, mask: &Mask) -> Result<Tensor<D>, Error> {
    let elements = x.shape().num_elements();
    dtype(x.dtype())?;
    if mask.view().is_gathered() {
        return Err(Error::Gathered);
    }
    mask.check_length(elements as u64)?;
    let operation = Operation::Forward(*mask);
    let x = x.into_dispatch();
    check_device(&x.device())?;
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

/// An error for a device without kernels, which would come up only when its output is read.
fn check_device(device: &DispatchDevice) -> Result<(), Error> {
    #[allow(unreachable_patterns, reason = "Burn may have no other backends")]
    match device {
        DispatchDevice::Autodiff(_) => check_device(&device.clone().inner()),
        #[cfg(feature = "cube")]
        DispatchDevice::Cube(device) => crate::cube::check(&device.client()),
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => Ok(()),
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => Ok(()),
        _ => Err(Error::Backend { name: Dispatch::name(device) }),
    }
}

impl<B: DropoutBackend, C: CheckpointStrategy> DropoutBackend for Autodiff<B, C> {
    fn dropout_operate(x: FloatTensor<Self>, operation: Operation) -> FloatTensor<Self> {
        let node = x.node();
        let again = Again::<B> { input: node.id(), operation, backend: PhantomData };
        let prepared = Step.prepare::<C>([node]).memory_bound().retro_forward(again).parents([&x]).stateful();
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(operation, B::dropout_operate(x.into_primitive(), operation)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::dropout_operate(x.into_primitive(), operation)),
        }
    }
}

/// The gradient: each operation is linear, or affine, and its own transpose's factor is that of backward.
#[derive(Debug)]
struct Step;

impl<B: DropoutBackend> Backward<B, 1> for Step {
    type State = Operation;

    fn backward(self, ops: Ops<Operation, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (Operation::Forward(mask) | Operation::Backward(mask)) = ops.state else {
            unreachable!("only these reach a backend")
        };
        unary::<B, _>(ops.parents, ops.node, grads, |dy| B::dropout_operate(dy, Operation::Backward(mask)));
    }
}

/// Forward again, where gradient checkpointing did not keep the output.
#[derive(Debug)]
struct Again<B> {
    input: NodeId,
    operation: Operation,
    backend: PhantomData<B>,
}

impl<B: DropoutBackend> RetroForward for Again<B> {
    fn forward(&self, states: &mut BackwardStates, out_node: NodeId) {
        let x = states.get_state::<FloatTensor<B>>(&self.input);
        states.save(out_node, B::dropout_operate(x, self.operation));
    }
}
