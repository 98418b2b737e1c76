//! Parameters as one flat buffer with a table of offsets, so that saving, reducing and comparing are one loop each.

use crate::error::ModelError;
use crate::graph::{Graph, ParamId, ParamSpec};

/// Values of all parameters of a graph, in logical layout (OIHW filters, \[out, in\] matrices), one after another.
#[derive(Clone, PartialEq, Debug)]
pub struct Params {
    specs: Vec<ParamSpec>,
    offsets: Vec<usize>,
    values: Vec<f32>,
}

impl Params {
    /// All zeros, for the parameters of `graph`.
    pub fn zeros(graph: &Graph) -> Self {
        let mut offsets = Vec::with_capacity(graph.params.len() + 1);
        let mut total = 0;
        for spec in &graph.params {
            offsets.push(total);
            total += spec.len();
        }
        offsets.push(total);
        Self { specs: graph.params.clone(), offsets, values: vec![0.0; total] }
    }

    /// The table: names, dimensions and roles, in order.
    pub fn specs(&self) -> &[ParamSpec] {
        &self.specs
    }

    /// Values of parameter `id`.
    pub fn get(&self, id: ParamId) -> &[f32] {
        &self.values[self.offsets[id.index()]..self.offsets[id.index() + 1]]
    }

    /// Values of parameter `id`, to change.
    pub fn get_mut(&mut self, id: ParamId) -> &mut [f32] {
        &mut self.values[self.offsets[id.index()]..self.offsets[id.index() + 1]]
    }

    /// Replaces the values of parameter `id`; there must be as many.
    pub fn set(&mut self, id: ParamId, values: &[f32]) -> Result<(), ModelError> {
        let target = self.get_mut(id);
        if target.len() != values.len() {
            let (expected, found) = (target.len(), values.len());
            let parameter = self.specs[id.index()].name.clone();
            return Err(ModelError::ParamLength { parameter, expected, found });
        }
        target.copy_from_slice(values);
        Ok(())
    }

    /// Whether the table is that of `graph`: names, dimensions and roles in the same order.
    pub fn fits(&self, graph: &Graph) -> bool {
        self.specs == graph.params
    }

    /// The parameter called `name`.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.specs.iter().position(|spec| spec.name == name).map(|index| ParamId(index as u32))
    }

    /// Each parameter with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&ParamSpec, &[f32])> {
        self.specs.iter().enumerate().map(|(index, spec)| (spec, self.get(ParamId(index as u32))))
    }

    /// All values, one flat buffer.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, to change.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}
