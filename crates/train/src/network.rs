//! The network that a run trains, and whether its data fit it.

use plusx_data::{Dataset, Split};
use plusx_engine::Engine;
use plusx_formats::safetensors;
use plusx_model::graph::Graph;
use plusx_model::trace::{Names, trace};
use plusx_model::words::counted;
use plusx_model::zoo::{self, ZooOptions};

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
    let input = options.input_shape(dataset.train.shape.c);
    let graph = trace(&*block, input, &mut Names::new())?;
    check(&graph, options, dataset)?;
    Ok(graph)
}

/// Refuses data that do not fit the network, and a network that could not be saved.
pub(crate) fn check(graph: &Graph, options: &TrainOptions, dataset: &Dataset) -> Result<(), TrainError> {
    safetensors::check_names(&graph.params)?;
    let unfit = |reason| Err(TrainError::Unfit { data: dataset.name.clone(), reason });
    let classes = dataset.classes.len();
    check_split(&dataset.name, "training", &dataset.train, classes)?;
    check_split(&dataset.name, "test", &dataset.test, classes)?;
    let taken = graph.input_shape();
    for split in [&dataset.train, &dataset.test] {
        let channels = split.shape.c;
        let input = options.input_shape(channels);
        if taken != input {
            return unfit(format!("images give {input}, but the network takes {taken}"));
        }
        if channels != taken.c && channels != 1 {
            let channels = counted(channels as u64, "channel");
            return unfit(format!("images of {channels}, but the network takes {}", taken.c));
        }
    }
    options.record(taken).check()?;
    let logits = graph.output_shape();
    if logits.len() != classes {
        let classes = counted(classes as u64, "class");
        return unfit(format!("{classes}, but the network's output is {logits}"));
    }
    Ok(())
}

/// Refuses a split that has no image or a label outside the classes.
pub(crate) fn check_split(data: &str, which: &str, split: &Split, classes: usize) -> Result<(), TrainError> {
    let unfit = |reason| Err(TrainError::Unfit { data: data.into(), reason });
    match split.labels.iter().position(|label| *label as usize >= classes) {
        _ if split.is_empty() => unfit(format!("no {which} images")),
        _ if split.images.len() != split.len() * split.shape.len() => {
            let labels = counted(split.len() as u64, &format!("{which} label"));
            unfit(format!(
                "{labels} and {} do not belong together",
                counted(split.images.len() as u64, "pixel")
            ))
        }
        Some(index) => unfit(format!(
            "{which} image {index} has label {}, but there {} {}",
            split.labels[index],
            if classes == 1 { "is" } else { "are" },
            counted(classes as u64, "class")
        )),
        None => Ok(()),
    }
}
