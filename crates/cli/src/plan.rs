//! `plusx plan`: the steps and buffers with which the engine runs a network.

use crate::exit;
use crate::machine_arguments::{InstructionSet, at_least_one, isa};
use crate::names::DEFAULT_MODEL;
use crate::screen::{bytes, note, result};
use anyhow::Result;
use clap::{Args, ValueEnum};
use plusx_engine::{Engine, EngineOptions, Mode, Precision};
use plusx_model::executor::Executor;
use plusx_model::graph::Graph;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};

/// Options of `plusx plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// Network from the zoo
    #[arg(long, value_name = "NAME", default_value = DEFAULT_MODEL)]
    model: String,
    /// Shape of one image [default: the network's own]
    #[arg(long, value_name = "CxHxW")]
    input: Option<ImageShape>,
    /// Images at a time
    #[arg(long, visible_alias = "batch", value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    batch_size: usize,
    /// What the network is run for
    #[arg(long, value_enum, default_value_t = Purpose::Train)]
    mode: Purpose,
    /// Instruction set: auto, amx, avx512, avx2 or portable
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = isa)]
    isa: InstructionSet,
    /// No Winograd algorithms: slower, rounded otherwise
    #[arg(long)]
    exact: bool,
    /// Products of convolutions and dense layers: highest; high or medium, less exact and on processors with AMX faster
    #[arg(long, value_name = "NAME", default_value_t = Precision::Highest)]
    precision: Precision,
}

/// What a network is run for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Purpose {
    /// Forward, loss, backward, update
    Train,
    /// Forward with running statistics
    Infer,
}

/// Runs the command.
pub(crate) fn run(arguments: &PlanArguments) -> Result<u8> {
    let graph = graph(&arguments.model, arguments.input, None)?;
    // nothing is computed, and no plan depends on the number of threads
    let options = EngineOptions {
        threads: 1,
        level: arguments.isa.level(),
        exact: arguments.exact,
        precision: arguments.precision,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(graph, options)?;
    let mode = match arguments.mode {
        Purpose::Train => Mode::train(),
        Purpose::Infer => Mode::infer(&[engine.graph().output()]),
    };
    let plan = engine.plan(mode, arguments.batch_size)?;
    result(plan.to_string().trim_end())?;
    note(&format!("{} of buffers", bytes(plan.memory_bytes() as u64)));
    Ok(exit::DONE)
}

/// The graph of a network of the zoo; for the images and classes it was made for, unless others are given.
pub(crate) fn graph(model: &str, input: Option<ImageShape>, classes: Option<usize>) -> Result<Graph> {
    let spec = zoo::find(model)?;
    let options = classes.map_or(spec.options(), |classes| ZooOptions { classes });
    Ok(trace(&spec.build(options), input.unwrap_or(spec.input), &mut Names::new())?)
}
