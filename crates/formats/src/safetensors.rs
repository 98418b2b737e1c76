//! Weight files, written, and read with all that their entry holds; how they are read, and why no file can do harm, is
//! told in `plusx-weights`.
//!
//! A file holds the parameters and running statistics under their own names, `….num_batches_tracked` for every batch norm
//! (PyTorch's loaders expect it), and in a checkpoint what the update rule remembers, under the names that
//! [`plusx_weights::PREFIXES`] begin.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use plusx_model::graph::{Graph, ParamSpec, Role};
use plusx_model::params::Params;
use plusx_model::update::OptimiserState;
use plusx_weights::{AVERAGE, KEY, PREFIXES, UPDATES, WeightFile};
use safetensors::{Dtype, View};
use serde_json::Value;

use crate::atomic;
use crate::error::FormatError;
use crate::metadata::ModelFile;

/// What goes into a file.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Parameters and running statistics.
    pub params: &'a Params,
    /// What the update rule remembers; none for a network alone, and for plain gradient descent.
    pub optimiser: Option<&'a OptimiserState>,
    /// The moving average of parameters and running statistics, where one is kept.
    pub average: Option<&'a Params>,
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
    file: WeightFile,
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
        let mut bytes = vec![0; self.data_len()];
        match self {
            Outgoing::Floats(_, values) => little_endian(values, &mut bytes),
            Outgoing::Count(count) => bytes.copy_from_slice(&count.to_le_bytes()),
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        match self {
            Outgoing::Floats(_, values) => size_of_val(*values),
            Outgoing::Count(_) => size_of::<i64>(),
        }
    }
}

impl Outgoing<'_> {
    /// Writes the values piece by piece.
    fn write_to(&self, file: &mut impl Write) -> io::Result<()> {
        match self {
            Outgoing::Floats(_, values) => {
                let mut bytes = [0; PIECE * size_of::<f32>()];
                values.chunks(PIECE).try_for_each(|values| {
                    let bytes = &mut bytes[..size_of_val(values)];
                    little_endian(values, bytes);
                    file.write_all(bytes)
                })
            }
            Outgoing::Count(count) => file.write_all(&count.to_le_bytes()),
        }
    }
}

/// Values that are written at a time.
const PIECE: usize = 4096;

/// The values as bytes. Place by place: a chain of single bytes is many times slower.
fn little_endian(values: &[f32], bytes: &mut [u8]) {
    for (place, value) in bytes.chunks_exact_mut(size_of::<f32>()).zip(values) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

/// A tensor without its values: for the header alone.
struct Described<'a>(&'a Outgoing<'a>);

impl View for Described<'_> {
    fn dtype(&self) -> Dtype {
        self.0.dtype()
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }

    fn data_len(&self) -> usize {
        self.0.data_len()
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
        if let Some(prefix) = PREFIXES.into_iter().find(|prefix| spec.name.starts_with(prefix)) {
            return Err(FormatError::Reserved { name: spec.name.clone(), prefix });
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
    serialized(outgoing(contents)?, contents)
}

fn serialized<V: View>(
    tensors: impl IntoIterator<Item = (String, V)>,
    contents: &Contents<'_>,
) -> Result<Vec<u8>, FormatError> {
    let metadata = [(KEY.to_owned(), contents.meta.to_text())].into_iter().collect();
    safetensors::serialize(tensors, Some(metadata)).map_err(unencoded)
}

fn unencoded(error: impl ToString) -> FormatError {
    FormatError::Encode { reason: error.to_string() }
}

/// The tensors of a file, by name.
fn outgoing<'a>(contents: &Contents<'a>) -> Result<BTreeMap<String, Outgoing<'a>>, FormatError> {
    check_names(contents.params.specs())?;
    let count = i64::try_from(contents.batches).unwrap_or(i64::MAX);
    let mut tensors = BTreeMap::new();
    for (spec, values) in contents.params.iter() {
        tensors.insert(spec.name.clone(), Outgoing::Floats(&spec.dims, values));
        if let Some(name) = count_name(spec) {
            tensors.insert(name, Outgoing::Count(count));
        }
    }
    for (prefix, set) in contents.optimiser.map_or_else(Vec::new, OptimiserState::sets) {
        for (spec, values) in set.iter().filter(|(spec, _)| spec.role.trainable()) {
            tensors.insert(format!("{prefix}.{}", spec.name), Outgoing::Floats(&spec.dims, values));
        }
    }
    for (spec, values) in contents.average.into_iter().flat_map(Params::iter) {
        tensors.insert(format!("{AVERAGE}{}", spec.name), Outgoing::Floats(&spec.dims, values));
    }
    if let Some(OptimiserState::AdamW { steps, .. }) = contents.optimiser {
        for (spec, steps) in contents.params.specs().iter().zip(steps) {
            if spec.role.trainable() {
                let count = i64::try_from(*steps).unwrap_or(i64::MAX);
                tensors.insert(format!("{UPDATES}{}", spec.name), Outgoing::Count(count));
            }
        }
    }
    Ok(tensors)
}

