//! Weight files: a header of names, types and places, then the numbers (little-endian, row-major).
//!
//! The file holds the parameters and running statistics under their own names, `….num_batches_tracked` for every
//! batch norm (PyTorch's loaders expect it), and in a checkpoint the velocity of the optimiser under
//! `velocity.<parameter>`. Reading trusts nothing: sizes and places are checked against the file before anything is
//! allocated, and nothing in a file is ever run.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use plusx_model::graph::{Graph, ParamId, ParamSpec, Role};
use plusx_model::params::Params;
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensors, View};

use crate::atomic;
use crate::error::{FormatError, Misshapen};
use crate::metadata::ModelFile;

/// Larger files are refused unread: a billion parameters with their velocity fit.
pub(crate) const LARGEST: u64 = 8 << 30;

/// Bytes before the header: its length.
const PREFIX: u64 = size_of::<u64>() as u64;

/// Longest header that the format allows. Whatever is no safetensors file mostly announces more in its first bytes.
const LARGEST_HEADER: u64 = 100_000_000;

/// The one key of the metadata.
const KEY: &str = "plusx";

/// Stands before the names of the optimiser's tensors.
pub(crate) const VELOCITY: &str = "velocity.";

/// What goes into a file.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Parameters and running statistics.
    pub params: &'a Params,
    /// Velocity of the trainable parameters; none without momentum.
    pub velocity: Option<&'a Params>,
    /// Training steps done: `num_batches_tracked` of every batch norm.
    pub batches: u64,
    /// The rest.
    pub meta: &'a ModelFile,
}

/// What came out of a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The rest.
    pub meta: ModelFile,
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

#[derive(Clone, PartialEq, Debug)]
struct Tensor {
    dims: Vec<usize>,
    values: Vec<f32>,
}

/// One tensor on its way into a file.
enum Outgoing<'a> {
    Floats(&'a [usize], &'a [f32]),
    Count(i64),
}

impl View for Outgoing<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Outgoing::Floats(..) => Dtype::F32,
            Outgoing::Count(_) => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Outgoing::Floats(dims, _) => dims,
            Outgoing::Count(_) => &[],
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(match self {
            Outgoing::Floats(_, values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Outgoing::Count(count) => count.to_le_bytes().to_vec(),
        })
    }

    fn data_len(&self) -> usize {
        match self {
            Outgoing::Floats(_, values) => size_of_val(*values),
            Outgoing::Count(_) => size_of::<i64>(),
        }
    }
}

/// `bn1.num_batches_tracked` for `bn1.running_mean`.
fn count_name(spec: &ParamSpec) -> Option<String> {
    let stem = spec.name.strip_suffix("running_mean").filter(|_| spec.role == Role::RunningMean)?;
    Some(format!("{stem}num_batches_tracked"))
}

/// Refuses parameters whose names a file cannot hold. [`encode`] does too, but only when there is something to save.
///
/// # Errors
/// [`FormatError::Reserved`] for a name that means something else to the reader, [`FormatError::Encode`] if two
/// tensors have one name.
pub fn check_names(specs: &[ParamSpec]) -> Result<(), FormatError> {
    let mut seen = BTreeSet::new();
    for spec in specs {
        if spec.name.starts_with(VELOCITY) {
            return Err(FormatError::Reserved { name: spec.name.clone(), prefix: VELOCITY });
        }
        for name in [Some(spec.name.clone()), count_name(spec)].into_iter().flatten() {
            if let Some(name) = seen.replace(name) {
                return Err(FormatError::Encode { reason: format!("two tensors are called {name}") });
            }
        }
    }
    Ok(())
}

