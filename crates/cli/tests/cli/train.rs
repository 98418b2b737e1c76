//! `plusx train` from beginning to end: what goes to which stream, and what is in the folder.

use crate::program::{Place, SMALL, TINY, results_without_times};
use serde_json::Value;

#[test]
fn a_run_speaks_the_chapters_lines_and_fills_its_folder() {
    let place = Place::new();
    let said = place.ok(&format!("train {SMALL} --epochs 2"));

    let lines: Vec<_> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{said:?}");
    assert_eq!(lines[0], "training on cpu(0)");
    for (index, line) in lines[1..].iter().enumerate() {
        assert_epoch_line(line, index + 1);
    }
    assert!(said.stderr.contains("11,178,378 parameters"), "{}", said.stderr);
    assert!(said.stderr.contains("estimated time"), "{}", said.stderr);
    assert!(said.stderr.lines().last().is_some_and(|line| line.contains("fashion-mnist-mini")), "{said:?}");
    assert!(!said.stderr.contains('\x1b'), "no colours or cursor movements without a terminal");

    let run = "runs/train/exp";
    for name in ["args.yaml", "results.csv", "curves.svg", "curves.png"] {
        assert!(place.exists(&format!("{run}/{name}")), "{name}");
    }
    for name in ["last", "best"] {
        assert!(place.exists(&format!("{run}/weights/{name}.safetensors")), "{name}");
    }
    assert!(place.text(&format!("{run}/args.yaml")).contains("fashion-mnist-mini"));
    assert!(place.text(&format!("{run}/results.csv")).contains("fashion-mnist-mini"));
    assert_eq!(results_without_times(&place.text(&format!("{run}/results.csv"))).len(), 3);
}

/// `epoch 1, loss 0.1234, train acc 0.123, test acc 0.123, time 12.3 sec`
fn assert_epoch_line(line: &str, epoch: usize) {
    let parts: Vec<_> = line.split(", ").collect();
    let number = |part: &str, before: &str, after: &str, digits: usize| {
        let number = part.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        let number = number.unwrap_or_else(|| panic!("{line}"));
        assert!(number.parse::<f64>().is_ok(), "{line}");
        assert_eq!(number.split_once('.').map(|(_, decimals)| decimals.len()), Some(digits), "{line}");
    };
    assert_eq!(parts.len(), 5, "{line}");
    assert_eq!(parts[0], format!("epoch {epoch}"));
    number(parts[1], "loss ", "", 4);
    number(parts[2], "train acc ", "", 3);
    number(parts[3], "test acc ", "", 3);
    number(parts[4], "time ", " sec", 1);
}

#[test]
fn json_is_one_object_a_line() {
    let place = Place::new();
    let said = place.ok(&format!("train {SMALL} --epochs 1 --json"));
    let objects: Vec<Value> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let of = |name: &str| objects.iter().filter(|object| object["event"] == name).count();
    assert_eq!((of("plan"), of("started"), of("step"), of("epoch"), of("finished")), (1, 1, 5, 1, 1));
    let last = objects.last().expect("an object");
    assert_eq!(last["data"], "fashion-mnist-mini");
    assert_eq!(last["weights_sha256"], said.weights_sha256());
}

#[test]
fn dry_run_prints_the_plan_and_writes_nothing() {
    let place = Place::new();
    let said = place.ok(&format!("train {SMALL} --dry-run"));
    assert!(said.stdout.contains("11,178,378 parameters"), "{said:?}");
    assert!(!place.exists("runs"));
    let said = place.ok(&format!("train {SMALL} --dry-run --json"));
    let plan: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(plan["parameters"], 11_178_378);
    assert_eq!(plan["threads"], 2);
}

#[test]
fn a_step_of_several_batches_is_told_as_such() {
    let place = Place::new();
    let run = format!("train {TINY} --batch-size 16 --grad-accum-steps 4");
    assert!(place.ok(&format!("{run} --dry-run")).stdout.contains("5 epochs of 3 steps of 4 x 16 images"));
    let said = place.ok(&format!("{run} --epochs 1 --json"));
    let objects = said.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let objects: Vec<Value> = objects.collect();
    let plan = objects.iter().find(|object| object["event"] == "plan").expect("a plan");
    assert_eq!((&plan["batch_size"], &plan["grad_accum_steps"]), (&16.into(), &4.into()));
    assert_eq!(objects.iter().filter(|object| object["event"] == "step").count(), 3);
    assert!(place.text("runs/train/exp/args.yaml").contains("\ngrad_accum_steps: 4\n"));
    // one batch a step goes without saying
    let said = place.ok(&format!("train {TINY} --grad-accum-steps 1 --max-steps 1 --json"));
    assert!(!said.stdout.contains("grad_accum_steps"), "{said:?}");
    assert!(!place.text("runs/train/exp2/args.yaml").contains("grad_accum_steps"));
    for (wrong, words) in [("0", "--grad-accum-steps 0: at least 1"), ("half", "--grad-accum-steps")] {
        let said = place.plusx(&format!("train {TINY} --grad-accum-steps {wrong}"));
        assert!(said.code == Some(2) && said.stderr.contains(words), "{said:?}");
    }
}

