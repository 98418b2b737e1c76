//! Starting from weights that somebody trained: what a run takes from them, and that it needs the file no more once it has
//! begun.

mod stripes;

use std::fs;
use std::path::{Path, PathBuf};

use plusx_formats::safetensors::{Contents, read, write};
use plusx_formats::{FormatError, ModelFile};
use plusx_model::graph::{Graph, ParamId};
use plusx_model::init::{Init, initialize};
use plusx_model::params::Params;
use plusx_model::preprocess::{Interpolation, Preprocess, Preset};
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use plusx_train::{
    Event, Machine, Outcome, Overrides, PlanReport, Pretrained, PretrainedFile, RunPosition, Silent, Stop,
    TrainError, TrainOptions, evaluate, open, plan, resume, run,
};
use plusx_weights::WeightError;
use stripes::{CLASSES, dataset};

/// Side of the images that the weights were made for.
const SIDE: usize = 8;

fn graph(input: ImageShape, classes: usize) -> Graph {
    trace(&*zoo::build("resnet20", ZooOptions { classes }).unwrap(), input, &mut Names::new()).unwrap()
}

/// Weights of a network for colours and ten classes, bicubic and normalised.
fn weights(folder: &Path) -> (PathBuf, Params) {
    let input = ImageShape::new(3, SIDE, SIDE);
    let params = initialize(&graph(input, 10), Init::Xavier, 99);
    let meta = ModelFile {
        architecture: "resnet20".into(),
        classes: (0..10).map(|class| format!("old {class}")).collect(),
        preprocess: Preset::Timm.record(input),
        metrics: Default::default(),
        training: None,
    };
    let file = folder.join("old.safetensors");
    write(&file, &Contents { params: &params, optimiser: None, average: None, batches: 0, meta: &meta })
        .unwrap();
    (file, params)
}

fn given(output: &Path) -> Overrides {
    Overrides {
        data: Some("stripes".into()),
        output: Some(output.into()),
        name: Some("run".into()),
        batch_size: Some(20),
        epochs: Some(2),
        lr: Some(0.05),
        momentum: Some(0.9),
        threads: Some(2),
        ..Overrides::default()
    }
}

fn started(given: &Overrides, file: &Path) -> TrainOptions {
    let mut options = given.resolve().unwrap();
    options.start_from(PretrainedFile { name: "old", path: file, usual: None }, given).unwrap();
    options
}

fn last(output: &Path) -> Vec<u8> {
    fs::read(output.join("run/weights/last.safetensors")).unwrap()
}

