//! From labels as they are written to class names and numbers.

use super::names::NameList;
use crate::DataError;
use crate::classes;
use crate::files::{CLASSES, ClassFile};
use std::collections::BTreeSet;
use std::path::Path;

/// NameList of classes, and for each picture the index of its class.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Labelled {
    pub(crate) classes: Vec<String>,
    pub(crate) labels: Vec<u32>,
}

impl Labelled {
    /// The texts are the names, in the order of their code points.
    pub(crate) fn by_code_point(labels: &NameList) -> Self {
        let classes: Vec<&str> = labels.iter().collect::<BTreeSet<&str>>().into_iter().collect();
        let labels = labels.iter().map(|label| classes.binary_search(&label).unwrap_or_default() as u32);
        let labels = labels.collect();
        Self { classes: classes.into_iter().map(str::to_owned).collect(), labels }
    }

    /// Whole numbers from 0 on count the lines of `classes.txt` in `folder`, where it lies there; without it they are the
    /// names, in their order. Where one label is no such number, all are taken by code point.
    ///
    /// # Errors
    /// Naming `classes.txt`: whatever is wrong with it.
    pub(crate) fn by_number(labels: &NameList, folder: &Path) -> Result<Self, DataError> {
        let Some(numbers) = labels.iter().map(number).collect::<Option<Vec<u32>>>() else {
            return Ok(Self::by_code_point(labels));
        };
        let file = Some(folder.join(CLASSES)).filter(|path| path.is_file()).map(ClassFile::Lines);
        let largest = numbers.iter().max().copied().unwrap_or(0);
        Ok(Self { classes: classes::names(file.as_ref(), largest as usize)?, labels: numbers })
    }
}

/// The label that is written so; not `01`, which is a name.
pub(crate) fn number(text: &str) -> Option<u32> {
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse().ok().filter(|number| plain && (*number as usize) < classes::MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_their_order_and_texts_by_code_point() {
        let folder = tempfile::tempdir().unwrap();
        let by_number =
            |labels: &[&str]| Labelled::by_number(&labels.iter().copied().collect(), folder.path()).unwrap();
        let numbers = by_number(&["10", "2", "10"]);
        assert_eq!((numbers.classes.len(), numbers.labels), (11, vec![10, 2, 10]));
        for texts in [["10", "02", "9"], ["10", "-2", "9"], ["10", "2 ", "9"], ["10", "65536", "9"]] {
            let taken = by_number(&texts);
            assert_eq!((taken.classes.len(), taken.labels[2]), (3, 2), "{texts:?}");
        }
        std::fs::write(folder.path().join(CLASSES), "zebra\nant\ncat\n").unwrap();
        assert_eq!(by_number(&["1", "2"]).classes, ["zebra", "ant", "cat"]);
        let few = Labelled::by_number(&["3"].into_iter().collect(), folder.path());
        assert!(few.unwrap_err().to_string().contains("names 3 classes, but there is a label 3"));
    }
}
