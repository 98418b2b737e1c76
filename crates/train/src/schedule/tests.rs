//! Rates against golden data of timm, torchvision and PyTorch.

use super::*;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../tests/golden/schedules.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The options of a case. Whose the numbers are says whether warm-up and schedule overlap, and how often the rate is set.
fn options(case: &Value) -> TrainOptions {
    let mut options: serde_json::Map<String, Value> =
        serde_json::from_value(serde_json::to_value(TrainOptions::default()).unwrap()).unwrap();
    for (key, value) in case["options"].as_object().unwrap() {
        let (key, value) = match key.as_str() {
            "milestones" => {
                let epochs: Vec<String> = numbers(value).iter().map(f64::to_string).collect();
                ("decay_milestones", epochs.join(",").into())
            }
            key => (key, value.clone()),
        };
        options.insert(key.into(), value);
    }
    options.insert("warmup_overlap".into(), (case["program"] == "timm").into());
    options.insert("sched_per".into(), if case["steps"].is_null() { "epoch" } else { "step" }.into());
    serde_json::from_value(options.into()).unwrap()
}

/// Units in the last place between two positive numbers.
fn ulps(a: f64, b: f64) -> u64 {
    a.to_bits().abs_diff(b.to_bits())
}

#[test]
fn rates_are_those_of_the_program_that_has_the_schedule() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    for case in cases {
        let steps = case["steps"].as_u64();
        let options = options(case);
        // by epochs: whatever an epoch's steps are, all have its rate
        let schedule = Schedule::of(&options, steps.unwrap_or(3));
        let rates = numbers(&case["rates"]);
        let exact = matches!(options.sched, Sched::Constant | Sched::Step | Sched::MultiStep)
            && options.warmup_epochs == 0.0;
        for (t, expected) in rates.iter().enumerate() {
            let at = t as u64 * if steps.is_some() { 1 } else { 3 };
            for step in at..at + if steps.is_some() { 1 } else { 3 } {
                let lr = schedule.lr(step, None);
                let error = (lr - expected).abs();
                assert!(error <= 1e-12 * expected.abs(), "{case}: {t}: {lr} {expected}");
                // products and warm-ups are the same operations in the same order
                assert!(!exact || lr == *expected, "{case}: {t}: {lr} {expected}");
            }
        }
        let last = if steps.is_some() { rates.len() } else { rates.len() * 3 };
        assert_eq!(last as u64, u64::from(options.all_epochs()) * schedule.steps);
    }
    assert!(cases.len() >= 19);
}

#[test]
fn timms_cosine_peaks_below_the_rate_and_ours_at_it() {
    let timm = TrainOptions {
        sched: Sched::Cosine,
        sched_per: SchedPer::Epoch,
        warmup_epochs: 5.0,
        warmup_overlap: true,
        epochs: 100,
        lr: 1.0,
        ..TrainOptions::default()
    };
    let peak = |options: &TrainOptions| {
        let schedule = Schedule::of(options, 10);
        (0..1000).map(|step| schedule.lr(step, None)).fold(0.0, f64::max)
    };
    assert!((peak(&timm) - 0.993_844).abs() < 1e-6);
    assert_eq!(peak(&TrainOptions { warmup_overlap: false, ..timm }), 1.0);
}

#[test]
fn cosines_are_within_one_unit_of_pythons() {
    let cosines = numbers(&golden()["cosines"]);
    let of = |i: usize| libm::cos(std::f64::consts::PI * i as f64 / 997.0);
    let worst = cosines.iter().enumerate().map(|(i, expected)| ulps(of(i).abs(), expected.abs())).max();
    assert!(worst.unwrap() <= 1, "{worst:?}");
}

#[test]
fn a_plateau_lowers_the_rate_when_pytorchs_does() {
    let golden = golden();
    let case = &golden["plateau"];
    let schedule = Schedule::of(&TrainOptions { sched_per: SchedPer::Epoch, ..options(case) }, 2);
    let mut plateau = None;
    let (losses, rates) = (numbers(&case["losses"]), numbers(&case["rates"]));
    for (epoch, (loss, expected)) in losses.iter().zip(&rates).enumerate() {
        assert_eq!(schedule.lr(2 * epoch as u64, plateau.as_ref()), *expected, "{epoch}");
        plateau = schedule.after_epoch(plateau, *loss);
    }
    assert!(rates.windows(2).filter(|two| two[1] < two[0]).count() >= 4, "{rates:?}");
    // its state keeps its bits
    let text = serde_json::to_string(&plateau).unwrap();
    assert_eq!(serde_json::from_str::<Option<Plateau>>(&text).unwrap(), plateau);
}

#[test]
fn the_chapters_rate_is_what_was_written() {
    for lr in [0.05, 0.1, 0.3, 1e-3, 0.0] {
        let options = TrainOptions { lr, ..TrainOptions::default() };
        let schedule = Schedule::of(&options, 235);
        assert!([0, 1, 234, 235, 1174, 5000].iter().all(|step| schedule.lr(*step, None) as f32 == lr));
        assert_eq!(schedule.words(), None);
    }
}

#[test]
fn short_runs_have_rates_too() {
    for sched in [Sched::Cosine, Sched::Poly, Sched::Tanh, Sched::OneCycle, Sched::Step, Sched::Plateau] {
        for (epochs, steps) in [(1, 1), (1, 2), (1, 3), (2, 1), (1, 4)] {
            for warmup_epochs in [0.0, 0.5, 1.0, 9.0] {
                let options = TrainOptions { sched, epochs, warmup_epochs, ..TrainOptions::default() };
                let schedule = Schedule::of(&options, steps);
                // also past the end, where a run that `max_steps` cut may stand
                for step in 0..u64::from(epochs) * steps + 2 {
                    let lr = schedule.lr(step, None);
                    assert!((0.0..=0.05).contains(&lr), "{options:?} {step}: {lr}");
                }
            }
        }
    }
}
