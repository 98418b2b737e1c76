//! What runs a graph on numbers: the trait that the CPU engine implements, and its plain arguments.

use crate::graph::{Graph, NodeId};
use crate::image_shape::ImageShape;
use crate::learning::Learning;
use crate::params::Params;
use crate::targets::{Loss, Targets};
use crate::update::{OptimiserState, Update};

/// A batch of images: `data` is \[n\]\[h\]\[w\]\[c\], channels unpadded.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// The values.
    pub data: &'a [f32],
    /// How many images.
    pub n: usize,
}

/// What a training step does with its images.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct StepOptions<'a> {
    /// How the targets become a loss.
    pub loss: Loss<'a>,
    /// Whether the gradients of the last step are added to this one's: several small batches then make one large one. Their
    /// gradients are those of the large batch but for the last bits, because its sums would be taken in another order, and but
    /// for batch norms, which see each small batch alone unless they are in evaluation mode. The update's `scale` is that of
    /// the whole.
    pub accumulate: bool,
    /// How the parameters then move; `None` leaves them, and the gradients can be read with [`Executor::gradients`].
    pub update: Option<&'a Update<'a>>,
}

impl<'a> StepOptions<'a> {
    /// Plain cross-entropy, then `update`.
    pub fn update(update: &'a Update<'a>) -> Self {
        Self { update: Some(update), ..Self::default() }
    }
}

/// What a training step tells.
#[derive(Clone, PartialEq, Debug)]
pub struct StepResult {
    /// Loss of each image: smoothed and weighted, but not divided by anything.
    pub losses: Vec<f32>,
    /// The class with the largest logit, of each image (the first of equals).
    pub predictions: Vec<u32>,
}

/// The value of one node: `data` is \[n\]\[h\]\[w\]\[c\], channels unpadded.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeValue {
    /// Images.
    pub n: usize,
    /// Shape of one image's value.
    pub shape: ImageShape,
    /// The values.
    pub data: Vec<f32>,
}

/// Runs one graph on numbers. All methods leave the executor usable after an error.
pub trait Executor {
    /// The error of this executor; names the layer and says what to do.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The graph it runs.
    fn graph(&self) -> &Graph;

    /// The arithmetic whose bytes it gives, for example `fma`. Executors of one arithmetic give the same bytes for the same
    /// calls. Checkpoints record it, so that a run that goes on with another can say that its bytes will differ.
    fn arithmetic(&self) -> &str;

    /// Replaces parameters and running statistics (logical layout, the table of the same graph).
    fn set_params(&mut self, params: &Params) -> Result<(), Self::Error>;

    /// Copies parameters and running statistics out.
    fn params(&self) -> Params;

    /// What the update rule remembers, if a rule that remembers anything was ever used.
    fn optimiser_state(&self) -> Option<OptimiserState>;

    /// Restores what the update rule remembers (a resumed run); `None` forgets it. An update by the other rule forgets it, too.
    fn set_optimiser_state(&mut self, state: Option<&OptimiserState>) -> Result<(), Self::Error>;

    /// Moves the exponential moving average of parameters and running statistics, `average = decay average + (1 - decay) now`,
    /// as torchvision's `ExponentialMovingAverage` with `use_buffers` does. The first call starts it: it copies them. (timm's
    /// `ModelEmaV3` starts it before the first step instead: see [`Executor::set_average`].)
    fn move_average(&mut self, decay: f64) -> Result<(), Self::Error>;

    /// The average, if there is one.
    fn average(&self) -> Option<Params>;

    /// Replaces the average; `None` forgets it.
    fn set_average(&mut self, average: Option<&Params>) -> Result<(), Self::Error>;

    /// Says which parameters learn from now on; all of them do until then. Gradients are 0 afterwards.
    fn set_learning(&mut self, learning: &Learning) -> Result<(), Self::Error>;

    /// From now on what is given as images are values of `node`, \[n\]\[h\]\[w\]\[c\], and only what lies behind it is
    /// computed; `None`: images again, as at the beginning. Parameters and what the update rule remembers stay; nothing before
    /// the node may learn while training goes on behind it. What lies before the node has no value, and its gradients are 0.
    ///
    /// The answers are those to the images whose values these are: to the byte if the node has more than 16 channels.
    fn start_behind(&mut self, node: Option<NodeId>) -> Result<(), Self::Error>;

    /// Forward with batch statistics (but for batch norms in evaluation mode), softmax cross-entropy, backward; then the update, if there is one.
    fn train_step(
        &mut self,
        images: Images<'_>,
        targets: Targets<'_>,
        options: &StepOptions<'_>,
    ) -> Result<StepResult, Self::Error>;

    /// Gradients of the *sum* of the losses of the last [`Executor::train_step`], in logical layout;
    /// running statistics have zeros.
    fn gradients(&self) -> Params;

    /// Values of `nodes` with running statistics; the output node gives the logits.
    fn infer(&mut self, images: Images<'_>, nodes: &[NodeId]) -> Result<Vec<NodeValue>, Self::Error>;

    /// As [`Executor::infer`], but batch norms use the batch's statistics, as in training, and the running
    /// statistics stay as they are (Gluon moves them in the backward pass only).
    fn forward_training(
        &mut self,
        images: Images<'_>,
        nodes: &[NodeId],
    ) -> Result<Vec<NodeValue>, Self::Error>;
}
