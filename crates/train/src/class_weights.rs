//! Weights of classes in the loss, from how many images each of them has.

use plusx_data::Dataset;
use plusx_model::ErrorKind;
use plusx_model::words::did_you_mean;

use crate::error::TrainError;
use crate::options::ClassWeights;

/// Share of the images of a class that a further one overlaps with: Cui et al. 2019 take 0.9 to 0.9999, for large data the
/// larger ones.
const OVERLAP: f64 = 0.999;

/// Classes named in a message, at most.
const NAMED: usize = 5;

/// Refuses a table that has no weight for a class of the data set, or one for another class. Classes that the data set names
/// and has no pictures of may have a weight.
///
/// # Errors
/// [`TrainError::ClassWeights`] with the file and the line, where the weights are from a file.
pub(crate) fn check(kind: &ClassWeights, dataset: &Dataset) -> Result<(), TrainError> {
    let ClassWeights::Each(table) = kind else { return Ok(()) };
    let refused = |from, reason| Err(TrainError::ClassWeights { from, reason, kind: ErrorKind::BadFile });
    let name = &dataset.name;
    let is_there =
        |class: &&str| [&dataset.classes, &dataset.empty_classes].iter().any(|all| has(all, class));
    if let Some(class) = table.classes().find(|class| !is_there(class)) {
        let meant = did_you_mean(class, dataset.classes.iter().map(String::as_str));
        let reason = format!(
            "data set {name} has no class {class:?}{meant}; its classes are {}",
            list(&dataset.classes)
        );
        return refused(table.place(Some(class)), reason);
    }
    let missing: Vec<&String> = dataset.classes.iter().filter(|class| table.get(class).is_none()).collect();
    if !missing.is_empty() {
        let reason =
            format!("it has no weight for {} of data set {name}: each class needs a line", list(&missing));
        return refused(table.place(None), reason);
    }
    Ok(())
}

fn has(classes: &[String], class: &str) -> bool {
    classes.iter().any(|known| known == class)
}

/// The first of the names, and how many more there are.
fn list<T: AsRef<str>>(names: &[T]) -> String {
    let mut named: Vec<String> =
        names.iter().take(NAMED).map(|name| format!("{:?}", name.as_ref())).collect();
    if names.len() > NAMED {
        named.push(format!("and {} more", names.len() - NAMED));
    }
    named.join(", ")
}

/// The weights of `classes`, in their order; none if every loss counts alike. `counts` are the images of each class. By the
/// rules, a class without images has the weight 1.
///
/// * `balanced`: images / (classes x images of the class), over the classes that have images. So the weights of an epoch's images
///   have the mean 1.
/// * `effective`: (1 - b) / (1 - b^n) with b = 0.999 and n images of the class (Cui et al. 2019, "Class-balanced loss based on
///   effective number of samples", equation 2), times what makes their mean over the classes 1, as there.
/// * a table: as it is. A class that is missing was refused by [`check`].
pub(crate) fn class_weights(kind: &ClassWeights, classes: &[String], counts: &[u64]) -> Option<Vec<f32>> {
    if let ClassWeights::Each(table) = kind {
        return Some(classes.iter().map(|class| table.get(class).unwrap_or(1.0)).collect());
    }
    let classes = counts.iter().filter(|n| **n > 0).count() as f64;
    let images = counts.iter().sum::<u64>() as f64;
    let raw = |n: u64| match kind {
        ClassWeights::None | ClassWeights::Each(_) => 1.0,
        ClassWeights::Balanced => images / (classes * n as f64),
        ClassWeights::Effective => (1.0 - OVERLAP) / (1.0 - libm::pow(OVERLAP, n as f64)),
    };
    let factor = match kind {
        ClassWeights::Effective => classes / counts.iter().filter(|n| **n > 0).map(|n| raw(*n)).sum::<f64>(),
        _ => 1.0,
    };
    let weight = |n: &u64| if *n == 0 { 1.0 } else { (raw(*n) * factor) as f32 };
    (*kind != ClassWeights::None).then(|| counts.iter().map(weight).collect())
}

