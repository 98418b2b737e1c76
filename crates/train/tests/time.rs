//! Runs that are fitted into a time: how long they become, that they end, and that nothing of the measuring enters them.

mod fake;
mod stripes;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fake::{Fake, Trouble};
use plusx_train::{
    Event, Observer, Outcome, Overrides, RunReport, SaveEvery, Signal, Silent, Stop, TimeLimit, TrainError,
    TrainOptions, open, resume_on, run_on,
};
use stripes::dataset;

/// A step of the fake.
const STEP: Duration = Duration::from_millis(20);

fn options(output: &Path, time: Option<&str>) -> TrainOptions {
    TrainOptions {
        model: "softmax".into(),
        data: "stripes".into(),
        resize: stripes::SIDE,
        epochs: 1000,
        batch_size: 8,
        lr: 0.1,
        momentum: 0.9,
        output: output.into(),
        name: Some("run".into()),
        save_every: SaveEvery::Epoch,
        time: time.map(|time| time.parse().unwrap()),
        ..TrainOptions::default()
    }
}

/// A fake whose steps take [`STEP`], and longer from a certain one on.
fn fake(slower: Option<(u64, Duration)>) -> Fake {
    Fake::with(Trouble { slow_from: Some(slower.unwrap_or((0, STEP))), ..Trouble::default() })
}

fn last(output: &Path) -> Vec<u8> {
    fs::read(output.join("run/weights/last.safetensors")).unwrap()
}

fn saved(output: &Path) -> TrainOptions {
    open(Some(Path::new("run")), output, &Overrides::default()).unwrap().options().clone()
}

/// What a run gave, its warnings, and its seconds.
fn run(fake: &mut Fake, options: &TrainOptions) -> (RunReport, Vec<String>, f64) {
    let begun = Instant::now();
    let (outcome, warnings) =
        heard(|observer| run_on(fake, options, dataset(50, 30), &Stop::new(), observer).unwrap());
    (done(outcome), warnings, begun.elapsed().as_secs_f64())
}

fn go_on(overrides: &Overrides, output: &Path) -> Result<(RunReport, Vec<String>), String> {
    let run = open(None, output, overrides).unwrap();
    let (outcome, warnings) = heard(|observer| {
        let ended = resume_on(&mut Fake::new(), run, dataset(50, 30), &Stop::new(), observer);
        ended.map_err(|error| error.to_string())
    });
    Ok((done(outcome?), warnings))
}

fn heard<T>(run: impl FnOnce(&mut dyn Observer) -> T) -> (T, Vec<String>) {
    let mut warnings = Vec::new();
    let value = run(&mut |event: &Event| {
        if let Event::Warning { message } = event {
            warnings.push(message.clone());
        }
    });
    (value, warnings)
}

fn done(outcome: Outcome) -> RunReport {
    match outcome {
        Outcome::Done(report) => report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_fills_its_time_and_is_the_run_of_that_many_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let [timed, plain] = ["timed", "plain"].map(|name| folder.path().join(name));
    let (report, warnings, seconds) = run(&mut fake(None), &options(&timed, Some("4s")));
    assert_eq!(warnings.len(), usize::from(report.out_of_time), "{warnings:?}");
    assert!((1.5..4.0).contains(&seconds), "{seconds}");
    let chosen = saved(&timed);
    assert_eq!(chosen.time, Some("4s".parse().unwrap()));
    assert!((3..40).contains(&chosen.epochs), "{}", chosen.epochs);
    if report.out_of_time {
        // other programs have taken the machine meanwhile
        go_on(&Overrides::default(), &timed).unwrap();
    }
    run(&mut Fake::new(), &TrainOptions { epochs: chosen.epochs, ..options(&plain, None) });
    assert!(last(&timed) == last(&plain), "the measuring left a trace");
    let names: Vec<_> = fs::read_dir(&timed).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["run"]);
}

#[test]
fn epochs_beside_a_time_are_the_most() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions { epochs: 2, ..options(folder.path(), Some("1m")) };
    let (_, _, seconds) = run(&mut Fake::new(), &options);
    assert!(seconds < 30.0, "{seconds}");
    assert_eq!(saved(folder.path()).epochs, 2);
}

#[test]
fn without_room_for_an_epoch_the_run_is_one_of_fewer_images() {
    let folder = tempfile::tempdir().unwrap();
    // seven steps of 0.4 seconds; the measuring takes four of them
    let mut fake = fake(Some((0, Duration::from_millis(400))));
    let (report, _, seconds) = run(&mut fake, &options(folder.path(), Some("4s")));
    // a machine that is busy with other tests may take longer than was measured
    assert!(seconds < 8.0, "{seconds} {report:?}");
    let chosen = saved(folder.path());
    assert_eq!(chosen.epochs, 1);
    assert!(
        chosen.train_limit.is_some_and(|images| (8..50).contains(&images) && images % 8 == 0),
        "{chosen:?}"
    );
}

#[test]
fn a_time_without_a_step_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("runs");
    let mut fake = fake(Some((0, Duration::from_millis(700))));
    let options = options(&output, Some("1s"));
    let error = run_on(&mut fake, &options, dataset(50, 30), &Stop::new(), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::TooShort { .. }), "{error}");
    assert!(error.to_string().contains("--time 1s"), "{error}");
    assert!(!output.exists());
}

