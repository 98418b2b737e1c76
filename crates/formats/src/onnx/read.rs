//! From a file to a graph with its parameters.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use plusx_model::graph::{Graph, ParamId};
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_weights::WeightError;
use prost::bytes::Bytes;

use crate::error::FormatError;
use crate::metadata::ModelFile;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::constants::Constants;
use crate::onnx::{LARGEST, describe, preprocess, proto, wire};

/// The oldest version of the operators whose meaning is known here.
const OLDEST_OPSET: i64 = 7;

/// What came out of a file.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network, up to its logits. Parameters have PyTorch's names where the file has (`layer1.0.conv1.weight`), else
    /// those of the nodes.
    pub graph: Graph,
    /// Its parameters.
    pub params: Params,
    /// What a file that plusx wrote says about itself; `None` for others.
    pub meta: Option<ModelFile>,
    /// Preprocessing inside the file, before [`Imported::graph`]; `None` if it takes prepared images.
    pub normalise: Option<Normalise>,
    /// Whether a softmax follows [`Imported::graph`] in the file.
    pub softmax: bool,
}

/// `(byte / 255 - mean) / std`, per channel.
#[derive(Clone, PartialEq, Debug)]
pub struct Normalise {
    /// Subtracted, per channel.
    pub mean: Vec<f32>,
    /// Divided by, per channel; not 0.
    pub std: Vec<f32>,
}

/// Reads a file and, where it keeps its weights in another one beside it, that too.
///
/// # Errors
/// [`FormatError::Read`], [`WeightError::TooLarge`] beyond 2 GiB, [`FormatError::Onnx`] for a damaged file or one of
/// another kind, [`FormatError::OnnxNode`] naming the node and the operation that is not understood.
pub fn read(path: &Path) -> Result<Imported, FormatError> {
    let failed = |source| FormatError::read(path, source);
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    if size <= LARGEST {
        // what the system says about the size is no help for a pipe or a device
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    let size = size.max(bytes.len() as u64);
    if size > LARGEST {
        return Err(WeightError::TooLarge { path: path.into(), size, limit: LARGEST }.into());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    Source { path, folder: Some(folder) }.network(bytes.into())
}

/// Reads the bytes of a file; `path` is only for messages, and weights in other files are refused.
///
/// # Errors
/// Those of [`read`], except for reading.
pub fn decode(bytes: &[u8], path: &Path) -> Result<Imported, FormatError> {
    Source { path, folder: None }.network(Bytes::copy_from_slice(bytes))
}

/// Where the bytes come from.
struct Source<'a> {
    path: &'a Path,
    folder: Option<&'a Path>,
}

/// The images that a file takes.
pub(super) struct Images<'a> {
    pub(super) name: &'a str,
    pub(super) shape: ImageShape,
    /// Whether they are bytes, rows x columns x channels.
    pub(super) bytes: bool,
}

impl Source<'_> {
    fn wrong(&self, reason: impl Into<String>) -> FormatError {
        FormatError::Onnx { path: self.path.into(), reason: reason.into() }
    }

    fn network(&self, bytes: Bytes) -> Result<Imported, FormatError> {
        let size = bytes.len();
        let model = wire::decode(bytes).map_err(|reason| {
            self.wrong(format!("not a whole ONNX file ({reason}); it may be truncated or of another kind"))
        })?;
        let graph = model.graph.as_ref();
        let graph =
            graph.ok_or_else(|| self.wrong("it holds no network; it may be a file of another kind"))?;
        check_opset(&model).map_err(|reason| self.wrong(reason))?;
        let meta = describe::own(&model, self.path)?;
        let input = input(graph).map_err(|reason| self.wrong(reason))?;
        let output = output(graph).map_err(|reason| self.wrong(reason))?;
        let mut constants = Constants::new(size, self.folder);
        let (mut skipped, mut first, mut shape, mut normalise) = (Vec::new(), input.name, input.shape, None);
        let front = preprocess::find(graph, &input, meta.is_some(), &mut constants);
        if let Some(front) = front.map_err(|reason| self.wrong(reason))? {
            (skipped, first, shape, normalise) = (front.nodes, front.value, front.shape, Some(front.normalise));
        }
        let mut needed = needed(graph, output);
        skipped.into_iter().for_each(|index| needed[index] = false);
        let nodes: Vec<&proto::Node> =
            graph.node.iter().zip(needed).filter(|(_, needed)| *needed).map(|(node, _)| node).collect();
        let images = Builder::new(first, shape, constants).map_err(|reason| self.wrong(reason));
        let mut builder = images?.with_constants(&graph.initializer).with_readers(&nodes);
        for node in nodes {
            builder.add(node).map_err(|reason| FormatError::OnnxNode {
                path: self.path.into(),
                node: format!("{} ({})", node.title(), node.op_type.as_deref().unwrap_or_default()),
                reason,
            })?;
        }
        let (id, softmax) = match builder.values.get(output) {
            Some(Value::Map { id, .. }) => (*id, false),
            Some(Value::Softmax(id)) => (*id, true),
            _ => return Err(self.wrong(format!("its output {output:?} does not depend on its input"))),
        };
        let Builder { mut graph, params: values, .. } = builder;
        graph.output = Some(id);
        // what is written here is checked like what came from elsewhere
        graph.check().map_err(|error| self.wrong(error.to_string()))?;
        let mut params = Params::zeros(&graph);
        for (index, values) in values.iter().enumerate() {
            params.set(ParamId(index as u32), values).map_err(|error| self.wrong(error.to_string()))?;
        }
        Ok(Imported { graph, params, meta, normalise, softmax })
    }
}

