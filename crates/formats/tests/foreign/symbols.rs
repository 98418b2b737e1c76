//! MXNet's parameters with the symbol beside them, and without: `tools/golden_symbols.py` made both, and has MXNet's answers.

use std::fs;
use std::path::{Path, PathBuf};

use plusx_formats::FormatError;
use plusx_model::preprocess::Preset;
use plusx_model::shape::ImageShape;
use plusx_model::zoo::{Naming, Shortcut, Spec, Stem, Unit};
use serde_json::Value;

use crate::imports::{TOLERANCE, answers, apart, floats};
use crate::read_for;

const SIDE: usize = 40;

/// Gluon's `resnet18_v1`, of two channels.
const GLUON: Spec = Spec {
    name: "small",
    input: ImageShape::new(3, SIDE, SIDE),
    classes: 5,
    width: 2,
    stem: Stem::Large,
    stages: &[2, 2, 2, 2],
    unit: Unit::Basic(Shortcut::Projection),
    names: Naming::Plusx,
    preset: Preset::Imagenet,
};

/// The other networks of the script.
fn spec(name: &str) -> Spec {
    match name {
        "v1_18" => GLUON,
        "v1_34" => Spec { stages: &[3, 4, 6, 3], ..GLUON },
        "v2_18" => Spec { stem: Stem::Normalized, unit: Unit::PreBasic, ..GLUON },
        _ => Spec { width: 4, stem: Stem::Small, stages: &[1, 1], ..GLUON },
    }
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/symbols")
}

/// Rows, columns, channels.
fn images() -> Vec<f32> {
    (0..2 * SIDE * SIDE * 3).map(|i| (37 * i % 251) as f32 / 64.0 - 2.0).collect()
}

/// How far the answers of what is read from `path` are from MXNet's, and what was said.
fn compared(path: &Path, name: &str) -> (f32, String) {
    let logits: Value = serde_json::from_slice(&fs::read(golden().join("logits.json")).unwrap()).unwrap();
    let spec = spec(name);
    let weights = read_for(path, &spec).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (ours, report) = answers(&weights, &spec, &images(), spec.input);
    (apart(&ours, &floats(&logits[name]), 5), report.to_string())
}

#[test]
fn exported_networks_answer_as_in_mxnet() {
    let alone = tempfile::tempdir().unwrap();
    for (name, file, part) in [
        ("v1_18", "v1_18-0000.params", "operators were read from v1_18-symbol.json, and are this network's"),
        ("v2_18", "v2_18-0000.params", "1 batch norms have fix_gamma, so their stored gammas count as 1"),
        (
            "fixed",
            "fixed-0003.params",
            "epsilon 1e-3 is taken over into the scales; 6 batch norms have fix_gamma",
        ),
        (
            "v1_34",
            "v1_34-0000.params",
            "no v1_34-symbol.json lies beside the file: fix_gamma is taken to be False",
        ),
    ] {
        let (worst, said) = compared(&golden().join(file), name);
        println!("{name}: {worst:.1e} of the largest logit");
        assert!(worst <= TOLERANCE, "{name}: {worst:e}");
        assert!(said.contains(part), "{part}: {said}");
        assert_eq!(said.contains("only numbers"), name == "v1_34", "{said}");
    }
    // numbers alone: shortcuts stand before their blocks in the file, and behind them by their numbers
    let path = alone.path().join("v1_18-0000.params");
    fs::copy(golden().join("v1_18-0000.params"), &path).unwrap();
    let (worst, said) = compared(&path, "v1_18");
    assert!(worst <= TOLERANCE && said.contains("no v1_18-symbol.json"), "{worst:e}: {said}");
    // of Gluon's own batch norms only the fixed one of the second version is not said by numbers
    let path = alone.path().join("fixed.params");
    fs::copy(golden().join("fixed-0003.params"), &path).unwrap();
    let (worst, said) = compared(&path, "fixed");
    assert!(worst > 0.05 && said.contains("MXNet's own operator has True and 1e-3"), "{worst:e}: {said}");
}

