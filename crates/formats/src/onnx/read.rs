//! From a file to a graph with its parameters.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use plusx_model::graph::{NodeId, ParamId};
use plusx_model::params::Params;
use plusx_weights::WeightError;
use prost::bytes::Bytes;

use crate::error::FormatError;
use crate::metadata::ModelFile;
use crate::onnx::builder::{Builder, Map, Pending, Value};
use crate::onnx::constants::Constants;
use crate::onnx::images::ImageInput;
use crate::onnx::imported::Imported;
use crate::onnx::options::LARGEST;
use crate::onnx::scaling::Scaling;
use crate::onnx::{describe, proto, wire};

/// The oldest version of the operators whose meaning is known here.
const OLDEST_OPSET: i64 = 7;

/// Most outputs among which the logits are looked for.
const MOST_OUTPUTS: usize = 64;

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
    OnnxSource { path, folder: Some(folder) }.network(bytes.into())
}

/// Reads the bytes of a file; `path` is only for messages, and weights in other files are refused.
///
/// # Errors
/// Those of [`read`], except for reading.
pub fn decode(bytes: &[u8], path: &Path) -> Result<Imported, FormatError> {
    OnnxSource { path, folder: None }.network(Bytes::copy_from_slice(bytes))
}

/// Where the bytes come from.
struct OnnxSource<'a> {
    path: &'a Path,
    folder: Option<&'a Path>,
}

impl OnnxSource<'_> {
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
        let opset = opset(&model);
        let meta = describe::own(&model, self.path)?;
        let opset = opset.map_err(|reason| self.wrong(reason))?;
        let Ends { input, output, left_out } = ends(graph).map_err(|reason| self.wrong(reason))?;
        let images = ImageInput::of(graph, input).map_err(|reason| self.wrong(reason))?;
        let needed = needed(graph, output);
        let nodes: Vec<&proto::NodeProto> =
            graph.node.iter().zip(needed).filter(|(_, needed)| *needed).map(|(node, _)| node).collect();
        let builder = Builder::new(&images, opset, Constants::new(size, self.folder));
        let builder = builder.map_err(|reason| self.wrong(reason))?;
        let mut builder = builder.with_constants(&graph.initializer).with_readers(&nodes);
        builder.notes.extend(left_out);
        builder.own = meta.is_some();
        for node in nodes {
            builder.add(node).map_err(|reason| FormatError::OnnxNode {
                path: self.path.into(),
                node: format!("{} ({})", node.title(), node.op_type.as_deref().unwrap_or_default()),
                reason,
            })?;
        }
        self.finish(builder, &images, output, meta)
    }

    /// The network behind its preparation and before its softmax.
    fn finish(
        &self,
        mut builder: Builder<'_>,
        images: &ImageInput<'_>,
        output: &str,
        meta: Option<ModelFile>,
    ) -> Result<Imported, FormatError> {
        let (id, softmax) = ends_in(&mut builder, output).map_err(|reason| self.wrong(reason))?;
        let scaling = builder.prepared.clone();
        let scaling =
            scaling.as_deref().cloned().unwrap_or_else(|| Scaling::none(builder.graph.input_shape().c));
        let (normalise, guessed) = images.normalise(&scaling).map_err(|reason| self.wrong(reason))?;
        let Builder { mut graph, params: values, mut notes, constants, .. } = builder;
        graph.output = Some(id);
        // what is written here is checked like what came from elsewhere
        graph.check().map_err(|error| self.wrong(error.to_string()))?;
        let mut params = Params::zeros(&graph);
        for (index, values) in values.iter().enumerate() {
            params.set(ParamId(index as u32), values).map_err(|error| self.wrong(error.to_string()))?;
        }
        // a file of plusx says all of this itself
        if meta.is_none() {
            notes.extend(guessed);
            notes.extend(softmax.then(|| "the softmax at its end is left out: logits follow".to_owned()));
        }
        notes.extend(constants.converted.iter().map(|kind| match *kind {
            "DOUBLE" => "its numbers of 64 bits are rounded to 32".to_owned(),
            kind => format!("its {kind} numbers become 32-bit floats, in which the network is computed"),
        }));
        Ok(Imported { graph, params, meta, normalise, softmax, notes })
    }
}

