//! Weights of other programs become files that predict and export take.

use crate::looking::GREY_PNG;
use crate::program::Place;
use plusx_formats::ModelFile;
use plusx_formats::safetensors::{Contents, read, write};
use plusx_model::init::{Init, initialize};
use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use std::fs;
use std::path::Path;

/// A folder with `weights.safetensors`: a small network under torchvision's names.
fn place() -> Place {
    let place = Place::new();
    let input = ImageShape::new(3, 32, 32);
    let net = zoo::build("resnet20", ZooOptions { classes: 10 }).unwrap();
    let params = initialize(&trace(&*net, input, &mut Names::new()).unwrap(), Init::Xavier, 1);
    let (classes, metrics) = (vec!["x".to_owned(); 10], Default::default());
    let (architecture, preprocess) = ("resnet20".into(), Preprocess::chapter(input));
    let meta = ModelFile { architecture, classes, preprocess, metrics, training: None };
    write(
        &place.path("weights.safetensors"),
        &Contents { params: &params, velocity: None, batches: 0, meta: &meta },
    )
    .unwrap();
    place.write("grey.png", GREY_PNG);
    place
}

const IMPORT: &str = "import weights.safetensors --model resnet20 -o net.safetensors";

#[test]
fn imported_weights_answer() {
    let place = place();
    let said = place.ok(IMPORT);
    assert!(said.stdout.contains("\"classes\":10") && said.stderr.contains("0.4914"), "{said:?}");
    let [before, after] =
        ["weights.safetensors", "net.safetensors"].map(|name| read(&place.path(name)).unwrap());
    let net = zoo::build("resnet20", ZooOptions { classes: 10 }).unwrap();
    let graph = trace(&*net, ImageShape::new(3, 32, 32), &mut Names::new()).unwrap();
    assert_eq!(before.params(&graph).unwrap(), after.params(&graph).unwrap());
    assert_eq!((&after.meta.classes[9][..], after.meta.preprocess.std[2]), ("9", 0.2616));
    let said = place.ok("predict --weights net.safetensors grey.png --results-format csv --topk 10");
    assert_eq!(said.stdout.lines().count(), 11, "{said:?}");
    place.ok("export --weights net.safetensors -o net.onnx --proof-images grey.png");
}

#[test]
fn other_classes_and_grey_pictures_are_said() {
    let place = place();
    place.write("names.txt", "cat\n狗\n\n".as_bytes());
    let said = place.ok(&format!("{IMPORT} --class-names names.txt --input 1x20x24 --mean 0.5 --std 0.25"));
    for part in
        ["fc starts anew: 10 classes in the file, 2 in the network", "summed to one for grey", "24x20"]
    {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    let meta = read(&place.path("net.safetensors")).unwrap().meta;
    assert_eq!((meta.classes, meta.preprocess.mean), (vec!["cat".to_owned(), "狗".to_owned()], vec![0.5]));
    place.ok("predict --weights net.safetensors grey.png");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let place = place();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/tests/golden/zip.pth");
    place.write("small.pth", &fs::read(golden).unwrap());
    place.write("names.txt", b"cat\ndog\n");
    for (arguments, code, part) in [
        ("import small.pth --model resnet20 -o net.safetensors", 65, "layer1.1.conv1.weight"),
        ("import grey.png --model resnet20 -o net.safetensors", 65, "grey.png"),
        ("import nowhere.pth --model resnet20 -o net.safetensors", 66, "nowhere.pth"),
        (&format!("{IMPORT} --class-names nowhere.txt"), 66, "nowhere.txt"),
        (&format!("{IMPORT} --class-names names.txt --num-classes 3"), 2, "names 2 classes"),
        (&format!("{IMPORT} --mean 0.5"), 2, "mean"),
        (&format!("{IMPORT} --std 0,1,1"), 2, "std"),
        (&format!("{IMPORT} --input 3x1x1 --num-classes 0"), 2, "--num-classes"),
        ("predict --weights small.pth grey.png", 65, "plusx import"),
    ] {
        let said = place.plusx(arguments);
        assert_eq!(said.code, Some(code), "plusx {arguments}: {said:?}");
        assert!(said.stderr.contains(part), "plusx {arguments}: {said:?}");
        assert!(!place.exists("net.safetensors"), "plusx {arguments}");
    }
}
