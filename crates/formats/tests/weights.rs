//! Weight files: what goes in comes out, equal contents give equal bytes, and no file, however broken, does worse
//! than an error that names it.

use std::collections::BTreeMap;
use std::path::Path;

use plusx_formats::safetensors::{Contents, check_names, decode, encode, read, write};
use plusx_formats::{FormatError, ModelFile, WeightError};
use plusx_model::containers::Sequential;
use plusx_model::graph::{Graph, ParamId, ParamSpec};
use plusx_model::layers::{BatchNorm, Conv2d, Dense};
use plusx_model::params::Params;
use plusx_model::preprocess::{Preprocess, Preset, Resize};
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::update::OptimiserState;
use proptest::prelude::*;

fn graph(channels: usize) -> Graph {
    let net = Sequential::new()
        .add_named("conv1", Conv2d::new(channels, 3))
        .add_named("bn1", BatchNorm::new())
        .add_named("fc", Dense::new(3));
    trace(&net, ImageShape::new(1, 5, 5), &mut Names::new()).unwrap()
}

fn params(graph: &Graph, seed: f32) -> Params {
    let mut params = Params::zeros(graph);
    for (index, value) in params.values_mut().iter_mut().enumerate() {
        *value = (index as f32).mul_add(0.37, seed).sin();
    }
    params
}

fn meta() -> ModelFile {
    let mut preprocess = Preprocess::chapter(ImageShape::new(1, 5, 5));
    preprocess.mean = vec![0.3];
    ModelFile {
        architecture: "tiny".into(),
        classes: vec!["a".into(), "b \"c\"".into(), "上衣".into()],
        preprocess,
        metrics: BTreeMap::from([("top1".into(), 0.5.into()), ("loss".into(), (1.0 / 3.0).into())]),
        training: Some(serde_json::json!({"step": 7, "loss_sum": 0.1 + 0.2})),
    }
}

fn bytes() -> Vec<u8> {
    let (graph, meta) = (graph(2), meta());
    let (params, velocity) = (params(&graph, 0.0), params(&graph, 1.0));
    let state = OptimiserState::Sgd { velocity: velocity.clone() };
    encode(&Contents { params: &params, optimiser: Some(&state), average: None, batches: 7, meta: &meta })
        .unwrap()
}

#[test]
fn everything_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let (graph, meta) = (graph(2), meta());
    let (params, velocity) = (params(&graph, 0.0), params(&graph, 1.0));
    let state = OptimiserState::Sgd { velocity: velocity.clone() };
    let contents =
        Contents { params: &params, optimiser: Some(&state), average: None, batches: 7, meta: &meta };
    write(&path, &contents).unwrap();
    // piece by piece the same bytes as all at once
    assert_eq!(std::fs::read(&path).unwrap(), encode(&contents).unwrap());
    let loaded = read(&path).unwrap();
    assert_eq!(loaded.meta, meta);
    assert_eq!(loaded.params(&graph).unwrap(), params);
    let Some(OptimiserState::Sgd { velocity: back }) = loaded.optimiser_state(&graph).unwrap() else {
        panic!("no velocity")
    };
    for (index, spec) in graph.params.iter().enumerate() {
        let id = ParamId(index as u32);
        match spec.role.trainable() {
            true => assert_eq!(back.get(id), velocity.get(id), "{}", spec.name),
            false => assert!(back.get(id).iter().all(|value| *value == 0.0), "{}", spec.name),
        }
    }
}