#[test]
fn rates_of_layers_are_told_and_kept() {
    let place = Place::new();
    let said = place.ok(&format!("train {TINY} --layer-decay 0.75 --max-steps 1"));
    let words =
        "learning rate of a layer: times 0.75 for each layer behind it, so 5.631e-2 times in the first of 11";
    assert!(said.stderr.contains(words), "{said:?}");
    assert!(place.text("runs/train/exp/args.yaml").contains("\nlayer_decay: 0.75\n"));
    let plan = place.ok(&format!("train {TINY} --dry-run --json")).stdout;
    assert!(!plan.contains("layer_decay"), "{plan}");
    let said = place.plusx(&format!("train {TINY} --layer-decay 1.5"));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("--layer-decay 1.5: above 0 and at most 1"), "{said:?}");
}

#[test]
fn threads_come_from_the_option_then_rayon_then_openmp() {
    let place = Place::new();
    let threads = |arguments: &str, variables: &[(&str, &str)]| {
        let mut command =
            place.command(&format!("train --data fashion-mnist-mini --dry-run --json {arguments}"));
        command.envs(variables.iter().copied());
        let said = crate::program::start(command).wait();
        serde_json::from_str::<Value>(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"))["threads"].clone()
    };
    let both = [("RAYON_NUM_THREADS", "3"), ("OMP_NUM_THREADS", "5")];
    assert_eq!(threads("--threads 4", &both), 4);
    assert_eq!(threads("", &both), 3);
    assert_eq!(threads("", &both[1..]), 5);
}

#[test]
fn a_diverged_run_fails_and_keeps_its_checkpoint() {
    const LAST: &str = "runs/train/exp/weights/last.safetensors";
    // the first step leaves huge but finite weights, whose loss in the second step is not a number
    let diverging = format!("train {SMALL} --lr 1e30 --save-every 1steps");
    let place = Place::new();
    let said = place.plusx(&diverging);
    assert_eq!(said.code, Some(1), "{said:?}");
    for part in ["--lr", "step 2", &format!("kept: {LAST}")] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    let kept = place.read(LAST);
    let one_step = Place::new();
    one_step.plusx(&format!("{diverging} --max-steps 1"));
    assert!(kept == one_step.read(LAST), "the checkpoint is that of the last good step");

    let said = place.plusx("train --resume");
    assert_eq!(said.code, Some(1), "it diverges again: {said:?}");
    assert!(said.stderr.contains("after step 1"), "{said:?}");
    assert!(kept == place.read(LAST), "the checkpoint changed");
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_run() {
    let place = Place::new();
    let mut running = crate::program::start(
        place.shell(&format!("{{ \"$PLUSX\" train {SMALL} --epochs 2; echo code $? >&2; }} | head -n 1")),
    );
    assert!(running.hear("training on cpu(0)", 1));
    let said = running.wait();
    assert!(said.stderr.contains("code 0"), "{said:?}");
    assert_eq!(results_without_times(&place.text("runs/train/exp/results.csv")).len(), 3);
}

#[test]
fn what_can_hardly_be_meant_is_said() {
    let place = Place::new();
    let said = place.ok(&format!("train {TINY} --lr 0 --batch-size 256 --threads 64 --max-steps 1"));
    for part in [
        "--lr 0: nothing is learnt",
        "--batch-size 256: there are only 160 training images",
        "--threads 64: ",
        "granted here",
    ] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    let weights = "--weights runs/train/exp/weights/last.safetensors --data fashion-mnist-mini --threads 64";
    assert!(place.ok(&format!("eval {weights}")).stderr.contains("--threads 64: "));
    let said = place
        .ok(&format!("train {SMALL} --max-steps 1 --train-limit 7000 --measure-limit 5 --dry-run --json"));
    let plan: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(plan["notes"].as_array().map(Vec::len), Some(2), "{plan}");
    // at the highest precision a processor with tiles would be told of
    let said = place.ok(&format!("train {SMALL} --precision high --dry-run"));
    assert!(!said.stdout.contains("note:"), "{said:?}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let place = Place::new();
    for (arguments, hint) in [
        ("--lr inf", "--lr"),
        ("--lr=-0.1", "--lr"),
        ("--weight-decay -1", "--weight-decay"),
        ("--weight-decay nan", "--weight-decay"),
        ("--momentum 1", "below 1"),
        ("--momentum -0.5", "--momentum"),
        ("--max-steps 0", "--max-steps"),
        ("--batch-size 0", "--batch-size"),
        ("--batch-size -4", "--batch-size"),
        ("--batch-size many", "auto"),
        ("--train-limit 0", "--train-limit"),
        ("--resize 0", "--resize"),
        ("--save-every 0steps", "20steps"),
    ] {
        let said = place.plusx(&format!("train {arguments}"));
        assert_eq!(said.code, Some(2), "{arguments}: {said:?}");
        assert!(said.stderr.contains(hint), "{arguments}: {said:?}");
        assert!(!place.exists("runs"), "{arguments} left a run folder");
    }
}
