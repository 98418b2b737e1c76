//! Where a run stands and what of it is on the disk: what leaving at once would lose.

use plusx_train::{Event, RunPosition, SaveReason};
use std::path::{Path, PathBuf};

/// Kept up by the events of a run.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Whether the run is one of a comparison.
    compares: bool,
    /// Its folder, once it has one.
    run: Option<PathBuf>,
    /// Steps of an epoch.
    steps: u64,
    /// Steps of the run that are done, and those that a checkpoint has.
    done: u64,
    saved: Option<u64>,
}

impl Standing {
    /// Takes note of an event.
    pub(crate) fn hear(&mut self, event: &Event) {
        match event {
            Event::Comparison(_) => self.compares = true,
            Event::Plan(plan) => {
                *self = Self { compares: self.compares, steps: plan.steps_per_epoch, ..Self::default() };
            }
            Event::Started(started) => {
                self.run = Some(started.run.clone());
                // counted from 1, the epoch that is under way
                let resumed = started.resumed.map(|at| u64::from(at.epoch - 1) * self.steps + at.steps);
                self.done = resumed.unwrap_or(0);
                self.saved = resumed;
            }
            Event::Step(step) => {
                self.steps = step.steps;
                self.done = u64::from(step.epoch - 1) * step.steps + step.step;
            }
            Event::Saved { reason: SaveReason::Best, .. } => {}
            Event::Saved { .. } => self.saved = Some(self.done),
            _ => {}
        }
    }

    /// The command that goes on, and the folder after it.
    pub(crate) fn resumes(&self) -> Option<(&'static str, &Path)> {
        let run = self.run.as_deref()?;
        // the runs of a comparison lie in its folder
        if self.compares { Some(("compare", run.parent()?)) } else { Some(("train", run)) }
    }

    /// What is lost if the process ends now, in a sentence.
    pub(crate) fn lost(&self) -> String {
        if self.run.is_none() {
            return "no step has been done yet, nothing is lost".into();
        }
        let lost = self.done - self.saved.unwrap_or(0).min(self.done);
        let steps = if lost == 1 { "1 step".into() } else { format!("{lost} steps") };
        match (lost, self.saved) {
            (0, Some(_)) => "all finished steps are saved, only what is under way is lost".into(),
            (0, None) => "no step has been done yet, nothing is lost".into(),
            (_, None) => format!("{steps}, all of the run so far, are lost: nothing had been saved"),
            (_, Some(_)) => {
                let epoch = self.place(self.done - 1).epoch;
                format!("{steps} since the last checkpoint, of epoch {epoch}, are lost")
            }
        }
    }

    /// From where a resumed run goes on.
    pub(crate) fn goes_on(&self) -> String {
        match self.saved {
            None | Some(0) => "begins again".into(),
            Some(saved) => {
                let at = self.place(saved);
                format!("continues at step {} of epoch {}", at.steps + 1, at.epoch)
            }
        }
    }

    /// Where a run is after so many steps.
    fn place(&self, steps: u64) -> RunPosition {
        let each = self.steps.max(1);
        RunPosition { epoch: (steps / each + 1) as u32, steps: steps % each }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_train::{RunPosition, Started, StepEvent};

    fn started(resumed: Option<RunPosition>) -> Event {
        Event::Started(Started { context: "cpu(0)".into(), run: "runs/a/exp".into(), resumed })
    }

    fn step(epoch: u32, step: u64) -> Event {
        Event::Step(StepEvent {
            epoch,
            epochs: 3,
            step,
            steps: 5,
            loss: 1.0,
            accuracy: 0.5,
            img_per_s: 1.0,
            eta: 1.0,
            data_wait: 0.0,
        })
    }

    fn saved(reason: SaveReason) -> Event {
        Event::Saved { path: "last".into(), reason }
    }

    #[test]
    fn losses_are_counted_from_the_last_checkpoint() {
        let mut standing = Standing::default();
        assert!(standing.lost().contains("nothing is lost"));
        assert_eq!(standing.resumes(), None);
        standing.hear(&started(None));
        standing.hear(&step(1, 1));
        assert!(standing.lost().starts_with("1 step, all of the run so far"), "{}", standing.lost());
        assert_eq!(standing.goes_on(), "begins again");
        standing.hear(&step(1, 5));
        standing.hear(&saved(SaveReason::Best));
        assert!(standing.lost().starts_with("5 steps"), "{}", standing.lost());
        standing.hear(&saved(SaveReason::Epoch));
        assert!(standing.lost().contains("only what is under way"), "{}", standing.lost());
        assert_eq!(standing.goes_on(), "continues at step 1 of epoch 2");
        standing.hear(&step(2, 3));
        assert_eq!(standing.lost(), "3 steps since the last checkpoint, of epoch 2, are lost");
        standing.hear(&saved(SaveReason::Interval));
        standing.hear(&step(2, 4));
        assert_eq!(standing.goes_on(), "continues at step 4 of epoch 2");
        assert_eq!(standing.resumes(), Some(("train", Path::new("runs/a/exp"))));
    }

    #[test]
    fn a_resumed_run_has_its_checkpoint() {
        let mut standing = Standing { steps: 5, compares: true, ..Standing::default() };
        standing.hear(&started(Some(RunPosition { epoch: 2, steps: 2 })));
        assert!(standing.lost().contains("only what is under way"));
        standing.hear(&step(2, 4));
        assert_eq!(standing.lost(), "2 steps since the last checkpoint, of epoch 2, are lost");
        assert_eq!(standing.goes_on(), "continues at step 3 of epoch 2");
        assert_eq!(standing.resumes(), Some(("compare", Path::new("runs/a"))));
    }
}
