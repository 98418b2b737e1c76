//! What the networks in ONNX files compute: those of PyTorch's exporters answer as PyTorch did, and an export is
//! written only if it answers as the model does. `tools/golden_onnx.py` made the files.

mod peers;

use std::path::{Path, PathBuf};

use plusx_engine::{Engine, EngineError, EngineOptions};
use plusx_formats::onnx::{ExportModel, Input, OnnxOptions, Proof, decode, encode, export, read};
use plusx_formats::{FormatError, ModelFile};
use plusx_model::executor::{Executor, Images};
use plusx_model::graph::{Graph, Op};
use plusx_model::init::{Init, initialize};
use plusx_model::params::Params;
use plusx_model::preprocess::{Preprocess, Preset};
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, Spec, ZooOptions};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/onnx").join(name)
}

/// The high bytes of a multiplicative hash of the index, divided by 255, as the script makes them.
fn images(n: usize, shape: ImageShape) -> Vec<f32> {
    let byte = |index: usize| (index as u32).wrapping_mul(2_654_435_761) >> 24;
    (0..n * shape.len()).map(|index| byte(index) as f32 / 255.0).collect()
}

fn engine(graph: &Graph) -> Result<Engine, EngineError> {
    Engine::new(graph.clone(), EngineOptions { threads: 1, ..EngineOptions::default() })
}

fn logits(graph: &Graph, params: &Params, images: Images<'_>) -> Vec<f32> {
    let mut engine = engine(graph).unwrap();
    engine.set_params(params).unwrap();
    engine.infer(images, &[graph.output()]).unwrap().remove(0).data
}

#[test]
fn files_of_other_programs_answer_as_they_did() {
    let text = std::fs::read_to_string(golden("logits.json")).unwrap();
    let answers: serde_json::Value = serde_json::from_str(&text).unwrap();
    for file in [
        "basic-script",
        "basic-kept",
        "basic-dynamo",
        "grouped-script",
        "grouped-dynamo",
        "padded-script",
        "padded-dynamo",
        "pooled-script",
        "pooled-dynamo",
        "joined-script",
        "variants",
        "average",
    ] {
        let found = read(&golden(&format!("{file}.onnx"))).unwrap();
        let data = images(2, found.graph.input_shape());
        let mut found_logits = logits(&found.graph, &found.params, Images { data: &data, n: 2 });
        if found.softmax {
            // the answers are logarithms of probabilities
            for row in found_logits.chunks_mut(5) {
                let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
                row.iter_mut().for_each(|logit| *logit -= sum.ln());
            }
        }
        assert_eq!(found.softmax, file == "variants");
        let wanted = answers[file.split('-').next().unwrap()].as_array().unwrap();
        let wanted: Vec<f64> = wanted
            .iter()
            .flat_map(|row| row.as_array().unwrap())
            .map(|logit| logit.as_f64().unwrap())
            .collect();
        assert_eq!(wanted.len(), found_logits.len(), "{file}");
        let largest = wanted.iter().fold(0.0_f64, |largest, logit| largest.max(logit.abs()));
        for (found, wanted) in found_logits.iter().zip(&wanted) {
            // a hundred roundings in the last of 24 bits
            let bound = largest * 100.0 / f64::from(1 << 24);
            assert!(
                (f64::from(*found) - wanted).abs() < bound,
                "{file}: {found_logits:?}, expected {wanted:?}"
            );
        }
    }
}

/// The chapter's network with few channels, and running statistics that a training could have left.
fn chapter(input: ImageShape) -> (Graph, Params, ModelFile) {
    network("resnet18-d2l", 8, input)
}

/// Such a network of the zoo.
fn network(name: &str, width: usize, input: ImageShape) -> (Graph, Params, ModelFile) {
    let spec = Spec { width, ..*zoo::find(name).unwrap() };
    let graph = trace(&spec.build(ZooOptions { classes: 10 }), input, &mut Names::new()).unwrap();
    let mut params = initialize(&graph, Init::Xavier, 7);
    for (index, spec) in graph.params.iter().enumerate() {
        let values = params.get_mut(plusx_model::graph::ParamId(index as u32));
        let moved = |value: &mut f32, index: usize| *value += 0.3 * (index as f32).sin();
        if spec.dims.len() == 1 {
            values.iter_mut().enumerate().for_each(|(index, value)| moved(value, index));
        }
    }
    let mut preprocess = Preprocess::chapter(input);
    preprocess.mean = vec![0.485, 0.456, 0.406][..input.c].to_vec();
    preprocess.std = vec![0.229, 0.224, 0.225][..input.c].to_vec();
    let classes = (0..10).map(|index| format!("class {index}")).collect();
    let architecture = name.into();
    (
        graph,
        params,
        ModelFile { architecture, classes, preprocess, metrics: Default::default(), training: None },
    )
}

