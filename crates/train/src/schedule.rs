//! The learning rate of each step: a function of the options, the steps of an epoch and the step. Only `plateau` also looks at
//! what the run has found; that is part of its state, so that a resumed run goes on alike.
//!
//! All is computed in `f64` and rounded to `f32` once. Cosines are `libm`'s: the system's differ from machine to machine.

mod curve;
mod plateau;
mod words;

use crate::options::{Sched, SchedPer, TrainOptions, written};
use curve::{annealed, decayed, one_cycle, poly, tanh};
pub(crate) use plateau::Plateau;
pub(crate) use words::{extended, unused};

/// What holds where an option of a schedule is not given: timm's values.
pub(crate) mod usual {
    /// The rate a warm-up begins with.
    pub(crate) const WARMUP_LR: f32 = 1e-5;
    /// The smallest rate.
    pub(crate) const MIN_LR: f32 = 0.0;
    /// Epochs between two decays of `step`; torchvision's, timm's command line has 90.
    pub(crate) const DECAY_EPOCHS: u32 = 30;
    /// What a decay multiplies the rate by.
    pub(crate) const DECAY_RATE: f32 = 0.1;
    /// Epochs without a smaller loss before `plateau` decays.
    pub(crate) const PATIENCE_EPOCHS: u32 = 10;
    /// Epochs of the decays of `multistep`.
    pub(crate) const MILESTONES: [u32; 2] = [30, 60];
}

/// The learning rate over a run.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Schedule {
    sched: Sched,
    per: SchedPer,
    /// The options' learning rate.
    base: f64,
    warmup_lr: f64,
    min_lr: f64,
    /// Epochs of warm-up.
    warmup: f64,
    /// Whether the schedule begins with the warm-up, as timm's does, and not after it.
    overlap: bool,
    decay_epochs: u32,
    decay_rate: f64,
    milestones: Vec<u32>,
    patience: u32,
    epochs: u32,
    /// Epochs that come after these, at the smallest rate.
    cooldown: u32,
    /// Of an epoch.
    steps: u64,
    /// In place of all this: that of a range test.
    rising: Option<Rising>,
}

/// A rate that rises by the same factor from each step to the next.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Rising {
    /// Rate of the first step.
    pub(crate) from: f64,
    /// Rate that would follow the last one.
    pub(crate) to: f64,
    /// Steps.
    pub(crate) steps: u64,
}

impl Rising {
    /// The rate of step `step`, counted from 0: `from (to / from)^(step / steps)`.
    pub(crate) fn lr(&self, step: u64) -> f64 {
        self.from * libm::pow(self.to / self.from, step as f64 / self.steps as f64)
    }
}

impl Schedule {
    /// The schedule of a run whose epochs have so many `steps`.
    pub(crate) fn of(options: &TrainOptions, steps: u64) -> Self {
        let o = options;
        let milestones = o.decay_milestones.as_ref().map_or(&usual::MILESTONES[..], |given| given.epochs());
        Self {
            sched: o.sched,
            per: o.sched_per,
            base: written(o.lr),
            warmup_lr: written(o.warmup_lr.unwrap_or(usual::WARMUP_LR)),
            min_lr: written(o.min_lr.unwrap_or(usual::MIN_LR)),
            warmup: written(o.warmup_epochs),
            overlap: o.warmup_overlap,
            decay_epochs: o.decay_epochs.unwrap_or(usual::DECAY_EPOCHS),
            decay_rate: written(o.decay_rate.unwrap_or(usual::DECAY_RATE)),
            milestones: milestones.to_vec(),
            patience: o.patience_epochs.unwrap_or(usual::PATIENCE_EPOCHS),
            epochs: o.epochs,
            cooldown: o.all_epochs() - o.epochs,
            steps: steps.max(1),
            rising: None,
        }
    }

    /// The same with a rate that rises through a range test.
    pub(crate) fn rising(self, rising: Rising) -> Self {
        Self { rising: Some(rising), ..self }
    }

    /// The rate of step `step` of the run, counted from 0. `plateau` is what the run has found so far.
    pub(crate) fn lr(&self, step: u64, plateau: Option<&Plateau>) -> f64 {
        if let Some(rising) = &self.rising {
            return rising.lr(step);
        }
        if self.sched == Sched::OneCycle {
            return one_cycle(self.base, step, u64::from(self.epochs) * self.steps);
        }
        // the unit of time is an epoch or a step; what it counts is whole, so `f64` holds it
        let (t, epoch) = match self.per {
            SchedPer::Epoch => ((step / self.steps) as f64, 1.0),
            SchedPer::Step => (step as f64, self.steps as f64),
        };
        let warmup = self.warmup * epoch;
        let shift = if self.overlap { 0.0 } else { warmup };
        let whole = f64::from(self.epochs) * epoch - shift;
        if t < warmup {
            let top = match self.sched {
                // of a schedule that overlaps, timm's tanh alone is met where it is
                Sched::Tanh if self.overlap && warmup < whole => tanh(self.base, self.min_lr, warmup / whole),
                Sched::Tanh if self.overlap => self.min_lr,
                _ => self.base,
            };
            return self.warmup_lr + t * ((top - self.warmup_lr) / warmup);
        }
        let t = t - shift;
        match self.sched {
            Sched::Constant | Sched::OneCycle => self.base,
            Sched::Step => {
                decayed(self.base, self.decay_rate, (t / (f64::from(self.decay_epochs) * epoch)) as u64)
            }
            Sched::MultiStep => {
                let passed = self.milestones.iter().filter(|at| f64::from(**at) * epoch <= t).count();
                decayed(self.base, self.decay_rate, passed as u64)
            }
            Sched::Cosine if t < whole => annealed(self.base, self.min_lr, t / whole),
            Sched::Poly if t < whole => poly(self.base, self.min_lr, t / whole, self.decay_rate),
            // timm asks its schedule only after the first epoch or step, where there is no warm-up
            Sched::Tanh if t == 0.0 && warmup == 0.0 => self.base,
            Sched::Tanh if t < whole => tanh(self.base, self.min_lr, t / whole),
            Sched::Cosine | Sched::Poly | Sched::Tanh => self.min_lr,
            Sched::Plateau => plateau.map_or(self.base, |plateau| plateau.lr),
        }
    }

    /// What `plateau` makes of an epoch whose validation loss is `loss`; nothing of other schedules. The epochs of the warm-up
    /// count, too.
    pub(crate) fn after_epoch(&self, plateau: Option<Plateau>, loss: f64) -> Option<Plateau> {
        (self.sched == Sched::Plateau).then(|| {
            let now = plateau.unwrap_or(Plateau::new(self.base));
            now.after(
                loss,
                &plateau::PlateauRule {
                    factor: self.decay_rate,
                    patience: self.patience,
                    min_lr: self.min_lr,
                },
            )
        })
    }

    /// Whether the number of epochs has a say in the rates.
    pub(crate) fn has_length(&self) -> bool {
        self.sched.comes_down() || self.sched == Sched::OneCycle
    }
}

#[cfg(test)]
mod tests;
