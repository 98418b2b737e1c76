//! What a source lists before any picture is opened, and how that becomes a data set.

use super::encoded::{EncodedSamples, PictureStore};
use super::names::NameList;
use super::quick::{self, Look};
use crate::dataset::{HeldOut, LeftOut};
use crate::reading::{Part, ReadOptions};
use crate::samples::Samples;
use crate::{DataError, Dataset, remarks};
use plusx_model::summary::thousands;
use plusx_model::words::counted;
use std::sync::Arc;

/// The split of each picture.
struct Parts {
    of: Vec<Part>,
    /// Whether it was drawn.
    drawn: bool,
}

/// Files that are left out and named in a line on the screen, at most; a run's folder has all of them.
const NAMED: usize = 3;

/// Encoded pictures, their labels and splits.
#[derive(Debug)]
pub(crate) struct Listing<S> {
    pub(crate) store: S,
    /// The place as its user called it.
    pub(crate) source: String,
    /// What the pictures are called, with `/` between the parts.
    pub(crate) names: NameList,
    /// What a look at each found.
    pub(crate) looks: Vec<Look>,
    /// Indices into `classes`.
    pub(crate) labels: Vec<u32>,
    /// One for each picture; empty if they come as one.
    pub(crate) parts: Vec<Part>,
    pub(crate) classes: Vec<String>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl<S: PictureStore> Listing<S> {
    /// Leaves out what is no picture, and splits what comes as one.
    pub(crate) fn open(
        mut self,
        name: &str,
        options: &ReadOptions,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Dataset, DataError> {
        let looks = std::mem::take(&mut self.looks);
        let mut good: Vec<u32> = Vec::with_capacity(looks.len());
        for (index, look) in looks.iter().enumerate() {
            match look {
                Ok(_) => good.push(index as u32),
                Err(reason) => {
                    let path = self.store.place(index, self.names.get(index));
                    self.left_out.push(LeftOut { path, reason: reason.clone() });
                }
            }
        }
        self.say(good.len(), tell);
        if good.is_empty() {
            let reason = match self.left_out.first() {
                None => "holds no picture".to_owned(),
                Some(first) => format!("holds no picture that can be read; {}: {}", first.path, first.reason),
            };
            return Err(DataError::malformed(self.source.as_ref(), reason));
        }
        let (kept, empty_classes) = self.without_empty_classes(&good, tell);
        let labels: Vec<u32> = good.iter().map(|index| kept[self.labels[*index as usize] as usize]).collect();
        let drawn = self.parts.is_empty();
        let parts = match drawn {
            true => options.draw(&labels),
            false => good.iter().map(|index| self.parts[*index as usize]).collect(),
        };
        let Parts { of: parts, drawn } =
            self.with_validation(Parts { of: parts, drawn }, &labels, options, tell)?;
        let split = |part: Part| -> Arc<dyn Samples> {
            let of = |at: &usize| parts[*at] == part;
            let places: Vec<usize> = (0..good.len()).filter(of).collect();
            let digests = places.iter().filter_map(|at| looks[good[*at] as usize].as_ref().ok());
            let indices: Vec<u32> = places.iter().map(|at| good[*at]).collect();
            let names: NameList = indices.iter().map(|index| self.names.get(*index as usize)).collect();
            let sha256 = quick::identity(&names, digests);
            Arc::new(EncodedSamples {
                store: self.store.select(&indices),
                names,
                labels: places.iter().map(|at| labels[*at]).collect(),
                limits: options.limits,
                sha256,
            })
        };
        let has = |part: Part| parts.contains(&part);
        let (val, held_out, test) = match (has(Part::Val), has(Part::Test)) {
            (true, test) => (split(Part::Val), HeldOut::Validation, test.then(|| split(Part::Test))),
            (false, _) => (split(Part::Test), HeldOut::Test, None),
        };
        let set = Dataset {
            name: name.to_owned(),
            train: split(Part::Train),
            val,
            held_out,
            test,
            drawn,
            classes: self.classes,
            source: self.source,
            left_out: self.left_out,
            empty_classes,
        };
        remarks::of(&set).iter().for_each(|remark| tell(remark));
        Ok(set)
    }

    /// Says how many pictures there are, and which files are none.
    fn say(&self, pictures: usize, tell: &mut dyn FnMut(&str)) {
        if self.left_out.is_empty() {
            return;
        }
        let named: Vec<String> = self
            .left_out
            .iter()
            .take(NAMED)
            .map(|out| format!("{}: {}", out.path.escape_debug(), out.reason))
            .collect();
        let more = self.left_out.len() - named.len();
        let more = if more > 0 { format!("\n  and {} more", thousands(more as u64)) } else { String::new() };
        tell(&format!(
            "{}: {} left out, {} stay:\n  {}{more}",
            self.source,
            counted(self.left_out.len() as u64, S::WHAT),
            counted(pictures as u64, "picture"),
            named.join("\n  ")
        ));
    }

    /// Takes away the classes that no good picture is of; what becomes of each label, and the names of those classes.
    fn without_empty_classes(&mut self, good: &[u32], tell: &mut dyn FnMut(&str)) -> (Vec<u32>, Vec<String>) {
        let mut counts = vec![0_usize; self.classes.len()];
        good.iter().for_each(|index| counts[self.labels[*index as usize] as usize] += 1);
        let mut next = 0;
        let kept = counts.iter().map(|count| {
            let label = next;
            next += u32::from(*count > 0);
            label
        });
        let kept = kept.collect();
        let mut counts = counts.into_iter();
        let mut empty = Vec::new();
        self.classes.retain(|class| {
            let has_pictures = counts.next().is_some_and(|count| count > 0);
            if !has_pictures {
                empty.push(class.clone());
            }
            has_pictures
        });
        if !empty.is_empty() {
            let classes = counted(empty.len() as u64, "class");
            let names: Vec<String> = empty.iter().map(|class| class.escape_debug().to_string()).collect();
            tell(&format!("{}: {classes} without a picture left out: {}", self.source, names.join(", ")));
        }
        (kept, empty)
    }

    /// Holds out a part of the training pictures if nothing else is held out.
    fn with_validation(
        &self,
        parts: Parts,
        labels: &[u32],
        options: &ReadOptions,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Parts, DataError> {
        let count = |part: Part| parts.of.iter().filter(|each| **each == part).count();
        let [train, held_out] = [count(Part::Train), count(Part::Val) + count(Part::Test)];
        if train == 0 {
            return Err(DataError::malformed(self.source.as_ref(), "holds no picture to learn from"));
        }
        if held_out > 0 {
            return Ok(parts);
        }
        if parts.drawn {
            let reason = "no class has two pictures, so that one could be held out to measure on; add pictures, or put \
                          those to measure on into a folder val beside a folder train";
            return Err(DataError::malformed(self.source.as_ref(), reason));
        }
        tell(&format!(
            "{}: there is nothing to measure on beside the training pictures; {} % of each class are held out",
            self.source,
            options.val_split * 100.0
        ));
        let drawn = Parts { of: options.draw(labels), drawn: true };
        self.with_validation(drawn, labels, options, tell)
    }
}
