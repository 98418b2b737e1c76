//! Weight files: a header of names, types and places, then the numbers (little-endian, row-major).
//!
//! The file holds the parameters and running statistics under their own names, `….num_batches_tracked` for every
//! batch norm (PyTorch's loaders expect it), and in a checkpoint the velocity of the optimiser under
//! `velocity.<parameter>`. Reading trusts nothing: sizes and places are checked against the file before anything is
//! allocated, and nothing in a file is ever run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use plusx_model::graph::{Graph, ParamId, ParamSpec, Role};
use plusx_model::params::Params;
use safetensors::{Dtype, SafeTensors, View};

use crate::atomic;
use crate::error::{FormatError, Misshapen};
use crate::metadata::ModelFile;

/// Larger files are refused unread: a billion parameters with their velocity fit.
const LARGEST: u64 = 8 << 30;

/// The one key of the metadata.
const KEY: &str = "plusx";

/// Stands before the names of the optimiser's tensors.
const VELOCITY: &str = "velocity.";

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

/// The bytes of a file. Equal contents give equal bytes: no date, no host, no path.
///
/// # Errors
/// [`FormatError::Encode`] if two tensors have one name.
pub fn encode(contents: &Contents<'_>) -> Result<Vec<u8>, FormatError> {
    let count = i64::try_from(contents.batches).unwrap_or(i64::MAX);
    let mut tensors = BTreeMap::new();
    let mut add = |name: String, tensor| match tensors.insert(name.clone(), tensor) {
        None => Ok(()),
        Some(_) => Err(FormatError::Encode { reason: format!("two tensors are called {name}") }),
    };
    for (spec, values) in contents.params.iter() {
        add(spec.name.clone(), Outgoing::Floats(&spec.dims, values))?;
        if let Some(name) = count_name(spec) {
            add(name, Outgoing::Count(count))?;
        }
    }
    for (spec, values) in contents.velocity.into_iter().flat_map(Params::iter) {
        if spec.role.trainable() {
            add(format!("{VELOCITY}{}", spec.name), Outgoing::Floats(&spec.dims, values))?;
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

/// Reads a file.
///
/// # Errors
/// One that names the file: unreadable, too large, truncated or of another kind, without or with bad metadata, or
/// holding numbers of another type.
pub fn read(path: &Path) -> Result<Loaded, FormatError> {
    let file = File::open(path).map_err(|source| FormatError::read(path, source))?;
    let size = file.metadata().map_err(|source| FormatError::read(path, source))?.len();
    let too_large = |size| FormatError::TooLarge { path: path.into(), size, limit: LARGEST };
    if size > LARGEST {
        return Err(too_large(size));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|source| FormatError::read(path, source))?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large(bytes.len() as u64));
    }
    decode(&bytes, path)
}

/// Reads the bytes of a file; `path` is only for messages.
///
/// # Errors
/// Those of [`read`], except for reading.
pub fn decode(bytes: &[u8], path: &Path) -> Result<Loaded, FormatError> {
    let broken = |error: safetensors::SafeTensorError| FormatError::NotSafetensors {
        path: path.into(),
        reason: error.to_string(),
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let text = text.ok_or_else(|| FormatError::Foreign { path: path.into() })?;
    let meta = ModelFile::from_text(text, path)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(broken)?.iter() {
        if name.ends_with(".num_batches_tracked") && view.dtype() == Dtype::I64 {
            continue;
        }
        if view.dtype() != Dtype::F32 {
            let found = view.dtype().to_string();
            return Err(FormatError::Dtype { path: path.into(), name: name.into(), found });
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
    /// [`FormatError::Mismatch`] listing the missing, unknown and misshapen tensors.
    pub fn params(&self, graph: &Graph) -> Result<Params, FormatError> {
        self.collect(graph, "", |_| true)
    }

    /// The optimiser's velocity, if the file has one; running statistics have zeros.
    ///
    /// # Errors
    /// [`FormatError::Mismatch`] as for [`Loaded::params`].
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
        // memory is asked for only now, when the network is known to be no larger than the file
        let mut params = Params::zeros(graph);
        for (id, tensor) in found {
            params.get_mut(id).copy_from_slice(&tensor.values);
        }
        Ok(params)
    }
}
