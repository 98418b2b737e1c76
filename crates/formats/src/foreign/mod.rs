//! Weights that other programs wrote: a safetensors file without our entry, what `torch.save` and Gluon write.
//!
//! [`read`] gives [`Weights`], a list of named tensors whatever the container was; [`Weights::adopt`] finds among them
//! the parameters of a graph. Which kind a file is of is told by its first bytes, never by its name. Nothing in a file
//! is ever run, and what a file says about sizes is held against its length before memory is asked for.

mod adopt;
mod agree;
mod container;
mod gluon;
mod kinds;
mod layers;
mod modules;
mod names;
mod network;
pub(crate) mod numbers;
mod operators;
mod part;
mod pickle;
mod report;
mod scalars;
mod sections;
mod select;
mod shards;
mod stages;
mod storage;
mod structure;
mod symbol;
mod tar;
mod tensors;
mod torch;
mod unpickle;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use plusx_model::preprocess::Preprocess;
use plusx_model::zoo::Spec;

pub use adopt::{Adopted, Allow};
pub use network::from_onnx;
pub use report::{NewHead, Report};

use crate::error::FormatError;
use crate::metadata::ModelFile;
use crate::{onnx, safetensors};
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
    /// An ONNX file: a whole network.
    Onnx,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Safetensors => "safetensors",
            Kind::TorchZip => "PyTorch (zip)",
            Kind::TorchStream => "PyTorch (legacy stream)",
            Kind::TorchTar => "PyTorch (tar)",
            Kind::Gluon => "MXNet",
            Kind::Onnx => "ONNX",
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
        } else if is_safetensors(first) {
            Some(Kind::Safetensors)
        } else if STREAM.iter().any(has) {
            Some(Kind::TorchStream)
        } else {
            is_onnx(first).then_some(Kind::Onnx)
        }
    }
}

/// Whether a file begins with the length of a header, and the header; texts of JSON have a brace there, too, but as a
/// length their letters are too large.
fn is_safetensors(first: &[u8]) -> bool {
    const LARGEST_HEADER: u64 = 100_000_000;
    let length = first.first_chunk::<8>().map(|length| u64::from_le_bytes(*length));
    first.get(8) == Some(&b'{') && length.is_some_and(|length| length <= LARGEST_HEADER)
}

/// Whether a protocol buffer begins as ONNX files do: field 1, the version of the format, in one byte, then one of the
/// fields 2 to 8 (the producer and its version, the domain, a version, a text, the graph, the operators), none of which may
/// stand before it.
fn is_onnx(first: &[u8]) -> bool {
    const TAGS: [u8; 7] = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42];
    matches!(first, [0x08, 1..=0x7f, tag, ..] if TAGS.contains(tag))
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
    /// What those of them hold that are tensors, by name, where it is known: `int64`, "a sparse tensor".
    others: BTreeMap<String, String>,
    /// What a pickled module says about its layers.
    said: Option<modules::Said>,
    /// What a file that plusx wrote says about itself; `None` for others.
    pub meta: Option<ModelFile>,
    /// How pictures become the network's input, if the file says so; of an ONNX file at least the shape is known.
    pub preprocess: Option<Preprocess>,
    /// Batch norms that an ONNX file has inside its convolutions: here they change nothing but add a shift.
    pub folded: usize,
    /// Whether what the layers compute was read, too, from this file or one beside it; names are then the network's.
    pub described: bool,
    /// What else should be said to whoever reads the file, each a sentence.
    pub notes: Vec<String>,
    /// How many files the tensors were in.
    pub parts: usize,
    /// Whether MXNet's names tell parameters from statistics, as those of a network saved with its symbol do.
    exported: bool,
}

impl Weights {
    /// Nothing but tensors.
    fn new(path: &Path, kind: Kind, tensors: Vec<Tensor>) -> Self {
        Self {
            path: path.into(),
            kind,
            section: None,
            prefix: String::new(),
            tensors,
            skipped: Vec::new(),
            others: BTreeMap::new(),
            said: None,
            meta: None,
            preprocess: None,
            folded: 0,
            described: false,
            notes: Vec::new(),
            parts: 1,
            exported: false,
        }
    }

