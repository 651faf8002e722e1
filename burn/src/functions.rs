//! Passes on tensors: what the library computes in one pass, and Burn would in several operations.

use burn::{
    backend::{Dispatch, TensorMetadata},
    tensor::Tensor,
};
use wgpu_dropout::{BlockMask, DropConnect, Fused};

use crate::{
    Error,
    backend::{DropoutBackend, check_device, dtype},
    pass::{PassWork, Tensors},
};

/// Bias, activation, dropout, stochastic depth and residual in one pass over memory, [`Fused`] says in which order. The bias is a
/// row, an element for each of the tensor's last axis; the residual is like x. Gradients of all three come in one pass too, and
/// keep nothing but x and the bias, and that only with an activation.
///
/// Bit for bit the reference's without activation and with ReLU; the others are within what
/// [`Activation`](wgpu_dropout::Activation) says. The gradient of the bias is a sum in f32 that is the same on every run on a
/// device.
///
/// # Errors
/// [`Error::Shape`] for other columns than the last axis has and for a bias or a residual of another shape,
/// [`Error::Dropout`] when a mask is for another number of elements, and [`Error::Dtype`], [`Error::Gathered`] and
/// [`Error::Backend`] as [`dropout`](crate::dropout()); [`Error::Pass`] where CubeCL takes no WGSL.
///
/// # Panics
/// Where a row does not fit a binding of the device, when it runs.
pub fn fused<const D: usize>(
    x: Tensor<D>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<D>>,
    fused: &Fused,
) -> Result<Tensor<D>, Error> {
    let shape = x.shape();
    let columns = fused.columns();
    check(&x)?;
    check_shape("the last axis", &[columns], &shape[D - 1..])?;
    if let Some(bias) = &bias {
        check_like(bias, &x)?;
        check_shape("the bias", &[columns], &bias.shape())?;
    }
    if let Some(residual) = &residual {
        check_like(residual, &x)?;
        let of_x: Vec<_> = shape.iter().map(|&extent| extent as u64).collect();
        check_shape("the residual", &of_x, &residual.shape())?;
    }
    let elements = shape.num_elements() as u64;
    if fused.mask().view().is_gathered() {
        return Err(Error::Gathered);
    }
    fused.mask().check_length(elements)?;
    if let Some(rows) = fused.row_keep() {
        rows.check_length(elements / columns)?;
    }
    if elements == 0 {
        return Ok(x);
    }
    let work = PassWork::Fused { fused: *fused, bias: bias.is_some(), residual: residual.is_some() };
    let others = [bias.map(Tensor::into_dispatch), residual.map(Tensor::into_dispatch)];
    let inputs = std::iter::once(x.into_dispatch()).chain(others.into_iter().flatten());
    Ok(run(Tensors::new(inputs), work))
}

/// `DropBlock`: whole blocks of neighbours along the last one to three axes are dropped. The gradient is the same pass on the
/// gradient of y.
///
/// # Errors
/// [`Error::Shape`] when the mask is for another number of elements, [`Error::Dtype`], [`Error::Backend`], [`Error::Pass`].
///
/// # Panics
/// Where the scale has to be [counted](wgpu_dropout::BlockScaling::Count) and the device binds fewer than four storage buffers,
/// or rows under a block do not fit a binding, when it runs.
pub fn drop_block<const D: usize>(x: Tensor<D>, mask: &BlockMask) -> Result<Tensor<D>, Error> {
    check(&x)?;
    let elements = x.shape().num_elements();
    check_shape("the tensor, in elements,", &[mask.elements()], &[elements])?;
    if elements == 0 || mask.keeps_all() {
        return Ok(x);
    }
    Ok(run(Tensors::One(x.into_dispatch()), PassWork::DropBlock(*mask)))
}

/// `DropConnect`: the product of an input (B, I) with weights (O, I), of which each is dropped or kept for each example, as
/// (B, O). The masks are computed inside of the product, forward and backward.
///
/// Sums are in f32, in an order of the device's: see [`DropConnect`].
///
/// # Errors
/// [`Error::Shape`], [`Error::Dropout`] when the decisions reach past the generator's range, [`Error::Dtype`] also for tensors
/// of two types, [`Error::Backend`], [`Error::Pass`].
///
/// # Panics
/// Where a row does not fit a binding of the device, when it runs.
pub fn drop_connect(weights: Tensor<2>, x: Tensor<2>, connect: &DropConnect) -> Result<Tensor<2>, Error> {
    check(&weights)?;
    check_like(&x, &weights)?;
    check_shape("the weights", &[connect.outputs(), connect.inputs()], &weights.shape())?;
    check_shape("the input", &[connect.batch(), connect.inputs()], &x.shape())?;
    let [of_example, of_output] = connect.strides();
    let decisions = [(connect.batch(), of_example), (connect.outputs(), of_output), (connect.inputs(), 1)];
    let shape = decisions.map(|(extent, _)| extent);
    let strides = decisions.map(|(_, stride)| stride);
    let view = wgpu_dropout::View::strided(connect.mask().view().start(), &shape, &strides)?;
    connect.mask().at(view).check_length(shape.iter().product())?;
    if shape.contains(&0) {
        let zeros = [connect.batch(), connect.outputs()].map(|extent| extent as usize);
        return Ok(Tensor::zeros(zeros, (&x.device(), x.dtype())));
    }
    let inputs = Tensors::Two(weights.into_dispatch(), x.into_dispatch());
    Ok(run(inputs, PassWork::Connect(*connect)))
}

fn run<const D: usize>(inputs: Tensors<Dispatch>, work: PassWork) -> Tensor<D> {
    match <Dispatch as DropoutBackend>::dropout_pass(inputs, work) {
        Tensors::One(y) => Tensor::from_dispatch(y),
        _ => unreachable!("it has one output"),
    }
}

fn check<const D: usize>(x: &Tensor<D>) -> Result<(), Error> {
    dtype(x.dtype())?;
    check_device(&x.clone().into_dispatch().device(), None)
}

/// An error where tensors of one pass have two types of elements.
fn check_like<const D: usize, const E: usize>(other: &Tensor<D>, x: &Tensor<E>) -> Result<(), Error> {
    let (found, expected) = (other.dtype(), x.dtype());
    if found == expected { Ok(()) } else { Err(Error::Dtypes { found, expected }) }
}

fn check_shape(what: &'static str, expected: &[u64], found: &[usize]) -> Result<(), Error> {
    let same = expected.len() == found.len() && expected.iter().zip(found).all(|(&a, &b)| a == b as u64);
    if same {
        return Ok(());
    }
    Err(Error::Shape { what, expected: expected.to_vec(), found: found.to_vec() })
}
