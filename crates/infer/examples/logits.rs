//! Logits of prepared images: `cargo run --release -p plusx-infer --example logits -- WEIGHTS PRECISION < IMAGES > LOGITS`.
//!
//! Both are `f32` numbers without a header, the lowest byte first: images as `[n][h][w][c]`, logits as `[n][classes]`.
//! `tools/bench_logits.py` compares them with those of other precisions and programs.

use plusx_infer::{Classifier, PreparedOptions};
use plusx_model::executor::Images;
use std::error::Error;
use std::io::{Read, Write, stdin, stdout};

/// Images at a time: enough that no layer is computed as for single ones.
const BATCH: usize = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, precision] = &arguments[..] else {
        return Err("WEIGHTS PRECISION".into());
    };
    let options = PreparedOptions { precision: precision.parse()?, ..PreparedOptions::default() };
    let classifier = Classifier::load_with(weights, options)?;
    let net = classifier.net();
    let image = net.graph().input_shape().len();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        stdin().lock().take((BATCH * image * size_of::<f32>()) as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let (numbers, rest) = bytes.as_chunks();
        if !rest.is_empty() || numbers.len() % image != 0 {
            return Err("the input ends within an image".into());
        }
        let images: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
        let n = images.len() / image;
        let mut logits = vec![0.0; n * net.outputs()];
        net.infer(Images { data: &images, n }, &mut logits)?;
        let told: Vec<u8> = logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
        stdout().lock().write_all(&told)?;
    }
}
