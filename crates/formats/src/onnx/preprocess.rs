//! Preprocessing at the start of a graph, as this crate writes it and finds it again: what the file takes becomes what the
//! network takes. The network begins behind it.
//!
//! | the file takes | steps |
//! |---|---|
//! | bytes | become floats, channels come first; `/ 255`, `- mean`, `/ std` |
//! | floats from 0 to 255 | `/ 255`, `- mean`, `/ std` |
//! | what Ultralytics prepares | the middle is cut out, if the network takes less; three channels become grey, if it takes one; `- mean`, `/ std` |

use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;

use crate::error::FormatError;
use crate::onnx::attributes::Attributes;
use crate::onnx::constants::{Constants, int_list};
use crate::onnx::proto::{Attribute, FLOAT, Graph, Node, Tensor, UINT8, ValueInfo};
use crate::onnx::read::{Images, Normalise};
use crate::onnx::write::{Writer, encode_error};
use crate::onnx::{Input, Options, ultralytics};

/// Name of the input, but for Ultralytics.
const INPUT: &str = "input";

/// Red, green and blue in grey: the luma of ITU-R BT.601 in the 16-bit parts with which `plusx-pixels` makes it.
const LUMA: [f32; 3] = [19_595.0 / 65_536.0, 38_470.0 / 65_536.0, 7_471.0 / 65_536.0];

impl Writer<'_> {
    /// What the file takes, and the name of what the network takes: the steps between them in the order in which
    /// [`Preprocess`] defines them, so that they round alike.
    pub(super) fn front(
        &mut self,
        preprocess: &Preprocess,
        options: Options,
    ) -> Result<(ValueInfo, String), FormatError> {
        let ImageShape { c, h, w } = preprocess.input;
        let images = |name, kind, sizes: [usize; 3]| ValueInfo::batch_of(name, kind, options.batch, &sizes);
        Ok(match options.input {
            Input::Prepared => (images(INPUT, FLOAT, [c, h, w]), INPUT.to_owned()),
            Input::Bytes => {
                let to = [Attribute::int("to", i64::from(FLOAT))];
                let floats = self.node("Cast", "preprocess_floats", &[INPUT], &to);
                let order = [Attribute::ints("perm", &[0, 3, 1, 2])];
                let first = self.node("Transpose", "preprocess_channels_first", &[floats], &order);
                let scaled = self.scale(first);
                (images(INPUT, UINT8, [h, w, c]), self.normalise(scaled, preprocess))
            }
            Input::Floats => {
                let scaled = self.scale(INPUT.to_owned());
                (images(INPUT, FLOAT, [c, h, w]), self.normalise(scaled, preprocess))
            }
            Input::Ultralytics => {
                let sides = ultralytics::sides(preprocess);
                let mut value = ultralytics::INPUT.to_owned();
                if sides != [h, w] {
                    value = self.cut(value, preprocess, sides);
                }
                value = match c {
                    3 => value,
                    1 => {
                        let luma = self.floats("preprocess_luma", &[1, LUMA.len(), 1, 1], &LUMA);
                        self.node("Conv", "preprocess_grey", &[value, luma], &[])
                    }
                    _ => {
                        return Err(encode_error(format!(
                            "Ultralytics gives pictures of three channels, and the network takes {c}"
                        )));
                    }
                };
                let taken = images(ultralytics::INPUT, FLOAT, [LUMA.len(), sides[0], sides[1]]);
                (taken, self.normalise(value, preprocess))
            }
        })
    }

    /// The middle, where the record cuts it out of pictures of such `sides`.
    fn cut(&mut self, value: String, preprocess: &Preprocess, sides: [usize; 2]) -> String {
        let ImageShape { h, w, .. } = preprocess.input;
        let corner = preprocess.corner(sides);
        let lists = [("starts", corner), ("ends", [corner[0] + h, corner[1] + w]), ("axes", [2, 3])];
        let mut inputs = vec![value];
        for (list, values) in lists {
            inputs.push(self.ints(&format!("preprocess_{list}"), &values.map(|value| value as i64)));
        }
        self.node("Slice", "preprocess_middle", &inputs, &[])
    }

    fn scale(&mut self, value: String) -> String {
        let by = self.floats("preprocess_scale_by", &[], &[255.0]);
        self.node("Div", "preprocess_scale", &[value, by], &[])
    }

    fn normalise(&mut self, mut value: String, preprocess: &Preprocess) -> String {
        let steps = [("Sub", "preprocess_mean", &preprocess.mean), ("Div", "preprocess_std", &preprocess.std)];
        for (op, name, values) in steps {
            let constant = self.floats(&format!("{name}_by"), &[values.len(), 1, 1], values);
            value = self.node(op, name, &[value, constant], &[]);
        }
        value
    }
}

