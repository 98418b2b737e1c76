//! Names of networks whose stages stand in a `Sequential`: the PyTorch edition of the chapter (`1.0.conv1.weight`, or
//! `net.b2.0.conv1.weight`, `net.last.2.weight`), a network made of another's children (`4.0.conv1.weight`).
//!
//! Stages and blocks are the network's in their order, numbers by size. Inside a block names decide as everywhere. What is in
//! no block, the beginning and the classifier, goes by kind and order: convolutions, batch norms, the dense layer.

use std::collections::{BTreeMap, HashMap};

use plusx_model::graph::Graph;

use super::layers;
use super::names::{self, MOST_PREFIXES};
use super::tensor::NamedTensor;

/// What may stand before the stages: whatever stands before the container of a block.
pub(super) fn prefixes(names: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for name in names {
        let Some(block) = name.strip_suffix(".conv1.weight") else { continue };
        let Some((stage, index)) = block.rsplit_once('.') else { continue };
        let prefix = stage.rfind('.').map_or("", |dot| &stage[..=dot]);
        if is_number(index) && !found.iter().any(|one| one == prefix) {
            found.push(prefix.to_owned());
        }
        if found.len() == MOST_PREFIXES {
            break;
        }
    }
    found
}

/// For each parameter of the graph the index of its tensor; `None` if stages or blocks are not as many.
pub(super) fn pair(
    inside: &[(usize, &str)],
    tensors: &[NamedTensor],
    graph: &Graph,
) -> Option<Vec<Option<usize>>> {
    let has_third = graph.params.iter().any(|spec| spec.name.contains(".conv3."));
    let theirs = Parts::of(inside.iter().map(|(index, rest)| (*index, *rest)), has_third);
    let ours =
        Parts::of(graph.params.iter().enumerate().map(|(at, spec)| (at, spec.name.as_str())), has_third);
    if ours.stages.is_empty() || ours.sizes() != theirs.sizes() {
        return None;
    }
    let mut pairs = vec![None; graph.params.len()];
    for (own, other) in ours.blocks().zip(theirs.blocks()) {
        for (part, at) in own {
            pairs[*at] = other.get(part).copied();
        }
    }
    let own = by_kind(&ours.others, |at| graph.params[at].dims.len());
    let other = by_kind(&theirs.others, |index| tensors[index].dims.len());
    for (kind, layers) in own {
        for (own, other) in layers.iter().zip(other.get(&kind).into_iter().flatten()) {
            for (part, at) in own {
                pairs[*at] = other.get(part).copied();
            }
        }
    }
    Some(pairs)
}

/// Something by the names of its parts.
type ByPart = HashMap<String, usize>;

/// Names of a network, taken apart.
#[derive(Default)]
struct Parts<'a> {
    /// Stages by path, of each its blocks by number.
    stages: Vec<(&'a str, BTreeMap<u64, ByPart>)>,
    /// Names in no block.
    others: Vec<(usize, &'a str)>,
}

impl<'a> Parts<'a> {
    /// `has_third` says whether a block's `conv3` is a convolution of its path; in the chapter it is the shortcut's.
    fn of(names: impl Iterator<Item = (usize, &'a str)>, has_third: bool) -> Self {
        let mut found = Self::default();
        for (index, name) in names {
            let Some((stage, block, part)) = in_block(name) else {
                found.others.push((index, name));
                continue;
            };
            let part = match part.strip_prefix("conv3.") {
                Some(leaf) if !has_third => format!("downsample.0.{leaf}"),
                _ => names::synonym(part),
            };
            let at = found.stages.iter().position(|(path, _)| *path == stage).unwrap_or_else(|| {
                found.stages.push((stage, BTreeMap::new()));
                found.stages.len() - 1
            });
            found.stages[at].1.entry(block).or_default().insert(part, index);
        }
        found.stages.sort_by(|(a, _), (b, _)| layers::natural(a, b));
        found
    }

    /// The numbers of the blocks of each stage.
    fn sizes(&self) -> Vec<Vec<u64>> {
        self.stages.iter().map(|(_, blocks)| blocks.keys().copied().collect()).collect()
    }

    fn blocks(&self) -> impl Iterator<Item = &ByPart> {
        self.stages.iter().flat_map(|(_, blocks)| blocks.values())
    }
}

/// Stage, number of the block and what is inside it: `1`, 0, `conv1.weight`.
fn in_block(name: &str) -> Option<(&str, u64, &str)> {
    let is_part = |rest: &str| {
        let part = rest.split('.').next().unwrap_or_default();
        let kind = part.trim_end_matches(|c: char| c.is_ascii_digit());
        rest.contains('.')
            && (["downsample", "shortcut"].contains(&part)
                || (["conv", "bn"].contains(&kind) && kind != part))
    };
    let dots = name.match_indices('.').map(|(at, _)| at);
    dots.filter_map(|dot| {
        let (stage, rest) = (&name[..dot], &name[dot + 1..]);
        let (block, part) = rest.split_once('.')?;
        (is_number(block) && is_part(part)).then(|| Some((stage, block.parse().ok()?, part)))?
    })
    .next()
}

fn is_number(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a layer outside of all blocks is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Conv,
    Norm,
    Dense,
}

/// Layers by kind, each kind in the order of their paths.
fn by_kind(names: &[(usize, &str)], rank: impl Fn(usize) -> usize) -> BTreeMap<Sort, Vec<ByPart>> {
    let mut layers: Vec<(&str, Sort, ByPart)> = Vec::new();
    for (index, name) in names {
        let (path, part) = names::split(name);
        let at = layers.iter().position(|(known, ..)| *known == path).unwrap_or_else(|| {
            layers.push((path, Sort::Norm, ByPart::new()));
            layers.len() - 1
        });
        match (part, rank(*index)) {
            ("weight", 4) => layers[at].1 = Sort::Conv,
            ("weight", 2) => layers[at].1 = Sort::Dense,
            _ => {}
        }
        layers[at].2.insert(part.to_owned(), *index);
    }
    layers.sort_by(|(a, ..), (b, ..)| layers::natural(a, b));
    let mut found: BTreeMap<Sort, Vec<ByPart>> = BTreeMap::new();
    for (_, sort, parts) in layers {
        found.entry(sort).or_default().push(parts);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_wherever_they_stand() {
        assert_eq!(in_block("1.0.conv1.weight"), Some(("1", 0, "conv1.weight")));
        assert_eq!(in_block("net.b2.1.bn2.running_mean"), Some(("net.b2", 1, "bn2.running_mean")));
        assert_eq!(in_block("4.2.downsample.0.weight"), Some(("4", 2, "downsample.0.weight")));
        assert_eq!(in_block("layer1.10.shortcut.1.bias"), Some(("layer1", 10, "shortcut.1.bias")));
        for name in [
            "0.0.weight",
            "conv1.0.weight",
            "net.last.2.weight",
            "conv1.weight",
            "1.0.se.weight",
            "1.0.conv.weight",
        ] {
            assert_eq!(in_block(name), None, "{name}");
        }
    }
}
