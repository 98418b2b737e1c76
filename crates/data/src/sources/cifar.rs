//! CIFAR-10 and CIFAR-100 in their binary form (<https://www.cs.toronto.edu/~kriz/cifar.html>, "Binary version"), and other sets
//! in that form.
//!
//! A record is a label of one byte, of CIFAR-100 the coarse one and then the fine one, which is taken, and a picture of 32x32:
//! its red, green and blue planes, row by row.

use crate::dataset::HeldOut;
use crate::files::ClassFile;
use crate::memory::InMemory;
use crate::reading::{Part, ReadOptions};
use crate::samples::{Samples, Subset};
use crate::{DataError, Dataset, classes, picture, remarks};
use plusx_model::shape::ImageShape;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows and columns.
const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Most bytes of a file: seven times CIFAR-100's largest.
const LARGEST: u64 = 1 << 30;

/// One of the two forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Form {
    /// The folder that its archive is unpacked to.
    folder: &'static str,
    /// The first file to learn from, and the one to test on.
    first: &'static str,
    test: &'static str,
    /// Class names, one a line.
    names: &'static str,
    /// Bytes before each picture; the last of them is the label.
    labels: usize,
    /// What Python's form of it has in its folder.
    pickled: &'static str,
    pickled_folder: &'static str,
}

const FORMS: [Form; 2] = [
    Form {
        folder: "cifar-10-batches-bin",
        first: "data_batch_1.bin",
        test: "test_batch.bin",
        names: "batches.meta.txt",
        labels: 1,
        pickled: "batches.meta",
        pickled_folder: "cifar-10-batches-py",
    },
    Form {
        folder: "cifar-100-binary",
        first: "train.bin",
        test: "test.bin",
        names: "fine_label_names.txt",
        labels: 2,
        pickled: "meta",
        pickled_folder: "cifar-100-python",
    },
];

/// What lies at a place.
enum Lies {
    Binary(PathBuf, Form),
    /// Files of pickled arrays.
    Pickled(PathBuf, Form),
}

/// All that lies at `place`.
fn lying(place: &Path) -> Vec<Lies> {
    let mut found = Vec::new();
    for form in FORMS {
        for folder in [place.to_owned(), place.join(form.folder)] {
            let has = |name: &str| folder.join(name).is_file();
            // train.bin alone may be anything
            if has(form.first) && (form.labels == 1 || has(form.test) || has(form.names)) {
                found.push(Lies::Binary(folder, form));
            }
        }
    }
    if !found.is_empty() {
        return found;
    }
    for form in FORMS {
        for folder in [place.to_owned(), place.join(form.pickled_folder)] {
            let train = form.first.trim_end_matches(".bin");
            if folder.join(form.pickled).is_file() && folder.join(train).is_file() {
                found.push(Lies::Pickled(folder, form));
            }
        }
    }
    found
}

pub(crate) fn is_at(place: &Path) -> bool {
    !lying(place).is_empty()
}

