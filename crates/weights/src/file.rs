//! Weight files: a header with the name, type and byte range of each tensor, then the numbers (little-endian, row-major).
//!
//! The file holds the parameters and running statistics under their own names, `….num_batches_tracked` for every
//! batch norm (PyTorch's loaders expect it), and in a checkpoint what the update rule remembers: `velocity.<parameter>` of
//! gradient descent; of AdamW `optimiser.exp_avg.<parameter>`, `optimiser.exp_avg_sq.<parameter>` and, a count,
//! `optimiser.step.<parameter>`. Reading trusts nothing: sizes and ranges are checked against the file before anything is
//! allocated, and nothing in a file is ever run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plusx_model::graph::{Graph, ParamId, Role};
use plusx_model::params::Params;
use plusx_model::trace::{Names, trace};
use plusx_model::update::OptimiserState;
use plusx_model::zoo::{self, ZooOptions};

use crate::entry::NetworkEntry;
use crate::error::{Misshapen, WeightError};
use crate::header::SafetensorsHeader;
use crate::safetensors::{SafetensorsFile, StoredTensor};

/// Memory that the maps of a batch, and its input, may take for a network that is only read from a file: three times what
/// training the chapter's network takes. The file names the size of its input, and must not decide by it how much memory
/// is asked for.
pub const MOST_BYTES: u64 = 2_500_000_000;

/// The one key of the metadata.
pub const KEY: &str = "plusx";

/// Stands before the names of the velocity of gradient descent.
pub const VELOCITY: &str = "velocity.";

/// Stands before the names of the first moment of AdamW.
pub const FIRST_MOMENT: &str = "optimiser.exp_avg.";

/// Stands before the names of the second moment of AdamW.
pub const SECOND_MOMENT: &str = "optimiser.exp_avg_sq.";

/// Stands before the names of the counts of AdamW's updates.
pub const UPDATES: &str = "optimiser.step.";

/// What stands before the names of tensors that are neither parameters nor running statistics.
pub const PREFIXES: [&str; 2] = [VELOCITY, "optimiser."];

/// Whether a tensor belongs to the training, not to the network.
pub fn is_state(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// What came out of a file.
#[derive(Clone, Debug)]
pub struct WeightFile {
    /// What it says of the network.
    pub entry: NetworkEntry,
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
    /// How often each parameter was updated, by its name.
    updates: BTreeMap<String, u64>,
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
    let odd = header.tensors.iter().find(|(name, place)| {
        place.dtype != "F32" && !is_count(name, &place.dtype) && !is_updates(name, &place.dtype, &place.dims)
    });
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

/// Whether a tensor is the count of a parameter's updates.
fn is_updates(name: &str, dtype: &str, dims: &[usize]) -> bool {
    name.starts_with(UPDATES) && dtype == "I64" && dims.is_empty()
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
        let counted = |tensor: &StoredTensor<'_>| is_updates(tensor.name, tensor.dtype, tensor.dims);
        let updates = file.tensors().filter(counted).filter_map(|tensor| {
            let count = i64::from_le_bytes(tensor.bytes.try_into().ok()?);
            Some((tensor.name.strip_prefix(UPDATES)?.to_owned(), u64::try_from(count).ok()?))
        });
        let updates = updates.collect();
        let tensors =
            file.tensors().filter(|tensor| !is_count(tensor.name, tensor.dtype) && !counted(tensor));
        let tensors = tensors.map(|tensor| {
            let (numbers, _) = tensor.bytes.as_chunks::<4>();
            let values = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
            (tensor.name.to_owned(), Tensor { dims: tensor.dims.to_vec(), values })
        });
        let tensors = tensors.collect();
        Self { entry, path: path.into(), tensors, updates }
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

    /// What the update rule remembered, if the file has it; running statistics have zeros.
    ///
    /// # Errors
    /// As for [`WeightFile::params`]. A parameter without a count of its updates is missing, too.
    pub fn optimiser_state(&self, graph: &Graph) -> Result<Option<OptimiserState>, WeightError> {
        let has = |prefix: &str| self.tensors.keys().any(|name| name.starts_with(prefix));
        if has(VELOCITY) {
            let velocity = self.collect(graph, VELOCITY, Role::trainable)?;
            return Ok(Some(OptimiserState::Sgd { velocity }));
        }
        if !has(FIRST_MOMENT) && !has(SECOND_MOMENT) && self.updates.is_empty() {
            return Ok(None);
        }
        let exp_avg = self.collect(graph, FIRST_MOMENT, Role::trainable)?;
        let exp_avg_sq = self.collect(graph, SECOND_MOMENT, Role::trainable)?;
        let mut missing = Vec::new();
        let steps = graph.params.iter().map(|spec| match self.updates.get(&spec.name) {
            Some(count) => *count,
            None if spec.role.trainable() => {
                missing.push(format!("{UPDATES}{}", spec.name));
                0
            }
            None => 0,
        });
        let steps = steps.collect();
        match missing.is_empty() {
            true => Ok(Some(OptimiserState::AdamW { exp_avg, exp_avg_sq, steps })),
            false => Err(WeightError::Mismatch {
                path: self.path.clone(),
                missing,
                extra: Vec::new(),
                misshapen: Vec::new(),
            }),
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
        let ours = |name: &str| match prefix {
            "" => !is_state(name),
            prefix => name.starts_with(prefix),
        };
        let mut left: BTreeMap<_, _> = self.tensors.iter().filter(|(name, _)| ours(name)).collect();
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
