//! A weight file becomes a model that answers.

use plusx::formats::{ModelFile, safetensors};
use plusx::model::init::initialize;
use plusx::model::preprocess::Preprocess;
use plusx::model::shape::ImageShape;
use plusx::model::trace::trace;
use plusx::model::zoo::{self, ZooOptions};
use plusx::prelude::*;

#[test]
fn a_weight_file_becomes_a_model() {
    let name = "resnet18-d2l";
    let input = ImageShape::new(1, 16, 16);
    let build = || zoo::build(name, ZooOptions { classes: 10 }).unwrap();
    let graph = trace(build().as_ref(), input, &mut Names::new()).unwrap();
    let params = initialize(&graph, Init::Xavier, 5);
    let meta = ModelFile {
        architecture: name.into(),
        classes: (0..10).map(|index| format!("class {index}")).collect(),
        preprocess: Preprocess::chapter(input),
        metrics: Default::default(),
        training: None,
    };
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("best.safetensors");
    let contents = safetensors::Contents { params: &params, optimiser: None, batches: 0, meta: &meta };
    safetensors::write(&path, &contents).unwrap();

    let mut loaded = Model::load(&path).unwrap();
    assert_eq!(loaded.params().unwrap(), params);
    let mut fresh = Model::new(build());
    fresh.initialize(Init::Xavier, 5).unwrap();
    for shape in [[2, 1, 16, 16], [1, 1, 20, 24]] {
        let x = Tensor::uniform(shape, 0.0, 1.0, 1).unwrap();
        assert_eq!(loaded.forward(&x).unwrap(), fresh.forward(&x).unwrap());
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Model::load("nowhere.safetensors").unwrap_err().to_string();
    assert!(error.contains("nowhere.safetensors"), "{error}");
}

#[test]
fn what_cannot_be_written_is_an_error_and_leaves_no_file() {
    let place = tempfile::tempdir().unwrap();
    let [weights, network] = ["net.safetensors", "net.onnx"].map(|name| place.path().join(name));
    let mut net = Model::new(Dense::new(2));
    assert!(matches!(net.about("net", &["a", "b"]), Err(Error::NotInitialized)));
    net.initialize(Init::Xavier, 1).unwrap();
    let x = Tensor::uniform([3, 1, 4, 5], 0.0, 1.0, 1).unwrap();
    net.forward(&x).unwrap();
    let about = net.about("net", &["a", "b"]).unwrap();
    let fresh = Model::new(Dense::new(2));
    assert!(matches!(fresh.save(&weights, &about), Err(Error::NotInitialized)));
    assert!(matches!(fresh.export_onnx(&network, &about, &x), Err(Error::NotInitialized)));
    let flat = Tensor::uniform([3, 20], 0.0, 1.0, 1).unwrap();
    assert!(matches!(net.export_onnx(&network, &about, &flat), Err(Error::NotImages { .. })));
    let fewer = net.about("net", &["a"]).unwrap();
    assert!(matches!(net.save(&weights, &fewer), Err(Error::Classes { classes: 1, outputs: 2 })));
    let error = net.export_onnx(&network, &fewer, &x).unwrap_err().to_string();
    assert!(error.contains("1 class names for 2 outputs"), "{error}");
    let other = Tensor::uniform([3, 1, 6, 6], 0.0, 1.0, 1).unwrap();
    assert!(matches!(net.export_onnx(&network, &about, &other), Err(Error::File(_))));
    assert!(!weights.exists() && !network.exists());

    net.save(&weights, &about).unwrap();
    net.export_onnx(&network, &about, &x).unwrap();
    let read = safetensors::read(&weights).unwrap().params(net.graph().unwrap()).unwrap();
    assert_eq!(read, net.params().unwrap());
    // a layer that is the whole network has no name, and the file gives it one
    let found = plusx::formats::onnx::read(&network).unwrap();
    assert_eq!(found.params.values(), net.params().unwrap().values());
}
