//! Starting from weights that somebody trained: what is recorded of them, what they decide about a run, and the
//! parameters that it begins with.

use std::path::Path;
use std::sync::Arc;

use plusx_formats::foreign::{Adopted, Allow, ForeignFile, ForeignWeights};
use plusx_model::graph::Graph;
use plusx_model::init::{Init, initialize};
use plusx_model::preprocess::{Interpolation, Preprocess, Preset};
use plusx_model::shape::ImageShape;
use plusx_model::zoo;
use serde::{Deserialize, Serialize};

use crate::by_name;
use crate::checkpoint::sha256;
use crate::error::TrainError;
use crate::options::{Overrides, TrainOptions};

/// The file a run started from. A resumed run does not look at it again: its first checkpoint holds the weights.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrained {
    /// As the user called it: a path, or a network of the zoo.
    pub name: String,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub sha256: String,
    /// What was read from it. A resumed run does not know it.
    #[serde(skip)]
    pub weights: Option<Arc<ForeignWeights>>,
}

impl Pretrained {
    /// What the file calls its classes; none if it does not say, or the run was resumed.
    pub(crate) fn classes(&self) -> &[String] {
        let meta = self.weights.as_ref().and_then(|weights| weights.meta.as_ref());
        meta.map_or(&[], |meta| meta.classes.as_slice())
    }
}

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

/// What is done to the images of a data set before the network sees them. The whole image always becomes the input:
/// nothing is cut off.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pictures {
    /// How they are resized.
    #[serde(with = "by_name::interpolation")]
    pub interpolation: Interpolation,
    /// Per channel, subtracted from values in 0 to 1; for another number of channels the middle one is everybody's.
    pub mean: Vec<f32>,
    /// Per channel, divides what is left; likewise.
    pub std: Vec<f32>,
}

impl Pictures {
    /// Those of a preset.
    pub fn preset(preset: Preset) -> Self {
        Self::of(&preset.record(ImageShape::new(3, 1, 1)))
    }

    /// What a record says but for sizes.
    fn of(record: &Preprocess) -> Self {
        let Preprocess { interpolation, mean, std, .. } = record.clone();
        Self { interpolation, mean, std }
    }

    /// The record for images of this shape.
    pub(crate) fn record(&self, input: ImageShape) -> Preprocess {
        let Self { interpolation, mean, std } = self.clone();
        let own = ImageShape { c: mean.len(), ..input };
        Preprocess { interpolation, mean, std, ..Preprocess::chapter(own) }.for_input(input)
    }
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
    let anew = initialize(graph, Init::Xavier, options.seed);
    let allow = Allow { other_classes: true, grey: graph.input_shape().c == 1 };
    Ok(Some(weights.adopt(graph, anew, allow)?))
}

impl std::fmt::Display for Pictures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { interpolation, mean, std } = self;
        write!(f, "{interpolation}, mean {mean:?}, standard deviation {std:?}")
    }
}
