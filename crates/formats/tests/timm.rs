//! Folders for timm: what they say, and that networks timm does not have are refused. `tools/check_weights.py` opens them
//! with timm itself.

mod peers;

use std::ffi::OsStr;

use plusx_engine::{Engine, EngineOptions};
use plusx_formats::safetensors::{Contents, read};
use plusx_formats::{FormatError, ModelFile, timm};
use plusx_model::block::{Block, Var};
use plusx_model::containers::Sequential;
use plusx_model::error::ModelError;
use plusx_model::executor::{Executor, Images};
use plusx_model::graph::Graph;
use plusx_model::init::{Init, initialize};
use plusx_model::layers::{Activation, BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d};
use plusx_model::params::Params;
use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use serde_json::{Value, json};

fn graph(channels: usize) -> Graph {
    let net = Sequential::new().add_named("conv1", Conv2d::new(2, 3)).add_named("fc", Dense::new(2));
    trace(&net, ImageShape::new(channels, 4, 5), &mut Names::new()).unwrap()
}

fn meta(architecture: &str, channels: usize) -> ModelFile {
    let mut preprocess = Preprocess::chapter(ImageShape::new(channels, 4, 5));
    preprocess.mean = vec![0.485; channels];
    ModelFile {
        architecture: architecture.into(),
        classes: vec!["cat".into(), "狗".into()],
        preprocess,
        metrics: Default::default(),
        training: None,
    }
}

fn config(channels: usize) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (params, meta) = (Params::zeros(&graph(channels)), meta("resnet50", channels));
    let contents = Contents { params: &params, optimiser: None, batches: 0, meta: &meta };
    // twice: a folder that is there is written again
    for _ in 0..2 {
        timm::write(&folder.path().join("net"), &contents).unwrap();
    }
    let weights = read(&folder.path().join("net/model.safetensors")).unwrap();
    assert_eq!(weights.params(&graph(channels)).unwrap(), params);
    let text = std::fs::read_to_string(folder.path().join("net/config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_description_says_what_timm_needs() {
    let config = config(3);
    for (key, value) in [
        ("architecture", json!("resnet50")),
        ("num_classes", json!(2)),
        ("num_features", json!(12)),
        ("label_names", json!(["cat", "狗"])),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    let pretrained = &config["pretrained_cfg"];
    for (key, value) in [
        ("input_size", json!([3, 4, 5])),
        ("interpolation", json!("bilinear")),
        ("crop_pct", json!(1.0)),
        ("crop_mode", json!("squash")),
        ("mean", json!([0.485, 0.485, 0.485])),
        ("std", json!([1.0, 1.0, 1.0])),
    ] {
        assert_eq!(pretrained[key], value, "{key}");
    }
    assert_eq!(config.get("model_args"), None);
}

#[test]
fn other_numbers_of_channels_are_said_to_timm() {
    assert_eq!(config(1)["model_args"], json!({ "in_chans": 1 }));
}

#[test]
fn networks_that_timm_lacks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let params = Params::zeros(&graph(3));
    let written = |meta: &ModelFile| {
        let contents = Contents { params: &params, optimiser: None, batches: 0, meta };
        timm::write(&folder.path().join("net"), &contents).unwrap_err()
    };
    let error = written(&meta("resnet18-d2l", 3));
    assert!(matches!(error, FormatError::NoTwin { .. }), "{error}");
    let one = ModelFile { classes: vec!["one".into()], ..meta("resnet50", 3) };
    assert!(written(&one).to_string().contains("fc.weight does not tell 1 classes apart"));
    assert!(!folder.path().join("net").exists());
}

/// torchvision's basic block: no biases, and a batch norm on the shortcut.
#[derive(Debug)]
struct Basic {
    convs: [Conv2d; 3],
    norms: [BatchNorm; 3],
    halves: bool,
}

impl Basic {
    fn new(channels: usize, halves: bool) -> Self {
        let stride = if halves { 2 } else { 1 };
        let conv = |kernel, name| Conv2d::new(channels, kernel).padding(kernel / 2).bias(false).named(name);
        Self {
            convs: [
                conv(3, "conv1").strides(stride),
                conv(3, "conv2"),
                conv(1, "downsample.0").strides(stride),
            ],
            norms: ["bn1", "bn2", "downsample.1"].map(|name| BatchNorm::new().named(name)),
            halves,
        }
    }
}

impl Block for Basic {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let layer = |index: usize, x: Var<'g>| self.norms[index].forward(self.convs[index].forward(x)?);
        let y = layer(1, layer(0, x)?.relu())?;
        let shortcut = if self.halves { layer(2, x)? } else { x };
        Ok((y + shortcut)?.relu())
    }
}

fn resnet18(input: ImageShape) -> Graph {
    let mut net = Sequential::new()
        .add_named("conv1", Conv2d::new(64, 7).strides(2).padding(3).bias(false))
        .add_named("bn1", BatchNorm::new())
        .add_named("relu", Activation::Relu)
        .add_named("maxpool", MaxPool2d::new(3).strides(2).padding(1));
    for stage in 0..4 {
        let (first, second) = (Basic::new(64 << stage, stage > 0), Basic::new(64 << stage, false));
        let blocks = Sequential::new().add_named("0", first).add_named("1", second);
        net.push_named(format!("layer{}", stage + 1), blocks);
    }
    let net = net.add_named("avgpool", GlobalAvgPool2d::new()).add_named("fc", Dense::new(2));
    trace(&net, input, &mut Names::new()).unwrap()
}

#[test]
fn timm_agrees() {
    let Some(python) = peers::python("timm, torch, numpy") else { return };
    let folder = tempfile::tempdir().unwrap();
    for input in [ImageShape::new(3, 40, 33), ImageShape::new(1, 40, 33)] {
        let graph = resnet18(input);
        let params = initialize(&graph, Init::Xavier, 3);
        let meta = ModelFile { preprocess: Preprocess::chapter(input), ..meta("resnet18", input.c) };
        let contents = Contents { params: &params, optimiser: None, batches: 0, meta: &meta };
        timm::write(folder.path(), &contents).unwrap();
        let [images, logits] = ["images", "logits"].map(|name| folder.path().join(name));
        let data: Vec<f32> = (0..2 * input.len()).map(|i| (i as f32 * 0.7).sin()).collect();
        let mut engine = Engine::new(graph, EngineOptions::default()).unwrap();
        engine.set_params(&params).unwrap();
        let output = engine.graph().output();
        let ours = engine.infer(Images { data: &data, n: 2 }, &[output]).unwrap().remove(0).data;
        peers::write(&images, &peers::channels_first(&data, input));
        peers::write(&logits, &ours);
        let arguments: [&dyn AsRef<OsStr>; 6] =
            [&"timm", &folder.path(), &"--images", &images, &"--logits", &logits];
        peers::run(&python, "check_weights.py", &arguments);
    }
}
