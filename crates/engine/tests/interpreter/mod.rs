//! A graph run the slow, plain way, node by node, with nothing of the engine's in it: what the engine is measured
//! against. Generic over the number type, so that the very same loops give the `f64` truth and the error of a plain
//! `f32` implementation.

// every test binary uses another part of it
#![allow(dead_code)]

mod indices;
pub(crate) mod networks;

use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

use plusx_model::graph::{Graph, Node, NodeId, Op, ParamId, RunningVariance};
use plusx_model::params::Params;

use self::indices::{counts, factor, kept, places, taps, windows};

/// `f32` or `f64`.
pub(crate) trait Real:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Sum
{
    fn of(value: f64) -> Self;
    fn to(self) -> f64;
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn to(self) -> f64 {
        self
    }
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn to(self) -> f64 {
        f64::from(self)
    }
}

/// Everything a run gives. Maps are `[n][h][w][c]`.
pub(crate) struct Outcome<R> {
    pub(crate) values: Vec<Vec<R>>,
    pub(crate) losses: Vec<R>,
    pub(crate) predictions: Vec<u32>,
    /// By parameter, of the sum of the losses.
    pub(crate) gradients: Vec<Vec<R>>,
    /// Running statistics afterwards, by parameter; empty for what learns.
    pub(crate) running: Vec<Vec<R>>,
}

type Maps<'a, R> = &'a mut [Vec<R>];

/// Which statistics batch norms use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Norms {
    Batch,
    Running,
}

/// Parameters in another number type.
pub(crate) fn numbers<R: Real>(params: &Params) -> Vec<Vec<R>> {
    params.iter().map(|(_, values)| values.iter().map(|value| R::of(f64::from(*value))).collect()).collect()
}

pub(crate) struct Interpreter<'a, R> {
    pub(crate) graph: &'a Graph,
    pub(crate) params: Vec<Vec<R>>,
    pub(crate) n: usize,
    pub(crate) norms: Norms,
}

