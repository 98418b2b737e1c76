//! Where the time goes: one row for all steps of one name and kernel, of whatever plans ran.

use std::time::Duration;

use crate::plan::Plan;
use crate::plan::step::PlanStep;

/// Time of the steps of one name and kernel, over all runs since the profile was cleared.
#[derive(Clone, PartialEq, Debug)]
pub struct StepProfile {
    /// Layer and direction ("conv5 forward").
    pub name: String,
    /// The kernel table's entry ("conv_forward/avx2").
    pub kernel: &'static str,
    /// Pieces that may run at the same time.
    pub pieces: usize,
    /// How often it ran.
    pub calls: u64,
    /// Wall-clock time of all runs together.
    pub seconds: f64,
    /// Floating-point operations of all runs together, as really done. Only convolutions and dense layers are counted, and
    /// only taps inside the map. Of a Winograd algorithm its products count, the transforms do not.
    pub flops: u64,
    /// What a direct convolution would have done.
    pub direct_flops: u64,
    /// Bytes of the buffers it read and wrote, each once per run.
    pub bytes: u64,
}

/// The rows, in the order of their first run.
#[derive(Clone, Default, Debug)]
pub(crate) struct Profile {
    pub(crate) rows: Vec<StepProfile>,
}

impl Profile {
    pub(crate) fn add(&mut self, plan: &Plan, step: &PlanStep, time: Duration) {
        let mut touched = Vec::new();
        step.work.buffers(&mut |id, _| {
            if !touched.contains(&id) {
                touched.push(id);
            }
        });
        let bytes: u64 = touched.iter().map(|id| plan.buffers[id.0].bytes() as u64).sum();
        let known = self.rows.iter().position(|row| row.name == step.label && row.kernel == step.kernel.name);
        let index = known.unwrap_or_else(|| {
            self.rows.push(StepProfile {
                name: step.label.clone(),
                kernel: step.kernel.name,
                pieces: step.pieces.count(),
                calls: 0,
                seconds: 0.0,
                flops: 0,
                direct_flops: 0,
                bytes: 0,
            });
            self.rows.len() - 1
        });
        let row = &mut self.rows[index];
        row.calls += 1;
        row.seconds += time.as_secs_f64();
        row.flops += step.flops.real;
        row.direct_flops += step.flops.direct;
        row.bytes += bytes;
    }
}
