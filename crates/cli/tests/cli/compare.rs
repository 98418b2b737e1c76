//! `plusx compare`: what it writes and says, that its runs are those of `train`, and that stopping it changes nothing.

use crate::program::{Place, start};
use serde_json::Value;

/// Two networks, two seeds, six steps of a tiny recipe; an epoch has four, so that points stand inside an epoch, at an
/// epoch's end and at the end of the run.
const RECIPE: &str = "--data fashion-mnist-mini --resize 8 --train-limit 64 --batch-size 16 --max-steps 6 --momentum 0.9 \
                      --lr 0.02 --measure-every 3 --measure-limit 50 --threads 2";
const MODELS: &str = "--models plain20,resnet20 --seeds 2";
const CSV: &str = "runs/compare/exp/compare.csv";

fn options() -> String {
    format!("{MODELS} {RECIPE} --save-every 1steps")
}

/// Numbers of a column of a CSV file, in the rows that begin with `start`.
fn column(text: &str, name: &str, start: &str) -> Vec<f64> {
    let head: Vec<_> = text.lines().next().expect("a head line").split(',').collect();
    let index = head.iter().position(|column| *column == name).expect(name);
    let rows = text.lines().skip(1).filter(|row| row.starts_with(start));
    rows.map(|row| row.split(',').nth(index).and_then(|field| field.parse().ok()).expect("a number"))
        .collect()
}

#[test]
fn every_run_is_the_one_that_train_makes() {
    let place = Place::new();
    let said = place.ok(&format!("compare {}", options()));
    let csv = place.text(CSV);
    assert_eq!(csv.lines().next(), Some("model,seed,step,train_error,test_error"));
    assert_eq!(csv.lines().count(), 1 + 2 * 2 * 3, "{csv}");
    for run in ["plain20,42,", "plain20,43,", "resnet20,42,", "resnet20,43,"] {
        assert_eq!(column(&csv, "step", run), [3.0, 4.0, 6.0], "{run}");
    }
    for name in ["compare.yaml", "compare.svg", "compare.png", "resnet20-seed43/weights/best.safetensors"] {
        assert!(place.exists(&format!("runs/compare/exp/{name}")), "{name}");
    }
    let lines: Vec<_> = said.stdout.lines().collect();
    for (line, start) in lines.iter().zip([
        "plain20 seed 42: training error ",
        "resnet20 seed 42: training error ",
        "plain20 seed 43: ",
        "resnet20 seed 43: ",
        "network",
        "plain20 ",
        "resnet20 ",
        "no two of these networks",
    ]) {
        assert!(line.starts_with(start), "{line}: {start}");
    }
    assert_eq!(lines.len(), 8, "{said:?}");
    assert!(lines[5].contains(" ± "), "{}", lines[5]);

    place.ok(&format!("train --model resnet20 --seed 43 {RECIPE}"));
    for name in ["points.csv", "weights/last.safetensors"] {
        let (alone, here) =
            (format!("runs/train/exp/{name}"), format!("runs/compare/exp/resnet20-seed43/{name}"));
        assert_eq!(place.read(&alone), place.read(&here), "{name}");
    }
    // results.csv counts by itself: an epoch's running accuracy, and the accuracy on all test images
    let results = place.text("runs/train/exp/results.csv");
    let [train, test] = ["train_error", "test_error"].map(|name| column(&csv, name, "resnet20,43,"));
    let accuracy = column(&results, "train_top1", "");
    // three steps, then one, make the first epoch; then there are two of the second
    for (error, accuracy) in [(0.75 * train[0] + 0.25 * train[1], accuracy[0]), (train[2], accuracy[1])] {
        assert!((error - (1.0 - accuracy)).abs() < 2e-6, "{error} {accuracy}");
    }
    for (error, accuracy) in test[1..].iter().zip(column(&results, "val_top1", "")) {
        assert!((error - (1.0 - accuracy)).abs() < 2e-6, "{error} {accuracy}");
    }
    let points = place.text("runs/train/exp/points.csv");
    assert_eq!(column(&points, "test_images", ""), [50.0, 1000.0, 1000.0]);
}

