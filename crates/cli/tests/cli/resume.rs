//! A run that is cut off anywhere ends with the very bytes of one that was not.

use crate::program::{Place, SMALL, Said, TINY, results_without_times, start};
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The run that all others must equal: momentum on, so that the velocity has to survive too.
fn options() -> String {
    format!("{SMALL} --epochs 3 --momentum 0.9 --lr 0.01 --save-every 2steps")
}

const RESULTS: &str = "runs/train/exp/results.csv";
const LAST: &str = "runs/train/exp/weights/last.safetensors";
const BEST: &str = "runs/train/exp/weights/best.safetensors";

fn assert_same(reference: &(Place, Said), place: &Place, said: &Said) {
    assert_eq!(said.weights_sha256(), reference.1.weights_sha256());
    assert_eq!(place.read(LAST), reference.0.read(LAST), "last.safetensors");
    assert_eq!(place.read(BEST), reference.0.read(BEST), "best.safetensors");
    assert_eq!(
        results_without_times(&place.text(RESULTS)),
        results_without_times(&reference.0.text(RESULTS)),
        "results.csv"
    );
}

fn reference() -> (Place, Said) {
    let place = Place::new();
    let said = place.ok(&format!("train {}", options()));
    (place, said)
}

/// What an epoch gave, by its JSON line, times aside.
fn epochs(said: &Said) -> Vec<Value> {
    let objects = said.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let epochs = objects.filter(|object| object["event"] == "epoch");
    epochs
        .map(|mut epoch| {
            for time in ["seconds", "img_per_s", "data_wait"] {
                epoch[time].take();
            }
            epoch
        })
        .collect()
}

/// Numbers below a bound, other ones each time the test runs; the seed is printed if it fails.
struct Chance(u32);

impl Chance {
    fn below(&mut self, bound: u32) -> u32 {
        // xorshift
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % bound
    }
}

/// Everything that draws, averages or remembers, on a network that is saved fast.
const LEARNING: &str = "--model resnet20 --opt adamw --lr 0.002 --sched cosine --warmup-epochs 1 --model-ema-decay 0.9 --clip-grad 1 \
    --smoothing 0.1 --mixup 0.4 --cutmix 1 --scale 0.5,1 --hflip 0.5 --aa ta_wide --reprob 0.2 --sampler balanced --grad-accum-steps 2 --layer-decay 0.8";

/// A part that stays as it is and is computed once, and learns in the last epoch.
const KEEPING: &str = "--model resnet20 --freeze 3 --unfreeze-after 2 --feature-views 2 --opt adamw --lr 0.002 --sched cosine \
    --warmup-epochs 1 --model-ema-decay 0.9 --clip-grad 1 --scale 0.5,1 --hflip 0.5 --aa ta_wide";

#[test]
fn killed_at_random_moments_it_ends_with_the_same_bytes() {
    killed(&format!("train {} --json", options()));
}

#[test]
fn killed_with_kept_features_it_ends_with_the_same_bytes() {
    killed(&format!("train {} {KEEPING} --json", options()));
}

#[test]
fn killed_with_all_that_learning_offers_it_ends_with_the_same_bytes() {
    killed(&format!("train {} {LEARNING} --json", options()));
}

/// How many runs are killed; `cargo xtask kills` asks for many.
fn runs() -> u32 {
    std::env::var("PLUSX_KILLED_RUNS").map_or(1, |runs| runs.parse().expect("a number of runs"))
}

/// Kills runs up to five times each and compares what comes of them with the run undisturbed.
fn killed(train: &str) {
    // a run that is killed before it can be resumed begins again in the same folder
    let train = &format!("{train} --name exp --exist-ok");
    let undisturbed = Place::new();
    let whole = undisturbed.ok(train);
    let reference = (undisturbed, whole);
    let kills: u32 = (0..runs()).map(|_| killed_once(train, &reference)).sum();
    println!("{kills} kills of {} runs, no byte differs", runs());
}

/// Kills one run up to five times; how often.
fn killed_once(train: &str, reference: &(Place, Said)) -> u32 {
    let whole = &reference.1;
    let place = Place::new();
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").subsec_nanos() | 1;
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let mut heard = Vec::new();
    let mut kills = 0;
    while kills < 5 {
        let resumes = place.exists("runs/train/exp/args.yaml");
        let mut running = start(place.command(if resumes { "train --resume --json" } else { train }));
        // after up to three steps, and then somewhere in the next: computing, testing or saving
        let alive = running.hear("\"event\":\"step\"", chance.below(4) as usize);
        std::thread::sleep(Duration::from_millis(u64::from(chance.below(200))));
        let said = running.kill();
        heard.extend(epochs(&said));
        if !alive || said.code == Some(0) {
            break;
        }
        kills += 1;
    }
    assert!(kills > 0, "it was too fast to be killed");
    let last = place.ok("train --resume --json");
    heard.extend(epochs(&last));
    assert_same(reference, &place, &last);
    // a line may be said twice (killed after saying, before saving), but never differently, and none is lost
    for epoch in epochs(whole) {
        assert!(heard.contains(&epoch), "{epoch} was not said");
    }
    heard.retain(|epoch| !epochs(whole).contains(epoch));
    assert!(heard.is_empty(), "said differently: {heard:?}");
    kills
}

