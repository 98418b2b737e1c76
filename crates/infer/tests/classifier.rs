//! A weight file answers: what the engine says of the prepared picture, with names and probabilities, to many threads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plusx_engine::{Engine, EngineOptions};
use plusx_formats::{ModelFile, safetensors};
use plusx_infer::{Classifier, InferError, Picture, PreparedOptions};
use plusx_model::executor::{Executor, Images};
use plusx_model::graph::Graph;
use plusx_model::init::{Init, initialize};
use plusx_model::params::Params;
use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};

const MODEL: &str = "resnet18-d2l";

fn network(input: ImageShape, classes: usize) -> (Graph, Params) {
    let block = zoo::build(MODEL, ZooOptions { classes }).unwrap();
    let graph = trace(&*block, input, &mut Names::new()).unwrap();
    let params = initialize(&graph, Init::Xavier, 7);
    (graph, params)
}

/// A file in `folder` for images of `input`, normalised.
fn write(folder: &Path, input: ImageShape, classes: &[&str]) -> PathBuf {
    let (_, params) = network(input, classes.len());
    let mut preprocess = Preprocess::chapter(input);
    preprocess.mean = vec![0.4; input.c];
    preprocess.std = vec![0.3; input.c];
    let meta = ModelFile {
        architecture: MODEL.into(),
        classes: classes.iter().map(|&name| name.to_owned()).collect(),
        preprocess,
        metrics: BTreeMap::new(),
        training: None,
    };
    let path = folder.join("w.safetensors");
    let contents = safetensors::Contents { params: &params, optimiser: None, batches: 0, meta: &meta };
    safetensors::write(&path, &contents).unwrap();
    path
}

fn picture(seed: usize) -> Picture {
    let rgb8 = (0..3 * 40 * 30).map(|index| (index * (2 * seed + 7) % 251) as u8).collect();
    Picture { rgb8, w: 40, h: 30 }
}

#[test]
fn answers_are_the_engines_with_names_and_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let classes = ["cat", "dog", "上衣", "car", "cup", "key", "pen"];
    let input = ImageShape::new(3, 32, 24);
    let net = Classifier::load(write(folder.path(), input, &classes)).unwrap();
    assert_eq!(net.classes(), classes);
    assert_eq!(net.preprocess().input, input);

    let (graph, params) = network(input, classes.len());
    let mut engine = Engine::new(graph.clone(), EngineOptions::default()).unwrap();
    engine.set_params(&params).unwrap();
    let prepared = plusx_pixels::prepare(&picture(1), net.preprocess()).unwrap();
    let logits = &engine.infer(Images { data: &prepared, n: 1 }, &[graph.output()]).unwrap()[0].data;
    let exps: Vec<f64> = logits.iter().map(|logit| f64::from(*logit).exp()).collect();
    let mut expected: Vec<(usize, f64)> =
        exps.iter().map(|exp| exp / exps.iter().sum::<f64>()).enumerate().collect();
    expected.sort_by(|a, b| b.1.total_cmp(&a.1));

    let all = net.predict_top(&picture(1), 100).unwrap();
    assert_eq!(all.len(), classes.len());
    for (found, (index, prob)) in all.iter().zip(&expected) {
        assert_eq!((found.index, found.label.as_str()), (*index, classes[*index]));
        assert!((found.prob - prob).abs() < 1e-6, "{found:?} {prob}");
    }
    assert_eq!(net.predict(&picture(1)).unwrap(), all[..5]);
    assert_eq!(net.predict_prepared(&prepared, 1, 2).unwrap(), [all[..2].to_vec()]);
    assert!(net.predict_top(&picture(1), 0).unwrap().is_empty());
}

#[test]
fn grey_networks_take_pictures_too_and_few_classes_are_all_named() {
    let folder = tempfile::tempdir().unwrap();
    let net = Classifier::load(write(folder.path(), ImageShape::new(1, 32, 32), &["a", "b"])).unwrap();
    assert_eq!(net.predict(&picture(2)).unwrap().len(), 2);
}

#[test]
fn answers_that_are_no_numbers_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), ImageShape::new(3, 32, 32), &["a", "b"]);
    let net = Classifier::load(&file).unwrap();
    let mut images = vec![0.5; 2 * 3 * 32 * 32];
    images[3 * 32 * 32] = f32::NAN;
    let error = net.predict_prepared(&images, 2, 1).unwrap_err();
    assert!(matches!(error, InferError::NotFinite { image: 1 }), "{error}");

    // finite weights, infinite sums: the last floats of the file are those of the dense layer or of a batch norm
    let mut params = network(ImageShape::new(3, 32, 32), 2).1;
    for value in params.values_mut() {
        *value *= 1e30;
    }
    let contents = safetensors::read(&file).unwrap();
    let contents =
        safetensors::Contents { params: &params, optimiser: None, batches: 0, meta: &contents.meta };
    safetensors::write(&file, &contents).unwrap();
    let error = Classifier::load(&file).unwrap().predict(&picture(0)).unwrap_err();
    assert!(matches!(error, InferError::NotFinite { image: 0 }), "{error}");
}

#[test]
fn many_threads_share_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), ImageShape::new(3, 32, 32), &["a", "b", "c"]);
    let options = PreparedOptions { threads: 1, at_once: 3, ..PreparedOptions::default() };
    let net = Arc::new(Classifier::load_with(file, options).unwrap());
    let expected: Vec<_> = (0..6).map(|seed| net.predict(&picture(seed)).unwrap()).collect();
    assert_ne!(expected[0], expected[1]);
    let threads: Vec<_> = (0..6)
        .map(|seed| {
            let net = Arc::clone(&net);
            std::thread::spawn(move || net.predict(&picture(seed)).unwrap())
        })
        .collect();
    let found: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_cannot_be_answered_is_an_error_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Classifier::load(folder.path().join("none.safetensors")).unwrap_err();
    assert!(matches!(&missing, InferError::Weights(_)) && missing.to_string().contains("none.safetensors"));
    let file = write(folder.path(), ImageShape::new(3, 32, 32), &["a", "b"]);
    let net = Classifier::load(&file).unwrap();
    let short = Picture { w: 41, ..picture(0) };
    assert!(matches!(net.predict(&short), Err(InferError::Pixels(_))));
    for (len, n) in [(7, 1), (0, 0), (3 * 32 * 32, 2), (3 * 32 * 32, usize::MAX)] {
        let error = net.predict_prepared(&vec![0.0; len], n, 1).unwrap_err();
        assert!(matches!(error, InferError::Engine(_)), "{error}");
    }
    // a network that the zoo has no more, and parameters of another one
    let bytes = std::fs::read(&file).unwrap();
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(&file, bytes).unwrap();
        Classifier::load(&file).unwrap_err().to_string()
    };
    let unknown = replaced("resnet18-d2l", "resnet18-xyz");
    assert!(unknown.contains("w.safetensors") && unknown.contains("resnet18-xyz"), "{unknown}");
    assert!(replaced("conv1.bias", "conv9.bias").contains("missing conv1.bias"));
}
