//! Recipes are printed and set what they say. A run is made again from its `args.yaml`.

use crate::program::{Place, SMALL, TINY, results_without_times};

#[test]
fn recipes_are_printed_as_options_and_hold() {
    let place = Place::new();
    let all = place.ok("recipes").stdout;
    assert!(
        ["d2l: ", "small: ", "finetune: ", "tv: ", "tv2: ", "timm: "].iter().all(|name| all.contains(name)),
        "{all}"
    );
    let one = place.ok("recipes small").stdout;
    assert!(one.starts_with("small: ") && one.contains("\n  --nesterov\n") && !one.contains("d2l"), "{one}");
    let json: serde_json::Value = serde_json::from_str(&place.ok("recipes --json").stdout).unwrap();
    assert_eq!(json.as_array().map(Vec::len), Some(6));
    assert_eq!(json[0]["recipe"], "d2l");
    assert_eq!(place.plusx("recipes best").code, Some(2));

    // the printed options make the run that the recipe makes
    let options: String = one.lines().skip(1).collect();
    let plan = |words: &str| place.ok(&format!("train {TINY} --dry-run {words} --batch-size 32"));
    let [recipe, printed] = [plan("--recipe small"), plan(&options)];
    assert_eq!(recipe.stdout, printed.stdout);
    assert!(
        recipe
            .stdout
            .contains("learning rate: 5 epochs of warm-up from 0.00001, then a cosine from 0.025 to 0"),
        "{recipe:?}"
    );
}

#[test]
fn recipes_of_other_programs_run_and_are_made_again() {
    let place = Place::new();
    for recipe in ["tv", "tv2", "timm"] {
        let small = "--data fashion-mnist-mini --model resnet20 --resize 16 --threads 1 --train-limit 40";
        let words = format!("train {small} --recipe {recipe} --batch-size 16 --max-steps 4");
        let plan = place.ok(&format!("{words} --dry-run")).stdout;
        // 40 images are 2 whole batches of 16
        let steps = if recipe == "timm" { "2 steps" } else { "3 steps" };
        assert!(plan.contains(steps), "{recipe}: {plan}");
        place.ok(&format!("{words} --name {recipe}"));
        place.ok(&format!("train -c runs/train/{recipe}/args.yaml --name {recipe}-again"));
        let weights = |run: String| place.read(&format!("runs/train/{run}/weights/last.safetensors"));
        assert!(weights(recipe.to_owned()) == weights(format!("{recipe}-again")), "{recipe}");
    }
    // 0.1 x 16 / 256
    assert!(place.text("runs/train/timm/args.yaml").contains("\nlr: 0.00625\n"));
    let few =
        place.plusx("train --data fashion-mnist-mini --recipe timm --resize 16 --train-limit 9 --dry-run");
    assert!(few.stderr.contains("only 9 training images, fewer than --batch-size 128"), "{few:?}");
    assert_eq!(few.code, Some(65), "{few:?}");
}

#[test]
fn a_run_is_made_again_from_its_options() {
    let place = Place::new();
    place
        .ok(&format!("train {SMALL} --recipe small --epochs 2 --batch-size 16 --lr 0.01 --sampler balanced"));
    place.ok("train -c runs/train/exp/args.yaml");
    let [first, again] = ["exp", "exp2"].map(|run| format!("runs/train/{run}"));
    let weights = |run: &str| place.read(&format!("{run}/weights/last.safetensors"));
    assert!(weights(&first) == weights(&again));
    let [rows, same] =
        [&first, &again].map(|run| results_without_times(&place.text(&format!("{run}/results.csv"))));
    assert_eq!(rows, same);
    // but for the folder's name the options are the same
    let args = |run: &str| place.text(&format!("{run}/args.yaml"));
    assert_eq!(args(&first).replace("name: exp\n", "name: exp2\n"), args(&again));
    // what is given goes before it
    place.ok("train --config runs/train/exp/args.yaml --seed 8 --name other");
    assert!(weights("runs/train/other") != weights(&first));
    assert_eq!(place.plusx("train -c runs/train/exp/args.yaml --recipe d2l").code, Some(2));
    assert_eq!(place.plusx("train -c nowhere.yaml").code, Some(66));
    place.write("bad.yaml", b"epochs: many\n");
    let bad = place.plusx("train -c bad.yaml");
    assert!(bad.stderr.contains("bad.yaml: not the options of a run"), "{bad:?}");
}

#[test]
fn a_run_from_weights_is_made_again_from_the_same_weights_only() {
    let place = Place::new();
    place.ok(&format!("train {TINY} --max-steps 1 --name first"));
    let file = "runs/train/first/weights/last.safetensors";
    place.ok(&format!("train {TINY} --max-steps 2 --name second --pretrained {file}"));
    place.ok("train -c runs/train/second/args.yaml --name third");
    let weights = |run: &str| place.read(&format!("runs/train/{run}/weights/last.safetensors"));
    assert!(weights("second") == weights("third"));
    place.write(file, &weights("second"));
    let other = place.plusx("train -c runs/train/second/args.yaml");
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(other.stderr.contains("other weights") && other.stderr.contains(file), "{other:?}");
}