    /// Where they were read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of classes: rows of the last matrix, which is the classifier's in what [`read_for`] gives. Other tensors of
    /// a network have one or four dimensions.
    pub fn classes(&self) -> Option<usize> {
        let last = self.tensors.iter().rfind(|tensor| tensor.dims.len() == 2);
        last.map(|matrix| matrix.dims[0])
    }
}

/// Reads a weight file of whatever kind, for the network `spec`, of whose parameters it may hold more than one set: see
/// [`read_section_for`], which can be told which.
///
/// # Errors
/// Those of [`read_section_for`].
pub fn read_for(path: &Path, spec: &Spec) -> Result<Weights, FormatError> {
    read_section_for(path, spec, None)
}

/// Reads the parameters of `spec` from a weight file of whatever kind. `section` says which of several sets of them is
/// meant: what stands before their names, or a segment of that (`state_dict_ema`, `teacher`). Without it the file must hold
/// one, or one whose names begin with a usual key of checkpoints (`state_dict`, `model`, `params`, .. before `ema`), which
/// is taken and said in [`Weights::notes`]. For MXNet's exported parameters the network is read from the symbol beside
/// them, if it is there.
///
/// # Errors
/// Those of [`read`], those of [`onnx::read`] and [`from_onnx`] for an ONNX file, [`FormatError::OtherNetwork`] for a file
/// that says that it is of another network or whose parameters another network of the zoo has, [`FormatError::Several`]
/// where it cannot be told which of several sets is meant, [`FormatError::NoSection`] if `section` names none,
/// [`FormatError::Symbol`] for a symbol that is not understood.
pub fn read_section_for(path: &Path, spec: &Spec, section: Option<&str>) -> Result<Weights, FormatError> {
    let weights = match shards::Source::of(path)? {
        shards::Source::File(file) if kind(&file)? == Kind::Onnx => {
            from_onnx(&onnx::read(&file)?, &file, spec)?
        }
        _ => shards::read(path)?,
    };
    match &weights.meta {
        Some(meta) if meta.architecture != spec.name => Err(FormatError::OtherNetwork {
            path: path.into(),
            wanted: spec.name,
            reason: format!("it says that it holds {}", meta.architecture),
        }),
        _ => weights.part_for(spec, section),
    }
}

/// Reads a weight file of whatever kind.
///
/// # Errors
/// One that names the file: unreadable, too large, of no known kind, damaged, or holding numbers that are none.
/// [`FormatError::Onnx`] for an ONNX file, for which [`read_for`] must know the network.
pub fn read(path: &Path) -> Result<Weights, FormatError> {
    shards::read(path)
}

/// The network that a file says it is of, as files of plusx do; only the header of a weight file is read.
///
/// # Errors
/// Those of [`read`] and [`onnx::read`].
pub fn architecture(path: &Path) -> Result<Option<String>, FormatError> {
    let path = shards::Source::of(path)?.first()?;
    let meta = match kind(&path)? {
        Kind::Safetensors => safetensors::about(&path)?,
        Kind::Onnx => onnx::read(&path)?.meta,
        _ => None,
    };
    Ok(meta.map(|meta| meta.architecture))
}

/// What kind a file is of, by its first bytes.
fn kind(path: &Path) -> Result<Kind, FormatError> {
    let failed = |source| FormatError::read(path, source);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(kinds::folder(path));
    }
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
        Some(Kind::Onnx) => match kinds::no_onnx(&first) {
            Some((what, advice)) => Err(FormatError::other_kind(path, what, advice)),
            None => Ok(Kind::Onnx),
        },
        Some(kind) => Ok(kind),
        None => Err(kinds::unknown(path)),
    }
}

fn of_kind(path: &Path, kind: Kind) -> Result<Weights, FormatError> {
    match kind {
        Kind::Safetensors => tensors::from_safetensors(&plusx_weights::whole(path)?, path),
        Kind::Gluon => gluon::read(path),
        Kind::Onnx => Err(FormatError::Onnx {
            path: path.into(),
            reason: "an ONNX file holds a network, and is read for one of the zoo that is named".to_owned(),
        }),
        kind => torch::read(path, kind),
    }
}
