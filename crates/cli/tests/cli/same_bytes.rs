//! Thread counts and instruction sets leave no trace in the weights.

use crate::program::{Place, SMALL};
use serde_json::Value;

/// The weights after a few steps with these options, by hash.
fn weights(options: &str) -> String {
    let place = Place::new();
    // 80 images a step: more than one segment of images, and a last batch of another size
    place
        .ok(&format!("train {SMALL} --batch-size 80 --train-limit 200 --epochs 1 {options}"))
        .weights_sha256()
}

fn levels() -> Vec<String> {
    let said = Place::new().ok("doctor --json");
    let found: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let names = found["isa_levels"].as_array().expect("a list").iter();
    names.map(|name| name.as_str().expect("a name").to_string()).collect()
}

#[test]
fn thread_counts_leave_no_trace() {
    let one = weights("--threads 1");
    for threads in [2, 3, 4, 7] {
        assert_eq!(weights(&format!("--threads {threads}")), one, "{threads} threads");
    }
}

#[test]
fn levels_with_fused_multiply_add_leave_no_trace() {
    let fused: Vec<_> = levels().into_iter().filter(|level| level != "portable").collect();
    if fused.len() < 2 {
        println!("SKIPPED: this machine has {fused:?} only, nothing to compare");
        return;
    }
    let first = weights(&format!("--isa {}", fused[0]));
    for level in &fused[1..] {
        assert_eq!(weights(&format!("--isa {level}")), first, "{level}");
    }
}

#[test]
fn the_portable_level_runs_and_agrees_with_itself() {
    let one = weights("--isa portable --threads 1");
    assert_eq!(weights("--isa portable --threads 3"), one);
}

#[test]
fn exact_runs_are_direct_and_stay_so() {
    let one = weights("--exact --threads 1");
    assert_eq!(weights("--exact --threads 3"), one);
    assert_ne!(weights("--threads 3"), one, "no layer of the network has a Winograd algorithm");

    let place = Place::new();
    let options =
        format!("{SMALL} --batch-size 80 --train-limit 200 --epochs 1 --exact --output runs --name e");
    place.ok(&format!("train {options} --max-steps 1"));
    let environment = place.text("runs/e/env.json");
    assert!(environment.contains("\"fma\"") || environment.contains("\"mul-add\""), "{environment}");
    let resumed = place.ok("train --resume runs/e --epochs 1");
    assert_eq!(resumed.weights_sha256(), one, "a resumed run goes on exactly");
}

/// Tiles of bf16 are multiplied by the AMX unit, or by vectors with the same bytes.
#[test]
fn a_precision_has_bytes_of_its_own() {
    let one = weights("--precision high --threads 1");
    assert_eq!(weights("--precision high --threads 3"), one);
    assert_ne!(weights("--threads 3"), one, "no layer of the network is computed on tiles");
    let fused: Vec<_> = levels().into_iter().filter(|level| level != "portable").collect();
    for level in &fused {
        assert_eq!(weights(&format!("--precision high --isa {level}")), one, "{level}");
    }

    let place = Place::new();
    let options = format!("{SMALL} --batch-size 80 --train-limit 200 --epochs 1 --output runs --name e");
    let plan = place.ok(&format!("train {options} --precision high --dry-run"));
    assert!(plan.stdout.contains("precision high"), "{}", plan.stdout);
    assert!(!plan.stdout.contains("times as fast"), "{}", plan.stdout);
    place.ok(&format!("train {options} --precision high --max-steps 1"));
    assert!(place.text("runs/e/env.json").contains("bf16x2"));
    let resumed = place.ok("train --resume runs/e --epochs 1");
    assert_eq!(resumed.weights_sha256(), one, "a resumed run goes on exactly");
    assert!(!resumed.stderr.contains("bytes will differ"), "{}", resumed.stderr);
    place.ok(&format!("train {options} --exist-ok --precision high --max-steps 1"));
    let resumed = place.ok("train --resume runs/e --epochs 1 --precision highest");
    assert!(resumed.stderr.contains("bytes will differ"), "{}", resumed.stderr);
}
