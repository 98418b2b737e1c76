//! What can be wrong with a network: every error names the layer and says what was expected and what was found.

use crate::error_kind::ErrorKind;
use crate::image_shape::ImageShape;
use crate::words::did_you_mean;

/// A network that cannot be built. `layer` is the Gluon-style label ("conv5").
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A network that cannot be cut behind this layer.
    #[error(
        "{layer}: the network cannot be cut behind it: {problem}; cut behind a layer that everything passes through"
    )]
    Cut {
        /// The layer.
        layer: String,
        /// Why not.
        problem: String,
    },

    /// A convolution or pooling window that is larger than the padded input.
    #[error(
        "{layer}: expected an input of at least {}x{} (rows x columns) for its window of {}x{} with padding {}x{}, \
         got {input} (channels x rows x columns); use a larger input, a smaller window or more padding",
        smallest[0], smallest[1], window[0], window[1], padding[0], padding[1]
    )]
    Window {
        /// The layer.
        layer: String,
        /// Shape it was given.
        input: ImageShape,
        /// Rows and columns the window spans, dilation included.
        window: [usize; 2],
        /// Padding on each side.
        padding: [usize; 2],
        /// The fewest rows and columns that would do.
        smallest: [usize; 2],
    },

    /// A pooling whose padding could hold a whole window.
    #[error(
        "{layer}: expected a padding smaller than the {}x{} window, got {}x{}: a window could see nothing but \
         padding",
        window[0], window[1], padding[0], padding[1]
    )]
    Padding {
        /// The layer.
        layer: String,
        /// Window rows and columns.
        window: [usize; 2],
        /// Padding on each side.
        padding: [usize; 2],
    },

    /// Channels that do not divide into the groups of a convolution.
    #[error(
        "{layer}: expected input and output channels that are multiples of its {groups} groups, got an input of \
         {input} and an output of {channels} channels"
    )]
    Groups {
        /// The layer.
        layer: String,
        /// Shape it was given.
        input: ImageShape,
        /// Output channels.
        channels: usize,
        /// Groups.
        groups: usize,
    },

    /// A sum of two values of different shapes.
    #[error(
        "{layer}: expected two values of the same shape, got {left} and {right}; where a block changes the shape, \
         its shortcut needs a 1x1 convolution with the same channels and strides"
    )]
    Shapes {
        /// The sum.
        layer: String,
        /// Shape of the left side.
        left: ImageShape,
        /// Shape of the right side.
        right: ImageShape,
    },

    /// A map multiplied by something other than one number for each of its channels.
    #[error(
        "{layer}: expected a second value of {}x1x1, one number for each channel of {input}, got {scale}; a \
         GlobalAvgPool2d and 1x1 convolutions or dense layers give such a value",
        input.c
    )]
    Scale {
        /// The product.
        layer: String,
        /// Shape of the map.
        input: ImageShape,
        /// Shape of the second value.
        scale: ImageShape,
    },

    /// A concatenation of maps of different sizes.
    #[error(
        "{layer}: expected maps of the same rows and columns to lay beside each other, got {first} and {other}; pool \
         or stride both alike"
    )]
    Beside {
        /// The concatenation.
        layer: String,
        /// Shape of the first map.
        first: ImageShape,
        /// Shape of the first that differs.
        other: ImageShape,
    },

    /// A concatenation of fewer than two maps.
    #[error("{layer}: expected at least two maps to lay beside each other, got one")]
    Parts {
        /// The concatenation.
        layer: String,
    },

    /// A layer used twice, on inputs that need different parameters.
    #[error(
        "{layer} is used more than once: expected an input that fits its {parameter} of shape {expected:?}, got \
         {input}, which needs {found:?}; use two layers"
    )]
    Shared {
        /// The layer.
        layer: String,
        /// The parameter.
        parameter: String,
        /// Shape of its present input.
        input: ImageShape,
        /// Dimensions of the parameter at the first use.
        expected: Vec<usize>,
        /// Dimensions it would need now.
        found: Vec<usize>,
    },

    /// Two layers whose parameters would have one name.
    #[error(
        "{layer}: expected a new name, but another layer already has a parameter called {parameter:?}; give one of \
         them another name with .named(..), push_named(..) or Var::through(..)"
    )]
    DuplicateName {
        /// The second layer.
        layer: String,
        /// The name.
        parameter: String,
    },

    /// A setting outside its range.
    #[error("{layer}: expected {setting} to be {expected}, got {value}")]
    Setting {
        /// The layer.
        layer: String,
        /// What was set.
        setting: &'static str,
        /// The range.
        expected: &'static str,
        /// The value given.
        value: String,
    },

    /// A value or parameter that no machine could hold.
    #[error(
        "{layer}: expected at most {} values in one image's {what}, got more for an input of {input}",
        crate::image_shape::MAX_VALUES
    )]
    TooLarge {
        /// The layer.
        layer: String,
        /// "value" or "weight".
        what: &'static str,
        /// Shape it was given.
        input: ImageShape,
    },

    /// A graph that no trace would have written.
    #[error("{layer}: the graph is not well formed: {problem}")]
    Malformed {
        /// The node.
        layer: String,
        /// What is wrong.
        problem: String,
    },

    /// A value list of the wrong length for a parameter.
    #[error("parameter {parameter}: expected {expected} values, got {found}")]
    ParamLength {
        /// The parameter.
        parameter: String,
        /// Length by its dimensions.
        expected: usize,
        /// Length given.
        found: usize,
    },

    /// A model that the zoo does not have.
    #[error(
        "unknown model {name:?}{}; known models: {}",
        did_you_mean(name, known.iter().copied()),
        known.join(", ")
    )]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// All names.
        known: Vec<&'static str>,
    },

    /// Text that is not a shape.
    #[error("expected a shape such as 1x96x96 (channels x rows x columns, each at least 1), got {text:?}")]
    ShapeText {
        /// The text.
        text: String,
    },

    /// A preprocessing record that fits no image.
    #[error("preprocessing: expected {expected}, got {found}")]
    Preprocess {
        /// What would be right.
        expected: String,
        /// What was given.
        found: String,
    },
}

impl ModelError {
    /// Networks are described by options, so what is wrong with one is wrong with an option. Whoever reads a network from a
    /// file says with an error of its own that the file is at fault.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Window { .. }
            | Self::Padding { .. }
            | Self::Cut { .. }
            | Self::Groups { .. }
            | Self::Shapes { .. }
            | Self::Scale { .. }
            | Self::Beside { .. }
            | Self::Parts { .. }
            | Self::Shared { .. }
            | Self::DuplicateName { .. }
            | Self::Setting { .. }
            | Self::TooLarge { .. }
            | Self::UnknownModel { .. }
            | Self::ShapeText { .. }
            | Self::Preprocess { .. } => ErrorKind::Usage,
            // no option leads here: the program contradicts itself
            Self::Malformed { .. } | Self::ParamLength { .. } => ErrorKind::Failed,
        }
    }
}
