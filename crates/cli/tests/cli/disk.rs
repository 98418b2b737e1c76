//! A full disk ends a run with exit code 1 and leaves the last good checkpoint; what cannot be written beside the weights
//! loses none of them.
#![cfg(unix)]

use crate::program::{Place, SMALL, Said, TINY, results_without_times, start};

/// Exit codes: no room, and any other refusal of the system.
const FULL: i32 = 1;
const REFUSED: i32 = 74;

const LAST: &str = "runs/train/exp/weights/last.safetensors";

/// What is there, and how to go on.
fn assert_told(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    for part in parts {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
}

#[test]
fn a_file_that_cannot_grow_leaves_the_old_checkpoint() {
    let place = Place::new();
    place.ok(&format!("train {SMALL} --max-steps 2"));
    let before = place.read(LAST);
    // 8 MiB a file (in blocks of 512 bytes): a checkpoint is larger; the signal would kill, the error must be handled
    let script = "trap '' XFSZ; ulimit -f 16384; exec \"$PLUSX\" train --resume --max-steps 4";
    let said = start(place.shell(script)).wait();
    let kept = format!("kept: {LAST}, after step 2 of epoch 1");
    assert_told(
        &said,
        FULL,
        &[&kept, "a checkpoint takes 44.", "ulimit -f", "train --resume runs/train/exp"],
    );
    assert!(place.read(LAST) == before, "the checkpoint changed");

    let said = place.ok("train --resume --max-steps 4");
    let undisturbed = Place::new();
    let whole = undisturbed.ok(&format!("train {SMALL} --max-steps 4"));
    assert_eq!(said.weights_sha256(), whole.weights_sha256());
}

#[test]
fn a_full_file_system_leaves_the_old_checkpoint() {
    let place = Place::new();
    // room for one checkpoint of about 45 MB and the small files, not for two; mounted for this script only
    let script = format!(
        "mkdir disk && mount -t tmpfs -o size=70m none disk || exit 77
         \"$PLUSX\" train {SMALL} --max-steps 4 --save-every 2steps --output disk --name run; code=$?
         cp disk/run/weights/last.safetensors kept.safetensors; exit $code"
    );
    let mut command = std::process::Command::new("unshare");
    let shell = place.shell(&script);
    command.args(["--mount", "sh", "-c", &script]).current_dir(place.path("."));
    command.envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let can = std::process::Command::new("unshare").args(["--mount", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: mounting a small file system needs root");
        return;
    }
    let said = start(command).wait();
    if said.code == Some(77) {
        println!("SKIPPED: a small file system cannot be mounted here: {}", said.stderr);
        return;
    }
    let parts =
        ["No space left", "after step 2 of epoch 1", "a checkpoint takes 44.", "are free there: make room"];
    assert_told(&said, FULL, &parts);
    assert_told(&said, FULL, &["train --resume disk/run", "warning: the weight files of the run take 134."]);
    place.ok("eval --weights kept.safetensors --data fashion-mnist-mini --threads 2");
}

#[test]
fn a_table_that_cannot_be_written_loses_no_weights() {
    let options = format!("train {TINY} --epochs 4 --save-every epoch --json");
    let place = Place::new();
    let mut running = start(place.command(&options));
    assert!(running.hear("\"event\":\"step\"", 1));
    let table = place.path("runs/train/exp/results.csv");
    std::fs::rename(&table, place.path("rows.csv")).expect("a table");
    std::fs::create_dir_all(table.join("in/the/way")).expect("a folder");
    let said = running.wait();
    assert_told(&said, REFUSED, &["results.csv", "after step 5 of epoch", "train --resume runs/train/exp"]);

    std::fs::remove_dir_all(&table).expect("the folder");
    std::fs::rename(place.path("rows.csv"), &table).expect("a table");
    let said = place.ok("train --resume");
    let undisturbed = Place::new();
    let whole = undisturbed.ok(&options);
    assert_eq!(said.weights_sha256(), whole.weights_sha256());
    let of = |place: &Place| results_without_times(&place.text("runs/train/exp/results.csv"));
    assert_eq!(of(&place), of(&undisturbed));
}

#[test]
fn a_folder_that_is_taken_away_is_made_again() {
    let options = format!("train {TINY} --epochs 3 --json");
    let place = Place::new();
    let mut running = start(place.command(&options));
    assert!(running.hear("\"event\":\"step\"", 1));
    std::fs::rename(place.path("runs/train/exp"), place.path("taken")).expect("a folder");
    let said = running.wait();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("had been removed; it is made again"), "{said:?}");
    let undisturbed = Place::new();
    let whole = undisturbed.ok(&options);
    assert_eq!(said.weights_sha256(), whole.weights_sha256());
    let of = |place: &Place| results_without_times(&place.text("runs/train/exp/results.csv"));
    assert_eq!(of(&place), of(&undisturbed));
    // a run like any other
    place.ok("train --resume --epochs 4");
}
