//! A quick look at a picture file: its kind, its sides, and whether its end is there, from parts of it.

use super::ends::{Ends, SeenEnds};
use super::kind::PictureKind;
use super::{bmp, gif, jpeg, png, tiff, webp};
use crate::DataError;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes that are read at each end of a file. Headers of photos are longer than one would think: a preview in EXIF takes up to
/// 64 KiB by itself, and the frame comes behind it.
const LOOKED_AT: u64 = 128 << 10;

/// What a file's ends say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probed {
    /// What the file is.
    pub kind: PictureKind,
    /// Columns and rows as they are stored: [`open`](super::open) exchanges them where the picture lies on its side. `None` if
    /// they are not where they should be, or the file is of a kind that is not decoded.
    pub stored: Option<[u32; 2]>,
    /// Whether the end is there: the mark that ends such files, or as many bytes as the header announces. A file without it is
    /// likely cut off; one with it may still be damaged in the middle.
    pub has_end: bool,
}

/// Looks at a picture file without decoding it, for a quick check of many: reads at most 128 KiB at the beginning and as many at
/// the end, or where a TIFF file has its directory.
///
/// # Errors
/// [`DataError::Io`] if it cannot be read.
pub fn probe(path: &Path) -> Result<Probed, DataError> {
    let mut file = File::open(path).map_err(DataError::io("open", path))?;
    let mut part = |at: u64| -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if at > 0 {
            file.seek(SeekFrom::Start(at))?;
        }
        (&mut file).take(LOOKED_AT).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let head = part(0).map_err(DataError::io("read", path))?;
    let mut ends = Ends::whole(&head);
    let tail;
    if head.len() as u64 == LOOKED_AT {
        ends.size = std::fs::metadata(path).map_err(DataError::io("read", path))?.len();
        // a TIFF file tells its sides anywhere
        let wanted =
            if PictureKind::of(&head) == PictureKind::Tiff { tiff::directory_at(&head) } else { None };
        let last = ends.size.saturating_sub(LOOKED_AT).max(LOOKED_AT);
        // values of a directory are on both sides of it
        let around = wanted.map(|at| at.saturating_sub(LOOKED_AT / 2));
        ends.tail_at = around.filter(|&at| at > LOOKED_AT).map_or(last, |at| at.min(last));
        tail = part(ends.tail_at).map_err(DataError::io("read", path))?;
        ends.tail = &tail;
    }
    let kind = PictureKind::of(&head);
    let seen = seen(kind, ends);
    Ok(Probed { kind, stored: seen.map(|(sides, _)| sides), has_end: seen.is_some_and(|(_, end)| end) })
}

/// What the parts of a file of this kind say.
pub(super) fn seen(kind: PictureKind, ends: Ends<'_>) -> SeenEnds {
    match kind {
        PictureKind::Jpeg => jpeg::probe(ends),
        PictureKind::Png => png::probe(ends),
        PictureKind::WebP => webp::probe(ends),
        PictureKind::Bmp => bmp::probe(ends),
        PictureKind::Gif => gif::probe(ends),
        PictureKind::Tiff => tiff::probe(ends),
        PictureKind::Other(_) | PictureKind::Unknown => None,
    }
}
