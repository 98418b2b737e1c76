//! Files as PyTorch's users write them: prefixes, sections, several ways of putting a network together, types, files in
//! parts. What is read answers as PyTorch did. `tools/import_reference.py` makes them when the test runs.

use std::path::{Path, PathBuf};

use plusx_engine::{Engine, EngineOptions};
use plusx_formats::FormatError;
use plusx_formats::foreign::{AdoptReport, Allow, ForeignWeights};
use plusx_model::executor::{Executor, Images};
use plusx_model::params::Params;
use plusx_model::preprocess::Preset;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{Naming, Shortcut, Spec, Stem, Unit};
use serde_json::Value;

use crate::{peers, read_for, read_section_for};

/// Logits may differ by this much of an image's largest.
pub(crate) const TOLERANCE: f32 = 1e-5;

/// The script's network in torchvision's way.
const RESIDUAL: Spec = Spec {
    name: "small",
    input: ImageShape::new(3, 24, 20),
    classes: 5,
    width: 4,
    stem: Stem::Small,
    stages: &[2, 2],
    unit: Unit::Basic(Shortcut::Projection),
    names: Naming::Plusx,
    preset: Preset::Cifar10,
};

/// Its network in the chapter's way.
const CHAPTER: Spec = Spec {
    input: ImageShape::new(1, 40, 36),
    stem: Stem::Chapter,
    unit: Unit::Chapter,
    preset: Preset::D2l,
    ..RESIDUAL
};

/// What the network of `spec` answers with these weights, and what was done to get them.
pub(crate) fn answers(
    weights: &ForeignWeights,
    spec: &Spec,
    data: &[f32],
    input: ImageShape,
) -> (Vec<f32>, AdoptReport) {
    let graph = trace(&spec.build(spec.options()), input, &mut Names::new()).unwrap();
    let adopted = weights.adopt(&graph, Params::zeros(&graph), Allow::default()).unwrap();
    assert_eq!(adopted.report.taken, graph.params.len());
    let mut engine = Engine::new(graph, EngineOptions { exact: true, ..EngineOptions::default() }).unwrap();
    engine.set_params(&adopted.params).unwrap();
    let output = engine.graph().output();
    let images = Images { data, n: data.len() / input.len() };
    (engine.infer(images, &[output]).unwrap().remove(0).data, adopted.report)
}

/// The largest difference, as a part of the largest logit of its image.
pub(crate) fn apart(ours: &[f32], theirs: &[f32], classes: usize) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let images = ours.chunks(classes).zip(theirs.chunks(classes));
    let apart = images.map(|(ours, theirs)| {
        let largest = theirs.iter().fold(0.0, |largest: f32, logit| largest.max(logit.abs()));
        let worst = ours.iter().zip(theirs).fold(0.0, |worst: f32, (a, b)| {
            let difference = (a - b).abs();
            if difference.is_nan() { f32::INFINITY } else { worst.max(difference) }
        });
        worst / largest
    });
    apart.fold(0.0, f32::max)
}

pub(crate) fn floats(values: &Value) -> Vec<f32> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// The files of the script, made once for each test.
fn files() -> Option<tempfile::TempDir> {
    let python = peers::python("torch, torchvision, safetensors")?;
    let folder = tempfile::tempdir().unwrap();
    peers::run(&python, "import_reference.py", &[&folder.path()]);
    Some(folder)
}

