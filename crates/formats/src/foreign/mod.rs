//! Weights that other programs wrote: a safetensors file without our entry, what `torch.save` and Gluon write.
//!
//! [`read`] gives [`Weights`], a list of named tensors whatever the container was; [`Weights::adopt`] finds among them
//! the parameters of a graph. Which kind a file is of is told by its first bytes, never by its name. Nothing in a file
//! is ever run, and what a file says about sizes is held against its length before memory is asked for.

mod adopt;
mod container;
mod gluon;
mod layers;
mod names;
mod numbers;
mod pickle;
mod report;
mod tensors;
mod torch;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

pub use adopt::{Adopted, Allow};
pub use report::{NewHead, Report};

use crate::error::FormatError;
use plusx_weights::{LARGEST, WeightError};

/// What wrote a file, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A safetensors file.
    Safetensors,
    /// `torch.save` since 1.6: a zip archive.
    TorchZip,
    /// `torch.save` from 0.1.10 to 1.5: pickles one after another, then the numbers.
    TorchStream,
    /// `torch.save` before 0.1.10: a tar archive.
    TorchTar,
    /// MXNet: `save_parameters` and `export` of Gluon, `mx.nd.save`.
    Gluon,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Safetensors => "safetensors",
            Kind::TorchZip => "PyTorch (zip)",
            Kind::TorchStream => "PyTorch (legacy stream)",
            Kind::TorchTar => "PyTorch (tar)",
            Kind::Gluon => "MXNet",
        })
    }
}

/// So many bytes tell every kind: the mark of a tar archive ends at byte 262.
const FIRST_BYTES: u64 = 262;

impl Kind {
    /// The kind of a file that starts with `first`, if it is one that [`read`] knows.
    pub fn of(first: &[u8]) -> Option<Self> {
        /// `torch.save`'s magic number as a pickle holds it, and as the oldest protocols spell it.
        const STREAM: [&[u8]; 2] =
            [&[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19], b"119547037146038801333356"];
        let has = |mark: &&[u8]| first[..first.len().min(64)].windows(mark.len()).any(|part| part == *mark);
        if first.starts_with(b"PK\x03\x04") {
            Some(Kind::TorchZip)
        } else if first.get(257..262) == Some(b"ustar") {
            Some(Kind::TorchTar)
        } else if first.starts_with(&gluon::MAGIC) {
            Some(Kind::Gluon)
        } else if first.get(8) == Some(&b'{') {
            Some(Kind::Safetensors)
        } else {
            STREAM.iter().any(has).then_some(Kind::TorchStream)
        }
    }
}

/// A named tensor.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    /// Its name, without what [`Weights::section`] and [`Weights::prefix`] say.
    pub name: String,
    /// Dimensions, outermost first.
    pub dims: Vec<usize>,
    /// The values, row-major; 16-bit and 64-bit numbers are converted.
    pub values: Vec<f32>,
}

/// What a file holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Weights {
    path: PathBuf,
    /// What the file was.
    pub kind: Kind,
    /// The part of the file the tensors come from, if it has several: `state_dict`.
    pub section: Option<String>,
    /// What stood before every name: `module.` of PyTorch's `DataParallel`.
    pub prefix: String,
    /// In the order of the file, where it has one; else by name.
    pub tensors: Vec<Tensor>,
    /// Names of what is no parameter: counts of batches and other whole numbers, the state of an optimiser, other
    /// sections.
    pub skipped: Vec<String>,
}

impl Weights {
    /// Where they were read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of classes: rows of the last matrix, which is the classifier's. Other tensors have one or four dimensions.
    pub fn classes(&self) -> Option<usize> {
        let last = self.tensors.iter().rfind(|tensor| tensor.dims.len() == 2);
        last.map(|matrix| matrix.dims[0])
    }
}

/// Reads a weight file of whatever kind.
///
/// # Errors
/// One that names the file: unreadable, too large, of no known kind, damaged, or holding numbers that are none.
pub fn read(path: &Path) -> Result<Weights, FormatError> {
    let failed = |source| FormatError::read(path, source);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        // a pipe could not be read twice, nor its length be known
        return Err(failed(std::io::Error::new(ErrorKind::InvalidInput, "it is no plain file")));
    }
    let size = metadata.len();
    if size > LARGEST {
        return Err(WeightError::TooLarge { path: path.into(), size, limit: LARGEST }.into());
    }
    let mut first = Vec::new();
    file.take(FIRST_BYTES).read_to_end(&mut first).map_err(failed)?;
    match Kind::of(&first) {
        Some(Kind::Safetensors) => tensors::from_safetensors(&plusx_weights::whole(path)?, path),
        Some(Kind::Gluon) => gluon::read(path),
        Some(kind) => torch::read(path, kind),
        None => Err(FormatError::UnknownKind { path: path.into() }),
    }
}
