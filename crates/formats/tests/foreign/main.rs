//! Weight files of other programs, made by these (`tools/golden_weights.py`): what they hold arrives under torchvision's
//! names, and whatever else is in them is said or refused.

mod hostile;
mod imports;
mod networks;
mod onnx;
#[path = "../peers/mod.rs"]
mod peers;
mod symbols;
mod torch;

use std::path::{Path, PathBuf};

use networks::{Net, chapter, expect, start, values};
use plusx_formats::foreign::{Adopted, Allow, FileKind, ForeignFile, ForeignWeights};
use plusx_formats::{FormatError, WeightError};
use plusx_model::graph::Graph;
use plusx_model::zoo::Spec;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn read(path: &Path) -> Result<ForeignWeights, FormatError> {
    ForeignFile::read(path)?.tensors()
}

fn read_for(path: &Path, spec: &Spec) -> Result<ForeignWeights, FormatError> {
    read_section_for(path, spec, None)
}

fn read_section_for(path: &Path, spec: &Spec, section: Option<&str>) -> Result<ForeignWeights, FormatError> {
    ForeignFile::read(path)?.weights_for(spec, section)
}

fn adopt(name: &str, graph: &Graph, allow: Allow) -> Result<Adopted, FormatError> {
    read(&golden(name))?.adopt(graph, start(graph), allow)
}

#[test]
fn every_kind_of_file_gives_the_same_parameters() {
    let graph = Net::default().graph();
    for (name, kind, section, prefix) in [
        ("zip.pth", FileKind::TorchZip, None, ""),
        ("nested.pth", FileKind::TorchZip, Some("model"), ""),
        ("strided.pth", FileKind::TorchZip, Some("net"), ""),
        ("legacy.th", FileKind::TorchStream, Some("state_dict"), "module."),
        ("tar.pth", FileKind::TorchTar, None, ""),
        ("module.pth", FileKind::TorchZip, None, ""),
        ("module.th", FileKind::TorchStream, Some("model"), ""),
        ("mixed.safetensors", FileKind::Safetensors, None, ""),
        ("gluon.params", FileKind::Gluon, None, ""),
        ("export.params", FileKind::Gluon, None, ""),
    ] {
        let adopted = adopt(name, &graph, Allow::default()).unwrap();
        expect(&adopted.params, "");
        let report = adopted.report;
        assert_eq!(
            (report.kind, report.section.as_deref(), &*report.prefix),
            (kind, section, prefix),
            "{name}"
        );
        assert_eq!(report.taken, graph.params.len(), "{name}");
        assert_eq!((report.head, report.grey), (None, None), "{name}");
    }
}

#[test]
fn the_chapters_network_as_gluon_saves_it() {
    let graph = chapter();
    for name in ["chapter.params", "counted.params"] {
        expect(&adopt(name, &graph, Allow::default()).unwrap().params, "");
    }
}

#[test]
fn a_report_says_what_was_done() {
    let graph = Net::default().graph();
    let text = |name| adopt(name, &graph, Allow::default()).unwrap().report.to_string();
    let nested = text("nested.pth");
    for part in
        ["PyTorch (zip): 22 parameters from `model`", "left out: 8 counts of batches", "model_ema.module.bn1"]
    {
        assert!(nested.contains(part), "{part}: {nested}");
    }
    let legacy = text("legacy.th");
    for part in
        ["(legacy stream)", "`module.` taken off", "linear.weight as fc.weight", "shortcut.0.weight as"]
    {
        assert!(legacy.contains(part), "{part}: {legacy}");
    }
    assert!(text("gluon.params").contains("features.0.weight as conv1.weight"));
    assert!(!text("zip.pth").contains(" as "));
}

#[test]
fn a_shortcut_computed_first_is_found_all_the_same() {
    let graph = Net { shortcut_first: true, ..Net::default() }.graph();
    assert_eq!(graph.params[5].name, "layer1.0.downsample.0.weight");
    for name in ["zip.pth", "gluon.params", "export.params"] {
        expect(&adopt(name, &graph, Allow::default()).unwrap().params, "");
    }
}

#[test]
fn a_classifier_has_many_names() {
    let graph = Net { head: "linear", ..Net::default() }.graph();
    let adopted = adopt("zip.pth", &graph, Allow::default()).unwrap();
    let weight = adopted.params.find("linear.weight").unwrap();
    assert_eq!(adopted.params.get(weight), values("fc.weight", 40));
    assert_eq!(adopted.report.renamed.len(), 2);
}

