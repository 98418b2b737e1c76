//! Files that PyTorch writes while the tests run (`tools/torch_files.py`): checkpoints with everything that training scripts
//! keep beside the weights, numbers of all types and layouts, whole modules. What is read answers as PyTorch does; what
//! would answer otherwise is refused by the name of its layer.

use std::path::Path;

use plusx_engine::{Engine, EngineOptions};
use plusx_formats::foreign::{Adopted, Allow};
use plusx_formats::{FormatError, WeightError};
use plusx_model::executor::{Executor, Images};
use plusx_model::graph::Graph;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use serde_json::Value;

use crate::networks::{Net, start};
use crate::{peers, read, read_for};

/// Logits may differ by this much of the largest.
const TOLERANCE: f32 = 1e-5;

/// What the script made of one sort.
struct Made {
    folder: tempfile::TempDir,
    files: Vec<Value>,
    images: Vec<f32>,
}

fn made(sort: &str) -> Option<Made> {
    let python = peers::python("torch, torchvision, timm, numpy")?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    peers::run(&python, "torch_files.py", &[&sort, &folder.path()]);
    let index: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("index.json")).unwrap()).unwrap();
    let images = std::fs::read(folder.path().join("images")).unwrap();
    let images = images.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    Some(Made { folder, files: index.as_array().unwrap().clone(), images })
}

fn adopt(path: &Path, graph: &Graph) -> Result<Adopted, FormatError> {
    read(path)?.adopt(graph, start(graph), Allow::default())
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn what_is_read_answers_as_pytorch_does() {
    let Some(made) = made("reads") else { return };
    let graph = Net::default().graph();
    let mut engine =
        Engine::new(graph.clone(), EngineOptions { threads: 1, ..EngineOptions::default() }).unwrap();
    let files = &made.files;
    assert!(files.len() >= 60, "{} files", files.len());
    let mut worst = (0.0, "");
    for file in files {
        let name = file["file"].as_str().unwrap();
        let adopted = adopt(&made.folder.path().join(name), &graph).unwrap_or_else(|error| panic!("{error}"));
        engine.set_params(&adopted.params).unwrap();
        let images = Images { data: &made.images, n: made.images.len() / graph.input_shape().len() };
        let ours = engine.infer(images, &[graph.output()]).unwrap().remove(0).data;
        let theirs: Vec<f32> =
            file["logits"].as_array().unwrap().iter().map(|logit| logit.as_f64().unwrap() as f32).collect();
        assert_eq!(ours.len(), theirs.len());
        let largest = theirs.iter().fold(0.0, |largest: f32, logit| largest.max(logit.abs()));
        let apart = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest;
        assert!(apart <= TOLERANCE, "{name}: {apart:e} of the largest logit");
        if apart > worst.0 {
            worst = (apart, name);
        }
        let said = adopted.report.to_string();
        assert_eq!(adopted.report.section.as_deref(), file["section"].as_str(), "{name}");
        for note in texts(&file["notes"]) {
            assert!(said.contains(note), "{name}: {note}: {said}");
        }
        // a module says how its layers compute, a state_dict does not
        assert_eq!(said.contains("only numbers"), !name.starts_with("module"), "{name}: {said}");
    }
    println!("{} files; the furthest is {}, {:.1e} of the largest logit", files.len(), worst.1, worst.0);
}

#[test]
fn what_would_answer_otherwise_is_refused_by_name() {
    let Some(made) = made("refused") else { return };
    let graph = Net::default().graph();
    let files = &made.files;
    assert!(files.len() >= 25, "{} files", files.len());
    for file in files {
        let name = file["file"].as_str().unwrap();
        let error = adopt(&made.folder.path().join(name), &graph).expect_err(name);
        let told = matches!(
            error,
            FormatError::Structure { .. }
                | FormatError::OtherKind { .. }
                | FormatError::Broken { .. }
                | FormatError::Weights(WeightError::Dtype { .. } | WeightError::Mismatch { .. })
        );
        let text = error.to_string();
        assert!(told && text.contains(name), "{name}: {text}");
        for part in texts(&file["says"]) {
            assert!(text.contains(part), "{name}: {part}: {text}");
        }
        for inner in ["pytorch-reader", "zip archive error", "Some(", "None", "Err(", "serde"] {
            assert!(!text.contains(inner), "{name}: {text}");
        }
    }
}

#[test]
fn whole_networks_of_torchvision_and_timm() {
    let Some(made) = made("whole") else { return };
    for file in &made.files {
        let spec = zoo::find(file["model"].as_str().unwrap()).unwrap();
        let path = made.folder.path().join(file["file"].as_str().unwrap());
        let weights = read_for(&path, spec).unwrap();
        let net = spec.build(ZooOptions { classes: weights.classes().unwrap() });
        let graph = trace(&net, spec.input, &mut Names::new()).unwrap();
        let adopted = weights.adopt(&graph, start(&graph), Allow::default());
        let says = texts(&file["says"]);
        match adopted {
            Ok(adopted) => {
                assert!(says.is_empty(), "{file}");
                assert_eq!((adopted.report.taken, &adopted.report.notes[..]), (graph.params.len(), &[][..]));
            }
            Err(error) => {
                let text = error.to_string();
                assert!(matches!(error, FormatError::Structure { .. }) && !says.is_empty(), "{text}");
                assert!(says.iter().all(|part| text.contains(part)), "{says:?}: {text}");
            }
        }
    }
    assert_eq!(made.files.len(), 8);
}
