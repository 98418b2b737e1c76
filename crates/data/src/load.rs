//! Loads a data set: which one is meant, and what the files of a folder turn out to hold.

use crate::dataset::Dataset;
use crate::fashion::set::{self as fashion, SplitFiles};
use crate::files::Files;
use crate::idx_hash::labels;
use crate::memory::{InMemory, Named};
use crate::place::{FindOptions, IDX, WantedSet};
use crate::samples::Samples;
use crate::sources::Source;
use crate::{DataError, classes, idx, place, remarks, sample};
use std::path::Path;

/// Loads the data set called `name`: `fashion-mnist` from the first place of [`locate`](crate::locate),
/// `fashion-mnist-mini` out of the program itself, or `idx`, whatever four IDX files are in `options.data_dir`. As [`open`],
/// for who wants to hear no remarks.
///
/// # Errors
/// As [`open`].
pub fn load(name: &str, options: &FindOptions) -> Result<Dataset, DataError> {
    open(Some(name), options, &mut |_| {})
}

/// Loads a data set, which is called by what it is and not by where it lies or how its files are called: MNIST, and every
/// set that took its place, has the file names, sizes and counts of Fashion-MNIST.
///
/// - `fashion-mnist` are the pictures and labels of its authors, told by SHA-256, with the class names of the chapter.
///   Asked for by this name, other pictures are refused.
/// - `idx` is any other set in IDX: any sizes of grey (`[n, h, w]`) or colour (`[n, h, w, 3]`) images of bytes, any number
///   of classes. These are called by the file `classes.txt` beside the others, or EMNIST's `mapping.txt`, else 0, 1, … up
///   to the largest label of both splits.
/// - `folder` is a folder of pictures for each class, perhaps inside of folders for the splits; `csv` is a table of paths and
///   labels; `cifar` is CIFAR's binary form; `parquet` and `webdataset` are files, called as the splits, that hold the
///   pictures themselves. What comes as one is split by `options.reading`.
/// - Without a name it is what `options.data_dir` is or holds. Files of Fashion-MNIST beside others, or a
///   damaged one, are refused; by the name `idx` they can be had.
/// - Without name and folder it is `fashion-mnist`.
///
/// `tell` hears, in sentences, what a user should know of the set: that it is none with a name of its own, classes without
/// training images, bytes that were ignored.
///
/// # Errors
/// [`DataError::UnknownName`]; [`DataError::NotFound`] with every place looked at; [`DataError::Impostor`] for what goes by
/// the name of Fashion-MNIST and is not; and, naming the file, whatever is wrong with one that was found: unreadable,
/// truncated, foreign, or not matching its sibling.
pub fn open(
    name: Option<&str>,
    options: &FindOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Dataset, DataError> {
    let source = match (name, &options.data_dir) {
        (None, Some(place)) if place::is_idx(place) => None,
        (None, Some(place)) => Source::at(place),
        (Some(name), _) => Source::named(name),
        (None, None) => None,
    };
    if let Some(source) = source {
        let place = options.data_dir.as_ref().ok_or_else(|| no_place(source))?;
        return source.open(place, &options.reading, tell);
    }
    let wanted = match name {
        None if options.data_dir.is_some() => WantedSet::Any,
        None | Some(fashion::NAME) => WantedSet::Fashion,
        Some(IDX) => WantedSet::Idx,
        Some(sample::NAME) => return sample::load(),
        Some(other) => return Err(unknown(other)),
    };
    let files = place::find(wanted, options)?;
    let set = folder_set(&files, wanted, tell)?;
    for remark in remarks::of(&set) {
        tell(&remark);
    }
    Ok(set)
}

pub(crate) fn unknown(name: &str) -> DataError {
    DataError::UnknownName { name: name.to_owned(), known: names().map(str::to_owned).collect() }
}

/// What a data set may be called.
fn names() -> impl Iterator<Item = &'static str> {
    [fashion::NAME, sample::NAME, IDX].into_iter().chain(Source::ALL.map(Source::name))
}

