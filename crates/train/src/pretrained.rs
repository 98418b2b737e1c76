//! Starting from weights that somebody trained: what they decide about a run, and the parameters that it begins with.

use std::path::Path;

use plusx_formats::foreign::{self, Adopted, Allow};
use plusx_model::graph::Graph;
use plusx_model::init::{Init, initialize};
use plusx_model::preprocess::Preprocess;
use plusx_model::zoo;

use crate::checkpoint::sha256;
use crate::error::TrainError;
use crate::options::{Overrides, TrainOptions};
use crate::origin::Pretrained;
use crate::pictures::Pictures;

impl TrainOptions {
    /// Makes this run start from the weights in `file`, called `name`: a file of plusx, a safetensors file of others, what
    /// PyTorch or MXNet wrote, or an ONNX file. What `given` leaves open becomes what the weights were made for, as far as
    /// the file says so, else `usual`, else what is usual for the network: the model, the size of the images (their larger
    /// side; their channels stay the data set's), interpolation, mean and standard deviation.
    ///
    /// # Errors
    /// [`TrainError::Format`] naming the file, [`TrainError::Model`] for an unknown network.
    pub fn start_from(
        &mut self,
        (name, file): (&str, &Path),
        usual: Option<Preprocess>,
        given: &Overrides,
    ) -> Result<(), TrainError> {
        if given.model.is_none()
            && let Some(own) = foreign::architecture(file)?
        {
            self.model = own;
        }
        let spec = zoo::find(&self.model)?;
        let weights = foreign::read_for(file, spec)?;
        let record = weights.preprocess.or(usual).unwrap_or_else(|| spec.preset.record(spec.input));
        if given.resize.is_none() && given.input.is_none() {
            self.resize = record.input.h.max(record.input.w);
        }
        if given.preprocess.is_none() {
            self.preprocess = Some(Pictures::of(&record));
        }
        let classes = weights.meta.map_or_else(Vec::new, |own| own.classes);
        self.pretrained =
            Some(Pretrained { name: name.into(), sha256: sha256(file)?, file: file.into(), classes });
        Ok(())
    }
}

/// The parameters that a run of `options` on `graph` begins with, if it starts from a file. A classifier for another
/// number of classes starts anew, drawn by the seed; filters for colours are summed for grey images.
pub(crate) fn start(graph: &Graph, options: &TrainOptions) -> Result<Option<Adopted>, TrainError> {
    let Some(Pretrained { file, .. }) = &options.pretrained else { return Ok(None) };
    let weights = foreign::read_for(file, zoo::find(&options.model)?)?;
    let anew = initialize(graph, Init::Xavier, options.seed);
    let allow = Allow { other_classes: true, grey: graph.input_shape().c == 1 };
    Ok(Some(weights.adopt(graph, anew, allow)?))
}