/// The bytes of a file. Equal contents give equal bytes: no date, no host, no path.
///
/// # Errors
/// Those of [`check_names`].
pub fn encode(contents: &Contents<'_>) -> Result<Vec<u8>, FormatError> {
    check_names(contents.params.specs())?;
    let count = i64::try_from(contents.batches).unwrap_or(i64::MAX);
    let mut tensors = BTreeMap::new();
    for (spec, values) in contents.params.iter() {
        tensors.insert(spec.name.clone(), Outgoing::Floats(&spec.dims, values));
        if let Some(name) = count_name(spec) {
            tensors.insert(name, Outgoing::Count(count));
        }
    }
    for (spec, values) in contents.velocity.into_iter().flat_map(Params::iter) {
        if spec.role.trainable() {
            tensors.insert(format!("{VELOCITY}{}", spec.name), Outgoing::Floats(&spec.dims, values));
        }
    }
    let metadata = [(KEY.to_owned(), contents.meta.to_text())].into_iter().collect();
    safetensors::serialize(tensors, Some(metadata))
        .map_err(|error| FormatError::Encode { reason: error.to_string() })
}

/// Writes a file as [`atomic::write`] does and returns its bytes.
///
/// # Errors
/// Those of [`encode`] and [`atomic::write`].
pub fn write(path: &Path, contents: &Contents<'_>) -> Result<Vec<u8>, FormatError> {
    let bytes = encode(contents)?;
    atomic::write(path, &bytes)?;
    Ok(bytes)
}

/// Reads a file. Its header is read and judged first: of a file of another kind, or of another length than its header
/// says, nothing more is read.
///
/// # Errors
/// One that names the file: unreadable, too large, truncated or of another kind, without or with bad metadata, or
/// holding numbers of another type.
pub fn read(path: &Path) -> Result<Loaded, FormatError> {
    decode(&judged(path, |table| examine(table, path).map(drop))?, path)
}

/// The bytes of a safetensors file of anybody's, whose length is what its header says.
pub(crate) fn whole(path: &Path) -> Result<Vec<u8>, FormatError> {
    judged(path, |_| Ok(()))
}

