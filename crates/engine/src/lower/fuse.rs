//! Views that a convolution stores in place of its output.
//!
//! It does so if one view alone reads the output, and if nothing has to wait for batch statistics. Batch norm, residual join
//! and ReLU are then applied while the output is in registers. The operations, their order and their rounding stay those of
//! a reader.

use plusx_model::graph::NodeId;

use super::{Lowered, LoweredTerm, LoweredUnit, ValueId};

/// Lets convolutions store the views of their outputs, where batch norms know their statistics and, in training, where nothing
/// learns. Values of `roots` stay.
pub(crate) fn fuse_views(lowered: &mut Lowered, roots: &[NodeId], training: bool) {
    let wanted: Vec<Option<ValueId>> = roots.iter().map(|root| lowered.of_node[root.index()]).collect();
    for index in 0..lowered.units.len() {
        let LoweredUnit::Conv { src, dst, filter, .. } = lowered.units[index] else { continue };
        let Some(view) = view_of(lowered, dst, index) else { continue };
        let known = |term: LoweredTerm| term.norm.is_none_or(|norm| lowered.norm(norm).running);
        let value = lowered.value(view);
        let may = !(training && value.learns) && value.view.is_some_and(|view| view.terms().all(known));
        if may && !wanted.contains(&Some(dst)) {
            lowered.units[index] = LoweredUnit::Conv { src, dst: view, filter, raw: Some(dst) };
            lowered.values[view.0].stored = true;
            lowered.values[view.0].unit = index;
        }
    }
}

/// The view that alone reads the output `raw` of unit `index`, if its other term is in memory before that unit.
fn view_of(lowered: &Lowered, raw: ValueId, index: usize) -> Option<ValueId> {
    let [reader] = lowered.value(raw).readers[..] else { return None };
    let LoweredUnit::View(id) = lowered.units[reader] else { return None };
    let (_, other) = lowered.value(id).view?.around(raw);
    let there =
        |term: LoweredTerm| lowered.value(term.value).stored && lowered.value(term.value).unit < index;
    other.is_none_or(there).then_some(id)
}
