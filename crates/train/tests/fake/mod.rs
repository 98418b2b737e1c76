//! A stand-in for the engine: softmax regression in plain loops. Small, exact, and it fails when told to.

use plusx_model::containers::Sequential;
use plusx_model::executor::{Executor, Images, NodeValue, Sgd, StepOptions, StepResult};
use plusx_model::graph::{Graph, NodeId, ParamId};
use plusx_model::layers::Dense;
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::targets::Targets;
use plusx_model::trace::{Names, trace};

use crate::stripes::{CLASSES, SIDE};

/// What the fake complains with.
#[derive(Debug, thiserror::Error)]
#[error("the fake was told to fail")]
pub(crate) struct Told;

/// At which step (counted from 0) something goes wrong.
#[derive(Clone, Copy, Default)]
pub(crate) struct Trouble {
    /// The step fails.
    pub(crate) fail_at: Option<u64>,
    /// A loss is not a number.
    pub(crate) nan_at: Option<u64>,
    /// A weight is spoilt, while the loss is still fine.
    pub(crate) spoil_at: Option<u64>,
}

/// Softmax regression.
pub(crate) struct Fake {
    graph: Graph,
    params: Params,
    velocity: Option<Params>,
    gradients: Params,
    steps: u64,
    trouble: Trouble,
    /// The updates asked for and the batch sizes.
    pub(crate) updates: Vec<(Sgd, usize)>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self::with(Trouble::default())
    }

    pub(crate) fn with(trouble: Trouble) -> Self {
        Self::named("fc", trouble)
    }

    /// As [`Fake::with`]; `name` is that of its only layer.
    pub(crate) fn named(name: &str, trouble: Trouble) -> Self {
        let block = Sequential::new().add_named(name, Dense::new(CLASSES));
        let graph = trace(&block, ImageShape::new(1, SIDE, SIDE), &mut Names::new()).unwrap();
        Self {
            params: Params::zeros(&graph),
            gradients: Params::zeros(&graph),
            velocity: None,
            graph,
            steps: 0,
            trouble,
            updates: Vec::new(),
        }
    }

    /// A spoilt weight does not show in them, as in a network where a ReLU hides it.
    fn logits(&self, image: &[f32]) -> Vec<f32> {
        let (weight, bias) = (self.params.get(ParamId(0)), self.params.get(ParamId(1)));
        let dot = |row: &[f32]| {
            row.iter().zip(image).filter(|(w, _)| w.is_finite()).map(|(w, x)| w * x).sum::<f32>()
        };
        weight.chunks_exact(image.len()).zip(bias).map(|(row, b)| dot(row) + b).collect()
    }
}

impl Executor for Fake {
    type Error = Told;

    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn arithmetic(&self) -> &str {
        "plain loops"
    }

    fn set_params(&mut self, params: &Params) -> Result<(), Told> {
        self.params = params.clone();
        Ok(())
    }

    fn params(&self) -> Params {
        self.params.clone()
    }

    fn velocity(&self) -> Option<Params> {
        self.velocity.clone()
    }

    fn set_velocity(&mut self, velocity: Option<&Params>) -> Result<(), Told> {
        self.velocity = velocity.cloned();
        Ok(())
    }

    fn train_step(
        &mut self,
        images: Images<'_>,
        targets: Targets<'_>,
        options: &StepOptions<'_>,
    ) -> Result<StepResult, Told> {
        if self.trouble.fail_at == Some(self.steps) {
            return Err(Told);
        }
        let Targets::Classes(labels) = targets else { return Err(Told) };
        let pixels = SIDE * SIDE;
        let (mut losses, mut predictions) = (Vec::new(), Vec::new());
        let mut gradients = Params::zeros(&self.graph);
        for (image, label) in images.data.chunks_exact(pixels).zip(labels) {
            let logits = self.logits(image);
            let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
            losses.push(sum.ln() - logits[*label as usize]);
            let best = (0..CLASSES).rev().max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
            predictions.push(best as u32);
            for (class, logit) in logits.iter().enumerate() {
                let g = logit.exp() / sum - f32::from(u8::from(class == *label as usize));
                let row = &mut gradients.get_mut(ParamId(0))[class * pixels..][..pixels];
                row.iter_mut().zip(image).for_each(|(dw, x)| *dw += g * x);
                gradients.get_mut(ParamId(1))[class] += g;
            }
        }
        self.gradients = gradients;
        if let Some(sgd) = options.update {
            self.updates.push((*sgd, images.n));
            if sgd.momentum > 0.0 && self.velocity.is_none() {
                self.velocity = Some(Params::zeros(&self.graph));
            }
            for (index, w) in self.params.values_mut().iter_mut().enumerate() {
                let mut g = sgd.scale * self.gradients.values()[index] + sgd.weight_decay * *w;
                if let Some(velocity) = &mut self.velocity {
                    let v = &mut velocity.values_mut()[index];
                    *v = sgd.momentum * *v + g;
                    g = if sgd.nesterov { g + sgd.momentum * *v } else { *v };
                }
                *w -= sgd.lr * g;
            }
        }
        if self.trouble.nan_at == Some(self.steps) {
            losses[0] = f32::NAN;
        }
        if self.trouble.spoil_at == Some(self.steps) {
            self.params.values_mut()[3] = f32::INFINITY;
        }
        self.steps += 1;
        Ok(StepResult { losses, predictions })
    }

    fn gradients(&self) -> Params {
        self.gradients.clone()
    }

    fn infer(&mut self, images: Images<'_>, nodes: &[NodeId]) -> Result<Vec<NodeValue>, Told> {
        let data: Vec<f32> =
            images.data.chunks_exact(SIDE * SIDE).flat_map(|image| self.logits(image)).collect();
        let value = NodeValue { n: images.n, shape: ImageShape::new(CLASSES, 1, 1), data };
        Ok(vec![value; nodes.len()])
    }

    fn forward_training(&mut self, images: Images<'_>, nodes: &[NodeId]) -> Result<Vec<NodeValue>, Told> {
        self.infer(images, nodes)
    }
}
