//! One weight file of whatever kind: what it is, and its tensors.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use plusx_weights::{LARGEST, WeightError};

use super::kind::{FIRST_BYTES, FileKind};
use super::weights::ForeignWeights;
use super::{gluon, mistaken, tensors, torch};
use crate::error::FormatError;

/// What kind a file is of, by its first bytes.
pub(super) fn kind(path: &Path) -> Result<FileKind, FormatError> {
    let failed = |source| FormatError::read(path, source);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(mistaken::folder(path));
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
    match FileKind::of(&first) {
        Some(FileKind::Onnx) => match mistaken::no_onnx(&first) {
            Some((what, advice)) => Err(FormatError::other_kind(path, what, advice)),
            None => Ok(FileKind::Onnx),
        },
        Some(kind) => Ok(kind),
        None => Err(mistaken::unknown(path)),
    }
}

/// Reads the tensors of a file of this kind.
pub(super) fn read(path: &Path, kind: FileKind) -> Result<ForeignWeights, FormatError> {
    match kind {
        FileKind::Safetensors => tensors::read(path),
        FileKind::Gluon => gluon::read(path),
        FileKind::Onnx => Err(needs_network(path)),
        kind => torch::read(path, kind),
    }
}

/// Said of an ONNX file where no network of the zoo was named.
pub(super) fn needs_network(path: &Path) -> FormatError {
    let reason = "an ONNX file holds a network, and is read for one of the zoo that is named".to_owned();
    FormatError::Onnx { path: path.into(), reason }
}
