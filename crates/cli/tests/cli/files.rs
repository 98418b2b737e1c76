//! Files that are not what they should be are named, never trusted.

use crate::looking::GREY_PNG;
use crate::program::{Place, SMALL};
use serde_json::{Value, json};

const LAST: &str = "runs/train/exp/weights/last.safetensors";

#[test]
fn truncated_and_foreign_weights_are_named() {
    let place = Place::new();
    place.ok(&format!("train {SMALL} --max-steps 1"));
    let whole = place.read(LAST);
    place.write("short.safetensors", &whole[..whole.len() / 2]);
    place.write("stub.safetensors", &whole[..5]);
    place.write("empty.safetensors", b"");
    place.write("text.safetensors", b"these are not the weights you are looking for");
    place.write("huge.safetensors", &[0xff; 64]);
    // well formed, but nobody knows which network it is for
    place.write("foreign.safetensors", b"\x02\0\0\0\0\0\0\0{}");
    // one number of the last tensor is none: the network would answer `null`
    let len = whole.len();
    place.write("diverged.safetensors", &[&whole[..len - 4], &f32::NAN.to_le_bytes()].concat());
    for name in ["short", "stub", "empty", "text", "huge", "foreign", "diverged"] {
        let file = format!("{name}.safetensors");
        for command in ["eval --data fashion-mnist-mini", "predict picture.png"] {
            let said = place.plusx(&format!("{command} --weights {file}"));
            assert_eq!(said.code, Some(65), "{command} {name}: {said:?}");
            assert!(said.stderr.contains(&file), "{command} {name}: {said:?}");
            assert!(said.stdout.is_empty(), "{command} {name}: {said:?}");
        }
    }
    let said = place.plusx("eval --data fashion-mnist-mini --weights nowhere.safetensors");
    assert_eq!(said.code, Some(66), "{said:?}");
    assert!(said.stderr.contains("nowhere.safetensors"), "{said:?}");
}

/// A weight file without tensors whose `plusx` entry is whole, but for what the test changes.
fn file_that_says(architecture: &str, classes: &[&str], input: [usize; 3]) -> Vec<u8> {
    let [channels, rows, columns] = input;
    let entry = json!({
        "layout": 1,
        "architecture": architecture,
        "classes": classes,
        "preprocess": {
            "input": input,
            "resize": [rows, columns],
            "interpolation": "bilinear-opencv",
            "mean": vec![0.0; channels],
            "std": vec![1.0; channels],
        },
        "metrics": {},
    });
    let header = json!({ "__metadata__": { "plusx": entry.to_string() } }).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes
}

#[test]
fn weights_of_a_network_nobody_knows_are_named() {
    let place = Place::new();
    for (name, bytes, reason) in [
        ("other", file_that_says("resnet9000", &["a", "b"], [1, 32, 32]), "resnet18-d2l"),
        ("mute", file_that_says("resnet18-d2l", &[], [1, 32, 32]), "classes"),
        ("vast", file_that_says("resnet18-d2l", &["a"], [4096, 4096, 4096]), "at most 2147483647"),
        // and one that is all right, as far as this test is concerned
        ("bare", file_that_says("resnet18-d2l", &["a", "b"], [1, 32, 32]), "missing"),
    ] {
        let file = format!("{name}.safetensors");
        place.write(&file, &bytes);
        place.write("picture.png", b"");
        for command in ["eval --data fashion-mnist-mini", "predict picture.png"] {
            let said = place.plusx(&format!("{command} --weights {file}"));
            assert_eq!(said.code, Some(65), "{command} {name}: {said:?}");
            for part in [file.as_str(), reason] {
                assert!(said.stderr.contains(part), "{command} {name}: {said:?}");
            }
        }
    }
}

#[test]
fn a_damaged_checkpoint_stops_a_resume() {
    let place = Place::new();
    place.ok(&format!("train {SMALL} --max-steps 1"));
    let whole = place.read(LAST);
    place.write(LAST, &whole[..whole.len() - 100]);
    let said = place.plusx("train --resume");
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("last.safetensors"), "{said:?}");
}

