//! `plusx eval`: loss and accuracy of a weight file on the test images, one JSON object.

use crate::arguments::{FASHION_MNIST, MachineArguments, SAMPLE};
use crate::environment::Environment;
use crate::exit;
use crate::screen::{note, result};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Options of `plusx eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    /// Weight file, for example runs/train/exp/weights/best.safetensors
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Data set [default: fashion-mnist, or the sample inside this program if that is nowhere]
    #[arg(long, value_name = "NAME")]
    data: Option<String>,
    /// Folder with the data set's files
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArguments,
    /// Print JSON; this is what eval always does
    #[arg(long, hide = true)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &EvalArguments, environment: &Environment) -> Result<u8> {
    let find = environment.find(arguments.data_dir.as_deref());
    let name = arguments.data.as_deref().unwrap_or(FASHION_MNIST);
    let dataset = match plusx_data::load(name, &find) {
        Err(error) if error.is_not_found() && arguments.data.is_none() && arguments.data_dir.is_none() => {
            note(&format!("{error}\nmeasuring on the sample inside this program instead"));
            plusx_data::load(SAMPLE, &find)?
        }
        other => other?,
    };
    note(&format!("{} from {}: {} test images", dataset.name, dataset.source, dataset.test.len()));
    if let Err(error) = dataset.check_origin(&dataset.fingerprint()) {
        note(&format!("warning: {error}; the network is measured on it all the same"));
    }
    let machine = arguments.machine.machine(environment);
    let memory = crate::machine::room().map(|room| room.bytes);
    let report = plusx_train::evaluate_within(&arguments.weights, dataset, machine, memory)?;
    result(&serde_json::to_string(&report)?)?;
    Ok(exit::DONE)
}
