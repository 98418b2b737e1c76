//! Names under which other programs keep the same tensors.
//!
//! The graph has torchvision's. Others differ in the classifier's name, and in `shortcut` for `downsample` (the CIFAR
//! networks of Akamaster and Kuangliu). What stands before all names is looked for in `select.rs`.

use std::collections::HashMap;

use plusx_model::graph::{Graph, Role};

use super::tensor::NamedTensor;

/// Segments that wrappers put into names: `DataParallel` and its kin, `torch.compile`.
const WRAPPERS: [&str; 2] = ["module", "_orig_mod"];

/// What the classifier is called: by torchvision's ResNet, Akamaster, torchvision's DenseNet and VGG, timm, Cadena.
const HEADS: [&str; 6] = ["fc", "linear", "classifier", "head", "head.fc", "last_linear"];

/// Most prefixes that are tried; no file holds so many networks.
pub(super) const MOST_PREFIXES: usize = 100;

/// A name without the segments of wrappers.
pub(super) fn without_wrappers(name: &str) -> String {
    match WRAPPERS.iter().any(|wrapper| name.contains(wrapper)) {
        true => {
            let own = name.split('.').filter(|segment| !WRAPPERS.contains(segment));
            own.collect::<Vec<_>>().join(".")
        }
        false => name.to_owned(),
    }
}

/// Whether a tensor counts the batches that a batch norm has seen.
pub(super) fn is_count(name: &str) -> bool {
    split(name).1 == "num_batches_tracked"
}

/// The path of a name's layer and the last segment: `layer1.0.conv1`, `weight`.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

/// One spelling for what shortcuts are called.
pub(super) fn synonym(name: &str) -> String {
    let segments = name.split('.').map(|segment| if segment == "shortcut" { "downsample" } else { segment });
    segments.collect::<Vec<_>>().join(".")
}

/// For each parameter of the graph the index of its tensor: by its own name, else by a name that means the same.
/// `inside` are the tensors in question with the names that they have there.
pub(super) fn pair(inside: &[(usize, &str)], tensors: &[NamedTensor], graph: &Graph) -> Vec<Option<usize>> {
    let mut left: HashMap<&str, usize> = inside.iter().map(|(index, name)| (*name, *index)).collect();
    let mut pairs: Vec<_> = graph.params.iter().map(|spec| left.remove(spec.name.as_str())).collect();
    let head = graph.params.iter().rfind(|spec| spec.role == Role::DenseWeight);
    let head = head.map(|spec| split(&spec.name).0);
    let inner = inner_head(inside, tensors);
    let mut by_meaning: HashMap<String, usize> = HashMap::new();
    for (name, index) in left {
        let meant = match inner {
            Some(path) if split(name).0 == path => format!("the head's {}", split(name).1),
            _ => meaning(name, head),
        };
        let first = by_meaning.entry(meant).or_insert(index);
        // of two names that mean the same, the first in the file
        *first = index.min(*first);
    }
    for (pair, spec) in pairs.iter_mut().zip(&graph.params).filter(|(pair, _)| pair.is_none()) {
        *pair = by_meaning.remove(&meaning(&spec.name, head));
    }
    pairs
}

/// The one dense layer in a classifier that is a `Sequential`, if nothing else in it has parameters: `fc.1` behind a
/// dropout.
fn inner_head<'n>(inside: &[(usize, &'n str)], tensors: &[NamedTensor]) -> Option<&'n str> {
    let mut found = None;
    for (index, name) in inside {
        let (path, part) = split(name);
        let Some((head, number)) = path.rsplit_once('.') else { continue };
        if !HEADS.contains(&head) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let is_dense = part == "bias" || (part == "weight" && tensors[*index].dims.len() == 2);
        if !is_dense || found.is_some_and(|found| found != path) {
            return None;
        }
        found = Some(path);
    }
    found
}

/// One spelling for all names of one thing.
fn meaning(name: &str, head: Option<&str>) -> String {
    let (path, part) = split(name);
    if Some(path) == head || HEADS.contains(&path) {
        return format!("the head's {part}");
    }
    synonym(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_whole_segments() {
        assert_eq!(without_wrappers("module.layer1._orig_mod.0.conv1.weight"), "layer1.0.conv1.weight");
        assert_eq!(without_wrappers("modules.my_module.weight"), "modules.my_module.weight");
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

    #[test]
    fn a_classifier_behind_a_dropout() {
        let tensor = |name: &str, dims: &[usize]| NamedTensor {
            name: name.to_owned(),
            dims: dims.to_vec(),
            values: Vec::new(),
        };
        let head = |tensors: &[NamedTensor]| {
            let inside: Vec<_> =
                tensors.iter().enumerate().map(|(index, one)| (index, one.name.as_str())).collect();
            inner_head(&inside, tensors).map(str::to_owned)
        };
        let one = [tensor("fc.1.weight", &[5, 8]), tensor("fc.1.bias", &[5])];
        assert_eq!(head(&one).as_deref(), Some("fc.1"));
        let two = [&one[..], &[tensor("fc.3.weight", &[5, 5])]].concat();
        assert_eq!(head(&two), None);
        let norm = [&one[..], &[tensor("fc.0.weight", &[8])]].concat();
        assert_eq!(head(&norm), None);
    }
}
