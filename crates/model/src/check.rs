//! Whether a graph is one that a trace could have written, for graphs that come from elsewhere. How it looks in plain text,
//! for finding out what a block did.

use crate::error::ModelError;
use crate::graph::{Graph, Node, Op};
use crate::image_shape::ImageShape;
use crate::shape;

impl Graph {
    /// Checks the order of nodes, their shapes, and the names, dimensions and roles of their parameters.
    pub fn check(&self) -> Result<(), ModelError> {
        let malformed = |problem: String| Err(ModelError::Malformed { layer: "graph".to_owned(), problem });
        if self.nodes.is_empty() {
            return malformed("it has no node".to_owned());
        }
        if self.output().index() >= self.nodes.len() {
            return malformed(format!(
                "its output is %{}, the last node %{}",
                self.output().0,
                self.nodes.len() - 1
            ));
        }
        for (index, node) in self.nodes.iter().enumerate() {
            self.check_node(index, node)
                .map_err(|problem| ModelError::Malformed { layer: node.label.clone(), problem })?;
        }
        let mut names = std::collections::HashSet::new();
        match self.params.iter().find(|spec| !names.insert(&spec.name)) {
            Some(twice) => malformed(format!("two parameters are called {:?}", twice.name)),
            None => Ok(()),
        }
    }

    fn check_node(&self, index: usize, node: &Node) -> Result<(), String> {
        if (node.op == Op::Input) != (index == 0) {
            return Err("node 0, and no other, is the input".to_owned());
        }
        if let Some(late) = node.inputs.iter().find(|input| input.index() >= index) {
            return Err(format!("%{index} reads %{}, which does not come before it", late.0));
        }
        let inputs: Vec<ImageShape> = match index {
            0 => vec![node.shape],
            _ => node.inputs.iter().map(|&input| self.node(input).shape).collect(),
        };
        let shape = shape::output(&node.label, &node.op, &inputs).map_err(|error| error.to_string())?;
        if shape != node.shape {
            return Err(format!("expected the shape {shape}, got {}", node.shape));
        }
        let mut op = node.op;
        for slot in op.slots(inputs[0]) {
            let Some(spec) = self.params.get(slot.id.index()) else {
                return Err(format!(
                    "its {} is parameter {}, of {}",
                    slot.suffix,
                    slot.id.0,
                    self.params.len()
                ));
            };
            if spec.dims != slot.dims || spec.role != slot.role {
                return Err(format!(
                    "expected {:?} {:?} as its {}, got {:?} {:?} ({})",
                    slot.role, slot.dims, slot.suffix, spec.role, spec.dims, spec.name
                ));
            }
        }
        Ok(())
    }
}

/// One line per node: number, label, operation, inputs, shape, parameters.
impl std::fmt::Display for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, node) in self.nodes.iter().enumerate() {
            write!(f, "%{index} {} = {}(", node.label, node.op.kind())?;
            for (position, input) in node.inputs.iter().enumerate() {
                write!(f, "{}%{}", if position == 0 { "" } else { ", " }, input.0)?;
            }
            write!(f, ") {}", node.shape)?;
            for id in self.params_of(node) {
                write!(f, " {}", self.param(id).name)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
