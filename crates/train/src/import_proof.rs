//! The proof of an import: the network of an ONNX file and the one of the zoo that takes its weights answer alike.

use std::path::Path;

use plusx_engine::{Engine, EngineOptions};
use plusx_formats::foreign::{Adopted, Allow, ForeignWeights};
use plusx_formats::onnx::{self, NetworkRun};
use plusx_model::executor::Images;
use plusx_model::graph::Graph;
use plusx_model::params::Params;
use plusx_model::random::{IMPORT_PROOF, Philox};
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{Spec, ZooOptions};

use crate::error::TrainError;
use crate::evaluate::fitting_batch;

/// Images of noise on which the two networks must answer alike.
const PROOF_IMAGES: u32 = 2;

/// An import that is about to be written.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// What was read from the file.
    pub weights: &'a ForeignWeights,
    /// The network of the zoo that takes them.
    pub spec: &'a Spec,
    /// That network for the images and classes that were asked for.
    pub graph: &'a Graph,
    /// The parameters that it got.
    pub adopted: &'a Adopted,
    /// The file that is to be written; an error names it.
    pub output: &'a Path,
}

/// What a proof of an import found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ImportProof {
    /// Images of noise that both networks answered.
    pub images: u32,
    /// Largest difference of a logit, as a part of the image's largest one.
    pub worst: f32,
}

impl Import<'_> {
    /// Runs the network of the file and that of the zoo, on the file's images and classes, and compares their answers.
    /// `None` if the file holds no network but weights alone.
    ///
    /// # Errors
    /// [`TrainError::TooLarge`] if one image takes more memory than a file may ask for; [`TrainError::Format`] if the
    /// networks do not answer alike; [`TrainError::Executor`] if one of them cannot be run.
    pub fn prove(&self, options: EngineOptions) -> Result<Option<ImportProof>, TrainError> {
        let Some(found) = &self.weights.network else { return Ok(None) };
        let (input, classes) = (found.graph.input_shape(), found.graph.output_shape().c);
        let ours = trace(&self.spec.build(ZooOptions { classes }), input, &mut Names::new())?;
        let adopted;
        // other images or classes may have been asked for
        let params = match ours == *self.graph {
            true => &self.adopted.params,
            false => {
                adopted = self.weights.adopt(&ours, Params::zeros(&ours), Allow::default())?;
                &adopted.params
            }
        };
        fitting_batch(
            &mut Engine::new(found.graph.clone(), options).map_err(TrainError::executor)?,
            self.weights.path(),
        )?;
        let data: Vec<f32> = (0..PROOF_IMAGES).flat_map(|index| noise(index, input)).collect();
        let images = Images { data: &data, n: PROOF_IMAGES as usize };
        let theirs = NetworkRun { graph: &found.graph, params: &found.params, images };
        let own = NetworkRun { graph: &ours, params, images };
        let worst =
            onnx::agree(self.output, [theirs, own], &mut |graph| Engine::new(graph.clone(), options))?;
        Ok(Some(ImportProof { images: PROOF_IMAGES, worst }))
    }
}

/// An image of noise from -2 to 2, as normalised pictures are.
fn noise(index: u32, input: ImageShape) -> impl Iterator<Item = f32> {
    let random = Philox::new(0, IMPORT_PROOF);
    (0..input.len() as u32).map(move |at| (random.block([index, at, 0, 0])[0] >> 16) as f32 / 16_384.0 - 2.0)
}
