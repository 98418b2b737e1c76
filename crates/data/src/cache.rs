//! Decoded pictures, kept from the first time they are read: in memory, or in a file that is gone when the program is.
//!
//! What is kept is what comes before anything random: the decoded picture, or, where nothing is random, what the network's
//! record makes of it in 8 bits, which is smaller. Either way the network gets the same bytes as without a cache.

use crate::DataError;
use crate::samples::{Pixels, Samples};
use plusx_model::preprocess::{Preprocess, Resize};
use plusx_model::shape::ImageShape;
use plusx_pixels::resize::Cut;
use plusx_pixels::{Resizer, grey};
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Pictures read to tell how large they are, about.
const LOOKED_AT: usize = 8;

/// Pictures of others, each decoded once as long as there is room.
#[derive(Debug)]
pub struct Cached {
    of: Arc<dyn Samples>,
    /// What is done to a picture before it is kept.
    shrink: Option<Preprocess>,
    keep: Keep,
    /// Bytes that may be kept, and those that are, or will be at once.
    room: u64,
    taken: AtomicU64,
}

#[derive(Debug)]
enum Keep {
    Memory(Vec<OnceLock<(Box<[u8]>, ImageShape)>>),
    /// Where each begins in the file.
    Disk(File, Vec<OnceLock<(u64, ImageShape)>>),
}

impl Cached {
    /// Keeps up to `room` bytes in memory. With `shrink`, pictures are kept as that record prepares them, before they become
    /// numbers; [`Cached::prepared`] is the record for what is left to do.
    pub fn in_memory(of: Arc<dyn Samples>, shrink: Option<Preprocess>, room: u64) -> Self {
        let keep = Keep::Memory((0..of.len()).map(|_| OnceLock::new()).collect());
        Self { of, shrink, keep, room, taken: AtomicU64::new(0) }
    }

    /// Keeps up to `room` bytes in a file without a name on the disk of `folder`.
    ///
    /// # Errors
    /// [`DataError::Io`] if there can be no such file.
    pub fn on_disk(
        of: Arc<dyn Samples>,
        shrink: Option<Preprocess>,
        room: u64,
        folder: &Path,
    ) -> Result<Self, DataError> {
        let file = tempfile::tempfile_in(folder)
            .map_err(DataError::io("make a file for decoded pictures in", folder))?;
        let keep = Keep::Disk(file, (0..of.len()).map(|_| OnceLock::new()).collect());
        Ok(Self { of, shrink, keep, room, taken: AtomicU64::new(0) })
    }

    /// What `record` leaves to do to pictures that it shrank: nothing but to make numbers of them.
    pub fn prepared(record: &Preprocess) -> Preprocess {
        Preprocess { resize: Resize::Both, ..record.clone() }
    }

    /// Bytes that all pictures of `of` take when they are decoded, or shrunk by `shrink`: known, or judged by a few of them.
    pub fn bytes_of(of: &dyn Samples, shrink: Option<&Preprocess>) -> u64 {
        let n = of.len() as u64;
        if let Some(record) = shrink {
            let ImageShape { h, w, c } = record.input;
            return n * (h * w * c.min(of.channels())) as u64;
        }
        let mut buffer = Vec::new();
        let step = of.len().div_ceil(LOOKED_AT).max(1);
        let looked: Vec<u64> = (0..of.len())
            .step_by(step)
            .filter_map(|index| of.read(index, &mut buffer).ok().map(|picture| picture.bytes.len() as u64))
            .collect();
        n * looked.iter().sum::<u64>() / looked.len().max(1) as u64
    }

    fn is_kept(&self, index: usize) -> bool {
        match &self.keep {
            Keep::Memory(kept) => kept[index].get().is_some(),
            Keep::Disk(_, kept) => kept[index].get().is_some(),
        }
    }