#[test]
fn a_damaged_args_yaml_is_named() {
    let place = Place::new();
    place.ok(&format!("train {SMALL} --max-steps 1"));
    place.write("runs/train/exp/args.yaml", b"epochs: many\n");
    let said = place.plusx("train --resume");
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("args.yaml"), "{said:?}");
}

#[test]
fn data_that_is_not_there_is_an_error_when_asked_for() {
    let place = Place::new();
    let said = place.plusx("train --data fashion-mnist --data-dir empty --dry-run");
    assert_eq!(said.code, Some(66), "{said:?}");
    for part in ["empty", "plusx data get fashion-mnist"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    let said = place.plusx("data path fashion-mnist --data-dir empty");
    assert_eq!(said.code, Some(66), "{said:?}");
}

#[test]
fn damaged_data_are_named() {
    let place = Place::new();
    std::fs::create_dir(place.path("data")).expect("a folder");
    for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
        place.write(&format!("data/{name}-ubyte"), b"\0\0\x08\x03\0\0");
    }
    let said = place.plusx("train --data fashion-mnist --data-dir data --dry-run");
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("-ubyte"), "{said:?}");
}

/// The four files of Fashion-MNIST with one black training image and one black test image, whole but made up.
pub(crate) fn made_up_data(place: &Place, folder: &str) {
    std::fs::create_dir_all(place.path(folder)).expect("a folder");
    let image = [&b"\0\0\x08\x03\0\0\0\x01\0\0\0\x1c\0\0\0\x1c"[..], &[0; 784]].concat();
    for split in ["train", "t10k"] {
        place.write(&format!("{folder}/{split}-images-idx3-ubyte"), &image);
        place.write(&format!("{folder}/{split}-labels-idx1-ubyte"), b"\0\0\x08\x01\0\0\0\x01\x07");
    }
}

#[test]
fn other_pictures_are_no_fashion_mnist_and_no_run_goes_on_with_them() {
    let place = Place::new();
    made_up_data(&place, "one");
    made_up_data(&place, "two");
    place.write("two/t10k-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x01\x06");
    // asked for by name they are refused
    let train = "train --data-dir one --resize 16 --epochs 1 --threads 2";
    for command in
        [&format!("{train} --data fashion-mnist"), "eval --weights w --data fashion-mnist --data-dir one"]
    {
        let said = place.plusx(command);
        assert_eq!(said.code, Some(65), "{said:?}");
        for part in ["one does not hold the Fashion-MNIST of its authors", "--data idx --data-dir one"] {
            assert!(said.stderr.contains(part), "{part}: {said:?}");
        }
    }
    assert!(!place.exists("runs"));
    // otherwise they go by what they are
    let said = place.ok(train);
    assert!(
        said.stderr.contains("one holds IDX data that are not Fashion-MNIST: 8 classes, called 0, 1,"),
        "{said:?}"
    );
    assert!(said.stderr.contains("idx from one: 1 training image and 1 test image\n"), "{said:?}");
    assert!(said.stderr.contains("1 epoch of 1 step of 256 images"), "{said:?}");
    let said = place.plusx("train --resume --data-dir two --epochs 2");
    assert_eq!(said.code, Some(65), "{said:?}");
    for part in ["two", "--data-dir"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    // nor with classes of other names
    place.write("one/classes.txt", b"a\nb\nc\nd\ne\nf\ng\nh\n");
    let said = place.plusx("train --resume --epochs 2");
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("class 0 is called \"0\", that of the data set now \"a\""), "{said:?}");
    std::fs::remove_file(place.path("one/classes.txt")).expect("a file to remove");
    place.ok("train --resume --epochs 2");
}

