//! Starting from weights that somebody trained: what they decide about a run, and the parameters that it begins with.

use std::path::Path;
use std::sync::Arc;

use plusx_formats::foreign::{Adopted, Allow, ForeignFile};
use plusx_model::graph::Graph;
use plusx_model::preprocess::Preprocess;
use plusx_model::zoo;

use crate::checkpoint::sha256;
use crate::error::TrainError;
use crate::options::{Overrides, TrainOptions};
use crate::origin::Pretrained;
use crate::pictures::Pictures;

/// A file that a run is to start from.
#[derive(Clone, PartialEq, Debug)]
pub struct PretrainedFile<'a> {
    /// As the user called it: a path, or a network of the zoo.
    pub name: &'a str,
    /// Where it is.
    pub path: &'a Path,
    /// How pictures were prepared for it, if the file does not say so itself. `None`: as is usual for the network.
    pub usual: Option<Preprocess>,
}

impl TrainOptions {
    /// Makes this run start from the weights in `file`: a file of plusx, a safetensors file of others, what PyTorch or MXNet
    /// wrote, or an ONNX file. It is read here and not again.
    ///
    /// What `given` leaves open becomes what the weights were made for: the model, the size of the images (their larger side;
    /// their channels stay the data set's), interpolation, mean and standard deviation. Where the file does not say it,
    /// [`PretrainedFile::usual`] does.
    ///
    /// # Errors
    /// [`TrainError::Format`] naming the file, [`TrainError::Model`] for an unknown network.
    pub fn start_from(&mut self, file: PretrainedFile<'_>, given: &Overrides) -> Result<(), TrainError> {
        let PretrainedFile { name, path, usual } = file;
        if given.model.is_some() {
            // an unknown name is said before anything is read
            zoo::find(&self.model)?;
        }
        let read = ForeignFile::read(path)?;
        if given.model.is_none()
            && let Some(own) = read.architecture()
        {
            self.model = own.into();
        }
        let spec = zoo::find(&self.model)?;
        let mut weights = read.weights_for(spec, None)?;
        // only a proof needs the file's own network
        weights.network = None;
        let record = weights.preprocess.clone().or(usual);
        let record = record.unwrap_or_else(|| spec.preset.record(spec.input));
        if given.resize.is_none() && given.input.is_none() {
            self.resize = record.input.h.max(record.input.w);
        }
        if given.preprocess.is_none() {
            self.preprocess = Some(Pictures::of(&record));
        }
        let sha256 = sha256(path)?;
        self.pretrained = Some(Pretrained { name: name.into(), sha256, weights: Some(Arc::new(weights)) });
        Ok(())
    }

    /// Lets go of what was read from the file that the run started from.
    pub(crate) fn forget_weights(&mut self) {
        if let Some(pretrained) = &mut self.pretrained {
            pretrained.weights = None;
        }
    }
}

/// The parameters that a run of `options` on `graph` begins with, if it starts from a file. A classifier for another
/// number of classes starts anew, drawn by the seed; filters for colours are summed for grey images.
pub(crate) fn start(graph: &Graph, options: &TrainOptions) -> Result<Option<Adopted>, TrainError> {
    let Some(Pretrained { name, weights, .. }) = &options.pretrained else { return Ok(None) };
    let unread =
        || TrainError::option("pretrained", name, "its weights are not read yet; start from its file");
    let weights = weights.as_ref().ok_or_else(unread)?;
    let anew = options.first_values(graph);
    let allow = Allow { other_classes: true, grey: graph.input_shape().c == 1 };
    Ok(Some(weights.adopt(graph, anew, allow)?))
}
