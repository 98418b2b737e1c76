//! The network of a weight file, ready to answer pictures.

use std::path::Path;

use plusx_engine::{Prepared, PreparedOptions};
use plusx_model::executor::Images;
use plusx_model::preprocess::Preprocess;
use plusx_pixels::{Picture, prepare};
use plusx_weights::{MOST_BYTES, NetworkEntry};

use crate::error::InferError;
use crate::ranked::ranked_probabilities;

/// Classes that [`Classifier::predict`] names.
const TOP: usize = 5;

/// One answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Prediction {
    /// Index of the class.
    pub index: usize,
    /// Its name.
    pub label: String,
    /// How sure the network is, 0 to 1.
    pub prob: f64,
}

/// The network of a weight file, ready to answer any number of threads at once.
#[derive(Debug)]
pub struct Classifier {
    net: Prepared,
    entry: NetworkEntry,
}

impl Classifier {
    /// Loads a weight file of plusx (`plusx train` and `plusx import` write them), to answer one call at a time on all
    /// cores.
    ///
    /// # Errors
    /// [`InferError::Weights`] naming the file and what is wrong with it, [`InferError::TooLarge`] if one image takes more
    /// memory than a file may ask for, [`InferError::Engine`] if the memory cannot be had.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, InferError> {
        Self::load_with(path, PreparedOptions::default())
    }

    /// As [`Classifier::load`], with so many threads and calls at once. Answers do not depend on them.
    ///
    /// # Errors
    /// Those of [`Classifier::load`], and [`InferError::Engine`] if the machine lacks the level.
    pub fn load_with(path: impl AsRef<Path>, options: PreparedOptions) -> Result<Self, InferError> {
        let path = path.as_ref();
        let file = plusx_weights::read(path)?;
        let graph = file.graph()?;
        let params = file.params(&graph)?;
        let net = Prepared::new(graph, &params, options)?;
        // beside the maps the image itself: as bytes once it is resized, then as values
        let image = net.graph().input_shape().len() * (1 + size_of::<f32>());
        let needed = net.arena_bytes(1)?.saturating_add(image) as u64;
        if needed > MOST_BYTES {
            let (needed, limit) = (needed / 1_000_000, MOST_BYTES / 1_000_000);
            let input = net.graph().input_shape().to_string();
            return Err(InferError::TooLarge { path: path.into(), input, needed, limit });
        }
        Ok(Self { net, entry: file.entry })
    }

    /// Class names, in the order of the outputs.
    pub fn classes(&self) -> &[String] {
        &self.entry.classes
    }

    /// How a picture becomes the network's input.
    pub fn preprocess(&self) -> &Preprocess {
        &self.entry.preprocess
    }

    /// The network, for logits without names.
    pub fn net(&self) -> &Prepared {
        &self.net
    }

    /// The five most probable classes of a picture, most probable first; all, if there are fewer.
    ///
    /// # Errors
    /// [`InferError::Pixels`] if the pixels are not as many as the picture's size says, or the network takes neither grey
    /// nor colour; [`InferError::NotFinite`] if its weights are too large to compute with; [`InferError::Engine`] if memory
    /// cannot be had.
    pub fn predict(&self, picture: &Picture) -> Result<Vec<Prediction>, InferError> {
        self.predict_top(picture, TOP)
    }

    /// As [`Classifier::predict`], the `top` most probable.
    ///
    /// # Errors
    /// Those of [`Classifier::predict`].
    pub fn predict_top(&self, picture: &Picture, top: usize) -> Result<Vec<Prediction>, InferError> {
        let image = self.prepare(picture)?;
        Ok(self.predict_prepared(&image, 1, top)?.remove(0))
    }

    /// What the network sees of a picture: `[h][w][c]`.
    ///
    /// # Errors
    /// [`InferError::Pixels`], as in [`Classifier::predict`].
    pub fn prepare(&self, picture: &Picture) -> Result<Vec<f32>, InferError> {
        Ok(prepare(picture, &self.entry.preprocess)?)
    }

    /// The `top` most probable classes of each of `n` images, `[n][h][w][c]`, each made by [`Classifier::prepare`]. Many
    /// images together take less time than one after another. (An image among at most four is computed in another way
    /// than among more: probabilities may differ in their last places.)
    ///
    /// # Errors
    /// [`InferError::Engine`] if `images` is not `n` images of the network's input shape, or memory cannot be had;
    /// [`InferError::NotFinite`], as in [`Classifier::predict`].
    pub fn predict_prepared(
        &self,
        images: &[f32],
        n: usize,
        top: usize,
    ) -> Result<Vec<Vec<Prediction>>, InferError> {
        // wrong lengths are refused before anything is computed; no room is made for them
        let fits = n.checked_mul(self.net.graph().input_shape().len()) == Some(images.len());
        let outputs = self.net.outputs();
        let mut logits = vec![0.0; if fits { n * outputs } else { 0 }];
        self.net.infer(Images { data: images, n }, &mut logits)?;
        let finite = |row: &&[f32]| row.iter().all(|logit| logit.is_finite());
        if let Some(image) = logits.chunks_exact(outputs).position(|row| !finite(&row)) {
            return Err(InferError::NotFinite { image });
        }
        Ok(logits.chunks_exact(outputs).map(|row| self.answers(row, top)).collect())
    }

    fn answers(&self, logits: &[f32], top: usize) -> Vec<Prediction> {
        let name = |index: usize| self.entry.classes.get(index).cloned().unwrap_or_else(|| index.to_string());
        let ranked = ranked_probabilities(logits).into_iter().take(top);
        ranked.map(|(index, prob)| Prediction { index, label: name(index), prob }).collect()
    }
}