    /// A picture that [is kept](Cached::is_kept).
    fn kept<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError> {
        let absent = || DataError::Plan { reason: format!("picture {index} is not kept") };
        match &self.keep {
            Keep::Memory(kept) => {
                let (bytes, shape) = kept[index].get().ok_or_else(absent)?;
                Ok(Pixels { bytes, shape: *shape })
            }
            Keep::Disk(file, kept) => {
                let (start, shape) = *kept[index].get().ok_or_else(absent)?;
                buffer.resize(shape.len(), 0);
                let name = self.of.name(index);
                let failed = DataError::io("read what was kept on disk of", Path::new(&*name));
                read_at(file, buffer, start).map_err(failed)?;
                Ok(Pixels { bytes: buffer, shape })
            }
        }
    }

    /// Keeps a picture if there is room; where it is then.
    fn store<'a>(
        &'a self,
        index: usize,
        bytes: Vec<u8>,
        shape: ImageShape,
        buffer: &'a mut Vec<u8>,
    ) -> Pixels<'a> {
        let len = bytes.len() as u64;
        let start = self.taken.fetch_add(len, Ordering::Relaxed);
        if start.saturating_add(len) <= self.room {
            match &self.keep {
                Keep::Memory(kept) => {
                    let (bytes, shape) = kept[index].get_or_init(|| (bytes.into_boxed_slice(), shape));
                    return Pixels { bytes, shape: *shape };
                }
                // a full disk is no reason to stop: the picture is decoded again
                Keep::Disk(file, kept) => {
                    if write_at(file, &bytes, start).is_ok() {
                        let _ = kept[index].set((start, shape));
                    }
                }
            }
        }
        *buffer = bytes;
        Pixels { bytes: buffer, shape }
    }
}

impl Samples for Cached {
    fn labels(&self) -> &[u32] {
        self.of.labels()
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.of.name(index)
    }

    fn read<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError> {
        if self.is_kept(index) {
            return self.kept(index, buffer);
        }
        let picture = self.of.read(index, buffer)?;
        let (bytes, shape) = match &self.shrink {
            None => (picture.bytes.to_vec(), picture.shape),
            Some(record) => shrunk(picture, record)?,
        };
        Ok(self.store(index, bytes, shape, buffer))
    }

    fn is_prepared(&self) -> bool {
        self.shrink.is_some()
    }

    fn channels(&self) -> usize {
        let own = self.of.channels();
        self.shrink.as_ref().map_or(own, |record| own.min(record.input.c))
    }

    fn shape(&self) -> Option<ImageShape> {
        match &self.shrink {
            Some(record) => Some(ImageShape { c: self.channels(), ..record.input }),
            None => self.of.shape(),
        }
    }

    fn bytes(&self) -> usize {
        let slots = match &self.keep {
            Keep::Memory(kept) => {
                size_of_val(&kept[..]) + self.taken.load(Ordering::Relaxed).min(self.room) as usize
            }
            Keep::Disk(_, kept) => size_of_val(&kept[..]),
        };
        self.of.bytes() + slots
    }

    fn pictures_sha256(&self) -> String {
        self.of.pictures_sha256()
    }
}