#[test]
fn a_network_inside_another_is_read_by_its_prefix() {
    // `arg:resnetv10_conv0_weight` becomes `arg:a.resnetv10_conv0_weight`, and something else stands beside
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.params");
    let whole = fs::read(golden().join("v1_34-0000.params")).unwrap();
    let names_at = whole.windows(4).position(|bytes| bytes == b"arg:").unwrap() - 16;
    let count = u64::from_le_bytes(whole[16..24].try_into().unwrap());
    let mut bytes = whole[..16].to_vec();
    bytes.extend((count + 1).to_le_bytes());
    bytes.extend(&whole[24..names_at]);
    // an array of two numbers
    for number in [0xf993_fac9_u32, 0, 1] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(2_u64.to_le_bytes());
    for number in [1_u32, 0, 0, 0x3f80_0000, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend((count + 1).to_le_bytes());
    let mut at = names_at + 8;
    for _ in 0..count {
        let length = u64::from_le_bytes(whole[at..at + 8].try_into().unwrap()) as usize;
        let name = std::str::from_utf8(&whole[at + 8..at + 8 + length]).unwrap();
        let name = name.split_once(':').unwrap().1;
        let name = format!("features.net.{name}");
        bytes.extend((name.len() as u64).to_le_bytes());
        bytes.extend(name.as_bytes());
        at += 8 + length;
    }
    bytes.extend(10_u64.to_le_bytes());
    bytes.extend(b"other.bias");
    fs::write(&path, bytes).unwrap();
    let (worst, said) = compared(&path, "v1_34");
    assert!(worst <= TOLERANCE, "{worst:e}");
    assert!(said.contains("`features.net.` taken off") && said.contains("left out: other.bias"), "{said}");
}

#[test]
fn a_symbol_of_another_network_is_refused_with_its_layer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net-0003.params");
    fs::copy(golden().join("fixed-0003.params"), &path).unwrap();
    let symbol = fs::read_to_string(golden().join("fixed-symbol.json")).unwrap();
    let node = |name: &str| {
        let at = symbol.find(&format!("\"name\": \"{name}\"")).unwrap();
        (at, at + symbol[at..].find('}').unwrap())
    };
    let error = |name: &str, from: &str, to: &str| {
        let (at, end) = node(name);
        let changed = symbol[at..end].replacen(from, to, 1);
        assert_ne!(changed, symbol[at..end], "{name}: {from}");
        let text = format!("{}{changed}{}", &symbol[..at], &symbol[end..]);
        fs::write(folder.path().join("net-symbol.json"), text).unwrap();
        read_for(&path, &spec("fixed")).unwrap_err()
    };
    for (name, from, to, parts) in [
        (
            "one_b_conv_conv",
            "\"pad\": \"(1, 1)\"",
            "\"pad\": \"(2, 2)\", \"dilate\": \"(2, 2)\"",
            ["one_b_conv", "dilated by 2"],
        ),
        (
            "two_sc_conv",
            "\"kernel\": \"(1, 1)\"",
            "\"kernel\": \"(1, 1)\", \"dilate\": \"(3, 3)\"",
            ["two_sc_conv", "dilated by 3"],
        ),
        ("first_relu", "\"relu\"", "\"tanh\"", ["first_relu (Activation)", "act_type is tanh"]),
        ("pool", "\"avg\"", "\"max\"", ["pool (Pooling)", "pool_type is max"]),
        (
            "first_conv",
            "\"kernel\"",
            "\"layout\": \"NHWC\", \"kernel\"",
            ["first_conv (Convolution)", "layout is NHWC"],
        ),
        (
            "two_a_conv",
            "\"num_filter\"",
            "\"num_group\": \"2\", \"num_filter\"",
            ["two_a_conv", "two_a_conv"],
        ),
    ] {
        let name = name.strip_suffix("_conv_conv").map_or(name.to_owned(), |name| format!("{name}_conv"));
        let error = error(&name, from, to).to_string();
        for part in parts {
            assert!(error.contains(part), "{name}: {error}");
        }
    }
    fs::write(folder.path().join("net-symbol.json"), "{\"nodes\": []").unwrap();
    let broken = read_for(&path, &spec("fixed")).unwrap_err();
    assert!(
        matches!(&broken, FormatError::Symbol { path, .. } if path.ends_with("net-symbol.json")),
        "{broken}"
    );
}

#[test]
fn damage_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net-0003.params");
    fs::copy(golden().join("fixed-0003.params"), &path).unwrap();
    let symbol = fs::read(golden().join("fixed-symbol.json")).unwrap();
    // another byte in every hundredth place, and another number in every place that has one
    let digits = (0..symbol.len()).filter(|at| symbol[*at].is_ascii_digit());
    for (turn, at) in (0..symbol.len()).step_by(101).chain(digits.step_by(3)).enumerate() {
        let mut changed = symbol.clone();
        changed[at] = b"9}0"[turn % 3];
        fs::write(folder.path().join("net-symbol.json"), changed).unwrap();
        if let Err(error) = read_for(&path, &spec("fixed")) {
            assert!(error.to_string().contains("net-"), "{error}");
        }
    }
}
