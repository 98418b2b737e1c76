//! Matching by layers, for Gluon's files, whose names say little about the place of a layer: `features.5.0.body.3.weight`,
//! `resnetv10_stage2_conv1_weight`, `conv7_weight`.
//!
//! The convolutions of the file are those of the graph in the same order, and so are the batch norms and the dense
//! layers; within a layer the role decides (gamma is the weight of a batch norm). Order in the file is the order in which
//! Gluon made the layers, in the graph that of their first use, but for shortcuts: Gluon makes them last in their
//! block. Shapes are compared afterwards, so that another network is found out.

use std::cmp::Ordering;
use std::collections::HashMap;

use plusx_model::graph::{Graph, ParamId, Role};

use super::names;
use super::tensor::NamedTensor;

/// What a layer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    Conv,
    Norm,
    Dense,
}

/// A layer with whatever stands for its parameters.
#[derive(Debug)]
struct Layer<'a, T> {
    sort: Sort,
    path: &'a str,
    parts: Vec<(Role, T)>,
}

/// For each parameter of the graph the index of its tensor, or why no order can be told.
pub(super) fn pair(tensors: &[NamedTensor], graph: &Graph) -> Result<Vec<Option<usize>>, String> {
    let theirs = of_file(tensors)?;
    let ours = of_graph(graph);
    let mut pairs = vec![None; graph.params.len()];
    for sort in [Sort::Conv, Sort::Norm, Sort::Dense] {
        let own = ours.iter().filter(|layer| layer.sort == sort);
        for (own, other) in own.zip(theirs.iter().filter(|layer| layer.sort == sort)) {
            for (role, id) in &own.parts {
                let part = other.parts.iter().find(|(other, _)| other == role);
                pairs[id.index()] = part.map(|(_, index)| *index);
            }
        }
    }
    Ok(pairs)
}

/// The graph's layers in the order in which Gluon would have made them.
fn of_graph(graph: &Graph) -> Vec<Layer<'_, ParamId>> {
    let mut layers: Vec<Layer<'_, ParamId>> = Vec::new();
    for node in &graph.nodes {
        let parts: Vec<_> = graph.params_of(node).into_iter().map(|id| (graph.param(id).role, id)).collect();
        let sort = parts.iter().find_map(|(role, _)| match role {
            Role::ConvWeight => Some(Sort::Conv),
            Role::DenseWeight => Some(Sort::Dense),
            Role::Gamma => Some(Sort::Norm),
            _ => None,
        });
        let (Some(sort), Some((_, first))) = (sort, parts.first()) else { continue };
        let path = names::split(&graph.param(*first).name).0;
        // a layer used twice is one layer
        if layers.iter().all(|layer| layer.path != path) {
            layers.push(Layer { sort, path, parts });
        }
    }
    let places: Vec<_> =
        layers.iter().enumerate().map(|(at, layer)| place(&layers, layer.path, at)).collect();
    let mut placed: Vec<_> = places.into_iter().zip(layers).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, layer)| layer).collect()
}

/// Where a layer stands: at `at`, a shortcut behind the other layers of its block.
fn place(layers: &[Layer<'_, ParamId>], path: &str, at: usize) -> (usize, usize) {
    let Some((block, _)) = path.split_once(".downsample") else { return (at, 0) };
    let inside =
        |other: &Layer<'_, ParamId>| other.path.strip_prefix(block).is_some_and(|rest| rest.starts_with('.'));
    (layers.iter().rposition(inside).unwrap_or(at), at)
}

/// The file's layers in the order in which they were made.
fn of_file(tensors: &[NamedTensor]) -> Result<Vec<Layer<'_, usize>>, String> {
    let mut layers: Vec<Layer<'_, usize>> = Vec::new();
    let mut known = HashMap::new();
    for (index, tensor) in tensors.iter().enumerate() {
        let Some((path, role)) = role(tensor) else { continue };
        let sort = match role {
            Role::ConvWeight => Some(Sort::Conv),
            Role::DenseWeight => Some(Sort::Dense),
            Role::Bias => None,
            _ => Some(Sort::Norm),
        };
        let at = *known.entry(path).or_insert_with(|| {
            // a bias belongs to whatever its weight will show
            layers.push(Layer { sort: sort.unwrap_or(Sort::Conv), path, parts: Vec::new() });
            layers.len() - 1
        });
        layers[at].sort = sort.unwrap_or(layers[at].sort);
        layers[at].parts.push((role, index));
    }
    if !counts_up(&layers) {
        in_order_of_making(&mut layers);
    }
    if !counts_up(&layers) {
        // Python before 3.7 kept dictionaries in no order; paths by index still tell theirs
        if layers.iter().any(|layer| !layer.path.contains('.') && layer.path.parse::<u64>().is_err()) {
            return Err(
                "its layers are in no order; load it with MXNet and save it with save_parameters".to_owned()
            );
        }
        layers.sort_by(|a, b| natural(a.path, b.path));
    }
    Ok(layers)
}

