//! Files of class weights, good and bad, and what is kept of them.

use super::*;
use crate::options::{Overrides, TrainOptions};

fn decoded(text: &str) -> Result<ClassWeightTable, String> {
    ClassWeightTable::decode(text.as_bytes(), "w.csv").map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::BadFile);
        error.to_string()
    })
}

fn table(weights: &[(&str, f32)]) -> ClassWeightTable {
    ClassWeightTable::new(weights.iter().map(|(class, weight)| ((*class).to_owned(), *weight)).collect())
}

#[test]
fn a_line_is_a_class_and_its_weight() {
    let expected = table(&[("T-shirt/top", 1.0), ("a, b", 2.5), ("é", 0.0)]);
    for text in [
        "T-shirt/top,1\n\"a, b\",2.5\né,0\n",
        "class,weight\n\"a, b\", 2.5\n é ,0\nT-shirt/top,1e0",
        "\u{feff}name,Weight\r\né,0\r\n\r\nT-shirt/top,+1.0\r\n\"a, b\",2.50\r\n",
        "é,0\rT-shirt/top,1\r\"a, b\",2.5\r",
    ] {
        assert_eq!(decoded(text), Ok(expected.clone()), "{text:?}");
    }
    // a class may have the name of the header's column, and a quote in it
    assert_eq!(decoded("weight,2\n\"a \"\"b\"\"\",1\n"), Ok(table(&[("weight", 2.0), ("a \"b\"", 1.0)])));
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_class() {
    for (text, words) in [
        ("", "w.csv: it has no line with a class and its weight"),
        ("class,weight\n\n", "w.csv: it has no line"),
        ("cat,1\n\ncat,2\n", "w.csv, line 3: class \"cat\" has its weight in line 1 already"),
        (
            "cat,1\ndog,much\n",
            "w.csv, line 2: the weight of class \"dog\" is \"much\"; it must be a finite number",
        ),
        ("class,weight\ndog,-1\n", "w.csv, line 2: the weight of class \"dog\" is \"-1\""),
        ("dog,nan\n", "w.csv, line 1: the weight of class \"dog\" is \"nan\""),
        ("dog,inf\n", "w.csv, line 1: the weight of class \"dog\" is \"inf\""),
        ("dog,1e39\n", "w.csv, line 1: the weight of class \"dog\" is \"1e39\""),
        ("dog,\n", "w.csv, line 1: the weight of class \"dog\" is \"\""),
        // a header is the first line
        ("cat,1\nclass,weight\n", "w.csv, line 2: the weight of class \"class\" is \"weight\""),
        (",1\n", "w.csv, line 1: the name of the class is empty"),
        ("cat\n", "w.csv, line 1: \"cat\" is not a class and its weight"),
        ("cat;1\n", "w.csv, line 1: \"cat;1\" is not a class and its weight"),
        ("cat,1\na, b,2\n", "w.csv, line 2: \"a, b,2\" is not a class and its weight"),
        ("\"cat,1\n", "w.csv, line 1:"),
        ("cat,0\ndog,0\n", "w.csv: every weight is 0"),
    ] {
        let error = decoded(text).unwrap_err();
        assert!(error.starts_with(words), "{text:?}: {error}");
    }
    let error = ClassWeightTable::decode(b"cat,1\nd\xffg,1\n", "w.csv").unwrap_err().to_string();
    assert_eq!(error, "w.csv, line 2: it is not text in UTF-8; save the file as UTF-8");
    let large = vec![b'\n'; LARGEST as usize + 1];
    assert!(ClassWeightTable::decode(&large, "w.csv").unwrap_err().to_string().contains("more than"));
}

#[test]
fn a_file_is_read_when_options_are_put_together_and_the_numbers_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.csv");
    let given = Overrides {
        class_weights: Some(GivenClassWeights::read(path.as_os_str()).unwrap()),
        ..Overrides::default()
    };
    let error = given.resolve().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotThere);
    assert!(error.to_string().contains("w.csv: there is no such file; without one it is none"), "{error}");
    std::fs::write(&path, "dog,0.1\ncat,1e-7\n1,2\nnull,3\n").unwrap();
    let options = given.resolve().unwrap();
    let expected = table(&[("dog", 0.1), ("cat", 1e-7), ("1", 2.0), ("null", 3.0)]);
    assert_eq!(options.class_weights, ClassWeights::Each(expected));
    // a run that goes on may name it again, as long as it says the same
    assert_eq!(given.resume(&options).unwrap(), options);
    assert_eq!(given.keep(&options).unwrap(), options);
    std::fs::write(&path, "cat,1e-7\nnull,3\n1,2\ndog,0.2\n").unwrap();
    let error = given.resume(&options).unwrap_err().to_string();
    let words = "w.csv: the run was started with \"1\" 2, \"cat\" 0.0000001, \"dog\" 0.1, \"null\" 3,";
    assert!(error.contains(words), "{error}");
    // what is kept does not need the file
    let text = yaml_serde::to_string(&options).unwrap();
    assert!(text.contains("class_weights:\n  '1': 2.0\n  cat: 1e-7\n  dog: 0.1\n  'null': 3.0\n"), "{text}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(yaml_serde::from_str::<TrainOptions>(&text).unwrap(), options);
    // a folder is no file of weights
    std::fs::create_dir(&path).unwrap();
    assert!(given.resolve().unwrap_err().to_string().contains("w.csv"));
}

#[test]
fn rules_keep_their_names() {
    for (word, rule) in RULES {
        assert_eq!(GivenClassWeights::read(OsStr::new(word)), Ok(rule.clone().into()));
        assert_eq!(yaml_serde::to_string(&rule).unwrap(), format!("{word}\n"));
        assert_eq!(yaml_serde::from_str::<ClassWeights>(word).unwrap(), rule);
    }
    assert!(GivenClassWeights::read(OsStr::new("")).is_err());
    let error = yaml_serde::from_str::<ClassWeights>("heavy").unwrap_err().to_string();
    assert!(error.contains("none, balanced, effective, or a mapping"), "{error}");
    assert!(yaml_serde::from_str::<ClassWeights>("a: 1\na: 2\n").is_err());
}

#[test]
fn tables_that_differ_are_told_apart_however_many_classes_they_have() {
    let many = |last: f32| {
        let weights =
            (0..1000).map(|class| (format!("class {class}"), if class == 999 { last } else { 1.0 }));
        ClassWeights::Each(ClassWeightTable::new(weights.collect()))
    };
    let (one, other) = (many(1.0), many(2.0));
    assert!(one.shown().len() < 200 && one.shown().contains("and 996 more"), "{}", one.shown());
    assert!(one.shown() != other.shown() && one.shown() == many(1.0).shown());
    let further = |class_weights| TrainOptions { class_weights, ..TrainOptions::default() }.further(&[]);
    assert!(further(one) != further(other));
    // names that look like several
    let two = ClassWeights::Each(table(&[("a", 1.0), ("b", 2.0)]));
    let single = ClassWeights::Each(table(&[("a\" 1, \"b", 2.0)]));
    assert!(two.shown() != single.shown());
}

#[test]
fn weights_that_no_loss_can_have_are_refused_wherever_they_come_from() {
    for weights in [&[("cat", -1.0)][..], &[("cat", f32::NAN)], &[("cat", 0.0), ("dog", 0.0)], &[]] {
        let options =
            TrainOptions { class_weights: ClassWeights::Each(table(weights)), ..TrainOptions::default() };
        let error = options.check().unwrap_err().to_string();
        assert!(error.starts_with("--class-weights"), "{error}");
    }
}
