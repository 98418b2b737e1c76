//! Layer-wise learning rates on the real engine: each parameter moves by its share, whatever the rule and the schedule.

mod stripes;

use std::fs;
use std::path::Path;

use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use plusx_train::{
    Opt, Outcome, Overrides, Sched, Silent, Stop, TrainError, TrainOptions, open, resume, run,
};
use stripes::{CLASSES, dataset};

fn options(output: &Path) -> TrainOptions {
    TrainOptions {
        model: "resnet20".into(),
        data: "stripes".into(),
        resize: 8,
        epochs: 2,
        batch_size: 8,
        lr: 0.125,
        weight_decay: 0.25,
        threads: Some(2),
        output: output.into(),
        name: Some("run".into()),
        ..TrainOptions::default()
    }
}

fn train(options: &TrainOptions) -> Params {
    let outcome = run(options.clone(), dataset(16, 12), &Stop::new(), &mut Silent).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let block = zoo::build("resnet20", ZooOptions { classes: CLASSES }).unwrap();
    let graph = trace(&*block, ImageShape::new(1, 8, 8), &mut Names::new()).unwrap();
    let weights = options.output.join("run/weights/last.safetensors");
    plusx_formats::safetensors::read(&weights).unwrap().params(&graph).unwrap()
}

/// Layers behind a parameter of resnet20, which has three stages of three units.
fn behind(name: &str) -> i32 {
    match name.strip_prefix("layer") {
        _ if name.starts_with("fc.") => 0,
        None => 10,
        Some(rest) => {
            let numbers: Vec<i32> = rest.split('.').take(2).map(|number| number.parse().unwrap()).collect();
            9 - (3 * (numbers[0] - 1) + numbers[1])
        }
    }
}

#[test]
fn each_parameter_moves_by_its_share() {
    let folder = tempfile::tempdir().unwrap();
    let sgd = |name: &str| TrainOptions { max_steps: Some(1), ..options(&folder.path().join(name)) };
    let adamw = |name: &str| TrainOptions {
        opt: Opt::AdamW,
        decay_weights_only: true,
        clip_grad: Some(0.5),
        sched: Sched::Cosine,
        warmup_epochs: 1.0,
        warmup_lr: Some(0.0625),
        ..sgd(name)
    };
    // a rate of 0 leaves the parameters that both begin with
    let begin = train(&TrainOptions { lr: 0.0, ..sgd("begin") });
    for (rule, plain, scaled) in [
        ("sgd", sgd("sgd"), TrainOptions { layer_decay: Some(0.75), ..sgd("sgd scaled") }),
        ("adamw", adamw("adamw"), TrainOptions { layer_decay: Some(0.75), ..adamw("adamw scaled") }),
    ] {
        let (plain, scaled) = (train(&plain), train(&scaled));
        let mut moved = 0;
        for (((spec, begin), (_, plain)), (_, scaled)) in begin.iter().zip(plain.iter()).zip(scaled.iter()) {
            let share = if spec.role.trainable() { 0.75_f32.powi(behind(&spec.name)) } else { 1.0 };
            for ((begin, plain), scaled) in begin.iter().zip(plain).zip(scaled) {
                let (expected, found) = (share * (plain - begin), scaled - begin);
                let bound = 3e-7 * (1.0 + begin.abs());
                assert!((found - expected).abs() <= bound, "{rule}, {}: {found} {expected}", spec.name);
                moved += usize::from(expected.abs() > 100.0 * bound);
            }
        }
        assert!(moved > 10_000, "{rule}: {moved}");
    }
}

#[test]
fn a_stopped_run_goes_on_with_it_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let decayed = |name: &str| TrainOptions {
        layer_decay: Some(0.65),
        momentum: 0.9,
        ..options(&folder.path().join(name))
    };
    let whole = train(&decayed("whole"));
    let cut = TrainOptions { max_steps: Some(3), ..decayed("cut") };
    train(&cut);
    let path = cut.output.join("run");
    let other = Overrides { layer_decay: Some(0.75), ..Overrides::default() };
    let error = open(Some(&path), folder.path(), &other).unwrap_err().to_string();
    assert!(error.contains("--layer-decay 0.75: the run was started with 0.65"), "{error}");
    let more = Overrides { epochs: Some(2), ..Overrides::default() };
    let saved = open(Some(&path), folder.path(), &more).unwrap();
    resume(saved, dataset(16, 12), &Stop::new(), &mut Silent).unwrap();
    let last = |name: &str| fs::read(folder.path().join(name).join("run/weights/last.safetensors")).unwrap();
    assert!(last("cut") == last("whole"));
    assert!(whole != train(&TrainOptions { layer_decay: None, ..decayed("plain") }));
    // nor behind the program's back
    let args = path.join("args.yaml");
    let text = fs::read_to_string(&args).unwrap();
    fs::write(&args, text.replace("layer_decay: 0.65", "layer_decay: 0.66")).unwrap();
    let saved = open(Some(&path), folder.path(), &Overrides { epochs: Some(3), ..Overrides::default() });
    let error = resume(saved.unwrap(), dataset(16, 12), &Stop::new(), &mut Silent).unwrap_err();
    assert!(error.to_string().contains("belongs to another run"), "{error}");
}

#[test]
fn senseless_shares_are_refused() {
    for share in [0.0, -0.5, 1.5, f32::NAN] {
        let given = Overrides { layer_decay: Some(share), ..Overrides::default() };
        let error = given.resolve().unwrap_err();
        assert!(matches!(error, TrainError::Option { .. }), "{error}");
        assert!(error.to_string().contains("--layer-decay"), "{error}");
    }
}