impl<R: Real> Interpreter<'_, R> {
    /// Forward, and with labels loss and backward.
    pub(crate) fn run(&self, images: &[f32], labels: Option<&[u32]>) -> Outcome<R> {
        let graph = self.graph;
        let mut values: Vec<Vec<R>> = Vec::new();
        let mut running = vec![Vec::new(); graph.params.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            if let Op::BatchNorm { mean, var, .. } = node.op {
                for id in [mean, var] {
                    if running[id.index()].is_empty() {
                        running[id.index()] = self.params[id.index()].clone();
                    }
                }
            }
            let value = match index {
                0 => images.iter().map(|value| R::of(f64::from(*value))).collect(),
                _ => self.forward(node, &values, &mut running),
            };
            values.push(value);
        }
        let mut gradients: Vec<Vec<R>> =
            self.params.iter().map(|values| vec![R::of(0.0); values.len()]).collect();
        let (mut losses, mut predictions) = (Vec::new(), Vec::new());
        if let Some(labels) = labels {
            let output = graph.output();
            let mut maps: Vec<Vec<R>> = values.iter().map(|value| vec![R::of(0.0); value.len()]).collect();
            let classes = graph.output_shape().c;
            for (image, label) in labels.iter().enumerate() {
                let logits = &values[output.index()][image * classes..][..classes];
                let (loss, best, gradient) = cross_entropy(logits, *label as usize);
                losses.push(loss);
                predictions.push(best as u32);
                maps[output.index()][image * classes..][..classes].copy_from_slice(&gradient);
            }
            for index in (1..=output.index()).rev() {
                let gradient = std::mem::take(&mut maps[index]);
                self.backward(NodeId(index as u32), &gradient, (&values, &mut maps, &mut gradients));
            }
        }
        Outcome { values, losses, predictions, gradients, running }
    }

    fn param(&self, id: ParamId) -> &[R] {
        &self.params[id.index()]
    }

    fn forward(&self, node: &Node, values: &[Vec<R>], running: &mut [Vec<R>]) -> Vec<R> {
        let x = &values[node.inputs[0].index()];
        let input = self.graph.node(node.inputs[0]).shape;
        match node.op {
            Op::Input => x.clone(),
            Op::Conv2d { weight, bias, .. } | Op::Dense { weight, bias, .. } => {
                let mut y = vec![R::of(0.0); self.n * node.shape.len()];
                if let Some(bias) = bias {
                    for (index, y) in y.iter_mut().enumerate() {
                        *y = self.param(bias)[index % node.shape.c];
                    }
                }
                let w = self.param(weight);
                taps(node, input, self.n, |to, from, filter| y[to] += x[from] * w[filter]);
                y
            }
            Op::BatchNorm { spec, gamma, beta, mean, var } => {
                let c = input.c;
                let (m, v) = match self.norms {
                    Norms::Batch => moments(x, c),
                    Norms::Running => (self.param(mean).to_vec(), self.param(var).to_vec()),
                };
                let count = (x.len() / c) as f64;
                for lane in 0..c {
                    let old = R::of(f64::from(spec.momentum));
                    let new = R::of(1.0 - f64::from(spec.momentum));
                    let correction = match spec.running_variance {
                        RunningVariance::Unbiased if count > 1.0 => R::of(count / (count - 1.0)),
                        _ => R::of(1.0),
                    };
                    let mean = &mut running[mean.index()][lane];
                    *mean = old * *mean + new * m[lane];
                    let var = &mut running[var.index()][lane];
                    *var = old * *var + new * (v[lane] * correction);
                }
                let (gamma, beta) = (self.param(gamma), self.param(beta));
                x.iter()
                    .enumerate()
                    .map(|(index, x)| {
                        let lane = index % c;
                        (*x - m[lane]) * inverse_deviation(v[lane], spec.epsilon) * gamma[lane] + beta[lane]
                    })
                    .collect()
            }
            Op::Relu => x.iter().map(|x| if *x > R::of(0.0) { *x } else { R::of(0.0) }).collect(),
            Op::MaxPool2d { .. } => {
                let mut y = vec![R::of(f64::NEG_INFINITY); self.n * node.shape.len()];
                windows(node, input, self.n, |to, from| {
                    if x[from] > y[to] {
                        y[to] = x[from];
                    }
                });
                y
            }
            Op::AvgPool2d { .. } => {
                let counts = counts(node, input, self.n);
                let mut y = vec![R::of(0.0); self.n * node.shape.len()];
                windows(node, input, self.n, |to, from| y[to] += x[from]);
                y.iter().zip(counts).map(|(y, count)| *y / R::of(count)).collect()
            }
            Op::Subsample { .. } => {
                let mut y = vec![R::of(0.0); self.n * node.shape.len()];
                kept(node, input, self.n, |to, from| y[to] = x[from]);
                y
            }
            Op::GlobalAvgPool2d => {
                let mut y = vec![R::of(0.0); self.n * node.shape.len()];
                for (index, x) in x.iter().enumerate() {
                    y[index / input.len() * input.c + index % input.c] += *x;
                }
                y.iter().map(|y| *y / R::of(input.pixels() as f64)).collect()
            }
            Op::Add => {
                let other = &values[node.inputs[1].index()];
                x.iter().zip(other).map(|(a, b)| *a + *b).collect()
            }
            Op::Sigmoid => x.iter().map(|x| sigmoid(*x)).collect(),
            Op::Multiply => {
                let scale = &values[node.inputs[1].index()];
                x.iter().enumerate().map(|(index, x)| *x * scale[factor(input, index)]).collect()
            }
            Op::Concat { .. } => {
                let mut y = vec![R::of(0.0); self.n * node.shape.len()];
                places(self.graph, node, self.n, |part, to, from| {
                    y[to] = values[node.inputs[part].index()][from];
                });
                y
            }
        }
    }

    fn backward(
        &self,
        id: NodeId,
        dy: &[R],
        (values, maps, gradients): (&[Vec<R>], Maps<'_, R>, Maps<'_, R>),
    ) {
        let node = self.graph.node(id);
        let x = &values[node.inputs[0].index()];
        let input = self.graph.node(node.inputs[0]).shape;
        let mut dx = vec![R::of(0.0); x.len()];
        match node.op {
            Op::Input => {}
            Op::Conv2d { weight, bias, .. } | Op::Dense { weight, bias, .. } => {
                let (w, dw) = (self.param(weight), &mut gradients[weight.index()]);
                taps(node, input, self.n, |to, from, filter| {
                    dw[filter] += dy[to] * x[from];
                    dx[from] += dy[to] * w[filter];
                });
                if let Some(bias) = bias {
                    for (index, dy) in dy.iter().enumerate() {
                        gradients[bias.index()][index % node.shape.c] += *dy;
                    }
                }
            }
            Op::BatchNorm { spec, gamma, beta, .. } => {
                let c = input.c;
                let (m, v) = moments(x, c);
                let count = R::of((x.len() / c) as f64);
                for lane in 0..c {
                    let istd = inverse_deviation(v[lane], spec.epsilon);
                    let column = || (lane..x.len()).step_by(c);
                    let sum: R = column().map(|index| dy[index]).sum();
                    let scaled: R = column().map(|index| dy[index] * (x[index] - m[lane]) * istd).sum();
                    gradients[gamma.index()][lane] += scaled;
                    gradients[beta.index()][lane] += sum;
                    let scale = self.param(gamma)[lane] * istd;
                    for index in column() {
                        let normal = (x[index] - m[lane]) * istd;
                        dx[index] = scale * (dy[index] - sum / count - normal * scaled / count);
                    }
                }
            }
            Op::Relu => {
                for (index, dx) in dx.iter_mut().enumerate() {
                    *dx = if x[index] > R::of(0.0) { dy[index] } else { R::of(0.0) };
                }
            }
            Op::MaxPool2d { .. } => {
                let mut best: Vec<Option<usize>> = vec![None; dy.len()];
                windows(node, input, self.n, |to, from| {
                    if best[to].is_none_or(|best| x[from] > x[best]) {
                        best[to] = Some(from);
                    }
                });
                for (to, best) in best.into_iter().enumerate() {
                    if let Some(from) = best {
                        dx[from] += dy[to];
                    }
                }
            }
            Op::AvgPool2d { .. } => {
                let counts = counts(node, input, self.n);
                windows(node, input, self.n, |to, from| dx[from] += dy[to] / R::of(counts[to]));
            }
            Op::Subsample { .. } => kept(node, input, self.n, |to, from| dx[from] = dy[to]),
            Op::GlobalAvgPool2d => {
                for (index, dx) in dx.iter_mut().enumerate() {
                    *dx = dy[index / input.len() * input.c + index % input.c] / R::of(input.pixels() as f64);
                }
            }
            Op::Add => {
                for (sum, dy) in maps[node.inputs[1].index()].iter_mut().zip(dy) {
                    *sum += *dy;
                }
                dx.copy_from_slice(dy);
            }
            Op::Sigmoid => {
                for (index, dx) in dx.iter_mut().enumerate() {
                    let y = sigmoid(x[index]);
                    *dx = dy[index] * (y * (R::of(1.0) - y));
                }
            }
            Op::Multiply => {
                let scale = &values[node.inputs[1].index()];
                for (index, dy) in dy.iter().enumerate() {
                    let channel = factor(input, index);
                    dx[index] = *dy * scale[channel];
                    maps[node.inputs[1].index()][channel] += *dy * x[index];
                }
            }
            // the first part's goes through `dx`; the same value may stand in another place as well
            Op::Concat { .. } => places(self.graph, node, self.n, |part, to, from| match part {
                0 => dx[from] = dy[to],
                _ => maps[node.inputs[part].index()][from] += dy[to],
            }),
        }
        for (sum, dx) in maps[node.inputs[0].index()].iter_mut().zip(dx) {
            *sum += dx;
        }
    }
}

