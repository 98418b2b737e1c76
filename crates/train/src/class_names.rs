//! Whether a network and a data set have the same classes. Their number alone does not tell. Measured on the images of another
//! set, a network would answer as if it were guessing, and nobody would hear why.

use std::collections::HashSet;
use std::path::Path;

use plusx_data::Dataset;
use plusx_formats::ModelFile;
use plusx_model::words::counted;

use crate::error::TrainError;

/// What becomes of a network whose classes are called otherwise than the data set's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClassNamePolicy {
    /// It is refused. Capital letters, blanks and signs do not count, and of names such as `T-shirt/top` one half is enough.
    #[default]
    Same,
    /// Classes of the same number are the same.
    Any,
}

/// Differences listed, at most.
const LISTED: usize = 3;

/// Compares what the network in the file `weights` calls its classes with what the data set does; a sentence if they are
/// taken for the same without being called so.
///
/// # Errors
/// [`TrainError::Unfit`] with both numbers of classes, or with the first names that differ.
pub(crate) fn compare(
    own: &ModelFile,
    weights: &Path,
    dataset: &Dataset,
    asked: ClassNamePolicy,
) -> Result<Option<String>, TrainError> {
    let unfit = |reason| TrainError::Unfit { data: dataset.name.clone(), reason };
    let (file, names, theirs) = (weights.display(), &own.classes, &dataset.classes);
    if names.len() != theirs.len() {
        let [known, here] = [names, theirs].map(|names| counted(names.len() as u64, "class"));
        let first = |names: &[String]| names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
        return Err(unfit(format!(
            "{here} ({}, …), but {file} knows {known} ({}, …)",
            first(theirs),
            first(names)
        )));
    }
    let differ = different(names, theirs);
    if differ.is_empty() {
        return Ok(None);
    }
    // a training writes what it found: of digits, numbers
    if unnamed(names, own.training.is_some() || !own.metrics.is_empty()) {
        return Ok(Some(format!(
            "{file} has no names that tell its classes apart: they are taken for the data set's, in its order"
        )));
    }
    let list =
        |&index: &usize| format!("class {index} is {:?} there and {:?} here", names[index], theirs[index]);
    let mut differences: Vec<String> = differ.iter().take(LISTED).map(list).collect();
    if differ.len() > LISTED {
        differences.push(format!("{} more", differ.len() - LISTED));
    }
    let differences = differences.join(", ");
    if asked == ClassNamePolicy::Any {
        return Ok(Some(format!(
            "the classes of {file} are called otherwise than those of {}: {differences}; they are taken for the same",
            dataset.name
        )));
    }
    let shuffled = names.iter().collect::<HashSet<_>>() == theirs.iter().collect::<HashSet<_>>();
    let advice = if shuffled {
        "the same names stand in another order: it has learnt from another edition of the data"
    } else {
        "if they are the same classes in the same order, only called otherwise, say --ignore-class-names; else measure the \
         network on data of its own classes"
    };
    Err(unfit(format!("its classes are not those that {file} knows: {differences}; {advice}")))
}

/// Whether names tell nothing: one for all, numbers with or without `class` or `label` before them. Mere numbers do tell
/// something if they are the names in the data of a training.
fn unnamed(names: &[String], trained: bool) -> bool {
    let number = |(index, name): (usize, &String)| match name.strip_suffix(&index.to_string()) {
        Some("") => !trained,
        Some(before) => {
            let before = before.trim_end_matches([' ', '_', '-']).to_lowercase();
            ["class", "label"].contains(&before.as_str())
        }
        None => false,
    };
    let one = names.len() > 1 && names.iter().all(|name| *name == names[0]);
    one || names.iter().enumerate().all(number)
}

/// The first of equally many classes that is called otherwise here, in words; nothing if they have no names there.
pub(crate) fn first_difference(there: &[String], here: &[String]) -> Option<String> {
    if there.len() != here.len() || unnamed(there, false) {
        return None;
    }
    let index = *different(there, here).first()?;
    Some(format!("class {index} is {:?} there and {:?} here", there[index], here[index]))
}

/// The classes whose names differ, of lists of one length.
fn different(ours: &[String], theirs: &[String]) -> Vec<usize> {
    let loose = alternatives(ours).zip(alternatives(theirs));
    let same = |index: usize| {
        ours[index] == theirs[index]
            || loose
                .as_ref()
                .is_some_and(|(ours, theirs)| ours[index].iter().any(|name| theirs[index].contains(name)))
    };
    (0..ours.len()).filter(|index| !same(*index)).collect()
}

