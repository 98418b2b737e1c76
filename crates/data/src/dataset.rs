//! A whole labelled data set in memory.

use crate::fashion;
use crate::split::Split;

/// A training and a test split with the names of their classes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dataset {
    /// Name: `fashion-mnist`, `fashion-mnist-mini` or `idx`.
    pub name: String,
    /// Class names in the order of the label indices.
    pub classes: Vec<String>,
    /// Images to learn from.
    pub train: Split,
    /// Images to test on.
    pub test: Split,
    /// The folder it was read from, or `embedded`.
    pub source: String,
}

impl Dataset {
    /// A set of any size whose classes are those of Fashion-MNIST.
    pub(crate) fn with_fashion_classes(name: &str, train: Split, test: Split, source: String) -> Self {
        let classes = fashion::CLASSES.map(str::to_owned).to_vec();
        Self { name: name.to_owned(), classes, train, test, source }
    }
}
