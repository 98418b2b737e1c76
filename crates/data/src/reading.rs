//! How a data set is read that leaves something open.

use crate::picture::Limits;
use plusx_model::random::{Philox, SPLIT};

/// How a data set is read that does not say it itself.
#[derive(Clone, PartialEq, Debug)]
pub struct ReadOptions {
    /// Share of the pictures of each class that is held out for validation, where the set comes as one: above 0, below 1.
    /// Default: 0.2.
    pub val_split: f64,
    /// Decides which ones. Default: 42.
    pub seed: u32,
    /// The column of a table or Parquet file that has the labels, or the field of a WebDataset's `json`. Default: `label`,
    /// else another name that is usual for them, else the only one that can have them.
    pub label_column: Option<String>,
    /// What a picture may cost.
    pub limits: Limits,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { val_split: 0.2, seed: 42, label_column: None, limits: Limits::default() }
    }
}

/// Which split a picture belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Part {
    Train,
    Val,
    Test,
}

impl Part {
    /// The split that goes by `name`, in capital or small letters: `train`, `training`; `val`, `valid`, `validation`, `dev`,
    /// `eval`, `evaluation`; `test`, `testing`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Part::Train,
            "val" | "valid" | "validation" | "dev" | "eval" | "evaluation" => Part::Val,
            "test" | "testing" => Part::Test,
            _ => return None,
        })
    }
}

impl Part {
    /// How it is called in the names of pictures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Val => "val",
            Part::Test => "test",
        }
    }
}

impl ReadOptions {
    /// Draws the validation split: of each class the share that is asked for, rounded to nearest, at least one and not all.
    /// The only picture of a class is learnt from. Each picture of a class is as likely as any other. Word 0 of counter
    /// (class, i, 0, 0) of stream [`SPLIT`] is draw i of the class.
    pub(crate) fn draw(&self, labels: &[u32]) -> Vec<Part> {
        let mut parts = vec![Part::Train; labels.len()];
        let mut of_class: Vec<Vec<u32>> = Vec::new();
        for (index, label) in labels.iter().enumerate() {
            let class = *label as usize;
            if of_class.len() <= class {
                of_class.resize_with(class + 1, Vec::new);
            }
            of_class[class].push(index as u32);
        }
        let random = Philox::new(self.seed, SPLIT);
        for (class, mut pictures) in
            of_class.into_iter().enumerate().filter(|(_, pictures)| pictures.len() > 1)
        {
            let n = pictures.len();
            let held_out = ((n as f64 * self.val_split).round() as usize).clamp(1, n - 1);
            // the first steps of a Fisher-Yates shuffle
            for i in 0..held_out {
                let [x, ..] = random.block([class as u32, i as u32, 0, 0]);
                let j = i + ((u64::from(x) * (n - i) as u64) >> 32) as usize;
                pictures.swap(i, j);
                parts[pictures[i] as usize] = Part::Val;
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_out(labels: &[u32], options: &ReadOptions) -> Vec<usize> {
        let parts = options.draw(labels);
        (0..labels.len()).filter(|index| parts[*index] == Part::Val).collect()
    }

    #[test]
    fn each_class_gives_its_share_and_the_seed_decides_which() {
        let labels: Vec<u32> = (0..100).map(|index| u32::from(index % 10 == 0)).collect();
        let options = ReadOptions::default();
        let drawn = held_out(&labels, &options);
        let of_ones = drawn.iter().filter(|index| labels[**index] == 1).count();
        assert_eq!((drawn.len(), of_ones), (20, 2));
        assert_eq!(drawn, held_out(&labels, &options));
        assert_ne!(drawn, held_out(&labels, &ReadOptions { seed: 43, ..options.clone() }));
        // another class more leaves the draws of the others alone
        let more: Vec<u32> = labels.iter().copied().chain([2; 30]).collect();
        assert_eq!(held_out(&more, &options)[..20], drawn);
    }

    #[test]
    fn no_class_is_without_a_picture_to_learn_from() {
        let options = ReadOptions { val_split: 0.9, ..ReadOptions::default() };
        assert_eq!(held_out(&[0, 1, 1, 3], &options).len(), 1);
        let rare = ReadOptions { val_split: 0.01, ..ReadOptions::default() };
        assert_eq!(held_out(&[0, 0, 0], &rare).len(), 1);
    }

    #[test]
    fn every_picture_is_as_likely_as_any_other() {
        let labels = [0; 10];
        let mut times = [0; 10];
        for seed in 0..2000 {
            for index in held_out(&labels, &ReadOptions { seed, ..ReadOptions::default() }) {
                times[index] += 1;
            }
        }
        // 2000 draws of 2 of 10: 400 each, standard deviation 18
        assert!(times.iter().all(|count: &i32| (count - 400).abs() < 80), "{times:?}");
    }

    #[test]
    fn splits_go_by_many_names() {
        assert_eq!(Part::named("Validation"), Some(Part::Val));
        assert_eq!(Part::named("TRAIN"), Some(Part::Train));
        assert_eq!(Part::named("testing"), Some(Part::Test));
        assert_eq!(Part::named("cat"), None);
    }
}