#[test]
fn moments_and_their_counts_come_back() {
    let (graph, meta) = (graph(2), meta());
    let learning = |start: f32| {
        let mut set = params(&graph, start);
        let running = graph.params.iter().enumerate().filter(|(_, spec)| !spec.role.trainable());
        running.for_each(|(index, _)| set.get_mut(ParamId(index as u32)).fill(0.0));
        set
    };
    let count = |(index, spec): (usize, &plusx_model::graph::ParamSpec)| match spec.role.trainable() {
        // more than an `f32` counts
        true => (1 << 40) + index as u64,
        false => 0,
    };
    let steps: Vec<u64> = graph.params.iter().enumerate().map(count).collect();
    let state = OptimiserState::AdamW { exp_avg: learning(1.0), exp_avg_sq: learning(2.0), steps };
    let all = params(&graph, 0.0);
    let bytes = encode(&Contents {
        params: &all,
        optimiser: Some(&state),
        average: Some(&all),
        batches: 7,
        meta: &meta,
    })
    .unwrap();
    let loaded = decode(&bytes, Path::new("w.safetensors")).unwrap();
    assert_eq!(loaded.optimiser_state(&graph).unwrap(), Some(state));
    assert_eq!(loaded.params(&graph).unwrap(), all);
    assert_eq!(loaded.average(&graph).unwrap().as_ref(), Some(&all));
    // a count that is called otherwise is missing
    let at = bytes.windows(23).position(|name| name == b"optimiser.step.fc.weigh").unwrap();
    let mut broken = bytes.clone();
    broken[at + 15..at + 17].copy_from_slice(b"xx");
    let broken = decode(&broken, Path::new("w.safetensors")).unwrap();
    let text = broken.optimiser_state(&graph).unwrap_err().to_string();
    assert!(text.contains("w.safetensors") && text.contains("optimiser.step.fc.weight"), "{text}");
}

#[test]
fn equal_contents_give_equal_bytes_and_the_names_are_torchvisions() {
    assert_eq!(bytes(), bytes());
    let bytes = bytes();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let header = header.as_object().unwrap();
    for name in [
        "conv1.weight",
        "conv1.bias",
        "bn1.weight",
        "bn1.bias",
        "bn1.running_mean",
        "bn1.running_var",
        "fc.weight",
    ] {
        assert!(header.contains_key(name), "{name}");
    }
    assert_eq!(header["bn1.num_batches_tracked"]["dtype"], "I64");
    assert_eq!(header["bn1.num_batches_tracked"]["shape"], serde_json::json!([]));
    assert!(!header.contains_key("velocity.bn1.running_mean"));
    let metadata = header["__metadata__"].as_object().unwrap();
    assert_eq!(metadata.keys().collect::<Vec<_>>(), ["plusx"]);
    let text = metadata["plusx"].as_str().unwrap();
    assert!(text.starts_with("{\"architecture\":\"tiny\",\"classes\":["), "{text}");
    assert!(text.contains("\"mean\":[0.3]"), "{text}");
}

/// A file whose entry has this preprocessing and this layout.
fn decoded(layout: u64, preprocess: serde_json::Value) -> Result<Preprocess, FormatError> {
    let entry = serde_json::json!({
        "layout": layout, "architecture": "tiny", "classes": ["a"], "metrics": {}, "preprocess": preprocess,
    });
    let header = serde_json::json!({"__metadata__": {"plusx": entry.to_string()}}).to_string();
    let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    decode(&file, Path::new("x.safetensors")).map(|loaded| loaded.meta.preprocess)
}

#[test]
fn files_from_before_crops_are_read_as_before() {
    let old = serde_json::json!({
        "input": [1, 5, 6], "resize": [5, 6], "interpolation": "bilinear-opencv", "mean": [0.25], "std": [0.5],
    });
    let expected =
        Preprocess { mean: vec![0.25], std: vec![0.5], ..Preprocess::chapter(ImageShape::new(1, 5, 6)) };
    assert_eq!(decoded(1, old).unwrap(), expected);
    // and such a record is still written so, for programs that know no other
    assert_eq!(
        metadata(&expected),
        (
            1,
            r#"{"input":[1,5,6],"interpolation":"bilinear-opencv","mean":[0.25],"resize":[5,6],"std":[0.5]}"#
                .to_owned()
        )
    );
}

/// Layout and preprocessing of the entry that a file gets.
fn metadata(preprocess: &Preprocess) -> (u64, String) {
    let (params, meta) = (params(&graph(2), 0.0), ModelFile { preprocess: preprocess.clone(), ..meta() });
    let bytes =
        encode(&Contents { params: &params, optimiser: None, average: None, batches: 0, meta: &meta })
            .unwrap();
    assert_eq!(decode(&bytes, Path::new("x")).unwrap().meta.preprocess, *preprocess);
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let text = header["__metadata__"]["plusx"].as_str().unwrap();
    let entry: serde_json::Value = serde_json::from_str(text).unwrap();
    (entry["layout"].as_u64().unwrap(), entry["preprocess"].to_string())
}

