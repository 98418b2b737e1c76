//! Schedules in words.

use plusx_model::words::counted;

use super::Schedule;
use crate::options::{Sched, SchedPer, TrainOptions};

impl Schedule {
    /// The schedule for the plan of a run; nothing of a rate that never changes.
    pub(crate) fn words(&self) -> Option<String> {
        if self.sched == Sched::Constant && self.warmup == 0.0 {
            return None;
        }
        let last = (u64::from(self.epochs.saturating_add(self.cooldown)) * self.steps).saturating_sub(1);
        let base = self.base;
        let warmup = match self.warmup {
            0.0 => String::new(),
            warmup => format!("{warmup} epochs of warm-up from {}, then ", self.warmup_lr),
        };
        let decays = format!("times {} ", self.decay_rate);
        let main = match self.sched {
            Sched::Constant => format!("{base}"),
            Sched::Step => format!("{base}, {decays}after every {} epochs", self.decay_epochs),
            Sched::MultiStep => {
                let epochs: Vec<String> = self.milestones.iter().map(u32::to_string).collect();
                format!("{base}, {decays}after epochs {}", epochs.join(", "))
            }
            Sched::Cosine => format!("a cosine from {base} to {}", self.min_lr),
            Sched::Poly => {
                format!("from {base} to {} along the power {} of what is left", self.min_lr, self.decay_rate)
            }
            Sched::Tanh => format!("a hyperbolic tangent from {base} to {}", self.min_lr),
            Sched::OneCycle => format!("one cycle up to {base} and down"),
            Sched::Plateau => {
                format!("{base}, {decays}when the loss has not fallen for more than {} epochs", self.patience)
            }
        };
        let per = match self.per {
            _ if self.sched == Sched::OneCycle => "step",
            SchedPer::Step => "step",
            SchedPer::Epoch => "epoch",
        };
        let end = match self.sched {
            Sched::Plateau => String::new(),
            _ => format!("; {:.3e} in the last step", self.lr(last, None)),
        };
        let main = match self.cooldown {
            0 => main,
            epochs => format!("{main}, then {} of cool-down", counted(u64::from(epochs), "epoch")),
        };
        Some(format!("{warmup}{main}, set at every {per}{end}"))
    }
}

/// What a larger number of epochs does to the rates of a run that goes on at `step`: nothing to say where they do not depend
/// on it.
pub(crate) fn extended(saved: &TrainOptions, now: &TrainOptions, steps: u64, step: u64) -> Option<String> {
    let [before, after] = [saved, now].map(|options| Schedule::of(options, steps));
    (before.has_length() && saved.epochs != now.epochs).then(|| {
        format!(
            "the {} schedule was planned for {} epochs and goes on as one of {}: the learning rate of the next step is {:.3e} \
             instead of {:.3e}; the result is not that of a run of {} epochs from the start",
            now.sched,
            saved.epochs,
            now.epochs,
            after.lr(step, None),
            before.lr(step, None),
            now.epochs
        )
    })
}

/// The options of schedules that were given and that the schedule does not look at.
pub(crate) fn unused(options: &TrainOptions) -> Vec<&'static str> {
    let o = options;
    let decays = matches!(o.sched, Sched::Step | Sched::MultiStep | Sched::Plateau | Sched::Poly);
    let comes_down = o.sched.comes_down();
    let cycle = o.sched == Sched::OneCycle;
    let warms = o.warmup_epochs > 0.0 && !cycle;
    [
        ("warmup-epochs", o.warmup_epochs > 0.0, !cycle),
        ("warmup-lr", o.warmup_lr.is_some(), warms),
        ("warmup-overlap", o.warmup_overlap, warms && !matches!(o.sched, Sched::Constant | Sched::Plateau)),
        ("min-lr", o.min_lr.is_some(), comes_down || o.sched == Sched::Plateau),
        ("cooldown-epochs", o.cooldown_epochs > 0, comes_down),
        ("decay-epochs", o.decay_epochs.is_some(), o.sched == Sched::Step),
        ("decay-rate", o.decay_rate.is_some(), decays),
        ("decay-milestones", o.decay_milestones.is_some(), o.sched == Sched::MultiStep),
        ("patience-epochs", o.patience_epochs.is_some(), o.sched == Sched::Plateau),
        ("sched-per", o.sched_per == SchedPer::Epoch, !cycle && (warms || o.sched != Sched::Constant)),
    ]
    .into_iter()
    .filter(|(_, given, looked_at)| *given && !looked_at)
    .map(|(name, ..)| name)
    .collect()
}