/// Preprocessing found at the start of a graph.
pub(super) struct Front<'a> {
    /// What it does to the values of a picture.
    pub(super) normalise: Normalise,
    /// Its nodes.
    pub(super) nodes: Vec<usize>,
    /// The name of its result.
    pub(super) value: &'a str,
    /// The shape of one image in its result.
    pub(super) shape: ImageShape,
}

/// The preprocessing of a file that takes `images`; of one that takes floats only if it is an `own` one, which plusx
/// wrote. `None` if they come prepared. An error says what is not understood.
pub(super) fn find<'a>(
    graph: &'a Graph,
    images: &Images<'a>,
    own: bool,
    constants: &mut Constants<'_>,
) -> Result<Option<Front<'a>>, String> {
    let mut chain = Chain { graph, value: images.name, nodes: Vec::new() };
    let first = chain.next().and_then(|(_, node)| node.op_type.as_deref()).unwrap_or_default();
    if !images.bytes && !(own && starts(graph, &chain, first, constants)) {
        return Ok(None);
    }
    let steps = steps(&mut chain, images, constants);
    let (normalise, shape) = steps.map_err(|why| {
        format!(
            "what happens to its input {:?} is not the preprocessing that plusx writes: {why}",
            images.name
        )
    })?;
    Ok(Some(Front { normalise, nodes: chain.nodes, value: chain.value, shape }))
}

/// Whether a file of plusx that takes floats prepares them itself: no network begins so.
fn starts(graph: &Graph, chain: &Chain<'_>, first: &str, constants: &mut Constants<'_>) -> bool {
    let mut grey = || chain.next().is_some_and(|(_, node)| is_luma(graph, node, constants));
    ["Slice", "Div", "Sub"].contains(&first) || (first == "Conv" && grey())
}

fn is_luma(graph: &Graph, node: &Node, constants: &mut Constants<'_>) -> bool {
    let filter = node.input.get(1).and_then(|name| initializer(graph, name).ok());
    // only this one is looked at: what layers may take of a file is counted
    let filter = filter.filter(|tensor| tensor.dims == [1, LUMA.len() as i64, 1, 1]);
    node.input.len() == 2
        && node.attribute.is_empty()
        && filter.is_some_and(|filter| constants.floats(filter).is_ok_and(|(_, values)| values == LUMA))
}

/// The steps one after another; what they do, and the shape of what they make.
fn steps<'a>(
    chain: &mut Chain<'a>,
    images: &Images<'a>,
    constants: &mut Constants<'_>,
) -> Result<(Normalise, ImageShape), String> {
    let mut shape = images.shape;
    let mut scaled = false;
    if images.bytes {
        chain.take("Cast", |a| a.expect("to", i64::from(FLOAT)).is_ok())?;
        chain.take("Transpose", |a| a.ints("perm") == Ok(Some(&[0, 3, 1, 2])))?;
    } else {
        if chain.is("Slice") {
            shape = middle(chain, shape)?;
        }
        if chain.is("Conv") {
            let grey = chain.take("Conv", |_| true)?;
            if shape.c != LUMA.len() || !is_luma(chain.graph, grey, constants) {
                return Err(format!("{} does not make grey of three channels", grey.title()));
            }
            shape.c = 1;
        }
        // what Ultralytics prepares is divided already
        scaled = chain.is("Sub");
    }
    if !scaled && chain.numbers("Div", constants)? != [255.0] {
        return Err("values are not divided by 255".to_owned());
    }
    let (mean, std) = (chain.numbers("Sub", constants)?, chain.numbers("Div", constants)?);
    match mean.len() == shape.c && std.len() == shape.c && !std.contains(&0.0) {
        true => Ok((Normalise { mean, std }, shape)),
        false => Err("its numbers are not means and standard deviations".to_owned()),
    }
}