#[test]
fn what_is_left_open_is_what_the_weights_were_made_for() {
    let place = tempfile::tempdir().unwrap();
    let (file, old) = weights(place.path());
    let options = started(&given(place.path()), &file);
    assert_eq!((&*options.model, options.resize, options.input), ("resnet20", SIDE, None));
    let pretrained = options.pretrained.clone().unwrap();
    assert_eq!((&*pretrained.name, pretrained.sha256.len()), ("old", 64));
    // options as a run keeps them hold no weights: they do not start from numbers drawn instead
    let unread = Some(Pretrained { weights: None, ..pretrained });
    let error = plan(&TrainOptions { pretrained: unread, ..options.clone() }, &dataset(4, 4)).unwrap_err();
    assert!(error.to_string().contains("--pretrained old: its weights are not read"), "{error}");
    // grey images, whole, resized and normalised as the colours were
    let record = options.record(options.input_shape(1));
    let whole = Preprocess { mean: vec![0.456], std: vec![0.224], ..Preprocess::chapter(record.input) };
    assert_eq!(record, Preprocess { interpolation: Interpolation::Bicubic, ..whole });

    let report: PlanReport = plan(&options, &dataset(40, 20)).unwrap();
    let said = report.pretrained.unwrap();
    for part in [
        "old (SHA-256 ",
        "fc starts anew: 10 classes in the file, 6 in the network",
        "summed to one for grey",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(report.pictures.unwrap().contains("(bicubic), nothing cut off"));

    // without a step the run's first checkpoint is what was taken over
    let first = TrainOptions { lr: 0.0, momentum: 0.0, max_steps: Some(1), ..options };
    run(first.clone(), dataset(40, 20), &Stop::new(), &mut Silent).unwrap();
    let new = graph(ImageShape::new(1, SIDE, SIDE), CLASSES);
    let params = read(&place.path().join("run/weights/last.safetensors")).unwrap().params(&new).unwrap();
    let drawn = initialize(&new, Init::Xavier, first.seed);
    for (index, spec) in new.params.iter().enumerate() {
        let id = ParamId(index as u32);
        let expected: Vec<f32> = match &spec.name[..] {
            "conv1.weight" => {
                let sums = old.get(id).chunks_exact(27);
                sums.flat_map(|rgb| (0..9).map(move |at| rgb[at] + rgb[9 + at] + rgb[18 + at])).collect()
            }
            name if name.starts_with("fc.") => drawn.get(id).to_vec(),
            _ if !spec.role.trainable() => continue,
            _ => old.get(id).to_vec(),
        };
        assert_eq!(params.get(id), expected, "{}", spec.name);
    }
}

#[test]
fn options_that_are_given_stay() {
    let place = tempfile::tempdir().unwrap();
    let (file, _) = weights(place.path());
    let colour = ImageShape::new(3, 6, 7);
    let pictures = Some(plusx_train::Pictures::preset(Preset::D2l));
    let given = Overrides { input: Some(colour), preprocess: pictures.clone(), ..given(place.path()) };
    let options = started(&given, &file);
    assert_eq!((options.input, &options.preprocess), (Some(colour), &pictures));
    // grey images fill all three channels, so the stem stays as it is
    let report = plan(&options, &dataset(40, 20)).unwrap();
    assert_eq!(report.input, "3x6x7");
    assert!(!report.pretrained.unwrap().contains("grey"));
    let run_options = TrainOptions { max_steps: Some(1), ..options };
    let outcome = run(run_options.clone(), dataset(40, 20), &Stop::new(), &mut Silent).unwrap();
    let Outcome::Done(report) = outcome else { panic!("{outcome:?}") };
    let machine = Machine { threads: Some(1), ..Machine::default() };
    // and so they do when the file is measured
    let found = evaluate(&report.last, dataset(40, 20), machine).unwrap();
    assert_eq!((found.n, found.top1), (20, report.best_acc.unwrap().accuracy));
    let two = ImageShape { c: 2, ..colour };
    let error = plan(&TrainOptions { input: Some(two), ..run_options.clone() }, &dataset(4, 4)).unwrap_err();
    assert!(
        matches!(error, TrainError::Format(FormatError::Weights(WeightError::Mismatch { .. }))),
        "{error}"
    );
}

#[test]
fn a_classifier_of_other_classes_of_the_same_number_is_told() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("six.safetensors");
    let input = ImageShape::new(1, SIDE, SIDE);
    let params = initialize(&graph(input, CLASSES), Init::Xavier, 1);
    let said = |name: &str| {
        let meta = ModelFile {
            architecture: "resnet20".into(),
            classes: (0..CLASSES).map(|class| format!("{name}{class}")).collect(),
            preprocess: Preprocess::chapter(input),
            metrics: Default::default(),
            training: None,
        };
        write(&file, &Contents { params: &params, optimiser: None, average: None, batches: 0, meta: &meta })
            .unwrap();
        plan(&started(&given(place.path()), &file), &dataset(4, 4)).unwrap().pretrained.unwrap()
    };
    let text = said("old ");
    assert!(text.contains("(class 0 is \"old 0\" there and \"stripe 0\" here)"), "{text}");
    for name in ["Stripe_", "", "class "] {
        assert!(!said(name).contains("other classes"), "{name}");
    }
}

