//! Which parameters learn.

use crate::graph::{Graph, Op, ParamId, ParamSpec};

/// Which parameters of a graph learn, and which batch norms follow their batch: transfer learning leaves most as they are.
///
/// A parameter that does not learn is not updated, does not decay, and has no gradient; what lies before the first that learns
/// has no backward pass. A batch norm whose *running statistics* do not learn stays in evaluation mode: it uses them and does
/// not move them, as PyTorch's `bn.eval()` does. Its scale and shift may still learn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Learning {
    mask: Vec<bool>,
}

impl Learning {
    /// Everything learns.
    pub fn everything(graph: &Graph) -> Self {
        Self { mask: vec![true; graph.params.len()] }
    }

    /// One entry for each parameter of a graph, in its order, running statistics included.
    pub fn of(mask: Vec<bool>) -> Self {
        Self { mask }
    }

    /// Without the parameters of `graph` that `frozen` picks.
    pub fn without(mut self, graph: &Graph, frozen: impl Fn(&ParamSpec) -> bool) -> Self {
        for (learns, spec) in self.mask.iter_mut().zip(&graph.params) {
            *learns &= !frozen(spec);
        }
        self
    }

    /// The entries.
    pub fn mask(&self) -> &[bool] {
        &self.mask
    }

    /// Whether a parameter learns.
    pub fn learns(&self, id: ParamId) -> bool {
        self.mask.get(id.index()).copied().unwrap_or(true)
    }

    /// Whether it has an entry for each parameter of `graph`, and no batch norm whose running mean and variance differ.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self, graph: &Graph) -> Result<(), String> {
        if self.mask.len() != graph.params.len() {
            let (found, wanted) = (self.mask.len(), graph.params.len());
            return Err(format!(
                "it speaks of {found} parameters; pass one entry for each of the network's {wanted}"
            ));
        }
        for node in &graph.nodes {
            if let Op::BatchNorm { mean, var, .. } = node.op
                && self.learns(mean) != self.learns(var)
            {
                let label = &node.label;
                return Err(format!("{label}: freeze its running mean and variance together, or neither"));
            }
        }
        Ok(())
    }
}
