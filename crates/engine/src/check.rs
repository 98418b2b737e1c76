//! What the engine asks of a graph beyond being well formed. Everything after this trusts the graph.

use plusx_kernels::loss::{LossTargets, TargetShape};
use plusx_kernels::{LANES, Level};
use plusx_model::executor::Images;
use plusx_model::graph::{Graph, NodeId, Op};
use plusx_model::targets::{Loss, Targets};
use plusx_model::update::{OptimiserState, ParamRules, Update};
use plusx_model::words::count;

use crate::error::EngineError;
use crate::params::same_table;

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

/// Checks targets for `n` images and the loss; gives them as the kernels take them.
pub(crate) fn targets<'a>(
    graph: &Graph,
    n: usize,
    targets: Targets<'a>,
    loss: Loss<'a>,
) -> Result<LossTargets<'a>, EngineError> {
    let output = graph.node(graph.output());
    let classes = output.shape.c;
    if !(0.0..=1.0).contains(&loss.smoothing) {
        return Err(EngineError::Smoothing { smoothing: loss.smoothing });
    }
    let wrong = |value: &f32| !(value.is_finite() && *value >= 0.0);
    if let Some(weights) = loss.class_weights
        && (weights.len() != classes || weights.iter().any(wrong))
    {
        let wrong = weights.iter().copied().find(|weight| wrong(weight));
        return Err(EngineError::ClassWeights {
            layer: output.label.clone(),
            classes,
            found: weights.len(),
            wrong,
        });
    }
    let shape = TargetShape { smoothing: loss.smoothing, weights: loss.class_weights };
    match targets {
        Targets::Classes(labels) => {
            if labels.len() != n {
                return Err(EngineError::Labels { images: n, labels: labels.len() });
            }
            if let Some(image) = labels.iter().position(|label| *label as usize >= classes) {
                let (layer, label) = (output.label.clone(), labels[image]);
                return Err(EngineError::Label { layer, image, label, classes });
            }
            Ok(if loss.is_plain() {
                LossTargets::Classes(labels)
            } else {
                LossTargets::Smoothed(labels, shape)
            })
        }
        Targets::Soft(shares) => {
            if n.checked_mul(classes) != Some(shares.len()) {
                let layer = output.label.clone();
                return Err(EngineError::Shares { layer, images: n, classes, found: shares.len() });
            }
            match shares.iter().position(wrong) {
                None => Ok(LossTargets::Soft(shares, shape)),
                Some(at) => {
                    Err(EngineError::Share { image: at / classes, class: at % classes, share: shares[at] })
                }
            }
        }
        _ => Err(EngineError::Targets),
    }
}

/// Checks the numbers of an update, and that it has a rule for each parameter of `graph` if it has any.
pub(crate) fn update(graph: &Graph, update: &Update<'_>) -> Result<(), EngineError> {
    update.check().map_err(|problem| EngineError::Update { problem })?;
    match update.params {
        ParamRules::Each(rules) if rules.len() != graph.params.len() => {
            let (found, wanted) = (rules.len(), graph.params.len());
            let problem =
                format!("it has rules for {found} parameters; pass one for each of the network's {wanted}");
            Err(EngineError::Update { problem })
        }
        _ => Ok(()),
    }
}

/// Checks that what an update rule remembered belongs to the parameters of `graph`.
pub(crate) fn optimiser_state(graph: &Graph, state: &OptimiserState) -> Result<(), EngineError> {
    state.sets().into_iter().try_for_each(|(_, params)| same_table(graph, params))?;
    match state {
        OptimiserState::AdamW { steps, .. } if steps.len() != graph.params.len() => {
            let problem = format!("{} counts of updates instead of {}", steps.len(), graph.params.len());
            Err(EngineError::Params { problem })
        }
        _ => Ok(()),
    }
}
