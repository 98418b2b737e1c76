//! The commands and what their options share. Parsing does no work.

use crate::environment::Environment;
use clap::{Args, Parser, Subcommand};
use plusx_engine::{Level, PreparedOptions};
use plusx_train::Machine;

/// Residual networks on ordinary computers.
#[derive(Debug, Parser)]
#[command(name = "plusx", version, propagate_version = true, args_override_self = true, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a network; without options, the chapter's run: ResNet-18 on Fashion-MNIST, 5 epochs
    Train(Box<crate::train::TrainArguments>),
    /// Train several networks under one recipe and draw their training and test errors: are deeper ones better?
    Compare(Box<crate::compare::CompareArguments>),
    /// Measure a trained network on the test images (JSON)
    Eval(crate::eval::EvalArguments),
    /// Tell what is on pictures: text, CSV or JSON
    Predict(crate::predict::PredictArguments),
    /// List the networks there are: parameters, multiply-adds, images and classes they were made for
    Models(crate::models::ModelsArguments),
    /// Make a weight file of one that PyTorch, timm or MXNet wrote
    Import(crate::import::ImportArguments),
    /// Write a trained network for other programs: ONNX, safetensors, timm
    Export(crate::export::ExportArguments),
    /// Show a network layer by layer: output shape, parameters, multiply-adds
    Summary(crate::summary::SummaryArguments),
    /// Show the steps and buffers with which the engine runs a network
    Plan(crate::plan::PlanArguments),
    /// Measure the speed of training or inference on made-up images
    Bench(crate::bench::BenchArguments),
    /// Tell what plusx finds on this machine: instruction sets, cores, memory, data
    Doctor(crate::doctor::DoctorArguments),
    /// Fetch and find data sets
    Data(crate::data::DataArguments),
    /// List and fetch pretrained weights
    Weights(crate::weights::WeightsArguments),
    /// Print the licences of plusx, and of the images, fonts and crates inside it
    Licenses,
}

/// The data set of the chapter.
pub(crate) const FASHION_MNIST: &str = plusx_data::fashion::NAME;

/// The part of it that is embedded in this program.
pub(crate) const SAMPLE: &str = "fashion-mnist-mini";

/// The zoo's default: the chapter's network.
pub(crate) const DEFAULT_MODEL: &str = "resnet18-d2l";

/// Reads `--isa`; `None` is `auto`.
pub(crate) fn isa(text: &str) -> Result<Isa, String> {
    if text == "auto" {
        return Ok(Isa(None));
    }
    let level = Level::ALL.into_iter().find(|level| level.name() == text);
    match level {
        None => Err(format!("use auto or one of {}", Level::ALL.map(Level::name).join(", "))),
        Some(level) if level.supported() => Ok(Isa(Some(level))),
        Some(level) => {
            let has: Vec<_> =
                Level::ALL.into_iter().filter(|level| level.supported()).map(Level::name).collect();
            Err(format!("this machine lacks {level}; it has: auto, {}", has.join(", ")))
        }
    }
}

/// A choice of instruction set; `None` is the best there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Isa(pub(crate) Option<Level>);

impl Isa {
    /// The level to run at.
    pub(crate) fn level(self) -> Level {
        self.0.unwrap_or_else(Level::detect)
    }
}

/// Which part of the machine to use: options of every command that computes. (`train` and `compare` have their own: a resumed run
/// knows which were given.)
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct MachineArguments {
    /// Threads to compute with
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
    /// Instruction set: auto, avx512, avx2 or portable
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = isa)]
    isa: Isa,
    /// Direct convolutions only, no Winograd algorithms
    #[arg(long)]
    exact: bool,
}

impl MachineArguments {
    /// With the environment's number of threads, unless one was given.
    pub(crate) fn machine(&self, environment: &Environment) -> Machine {
        environment.mind_threads(self.threads);
        Machine { threads: Some(environment.threads(self.threads)), isa: self.isa.0, exact: self.exact }
    }

    /// The same for a network that only infers, for this program alone.
    pub(crate) fn prepared(&self, environment: &Environment) -> PreparedOptions {
        environment.mind_threads(self.threads);
        let (threads, level) = (environment.threads(self.threads), self.isa.level());
        PreparedOptions { threads, at_once: 1, level, exact: self.exact }
    }
}

/// Reads a count of at least 1.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("not a whole number".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn levels_are_read_by_name() {
        assert_eq!(isa("auto"), Ok(Isa(None)));
        assert_eq!(isa("portable"), Ok(Isa(Some(Level::Portable))));
        assert!(isa("sse").unwrap_err().contains("avx2"));
    }
}
