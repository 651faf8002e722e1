//! Dropout on CubeCL's runtimes.
//!
//! Where CubeCL takes WGSL it launches the library's own kernels. Everywhere else it compiles a second form of the rule, written
//! in its own language, of what needs no more than an element and its decision; passes have none.

mod elementwise;
mod generator;
mod index;
mod keep_rule;
mod launch;
mod normal;
mod storage;
#[cfg(test)]
mod tests;
mod wgsl;

use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::client::Client;
use wgpu_dropout::Operation;

use crate::{
    Error,
    backend::DropoutBackend,
    pass::{PassWork, Tensors},
};

/// What a CubeCL runtime takes kernels as.
enum Language {
    /// Text: the library's kernels.
    Wgsl,
    /// What CubeCL compiles itself.
    Cube,
}

impl Language {
    fn of(client: &Client) -> Self {
        match client.name() {
            "wgpu<wgsl>" => Self::Wgsl,
            _ => Self::Cube,
        }
    }
}

/// An error where a device has no kernel for an operation on tensors of so many elements.
pub(crate) fn check(client: &Client, operation: &Operation, elements: usize) -> Result<(), Error> {
    match Language::of(client) {
        Language::Wgsl => Ok(()),
        Language::Cube => launch::check(client, operation, elements),
    }
}

/// An error where a device has no kernels for passes.
pub(crate) fn check_pass(client: &Client) -> Result<(), Error> {
    match Language::of(client) {
        Language::Wgsl => Ok(()),
        Language::Cube => Err(Error::Pass { name: client.name().to_owned() }),
    }
}

impl DropoutBackend for CubeBackend {
    fn dropout_operate(x: CubeTensor, operation: Operation) -> CubeTensor {
        let y = match Language::of(&x.client) {
            Language::Wgsl => wgsl::operate(x, &operation),
            Language::Cube => launch::operate(x, &operation),
        };
        y.unwrap_or_else(|error| panic!("{error}"))
    }

    fn dropout_pass(inputs: Tensors<Self>, work: PassWork) -> Tensors<Self> {
        let inputs = inputs.into_vec();
        let outputs = check_pass(&inputs[0].client).and_then(|()| wgsl::run_pass(inputs, &work));
        Tensors::new(outputs.unwrap_or_else(|error| panic!("{error}")))
    }
}
