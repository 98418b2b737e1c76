//! The commands. Parsing does no work.

use clap::{Parser, Subcommand};

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
    /// Look for a learning rate: raise it step by step and see where the loss falls (range test)
    LrFind(Box<crate::lr_find::LrFindArguments>),
    /// Train several networks under one recipe and draw their training and test errors: are deeper ones better?
    Compare(Box<crate::compare::CompareArguments>),
    /// Look for what would spoil training on a data set: leaks, wrong labels, bad files
    Check(crate::check::CheckArguments),
    /// Measure a trained network on the test images (JSON)
    Eval(crate::eval::EvalArguments),
    /// Tell what is on pictures: text, CSV or JSON
    Predict(crate::predict::PredictArguments),
    /// Print the recipes of --recipe: named sets of defaults for training
    Recipes(crate::recipes::RecipesArguments),
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }
}
