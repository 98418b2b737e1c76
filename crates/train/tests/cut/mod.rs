//! A run of three or four epochs on stripes, and ways to cut it short.

use std::path::Path;

use plusx_train::{Event, Outcome, SaveEvery, Signal, Silent, Stop, TrainError, TrainOptions, run_on};

use crate::fake::{Fake, Trouble};
use crate::stripes::{SIDE, dataset};

/// 50 images in batches of 8: seven steps an epoch, the last of two images.
pub(crate) const TRAIN: usize = 50;

/// Options of a run in the folder `run` below `output`.
pub(crate) fn options(output: &Path) -> TrainOptions {
    TrainOptions {
        model: "softmax".into(),
        data: "stripes".into(),
        resize: SIDE,
        epochs: 3,
        batch_size: 8,
        lr: 0.5,
        momentum: 0.9,
        output: output.into(),
        name: Some("run".into()),
        save_every: SaveEvery::Epoch,
        ..TrainOptions::default()
    }
}

/// Begins the run and ends it at step `at`: an even step by a signal, an odd one as a process that dies.
pub(crate) fn cut_short(options: &TrainOptions, at: u64) {
    let stop = Stop::new();
    if at.is_multiple_of(2) {
        let mut steps = 0;
        let mut watch = |event: &Event| {
            steps += u64::from(matches!(event, Event::Step(_)));
            if steps == at {
                stop.request(Signal::Interrupt);
            }
        };
        let outcome = run_on(&mut Fake::new(), options, dataset(TRAIN, 30), &stop, &mut watch);
        assert!(matches!(outcome, Ok(Outcome::Interrupted { .. })), "{outcome:?}");
    } else {
        let mut fake = Fake::with(Trouble { fail_at: Some(at), ..Trouble::default() });
        let error = run_on(&mut fake, options, dataset(TRAIN, 30), &stop, &mut Silent).unwrap_err();
        assert!(matches!(error, TrainError::Executor(_)), "{error}");
    }
}