#[cfg(test)]
mod tests {
    use plusx_data::InMemory;
    use plusx_model::shape::ImageShape;

    use super::*;
    use crate::options::ClassWeightTable;

    /// As sklearn.utils.class_weight.compute_class_weight("balanced", ...) gives for the classes that are there.
    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        let weights = class_weights(&ClassWeights::Balanced, &[], &[900, 0, 90, 10]).unwrap();
        let expected = [1000.0 / 2700.0, 1.0, 1000.0 / 270.0, 1000.0 / 30.0_f64].map(|weight| weight as f32);
        assert_eq!(weights, expected);
        assert_eq!(class_weights(&ClassWeights::Balanced, &[], &[7, 7]), Some(vec![1.0, 1.0]));
        assert_eq!(class_weights(&ClassWeights::None, &[], &[7, 8]), None);
    }

    #[test]
    fn effective_weights_lie_between_equal_and_balanced_ones() {
        let counts = [5000, 50];
        let ratio = |kind| {
            let weights = class_weights(&kind, &[], &counts).unwrap();
            assert!((weights[0] + weights[1]).is_finite());
            weights[1] / weights[0]
        };
        // (1 - 0.999^5000) / (1 - 0.999^50), with Python: 20.3589...
        let expected = (1.0 - 0.999_f64.powi(5000)) / (1.0 - 0.999_f64.powi(50));
        assert!((f64::from(ratio(ClassWeights::Effective)) / expected - 1.0).abs() < 1e-6);
        assert!(ratio(ClassWeights::Effective) < ratio(ClassWeights::Balanced));
        let weights = class_weights(&ClassWeights::Effective, &[], &counts).unwrap();
        assert!((weights.iter().sum::<f32>() - 2.0).abs() < 1e-6);
    }

    fn pets() -> Dataset {
        let split = InMemory { images: vec![0; 12], labels: vec![0, 1, 2], shape: ImageShape::new(1, 2, 2) };
        let classes = ["cat", "dog", "emu"].map(str::to_owned).to_vec();
        let all = Dataset::in_memory("pets", classes, split.clone(), split, "made up");
        Dataset { empty_classes: vec!["gnu".into()], ..all }
    }

    fn each(text: &str) -> (ClassWeights, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.csv");
        std::fs::write(&path, text).unwrap();
        (ClassWeights::Each(ClassWeightTable::read(&path).unwrap()), folder)
    }

    #[test]
    fn a_table_gives_each_class_its_own_weight() {
        let pets = pets();
        for text in ["emu,3\ncat,1\ndog,0.5\n", "class,weight\ngnu,9\nemu,3\ncat,1\ndog,0.5\n"] {
            let (table, _folder) = each(text);
            check(&table, &pets).unwrap();
            assert_eq!(class_weights(&table, &pets.classes, &[1, 1, 1]), Some(vec![1.0, 0.5, 3.0]));
        }
        check(&ClassWeights::Balanced, &pets).unwrap();
    }

    #[test]
    fn a_table_of_other_classes_is_refused_with_its_line() {
        let pets = pets();
        for (text, words) in [
            (
                "cat,1\ndoge,1\nemu,1\n",
                "w.csv, line 2: data set pets has no class \"doge\" (did you mean dog?)",
            ),
            ("cat,1\ndoge,1\nemu,1\n", "its classes are \"cat\", \"dog\", \"emu\""),
            ("Cat,1\ndog,1\nemu,1\n", "w.csv, line 1: data set pets has no class \"Cat\""),
            ("dog,1\n", "w.csv: it has no weight for \"cat\", \"emu\" of data set pets"),
        ] {
            let (table, _folder) = each(text);
            let error = check(&table, &pets).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadFile);
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
        let kept = ClassWeights::Each(ClassWeightTable::new([("dog".to_owned(), 1.0)].into()));
        let error = check(&kept, &pets).unwrap_err().to_string();
        assert!(error.starts_with("class weights: it has no weight"), "{error}");
        let many: Vec<String> = (0..9).map(|class| class.to_string()).collect();
        assert_eq!(list(&many), r#""0", "1", "2", "3", "4", and 4 more"#);
    }
}
