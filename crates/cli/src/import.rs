//! `plusx import`: weights that another program wrote become a weight file of plusx.

use crate::arguments::at_least_one;
use crate::exit::{self, Usage};
use crate::screen::{note, result};
use anyhow::{Context, Result};
use clap::Args;
use plusx_formats::foreign::{self, Allow};
use plusx_formats::safetensors::{self, Contents};
use plusx_formats::{FormatError, ModelFile, WeightError};
use plusx_model::init::{Init, initialize};
use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;
use plusx_model::zoo::{self, Naming, Spec};
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Seed of a classifier that starts anew; training has the same default.
const SEED: u32 = 42;

/// Mean and standard deviation of red, green and blue over ImageNet, of values in 0 to 1: torchvision's.
const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// Over the training images of CIFAR-10.
const CIFAR10: [[f32; 3]; 2] = [[0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]];

/// Most bytes of names: a hundred for each of ten thousand classes.
const LARGEST_NAMES: u64 = 1_000_000;

/// Options of `plusx import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Weights: safetensors, what torch.save wrote (.pth, .pt, .th), or Gluon's .params; told by content
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
    /// Text file with the name of a class on each line, in the order of the outputs [default: their numbers]
    #[arg(long, value_name = "FILE")]
    class_names: Option<PathBuf>,
    /// Shape of one image; one channel for weights of colour pictures sums their first filters [default: the network's
    /// own]
    #[arg(long, value_name = "CxHxW")]
    input: Option<ImageShape>,
    /// Subtracted from values in 0 to 1, per channel [default: what the network was trained with, as far as known]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    mean: Option<Vec<f32>>,
    /// Divides what is left, per channel [default: likewise]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    std: Option<Vec<f32>>,
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
pub(crate) fn run(arguments: &ImportArguments) -> Result<u8> {
    let spec = zoo::find(&arguments.model)?;
    let weights = foreign::read(&arguments.file)?;
    let classes = arguments.classes(weights.classes().unwrap_or(spec.classes))?;
    let graph = crate::plan::graph(&arguments.model, arguments.input, Some(classes.len()))?;
    let input = graph.input_shape();
    let asked = arguments.num_classes.is_some() || arguments.class_names.is_some();
    let allow = Allow { other_classes: asked, grey: input.c == 1 };
    let adopted = weights.adopt(&graph, initialize(&graph, Init::Xavier, SEED), allow)?;
    note(&format!("{}: {}", arguments.file.display(), adopted.report));
    let preprocess = arguments.preprocess(spec, input)?;
    let Preprocess { mean, std, .. } = &preprocess;
    let (w, h) = (input.w, input.h);
    note(&format!(
        "pictures: both sides resized to {w}x{h}, nothing cut off; mean {mean:?}, standard deviation {std:?}"
    ));
    let (architecture, count) = (spec.name.to_owned(), classes.len());
    let meta = ModelFile { architecture, classes, preprocess, metrics: Default::default(), training: None };
    let contents = Contents { params: &adopted.params, velocity: None, batches: 0, meta: &meta };
    safetensors::write(&arguments.output, &contents)?;
    let output = arguments.output.display().to_string();
    let written = Written { output, model: spec.name, classes: count, input: input.to_string() };
    result(&serde_json::to_string(&written)?)?;
    Ok(exit::DONE)
}

impl ImportArguments {
    /// Names of the classes; `found` is how many the file has.
    fn classes(&self, found: usize) -> Result<Vec<String>> {
        let Some(path) = &self.class_names else {
            return Ok((0..self.num_classes.unwrap_or(found)).map(|index| index.to_string()).collect());
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

    fn preprocess(&self, spec: &Spec, input: ImageShape) -> Result<Preprocess> {
        let [mean, std] = statistics(spec, input.c);
        let mut preprocess = Preprocess::chapter(input);
        preprocess.mean = self.mean.clone().unwrap_or(mean);
        preprocess.std = self.std.clone().unwrap_or(std);
        preprocess.check().context("--input, --mean and --std")?;
        Ok(preprocess)
    }
}

/// Mean and standard deviation of the pictures that published weights of this network were trained with. Grey pictures
/// have those of green, the largest part of what eyes call bright.
fn statistics(spec: &Spec, channels: usize) -> [Vec<f32>; 2] {
    let of_colours = match (spec.names, spec.input.h) {
        (Naming::D2l, _) => return [vec![0.0; channels], vec![1.0; channels]],
        (_, 32) => CIFAR10,
        _ => IMAGENET,
    };
    of_colours.map(|of| if channels == 3 { of.to_vec() } else { vec![of[1]; channels] })
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
