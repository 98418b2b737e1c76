//! ONNX files as data: what is written is found again, equal models give equal bytes, what is not understood is named,
//! and no file, however broken, does worse than an error. What the networks compute: `onnx_answers.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plusx_formats::onnx::{ExportModel, Imported, Input, OnnxOptions, decode, encode, read};
use plusx_formats::{FormatError, ModelFile};
use plusx_model::block::{Block, Var};
use plusx_model::containers::Sequential;
use plusx_model::error::ModelError;
use plusx_model::graph::{BatchNormSpec, Graph, Op, RunningVariance};
use plusx_model::layers::{Activation, BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d};
use plusx_model::params::Params;
use plusx_model::preprocess::{Preprocess, Preset, Resize};
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use proptest::prelude::*;

/// A bottleneck with groups and dilation whose shortcut has a batch norm of its own.
#[derive(Debug)]
struct Bottleneck {
    layers: [(Conv2d, BatchNorm); 4],
}

impl Bottleneck {
    fn new() -> Self {
        let norm = |index: usize| BatchNorm::new().named(format!("bn{index}"));
        let conv = |index: usize, conv: Conv2d| conv.bias(false).named(format!("conv{index}"));
        Self {
            layers: [
                (conv(1, Conv2d::new(4, 1)), norm(1)),
                (conv(2, Conv2d::new(4, 3).strides(2).padding((2, 1)).dilation((2, 1)).groups(2)), norm(2)),
                (conv(3, Conv2d::new(6, 1)), norm(3)),
                (
                    Conv2d::new(6, 1).strides(2).bias(false).named("downsample.0"),
                    BatchNorm::new().epsilon(1e-3).named("downsample.1"),
                ),
            ],
        }
    }
}

impl Block for Bottleneck {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let layer = |index: usize, x: Var<'g>| self.layers[index].1.forward(self.layers[index].0.forward(x)?);
        let y = layer(2, layer(1, layer(0, x)?.relu())?.relu())?;
        Ok((y + layer(3, x)?)?.relu())
    }
}

const INPUT: ImageShape = ImageShape::new(3, 21, 18);

fn graph() -> Graph {
    let net = Sequential::new()
        .add_named("conv1", Conv2d::new(4, 7).strides(2).padding(3))
        .add_named("bn1", BatchNorm::new())
        .add_named("relu", Activation::Relu)
        .add_named("maxpool", MaxPool2d::new(3).strides(2).padding(1))
        .add_named("layer1", Bottleneck::new())
        .add_named("bn", BatchNorm::new())
        .add_named("avgpool", GlobalAvgPool2d::new())
        .add_named("fc", Dense::new(3));
    trace(&net, INPUT, &mut Names::new()).unwrap()
}

fn params(graph: &Graph) -> Params {
    let mut params = Params::zeros(graph);
    for (index, value) in params.values_mut().iter_mut().enumerate() {
        // above 0, because some are variances
        *value = (index as f32 * 0.37).sin() * 0.4 + 0.5;
    }
    params
}

fn meta() -> ModelFile {
    let mut preprocess = Preprocess::chapter(INPUT);
    preprocess.mean = vec![0.3, 0.25, 0.125];
    preprocess.std = vec![0.2, 0.5, 0.75];
    ModelFile {
        architecture: "tiny".into(),
        classes: vec!["a".into(), "b \"c\"".into(), "上衣".into()],
        preprocess,
        metrics: BTreeMap::from([("top1".into(), 0.5.into())]),
        training: Some(serde_json::json!({"step": 7})),
    }
}

fn bytes(options: OnnxOptions) -> Vec<u8> {
    let (graph, meta) = (graph(), meta());
    encode(&ExportModel { graph: &graph, params: &params(&graph), meta: &meta }, options).unwrap()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/onnx").join(name)
}

const KEPT: OnnxOptions =
    OnnxOptions { keep_batch_norm: true, softmax: false, input: Input::Prepared, batch: None };
const ALL: OnnxOptions =
    OnnxOptions { keep_batch_norm: false, softmax: true, input: Input::Bytes, batch: None };

#[test]
fn a_network_with_its_batch_norms_comes_back_whole() {
    let found = decode(&bytes(KEPT), Path::new("x.onnx")).unwrap();
    // how running variances are updated is no matter of inference, and no file says it
    let mut expected = graph();
    for node in &mut expected.nodes {
        if let Op::BatchNorm { spec, .. } = &mut node.op {
            *spec = BatchNormSpec { running_variance: RunningVariance::Unbiased, ..*spec };
        }
    }
    assert_eq!(found.graph, expected, "{}\n{expected}", found.graph);
    assert_eq!(found.params, params(&graph()));
    assert_eq!(found.meta, Some(ModelFile { training: None, ..meta() }));
    assert!(found.normalise.is_none() && !found.softmax);
}

