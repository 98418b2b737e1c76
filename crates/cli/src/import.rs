//! `plusx import`: weights that another program wrote become a weight file of plusx.

use crate::arguments::at_least_one;
use crate::environment::Environment;
use crate::exit::{self, Usage};
use crate::preprocess::PreprocessArguments;
use crate::screen::{note, result};
use anyhow::Result;
use clap::Args;
use plusx_engine::{Engine, EngineOptions};
use plusx_formats::foreign::{self, Allow, Kind, Weights};
use plusx_formats::safetensors::{self, Contents};
use plusx_formats::{FormatError, ModelFile, WeightError, onnx};
use plusx_model::executor::Images;
use plusx_model::init::{Init, initialize};
use plusx_model::params::Params;
use plusx_model::random::Philox;
use plusx_model::shape::ImageShape;
use plusx_model::words::about;
use plusx_model::zoo;
use plusx_train::fitting_batch;
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Seed of a classifier that starts anew; training has the same default.
const SEED: u32 = 42;

/// Images of noise on which an ONNX file and what is made of it must answer alike.
const PROOF_IMAGES: u32 = 2;

/// Stream of that noise, apart from those of weights and orders.
const NOISE: u32 = 4;

/// Most bytes of names: a hundred for each of ten thousand classes.
const LARGEST_NAMES: u64 = 1_000_000;

/// Options of `plusx import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Weights: safetensors, what torch.save wrote (.pth, .pt, .th), Gluon's .params, or an ONNX file of a residual network
    /// from PyTorch; told by content
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Network from the zoo that the weights are for; see `plusx models`
    #[arg(long, value_name = "NAME")]
    model: String,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Classes to tell apart; another number than the file has starts the classifier anew [default: the file's]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    num_classes: Option<usize>,
    /// Text file with the name of a class on each line, in the order of the outputs [default: as the file says, else their
    /// numbers]
    #[arg(long, value_name = "FILE")]
    class_names: Option<PathBuf>,
    /// Shape of one image; one channel for weights of colour pictures sums their first filters [default: as the file says,
    /// else the network's own]
    #[arg(long, value_name = "CxHxW")]
    input: Option<ImageShape>,
    #[command(flatten)]
    preprocess: PreprocessArguments,
}

/// What was written, as one JSON object.
#[derive(Serialize)]
struct Written<'a> {
    output: String,
    model: &'a str,
    classes: usize,
    input: String,
}

/// Runs the command.
pub(crate) fn run(arguments: &ImportArguments, environment: &Environment) -> Result<u8> {
    let spec = zoo::find(&arguments.model)?;
    let weights = foreign::read_for(&arguments.file, spec)?;
    let own = weights.meta.as_ref();
    let found = weights.classes().unwrap_or(spec.classes);
    let classes = arguments.classes(found, own.map(|own| &own.classes[..]))?;
    let said = weights.preprocess.as_ref();
    let input = arguments.input.or(said.map(|said| said.input)).unwrap_or(spec.input);
    let graph = crate::plan::graph(&arguments.model, Some(input), Some(classes.len()))?;
    let asked = arguments.num_classes.is_some() || arguments.class_names.is_some();
    let allow = Allow { other_classes: asked, grey: input.c == 1 };
    let adopted = weights.adopt(&graph, initialize(&graph, Init::Xavier, SEED), allow)?;
    note(&format!("{}: {}", arguments.file.display(), adopted.report));
    let known = said.cloned().unwrap_or_else(|| spec.preset.record(input));
    let preprocess = arguments.preprocess.record(&known, input)?;
    note(&format!("pictures: {preprocess}"));
    let (architecture, count) = (spec.name.to_owned(), classes.len());
    let meta = ModelFile { architecture, classes, preprocess, metrics: Default::default(), training: None };
    if weights.kind == Kind::Onnx {
        prove(arguments, environment, &weights)?;
    }
    let contents = Contents { params: &adopted.params, velocity: None, batches: 0, meta: &meta };
    safetensors::write(&arguments.output, &contents)?;
    let output = arguments.output.display().to_string();
    let written = Written { output, model: spec.name, classes: count, input: input.to_string() };
    result(&serde_json::to_string(&written)?)?;
    Ok(exit::DONE)
}

/// Runs the network of an ONNX file and that of the zoo, on the file's images and classes, and compares their answers.
fn prove(arguments: &ImportArguments, environment: &Environment, weights: &Weights) -> Result<()> {
    let onnx::Imported { graph, params, .. } = onnx::read(&arguments.file)?;
    let (input, classes) = (graph.input_shape(), graph.output_shape().c);
    let ours = crate::plan::graph(&arguments.model, Some(input), Some(classes))?;
    let own = weights.adopt(&ours, Params::zeros(&ours), Allow::default())?.params;
    let options = EngineOptions { threads: environment.threads(None), ..EngineOptions::default() };
    fitting_batch(&mut Engine::new(graph.clone(), options)?, &arguments.file)?;
    let data: Vec<f32> = (0..PROOF_IMAGES).flat_map(|index| noise_for(index, input)).collect();
    let images = Images { data: &data, n: PROOF_IMAGES as usize };
    let networks = [(&graph, &params, images), (&ours, &own, images)];
    let worst = onnx::agree(&arguments.output, networks, &mut |graph| Engine::new(graph.clone(), options))?;
    note(&format!(
        "answers of the file's network and of {} on {PROOF_IMAGES} images of noise differ by at most {} of the largest \
         logit",
        arguments.model,
        about(worst.into())
    ));
    Ok(())
}

/// An image of noise from -2 to 2, as normalised pictures are.
fn noise_for(index: u32, input: ImageShape) -> impl Iterator<Item = f32> {
    let random = Philox::new(0, NOISE);
    (0..input.len() as u32).map(move |at| (random.block([index, at, 0, 0])[0] >> 16) as f32 / 16_384.0 - 2.0)
}

impl ImportArguments {
    /// Names of the classes; `found` is how many the file has, `own` what it calls them.
    fn classes(&self, found: usize, own: Option<&[String]>) -> Result<Vec<String>> {
        let Some(path) = &self.class_names else {
            let count = self.num_classes.unwrap_or(found);
            let own = own.filter(|names| names.len() == count);
            return Ok(own.map_or_else(|| (0..count).map(|index| index.to_string()).collect(), <[_]>::to_vec));
        };
        let names = lines(path)?;
        match self.num_classes.filter(|count| *count != names.len()) {
            None if !names.is_empty() => Ok(names),
            None => Err(Usage(format!("{} names no class", path.display())).into()),
            Some(count) => {
                let names = names.len();
                let said = format!("{} names {names} classes, --num-classes says {count}", path.display());
                Err(Usage(said).into())
            }
        }
    }
}

/// The lines of a small text file.
fn lines(path: &Path) -> Result<Vec<String>> {
    let failed = |source| FormatError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST_NAMES + 1).read_to_string(&mut text));
    let size = read.map_err(failed)? as u64;
    if size > LARGEST_NAMES {
        return Err(WeightError::TooLarge { path: path.to_owned(), size, limit: LARGEST_NAMES }.into());
    }
    Ok(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}
