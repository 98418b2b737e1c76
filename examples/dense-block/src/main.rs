//! DenseNet's block (Huang et al. 2017): every layer reads what all layers before it made, and adds its channels beside them.
//! Traced, trained for a few steps, written as weights and as ONNX.
//!
//! `cargo run --release` in this folder, or `cargo run --release -p plusx --example dense_block` from the workspace.

use plusx::prelude::*;

struct DenseBlock(Vec<(BatchNorm, Conv2d)>);

impl Block for DenseBlock {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        self.0.iter().try_fold(x, |x, (norm, conv)| x.concat(&[conv.forward(norm.forward(x)?.relu())?]))
    }
}

fn main() -> Result<(), Error> {
    let layer = |_| (BatchNorm::new(), Conv2d::new(10, 3).padding(1));
    let block = DenseBlock((0..4).map(layer).collect());
    let net = Sequential::new().add(Conv2d::new(8, 3)).add(block).add(BatchNorm::new());
    let mut net = Model::new(net.add(Activation::Relu).add(GlobalAvgPool2d::new()).add(Dense::new(2)));
    net.initialize(Init::Xavier, 42)?;
    let x = Tensor::uniform([32, 1, 8, 8], 0.0, 1.0, 1)?;
    let labels: Vec<u32> = (0..32).map(|image| image % 2).collect();
    for step in 1..=20 {
        let losses = net.train_step(&x, &labels, Some(&Update::sgd(0.1, 32)))?.losses;
        println!("step {step}, loss {:.4}", losses.iter().sum::<f32>() / 32.0);
    }
    let about = net.about("dense-block", &["even", "odd"])?;
    net.save("dense.safetensors", &about)?;
    net.export_onnx("dense.onnx", &about, &x)
}
