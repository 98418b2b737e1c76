//! ONNX files become weights of the zoo's networks, whether batch norms are layers in them or not; the networks answer
//! alike.

use std::path::{Path, PathBuf};

use plusx_engine::{Engine, EngineOptions};
use plusx_formats::foreign::{Allow, FileKind, ForeignWeights, from_onnx};
use plusx_formats::onnx::{self, ExportModel, Imported, NetworkRun, OnnxOptions, agree, decode, encode};
use plusx_formats::{FormatError, ModelFile};
use plusx_model::executor::Images;
use plusx_model::graph::{ConvSpec, Graph, Op, ParamId, ParamSpec, Role, SubsampleSpec};
use plusx_model::init::{Init, initialize};
use plusx_model::params::Params;
use plusx_model::preprocess::Preset;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, Spec, ZooOptions};

use crate::{read, read_for};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/onnx").join(name)
}

/// A network of the zoo with two stages of one unit and few channels, as `tools/golden_onnx.py` makes them.
fn narrow(name: &str) -> Spec {
    Spec { width: 4, stages: &[1, 1], ..*zoo::find(name).unwrap() }
}

fn graph(spec: &Spec, input: ImageShape, classes: usize) -> Graph {
    trace(&spec.build(ZooOptions { classes }), input, &mut Names::new()).unwrap()
}

/// The difference of the two networks' answers to noise, as a part of the largest.
fn apart(found: &Imported, weights: &ForeignWeights, spec: &Spec) -> f32 {
    let ours = graph(spec, found.graph.input_shape(), found.graph.output_shape().c);
    let params = weights.adopt(&ours, Params::zeros(&ours), Allow::default()).unwrap().params;
    let noise = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as f32 / 64.0 - 2.0;
    let data: Vec<f32> = (0..2 * ours.input_shape().len()).map(noise).collect();
    let images = Images { data: &data, n: 2 };
    let theirs = NetworkRun { graph: &found.graph, params: &found.params, images };
    let networks = [theirs, NetworkRun { graph: &ours, params: &params, images }];
    let options = EngineOptions { threads: 1, ..EngineOptions::default() };
    agree(Path::new("net"), networks, &mut |graph| Engine::new(graph.clone(), options)).unwrap()
}

#[test]
fn files_of_both_exporters_answer_alike() {
    for (file, name, folded) in [
        ("basic-script", "resnet18", 6),
        ("basic-kept", "resnet18", 0),
        ("basic-dynamo", "resnet18", 6),
        ("padded-script", "resnet20", 5),
        ("padded-dynamo", "resnet20", 5),
        ("pooled-script", "resnet50d", 11),
        ("pooled-dynamo", "resnet50d", 11),
    ] {
        let (path, spec) = (golden(&format!("{file}.onnx")), narrow(name));
        let weights = read_for(&path, &spec).unwrap();
        assert_eq!(
            (weights.kind, weights.folded, weights.classes()),
            (FileKind::Onnx, folded, Some(5)),
            "{file}"
        );
        assert_eq!(weights.preprocess, Some(spec.preset.record(ImageShape::new(3, 20, 17))));
        let found = onnx::read(&path).unwrap();
        let apart = apart(&found, &weights, &spec);
        assert!(apart < 1e-5, "{file}: {apart}");
    }
}

#[test]
fn kept_batch_norms_come_with_all_their_numbers() {
    let found = onnx::read(&golden("basic-kept.onnx")).unwrap();
    let weights = from_onnx(found.clone(), Path::new("kept"), &narrow("resnet18")).unwrap();
    // this file still has PyTorch's names
    for tensor in &weights.tensors {
        let id = found.params.find(&tensor.name).unwrap_or_else(|| panic!("{}", tensor.name));
        assert_eq!(found.params.get(id), tensor.values, "{}", tensor.name);
    }
}

