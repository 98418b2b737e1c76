//! The table behind `--profile`: where the time of a step goes.

use plusx_engine::{Level, StepProfile};
use plusx_model::words::counted;
use serde::Serialize;
use std::fmt::Write;

/// One line per step of the plan, in order, then the sums. `steps` is how many training or inference steps `profile`
/// covers; times are per such step. FLOP are those really done, a multiply-add counted as two; `direct` is what a direct
/// convolution at the whole peak would have taken, divided by the time: a Winograd layer's algorithmic speedup.
pub(crate) fn table(profile: &[StepProfile], steps: usize, level: Level, threads: usize) -> String {
    let peak = plusx_engine::peak_gflops(level) * threads as f64;
    let total: f64 = profile.iter().map(|step| step.seconds).sum();
    let name_width = profile.iter().map(|step| step.name.len()).max().unwrap_or(0).max(4);
    let kernel_width = profile.iter().map(|step| step.kernel.len()).max().unwrap_or(0).max(6);
    let mut text = format!(
        "{:name_width$}  {:kernel_width$}  {:>9}  {:>6}  {:>9}  {:>6}  {:>6}  {:>7}\n",
        "step", "kernel", "ms", "time", "GFLOP/s", "peak", "direct", "GB/s"
    );
    let mut row = |name: &str, kernel: &str, figures: Figures| {
        let Figures { seconds, flops, direct, bytes } = figures;
        let rate = |amount: f64| if seconds > 0.0 { amount / seconds / 1e9 } else { 0.0 };
        let dash = |shown: String, amount: f64| if amount > 0.0 { shown } else { "-".to_string() };
        // writing to a String cannot fail
        let _ = writeln!(
            text,
            "{name:name_width$}  {kernel:kernel_width$}  {:>9.3}  {:>5.1}%  {:>9}  {:>6}  {:>6}  {:>7}",
            seconds * 1e3 / steps as f64,
            if total > 0.0 { 100.0 * seconds / total } else { 0.0 },
            dash(format!("{:.1}", rate(flops)), flops),
            dash(format!("{:.1}%", 100.0 * rate(flops) / peak), flops),
            dash(format!("{:.2}x", rate(direct) / peak), direct),
            dash(format!("{:.1}", rate(bytes)), bytes),
        );
    };
    for step in profile {
        let figures = Figures {
            seconds: step.seconds,
            flops: step.flops as f64,
            direct: step.direct_flops as f64,
            bytes: step.bytes as f64,
        };
        row(&step.name, step.kernel, figures);
    }
    let sum = |value: fn(&StepProfile) -> f64| profile.iter().map(value).sum();
    let figures = Figures {
        seconds: total,
        flops: sum(|step| step.flops as f64),
        direct: sum(|step| step.direct_flops as f64),
        bytes: sum(|step| step.bytes as f64),
    };
    row("sum", "", figures);
    let _ = write!(
        text,
        "peak: {peak:.1} GFLOP/s, measured with fused multiply-adds, {level} on {}",
        counted(threads as u64, "thread")
    );
    text
}

/// One step of the plan, per training or inference step, for `--json`.
#[derive(Serialize)]
pub(crate) struct StepTime<'p> {
    name: &'p str,
    kernel: &'p str,
    pieces: usize,
    ms: f64,
    gflop: f64,
    direct_gflop: f64,
    mb: f64,
}

/// The rows of the table as data.
pub(crate) fn steps(profile: &[StepProfile], steps: usize) -> Vec<StepTime<'_>> {
    let each = |amount: f64, unit: f64| (amount / steps as f64 / unit * 1e6).round() / 1e6;
    let rows = profile.iter().map(|row| StepTime {
        name: &row.name,
        kernel: row.kernel,
        pieces: row.pieces,
        ms: each(row.seconds, 1e-3),
        gflop: each(row.flops as f64, 1e9),
        direct_gflop: each(row.direct_flops as f64, 1e9),
        mb: each(row.bytes as f64, 1e6),
    });
    rows.collect()
}

/// Of one line, over all steps.
struct Figures {
    seconds: f64,
    flops: f64,
    direct: f64,
    bytes: f64,
}
