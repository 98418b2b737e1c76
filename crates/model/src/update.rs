//! How gradients move parameters: the update rules of the field, and what they remember from one update to the next.
//!
//! Rules and names are PyTorch's (`torch.optim.SGD`, `torch.optim.AdamW`, `clip_grad_norm_`). With G the gradient of the sum of
//! a batch's losses, every rule sees `g = scale G`, clipped if that is asked for.

use crate::graph::Role;
use crate::params::Params;

/// A rule with its numbers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Rule {
    /// Stochastic gradient descent: with `g' = g + weight_decay w`, `v = momentum v + g'; w -= lr v`.
    Sgd {
        /// Weight of the old velocity; 0 keeps none.
        momentum: f64,
        /// Looks ahead along the velocity: `w -= lr (g' + momentum v)` (Sutskever et al. 2013, as PyTorch has it).
        nesterov: bool,
    },
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2): `w -= lr weight_decay w;
    /// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
    /// w -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)` in the t-th update of w.
    AdamW {
        /// Weight of the old first moment, 0 to below 1; PyTorch's default 0.9.
        beta1: f64,
        /// Weight of the old second moment, 0 to below 1; PyTorch's default 0.999.
        beta2: f64,
        /// Keeps the denominator from 0; above 0, PyTorch's default 1e-8.
        eps: f64,
    },
}

/// How one parameter differs from the others.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ParamRule {
    /// Multiplies the learning rate; layer-wise rates.
    pub lr_scale: f64,
    /// Whether it decays.
    pub decays: bool,
}

/// How the parameters differ from each other in an update.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ParamRules<'a> {
    /// Not at all: biases, gammas and betas decay too (recipe d2l).
    Alike,
    /// Only filters and matrices decay, as in timm.
    DecayMatrices,
    /// All decay but the scales and shifts of norms, as torchvision's scripts do when they are told a norm weight decay of 0.
    DecayAllButNorms,
    /// One rule for each parameter of the graph, in its order. Those of running statistics are not read.
    Each(&'a [ParamRule]),
}

/// One update of the parameters.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Update<'a> {
    /// The rule.
    pub rule: Rule,
    /// Learning rate.
    pub lr: f64,
    /// Pulls parameters towards 0: an L2 penalty in [`Rule::Sgd`], a decay of its own in [`Rule::AdamW`]; 0 for none.
    pub weight_decay: f64,
    /// How the parameters differ.
    pub params: ParamRules<'a>,
    /// Multiplies the summed gradient: 1 / batch size for the mean.
    pub scale: f64,
    /// The largest L2 norm that the scaled gradients of all parameters together may have; larger ones are shortened to it, times
    /// `max_norm / (norm + 1e-6)` as in PyTorch (Pascanu et al. 2013).
    pub max_norm: Option<f64>,
}

impl Update<'static> {
    /// Plain gradient descent on the mean loss of a batch: no momentum, no decay.
    pub fn sgd(lr: f64, batch: usize) -> Self {
        Self {
            rule: Rule::Sgd { momentum: 0.0, nesterov: false },
            lr,
            weight_decay: 0.0,
            params: ParamRules::Alike,
            scale: 1.0 / batch as f64,
            max_norm: None,
        }
    }

    /// AdamW on the mean loss of a batch with PyTorch's defaults: betas 0.9 and 0.999, eps 1e-8, weight decay 0.01 of
    /// every parameter.
    pub fn adamw(lr: f64, batch: usize) -> Self {
        let rule = Rule::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
        Self { rule, weight_decay: 0.01, ..Self::sgd(lr, batch) }
    }
}

impl Update<'_> {
    /// With this momentum, if the rule is gradient descent.
    pub fn momentum(mut self, new: f64) -> Self {
        if let Rule::Sgd { momentum, .. } = &mut self.rule {
            *momentum = new;
        }
        self
    }

    /// The rule of parameter `index` of a graph, whose role is `role`.
    pub fn of_param(&self, index: usize, role: Role) -> ParamRule {
        let alike = ParamRule { lr_scale: 1.0, decays: true };
        match self.params {
            ParamRules::Alike => alike,
            ParamRules::DecayMatrices => {
                ParamRule { decays: matches!(role, Role::ConvWeight | Role::DenseWeight), ..alike }
            }
            ParamRules::DecayAllButNorms => {
                ParamRule { decays: !matches!(role, Role::Gamma | Role::Beta), ..alike }
            }
            ParamRules::Each(rules) => rules.get(index).copied().unwrap_or(alike),
        }
    }

    /// What makes no sense in the numbers, and what would.
    ///
    /// # Errors
    /// The first such thing, in words.
    pub fn check(&self) -> Result<(), String> {
        let from_0 = |value: f64| value.is_finite() && value >= 0.0;
        let below_1 = |value: f64| (0.0..1.0).contains(&value);
        let mut numbers = vec![
            ("lr", self.lr, self.lr.is_finite(), "a finite number"),
            ("weight_decay", self.weight_decay, from_0(self.weight_decay), "a finite number of at least 0"),
            ("scale", self.scale, self.scale.is_finite(), "a finite number"),
        ];
        match self.rule {
            Rule::Sgd { momentum, .. } => {
                numbers.push(("momentum", momentum, from_0(momentum), "a finite number of at least 0"));
            }
            Rule::AdamW { beta1, beta2, eps } => numbers.extend([
                ("beta1", beta1, below_1(beta1), "at least 0 and below 1"),
                ("beta2", beta2, below_1(beta2), "at least 0 and below 1"),
                // parameters whose gradient is always 0 would become no number
                ("eps", eps, eps.is_finite() && eps as f32 > 0.0, "above 0, 1e-8 for example"),
            ]),
        }
        if let Some(most) = self.max_norm {
            numbers.push(("max_norm", most, from_0(most), "a finite number of at least 0"));
        }
        if let ParamRules::Each(rules) = self.params {
            numbers.extend(rules.iter().map(|rule| {
                ("lr_scale", rule.lr_scale, rule.lr_scale.is_finite(), "a finite number for every parameter")
            }));
        }
        match numbers.into_iter().find(|(_, _, is_valid, _)| !is_valid) {
            None => Ok(()),
            Some((name, value, _, wanted)) => Err(format!("{name} is {value}; it must be {wanted}")),
        }
    }
}

/// What a rule remembers from one update to the next; a resumed run needs it to the bit.
#[derive(Clone, PartialEq, Debug)]
pub enum OptimiserState {
    /// Of [`Rule::Sgd`] with momentum.
    Sgd {
        /// Velocity of every parameter that learns; running statistics have zeros.
        velocity: Params,
    },
    /// Of [`Rule::AdamW`].
    AdamW {
        /// First moment of the gradient, m.
        exp_avg: Params,
        /// Second moment, v.
        exp_avg_sq: Params,
        /// How often each parameter of the graph was updated, t; 0 for running statistics. They differ if some began to learn
        /// later.
        steps: Vec<u64>,
    },
}

impl OptimiserState {
    /// Its sets of numbers, by what stands before their names in a checkpoint.
    pub fn sets(&self) -> Vec<(&'static str, &Params)> {
        match self {
            Self::Sgd { velocity } => vec![("velocity", velocity)],
            Self::AdamW { exp_avg, exp_avg_sq, .. } => {
                vec![("optimiser.exp_avg", exp_avg), ("optimiser.exp_avg_sq", exp_avg_sq)]
            }
        }
    }
}