#[test]
fn every_preset_comes_back() {
    for preset in Preset::ALL {
        let (layout, text) = metadata(&preset.record(ImageShape::new(3, 224, 192)));
        assert_eq!(layout, if preset == Preset::D2l { 1 } else { 2 });
        let shorter = match preset {
            Preset::D2l | Preset::Cifar10 => None,
            Preset::ImagenetV2 => Some("\"resize\":232"),
            _ => Some("\"resize\":256"),
        };
        assert_eq!(text.contains("\"crop\":[224,192]"), shorter.is_some(), "{text}");
        assert!(shorter.is_none_or(|shorter| text.contains(shorter)), "{text}");
    }
}

#[test]
fn crooked_preprocessing_is_refused() {
    let good = serde_json::json!({
        "input": [1, 5, 6], "resize": 7, "crop": [5, 6], "interpolation": "bicubic", "mean": [0.0], "std": [1.0],
    });
    assert_eq!(decoded(2, good.clone()).unwrap().resize, Resize::Shorter(7));
    for (key, value, part) in [
        ("crop", serde_json::json!([5, 5]), "`crop`"),
        ("crop", serde_json::Value::Null, "`crop`"),
        ("resize", serde_json::json!([7, 7]), "`resize`"),
        ("resize", serde_json::json!(5), "6 pixels"),
        ("resize", serde_json::json!(u64::MAX), "6 pixels"),
        ("resize", serde_json::json!(-7), "`resize`"),
        ("resize", serde_json::json!(7.5), "`resize`"),
        ("interpolation", serde_json::json!("lanczos"), "lanczos"),
    ] {
        let mut crooked = good.clone();
        crooked[key] = value;
        let error = decoded(2, crooked).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("x.safetensors"), "{key}: {error}");
    }
}

#[test]
fn weights_of_another_network_are_listed_by_name_and_shape() {
    let path = Path::new("some/file.safetensors");
    let loaded = decode(&bytes(), path).unwrap();
    let error = loaded.params(&graph(4)).unwrap_err();
    let FormatError::Weights(WeightError::Mismatch { misshapen, missing, extra, .. }) = &error else {
        panic!("{error}")
    };
    assert!(missing.is_empty() && extra.is_empty());
    assert_eq!(misshapen[0].name, "conv1.weight");
    assert_eq!((&misshapen[0].expected[..], &misshapen[0].found[..]), (&[4, 1, 3, 3][..], &[2, 1, 3, 3][..]));
    let other = trace(&Dense::new(3).named("head"), ImageShape::new(1, 5, 5), &mut Names::new()).unwrap();
    let text = loaded.params(&other).unwrap_err().to_string();
    assert!(
        text.contains("file.safetensors") && text.contains("missing ") && text.contains("unknown bn1.bias"),
        "{text}"
    );
}

#[test]
fn foreign_and_missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.safetensors");
    assert!(matches!(read(&missing), Err(FormatError::Read { .. })));
    let path = Path::new("x.safetensors");
    assert!(matches!(decode(b"", path), Err(FormatError::Weights(WeightError::NotSafetensors { .. }))));
    assert!(matches!(
        decode(b"PK\x03\x04 a zip file, say", path),
        Err(FormatError::Weights(WeightError::NotSafetensors { .. }))
    ));
    let mut empty = 2_u64.to_le_bytes().to_vec();
    empty.extend(b"{}");
    assert!(matches!(decode(&empty, path), Err(FormatError::Weights(WeightError::Foreign { .. }))));
    let other = br#"{"__metadata__":{"format":"pt"}}"#;
    let mut other_file = (other.len() as u64).to_le_bytes().to_vec();
    other_file.extend(other);
    assert!(matches!(decode(&other_file, path), Err(FormatError::Weights(WeightError::Foreign { .. }))));
    for entry in ["", "[]", "{}", r#"{"layout":99}"#, r#"{"layout":1,"preprocess":3}"#] {
        let header = serde_json::json!({"__metadata__": {"plusx": entry}}).to_string();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        let error = decode(&file, path).unwrap_err();
        assert!(matches!(error, FormatError::Weights(WeightError::Metadata { .. })), "{entry}: {error}");
        assert!(error.to_string().contains("x.safetensors"));
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let bytes = bytes();
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length], Path::new("cut")).is_err(), "{length}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    for length in (0..bytes.len()).step_by(7).chain([bytes.len() + 1]) {
        let mut file = bytes.clone();
        file.resize(length, 0);
        std::fs::write(&path, file).unwrap();
        let error = read(&path).unwrap_err();
        assert!(
            matches!(error, FormatError::Weights(WeightError::NotSafetensors { .. })),
            "{length}: {error}"
        );
    }
}

