//! `plusx lr-find`: what it says, what it writes, and that threads do not matter.

use crate::program::{Place, TINY};
use serde_json::Value;

#[test]
fn a_rate_is_suggested_and_the_curve_drawn() {
    let place = Place::new();
    let said = place.ok(&format!("lr-find {TINY} --recipe small"));
    let lr =
        said.stdout.trim().strip_prefix("suggested learning rate: ").unwrap_or_else(|| panic!("{said:?}"));
    assert!(lr.parse::<f32>().is_ok_and(|lr| (1e-5..1.0).contains(&lr)), "{said:?}");
    assert!(said.stderr.contains(&format!("plusx train --lr {lr}")), "{said:?}");
    assert!(said.stderr.contains("--momentum 0.9 and --batch-size 32"), "{said:?}");
    let table = place.text("runs/lr-find/exp/lr-find.csv");
    assert!(table.starts_with("step,lr,loss,smoothed_loss\n1,1e-7,"), "{table}");
    assert!(place.read("runs/lr-find/exp/lr-find.png").starts_with(b"\x89PNG"));
    assert!(!place.exists("runs/train"));
    // the suggestion is one that the run takes
    place.ok(&format!("train {TINY} --recipe small --lr {lr} --max-steps 1"));
}

#[test]
fn threads_have_no_part_in_a_range_test() {
    let place = Place::new();
    for threads in [1, 2] {
        place.ok(&format!("lr-find {TINY} --threads {threads} --mixup 0.2 --hflip 0.5 --name of{threads}"));
    }
    for end in ["csv", "png", "svg"] {
        let [one, two] = [1, 2].map(|threads| place.read(&format!("runs/lr-find/of{threads}/lr-find.{end}")));
        assert!(one == two, "{end}");
    }
}

#[test]
fn json_is_one_object_and_the_options_of_a_run_are_taken() {
    let place = Place::new();
    let said =
        place.ok(&format!("lr-find {TINY} --opt adamw --lr 3 --epochs 7 --sched cosine --time 5m --json"));
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert!(report["suggestion"].is_number() && report["batch_size"] == 32, "{report}");
    for option in ["--lr", "--epochs", "--sched", "--time"] {
        assert!(said.stderr.contains(&format!("{option} has no part in a range test")), "{option}: {said:?}");
    }
    assert!(said.stderr.contains("--opt adamw"), "{said:?}");
    let help = place.ok("lr-find --help").stdout;
    assert!(
        help.contains("--batch-size") && !help.contains("--epochs") && help.contains("runs/lr-find"),
        "{help}"
    );
}

#[test]
fn a_range_test_starts_from_weights_and_says_if_there_is_no_valley() {
    let place = Place::new();
    place.ok(&format!("train {TINY} --recipe small --epochs 2"));
    let weights = "--pretrained runs/train/exp/weights/best.safetensors";
    let first = |table: String| table.lines().nth(1).expect("a step").split(',').nth(2).map(str::to_owned);
    place.ok(&format!("lr-find {TINY} {weights} --name warm"));
    place.ok(&format!("lr-find {TINY} --name cold"));
    let [warm, cold] =
        ["warm", "cold"].map(|name| first(place.text(&format!("runs/lr-find/{name}/lr-find.csv"))));
    assert_ne!(warm, cold);
}

#[test]
fn what_cannot_be_tested_is_refused_as_a_run_is() {
    let place = Place::new();
    for (arguments, code, hint) in [
        ("--data nowhere/at/all", 66, "nowhere/at/all"),
        ("--model resnet9000", 2, "resnet18-d2l"),
        ("--batch-size 0", 2, "--batch-size"),
        ("--resume", 2, "--resume"),
        ("--smoke", 2, "--smoke"),
    ] {
        let said = place.plusx(&format!("lr-find {arguments}"));
        assert_eq!(said.code, Some(code), "{arguments}: {said:?}");
        assert!(said.stderr.contains(hint), "{arguments}: {said:?}");
        assert!(!place.exists("runs"), "{arguments}");
    }
}