fn check_opset(model: &proto::Model) -> Result<(), String> {
    let own = |set: &&proto::OperatorSet| matches!(set.domain.as_deref(), None | Some("" | "ai.onnx"));
    match model.opset_import.iter().find(own).and_then(|set| set.version).unwrap_or(1) {
        version if version >= OLDEST_OPSET => Ok(()),
        version => Err(format!(
            "it uses operators of version {version}; export it with an opset of at least {OLDEST_OPSET}"
        )),
    }
}

/// The one input that is no initializer; files of IR version 3 list those, too.
fn input(graph: &proto::Graph) -> Result<Images<'_>, String> {
    let constants: HashSet<_> = graph.initializer.iter().map(|tensor| &tensor.name).collect();
    let inputs: Vec<_> = graph.input.iter().filter(|input| !constants.contains(&input.name)).collect();
    let [input] = inputs[..] else {
        return Err(format!("it has {} inputs, expected one: the images", inputs.len()));
    };
    let name = input.name.as_deref().unwrap_or_default();
    let tensor = input.of.as_ref().and_then(|of| of.tensor_type.as_ref());
    let bytes = match tensor.and_then(|tensor| tensor.elem_type) {
        Some(proto::FLOAT) => false,
        Some(proto::UINT8) => true,
        _ => return Err(format!("its input {name:?} is neither of 32-bit floats nor of bytes")),
    };
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
    let [_, sizes @ ..] = dims else { return Err(format!("its input {name:?} has no shape")) };
    let sizes: Option<Vec<usize>> =
        sizes.iter().map(|dim| dim.dim_value.and_then(|size| usize::try_from(size).ok())).collect();
    let shape = match sizes.as_deref() {
        Some([h, w, c]) if bytes => ImageShape::new(*c, *h, *w),
        Some([c, h, w]) => ImageShape::new(*c, *h, *w),
        _ => {
            return Err(format!(
                "its input {name:?} must have four sizes, all but the first of them fixed: images, channels, \
                 rows, columns; export it with a fixed size of images"
            ));
        }
    };
    Ok(Images { name, shape, bytes })
}

fn output(graph: &proto::Graph) -> Result<&str, String> {
    match &graph.output[..] {
        [output] => Ok(output.name.as_deref().unwrap_or_default()),
        outputs => Err(format!("it has {} outputs, expected one: the logits", outputs.len())),
    }
}

/// Which nodes the output depends on.
fn needed(graph: &proto::Graph, output: &str) -> Vec<bool> {
    let mut makers = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        makers.extend(node.output.iter().map(|output| (output.as_str(), index)));
    }
    let mut needed = vec![false; graph.node.len()];
    let mut wanted = vec![output];
    while let Some(name) = wanted.pop() {
        if let Some(&index) = makers.get(name)
            && !std::mem::replace(&mut needed[index], true)
        {
            wanted.extend(graph.node[index].input.iter().map(String::as_str));
        }
    }
    needed
}
