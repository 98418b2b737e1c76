//! The engine: a graph, its parameters, its threads, its memory, and the plans made so far.

use std::borrow::Borrow;
use std::collections::HashMap;

use plusx_kernels::Level;
use plusx_model::executor::{Executor, Images, NodeValue, StepOptions, StepResult};
use plusx_model::graph::{Graph, NodeId};
use plusx_model::learning::Learning;
use plusx_model::params::Params;
use plusx_model::split::Rest;
use plusx_model::targets::Targets;
use plusx_model::update::OptimiserState;

use crate::arena::Arena;
use crate::check;
use crate::error::EngineError;
use crate::params::{Held, ParamLayout, Store, same_table};
use crate::plan::{Kernels, Mode, Plan, PlanSettings};
use crate::precision::Precision;
use crate::profile::{Profile, StepProfile};
use crate::run::{RunBatch, RunResources, append, move_average, read_tap, run};
use crate::seat::Seat;
use crate::threads::{Threads, settle_threads};

/// Most plans kept, so that a caller of ever new batch sizes does not fill the memory. A run needs four: training and
/// evaluation, of a full and of a last batch.
pub(crate) const MOST_PLANS: usize = 64;

/// How an engine works. Threads and profile change no byte of what it computes. `exact`, `precision` and the arithmetic
/// profile of the level ([`Level::profile`]) decide how results are rounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineOptions {
    /// Threads that compute, the caller's among them; 0 counts as 1. If the system refuses to start some, there are
    /// fewer.
    pub threads: usize,
    /// Instructions to use.
    pub level: Level,
    /// Whether no convolution is computed by a Winograd algorithm. Slower, and another rounding of every result.
    pub exact: bool,
    /// How products of convolutions and dense layers are computed.
    pub precision: Precision,
    /// Whether the time of every step is kept.
    pub profile: bool,
}

impl Default for EngineOptions {
    /// One thread for each core that the process may use, the best level of the machine, the highest precision, no profile.
    fn default() -> Self {
        Self {
            threads: settle_threads(None),
            level: Level::detect(),
            exact: false,
            precision: Precision::Highest,
            profile: false,
        }
    }
}

/// Runs one graph on the CPU.
#[derive(Debug)]
pub struct Engine {
    graph: Graph,
    /// The part that is run, where that is not all of it.
    rest: Option<Rest>,
    kernels: Kernels,
    store: Store,
    seat: Seat,
    plans: HashMap<(Mode, usize), Plan>,
    /// The plan whose prepared steps are still in the arena, made from the parameters as they are.
    ready: Option<(Mode, usize)>,
    profile: Option<Profile>,
}

impl Engine {
    /// An engine for `graph`; parameters and running statistics start at 0 until [`Executor::set_params`].
    ///
    /// # Errors
    /// If the graph is not well formed, the machine lacks the level, or memory cannot be had.
    pub fn new(graph: Graph, options: EngineOptions) -> Result<Self, EngineError> {
        check::graph(&graph)?;
        check::level(options.level)?;
        let store = Store::new(ParamLayout::new(&graph)?, Learning::everything(&graph))?;
        Ok(Self {
            graph,
            rest: None,
            kernels: Kernels { level: options.level, exact: options.exact, precision: options.precision },
            store,
            seat: Seat::new(options.threads),
            plans: HashMap::new(),
            ready: None,
            profile: options.profile.then(Profile::default),
        })
    }

    /// The plan for a mode and a number of images; made once.
    ///
    /// # Errors
    /// If a node does not exist, the batch is empty, its maps are more than an address space holds, or training ends in
    /// a map.
    pub fn plan(&mut self, mode: impl Borrow<Mode>, batch: usize) -> Result<&Plan, EngineError> {
        let mode = self.placed(mode.borrow())?;
        check::batch(self.run_graph(), batch)?;
        let graph = self.rest.as_ref().map_or(&self.graph, |rest| &rest.graph);
        Ok(plan_of(&mut self.plans, graph, &self.store, &(mode, batch), self.kernels))
    }

