//! What can be wrong with pixels, or with what is to become of them.

use plusx_model::ErrorKind;

/// Pixels that cannot be prepared.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PixelError {
    /// A picture that does not fit the network.
    #[error("the network wants {channels} channels; pictures can be prepared for 1 (grey) or 3 (colour)")]
    Channels {
        /// Channels of the network's input.
        channels: usize,
    },
    /// A preprocessing record whose parts do not fit each other.
    #[error(transparent)]
    Preprocess(#[from] plusx_model::ModelError),
    /// A way of resizing that this crate does not know.
    #[error("resizing by \"{name}\" is not implemented")]
    Interpolation {
        /// Its name.
        name: String,
    },
    /// Pixels that do not make a picture.
    #[error("{bytes} bytes do not make a picture of {w}x{h} pixels of three channels")]
    Empty {
        /// Columns announced.
        w: usize,
        /// Rows announced.
        h: usize,
        /// Bytes of pixels.
        bytes: usize,
    },
}

impl PixelError {
    /// The file's fault in every case: a picture's, or that of the weight file which says how pictures are prepared.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Channels { .. } | Self::Preprocess(_) | Self::Interpolation { .. } | Self::Empty { .. } => {
                ErrorKind::BadFile
            }
        }
    }
}