/// A set in IDX with the labels `first`, `first + 1`, … of so many classes, two training images and one test image of 8x8
/// each; names with a dot, as some archives have them.
fn digits(place: &Place, folder: &str, first: u8, classes: u8) {
    for (split, each) in [("train", 2), ("t10k", 1)] {
        let n = each * classes;
        let labels: Vec<u8> = (0..n).map(|index| first + index % classes).collect();
        let pixels: Vec<u8> =
            labels.iter().flat_map(|label| (0..64_u8).map(|at| at.wrapping_mul(*label))).collect();
        let head = |rank: u8| [0, 0, 8, rank, 0, 0, 0, n];
        let images = [&head(3)[..], &[0, 0, 0, 8, 0, 0, 0, 8], &pixels].concat();
        place.write(&format!("{folder}/{split}-images.idx3-ubyte"), &images);
        place.write(&format!("{folder}/{split}-labels.idx1-ubyte"), &[&head(1)[..], &labels].concat());
    }
}

const TINY: &str = "--model resnet20 --input 1x8x8 --batch-size 12 --max-steps 2 --threads 2";

#[test]
fn other_data_have_as_many_classes_as_they_have_and_their_own_names() {
    let place = Place::new();
    digits(&place, "digits", 0, 12);
    let said = place.ok(&format!("train --data-dir digits {TINY}"));
    assert!(said.stderr.contains("12 classes, called 0, 1, 2, 3, 4, 5, 6, … 11"), "{said:?}");
    assert!(!said.stderr.contains("warning"), "{said:?}");
    assert!(place.text("runs/train/exp/results.csv").lines().nth(1).is_some_and(|row| row.contains(",idx,")));
    assert!(place.text("runs/train/exp/args.yaml").contains("data: idx\n"));
    // predict names them all
    place.write("grey.png", GREY_PNG);
    let said = place.ok(&format!("predict --weights {LAST} --topk 20 --json grey.png"));
    let answer: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let mut labels: Vec<u32> = answer["predictions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["label"].as_str().and_then(|label| label.parse().ok()).expect("a number"))
        .collect();
    labels.sort_unstable();
    assert_eq!(labels, (0..12).collect::<Vec<_>>());
    let said = place.ok(&format!("eval --weights {LAST} --data-dir digits --threads 2"));
    assert!(said.stdout.contains("\"n\":12"), "{said:?}");
    place.ok("train --resume --max-steps 3");
    place.ok(&format!(
        "compare --models plain20,resnet20 --seeds 1 --data-dir digits {}",
        TINY.replace("--model resnet20", "")
    ));

    // names from a file beside them
    let names: Vec<String> = (0..12).map(|digit| format!("numeral {digit}")).collect();
    place.write("digits/classes.txt", names.join("\r\n").as_bytes());
    place.ok(&format!("train --data-dir digits {TINY} --name named"));
    let said = place.ok("predict --weights runs/train/named/weights/best.safetensors --topk 1 grey.png");
    assert!(said.stdout.starts_with("grey.png: numeral "), "{said:?}");
    let said = place.plusx(&format!("eval --weights {LAST} --data-dir digits"));
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("class 0 is \"0\" there and \"numeral 0\" here"), "{said:?}");
    place.write("digits/classes.txt", b"too\nfew\n");
    let said = place.plusx(&format!("train --data-dir digits {TINY}"));
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("classes.txt: names 2 classes, but there is a label 11"), "{said:?}");
}

#[test]
fn labels_from_one_on_leave_a_class_without_images_and_that_is_said() {
    let place = Place::new();
    digits(&place, "letters", 1, 26);
    let said = place.ok(&format!("train --data-dir letters {TINY} --dry-run"));
    assert!(
        said.stderr.contains("27 classes") && said.stderr.contains("there is no image of 1 class: 0"),
        "{said:?}"
    );
}

