//! Training driven from outside: pictures of one's own, a callback after each step, cancellation by another thread.
//!
//! `cargo run --release -p plusx --example steps`

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use plusx::prelude::*;

/// Rows and columns of a picture.
const SIDE: usize = 8;

/// Pictures in a batch.
const BATCH: usize = 32;

/// Noise; a picture of class 1 is brighter on its lower half, one of class 0 on its upper half.
fn batch(n: usize, seed: u32) -> Result<(Tensor, Vec<u32>), Error> {
    let noise = Tensor::uniform([n, 1, SIDE, SIDE], 0.0, 1.0, seed)?;
    let labels: Vec<u32> = (0..n as u32).map(|index| index % 2).collect();
    let bright = |index: usize| (index / SIDE % SIDE >= SIDE / 2) == (labels[index / (SIDE * SIDE)] == 1);
    let data = noise.data().iter().enumerate().map(|(i, v)| if bright(i) { v + 0.5 } else { *v }).collect();
    Ok((Tensor::new([n, 1, SIDE, SIDE], data)?, labels))
}

fn main() -> Result<(), Error> {
    let network = Sequential::new()
        .add(Conv2d::new(8, 3).padding(1))
        .add(BatchNorm::new())
        .add(Activation::Relu)
        .add(Residual::new(16).use_1x1conv(true).strides(2))
        .add(Dense::new(2));
    let mut net = Model::new(network);
    net.initialize(Init::Xavier, 42)?;
    net.set_threads(2);

    // somebody else watches and says when to stop: here at a small loss; a button or a deadline would do the same
    let enough = &AtomicBool::new(false);
    let (tell, heard) = mpsc::channel();
    let trained = std::thread::scope(|scope| {
        scope.spawn(move || {
            for loss in heard {
                if loss < 0.05 {
                    enough.store(true, Ordering::Relaxed);
                }
            }
        });
        // endless; a batch that cannot be made ends it
        let batches = (1..).map_while(|seed| batch(BATCH, seed).ok());
        let update = Update::sgd(0.05, BATCH).momentum(0.9);
        net.train(batches, &update, move |step| {
            println!(
                "step {}, loss {:.4}, {} of {} right",
                step.number, step.loss, step.correct, step.images
            );
            // nobody hears it when the watcher is gone
            let _ = tell.send(step.loss);
            if enough.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    })?;
    println!("cancelled after {} steps: {}", trained.steps, trained.cancelled);

    let (x, labels) = batch(200, 0)?;
    let right = net.forward(&x)?.argmax().iter().zip(&labels).filter(|(a, b)| **a == **b as usize).count();
    println!("{right} of 200 new pictures told apart");
    Ok(())
}
