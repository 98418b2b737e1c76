//! A quick look at many files: which of them can be no picture, and what tells one set of them from another. Of each file the
//! first and the last few kilobytes are read.

use super::names::NameList;
use crate::DataError;
use crate::picture::{self, Limits};
use crate::unzip::hex;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Files that a thread takes at a time.
const RUN: usize = 64;

/// Threads at most: looking waits for the disk more than it computes.
const THREADS: usize = 8;

/// What a look at one file found: a hash of its size and its two ends, or why it is no picture.
pub(crate) type Look = Result<[u8; 32], String>;

/// Looks at the files called `names` below `root`.
pub(crate) fn look_at_files(root: &Path, names: &NameList, limits: &Limits) -> Vec<Look> {
    look(names.len(), |index| picture::ends(&root.join(names.get(index)), limits))
}

/// Looks at `n` pictures on several threads; `one` looks at one.
pub(crate) fn look(n: usize, one: impl Fn(usize) -> Result<[u8; 32], DataError> + Sync) -> Vec<Look> {
    let next = AtomicUsize::new(0);
    let runs = Mutex::new(Vec::new());
    let work = || {
        loop {
            let start = next.fetch_add(RUN, Ordering::Relaxed);
            if start >= n {
                return;
            }
            let end = n.min(start + RUN);
            let looks: Vec<Look> =
                (start..end).map(|index| one(index).map_err(|error| error.reason())).collect();
            runs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((start, looks));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // where the system gives no thread, the others do its work
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let mut runs = runs.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    runs.sort_unstable_by_key(|(start, _)| *start);
    runs.into_iter().flat_map(|(_, looks)| looks).collect()
}

/// SHA-256 of the names and of what was seen of the files, in their order.
pub(crate) fn identity<'d>(names: &NameList, digests: impl Iterator<Item = &'d [u8; 32]>) -> String {
    let mut hash = Sha256::new();
    for (name, digest) in names.iter().zip(digests) {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(digest);
    }
    hex(&hash.finalize())
}