/// Path and role of a tensor by its name: `features.1.gamma`, `resnetv10_batchnorm0_running_mean`.
fn role(tensor: &NamedTensor) -> Option<(&str, Role)> {
    let endings = [
        ("weight", if tensor.dims.len() == 2 { Role::DenseWeight } else { Role::ConvWeight }),
        ("bias", Role::Bias),
        ("gamma", Role::Gamma),
        ("beta", Role::Beta),
        ("running_mean", Role::RunningMean),
        ("running_var", Role::RunningVar),
        ("moving_mean", Role::RunningMean),
        ("moving_var", Role::RunningVar),
    ];
    endings
        .into_iter()
        .find_map(|(ending, role)| Some((tensor.name.strip_suffix(ending)?.strip_suffix(['.', '_'])?, role)))
}

/// Runs of digits and of other characters.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).scan(0, move |at, run| {
        let start = *at;
        *at += run.len();
        Some(&text[start..*at])
    })
}

/// Sorts layers that only differ in their last number among their own places: `export` writes layers in the order in which
/// they compute, a shortcut of Gluon's before its block, but counts them in the order in which they were made. What stands
/// before the number (`resnetv10_stage2_conv`) stays where it is.
fn in_order_of_making<T>(layers: &mut [Layer<'_, T>]) {
    let key = |path: &str| {
        let text = path.trim_end_matches(|c: char| c.is_ascii_digit());
        path[text.len()..].parse::<u64>().ok().map(|number| (text.len(), number))
    };
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, layer) in layers.iter().enumerate() {
        if let Some((length, _)) = key(layer.path) {
            places.entry(&layer.path[..length]).or_default().push(at);
        }
    }
    for places in places.into_values() {
        // insertion by swaps: no two layers have one number
        for end in 1..places.len() {
            for at in (0..end).rev() {
                let [a, b] = [places[at], places[at + 1]];
                if key(layers[a].path) <= key(layers[b].path) {
                    break;
                }
                layers.swap(a, b);
            }
        }
    }
}

/// Whether numbers after the same text never go down.
fn counts_up(layers: &[Layer<'_, usize>]) -> bool {
    let mut last: HashMap<&str, u64> = HashMap::new();
    layers.iter().all(|layer| {
        let mut at = 0;
        tokens(layer.path).all(|token| {
            let before = &layer.path[..at];
            at += token.len();
            let Ok(number) = token.parse() else { return true };
            last.insert(before, number).is_none_or(|last| last <= number)
        })
    })
}

/// Order in which 2 comes before 10.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    tokens(a)
        .zip(tokens(b))
        .map(|(a, b)| match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(names: &[&str]) -> Vec<NamedTensor> {
        let one = |name: &&str| NamedTensor { name: (*name).to_owned(), dims: vec![1; 4], values: vec![0.0] };
        names.iter().map(one).collect()
    }

    fn order(names: &[&str]) -> Result<Vec<String>, String> {
        let tensors = tensors(names);
        Ok(of_file(&tensors)?.iter().map(|layer| layer.path.to_owned()).collect())
    }

    #[test]
    fn an_order_that_counts_up_is_kept() {
        let names = [
            "net_batchnorm0_gamma",
            "net_stage1_conv0_weight",
            "net_stage1_conv1_weight",
            "net_batchnorm2_beta",
        ];
        let paths = ["net_batchnorm0", "net_stage1_conv0", "net_stage1_conv1", "net_batchnorm2"];
        assert_eq!(order(&names).unwrap(), paths);
        // a block that names its parts: zebra before ape
        assert_eq!(order(&["0.zebra.weight", "0.ape.weight", "0.ape.bias"]).unwrap(), ["0.zebra", "0.ape"]);
    }

    #[test]
    fn no_order_is_mended_or_refused() {
        let names = ["features.10.weight", "features.2.0.body.1.gamma", "features.2.0.body.0.weight"];
        assert_eq!(order(&names).unwrap(), ["features.2.0.body.0", "features.2.0.body.1", "features.10"]);
        assert_eq!(order(&["10.weight", "9.weight"]).unwrap(), ["9", "10"]);
        let stages = ["net_stage2_conv0_weight", "net_stage1_conv0_weight"];
        assert!(order(&stages).unwrap_err().contains("save_parameters"));
    }

    #[test]
    fn a_shortcut_exported_before_its_block_goes_behind_it() {
        let names = [
            "net_conv0_weight",
            "net_stage1_conv0_weight",
            "net_stage2_conv2_weight",
            "net_stage2_batchnorm2_gamma",
            "net_stage2_conv0_weight",
            "net_stage2_batchnorm0_gamma",
            "net_stage2_conv1_weight",
            "net_stage2_batchnorm1_gamma",
            "net_stage2_conv3_weight",
        ];
        let found = order(&names).unwrap();
        let convs: Vec<_> = found.iter().filter(|path| path.contains("conv")).collect();
        assert_eq!(
            convs,
            [
                "net_conv0",
                "net_stage1_conv0",
                "net_stage2_conv0",
                "net_stage2_conv1",
                "net_stage2_conv2",
                "net_stage2_conv3"
            ]
        );
    }

    #[test]
    fn roles_by_name() {
        for (name, path, expected) in [
            ("a_running_mean", "a", Role::RunningMean),
            ("bn0_moving_var", "bn0", Role::RunningVar),
            ("4.0.bn1.gamma", "4.0.bn1", Role::Gamma),
            ("9.bias", "9", Role::Bias),
        ] {
            assert_eq!(role(&tensors(&[name])[0]), Some((path, expected)));
        }
        assert_eq!(role(&tensors(&["weight"])[0]), None);
        assert_eq!(role(&tensors(&["embedding.codes"])[0]), None);
    }
}
