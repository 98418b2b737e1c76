//! Which data set a command reads that does not train, and how: options that `eval` and `check` share. (`train` and `compare` have
//! their own: a resumed run knows which were given.)

use crate::environment::Environment;
use crate::exit::usage;
use anyhow::Result;
use clap::Args;
use plusx_data::{FindOptions, ReadOptions};
use std::path::PathBuf;

/// How a data set is read that leaves something open.
#[derive(Debug, Args)]
pub(crate) struct DataOptions {
    /// Where the data set is that is named by its kind, for example by idx
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Share of the pictures of each class that are held out, where the data come as one
    #[arg(long, value_name = "X", default_value_t = 0.2, value_parser = share)]
    val_split: f64,
    /// Seed by which they are drawn: the run's
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u32,
    /// Column of a table or a Parquet file that has the labels [default: label, class or category; else the only one that is
    /// left]
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
}

/// A data set that was asked for.
pub(crate) struct WantedData<'a> {
    /// What it is called; nothing: whatever is in the place that is given.
    pub(crate) name: Option<&'a str>,
    /// Where and how it is to be had.
    pub(crate) find: FindOptions,
}

impl DataOptions {
    /// The data set that is called `data`, or that lies there.
    pub(crate) fn wanted<'a>(
        &self,
        data: Option<&'a str>,
        environment: &Environment,
    ) -> Result<WantedData<'a>> {
        let place = data.and_then(plusx_data::as_place);
        if let (Some(place), Some(folder)) = (place, &self.data_dir) {
            let (place, folder) = (place.display(), folder.display());
            return Err(usage(format!("the data are {place} and --data-dir {folder}: give one place")));
        }
        let reading = ReadOptions {
            val_split: self.val_split,
            seed: self.seed,
            label_column: self.label_column.clone(),
            ..ReadOptions::default()
        };
        let find = FindOptions { reading, ..environment.find(place.or(self.data_dir.as_deref())) };
        Ok(WantedData { name: data.filter(|_| place.is_none()), find })
    }
}

/// Reads a share.
fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("must be a number above 0 and below 1".into()),
    }
}