#[test]
fn folded_batch_norms_disappear_and_the_others_stay() {
    let found = decode(&bytes(OnnxOptions::default()), Path::new("x.onnx")).unwrap();
    let norms = |graph: &Graph| graph.nodes.iter().filter(|node| node.op.kind() == "batch_norm").count();
    assert_eq!((norms(&graph()), norms(&found.graph)), (6, 1));
    let names: Vec<&str> = found.graph.params.iter().map(|spec| spec.name.as_str()).collect();
    for name in
        ["conv1.bias", "layer1.conv2.weight", "layer1.downsample.0.bias", "bn.running_var", "fc.weight"]
    {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
}

#[test]
fn softmax_and_preprocessing_are_recognised() {
    let found = decode(&bytes(ALL), Path::new("x.onnx")).unwrap();
    let inside = found.normalise.unwrap();
    assert_eq!((inside.mean, inside.std), (meta().preprocess.mean, meta().preprocess.std));
    assert!(found.softmax);
    assert_eq!(found.graph.input_shape(), INPUT);
    assert_eq!(found.graph, decode(&bytes(OnnxOptions::default()), Path::new("x")).unwrap().graph);
}

#[test]
fn whatever_a_file_takes_its_network_is_found_behind_it() {
    let plain = decode(&bytes(OnnxOptions::default()), Path::new("x")).unwrap();
    for input in [Input::Bytes, Input::Floats, Input::Ultralytics] {
        for batch in [None, Some(1), Some(32)] {
            let options = OnnxOptions { input, batch, ..OnnxOptions::default() };
            let found = decode(&bytes(options), Path::new("x.onnx")).unwrap();
            let inside = found.normalise.unwrap();
            assert_eq!((inside.mean, inside.std), (meta().preprocess.mean, meta().preprocess.std));
            assert_eq!((&found.graph, &found.params), (&plain.graph, &plain.params), "{options:?}");
            assert_eq!(found.softmax, input == Input::Ultralytics);
            assert_eq!(found.meta, plain.meta);
        }
    }
}

#[test]
fn ultralytics_gets_more_than_the_network_takes_where_the_middle_is_cut_out() {
    for channels in [1, 3] {
        let input = ImageShape::new(channels, 20, 16);
        let net = Sequential::new().add_named("fc", Dense::new(3));
        let graph = trace(&net, input, &mut Names::new()).unwrap();
        let preprocess = Preset::Imagenet.record(input);
        assert_eq!(preprocess.resize, Resize::Shorter(22));
        let meta = ModelFile { preprocess, ..meta() };
        let model = ExportModel { graph: &graph, params: &params(&graph), meta: &meta };
        let options = OnnxOptions { input: Input::Ultralytics, ..OnnxOptions::default() };
        let file = encode(&model, options).unwrap();
        let found = decode(&file, Path::new("x")).unwrap();
        assert!(found.graph == graph && found.params == params(&graph), "{}\n{graph}", found.graph);
        let text = String::from_utf8_lossy(&file);
        for part in [r#"{0: "a", 1: "b \"c\"", 2: "上衣"}"#, "[22, 22]", "classify", "images", "output0"] {
            assert!(text.contains(part), "{part}");
        }
    }
    // of other channels it knows nothing
    let two = trace(&Dense::new(3), ImageShape::new(2, 4, 4), &mut Names::new()).unwrap();
    let meta = ModelFile { preprocess: Preprocess::chapter(two.input_shape()), ..meta() };
    let model = ExportModel { graph: &two, params: &params(&two), meta: &meta };
    let options = OnnxOptions { input: Input::Ultralytics, ..OnnxOptions::default() };
    assert!(encode(&model, options).unwrap_err().to_string().contains("three channels"));
}

#[test]
fn no_other_file_looks_like_one_of_ultralytics() {
    // the keys by which it takes a file for its own
    for options in [OnnxOptions::default(), KEPT, ALL, OnnxOptions { input: Input::Floats, ..ALL }] {
        let file = bytes(options);
        let has = |key: &str| {
            let field = [&[0x0a, key.len() as u8], key.as_bytes(), &[0x12]].concat();
            file.windows(field.len()).any(|window| window == field)
        };
        assert!(["class_names", "input_format", "plusx", "preprocess"].into_iter().all(has));
        assert!(!["names", "task", "imgsz", "stride"].into_iter().any(has), "{options:?}");
    }
}

#[test]
fn a_batch_that_is_none_is_refused() {
    let (graph, meta) = (graph(), meta());
    let model = ExportModel { graph: &graph, params: &params(&graph), meta: &meta };
    for batch in [0, 1 << 31] {
        let options = OnnxOptions { batch: Some(batch), ..OnnxOptions::default() };
        let error = encode(&model, options).unwrap_err().to_string();
        assert!(error.contains(&format!("a batch of {batch} images")), "{error}");
    }
}

/// Every second row and third column, then so many channels more.
#[derive(Debug)]
struct Shortcut((usize, usize), usize);

impl Block for Shortcut {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let channels = x.shape().c + self.1;
        x.subsample(self.0, channels)
    }
}

