//! What a run says of its pictures: `bad_files.csv`, those it left out, and `split.csv`, those it drew for validation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use plusx_data::{Dataset, LeftOut};
use plusx_formats::atomic;

use crate::error::TrainError;

/// The list of pictures that are left out.
pub(crate) const BAD_FILES: &str = "bad_files.csv";

/// The list of all pictures with their splits.
pub(crate) const SPLIT: &str = "split.csv";

/// The pictures that a run left out so far, and the file that lists them.
#[derive(Debug)]
pub(crate) struct BadFiles {
    path: PathBuf,
    /// Why, by path.
    reasons: BTreeMap<String, String>,
}

impl BadFiles {
    /// The list of a run: what was found when its data were opened, and what an earlier process of it found.
    pub(crate) fn open(run: &Path, found: &[LeftOut]) -> Result<Self, TrainError> {
        let path = run.join(BAD_FILES);
        let mut reasons = earlier(&path)?;
        let earlier = reasons.len();
        reasons.extend(found.iter().map(|out| (out.path.clone(), out.reason.clone())));
        let bad = Self { path, reasons };
        if bad.reasons.len() > earlier {
            bad.write()?;
        }
        Ok(bad)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds pictures; those that were not known before, as a user is told of them.
    pub(crate) fn add(&mut self, found: &[LeftOut]) -> Result<Vec<String>, TrainError> {
        let mut told = Vec::new();
        for out in found {
            if self.reasons.insert(out.path.clone(), out.reason.clone()).is_none() {
                let (path, reason, list) = (out.path.escape_debug(), &out.reason, self.path.display());
                told.push(format!("{path}: {reason}; it is left out and listed in {list}"));
            }
        }
        if !told.is_empty() {
            self.write()?;
        }
        Ok(told)
    }

    fn write(&self) -> Result<(), TrainError> {
        let rows = self.reasons.iter().map(|(path, reason)| [path.as_str(), reason]);
        write(&self.path, ["path", "reason"], rows)
    }
}

fn earlier(path: &Path) -> Result<BTreeMap<String, String>, TrainError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        file => file.map_err(|error| TrainError::io("cannot read", path, error))?,
    };
    let rows = csv::Reader::from_reader(file).into_deserialize();
    rows.map(|row| row.map_err(|error| TrainError::bad_run(path, error.to_string()))).collect()
}

/// Writes `split.csv` of a set whose validation split was drawn: `path,label,split`, which a table of pictures may be.
pub(crate) fn write_split(run: &Path, dataset: &Dataset) -> Result<(), TrainError> {
    if !dataset.drawn {
        return Ok(());
    }
    let mut rows = Vec::new();
    for (split, samples) in dataset.splits() {
        for (index, label) in samples.labels().iter().enumerate() {
            let class = dataset.classes.get(*label as usize).map_or("", String::as_str);
            rows.push([samples.name(index), class.into(), split.into()]);
        }
    }
    let rows = rows.iter().map(|row| [&*row[0], &*row[1], &*row[2]]);
    write(&run.join(SPLIT), ["path", "label", "split"], rows)
}

fn write<'r, const N: usize>(
    path: &Path,
    header: [&str; N],
    rows: impl Iterator<Item = [&'r str; N]>,
) -> Result<(), TrainError> {
    let refused = |error: csv::Error| TrainError::io("cannot write", path, error.into());
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(header).map_err(refused)?;
    for row in rows {
        table.write_record(row).map_err(refused)?;
    }
    let bytes =
        table.into_inner().map_err(|error| TrainError::io("cannot write", path, error.into_error()))?;
    Ok(atomic::write(path, &bytes)?)
}
