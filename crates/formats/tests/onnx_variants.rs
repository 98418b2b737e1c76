//! One small network in a hundred files: whichever exporter, version of the operators, order in memory and way of flattening,
//! what is read answers as its source did, and becomes the weights of the zoo's network. What would answer otherwise is
//! refused by name. `tools/onnx_variants.py` and `tools/golden_onnx_exports.py` make the files.

mod peers;

use std::path::{Path, PathBuf};

use plusx_engine::{Engine, EngineOptions};
use plusx_formats::foreign::{Allow, ForeignWeights, from_onnx};
use plusx_formats::onnx::{Imported, NetworkRun, Normalise, agree, read};
use plusx_model::executor::{Executor, Images};
use plusx_model::graph::Graph;
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, Spec, ZooOptions};
use serde_json::Value;

const INPUT: ImageShape = ImageShape::new(3, 20, 18);

/// What the files hold.
fn spec() -> Spec {
    Spec { width: 4, stages: &[1, 1], ..*zoo::find("resnet20").unwrap() }
}

fn engine(graph: &Graph) -> Result<Engine, plusx_engine::EngineError> {
    Engine::new(graph.clone(), EngineOptions { threads: 1, ..EngineOptions::default() })
}

/// Two images: the high bytes of a multiplicative hash of the index, from 0 to 1, or as the file prepares them.
fn images(normalise: Option<&Normalise>) -> Vec<f32> {
    let byte = |index: usize| ((index as u32).wrapping_mul(2_654_435_761) >> 24) as f32 / 255.0;
    let prepared = |index: usize| match normalise {
        None => byte(index),
        Some(steps) => (byte(index) - steps.mean[index % 3]) / steps.std[index % 3],
    };
    (0..2 * INPUT.len()).map(prepared).collect()
}

fn logits(found: &Imported) -> Vec<f32> {
    let data = images(found.normalise.as_ref());
    let mut engine = engine(&found.graph).unwrap();
    engine.set_params(&found.params).unwrap();
    let mut logits =
        engine.infer(Images { data: &data, n: 2 }, &[found.graph.output()]).unwrap().remove(0).data;
    if found.softmax {
        // what the file gives is their logarithm
        for row in logits.chunks_mut(5) {
            let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
            row.iter_mut().for_each(|logit| *logit -= sum.ln());
        }
    }
    logits
}

/// The zoo's network with the weights of a file, against the file's own.
fn apart(found: &Imported, weights: &ForeignWeights) -> f32 {
    let ours = trace(&spec().build(ZooOptions { classes: 5 }), INPUT, &mut Names::new()).unwrap();
    let params = weights.adopt(&ours, Params::zeros(&ours), Allow::default()).unwrap().params;
    let data = images(None);
    let images = Images { data: &data, n: 2 };
    let theirs = NetworkRun { graph: &found.graph, params: &found.params, images };
    let networks = [theirs, NetworkRun { graph: &ours, params: &params, images }];
    agree(Path::new("net"), networks, &mut engine).unwrap()
}

