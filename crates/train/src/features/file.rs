//! A file of kept values: written row by row, known by its header, proved by its hash, read at any row.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use plusx_formats::FormatError;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::plan::{FORMAT, FeaturePlan};
use crate::error::{PathDisplay, TrainError};

/// Bytes before the first row, a whole number of pages. safetensors allows blanks at the end of a header.
const HEADER: usize = 4096;

/// Digits of the number of rows in the header, so that it keeps its length.
const DIGITS: usize = 16;

/// Which rows of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FeaturePart {
    /// A view of the pictures that are learnt from.
    Train(u32),
    /// The pictures that are measured on.
    Validation,
}

/// A whole file, open for reading.
#[derive(Debug)]
pub(crate) struct FeatureFile {
    pub(crate) plan: FeaturePlan,
    file: Mutex<File>,
}

impl FeatureFile {
    /// The file of `plan`, if it is there and whole. One that is not is left to be made again.
    pub(crate) fn open(plan: &FeaturePlan) -> Result<Option<Self>, TrainError> {
        let mut file = match File::open(&plan.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| TrainError::io("cannot read", &plan.path, error))?,
        };
        let done =
            proved(&mut file, plan).map_err(|error| TrainError::io("cannot read", &plan.path, error))?;
        let whole = done.is_some_and(|done| done.rows == plan.rows());
        Ok(whole.then(|| Self { plan: plan.clone(), file: Mutex::new(file) }))
    }

    /// Reads a row of a part.
    pub(crate) fn read(
        &self,
        part: FeaturePart,
        picture: usize,
        values: &mut Vec<f32>,
    ) -> Result<(), TrainError> {
        let row = match part {
            FeaturePart::Train(view) => view as usize * self.plan.pictures[0] + picture,
            FeaturePart::Validation => self.plan.values.views as usize * self.plan.pictures[0] + picture,
        };
        let mut bytes = vec![0; self.plan.row() * size_of::<f32>()];
        let start = HEADER + row * bytes.len();
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(start as u64)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|error| TrainError::io("cannot read", &self.plan.path, error))?;
        values.extend(floats(&bytes));
        Ok(())
    }
}

/// Rows that are there, and the hash over them so far.
struct Done {
    rows: usize,
    hash: Sha256,
}

/// What of a file is proved by its header; `None` if it is of something else or damaged.
fn proved(file: &mut File, plan: &FeaturePlan) -> io::Result<Option<Done>> {
    let mut header = vec![0; HEADER];
    file.seek(SeekFrom::Start(0))?;
    if file.read_exact(&mut header).is_err() {
        return Ok(None);
    }
    // everything but two fields is known beforehand
    let Some((rows, sha256)) = fields(&header) else { return Ok(None) };
    if rows > plan.rows() || header != encode(plan, rows, &sha256) {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    let bytes = (rows * plan.row() * size_of::<f32>()) as u64;
    let copied = io::copy(&mut BufReader::with_capacity(1 << 20, file.take(bytes)), &mut Hashing(&mut hash))?;
    Ok((copied == bytes && hex(hash.clone()) == sha256).then_some(Done { rows, hash }))
}

/// A hash that can be written to.
struct Hashing<'a>(&'a mut Sha256);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The rows and the hash that a header tells.
fn fields(header: &[u8]) -> Option<(usize, String)> {
    let text = std::str::from_utf8(header.get(8..)?).ok()?;
    let metadata: serde_json::Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| metadata["__metadata__"][name].as_str().map(str::to_owned);
    Some((field("rows")?.parse().ok()?, field("sha256")?))
}

/// The header of a file with so many rows of this hash.
fn encode(plan: &FeaturePlan, rows: usize, sha256: &str) -> Vec<u8> {
    let [train, val] = plan.pictures;
    let shape = plan.values.shape;
    let views = plan.values.views as usize;
    let size = |rows: usize| rows * plan.row() * size_of::<f32>();
    let middle = size(views * train);
    let header = json!({
        "__metadata__": {
            "format": FORMAT,
            "identity": plan.identity,
            "rows": format!("{rows:0DIGITS$}"),
            "sha256": sha256,
        },
        "train": {
            "dtype": "F32", "shape": [views, train, shape.h, shape.w, shape.c], "data_offsets": [0, middle],
        },
        "validation": {
            "dtype": "F32", "shape": [val, shape.h, shape.w, shape.c],
            "data_offsets": [middle, size(plan.rows())],
        },
    });
    let mut bytes = ((HEADER - 8) as u64).to_le_bytes().to_vec();
    bytes.extend(header.to_string().bytes());
    bytes.resize(HEADER, b' ');
    bytes
}

/// In hexadecimal.
pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// A file in the making, under another name until it is whole.
#[derive(Debug)]
pub(crate) struct Unfinished {
    plan: FeaturePlan,
    path: PathBuf,
    file: File,
    rows: usize,
    hash: Sha256,
}

impl Unfinished {
    /// Takes up what an earlier process left, or begins. Nobody else may be at it.
    pub(crate) fn open(plan: &FeaturePlan) -> Result<Self, TrainError> {
        if let Some(folder) = plan.path.parent() {
            fs::create_dir_all(folder).map_err(|error| TrainError::io("cannot make", folder, error))?;
        }
        let path = plan.path.with_extension("part");
        let failed = |error| TrainError::io("cannot open", &path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(TrainError::Locked { path: PathDisplay(path) });
        }
        let done = proved(&mut file, plan).map_err(failed)?;
        let Done { rows, hash } = done.unwrap_or_else(|| Done { rows: 0, hash: Sha256::new() });
        let mut begun = Self { plan: plan.clone(), path, file, rows, hash };
        let end = (HEADER + rows * plan.row() * size_of::<f32>()) as u64;
        begun.writing(|file| file.set_len(end))?;
        begun.confirm()?;
        Ok(begun)
    }

    /// Rows that are there.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds rows.
    pub(crate) fn push(&mut self, values: &[f32]) -> Result<(), TrainError> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.writing(|file| file.write_all(&bytes))?;
        self.hash.update(&bytes);
        self.rows += values.len() / self.plan.row();
        Ok(())
    }

    /// Confirms all rows: they are taken up again whatever happens.
    pub(crate) fn confirm(&mut self) -> Result<(), TrainError> {
        let header = encode(&self.plan, self.rows, &hex(self.hash.clone()));
        self.writing(|file| {
            // the rows first: a header must not tell of rows that are not there
            file.sync_data()?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header)?;
            file.sync_data()?;
            file.seek(SeekFrom::End(0)).map(drop)
        })
    }

    /// Gives the file its name.
    pub(crate) fn finish(mut self) -> Result<FeatureFile, TrainError> {
        self.confirm()?;
        let Self { plan, path, file, .. } = self;
        fs::rename(&path, &plan.path).map_err(|error| TrainError::io("cannot rename", &path, error))?;
        sync_folder(&plan.path);
        Ok(FeatureFile { plan, file: Mutex::new(file) })
    }

    fn writing<T>(&mut self, write: impl FnOnce(&mut File) -> io::Result<T>) -> Result<T, TrainError> {
        write(&mut self.file).map_err(|source| FormatError::Write { path: self.path.clone(), source }.into())
    }
}

/// The name survives a power cut, where the system can promise that. Without it the values are computed again.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent() {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}
