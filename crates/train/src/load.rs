//! From a weight file to a network on this machine, and which part of the machine it uses.

use std::path::Path;

use plusx_engine::{Engine, EngineOptions, Level, Precision, settle_threads};
use plusx_formats::{ModelFile, safetensors};
use plusx_model::executor::Executor;
use plusx_model::graph::Graph;
use plusx_model::params::Params;

use crate::error::TrainError;
use crate::options::TrainOptions;

/// Which part of the machine to use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    /// Worker threads; none: as many as the machine grants.
    pub threads: Option<usize>,
    /// Instruction-set level; none: the best there is.
    pub isa: Option<Level>,
    /// No Winograd algorithms.
    pub exact: bool,
    /// How products are computed.
    pub precision: Precision,
}

impl Machine {
    /// The part that the options of a run ask for.
    pub(crate) fn of(options: &TrainOptions) -> Self {
        let TrainOptions { threads, isa, exact, precision, .. } = *options;
        Self { threads, isa, exact, precision }
    }

    /// Worker threads, resolved. The number the system grants respects CPU affinity and cgroup limits.
    pub fn threads(&self) -> usize {
        settle_threads(self.threads)
    }

    /// Instruction-set level, resolved.
    pub fn level(&self) -> Level {
        self.isa.unwrap_or_else(Level::detect)
    }

    /// The options of an engine on it, without a profile.
    pub fn engine_options(&self) -> EngineOptions {
        EngineOptions {
            threads: self.threads(),
            level: self.level(),
            exact: self.exact,
            precision: self.precision,
            profile: false,
        }
    }

    /// An engine for `graph`.
    pub(crate) fn engine_for(&self, graph: Graph) -> Result<Engine, TrainError> {
        Engine::new(graph, self.engine_options()).map_err(TrainError::executor)
    }

    /// An engine for a loaded model, weights in place.
    pub(crate) fn engine(&self, model: &LoadedModel) -> Result<Engine, TrainError> {
        let mut engine = self.engine_for(model.graph.clone())?;
        engine.set_params(&model.params).map_err(TrainError::executor)?;
        Ok(engine)
    }
}

/// The processor's own name, where the system tells it: on Linux.
pub fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().into())
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
    let graph = loaded.graph()?;
    let params = loaded.params(&graph)?;
    Ok(LoadedModel { graph, params, meta: loaded.meta })
}
