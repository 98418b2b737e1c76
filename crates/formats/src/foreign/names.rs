//! Names under which other programs keep the same tensors.
//!
//! The graph has torchvision's. Others differ in what stands before them (the key of a checkpoint's dictionary, a
//! wrapper's attribute), in the classifier's name, and in `shortcut` for `downsample` (the CIFAR networks of Akamaster
//! and Kuangliu).

use std::collections::HashMap;

use plusx_model::graph::{Graph, Role};

use super::Weights;

/// What wrappers put before every name: `DataParallel`, `torch.compile`.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// What the classifier is called: by torchvision's ResNet, Akamaster, torchvision's DenseNet and VGG, timm, Cadena.
const HEADS: [&str; 6] = ["fc", "linear", "classifier", "head", "head.fc", "last_linear"];

/// The first of `sections` that some of the names are in: a name is in `model` if it starts with `model.`.
pub(super) fn section<'n>(names: impl Iterator<Item = &'n str> + Clone, sections: &[&str]) -> Option<String> {
    let holds = |section: &&&str| {
        names.clone().any(|name| name.split_once('.').is_some_and(|(key, _)| key == **section))
    };
    sections.iter().find(holds).map(|section| (*section).to_owned())
}

/// Takes wrappers' names off, as often as every tensor has one.
pub(super) fn without_prefix(mut weights: Weights) -> Weights {
    let all =
        |weights: &Weights, prefix: &str| weights.tensors.iter().all(|one| one.name.starts_with(prefix));
    while let Some(prefix) =
        WRAPPERS.iter().find(|prefix| !weights.tensors.is_empty() && all(&weights, prefix))
    {
        weights.prefix.push_str(prefix);
        weights.rename(|name| name.strip_prefix(prefix).unwrap_or(name).to_owned());
    }
    weights
}

/// Whether a tensor counts the batches that a batch norm has seen.
pub(super) fn is_count(name: &str) -> bool {
    split(name).1 == "num_batches_tracked"
}

/// The path of a name's layer and the last segment: `layer1.0.conv1`, `weight`.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

/// For each parameter of the graph the index of its tensor: by its own name, else by a name that means the same.
pub(super) fn pair(weights: &Weights, graph: &Graph) -> Vec<Option<usize>> {
    let by_name = weights.tensors.iter().enumerate().map(|(index, tensor)| (tensor.name.as_str(), index));
    let mut left: HashMap<&str, usize> = by_name.collect();
    let mut pairs: Vec<_> = graph.params.iter().map(|spec| left.remove(spec.name.as_str())).collect();
    let head = graph.params.iter().rfind(|spec| spec.role == Role::DenseWeight);
    let head = head.map(|spec| split(&spec.name).0);
    let mut by_meaning: HashMap<String, usize> = HashMap::new();
    for (name, index) in left {
        let first = by_meaning.entry(meaning(name, head)).or_insert(index);
        // of two names that mean the same, the first in the file
        *first = index.min(*first);
    }
    for (pair, spec) in pairs.iter_mut().zip(&graph.params).filter(|(pair, _)| pair.is_none()) {
        *pair = by_meaning.remove(&meaning(&spec.name, head));
    }
    pairs
}

/// One spelling for all names of one thing.
fn meaning(name: &str, head: Option<&str>) -> String {
    let (path, part) = split(name);
    if Some(path) == head || HEADS.contains(&path) {
        return format!("the head's {part}");
    }
    let segments = name.split('.').map(|segment| if segment == "shortcut" { "downsample" } else { segment });
    segments.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_whole_segments() {
        let section = |names: &[&str]| section(names.iter().copied(), &["state_dict", "model"]);
        assert_eq!(section(&["conv1.weight", "modelling.weight"]), None);
        assert_eq!(section(&["model.conv1.weight", "optimizer.0"]).as_deref(), Some("model"));
        assert_eq!(section(&["model.a", "state_dict.a"]).as_deref(), Some("state_dict"));
        assert_eq!(section(&["model"]), None);
    }

    #[test]
    fn names_that_mean_the_same() {
        let same = |a, b| assert_eq!(meaning(a, Some("fc")), meaning(b, Some("fc")));
        same("linear.weight", "fc.weight");
        same("head.fc.bias", "fc.bias");
        same("layer2.0.shortcut.1.running_mean", "layer2.0.downsample.1.running_mean");
        assert_ne!(meaning("linear.weight", Some("fc")), meaning("fc.bias", Some("fc")));
        assert_ne!(meaning("layer1.fc.weight", Some("fc")), meaning("fc.weight", Some("fc")));
        assert_eq!(meaning("top.weight", Some("top")), "the head's weight");
    }
}
