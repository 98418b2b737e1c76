//! The `plusx` command: each subcommand parses its options, calls a library, prints. Results go to stdout, everything else to
//! stderr. Exit codes are in [`exit`].
#![forbid(unsafe_code)]

mod answer;
mod arguments;
mod bench;
mod cache;
mod cgroup;
mod check;
mod check_text;
mod compare;
mod data;
mod data_arguments;
mod disk;
mod doctor;
mod environment;
mod eval;
mod exit;
mod export;
mod given;
mod import;
mod kinds;
mod learning;
mod licenses;
mod lr_find;
mod machine;
mod machine_arguments;
mod memory;
mod models;
mod names;
mod output;
mod pictures;
mod plan;
mod plan_text;
mod predict;
mod preprocess;
mod profile;
mod recipes;
mod resume_command;
mod screen;
mod signals;
mod smoke;
mod spelled;
mod standing;
mod summary;
mod train;
mod turns;
mod walk;
mod watch;
mod weights;

use arguments::{Arguments, Command};
use clap::Parser;
use environment::Environment;
use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_decoders();
    let arguments = Arguments::parse();
    let environment = Environment::read();
    let result = match arguments.command {
        Command::Train(options) => train::run(&options, &environment),
        Command::LrFind(options) => lr_find::run(&options, &environment),
        Command::Compare(options) => compare::run(&options, &environment),
        Command::Eval(options) => eval::run(&options, &environment),
        Command::Check(options) => check::run(&options, &environment),
        Command::Predict(options) => predict::run(&options, &environment),
        Command::Import(options) => import::run(&options, &environment),
        Command::Export(options) => export::run(&options, &environment),
        Command::Summary(options) => summary::run(&options),
        Command::Recipes(options) => recipes::run(&options),
        Command::Models(options) => models::run(&options),
        Command::Plan(options) => plan::run(&options),
        Command::Bench(options) => bench::run(&options, &environment),
        Command::Doctor(options) => doctor::run(&options, &environment),
        Command::Data(options) => data::run(&options, &environment),
        Command::Weights(options) => weights::run(&options, &environment),
        Command::Licenses => licenses::run(),
    };
    exit::code(result)
}

/// A decoder's panic is reported as an error of the picture, which the library makes of it; everybody else's is printed.
fn quiet_decoders() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !plusx_data::picture::is_decoding() {
            usual(panic);
        }
    }));
}
