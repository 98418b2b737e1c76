//! What can go wrong between a weight file and an answer.

use std::path::PathBuf;

use plusx_engine::EngineError;
use plusx_model::ErrorKind;
use plusx_pixels::PixelError;
use plusx_weights::WeightError;

/// An error of this crate; says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// The weight file cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The picture cannot be prepared.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// The network cannot be run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A network whose outputs are no numbers.
    #[error(
        "the network answers image {image} with numbers that are not finite: its weights are too large to compute with (as \
         when a training has diverged: use weights saved before that), or the image holds such numbers"
    )]
    NotFinite {
        /// The image, counted from 0.
        image: usize,
    },
    /// A network whose maps take more memory than a weight file may ask for.
    #[error(
        "{}: a single image of {input} takes {needed} MB in this network, and {limit} MB is the limit for a file \
         that is only read", path.display()
    )]
    TooLarge {
        /// The weight file.
        path: PathBuf,
        /// Shape of the input.
        input: String,
        /// Megabytes of 10^6 bytes it takes.
        needed: u64,
        /// Megabytes it may take.
        limit: u64,
    },
}

impl InferError {
    /// What went wrong, roughly. A network that takes no pictures, or answers with no numbers, is the weight file's fault.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Weights(error) => error.kind(),
            Self::Pixels(error) => error.kind(),
            Self::Engine(error) => error.kind(),
            Self::NotFinite { .. } | Self::TooLarge { .. } => ErrorKind::BadFile,
        }
    }
}
