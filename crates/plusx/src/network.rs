//! A block that runs on numbers.

use crate::{Error, Shape, Tensor};
use plusx_engine::{Engine, EngineOptions, Precision};
use plusx_model::block::Block;
use plusx_model::executor::{Executor, Images, StepOptions, StepResult};
use plusx_model::graph::{Graph, NodeId, Op};
use plusx_model::init::{Init, initialize};
use plusx_model::learning::Learning;
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::targets::Targets;
use plusx_model::trace::{Names, trace};
use plusx_model::update::Update;
use plusx_model::zoo::{self, ZooOptions};

/// A network with parameters, on the cores of this machine.
///
/// Shapes are deferred: the block is traced, and its parameters are made, when the first images come. Images of another
/// size are welcome later as long as the parameters keep their shapes; the network is then traced again.
pub struct Model {
    block: Box<dyn Block>,
    pub(crate) options: EngineOptions,
    init: Option<(Init, u32)>,
    names: Names,
    bound: Option<Bound>,
}

/// The network for one image shape.
struct Bound {
    engine: Engine,
    names: Names,
}

impl Model {
    /// The network `block`, on all cores.
    pub fn new(block: impl Block + 'static) -> Self {
        Self::with_names(block, Names::default())
    }

    /// As [`Model::new`], but layer names go on counting from `names` (see [`Model::names`]).
    pub fn with_names(block: impl Block + 'static, names: Names) -> Self {
        Self { block: Box::new(block), options: EngineOptions::default(), init: None, names, bound: None }
    }

