//! From a weight file to a network that answers.

use std::path::Path;

use plusx_engine::{Engine, EngineOptions, Level};
use plusx_formats::{FormatError, ModelFile, safetensors};
use plusx_model::executor::{Executor, Images};
use plusx_model::graph::Graph;
use plusx_model::params::Params;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use serde::Serialize;

use crate::error::TrainError;
use crate::evaluate::{fitting_batch, ranked_probabilities};

/// Which part of the machine to use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    /// Worker threads; none: as many as the machine grants.
    pub threads: Option<usize>,
    /// Instruction-set level; none: the best there is.
    pub isa: Option<Level>,
    /// Direct convolutions only, no Winograd algorithms.
    pub exact: bool,
}

impl Machine {
    /// Worker threads, resolved. The number the system grants respects CPU affinity and cgroup limits.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
    }

    /// Instruction-set level, resolved.
    pub fn level(&self) -> Level {
        self.isa.unwrap_or_else(Level::detect)
    }

    /// An engine for `graph`.
    pub(crate) fn engine_for(&self, graph: Graph) -> Result<Engine, TrainError> {
        let options =
            EngineOptions { threads: self.threads(), level: self.level(), exact: self.exact, profile: false };
        Engine::new(graph, options).map_err(TrainError::executor)
    }

    /// An engine for a loaded model, weights in place.
    pub(crate) fn engine(&self, model: &LoadedModel) -> Result<Engine, TrainError> {
        let mut engine = self.engine_for(model.graph.clone())?;
        engine.set_params(&model.params).map_err(TrainError::executor)?;
        Ok(engine)
    }
}

/// A weight file and the network it is for.
#[derive(Clone, Debug)]
pub struct LoadedModel {
    /// The network.
    pub graph: Graph,
    /// Its parameters and running statistics.
    pub params: Params,
    /// What else the file says.
    pub meta: ModelFile,
}

/// Reads a weight file and builds the network it names.
///
/// # Errors
/// [`TrainError::Format`] naming the file, also if the zoo has no network of that name or it takes no such images.
pub fn load_model(weights: &Path) -> Result<LoadedModel, TrainError> {
    let loaded = safetensors::read(weights)?;
    let graph = network(&loaded.meta)
        .map_err(|reason| FormatError::Metadata { path: weights.to_path_buf(), reason })?;
    let params = loaded.params(&graph)?;
    Ok(LoadedModel { graph, params, meta: loaded.meta })
}

/// The network a file names; an error says what in the entry it does not fit.
fn network(meta: &ModelFile) -> Result<Graph, String> {
    if meta.classes.is_empty() {
        return Err("`classes` must name at least one class; train the network again".into());
    }
    let graph = zoo::build(&meta.architecture, ZooOptions { classes: meta.classes.len() })
        .and_then(|block| trace(&*block, meta.preprocess.input, &mut Names::new()));
    graph.map_err(|error| {
        format!("{error}; use a file for a network that this program knows, or a newer version of plusx")
    })
}

/// One answer.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Prediction {
    /// Index of the class.
    pub index: usize,
    /// Its name.
    pub label: String,
    /// How sure the network is, 0 to 1.
    pub prob: f64,
}

/// A network that answers.
#[derive(Debug)]
pub struct Predictor {
    engine: Engine,
    meta: ModelFile,
}

impl Predictor {
    /// Loads a weight file.
    ///
    /// # Errors
    /// Those of [`load_model`], and [`TrainError::TooLarge`] if one image takes more memory than a file may ask for.
    pub fn open(weights: &Path, machine: Machine) -> Result<Self, TrainError> {
        let model = load_model(weights)?;
        let mut engine = machine.engine(&model)?;
        fitting_batch(&mut engine, weights)?;
        Ok(Self { engine, meta: model.meta })
    }

    /// What the file says: class names, and how a picture becomes the input.
    pub fn meta(&self) -> &ModelFile {
        &self.meta
    }

    /// The `top` most probable classes of each of `n` images, most probable first. `images` is \[n\]\[h\]\[w\]\[c\],
    /// prepared as [`ModelFile::preprocess`] says.
    ///
    /// # Errors
    /// [`TrainError::Executor`] if `images` is not `n` images of the network's input shape.
    pub fn predict(
        &mut self,
        images: &[f32],
        n: usize,
        top: usize,
    ) -> Result<Vec<Vec<Prediction>>, TrainError> {
        let output = self.engine.graph().output();
        let values =
            self.engine.infer(Images { data: images, n }, &[output]).map_err(TrainError::executor)?;
        let [logits] = &values[..] else { unreachable!("one node was asked for") };
        let name = |index: usize| self.meta.classes.get(index).cloned().unwrap_or_else(|| index.to_string());
        let answer = |row: &[f32]| {
            let ranked = ranked_probabilities(row).into_iter().take(top);
            ranked.map(|(index, prob)| Prediction { index, label: name(index), prob }).collect()
        };
        Ok(logits.data.chunks_exact(logits.shape.len()).map(answer).collect())
    }
}
