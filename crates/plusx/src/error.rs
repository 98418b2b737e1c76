//! What can go wrong behind the front door.

use crate::Shape;
use plusx_engine::EngineError;
use plusx_model::{ErrorKind, ModelError};
use plusx_train::TrainError;

/// An error of [`Model`](crate::Model) or [`Tensor`](crate::Tensor); says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network cannot be built for these images.
    #[error(transparent)]
    Model(Box<ModelError>),
    /// The network cannot be run.
    #[error(transparent)]
    Engine(Box<EngineError>),
    /// A file cannot be used or written.
    #[error(transparent)]
    File(Box<TrainError>),
    /// The number of values is not the product of the shape.
    #[error("shape {shape} holds {expected} values, but {given} were given")]
    Length {
        /// The shape asked for.
        shape: Shape,
        /// Values it holds.
        expected: usize,
        /// Values given.
        given: usize,
    },
    /// A tensor that the memory has no room for.
    #[error("there is no memory for a tensor of shape {shape}: use fewer or smaller images")]
    Memory {
        /// The shape asked for.
        shape: Shape,
    },
    /// Images must be (images, channels, rows, columns).
    #[error("a network reads images of shape (images, channels, rows, columns), none of them 0, not {shape}")]
    NotImages {
        /// The shape given.
        shape: Shape,
    },
    /// A file would name another number of classes than the network tells apart.
    #[error("{classes} class names for {outputs} outputs: give one name for each")]
    Classes {
        /// Number of names.
        classes: usize,
        /// Number of the network's outputs.
        outputs: usize,
    },
    /// A model was used before its parameters had values.
    #[error(
        "the parameters have no values yet: call initialize(Init::Xavier, 42), say, before the first forward"
    )]
    NotInitialized,
    /// Another image size needs parameters of another shape.
    #[error(
        "parameter {name} was made as {had}, but images of shape {images} need {needs}: \
         use a new Model for images of this shape"
    )]
    Reshaped {
        /// The parameter, or "the network" if it has other parameters altogether.
        name: String,
        /// Shape of the images given.
        images: Shape,
        /// Dimensions it has.
        had: Shape,
        /// Dimensions it would need.
        needs: Shape,
    },
    /// The loss is not a finite number any more.
    #[error(
        "the loss of step {step} is not a finite number: training has diverged; go back to parameters from before \
         (Model::params gives a copy) and use a smaller learning rate"
    )]
    Diverged {
        /// The step, counted from 1.
        step: usize,
    },
    /// One label is needed for each image.
    #[error("{images} images came with {labels} labels: give one class index for each image")]
    Labels {
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
}

impl Error {
    /// What went wrong, roughly: from this follows what a program does about it, its exit code say.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Model(error) => error.kind(),
            Self::Engine(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Length { .. }
            | Self::NotImages { .. }
            | Self::Classes { .. }
            | Self::NotInitialized
            | Self::Reshaped { .. }
            | Self::Labels { .. } => ErrorKind::Usage,
            Self::Memory { .. } | Self::Diverged { .. } => ErrorKind::Failed,
        }
    }
}

// the boxes keep the error small: it travels in every result

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        Self::Model(Box::new(error))
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl From<TrainError> for Error {
    fn from(error: TrainError) -> Self {
        Self::File(Box::new(error))
    }
}
