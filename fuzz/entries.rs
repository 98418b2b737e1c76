//! What each fuzz target runs: a parser, and what is done with its result. Any return is right; a panic, a crash or
//! memory out of proportion to the input is not.
// each target uses one
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use plusx_formats::foreign::{self, Allow, FileKind, ForeignFile};
use plusx_model::containers::Sequential;
use plusx_model::graph::Graph;
use plusx_model::layers::{BatchNorm, Conv2d, Dense};
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};

/// Weight files of ours and of others in this container.
pub(crate) fn safetensors(bytes: &[u8]) {
    if let Ok(loaded) = plusx_formats::safetensors::decode(bytes, Path::new("fuzz")) {
        let _ = loaded.params(graph());
        let _ = loaded.optimiser_state(graph());
    }
    weights(bytes);
}

/// Files of PyTorch. Of plain zip and tar archives there is no end: only those that could be PyTorch's are read.
pub(crate) fn torch(bytes: &[u8]) {
    if matches!(FileKind::of(bytes), Some(FileKind::TorchZip | FileKind::TorchStream | FileKind::TorchTar)) {
        weights(bytes);
    }
}

/// Files of MXNet.
pub(crate) fn params(bytes: &[u8]) {
    if FileKind::of(bytes) == Some(FileKind::Gluon) {
        weights(bytes);
    }
}

/// ONNX files, and what they hold beside the networks of the zoo.
pub(crate) fn onnx(bytes: &[u8]) {
    onnx_file(bytes, true);
}

/// Likewise, the zoo for one of 64 files only: to build its networks for a file's images takes a hundred times as long as
/// reading it.
pub(crate) fn onnx_mostly_read(bytes: &[u8]) {
    let sum: usize = bytes.iter().map(|byte| usize::from(*byte)).sum();
    onnx_file(bytes, sum.is_multiple_of(64));
}

fn onnx_file(bytes: &[u8], compare: bool) {
    let Ok(found) = plusx_formats::onnx::decode(bytes, Path::new("fuzz")) else { return };
    found.graph.check().expect("what is read is sound");
    if !compare {
        return;
    }
    let spec = plusx_model::zoo::find("resnet20").expect("a network of the zoo");
    if let Ok(weights) = foreign::from_onnx(found, Path::new("fuzz"), spec) {
        assert!(weights.tensors.iter().all(|one| one.values.len() == one.dims.iter().product::<usize>()));
    }
}

fn weights(bytes: &[u8]) {
    let path = file();
    std::fs::write(path, bytes).expect("a file in the folder for temporary ones");
    if let Ok(weights) = ForeignFile::read(path).and_then(ForeignFile::tensors) {
        let allow = Allow { other_classes: true, grey: true };
        let _ =
            weights.adopt(graph(), Params::zeros(graph()), allow).map(|adopted| adopted.report.to_string());
    }
}

/// The readers want a file: one for each process.
fn file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| std::env::temp_dir().join(format!("plusx-fuzz-{}", std::process::id())))
}

/// A convolution, a batch norm and a classifier.
fn graph() -> &'static Graph {
    static GRAPH: OnceLock<Graph> = OnceLock::new();
    GRAPH.get_or_init(|| {
        let net = Sequential::new()
            .add_named("conv1", Conv2d::new(2, 1).bias(false))
            .add_named("bn1", BatchNorm::new())
            .add_named("fc", Dense::new(2));
        trace(&net, ImageShape::new(1, 1, 1), &mut Names::new()).expect("a sound network")
    })
}
