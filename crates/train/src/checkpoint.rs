//! The two weight files of a run. A run continues exactly from `last.safetensors`. `best.safetensors` is the network of the
//! best epoch.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use plusx_formats::safetensors::{self, Contents, Loaded};
use plusx_formats::{FormatError, ModelFile};
use plusx_model::executor::Executor;
use plusx_model::graph::Graph;
use plusx_model::params::Params;
use plusx_model::update::OptimiserState;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{PathDisplay, TrainError};
use crate::evaluate::EvalReport;
use crate::state::{Identity, State, Training};

/// What is written beside the tensors.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointHeader {
    /// Architecture, classes, preprocessing.
    pub(crate) model: ModelFile,
    /// Version, arithmetic, identity; its state is replaced by the current one.
    pub(crate) training: Training,
    /// Where the data set was read from; only for messages.
    pub(crate) data_source: String,
}

/// Where a run goes on from.
pub(crate) struct Restored {
    /// Its counters and sums.
    pub(crate) state: State,
    /// Said if the bytes will differ from an undisturbed run's.
    pub(crate) warning: Option<String>,
}

/// Why a checkpoint was not written.
pub(crate) enum Refusal {
    /// A parameter, or what the update rule remembers, is not a finite number: saving it would lose the last good checkpoint.
    NotFinite,
    /// The file could not be written.
    Format(FormatError),
}

impl From<Refusal> for TrainError {
    /// Before the first step nothing can have diverged. A number that is none came with the weights.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Format(error) => TrainError::Format(error),
            Refusal::NotFinite => {
                let reason = "a parameter to start from is not a finite number".to_owned();
                TrainError::Format(FormatError::Encode { reason })
            }
        }
    }
}

impl From<FormatError> for Refusal {
    fn from(error: FormatError) -> Self {
        Refusal::Format(error)
    }
}

impl CheckpointHeader {
    /// Writes the state of the run to `path`.
    pub(crate) fn save_last<E: Executor>(
        &self,
        path: &Path,
        executor: &E,
        state: &State,
    ) -> Result<(), Refusal> {
        let (params, optimiser) = (executor.params(), executor.optimiser_state());
        check_finite(&params)?;
        optimiser.iter().flat_map(OptimiserState::sets).try_for_each(|(_, set)| check_finite(set))?;
        let average = executor.average();
        average.iter().try_for_each(check_finite)?;
        let mut meta = self.model.clone();
        if let Some(best) = state.best {
            meta.metrics = metrics(best.epoch, best.top1, best.loss)
                .into_iter()
                .map(|(key, value)| (format!("best_{key}"), value))
                .collect();
        }
        let training = Training { state: *state, ..self.training.clone() };
        let training = serde_json::to_value(training);
        meta.training = Some(training.map_err(|error| FormatError::Encode { reason: error.to_string() })?);
        let optimiser = optimiser.as_ref();
        let average = average.as_ref();
        let contents = Contents { params: &params, optimiser, average, batches: state.step, meta: &meta };
        safetensors::write(path, &contents)?;
        Ok(())
    }

    /// Writes the network alone to `path`, with what the test pass found: the average of its parameters, if there is one, because
    /// that is what was tested.
    pub(crate) fn save_best<E: Executor>(
        &self,
        path: &Path,
        executor: &E,
        state: &State,
        report: &EvalReport,
    ) -> Result<(), Refusal> {
        let mut meta = self.model.clone();
        meta.metrics = metrics(state.epoch + 1, report.top1, report.loss);
        meta.metrics.insert("top5".into(), report.top5.into());
        let params = executor.average().unwrap_or_else(|| executor.params());
        check_finite(&params)?;
        let contents =
            Contents { params: &params, optimiser: None, average: None, batches: state.step, meta: &meta };
        safetensors::write(path, &contents)?;
        Ok(())
    }

