//! A block of one's own: an ordinary struct with an ordinary `if` in its `forward`. It is traced, runs on numbers and
//! learns like the blocks of the library, which gets no special treatment: it is written the same way.
//!
//! `cargo run --release` in this folder, or `cargo run --release -p plusx --example own_block` from the workspace.

use plusx::prelude::*;

/// A residual block that narrows its middle when there are many channels: 3x3 straight through while that is cheap,
/// 1x1 down, 3x3, 1x1 up when it is not.
struct Waist {
    direct: Conv2d,
    down: Conv2d,
    middle: Conv2d,
    up: Conv2d,
    norm: BatchNorm,
}

/// From this many channels on the middle is narrowed.
const MANY: usize = 16;

impl Waist {
    fn new(channels: usize) -> Self {
        let narrow = (channels / 4).max(1);
        Self {
            direct: Conv2d::new(channels, 3).padding(1).bias(false).named("direct"),
            down: Conv2d::new(narrow, 1).bias(false).named("down"),
            middle: Conv2d::new(narrow, 3).padding(1).bias(false).named("middle"),
            up: Conv2d::new(channels, 1).bias(false).named("up"),
            norm: BatchNorm::new().named("norm"),
        }
    }
}

impl Block for Waist {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let y = if x.shape().c < MANY {
            self.direct.forward(x)?
        } else {
            let y = self.middle.forward(self.down.forward(x)?.relu())?.relu();
            self.up.forward(y)?
        };
        Ok((self.norm.forward(y)? + x)?.relu())
    }
}

/// A network with the block on either side of its `if`.
fn network() -> Sequential {
    Sequential::new()
        .add(Conv2d::new(8, 3).padding(1))
        .add(Waist::new(8))
        .add(Conv2d::new(24, 3).padding(1).strides(2))
        .add(Waist::new(24))
        .add(GlobalAvgPool2d::new())
        .add(Dense::new(2))
}

/// Pictures to tell apart: bright in the upper half (class 0) or in the lower half (class 1), under noise.
fn pictures(n: usize, seed: u32) -> Result<(Tensor, Vec<u32>), Error> {
    const SIDE: usize = 8;
    let noise = Tensor::uniform([n, 1, SIDE, SIDE], 0.0, 1.0, seed)?;
    let labels: Vec<u32> = (0..n as u32).map(|index| index % 2).collect();
    let bright = |index: usize| {
        let (image, row) = (index / (SIDE * SIDE), index / SIDE % SIDE);
        (row >= SIDE / 2) == (labels[image] == 1)
    };
    let data = noise.data().iter().enumerate().map(|(i, v)| if bright(i) { v + 0.5 } else { *v }).collect();
    Ok((Tensor::new([n, 1, SIDE, SIDE], data)?, labels))
}

fn main() -> Result<(), Error> {
    let mut net = Model::new(network());
    net.initialize(Init::Xavier, 42)?;
    let (x, labels) = pictures(32, 1)?;
    for (name, value) in net.forward_each(&x)? {
        println!("{name:<12} {}", value.shape());
    }

    let update = Update::sgd(0.05, labels.len()).momentum(0.9);
    for step in 1..=30 {
        let result = net.train_step(&x, &labels, Some(&update))?;
        if step % 10 == 0 {
            let loss = result.losses.iter().sum::<f32>() / labels.len() as f32;
            println!("step {step}, loss {loss:.4}");
        }
    }

    let (x, labels) = pictures(200, 2)?;
    let right = net.forward(&x)?.argmax().iter().zip(&labels).filter(|(a, b)| **a == **b as usize).count();
    println!("{right} of 200 new pictures told apart");
    Ok(())
}
