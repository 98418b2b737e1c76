//! A run that was stopped, killed or cut short and then resumed ends with the same files as one that was not.

mod fake;
mod stripes;

use std::fs;
use std::path::{Path, PathBuf};

use fake::{Fake, Trouble};
use plusx_data::Dataset;
use plusx_train::{
    Event, Outcome, Overrides, SaveEvery, SaveReason, Signal, Stop, TrainError, TrainOptions, open,
    resume_on, run_on,
};
use stripes::{dataset, images, of};

/// 50 images in batches of 8: seven steps an epoch, the last of two images.
const TRAIN: usize = 50;
const STEPS: u64 = 7;

fn options(output: &Path) -> TrainOptions {
    TrainOptions {
        model: "softmax".into(),
        data: "stripes".into(),
        resize: stripes::SIDE,
        epochs: 3,
        batch_size: 8,
        lr: 0.5,
        momentum: 0.9,
        weight_decay: 1e-3,
        output: output.into(),
        name: Some("run".into()),
        save_every: SaveEvery::Epoch,
        ..TrainOptions::default()
    }
}

/// What must be the same, times aside.
#[derive(PartialEq, Debug)]
struct Ending {
    last: Vec<u8>,
    best: Vec<u8>,
    results: Vec<String>,
    lines: Vec<String>,
}

/// Collects the chapter's lines (without the time; a repeated epoch replaces its line) and asks for a stop.
struct Watch<'a> {
    lines: Vec<String>,
    warnings: Vec<String>,
    steps: u64,
    stop_after: Option<u64>,
    stop: &'a Stop,
}

fn watch<'a>(stop: &'a Stop, stop_after: Option<u64>) -> Watch<'a> {
    Watch { lines: Vec::new(), warnings: Vec::new(), steps: 0, stop_after, stop }
}

impl plusx_train::Observer for Watch<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Step(_) => {
                self.steps += 1;
                if self.stop_after == Some(self.steps) {
                    self.stop.request(Signal::Interrupt);
                }
            }
            Event::Epoch(epoch) => {
                let line = epoch.line();
                self.lines.truncate(epoch.epoch as usize - 1);
                self.lines.push(line.rsplit_once(", time").unwrap().0.into());
            }
            Event::Warning { message } => self.warnings.push(message.clone()),
            _ => {}
        }
    }
}

fn ending(run: &Path, lines: Vec<String>) -> Ending {
    let untimed = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        let kept = fields.iter().enumerate().filter(|(index, _)| ![3, 10, 11].contains(index));
        kept.map(|(_, field)| *field).collect::<Vec<_>>().join(",")
    };
    Ending {
        last: fs::read(run.join("weights/last.safetensors")).unwrap(),
        best: fs::read(run.join("weights/best.safetensors")).unwrap(),
        results: fs::read_to_string(run.join("results.csv")).unwrap().lines().map(untimed).collect(),
        lines,
    }
}

fn undisturbed(options: &TrainOptions) -> Ending {
    let stop = Stop::new();
    let mut watch = watch(&stop, None);
    let outcome = run_on(&mut Fake::new(), options, dataset(TRAIN, 30), &stop, &mut watch).unwrap();
    let Outcome::Done(report) = outcome else { panic!("{outcome:?}") };
    assert_eq!(report.weights_sha256.len(), 64);
    ending(&report.run, watch.lines)
}

fn go_on(run: &Path, overrides: &Overrides, lines: Vec<String>) -> Ending {
    told(run, overrides, lines).0
}

/// As [`go_on`], with the warnings.
fn told(run: &Path, overrides: &Overrides, lines: Vec<String>) -> (Ending, Vec<String>) {
    let stop = Stop::new();
    let mut watch = Watch { lines, ..watch(&stop, None) };
    let saved = open(Some(run), Path::new("nowhere"), overrides).unwrap();
    let outcome = resume_on(&mut Fake::new(), saved, dataset(TRAIN, 30), &stop, &mut watch).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    (ending(run, watch.lines), watch.warnings)
}