#[test]
fn measuring_does_not_change_the_weights() {
    let place = Place::new();
    let plain =
        "--data fashion-mnist-mini --resize 8 --train-limit 64 --batch-size 16 --max-steps 4 --threads 2";
    let without = place.ok(&format!("train --model plain20 {plain}"));
    let with = place.ok(&format!("train --model plain20 {plain} --measure-every 1"));
    assert_eq!(with.weights_sha256(), without.weights_sha256());
    assert!(!place.exists("runs/train/exp/points.csv"));
}

#[test]
fn stopped_and_killed_it_ends_with_the_same_bytes() {
    let undisturbed = Place::new();
    let whole = undisturbed.ok(&format!("compare {}", options()));

    let place = Place::new();
    let mut running = start(place.command(&format!("compare {} --json", options())));
    // in the second run, between its first point and its end
    assert!(running.hear("\"event\":\"run_done\"", 1) && running.hear("\"event\":\"step\"", 3));
    running.kill();
    // three points of each run that is finished, nothing of the others
    let rows = place.text(CSV).lines().count() - 1;
    assert!(rows.is_multiple_of(3) && (3..12).contains(&rows), "{rows}");

    let mut running = start(place.command("compare --resume --json"));
    assert!(running.hear("\"event\":\"run_done\"", 1) && running.hear("\"event\":\"step\"", 1));
    #[cfg(unix)]
    {
        running.signal("INT");
        let said = running.wait();
        assert_eq!(said.code, Some(130), "{said:?}");
        assert!(said.stderr.contains("compare --resume runs/compare/exp"), "{said:?}");
        assert!(!said.stderr.contains("run 1 of 4"), "a finished run was repeated: {said:?}");
    }
    #[cfg(not(unix))]
    running.kill();

    let said = place.ok("compare --resume runs/compare/exp --threads 1");
    assert!(said.stderr.contains("run 4 of 4") && !said.stderr.contains("run 1 of 4"), "{said:?}");
    assert_eq!(place.read(CSV), undisturbed.read(CSV));
    for name in ["compare.svg", "compare.png", "plain20-seed43/weights/last.safetensors"] {
        let name = format!("runs/compare/exp/{name}");
        assert!(place.read(&name) == undisturbed.read(&name), "{name}");
    }
    let table = |stdout: &str| stdout.split_once("network").map(|(_, table)| table.to_owned());
    assert_eq!(table(&said.stdout), table(&whole.stdout));

    // once more, when all is done: the same files and findings, no run
    let again = place.ok("compare --resume");
    assert!(!again.stderr.contains("run 4 of 4"), "{again:?}");
    assert_eq!(table(&again.stdout), table(&whole.stdout));
    assert_eq!(place.read(CSV), undisturbed.read(CSV));
}

#[test]
fn a_comparison_goes_on_as_it_was_begun_or_not_at_all() {
    let place = Place::new();
    let begun = place.plusx(&format!("compare {} --max-steps 1 --seeds 1 --epochs 1", options()));
    assert_eq!(begun.code, Some(0), "{begun:?}");
    for (change, hint) in [
        ("--lr 0.1", "--lr 0.1: the comparison was begun with 0.02"),
        (
            "--models plain20,resnet32",
            "--models plain20,resnet32: the comparison was begun with plain20,resnet20",
        ),
        ("--seeds 3", "--seeds 3: the comparison was begun with 1"),
        ("--seed 7", "--seed 7"),
        ("--max-steps 9", "--max-steps 9: the comparison was begun with 1"),
        ("--epochs 2", "--epochs 2"),
        ("--measure-every 5", "--measure-every 5"),
        ("--data fashion-mnist", "--data"),
    ] {
        let said = place.plusx(&format!("compare --resume {change}"));
        assert_eq!(said.code, Some(2), "{change}: {said:?}");
        assert!(said.stderr.contains(hint), "{change}: {said:?}");
    }
    // what it was begun with may be said again
    place.ok("compare --resume exp --models plain20,resnet20 --seeds 1 --lr 0.02 --epochs 1 --max-steps 1");

    let said = place.plusx(&format!("compare {} --name exp", options()));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("--resume"), "{said:?}");
    let said = place.plusx("compare --resume elsewhere");
    assert_eq!(said.code, Some(66), "{said:?}");
    assert!(said.stderr.contains("compare.yaml"), "{said:?}");

    // runs that are not of this recipe are not mixed in
    let args = "runs/compare/exp/plain20-seed42/args.yaml";
    place.write(args, place.text(args).replace("lr: 0.02", "lr: 0.03").as_bytes());
    let said = place.plusx("compare --resume exp");
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("plain20-seed42/args.yaml"), "{said:?}");
}