    /// Puts a checkpoint back into the executor.
    ///
    /// # Errors
    /// One that names the file if it is not a checkpoint of this run.
    pub(crate) fn restore<E: Executor>(&self, path: &Path, executor: &mut E) -> Result<Restored, TrainError> {
        let loaded = safetensors::read(path)?;
        let training = self.check(&loaded)?;
        let params = loaded.params(executor.graph())?;
        let optimiser = loaded.optimiser_state(executor.graph())?;
        let average = loaded.average(executor.graph())?;
        executor.set_params(&params).map_err(TrainError::executor)?;
        executor.set_average(average.as_ref()).map_err(TrainError::executor)?;
        executor.set_optimiser_state(optimiser.as_ref()).map_err(TrainError::executor)?;
        let now = (&self.training.version, &self.training.arithmetic);
        let then = (&training.version, &training.arithmetic);
        let warning = (now != then).then(|| {
            format!(
                "the run was started by version {} with {} arithmetic and goes on with version {} and {}: the result \
                 is as good, but its bytes will differ from those of an undisturbed run",
                then.0, then.1, now.0, now.1
            )
        });
        Ok(Restored { state: training.state, warning })
    }

    fn check(&self, loaded: &Loaded) -> Result<Training, TrainError> {
        let path = loaded.path();
        let training = training(path, loaded.meta.training.as_ref())?;
        let (then, now) = (&training.identity, &self.training.identity);
        if loaded.meta.architecture != self.model.architecture
            || *then != (Identity { data_sha256: then.data_sha256.clone(), ..now.clone() })
        {
            return Err(TrainError::bad_run(
                path,
                "the checkpoint belongs to another run than the folder's args.yaml and data set",
            ));
        }
        // a checkpoint of an older version does not say which pictures it is of
        if !then.data_sha256.is_empty() && then.data_sha256 != now.data_sha256 {
            return Err(TrainError::OtherData {
                data: now.data.clone(),
                from: self.data_source.clone(),
                path: PathDisplay(path.into()),
                saved: then.data_sha256.clone(),
                found: now.data_sha256.clone(),
            });
        }
        // names are no part of the hash, and would be changed without a word
        let mut names = loaded.meta.classes.iter().zip(&self.model.classes).enumerate();
        if let Some((index, (then, now))) = names.find(|(_, (then, now))| then != now) {
            let reason = format!(
                "its class {index} is called {then:?}, that of the data set now {now:?}: give the classes back their names \
                 (classes.txt beside the data), or start a new run"
            );
            return Err(TrainError::bad_run(path, reason));
        }
        Ok(training)
    }
}

/// Bytes of the numbers in a checkpoint of `graph`; the description beside them is some kilobytes. Of each parameter that learns
/// the update rule has `remembered` numbers; `averaged` is 1 if there is an average of all, else 0.
pub(crate) fn bytes(graph: &Graph, remembered: usize, averaged: usize) -> u64 {
    let numbers = |learns: bool| -> usize {
        let specs = graph.params.iter().filter(|spec| !learns || spec.role.trainable());
        specs.map(|spec| spec.len()).sum()
    };
    (((1 + averaged) * numbers(false) + remembered * numbers(true)) * size_of::<f32>()) as u64
}

/// The state that the checkpoint `path` was written in. Of the file only the header is read.
pub(crate) fn state(path: &Path) -> Result<State, TrainError> {
    let meta = safetensors::about(path)?;
    Ok(training(path, meta.and_then(|meta| meta.training).as_ref())?.state)
}

/// The state and identity of the training in a checkpoint.
fn training(path: &Path, entry: Option<&Value>) -> Result<Training, TrainError> {
    let Some(training) = entry else {
        return Err(TrainError::bad_run(path, "the file has weights but no state of a training to continue"));
    };
    serde_json::from_value(training.clone())
        .map_err(|error| TrainError::bad_run(path, format!("bad state of the training: {error}")))
}

fn check_finite(tensors: &Params) -> Result<(), Refusal> {
    if tensors.values().iter().all(|value| value.is_finite()) { Ok(()) } else { Err(Refusal::NotFinite) }
}

fn metrics(epoch: u32, top1: f64, loss: f64) -> BTreeMap<String, Value> {
    [("epoch", epoch.into()), ("top1", top1.into()), ("loss", loss.into())]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// SHA-256 of a file, in hexadecimal: what `sha256sum` prints.
pub(crate) fn sha256(path: &Path) -> Result<String, TrainError> {
    let bytes = fs::read(path).map_err(|error| TrainError::io("cannot read", path, error))?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
