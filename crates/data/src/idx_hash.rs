//! Hashes of IDX files that are not there: of the file that would hold these images or labels.

use crate::unzip::hex;
use plusx_model::shape::ImageShape;
use sha2::{Digest, Sha256};

/// Type byte of an IDX file of bytes, and of one of big-endian `i32`.
const TYPE_U8: u8 = 0x08;
const TYPE_I32: u8 = 0x0c;

/// SHA-256 of the IDX file that holds `n` images of `shape`; a single channel is no dimension.
pub(crate) fn images(n: usize, shape: ImageShape, images: &[u8]) -> String {
    let dims = [n, shape.h, shape.w, shape.c];
    idx(TYPE_U8, if shape.c == 1 { &dims[..3] } else { &dims }, images)
}

/// SHA-256 of the IDX file that holds these labels; bytes where they fit.
pub(crate) fn labels(labels: &[u32]) -> String {
    let bytes: Option<Vec<u8>> = labels.iter().map(|label| u8::try_from(*label).ok()).collect();
    match bytes {
        Some(bytes) => idx(TYPE_U8, &[labels.len()], &bytes),
        None => {
            let words: Vec<u8> = labels.iter().flat_map(|label| label.to_be_bytes()).collect();
            idx(TYPE_I32, &[labels.len()], &words)
        }
    }
}

fn idx(kind: u8, dims: &[usize], values: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update([0, 0, kind, dims.len() as u8]);
    for dim in dims {
        // a dimension beyond the format is no file's, but still has a hash
        hash.update(u32::try_from(*dim).unwrap_or(u32::MAX).to_be_bytes());
    }
    hash.update(values);
    hex(&hash.finalize())
}
