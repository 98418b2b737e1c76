//! Squeeze-and-excitation and dense blocks through ONNX: what is written is found again, answers alike here and in ONNX
//! Runtime, and what only looks like them is refused by name.

mod peers;

use std::path::Path;

use plusx_engine::{Engine, EngineError, EngineOptions};
use plusx_formats::ModelFile;
use plusx_formats::onnx::{ExportModel, OnnxOptions, decode, encode, export};
use plusx_model::ModelError;
use plusx_model::block::{Block, Var};
use plusx_model::executor::{Executor, Images};
use plusx_model::graph::{BatchNormSpec, Graph, Op, RunningVariance};
use plusx_model::layers::{BatchNorm, Conv2d, Dense, GlobalAvgPool2d};
use plusx_model::params::Params;
use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};

const INPUT: ImageShape = ImageShape::new(3, 9, 7);

/// Both kinds of blocks, squeezed once through convolutions and once through dense layers.
struct Joined;

impl Block for Joined {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let mut x = x.through("conv1", &Conv2d::new(6, 3).padding(1))?;
        for layer in ["1", "2"] {
            let y = x.through(&format!("norm{layer}"), &BatchNorm::new())?.relu();
            let y = y.through(&format!("growth{layer}"), &Conv2d::new(5, 3).padding(1).bias(false))?;
            x = x.concat(&[y, y.relu()])?;
        }
        let s = GlobalAvgPool2d::new().forward(x)?.through("fc1", &Conv2d::new(4, 1))?.relu();
        let x = (x * s.through("fc2", &Conv2d::new(26, 1))?.sigmoid())?;
        let x = x.through("conv2", &Conv2d::new(8, 3).bias(false))?.through("bn2", &BatchNorm::new())?;
        let s = GlobalAvgPool2d::new().forward(x)?.through("fc3", &Dense::new(3))?.relu();
        let x = (x * s.through("fc4", &Dense::new(8))?.sigmoid())?.relu();
        GlobalAvgPool2d::new().forward(x)?.through("fc", &Dense::new(3))
    }
}

fn network() -> (Graph, Params, ModelFile) {
    let graph = trace(&Joined, INPUT, &mut Names::new()).unwrap();
    let mut params = Params::zeros(&graph);
    for (index, value) in params.values_mut().iter_mut().enumerate() {
        // above 0, because some are variances
        *value = (index as f32 * 0.37).sin() * 0.4 + 0.5;
    }
    let meta = ModelFile {
        architecture: "joined".into(),
        classes: ["a", "b", "c"].map(String::from).into(),
        preprocess: Preprocess { mean: vec![0.0; 3], std: vec![1.0; 3], ..Preprocess::chapter(INPUT) },
        metrics: Default::default(),
        training: None,
    };
    (graph, params, meta)
}

fn images() -> Vec<f32> {
    let byte = |index: usize| (index as u32).wrapping_mul(2_654_435_761) >> 24;
    (0..3 * INPUT.len()).map(|index| byte(index) as f32 / 255.0).collect()
}

fn engine(graph: &Graph) -> Result<Engine, EngineError> {
    Engine::new(graph.clone(), EngineOptions { threads: 1, ..EngineOptions::default() })
}

#[test]
fn blocks_come_back_whole() {
    let (mut graph, params, meta) = network();
    let options = OnnxOptions { keep_batch_norm: true, ..OnnxOptions::default() };
    let bytes = encode(&ExportModel { graph: &graph, params: &params, meta: &meta }, options).unwrap();
    let found = decode(&bytes, Path::new("x.onnx")).unwrap();
    for node in &mut graph.nodes {
        if let Op::BatchNorm { spec, .. } = &mut node.op {
            *spec = BatchNormSpec { running_variance: RunningVariance::Unbiased, ..*spec };
        }
    }
    assert_eq!(found.graph, graph, "{}\n{graph}", found.graph);
    assert_eq!(found.params, params);
}

#[test]
fn what_is_written_answers_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (graph, params, meta) = network();
    let (model, data) = (ExportModel { graph: &graph, params: &params, meta: &meta }, images());
    let python = peers::python("onnx, onnxruntime, numpy");
    for keep_batch_norm in [false, true] {
        let options = OnnxOptions { keep_batch_norm, ..OnnxOptions::default() };
        let [file, inputs, outputs] = ["net.onnx", "images", "logits"].map(|name| folder.path().join(name));
        let proof = export(&file, &model, options, Images { data: &data, n: 3 }, engine).unwrap();
        assert!(proof.worst < 1e-5, "{options:?}: {proof:?}");
        let Some(python) = &python else { continue };
        let mut ours = engine(&graph).unwrap();
        ours.set_params(&params).unwrap();
        let logits = ours.infer(Images { data: &data, n: 3 }, &[graph.output()]).unwrap().remove(0).data;
        peers::write(&inputs, &peers::channels_first(&data, INPUT));
        peers::write(&outputs, &logits);
        peers::run(python, "check_onnx.py", &[&file, &"--images", &inputs, &"--logits", &outputs]);
    }
}

/// A value with 4 sizes times another of them, or beside it along an axis: the file of it, changed by hand.
#[test]
fn what_only_looks_like_them_is_refused_by_name() {
    let (graph, params, meta) = network();
    let bytes =
        encode(&ExportModel { graph: &graph, params: &params, meta: &meta }, OnnxOptions::default()).unwrap();
    let change = |from: &[u8], to: &[u8]| {
        let mut bytes = bytes.clone();
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        decode(&bytes, Path::new("some/file.onnx")).unwrap_err().to_string()
    };
    // the field of the operation: its key, its length, its text
    let text = change(b"\x22\x07Sigmoid", b"\x22\x07HardSig");
    assert!(text.contains("HardSig") && text.contains("not understood"), "{text}");
    let text = change(b"\x22\x03Mul", b"\x22\x03Div");
    assert!(text.contains("(Div)") && text.contains("only sums and products"), "{text}");
    // the attribute axis of the first concatenation: its name, its value, its type
    let text = change(b"\x0a\x04axis\x18\x01", b"\x0a\x04axis\x18\x02");
    assert!(text.contains("(Concat)") && text.contains("along axis 2"), "{text}");
}
