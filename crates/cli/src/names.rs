//! Names of data sets and networks that several commands know.

/// The data set of the chapter.
pub(crate) const FASHION_MNIST: &str = plusx_data::fashion::NAME;

/// The part of it that is embedded in this program.
pub(crate) const SAMPLE: &str = "fashion-mnist-mini";

/// The zoo's default: the chapter's network.
pub(crate) const DEFAULT_MODEL: &str = "resnet18-d2l";
