//! Memory before the first step: what is told is what is taken, what there is no room for is refused with what there is.
#![cfg(target_os = "linux")]

use crate::program::{Place, SMALL, Said, TINY, start};
use serde_json::Value;

/// A network whose batch decides its memory.
const RUN: &str = "--model resnet20 --data fashion-mnist-mini --resize 16 --threads 2 --max-steps 1";

/// A comparison likewise.
const COMPARE: &str =
    "--models plain20,resnet20 --data fashion-mnist-mini --resize 16 --threads 2 --max-steps 1";

/// `plusx` with at most so many kilobytes of addresses.
fn limited(place: &Place, kilobytes: u32, arguments: &str) -> Said {
    start(place.shell(&format!("ulimit -v {kilobytes}; exec \"$PLUSX\" {arguments}"))).wait()
}

/// The number after `words`.
fn number_after(text: &str, words: &str) -> usize {
    let (_, rest) = text.split_once(words).unwrap_or_else(|| panic!("{words}: {text}"));
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

#[test]
fn a_batch_without_room_is_refused_with_one_that_fits() {
    let place = Place::new();
    let said = limited(&place, 700_000, &format!("train {RUN} --batch-size 5000"));
    assert_eq!(said.code, Some(1), "{said:?}");
    for part in ["--batch-size 5000 takes", "ulimit -v", "--batch-size auto"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    assert!(!place.exists("runs"), "refused before anything was made");
    let fits = number_after(&said.stderr, "the largest batch that fits is ");
    let said = limited(&place, 700_000, &format!("train {RUN} --batch-size {fits}"));
    assert_eq!(said.code, Some(0), "{fits}: {said:?}");
    let more = fits + fits / 4;
    let said = limited(&place, 700_000, &format!("train {RUN} --batch-size {more} --dry-run"));
    assert_eq!(said.code, Some(1), "{more}: {said:?}");
    let plan = said.stdout.replace(',', "");
    assert!(plan.contains(&format!("of {more} images")), "the plan is told all the same: {said:?}");
    // where there is less, the run cannot go on with the batch it has
    let said = limited(&place, 400_000, "train --resume --max-steps 2");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("a resumed run keeps its batch size"), "{said:?}");
}

#[test]
fn not_even_one_image_is_said() {
    let place = Place::new();
    for command in
        [format!("train {RUN}"), format!("compare {COMPARE}"), "bench train --threads 2".to_owned()]
    {
        let said = limited(&place, 310_000, &command);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains("not even one image fits"), "{command}: {said:?}");
        assert!(!place.exists("runs"), "{command}");
    }
}

#[test]
fn auto_takes_what_fits_and_a_resumed_run_keeps_it() {
    let place = Place::new();
    let said = limited(&place, 480_000, &format!("train {RUN} --batch-size auto"));
    assert_eq!(said.code, Some(0), "{said:?}");
    let batch = number_after(&said.stderr, "--batch-size auto: ");
    assert!(batch.is_power_of_two() && (2..256).contains(&batch), "{said:?}");
    assert!(said.stderr.contains(&format!("{} would take", 2 * batch)), "{said:?}");
    assert!(place.text("runs/train/exp/args.yaml").contains(&format!("batch_size: {batch}\n")));
    for command in ["train --resume --max-steps 2", "train --resume --max-steps 3 --batch-size auto"] {
        let said = place.ok(command);
        assert!(said.stderr.contains(&format!("steps of {batch} images")), "{said:?}");
    }
    // the same run where there is enough
    let again = Place::new().ok(&format!("train {RUN} --batch-size {batch}"));
    assert_eq!(again.weights_sha256(), said.weights_sha256());
}

#[test]
fn auto_is_the_recipes_batch_where_there_is_room_and_no_more_than_the_data() {
    let place = Place::new();
    for (limit, batch) in [("", 256), ("--train-limit 160", 128), ("--train-limit 1", 1)] {
        let said = place.ok(&format!("train {RUN} {limit} --batch-size auto --dry-run --json"));
        let plan: Value = serde_json::from_str(&said.stdout).expect("JSON");
        assert_eq!(plan["batch_size"], batch, "{limit}: {said:?}");
    }
    let said = place.ok(&format!("compare {COMPARE} --batch-size auto --dry-run --json"));
    let plan: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(plan["models"][0]["batch_size"], 256, "{said:?}");
}

#[test]
fn what_is_told_is_what_is_taken() {
    // the program's own pages come on top of what a plan tells
    const PROGRAM: f64 = 24e6;
    for options in [
        format!("{SMALL} --max-steps 1"),
        format!("{SMALL} --resize 32 --train-limit 257 --batch-size 256 --max-steps 1 --momentum 0.9"),
        format!("{TINY} --resize 32 --train-limit 512 --batch-size 160 --max-steps 1 --threads 4"),
    ] {
        let place = Place::new();
        let mut running = start(place.command(&format!("train {options} --json")));
        // a run is at its fullest while it saves
        assert!(running.hear("\"reason\":\"max_steps\"", 1));
        let peak = running.peak_memory() as f64;
        let said = running.wait();
        let plan: Value = serde_json::from_str(said.stdout.lines().next().expect("a plan")).expect("JSON");
        let told = plan["memory_bytes"].as_f64().expect("bytes") + PROGRAM;
        assert!((0.95..1.15).contains(&(told / peak)), "{options}: told {told}, taken {peak}");
    }
}
