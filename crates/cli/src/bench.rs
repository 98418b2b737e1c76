//! `plusx bench train|infer`: how long a step takes, on made-up images.

use crate::environment::Environment;
use crate::machine_arguments::{MachineArguments, at_least_one};
use crate::memory::{self, Advice};
use crate::names::DEFAULT_MODEL;
use crate::screen::result;
use crate::{exit, machine, profile, turns};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use plusx_engine::{Engine, EngineOptions, Mode};
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::init::{Init, initialize};
use plusx_model::random::{BENCH, Philox, uniform24};
use plusx_model::shape::ImageShape;
use plusx_model::targets::Targets;
use plusx_model::update::Update;
use plusx_model::words::counted;
use serde::Serialize;
use std::time::Instant;

/// Steps before the clock is looked at: buffers get their pages, clocks their speed.
const WARM_UPS: usize = 3;
/// Of the made-up images.
const SEED: u32 = 42;

/// Options of `plusx bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Forward, loss, backward and update
    Train(StepArguments),
    /// Forward with running statistics
    Infer(StepArguments),
}

#[derive(Debug, Args)]
struct StepArguments {
    /// Network from the zoo
    #[arg(long, value_name = "NAME", default_value = DEFAULT_MODEL)]
    model: String,
    /// Shape of one image [default: the network's own]
    #[arg(long, value_name = "CxHxW")]
    input: Option<ImageShape>,
    /// Images per step
    #[arg(long, visible_alias = "batch", value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    batch_size: usize,
    /// Steps to measure, after 3 that are not
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = at_least_one)]
    steps: usize,
    #[command(flatten)]
    machine: MachineArguments,
    /// Show where the time goes, step by step of the plan
    #[arg(long, conflicts_with = "turns")]
    profile: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// For benchmarks that let programs take turns: read numbers of steps from standard input, one a line, and answer each
    /// with {"step_ms": […]}; the object of all of them comes when the input ends
    #[arg(long, requires = "json", conflicts_with = "steps")]
    turns: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &BenchArguments, environment: &Environment) -> Result<u8> {
    let (arguments, trains) = match &arguments.command {
        BenchCommand::Train(arguments) => (arguments, true),
        BenchCommand::Infer(arguments) => (arguments, false),
    };
    let graph = crate::plan::graph(&arguments.model, arguments.input, None)?;
    let (input, batch) = (graph.input_shape(), arguments.batch_size);
    let classes = graph.output_shape().c as u32;
    let params = initialize(&graph, Init::Xavier, SEED);
    let machine = arguments.machine.machine(environment);
    let (threads, level) = (machine.threads(), machine.level());
    let mut engine =
        Engine::new(graph, EngineOptions { profile: arguments.profile, ..machine.engine_options() })?;
    engine.set_params(&params)?;

    // the plan comes first: it refuses sizes that cannot be counted
    let mode = if trains { Mode::train() } else { Mode::infer(&[engine.graph().output()]) };
    let plan = engine.plan(&mode, batch)?;
    let direct = plan.flops();
    memory::check(batch, threads, Advice::Batch, &mut |batch| {
        let plan = engine.plan(&mode, batch).ok()?;
        let images = batch.checked_mul(size_of::<f32>() * input.len())?;
        plan.memory_bytes()
            .checked_add(images)?
            .checked_add(plan.scratch_bytes() * threads)
            .map(|all| all as u64)
    })?;
    let images = exactly(made_up_pixels(), input.len() * batch, batch)?;
    let labels = exactly((0..classes).cycle(), batch, batch)?;
    let step = |engine: &mut Engine| -> Result<f64> {
        let start = Instant::now();
        let images = Images { data: &images, n: batch };
        if trains {
            let update = Update::sgd(0.05, batch);
            engine.train_step(images, Targets::Classes(&labels), &StepOptions::update(&update))?;
        } else {
            let output = engine.graph().output();
            engine.infer(images, &[output])?;
        }
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    for _ in 0..WARM_UPS {
        step(&mut engine)?;
    }
    engine.reset_profile();
    let mut times = if arguments.turns {
        turns::take(|| step(&mut engine))?
    } else {
        (0..arguments.steps).map(|_| step(&mut engine)).collect::<Result<Vec<_>>>()?
    };
    times.sort_by(f64::total_cmp);

    let peak = plusx_engine::peak_gflops(level) * threads as f64 * 1e9;
    let limit = batch as f64 * peak / direct as f64;
    let profiled = engine.profile();
    let table = arguments.profile.then(|| profile::table(&profiled, arguments.steps, level, threads));
    let report = Report {
        model: &arguments.model,
        input: input.to_string(),
        batch,
        threads,
        isa: level.name(),
        precision: machine.precision.name(),
        steps: times.len(),
        step_ms_median: round(percentile(&times, 0.5)),
        step_ms_p10: round(percentile(&times, 0.1)),
        step_ms_p90: round(percentile(&times, 0.9)),
        img_per_s: round(batch as f64 * 1e3 / percentile(&times, 0.5)),
        peak_rss_mb: machine::peak_memory().map(|bytes| round(bytes as f64 / 1e6)),
        direct_limit_img_per_s: round(limit),
        profile: arguments.profile.then(|| profile::steps(&profiled, arguments.steps)),
    };
    if arguments.json {
        result(&serde_json::to_string(&report)?)?;
    } else {
        table.map_or(Ok(()), |table| result(&table))?;
        result(&report.text(if trains { "train" } else { "infer" }))?;
    }
    Ok(exit::DONE)
}

/// What was measured: times in milliseconds, memory in megabytes of 10^6 bytes. Its JSON has these fields in this order.
#[derive(Serialize)]
struct Report<'r> {
    model: &'r str,
    input: String,
    batch: usize,
    threads: usize,
    isa: &'r str,
    precision: &'r str,
    steps: usize,
    step_ms_median: f64,
    step_ms_p10: f64,
    step_ms_p90: f64,
    img_per_s: f64,
    peak_rss_mb: Option<f64>,
    /// Images a second of a direct convolution that did nothing but multiply-adds inside the map, at the peak of this
    /// level as measured on one core, on every thread.
    direct_limit_img_per_s: f64,
    /// Where the time goes, with `--profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Vec<profile::StepTime<'r>>>,
}

