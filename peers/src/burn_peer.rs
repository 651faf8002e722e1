//! Burn's `nn::Dropout` on its wgpu backend.

use burn::{
    nn::{Dropout, DropoutConfig},
    tensor::{Device, DeviceKind, Tensor, TensorData, wgpu::WgpuBackend},
};
use wgpu_dropout::wgpu;

use crate::{
    Error,
    subject::{P, Part, Subject, input},
};

const PEER: &str = "burn 0.22.1";

/// Opens Burn's own device, with the features and limits that Burn asks for, on the adapter of this kind that is the
/// `index`-th of its backend. With autodiff: elsewhere Burn's dropout does nothing.
pub fn open(wanted: &wgpu::AdapterInfo, index: usize) -> Result<Device, Error> {
    let kind = match wanted.device_type {
        wgpu::DeviceType::DiscreteGpu => DeviceKind::DiscreteGpu(index),
        wgpu::DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu(index),
        wgpu::DeviceType::VirtualGpu => DeviceKind::VirtualGpu(index),
        wgpu::DeviceType::Cpu => DeviceKind::Cpu,
        wgpu::DeviceType::Other => DeviceKind::DefaultDevice,
    };
    let api = match wanted.backend {
        wgpu::Backend::Vulkan => WgpuBackend::Vulkan,
        wgpu::Backend::Metal => WgpuBackend::Metal,
        wgpu::Backend::Dx12 => WgpuBackend::Dx12,
        wgpu::Backend::Gl => WgpuBackend::Gl,
        _ => WgpuBackend::Auto,
    };
    let (device, setup) = Device::wgpu_options()
        .device_kind(kind)
        .graphics_api(api)
        .init_with_setup()
        .map_err(|error| Error::peer(PEER, error))?;
    let opened = setup.adapter.get_info();
    if (&opened.name, opened.backend) != (&wanted.name, wanted.backend) {
        return Err(Error::OtherAdapter { peer: PEER, opened: opened.name, wanted: wanted.name.clone() });
    }
    Ok(device.autodiff())
}

/// Whether Burn may fuse backward with forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// Forward is handed over before backward begins, as in training, where the rest of the model lies in between.
    Apart,
    /// Both at once, which only a benchmark does: Burn makes one kernel of the output and the gradient.
    Fused,
}

pub struct Burn {
    device: Device,
    dropout: Dropout,
    part: Part,
    passes: Passes,
    x: Tensor<1>,
    /// Outputs, and gradients of the input.
    kept: Vec<(Tensor<1>, Option<Tensor<1>>)>,
}

impl Burn {
    pub fn new(device: &Device, part: Part, passes: Passes, n: u64) -> Self {
        let x = Tensor::from_data(TensorData::new(input(n), [n as usize]), device);
        let x = if part == Part::ForwardBackward { x.require_grad() } else { x };
        Self { device: device.clone(), dropout: DropoutConfig::new(P).init(), part, passes, x, kept: vec![] }
    }
}

impl Burn {
    /// Fusion holds operations back until it is told that no more will come.
    fn flush(&self) -> Result<(), Error> {
        self.device.flush().map_err(|error| Error::peer(PEER, error))
    }
}

impl Subject for Burn {
    fn library(&self) -> String {
        match self.passes {
            Passes::Apart => PEER.into(),
            Passes::Fused => format!("{PEER}, passes fused,"),
        }
    }

    fn part(&self) -> Part {
        self.part
    }

    fn generator(&self) -> &'static str {
        "tausworthe + lcg"
    }

    fn call(&mut self) -> Result<(), Error> {
        let y = self.dropout.forward(self.x.clone());
        if self.passes == Passes::Apart {
            self.flush()?;
        }
        let dx = match self.part {
            Part::Forward => None,
            // Burn makes the gradient of ones itself.
            Part::ForwardBackward => {
                let mut gradients = y.backward();
                let dx = self.x.grad_remove(&mut gradients);
                Some(dx.ok_or_else(|| Error::peer(PEER, "there is no gradient of the input"))?)
            }
        };
        self.kept.push((y, dx));
        self.flush()
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.device.sync().map_err(|error| Error::peer(PEER, error))
    }

    fn release(&mut self) {
        self.kept.clear();
    }

    fn outputs(&mut self) -> Result<(Vec<f32>, Option<Vec<f32>>), Error> {
        let read = |tensor: Tensor<1>| {
            let data = tensor.try_into_data().map_err(|error| Error::peer(PEER, format!("{error:?}")))?;
            data.try_to_vec::<f32>().map_err(|error| Error::peer(PEER, format!("{error:?}")))
        };
        let (y, dx) = self.kept.pop().ok_or_else(|| Error::peer(PEER, "nothing was called"))?;
        Ok((read(y)?, dx.map(read).transpose()?))
    }
}
