//! A network made ready for inference, shared by any number of threads.
//!
//! What depends on parameters alone exists once: packed filters, scale and shift of batch norms, filters as Winograd
//! algorithms or tiles read them. The last two are made when the first plan needs them, and are the same for all batch sizes. A plan
//! for a few images needs fewer of them.
//!
//! What a run writes lies in a *seat*: arena, scratch and threads. A call takes a free seat, or waits for one, and gives it
//! back.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use plusx_kernels::Level;
use plusx_model::executor::Images;
use plusx_model::graph::Graph;
use plusx_model::learning::Learning;
use plusx_model::params::Params;

use crate::arena::Floats;
use crate::check;
use crate::engine::MOST_PLANS;
use crate::error::EngineError;
use crate::params::{Held, ParamLayout, Store, same_table};
use crate::plan::{Kernels, Lasting, Mode, Plan, PlanSettings};
use crate::precision::Precision;
use crate::run::{RunBatch, RunResources, read_tap, run};
use crate::seat::Seat;
use crate::threads::settle_threads;

/// How a prepared network works. Threads and callers change no byte of what it computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreparedOptions {
    /// Threads that compute one call, the caller's among them; 0 counts as 1. If the system refuses to start some, there
    /// are fewer.
    pub threads: usize,
    /// Calls that compute at the same time, each with memory and threads of its own; others wait for one of them to end.
    /// 0 counts as 1.
    pub at_once: usize,
    /// Instructions to use.
    pub level: Level,
    /// Whether no convolution is computed by a Winograd algorithm. Slower, and another rounding of every result.
    pub exact: bool,
    /// How products of convolutions and dense layers are computed.
    pub precision: Precision,
}

impl Default for PreparedOptions {
    /// One call at a time on all cores that the process may use, with the best level of the machine. This answers each call
    /// soonest. For most images per second from many callers: one thread, and as many calls at once as there are cores.
    fn default() -> Self {
        Self {
            threads: settle_threads(None),
            at_once: 1,
            level: Level::detect(),
            exact: false,
            precision: Precision::Highest,
        }
    }
}

/// A network with its parameters, ready for inference: share it by reference or in an [`Arc`].
///
/// Logits are the bytes that [`Executor::infer`](plusx_model::executor::Executor::infer) of an
/// [`Engine`](crate::Engine) with the same level and precision gives, whatever other threads do.
///
/// The first call of a batch size on each of the `at_once` seats allocates. Later ones do not.
#[derive(Debug)]
pub struct Prepared {
    graph: Graph,
    kernels: Kernels,
    store: Store,
    mode: Mode,
    shelf: RwLock<Shelf>,
    seats: Seats,
}

/// What calls have needed so far.
#[derive(Debug, Default)]
struct Shelf {
    plans: HashMap<usize, Arc<Ready>>,
    /// Images of a batch that are computed at a time.
    parts: HashMap<usize, usize>,
    made: Vec<(Lasting, Arc<Floats>)>,
}

/// A plan, and where what it finds ready is.
#[derive(Debug)]
struct Ready {
    plan: Plan,
    /// By buffer; those of the arena have none.
    made: Vec<Option<Arc<Floats>>>,
}

