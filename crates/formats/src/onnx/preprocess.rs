//! Preprocessing at the start of a graph, as this crate writes it: bytes become floats, channels come first, then
//! `/ 255`, `- mean`, `/ std`. The network begins behind it.

use crate::onnx::attributes::Attributes;
use crate::onnx::constants::Constants;
use crate::onnx::proto::{FLOAT, Graph, Node, Tensor};
use crate::onnx::read::Normalise;

/// The steps in their order.
const STEPS: [&str; 5] = ["Cast", "Transpose", "Div", "Sub", "Div"];

/// What the steps do, the nodes that make them, and the name of their result. An error says what is not understood.
pub(super) fn find<'a>(
    graph: &'a Graph,
    input: &'a str,
    channels: usize,
    constants: &mut Constants<'_>,
) -> Result<(Normalise, Vec<usize>, &'a str), String> {
    let mut value = input;
    let mut nodes = Vec::new();
    let mut numbers = Vec::new();
    for step in STEPS {
        let mut readers =
            graph.node.iter().enumerate().filter(|(_, node)| node.input.iter().any(|x| x == value));
        let (Some((index, node)), None) = (readers.next(), readers.next()) else {
            return Err(unknown(input, &format!("{value:?} is not read by one node")));
        };
        if node.op_type.as_deref() != Some(step) || node.input.first().is_none_or(|first| first != value) {
            let found = format!("{} does {}", node.title(), node.op_type.as_deref().unwrap_or("nothing"));
            return Err(unknown(input, &format!("{found} where {step} was expected")));
        }
        if !is_set_for(node, step) {
            return Err(unknown(input, &format!("the attributes of {} are others", node.title())));
        }
        if let Some(name) = node.input.get(1) {
            numbers.push(constants.floats(initializer(graph, name)?)?.1);
        }
        nodes.push(index);
        value = node.output.first().ok_or("a node of the preprocessing has no output")?;
    }
    match &numbers[..] {
        [scale, mean, std]
            if *scale == [255.0]
                && mean.len() == channels
                && std.len() == channels
                && !std.contains(&0.0) =>
        {
            Ok((Normalise { mean: mean.clone(), std: std.clone() }, nodes, value))
        }
        _ => Err(unknown(input, "its numbers are not 255, means and standard deviations")),
    }
}

fn unknown(input: &str, why: &str) -> String {
    format!(
        "its input {input:?} takes bytes, and what happens to them is not the preprocessing that plusx writes: {why}"
    )
}

/// Whether a step has the attributes that it is written with.
fn is_set_for(node: &Node, step: &str) -> bool {
    let mut attributes = Attributes::of(node);
    let right = match step {
        "Cast" => attributes.expect("to", i64::from(FLOAT)).is_ok(),
        "Transpose" => attributes.ints("perm") == Ok(Some(&[0, 3, 1, 2])),
        _ => true,
    };
    right && attributes.finish().is_ok()
}

fn initializer<'a>(graph: &'a Graph, name: &str) -> Result<&'a Tensor, String> {
    let found = graph.initializer.iter().find(|tensor| tensor.name.as_deref() == Some(name));
    found.ok_or_else(|| format!("{name:?}, of the preprocessing, is not constant"))
}
