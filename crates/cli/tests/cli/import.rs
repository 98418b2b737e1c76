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
    write(&place.path(file), &Contents { params: &params, optimiser: None, batches: 0, meta: &meta })
        .unwrap();
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
    let said = place.ok("import bare.safetensors --model resnet20 -o net.safetensors --overwrite");
    assert!(said.stderr.contains("0.4914") && said.stderr.contains("only numbers were read"), "{said:?}");
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
        let said = place.ok(&format!("{IMPORT} --overwrite {arguments}"));
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
    let other = "--class-names names.txt --num-classes 2 --input 1x20x24 --mean 0.5 --std 0.25";
    let said = place.ok(&format!("{IMPORT} {other}"));
    for part in [
        "fc starts anew: 10 classes in the file, 2 in the network. What the file's classifier has learnt is thrown away",
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
        (
            &format!("{IMPORT} --section ema"),
            2,
            "--section ema: nothing under that name holds the parameters",
        ),
        (
            &format!("{IMPORT} --class-names names.txt"),
            65,
            "names 2 classes, but the classifier of weights.safetensors tells 10",
        ),
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

/// Names of ten classes, a line each.
const TEN: &str = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n";

#[test]
fn class_names_leave_the_classifier_alone() {
    let place = place();
    let eleven = format!("{TEN}unicorn\n");
    let names: Vec<&str> = TEN.lines().collect();
    let json = serde_json::to_string(&names).unwrap();
    let sixteen: Vec<u8> =
        "\u{feff}".encode_utf16().chain(TEN.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let mapping: serde_json::Map<_, _> =
        names.iter().enumerate().map(|(index, name)| (index.to_string(), (*name).into())).collect();
    let mapping = serde_json::json!({ "id2label": mapping });
    for (file, bytes) in [
        ("ten.txt", TEN.as_bytes()),
        ("bom.txt", &[b"\xef\xbb\xbf", TEN.as_bytes()].concat()),
        ("windows.txt", TEN.replace('\n', "\r\n").as_bytes()),
        ("mac.txt", TEN.replace('\n', "\r").as_bytes()),
        ("utf16.txt", &sixteen),
        ("list.txt", json.as_bytes()),
        ("config.json", mapping.to_string().as_bytes()),
    ] {
        place.write(file, bytes);
        let said = place.ok(&format!("{IMPORT} --overwrite --class-names {file}"));
        assert!(!said.stderr.contains("anew"), "{file}: {said:?}");
        assert_eq!(read(&place.path("net.safetensors")).unwrap().meta.classes, names, "{file}");
    }
    fs::remove_file(place.path("net.safetensors")).unwrap();
    let blank = TEN.replace("cat\n", "cat\n\n");
    for (file, bytes, part) in [
        (
            "eleven.txt",
            eleven.as_bytes(),
            "it names 11 classes, but the classifier of weights.safetensors tells 10 apart",
        ),
        ("json.txt", br#"{"0":"airplane","1":"automobile"}"#, "it names 2 classes"),
        (
            "comment.txt",
            format!("# classes\n{}", &TEN[9..]).as_bytes(),
            "comment.txt, as a file of class names: line 1 begins with #",
        ),
        ("blank.txt", blank.as_bytes(), "line 5 is blank"),
        ("latin.txt", b"caf\xe9\n", "line 1 is not UTF-8"),
    ] {
        place.write(file, bytes);
        let said = place.plusx(&format!("{IMPORT} --class-names {file}"));
        assert_eq!(said.code, Some(65), "{file}: {said:?}");
        assert!(said.stderr.contains(part), "{file}: {said:?}");
        assert!(!place.exists("net.safetensors"), "{file}");
    }
    let said = place.ok(&format!("{IMPORT} --class-names eleven.txt --num-classes 11"));
    assert!(said.stderr.contains("10 classes in the file, 11 in the network"), "{said:?}");
    place.write("twice.txt", TEN.replace("dog", "cat").as_bytes());
    let said = place.ok(&format!("{IMPORT} --overwrite --class-names twice.txt"));
    assert!(said.stderr.contains("\"cat\" is the name of classes 3 and 5"), "{said:?}");
}

#[test]
fn nothing_is_overwritten_unasked() {
    let place = place();
    let before = place.read("weights.safetensors");
    for (arguments, file) in [
        ("import weights.safetensors --model resnet20 -o weights.safetensors", "weights.safetensors"),
        ("import ./weights.safetensors --model resnet20 -o ./weights.safetensors", "weights.safetensors"),
        (
            "export --weights weights.safetensors --format safetensors -o weights.safetensors",
            "weights.safetensors",
        ),
        ("export --weights weights.safetensors -o grey.png", "grey.png"),
    ] {
        let said = place.plusx(arguments);
        assert_eq!(said.code, Some(2), "plusx {arguments}: {said:?}");
        assert!(
            said.stderr.contains("--overwrite") && said.stderr.contains(file),
            "plusx {arguments}: {said:?}"
        );
    }
    assert_eq!(place.read("weights.safetensors"), before);
    assert_eq!(place.read("grey.png"), GREY_PNG);
    place.ok("import weights.safetensors --model resnet20 -o weights.safetensors --overwrite");
    let said = place.plusx("import weights.safetensors --model resnet20 -o /dev/null --overwrite");
    assert!(cfg!(not(unix)) || said.code == Some(2) && said.stderr.contains("no file"), "{said:?}");
}

#[test]
fn pictures_that_were_prepared_otherwise_are_said() {
    let place = place();
    // the names of the one implementation of these networks that many took up
    let bare = without_entry(&place.read("weights.safetensors"));
    let text =
        String::from_utf8_lossy(&bare[8..8 + usize::from(bare[0]) + 256 * usize::from(bare[1])]).into_owned();
    let named = text.replace("\"fc.", "\"linear.");
    let mut file = (named.len() as u64).to_le_bytes().to_vec();
    file.extend(named.as_bytes());
    file.extend(&bare[8 + text.len()..]);
    place.write("akamaster.safetensors", &file);
    let import = "import akamaster.safetensors --model resnet20 -o net.safetensors --overwrite";
    let said = place.ok(import);
    assert!(said.stderr.contains("--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"), "{said:?}");
    let said = place.ok(&format!("{import} --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"));
    assert!(!said.stderr.contains("pytorch_resnet_cifar10"), "{said:?}");
}