/// Holds each file of a folder to what is written about it; says how many there are.
fn check(folder: &Path, kind: &str) -> usize {
    let text = std::fs::read_to_string(folder.join(format!("{kind}.json"))).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    // all of them, so that one run tells all
    let wrong: Vec<String> = cases.iter().filter_map(|case| held_to(folder, case).err()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    cases.len()
}

fn held_to(folder: &Path, case: &Value) -> Result<(), String> {
    let name = case["file"].as_str().unwrap();
    let path = folder.join(format!("{name}.onnx"));
    let found = read(&path).and_then(|found| Ok((from_onnx(found.clone(), &path, &spec())?, found)));
    if let Some(parts) = case["refused"].as_array() {
        let Err(error) = found else { return Err(format!("{name}: read")) };
        let text = error.to_string();
        let missing = parts.iter().map(|part| part.as_str().unwrap()).find(|part| !text.contains(part));
        return missing.map_or(Ok(()), |part| Err(format!("{name}: {part}: {text}")));
    }
    let (weights, found) = found.map_err(|error| error.to_string())?;
    if found.graph.input_shape() != INPUT || found.normalise.is_some() != (case["prepared"] == true) {
        return Err(format!("{name}: {} {:?}", found.graph.input_shape(), found.normalise));
    }
    let rows = case["logits"].as_array().unwrap().iter();
    let wanted: Vec<f64> =
        rows.flat_map(|row| row.as_array().unwrap()).map(|logit| logit.as_f64().unwrap()).collect();
    let answered = logits(&found);
    let largest = wanted.iter().fold(0.0_f64, |largest, logit| largest.max(logit.abs()));
    let far = |(found, wanted): (&f32, &f64)| (f64::from(*found) - wanted).abs() > 1e-5 * largest;
    if answered.len() != wanted.len() || answered.iter().zip(&wanted).any(far) {
        return Err(format!("{name}: {answered:?}, expected {wanted:?}"));
    }
    let apart = apart(&found, &weights);
    if apart < 1e-5 { Ok(()) } else { Err(format!("{name}: {apart}")) }
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/onnx/dynamo")
}

#[test]
fn files_of_the_newer_exporter() {
    assert_eq!(check(&golden(), "dynamo"), 8);
}

#[test]
fn files_of_the_older_exporter() {
    let Some(python) = peers::python("torch, onnx, onnxruntime") else { return };
    let folder = tempfile::tempdir().unwrap();
    peers::run(&python, "golden_onnx_exports.py", &[&"script", &folder.path()]);
    assert_eq!(check(folder.path(), "script"), 56);
}

#[test]
fn files_made_node_by_node() {
    let Some(python) = peers::python("onnx, onnxruntime") else { return };
    let folder = tempfile::tempdir().unwrap();
    peers::run(&python, "onnx_variants.py", &[&"made", &folder.path()]);
    assert_eq!(check(folder.path(), "made"), 54);
    notes_say_what_was_changed(folder.path());
    preparation_becomes_the_record(folder.path());
}

fn notes_say_what_was_changed(folder: &Path) {
    let notes = |name: &str| read(&folder.join(format!("{name}.onnx"))).unwrap().notes.join("; ");
    assert_eq!(notes("plain"), "");
    for (name, part) in [
        ("kept", "softmax at its end is left out"),
        ("halves", "FLOAT16 numbers become 32-bit"),
        ("double", "64 bits are rounded to 32"),
        ("both", "left out: \"softmax"),
        ("logits", "the logits are its output \"logits\"; left out: \"relu"),
        ("half", "from 0 to 255, mean [0.5, 0.5, 0.5], standard deviation [0.5, 0.5, 0.5]"),
        ("unit", "from 0 to 1, mean [0.485, 0.456, 0.406]"),
    ] {
        assert!(notes(name).contains(part), "{name}: {part}: {}", notes(name));
    }
}

fn preparation_becomes_the_record(folder: &Path) {
    for name in ["unit", "bytes", "last"] {
        let path = folder.join(format!("{name}.onnx"));
        let weights = from_onnx(read(&path).unwrap(), &path, &spec()).unwrap();
        let record = weights.preprocess.unwrap();
        assert_eq!(
            (&record.mean[..], &record.std[..]),
            (&[0.485, 0.456, 0.406][..], &[0.229, 0.224, 0.225][..]),
            "{name}"
        );
    }
}

/// The example of the onnx package: a ResNet-50 with neither a free batch nor weights, only their sizes.
#[test]
fn a_network_whose_weights_are_one_number() {
    let Some(python) = peers::python("onnx") else { return };
    let where_it_is = "import onnx, os; print(os.path.dirname(onnx.__file__))";
    let output = std::process::Command::new(python).args(["-c", where_it_is]).output().unwrap();
    let package = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let path = package.join("backend/test/data/light/light_resnet50.onnx");
    if !path.exists() {
        println!("SKIPPED: {} is not there", path.display());
        return;
    }
    let found = read(&path).unwrap();
    assert_eq!(found.graph.input_shape(), ImageShape::new(3, 224, 224));
    assert!(found.softmax && found.notes.iter().any(|note| note.contains("softmax")));
    let weights = from_onnx(found.clone(), &path, zoo::find("resnet50").unwrap()).unwrap();
    assert_eq!((weights.folded, weights.classes()), (0, Some(1000)));
    let filter = weights.tensors.iter().find(|tensor| tensor.name == "layer4.2.conv3.weight").unwrap();
    assert!(filter.values.len() == 2048 * 512 && filter.values.iter().all(|value| *value == 0.02));
}

/// A hundred bytes must not become gigabytes, nor a second an hour.
#[test]
fn what_is_computed_has_bounds() {
    let Some(python) = peers::python("onnx, onnxruntime") else { return };
    let folder = tempfile::tempdir().unwrap();
    peers::run(&python, "onnx_variants.py", &[&"endless", &folder.path()]);
    for (name, part) in [
        ("doubled", "far more is computed from constants"),
        ("filled", "far more equal values"),
        ("repeated", "far more is computed from constants"),
        ("wide", "which is too much"),
        ("counted", "far more is computed from constants"),
    ] {
        let begun = std::time::Instant::now();
        let error = read(&folder.path().join(format!("{name}.onnx"))).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {error}");
        assert!(begun.elapsed().as_secs() < 20, "{name}: {:?}", begun.elapsed());
    }
}