/// The names without capitals, blanks and signs, cut at slashes; nothing if that makes two classes alike, or leaves nothing of
/// one: `A` and `a` are two letters.
fn alternatives(names: &[String]) -> Option<Vec<Vec<String>>> {
    let plain = |part: &str| part.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let names: Vec<Vec<String>> = names.iter().map(|name| name.split('/').map(plain).collect()).collect();
    let mut seen = HashSet::new();
    let clear = names.iter().all(|name| {
        let own: HashSet<&String> = name.iter().collect();
        own.into_iter().all(|part| !part.is_empty() && seen.insert(part))
    });
    clear.then_some(names)
}

#[cfg(test)]
mod tests {
    use plusx_data::{FindOptions, load};
    use plusx_model::preprocess::Preprocess;
    use plusx_model::shape::ImageShape;

    use super::*;

    fn file(classes: &[&str]) -> ModelFile {
        ModelFile {
            architecture: "resnet20".into(),
            classes: classes.iter().map(|name| (*name).into()).collect(),
            preprocess: Preprocess::chapter(ImageShape::new(1, 28, 28)),
            metrics: Default::default(),
            training: None,
        }
    }

    fn against_fashion(own: &ModelFile, asked: ClassNamePolicy) -> Result<Option<String>, String> {
        let data = load("fashion-mnist-mini", &FindOptions::default()).unwrap();
        compare(own, Path::new("some.safetensors"), &data, asked).map_err(|error| {
            let text = error.to_string();
            assert!(text.contains("some.safetensors") && text.contains("fashion-mnist-mini"), "{text}");
            text
        })
    }

    const CIFAR: [&str; 10] =
        ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

    #[test]
    fn other_classes_are_refused_unless_told_otherwise() {
        let text = against_fashion(&file(&CIFAR), ClassNamePolicy::Same).unwrap_err();
        for part in ["\"airplane\" there and \"t-shirt\" here", "7 more", "--ignore-class-names"] {
            assert!(text.contains(part), "{text}");
        }
        let remark = against_fashion(&file(&CIFAR), ClassNamePolicy::Any).unwrap().unwrap();
        assert!(remark.contains("taken for the same"), "{remark}");
        let text = against_fashion(&file(&CIFAR[..9]), ClassNamePolicy::Any).unwrap_err();
        assert!(
            text.contains("10 classes (t-shirt, trouser") && text.contains("9 classes (airplane"),
            "{text}"
        );
    }

    #[test]
    fn spelling_does_not_make_a_class_another() {
        // torchvision's names of Fashion-MNIST
        let torchvision = file(&[
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ]);
        assert_eq!(against_fashion(&torchvision, ClassNamePolicy::Same).unwrap(), None);
        let mut swapped = torchvision;
        swapped.classes = plusx_data::fashion::CLASSES.map(str::to_owned).into();
        swapped.classes.swap(3, 4);
        let text = against_fashion(&swapped, ClassNamePolicy::Same).unwrap_err();
        assert!(text.contains("class 3 is \"coat\" there") && text.contains("another order"), "{text}");
    }

    #[test]
    fn capital_and_small_letters_are_two_classes_where_both_are_there() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(different(&names("A B a b"), &names("a b A B")), [0, 1, 2, 3]);
        assert_eq!(different(&names("A B"), &names("a b")), [0; 0]);
        assert_eq!(different(&names("A/a B/b"), &names("a B")), [0; 0]);
        assert_eq!(different(&names("! ?"), &names("! ."),), [1]);
    }

    #[test]
    fn numbers_of_an_import_are_no_names_and_those_of_a_training_are() {
        let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
        let mut own = file(&digits.iter().map(String::as_str).collect::<Vec<_>>());
        let remark = against_fashion(&own, ClassNamePolicy::Same).unwrap().unwrap();
        assert!(remark.contains("no names that tell its classes apart"), "{remark}");
        own.metrics.insert("top1".into(), 0.9.into());
        let labels = ModelFile {
            classes: digits.iter().map(|digit| format!("LABEL_{digit}")).collect(),
            ..own.clone()
        };
        assert!(against_fashion(&labels, ClassNamePolicy::Same).unwrap().is_some());
        assert!(against_fashion(&own, ClassNamePolicy::Same).unwrap_err().contains("class 0 is \"0\" there"));
    }
}
