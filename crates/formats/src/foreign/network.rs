//! From the network of an ONNX file to the weights of a network of the zoo.

use std::path::Path;

use plusx_model::graph::Graph;
use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, Spec, ZooOptions};

use super::kind::FileKind;
use super::structure::{self, FileNetwork, Matched};
use super::weights::ForeignWeights;
use crate::error::FormatError;
use crate::onnx::{Imported, Normalise};

/// The weights of `spec` from what was read from the ONNX file `path`. The file's network must compute what `spec` does
/// on images of the file's shape, with the file's number of classes; names play no part. Batch norms may be merged into the
/// convolutions before them ([`ForeignWeights::folded`]).
///
/// # Errors
/// [`FormatError::OtherNetwork`], with the first difference, or the network of the zoo that it is.
pub fn from_onnx(found: Imported, path: &Path, spec: &Spec) -> Result<ForeignWeights, FormatError> {
    let input = found.graph.input_shape();
    let matched = matched(path, FileNetwork { graph: &found.graph, params: &found.params }, spec)?;
    let preprocess = match (&found.meta, &found.normalise) {
        (Some(meta), _) => meta.preprocess.clone(),
        (None, inside) => prepared(spec, input, inside.as_ref()),
    };
    let (meta, preprocess, folded) = (found.meta.clone(), Some(preprocess), matched.folded);
    let whole = ForeignWeights::new(path, FileKind::Onnx, matched.tensors);
    Ok(ForeignWeights { meta, preprocess, folded, described: true, network: Some(Box::new(found)), ..whole })
}

/// The parameters of `spec` from the network `theirs` that was read from `path`.
pub(super) fn matched(path: &Path, theirs: FileNetwork<'_>, spec: &Spec) -> Result<Matched, FormatError> {
    let other = |reason: String| FormatError::OtherNetwork { path: path.into(), wanted: spec.name, reason };
    let ours = like(spec, theirs.graph).map_err(other)?;
    structure::pair(theirs, &ours).map_err(|difference| {
        let known = zoo::SPECS.iter().filter(|other| other.name != spec.name);
        let mut others = known.filter(|other| {
            like(other, theirs.graph).is_ok_and(|ours| structure::pair(theirs, &ours).is_ok())
        });
        other(others.next().map_or(difference, |other| format!("it is {}", other.name)))
    })
}

/// The network of the zoo for the images and classes of a file's; the error says why there is none.
fn like(spec: &Spec, theirs: &Graph) -> Result<Graph, String> {
    let outputs = theirs.output_shape();
    if outputs.pixels() != 1 {
        return Err(format!("its output, of shape {outputs}, tells no classes apart"));
    }
    let block = spec.build(ZooOptions { classes: outputs.c });
    trace(&block, theirs.input_shape(), &mut Names::new()).map_err(|error| error.to_string())
}

/// What is usual for the network, with the numbers that the file applies itself.
fn prepared(spec: &Spec, input: ImageShape, inside: Option<&Normalise>) -> Preprocess {
    let usual = spec.preset.record(input);
    match inside {
        None => usual,
        Some(Normalise { mean, std }) => Preprocess { mean: mean.clone(), std: std.clone(), ..usual },
    }
}
