//! What a user should know of a data set, in sentences. None of it is an error, and all of it would surprise later.

use crate::dataset::Dataset;
use crate::files::{ClassFile, Files};
use plusx_model::summary::thousands;
use plusx_model::words::counted;

/// Classes listed by name, at most.
const LISTED: usize = 8;

/// How the names of files begin whose pictures lie on their side.
const EMNIST: &str = "emnist";

/// Of files that are no set with a name of its own.
pub(crate) fn of_files(files: &Files, classes: &[String], tell: &mut dyn FnMut(&str)) {
    let by = match &files.names {
        None => String::new(),
        Some(ClassFile::Lines(path) | ClassFile::Mapping(path)) => format!(" by {}", path.display()),
    };
    tell(&format!(
        "{} holds IDX data that are not Fashion-MNIST: {}, called{by} {}",
        files.folder.display(),
        counted(classes.len() as u64, "class"),
        list(classes.iter().map(String::as_str))
    ));
    if files.prefix.starts_with(EMNIST) {
        tell(
            "EMNIST's files hold pictures with rows and columns exchanged: what the network is shown later must be turned \
             the same way",
        );
    }
}

/// Of classes without pictures.
pub(crate) fn of(set: &Dataset) -> Vec<String> {
    let counts = |labels: &[u32]| {
        let mut counts = vec![0_usize; set.classes.len()];
        for label in labels {
            if let Some(count) = counts.get_mut(*label as usize) {
                *count += 1;
            }
        }
        counts
    };
    let (train, test) = (counts(set.train.labels()), counts(set.val.labels()));
    let unlearnt = |tested: bool| {
        let names = set.classes.iter().zip(train.iter().zip(&test));
        let names = names.filter(move |(_, (train, test))| **train == 0 && (**test > 0) == tested);
        names.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    let mut remarks = Vec::new();
    let unseen = unlearnt(true);
    if !unseen.is_empty() {
        let images: usize =
            train.iter().zip(&test).filter(|(train, _)| **train == 0).map(|(_, test)| test).sum();
        remarks.push(format!(
            "{} of {} are of classes that no training image is of, and will be taken for others: {}",
            thousands(images as u64),
            counted(set.val.len() as u64, &format!("{} image", set.held_out)),
            list(unseen.into_iter())
        ));
    }
    let empty = unlearnt(false);
    if !empty.is_empty() {
        remarks.push(format!(
            "there is no image of {}: {}",
            counted(empty.len() as u64, "class"),
            list(empty.into_iter())
        ));
    }
    if set.classes.len() == 1 {
        remarks.push("all images are of one class: there is nothing to tell apart".to_owned());
    }
    remarks
}

/// Names with commas; of many the first few and the last.
fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match &names[..] {
        [first @ .., last] if names.len() > LISTED => format!("{}, … {last}", first[..LISTED - 1].join(", ")),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::InMemory;
    use plusx_model::shape::ImageShape;

    fn set(classes: &[&str], train: &[u32], test: &[u32]) -> Dataset {
        let split = |labels: &[u32]| InMemory {
            images: vec![0; labels.len()],
            labels: labels.into(),
            shape: ImageShape::new(1, 1, 1),
        };
        let classes = classes.iter().map(|name| (*name).into()).collect();
        Dataset::in_memory("idx", classes, split(train), split(test), "folder")
    }

    #[test]
    fn classes_without_pictures_are_named() {
        assert!(of(&set(&["a", "b"], &[0, 1], &[1])).is_empty());
        let found = of(&set(&["a", "b", "c", "d"], &[1, 1], &[1, 3, 3]));
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("2 of 3 test images") && found[0].ends_with("others: d"), "{found:?}");
        assert_eq!(found[1], "there is no image of 2 classes: a, c");
        assert!(of(&set(&["a"], &[0], &[0]))[0].contains("nothing to tell apart"));
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..26).map(|label: u32| label.to_string()).collect();
        assert_eq!(list(names.iter().map(String::as_str)), "0, 1, 2, 3, 4, 5, 6, … 25");
        assert_eq!(list(["x"].into_iter()), "x");
    }
}
