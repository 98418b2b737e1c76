//! `plusx eval`: loss and accuracy of a weight file on the test images, one JSON object.

use crate::data_arguments::DataOptions;
use crate::environment::Environment;
use crate::exit;
use crate::machine_arguments::MachineArguments;
use crate::names::SAMPLE;
use crate::screen::{note, result};
use anyhow::Result;
use clap::Args;
use plusx_model::words::counted;
use plusx_train::{ClassNamePolicy, EvalOptions, Event};
use std::path::PathBuf;

/// Options of `plusx eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    /// Weight file, for example runs/train/exp/weights/best.safetensors
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Data set: where the pictures are; or fashion-mnist; or fashion-mnist-mini, the sample inside this program [default:
    /// what --data-dir holds; without it fashion-mnist, or the sample if that is nowhere]
    #[arg(long, value_name = "NAME|PLACE")]
    data: Option<String>,
    #[command(flatten)]
    options: DataOptions,
    /// Take classes of the same number for the same, though the network and the data set call them otherwise
    #[arg(long)]
    ignore_class_names: bool,
    #[command(flatten)]
    machine: MachineArguments,
    /// Print JSON; this is what eval always does
    #[arg(long, hide = true)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &EvalArguments, environment: &Environment) -> Result<u8> {
    let wanted = arguments.options.wanted(arguments.data.as_deref(), environment)?;
    let given = arguments.data.is_some() || arguments.options.data_dir.is_some();
    let dataset = match plusx_data::open(wanted.name, &wanted.find, &mut note) {
        Err(error) if error.is_not_found() && !given => {
            note(&format!("{error}\nmeasuring on the sample inside this program instead"));
            plusx_data::load(SAMPLE, &wanted.find)?
        }
        other => other?,
    };
    let images = counted(dataset.val.len() as u64, &format!("{} image", dataset.held_out));
    note(&format!("{} from {}: {images}", dataset.name, dataset.source));
    let machine = arguments.machine.machine(environment);
    // the weights are in memory three times while they are read: as bytes, as tensors, in the engine
    let weights = std::fs::metadata(&arguments.weights).map_or(0, |file| file.len().saturating_mul(3));
    let options = EvalOptions {
        machine,
        names: if arguments.ignore_class_names { ClassNamePolicy::Any } else { ClassNamePolicy::Same },
        memory: crate::machine::room(machine.threads()).map(|room| room.bytes.saturating_sub(weights)),
    };
    let mut listen = |event: &Event| {
        if let Event::Warning { message } = event {
            note(message);
        }
    };
    let report = plusx_train::evaluate_with(&arguments.weights, dataset, &options, &mut listen)?;
    result(&serde_json::to_string(&report)?)?;
    Ok(exit::DONE)
}
