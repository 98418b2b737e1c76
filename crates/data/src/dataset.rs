//! A whole labelled data set.

use crate::fashion;
use crate::memory::InMemory;
use crate::samples::Samples;
use std::fmt;
use std::sync::Arc;

/// What the pictures are that a run is measured on after each epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeldOut {
    /// Pictures to choose by; there may be a test split beside them.
    Validation,
    /// A test split, with none beside it to choose by.
    Test,
}

impl HeldOut {
    /// How columns and file names call it: `val` or `test`.
    pub fn short(self) -> &'static str {
        match self {
            HeldOut::Validation => "val",
            HeldOut::Test => "test",
        }
    }
}

impl fmt::Display for HeldOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeldOut::Validation => "validation",
            HeldOut::Test => "test",
        })
    }
}

/// A file that is no picture, or none that can be read, and is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// Its path below the data set's folder; what is not Unicode in it is replaced.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Pictures to learn from and to be measured on, with the names of their classes. A clone shares the pictures.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What it is, as `--data` names it: `fashion-mnist`, `folder`, `csv`, …
    pub name: String,
    /// Class names in the order of the label indices.
    pub classes: Vec<String>,
    /// Pictures to learn from.
    pub train: Arc<dyn Samples>,
    /// Pictures to be measured on after each epoch.
    pub val: Arc<dyn Samples>,
    /// What `val` is.
    pub held_out: HeldOut,
    /// Pictures that nothing is chosen by, where there are some beside `val`.
    pub test: Option<Arc<dyn Samples>>,
    /// The folder or file it was read from, or `embedded`.
    pub source: String,
    /// Whether `val` was drawn from pictures that came as one.
    pub drawn: bool,
    /// Files that are left out.
    pub left_out: Vec<LeftOut>,
    /// Classes that are left out because no picture is of them.
    pub empty_classes: Vec<String>,
}

impl Dataset {
    /// A set of two parts in memory, of which the second is for testing.
    pub fn in_memory(
        name: &str,
        classes: Vec<String>,
        train: InMemory,
        test: InMemory,
        source: &str,
    ) -> Self {
        Self {
            name: name.to_owned(),
            classes,
            train: Arc::new(train),
            val: Arc::new(test),
            held_out: HeldOut::Test,
            test: None,
            source: source.to_owned(),
            drawn: false,
            left_out: Vec::new(),
            empty_classes: Vec::new(),
        }
    }

    /// A set of any size whose classes are those of Fashion-MNIST.
    pub(crate) fn with_fashion_classes(name: &str, train: InMemory, test: InMemory, source: &str) -> Self {
        Self::in_memory(name, fashion::CLASSES.map(str::to_owned).to_vec(), train, test, source)
    }

    /// All of its splits, with their names as a file lists them.
    pub fn splits(&self) -> impl Iterator<Item = (&'static str, &Arc<dyn Samples>)> {
        [("train", &self.train), (self.held_out.short(), &self.val)]
            .into_iter()
            .chain(self.test.as_ref().map(|test| ("test", test)))
    }
}