#[test]
fn other_classes_and_grey_images_are_said_as_of_every_file() {
    let spec = narrow("resnet18");
    let weights = read_for(&golden("basic-script.onnx"), &spec).unwrap();
    let other = graph(&spec, ImageShape::new(1, 33, 40), 7);
    let start = initialize(&other, Init::Xavier, 1);
    let adopted = weights.adopt(&other, start, Allow { other_classes: true, grey: true }).unwrap();
    let said = adopted.report.to_string();
    for part in [
        "ONNX: 30 parameters",
        "6 batch norms are inside",
        "5 classes in the file, 7",
        "summed to one for grey",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// A network of this kind with running statistics that a training could have left, as this crate writes it.
fn written(spec: &Spec, keep_batch_norm: bool) -> Imported {
    let input = ImageShape::new(3, 37, 35);
    let graph = graph(spec, input, 6);
    let mut params = initialize(&graph, Init::Xavier, 7);
    for index in (0..graph.params.len()).filter(|index| graph.params[*index].dims.len() == 1) {
        let values = params.get_mut(ParamId(index as u32));
        values.iter_mut().enumerate().for_each(|(index, value)| *value += 0.3 * (index as f32).sin());
    }
    let meta = ModelFile {
        architecture: spec.name.into(),
        classes: (0..6).map(|class| class.to_string()).collect(),
        preprocess: Preset::Cifar10.record(input),
        metrics: Default::default(),
        training: None,
    };
    let model = ExportModel { graph: &graph, params: &params, meta: &meta };
    let options = OnnxOptions { keep_batch_norm, ..OnnxOptions::default() };
    decode(&encode(&model, options).unwrap(), Path::new("written")).unwrap()
}

#[test]
fn every_kind_of_network_is_found_again() {
    for name in [
        "resnet18-d2l",
        "resnet18-d2lzh",
        "resnet18",
        "resnet50",
        "resnext50_32x4d",
        "resnet50d",
        "resnet18v2",
        "resnet50v2",
        "resnet20",
        "resnet20-b",
        "plain20",
    ] {
        // the fewest channels that make 32 groups
        let spec = Spec { width: 16, stages: &[1, 2], ..*zoo::find(name).unwrap() };
        for keep in [false, true] {
            let found = written(&spec, keep);
            let weights = from_onnx(found.clone(), Path::new("net"), &spec).unwrap();
            assert_eq!(weights.folded > 0, !keep, "{name}");
            let apart = apart(&found, &weights, &spec);
            assert!(apart < 1e-5, "{name}: {apart}");
            // what plusx wrote knows its own preprocessing
            assert_eq!(weights.preprocess.unwrap(), Preset::Cifar10.record(ImageShape::new(3, 37, 35)));
        }
    }
}

#[test]
fn option_a_written_as_a_layer_is_option_a() {
    // a program that gives its shortcut the name of a layer, and one whose filter does more than copy
    let spec = Spec { width: 16, stages: &[1, 1], ..*zoo::find("resnet20").unwrap() };
    let mut found = written(&spec, false);
    let at = found.graph.nodes.iter().position(|node| matches!(node.op, Op::Subsample { .. })).unwrap();
    let node = &found.graph.nodes[at];
    let Op::Subsample { spec: SubsampleSpec { stride, before, .. } } = node.op else { panic!("{node:?}") };
    let (channels, inputs) = (node.shape.c, found.graph.shape_before(node).c);
    let weight = ParamId(found.graph.params.len() as u32);
    let conv = ConvSpec { channels, kernel: [1, 1], stride, padding: [0, 0], dilation: [1, 1], groups: 1 };
    found.graph.nodes[at].op = Op::Conv2d { spec: conv, weight, bias: None };
    let (name, dims) = ("layer2.0.shortcut.weight".to_owned(), vec![channels, inputs, 1, 1]);
    found.graph.params.push(ParamSpec { name, dims, role: Role::ConvWeight });
    let mut params = Params::zeros(&found.graph);
    for index in 0..found.graph.params.len() - 1 {
        params.set(ParamId(index as u32), found.params.get(ParamId(index as u32))).unwrap();
    }
    let filter = params.get_mut(weight);
    (0..inputs).for_each(|channel| filter[(before + channel) * inputs + channel] = 1.0);
    found.params = params;
    let weights = from_onnx(found.clone(), Path::new("net"), &spec).unwrap();
    assert!(apart(&found, &weights, &spec) < 1e-5);
    found.params.get_mut(weight)[0] = 1.0;
    let error = from_onnx(found.clone(), Path::new("net"), &spec).unwrap_err();
    assert!(matches!(error, FormatError::OtherNetwork { .. }), "{error}");
}

#[test]
fn another_network_is_told_by_what_it_computes() {
    let path = golden("basic-script.onnx");
    let refused = |spec: &Spec| {
        let error = read_for(&path, spec).unwrap_err();
        assert!(matches!(error, FormatError::OtherNetwork { .. }), "{error}");
        error.to_string()
    };
    let text = refused(&Spec { stages: &[2, 1], ..narrow("resnet18") });
    for part in ["basic-script.onnx: its network is not resnet18: where that has", "the file has"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(refused(&Spec { width: 8, ..narrow("resnet18") }).contains("16x1x1"));
    refused(&narrow("plain18"));
    refused(&narrow("resnet50"));
    refused(zoo::find("resnet110").unwrap());
    // an input so small that the network has no shape for it is no reason to panic
    let average = read_for(&golden("average.onnx"), zoo::find("resnet18").unwrap()).unwrap_err();
    assert!(average.to_string().contains("its network is not resnet18"), "{average}");
}

#[test]
fn a_network_of_the_zoo_is_called_by_its_name() {
    let mut found = written(zoo::find("resnet20").unwrap(), false);
    let plain = zoo::find("plain20").unwrap();
    found.meta = None;
    let text = from_onnx(found.clone(), Path::new("net.onnx"), plain).unwrap_err().to_string();
    assert_eq!(text, "net.onnx: its network is not plain20: it is resnet20");
}

#[test]
fn without_a_network_of_the_zoo_an_onnx_file_is_no_weight_file() {
    let error = read(&golden("variants.onnx")).unwrap_err().to_string();
    assert!(error.contains("variants.onnx") && error.contains("named"), "{error}");
    // a file that only begins so
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("net.onnx");
    for bytes in [&b"\x08\x08\x12"[..], b"\x08\x08\x3a\xff\xff\xff\xff\x0f", b"\x08\x08\x12\x00\x3a\x00"] {
        std::fs::write(&path, bytes).unwrap();
        let error = read_for(&path, &narrow("resnet18")).unwrap_err();
        assert!(matches!(error, FormatError::Onnx { .. }), "{error}");
    }
}