/// The node that holds the logits, and whether a softmax follows it.
fn ends_in(builder: &mut Builder<'_>, output: &str) -> Result<(NodeId, bool), String> {
    let unknown = || format!("its output {output:?} does not depend on its input");
    let Some(Value::Map(map)) = builder.values.get(output).cloned() else { return Err(unknown()) };
    let softmax = map.pending == Pending::Softmax;
    let map = if softmax { Map { pending: Pending::Nothing, ..map } } else { map };
    let map = builder.settle(map).map_err(|reason| format!("its output {output:?}: {reason}"))?;
    let usual = map.layout.is_map() || map.layout.is_flat();
    match usual && map.id != NodeId(0) {
        true => Ok((map.id, softmax)),
        false if map.id == NodeId(0) => Err(unknown()),
        false => Err(format!("its output {output:?} has its axes in another order than images and classes")),
    }
}

/// The version of the operators.
fn opset(model: &proto::ModelProto) -> Result<i64, String> {
    let own = |set: &&proto::OperatorSet| matches!(set.domain.as_deref(), None | Some("" | "ai.onnx"));
    match model.opset_import.iter().find(own).and_then(|set| set.version).unwrap_or(1) {
        version if version >= OLDEST_OPSET => Ok(version),
        version => Err(format!(
            "it uses operators of version {version}; export it with an opset of at least {OLDEST_OPSET}"
        )),
    }
}

/// Where a network begins and ends.
struct Ends<'a> {
    /// The images.
    input: &'a proto::ValueInfo,
    /// Name of the logits.
    output: &'a str,
    /// A sentence on the outputs that are left out beside them.
    left_out: Option<String>,
}

/// The one input that is no initializer (files of IR version 3 list those, too) and is read, and the output that is the
/// logits.
fn ends(graph: &proto::GraphProto) -> Result<Ends<'_>, String> {
    let (output, left_out) = output(graph)?;
    let constants: HashSet<_> = graph.initializer.iter().map(|tensor| &tensor.name).collect();
    let inputs: Vec<_> = graph.input.iter().filter(|input| !constants.contains(&input.name)).collect();
    let [input] = inputs[..] else {
        return Err(format!("it has {} inputs, expected one: the images", inputs.len()));
    };
    Ok(Ends { input, output, left_out })
}

/// The output that holds the logits, and which ones are left out.
fn output(graph: &proto::GraphProto) -> Result<(&str, Option<String>), String> {
    let named = |output: &'_ proto::ValueInfo| output.name.as_deref().unwrap_or_default().to_owned();
    let of = |output: &'_ usize| graph.output[*output].name.as_deref().unwrap_or_default();
    if let [only] = &graph.output[..] {
        return Ok((only.name.as_deref().unwrap_or_default(), None));
    }
    if graph.output.len() > MOST_OUTPUTS {
        return Err(format!("it has {} outputs, expected one: the logits", graph.output.len()));
    }
    let all: Vec<usize> = (0..graph.output.len()).collect();
    let logits = all.iter().find(|output| of(output).eq_ignore_ascii_case("logits"));
    // of two, one may be the softmax of the other
    let before = |output: &usize| {
        let ends = |node: &&proto::NodeProto| {
            matches!(node.op_type.as_deref(), Some("Softmax" | "LogSoftmax" | "ArgMax"))
                && node.input.first().is_some_and(|input| input == of(output))
                && all.iter().any(|other| node.output.first().is_some_and(|made| made == of(other)))
        };
        graph.node.iter().any(|node| ends(&node))
    };
    let names: Vec<String> = graph.output.iter().map(named).collect();
    match logits.or(all.iter().find(|output| before(output))) {
        Some(chosen) => {
            let others: Vec<String> = all
                .iter()
                .filter(|other| *other != chosen)
                .map(|other| format!("{:?}", names[*other]))
                .collect();
            let others = plusx_weights::some(&others, ", ");
            Ok((of(chosen), Some(format!("the logits are its output {:?}; left out: {others}", of(chosen)))))
        }
        None => {
            let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            Err(format!(
                "it has {} outputs ({}), and none is called \"logits\"; export it with that one only",
                names.len(),
                plusx_weights::some(&names, ", ")
            ))
        }
    }
}

/// Which nodes the output depends on.
fn needed(graph: &proto::GraphProto, output: &str) -> Vec<bool> {
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
