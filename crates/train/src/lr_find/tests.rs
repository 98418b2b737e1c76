//! The range test against fastai, whose values are golden data.

use serde::Deserialize;

use super::*;

/// What fastai says, see tools/golden_lr_find.py.
#[derive(Deserialize)]
struct Golden {
    rates: Vec<f64>,
    valleys: Vec<GoldenValley>,
    tests: Vec<GoldenTest>,
}

#[derive(Deserialize)]
struct GoldenValley {
    losses: Vec<f64>,
    index: usize,
}

#[derive(Deserialize)]
struct GoldenTest {
    losses: Vec<f64>,
    smoothed: Vec<f64>,
    suggestion: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../tests/golden/lr_find.json")).unwrap()
}

fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * b.abs()
}

#[test]
fn the_rates_are_those_of_fastai() {
    let golden = golden();
    assert_eq!(golden.rates.len() as u64, RATES.steps);
    for (step, rate) in golden.rates.iter().enumerate() {
        assert!(is_close(RATES.lr(step as u64), *rate), "{step}");
    }
}

#[test]
fn valleys_are_those_of_fastai_but_for_curves_that_do_not_fall() {
    let (mut found, mut none) = (0, 0);
    for GoldenValley { losses, index } in &golden().valleys {
        match valley(losses) {
            Some(valley) => {
                assert_eq!(valley.index, *index, "{losses:?}");
                found += 1;
            }
            None => {
                let smaller =
                    |than: usize| (than + 1..losses.len()).filter(move |k| losses[*k] < losses[than]);
                let falls = (0..losses.len()).any(|i| smaller(i).any(|j| smaller(j).next().is_some()));
                assert!(!falls, "{losses:?}");
                none += 1;
            }
        }
    }
    assert_eq!((found, none), (11, 4));
}

#[test]
fn smoothing_stop_and_suggestion_are_those_of_fastai() {
    for GoldenTest { losses, smoothed, suggestion } in golden().tests {
        let mut curve = Curve::default();
        for (step, loss) in losses.iter().enumerate() {
            let Judged { point, goes_on } = curve.judge(step as u64, *loss);
            assert!(
                is_close(point.smoothed, smoothed[step]),
                "{step}: {} {}",
                point.smoothed,
                smoothed[step]
            );
            let last = step + 1 == losses.len();
            assert_eq!(goes_on, !last || losses.len() as u64 == RATES.steps, "{step} of {}", losses.len());
        }
        assert!(curve.suggestion().is_some_and(|found| is_close(found, suggestion)), "{suggestion}");
    }
}

#[test]
fn a_loss_that_is_no_number_ends_the_test() {
    let mut curve = Curve::default();
    assert!(curve.judge(0, 2.0).goes_on);
    assert!(!curve.judge(1, f64::NAN).goes_on);
    assert_eq!((curve.points.len(), curve.diverged), (1, true));
    assert_eq!(curve.suggestion(), None);
    assert_eq!(curve.table(), "step,lr,loss,smoothed_loss\n1,1e-7,2.000000,2.000000\n");
}

#[test]
fn rates_have_two_digits_where_people_read_them() {
    assert_eq!(rounded(0.001_445_4), 0.0014);
    assert_eq!(rounded(9.96), 10.0);
}