/// The bytes of a file, read after `judge` has seen its header.
fn judged(
    path: &Path,
    judge: impl FnOnce(&Metadata) -> Result<(), FormatError>,
) -> Result<Vec<u8>, FormatError> {
    let failed = |source| FormatError::read(path, source);
    let mut file = File::open(path).map_err(failed)?;
    let (mut bytes, table) = header(&mut file, path)?;
    let metadata = file.metadata().map_err(failed)?;
    judge(&table)?;
    let size = (table.data_len() as u64).saturating_add(bytes.len() as u64);
    if size > LARGEST {
        return Err(FormatError::TooLarge { path: path.into(), size, limit: LARGEST });
    }
    // a pipe has no length beforehand
    if metadata.is_file() {
        let found = metadata.len();
        if found != size {
            let reason = format!("its header speaks of {size} bytes, it has {found}");
            return Err(FormatError::not_safetensors(path, &reason));
        }
        bytes.reserve_exact(table.data_len());
    }
    // one byte more shows what goes on after its end
    append(&mut file, table.data_len() as u64 + 1, &mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The beginning of a file up to where the numbers start, and what it says.
fn header(file: &mut File, path: &Path) -> Result<(Vec<u8>, Metadata), FormatError> {
    let failed = |source| FormatError::read(path, source);
    let refused = |reason: &dyn ToString| FormatError::not_safetensors(path, reason);
    let mut bytes = Vec::new();
    append(file, PREFIX, &mut bytes).map_err(failed)?;
    let length = match bytes.first_chunk() {
        Some(length) => u64::from_le_bytes(*length),
        None => return Err(refused(&"it ends before its header")),
    };
    if length > LARGEST_HEADER {
        return Err(refused(&"it does not start with the length of a header"));
    }
    append(file, length, &mut bytes).map_err(failed)?;
    if bytes.len() as u64 != PREFIX + length {
        return Err(refused(&"it ends inside its header"));
    }
    let table = serde_json::from_slice(&bytes[PREFIX as usize..]).map_err(|error| refused(&error))?;
    Ok((bytes, table))
}

/// What a file says about itself, if it is one of ours; nothing but its header is read.
pub(crate) fn about(path: &Path) -> Result<Option<ModelFile>, FormatError> {
    let mut file = File::open(path).map_err(|source| FormatError::read(path, source))?;
    entry(&header(&mut file, path)?.1, path)
}

/// Adds up to `count` bytes of `file`.
fn append(file: &mut File, count: u64, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    file.take(count).read_to_end(bytes).map(|_| ())
}

/// What a file of ours says about itself.
pub(crate) fn entry(table: &Metadata, path: &Path) -> Result<Option<ModelFile>, FormatError> {
    let text = table.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    text.map(|text| ModelFile::from_text(text, path)).transpose()
}

/// What a header says besides the places of the tensors; refuses numbers of another type.
fn examine(table: &Metadata, path: &Path) -> Result<ModelFile, FormatError> {
    let meta = entry(table, path)?.ok_or_else(|| FormatError::Foreign { path: path.into() })?;
    let tensors: BTreeMap<_, _> = table.tensors().into_iter().collect();
    let odd =
        tensors.into_iter().find(|(name, info)| info.dtype != Dtype::F32 && !is_count(name, info.dtype));
    match odd {
        None => Ok(meta),
        Some((name, info)) => {
            Err(FormatError::Dtype { path: path.into(), name, found: info.dtype.to_string() })
        }
    }
}

/// Whether a tensor is the count of batches that PyTorch's loaders expect; it is written, never read.
fn is_count(name: &str, dtype: Dtype) -> bool {
    name.ends_with(".num_batches_tracked") && dtype == Dtype::I64
}

/// Reads the bytes of a file; `path` is only for messages.
///
/// # Errors
/// Those of [`read`], except for reading.
pub fn decode(bytes: &[u8], path: &Path) -> Result<Loaded, FormatError> {
    let broken = |error: safetensors::SafeTensorError| FormatError::not_safetensors(path, &error);
    let (_, table) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let meta = examine(&table, path)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(broken)?.iter() {
        if is_count(name, view.dtype()) {
            continue;
        }
        let (numbers, _) = view.data().as_chunks::<4>();
        let values = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
        tensors.insert(name.to_owned(), Tensor { dims: view.shape().to_vec(), values });
    }
    Ok(Loaded { meta, path: path.into(), tensors })
}

impl Loaded {
    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The parameters and running statistics, for a network that has exactly these.
    ///
    /// # Errors
    /// [`FormatError::Mismatch`] listing the missing, unknown and misshapen tensors; [`FormatError::NotFinite`] naming
    /// the first that holds an infinity or no number.
    pub fn params(&self, graph: &Graph) -> Result<Params, FormatError> {
        self.collect(graph, "", |_| true)
    }

    /// The optimiser's velocity, if the file has one; running statistics have zeros.
    ///
    /// # Errors
    /// As for [`Loaded::params`].
    pub fn velocity(&self, graph: &Graph) -> Result<Option<Params>, FormatError> {
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
    ) -> Result<Params, FormatError> {
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
            return Err(FormatError::Mismatch { path: self.path.clone(), missing, extra, misshapen });
        }
        // a network with such a value answers with no number at all, and exit codes would call that success
        let spoilt = |(_, tensor): &&(ParamId, &Tensor)| !tensor.values.iter().all(|value| value.is_finite());
        if let Some((id, _)) = found.iter().find(spoilt) {
            let name = format!("{prefix}{}", graph.param(*id).name);
            return Err(FormatError::NotFinite { path: self.path.clone(), name });
        }
        // memory is asked for only now, when the network is known to be no larger than the file
        let mut params = Params::zeros(graph);
        for (id, tensor) in found {
            params.get_mut(id).copy_from_slice(&tensor.values);
        }
        Ok(params)
    }
}
