//! Writing with proof: nothing is written before the bytes were read back, run, and found to answer as the model does.

use std::path::Path;

use plusx_model::executor::{Executor, Images};
use plusx_model::graph::Graph;
use plusx_model::params::Params;
use plusx_model::preprocess::Preprocess;

use crate::atomic;
use crate::error::FormatError;
use crate::onnx::imported::{Imported, Normalise};
use crate::onnx::options::{ExportModel, OnnxOptions};
use crate::onnx::read::decode;
use crate::onnx::write::encode;

/// Largest difference of a logit that rounding may make, as a part of the image's largest logit. Folding batch norms
/// moves logits by some 1e-6 of it; a layer left out or a wrong setting by far more than 1e-2.
const TOLERANCE: f32 = 1e-4;

/// Most values of images that the proof runs at once, however large the file's batch: 32 images of 3x224x224, for which a
/// ResNet-152 takes half a gigabyte.
const AT_ONCE: usize = 32 * 3 * 224 * 224;

/// What was proven.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Proof {
    /// Images on which the file's network and the model were compared.
    pub images: usize,
    /// Largest difference of a logit, as a part of the image's largest one.
    pub worst: f32,
    /// Bytes written.
    pub bytes: usize,
}

/// Writes a file, if what it says computes what the model does. The bytes are read back; the network found in them and
/// the model's own are run on `images` (prepared as [`ExportModel::meta`] says) by executors that `executor` makes. All logits
/// must agree within 1e-4 of the image's largest one, and the class with the largest logit must be the same. With
/// the preprocessing in the graph, the file's network starts from the images' bytes. It runs them in batches of
/// [`OnnxOptions::batch`], up to 32 of 3x224x224; the model one by one.
///
/// # Errors
/// Those of [`encode`] and of [`atomic::write`]; [`FormatError::Disproved`] with the image and how far its logits are
/// apart; [`FormatError::NoProof`] without images, and if an executor fails. The file is then left as it was.
pub fn export<E: Executor>(
    path: &Path,
    model: &ExportModel<'_>,
    options: OnnxOptions,
    images: Images<'_>,
    mut executor: impl FnMut(&Graph) -> Result<E, E::Error>,
) -> Result<Proof, FormatError> {
    let bytes = encode(model, options)?;
    let found = decode(&bytes, path)?;
    let unproven = |reason: String| FormatError::NoProof { path: path.into(), reason };
    if images.n == 0 || images.data.is_empty() {
        return Err(unproven("there is no image to prove it on".to_owned()));
    }
    let prepared = match &found.normalise {
        None => None,
        Some(normalise) => Some(from_bytes(images, &model.meta.preprocess, normalise).map_err(unproven)?),
    };
    let seen = Images { data: prepared.as_deref().unwrap_or(images.data), n: images.n };
    let Imported { graph, params, .. } = &found;
    let own = NetworkRun { graph: model.graph, params: model.params, images };
    let networks = [own, NetworkRun { graph, params, images: seen }];
    let most = (AT_ONCE / graph.input_shape().len().max(1)).max(1);
    let at_once = options.batch.map_or(1, |batch| batch.clamp(1, most));
    let worst = alike(path, networks, at_once, &mut executor)?;
    atomic::write(path, &bytes)?;
    Ok(Proof { images: images.n, worst, bytes: bytes.len() })
}

/// A network that answers images.
#[derive(Clone, Copy, Debug)]
pub struct NetworkRun<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Its parameters.
    pub params: &'a Params,
    /// Its form of the images.
    pub images: Images<'a>,
}

