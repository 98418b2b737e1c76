//! `plusx import`: weights that another program wrote become a weight file of plusx.

use crate::environment::Environment;
use crate::exit::{self, usage};
use crate::machine_arguments::at_least_one;
use crate::output;
use crate::preprocess::PreprocessArguments;
use crate::screen::{note, result};
use anyhow::{Context, Result};
use clap::Args;
use plusx_engine::EngineOptions;
use plusx_formats::foreign::{AdoptReport, Allow, ForeignFile, ForeignWeights};
use plusx_formats::safetensors::{self, Contents};
use plusx_formats::{FormatError, ModelFile, class_names};
use plusx_model::init::{Init, initialize};
use plusx_model::preprocess::Preset;
use plusx_model::shape::ImageShape;
use plusx_model::words::about;
use plusx_model::zoo::{self, Spec};
use plusx_train::{Import, ImportProof};
use serde::Serialize;
use std::path::PathBuf;

/// Seed of a classifier that starts anew; training has the same default.
const SEED: u32 = 42;

/// Options of `plusx import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Weights: safetensors, what torch.save wrote (.pth, .pt, .th), Gluon's .params, or an ONNX file of a residual network
    /// from PyTorch; told by content. Of weights in several files the index, one of them, or their folder
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Network from the zoo that the weights are for; see `plusx models`
    #[arg(long, value_name = "NAME")]
    model: String,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace the file to write if it is there
    #[arg(long)]
    overwrite: bool,
    /// Which of several sets of parameters in the file: what stands before their names, or a part of that (ema,
    /// state_dict_ema, teacher) [default: the only one, else that of a usual key, which is said]
    #[arg(long, value_name = "NAME")]
    section: Option<String>,
    /// Classes to tell apart; another number than the file has starts the classifier anew [default: the file's]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    num_classes: Option<usize>,
    /// Names of the classes: a text with one on each line in the order of the outputs, or JSON (a list, a mapping, the
    /// config.json of timm or transformers) [default: as the file says, else their numbers]
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
    output::free(&arguments.output, arguments.overwrite)?;
    let names = arguments.class_names.as_deref().map(class_names::read).transpose()?;
    let weights = ForeignFile::read(&arguments.file)?.weights_for(spec, arguments.section.as_deref())?;
    let classes = arguments.classes(&weights, spec, names)?;
    let said = weights.preprocess.as_ref();
    let input = arguments.input.or(said.map(|said| said.input)).unwrap_or(spec.input);
    let graph = crate::plan::graph(&arguments.model, Some(input), Some(classes.len()))?;
    let allow = Allow { other_classes: arguments.num_classes.is_some(), grey: input.c == 1 };
    let adopted = weights.adopt(&graph, initialize(&graph, Init::Xavier, SEED), allow);
    let adopted = match weights.classes() {
        None => adopted.context("the file has no classifier that fits; --num-classes N makes a new one")?,
        Some(_) => adopted?,
    };
    note(&format!("{}: {}", arguments.file.display(), adopted.report));
    let known = said.cloned().unwrap_or_else(|| spec.preset.record(input));
    let preprocess = arguments.preprocess.record(&known, input)?;
    note(&format!("pictures: {preprocess}"));
    if said.is_none() {
        arguments.doubts(spec, &adopted.report).iter().for_each(|doubt| note(doubt));
    }
    let (architecture, count) = (spec.name.to_owned(), classes.len());
    let meta = ModelFile { architecture, classes, preprocess, metrics: Default::default(), training: None };
    for text in weights.network.iter().flat_map(|network| &network.notes) {
        note(&format!("{}: {text}", arguments.file.display()));
    }
    let import =
        Import { weights: &weights, spec, graph: &graph, adopted: &adopted, output: &arguments.output };
    let engine = EngineOptions { threads: environment.threads(None), ..EngineOptions::default() };
    if let Some(ImportProof { images, worst }) = import.prove(engine)? {
        note(&format!(
            "answers of the file's network and of {} on {images} images of noise differ by at most {} of the largest logit",
            arguments.model,
            about(worst.into())
        ));
    }
    let contents = Contents { params: &adopted.params, optimiser: None, batches: 0, meta: &meta };
    safetensors::write(&arguments.output, &contents)?;
    let output = arguments.output.display().to_string();
    let written = Written { output, model: spec.name, classes: count, input: input.to_string() };
    result(&serde_json::to_string(&written)?)?;
    Ok(exit::DONE)
}

impl ImportArguments {
    /// Names of the classes: those of a file, which must be as many as the classifier has, else what the weights call them.
    fn classes(
        &self,
        weights: &ForeignWeights,
        spec: &Spec,
        names: Option<class_names::ClassNames>,
    ) -> Result<Vec<String>> {
        let found = weights.classes();
        let Some((path, named)) = self.class_names.as_deref().zip(names) else {
            let count = self.num_classes.or(found).unwrap_or(spec.classes);
            let own = weights.meta.as_ref().map(|own| &own.classes).filter(|names| names.len() == count);
            return Ok(own.map_or_else(|| (0..count).map(|index| index.to_string()).collect(), Vec::clone));
        };
        named.notes.iter().for_each(|doubt| note(doubt));
        let (names, count) = (named.names, self.num_classes);
        let many = names.len();
        match (count, found) {
            (Some(count), _) if count != many => {
                Err(usage(format!("{} names {many} classes, --num-classes says {count}", path.display())))
            }
            (Some(_), _) => Ok(names),
            (None, Some(found)) if found == many => Ok(names),
            (None, found) => {
                let file = self.file.display();
                let has = match found {
                    Some(found) => format!("the classifier of {file} tells {found} apart"),
                    None => format!("{file} has no classifier"),
                };
                let reason = format!(
                    "it names {many} classes, but {has}; --num-classes {many} makes a new classifier, which knows nothing \
                     until it is trained"
                );
                Err(FormatError::ClassNames { path: path.to_owned(), reason }.into())
            }
        }
    }

    /// Where the pictures of well-known weights were prepared otherwise than is usual for the network, a word on that.
    fn doubts(&self, spec: &Spec, report: &AdoptReport) -> Vec<String> {
        let mut found = Vec::new();
        // the one implementation of these networks that many took up calls the classifier so
        let linear = report.renamed.iter().any(|(from, _)| from == "linear.weight");
        if spec.preset == Preset::Cifar10 && linear && self.preprocess.leaves_numbers_open() {
            found.push(
                "note: if these are weights of pytorch_resnet_cifar10, their pictures were normalised with ImageNet's mean \
                 and deviation: import them with --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"
                    .to_owned(),
            );
        }
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        if is_second(&name) && self.preprocess.leaves_size_open() {
            found.push(format!(
                "note: {name} is the name of torchvision's second weights, for which pictures are resized to 232: import them \
                 with --preprocess imagenet-v2"
            ));
        }
        found
    }
}

/// Whether a file has the name under which torchvision publishes the second weights of a network of the zoo
/// (`IMAGENET1K_V2`): the eight digits are the beginning of its SHA-256.
pub(crate) fn is_second(name: &str) -> bool {
    const SECOND: [&str; 7] = [
        "resnet50-11ad3fa6",
        "resnet101-cd907fc2",
        "resnet152-f82ba261",
        "wide_resnet50_2-9ba9bcbe",
        "wide_resnet101_2-d733dc28",
        "resnext50_32x4d-1a0047aa",
        "resnext101_32x8d-110c445d",
    ];
    SECOND.iter().any(|known| name.starts_with(known))
}
