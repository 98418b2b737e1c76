//! What the engine asks of a graph beyond being well formed. Everything after this trusts the graph.

use plusx_kernels::{LANES, Level};
use plusx_model::executor::Images;
use plusx_model::graph::{Graph, NodeId, Op};
use plusx_model::words::count;

use crate::error::EngineError;

/// Most positions in a pooling window: the winner is kept as one byte.
const WINDOW: usize = 256;

/// Values of all maps of a batch together, at most: 2^44 where addresses have 64 bits, 64 TiB.
const MOST_VALUES: usize = usize::MAX >> 20;

/// Checks structure, shapes and parameters of a graph.
pub(crate) fn graph(graph: &Graph) -> Result<(), EngineError> {
    graph.check()?;
    for node in &graph.nodes {
        if let Op::MaxPool2d { spec } = node.op
            && spec.kernel[0].checked_mul(spec.kernel[1]).is_none_or(|window| window > WINDOW)
        {
            return Err(EngineError::Window { layer: node.label.clone(), window: spec.kernel });
        }
    }
    Ok(())
}

/// Checks that the machine can run the instructions of `level`.
pub(crate) fn level(level: Level) -> Result<(), EngineError> {
    match level.supported() {
        true => Ok(()),
        false => Err(EngineError::Level { level, best: Level::detect() }),
    }
}

/// Checks that `node` is in the graph.
pub(crate) fn node_exists(graph: &Graph, node: NodeId) -> Result<(), EngineError> {
    match node.index() < graph.nodes.len() {
        true => Ok(()),
        false => Err(EngineError::Node { node: node.index(), nodes: graph.nodes.len() }),
    }
}

/// Checks that a plan can be made for `batch` images.
pub(crate) fn batch(graph: &Graph, batch: usize) -> Result<(), EngineError> {
    if batch == 0 {
        return Err(EngineError::Images { n: 0, shape: graph.input_shape(), len: 0 });
    }
    // far above any machine's memory, far below what sizes can count
    let image: usize = graph.nodes.iter().map(|node| node.shape.len() + LANES).sum();
    if batch > MOST_VALUES / image {
        let what = format!("the maps of {}", count(batch, "image"));
        return Err(EngineError::Memory { mib: usize::MAX >> 20, what });
    }
    Ok(())
}

/// Checks that `images` are as many as they say, and of the graph's input shape.
pub(crate) fn images(graph: &Graph, images: Images<'_>) -> Result<(), EngineError> {
    let shape = graph.input_shape();
    if images.n == 0 || images.n.checked_mul(shape.len()) != Some(images.data.len()) {
        return Err(EngineError::Images { n: images.n, shape, len: images.data.len() });
    }
    Ok(())
}
