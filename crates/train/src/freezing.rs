//! Transfer learning: which parameters learn in which epoch, and the node before which nothing does.

use plusx_data::Mix;
use plusx_model::executor::Executor;
use plusx_model::graph::{Graph, NodeId, Op, ParamId, ParamSpec, Role};
use plusx_model::learning::Learning;
use plusx_model::shape::ImageShape;
use plusx_model::summary::thousands;
use plusx_model::words::counted;

use crate::error::TrainError;
use crate::options::{CacheFeatures, Freeze, TrainOptions};

/// Views of each picture that are kept where pictures change at random.
const VIEWS: u32 = 4;

/// Images whose values are computed at a time. Algorithms are chosen by it, and with them the last bits: files of runs with other
/// batches are the same.
pub(crate) const AT_A_TIME: usize = 32;

/// Bytes of kept values up to which they are kept unasked.
const MOST_BYTES: u64 = 4_000_000_000;

/// What of a network does not learn, and until when.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Freezing {
    freeze: Freeze,
    learning: Learning,
    /// Epochs in which it does not learn.
    epochs: u32,
    /// What is kept of the pictures.
    pub(crate) kept: Option<KeptValues>,
}

/// Values of a node that are kept: one for each view of a picture.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct KeptValues {
    /// The last node before what learns.
    pub(crate) node: NodeId,
    /// Shape of its value.
    pub(crate) shape: ImageShape,
    /// Views of each picture that is learnt from. Epochs take turns with them.
    pub(crate) views: u32,
}

impl KeptValues {
    /// Bytes of the values of so many pictures to learn from and to be measured on.
    pub(crate) fn bytes(&self, [train, val]: [usize; 2]) -> u64 {
        let rows = u64::from(self.views) * train as u64 + val as u64;
        rows * (self.shape.len() * size_of::<f32>()) as u64
    }
}

impl Freezing {
    /// What the options ask for; `None` if everything learns all the time. `images`: how many pictures are learnt from, and
    /// measured on.
    pub(crate) fn of(
        options: &TrainOptions,
        graph: &Graph,
        images: [usize; 2],
    ) -> Result<Option<Self>, TrainError> {
        if options.freeze == Freeze::None {
            return Ok(None);
        }
        let learning = learning(graph, options.freeze)?;
        let epochs = options.unfreeze_after.unwrap_or(u32::MAX);
        let kept = kept(options, graph, &learning, images)?;
        Ok(Some(Self { freeze: options.freeze, learning, epochs, kept }))
    }

    /// Whether the part does not learn in an epoch, counted from 0.
    pub(crate) fn is_on(&self, epoch: u32) -> bool {
        epoch < self.epochs
    }

    /// Whether it does so in some epoch and not in others of a run of so many.
    pub(crate) fn phases(&self, epochs: u32) -> Vec<bool> {
        [true, false].into_iter().filter(|on| *on || self.epochs < epochs).collect()
    }

    /// Epochs of so many in which it does not learn.
    pub(crate) fn frozen(&self, epochs: u32) -> u32 {
        self.epochs.min(epochs)
    }

    /// Makes the executor learn as in an epoch in which the part does not learn, or does.
    pub(crate) fn enter<E: Executor>(&self, executor: &mut E, on: bool) -> Result<(), TrainError> {
        let everything = Learning::everything(executor.graph());
        executor.set_learning(if on { &self.learning } else { &everything }).map_err(TrainError::executor)?;
        let node = self.kept.filter(|_| on).map(|kept| kept.node);
        executor.start_behind(node).map_err(TrainError::executor)
    }

    /// What a training step costs in forward passes of the whole network: while the part does not learn, and afterwards.
    /// `tail` is the share of what lies behind the first layer that learns.
    pub(crate) fn costs(&self, tail: f64) -> [f64; 2] {
        let head = if self.kept.is_some() { 0.0 } else { 1.0 - tail };
        [head + 3.0 * tail, 3.0]
    }

    /// The share of the multiply-adds of a forward pass that lie behind the first layer that learns.
    pub(crate) fn tail(&self, graph: &Graph) -> f64 {
        let macs = |graph: &Graph| graph.nodes.iter().map(|node| graph.macs_of(node)).sum::<u64>();
        let node = self.kept.map(|kept| kept.node).or_else(|| graph.last_before(&self.learning));
        let rest = node.and_then(|node| graph.rest_behind(node).ok());
        rest.map_or(1.0, |rest| macs(&rest.graph) as f64 / macs(graph).max(1) as f64)
    }

