//! numr's two dropouts on its wgpu runtime: the plain operation, and the one of its autograd.

use numr::{
    autograd::{Var, var_dropout},
    ops::ActivationOps,
    runtime::{
        RuntimeClient,
        wgpu::{Tensor, WgpuClient, WgpuDevice, WgpuRuntime},
    },
};
use wgpu_dropout::wgpu;

use crate::{
    Error,
    subject::{P, Part, Subject, input},
};

const PEER: &str = "numr 0.14.0";

/// Opens numr's own device, with the features and limits that numr asks for. numr counts adapters as
/// `enumerate_adapters` of a default instance lists them.
pub fn open(wanted: &wgpu::AdapterInfo, index: usize) -> Result<WgpuClient, Error> {
    let client = WgpuClient::new(WgpuDevice::new(index)).map_err(|error| Error::peer(PEER, error))?;
    let opened = client.wgpu_device().adapter_info();
    if (&opened.name, opened.backend) != (&wanted.name, wanted.backend) {
        return Err(Error::OtherAdapter { peer: PEER, opened: opened.name, wanted: wanted.name.clone() });
    }
    Ok(client)
}

/// Which of numr's dropouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `ActivationOps::dropout`: no gradient.
    Dropout,
    /// `autograd::var_dropout`: keeps its mask for backward.
    VarDropout,
}

pub struct Numr {
    client: WgpuClient,
    function: Function,
    part: Part,
    x: Tensor<WgpuRuntime>,
    ones: Option<Tensor<WgpuRuntime>>,
    /// Outputs, and gradients of the input.
    kept: Vec<(Tensor<WgpuRuntime>, Option<Tensor<WgpuRuntime>>)>,
}

impl Numr {
    pub fn new(client: &WgpuClient, function: Function, part: Part, n: u64) -> Result<Self, Error> {
        let tensor = |values: &[f32]| {
            Tensor::from_slice(values, &[n as usize], client.device()).map_err(|error| Error::peer(PEER, error))
        };
        let x = tensor(&input(n))?;
        let ones = (part == Part::ForwardBackward).then(|| tensor(&vec![1.0; n as usize])).transpose()?;
        Ok(Self { client: client.clone(), function, part, x, ones, kept: vec![] })
    }

    fn apply(&self) -> numr::error::Result<(Tensor<WgpuRuntime>, Option<Tensor<WgpuRuntime>>)> {
        if self.function == Function::Dropout {
            return Ok((self.client.dropout(&self.x, P, true)?, None));
        }
        let x = Var::new(self.x.clone(), self.ones.is_some());
        let (y, _mask) = var_dropout(&x, P, &self.client)?;
        let dx = match (&self.ones, y.grad_fn()) {
            (Some(ones), Some(function)) => function.backward(ones, &[true])?.pop().flatten(),
            _ => None,
        };
        Ok((y.tensor().clone(), dx))
    }
}

impl Subject for Numr {
    fn library(&self) -> String {
        match self.function {
            Function::Dropout => format!("{PEER} dropout"),
            Function::VarDropout => format!("{PEER} var_dropout"),
        }
    }

    fn part(&self) -> Part {
        self.part
    }

    fn generator(&self) -> &'static str {
        "pcg"
    }

    fn call(&mut self) -> Result<(), Error> {
        let (y, dx) = self.apply().map_err(|error| Error::peer(PEER, error))?;
        if self.part == Part::ForwardBackward && dx.is_none() {
            return Err(Error::peer(PEER, "there is no gradient of the input"));
        }
        self.kept.push((y, dx));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.client.synchronize();
        Ok(())
    }

    fn release(&mut self) {
        self.kept.clear();
    }

    fn outputs(&mut self) -> Result<(Vec<f32>, Option<Vec<f32>>), Error> {
        let read = |tensor: Tensor<WgpuRuntime>| tensor.try_to_vec::<f32>().map_err(|error| Error::peer(PEER, error));
        let (y, dx) = self.kept.pop().ok_or_else(|| Error::peer(PEER, "nothing was called"))?;
        Ok((read(y)?, dx.map(read).transpose()?))
    }
}