/// The part of a picture that becomes the input, in 8 bits.
fn shrunk(picture: Pixels<'_>, record: &Preprocess) -> Result<(Vec<u8>, ImageShape), DataError> {
    let Pixels { mut bytes, shape: ImageShape { h, w, c } } = picture;
    let mut colourless = Vec::new();
    let c = if c == 3 && record.input.c == 1 {
        grey(bytes, &mut colourless);
        bytes = &colourless;
        1
    } else {
        c
    };
    let size = [record.input.h, record.input.w];
    let to = record.resized([h, w]);
    let cut = Cut { from: [h, w, c], to, corner: record.corner(to), size };
    let mut out = vec![0; cut.dst_len()];
    Resizer::new(record.interpolation, cut)?.run(bytes, &mut out);
    Ok((out, ImageShape::new(c, size[0], size[1])))
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, start)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, start)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut start: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, start)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => (bytes, start) = (&mut bytes[n..], start + n as u64),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut start: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, start)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => (bytes, start) = (&bytes[n..], start + n as u64),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::preprocess::Preset;
    use plusx_pixels::Preparer;
    use std::sync::atomic::AtomicUsize;

    /// Pictures of different sizes, and how often one was read.
    #[derive(Debug)]
    struct Counted {
        labels: Vec<u32>,
        read: AtomicUsize,
    }

    impl Samples for Counted {
        fn labels(&self) -> &[u32] {
            &self.labels
        }

        fn name(&self, index: usize) -> Cow<'_, str> {
            index.to_string().into()
        }

        fn read<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError> {
            self.read.fetch_add(1, Ordering::Relaxed);
            let shape = ImageShape::new(3, 30 + index, 40);
            *buffer = (0..shape.len()).map(|at| (at * 7 + index) as u8).collect();
            Ok(Pixels { bytes: buffer, shape })
        }

        fn channels(&self) -> usize {
            3
        }

        fn shape(&self) -> Option<ImageShape> {
            None
        }

        fn bytes(&self) -> usize {
            0
        }

        fn pictures_sha256(&self) -> String {
            "counted".into()
        }
    }

    fn values(samples: &dyn Samples, index: usize, record: &Preprocess) -> Vec<f32> {
        let mut buffer = Vec::new();
        let picture = samples.read(index, &mut buffer).unwrap();
        let shape = [picture.shape.h, picture.shape.w, picture.shape.c];
        let (mut out, mut colourless) = (Vec::new(), Vec::new());
        let (shape, bytes) = match (shape[2], record.input.c) {
            (3, 1) => {
                grey(picture.bytes, &mut colourless);
                ([shape[0], shape[1], 1], &colourless[..])
            }
            _ => (shape, picture.bytes),
        };
        Preparer::new(shape, record).unwrap().append(bytes, &mut out);
        out
    }

    #[test]
    fn the_network_gets_the_same_bytes_and_each_picture_is_decoded_once() {
        for channels in [3, 1] {
            let record = Preset::Imagenet.record(ImageShape::new(channels, 20, 20));
            let plain = Counted { labels: vec![0; 5], read: AtomicUsize::new(0) };
            let expected: Vec<Vec<f32>> = (0..5).map(|index| values(&plain, index, &record)).collect();
            let folder = tempfile::tempdir().unwrap();
            for (shrink, disk) in [(false, false), (true, false), (false, true), (true, true)] {
                let counted = Arc::new(Counted { labels: vec![0; 5], read: AtomicUsize::new(0) });
                let of: Arc<dyn Samples> = Arc::clone(&counted) as _;
                let shrunk = shrink.then(|| record.clone());
                let cached = match disk {
                    true => Cached::on_disk(of, shrunk, u64::MAX, folder.path()).unwrap(),
                    false => Cached::in_memory(of, shrunk, u64::MAX),
                };
                let left = if shrink { Cached::prepared(&record) } else { record.clone() };
                for _ in 0..3 {
                    for (index, expected) in expected.iter().enumerate() {
                        assert_eq!(
                            values(&cached, index, &left),
                            *expected,
                            "{channels}, {shrink}, {disk}, {index}"
                        );
                    }
                }
                assert_eq!(counted.read.load(Ordering::Relaxed), 5);
            }
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_decoded_again() {
        let counted = Arc::new(Counted { labels: vec![0; 4], read: AtomicUsize::new(0) });
        let of: Arc<dyn Samples> = Arc::clone(&counted) as _;
        assert_eq!(Cached::bytes_of(&*of, None), 4 * (30 + 31 + 32 + 33) * 120 / 4);
        counted.read.store(0, Ordering::Relaxed);
        let cached = Cached::in_memory(of, None, 2 * 31 * 120);
        let mut buffer = Vec::new();
        for index in [0, 1, 2, 3, 0, 1, 2, 3] {
            assert_eq!(cached.read(index, &mut buffer).unwrap().shape.h, 30 + index);
        }
        assert_eq!(counted.read.load(Ordering::Relaxed), 6);
        assert!(cached.bytes() <= 2 * 31 * 120 + 400);
    }
}