/// Images of bytes, prepared as the model wants them.
fn prepared(n: usize, meta: &ModelFile) -> Vec<f32> {
    let Preprocess { input, mean, std, .. } = &meta.preprocess;
    let raw = images(n, *input);
    raw.iter().enumerate().map(|(i, value)| (value - mean[i % input.c]) / std[i % input.c]).collect()
}

#[test]
fn every_way_of_writing_answers_as_the_model_does() {
    let folder = tempfile::tempdir().unwrap();
    let (graph, params, meta) = chapter(ImageShape::new(3, 33, 30));
    let model = ExportModel { graph: &graph, params: &params, meta: &meta };
    let data = prepared(3, &meta);
    for options in ways() {
        let path = folder.path().join("net.onnx");
        let Proof { images, worst, bytes } =
            export(&path, &model, options, Images { data: &data, n: 3 }, engine).unwrap();
        assert_eq!(images, 3);
        assert!(worst < 1e-5, "{options:?}: {worst}");
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written.len(), bytes);
        assert_eq!(written, encode(&model, options).unwrap());
        assert_eq!(read(&path).unwrap().meta.unwrap(), meta);
    }
}

/// All that options can say, but for the batch, which is free, one, or more than the images.
fn ways() -> Vec<OnnxOptions> {
    let mut ways = Vec::new();
    for input in [Input::Prepared, Input::Bytes, Input::Floats, Input::Ultralytics] {
        for bits in 0..4 {
            let [keep_batch_norm, softmax] = [1, 2].map(|bit| bits & bit != 0);
            let batch = [None, Some(1), Some(2), Some(5)][bits];
            ways.push(OnnxOptions { keep_batch_norm, softmax, input, batch });
        }
    }
    ways
}

/// Networks that have what the chapter's has not: pooled and padded shortcuts, pre-activation, bottlenecks, groups.
const OTHERS: [&str; 5] = ["resnet50d", "resnet20", "resnet50v2", "plain20", "resnext50_32x4d"];

#[test]
fn every_kind_of_network_answers_as_the_model_does() {
    let folder = tempfile::tempdir().unwrap();
    for name in OTHERS {
        // the fewest channels that make 32 groups
        let (graph, params, meta) = network(name, 16, ImageShape::new(3, 33, 30));
        let model = ExportModel { graph: &graph, params: &params, meta: &meta };
        let data = prepared(2, &meta);
        for keep_batch_norm in [false, true] {
            let options = OnnxOptions { keep_batch_norm, ..OnnxOptions::default() };
            let path = folder.path().join("net.onnx");
            let proof = export(&path, &model, options, Images { data: &data, n: 2 }, engine).unwrap();
            assert!(proof.worst < 1e-5, "{name}, {options:?}: {proof:?}");
        }
    }
}

