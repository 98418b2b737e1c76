//! A stand-in for the engine: softmax regression in plain loops. Small, exact, and it fails when told to.

use std::time::Duration;

use plusx_model::containers::Sequential;
use plusx_model::executor::{Executor, Images, NodeValue, StepOptions, StepResult};
use plusx_model::graph::{Graph, NodeId, ParamId};
use plusx_model::layers::Dense;
use plusx_model::learning::Learning;
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::targets::Targets;
use plusx_model::trace::{Names, trace};
use plusx_model::update::{OptimiserState, ParamRules, Rule, Update};

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
    /// From this step on steps take so long.
    pub(crate) slow_from: Option<(u64, Duration)>,
}

/// Softmax regression.
pub(crate) struct Fake {
    graph: Graph,
    params: Params,
    velocity: Option<Params>,
    average: Option<Params>,
    gradients: Params,
    steps: u64,
    trouble: Trouble,
    /// The updates asked for and the batch sizes.
    pub(crate) updates: Vec<(Update<'static>, usize)>,
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
            average: None,
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

    fn optimiser_state(&self) -> Option<OptimiserState> {
        self.velocity.clone().map(|velocity| OptimiserState::Sgd { velocity })
    }

    fn set_optimiser_state(&mut self, state: Option<&OptimiserState>) -> Result<(), Told> {
        self.velocity = match state {
            None => None,
            Some(OptimiserState::Sgd { velocity }) => Some(velocity.clone()),
            Some(OptimiserState::AdamW { .. }) => return Err(Told),
        };
        Ok(())
    }

    fn move_average(&mut self, decay: f64) -> Result<(), Told> {
        let Self { params, average, .. } = self;
        match average {
            None => *average = Some(params.clone()),
            Some(average) => {
                for (average, now) in average.values_mut().iter_mut().zip(params.values()) {
                    *average = (decay * f64::from(*average) + (1.0 - decay) * f64::from(*now)) as f32;
                }
            }
        }
        Ok(())
    }

    fn average(&self) -> Option<Params> {
        self.average.clone()
    }

    fn set_average(&mut self, average: Option<&Params>) -> Result<(), Told> {
        self.average = average.cloned();
        Ok(())
    }

    fn set_learning(&mut self, learning: &Learning) -> Result<(), Told> {
        // everything of it always learns
        if learning.mask().iter().all(|learns| *learns) { Ok(()) } else { Err(Told) }
    }

    fn start_behind(&mut self, node: Option<NodeId>) -> Result<(), Told> {
        // it is a single layer
        if node.is_none() { Ok(()) } else { Err(Told) }
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
        if let Some((_, pause)) = self.trouble.slow_from.filter(|(from, _)| *from <= self.steps) {
            std::thread::sleep(pause);
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
        if options.accumulate {
            let sums = gradients.values_mut().iter_mut().zip(self.gradients.values());
            sums.for_each(|(sum, held)| *sum += held);
        }
        self.gradients = gradients;
        if let Some(update) = options.update {
            let Rule::Sgd { momentum, nesterov } = update.rule else { return Err(Told) };
            self.updates.push((Update { params: ParamRules::Alike, ..*update }, images.n));
            let [scale, lr, decay, momentum] =
                [update.scale, update.lr, update.weight_decay, momentum].map(|number| number as f32);
            if momentum > 0.0 && self.velocity.is_none() {
                self.velocity = Some(Params::zeros(&self.graph));
            }
            for (index, w) in self.params.values_mut().iter_mut().enumerate() {
                let mut g = scale * self.gradients.values()[index] + decay * *w;
                if let Some(velocity) = &mut self.velocity {
                    let v = &mut velocity.values_mut()[index];
                    *v = momentum * *v + g;
                    g = if nesterov { g + momentum * *v } else { *v };
                }
                *w -= lr * g;
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