/// Runs two networks, each on its own form of the same images, on executors that `executor` makes: the largest difference of
/// a logit, as a part of its image's largest one. It is at most 1e-4, and the class with the largest logit is the same.
/// `path` is the file that is not to be written otherwise.
///
/// # Errors
/// [`FormatError::Disproved`] with the image and how far its logits are apart; [`FormatError::NoProof`] if an executor
/// fails.
pub fn agree<E: Executor>(
    path: &Path,
    networks: [NetworkRun<'_>; 2],
    executor: &mut impl FnMut(&Graph) -> Result<E, E::Error>,
) -> Result<f32, FormatError> {
    alike(path, networks, 1, executor)
}

/// [`agree`], the second network with `at_once` images at a time.
fn alike<E: Executor>(
    path: &Path,
    networks: [NetworkRun<'_>; 2],
    at_once: usize,
    executor: &mut impl FnMut(&Graph) -> Result<E, E::Error>,
) -> Result<f32, FormatError> {
    let n = networks[0].images.n;
    let mut logits = |run: NetworkRun<'_>, at_once: usize| -> Result<Vec<f32>, E::Error> {
        let NetworkRun { graph, params, images } = run;
        let mut executor = executor(graph)?;
        executor.set_params(params)?;
        let mut logits = Vec::new();
        let size = images.data.len().div_ceil(images.n.max(1)).max(1);
        for data in images.data.chunks(size * at_once) {
            let values = executor.infer(Images { data, n: data.len().div_ceil(size) }, &[graph.output()])?;
            logits.extend(values.into_iter().flat_map(|value| value.data));
        }
        Ok(logits)
    };
    // one image at a time unless a batch was asked for: how large they are is said by a file
    let mut answers = |run, at_once| {
        logits(run, at_once)
            .map_err(|error| FormatError::NoProof { path: path.into(), reason: error.to_string() })
    };
    let [expected, answered] = [answers(networks[0], 1)?, answers(networks[1], at_once)?];
    compare(&expected, &answered, n).map_err(|difference| {
        let Difference { image, apart, largest, classes } = difference;
        FormatError::Disproved { path: path.into(), image, apart, largest, classes }
    })
}

/// How the first image that disproves a file does so.
struct Difference {
    image: usize,
    apart: f32,
    largest: f32,
    classes: [usize; 2],
}

/// The largest difference of any logit, as a part of its image's largest one, if none is too large.
fn compare(expected: &[f32], answered: &[f32], n: usize) -> Result<f32, Difference> {
    let mut worst = 0.0_f32;
    let len = expected.len() / n.max(1);
    for image in 0..n {
        let wanted = &expected[image * len..][..len];
        let found = answered.get(image * len..(image + 1) * len).unwrap_or_default();
        let largest = wanted.iter().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
        // a value that is no number, and one that is missing, is infinitely far away
        let apart = (0..len).map(|i| found.get(i).map_or(f32::NAN, |found| (found - wanted[i]).abs()));
        let apart =
            apart.fold(0.0_f32, |most, apart| if apart.is_nan() { f32::INFINITY } else { most.max(apart) });
        let classes = [wanted, found].map(top);
        if apart > TOLERANCE * largest || classes[0] != classes[1] || !largest.is_finite() {
            return Err(Difference { image, apart, largest, classes });
        }
        if largest > 0.0 {
            worst = worst.max(apart / largest);
        }
    }
    Ok(worst)
}

/// The class with the largest logit; the first of equals.
fn top(logits: &[f32]) -> usize {
    let mut top = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[top] {
            top = class;
        }
    }
    top
}

/// What a file with the preprocessing inside makes of the bytes from which `images` were prepared.
fn from_bytes(images: Images<'_>, preprocess: &Preprocess, inside: &Normalise) -> Result<Vec<f32>, String> {
    let channels = preprocess.mean.len();
    let prepared = |value: f32, i: usize| {
        let byte = (value * preprocess.std[i % channels] + preprocess.mean[i % channels]) * 255.0;
        // half a hundredth of a step: far above rounding, far below what no byte could have made
        match (byte - byte.round()).abs() < 0.005 && (0.0..=255.0).contains(&byte.round()) {
            true => Ok((byte.round() / 255.0 - inside.mean[i % channels]) / inside.std[i % channels]),
            false => Err(format!("value {i} of the images was not made from a byte")),
        }
    };
    images.data.iter().enumerate().map(|(i, value)| prepared(*value, i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_that_are_apart_or_missing_disprove() {
        let wanted = [1.0, -2.0, 0.5, 4.0];
        assert!(compare(&wanted, &[1.0, -2.0001, 0.5, 4.0], 2).is_ok_and(|worst| worst < 1e-4));
        let difference = |found: &[f32]| compare(&wanted, found, 2).map(|_| ()).unwrap_err();
        assert_eq!(difference(&[1.0, -2.0, 0.5, 4.001]).image, 1);
        assert!((difference(&[1.0, -2.0, 0.5, 4.001]).apart - 0.001).abs() < 1e-6);
        assert!(difference(&[1.0, f32::NAN, 0.5, 4.0]).apart.is_infinite());
        assert_eq!(difference(&[1.0, -2.0, 0.5]).image, 1);
    }

    #[test]
    fn another_class_disproves_however_near() {
        let difference = compare(&[1.0, 1.00001], &[1.00001, 1.0], 1).map(|_| ()).unwrap_err();
        assert_eq!(difference.classes, [1, 0]);
    }

    #[test]
    fn logits_that_are_no_numbers_prove_nothing() {
        assert!(compare(&[f32::INFINITY, 1.0], &[f32::INFINITY, 1.0], 1).is_err());
        assert!(compare(&[f32::NAN, 1.0], &[f32::NAN, 1.0], 1).is_err());
    }
}
