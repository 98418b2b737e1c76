//! Files that are not what they should be are named, never trusted.

use crate::program::{Place, SMALL};
use serde_json::json;

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
fn made_up_data(place: &Place, folder: &str) {
    std::fs::create_dir_all(place.path(folder)).expect("a folder");
    let image = [&b"\0\0\x08\x03\0\0\0\x01\0\0\0\x1c\0\0\0\x1c"[..], &[0; 784]].concat();
    for split in ["train", "t10k"] {
        place.write(&format!("{folder}/{split}-images-idx3-ubyte"), &image);
        place.write(&format!("{folder}/{split}-labels-idx1-ubyte"), b"\0\0\x08\x01\0\0\0\x01\x07");
    }
}

#[test]
fn other_pictures_are_told_and_no_run_goes_on_with_them() {
    let place = Place::new();
    made_up_data(&place, "one");
    made_up_data(&place, "two");
    place.write("two/t10k-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x01\x06");
    let train = "train --data fashion-mnist --data-dir one --resize 16 --epochs 1 --threads 2";
    let said = place.ok(train);
    assert!(said.stderr.contains("one does not hold the Fashion-MNIST of its authors"), "{said:?}");
    let said = place.ok(&format!("eval --weights {LAST} --data fashion-mnist --data-dir one"));
    assert!(said.stderr.contains("does not hold the Fashion-MNIST of its authors"), "{said:?}");
    let said = place.plusx("train --resume --data-dir two --epochs 2");
    assert_eq!(said.code, Some(65), "{said:?}");
    for part in ["two", "--data-dir"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    place.ok("train --resume --epochs 2");
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