#[test]
fn a_network_is_measured_on_its_own_classes_only() {
    let place = Place::new();
    // ten digits, and a network of ten digits
    digits(&place, "digits", 0, 10);
    place.ok(&format!("train --data-dir digits {TINY} --name digits"));
    place.ok(&format!("train --data fashion-mnist-mini {TINY} --train-limit 24 --name fashion"));
    let weights =
        |name: &str| format!("eval --threads 2 --weights runs/train/{name}/weights/last.safetensors");
    for (command, there, here) in [
        (format!("{} --data fashion-mnist-mini", weights("digits")), "\"0\"", "\"t-shirt\""),
        (format!("{} --data-dir digits", weights("fashion")), "\"t-shirt\"", "\"0\""),
    ] {
        let said = place.plusx(&command);
        assert_eq!((said.code, said.stdout.as_str()), (Some(65), ""), "{said:?}");
        let differs = format!("class 0 is {there} there and {here} here");
        for part in [differs.as_str(), "last.safetensors", "--ignore-class-names"] {
            assert!(said.stderr.contains(part), "{part}: {said:?}");
        }
        let said = place.ok(&format!("{command} --ignore-class-names"));
        assert!(said.stdout.contains("top1") && said.stderr.contains("taken for the same"), "{said:?}");
    }
    let said = place.ok(&format!("{} --data fashion-mnist-mini", weights("fashion")));
    assert!(!said.stderr.contains("class"), "{said:?}");
    // another number of classes is no question of names
    digits(&place, "twelve", 0, 12);
    let said = place.plusx(&format!("{} --data-dir twelve --ignore-class-names", weights("digits")));
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("12 classes") && said.stderr.contains("10 classes"), "{said:?}");
}

#[test]
fn folders_that_hold_no_data_set_say_why() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).expect("a folder");
    place.write("file", b"");
    place.write("train-only/train-images-idx3-ubyte", b"");
    place.write("train-only/train-labels-idx1-ubyte", b"");
    place.write("pictures/cat.png", GREY_PNG);
    for (folder, reason) in [
        ("empty", "an empty folder"),
        ("file", "a file, not a folder"),
        ("nowhere", "no such folder"),
        ("train-only", "lacks t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"),
        ("pictures", "none of the files"),
    ] {
        for command in ["train --dry-run", "eval --weights w", "train --data idx --dry-run"] {
            let said = place.plusx(&format!("{command} --data-dir {folder}"));
            assert_eq!(said.code, Some(66), "{said:?}");
            assert!(said.stderr.contains(&format!("--data-dir {folder}: {reason}")), "{said:?}");
        }
    }
    let said = place.plusx("train --data idx --dry-run");
    assert_eq!(said.code, Some(66), "{said:?}");
    assert!(said.stderr.contains("--data-dir PLACE"), "{said:?}");
}

#[test]
fn a_download_goes_where_it_is_of_use() {
    let mirror = "--download --mirror http://127.0.0.1:9/nothing";
    // nobody would look where it arrives
    let place = Place::new();
    let said = place.plusx(&format!("train --data-dir empty {mirror}"));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("leave --data-dir out") && !said.stderr.contains("127.0.0.1"), "{said:?}");
    // a damaged set in the cache is fetched again, and so is another one under its name
    let cache = "cache/plusx/fashion-mnist";
    made_up_data(&place, cache);
    for damage in [false, true] {
        if damage {
            place.write(&format!("{cache}/train-images-idx3-ubyte"), b"\0\0\x08\x03\0\0");
        }
        let said = place.plusx(&format!("train {mirror} --dry-run"));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains("127.0.0.1:9"), "{said:?}");
    }
    // elsewhere it is the user's
    made_up_data(&place, "own");
    let said = place.ok(&format!("train --data-dir own {mirror} --dry-run"));
    assert!(!said.stderr.contains("127.0.0.1"), "{said:?}");
}

/// Hides the full data set, if this machine has it, for one command.
#[test]
#[cfg(target_os = "linux")]
fn without_the_full_set_the_sample_is_used_and_said() {
    let place = Place::new();
    let hidden = "/usr/share/datasets/fashion-mnist";
    let script = format!(
        "if [ -d {hidden} ]; then mount -t tmpfs none {hidden} || exit 77; fi
         exec \"$PLUSX\" train --dry-run --json"
    );
    let shell = place.shell(&script);
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).current_dir(place.path("."));
    for (name, value) in shell.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let can = std::process::Command::new("unshare").args(["--mount", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: hiding the full data set needs root");
        return;
    }
    let said = crate::program::start(command).wait();
    if said.code == Some(77) {
        println!("SKIPPED: the full data set cannot be hidden here: {}", said.stderr);
        return;
    }
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("fashion-mnist-mini"), "{said:?}");
    for part in ["plusx data get fashion-mnist", "sample"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
}
