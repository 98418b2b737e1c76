//! `plusx predict`: what is on pictures, one JSON object a line.

use crate::arguments::{Isa, at_least_one, isa};
use crate::environment::Environment;
use crate::exit;
use crate::screen::result;
use anyhow::Result;
use clap::Args;
use plusx_data::picture;
use plusx_train::{Machine, Prediction, Predictor};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Options of `plusx predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// Weight file, for example runs/train/exp/weights/best.safetensors
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Pictures: PNG or JPEG; the way the camera was held is honoured
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Classes to name for each picture, the likeliest first
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = at_least_one)]
    topk: usize,
    /// Threads to compute with
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
    /// Instruction set: auto, avx512, avx2 or portable
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = isa)]
    isa: Isa,
    /// Direct convolutions only, no Winograd algorithms
    #[arg(long)]
    exact: bool,
    /// Print JSON; this is what predict always does
    #[arg(long, hide = true)]
    json: bool,
}

/// Runs the command. A picture that cannot be read is named and does not keep the others from being answered; the exit
/// code is then that of the first such picture.
pub(crate) fn run(arguments: &PredictArguments, environment: &Environment) -> Result<u8> {
    let machine = Machine {
        threads: Some(environment.threads(arguments.threads)),
        isa: arguments.isa.0,
        exact: arguments.exact,
    };
    let mut predictor = Predictor::open(&arguments.weights, machine)?;
    let mut code = exit::DONE;
    for path in &arguments.images {
        match line(&mut predictor, path, arguments.topk) {
            Ok(line) => result(&line)?,
            Err(error) => {
                exit::report(&error);
                if code == exit::DONE {
                    code = exit::of(&error);
                }
            }
        }
    }
    Ok(code)
}

/// One line of output.
#[derive(Serialize)]
struct Answer {
    filename: String,
    predictions: Vec<Prediction>,
}

fn line(predictor: &mut Predictor, path: &Path, topk: usize) -> Result<String> {
    let picture = picture::open(path)?;
    let image = picture::prepare(&picture, &predictor.meta().preprocess)?;
    let predictions = predictor.predict(&image, 1, topk)?.into_iter().flatten().collect();
    Ok(serde_json::to_string(&Answer { filename: path.display().to_string(), predictions })?)
}