impl Report<'_> {
    fn text(&self, what: &str) -> String {
        let Self { model, input, batch, threads, isa, precision, steps, .. } = self;
        let memory = self.peak_rss_mb.map_or("unknown".into(), |megabytes| format!("{megabytes:.0} MB"));
        format!(
            "{what} {model} {input}, batch {batch}, {}, {isa}, precision {precision}\n\
             {}: median {:.1} ms, 10th percentile {:.1} ms, 90th percentile {:.1} ms\n\
             {:.1} images/s, peak memory {memory}",
            counted(*threads as u64, "thread"),
            counted(*steps as u64, "step"),
            self.step_ms_median,
            self.step_ms_p10,
            self.step_ms_p90,
            self.img_per_s
        )
    }
}

/// The first `count` of endless `values`, for a batch of `batch` images.
fn exactly<T>(values: impl Iterator<Item = T>, count: usize, batch: usize) -> Result<Vec<T>> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).with_context(|| {
        format!("--batch-size {batch}: no memory for the made-up images; use a smaller batch")
    })?;
    list.extend(values.take(count));
    Ok(list)
}

/// Values in [0, 1), as pixels are, without end.
fn made_up_pixels() -> impl Iterator<Item = f32> {
    let generator = Philox::new(SEED, BENCH);
    (0u64..).flat_map(move |index| generator.block([0, 0, (index >> 32) as u32, index as u32])).map(uniform24)
}

/// The value below which a `share` of `sorted` lies: the nearest rank.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// To thousandths: more digits are noise.
fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.1), 1.0);
        assert_eq!(percentile(&values, 0.5), 5.0);
        assert_eq!(percentile(&values, 0.9), 9.0);
        assert_eq!(percentile(&[7.0], 0.1), 7.0);
    }
}
