//! Every picture of a split, read and looked at on several threads.

use super::endings;
use super::finding::{CheckFinding, FindingKind};
use super::look::Likeness;
use super::report::CheckOptions;
use crate::samples::Samples;
use crate::{DataError, Dataset};
use plusx_model::summary::thousands;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Pictures that a thread takes at a time: little beside a split, much beside taking a lock.
const RUN: usize = 16;

/// What was seen of a picture.
#[derive(Debug)]
pub(super) struct SeenPicture {
    pub(super) label: u32,
    /// Nothing if it cannot be read. Boxed, so that only pointers move while lists are put together.
    pub(super) look: Option<Box<Likeness>>,
    pub(super) findings: Vec<CheckFinding>,
}

/// What a finding calls a picture: pictures in files have names, those of an array only numbers.
pub(super) fn name(split: &str, samples: &dyn Samples, index: usize) -> String {
    match samples.shape() {
        Some(_) => format!("{split} {}", samples.name(index)),
        None => samples.name(index).into_owned(),
    }
}

/// All pictures of the split, in order.
pub(super) fn all(
    split: &str,
    samples: &dyn Samples,
    options: &CheckOptions,
    progress: &(dyn Fn(usize) + Sync),
) -> Vec<SeenPicture> {
    let [next, done] = [0, 0].map(AtomicUsize::new);
    let runs = Mutex::new(Vec::new());
    let work = || {
        let mut buffer = Vec::new();
        loop {
            let start = next.fetch_add(RUN, Ordering::Relaxed);
            if start >= samples.len() {
                return;
            }
            let end = samples.len().min(start + RUN);
            let seen: Vec<SeenPicture> =
                (start..end).map(|index| one(split, samples, index, options, &mut buffer)).collect();
            runs.lock().unwrap_or_else(PoisonError::into_inner).push((start, seen));
            progress(done.fetch_add(end - start, Ordering::Relaxed) + end - start);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..options.threads {
            // where the system gives no thread, the others do its work
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let mut runs = runs.into_inner().unwrap_or_else(PoisonError::into_inner);
    runs.sort_unstable_by_key(|(start, _)| *start);
    runs.into_iter().flat_map(|(_, seen)| seen).collect()
}

fn one(
    split: &str,
    samples: &dyn Samples,
    index: usize,
    options: &CheckOptions,
    buffer: &mut Vec<u8>,
) -> SeenPicture {
    let mut seen = SeenPicture { label: samples.labels()[index], look: None, findings: Vec::new() };
    let mut find = |kind: FindingKind, reason: String| {
        seen.findings.push(CheckFinding::new(kind, name(split, samples, index), reason));
    };
    let unreadable = |error: DataError| (FindingKind::Unreadable, error.reason());
    match samples.encoded(index, buffer) {
        Err(error) => {
            let (kind, reason) = unreadable(error);
            find(kind, reason);
            return seen;
        }
        Ok(Some(content)) => {
            if let Some(reason) = endings::remark(&samples.name(index), content) {
                find(FindingKind::WrongEnding, reason);
            }
        }
        Ok(None) => {}
    }
    let pixels = match samples.read(index, buffer) {
        Ok(pixels) if pixels.shape.is_empty() => {
            find(FindingKind::Unreadable, "it has no pixels".to_owned());
            return seen;
        }
        Ok(pixels) => pixels,
        Err(error) => {
            let (kind, reason) = unreadable(error);
            find(kind, reason);
            return seen;
        }
    };
    let (h, w) = (pixels.shape.h, pixels.shape.w);
    if samples.shape().is_none() && h.min(w) < options.side {
        find(FindingKind::Small, format!("it is {w} x {h}, and {} are asked for", options.side));
    }
    let look = Likeness::of(pixels);
    if look.flat {
        find(FindingKind::OneColour, "it is of one colour".to_owned());
    }
    seen.look = Some(Box::new(look));
    seen
}

/// What is said once of pictures that all have one shape.
pub(super) fn of_all_alike(set: &Dataset, options: &CheckOptions) -> Option<CheckFinding> {
    let shape = set.train.shape()?;
    let n: usize = set.splits().map(|(_, samples)| samples.len()).sum();
    let reason = format!(
        "all {} pictures are {} x {}, and {} are asked for",
        thousands(n as u64),
        shape.w,
        shape.h,
        options.side
    );
    (shape.h.min(shape.w) < options.side).then(|| CheckFinding::new(FindingKind::Small, &*set.source, reason))
}
