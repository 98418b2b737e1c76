//! The commands that look: models, summary, plan, doctor, bench, eval, predict, data, licenses.

use crate::program::{Place, SMALL, start};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn summary_counts_what_the_chapters_network_has() {
    let place = Place::new();
    for (input, macs) in [("1x96x96", 318_657_536_u64), ("1x224x224", 1_734_890_496)] {
        let found = json(&place.ok(&format!("summary --input {input} --json")).stdout);
        assert_eq!(found["model"], "resnet18-d2l");
        assert_eq!(found["input"], input);
        assert_eq!(found["total_params"], 11_178_378);
        assert_eq!(found["total_macs"], macs);
        let layers = found["layers"].as_array().expect("a list");
        let sum =
            |field: &str| layers.iter().map(|layer| layer[field].as_u64().expect("a number")).sum::<u64>();
        assert_eq!((sum("params"), sum("macs")), (11_178_378, macs));
        assert_eq!(layers[0]["name"], "conv0");
        assert_eq!(layers.last().expect("layers")["output_shape"], serde_json::json!([10, 1, 1]));
    }
    let text = place.ok("summary").stdout;
    assert!(text.contains("11,178,378") && text.contains("318,657,536"), "{text}");
}

#[test]
fn models_are_listed_with_what_they_cost() {
    let place = Place::new();
    let found = json(&place.ok("models --json").stdout);
    let rows = found.as_array().expect("a list");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}"));
    let resnet50 = serde_json::json!({
        "name": "resnet50", "params": 25_557_032, "macs": 4_089_184_256_u64,
        "input": "3x224x224", "classes": 1000, "names": "torchvision", "preprocess": "imagenet",
    });
    assert_eq!(*row("resnet50"), resnet50);
    for (name, input, classes, names) in [
        ("resnet18-d2l", "1x96x96", 10, "d2l"),
        ("resnet20", "3x32x32", 10, "plusx"),
        ("resnet50d", "3x224x224", 1000, "timm"),
    ] {
        let row = row(name);
        assert_eq!(
            (&row["input"], &row["classes"], &row["names"]),
            (&input.into(), &classes.into(), &names.into())
        );
    }
    let text = place.ok("models").stdout;
    assert_eq!(text.lines().count(), rows.len() + 1);
    assert!(text.contains("25,557,032") && text.contains("4,089,184,256"), "{text}");
    // an unknown name is answered with all of them
    let said = place.plusx("summary --model resnet9000");
    assert!(rows.iter().all(|row| said.stderr.contains(row["name"].as_str().expect("a name"))), "{said:?}");
}

#[test]
fn networks_are_shown_as_they_were_made() {
    let place = Place::new();
    let found = json(&place.ok("summary --model resnet50 --json").stdout);
    assert_eq!((&found["input"], &found["total_params"]), (&"3x224x224".into(), &25_557_032.into()));
    let found = json(&place.ok("summary --model resnet50 --classes 7 --json").stdout);
    assert_eq!(found["total_params"], 25_557_032 - (1000 - 7) * 2049);
    for model in ["resnet50", "resnext50_32x4d", "resnet50d", "resnet50v2", "plain34", "resnet110"] {
        let plan = place.ok(&format!("plan --model {model} --batch-size 1")).stdout;
        assert!(
            plan.starts_with("plan: training, batch 1") && plan.contains("dense0 forward"),
            "{model}: {plan}"
        );
    }
    let said = place.ok("bench train --model resnet20 --input 3x8x8 --batch 2 --steps 1 --json");
    assert_eq!(json(&said.stdout)["model"], "resnet20");
}

#[test]
fn plan_shows_steps_and_is_the_same_twice() {
    let place = Place::new();
    let plan = "plan --input 1x32x32 --batch-size 8";
    let first = place.ok(plan);
    assert!(first.stdout.contains("conv0"), "{first:?}");
    assert_eq!(first.stdout, place.ok(plan).stdout);
    assert_ne!(first.stdout, place.ok(&format!("{plan} --mode infer")).stdout);
}

