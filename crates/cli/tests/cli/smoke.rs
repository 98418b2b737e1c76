//! `plusx train --smoke` and `--time`: what comes before a long run.

use crate::program::{Place, TINY};
use serde_json::Value;
use std::time::Instant;

#[test]
fn a_smoke_run_says_that_all_works_and_leaves_nothing() {
    let place = Place::new();
    let said = place.ok(&format!("train {TINY} --smoke"));
    for part in ["everything works: 4 steps", "images/s", "the whole run, 5 epochs, takes about", "of memory"]
    {
        assert!(said.stdout.contains(part), "{part}: {said:?}");
    }
    assert!(!place.exists("runs"));
    place.ok(&format!("train {TINY} --max-steps 1"));
    let args = place.read("runs/train/exp/args.yaml");
    let said = place.ok(&format!("train {TINY} --smoke --name exp --json"));
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((&report["steps"], &report["plan"]["epochs"]), (&4.into(), &5.into()));
    assert!(report["run_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{report}");
    assert_eq!(std::fs::read_dir(place.path("runs/train")).expect("a folder").count(), 1);
    assert!(args == place.read("runs/train/exp/args.yaml"), "a real run was touched");
}

#[test]
fn a_smoke_run_does_all_that_the_run_would() {
    let place = Place::new();
    for options in [
        "--recipe small --scale 0.3,1 --hflip 0.5 --color-jitter 0.2 --aa rand-m5-n1 --reprob 0.2 --mixup 0.2 --cutmix 1",
        "--model-ema-decay 0.9 --opt adamw --lr 0.001 --clip-grad 1 --class-weights effective --sampler balanced",
        "--measure-every 2 --measure-limit 10 --batch-size auto --sched onecycle --smoothing 0.1 --exact",
        "--batch-size 256 --cache disk --max-steps 3 --patience 1 --min-delta 0.01 --sched plateau",
        "--sched-per epoch --warmup-epochs 1 --sched multistep --nesterov --momentum 0.9 --decay-weights-only",
        "--time 5s --recipe finetune",
    ] {
        let said = place.ok(&format!("train {TINY} {options} --smoke"));
        assert!(said.stdout.contains("everything works"), "{options}: {said:?}");
        assert!(!place.exists("runs"), "{options}");
    }
    place.ok(&format!("train {TINY} --max-steps 1 --output made"));
    let said = place.ok(&format!("train {TINY} --pretrained made/exp/weights/best.safetensors --smoke"));
    assert!(said.stderr.contains("starting from"), "{said:?}");
    assert!(!place.exists("runs"));
}

#[test]
fn a_run_that_would_fail_fails_in_smoke_the_same_way() {
    let place = Place::new();
    let said = place.plusx(&format!("train {TINY} --lr 1e30 --smoke"));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("--lr") && !said.stderr.contains("kept"), "{said:?}");
    assert!(!place.exists("runs"));
    let said = place.plusx("train --data nowhere/at/all --smoke");
    assert_eq!(said.code, Some(66), "{said:?}");
    place.write("runs", b"a file in the way");
    let said = place.plusx(&format!("train {TINY} --smoke"));
    assert_eq!(said.code, Some(74), "{said:?}");
    assert_eq!(place.text("runs"), "a file in the way");
}

#[cfg(unix)]
#[test]
fn ctrl_c_deletes_what_a_smoke_run_wrote() {
    let place = Place::new();
    let options = "train --data fashion-mnist-mini --resize 96 --batch-size 64 --threads 1 --smoke";
    let mut running = crate::program::start(place.hearing(options));
    let scratch =
        || std::fs::read_dir(place.path("runs/train")).is_ok_and(|mut folder| folder.next().is_some());
    assert!(running.until(scratch), "it ended too early");
    running.signal("INT");
    let said = running.wait();
    assert_eq!(said.code, Some(130), "{said:?}");
    assert!(said.stderr.contains("deleted") && said.stdout.is_empty(), "{said:?}");
    assert!(!place.exists("runs"));
}

#[test]
fn a_run_in_a_given_time_ends_in_it_and_is_the_run_of_its_epochs() {
    let place = Place::new();
    let begun = Instant::now();
    let said = place.ok(&format!("train {TINY} --time 4s"));
    // the program itself begins before its time does
    assert!(begun.elapsed().as_secs_f64() < 5.0, "{:?}", begun.elapsed());
    assert!(said.stderr.contains("measured on this machine"), "{said:?}");
    let args = place.text("runs/train/exp/args.yaml");
    assert!(args.contains("time: 4s"), "{args}");
    // busy machines may end it early; then it goes on
    place.ok("train --resume exp");
    let hash = place.ok("train --resume exp").weights_sha256();
    let again = place.ok("train -c runs/train/exp/args.yaml --threads 1");
    assert_eq!(again.weights_sha256(), hash);
    assert!(!place.text("runs/train/exp2/args.yaml").contains("time:"));
}

#[test]
fn a_plan_guesses_what_a_run_would_measure() {
    let place = Place::new();
    let said = place.ok(&format!("train {TINY} --time 10m --epochs 7 --dry-run"));
    assert!(said.stdout.contains("7 epochs") && said.stdout.contains("guessed"), "{said:?}");
    assert!(!place.exists("runs"));
}

#[test]
fn a_time_that_holds_no_step_is_refused() {
    let place = Place::new();
    let said =
        place.plusx("train --data fashion-mnist-mini --resize 128 --batch-size 256 --threads 1 --time 1s");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("give at least --time"), "{said:?}");
    assert!(!place.exists("runs"));
}
