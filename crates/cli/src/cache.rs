//! `--cache`: whether decoded pictures are kept, and where.

use crate::disk;
use crate::machine;
use crate::screen::{bytes, note};
use anyhow::{Context, Result};
use clap::ValueEnum;
use plusx_data::{Cached, Dataset, Samples};
use plusx_model::preprocess::Preprocess;
use plusx_train::TrainOptions;
use std::sync::Arc;

/// Where decoded pictures are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum CacheMode {
    /// In memory if they fit, else on the disk of the runs if they fit there, else not.
    #[default]
    Auto,
    /// In memory, as many as fit.
    Ram,
    /// In a file without a name, on the disk of the runs.
    Disk,
    /// Nowhere.
    Off,
}

impl CacheMode {
    /// Of a run that reads every picture `once`, or not: what is read once is kept only if that was asked for.
    pub(crate) fn of(self, once: bool) -> Self {
        if once && self == Self::Auto { Self::Off } else { self }
    }
}

/// A split, what is done to its pictures before they are kept, and what they take then.
struct Part<'d> {
    pictures: &'d mut Arc<dyn Samples>,
    shrink: Option<Preprocess>,
    bytes: u64,
}

impl<'d> Part<'d> {
    fn new(pictures: &'d mut Arc<dyn Samples>, shrink: Option<Preprocess>) -> Self {
        let bytes = Cached::bytes_of(&**pictures, shrink.as_ref());
        Self { pictures, shrink, bytes }
    }
}

/// The data set of a run that takes `needed` bytes besides, with its pictures kept once they are decoded. What lies in memory as
/// pixels stays as it is.
pub(crate) fn keep(
    mode: CacheMode,
    mut dataset: Dataset,
    options: &TrainOptions,
    needed: u64,
) -> Result<Dataset> {
    if mode == CacheMode::Off || dataset.train.shape().is_some() {
        return Ok(dataset);
    }
    let record = options.record(options.input_shape(dataset.train.channels()));
    let whole = options.augment().is_some();
    // only what is the same in every epoch is kept
    let train = Part::new(&mut dataset.train, (!whole).then(|| record.clone()));
    let parts = [train, Part::new(&mut dataset.val, Some(record))];
    let all: u64 = parts.iter().map(|part| part.bytes).sum();
    // the sizes of decoded pictures are judged by a few: a quarter is left for what was misjudged
    let left =
        machine::room(options.threads.unwrap_or(1)).map(|room| room.bytes.saturating_sub(needed) / 4 * 3);
    let free = || disk::free(&options.output).map(|free| free / 2);
    let mode = match mode {
        CacheMode::Auto if left.is_none_or(|left| all <= left) => CacheMode::Ram,
        CacheMode::Auto if free().is_some_and(|free| all <= free) => CacheMode::Disk,
        CacheMode::Auto => CacheMode::Off,
        asked => asked,
    };
    let what = format!("{} of decoded pictures", bytes(all));
    match mode {
        CacheMode::Ram => note(&format!("about {what} are kept in memory (--cache off does not)")),
        CacheMode::Disk => {
            note(&format!(
                "about {what} are kept on the disk of {} while the run goes on",
                options.output.display()
            ));
        }
        _ => note(&format!(
            "there is no room for {what}, in memory or on disk: every epoch decodes them again"
        )),
    }
    let room = if mode == CacheMode::Disk { free() } else { left }.unwrap_or(u64::MAX);
    let mut taken = 0;
    for Part { pictures, shrink, bytes } in parts {
        let own: u64 = room.saturating_sub(taken);
        taken += bytes;
        let of = Arc::clone(pictures);
        match mode {
            CacheMode::Ram => *pictures = Arc::new(Cached::in_memory(of, shrink, own)),
            CacheMode::Disk => {
                let folder = &options.output;
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
                *pictures = Arc::new(Cached::on_disk(of, shrink, own, folder)?);
            }
            _ => {}
        }
    }
    Ok(dataset)
}
