//! `--class-weights FILE`: what is kept of the file, and what is said of a bad one.

use crate::program::{Place, TINY};

const CLASSES: [&str; 10] =
    ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// A line for each class but those that `but` names, with the weights 0.5, 1, 1.5, ...
fn weights(but: &[&str]) -> String {
    let lines = CLASSES.iter().enumerate().filter(|(_, class)| !but.contains(class));
    lines.map(|(index, class)| format!("{class},{}\n", (index + 1) as f32 / 2.0)).collect()
}

const LAST: &str = "weights/last.safetensors";

#[test]
fn the_numbers_are_kept_and_the_file_is_not_needed_again() {
    let place = Place::new();
    place.write("w.csv", format!("class,weight\n{}", weights(&[])).as_bytes());
    let train = format!("train {TINY} --class-weights w.csv");
    place.ok(&format!("{train} --epochs 2"));
    place.ok(&format!("{train} --epochs 2 --max-steps 3"));
    let args = place.text("runs/train/exp/args.yaml");
    assert!(args.contains("\nclass_weights:\n  ankle boot: 5.0\n  bag: 4.5\n"), "{args}");
    assert!(!args.contains("w.csv"), "{args}");
    // it may be named again where it says the same
    let said = place.ok("train --resume runs/train/exp2 --class-weights w.csv --max-steps 4");
    assert!(!said.stderr.contains("nothing is left"), "{said:?}");
    place.write("w.csv", weights(&[]).replace("bag,4.5", "bag,4").as_bytes());
    let said = place.plusx("train --resume runs/train/exp2 --class-weights w.csv --epochs 2");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr.contains("--class-weights w.csv: the run was started with \"ankle boot\" 5"),
        "{said:?}"
    );
    std::fs::remove_file(place.path("w.csv")).expect("the file");
    place.ok("train --resume runs/train/exp2 --epochs 2");
    place.ok("train -c runs/train/exp/args.yaml");
    let whole = place.read(&format!("runs/train/exp/{LAST}"));
    for run in ["exp2", "exp3"] {
        assert!(place.read(&format!("runs/train/{run}/{LAST}")) == whole, "{run}");
    }
    // and what is given beside args.yaml goes before it
    place.ok("train -c runs/train/exp/args.yaml --class-weights none --max-steps 1");
    assert!(!place.text("runs/train/exp4/args.yaml").contains("class_weights"));
}

#[test]
fn a_bad_file_is_refused_with_file_line_and_class() {
    let place = Place::new();
    for (text, words) in [
        (weights(&["coat"]), "w.csv: it has no weight for \"coat\" of data set fashion-mnist-mini"),
        (
            weights(&["coat"]) + "coats,1\n",
            "w.csv, line 10: data set fashion-mnist-mini has no class \"coats\" (did you mean coat?)",
        ),
        (weights(&[]) + "bag,1\n", "w.csv, line 11: class \"bag\" has its weight in line 9 already"),
        (weights(&["bag"]) + "bag,-1\n", "w.csv, line 10: the weight of class \"bag\" is \"-1\""),
        (weights(&["bag"]) + "bag,heavy\n", "w.csv, line 10: the weight of class \"bag\" is \"heavy\""),
    ] {
        place.write("w.csv", text.as_bytes());
        for command in [
            format!("train {TINY} --class-weights w.csv"),
            format!("train {TINY} --class-weights w.csv --dry-run"),
        ] {
            let said = place.plusx(&command);
            assert_eq!(said.code, Some(65), "{said:?}");
            assert!(said.stderr.contains(words), "{words}: {said:?}");
        }
    }
    let said = place.plusx(&format!("train {TINY} --class-weights balancd"));
    assert_eq!(said.code, Some(66), "{said:?}");
    assert!(said.stderr.contains("--class-weights balancd: there is no such file"), "{said:?}");
    assert!(!place.exists("runs"), "refused before anything was made");
}

#[test]
fn a_comparison_keeps_them_for_all_its_runs() {
    let place = Place::new();
    place.write("w.csv", weights(&[]).as_bytes());
    let recipe = "--data fashion-mnist-mini --resize 8 --train-limit 32 --batch-size 16 --threads 2 --max-steps 2 \
                  --class-weights w.csv --grad-accum-steps 2 --layer-decay 0.8";
    place.ok(&format!("compare --models plain20,resnet20 --seeds 1 {recipe}"));
    assert!(place.text("runs/compare/exp/compare.yaml").contains("    ankle boot: 5.0\n"));
    place.ok(&format!("train --model resnet20 {recipe} --measure-every 1"));
    let alone = place.read(&format!("runs/train/exp/{LAST}"));
    assert!(alone == place.read(&format!("runs/compare/exp/resnet20-seed42/{LAST}")));
    std::fs::remove_file(place.path("w.csv")).expect("the file");
    std::fs::remove_dir_all(place.path("runs/compare/exp/resnet20-seed42")).expect("a run");
    place.ok("compare --resume");
    assert!(alone == place.read(&format!("runs/compare/exp/resnet20-seed42/{LAST}")));
}
