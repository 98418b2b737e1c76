//! What parameters are called: as their initializers are, where those have PyTorch's names, else after the node.
//!
//! PyTorch's older exporter merges batch norms into convolutions and calls the result `onnx::Conv_193`, but the node
//! `/layer1/layer1.0/conv1/Conv`: the modules on the way to it, each with the path that its parent knows.

use std::collections::HashMap;

use crate::onnx::proto::NodeProto;

/// Paths of layers, each given once.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// How often each was wanted.
    given: HashMap<String, usize>,
}

impl Paths {
    /// The path of a layer ("layer1.0.conv1"), for a node whose first parameter is the initializer `weight`.
    pub(super) fn take(&mut self, weight: &str, node: &NodeProto) -> String {
        let own = weight.strip_suffix(".weight").filter(|stem| !stem.is_empty());
        let wanted = own.map_or_else(|| path(node.title()), str::to_owned);
        let mut path = wanted.clone();
        // counted, not searched: a file may have a hundred thousand nodes of one name
        while let Some(count) = self.given.get_mut(&path) {
            *count += 1;
            path = format!("{wanted}_{count}");
        }
        self.given.insert(path.clone(), 1);
        path
    }
}

/// `/layer1/layer1.0/conv1/Conv` to `layer1.0.conv1`; names without slashes stay.
fn path(title: &str) -> String {
    let Some(rest) = title.strip_prefix('/') else { return title.to_owned() };
    let mut segments: Vec<&str> = rest.split('/').collect();
    // the last segment is the operation
    if segments.len() > 1 {
        segments.pop();
    }
    let repeated = |index: usize| {
        let next = segments.get(index + 1).and_then(|next| next.strip_prefix(segments[index]));
        next.is_some_and(|rest| rest.starts_with('.'))
    };
    let kept: Vec<&str> = (0..segments.len()).filter(|i| !repeated(*i)).map(|i| segments[i]).collect();
    kept.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_pytorchs_modules() {
        assert_eq!(path("/conv1/Conv"), "conv1");
        assert_eq!(path("/layer1/layer1.0/conv1/Conv"), "layer1.0.conv1");
        assert_eq!(path("/layer2/layer2.0/downsample/downsample.0/Conv"), "layer2.0.downsample.0");
        assert_eq!(path("/Gemm"), "Gemm");
        assert_eq!(path("resnetv15_conv0_fwd"), "resnetv15_conv0_fwd");
    }

    #[test]
    fn no_path_is_given_twice() {
        let mut paths = Paths::default();
        let node = NodeProto { name: Some("/a/Conv".to_owned()), ..NodeProto::default() };
        let taken = ["onnx::Conv_1", "onnx::Conv_2", "b.weight"].map(|weight| paths.take(weight, &node));
        assert_eq!(taken, ["a", "a_2", "b"]);
    }
}