#[test]
fn interrupted_inside_an_epoch_it_says_the_same_lines() {
    let reference = reference();
    let place = Place::new();
    let first = place.ok(&format!("train {} --max-steps 7", options()));
    // --max-steps ends with a test of where it stands: a line for the part of the second epoch
    assert_eq!(first.epochs()[..1], reference.1.epochs()[..1]);
    let second = place.ok("train --resume runs/train/exp --max-steps 15");
    assert_eq!(second.epochs(), reference.1.epochs()[1..]);
    assert_same(&reference, &place, &second);
}

#[test]
fn another_number_of_threads_may_finish_it() {
    let reference = reference();
    let place = Place::new();
    place.ok(&format!("train {} --max-steps 4", options()));
    let said = place.ok("train --resume --threads 3 --max-steps 15");
    assert_same(&reference, &place, &said);
}

#[test]
fn a_finished_run_can_be_extended() {
    let reference = reference();
    let place = Place::new();
    place.ok(&format!("train {SMALL} --epochs 2 --momentum 0.9 --lr 0.01 --save-every 2steps"));
    let said = place.ok("train --resume --epochs 3");
    assert_eq!(said.epochs(), reference.1.epochs()[2..]);
    assert_eq!(
        results_without_times(&place.text(RESULTS)),
        results_without_times(&reference.0.text(RESULTS))
    );
}

#[test]
fn what_decides_the_bytes_may_not_change() {
    let place = Place::new();
    place.ok(&format!("train {SMALL} --max-steps 1"));
    for change in ["--lr 0.1", "--seed 8", "--batch-size 16", "--resize 24", "--data fashion-mnist"] {
        let said = place.plusx(&format!("train --resume {change}"));
        assert_eq!(said.code, Some(2), "{change}: {said:?}");
        let option = change.split(' ').next().expect("an option");
        assert!(said.stderr.contains(option), "{change}: {said:?}");
    }
}

#[test]
fn the_newest_run_is_meant_unless_one_is_named() {
    let place = Place::new();
    place.ok(&format!("train {SMALL} --max-steps 1"));
    place.ok(&format!("train {SMALL} --max-steps 1"));
    let said = place.ok("train --resume --max-steps 2");
    assert!(said.stderr.contains("exp2"), "{said:?}");
    let said = place.ok("train --resume runs/train/exp --max-steps 2");
    assert!(!said.stderr.contains("exp2"), "{said:?}");
}

#[test]
fn the_newest_that_is_not_finished_is_meant() {
    let place = Place::new();
    place.ok(&format!("train {TINY} --epochs 2 --max-steps 1"));
    place.ok(&format!("train {TINY} --epochs 1"));
    std::fs::create_dir_all(place.path("runs/train/exp3")).expect("a folder");
    place.write("runs/train/exp4/args.yaml", b"task: classify\nmode: train\n");
    // the newest that is a run has all its epochs
    let said = place.ok("train --resume --epochs 2");
    assert!(said.stderr.contains("going on with runs/train/exp2"), "{said:?}");
    let said = place.ok("train --resume --max-steps 3");
    assert!(
        said.stderr.contains("going on with runs/train/exp, the newest that is not finished"),
        "{said:?}"
    );
    for part in ["exp2 is finished", "exp4 is left aside", "args.yaml"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    // nothing is left anywhere: said, and no failure, so that a job may be started once too often
    let said = place.ok("train --resume");
    for part in ["runs/train/exp: none was stopped", "--max-steps ended", "nothing is left", "--epochs"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
}

#[test]
fn a_run_that_goes_on_elsewhere_is_not_meant() {
    let place = Place::new();
    place.ok(&format!("train {TINY} --max-steps 1"));
    let mut running = start(place.command(&format!("train {TINY} --epochs 50 --json")));
    assert!(running.hear("\"event\":\"step\"", 1));
    let said = place.ok("train --resume --max-steps 2");
    assert!(said.stderr.contains("going on with runs/train/exp,"), "{said:?}");
    assert!(said.stderr.contains("exp2 is in use by another process"), "{said:?}");
    // now that one is all there is
    for command in ["train --resume", "train --resume runs/train/exp2"] {
        let said = place.plusx(command);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains("in use by another plusx process"), "{said:?}");
    }
    running.kill();
}

#[test]
fn of_comparisons_the_newest_that_is_not_finished_is_meant() {
    let place = Place::new();
    let recipe = "--models plain20,resnet20 --seeds 1 --data fashion-mnist-mini --resize 8 --train-limit 32 \
                  --batch-size 16 --threads 2";
    // the folder of one that was killed before its first run
    place.ok(&format!("compare {recipe} --max-steps 2"));
    place.ok(&format!("compare {recipe} --max-steps 2"));
    std::fs::remove_dir_all(place.path("runs/compare/exp/resnet20-seed42")).expect("a run");
    let said = place.ok("compare --resume");
    assert!(said.stderr.contains("going on with runs/compare/exp, the newest"), "{said:?}");
    assert!(said.stderr.contains("exp2 is finished"), "{said:?}");
    let said = place.ok("compare --resume");
    assert!(said.stderr.contains("runs/compare/exp: all there are finished"), "{said:?}");
}

#[test]
fn nothing_to_resume_is_said() {
    let place = Place::new();
    let said = place.plusx("train --resume");
    assert_eq!(said.code, Some(66), "{said:?}");
    let said = place.plusx("train --resume runs/train/nowhere");
    assert_eq!(said.code, Some(66), "{said:?}");
    assert!(said.stderr.contains("nowhere"), "{said:?}");
}
