//! The summary table: what each layer gives, holds and costs.

use crate::graph::{Graph, ParamId};
use crate::image_shape::ImageShape;

pub use crate::thousands::thousands;

/// One operation of a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SummaryRow {
    /// Gluon-style name ("conv5").
    pub name: String,
    /// Kind of operation ("conv2d").
    pub op: &'static str,
    /// Shape of its value for one image.
    pub output_shape: ImageShape,
    /// Trainable parameters; those of a layer used twice are counted at its first use.
    pub params: u64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
}

/// A network at a glance. [`Display`](std::fmt::Display) prints it as a text table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Name of the network.
    pub model: String,
    /// Shape of one image.
    pub input: ImageShape,
    /// Trainable parameters.
    pub total_params: u64,
    /// Running means and variances, which are not trained.
    pub total_statistics: u64,
    /// Multiply-accumulates of convolutions and dense layers for one image.
    pub total_macs: u64,
    /// The operations in order, without the input.
    pub layers: Vec<SummaryRow>,
}

impl Summary {
    /// The summary of `graph`, which is called `model`.
    pub fn new(model: &str, graph: &Graph) -> Self {
        let mut seen = vec![false; graph.params.len()];
        let mut counted = |id: ParamId| {
            let first = !std::mem::replace(&mut seen[id.index()], true);
            let spec = graph.param(id);
            if first && spec.role.trainable() { spec.len() as u64 } else { 0 }
        };
        let layers: Vec<SummaryRow> = graph
            .nodes
            .iter()
            .skip(1)
            .map(|node| SummaryRow {
                name: node.label.clone(),
                op: node.op.kind(),
                output_shape: node.shape,
                params: graph.params_of(node).into_iter().map(&mut counted).sum(),
                macs: graph.macs_of(node),
            })
            .collect();
        let statistics = graph.params.iter().filter(|spec| !spec.role.trainable());
        Self {
            model: model.to_owned(),
            input: graph.input_shape(),
            total_params: layers.iter().map(|row| row.params).sum(),
            total_statistics: statistics.map(|spec| spec.len() as u64).sum(),
            total_macs: layers.iter().map(|row| row.macs).sum(),
            layers,
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}, input {}", self.model, self.input)?;
        let widest = self.layers.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let name = widest.max("name".len());
        let head = ("name", "op", "output shape", "parameters", "MACs");
        writeln!(f, "{:name$}  {:17}  {:>14}  {:>13}  {:>15}", head.0, head.1, head.2, head.3, head.4)?;
        for row in &self.layers {
            writeln!(
                f,
                "{:name$}  {:17}  {:>14}  {:>13}  {:>15}",
                row.name,
                row.op,
                row.output_shape.to_string(),
                thousands(row.params),
                thousands(row.macs)
            )?;
        }
        writeln!(f, "parameters: {} trainable", thousands(self.total_params))?;
        writeln!(f, "running statistics: {}", thousands(self.total_statistics))?;
        write!(f, "multiply-accumulates: {} per image", thousands(self.total_macs))
    }
}