    /// What it does, for people.
    pub(crate) fn words(&self, graph: &Graph, images: [usize; 2]) -> String {
        let learns = |spec: &(usize, &ParamSpec)| {
            spec.1.role.trainable() && self.learning.learns(ParamId(spec.0 as u32))
        };
        let numbers: usize = graph.params.iter().enumerate().filter(learns).map(|(_, spec)| spec.len()).sum();
        let part = match self.freeze {
            Freeze::Norms => "the batch norms stay as they are".to_owned(),
            Freeze::Stages(1) => "the first stage stays as it is".to_owned(),
            Freeze::Stages(stages) => format!("the first {stages} stages stay as they are"),
            Freeze::None | Freeze::Backbone => "all but the classifier stays as it is".to_owned(),
        };
        let until = match self.epochs {
            u32::MAX => String::new(),
            epochs => format!(" for {}", counted(epochs.into(), "epoch")),
        };
        let mut text = format!("{part}{until}: {} parameters learn", thousands(numbers as u64));
        if let Some(kept) = self.kept {
            let views = match kept.views {
                1 => String::new(),
                views => format!(", {views} views of each"),
            };
            text += &format!(
                "; what they learn from is computed once and kept: {} of a picture{views}, {} in all",
                counted(kept.shape.len() as u64, "number"),
                size(kept.bytes(images))
            );
        }
        text
    }
}