/// The shape of what a Slice cuts out of images.
fn middle(chain: &mut Chain<'_>, shape: ImageShape) -> Result<ImageShape, String> {
    let graph = chain.graph;
    let node = chain.take("Slice", |_| true)?;
    let [_, starts, ends, axes] = &node.input[..] else {
        return Err(format!("{} has other inputs", node.title()));
    };
    let list = |name: &str| int_list(initializer(graph, name)?);
    let (starts, ends) = (list(starts)?, list(ends)?);
    let size = |axis: usize, whole: usize| {
        let [start, end] = [&starts, &ends].map(|list| list.get(axis).and_then(|at| usize::try_from(*at).ok()));
        start.zip(end).filter(|(start, end)| start < end && *end <= whole).map(|(start, end)| end - start)
    };
    match (size(0, shape.h), size(1, shape.w)) {
        (Some(h), Some(w)) if list(axes)? == [2, 3] => Ok(ImageShape { h, w, ..shape }),
        _ => Err(format!("{} does not cut rows and columns out", node.title())),
    }
}

/// Nodes each of which alone reads the result of the one before.
struct Chain<'a> {
    graph: &'a Graph,
    /// The result so far.
    value: &'a str,
    nodes: Vec<usize>,
}

impl<'a> Chain<'a> {
    /// The one reader of the value.
    fn next(&self) -> Option<(usize, &'a Node)> {
        let nodes = self.graph.node.iter().enumerate();
        let mut readers = nodes.filter(|(_, node)| node.input.iter().any(|input| input == self.value));
        readers.next().filter(|_| readers.next().is_none())
    }

    fn is(&self, op: &str) -> bool {
        self.next().is_some_and(|(_, node)| node.op_type.as_deref() == Some(op))
    }

    /// Goes on over a node that does `op` and has no attributes but those that `known` takes.
    fn take(&mut self, op: &str, known: impl Fn(&mut Attributes<'a>) -> bool) -> Result<&'a Node, String> {
        let alone = self.next().ok_or_else(|| format!("{:?} is not read by one node", self.value));
        let (index, node) = alone?;
        if node.op_type.as_deref() != Some(op) || node.input.first().is_none_or(|first| first != self.value) {
            let found = node.op_type.as_deref().unwrap_or("nothing");
            return Err(format!("{} does {found} where {op} was expected", node.title()));
        }
        let mut attributes = Attributes::of(node);
        if !known(&mut attributes) || attributes.finish().is_err() {
            return Err(format!("the attributes of {} are others", node.title()));
        }
        self.nodes.push(index);
        self.value = node.output.first().ok_or("a node of it has no output")?;
        Ok(node)
    }

    /// The same over a node that does `op` with constant numbers; gives these.
    fn numbers(&mut self, op: &str, constants: &mut Constants<'_>) -> Result<Vec<f32>, String> {
        let node = self.take(op, |_| true)?;
        let name = node.input.get(1).ok_or_else(|| format!("{} has one input", node.title()))?;
        Ok(constants.floats(initializer(self.graph, name)?)?.1)
    }
}

fn initializer<'a>(graph: &'a Graph, name: &str) -> Result<&'a Tensor, String> {
    let found = graph.initializer.iter().find(|tensor| tensor.name.as_deref() == Some(name));
    found.ok_or_else(|| format!("{name:?} is not constant"))
}