/// The place that is meant by what was given for a data set, if it is none of its names: where a folder or file lies, or where
/// one could.
pub fn as_place(given: &str) -> Option<&Path> {
    let path = Path::new(given);
    let is_name = names().any(|name| name == given);
    (!is_name && (path.exists() || path.components().count() > 1 || given.starts_with('.'))).then_some(path)
}

/// A kind of data set was named, and not where it is.
fn no_place(source: Source) -> DataError {
    let name = source.name();
    let ways = vec!["--data-dir PLACE, the folder or file with the pictures".to_owned()];
    DataError::NotFound { name: name.to_owned(), looked: vec!["--data-dir: not set".to_owned()], ways }
}

fn folder_set(files: &Files, wanted: WantedSet, tell: &mut dyn FnMut(&str)) -> Result<Dataset, DataError> {
    let [train_images, train_labels, test_images, test_labels] = &files.paths;
    let folder = files.folder.as_path();
    // unpacking is most of the work, and the two splits are independent
    let (train, test) = std::thread::scope(|scope| {
        let test = scope.spawn(|| read_split(test_images, test_labels, fashion::TEST));
        let train = read_split(train_images, train_labels, fashion::TRAIN);
        (train, test.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (train, test) = (train?, test?);
    for path in train.ignored.iter().chain(&test.ignored) {
        tell(&format!("{}: what follows the end of the gzip archive is ignored", path.display()));
    }
    if train.split.shape != test.split.shape {
        let reason = format!("training images are {}, test images {}", train.split.shape, test.split.shape);
        return Err(DataError::malformed(folder, reason));
    }
    let official = [train.official, test.official].concat();
    let fashion = official.iter().all(|part| *part);
    let source = folder.display().to_string();
    let (train, test) = (train.split, test.split);
    let named_so = wanted == WantedSet::Fashion || (wanted == WantedSet::Any && official.contains(&true));
    if fashion || named_so {
        let set = Dataset::with_fashion_classes(fashion::NAME, train, test, &source);
        if !fashion {
            set.check_origin(&set.fingerprint())?;
        }
        return Ok(set);
    }
    let largest = train.labels.iter().chain(&test.labels).max().copied().unwrap_or(0);
    let classes = classes::names(files.names.as_ref(), largest as usize)?;
    remarks::of_files(files, &classes, tell);
    Ok(Dataset::in_memory(IDX, classes, train, test, &source))
}

/// A split as it was read.
struct ReadSplit<'a> {
    split: InMemory,
    /// Whether images and labels are those of Fashion-MNIST.
    official: [bool; 2],
    /// Files whose end was not looked at.
    ignored: Vec<&'a Path>,
}

/// Reads a split; `theirs` are the files of Fashion-MNIST that it may be.
fn read_split<'a>(
    images: &'a Path,
    labels: &'a Path,
    theirs: SplitFiles,
) -> Result<ReadSplit<'a>, DataError> {
    let pixels = idx::bytes(idx::open(images)?, images)?;
    let numbers = idx::labels(idx::open(labels)?, labels)?;
    let mut ignored = Vec::from_iter(pixels.ignored.then_some(images));
    ignored.extend(numbers.ignored.then_some(labels));
    let split = InMemory::join(
        Named { path: images, content: pixels.content },
        Named { path: labels, content: numbers.content },
    )?;
    let official = official(&split, theirs);
    Ok(ReadSplit { split, official, ignored })
}

