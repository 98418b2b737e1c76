//! Weight files: a header with the name, type and byte range of each tensor, then the numbers (little-endian, row-major).
//!
//! The file holds the parameters and running statistics under their own names, `….num_batches_tracked` for every
//! batch norm (PyTorch's loaders expect it), and in a checkpoint the velocity of the optimiser under
//! `velocity.<parameter>`. Reading trusts nothing: sizes and ranges are checked against the file before anything is
//! allocated, and nothing in a file is ever run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use plusx_model::graph::{Graph, ParamId, Role};
use plusx_model::params::Params;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};

use crate::entry::NetworkEntry;
use crate::error::{Misshapen, WeightError};
use crate::header::SafetensorsHeader;

/// Larger files are refused unread: a billion parameters with their velocity fit.
pub const LARGEST: u64 = 8 << 30;

/// Memory that the maps of a batch, and its input, may take for a network that is only read from a file: three times what
/// training the chapter's network takes. The file names the size of its input, and must not decide by it how much memory
/// is asked for.
pub const MOST_BYTES: u64 = 2_500_000_000;

/// Bytes before the header: its length.
const PREFIX: usize = size_of::<u64>();

/// Longest header that the format allows. Whatever is no safetensors file mostly announces more in its first bytes.
const LARGEST_HEADER: u64 = 100_000_000;

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
    decode(&judged(path, |header| examine(header, path).map(drop))?, path)
}

/// The bytes of a safetensors file of anybody's, whose length is what its header says.
///
/// # Errors
/// [`WeightError::Read`], [`WeightError::NotSafetensors`], or [`WeightError::TooLarge`] beyond [`LARGEST`].
pub fn whole(path: &Path) -> Result<Vec<u8>, WeightError> {
    judged(path, |_| Ok(()))
}

/// The bytes of a file, read after `judge` has seen its header.
fn judged(
    path: &Path,
    judge: impl FnOnce(&SafetensorsHeader) -> Result<(), WeightError>,
) -> Result<Vec<u8>, WeightError> {
    let failed = |source| WeightError::read(path, source);
    let refused = |reason: &str| WeightError::not_safetensors(path, reason);
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let (mut bytes, header) = beginning(&mut file, path)?;
    judge(&header)?;
    let size = (header.data_len as u64).saturating_add(bytes.len() as u64);
    if size > LARGEST {
        return Err(WeightError::TooLarge { path: path.into(), size, limit: LARGEST });
    }
    // a pipe has no length beforehand
    if metadata.is_file() {
        let found = metadata.len();
        if found != size {
            return Err(refused(&format!("its header speaks of {size} bytes, it has {found}")));
        }
        bytes.reserve_exact(header.data_len);
    }
    // one byte more shows what goes on after its end
    append(&mut file, header.data_len as u64 + 1, &mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The bytes of `file` up to where the numbers start, and what they say.
fn beginning(file: &mut File, path: &Path) -> Result<(Vec<u8>, SafetensorsHeader), WeightError> {
    let failed = |source| WeightError::read(path, source);
    let refused = |reason: &str| WeightError::not_safetensors(path, reason);
    let mut bytes = Vec::new();
    append(file, PREFIX as u64, &mut bytes).map_err(failed)?;
    let announced = announced(&bytes).map_err(&refused)?;
    append(file, announced, &mut bytes).map_err(failed)?;
    let (header, _) = split(&bytes).map_err(|reason| refused(&reason))?;
    Ok((bytes, header))
}

/// The entry of a safetensors file, if it is one of ours; nothing but its header is read.
///
/// # Errors
/// [`WeightError::Read`], [`WeightError::NotSafetensors`], [`WeightError::Metadata`].
pub fn about(path: &Path) -> Result<Option<NetworkEntry>, WeightError> {
    let mut file = File::open(path).map_err(|source| WeightError::read(path, source))?;
    let (_, header) = beginning(&mut file, path)?;
    header.texts.get(KEY).map(|text| NetworkEntry::from_text(text, path)).transpose()
}

/// Adds up to `count` bytes of `file`.
fn append(file: &mut File, count: u64, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    file.take(count).read_to_end(bytes).map(|_| ())
}

/// The length of the header, of a file that begins with `bytes`.
fn announced(bytes: &[u8]) -> Result<u64, &'static str> {
    let length = bytes.first_chunk().ok_or("it ends before its header")?;
    match u64::from_le_bytes(*length) {
        length if length > LARGEST_HEADER => Err(instead(bytes)),
        length => Ok(length),
    }
}

/// What a file is that begins with `bytes` and with no length.
fn instead(bytes: &[u8]) -> &'static str {
    const KINDS: [(&[u8], &str); 7] = [
        (
            b"version ",
            "it is a pointer of Git LFS and not the weights: run `git lfs pull` where it comes from",
        ),
        (b"<", "it is a web page or another text: the download was not of the file itself"),
        (b"{", "it is a JSON text"),
        (b"PK\x03\x04", "it is a zip archive, as PyTorch and Keras write"),
        (b"\x89HDF", "it is an HDF5 file, as Keras writes"),
        (b"\x80\x02", "it is a pickle, as PyTorch writes"),
        (b"\x1f\x8b", "it is compressed with gzip: unpack it"),
    ];
    let known = KINDS.iter().find(|(mark, _)| bytes.starts_with(mark));
    known.map_or("it does not start with the length of a header", |(_, what)| what)
}

/// The header, and what follows it.
fn split(bytes: &[u8]) -> Result<(SafetensorsHeader, &[u8]), String> {
    let end = PREFIX + announced(bytes)? as usize;
    let header = bytes.get(PREFIX..end).ok_or("it ends inside its header")?;
    Ok((SafetensorsHeader::parse(header)?, &bytes[end..]))
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
    let refused = |reason: &str| WeightError::not_safetensors(path, reason);
    let (header, data) = split(bytes).map_err(|reason| refused(&reason))?;
    if data.len() != header.data_len {
        let (expected, found) = (header.data_len, data.len());
        return Err(refused(&format!("its header speaks of {expected} bytes behind it, there are {found}")));
    }
    let entry = examine(&header, path)?;
    let tensors = header.tensors.into_iter().filter(|(name, place)| !is_count(name, &place.dtype));
    let tensors = tensors.map(|(name, place)| {
        let (numbers, _) = data[place.bytes].as_chunks::<4>();
        let values = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
        (name, Tensor { dims: place.dims, values })
    });
    Ok(WeightFile { entry, path: path.into(), tensors: tensors.collect() })
}

impl WeightFile {
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
