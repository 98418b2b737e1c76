//! Weights of other programs become files that predict and export take.

use crate::looking::GREY_PNG;
use crate::program::Place;
use plusx_formats::ModelFile;
use plusx_formats::safetensors::{Contents, read, write};
use plusx_model::init::{Init, initialize};
use plusx_model::preprocess::{Interpolation, Preprocess, Preset, Resize};
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use std::fs;
use std::path::Path;

/// A folder with `weights.safetensors`: a small network under torchvision's names.
fn place() -> Place {
    let place = Place::new();
    network(&place, "weights.safetensors");
    place.write("grey.png", GREY_PNG);
    place
}

/// Writes a small network for ten classes of pictures in colour, a file of plusx.
pub(crate) fn network(place: &Place, file: &str) {
    let input = ImageShape::new(3, 32, 32);
    let net = zoo::build("resnet20", ZooOptions { classes: 10 }).unwrap();
    let params = initialize(&trace(&*net, input, &mut Names::new()).unwrap(), Init::Xavier, 1);
    let (classes, metrics) = (vec!["x".to_owned(); 10], Default::default());
    let (architecture, preprocess) = ("resnet20".into(), Preprocess::chapter(input));
    let meta = ModelFile { architecture, classes, preprocess, metrics, training: None };
    write(&place.path(file), &Contents { params: &params, velocity: None, batches: 0, meta: &meta }).unwrap();
}

/// A safetensors file with another key for what plusx says in it.
fn without_entry(file: &[u8]) -> Vec<u8> {
    let at = file.windows(7).position(|bytes| bytes == b"\"plusx\"").unwrap();
    let mut bare = file.to_vec();
    bare[at..at + 7].copy_from_slice(b"\"other\"");
    bare
}

const IMPORT: &str = "import weights.safetensors --model resnet20 -o net.safetensors";

#[test]
fn imported_weights_answer() {
    let place = place();
    let said = place.ok(IMPORT);
    assert!(said.stdout.contains("\"classes\":10") && said.stderr.contains("nothing cut off"), "{said:?}");
    let [before, after] =
        ["weights.safetensors", "net.safetensors"].map(|name| read(&place.path(name)).unwrap());
    let net = zoo::build("resnet20", ZooOptions { classes: 10 }).unwrap();
    let graph = trace(&*net, ImageShape::new(3, 32, 32), &mut Names::new()).unwrap();
    assert_eq!(before.params(&graph).unwrap(), after.params(&graph).unwrap());
    assert_eq!(after.meta, before.meta);
    // the same from a file that says nothing about itself
    place.write("bare.safetensors", &without_entry(&place.read("weights.safetensors")));
    let said = place.ok("import bare.safetensors --model resnet20 -o net.safetensors");
    assert!(said.stderr.contains("0.4914"), "{said:?}");
    let after = read(&place.path("net.safetensors")).unwrap();
    assert_eq!(before.params(&graph).unwrap(), after.params(&graph).unwrap());
    assert_eq!((&after.meta.classes[9][..], after.meta.preprocess.std[2]), ("9", 0.2616));
    let said = place.ok("predict --weights net.safetensors grey.png --results-format csv --topk 10");
    assert_eq!(said.stdout.lines().count(), 11, "{said:?}");
    place.ok("export --weights net.safetensors -o net.onnx --proof-images grey.png");
}

#[test]
fn preprocessing_is_named_or_put_together_and_followed() {
    let place = place();
    let record = |arguments: &str| {
        let said = place.ok(&format!("{IMPORT} {arguments}"));
        assert!(said.stderr.contains("pictures: "), "{said:?}");
        (read(&place.path("net.safetensors")).unwrap().meta.preprocess, said.stderr)
    };
    // the file is one of plusx and says how its pictures were prepared
    let input = ImageShape::new(3, 32, 32);
    assert_eq!(record("").0, Preprocess::chapter(input));
    let (imagenet, said) = record("--preprocess imagenet");
    assert_eq!(imagenet, Preset::Imagenet.record(input));
    assert!(said.contains("shorter side resized to 36 (bilinear), the middle 32x32 cut out"), "{said}");
    let (own, _) = record("--preprocess cifar10 --crop-pct 0.8 --interpolation bicubic --mean 0,0,-0.5");
    let expected = Preprocess {
        resize: Resize::Shorter(40),
        interpolation: Interpolation::Bicubic,
        mean: vec![0.0, 0.0, -0.5],
        ..Preset::Cifar10.record(input)
    };
    assert_eq!(own, expected);

    // every command that takes the file follows it, and those that cannot say so
    place.ok("predict --weights net.safetensors grey.png");
    let said = place.ok("eval --weights net.safetensors --data fashion-mnist-mini");
    assert!(said.stdout.contains("\"n\":1000"), "{said:?}");
    let said =
        place.ok("export --weights net.safetensors -o net.onnx --with-preprocessing --proof-images grey.png");
    assert!(said.stderr.contains("shorter side resized to 40 (bicubic)"), "{said:?}");
    let again = plusx_formats::onnx::read(&place.path("net.onnx")).unwrap();
    assert_eq!(again.meta.unwrap().preprocess, expected);
    let said = place.plusx("export --weights net.safetensors --format timm -o folder");
    assert_eq!(said.code, Some(2), "{said:?}");
}

#[test]
fn an_onnx_file_is_told_by_its_content_and_proven() {
    let place = place();
    place.ok("export --weights weights.safetensors -o folded.pth --proof-images grey.png");
    let said = place.ok("import folded.pth --model resnet20 -o net.safetensors");
    for part in [
        "ONNX: ",
        "batch norms are inside their convolutions",
        "answers of the file's network and of resnet20",
    ] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    let meta = read(&place.path("net.safetensors")).unwrap().meta;
    assert_eq!(
        (&meta.classes[0][..], meta.preprocess),
        ("x", Preprocess::chapter(ImageShape::new(3, 32, 32)))
    );
    // other sizes, grey, other classes
    let other = "import folded.pth --model resnet20 -o other.safetensors --input 1x28x28 --num-classes 4";
    let said = place.ok(other);
    assert!(
        said.stderr.contains("summed to one for grey") && said.stderr.contains("fc starts anew"),
        "{said:?}"
    );
    place.ok("predict --weights other.safetensors grey.png");
    let said = place.plusx("import folded.pth --model resnet18 -o none.safetensors");
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("folded.pth: its network is not resnet18"), "{said:?}");
    assert!(!place.exists("none.safetensors"));
}

#[test]
fn other_classes_and_grey_pictures_are_said() {
    let place = place();
    place.write("names.txt", "cat\n狗\n\n".as_bytes());
    let said = place.ok(&format!("{IMPORT} --class-names names.txt --input 1x20x24 --mean 0.5 --std 0.25"));
    for part in [
        "fc starts anew: 10 classes in the file, 2 in the network",
        "summed to one for grey",
        "resized to 20x24",
    ] {
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