#[test]
fn what_the_header_does_not_account_for_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    // more zeros than any weight file may have: a hole on the disk, but each would have to be read
    let sparse = |start: &[u8]| {
        std::fs::write(&path, start).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(9 << 30).unwrap();
        read(&path).unwrap_err()
    };
    for start in [&b""[..], b"PK\x03\x04 a zip file, say", &bytes()] {
        let error = sparse(start);
        assert!(matches!(error, FormatError::Weights(WeightError::NotSafetensors { .. })), "{error}");
        assert!(error.to_string().contains("w.safetensors"), "{error}");
    }
    assert!(matches!(sparse(b"\x02\0\0\0\0\0\0\0{}"), FormatError::Weights(WeightError::Foreign { .. })));
    // a source without end and without length
    #[cfg(target_os = "linux")]
    assert!(matches!(
        read(Path::new("/dev/zero")),
        Err(FormatError::Weights(WeightError::NotSafetensors { .. }))
    ));
}

#[test]
fn values_that_are_not_finite_are_named() {
    let (graph, meta) = (graph(2), meta());
    for value in [f32::NAN, f32::NEG_INFINITY] {
        let (mut params, mut velocity) = (params(&graph, 0.0), params(&graph, 1.0));
        let fc = params.find("fc.weight").unwrap();
        velocity.get_mut(fc)[2] = value;
        let spoilt = |params: &Params| {
            let state = OptimiserState::Sgd { velocity: velocity.clone() };
            let contents =
                Contents { params, optimiser: Some(&state), average: None, batches: 7, meta: &meta };
            decode(&encode(&contents).unwrap(), Path::new("w.safetensors")).unwrap()
        };
        let loaded = spoilt(&params);
        assert_eq!(loaded.params(&graph).unwrap(), params);
        let text = loaded.optimiser_state(&graph).unwrap_err().to_string();
        assert!(text.contains("w.safetensors") && text.contains("velocity.fc.weight"), "{text}");
        params.get_mut(fc)[0] = value;
        let error = spoilt(&params).params(&graph).unwrap_err();
        assert!(
            matches!(&error, FormatError::Weights(WeightError::NotFinite { name, .. }) if name == "fc.weight"),
            "{error}"
        );
    }
}

#[test]
fn names_that_a_reader_would_take_for_the_optimisers_are_refused() {
    let net = Sequential::new().add_named("velocity", Dense::new(3));
    let graph = trace(&net, ImageShape::new(1, 5, 5), &mut Names::new()).unwrap();
    let error = check_names(&graph.params).unwrap_err();
    assert!(matches!(&error, FormatError::Reserved { name, .. } if name == "velocity.weight"), "{error}");
    let contents = Contents {
        params: &Params::zeros(&graph),
        optimiser: None,
        average: None,
        batches: 0,
        meta: &meta(),
    };
    assert!(matches!(encode(&contents), Err(FormatError::Reserved { .. })));
    let twice =
        [graph.params[0].clone(), graph.params[0].clone()].map(|spec| ParamSpec { name: "w".into(), ..spec });
    assert!(check_names(&twice).unwrap_err().to_string().contains("two tensors are called w"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn damage_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut damaged = bytes();
        for (place, value) in changes {
            let place = place.index(damaged.len());
            damaged[place] = value;
        }
        if let Ok(loaded) = decode(&damaged, Path::new("damaged")) {
            let _ = loaded.params(&graph(2));
            let _ = loaded.optimiser_state(&graph(2));
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&noise, Path::new("noise")).is_err());
    }
}
