//! The network that a run trains, and whether its data fit it.

use plusx_data::{DataError, Dataset, Samples};
use plusx_engine::Engine;
use plusx_formats::safetensors;
use plusx_model::graph::Graph;
use plusx_model::trace::{Names, trace};
use plusx_model::words::counted;
use plusx_model::zoo::{self, ZooOptions};

use crate::class_weights;
use crate::error::TrainError;
use crate::load::Machine;
use crate::options::TrainOptions;

/// The engine for a network of the zoo.
pub(crate) fn prepare(options: &TrainOptions, dataset: &Dataset) -> Result<Engine, TrainError> {
    Machine::of(options).engine_for(graph(options, dataset)?)
}

/// A network of the zoo for these images.
pub(crate) fn graph(options: &TrainOptions, dataset: &Dataset) -> Result<Graph, TrainError> {
    options.check()?;
    let block = zoo::build(&options.model, ZooOptions { classes: dataset.classes.len() })?;
    let input = options.input_shape(dataset.train.channels());
    let graph = trace(&*block, input, &mut Names::new())?;
    check(&graph, options, dataset)?;
    Ok(graph)
}

/// Refuses data that do not fit the network, and a network that could not be saved.
pub(crate) fn check(graph: &Graph, options: &TrainOptions, dataset: &Dataset) -> Result<(), TrainError> {
    safetensors::check_names(&graph.params)?;
    let unfit = |reason| Err(TrainError::Unfit { data: dataset.name.clone(), reason });
    let classes = dataset.classes.len();
    check_split(&dataset.name, "training", &*dataset.train, classes)?;
    check_split(&dataset.name, &dataset.held_out.to_string(), &*dataset.val, classes)?;
    let taken = graph.input_shape();
    for (_, split) in dataset.splits() {
        let channels = split.channels();
        let input = options.input_shape(channels);
        if taken != input {
            return unfit(format!("images give {input}, but the network takes {taken}"));
        }
        if !fits(channels, taken.c) {
            let channels = counted(channels as u64, "channel");
            return unfit(format!("images of {channels}, but the network takes {}", taken.c));
        }
    }
    options.record(taken).check()?;
    class_weights::check(&options.class_weights, dataset)?;
    let logits = graph.output_shape();
    if logits.len() != classes {
        let classes = counted(classes as u64, "class");
        return unfit(format!("{classes}, but the network's output is {logits}"));
    }
    Ok(())
}

/// Whether images of so many channels can become the input of a network: grey fills all channels, colours become grey.
pub(crate) fn fits(channels: usize, taken: usize) -> bool {
    channels == taken || channels == 1 || (channels == 3 && taken == 1)
}

/// Refuses a split that has no image or a label outside the classes.
pub(crate) fn check_split(
    data: &str,
    which: &str,
    split: &dyn Samples,
    classes: usize,
) -> Result<(), TrainError> {
    let unfit = |reason| Err(TrainError::Unfit { data: data.into(), reason });
    match split.labels().iter().position(|label| *label as usize >= classes) {
        _ if split.is_empty() => unfit(format!("no {which} images")),
        Some(index) => unfit(format!(
            "{which} image {index} has label {}, but there {} {}",
            split.labels()[index],
            if classes == 1 { "is" } else { "are" },
            counted(classes as u64, "class")
        )),
        None => {
            whole(split).map_err(|error| TrainError::Unfit { data: data.into(), reason: error.to_string() })
        }
    }
}

/// Whether images of one shape in memory are all there, as far as the last one tells.
fn whole(split: &dyn Samples) -> Result<(), DataError> {
    match split.shape() {
        Some(_) if !split.is_prepared() => split.read(split.len() - 1, &mut Vec::new()).map(drop),
        _ => Ok(()),
    }
}