#[test]
fn shortcuts_without_parameters_are_convolutions_and_come_back_as_what_they_are() {
    for (stride, more) in [((2, 2), 3), ((2, 2), 0), ((1, 1), 4), ((3, 1), 1), ((1, 1), 0)] {
        let net = Sequential::new()
            .add_named("conv1", Conv2d::new(4, 3))
            .add_named("shortcut", Shortcut(stride, more))
            .add_named("avgpool", GlobalAvgPool2d::new())
            .add_named("fc", Dense::new(3));
        let graph = trace(&net, INPUT, &mut Names::new()).unwrap();
        let params = params(&graph);
        let file = encode(&ExportModel { graph: &graph, params: &params, meta: &meta() }, KEPT).unwrap();
        for op in [&b"Slice"[..], b"Pad"] {
            assert!(!file.windows(op.len()).any(|window| window == op));
        }
        let found = decode(&file, Path::new("x")).unwrap();
        let shortcuts = |graph: &Graph| -> Vec<Op> {
            let ops = graph.nodes.iter().map(|node| node.op);
            ops.filter(|op| matches!(op, Op::Subsample { .. })).collect()
        };
        assert!(found.params == params, "{stride:?} {more}: {}", found.graph);
        match (stride, more) {
            // nothing happens, and no node says so
            ((1, 1), 0) => assert!(shortcuts(&found.graph).is_empty()),
            _ => assert_eq!(shortcuts(&found.graph), shortcuts(&graph), "{stride:?} {more}"),
        }
    }
}

#[test]
fn equal_models_give_equal_bytes() {
    for options in [OnnxOptions::default(), KEPT, ALL] {
        assert_eq!(bytes(options), bytes(options));
    }
}

#[test]
fn maps_and_lists_change_into_each_other() {
    // a convolution on what a dense layer made, and a map as output
    let net = Sequential::new()
        .add_named("fc", Dense::new(4))
        .add_named("relu", Activation::Relu)
        .add_named("conv", Conv2d::new(3, 1));
    let graph = trace(&net, INPUT, &mut Names::new()).unwrap();
    let file = encode(&ExportModel { graph: &graph, params: &params(&graph), meta: &meta() }, KEPT).unwrap();
    assert_eq!(decode(&file, Path::new("x")).unwrap().graph, graph);
}

#[test]
fn what_does_not_belong_together_is_not_written() {
    let (graph, meta) = (graph(), meta());
    let params = params(&graph);
    let reason = |graph: &Graph, params: &Params, meta: &ModelFile, options: OnnxOptions| {
        encode(&ExportModel { graph, params, meta }, options).unwrap_err().to_string()
    };
    let other = trace(&Dense::new(3), INPUT, &mut Names::new()).unwrap();
    assert!(reason(&other, &params, &meta, KEPT).contains("another network"));
    let fewer = ModelFile { classes: vec!["a".into()], ..meta.clone() };
    assert!(reason(&graph, &params, &fewer, KEPT).contains("1 class names for 3 outputs"));
    let larger =
        Preprocess { mean: vec![0.0; 3], std: vec![1.0; 3], ..Preprocess::chapter(ImageShape::new(3, 8, 8)) };
    let larger = ModelFile { preprocess: larger, ..meta.clone() };
    assert!(reason(&graph, &params, &larger, KEPT).contains("3x8x8"));
    let map = trace(&Conv2d::new(1, (21, 16)), INPUT, &mut Names::new()).unwrap();
    let zeros = Params::zeros(&map);
    assert!(reason(&map, &zeros, &meta, ALL).contains("softmax"));
    assert!(encode(&ExportModel { graph: &map, params: &zeros, meta: &meta }, KEPT).is_ok());
}

fn names(found: &Imported) -> Vec<&str> {
    found.graph.params.iter().map(|spec| spec.name.as_str()).collect()
}

#[test]
fn parameters_have_pytorchs_names_whichever_exporter_wrote_them() {
    for file in ["basic-script.onnx", "basic-kept.onnx", "basic-dynamo.onnx"] {
        let found = read(&golden(file)).unwrap();
        assert!(found.meta.is_none());
        let names = names(&found);
        for name in ["conv1.weight", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight", "fc.bias"] {
            assert!(names.contains(&name), "{file}: {name}: {names:?}");
        }
        assert_eq!(
            names.contains(&"layer2.0.bn2.running_mean"),
            file == "basic-kept.onnx",
            "{file}: {names:?}"
        );
    }
}