/// Writes the bytes that [`encode`] gives, as [`atomic::write`] does, a piece at a time: a checkpoint is not in memory once more.
///
/// # Errors
/// Those of [`encode`] and [`atomic::write`].
pub fn write(path: &Path, contents: &Contents<'_>) -> Result<(), FormatError> {
    let tensors = outgoing(contents)?;
    let described = tensors.iter().map(|(name, tensor)| (name.clone(), Described(tensor)));
    let header = serialized(described, contents)?;
    let order = order(&header)?;
    atomic::write_with(path, |file| {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&header)?;
        for tensor in order.iter().filter_map(|name| tensors.get(name)) {
            tensor.write_to(&mut file)?;
        }
        file.flush()
    })
}

/// The names of the tensors in the order in which their values follow a header.
fn order(header: &[u8]) -> Result<Vec<String>, FormatError> {
    let entries: BTreeMap<String, Value> =
        serde_json::from_slice(header.get(8..).unwrap_or_default()).map_err(unencoded)?;
    let start = |entry: &Value| entry["data_offsets"][0].as_u64();
    let mut starts: Vec<(u64, String)> =
        entries.into_iter().filter_map(|(name, entry)| Some((start(&entry)?, name))).collect();
    starts.sort();
    Ok(starts.into_iter().map(|(_, name)| name).collect())
}

/// Reads a file: see [`plusx_weights::read`].
///
/// # Errors
/// One that names the file: unreadable, too large, truncated or of another kind, without or with bad metadata, or
/// holding numbers of another type.
pub fn read(path: &Path) -> Result<Loaded, FormatError> {
    Loaded::new(plusx_weights::read(path)?)
}

/// What a file says about itself, if it is one of ours; nothing but its header is read.
///
/// # Errors
/// [`FormatError::Read`], and [`FormatError::Weights`] for a file of another kind or a bad entry.
pub fn about(path: &Path) -> Result<Option<ModelFile>, FormatError> {
    let entry = plusx_weights::about(path)?;
    Ok(entry.map(|entry| ModelFile::of(entry, path)).transpose()?)
}

/// Reads the bytes of a file; `path` is only for messages.
///
/// # Errors
/// Those of [`read`], except for reading.
pub fn decode(bytes: &[u8], path: &Path) -> Result<Loaded, FormatError> {
    Loaded::new(plusx_weights::decode(bytes, path)?)
}

impl Loaded {
    fn new(file: WeightFile) -> Result<Self, FormatError> {
        let meta = ModelFile::of(file.entry.clone(), file.path())?;
        Ok(Self { meta, file })
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The network it names.
    ///
    /// # Errors
    /// [`WeightError::Metadata`](crate::WeightError::Metadata) saying what in the entry it does not fit.
    pub fn graph(&self) -> Result<Graph, FormatError> {
        Ok(self.file.graph()?)
    }

    /// The parameters and running statistics, for a network that has exactly these.
    ///
    /// # Errors
    /// [`WeightError::Mismatch`](crate::WeightError::Mismatch) listing the missing, unknown and misshapen tensors;
    /// [`WeightError::NotFinite`](crate::WeightError::NotFinite) naming the first that holds an infinity or no number.
    pub fn params(&self, graph: &Graph) -> Result<Params, FormatError> {
        Ok(self.file.params(graph)?)
    }

    /// The moving average, if the file has one.
    ///
    /// # Errors
    /// As for [`Loaded::params`].
    pub fn average(&self, graph: &Graph) -> Result<Option<Params>, FormatError> {
        Ok(self.file.average(graph)?)
    }

    /// What the update rule remembered, if the file has it; running statistics have zeros.
    ///
    /// # Errors
    /// As for [`Loaded::params`].
    pub fn optimiser_state(&self, graph: &Graph) -> Result<Option<OptimiserState>, FormatError> {
        Ok(self.file.optimiser_state(graph)?)
    }
}
