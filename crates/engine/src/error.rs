//! What can go wrong when a graph is run: every error names the layer or the argument and says what to do.

use plusx_kernels::Level;
use plusx_model::ErrorKind;
use plusx_model::error::ModelError;
use plusx_model::shape::ImageShape;

/// A graph that cannot be run, or arguments that do not fit it. The engine stays usable after every one of them.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The graph is not well formed.
    #[error(transparent)]
    Model(#[from] ModelError),

    /// A weight used by two layers whose filters differ in shape.
    #[error(
        "{layer}: its weight {weight:?} is shared with a layer of another shape; give each layer its own"
    )]
    Shared {
        /// The second layer.
        layer: String,
        /// The weight.
        weight: String,
    },

    /// A pooling window with more taps than a winner's byte can name.
    #[error("{layer}: a max-pooling window of {}x{} has more than 256 positions; use a smaller window", window[0], window[1])]
    Window {
        /// The layer.
        layer: String,
        /// Window rows and columns.
        window: [usize; 2],
    },

    /// Instructions this machine does not have.
    #[error("this machine cannot run {level} instructions; use {best} or a lower level")]
    Level {
        /// What was asked for.
        level: Level,
        /// The best it has.
        best: Level,
    },

    /// A value from before the node behind which the network starts.
    #[error(
        "{layer} has no value, because the network starts behind it: ask for a later layer, or start at the images"
    )]
    Before {
        /// The layer.
        layer: String,
    },

    /// A batch whose values are not whole images.
    #[error(
        "a batch of {n} images of {shape} came with {len} values; pass at least one image, and {} values for each, \
         as [n][h][w][c]",
        shape.len()
    )]
    Images {
        /// How many images there should be.
        n: usize,
        /// Shape of one image.
        shape: ImageShape,
        /// Values given.
        len: usize,
    },

    /// Not as much room as there are logits.
    #[error(
        "{images} images give {expected} logits, but there is room for {found}; pass a slice of that length"
    )]
    Logits {
        /// Images in the batch.
        images: usize,
        /// Values they give.
        expected: usize,
        /// Length of the slice.
        found: usize,
    },

    /// Not one label for each image.
    #[error("{images} images came with {labels} labels; pass one class index per image")]
    Labels {
        /// Images in the batch.
        images: usize,
        /// Labels given.
        labels: usize,
    },

    /// A label outside the classes.
    #[error(
        "label {label} of image {image} is not below {classes}, the channels of {layer}; check the data set or the network's last layer"
    )]
    Label {
        /// The output layer.
        layer: String,
        /// Index of the image in the batch.
        image: usize,
        /// The label.
        label: u32,
        /// Channels of the output layer.
        classes: usize,
    },

    /// Targets of a kind this engine does not know.
    #[error("this engine trains on class indices and soft targets only; convert the targets to one of these")]
    Targets,

    /// Not one share for each class of each image.
    #[error(
        "{images} images came with {found} soft targets; pass {classes} for each, one for every channel of {layer}, as \
         [n][classes]"
    )]
    Shares {
        /// The output layer.
        layer: String,
        /// Images in the batch.
        images: usize,
        /// Channels of the output layer.
        classes: usize,
        /// Values given.
        found: usize,
    },

    /// A soft target that is no share.
    #[error(
        "the soft target of image {image} for class {class} is {share}; pass finite numbers of at least 0"
    )]
    Share {
        /// Index of the image in the batch.
        image: usize,
        /// The class.
        class: usize,
        /// The target.
        share: f32,
    },

    /// Label smoothing that is no share.
    #[error("a label smoothing of {smoothing} is not between 0 and 1; 0.1 is usual, 0 is none")]
    Smoothing {
        /// What was asked for.
        smoothing: f32,
    },

    /// Weights of classes that do not fit.
    #[error(
        "{found} class weights{} do not fit the {classes} classes of {layer}; pass one finite number of at least 0 for \
         each class", wrong.map_or_else(String::new, |wrong| format!(", {wrong} among them,"))
    )]
    ClassWeights {
        /// The output layer.
        layer: String,
        /// Channels of the output layer.
        classes: usize,
        /// Weights given.
        found: usize,
        /// The first that is no weight.
        wrong: Option<f32>,
    },

    /// An update that cannot be done.
    #[error("this update makes no sense: {problem}")]
    Update {
        /// What is wrong, and what to do.
        problem: String,
    },

    /// Parameters that cannot learn, or cannot be held, like this.
    #[error("this choice of what learns does not fit the network: {problem}")]
    Learning {
        /// What is wrong, and what to do.
        problem: String,
    },

    /// A network whose output is not one row of logits.
    #[error(
        "{layer}: training needs an output of one row and one column (logits), got {shape}; end the network with a pooling and a dense layer"
    )]
    Output {
        /// The output layer.
        layer: String,
        /// Its shape.
        shape: ImageShape,
    },

    /// A node that the graph does not have.
    #[error("node {node} was asked for, but the graph has {nodes} nodes")]
    Node {
        /// The index asked for.
        node: usize,
        /// How many there are.
        nodes: usize,
    },

    /// Parameters of another network.
    #[error("the parameters are not those of this network: {problem}; load weights made for it")]
    Params {
        /// The first difference.
        problem: String,
    },

    /// Not enough memory for the plan.
    #[error("the system did not give {mib} MiB for {what}; use a smaller batch or a smaller network")]
    Memory {
        /// Memory asked for.
        mib: usize,
        /// What it is for.
        what: String,
    },
}

impl EngineError {
    /// What went wrong, roughly. A network, a batch or parameters that do not fit each other come from the program that
    /// calls, not from an option of its user: the run failed.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Level { .. } => ErrorKind::Usage,
            Self::Model(_)
            | Self::Shared { .. }
            | Self::Window { .. }
            | Self::Before { .. }
            | Self::Images { .. }
            | Self::Logits { .. }
            | Self::Labels { .. }
            | Self::Label { .. }
            | Self::Targets
            | Self::Shares { .. }
            | Self::Share { .. }
            | Self::Smoothing { .. }
            | Self::ClassWeights { .. }
            | Self::Update { .. }
            | Self::Learning { .. }
            | Self::Output { .. }
            | Self::Node { .. }
            | Self::Params { .. }
            | Self::Memory { .. } => ErrorKind::Failed,
        }
    }
}
