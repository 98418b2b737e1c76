//! What the chapter computes, against PyTorch in f64 (`tools/golden.py` says what is stored and why).

use plusx::model::random::{Philox, uniform24};
use plusx::prelude::*;
use serde_json::Value;

#[path = "../examples/chapter.rs"]
#[allow(dead_code)] // the test needs no `main`
mod chapter;

/// |ours - f64| <= 6 |fp32 of PyTorch - f64| + 1e-6.
fn assert_close(what: &str, ours: f64, exact: f64, error: f64) {
    assert!((ours - exact).abs() <= 6.0 * error + 1e-6, "{what}: {ours:e}, should be {exact:e}");
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The images of a golden cell: uniform, drawn in the order \[n\]\[h\]\[w\]\[c\].
fn images(cell: &Value) -> Tensor {
    let size = |value: &Value| value.as_u64().expect("a size") as usize;
    let [c, h, w] = [0, 1, 2].map(|axis| size(&cell["input"][axis]));
    let n = size(&cell["batch"]);
    let random = Philox::new(42, size(&cell["stream"]) as u32);
    let drawn = |index: usize| uniform24(random.block([0, 0, 0, index as u32 / 4])[index % 4]);
    let values = (0..n * c * h * w).map(|index| {
        let (image, channel, pixel) = (index / (c * h * w), index / (h * w) % c, index % (h * w));
        drawn((image * h * w + pixel) * c + channel)
    });
    Tensor::new([n, c, h, w], values.collect()).expect("as many values as the shape holds")
}

/// The value at index `at` of the order \[n\]\[h\]\[w\]\[c\].
fn value(tensor: &Tensor, at: usize) -> f64 {
    let [_, c, h, w] = *tensor.shape().dims() else { return f64::from(tensor.data()[at]) };
    let (image, pixel, channel) = (at / (c * h * w), at / c % (h * w), at % c);
    f64::from(tensor.data()[(image * c + channel) * h * w + pixel])
}

#[test]
fn the_chapter_computes_what_pytorch_computes() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/chapter.json");
    let gold: Value = serde_json::from_slice(&std::fs::read(file).expect(file)).expect("JSON");
    let (small, large) = (images(&gold["residual"]), images(&gold["net"]));
    let mut page = Vec::new();
    let values = chapter::chapter(&mut page, &small, &large).expect("the chapter runs");
    assert_eq!(String::from_utf8_lossy(&page), include_str!("expected/chapter.txt"));

    let blocks = [&gold["residual"]["output"], &gold["residual_1x1"]["output"]];
    let layers = gold["net"]["layers"].as_array().expect("layers");
    assert_eq!(values.len(), blocks.len() + layers.len());
    for ((name, tensor), gold) in values.iter().zip(blocks.into_iter().chain(layers)) {
        if let Some(label) = gold["name"].as_str() {
            assert_eq!(name, label);
        }
        assert_eq!(tensor.data().len() as u64, gold["len"].as_u64().expect("a length"), "{name}");
        let error = number(&gold["error"]);
        let norm = tensor.data().iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        assert_close(&format!("norm of {name}"), norm, number(&gold["norm"]), number(&gold["error_norm"]));
        let at = gold["at"].as_array().expect("positions");
        for (at, exact) in at.iter().zip(gold["values"].as_array().expect("values")) {
            let at = at.as_u64().expect("a position") as usize;
            assert_close(&format!("{name}[{at}]"), value(tensor, at), number(exact), error);
        }
    }
}