#[test]
fn a_resumed_run_does_not_need_the_file() {
    let place = tempfile::tempdir().unwrap();
    let (file, _) = weights(place.path());
    let [whole, cut] = ["whole", "cut"].map(|name| place.path().join(name));
    run(started(&given(&whole), &file), dataset(50, 20), &Stop::new(), &mut Silent).unwrap();

    // stopped before its first step
    let stop = Stop::new();
    let mut at_once = |event: &Event| {
        if let Event::Plan(_) = event {
            stop.request(plusx_train::Signal::Interrupt);
        }
    };
    let outcome = run(started(&given(&cut), &file), dataset(50, 20), &stop, &mut at_once).unwrap();
    assert!(
        matches!(outcome, Outcome::Interrupted { at: RunPosition { epoch: 1, steps: 0 }, .. }),
        "{outcome:?}"
    );
    fs::remove_file(&file).unwrap();
    for max_steps in [2, 4, 6] {
        let more =
            Overrides { max_steps: Some(max_steps), pretrained: Some("old".into()), ..Overrides::default() };
        let saved = open(Some(&cut.join("run")), &cut, &more).unwrap();
        resume(saved, dataset(50, 20), &Stop::new(), &mut Silent).unwrap();
    }
    assert!(last(&whole) == last(&cut), "the bytes differ");

    let text = fs::read_to_string(cut.join("run/args.yaml")).unwrap();
    assert!(text.contains("name: old") && text.contains("sha256: "), "{text}");
    for other in [
        Overrides { pretrained: Some("new".into()), ..Overrides::default() },
        Overrides { input: Some(ImageShape::new(1, 9, 9)), ..Overrides::default() },
        Overrides { preprocess: Some(plusx_train::Pictures::preset(Preset::D2l)), ..Overrides::default() },
    ] {
        let error = open(Some(&cut.join("run")), &cut, &other).unwrap_err();
        assert!(matches!(error, TrainError::ResumeChanged { .. }), "{error}");
    }
    // its weights are nowhere else
    fs::remove_file(cut.join("run/weights/last.safetensors")).unwrap();
    let saved = open(Some(&cut.join("run")), &cut, &Overrides::default()).unwrap();
    let error = resume(saved, dataset(50, 20), &Stop::new(), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("last.safetensors is gone"), "{error}");
}

#[test]
fn weights_that_do_not_fit_leave_no_run_behind() {
    let place = tempfile::tempdir().unwrap();
    let (file, _) = weights(place.path());
    let other = Overrides { model: Some("resnet32".into()), ..given(place.path()) };
    let mut options = other.resolve().unwrap();
    let error = options
        .start_from(PretrainedFile { name: "old", path: &file, usual: None }, &other)
        .unwrap_err()
        .to_string();
    assert!(error.contains("not resnet32") && error.contains("resnet20"), "{error}");

    // a file that says nothing about itself, of another network
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/tests/golden/zip.pth");
    let given = Overrides { model: Some("resnet20".into()), ..given(place.path()) };
    let options = started(&given, &small);
    assert_eq!((options.resize, options.record(options.input_shape(1)).std), (32, vec![0.2435]));
    // what is known of it otherwise counts; what a file says itself counts more
    let known = Preset::Imagenet.record(ImageShape::new(3, 40, 40));
    for (file, interpolation, resize) in
        [(small, Interpolation::Bilinear, 40), (file, Interpolation::Bicubic, SIDE)]
    {
        let mut options = given.resolve().unwrap();
        options
            .start_from(PretrainedFile { name: "old", path: &file, usual: Some(known.clone()) }, &given)
            .unwrap();
        let record = options.record(options.input_shape(1));
        assert_eq!((record.interpolation, options.resize), (interpolation, resize), "{}", file.display());
    }
    let error = run(options, dataset(40, 20), &Stop::new(), &mut Silent).unwrap_err();
    assert!(
        matches!(error, TrainError::Format(FormatError::Weights(WeightError::Mismatch { .. }))),
        "{error}"
    );
    assert!(!place.path().join("run").exists());
}