    /// The graph that is run: what lies behind the node where it starts.
    fn run_graph(&self) -> &Graph {
        self.rest.as_ref().map_or(&self.graph, |rest| &rest.graph)
    }

    /// A mode as the graph that is run has it.
    fn placed(&self, mode: &Mode) -> Result<Mode, EngineError> {
        self.check_mode(mode)?;
        let Some(rest) = &self.rest else { return Ok(mode.clone()) };
        let place = |node: &NodeId| {
            let layer = || self.graph.node(*node).label.clone();
            rest.place(*node).ok_or_else(|| EngineError::Before { layer: layer() })
        };
        Ok(Mode { taps: mode.taps.iter().map(place).collect::<Result<_, _>>()?, ..mode.clone() })
    }

    /// How many threads compute.
    pub fn threads(&self) -> usize {
        self.seat.threads.count()
    }

    /// Changes the number of threads (0 counts as 1); results do not depend on it. If the system refuses to start
    /// some, there are fewer: see [`Engine::threads`].
    pub fn set_threads(&mut self, threads: usize) {
        if threads.max(1) != self.seat.threads.count() {
            self.seat.threads = Threads::new(threads);
        }
    }

    /// Which parameters learn.
    pub fn learning(&self) -> &Learning {
        &self.store.learning
    }

    /// The instructions it uses.
    pub fn level(&self) -> Level {
        self.kernels.level
    }

    /// Whether it does without Winograd algorithms.
    pub fn exact(&self) -> bool {
        self.kernels.exact
    }

    /// How it computes products.
    pub fn precision(&self) -> Precision {
        self.kernels.precision
    }

    /// Changes how products are computed, for all steps from now on. Parameters and the state of the optimiser stay; plans are
    /// made again.
    pub fn set_precision(&mut self, precision: Precision) {
        if precision != self.kernels.precision {
            self.kernels.precision = precision;
            self.forget_plans();
        }
    }

    /// The time of every step since the start or [`Engine::reset_profile`]; empty unless asked for in the options.
    pub fn profile(&self) -> Vec<StepProfile> {
        self.profile.as_ref().map_or_else(Vec::new, |profile| profile.rows.clone())
    }

    /// Forgets all times.
    pub fn reset_profile(&mut self) {
        if let Some(profile) = &mut self.profile {
            profile.rows.clear();
        }
    }

    /// Plans are made again, and no gradient is left of the steps of those before.
    fn forget_plans(&mut self) {
        self.store.gradients.fill(0.0);
        self.store.held.fill(0.0);
        self.plans.clear();
        self.ready = None;
    }

    fn check_mode(&self, mode: &Mode) -> Result<(), EngineError> {
        mode.taps.iter().try_for_each(|node| check::node_exists(&self.graph, *node))?;
        let output = self.graph.node(self.graph.output());
        if mode.backward && output.shape.pixels() != 1 {
            return Err(EngineError::Output { layer: output.label.clone(), shape: output.shape });
        }
        Ok(())
    }

    /// Runs the plan for `mode` and the images of `batch`; gives it, and the arena with what it left there.
    fn run(&mut self, mode: &Mode, batch: &mut RunBatch<'_>) -> Result<(&Plan, &mut Arena), EngineError> {
        let n = batch.images.len() / self.run_graph().input_shape().len();
        let mode = self.placed(mode)?;
        check::batch(self.run_graph(), n)?;
        let key = (mode, n);
        // a new arena holds nothing, nor does one that was refused
        let ready = self.ready.take();
        let graph = self.rest.as_ref().map_or(&self.graph, |rest| &rest.graph);
        let plan = plan_of(&mut self.plans, graph, &self.store, &key, self.kernels);
        self.seat.reserve(plan)?;
        let first = if ready.as_ref() == Some(&key) { plan.prepared } else { 0 };
        let resources = RunResources {
            arena: &mut self.seat.arena,
            threads: &mut self.seat.threads,
            store: Held::Own(&mut self.store),
            made: &[],
            profile: self.profile.as_mut(),
        };
        run(plan, first..plan.steps.len(), resources, batch);
        self.ready = key.0.inference().then_some(key);
        Ok((plan, &mut self.seat.arena))
    }

