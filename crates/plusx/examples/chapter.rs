//! The chapter "Residual Networks" of d2l.ai, cells 1 to 8, in our own words: define the block, look at its shapes, build
//! ResNet-18 from it, look at the shape after every layer. Everything is computed, nothing is printed by heart.
//!
//! `cargo run --release -p plusx --example chapter`

// Cell 1: what is imported, and the residual block. Two 3x3 convolutions, each with a batch norm; the input joins before the last ReLU,
// through a 1x1 convolution when channels or size change.
use plusx::prelude::*;
use std::io::Write;

struct Residual {
    conv1: Conv2d,
    conv2: Conv2d,
    conv3: Option<Conv2d>,
    bn1: BatchNorm,
    bn2: BatchNorm,
}

impl Residual {
    fn new(channels: usize, use_1x1conv: bool, strides: usize) -> Self {
        Self {
            conv1: Conv2d::new(channels, 3).padding(1).strides(strides),
            conv2: Conv2d::new(channels, 3).padding(1),
            conv3: use_1x1conv.then(|| Conv2d::new(channels, 1).strides(strides)),
            bn1: BatchNorm::new(),
            bn2: BatchNorm::new(),
        }
    }
}

impl Block for Residual {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let y = self.bn1.forward(self.conv1.forward(x)?)?.relu();
        let y = self.bn2.forward(self.conv2.forward(y)?)?;
        let x = match &self.conv3 {
            Some(conv) => conv.forward(x)?,
            None => x,
        };
        Ok((y + x)?.relu())
    }
}

// Cell 5: a stage of the network. All but the first halve the map and double the channels.
fn resnet_block(channels: usize, residuals: usize, first_block: bool) -> Sequential {
    let mut block = Sequential::new();
    for index in 0..residuals {
        if index == 0 && !first_block {
            block.push(Residual::new(channels, true, 2));
        } else {
            block.push(Residual::new(channels, false, 1));
        }
    }
    block
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let small = Tensor::uniform([4, 3, 6, 6], 0.0, 1.0, 42)?;
    let large = Tensor::uniform([1, 1, 224, 224], 0.0, 1.0, 42)?;
    chapter(&mut std::io::stdout().lock(), &small, &large)?;
    eprintln!("Cell 9 trains this network on Fashion-MNIST: cargo run --release -- train");
    Ok(())
}

/// Cells 2 to 8 on `page`, for images `small` (of cells 2 and 3) and `large` (of cell 8). Gives back every value whose
/// shape it printed.
pub(crate) fn chapter(
    page: &mut dyn Write,
    small: &Tensor,
    large: &Tensor,
) -> Result<Vec<(String, Tensor)>, Box<dyn std::error::Error>> {
    // Cell 2: input and output have one shape.
    let mut block = Model::new(Residual::new(3, false, 1));
    block.initialize(Init::default(), 42)?;
    let same = block.forward(small)?;
    writeln!(page, "{}", same.shape())?;

    // Cell 3: half the size, twice the channels.
    let mut wider = Model::with_names(Residual::new(6, true, 2), block.names().clone());
    wider.initialize(Init::default(), 42)?;
    let half = wider.forward(small)?;
    writeln!(page, "{}", half.shape())?;

    // Cell 4: the stem.
    let mut net = Sequential::new();
    net.push(Conv2d::new(64, 7).strides(2).padding(3));
    net.push(BatchNorm::new());
    net.push(Activation::Relu);
    net.push(MaxPool2d::new(3).strides(2).padding(1));

    // Cell 6: four stages of two blocks.
    net.push(resnet_block(64, 2, true));
    net.push(resnet_block(128, 2, false));
    net.push(resnet_block(256, 2, false));
    net.push(resnet_block(512, 2, false));

    // Cell 7: the mean of each channel, then one number per class.
    net.push(GlobalAvgPool2d::new());
    net.push(Dense::new(10));

    // Cell 8: the shape after every layer.
    let mut net = Model::with_names(net, wider.names().clone());
    net.initialize(Init::default(), 42)?;
    let layers = net.forward_each(large)?;
    for (name, value) in &layers {
        writeln!(page, "{name} output shape:\t {}", value.shape())?;
    }

    let demos = [("residual0".to_string(), same), ("residual1".to_string(), half)];
    Ok(demos.into_iter().chain(layers).collect())
}