    /// The network in a weight file of `plusx train`.
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        let file = plusx_train::load_model(path.as_ref())?;
        let block = zoo::build(&file.meta.architecture, ZooOptions { classes: file.meta.classes.len() })?;
        let mut model = Self::new(block);
        let engine = Engine::new(file.graph, model.options)?;
        let bound = model.bound.insert(Bound { engine, names: Names::new() });
        bound.engine.set_params(&file.params)?;
        Ok(model)
    }

    /// Uses this many threads from now on (at least 1). Results do not depend on it, to the last bit.
    pub fn set_threads(&mut self, threads: usize) {
        self.options.threads = threads.max(1);
        if let Some(bound) = &mut self.bound {
            bound.engine.set_threads(threads.max(1));
        }
    }

    /// Computes products this way from now on; [`Precision::Highest`] until then. Parameters stay.
    pub fn set_precision(&mut self, precision: Precision) {
        self.options.precision = precision;
        if let Some(bound) = &mut self.bound {
            bound.engine.set_precision(precision);
        }
    }

    /// Gives the parameters new values: now if they exist, else when the first images come.
    pub fn initialize(&mut self, init: Init, seed: u32) -> Result<(), Error> {
        self.init = Some((init, seed));
        if let Some(bound) = &mut self.bound {
            let params = initialize(bound.engine.graph(), init, seed);
            bound.engine.set_params(&params)?;
            bound.engine.set_optimiser_state(None)?;
        }
        Ok(())
    }

    /// The network's value for images `x`, with the running statistics of its batch norms.
    pub fn forward(&mut self, x: &Tensor) -> Result<Tensor, Error> {
        let output = self.bind(x)?.graph().output();
        Ok(self.infer(x, &[output])?.remove(0))
    }

    /// As [`Model::forward`], but with the value of each layer of the outermost block, in order, by name.
    pub fn forward_each(&mut self, x: &Tensor) -> Result<Vec<(String, Tensor)>, Error> {
        let scopes: Vec<_> =
            self.bind(x)?.graph().scopes.iter().filter(|scope| scope.depth == 1).cloned().collect();
        let nodes: Vec<_> = scopes.iter().map(|scope| scope.output).collect();
        let values = self.infer(x, &nodes)?;
        Ok(scopes.into_iter().map(|scope| scope.label).zip(values).collect())
    }

    /// One step of training on images `x` with one class index each: forward with batch statistics, softmax
    /// cross-entropy, backward, and the update; without one the parameters stay, and [`Model::gradients`] tells
    /// what the step found. [`Model::train`] does many.
    ///
    /// # Errors
    /// [`Error::NotImages`] if `x` has not four dimensions, [`Error::NotInitialized`] before [`Model::initialize`],
    /// [`Error::Model`] if the network cannot be built for such images, [`Error::Reshaped`] if its parameters have other
    /// shapes than these images need, [`Error::Labels`] for another number of labels than images, [`Error::Engine`] for a
    /// label outside the classes, a network that does not end in logits, or memory that cannot be had. The parameters are
    /// then as they were.
    pub fn train_step(
        &mut self,
        x: &Tensor,
        labels: &[u32],
        update: Option<&Update<'_>>,
    ) -> Result<StepResult, Error> {
        let engine = self.bind(x)?;
        let data = x.to_nhwc()?;
        let n = x.shape().dims()[0];
        if labels.len() != n {
            return Err(Error::Labels { images: n, labels: labels.len() });
        }
        let options = StepOptions { update, ..StepOptions::default() };
        Ok(engine.train_step(Images { data: &data, n }, Targets::Classes(labels), &options)?)
    }

    /// As [`Model::train_step`], with targets and a loss of any kind: soft targets, label smoothing, class weights.
    ///
    /// # Errors
    /// Those of [`Model::train_step`]; [`Error::Engine`] for targets or weights that do not fit the images and classes.
    pub fn train_step_on(
        &mut self,
        x: &Tensor,
        targets: Targets<'_>,
        options: &StepOptions<'_>,
    ) -> Result<StepResult, Error> {
        let engine = self.bind(x)?;
        let data = x.to_nhwc()?;
        let n = x.shape().dims()[0];
        Ok(engine.train_step(Images { data: &data, n }, targets, options)?)
    }

    /// Says which parameters learn from now on; all of them do until then.
    ///
    /// # Errors
    /// [`Error::NotInitialized`] before the first images, [`Error::Engine`] if it does not fit the network.
    pub fn set_learning(&mut self, learning: &Learning) -> Result<(), Error> {
        let bound = self.bound.as_mut().ok_or(Error::NotInitialized)?;
        bound.engine.set_learning(learning)?;
        Ok(())
    }

    /// Gradients of the sum of the losses of the last [`Model::train_step`]; `None` before the first images.
    pub fn gradients(&self) -> Option<Params> {
        self.bound.as_ref().map(|bound| bound.engine.gradients())
    }

    /// The parameters and running statistics; `None` before the first images.
    pub fn params(&self) -> Option<Params> {
        self.bound.as_ref().map(|bound| bound.engine.params())
    }

    /// Replaces parameters and running statistics; [`Error::NotInitialized`] before the first images.
    pub fn set_params(&mut self, params: &Params) -> Result<(), Error> {
        let bound = self.bound.as_mut().ok_or(Error::NotInitialized)?;
        Ok(bound.engine.set_params(params)?)
    }

    /// The traced network; `None` before the first images.
    pub fn graph(&self) -> Option<&Graph> {
        self.bound.as_ref().map(|bound| bound.engine.graph())
    }

    /// The counters of layer names after this network, for the next one to go on from.
    pub fn names(&self) -> &Names {
        self.bound.as_ref().map_or(&self.names, |bound| &bound.names)
    }

    fn infer(&mut self, x: &Tensor, nodes: &[NodeId]) -> Result<Vec<Tensor>, Error> {
        let engine = self.bind(x)?;
        let data = x.to_nhwc()?;
        let n = x.shape().dims()[0];
        let values = engine.infer(Images { data: &data, n }, nodes)?;
        let graph = engine.graph();
        let flat = nodes.iter().map(|&node| is_flat(graph, node));
        Ok(values.into_iter().zip(flat).map(|(value, flat)| Tensor::from_node(value, flat)).collect())
    }

    /// The engine for images like `x`.
    fn bind(&mut self, x: &Tensor) -> Result<&mut Engine, Error> {
        let Some((_, image)) = x.shape().images() else {
            return Err(Error::NotImages { shape: x.shape().clone() });
        };
        let fits = self.bound.as_ref().is_some_and(|bound| bound.engine.graph().input_shape() == image);
        if !fits {
            self.bound = Some(self.trace_for(image, x.shape())?);
        }
        match &mut self.bound {
            Some(bound) => Ok(&mut bound.engine),
            None => Err(Error::NotInitialized),
        }
    }

    fn trace_for(&self, image: ImageShape, images: &Shape) -> Result<Bound, Error> {
        let mut names = self.names.clone();
        let graph = trace(self.block.as_ref(), image, &mut names)?;
        let (params, state) = match (&self.bound, self.init) {
            (Some(bound), _) => {
                same_parameters(bound.engine.graph(), &graph, images)?;
                (bound.engine.params(), bound.engine.optimiser_state())
            }
            (None, Some((init, seed))) => (initialize(&graph, init, seed), None),
            (None, None) => return Err(Error::NotInitialized),
        };
        let mut engine = Engine::new(graph, self.options)?;
        if let Some(bound) = &self.bound {
            engine.set_learning(bound.engine.learning())?;
        }
        engine.set_params(&params)?;
        engine.set_optimiser_state(state.as_ref())?;
        Ok(Bound { engine, names })
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("block", &self.block.alias())
            .field("init", &self.init)
            .field("input", &self.graph().map(Graph::input_shape))
            .finish_non_exhaustive()
    }
}

/// Whether people expect two dimensions: the value comes from a dense layer, perhaps through element-wise steps.
fn is_flat(graph: &Graph, node: NodeId) -> bool {
    let node = graph.node(node);
    match node.op {
        Op::Dense { .. } => true,
        Op::BatchNorm { .. } | Op::Relu | Op::Add | Op::Sigmoid | Op::Multiply => {
            is_flat(graph, node.inputs[0])
        }
        Op::Concat { .. } => node.inputs.iter().all(|input| is_flat(graph, *input)),
        Op::Input
        | Op::Conv2d { .. }
        | Op::MaxPool2d { .. }
        | Op::AvgPool2d { .. }
        | Op::GlobalAvgPool2d
        | Op::Subsample { .. } => false,
    }
}

fn same_parameters(had: &Graph, needs: &Graph, images: &Shape) -> Result<(), Error> {
    let dims = |graph: &Graph, index: usize| {
        Shape::from(graph.params.get(index).map_or(&[][..], |spec| spec.dims.as_slice()))
    };
    let count = had.params.len().max(needs.params.len());
    match (0..count).find(|&index| had.params.get(index) != needs.params.get(index)) {
        None => Ok(()),
        Some(index) => Err(Error::Reshaped {
            name: had.params.get(index).map_or("(none)", |spec| &spec.name).to_string(),
            images: images.clone(),
            had: dims(had, index),
            needs: dims(needs, index),
        }),
    }
}
