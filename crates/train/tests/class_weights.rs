//! Weights of classes from a file, on the real engine: the numbers of the rule that gives the same weights, also after a stop and
//! without the file.

mod stripes;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use plusx_data::{Dataset, InMemory};
use plusx_formats::safetensors;
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use plusx_train::{
    ClassWeights, GivenClassWeights, LastBatchScale, Outcome, Overrides, Silent, Stop, TrainOptions, open,
    resume, run,
};
use stripes::{CLASSES, dataset, images};

/// 12 images of the first class, 4 of each of the others.
fn lopsided() -> Dataset {
    let all = images(72, 1);
    let size = all.shape.len();
    let (mut kept, mut counts) =
        (InMemory { images: Vec::new(), labels: Vec::new(), shape: all.shape }, [0; CLASSES]);
    for (label, image) in all.labels.iter().zip(all.images.chunks_exact(size)) {
        let count = &mut counts[*label as usize];
        if *count < if *label == 0 { 12 } else { 4 } {
            *count += 1;
            kept.images.extend(image);
            kept.labels.push(*label);
        }
    }
    assert_eq!(kept.labels.len(), 32);
    Dataset { train: Arc::new(kept), ..dataset(72, 12) }
}

/// What scikit-learn's `balanced` gives for them, as it is written: 32 / (6 x 12) and 32 / (6 x 4).
fn file(folder: &Path) -> GivenClassWeights {
    let mut text = String::from("class,weight\n");
    for class in (0..CLASSES).rev() {
        let weight = if class == 0 { 32.0 / 72.0_f32 } else { 32.0 / 24.0_f32 };
        text += &format!("stripe {class},{weight}\n");
    }
    let path = folder.join("w.csv");
    fs::write(&path, text).unwrap();
    GivenClassWeights::File(path)
}

fn options(folder: &Path, name: &str, weights: GivenClassWeights) -> TrainOptions {
    let given = Overrides { class_weights: Some(weights), ..Overrides::default() };
    TrainOptions {
        model: "resnet20".into(),
        data: "stripes".into(),
        resize: 8,
        epochs: 2,
        batch_size: 8,
        momentum: 0.9,
        last_batch_scale: LastBatchScale::Actual,
        threads: Some(2),
        output: folder.into(),
        name: Some(name.into()),
        ..given.resolve().unwrap()
    }
}

fn params(path: &Path) -> Params {
    let block = zoo::build("resnet20", ZooOptions { classes: CLASSES }).unwrap();
    let graph = trace(&*block, ImageShape::new(1, 8, 8), &mut Names::new()).unwrap();
    safetensors::read(&path.join("weights/last.safetensors")).unwrap().params(&graph).unwrap()
}

fn train(options: TrainOptions) -> Params {
    let path = options.output.join(options.name.as_deref().unwrap());
    let outcome = run(options, lopsided(), &Stop::new(), &mut Silent).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    params(&path)
}

#[test]
fn a_file_with_the_weights_of_a_rule_gives_the_numbers_of_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let by_file = train(options(folder.path(), "file", file(folder.path())));
    let by_rule = train(options(folder.path(), "rule", ClassWeights::Balanced.into()));
    let without = train(options(folder.path(), "none", ClassWeights::None.into()));
    assert_eq!(by_file, by_rule);
    assert!(by_file != without);
}

#[test]
fn a_stopped_run_goes_on_without_the_file_and_not_with_other_weights() {
    let folder = tempfile::tempdir().unwrap();
    let weights = file(folder.path());
    train(options(folder.path(), "whole", weights.clone()));
    let cut = TrainOptions { max_steps: Some(3), ..options(folder.path(), "cut", weights.clone()) };
    train(cut);
    fs::remove_file(folder.path().join("w.csv")).unwrap();
    let path = folder.path().join("cut");
    let whole_epochs = Overrides { epochs: Some(2), ..Overrides::default() };
    let saved = open(Some(&path), folder.path(), &whole_epochs).unwrap();
    resume(saved, lopsided(), &Stop::new(), &mut Silent).unwrap();
    let last = |name: &str| fs::read(folder.path().join(name).join("weights/last.safetensors")).unwrap();
    assert!(last("cut") == last("whole"));
    // behind the program's back
    let args = path.join("args.yaml");
    let text = fs::read_to_string(&args).unwrap();
    let changed = text.replace("stripe 0: 0.44444445", "stripe 0: 0.5");
    assert!(changed != text, "{text}");
    fs::write(&args, changed).unwrap();
    let saved =
        open(Some(&path), folder.path(), &Overrides { epochs: Some(3), ..Overrides::default() }).unwrap();
    let error = resume(saved, lopsided(), &Stop::new(), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("belongs to another run"), "{error}");
}

#[test]
fn weights_of_other_classes_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path());
    let path = folder.path().join("w.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("stripe 3", "spot 3")).unwrap();
    let options = options(folder.path(), "run", GivenClassWeights::File(path));
    for error in [
        run(options.clone(), lopsided(), &Stop::new(), &mut Silent).unwrap_err().to_string(),
        plusx_train::plan(&options, &lopsided()).unwrap_err().to_string(),
    ] {
        assert!(error.contains("w.csv, line 4: data set stripes has no class \"spot 3\""), "{error}");
    }
    assert!(!folder.path().join("run").exists());
}