#[test]
fn a_file_that_answers_otherwise_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    std::fs::write(&path, b"what stood here before").unwrap();
    let (graph, params, meta) = chapter(ImageShape::new(1, 16, 16));
    let model = ExportModel { graph: &graph, params: &params, meta: &meta };
    let data = prepared(2, &meta);
    // the second network, the file's, pools otherwise than the file says
    let mut made = 0;
    let lying = |graph: &Graph| {
        made += 1;
        let mut graph = graph.clone();
        for node in graph.nodes.iter_mut().filter(|_| made == 2) {
            if let Op::BatchNorm { spec, .. } = &mut node.op {
                spec.epsilon = 0.5;
            }
        }
        engine(&graph)
    };
    let options = OnnxOptions { keep_batch_norm: true, ..OnnxOptions::default() };
    let error = export(&path, &model, options, Images { data: &data, n: 2 }, lying).unwrap_err();
    assert!(matches!(error, FormatError::Disproved { image: 0, .. }), "{error}");
    assert!(error.to_string().contains("net.onnx was not written: on image 0"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"what stood here before");

    let none = Images { data: &[], n: 0 };
    let error = export(&path, &model, options, none, engine).unwrap_err();
    assert!(matches!(error, FormatError::NoProof { .. }), "{error}");
    let few = Images { data: &data[..5], n: 2 };
    let error = export(&path, &model, options, few, engine).unwrap_err();
    assert!(matches!(error, FormatError::NoProof { .. }), "{error}");
    // images that no bytes could have become
    let odd: Vec<f32> = data.iter().map(|value| value + 0.01).collect();
    let inside = OnnxOptions { input: Input::Bytes, ..options };
    let error = export(&path, &model, inside, Images { data: &odd, n: 2 }, engine).unwrap_err();
    assert!(error.to_string().contains("not made from a byte"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"what stood here before");
}

#[test]
fn an_imported_network_can_be_written_again() {
    let found = read(&golden("grouped-dynamo.onnx")).unwrap();
    let input = found.graph.input_shape();
    let (_, _, meta) = chapter(input);
    let meta = ModelFile { classes: meta.classes[..5].to_vec(), ..meta };
    let model = ExportModel { graph: &found.graph, params: &found.params, meta: &meta };
    let again = decode(&encode(&model, OnnxOptions::default()).unwrap(), Path::new("again")).unwrap();
    assert_eq!((again.graph, again.params), (found.graph, found.params));
}

/// The same images as the file takes them.
fn as_taken(data: &[f32], n: usize, shape: ImageShape, input: Input) -> Vec<u8> {
    let raw = images(n, shape);
    let values: Vec<f32> = match input {
        Input::Bytes => return raw.iter().map(|value| (value * 255.0).round() as u8).collect(),
        Input::Prepared => data.to_vec(),
        Input::Floats => raw.iter().map(|value| (value * 255.0).round()).collect(),
        Input::Ultralytics => raw,
    };
    peers::channels_first(&values, shape).iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn probabilities(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().fold(f32::MIN, |largest, logit| largest.max(*logit));
    let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    logits.iter().map(|logit| (logit - largest).exp() / sum).collect()
}

#[test]
fn other_programs_agree() {
    let Some(python) = peers::python("onnx, onnxruntime, numpy") else { return };
    let folder = tempfile::tempdir().unwrap();
    let input = ImageShape::new(3, 33, 30);
    let others = OTHERS.map(|name| (network(name, 16, input), OnnxOptions::default()));
    // with and without all of it
    let ways = ways().into_iter().filter(|options| options.keep_batch_norm == options.softmax);
    let all = ways.map(|options| (chapter(input), options)).chain(others);
    for ((graph, params, meta), options) in all {
        let model = ExportModel { graph: &graph, params: &params, meta: &meta };
        let data = prepared(3, &meta);
        let ours = logits(&graph, &params, Images { data: &data, n: 3 });
        let [file, inputs, outputs] = ["net.onnx", "images", "logits"].map(|name| folder.path().join(name));
        std::fs::write(&file, encode(&model, options).unwrap()).unwrap();
        std::fs::write(&inputs, as_taken(&data, 3, graph.input_shape(), options.input)).unwrap();
        let answers: Vec<f32> = match options.softmax || options.input == Input::Ultralytics {
            true => ours.chunks(10).flat_map(probabilities).collect(),
            false => ours.clone(),
        };
        peers::write(&outputs, &answers);
        println!("{} {options:?}", meta.architecture);
        let said =
            peers::run(&python, "check_onnx.py", &[&file, &"--images", &inputs, &"--logits", &outputs]);
        // of a CIFAR network, two stages begin with one; put back into Slice and Pad they change no byte
        let shortcuts = if meta.architecture == "resnet20" { 2 } else { 0 };
        assert!(said.contains(&format!("\"shortcuts\": {shortcuts}")), "{said}");
    }
}

#[test]
fn ultralytics_prepares_pictures_as_the_network_wants_them() {
    let Some(python) = peers::python("onnx, onnxruntime, numpy, PIL.Image") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (input, preset) in [
        (ImageShape::new(1, 28, 28), Preset::Imagenet),
        (ImageShape::new(3, 56, 48), Preset::Imagenet),
        (ImageShape::new(3, 33, 30), Preset::Cifar10),
    ] {
        let (graph, params, mut meta) = chapter(input);
        meta.preprocess = preset.record(input);
        meta.classes[..3].clone_from_slice(&["it's \"one\"", "a\\n\n\u{1}", "上衣 😀"].map(String::from));
        let model = ExportModel { graph: &graph, params: &params, meta: &meta };
        let [file, ordinary] = ["net.onnx", "ordinary.onnx"].map(|name| folder.path().join(name));
        let options = OnnxOptions { input: Input::Ultralytics, ..OnnxOptions::default() };
        std::fs::write(&file, encode(&model, options).unwrap()).unwrap();
        let options = OnnxOptions { softmax: true, ..OnnxOptions::default() };
        std::fs::write(&ordinary, encode(&model, options).unwrap()).unwrap();
        println!("{input} {preset}");
        peers::run(&python, "check_onnx.py", &[&file, &"--ultralytics", &ordinary]);
    }
}