/// Whether the images and the labels of a split are the content of `files`. Others are mostly told by their size,
/// without hashing.
fn official(split: &InMemory, files: SplitFiles) -> [bool; 2] {
    let sizes = [16 + split.images.len() as u64, 8 + split.labels.len() as u64];
    [
        sizes[0] == files.images.bytes && split.pictures_sha256() == files.images.sha256,
        sizes[1] == files.labels.bytes && labels(&split.labels) == files.labels.sha256,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fashion::{SetFile, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS};
    use crate::idx::Idx;
    use plusx_model::shape::ImageShape;
    use std::fs;

    fn idx(dims: &[usize], values: &[u8]) -> Vec<u8> {
        Idx { dims: dims.to_vec(), values: values.to_vec() }.encode().unwrap()
    }

    /// A folder with a set of three training images and one test image of 1x2.
    fn small_set() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let put = |file: SetFile, bytes: Vec<u8>| fs::write(folder.path().join(file.name), bytes).unwrap();
        put(TRAIN_IMAGES, idx(&[3, 1, 2], &[1, 2, 3, 4, 5, 6]));
        put(TRAIN_LABELS, idx(&[3], &[9, 0, 5]));
        put(TEST_IMAGES, idx(&[1, 1, 2], &[7, 8]));
        put(TEST_LABELS, idx(&[1], &[1]));
        folder
    }

    /// The set in the folder, by what it is, and what was told of it.
    fn told(name: Option<&str>, folder: &Path) -> Result<(Dataset, Vec<String>), DataError> {
        let options = FindOptions { data_dir: Some(folder.to_owned()), ..FindOptions::default() };
        let mut remarks = Vec::new();
        let set = open(name, &options, &mut |remark| remarks.push(remark.to_owned()))?;
        Ok((set, remarks))
    }

    fn load_from(folder: &Path) -> Result<Dataset, DataError> {
        told(None, folder).map(|(set, _)| set)
    }

    #[test]
    fn a_folder_becomes_a_data_set() {
        let folder = small_set();
        let (set, remarks) = told(None, folder.path()).unwrap();
        assert_eq!((set.train.len(), set.val.len()), (3, 1));
        assert_eq!(set.train.shape(), Some(ImageShape::new(1, 1, 2)));
        assert_eq!(set.train.read(1, &mut Vec::new()).unwrap().bytes, [3, 4]);
        assert!(set.train.read(3, &mut Vec::new()).is_err());
        assert_eq!(set.train.labels(), [9, 0, 5]);
        assert_eq!(set.source, folder.path().display().to_string());
        // its files are called as those of Fashion-MNIST, and it is another set
        assert_eq!((set.name.as_str(), set.classes.len(), set.classes[9].as_str()), ("idx", 10, "9"));
        assert!(remarks[0].contains("not Fashion-MNIST: 10 classes, called 0, 1,"), "{remarks:?}");
        assert!(
            remarks[1].starts_with("1 of 1 test image ") && remarks[1].ends_with("others: 1"),
            "{remarks:?}"
        );
        assert!(remarks[2].ends_with("6 classes: 2, 3, 4, 6, 7, 8"), "{remarks:?}");
        let (again, said) = told(Some(IDX), folder.path()).unwrap();
        assert_eq!((again.fingerprint(), said), (set.fingerprint(), remarks));
        let text = told(Some(fashion::NAME), folder.path()).unwrap_err().to_string();
        for part in ["does not hold the Fashion-MNIST of its authors", "--data idx --data-dir"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn classes_are_as_many_as_the_labels_say_and_called_as_a_file_says() {
        let folder = small_set();
        let at = |name: &str| folder.path().join(name);
        fs::write(at(TEST_LABELS.name), idx(&[1], &[11])).unwrap();
        assert_eq!(load_from(folder.path()).unwrap().classes.last().unwrap(), "11");
        let names: Vec<String> = (0..13).map(|label| format!("class {label}")).collect();
        fs::write(at("classes.txt"), names.join("\n")).unwrap();
        let (set, remarks) = told(None, folder.path()).unwrap();
        assert_eq!(set.classes, names);
        assert!(remarks[0].contains("classes.txt") && remarks[0].contains("class 12"), "{remarks:?}");
        fs::write(at("classes.txt"), names[..10].join("\n")).unwrap();
        let text = load_from(folder.path()).unwrap_err().to_string();
        assert!(text.contains("classes.txt: names 10 classes, but there is a label 11"), "{text}");
    }

    #[test]
    fn labels_may_be_any_whole_numbers_and_images_have_colours() {
        let folder = small_set();
        let put = |file: SetFile, bytes: &[u8]| fs::write(folder.path().join(file.name), bytes).unwrap();
        put(TRAIN_IMAGES, &idx(&[3, 1, 2, 3], &(0..18).collect::<Vec<u8>>()));
        put(TEST_IMAGES, &idx(&[1, 1, 2, 3], &[7; 6]));
        put(
            TRAIN_LABELS,
            &[&[0, 0, 0x0c, 1, 0, 0, 0, 3][..], &[0, 0, 0, 2, 0, 0, 1, 4, 0, 0, 0, 0]].concat(),
        );
        put(TEST_LABELS, &[0, 0, 0x0b, 1, 0, 0, 0, 1, 0, 3]);
        let set = load_from(folder.path()).unwrap();
        assert_eq!(set.train.shape(), Some(ImageShape::new(3, 1, 2)));
        assert_eq!((set.train.labels(), set.val.labels()), (&[2, 260, 0][..], &[3][..]));
        assert_eq!(set.classes.len(), 261);
        put(TEST_LABELS, &[0, 0, 0x09, 1, 0, 0, 0, 1, 255]);
        assert!(load_from(folder.path()).unwrap_err().to_string().contains("label 0 is -1"));
        put(TRAIN_LABELS, &[&[0, 0, 0x0c, 1, 0, 0, 0, 3][..], &[0x7f; 12]].concat());
        assert!(load_from(folder.path()).unwrap_err().to_string().contains("label 0 is 2139062143"));
    }

    /// Replaces one file by `bytes` and returns the complaint, which must name that file.
    fn complaint(file: SetFile, bytes: &[u8]) -> String {
        let folder = small_set();
        fs::write(folder.path().join(file.name), bytes).unwrap();
        let text = load_from(folder.path()).unwrap_err().to_string();
        assert!(text.contains(file.name), "{text}");
        text
    }

    #[test]
    fn every_mismatch_names_its_file() {
        assert!(complaint(TRAIN_LABELS, &idx(&[2], &[1, 1])).contains("2 labels for the 3 images"));
        assert!(complaint(TRAIN_LABELS, &idx(&[1], &[1])).contains("1 label for the 3 images"));
        assert!(complaint(TRAIN_IMAGES, &idx(&[3], &[1, 1, 1])).contains("1 dimension, images have 3"));
        assert!(complaint(TRAIN_IMAGES, &idx(&[3], &[1, 1, 1])).contains("exchanged"));
        assert!(complaint(TRAIN_IMAGES, &idx(&[3, 1, 1, 2], &[1; 6])).contains("2 channels"));
        assert!(
            complaint(TRAIN_LABELS, &idx(&[3, 1, 1], &[1, 1, 1])).contains("labels have 1; these look like")
        );
        assert!(complaint(TEST_IMAGES, &idx(&[0, 1, 2], &[])).contains("no image"));
        assert!(complaint(TEST_IMAGES, b"<html>moved</html>").contains("not an IDX file"));
        assert!(complaint(TEST_IMAGES, b"<html>moved</html>").contains("a web page"));
        assert!(complaint(TRAIN_LABELS, b"PK\x03\x04 and so on").contains("unpack it first"));
        assert!(complaint(TRAIN_LABELS, b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0").contains("whole numbers"));
        assert!(complaint(TRAIN_IMAGES, &idx(&[3, 1, 2], &[1, 2])).contains("truncated"));
        // images for labels and labels for images
        let folder = small_set();
        for (from, to) in [(TEST_IMAGES, "spare"), (TEST_LABELS, TEST_IMAGES.name)] {
            fs::rename(folder.path().join(from.name), folder.path().join(to)).unwrap();
        }
        fs::rename(folder.path().join("spare"), folder.path().join(TEST_LABELS.name)).unwrap();
        let text = load_from(folder.path()).unwrap_err().to_string();
        assert!(text.contains("t10k-labels-idx1-ubyte") && text.contains("exchanged"), "{text}");
    }

    #[test]
    fn a_file_of_idx_that_is_gone_is_missed_though_there_are_folders() {
        let folder = small_set();
        fs::create_dir(folder.path().join("others")).unwrap();
        fs::remove_file(folder.path().join(TEST_LABELS.name)).unwrap();
        let text = load_from(folder.path()).unwrap_err().to_string();
        assert!(text.contains("lacks t10k-labels-idx1-ubyte"), "{text}");
    }

    #[test]
    fn splits_of_different_shape_are_refused() {
        let folder = small_set();
        fs::write(folder.path().join(TEST_IMAGES.name), idx(&[1, 2, 1], &[7, 8])).unwrap();
        let text = load_from(folder.path()).unwrap_err().to_string();
        assert!(text.contains("1x1x2") && text.contains("1x2x1"), "{text}");
    }

    #[test]
    fn what_follows_an_archive_is_told() {
        use flate2::{Compression, write::GzEncoder};
        use std::io::Write;
        let folder = small_set();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&idx(&[1], &[1])).unwrap();
        let padded = [&encoder.finish().unwrap()[..], &[0; 500]].concat();
        fs::remove_file(folder.path().join(TEST_LABELS.name)).unwrap();
        fs::write(folder.path().join("t10k-labels-idx1-ubyte.gz"), padded).unwrap();
        let (set, remarks) = told(None, folder.path()).unwrap();
        assert_eq!(set.val.labels(), [1]);
        assert!(remarks[0].contains("t10k-labels-idx1-ubyte.gz: what follows the end"), "{remarks:?}");
    }

    #[test]
    fn sets_that_took_the_names_counts_and_shape_of_mnist_are_told_by_their_content() {
        let folder = tempfile::tempdir().unwrap();
        for [images, labels] in [[TRAIN_IMAGES, TRAIN_LABELS], [TEST_IMAGES, TEST_LABELS]] {
            let n = (labels.bytes - 8) as usize;
            fs::write(folder.path().join(images.name), idx(&[n, 28, 28], &vec![9; 784 * n])).unwrap();
            let digits: Vec<u8> = (0..n).map(|index| (index % 10) as u8).collect();
            fs::write(folder.path().join(labels.name), idx(&[n], &digits)).unwrap();
        }
        assert_eq!([TRAIN_IMAGES, TEST_LABELS].map(|file| file.bytes), [47_040_016, 10_008]);
        let (set, remarks) = told(None, folder.path()).unwrap();
        assert_eq!((set.name.as_str(), set.classes[7].as_str(), remarks.len()), ("idx", "7", 1));
        assert!(matches!(told(Some(fashion::NAME), folder.path()), Err(DataError::Impostor { .. })));

        // labels of Fashion-MNIST among them: a damaged set, or one that was changed on purpose
        let Some(full) = crate::locate(fashion::NAME, &FindOptions::default()) else {
            eprintln!(
                "SKIPPED: Fashion-MNIST is not installed (Debian: apt-get install dataset-fashion-mnist)"
            );
            return;
        };
        let original = TEST_LABELS.in_folder(&full).unwrap();
        let labels = idx::read(&original).unwrap().encode().unwrap();
        fs::write(folder.path().join(TEST_LABELS.name), labels).unwrap();
        let text = told(None, folder.path()).unwrap_err().to_string();
        for part in ["train-images-idx3-ubyte", "authors", "--data idx --data-dir"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(told(Some(IDX), folder.path()).unwrap().0.name, "idx");
        // the authors' set is theirs, however it is asked for
        for name in [None, Some(IDX), Some(fashion::NAME)] {
            let (set, remarks) = told(name, &full).unwrap();
            assert_eq!((set.name.as_str(), set.classes[9].as_str()), (fashion::NAME, "ankle boot"));
            assert!(remarks.is_empty(), "{remarks:?}");
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_known() {
        let text = load("fashion_mnist", &FindOptions::default()).unwrap_err().to_string();
        assert!(text.contains("did you mean fashion-mnist?"), "{text}");
        assert!(text.contains("fashion-mnist, fashion-mnist-mini, idx"), "{text}");
    }
}