#[test]
fn a_machine_that_becomes_slower_ends_in_time_and_the_run_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (index, slower) in [60, 400].into_iter().enumerate() {
        let [timed, plain] = ["timed", "plain"].map(|name| folder.path().join(format!("{name}{index}")));
        let mut fake = fake(Some((40, Duration::from_millis(slower))));
        let (report, warnings, seconds) = run(&mut fake, &options(&timed, Some("3s")));
        // with room for what else the machine is busy with
        assert!(report.out_of_time && seconds < 6.0, "{seconds} {warnings:?}");
        assert!(
            warnings.len() == 1 && warnings[0].contains("would not end within --time 3s"),
            "{warnings:?}"
        );
        // it is the newest that is not finished, and has all the time it wants
        let epochs = saved(&timed).epochs;
        let (report, warnings) = go_on(&Overrides::default(), &timed).unwrap();
        assert!(!report.out_of_time, "{warnings:?}");
        assert!(warnings.iter().any(|words| words.contains("--time 3s is over")), "{warnings:?}");
        run(&mut Fake::new(), &TrainOptions { epochs, ..options(&plain, None) });
        assert!(last(&timed) == last(&plain), "{slower}");
    }
}

#[test]
fn a_resumed_run_has_the_time_that_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), Some("4s"));
    let (stop, mut epochs) = (Stop::new(), 0);
    let mut interrupt = |event: &Event| {
        epochs += u32::from(matches!(event, Event::Epoch(_)));
        if epochs == 3 {
            stop.request(Signal::Interrupt);
        }
    };
    let begun = Instant::now();
    run_on(&mut fake(None), &options, dataset(50, 30), &stop, &mut interrupt).unwrap();
    let worked = begun.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_secs(1));
    let run = open(None, folder.path(), &Overrides::default()).unwrap();
    let begun = Instant::now();
    // this machine is a slow one
    let mut slow = fake(Some((0, Duration::from_millis(150))));
    let (outcome, warnings) =
        heard(|observer| resume_on(&mut slow, run, dataset(50, 30), &Stop::new(), observer).unwrap());
    let report = done(outcome);
    assert!(report.out_of_time && warnings.len() == 1, "{warnings:?}");
    let all = worked + begun.elapsed().as_secs_f64();
    assert!(all < 8.0 && report.seconds < 8.0, "{all}");
}

#[test]
fn a_time_given_anew_is_that_of_the_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = fake(Some((40, Duration::from_millis(60))));
    run(&mut fake, &options(folder.path(), Some("3s")));
    let epochs = saved(folder.path()).epochs;
    let time = |text: &str| Overrides { time: Some(text.parse().unwrap()), ..Overrides::default() };
    let error = go_on(&time("1s"), folder.path()).unwrap_err();
    assert!(error.contains("--time 1s: the run has worked as long as that already"), "{error}");
    let (report, warnings) = go_on(&time("10m"), folder.path()).unwrap();
    assert!(!report.out_of_time && warnings.is_empty(), "{warnings:?}");
    let now = saved(folder.path());
    assert_eq!((now.epochs, now.time), (epochs, Some("10m".parse::<TimeLimit>().unwrap())));
    // whoever asks for epochs wants all of them
    let more = Overrides { epochs: Some(epochs + 1), ..Overrides::default() };
    go_on(&more, folder.path()).unwrap();
    assert_eq!(saved(folder.path()).time, None);
}

#[test]
fn a_signal_while_the_machine_is_measured_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (output, stop) = (folder.path().join("runs"), Stop::new());
    stop.request(Signal::Terminate);
    let options = options(&output, Some("1m"));
    let outcome = run_on(&mut fake(None), &options, dataset(50, 30), &stop, &mut Silent).unwrap();
    assert_eq!(outcome, Outcome::NotBegun { signal: Signal::Terminate });
    assert!(!output.exists());
}

#[test]
fn a_rate_that_diverges_does_so_in_the_run_and_not_while_it_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions { lr: 1e30, epochs: 2, ..options(folder.path(), Some("1m")) };
    let mut fake = Fake::new();
    let error = run_on(&mut fake, &options, dataset(50, 30), &Stop::new(), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { .. }), "{error}");
    assert!(folder.path().join("run/args.yaml").exists());
}

#[test]
fn a_warm_up_that_is_too_long_for_the_run_is_shortened() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions { epochs: 2, warmup_epochs: 5.0, ..options(folder.path(), Some("1m")) };
    run(&mut Fake::new(), &options);
    assert_eq!(saved(folder.path()).warmup_epochs, 0.4);
}

#[test]
fn the_same_run_made_again_takes_the_time_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let first = TrainOptions { epochs: 2, ..options(&folder.path().join("a"), Some("1m")) };
    run(&mut Fake::new(), &first);
    let again = TrainOptions::read(&folder.path().join("a/run/args.yaml")).unwrap();
    assert_eq!((again.time, again.epochs), (None, 2));
    let given = Overrides { time: Some("2m".parse().unwrap()), ..Overrides::default() };
    // chosen anew, and not at most what was chosen before
    assert!(given.over(again).unwrap().epochs > 1000);
}
