//! Squeeze-and-excitation (Hu et al. 2018): each channel of a map is multiplied by a number between 0 and 1 that the means of
//! all channels decide. Traced, trained for a few steps, written as weights and as ONNX.
//!
//! `cargo run --release` in this folder, or `cargo run --release -p plusx --example squeeze_excite` from the workspace.

use plusx::prelude::*;

struct Squeeze(usize);

impl Block for Squeeze {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let channels = x.shape().c;
        let means = GlobalAvgPool2d::new().forward(x)?;
        let narrow = means.through("fc1", &Conv2d::new(channels / self.0, 1))?.relu();
        x * narrow.through("fc2", &Conv2d::new(channels, 1))?.sigmoid()
    }
}

fn main() -> Result<(), Error> {
    let net = Sequential::new().add(Conv2d::new(16, 3)).add(Squeeze(4)).add(Dense::new(2));
    let mut net = Model::new(net);
    net.initialize(Init::Xavier, 42)?;
    let x = Tensor::uniform([32, 1, 8, 8], 0.0, 1.0, 1)?;
    let labels: Vec<u32> = (0..32).map(|image| image % 2).collect();
    for step in 1..=20 {
        let losses = net.train_step(&x, &labels, Some(&Update::sgd(0.1, 32)))?.losses;
        println!("step {step}, loss {:.4}", losses.iter().sum::<f32>() / 32.0);
    }
    let about = net.about("squeeze-excite", &["even", "odd"])?;
    net.save("squeeze.safetensors", &about)?;
    net.export_onnx("squeeze.onnx", &about, &x)
}
