//! The recipe of a run as options, and the data it names: what `train` and `compare` share.

use crate::arguments::{FASHION_MNIST, Isa, SAMPLE, at_least_one, isa};
use crate::environment::Environment;
use crate::exit::usage;
use crate::memory::{BatchSize, batch_size};
use crate::screen::note;
use anyhow::Result;
use clap::Args;
use plusx_data::{DataError, Dataset, FindOptions};
use plusx_model::preprocess::Preset;
use plusx_model::shape::ImageShape;
use plusx_train::{Overrides, Pictures, Recipe, SaveEvery, TrainOptions};
use std::path::PathBuf;

/// Options of every command that trains. Defaults shown are those of the recipe.
#[derive(Debug, Args)]
pub(crate) struct RecipeArguments {
    /// Named set of defaults: d2l is the chapter's run [default: d2l]
    #[arg(long, value_name = "NAME")]
    recipe: Option<Recipe>,
    /// Data set: fashion-mnist; fashion-mnist-mini, the sample inside this program; or idx, other data in IDX files, with
    /// --data-dir [default: what --data-dir holds; without it fashion-mnist, or the sample if that is nowhere]
    #[arg(long, value_name = "NAME")]
    data: Option<String>,
    /// Folder with the data set's files: the four of Fashion-MNIST, or of other data in IDX, called as MNIST's; beside them
    /// perhaps classes.txt, the name of a class on each line [default: $PLUSX_DATA, the cache folder, /usr/share/datasets]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Fetch the data set if it is nowhere, or damaged in the cache folder
    #[arg(long)]
    download: bool,
    /// Address of a folder with the data set's files, for --download
    #[arg(long, value_name = "URL", requires = "download")]
    mirror: Option<String>,
    /// Side of the square images are resized to, in pixels [default: 96; with --pretrained what the weights were made for]
    #[arg(long, value_name = "N")]
    resize: Option<usize>,
    /// Shape of the network's input in place of that square; grey images fill several channels
    #[arg(long, value_name = "CxHxW", conflicts_with = "resize")]
    input: Option<ImageShape>,
    /// How images are resized (the whole image, nothing is cut off) and normalised: d2l, cifar10, imagenet or timm [default:
    /// d2l; with --pretrained as the weights were trained]
    #[arg(long, value_name = "NAME")]
    preprocess: Option<Preset>,
    /// Passes over the training images [default: 5]
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Images per step; auto: 256, or the largest power of two below that there is memory (and data) for [default: 256]
    #[arg(long, visible_alias = "batch", value_name = "N|auto", value_parser = batch_size, allow_negative_numbers = true)]
    pub(crate) batch_size: Option<BatchSize>,
    /// Learning rate [default: 0.05]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    lr: Option<f32>,
    /// Momentum of gradient descent [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    momentum: Option<f32>,
    /// Use Nesterov's momentum
    #[arg(long)]
    nesterov: bool,
    /// Weight decay [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    weight_decay: Option<f32>,
    /// Seed of the initial weights and of the order of the images [default: 42]
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Threads to compute with; the result does not depend on it [default: $RAYON_NUM_THREADS, $OMP_NUM_THREADS, or
    /// what the system grants]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
    /// Instruction set: auto, avx512, avx2 or portable [default: auto]
    #[arg(long, value_name = "LEVEL", value_parser = isa)]
    isa: Option<Isa>,
    /// Direct convolutions only, no Winograd algorithms: slower, rounded otherwise
    #[arg(long)]
    exact: bool,
    /// Name of the folder [default: exp, exp2, ...]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Save this often, besides after each epoch: 10m, 90s, 1h, 20steps or epoch [default: 10m]
    #[arg(long, value_name = "WHEN")]
    save_every: Option<SaveEvery>,
    /// Stop after this many steps in all (of train, --resume --epochs N lifts it)
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Train on this many of the images only
    #[arg(long, value_name = "N")]
    train_limit: Option<usize>,
    /// Measure training and test error after every N steps too, into points.csv [default: of compare, about 20 times]
    #[arg(long, value_name = "N")]
    measure_every: Option<u64>,
    /// Of the test images, how many are looked at inside an epoch [default: all]
    #[arg(long, value_name = "N")]
    measure_limit: Option<usize>,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl RecipeArguments {
    /// What was given on the command line. The number of threads is always given: it belongs to this machine, not to
    /// the run.
    pub(crate) fn overrides(&self, environment: &Environment) -> Overrides {
        Overrides {
            recipe: self.recipe,
            data: self.data.clone(),
            data_dir: self.data_dir.clone(),
            resize: self.resize,
            input: self.input,
            preprocess: self.preprocess.map(Pictures::preset),
            epochs: self.epochs,
            // auto is settled once the data are there; a resumed run keeps what it was
            batch_size: self.batch_size.and_then(|size| match size {
                BatchSize::Auto => None,
                BatchSize::Images(images) => Some(images),
            }),
            lr: self.lr,
            momentum: self.momentum,
            nesterov: self.nesterov.then_some(true),
            weight_decay: self.weight_decay,
            seed: self.seed,
            threads: Some(environment.threads(self.threads)),
            isa: self.isa.map(|isa| isa.0),
            exact: self.exact.then_some(true),
            name: self.name.clone(),
            save_every: self.save_every,
            max_steps: self.max_steps,
            train_limit: self.train_limit,
            measure_every: self.measure_every,
            measure_limit: self.measure_limit,
            ..Overrides::default()
        }
    }
}

/// The data set; the embedded sample if a new run (one that `resumes` nothing) asked for none and the full one is nowhere.
/// What it is gives the options its name.
pub(crate) fn find_data(
    arguments: &RecipeArguments,
    environment: &Environment,
    options: &mut TrainOptions,
    resumes: bool,
) -> Result<Dataset> {
    let find = environment.find(options.data_dir.as_deref());
    let name = if resumes { Some(options.data.as_str()) } else { arguments.data.as_deref() };
    let loaded = plusx_data::open(name, &find, &mut note);
    if arguments.download && fetching_helps(&loaded, environment, &options.data, &find) {
        return fetch_data(arguments, environment, options);
    }
    let found = match loaded {
        Err(error)
            if error.is_not_found() && arguments.data.is_none() && options.data_dir.is_none() && !resumes =>
        {
            note(&format!("{error}\ntraining on the sample inside this program instead: {SAMPLE}"));
            plusx_data::load(SAMPLE, &find)?
        }
        other => other?,
    };
    if !resumes {
        options.data.clone_from(&found.name);
    }
    Ok(found)
}

/// Whether the data set is nowhere, or what would be used is a damaged one in the cache folder, which a download mends.
fn fetching_helps(
    loaded: &Result<Dataset, DataError>,
    environment: &Environment,
    name: &str,
    find: &FindOptions,
) -> bool {
    let in_cache = || {
        let cache = environment.cache.as_ref().map(|cache| cache.join(name));
        cache.is_some() && plusx_data::locate(name, find) == cache
    };
    name == FASHION_MNIST && loaded.as_ref().is_err_and(|error| error.is_not_found() || in_cache())
}

/// Downloads the data set into the cache folder and loads it from there.
fn fetch_data(
    arguments: &RecipeArguments,
    environment: &Environment,
    options: &mut TrainOptions,
) -> Result<Dataset> {
    if let Some(folder) = &arguments.data_dir {
        let folder = folder.display();
        return Err(usage(format!(
            "{} is not in {folder}, and --download fetches into the cache folder, where --data-dir {folder} forbids to \
             look: leave --data-dir out",
            options.data
        )));
    }
    let folder = crate::data::fetch(environment, None, arguments.mirror.as_ref())?;
    note(&format!("fetched into {}", folder.display()));
    // a resumed run whose own folder is gone goes on with this one
    options.data_dir = options.data_dir.take().map(|_| folder);
    Ok(plusx_data::load(&options.data, &environment.find(options.data_dir.as_deref()))?)
}