#[test]
fn findings_are_objects_for_programs() {
    let place = Place::new();
    let options =
        options().replace("resnet20 --seeds 2", "plain32,resnet20,resnet32 --seeds 1 --max-steps 1");
    let options = options.replace("--max-steps 6", "");
    let said = place.ok(&format!("compare {options} --json"));
    let objects: Vec<Value> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let of = |event: &str| objects.iter().filter(|object| object["event"] == event).collect::<Vec<_>>();
    assert_eq!((of("comparison").len(), of("run").len(), of("run_done").len()), (1, 4, 4));
    let models = of("model");
    assert_eq!(models.len(), 4);
    assert_eq!(models[1]["model"], "plain32");
    assert_eq!(models[1]["train_error"]["mean"], of("run_done")[1]["train_error"]);
    assert_eq!(of("deeper").len(), 2);
    assert_eq!((&models[1]["train_images"], &models[1]["test_images"]), (&16.into(), &1000.into()));
    let claim = of("claim")[0];
    assert_eq!(claim["plain"][1], "plain32");
    // one seed shows no spread, and nothing follows from it
    assert_eq!((&claim["plain_is_worse"], &of("deeper")[0]["worse"]), (&Value::Null, &Value::Null));
    let said = place.ok(&format!("compare {options} --name text"));
    for part in ["nothing follows for plain32 from one seed", "one seed cannot tell: ask for --seeds 3"] {
        assert!(said.stdout.contains(part), "{part}: {said:?}");
    }
    assert!(!said.stdout.contains("trains worse"), "{said:?}");
    // 16 training images bear no decimals, 1000 test images one
    let row = said.stdout.lines().find(|line| line.starts_with("plain20  ")).expect("a row");
    let [.., train, test] = row.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{row}") };
    assert!(!train.contains('.') && test.split('.').nth(1).is_some_and(|part| part.len() == 1), "{row}");
}

#[test]
fn dry_run_tells_the_time_of_all_runs() {
    let place = Place::new();
    let said = place.ok(&format!("compare {} --dry-run", options()));
    for part in ["plain20", "resnet20", "estimated time", "2 seeds each", "every 3 steps on 50 test images"] {
        assert!(said.stdout.contains(part), "{part}: {said:?}");
    }
    let said = place.ok(&format!("compare {} --dry-run --json", options()));
    let plan: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let whole = plan["estimate_seconds"].as_f64().expect("a number");
    let one = |index: usize| plan["models"][index]["estimate_seconds"].as_f64().expect("a number");
    assert!((whole - 2.0 * (one(0) + one(1))).abs() < 1e-9 * whole, "{plan}");
    assert!(!place.exists("runs"));
    // without options the comparison of docs/chapter.md, which nobody waits long for
    let said = place.ok("compare --dry-run --json --threads 2");
    let plan: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let first = &plan["models"][0];
    for (field, value) in [("input", "1x28x28".into()), ("batch_size", Value::from(120))] {
        assert_eq!(first[field], value);
    }
    assert_eq!((&plan["measure_every"], &plan["measure_images"]), (&50.into(), &measured(first)));
    assert!(plan["estimate_seconds"].as_f64().is_some_and(|seconds| seconds < 3.0 * 3600.0), "{plan}");
    // an option of the recipe asks for that of train, and a long time is said with ways out
    let said = place.ok("compare --epochs 5 --dry-run --threads 2 --data fashion-mnist-mini");
    assert!(said.stdout.contains("5 epochs of 24 steps of 256 images"), "{said:?}");
    assert!(said.stdout.contains("to see less in less time"), "{said:?}");
    // twenty points if nobody says: 5 epochs of 24 steps, four in each
    let said = place.ok("compare --data fashion-mnist-mini --resize 8 --dry-run --json");
    let plan: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((&plan["measure_every"], &plan["seeds"]), (&6.into(), &3.into()));
}

/// Test images looked at inside an epoch by default, of a set that this machine has.
fn measured(plan: &Value) -> Value {
    plan["test_images"].as_u64().map_or(Value::Null, |images| images.min(2000).into())
}
