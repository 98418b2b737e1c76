//! A TIFF file's first directory (TIFF 6.0, section 2), and that of a BigTIFF file.

use super::super::ends::Ends;

/// Tags that are looked at (TIFF 6.0, appendix A).
pub(super) mod tag {
    pub(in super::super) const SUBFILE: u16 = 254;
    pub(in super::super) const WIDTH: u16 = 256;
    pub(in super::super) const LENGTH: u16 = 257;
    pub(in super::super) const BITS: u16 = 258;
    pub(in super::super) const COMPRESSION: u16 = 259;
    pub(in super::super) const PHOTOMETRIC: u16 = 262;
    pub(in super::super) const FILL_ORDER: u16 = 266;
    pub(in super::super) const STRIP_OFFSETS: u16 = 273;
    pub(in super::super) const ORIENTATION: u16 = 274;
    pub(in super::super) const SAMPLES: u16 = 277;
    pub(in super::super) const ROWS_PER_STRIP: u16 = 278;
    pub(in super::super) const STRIP_SIZES: u16 = 279;
    pub(in super::super) const PLANAR: u16 = 284;
    pub(in super::super) const T4_OPTIONS: u16 = 292;
    pub(in super::super) const PREDICTOR: u16 = 317;
    pub(in super::super) const COLOR_MAP: u16 = 320;
    pub(in super::super) const TILE_WIDTH: u16 = 322;
    pub(in super::super) const TILE_LENGTH: u16 = 323;
    pub(in super::super) const TILE_OFFSETS: u16 = 324;
    pub(in super::super) const TILE_SIZES: u16 = 325;
    pub(in super::super) const EXTRA: u16 = 338;
    pub(in super::super) const FORMAT: u16 = 339;
    pub(in super::super) const JPEG_TABLES: u16 = 347;
    pub(in super::super) const XMP: u16 = 700;
}

/// The entries of a directory, not yet read.
pub(super) struct Directory<'a> {
    bytes: Ends<'a>,
    pub(super) big_endian: bool,
    entries: Vec<Entry>,
}

/// One entry: where its values stand, and how many bytes each has.
#[derive(Clone, Copy)]
struct Entry {
    tag: u16,
    unit: usize,
    count: usize,
    at: usize,
}

impl<'a> Directory<'a> {
    /// The first directory of a file whose first four bytes were seen.
    pub(super) fn read(bytes: Ends<'a>) -> Result<Self, String> {
        let mut found = Self { bytes, big_endian: bytes.head.starts_with(b"MM"), entries: Vec::new() };
        let truncated = || "the file is truncated".to_owned();
        let word = found.word();
        let first = found.number(word, word).ok_or_else(truncated)? as usize;
        let counted = if word == 8 { 8 } else { 2 };
        let count = found.number(first, counted).ok_or_else(truncated)?;
        let size = 4 + 2 * word;
        for index in 0..count as usize {
            let entry = first.checked_add(counted).and_then(|at| at.checked_add(index.checked_mul(size)?));
            let entry = entry.ok_or_else(truncated)?;
            let [tag, kind] = [entry, entry + 2].map(|at| found.number(at, 2));
            let (tag, kind) = (tag.ok_or_else(truncated)? as u16, kind.ok_or_else(truncated)?);
            let count = found.number(entry + 4, word).ok_or_else(truncated)? as usize;
            // bytes of the types that numbers and texts come in; others are none of the tags looked at
            let unit = match kind {
                1 | 2 | 7 => 1,
                3 => 2,
                4 | 13 => 4,
                16 | 18 => 8,
                _ => continue,
            };
            let mut at = entry + 4 + word;
            if count.checked_mul(unit).is_none_or(|size| size > word) {
                at = found.number(at, word).ok_or_else(truncated)? as usize;
            }
            found.entries.push(Entry { tag, unit, count, at });
        }
        Ok(found)
    }

    /// Where the first directory of a file is.
    pub(super) fn place(bytes: Ends<'a>) -> Option<u64> {
        let found = Self { bytes, big_endian: bytes.head.starts_with(b"MM"), entries: Vec::new() };
        found.number(found.word(), found.word())
    }

    /// Bytes of an offset: eight in BigTIFF files, whose number of the version is another.
    fn word(&self) -> usize {
        if self.number(2, 2) == Some(43) { 8 } else { 4 }
    }

    /// The unsigned number of `size` bytes at `at`.
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at, size)?;
        let join = |value, &byte: &u8| value << 8 | u64::from(byte);
        Some(if self.big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) })
    }

    fn entry(&self, tag: u16) -> Option<Entry> {
        // of two of a tag the later counts
        self.entries.iter().rev().find(|entry| entry.tag == tag).copied()
    }

    pub(super) fn has(&self, tag: u16) -> bool {
        self.entry(tag).is_some()
    }

    /// A number of an entry; `None` if the entry has not so many, or none.
    pub(super) fn nth(&self, tag: u16, index: usize) -> Result<Option<u64>, String> {
        let Some(Entry { unit, at, .. }) = self.numbers(tag).filter(|entry| index < entry.count) else {
            return Ok(None);
        };
        let damaged = || format!("damaged: the values of tag {tag} are not in the file");
        let place = index.checked_mul(unit).and_then(|offset| offset.checked_add(at)).ok_or_else(damaged)?;
        self.number(place, unit).map(Some).ok_or_else(damaged)
    }

    /// The first number of an entry, or what holds without it.
    pub(super) fn one(&self, tag: u16, otherwise: u64) -> Result<u64, String> {
        Ok(self.nth(tag, 0)?.unwrap_or(otherwise))
    }

    /// The first numbers of an entry, `most` at most.
    pub(super) fn first(&self, tag: u16, most: usize) -> Result<Vec<u64>, String> {
        (0..self.count(tag).min(most)).map(|index| Ok(self.nth(tag, index)?.unwrap_or(0))).collect()
    }

    /// How many numbers an entry has.
    pub(super) fn count(&self, tag: u16) -> usize {
        self.numbers(tag).map_or(0, |entry| entry.count)
    }

    /// An entry of numbers: single bytes are none.
    fn numbers(&self, tag: u16) -> Option<Entry> {
        self.entry(tag).filter(|entry| entry.unit > 1)
    }

    /// How far into the file the values of the entries reach.
    pub(super) fn values_end(&self) -> u64 {
        let end = |entry: &Entry| {
            (entry.count as u64).saturating_mul(entry.unit as u64).saturating_add(entry.at as u64)
        };
        self.entries.iter().map(end).max().unwrap_or(0)
    }

    /// The bytes of an entry.
    pub(super) fn raw(&self, tag: u16) -> Option<&'a [u8]> {
        let Entry { unit, count, at, .. } = self.entry(tag)?;
        self.bytes.get(at, count.checked_mul(unit)?)
    }
}