#[test]
fn another_number_of_classes_needs_leave() {
    let graph = Net { classes: 7, ..Net::default() }.graph();
    for name in ["zip.pth", "legacy.th", "gluon.params"] {
        let error = adopt(name, &graph, Allow::default()).unwrap_err();
        let FormatError::Weights(WeightError::Mismatch { missing, extra, misshapen, .. }) = &error else {
            panic!("{error}")
        };
        assert!(missing.is_empty() && extra.is_empty(), "{error}");
        assert_eq!(misshapen.len(), 2, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("fc.weight") && text.contains("[5, 8] in the file, [7, 8] in the network"),
            "{text}"
        );

        let adopted = adopt(name, &graph, Allow { other_classes: true, ..Allow::default() }).unwrap();
        expect(&adopted.params, "fc.");
        let (fresh, fc) = (start(&graph), adopted.params.find("fc.weight").unwrap());
        assert_eq!(adopted.params.get(fc), fresh.get(fc));
        let head = adopted.report.head.as_ref().unwrap();
        assert_eq!((&*head.layer, head.from, head.to), ("fc", Some(5), 7));
        assert!(
            adopted.report.to_string().contains("fc starts anew: 5 classes in the file, 7 in the network")
        );
    }
    assert_eq!(read(&golden("zip.pth")).unwrap().classes(), Some(5));
}

#[test]
fn colour_becomes_grey_with_leave() {
    let graph = Net { channels: 1, ..Net::default() }.graph();
    let error = adopt("zip.pth", &graph, Allow::default()).unwrap_err().to_string();
    assert!(
        error.contains("conv1.weight is [4, 3, 3, 3] in the file, [4, 1, 3, 3] in the network"),
        "{error}"
    );
    let adopted = adopt("zip.pth", &graph, Allow { grey: true, ..Allow::default() }).unwrap();
    expect(&adopted.params, "conv1.");
    let (colour, stem) = (values("conv1.weight", 108), adopted.params.find("conv1.weight").unwrap());
    for (at, sum) in adopted.params.get(stem).iter().enumerate() {
        let at = at / 9 * 27 + at % 9;
        assert_eq!(*sum, colour[at] + colour[at + 9] + colour[at + 18]);
    }
    assert_eq!(adopted.report.grey.as_deref(), Some("conv1.weight"));
    // grey does not become colour
    let colour = Net::default().graph();
    assert!(adopt("chapter.params", &colour, Allow { other_classes: true, grey: true }).is_err());
}

#[test]
fn another_network_is_listed() {
    let text =
        adopt("zip.pth", &chapter(), Allow { other_classes: true, grey: true }).unwrap_err().to_string();
    for part in [
        "zip.pth",
        "missing conv1.bias",
        "unknown layer1.0.downsample.0.weight",
        "conv1.weight is [4, 3, 3, 3]",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = adopt("gluon.params", &chapter(), Allow::default()).unwrap_err().to_string();
    assert!(text.contains("conv1.weight (there features.0.weight) is [4, 3, 3, 3]"), "{text}");
}

#[test]
fn numbers_that_are_no_weights_are_named() {
    let graph = Net::default().graph();
    let error = adopt("integers.safetensors", &graph, Allow::default()).unwrap_err();
    assert!(
        matches!(&error, FormatError::Weights(WeightError::Dtype { name, .. }) if name == "fc.bias"),
        "{error}"
    );
    // numbers of 8 bits, in both containers
    let header = r#"{"fc.bias":{"dtype":"F8_E4M3","shape":[5],"data_offsets":[0,5]}}"#;
    let safetensors = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 5]].concat();
    let pickle = b"\x80\x02}X\x07\x00\x00\x00fc.biasctorch._utils\n_rebuild_tensor_v3\n((X\x07\x00\x00\x00storagectorch\n\
                   UntypedStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x05tQK\x00K\x05\x85K\x01\x85\x89Nctorch\nfloat8_e4m3fn\ntRs.";
    for (bytes, what) in [(safetensors, "F8_E4M3"), (hostile::described(pickle), "float8_e4m3fn")] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let head = Net { head: "fc", ..Net::default() }.graph();
        let error = read(file.path()).unwrap().adopt(&head, start(&head), Allow::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, FormatError::Weights(WeightError::Dtype { .. })) && text.contains(what),
            "{text}"
        );
    }
    let error = read(&golden("sparse.params")).unwrap_err();
    assert!(error.to_string().contains("sparse"), "{error}");
    let mut weights = read(&golden("zip.pth")).unwrap();
    weights.tensors[3].values[1] = f32::NAN;
    let name = weights.tensors[3].name.clone();
    let error = weights.adopt(&graph, start(&graph), Allow::default()).unwrap_err();
    assert!(
        matches!(&error, FormatError::Weights(WeightError::NotFinite { name: found, .. }) if *found == name),
        "{error}"
    );
}