#[test]
fn what_users_of_pytorch_save_answers_alike() {
    let Some(folder) = files() else { return };
    let file = |name: &str| folder.path().join(name);
    let index: Value = serde_json::from_slice(&std::fs::read(file("index.json")).unwrap()).unwrap();
    let index = index.as_array().unwrap();
    assert_eq!(index.len(), 30);
    let mut worst = 0.0_f32;
    for entry in index {
        let [name, kind] = ["file", "kind"].map(|key| entry[key].as_str().unwrap());
        let spec = if kind == "chapter" { &CHAPTER } else { &RESIDUAL };
        let bytes = std::fs::read(file(&format!("{kind}.images"))).unwrap();
        let data: Vec<f32> =
            bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        let weights = read_section_for(&file(name), spec, entry["section"].as_str())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let (ours, report) = answers(&weights, spec, &data, spec.input);
        let found = apart(&ours, &floats(&entry["logits"]), 5);
        assert!(found <= TOLERANCE, "{name}: {found:e} of the largest logit");
        worst = worst.max(found);
        let said = report.to_string();
        let expected = match name {
            "lightning.ckpt" => "from `state_dict`, `model.` taken off",
            "flat.pth" => "from `model`",
            "backbone.pth" => "`backbone.` taken off",
            "wrapped.pth" => "from `state_dict`, `module.encoder.net.` taken off",
            "prefix.safetensors" => "`_orig_mod.module.net.` taken off",
            "akamaster.th" => "linear.weight as fc.weight",
            "dropout.pth" => "fc.1.weight as fc.weight",
            "beside.pth" => "left out: projector.0.bias, projector.0.weight",
            "ema.pth" => {
                "`state_dict` was taken; other parameters of this network are under state_dict_ema.module"
            }
            "params.pth" => "other parameters of this network are under params_ema",
            "target.safetensors" => "`target.` taken off",
            "chapter2.pth" => "0.0.weight as conv1.weight",
            "chapter1.pth" => "from `net`",
            "parts" => "in 2 files",
            _ => "only numbers were read",
        };
        assert!(said.contains(expected), "{name}: {said}");
    }
    println!("{} files: {worst:.1e} of the largest logit at most", index.len());

    // without a word on which of two
    for (name, parts) in
        [("online.pth", ["online", "target"]), ("teacher.pth", ["model.student", "model.teacher"])]
    {
        let error = read_for(&file(name), &RESIDUAL).unwrap_err();
        assert!(matches!(error, FormatError::Several { .. }), "{error}");
        for part in parts.into_iter().chain(["--section", name]) {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    }
    let error = read_section_for(&file("online.pth"), &RESIDUAL, Some("ema")).unwrap_err();
    assert!(matches!(error, FormatError::NoSection { .. }), "{error}");
    for part in ["ema", "online", "target"] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }

    // a part that is not there is named, whatever stands for the whole
    std::fs::remove_file(file("parts/model-00001-of-00002.safetensors")).unwrap();
    for name in ["parts", "parts/model.safetensors.index.json", "parts/model-00002-of-00002.safetensors"] {
        let error = read_for(&file(name), &RESIDUAL).unwrap_err().to_string();
        assert!(error.contains("model-00001-of-00002.safetensors") && error.contains("not there"), "{error}");
    }
    std::fs::remove_file(file("parts/model.safetensors.index.json")).unwrap();
    let error = read_for(&file("parts/model-00002-of-00002.safetensors"), &RESIDUAL).unwrap_err().to_string();
    assert!(error.contains("model-00001-of-00002.safetensors") && error.contains("not there"), "{error}");
    // another part in its place
    let index = file("bins/pytorch_model.bin.index.json");
    std::fs::copy(
        file("bins/pytorch_model-00001-of-00002.bin"),
        file("bins/pytorch_model-00002-of-00002.bin"),
    )
    .unwrap();
    let error = read_for(&index, &RESIDUAL).unwrap_err().to_string();
    assert!(error.contains("two of its parts have"), "{error}");
    for (text, part) in [
        (r#"{"weight_map": {"fc.bias": "../pytorch_model-00001-of-00002.bin"}}"#, "no file beside it"),
        (
            r#"{"weight_map": {"fc.bias": "pytorch_model-00001-of-00002.bin", "x": "pytorch_model-00001-of-00002.bin"}}"#,
            "has no tensor",
        ),
        (r#"{"weight_map": {}}"#, "lists no tensor"),
        (r#"{"weights": {}}"#, "weight_map"),
    ] {
        std::fs::write(&index, text).unwrap();
        let error = read_for(&index, &RESIDUAL).unwrap_err();
        assert!(matches!(error, FormatError::Index { .. }) && error.to_string().contains(part), "{error}");
    }
}

/// A safetensors file of zeros, with these names, types, sizes.
fn safetensors(path: &Path, tensors: &[(&str, &str, &[usize])]) {
    let (mut header, mut at) = (Vec::new(), 0);
    for (name, dtype, dims) in tensors {
        let bytes = match *dtype {
            "F32" => 4,
            "I64" => 8,
            _ => 1,
        };
        let end = at + dims.iter().product::<usize>() * bytes;
        header
            .push(format!(r#""{name}":{{"dtype":"{dtype}","shape":{dims:?},"data_offsets":[{at},{end}]}}"#));
        at = end;
    }
    let header = format!("{{{}}}", header.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + at, 0);
    std::fs::write(path, bytes).unwrap();
}

/// The parameters of a network of the zoo as a file of zeros, and other tensors.
fn zeros(path: &Path, model: &str, more: &[(&str, &str, &[usize])]) {
    let spec = plusx_model::zoo::find(model).unwrap();
    let graph = trace(&spec.build(spec.options()), spec.input, &mut Names::new()).unwrap();
    let own = graph.params.iter().map(|spec| (spec.name.as_str(), "F32", &spec.dims[..]));
    let kept = own.filter(|(name, ..)| more.iter().all(|(other, ..)| other != name));
    safetensors(path, &kept.chain(more.iter().copied()).collect::<Vec<_>>());
}

#[test]
fn another_network_of_the_zoo_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("net.safetensors");
    let error = |wanted: &str| {
        let spec = plusx_model::zoo::find(wanted).unwrap();
        read_for(&path, spec).unwrap_err().to_string()
    };
    zeros(&path, "resnet32-b", &[]);
    let said = error("resnet20-b");
    assert!(
        said.contains("net.safetensors: its network is not resnet20-b")
            && said.contains("use --model resnet32-b"),
        "{said}"
    );
    assert!(error("resnet18-d2l").contains("--model resnet32-b"));
    // plain and padded shortcuts have no parameters, so numbers cannot tell
    zeros(&path, "resnet32", &[]);
    let said = error("resnet20");
    assert!(said.contains("resnet32 and plain32"), "{said}");
    let weights = read_for(&path, plusx_model::zoo::find("resnet32").unwrap()).unwrap();
    assert!(
        weights.notes.iter().any(|note| note.contains("plain32 has the same parameters")),
        "{:?}",
        weights.notes
    );

    // something in the way of the network: no network of the zoo
    for (name, dims) in [("layer1.0.se.fc1.weight", &[4, 16][..]), ("layer1.3.conv1.weight", &[16, 16, 3, 3])]
    {
        zeros(&path, "resnet20-b", &[(name, "F32", dims)]);
        let spec = plusx_model::zoo::find("resnet20-b").unwrap();
        let graph = trace(&spec.build(spec.options()), spec.input, &mut Names::new()).unwrap();
        let weights = read_for(&path, spec).unwrap();
        let error = weights.adopt(&graph, Params::zeros(&graph), Allow::default()).unwrap_err().to_string();
        assert!(error.contains("unknown") && error.contains(name), "{error}");
    }
}

#[test]
fn numbers_of_eight_bits_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let spec = plusx_model::zoo::find("resnet20").unwrap();
    let graph = trace(&spec.build(spec.options()), spec.input, &mut Names::new()).unwrap();
    for (dtype, name, dims) in
        [("F8_E4M3", "layer1.0.conv1.weight", &[16, 16, 3, 3][..]), ("I64", "fc.bias", &[10])]
    {
        zeros(&path, "resnet20", &[(name, dtype, dims)]);
        let weights = read_for(&path, spec).unwrap();
        let error = weights.adopt(&graph, Params::zeros(&graph), Allow::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("tensor {name} holds {dtype}")), "{error}");
    }
}