/// Opens what lies at `place`.
pub(crate) fn open(
    name: &str,
    place: &Path,
    options: &ReadOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Dataset, DataError> {
    let (folder, form) = match &lying(place)[..] {
        [Lies::Binary(folder, form)] => (folder.clone(), *form),
        [] => {
            let reason = "holds neither data_batch_1.bin (CIFAR-10) nor train.bin and test.bin (CIFAR-100)";
            return Err(DataError::malformed(place, reason));
        }
        [Lies::Pickled(folder, form), ..] => {
            let reason = format!(
                "holds CIFAR as Python pickles it, which is not read; get its binary version, which unpacks to {}",
                form.folder
            );
            return Err(DataError::malformed(folder, reason));
        }
        _ => {
            let reason = "holds both CIFAR-10 and CIFAR-100; give the folder of one of them";
            return Err(DataError::malformed(place, reason));
        }
    };
    let train_files = training_files(&folder, form)?;
    let train = read(&train_files, form)?;
    let test = folder.join(form.test);
    let test = if test.is_file() { Some(read(&[test], form)?) } else { None };
    let labels = train.labels.iter().chain(test.iter().flat_map(|test| &test.labels));
    let largest = labels.max().copied().unwrap_or(0);
    let names = Some(folder.join(form.names)).filter(|names| names.is_file());
    if names.is_none() {
        tell(&format!(
            "{}: {} is not there; classes are called by their numbers",
            folder.display(),
            form.names
        ));
    }
    let classes = classes::names(names.map(ClassFile::Lines).as_ref(), largest as usize)?;
    let source = place.display().to_string();
    let set = match test {
        Some(test) => Dataset::in_memory(name, classes, train, test, &source),
        None => {
            tell(&format!(
                "{}: {} is not there; {} % of each class are held out",
                folder.display(),
                form.test,
                options.val_split * 100.0
            ));
            drawn(name, classes, train, &source, options)?
        }
    };
    remarks::of(&set).iter().for_each(|remark| tell(remark));
    Ok(set)
}

/// The files to learn from, in their order.
fn training_files(folder: &Path, form: Form) -> Result<Vec<PathBuf>, DataError> {
    let first = folder.join(form.first);
    if form.labels == 2 {
        return Ok(vec![first]);
    }
    let numbered = |number: u32| folder.join(format!("data_batch_{number}.bin"));
    let there: Vec<u32> = (1..=9).filter(|number| numbered(*number).is_file()).collect();
    match there.iter().zip(1..).find(|(found, wanted)| **found != *wanted) {
        Some((found, wanted)) => {
            let reason = format!("data_batch_{found}.bin is there, and data_batch_{wanted}.bin is not");
            Err(DataError::malformed(folder, reason))
        }
        None => Ok(there.into_iter().map(numbered).collect()),
    }
}

/// Joins the records of files.
fn read(files: &[PathBuf], form: Form) -> Result<InMemory, DataError> {
    let record = form.labels + 3 * PLANE;
    let limits = picture::Limits { bytes: LARGEST, ..picture::Limits::default() };
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    let mut bytes = Vec::new();
    for path in files {
        picture::read_into(path, &limits, &mut bytes)?;
        if bytes.is_empty() || bytes.len() % record != 0 {
            let reason = format!(
                "its {} bytes are no whole number of records of {record} bytes; it is cut off, or not CIFAR's binary form",
                bytes.len()
            );
            return Err(DataError::malformed(path, reason));
        }
        images.reserve_exact(bytes.len() / record * 3 * PLANE);
        for record in bytes.chunks_exact(record) {
            let (before, planes) = record.split_at(form.labels);
            labels.extend(before.last().map(|label| u32::from(*label)));
            let (red, rest) = planes.split_at(PLANE);
            let (green, blue) = rest.split_at(PLANE);
            let pixels = red.iter().zip(green).zip(blue);
            images.extend(pixels.flat_map(|((red, green), blue)| [*red, *green, *blue]));
        }
    }
    Ok(InMemory { images, labels, shape: ImageShape::new(3, SIDE, SIDE) })
}

/// A set that came as one.
fn drawn(
    name: &str,
    classes: Vec<String>,
    all: InMemory,
    source: &str,
    options: &ReadOptions,
) -> Result<Dataset, DataError> {
    let parts = options.draw(&all.labels);
    let all: Arc<dyn Samples> = Arc::new(all);
    let split = |part: Part| {
        let indices = (0..all.len() as u32).filter(|index| parts[*index as usize] == part);
        Arc::new(Subset::new(Arc::clone(&all), indices))
    };
    let (train, val) = (split(Part::Train), split(Part::Val));
    if val.is_empty() {
        let reason = "no class has two pictures, so that one could be held out to measure on";
        return Err(DataError::malformed(source.as_ref(), reason));
    }
    Ok(Dataset {
        name: name.to_owned(),
        classes,
        train,
        val,
        held_out: HeldOut::Validation,
        test: None,
        source: source.to_owned(),
        drawn: true,
        left_out: Vec::new(),
    })
}
