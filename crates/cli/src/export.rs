//! `plusx export`: a trained network as a file for other programs. An ONNX file is compared with the network before it
//! is written.

use crate::environment::Environment;
use crate::exit::{self, usage};
use crate::machine_arguments::MachineArguments;
use crate::pictures;
use crate::screen::{note, result};
use anyhow::Result;
use clap::{Args, ValueEnum};
use plusx_formats::onnx::{self, Input, OnnxOptions};
use plusx_formats::safetensors::{self, Contents};
use plusx_formats::{ModelFile, timm};
use plusx_model::preprocess::Preprocess;
use plusx_train::{LoadedModel, OnnxExport, load_model};
use serde::Serialize;
use std::path::PathBuf;

/// Options of `plusx export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Weight file, for example runs/train/exp/weights/best.safetensors
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// What to write
    #[arg(long, value_name = "FORMAT", default_value = "onnx")]
    format: Format,
    /// File to write; for timm, a folder
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Replace what is there already
    #[arg(long)]
    overwrite: bool,
    /// ONNX: keep batch norms as layers of their own in place of making them part of the convolutions
    #[arg(long)]
    keep_batch_norm: bool,
    /// ONNX: end with a softmax: probabilities in place of logits
    #[arg(long)]
    softmax: bool,
    /// ONNX: take pictures of the input's size, and scale and normalise them inside
    #[arg(long)]
    with_preprocessing: bool,
    /// ONNX: numbers that the file takes. uint8 are a picture's (images, rows, columns, channels), as with
    /// --with-preprocessing alone; float32 with --with-preprocessing the same from 0 to 255 (images, channels, rows,
    /// columns), without it prepared images
    #[arg(long, value_name = "TYPE")]
    input_type: Option<InputType>,
    /// ONNX: how many images the file takes at once, for programs that go wrong where that is free [default: free]
    #[arg(long, alias = "batch-size", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    batch: Option<u32>,
    /// ONNX: make the file one for this program, which prepares pictures in its own way
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["with_preprocessing", "input_type"])]
    r#for: Option<Program>,
    /// ONNX: pictures, or folders of them, on which the file must answer as the network does [default: eight of the
    /// sample inside this program, or noise if that does not fit]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    proof_images: Vec<PathBuf>,
    #[command(flatten)]
    machine: MachineArguments,
}

/// What can be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// IR version 8, opset 17
    Onnx,
    /// Parameters under torchvision's names
    Safetensors,
    /// A folder that timm.create_model opens
    Timm,
}

/// Numbers that an ONNX file takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum InputType {
    /// 32-bit floats
    Float32,
    /// Bytes
    Uint8,
}

/// Programs that want ONNX files of their own kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Program {
    /// Takes floats from 0 to 1, gives probabilities, one image at once unless --batch says otherwise
    Ultralytics,
}

/// What was written, as one JSON object.
#[derive(Serialize)]
struct Written {
    output: String,
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
}

/// On how many images the file answers as the network does, and the largest difference of a logit as a part of the
/// image's largest one.
#[derive(Serialize)]
struct Proof {
    images: usize,
    worst: f32,
}

/// Runs the command.
pub(crate) fn run(arguments: &ExportArguments, environment: &Environment) -> Result<u8> {
    let output = arguments.output.as_path();
    if arguments.format != Format::Onnx && arguments.is_about_onnx() {
        let options = "--keep-batch-norm, --softmax, --with-preprocessing, --input-type, --batch, --for and --proof-images";
        return Err(usage(format!("{options} are for --format onnx")));
    }
    match arguments.format {
        Format::Timm => crate::output::free_in(output, &timm::FILES, arguments.overwrite)?,
        Format::Onnx | Format::Safetensors => crate::output::free(output, arguments.overwrite)?,
    }
    let model = load_model(&arguments.weights)?;
    // where a training stood is of no use to other programs, and its counters least
    let meta = ModelFile { training: None, ..model.meta.clone() };
    let contents =
        Contents { params: &model.params, optimiser: None, average: None, batches: 0, meta: &meta };
    let (format, proof) = match arguments.format {
        Format::Onnx => ("onnx", Some(prove(arguments, environment, &model)?)),
        Format::Safetensors => {
            safetensors::write(output, &contents)?;
            ("safetensors", None)
        }
        Format::Timm => {
            timm::write(output, &contents)?;
            if let Some(differs) = timm::differs(&meta.preprocess) {
                note(&differs);
            }
            ("timm", None)
        }
    };
    let written = Written { output: output.display().to_string(), format, proof };
    result(&serde_json::to_string(&written)?)?;
    Ok(exit::DONE)
}

impl ExportArguments {
    fn is_about_onnx(&self) -> bool {
        let flags = self.keep_batch_norm || self.softmax || self.with_preprocessing;
        let values = self.input_type.is_some() || self.batch.is_some() || self.r#for.is_some();
        flags || values || !self.proof_images.is_empty()
    }

    fn options(&self) -> OnnxOptions {
        let input = match (self.r#for, self.with_preprocessing, self.input_type) {
            (Some(Program::Ultralytics), ..) => Input::Ultralytics,
            (None, false, None | Some(InputType::Float32)) => Input::Prepared,
            (None, true, Some(InputType::Float32)) => Input::Floats,
            // bytes are never prepared images
            (None, true, None) | (None, _, Some(InputType::Uint8)) => Input::Bytes,
        };
        let batch = self.batch.map(|batch| batch as usize);
        OnnxOptions { keep_batch_norm: self.keep_batch_norm, softmax: self.softmax, input, batch }
    }
}

/// Writes an ONNX file, if it answers as the network does.
fn prove(arguments: &ExportArguments, environment: &Environment, model: &LoadedModel) -> Result<Proof> {
    let machine = arguments.machine.machine(environment);
    let engine = machine.engine_options();
    let mut pictures = Vec::new();
    for path in &arguments.proof_images {
        pictures.extend(pictures::meant(path)?);
    }
    let options = arguments.options();
    let export = OnnxExport {
        model,
        weights: &arguments.weights,
        output: &arguments.output,
        options,
        pictures: &pictures,
    };
    let proof = export.write(engine, &mut note)?;
    note(&left_to_do(&model.meta.preprocess, options.input));
    Ok(Proof { images: proof.images, worst: proof.worst })
}

/// What whoever runs the file must do to a picture before.
fn left_to_do(preprocess: &Preprocess, input: Input) -> String {
    match input {
        Input::Prepared => format!("pictures, before the file takes them: {preprocess}"),
        Input::Bytes => format!("pictures, before the file takes their bytes: {}", preprocess.sides()),
        Input::Floats => {
            format!("pictures, before the file takes their values, 0 to 255: {}", preprocess.sides())
        }
        Input::Ultralytics => onnx::differs(preprocess).unwrap_or_else(|| {
            "Ultralytics prepares pictures for this file as the network wants them".to_owned()
        }),
    }
}