#[test]
fn weights_in_another_file_are_read_from_beside_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = ("basic-dynamo.onnx", "basic-dynamo.onnx.data");
    let bytes = std::fs::read(golden(model)).unwrap();
    let path = folder.path().join(model);
    std::fs::write(&path, &bytes).unwrap();
    let reason = |path: &Path| read(path).unwrap_err().to_string();
    // not there, too short, not a file
    assert!(reason(&path).contains(data), "{}", reason(&path));
    std::fs::write(folder.path().join(data), [0; 100]).unwrap();
    assert!(reason(&path).contains("has 100"), "{}", reason(&path));
    std::fs::remove_file(folder.path().join(data)).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(golden(data), folder.path().join(data)).unwrap();
        assert!(reason(&path).contains("not a regular file"), "{}", reason(&path));
        std::fs::remove_file(folder.path().join(data)).unwrap();
    }
    std::fs::copy(golden(data), folder.path().join(data)).unwrap();
    assert_eq!(read(&path).unwrap().params, read(&golden(model)).unwrap().params);
    // only the bytes are known
    assert!(decode(&bytes, &path).unwrap_err().to_string().contains("in another file"));
    // a path of the same length that leads elsewhere
    let place = |bytes: &[u8]| bytes.windows(data.len()).position(|window| window == data.as_bytes());
    let mut elsewhere = bytes.clone();
    while let Some(at) = place(&elsewhere) {
        elsewhere[at..at + 3].copy_from_slice(b"../");
    }
    std::fs::write(&path, elsewhere).unwrap();
    assert!(reason(&path).contains("same folder"), "{}", reason(&path));
}

#[test]
fn operations_and_settings_that_are_not_understood_are_named() {
    let bytes = std::fs::read(golden("basic-script.onnx")).unwrap();
    let change = |from: &str, to: &str| {
        let mut bytes = bytes.clone();
        let at = bytes.windows(from.len()).rposition(|window| window == from.as_bytes()).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        decode(&bytes, Path::new("some/file.onnx")).unwrap_err()
    };
    // the field of the operation: its key, its length, its text
    let error = change("\x22\x04Relu", "\x22\x04Tanh");
    assert!(matches!(&error, FormatError::OnnxNode { node, .. } if node.ends_with("(Tanh)")), "{error}");
    let text = error.to_string();
    for part in ["some/file.onnx", "/layer2/layer2.0/relu_1/Relu", "Tanh", "not understood"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = change("ceil_mode", "ceil_mood").to_string();
    assert!(text.contains("ceil_mood") && text.contains("MaxPool"), "{text}");
    let text = change("logits", "digits").to_string();
    assert!(text.contains("does not depend on its input"), "{text}");
}

#[test]
fn foreign_and_missing_files_are_named() {
    let missing = Path::new("nowhere/none.onnx");
    assert!(matches!(read(missing), Err(FormatError::Read { .. })));
    for bytes in [&b""[..], b"PK\x03\x04 a zip file, say", b"\x80\x02a pickle", &[0xff; 64], b"{}"] {
        let error = decode(bytes, Path::new("x.onnx")).unwrap_err();
        assert!(matches!(error, FormatError::Onnx { .. }), "{error}");
        assert!(error.to_string().contains("x.onnx"));
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let bytes = bytes(ALL);
    let full = decode(&bytes, Path::new("x")).unwrap();
    // the metadata come last: a cut between two fields of them leaves a whole network
    for length in 0..bytes.len() {
        if let Ok(found) = decode(&bytes[..length], Path::new("cut")) {
            assert_eq!((found.graph, found.params), (full.graph.clone(), full.params.clone()), "{length}");
        }
    }
}

/// All that the tests of damage start from.
fn whole_files() -> Vec<Vec<u8>> {
    let golden = [
        "basic-script",
        "basic-kept",
        "grouped-dynamo",
        "joined-script",
        "variants",
        "average",
        "dynamo/view-20",
        "dynamo/view-mean-22",
    ]
    .map(|name| std::fs::read(golden(&format!("{name}.onnx"))).unwrap());
    golden.into_iter().chain([bytes(KEPT), bytes(ALL)]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damage_never_panics(
        file in 0..10_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut damaged = whole_files().swap_remove(file);
        for (place, value) in changes {
            let place = place.index(damaged.len());
            damaged[place] = value;
        }
        if let Ok(found) = decode(&damaged, Path::new("damaged")) {
            prop_assert!(found.graph.check().is_ok() && found.params.fits(&found.graph));
        }
    }

    #[test]
    fn flipped_bits_never_panic(file in 0..10_usize, place in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut damaged = whole_files().swap_remove(file);
        let place = place.index(damaged.len());
        damaged[place] ^= 1_u8 << bit;
        let _ = decode(&damaged, Path::new("damaged"));
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&noise, Path::new("noise")).is_err());
    }
}