    fn forward(&mut self, images: Images<'_>, mode: &Mode) -> Result<Vec<NodeValue>, EngineError> {
        check::images(self.run_graph(), images)?;
        let (plan, arena) = self.run(mode, &mut RunBatch::forward(images.data))?;
        let values = plan.taps.iter().map(|tap| {
            let mut data = vec![0.0; images.n * tap.shape.len()];
            read_tap(plan, tap, arena, images.data, &mut data);
            NodeValue { n: images.n, shape: tap.shape, data }
        });
        Ok(values.collect())
    }
}

/// The plan for `key`, made if it is not among `plans`.
fn plan_of<'p>(
    plans: &'p mut HashMap<(Mode, usize), Plan>,
    graph: &Graph,
    store: &Store,
    key: &(Mode, usize),
    kernels: Kernels,
) -> &'p Plan {
    if plans.len() >= MOST_PLANS && !plans.contains_key(key) {
        plans.clear();
    }
    let (mode, batch) = key;
    let settings = PlanSettings { kernels, learning: &store.learning };
    plans.entry(key.clone()).or_insert_with(|| Plan::new(graph, &store.layout, mode, *batch, &settings))
}

impl Executor for Engine {
    type Error = EngineError;

    fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The profile of the level, and what rounds in its own way: Winograd algorithms, products of other numbers than `f32`.
    fn arithmetic(&self) -> &str {
        let Kernels { level, exact, precision } = self.kernels;
        match (level.profile(), exact, precision) {
            (profile, true, Precision::Highest) => profile,
            ("fma", false, Precision::Highest) => "fma+winograd",
            (_, false, Precision::Highest) => "mul-add+winograd",
            ("fma", true, Precision::High) => "fma+bf16x2",
            (_, true, Precision::High) => "mul-add+bf16x2",
            ("fma", false, Precision::High) => "fma+winograd+bf16x2",
            (_, false, Precision::High) => "mul-add+winograd+bf16x2",
            ("fma", true, Precision::Medium) => "fma+bf16",
            (_, true, Precision::Medium) => "mul-add+bf16",
            ("fma", false, Precision::Medium) => "fma+winograd+bf16",
            (_, false, Precision::Medium) => "mul-add+winograd+bf16",
        }
    }

    fn set_params(&mut self, params: &Params) -> Result<(), EngineError> {
        same_table(&self.graph, params)?;
        self.store.import(params);
        self.ready = None;
        Ok(())
    }

    fn params(&self) -> Params {
        let mut params = Params::zeros(&self.graph);
        self.store.export(&mut params);
        params
    }

    fn optimiser_state(&self) -> Option<OptimiserState> {
        self.store.optimiser_state(&Params::zeros(&self.graph))
    }

    fn set_optimiser_state(&mut self, state: Option<&OptimiserState>) -> Result<(), EngineError> {
        if let Some(state) = state {
            check::optimiser_state(&self.graph, state)?;
        }
        self.store.set_optimiser_state(state)
    }

    fn move_average(&mut self, decay: f64) -> Result<(), EngineError> {
        if !(0.0..=1.0).contains(&decay) {
            let problem = format!(
                "the decay of the average is {decay}; it must be between 0 and 1, 0.9998 for example"
            );
            return Err(EngineError::Update { problem });
        }
        match self.store.average {
            None => self.store.start_average()?,
            Some(_) => move_average(decay, &mut self.seat.threads, &mut self.store),
        }
        Ok(())
    }

    fn average(&self) -> Option<Params> {
        self.store.average(Params::zeros(&self.graph))
    }

    fn set_average(&mut self, average: Option<&Params>) -> Result<(), EngineError> {
        average.map_or(Ok(()), |average| same_table(&self.graph, average))?;
        self.store.set_average(average)
    }