/// Makes the executor learn everything, from images: as it does at the beginning.
pub(crate) fn thaw<E: Executor>(executor: &mut E) -> Result<(), TrainError> {
    let everything = Learning::everything(executor.graph());
    executor.set_learning(&everything).map_err(TrainError::executor)?;
    executor.start_behind(None).map_err(TrainError::executor)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// The node whose values are kept, if they are.
fn kept(
    options: &TrainOptions,
    graph: &Graph,
    learning: &Learning,
    images: [usize; 2],
) -> Result<Option<KeptValues>, TrainError> {
    if options.cache_features == CacheFeatures::Off || options.mix() != Mix::default() {
        return Ok(None);
    }
    let asked = options.cache_features == CacheFeatures::On;
    let Some(node) = graph.last_before(learning) else {
        return if asked {
            let wanted = "nothing lies before the first layer that learns: freeze the backbone, or stages";
            Err(TrainError::option("cache-features", "on", wanted))
        } else {
            Ok(None)
        };
    };
    let views = options.augment().map_or(1, |_| options.feature_views.unwrap_or(VIEWS));
    // no epoch comes to those beyond
    let views = views.min(options.unfreeze_after.unwrap_or(u32::MAX));
    let kept = KeptValues { node, shape: graph.node(node).shape, views };
    Ok((asked || kept.bytes(images) <= MOST_BYTES).then_some(kept))
}

/// Which parameters learn.
fn learning(graph: &Graph, freeze: Freeze) -> Result<Learning, TrainError> {
    let mask = match freeze {
        Freeze::None => vec![true; graph.params.len()],
        Freeze::Norms => {
            let is_norms =
                |role| matches!(role, Role::Gamma | Role::Beta | Role::RunningMean | Role::RunningVar);
            graph.params.iter().map(|spec| !is_norms(spec.role)).collect()
        }
        Freeze::Backbone => classifier(graph)?,
        Freeze::Stages(stages) => {
            let of_params = stages_of(graph)?;
            if stages > of_params.iter().max().map_or(0, |last| last + 1) {
                let wanted = "more stages than the network has; --freeze backbone freezes them all";
                return Err(TrainError::option("freeze", &stages.to_string(), wanted));
            }
            let of_params = of_params.into_iter().zip(classifier(graph)?);
            of_params.map(|(stage, is_classifier)| stage >= stages || is_classifier).collect()
        }
    };
    Ok(Learning::of(mask))
}

/// Which parameters are the classifier's: those of the last dense layer.
fn classifier(graph: &Graph) -> Result<Vec<bool>, TrainError> {
    let dense = graph.nodes.iter().rev().find_map(|node| match node.op {
        Op::Dense { weight, bias, .. } => Some((weight, bias)),
        _ => None,
    });
    let wanted = "the network has no dense layer at its end that could learn alone";
    let (weight, bias) = dense.ok_or_else(|| TrainError::option("freeze", "backbone", wanted))?;
    let mut own = vec![false; graph.params.len()];
    [Some(weight), bias].into_iter().flatten().for_each(|id| own[id.index()] = true);
    Ok(own)
}

/// The stage of every parameter: 0 for the stem, K for those whose names begin with `layerK`, as torchvision calls them, and
/// for those behind them.
fn stages_of(graph: &Graph) -> Result<Vec<u32>, TrainError> {
    let mut stage = 0;
    let stages: Vec<u32> = graph
        .params
        .iter()
        .map(|spec| {
            let first = spec.name.split('.').next().unwrap_or_default();
            stage = first.strip_prefix("layer").and_then(|number| number.parse().ok()).unwrap_or(stage);
            stage
        })
        .collect();
    match stage {
        0 => {
            let wanted = "the network has no stages that are called layer1, layer2 and so on";
            Err(TrainError::option("freeze", "1", wanted))
        }
        _ => Ok(stages),
    }
}

#[cfg(test)]
mod tests {
    use plusx_model::trace::{Names, trace};
    use plusx_model::zoo;

    use super::*;
    use crate::options::Bounds;

    fn network(name: &str) -> Graph {
        let spec = zoo::find(name).unwrap();
        trace(&spec.build(spec.options()), spec.input, &mut Names::new()).unwrap()
    }

    fn frozen(name: &str, freeze: Freeze) -> Freezing {
        let options = TrainOptions { freeze, ..TrainOptions::default() };
        Freezing::of(&options, &network(name), [80, 20]).unwrap().unwrap()
    }

    #[test]
    fn the_classifier_learns_alone_from_what_the_last_pooling_gives() {
        for (name, features, learn) in
            [("resnet18-d2l", 512, "5,130"), ("resnet50", 2048, "2,049,000"), ("resnet20", 64, "650")]
        {
            let graph = network(name);
            let freezing = frozen(name, Freeze::Backbone);
            let kept = freezing.kept.unwrap();
            assert_eq!(kept.shape, ImageShape::new(features, 1, 1), "{name}");
            let words = freezing.words(&graph, [80, 20]);
            assert!(words.contains(&format!("{learn} parameters learn")), "{words}");
        }
    }

    #[test]
    fn stages_are_counted_from_the_stem() {
        let graph = network("resnet18");
        let shapes: Vec<usize> =
            (1..=5).map(|n| frozen("resnet18", Freeze::Stages(n)).kept.unwrap().shape.c).collect();
        assert_eq!(shapes, [64, 64, 128, 256, 512]);
        let five = frozen("resnet18", Freeze::Stages(5));
        assert_eq!(five.learning, frozen("resnet18", Freeze::Backbone).learning);
        let learning = &frozen("resnet18", Freeze::Stages(2)).learning;
        for (index, spec) in graph.params.iter().enumerate() {
            let is_early = ["conv1.", "bn1.", "layer1."].iter().any(|early| spec.name.starts_with(early));
            assert_eq!(learning.learns(ParamId(index as u32)), !is_early, "{}", spec.name);
        }
        let options = TrainOptions { freeze: Freeze::Stages(6), ..TrainOptions::default() };
        let error = Freezing::of(&options, &graph, [1, 1]).unwrap_err().to_string();
        assert!(error.contains("--freeze 6"), "{error}");
    }

    #[test]
    fn norms_freeze_and_nothing_is_kept() {
        let graph = network("resnet20");
        let freezing = frozen("resnet20", Freeze::Norms);
        assert_eq!(freezing.kept, None);
        freezing.learning.check(&graph).unwrap();
        let options = TrainOptions {
            freeze: Freeze::Norms,
            cache_features: CacheFeatures::On,
            ..TrainOptions::default()
        };
        assert!(Freezing::of(&options, &graph, [1, 1]).is_err());
    }

    #[test]
    fn views_are_kept_where_pictures_change_and_nothing_where_they_are_mixed() {
        let graph = network("resnet20");
        let kept = |options: TrainOptions| {
            let options = TrainOptions { freeze: Freeze::Backbone, ..options };
            Freezing::of(&options, &graph, [80, 20]).unwrap().unwrap().kept
        };
        assert_eq!(kept(TrainOptions::default()).unwrap().views, 1);
        let random = TrainOptions { scale: Some(Bounds([0.5, 1.0])), ..TrainOptions::default() };
        assert_eq!(kept(random.clone()).unwrap().views, VIEWS);
        assert_eq!(kept(TrainOptions { feature_views: Some(9), ..random }).unwrap().views, 9);
        assert_eq!(kept(TrainOptions { mixup: 0.2, ..TrainOptions::default() }), None);
        let off = TrainOptions { cache_features: CacheFeatures::Off, ..TrainOptions::default() };
        assert_eq!(kept(off), None);
    }

    #[test]
    fn large_values_are_kept_only_when_asked_for() {
        let graph = network("resnet18");
        let of = |cache_features| {
            let options =
                TrainOptions { freeze: Freeze::Stages(1), cache_features, ..TrainOptions::default() };
            Freezing::of(&options, &graph, [100_000, 1000]).unwrap().unwrap().kept
        };
        assert_eq!(of(CacheFeatures::Auto), None);
        assert!(of(CacheFeatures::On).is_some());
    }

    #[test]
    fn what_stays_is_told_until_when() {
        let graph = network("resnet18");
        let options = TrainOptions {
            freeze: Freeze::Stages(2),
            unfreeze_after: Some(3),
            cache_features: CacheFeatures::Off,
            ..TrainOptions::default()
        };
        let freezing = Freezing::of(&options, &graph, [1, 1]).unwrap().unwrap();
        let words = freezing.words(&graph, [1, 1]);
        assert!(words.starts_with("the first 2 stages stay as they are for 3 epochs: "), "{words}");
        assert_eq!((freezing.is_on(2), freezing.is_on(3)), (true, false));
        assert_eq!((freezing.phases(3), freezing.phases(4)), (vec![true], vec![true, false]));
    }
}
