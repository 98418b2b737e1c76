//! Where in a file of PyTorch the numbers lie, and reading them: a storage is a run of bytes, a tensor a view into one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// A run of bytes in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StoredRange {
    /// From the beginning of the file.
    pub(super) at: u64,
    /// Bytes.
    pub(super) length: u64,
    /// CRC-32 of all of them, where the container has one.
    pub(super) crc: Option<u32>,
}

/// A tensor in a storage. Offset and strides count numbers, not bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct View {
    /// Key of the storage.
    pub(super) key: String,
    /// The first number.
    pub(super) offset: usize,
    /// Dimensions, outermost first.
    pub(super) dims: Vec<usize>,
    /// The way from one number to the next along each of them.
    pub(super) strides: Vec<usize>,
}

impl View {
    /// How many numbers it has; saturated.
    pub(super) fn count(&self) -> u64 {
        self.dims.iter().fold(1_u64, |count, dim| count.saturating_mul(*dim as u64))
    }

    /// Numbers from the first to the last one, in the storage; none if the sizes contradict each other.
    fn extent(&self) -> Option<usize> {
        if self.dims.len() != self.strides.len() {
            return None;
        }
        let steps = self.dims.iter().zip(&self.strides);
        steps
            .map(|(dim, stride)| dim.saturating_sub(1).checked_mul(*stride))
            .try_fold(1_usize, |sum, step| sum.checked_add(step?))
    }

    /// Whether the numbers lie in the storage as they do in the tensor.
    fn is_plain(&self) -> bool {
        let mut expected = 1;
        self.dims.iter().zip(&self.strides).rev().all(|(dim, stride)| {
            let plain = *dim <= 1 || *stride == expected;
            expected *= dim;
            plain
        })
    }
}

/// The storages of a file.
#[derive(Debug)]
pub(super) struct Storages {
    file: File,
    size: u64,
    pub(super) places: HashMap<String, StoredRange>,
}

/// Why numbers cannot be read: the system's error, or what is wrong with the file.
pub(super) type Failed = Result<std::io::Error, String>;

impl Storages {
    /// None yet of the file at `path`.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, size, places: HashMap::new() })
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of a tensor whose numbers have `size` bytes, in its own order.
    pub(super) fn read(&self, view: &View, size: usize) -> Result<Vec<u8>, Failed> {
        let count = view.count();
        if count == 0 {
            return Ok(Vec::new());
        }
        let place = self.places.get(&view.key);
        let place = place.ok_or_else(|| Err(format!("its numbers (storage {}) are missing", view.key)))?;
        let extent = view.extent().ok_or_else(|| Err("its sizes contradict each other".to_owned()))?;
        let bytes = |numbers: usize| (numbers as u64).saturating_mul(size as u64);
        let (from, length) = (bytes(view.offset), bytes(extent));
        if from.saturating_add(length) > place.length {
            let (has, key) = (place.length, &view.key);
            return Err(Err(format!(
                "it needs {length} bytes from byte {from} on, and storage {key} has {has}"
            )));
        }
        if count > extent as u64 {
            return Err(Err("it repeats its numbers, which no weights do".to_owned()));
        }
        let whole = from == 0 && length == place.length;
        let data = self.bytes(place.at.saturating_add(from), length)?;
        if whole && place.crc.is_some_and(|crc| crc32fast::hash(&data) != crc) {
            return Err(Err("its numbers are damaged: their checksum is not what the file says".to_owned()));
        }
        if view.is_plain() {
            return Ok(data);
        }
        // no more than there are in `data`
        let mut all = Vec::with_capacity(count as usize * size);
        let mut index = vec![0_usize; view.dims.len()];
        for _ in 0..count {
            let at: usize = index.iter().zip(&view.strides).map(|(index, stride)| index * stride).sum();
            all.extend_from_slice(&data[at * size..(at + 1) * size]);
            for (index, dim) in index.iter_mut().zip(&view.dims).rev() {
                *index += 1;
                if *index < *dim {
                    break;
                }
                *index = 0;
            }
        }
        Ok(all)
    }

    /// Bytes of the file; memory is asked for only if it has them.
    pub(super) fn bytes(&self, at: u64, length: u64) -> Result<Vec<u8>, Failed> {
        if at.saturating_add(length) > self.size {
            return Err(Err("its numbers lie behind the end of the file".to_owned()));
        }
        let mut bytes = vec![0; length as usize];
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(Ok)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storages() -> (tempfile::NamedTempFile, Storages) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), (0_u8..12).collect::<Vec<_>>()).unwrap();
        let mut storages = Storages::of(file.path()).unwrap();
        storages.places.insert("0".into(), StoredRange { at: 2, length: 10, crc: None });
        (file, storages)
    }

    fn view(offset: usize, dims: &[usize], strides: &[usize]) -> View {
        View { key: "0".into(), offset, dims: dims.into(), strides: strides.into() }
    }

    #[test]
    fn views_are_gathered() {
        let (_file, storages) = storages();
        let read = |view: &View, size| storages.read(view, size).unwrap();
        assert_eq!(read(&view(1, &[2, 3], &[3, 1]), 1), [3, 4, 5, 6, 7, 8]);
        // transposed, every second, a number, none
        assert_eq!(read(&view(0, &[3, 2], &[1, 3]), 1), [2, 5, 3, 6, 4, 7]);
        assert_eq!(read(&view(0, &[2], &[2]), 2), [2, 3, 6, 7]);
        assert_eq!(read(&view(9, &[], &[]), 1), [11]);
        assert_eq!(read(&view(99, &[0, 4], &[4, 1]), 1), [0_u8; 0]);
    }

    #[test]
    fn views_beyond_a_storage_are_refused() {
        let (_file, storages) = storages();
        let refused = |view: &View| matches!(storages.read(view, 2), Err(Err(_)));
        assert!(refused(&view(4, &[2], &[1])));
        assert!(refused(&view(usize::MAX, &[2], &[1])));
        assert!(refused(&view(0, &[2, 2], &[usize::MAX, 1])));
        assert!(refused(&view(0, &[2], &[])));
        assert!(refused(&view(4, &[3], &[0])));
        assert!(refused(&View { key: "1".into(), ..view(0, &[1], &[1]) }));
    }
}
