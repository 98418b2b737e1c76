//! The proof of an export: an ONNX file is written if it answers pictures as the network does.

use std::path::{Path, PathBuf};

use plusx_data::picture::{self, Picture};
use plusx_data::{DataError, FindOptions, Samples};
use plusx_engine::{Engine, EngineOptions};
use plusx_formats::onnx::{self, ExportModel, OnnxOptions, Proof};
use plusx_model::executor::Images;
use plusx_model::preprocess::Preprocess;
use plusx_model::random::{EXPORT_PROOF, Philox};
use plusx_model::shape::ImageShape;

use crate::error::TrainError;
use crate::evaluate::fitting_batch;
use crate::load::LoadedModel;

/// Images of the proof unless others are given: each must agree, and one would do to find a wrong layer.
const PROOF_IMAGES: usize = 8;

/// The data set inside the program.
const SAMPLE: &str = "fashion-mnist-mini";

/// An ONNX file that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct OnnxExport<'a> {
    /// The network.
    pub model: &'a LoadedModel,
    /// The file that it was loaded from; an error names it.
    pub weights: &'a Path,
    /// The file to write.
    pub output: &'a Path,
    /// How it is written.
    pub options: OnnxOptions,
    /// Picture files on which it must answer as the network does. None: eight of the sample, or noise if the network takes
    /// colours.
    pub pictures: &'a [PathBuf],
}

impl OnnxExport<'_> {
    /// Writes the file, if it answers as the network does on engines with these `options`. At the precision `medium` the file and
    /// the network differ by more than a mistake may, so `high` takes its place. `tell` hears, in sentences, what a
    /// user should know of the pictures.
    ///
    /// # Errors
    /// [`TrainError::TooLarge`] if one image takes more memory than a file may ask for; [`TrainError::Data`] for a picture
    /// that cannot be read, or a network that takes none; [`TrainError::Format`] if the file does not answer as the network does, or cannot be written;
    /// [`TrainError::Executor`] if the network cannot be run. The file is then left as it was.
    pub fn write(&self, options: EngineOptions, tell: &mut dyn FnMut(&str)) -> Result<Proof, TrainError> {
        let LoadedModel { graph, params, meta } = self.model;
        let precision = options.precision.for_a_proof();
        if precision != options.precision {
            tell(&format!(
                "the proof is computed at precision {precision}: {} is too coarse for it",
                options.precision
            ));
        }
        let options = EngineOptions { precision, ..options };
        fitting_batch(&mut Engine::new(graph.clone(), options).map_err(TrainError::executor)?, self.weights)?;
        let (mut data, mut n) = (Vec::new(), 0);
        let mut add = |picture: &Picture| -> Result<(), TrainError> {
            data.extend(picture::prepare(picture, &meta.preprocess).map_err(DataError::from)?);
            n += 1;
            Ok(())
        };
        match self.pictures {
            [] => at_hand(&meta.preprocess, tell)?.iter().try_for_each(add)?,
            // one at a time: photographs are large before they are resized
            paths => paths.iter().try_for_each(|path| add(&picture::open(path)?))?,
        }
        let model = ExportModel { graph, params, meta };
        let images = Images { data: &data, n };
        let engines = |graph: &_| Engine::new(Clone::clone(graph), options);
        Ok(onnx::export(self.output, &model, self.options, images, engines)?)
    }
}

/// Pictures of the sample, for a network that takes grey ones; else noise.
fn at_hand(preprocess: &Preprocess, tell: &mut dyn FnMut(&str)) -> Result<Vec<Picture>, DataError> {
    let ImageShape { c, h, w } = preprocess.input;
    if c == 1 {
        let sample = plusx_data::load(SAMPLE, &FindOptions::default())?;
        return (0..PROOF_IMAGES).map(|index| from_sample(&*sample.val, index)).collect();
    }
    tell(&format!(
        "the sample inside this program is grey, the network takes {c} channels: proving the file on {PROOF_IMAGES} \
         images of noise; --proof-images takes real ones"
    ));
    // a little larger than the input, so that there is something to resize or to cut off
    let sides = preprocess.resized([h, w]);
    Ok((0..PROOF_IMAGES as u32).map(|index| noise(index, sides)).collect())
}

fn from_sample(split: &dyn Samples, index: usize) -> Result<Picture, DataError> {
    let mut buffer = Vec::new();
    let image = split.read(index, &mut buffer)?;
    let rgb8 = image.bytes.iter().flat_map(|&grey| [grey; 3]).collect();
    Ok(Picture { rgb8, w: image.shape.w, h: image.shape.h })
}

/// Cells of 8x8 pixels in random colours, with fine noise on them: as uneven as photographs.
fn noise(index: u32, [h, w]: [usize; 2]) -> Picture {
    let random = Philox::new(0, EXPORT_PROOF);
    let colour = |y: usize, x: usize, fine: u32| random.block([index, y as u32, x as u32, fine]);
    let mut rgb8 = Vec::with_capacity(3 * h * w);
    for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
        let (coarse, fine) = (colour(y / 8, x / 8, 0), colour(y, x, 1));
        rgb8.extend([0, 1, 2].map(|i| (((coarse[i] >> 24) * 3 + (fine[i] >> 24)) / 4) as u8));
    }
    Picture { rgb8, w, h }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_everywhere_and_uses_the_whole_range() {
        let picture = noise(1, [40, 30]);
        assert_eq!(picture, noise(1, [40, 30]));
        assert_ne!(picture, noise(2, [40, 30]));
        assert_eq!(picture.rgb8.len(), 3 * 40 * 30);
        assert!(
            picture.rgb8.iter().any(|&value| value < 32) && picture.rgb8.iter().any(|&value| value > 223)
        );
    }
}
