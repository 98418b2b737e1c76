//! What commands that train share besides the options of a run: a few more options, and the data that a run asks for.

use crate::environment::Environment;
use crate::exit::usage;
use crate::names::{FASHION_MNIST, SAMPLE};
use crate::screen::note;
use anyhow::Result;
use clap::Args;
use plusx_data::{DataError, Dataset, FindOptions};
use plusx_train::{Overrides, TrainOptions};
use std::path::PathBuf;

/// Options of every command that trains, which are no options of a run.
#[derive(Debug, Args)]
pub(crate) struct LearningArguments {
    /// Fetch the data set if it is nowhere, or damaged in the cache folder
    #[arg(long)]
    pub(crate) download: bool,
    /// Address of a folder with the data set's files, for --download
    #[arg(long, value_name = "URL", requires = "download")]
    pub(crate) mirror: Option<String>,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// A data set, and what its place makes of a run's options.
pub(crate) struct FoundData {
    pub(crate) dataset: Dataset,
    /// The folder to look for it in, and nowhere else.
    pub(crate) data_dir: Option<PathBuf>,
}

impl FoundData {
    /// The options of a new run on these data.
    pub(crate) fn name(&self, options: TrainOptions) -> TrainOptions {
        TrainOptions { data: self.dataset.name.clone(), data_dir: self.data_dir.clone(), ..options }
    }
}

/// Which data a run asks for.
pub(crate) struct Wanted<'a> {
    /// What was given on the command line.
    pub(crate) given: &'a Overrides,
    /// The options that come of it.
    pub(crate) options: &'a TrainOptions,
    /// Whether it keeps the data that its options name, because it was begun before.
    pub(crate) keeps: bool,
}

impl LearningArguments {
    /// The data set; the embedded sample if a new run asked for none and the full one is nowhere.
    pub(crate) fn find_data(&self, wanted: &Wanted, environment: &Environment) -> Result<FoundData> {
        let Wanted { given, options, keeps } = *wanted;
        let find =
            FindOptions { reading: options.reading(), ..environment.find(options.data_dir.as_deref()) };
        let name = if keeps { Some(options.data.as_str()) } else { given.data.as_deref() };
        let loaded = plusx_data::open(name, &find, &mut note);
        if self.download && fetching_helps(&loaded, environment, &options.data, &find) {
            return self.fetch_data(wanted, environment);
        }
        let dataset = match loaded {
            Err(error) if error.is_not_found() && name.is_none() && options.data_dir.is_none() => {
                note(&format!("{error}\ntraining on the sample inside this program instead: {SAMPLE}"));
                plusx_data::load(SAMPLE, &find)?
            }
            other => other?,
        };
        Ok(FoundData { dataset, data_dir: options.data_dir.clone() })
    }

    /// Downloads the data set into the cache folder and loads it from there.
    fn fetch_data(&self, wanted: &Wanted, environment: &Environment) -> Result<FoundData> {
        let Wanted { given, options, .. } = *wanted;
        if let Some(folder) = &given.data_dir {
            let folder = folder.display();
            return Err(usage(format!(
                "{} is not in {folder}, and --download fetches into the cache folder, where --data-dir {folder} forbids to \
                 look: leave --data-dir out",
                options.data
            )));
        }
        let folder = crate::data::fetch(environment, None, self.mirror.as_ref())?;
        note(&format!("fetched into {}", folder.display()));
        // a resumed run whose own folder is gone goes on with this one
        let data_dir = options.data_dir.as_ref().map(|_| folder);
        let dataset = plusx_data::load(&options.data, &environment.find(data_dir.as_deref()))?;
        Ok(FoundData { dataset, data_dir })
    }
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