#[test]
fn doctor_tells_what_it_finds() {
    let place = Place::new();
    let found = json(&place.ok("doctor --json").stdout);
    assert!(
        found["isa_levels"].as_array().is_some_and(|levels| levels.iter().any(|level| level == "portable"))
    );
    assert!(found["threads"].as_u64().is_some_and(|threads| threads >= 1));
    let text = place.ok("doctor").stdout;
    for part in ["instruction sets", "cores", "memory", "huge pages", "fashion-mnist-mini"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn bench_gives_the_agreed_fields() {
    let place = Place::new();
    for (what, batch) in [("train", "--batch-size 4"), ("infer", "--batch 4")] {
        let bench =
            format!("bench {what} --model resnet18-d2l --input 1x32x32 {batch} --steps 3 --threads 2 --json");
        let said = place.ok(&bench);
        let found = json(&said.stdout);
        for (field, value) in [("model", "resnet18-d2l"), ("input", "1x32x32")] {
            assert_eq!(found[field], value);
        }
        for (field, value) in [("batch", 4), ("threads", 2), ("steps", 3)] {
            assert_eq!(found[field], value);
        }
        assert!(found["isa"].is_string());
        let number = |field: &str| found[field].as_f64().unwrap_or_else(|| panic!("{field}: {found}"));
        assert!(number("step_ms_p10") <= number("step_ms_median"));
        assert!(number("step_ms_median") <= number("step_ms_p90"));
        let speed = 4e3 / number("step_ms_median");
        assert!((number("img_per_s") / speed - 1.0).abs() < 0.01);
        if cfg!(target_os = "linux") {
            assert!(number("peak_rss_mb") > 10.0);
        }
    }
}

#[test]
fn batches_that_no_machine_holds_are_refused() {
    let place = Place::new();
    for batch in ["10000000", "18446744073709551615"] {
        for command in ["bench train", "bench infer"] {
            let said = place.plusx(&format!("{command} --batch-size {batch}"));
            assert_eq!(said.code, Some(1), "{said:?}");
            for part in [batch, "batch"] {
                assert!(said.stderr.contains(part), "{part}: {said:?}");
            }
        }
    }
    let said = place.plusx("plan --batch-size 18446744073709551615");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("smaller batch"), "{said:?}");
}

#[test]
fn a_profile_is_data_too() {
    let said = Place::new().ok("bench train --input 1x32x32 --batch 4 --steps 1 --profile --json");
    let report: Value = serde_json::from_str(&said.stdout).expect("one JSON object");
    let steps = report["profile"].as_array().expect("the steps");
    let sum: f64 = steps.iter().map(|step| step["direct_gflop"].as_f64().expect("a number")).sum();
    let limit = report["direct_limit_img_per_s"].as_f64().expect("a number");
    assert!(sum > 0.0 && limit > 0.0);
    assert!(steps.iter().all(|step| step["pieces"].as_u64().is_some_and(|pieces| pieces > 0)));
}

#[test]
fn a_profile_names_steps_and_kernels() {
    let place = Place::new();
    let said = place.ok("bench train --input 1x32x32 --batch 4 --steps 2 --profile");
    for part in ["GFLOP/s", "peak", "conv0", "sum", "2 steps: median ", "ms, 10th percentile "] {
        assert!(said.stdout.contains(part), "{part}: {said:?}");
    }
}

#[test]
fn eval_and_predict_read_what_train_wrote() {
    let place = Place::new();
    place.ok(&format!("train {SMALL} --epochs 1"));
    let weights = "--weights runs/train/exp/weights/best.safetensors --threads 2";
    let found = json(&place.ok(&format!("eval {weights} --data fashion-mnist-mini")).stdout);
    assert_eq!(found["n"], 1000);
    let number = |field: &str| found[field].as_f64().expect("a number");
    assert!(number("loss").is_finite());
    assert!((0.0..=1.0).contains(&number("top1")) && number("top1") <= number("top5"));
    // eval gives again what the run wrote down
    let results = place.text("runs/train/exp/results.csv");
    let mut rows = results.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let (head, row) = (rows.next().expect("a head"), rows.next().expect("a row"));
    let column = head.iter().position(|name| *name == "val_top1").expect("a column val_top1");
    assert!((row[column].parse::<f64>().expect("a number") - number("top1")).abs() < 1e-6);

    place.write("grey.png", GREY_PNG);
    place.write("not.png", b"not a picture");
    let said = place.ok(&format!("predict {weights} grey.png grey.png --topk 3 --json"));
    let lines: Vec<_> = said.stdout.lines().map(json).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["filename"], "grey.png");
    let predictions = lines[0]["predictions"].as_array().expect("a list");
    assert_eq!(predictions.len(), 3);
    let probability = |index: usize| predictions[index]["prob"].as_f64().expect("a number");
    assert!(probability(0) >= probability(1) && probability(1) >= probability(2));
    assert!(predictions[0]["label"].is_string() && predictions[0]["index"].is_u64());

    // a folder and a pattern, as a table and as text
    place.write("shots/b.png", GREY_PNG);
    place.write("shots/deep/a.png", GREY_PNG);
    place.write("shots/notes.txt", b"not looked at");
    let said = place.ok(&format!("predict {weights} shots --results-format csv --topk 2"));
    let rows: Vec<Vec<_>> = said.stdout.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["filename", "index", "label", "prob"]);
    let names: Vec<_> = rows[1..].iter().map(|row| row[0]).collect();
    assert_eq!(names, ["shots/b.png", "shots/b.png", "shots/deep/a.png", "shots/deep/a.png"]);
    assert_eq!(rows[1][2], predictions[0]["label"].as_str().expect("a name"));
    let said = place.ok(&format!("predict {weights} shots/*.png"));
    assert!(said.stdout.starts_with(&format!("shots/b.png: {} ", rows[1][2])), "{said:?}");
    assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
    let said = place.plusx(&format!("predict {weights} nothing/*.png shots/b.png"));
    assert_eq!((said.code, said.stdout.lines().count()), (Some(66), 1), "{said:?}");

    // one bad picture does not keep the others from being answered
    let said = place.plusx(&format!("predict {weights} not.png nowhere.png grey.png"));
    assert_eq!(said.code, Some(65), "{said:?}");
    assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
    assert!(said.stderr.contains("not.png") && said.stderr.contains("nowhere.png"), "{said:?}");

    // an odd file is answered, and it is said what is odd
    place.write("odd.png", &[GREY_PNG, b"more"].concat());
    let said = place.ok(&format!("predict {weights} odd.png"));
    assert!(said.stderr.contains("odd.png: 4 bytes after the end"), "{said:?}");
}

