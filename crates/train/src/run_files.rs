//! What the files of a run's folder are called.

use std::path::{Path, PathBuf};

/// The options of a run; a folder that holds it is one.
pub(crate) const ARGS: &str = "args.yaml";

/// The table of a run's epochs.
pub(crate) const RESULTS: &str = "results.csv";

/// The first images of a run, as the network sees them.
pub(crate) const TRAIN_BATCH: &str = "train_batch0.png";

/// The state that the run in the folder `run` goes on from.
pub(crate) fn last(run: &Path) -> PathBuf {
    run.join("weights").join("last.safetensors")
}