#[test]
fn stopped_after_any_step_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let expected = undisturbed(&options(&folder.path().join("whole")));
    assert_eq!(expected.lines.len(), 3);
    assert_eq!(expected.results.len(), 4);
    for after in 1..3 * STEPS {
        let output = folder.path().join(format!("stop{after}"));
        let stop = Stop::new();
        let mut watch = watch(&stop, Some(after));
        let outcome =
            run_on(&mut Fake::new(), &options(&output), dataset(TRAIN, 30), &stop, &mut watch).unwrap();
        let Outcome::Interrupted { signal, run, at } = outcome else { panic!("{outcome:?}") };
        assert_eq!(signal.exit_code(), 130);
        // a stop after an epoch's last step comes before its test pass, which the resumed run makes up for
        assert_eq!((at.epoch, at.steps), ((after as u32 - 1) / STEPS as u32 + 1, (after - 1) % STEPS + 1));
        assert_eq!(go_on(&run, &Overrides::default(), watch.lines), expected, "stopped after {after}");
    }
}

#[test]
fn killed_at_any_step_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    for save_every in [SaveEvery::Epoch, SaveEvery::Steps(3)] {
        let mut options = options(&folder.path().join(format!("whole{save_every}")));
        options.save_every = save_every;
        let expected = undisturbed(&options);
        for at in 0..3 * STEPS {
            options.output = folder.path().join(format!("kill{at}{save_every}"));
            let stop = Stop::new();
            let mut watch = watch(&stop, None);
            let mut fake = Fake::with(Trouble { fail_at: Some(at), ..Trouble::default() });
            let error = run_on(&mut fake, &options, dataset(TRAIN, 30), &stop, &mut watch).unwrap_err();
            assert!(matches!(error, TrainError::Executor(_)), "{error}");
            let run = options.output.join("run");
            assert_eq!(go_on(&run, &Overrides::default(), watch.lines), expected, "killed at {at}");
        }
    }
}

#[test]
fn killed_between_the_files_of_an_epochs_end() {
    let folder = tempfile::tempdir().unwrap();
    let expected = undisturbed(&options(&folder.path().join("whole")));
    let mut short = options(&folder.path().join("short"));
    short.epochs = 1;
    undisturbed(&short);
    let run = short.output.join("run");
    let last = fs::read(run.join("weights/last.safetensors")).unwrap();
    let more = Overrides { epochs: Some(2), ..Overrides::default() };
    let so_far = go_on(&run, &more, Vec::from(&expected.lines[..1]));
    // best weights and results of epoch 2 are there, its checkpoint is not
    fs::write(run.join("weights/last.safetensors"), last).unwrap();
    let more = Overrides { epochs: Some(3), ..Overrides::default() };
    assert_eq!(go_on(&run, &more, so_far.lines), expected);
}

#[test]
fn extended_and_resumed_again_when_done() {
    let folder = tempfile::tempdir().unwrap();
    let expected = undisturbed(&options(&folder.path().join("whole")));
    let mut short = options(&folder.path().join("short"));
    short.epochs = 2;
    let lines = undisturbed(&short).lines;
    let run = short.output.join("run");
    let more = Overrides { epochs: Some(3), ..Overrides::default() };
    let lines = go_on(&run, &more, lines).lines;
    // the extension is remembered, and a finished run has nothing left to do
    let (ending, warnings) = told(&run, &Overrides::default(), lines);
    assert_eq!(ending, expected);
    assert!(warnings.len() == 1 && warnings[0].contains("all 3 epochs are done"), "{warnings:?}");
}

#[test]
fn cut_short_by_max_steps_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let expected = undisturbed(&options(&folder.path().join("whole")));
    let further = Overrides { max_steps: Some(1000), ..Overrides::default() };
    // as many epochs as before, but asked for: the limit goes
    let whole = Overrides { epochs: Some(3), ..Overrides::default() };
    for (index, more) in [further, whole].into_iter().enumerate() {
        for steps in [1, 3, STEPS, STEPS + 2, 2 * STEPS + 1] {
            let mut short = options(&folder.path().join(format!("max{steps}-{index}")));
            short.max_steps = Some(steps);
            let cut = undisturbed(&short);
            assert_eq!(cut.lines.len() as u64, steps.div_ceil(STEPS));
            let run = short.output.join("run");
            // nothing is left to do, so nothing changes, and that is said
            let (same, warnings) = told(&run, &Overrides::default(), cut.lines.clone());
            assert_eq!(same, cut);
            let [warning] = &warnings[..] else { panic!("{warnings:?}") };
            assert!(warning.contains(&format!("--max-steps {steps}:")), "{warning}");
            assert!(warning.contains("--epochs 3"), "{warning}");
            let (all, warnings) = told(&run, &more, cut.lines);
            assert_eq!(all, expected, "cut after {steps}");
            assert!(warnings.is_empty(), "{warnings:?}");
        }
    }
}

