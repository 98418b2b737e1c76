//! `plusx weights get`, `plusx weights list`: pretrained weights from the Hugging Face hub, when asked.

use crate::data::Progress;
use crate::environment::Environment;
use crate::exit::{self, usage};
use crate::preprocess;
use crate::screen::{note, result};
use anyhow::Result;
use clap::{Args, Subcommand};
use plusx_data::{
    HUB, Pin, PretrainedSource, SOURCES, WeightOptions, fetch_weights, source_of, weights_path,
};
use std::path::{Path, PathBuf};

/// Options of `plusx weights`.
#[derive(Debug, Args)]
pub(crate) struct WeightsArguments {
    #[command(subcommand)]
    command: WeightsCommand,
}

#[derive(Debug, Subcommand)]
enum WeightsCommand {
    /// Fetch the weights of a network into the cache folder, checked by SHA-256; a cut download goes on where it stopped.
    /// `plusx import` makes a weight file of them
    Get(GetArguments),
    /// List the networks that there are weights for: licence, whether their SHA-256 is known, where they come from
    List(ListArguments),
}

#[derive(Debug, Args)]
struct GetArguments {
    /// Network, as `plusx weights list` names it
    #[arg(value_name = "NAME")]
    model: String,
    /// SHA-256 that the file must have, before the one that plusx knows
    #[arg(long, value_name = "HASH", conflicts_with = "trust_hub")]
    sha256: Option<String>,
    /// Take the SHA-256 that the hub announces, where plusx knows none; it is kept beside the file and holds from then on
    #[arg(long)]
    trust_hub: bool,
    /// Address of the hub or of a mirror of it [default: $HF_ENDPOINT, else https://huggingface.co]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Folder to fetch into [default: the user's cache folder for plusx]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ListArguments {
    /// Folder that the weights may be in already [default: the user's cache folder for plusx]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &WeightsArguments, environment: &Environment) -> Result<u8> {
    match &arguments.command {
        WeightsCommand::Get(get) => fetch(get, environment)?,
        WeightsCommand::List(list) => {
            result(&table(list.cache_dir.as_ref().or(environment.cache.as_ref()).map(PathBuf::as_path)))?;
        }
    }
    Ok(exit::DONE)
}

/// Fetches weights, showing progress and licence; prints the path of the file.
fn fetch(get: &GetArguments, environment: &Environment) -> Result<()> {
    let cache_dir =
        get.cache_dir.as_ref().or(environment.cache.as_ref()).ok_or_else(|| {
            usage("no cache folder: neither XDG_CACHE_HOME nor HOME is set; use --cache-dir")
        })?;
    let endpoint = get.endpoint.as_deref().or(environment.hub.as_deref()).unwrap_or(HUB);
    let source = source_of(&get.model)?;
    let advice = advice(source, &weights_path(cache_dir, source.model));
    let options = WeightOptions {
        model: get.model.clone(),
        cache_dir: cache_dir.clone(),
        endpoint: endpoint.to_owned(),
        pin: match (&get.sha256, get.trust_hub) {
            (Some(hash), _) => Pin::Given(hash.clone()),
            (None, true) => Pin::Hub,
            (None, false) => Pin::Known,
        },
        advice: advice.clone(),
    };
    note(&format!("{}: {} at {endpoint}, licence {}", source.model, source.repository, source.licence));
    let mut progress = Progress::new();
    let fetched = fetch_weights(&options, &mut |file, done, total| progress.show(file, done, total));
    progress.finish();
    let weights = fetched?;
    if weights.by_hub {
        note(&format!(
            "SHA-256 {} is the word of {endpoint} alone; it is kept in {} and holds from now on",
            weights.sha256,
            weights.note.display()
        ));
    }
    note(&advice);
    result(&weights.path.display().to_string())
}

/// The command that makes a weight file of `file`, so that it records how pictures were prepared.
fn advice(source: &PretrainedSource, file: &Path) -> String {
    let (model, options) = (source.model, preprocess::words(&source.preparation));
    let options: String = options.iter().map(|word| format!(" {word}")).collect();
    format!(
        "make a weight file of it: plusx import {} --model {model}{options} -o {model}.safetensors",
        file.display()
    )
}

/// A line for each network; `cache_dir` is where weights may be already.
fn table(cache_dir: Option<&Path>) -> String {
    let line = |cells: [&str; 5]| {
        let [model, fetched, licence, known, repository] = cells;
        format!("{model:16}  {fetched:7}  {licence:12}  {known:7}  {repository}")
    };
    let mut text = line(["model", "fetched", "licence", "SHA-256", "repository"]);
    for source in &SOURCES {
        let fetched = cache_dir.is_some_and(|folder| weights_path(folder, source.model).is_file());
        let fetched = if fetched { "yes" } else { "no" };
        let known = if source.sha256.is_some() { "known" } else { "unknown" };
        text.push('\n');
        text += &line([source.model, fetched, source.licence, known, source.repository]);
    }
    text
}