#[test]
fn licences_name_what_is_inside() {
    let said = Place::new().ok("licenses");
    let fonts = ["DejaVu", "Bitstream Vera Fonts Copyright", "Arev Fonts Copyright"];
    let crates = ["kuva (MIT)", "James Ferguson", "webpki-roots", "safetensors"];
    for part in ["MIT", "Apache", "Fashion-MNIST", "Zalando"].into_iter().chain(fonts).chain(crates) {
        assert!(said.stdout.contains(part), "{part}");
    }
}

#[test]
fn data_path_finds_what_plusx_data_names() {
    let place = Place::new();
    let path = |arguments: &str| {
        let mut command = place.command(&format!("data path fashion-mnist {arguments}"));
        command.env("PLUSX_DATA", place.path("sets"));
        start(command).wait()
    };
    // a folder counts by its files' names; torchvision's folder is looked into
    let folder = place.path("sets/FashionMNIST/raw");
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
        place.write(&format!("sets/FashionMNIST/raw/{name}-ubyte.gz"), b"");
    }
    let said = path("");
    assert_eq!(
        (said.code, said.stdout.trim_end()),
        (Some(0), folder.to_str().expect("a plain name")),
        "{said:?}"
    );

    // a folder that is given is the only one looked into
    let said = path("--data-dir elsewhere");
    assert_eq!(said.code, Some(66), "{said:?}");
    assert!(said.stderr.contains("elsewhere"), "{said:?}");
}

#[test]
fn a_mirror_that_does_not_answer_is_named() {
    let place = Place::new();
    let said = place.plusx("data get fashion-mnist --mirror http://127.0.0.1:9/nothing");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("127.0.0.1:9"), "{said:?}");
}

/// A grey picture of 2x2 pixels.
pub(crate) const GREY_PNG: &[u8] =
    b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x02\x00\x00\x00\x02\x08\
    \x00\x00\x00\x00\x57\xdd\x52\xf8\x00\x00\x00\x0e\x49\x44\x41\x54\x78\xda\x63\xb0\x39\xc1\x60\x73\x02\
    \x00\x05\x92\x02\x09\x3c\xbc\x29\xfc\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";