#[test]
fn best_is_said_of_weights_that_are_kept_and_of_no_others() {
    let folder = tempfile::tempdir().unwrap();
    for steps in 1..3 * STEPS {
        let mut short = options(&folder.path().join(steps.to_string()));
        (short.max_steps, short.lr, short.momentum) = (Some(steps), 0.05, 0.0);
        let (mut said, mut kept) = (Vec::new(), Vec::new());
        let mut watch = |event: &Event| match event {
            Event::Epoch(epoch) => said.push(epoch.best),
            Event::Saved { reason: SaveReason::Best, .. } => kept.push(said.len()),
            _ => {}
        };
        run_on(&mut Fake::new(), &short, dataset(TRAIN, 30), &Stop::new(), &mut watch).unwrap();
        let said: Vec<_> =
            said.iter().enumerate().filter(|(_, best)| **best).map(|(index, _)| index).collect();
        assert_eq!(said, kept, "cut after {steps}");
    }
}

#[test]
fn curves_that_were_not_drawn_any_more_are_drawn_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let lines = undisturbed(&options(folder.path())).lines;
    let run = folder.path().join("run");
    // killed after the last save, before drawing
    fs::write(run.join("curves.svg"), "of the epoch before").unwrap();
    fs::remove_file(run.join("curves.png")).unwrap();
    go_on(&run, &Overrides::default(), lines);
    assert!(fs::read_to_string(run.join("curves.svg")).unwrap().contains("accuracy"));
    assert!(fs::read(run.join("curves.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn results_that_are_gone_are_missed() {
    let folder = tempfile::tempdir().unwrap();
    let mut short = options(folder.path());
    short.epochs = 2;
    let before = undisturbed(&short);
    let run = folder.path().join("run");
    fs::remove_file(run.join("results.csv")).unwrap();
    let more = Overrides { epochs: Some(3), ..Overrides::default() };
    let (after, warnings) = told(&run, &more, before.lines);
    assert!(warnings.len() == 1 && warnings[0].contains("results.csv"), "{warnings:?}");
    assert_eq!((after.lines.len(), after.results.len()), (3, 2));
}

#[test]
fn a_checkpoint_that_is_gone_is_missed_and_the_run_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let expected = undisturbed(&options(folder.path()));
    let run = folder.path().join("run");
    fs::remove_file(run.join("weights/last.safetensors")).unwrap();
    let (after, warnings) = told(&run, &Overrides::default(), Vec::new());
    assert!(warnings.len() == 1 && warnings[0].contains("begins again"), "{warnings:?}");
    assert_eq!(after, expected);
}

#[test]
fn other_pictures_are_refused_and_the_run_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let lines = undisturbed(&options(folder.path())).lines;
    let run = folder.path().join("run");
    let args = fs::read(run.join("args.yaml")).unwrap();
    for split in ["train", "test"] {
        let changes = Overrides { data_dir: Some("other".into()), epochs: Some(4), ..Overrides::default() };
        let saved = open(Some(&run), folder.path(), &changes).unwrap();
        let (mut train, mut test) = (images(TRAIN, 1), images(30, 2));
        let changed = if split == "train" { &mut train } else { &mut test };
        changed.images[5] ^= 1;
        let other = Dataset { source: "other".into(), ..of(train, test) };
        let result = resume_on(&mut Fake::new(), saved, other, &Stop::new(), &mut plusx_train::Silent);
        let error = result.unwrap_err();
        assert!(matches!(error, TrainError::OtherData { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("other") && text.contains("--data-dir"), "{text}");
        // or the next resume would look in the wrong folder again
        assert_eq!(fs::read(run.join("args.yaml")).unwrap(), args);
    }
    let more = Overrides { epochs: Some(4), ..Overrides::default() };
    assert_eq!(go_on(&run, &more, lines).lines.len(), 4);
}

#[test]
fn what_decides_the_bytes_may_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    undisturbed(&options);
    let run = folder.path().join("run");
    let error =
        open(Some(&run), folder.path(), &Overrides { seed: Some(1), ..Overrides::default() }).unwrap_err();
    assert!(matches!(error, TrainError::ResumeChanged { .. }), "{error}");
    // nor behind the program's back
    let args = run.join("args.yaml");
    let text = fs::read_to_string(&args).unwrap().replace("lr: 0.5", "lr: 0.25");
    fs::write(&args, text).unwrap();
    let saved = open(Some(&run), folder.path(), &Overrides::default()).unwrap();
    let result =
        resume_on(&mut Fake::new(), saved, dataset(TRAIN, 30), &Stop::new(), &mut plusx_train::Silent);
    let error = result.unwrap_err();
    assert!(error.to_string().contains("last.safetensors"), "{error}");
}

#[test]
fn broken_checkpoints_are_named() {
    let folder = tempfile::tempdir().unwrap();
    undisturbed(&options(folder.path()));
    let last = folder.path().join("run/weights/last.safetensors");
    let bytes = fs::read(&last).unwrap();
    let best = fs::read(folder.path().join("run/weights/best.safetensors")).unwrap();
    for (damage, word) in [(bytes[..bytes.len() / 2].to_vec(), "truncated"), (best, "no state of a training")]
    {
        fs::write(&last, damage).unwrap();
        let saved = open(None, folder.path(), &Overrides::default()).unwrap();
        let result =
            resume_on(&mut Fake::new(), saved, dataset(TRAIN, 30), &Stop::new(), &mut plusx_train::Silent);
        let text = result.unwrap_err().to_string();
        assert!(text.contains("last.safetensors") && text.contains(word), "{text}");
    }
}

#[test]
fn a_failed_save_keeps_the_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let weights: PathBuf = folder.path().join("run/weights");
    let stop = Stop::new();
    // a folder in the way of the second save's temporary file stands for a full disk
    let mut block = |event: &Event| {
        if matches!(event, Event::Saved { reason: plusx_train::SaveReason::Epoch, .. }) {
            fs::create_dir_all(weights.join(".last.safetensors.tmp")).unwrap();
        }
    };
    let error = run_on(&mut Fake::new(), &options, dataset(TRAIN, 30), &stop, &mut block).unwrap_err();
    assert!(matches!(error, TrainError::Save { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("cannot write") && text.contains("checkpoint is kept"), "{text}");
    fs::remove_dir(weights.join(".last.safetensors.tmp")).unwrap();
    let expected = undisturbed(&TrainOptions { name: Some("whole".into()), ..options });
    let resumed = go_on(&folder.path().join("run"), &Overrides::default(), expected.lines.clone());
    assert_eq!(resumed, expected);
}

#[test]
fn points_inside_epochs_are_the_same_wherever_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let measuring = |name: &str| TrainOptions {
        measure_every: Some(3),
        measure_limit: Some(20),
        ..options(&folder.path().join(name))
    };
    let points = |run: &Path| fs::read_to_string(run.join("points.csv")).unwrap();
    let expected = undisturbed(&measuring("whole"));
    let whole = points(&folder.path().join("whole/run"));
    let steps: Vec<_> = whole.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    // after steps 3 and 6 of each epoch, and at its end
    assert_eq!(steps, ["3", "6", "7", "10", "13", "14", "17", "20", "21"]);
    // each training image counts once an epoch; 20 test images inside, all 30 at the end
    let sum = |column: usize| -> u64 {
        whole.lines().skip(1).map(|line| line.split(',').nth(column).unwrap().parse::<u64>().unwrap()).sum()
    };
    assert_eq!((sum(2), sum(4)), (3 * TRAIN as u64, 3 * (20 + 20 + 30)));
    for after in 1..=3 * STEPS {
        let options = measuring(&format!("after{after}"));
        let stop = Stop::new();
        let mut watch = watch(&stop, Some(after));
        let outcome = run_on(&mut Fake::new(), &options, dataset(TRAIN, 30), &stop, &mut watch).unwrap();
        if let Outcome::Interrupted { run, .. } = outcome {
            assert_eq!(go_on(&run, &Overrides::default(), watch.lines), expected, "{after}");
            assert_eq!(points(&run), whole, "{after}");
        }
    }
    // without its points a run cannot go on: the next would count too much
    let stop = Stop::new();
    let options = measuring("gone");
    run_on(&mut Fake::new(), &options, dataset(TRAIN, 30), &stop, &mut watch(&stop, Some(4))).unwrap();
    let run = folder.path().join("gone/run");
    fs::remove_file(run.join("points.csv")).unwrap();
    let saved = open(Some(&run), Path::new("nowhere"), &Overrides::default()).unwrap();
    let again =
        resume_on(&mut Fake::new(), saved, dataset(TRAIN, 30), &Stop::new(), &mut plusx_train::Silent);
    assert!(again.unwrap_err().to_string().contains("points.csv"));
}