impl Prepared {
    /// Prepares `graph` with `params`, its parameters and running statistics.
    ///
    /// # Errors
    /// If the graph is not well formed, the parameters are not its own, the machine lacks the level, or memory cannot be
    /// had.
    pub fn new(graph: Graph, params: &Params, options: PreparedOptions) -> Result<Self, EngineError> {
        check::graph(&graph)?;
        check::level(options.level)?;
        same_table(&graph, params)?;
        let mut store = Store::new(ParamLayout::new(&graph)?, Learning::everything(&graph))?;
        store.import(params);
        let mode = Mode::shared(graph.output());
        Ok(Self {
            graph,
            kernels: Kernels { level: options.level, exact: options.exact, precision: options.precision },
            store,
            mode,
            shelf: RwLock::default(),
            seats: Seats::new(options),
        })
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Logits of one image: values of the network's output.
    pub fn outputs(&self) -> usize {
        self.graph.node(self.graph.output()).shape.len()
    }

    /// Bytes that a call of `batch` images takes in its seat, beside the scratch of its threads.
    ///
    /// # Errors
    /// If the batch is empty, or its maps are more than an address space holds.
    pub fn arena_bytes(&self, batch: usize) -> Result<usize, EngineError> {
        Ok(self.plan(self.at_a_time(batch)?).arena_bytes)
    }

    /// Writes the logits of `images` (\[n\]\[h\]\[w\]\[c\]) to `logits` (\[n\]\[outputs\]), with the running statistics
    /// of its batch norms.
    ///
    /// # Errors
    /// If `images` are not whole images of the network's input shape, `logits` is not [`Prepared::outputs`] values for
    /// each, or memory cannot be had. The network stays usable.
    pub fn infer(&self, images: Images<'_>, logits: &mut [f32]) -> Result<(), EngineError> {
        check::images(&self.graph, images)?;
        let expected = images.n * self.outputs();
        if logits.len() != expected {
            return Err(EngineError::Logits { images: images.n, expected, found: logits.len() });
        }
        let mut taken = self.seats.take();
        let seat = taken.seat();
        let (input, outputs) = (self.graph.input_shape().len(), self.outputs());
        let some = self.at_a_time(images.n)?;
        for (images, logits) in images.data.chunks(some * input).zip(logits.chunks_mut(some * outputs)) {
            let ready = self.ready(logits.len() / outputs, seat)?;
            let plan = &ready.plan;
            seat.reserve(plan)?;
            let resources = self.resources(seat, &ready.made);
            run(plan, plan.prepared..plan.steps.len(), resources, &mut RunBatch::forward(images));
            for tap in &plan.taps {
                read_tap(plan, tap, &mut seat.arena, images, logits);
            }
        }
        Ok(())
    }

    fn resources<'a>(&'a self, seat: &'a mut Seat, made: &'a [Option<Arc<Floats>>]) -> RunResources<'a> {
        let Seat { arena, threads } = seat;
        RunResources { arena, threads, store: Held::Shared(&self.store), made, profile: None }
    }

    fn plan(&self, batch: usize) -> Plan {
        let settings = PlanSettings { kernels: self.kernels, learning: &self.store.learning };
        Plan::new(&self.graph, &self.store.layout, &self.mode, batch, &settings)
    }

    /// Images of a batch that are computed at a time.
    fn at_a_time(&self, batch: usize) -> Result<usize, EngineError> {
        if let Some(known) = self.shelf.read().unwrap_or_else(PoisonError::into_inner).parts.get(&batch) {
            return Ok(*known);
        }
        check::batch(&self.graph, batch)?;
        let some = self.plan(batch).images_at_a_time();
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        if shelf.parts.len() >= MOST_PLANS {
            shelf.parts.clear();
        }
        shelf.parts.insert(batch, some);
        Ok(some)
    }

    /// The plan for `batch` images with all that it finds ready. The first call that needs it makes it, in its seat; other
    /// first calls wait.
    fn ready(&self, batch: usize, seat: &mut Seat) -> Result<Arc<Ready>, EngineError> {
        // a shelf is whole at every point: what is put on it is made before
        if let Some(ready) = self.shelf.read().unwrap_or_else(PoisonError::into_inner).plans.get(&batch) {
            return Ok(Arc::clone(ready));
        }
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = shelf.plans.get(&batch) {
            return Ok(Arc::clone(ready));
        }
        check::batch(&self.graph, batch)?;
        let plan = self.plan(batch);
        for step in 0..plan.prepared {
            self.make(&plan, step, seat, &mut shelf)?;
        }
        let made = plan.buffers.iter().map(|buffer| shelf.find(buffer.lasting?).cloned()).collect();
        let ready = Arc::new(Ready { plan, made });
        if shelf.plans.len() >= MOST_PLANS {
            shelf.plans.clear();
        }
        shelf.plans.insert(batch, Arc::clone(&ready));
        Ok(ready)
    }

    /// Puts what step `step` of `plan` makes on the shelf, if it is not there yet.
    fn make(&self, plan: &Plan, step: usize, seat: &mut Seat, shelf: &mut Shelf) -> Result<(), EngineError> {
        let mut wanted = Vec::new();
        plan.steps[step].work.buffers(&mut |id, _| {
            let buffer = &plan.buffers[id.0];
            wanted.extend(buffer.lasting.zip(buffer.offset).map(|(what, offset)| (what, offset, buffer.len)));
        });
        wanted.retain(|(what, ..)| shelf.find(*what).is_none());
        if wanted.is_empty() {
            return Ok(());
        }
        seat.reserve(plan)?;
        run(plan, step..step + 1, self.resources(seat, &[]), &mut RunBatch::forward(&[]));
        for (what, offset, len) in wanted {
            let refused = || EngineError::Memory {
                mib: (len * size_of::<f32>()) >> 20,
                what: "what is made of the parameters".to_owned(),
            };
            let mut values = Floats::zeros(len).ok_or_else(refused)?;
            values.copy_from_slice(seat.arena.lend(0).read(offset, len));
            shelf.made.push((what, Arc::new(values)));
        }
        Ok(())
    }
}

impl Shelf {
    fn find(&self, what: Lasting) -> Option<&Arc<Floats>> {
        self.made.iter().find(|(known, _)| *known == what).map(|(_, values)| values)
    }
}

/// The seats of a network.
#[derive(Debug)]
struct Seats {
    state: Mutex<Idle>,
    /// Callers wait here for a seat.
    free: Condvar,
    most: usize,
    threads: usize,
}

/// Seats that are not in use.
#[derive(Debug, Default)]
struct Idle {
    /// The last used last.
    seats: Vec<Seat>,
    /// How many there are, those in use among them.
    all: usize,
}

impl Seats {
    fn new(options: PreparedOptions) -> Self {
        let (most, threads) = (options.at_once.max(1), options.threads);
        Self { state: Mutex::default(), free: Condvar::new(), most, threads }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        // nothing panics while holding the lock
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seat used last, whose memory is still warm. If all are taken, a new one where there may be more, else the first
    /// that comes back.
    fn take(&self) -> Taken<'_> {
        let mut idle = self.lock();
        loop {
            if let Some(seat) = idle.seats.pop() {
                return Taken { seats: self, seat: Some(seat) };
            }
            if idle.all < self.most {
                idle.all += 1;
                // room for it to come back to
                let all = idle.all;
                idle.seats.reserve(all);
                drop(idle);
                return Taken { seats: self, seat: Some(Seat::new(self.threads)) };
            }
            idle = self.free.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A seat in use. It goes back when this is dropped. That holds after a panic, too: what is in a seat does not matter.
struct Taken<'a> {
    seats: &'a Seats,
    /// There until it goes back.
    seat: Option<Seat>,
}

impl Taken<'_> {
    fn seat(&mut self) -> &mut Seat {
        match &mut self.seat {
            Some(seat) => seat,
            None => unreachable!("it goes back only when this is dropped"),
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.seats.lock().seats.extend(self.seat.take());
        self.seats.free.notify_one();
    }
}
