//! `plusx train --pretrained`: from a file, or from what was fetched under a network's name.

use crate::looking::GREY_PNG;
use crate::program::{Place, SMALL};
use std::fs;

/// A folder with `old.safetensors`, a CIFAR network for colours and four classes.
fn place() -> Place {
    let place = Place::new();
    crate::import::network(&place, "seed.safetensors");
    place.ok("import seed.safetensors --model resnet20 -o old.safetensors --num-classes 4 --input 3x24x24");
    place
}

#[test]
fn a_run_starts_from_a_file_and_says_what_it_took() {
    let place = place();
    let train = format!("train {SMALL} --max-steps 2 --epochs 1").replace("--resize 16", "");
    let plan = place.ok(&format!("{train} --pretrained old.safetensors --dry-run"));
    for part in [
        "resnet20: ",
        "an image of 1x24x24",
        "fc starts anew: 4 classes in the file, 10",
        "summed to one",
        "images: grey",
    ] {
        assert!(plan.stdout.contains(part), "{part}: {plan:?}");
    }
    assert!(!place.exists("runs"));
    let said = place.ok(&format!("{train} --pretrained old.safetensors --input 3x16x16"));
    assert!(said.stderr.contains("starting from old.safetensors (SHA-256 "), "{said:?}");
    let args = place.text("runs/train/exp/args.yaml");
    assert!(args.contains("name: old.safetensors") && args.contains("input: 3x16x16"), "{args}");
    // the file is not needed any more
    fs::remove_file(place.path("old.safetensors")).unwrap();
    place.ok("train --resume --max-steps 3");
    place.write("grey.png", GREY_PNG);
    place.ok("predict --weights runs/train/exp/weights/last.safetensors grey.png");
}

#[test]
fn a_name_means_what_was_fetched() {
    let place = place();
    let train = format!("train {SMALL} --max-steps 1 --pretrained resnet20");
    let published = place.plusx(&format!("train {SMALL} --max-steps 1 --pretrained resnet50"));
    assert_eq!(published.code, Some(66), "{published:?}");
    assert!(published.stderr.contains("plusx weights get resnet50"), "{published:?}");
    // nobody has published any, so fetching is no advice
    let none = place.plusx(&train);
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.stderr.contains("no pretrained weights for \"resnet20\""), "{none:?}");
    let cache = if cfg!(target_os = "macos") { "Library/Caches/plusx" } else { "cache/plusx" };
    place.write(&format!("{cache}/weights/resnet20.safetensors"), &place.read("old.safetensors"));
    if cfg!(all(unix, not(target_os = "macos"))) {
        let said = place.ok(&train);
        assert!(
            said.stderr.contains("resnet20: ") && said.stderr.contains("starting from resnet20 (SHA-256"),
            "{said:?}"
        );
        let args = place.text("runs/train/exp/args.yaml");
        assert!(args.contains("name: resnet20"), "{args}");
    }
    for (name, code, part) in [
        ("nowhere.pth", 66, "no such file, and no network of that name"),
        ("seed.safetensors --model resnet32", 65, "its network is not resnet32"),
        ("seed.safetensors --resize 16 --input 1x16x16", 2, "--input"),
    ] {
        let said = place.plusx(&format!("train --data fashion-mnist-mini --pretrained {name}"));
        assert_eq!(said.code, Some(code), "{name}: {said:?}");
        assert!(said.stderr.contains(part), "{name}: {said:?}");
    }
}

#[test]
fn the_classifier_learns_alone_and_another_run_finds_what_was_kept() {
    let place = place();
    let train = format!("train {SMALL} --epochs 2 --pretrained old.safetensors --freeze backbone");
    let plan = place.ok(&format!("{train} --dry-run"));
    assert!(
        plan.stdout.contains("frozen: all but the classifier stays as it is: 650 parameters learn"),
        "{plan:?}"
    );
    assert!(!place.exists("runs"));
    let first = place.ok(&train);
    assert!(first.stderr.contains(", kept in runs/train/features/resnet20-"), "{first:?}");
    let second = place.ok(&format!("{train} --lr 0.01"));
    assert!(second.stderr.contains("what stays frozen was computed before: "), "{second:?}");
    let args = place.text("runs/train/exp/args.yaml");
    assert!(args.contains("freeze: backbone"), "{args}");
    // a run that is made again needs neither the file of what was kept nor another option
    fs::remove_dir_all(place.path("runs/train/features")).unwrap();
    place.ok("train -c runs/train/exp/args.yaml");
    let weights = |run: &str| place.read(&format!("runs/train/{run}/weights/last.safetensors"));
    assert!(weights("exp") == weights("exp3"));
    for (wrong, words) in [
        ("--freeze layer1", "--freeze"),
        ("--freeze 7", "--freeze 7: more stages than the network has"),
        ("--unfreeze-after 1", "--unfreeze-after 1: at least 1, and it needs --freeze"),
        ("--freeze bn --cache-features on", "--cache-features on: nothing lies before"),
        ("--freeze backbone --cache-features on --mixup 0.2", "--cache-features on: it needs"),
    ] {
        let refused = place.plusx(&format!("train {SMALL} {wrong}"));
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
}
