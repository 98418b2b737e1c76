//! `plusx data get`, `plusx data path`: fetch a data set, tell where it is.

use crate::environment::Environment;
use crate::exit::{self, usage};
use crate::names::SAMPLE;
use crate::screen::{bytes, can_draw, note, result};
use anyhow::Result;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
#[cfg(doc)]
use plusx_data::DataError;
use plusx_data::{DownloadOptions, FindOptions};
use std::path::PathBuf;

/// Options of `plusx data`.
#[derive(Debug, Args)]
pub(crate) struct DataArguments {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Fetch a data set into the cache folder; a cut download goes on where it stopped
    Get(GetArguments),
    /// Print the folder a data set is found in
    Path(PathArguments),
}

#[derive(Debug, Args)]
struct GetArguments {
    /// Data set
    #[arg(value_parser = ["fashion-mnist"])]
    name: String,
    /// Address of a folder with the data set's files, used instead of the official ones
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Folder to fetch into [default: the user's cache folder for plusx]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PathArguments {
    /// Data set
    name: String,
    /// Folder to look in, and nowhere else
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &DataArguments, environment: &Environment) -> Result<u8> {
    let folder = match &arguments.command {
        DataCommand::Get(get) => fetch(environment, get.cache_dir.as_ref(), get.mirror.as_ref())?,
        DataCommand::Path(path) => folder(&path.name, &environment.find(path.data_dir.as_deref()))?,
    };
    result(&folder.display().to_string())?;
    Ok(exit::DONE)
}

/// The folder a data set is in; [`DataError::NotFound`] with the places looked at and the ways to get it.
pub(crate) fn folder(name: &str, find: &FindOptions) -> Result<PathBuf> {
    if name == SAMPLE {
        let inside =
            format!("{SAMPLE} is inside this program and has no folder; use it with --data {SAMPLE}");
        return Err(usage(inside));
    }
    match plusx_data::locate(name, find) {
        Some(folder) => Ok(folder),
        // loading says what is missing where
        None => Ok(plusx_data::load(name, find)?.source.into()),
    }
}

/// Downloads Fashion-MNIST, showing progress; the folder it is in.
pub(crate) fn fetch(
    environment: &Environment,
    cache_dir: Option<&PathBuf>,
    mirror: Option<&String>,
) -> Result<PathBuf> {
    let cache_dir = cache_dir
        .or(environment.cache.as_ref())
        .ok_or_else(|| usage("no cache folder: neither XDG_CACHE_HOME nor HOME is set; use --cache-dir"))?;
    let options = DownloadOptions { cache_dir: cache_dir.clone(), mirror: mirror.cloned() };
    let mut progress = Progress::new();
    let folder = plusx_data::download(&options, &mut |file, done, total| progress.show(file, done, total));
    progress.finish();
    Ok(folder?)
}

/// A bar on a terminal, else a line for each file.
pub(crate) struct Progress {
    bar: ProgressBar,
    file: String,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let target = if can_draw() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self { bar, file: String::new() }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    pub(crate) fn show(&mut self, file: &str, done: u64, total: Option<u64>) {
        if self.file != file {
            self.file = file.to_string();
            self.bar.set_prefix(self.file.clone());
            let size = total.map_or(String::new(), |total| format!(" ({})", bytes(total)));
            self.bar.suspend(|| note(&format!("fetching {file}{size}")));
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }
}
