//! Gradients, for Burn's autodiff: of an operation, and of a pass.

use std::marker::PhantomData;

use burn::backend::{
    Autodiff,
    autodiff::{
        NodeId,
        checkpoint::{
            base::Checkpointer, retro_forward::RetroForward, state::BackwardStates, strategy::CheckpointStrategy,
        },
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    tensor::FloatTensor,
};
use wgpu_dropout::Operation;

use crate::{
    backend::DropoutBackend,
    pass::{PassWork, Tensors},
};

impl<B: DropoutBackend, C: CheckpointStrategy> DropoutBackend for Autodiff<B, C> {
    fn dropout_operate(x: FloatTensor<Self>, operation: Operation) -> FloatTensor<Self> {
        let node = x.node();
        let again = Again::<B> { input: node.id(), operation, backend: PhantomData };
        let prepared = OperationGradient.prepare::<C>([node]).memory_bound().retro_forward(again).parents([&x]);
        let y = |x: FloatTensor<Self>| B::dropout_operate(x.into_primitive(), operation);
        match prepared.stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(operation, y(x)),
            OpsKind::UnTracked(prepared) => prepared.finish(y(x)),
        }
    }

    fn dropout_pass(inputs: Tensors<Self>, work: PassWork) -> Tensors<Self> {
        Tensors::One(match inputs {
            Tensors::One(first) => track::<B, C, _>([first], work),
            Tensors::Two(first, second) => track::<B, C, _>([first, second], work),
            Tensors::Three(first, second, third) => track::<B, C, _>([first, second, third], work),
            Tensors::Four(..) => unreachable!("statistics are of tensors without gradients"),
        })
    }
}

/// Forward and backward are linear, or affine, and each is multiplied by the same factors.
#[derive(Debug)]
struct OperationGradient;

impl<B: DropoutBackend> Backward<B, 1> for OperationGradient {
    type State = Operation;

    fn backward(self, ops: Ops<Operation, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
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

/// A pass on tracked tensors. Backward needs what [`PassWork::saved`] says.
fn track<B: DropoutBackend, C: CheckpointStrategy, const N: usize>(
    inputs: [FloatTensor<Autodiff<B, C>>; N],
    work: PassWork,
) -> FloatTensor<Autodiff<B, C>> {
    let prepared = PassGradient.prepare::<C>(inputs.each_ref().map(|x| x.node())).compute_bound().stateful();
    let inputs = inputs.map(|x| x.into_primitive());
    let y = |inputs: [FloatTensor<B>; N]| match B::dropout_pass(Tensors::new(inputs), work) {
        Tensors::One(y) => y,
        _ => unreachable!("what is differentiated has one output"),
    };
    match prepared {
        OpsKind::Tracked(prepared) => {
            let saved = inputs[..work.saved()].to_vec();
            prepared.finish((work, saved), y(inputs))
        }
        OpsKind::UnTracked(prepared) => prepared.finish(y(inputs)),
    }
}

#[derive(Debug)]
struct PassGradient;

impl<B: DropoutBackend, const N: usize> Backward<B, N> for PassGradient {
    type State = (PassWork, Vec<FloatTensor<B>>);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (work, saved) = ops.state;
        // None where nobody asks for that gradient.
        let node = |i: usize| ops.parents.get(i).and_then(|parent| Some(parent.as_ref()?.id));
        let run = |inputs: Vec<FloatTensor<B>>, work| B::dropout_pass(Tensors::new(inputs), work).into_vec();
        match work {
            PassWork::Fused { fused, bias, residual } => {
                let of_bias = node(1).filter(|_| bias);
                let of_residual = node(1 + usize::from(bias)).filter(|_| residual);
                if let Some(node) = of_residual {
                    grads.register::<B>(node, dy.clone());
                }
                if node(0).is_none() && of_bias.is_none() {
                    return;
                }
                let backward = PassWork::FusedBackward { fused, bias, bias_gradient: of_bias.is_some() };
                let gradients = run([vec![dy], saved].concat(), backward);
                for (node, gradient) in [node(0), of_bias].into_iter().zip(gradients) {
                    if let Some(node) = node {
                        grads.register::<B>(node, gradient);
                    }
                }
            }
            PassWork::DropBlock(_) => {
                if let Some(node) = node(0) {
                    grads.register::<B>(node, run(vec![dy], work).remove(0));
                }
            }
            PassWork::Connect(of) => {
                let [weights, x] = [0, 1].map(|i| saved[i].clone());
                if let Some(node) = node(0) {
                    grads.register::<B>(node, run(vec![x, dy.clone()], PassWork::ConnectWeights(of)).remove(0));
                }
                if let Some(node) = node(1) {
                    grads.register::<B>(node, run(vec![weights, dy], PassWork::ConnectInput(of)).remove(0));
                }
            }
            _ => unreachable!("gradients and statistics are of tensors without gradients"),
        }
    }
}
