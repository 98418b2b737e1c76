//! `plusx export`: a trained network as a file for other programs. An ONNX file is compared with the network before it
//! is written.

use crate::environment::Environment;
use crate::exit::{self, usage};
use crate::machine_arguments::MachineArguments;
use crate::names::SAMPLE;
use crate::pictures;
use crate::screen::{note, result};
use anyhow::Result;
use clap::{Args, ValueEnum};
use plusx_data::picture::{self, Picture};
use plusx_data::{FindOptions, Split};
use plusx_engine::{Engine, EngineOptions};
use plusx_formats::onnx::{self, Input, Options};
use plusx_formats::safetensors::{self, Contents};
use plusx_formats::{ModelFile, timm};
use plusx_model::executor::Images;
use plusx_model::preprocess::Preprocess;
use plusx_model::random::{EXPORT_PROOF, Philox};
use plusx_model::shape::ImageShape;
use plusx_train::{LoadedModel, fitting_batch, load_model};
use serde::Serialize;
use std::path::PathBuf;

/// Images of the proof unless others are given: each must agree, and one would do to find a wrong layer.
const PROOF_IMAGES: usize = 8;

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
    let contents = Contents { params: &model.params, velocity: None, batches: 0, meta: &meta };
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

    fn options(&self) -> Options {
        let input = match (self.r#for, self.with_preprocessing, self.input_type) {
            (Some(Program::Ultralytics), ..) => Input::Ultralytics,
            (None, false, None | Some(InputType::Float32)) => Input::Prepared,
            (None, true, Some(InputType::Float32)) => Input::Floats,
            // bytes are never prepared images
            (None, true, None) | (None, _, Some(InputType::Uint8)) => Input::Bytes,
        };
        let batch = self.batch.map(|batch| batch as usize);
        Options { keep_batch_norm: self.keep_batch_norm, softmax: self.softmax, input, batch }
    }
}

/// Writes an ONNX file, if it answers as the network does.
fn prove(arguments: &ExportArguments, environment: &Environment, model: &LoadedModel) -> Result<Proof> {
    let LoadedModel { graph, params, meta } = model;
    let machine = arguments.machine.machine(environment);
    let engine = EngineOptions {
        threads: machine.threads(),
        level: machine.level(),
        exact: machine.exact,
        profile: false,
    };
    fitting_batch(&mut Engine::new(graph.clone(), engine)?, &arguments.weights)?;
    let (mut data, mut n) = (Vec::new(), 0);
    let mut add = |picture: &Picture| -> Result<()> {
        data.extend(picture::prepare(picture, &meta.preprocess)?);
        n += 1;
        Ok(())
    };
    match &arguments.proof_images[..] {
        [] => pictures_at_hand(&meta.preprocess)?.iter().try_for_each(add)?,
        // one at a time: photographs are large before they are resized
        paths => {
            for path in paths {
                pictures::meant(path)?.iter().try_for_each(|path| add(&picture::open(path)?))?;
            }
        }
    }
    let images = Images { data: &data, n };
    let options = arguments.options();
    let model = onnx::Model { graph, params, meta };
    let proof =
        onnx::export(&arguments.output, &model, options, images, |graph| Engine::new(graph.clone(), engine))?;
    note(&left_to_do(&meta.preprocess, options.input));
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

/// Pictures of the sample, for a network that takes grey ones; else noise.
fn pictures_at_hand(preprocess: &Preprocess) -> Result<Vec<Picture>> {
    if preprocess.input.c == 1 {
        let sample = plusx_data::load(SAMPLE, &FindOptions::default())?;
        return Ok((0..PROOF_IMAGES).filter_map(|index| from_sample(&sample.test, index)).collect());
    }
    note(&format!(
        "the sample inside this program is grey, the network takes {} channels: proving the file on {PROOF_IMAGES} \
         images of noise; --proof-images takes real ones",
        preprocess.input.c
    ));
    // a little larger than the input, so that there is something to resize or to cut off
    let ImageShape { h, w, .. } = preprocess.input;
    let sides = preprocess.resized([h, w]);
    Ok((0..PROOF_IMAGES as u32).map(|index| noise(index, sides)).collect())
}

fn from_sample(split: &Split, index: usize) -> Option<Picture> {
    let rgb8 = split.image(index)?.iter().flat_map(|&grey| [grey; 3]).collect();
    Some(Picture { rgb8, w: split.shape.w, h: split.shape.h })
}

/// Cells of 8x8 pixels in random colours, with fine noise on them: as uneven as photographs.
fn noise(index: u32, [h, w]: [usize; 2]) -> Picture {
    let random = Philox::new(0, EXPORT_PROOF);
    let colour = |y: usize, x: usize, fine: u32| random.block([index, y as u32, x as u32, fine]);
    let mut rgb8 = Vec::with_capacity(3 * h * w);
    for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
        let (coarse, fine) = (colour(y / 8, x / 8, 0), colour(y, x, 1));
        rgb8.extend([0, 1, 2].map(|i| (((coarse[i] >> 24) * 3 + (fine[i] >> 24)) / 4) as u8));
    }
    Picture { rgb8, w, h }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_everywhere_and_uses_the_whole_range() {
        let picture = noise(1, [40, 30]);
        assert_eq!(picture, noise(1, [40, 30]));
        assert_ne!(picture, noise(2, [40, 30]));
        assert_eq!(picture.rgb8.len(), 3 * 40 * 30);
        assert!(
            picture.rgb8.iter().any(|&value| value < 32) && picture.rgb8.iter().any(|&value| value > 223)
        );
    }
}