    /// Plans are made again: for other parameters that learn, other steps happen.
    fn set_learning(&mut self, learning: &Learning) -> Result<(), EngineError> {
        learning.check(&self.graph).map_err(|problem| EngineError::Learning { problem })?;
        self.store.learning = learning.clone();
        self.forget_plans();
        Ok(())
    }

    fn start_behind(&mut self, node: Option<NodeId>) -> Result<(), EngineError> {
        self.rest = node.map(|node| self.graph.rest_behind(node)).transpose()?;
        self.forget_plans();
        Ok(())
    }

    fn train_step(
        &mut self,
        images: Images<'_>,
        targets: Targets<'_>,
        options: &StepOptions<'_>,
    ) -> Result<StepResult, EngineError> {
        let mode = Mode::train();
        check::images(self.run_graph(), images)?;
        self.check_mode(&mode)?;
        let targets = check::targets(&self.graph, images.n, targets, options.loss)?;
        let update = options.update;
        update.map_or(Ok(()), |update| check::update(&self.graph, update))?;
        self.store.prepare(update.map(|update| update.rule))?;
        let mut result = StepResult { losses: vec![0.0; images.n], predictions: vec![0; images.n] };
        let mut batch = RunBatch {
            images: images.data,
            targets,
            losses: &mut result.losses,
            predictions: &mut result.predictions,
            accumulate: options.accumulate,
            update,
        };
        if options.accumulate {
            self.store.hold()?;
        }
        if let Err(error) = self.run(&mode, &mut batch).map(drop) {
            if options.accumulate {
                self.store.hold()?;
            }
            return Err(error);
        }
        Ok(result)
    }

    fn gradients(&self) -> Params {
        let mut params = Params::zeros(&self.graph);
        if !self.store.gradients.is_empty() {
            self.store.layout.export(&self.store.gradients, true, &mut params);
        }
        params
    }

    fn infer(&mut self, images: Images<'_>, nodes: &[NodeId]) -> Result<Vec<NodeValue>, EngineError> {
        check::images(self.run_graph(), images)?;
        let mode = Mode::infer(nodes);
        let some = self.plan(mode.clone(), images.n)?.images_at_a_time();
        if some >= images.n {
            return self.forward(images, &mode);
        }
        let mut values: Vec<NodeValue> = Vec::new();
        for part in images.data.chunks(images.data.len() / images.n * some) {
            let n = part.len() * images.n / images.data.len();
            append(&mut values, self.forward(Images { data: part, n }, &mode)?);
        }
        Ok(values)
    }

    fn forward_training(
        &mut self,
        images: Images<'_>,
        nodes: &[NodeId],
    ) -> Result<Vec<NodeValue>, EngineError> {
        self.forward(images, &Mode::forward_training(nodes))
    }
}

#[cfg(test)]
mod tests {
    use plusx_model::init::{Init, initialize};

    use super::*;
    use crate::networks;

    /// No step may read what no step before it has written: whatever is in the arena must not matter.
    #[test]
    fn old_memory_is_never_read() {
        for (name, graph) in networks::all() {
            let options = EngineOptions { threads: 1, ..EngineOptions::default() };
            let mut engine = Engine::new(graph.clone(), options).unwrap();
            let n = 5;
            let data = vec![0.25; n * graph.input_shape().len()];
            let images = Images { data: &data, n };
            let params = initialize(&graph, Init::Xavier, 1);
            let mut results = Vec::new();
            for poison in [0, 0xff] {
                let len = engine.seat.arena.len();
                engine.seat.arena.lend(0).write::<u8>(0, len).fill(poison);
                engine.set_params(&params).unwrap();
                let targets = Targets::Classes(&[0, 1, 2, 3, 0]);
                let step = engine.train_step(images, targets, &StepOptions::default()).unwrap();
                let len = engine.seat.arena.len();
                engine.seat.arena.lend(0).write::<u8>(0, len).fill(poison);
                let logits = engine.infer(images, &[graph.output()]).unwrap();
                results.push((step, logits, engine.gradients(), engine.params()));
            }
            assert!(results[0].2.values().iter().all(|value| value.is_finite()), "{name}");
            assert!(results[0] == results[1], "{name}");
        }
    }
}
