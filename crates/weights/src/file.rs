//! Weight files: a header with the name, type and byte range of each tensor, then the numbers (little-endian, row-major).
//!
//! The file holds the parameters and running statistics under their own names, `….num_batches_tracked` for every
//! batch norm (PyTorch's loaders expect it), and in a checkpoint the velocity of the optimiser under
//! `velocity.<parameter>`. Reading trusts nothing: sizes and ranges are checked against the file before anything is
//! allocated, and nothing in a file is ever run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plusx_model::graph::{Graph, ParamId, Role};
use plusx_model::params::Params;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};

use crate::entry::NetworkEntry;
use crate::error::{Misshapen, WeightError};
use crate::header::SafetensorsHeader;
use crate::safetensors::SafetensorsFile;

/// Memory that the maps of a batch, and its input, may take for a network that is only read from a file: three times what
/// training the chapter's network takes. The file names the size of its input, and must not decide by it how much memory
/// is asked for.
pub const MOST_BYTES: u64 = 2_500_000_000;

/// The one key of the metadata.
pub const KEY: &str = "plusx";

/// Stands before the names of the optimiser's tensors.
pub const VELOCITY: &str = "velocity.";

/// What came out of a file.
#[derive(Clone, Debug)]
pub struct WeightFile {
    /// What it says of the network.
    pub entry: NetworkEntry,
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

#[derive(Clone, PartialEq, Debug)]
struct Tensor {
    dims: Vec<usize>,
    values: Vec<f32>,
}

/// Reads a file. Its header is read and judged first: of a file of another kind, or of another length than its header
/// says, nothing more is read.
///
/// # Errors
/// One that names the file: unreadable, too large, truncated or of another kind, without or with a bad entry, or
/// holding numbers of another type.
pub fn read(path: &Path) -> Result<WeightFile, WeightError> {
    let (file, entry) = SafetensorsFile::judged(path, |header| examine(header, path))?;
    Ok(WeightFile::new(file, entry, path))
}

/// The entry of a safetensors file, if it is one of ours; nothing but its header is read.
///
/// # Errors
/// [`WeightError::Read`], [`WeightError::NotSafetensors`], [`WeightError::Metadata`].
pub fn about(path: &Path) -> Result<Option<NetworkEntry>, WeightError> {
    let header = SafetensorsFile::header(path)?;
    header.texts.get(KEY).map(|text| NetworkEntry::from_text(text, path)).transpose()
}

/// The entry; refuses numbers of another type.
fn examine(header: &SafetensorsHeader, path: &Path) -> Result<NetworkEntry, WeightError> {
    let text = header.texts.get(KEY).ok_or_else(|| WeightError::Foreign { path: path.into() })?;
    let entry = NetworkEntry::from_text(text, path)?;
    let odd =
        header.tensors.iter().find(|(name, place)| place.dtype != "F32" && !is_count(name, &place.dtype));
    match odd {
        None => Ok(entry),
        Some((name, place)) => {
            let (name, found) = (name.clone(), place.dtype.clone());
            Err(WeightError::Dtype { path: path.into(), name, found })
        }
    }
}

/// Whether a tensor is the count of batches that PyTorch's loaders expect; it is written, never read.
fn is_count(name: &str, dtype: &str) -> bool {
    name.ends_with(".num_batches_tracked") && dtype == "I64"
}

/// Reads the bytes of a file; `path` is only for messages.
///
/// # Errors
/// Those of [`read`], except for reading.
pub fn decode(bytes: &[u8], path: &Path) -> Result<WeightFile, WeightError> {
    let file = SafetensorsFile::decode(bytes, path)?;
    let entry = examine(&file.header, path)?;
    Ok(WeightFile::new(file, entry, path))
}

impl WeightFile {
    fn new(file: SafetensorsFile<'_>, entry: NetworkEntry, path: &Path) -> Self {
        let tensors = file.tensors().filter(|tensor| !is_count(tensor.name, tensor.dtype));
        let tensors = tensors.map(|tensor| {
            let (numbers, _) = tensor.bytes.as_chunks::<4>();
            let values = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
            (tensor.name.to_owned(), Tensor { dims: tensor.dims.to_vec(), values })
        });
        Self { entry, path: path.into(), tensors: tensors.collect() }
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The network it names.
    ///
    /// # Errors
    /// [`WeightError::Metadata`] saying what in the entry it does not fit.
    pub fn graph(&self) -> Result<Graph, WeightError> {
        let classes = self.entry.classes.len();
        if classes == 0 {
            let reason = "`classes` must name at least one class; train the network again";
            return Err(WeightError::metadata(&self.path, reason));
        }
        let graph = zoo::build(&self.entry.architecture, ZooOptions { classes })
            .and_then(|block| trace(&*block, self.entry.preprocess.input, &mut Names::new()));
        graph.map_err(|error| {
            let advice = "use a file for a network that this program knows, or a newer version of plusx";
            WeightError::metadata(&self.path, format_args!("{error}; {advice}"))
        })
    }

    /// The parameters and running statistics, for a network that has exactly these.
    ///
    /// # Errors
    /// [`WeightError::Mismatch`] listing the missing, unknown and misshapen tensors; [`WeightError::NotFinite`] naming
    /// the first that holds an infinity or no number.
    pub fn params(&self, graph: &Graph) -> Result<Params, WeightError> {
        self.collect(graph, "", |_| true)
    }

    /// The optimiser's velocity, if the file has one; running statistics have zeros.
    ///
    /// # Errors
    /// As for [`WeightFile::params`].
    pub fn velocity(&self, graph: &Graph) -> Result<Option<Params>, WeightError> {
        match self.tensors.keys().any(|name| name.starts_with(VELOCITY)) {
            true => self.collect(graph, VELOCITY, Role::trainable).map(Some),
            false => Ok(None),
        }
    }

    /// The tensors `prefix` + name for the parameters of `graph` whose role is wanted, and nothing besides.
    fn collect(
        &self,
        graph: &Graph,
        prefix: &str,
        wanted: impl Fn(Role) -> bool,
    ) -> Result<Params, WeightError> {
        let (mut missing, mut misshapen) = (Vec::new(), Vec::new());
        let mut left: BTreeMap<_, _> =
            self.tensors.iter().filter(|(name, _)| name.starts_with(VELOCITY) != prefix.is_empty()).collect();
        let mut found = Vec::new();
        for (index, spec) in graph.params.iter().enumerate().filter(|(_, spec)| wanted(spec.role)) {
            let name = format!("{prefix}{}", spec.name);
            match left.remove(&name) {
                None => missing.push(name),
                Some(tensor) if tensor.dims != spec.dims => misshapen.push(Misshapen {
                    name,
                    expected: spec.dims.clone(),
                    found: tensor.dims.clone(),
                }),
                Some(tensor) => found.push((ParamId(index as u32), tensor)),
            }
        }
        let extra: Vec<String> = left.into_keys().cloned().collect();
        if !(missing.is_empty() && extra.is_empty() && misshapen.is_empty()) {
            return Err(WeightError::Mismatch { path: self.path.clone(), missing, extra, misshapen });
        }
        // a network with such a value answers with no number at all, and exit codes would call that success
        let spoilt = |(_, tensor): &&(ParamId, &Tensor)| !tensor.values.iter().all(|value| value.is_finite());
        if let Some((id, _)) = found.iter().find(spoilt) {
            let name = format!("{prefix}{}", graph.param(*id).name);
            return Err(WeightError::NotFinite { path: self.path.clone(), name });
        }
        // memory is asked for only now, when the network is known to be no larger than the file
        let mut params = Params::zeros(graph);
        for (id, tensor) in found {
            params.get_mut(id).copy_from_slice(&tensor.values);
        }
        Ok(params)
    }
}
