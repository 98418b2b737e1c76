//! Fashion-MNIST: its files, the hashes of their contents, its class names.

pub(crate) mod check;
pub(crate) mod set;

pub use check::{first_of_each_class, verify};
pub use set::{CLASSES, FILES, NAME, SetFile, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS};