fn inverse_deviation<R: Real>(var: R, epsilon: f32) -> R {
    R::of(1.0 / (var.to() + f64::from(epsilon)).sqrt())
}

/// Mean and variance (divided by N) per channel, in two passes.
fn moments<R: Real>(x: &[R], c: usize) -> (Vec<R>, Vec<R>) {
    let count = R::of((x.len() / c) as f64);
    (0..c)
        .map(|lane| {
            let column = || x.iter().skip(lane).step_by(c).copied();
            let mean = column().sum::<R>() / count;
            let var = column().map(|x| (x - mean) * (x - mean)).sum::<R>() / count;
            (mean, var)
        })
        .unzip()
}

fn cross_entropy<R: Real>(logits: &[R], label: usize) -> (R, usize, Vec<R>) {
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    let top = logits[best];
    let exponentials: Vec<R> = logits.iter().map(|logit| R::of((*logit - top).to().exp())).collect();
    let total: R = exponentials.iter().copied().sum();
    let loss = top - logits[label] + R::of(total.to().ln());
    let gradient = exponentials
        .iter()
        .enumerate()
        .map(|(class, e)| *e / total - R::of(if class == label { 1.0 } else { 0.0 }))
        .collect();
    (loss, best, gradient)
}

/// 1 / (1 + e^-x).
fn sigmoid<R: Real>(x: R) -> R {
    R::of(1.0) / (R::of(1.0) + R::of((-x.to()).exp()))
}
