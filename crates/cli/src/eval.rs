//! `plusx eval`: loss and accuracy of a weight file on the test images, one JSON object.

use crate::environment::Environment;
use crate::exit::{self, usage};
use crate::machine_arguments::MachineArguments;
use crate::names::SAMPLE;
use crate::screen::{note, result};
use anyhow::Result;
use clap::Args;
use plusx_data::{FindOptions, ReadOptions};
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
    /// Where the data set is that --data names by its kind, for example by idx
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Share of the pictures of each class that were held out, where the data come as one
    #[arg(long, value_name = "X", default_value_t = 0.2)]
    val_split: f64,
    /// Seed by which they were drawn: the run's
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u32,
    /// Column of a table or a Parquet file that has the labels [default: label, class or category; else the only one that is
    /// left]
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
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
    let place = arguments.data.as_deref().and_then(plusx_data::as_place);
    if let (Some(place), Some(folder)) = (place, &arguments.data_dir) {
        let (place, folder) = (place.display(), folder.display());
        return Err(usage(format!("--data {place} and --data-dir {folder}: give one place")));
    }
    let name = arguments.data.as_deref().filter(|_| place.is_none());
    let reading = ReadOptions {
        val_split: arguments.val_split,
        seed: arguments.seed,
        label_column: arguments.label_column.clone(),
        ..ReadOptions::default()
    };
    let find = FindOptions { reading, ..environment.find(place.or(arguments.data_dir.as_deref())) };
    let dataset = match plusx_data::open(name, &find, &mut note) {
        Err(error) if error.is_not_found() && arguments.data.is_none() && arguments.data_dir.is_none() => {
            note(&format!("{error}\nmeasuring on the sample inside this program instead"));
            plusx_data::load(SAMPLE, &find)?
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
