//! `plusx train --smoke`: whether a run works, and how long it would take, before it is started.

use crate::cache::{self, CacheMode};
use crate::disk;
use crate::exit;
use crate::machine;
use crate::plan_text::run_text;
use crate::screen::{bytes, duration, note, result};
use crate::signals::{Heard, listen};
use anyhow::Result;
use plusx_data::Dataset;
use plusx_model::words::counted;
use plusx_train::{Event, Smoke, SmokeReport, Stop, TrainOptions, smoke};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Folders that a process which leaves at once deletes, as often as another thread may still write there.
const TRIES: usize = 5;

/// What a smoke run needs besides its options.
pub(crate) struct SmokeRun {
    pub(crate) dataset: Dataset,
    pub(crate) cache: CacheMode,
    /// Bytes of memory that the run takes.
    pub(crate) needed: u64,
    pub(crate) json: bool,
}

/// Makes the run of a few steps and says what it found; the exit code.
pub(crate) fn run(options: &TrainOptions, of: SmokeRun) -> Result<u8> {
    let SmokeRun { dataset, cache, needed, json } = of;
    // a cache on disk makes the folder of the runs, which nobody asked for here
    let missing: Vec<PathBuf> = options
        .output
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .map(Path::to_owned)
        .collect();
    let ended =
        cache::keep(cache, dataset, options, needed).and_then(|dataset| rehearse(options, &dataset, json));
    for folder in missing {
        // only empty ones can be removed so
        let _ = std::fs::remove_dir(folder);
    }
    ended
}

fn rehearse(options: &TrainOptions, dataset: &Dataset, json: bool) -> Result<u8> {
    let (stop, scratch) = (Stop::new(), Arc::new(Mutex::new(None)));
    listen(&stop, on_signal(Arc::clone(&scratch)))?;
    let mut steps = 0;
    let mut watch = |event: &Event| match event {
        Event::Plan(plan) => note(&run_text(plan)),
        Event::Started(started) => {
            *scratch.lock().unwrap_or_else(PoisonError::into_inner) =
                started.run.parent().map(Path::to_owned);
        }
        Event::Step(step) => {
            steps += 1;
            note(&format!("step {steps}: loss {:.4}", step.loss));
        }
        Event::Epoch(epoch) => note(&format!("test pass over two batches: loss {:.4}", epoch.test_loss)),
        Event::Warning { message } => note(&format!("warning: {message}")),
        _ => {}
    };
    match disk::told(smoke(options, dataset, &stop, &mut watch), None) {
        Ok(Smoke::Works(report)) => {
            result(&if json { serde_json::to_string(&report)? } else { text(&report, options) })?;
            Ok(exit::DONE)
        }
        Ok(Smoke::Interrupted(signal)) => {
            note("stopped; what was written is deleted");
            Ok(signal.exit_code())
        }
        Err(code) => Ok(code),
    }
}

/// What to say when signals come. Who leaves at once takes the folder with them.
fn on_signal(scratch: Arc<Mutex<Option<PathBuf>>>) -> impl Fn(Heard) + Send + 'static {
    move |heard| match heard {
        Heard::First(signal) => {
            note(&format!(
                "{}: finishing the step, then deleting what was written (Ctrl-C once more leaves at once)",
                signal.name()
            ));
        }
        Heard::Leaving => {
            let folder = scratch.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let gone = |folder: &PathBuf| {
                (0..TRIES).any(|_| std::fs::remove_dir_all(folder).is_ok() || !folder.exists())
            };
            match folder {
                Some(folder) if !gone(&folder) => {
                    note(&format!("leaving at once: {} stays, delete it", folder.display()));
                }
                _ => note("leaving at once: what was written is deleted"),
            }
        }
    }
}

/// A few lines for people.
fn text(report: &SmokeReport, options: &TrainOptions) -> String {
    let plan = &report.plan;
    let mut lines = vec![
        format!(
            "everything works: {} learnt, the test pass, best weights, results, curves, a save and a resume from it; all of it is \
             deleted again",
            counted(report.steps, "step")
        ),
        format!(
            "{} a step of {} ({:.1} images/s), {} a test pass over {}, {} an epoch for files and the first batch",
            duration_fine(report.step_seconds),
            counted(plan.batch_size.min(plan.train_images) as u64, "image"),
            report.img_per_s,
            duration_fine(report.test_seconds),
            counted(plan.test_images as u64, "image"),
            duration_fine(report.epoch_seconds)
        ),
    ];
    let epochs = counted(u64::from(plan.epochs), "epoch");
    let whole = duration(report.run_seconds);
    lines.push(match (options.time, options.max_steps) {
        (Some(time), _) => format!("in --time {time} there would be about {epochs}, of {whole} together"),
        (None, Some(max)) => format!("the whole run, {epochs} or --max-steps {max}, takes about {whole}"),
        (None, None) => format!("the whole run, {epochs}, takes about {whole}"),
    });
    let held = machine::peak_memory().map_or_else(String::new, |held| {
        format!("; {} were held at most, the program included", bytes(held))
    });
    lines.push(format!("the run takes {} of memory{held}", bytes(plan.memory_bytes)));
    if let Some(time) = &plan.time {
        lines.extend(time.changed.iter().map(|change| format!("note: {change}")));
    }
    lines.join("\n")
}

/// A duration for people, also one of milliseconds.
fn duration_fine(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", 1000.0 * seconds) } else { duration(seconds) }
}
