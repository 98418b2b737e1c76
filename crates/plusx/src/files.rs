//! Files of a network: its weights, and the network itself as ONNX.

use std::path::Path;

use crate::{Error, Model, Tensor};
use plusx_engine::{Engine, EngineOptions};
use plusx_formats::{ModelFile, onnx, safetensors};
use plusx_model::executor::Images;
use plusx_model::graph::Graph;
use plusx_model::preprocess::Preprocess;
use plusx_train::TrainError;

impl Model {
    /// What the files of this network say of it: what it is called, its classes, and that it takes pixels from 0 to 1. Change
    /// the record where more is known.
    ///
    /// # Errors
    /// [`Error::NotInitialized`] before the first images.
    pub fn about(&self, name: &str, classes: &[&str]) -> Result<ModelFile, Error> {
        let input = self.graph().ok_or(Error::NotInitialized)?.input_shape();
        Ok(ModelFile {
            architecture: name.to_owned(),
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            preprocess: Preprocess::chapter(input),
            metrics: Default::default(),
            training: None,
        })
    }

    /// Writes parameters and running statistics as a weight file. Equal ones give equal bytes.
    ///
    /// [`Model::load`] and `plusx predict` read it if the network is in the zoo and `about` calls it so. Parameters of other
    /// networks are read back by [`safetensors::read`] and `params` of what that returns.
    ///
    /// # Errors
    /// [`Error::NotInitialized`] before the first images, [`Error::Classes`] if there is not one class name for each output, [`Error::File`] if the file cannot be written or two parameters
    /// would have one name in it.
    pub fn save(&self, path: impl AsRef<Path>, about: &ModelFile) -> Result<(), Error> {
        let (Some(graph), Some(params)) = (self.graph(), self.params()) else {
            return Err(Error::NotInitialized);
        };
        fits(graph, about)?;
        let contents = safetensors::Contents {
            params: &params,
            optimiser: None,
            average: None,
            batches: 0,
            meta: about,
        };
        safetensors::write(path.as_ref(), &contents).map_err(TrainError::from)?;
        Ok(())
    }

    /// Writes the network as an ONNX file, for any number of images. The file is written only if it answers to `images` as
    /// this network does.
    ///
    /// # Errors
    /// [`Error::NotInitialized`] before the first images, [`Error::NotImages`] if `images` has not four dimensions,
    /// [`Error::Classes`] if there is not one class name for each output, [`Error::File`] if the file would answer otherwise or
    /// cannot be written.
    pub fn export_onnx(
        &self,
        path: impl AsRef<Path>,
        about: &ModelFile,
        images: &Tensor,
    ) -> Result<(), Error> {
        let (Some(graph), Some(params)) = (self.graph(), self.params()) else {
            return Err(Error::NotInitialized);
        };
        fits(graph, about)?;
        let data = images.to_nhwc()?;
        let (model, images) = (
            onnx::ExportModel { graph, params: &params, meta: about },
            Images { data: &data, n: images.shape().dims()[0] },
        );
        let options = EngineOptions { precision: self.options.precision.for_a_proof(), ..self.options };
        let engine = |graph: &_| Engine::new(Clone::clone(graph), options);
        onnx::export(path.as_ref(), &model, onnx::OnnxOptions::default(), images, engine)
            .map_err(TrainError::from)?;
        Ok(())
    }
}

/// Refuses a record with another number of classes than the network tells apart.
fn fits(graph: &Graph, about: &ModelFile) -> Result<(), Error> {
    let (classes, outputs) = (about.classes.len(), graph.output_shape().len());
    if classes == outputs { Ok(()) } else { Err(Error::Classes { classes, outputs }) }
}
