//! Runs that have a time (`--time`): how fast this machine is, is measured before the first step, and the run then has as many
//! epochs as fit. From there on it is an ordinary run of that many: its bytes follow from its options alone.
//!
//! ```text
//! warm up:  2 steps, a test batch, the files       (the first step also plans and touches memory)
//! measure:  2 to 20 steps, 1 to 4 test batches, the files; together about a thirtieth of the time
//! choose:   epochs = (0.9 time - spent so far) / seconds of an epoch
//! ```
//!
//! What was measured with is thrown away: the run begins with the parameters that it would begin with anyway. The steps have a
//! learning rate of 0, so that a rate that suits the schedule of the run cannot make them diverge.

use std::time::Instant;

use plusx_data::Dataset;
use plusx_model::executor::Executor;

use crate::error::TrainError;
use crate::estimate::{self, Work};
use crate::event::{Event, Observer, Outcome, PlanReport, TimeReport};
use crate::job::{epoch_images, measured_images, points, samples};
use crate::load::Machine;
use crate::network::{check, prepare};
use crate::options::{CacheFeatures, Freeze, SaveEvery, Sched, TimeLimit, TrainOptions};
use crate::outlook::report;
use crate::pretrained;
use crate::rehearsal::{Marks, RUN, Rehearsed, ScratchFolder, is_whole, passing_on};
use crate::start::{self, Start, launch};
use crate::stop::{Signal, Stop};
use crate::time_plan::{EpochWork, Rates, fitting, resolved, too_short};

/// Steps and test batches of the warming up.
const WARM_STEPS: usize = 2;
const WARM_BATCHES: usize = 1;

/// Part of the time that the measured steps may take.
const MEASURED: f64 = 1.0 / 30.0;

/// Steps that are measured at most. A machine that is busy for a second shall not decide.
const MOST_STEPS: f64 = 20.0;
const MOST_BATCHES: f64 = 4.0;

/// Trains a network of the zoo in a new run folder. With a [`time`](TrainOptions::time) the machine is measured first, and the run
/// has as many epochs as end within the time, at most [`epochs`](TrainOptions::epochs). Weights that the options hold
/// ([`Pretrained::weights`](crate::Pretrained::weights)) are let go once the run has begun with them.
///
/// # Errors
/// Anything in [`TrainError`]; whatever was saved before the error stays.
pub fn run(
    options: TrainOptions,
    dataset: Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let Some(limit) = options.time else { return start::run(options, dataset, stop, observer) };
    let begun = Instant::now();
    let mut engine = prepare(&options, &dataset)?;
    let adopted = pretrained::start(engine.graph(), &options)?;
    let run =
        Rehearsed { options: &options, dataset: &dataset, params: adopted.as_ref().map(|it| &it.params) };
    let rates = match measured(&mut engine, &run, Bounds { limit, begun, stop })? {
        Ok(rates) => rates,
        Err(signal) => return Ok(Outcome::NotBegun { signal }),
    };
    let (options, time) = fitted(options, &dataset, limit, begun.elapsed().as_secs_f64(), &rates)?;
    let plan = report(&options, &dataset, &mut engine, adopted.as_ref())?;
    observer.event(&Event::Plan(with_time(plan, time)));
    let params = adopted.map(|adopted| adopted.params);
    launch(&mut engine, options, Start { dataset, params, since: Some(begun) }, stop, observer)
}

/// Trains whatever `executor` runs (a block of your own, say) in a new run folder. Its graph takes the data set's
/// images at `options.resize` or as `options.input`; `options.model` is only a name here. Parameters start from
/// `options.seed`, or from `options.pretrained`, which must then fit a network of the zoo called `options.model`. A time counts as
/// in [`run`].
///
/// # Errors
/// Those of [`run`].
pub fn run_on<E: Executor>(
    executor: &mut E,
    options: &TrainOptions,
    dataset: Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let Some(limit) = options.time else { return start::run_on(executor, options, dataset, stop, observer) };
    let begun = Instant::now();
    options.check()?;
    check(executor.graph(), options, &dataset)?;
    let params = pretrained::start(executor.graph(), options)?.map(|adopted| adopted.params);
    let run = Rehearsed { options, dataset: &dataset, params: params.as_ref() };
    let rates = match measured(executor, &run, Bounds { limit, begun, stop })? {
        Ok(rates) => rates,
        Err(signal) => return Ok(Outcome::NotBegun { signal }),
    };
    let spent = begun.elapsed().as_secs_f64();
    let (options, _) = fitted(options.clone(), &dataset, limit, spent, &rates)?;
    launch(executor, options, Start { dataset, params, since: Some(begun) }, stop, observer)
}

/// What [`run`] would do, without doing it. How many epochs fit into a time is a guess here, because nothing is measured.
///
/// # Errors
/// Those of [`run`] before its first step.
pub fn plan(options: &TrainOptions, dataset: &Dataset) -> Result<PlanReport, TrainError> {
    let Some(limit) = options.time else { return start::plan(options, dataset) };
    let plan = start::plan(options, dataset)?;
    let machine = Machine::of(options);
    let seconds = |train, test| estimate::guess(Work { train, test }, plan.macs, &machine);
    let rates =
        Rates { step: seconds(options.images_per_step() as u64, 0), test_image: seconds(0, 1), epoch: 0.0 };
    let (options, time) = fitted(options.clone(), dataset, limit, 0.0, &rates)?;
    Ok(with_time(start::plan(&options, dataset)?, TimeReport { measured: false, ..time }))
}

fn with_time(plan: PlanReport, time: TimeReport) -> PlanReport {
    PlanReport { estimate_seconds: time.expected, time: Some(time), ..plan }
}

/// An epoch of a run, whole.
pub(crate) fn epoch_work(options: &TrainOptions, dataset: &Dataset) -> EpochWork {
    let train = epoch_images(options, samples(&*dataset.train, options).len());
    let test = dataset.val.len();
    let steps = train.div_ceil(options.images_per_step()) as u64;
    let inside = points(options, steps, 1) * measured_images(options, test);
    EpochWork { train, test: test as u64 + inside, batch: options.images_per_step() }
}

/// The options of the run that fits, and how it came to them.
pub(crate) fn fitted(
    options: TrainOptions,
    dataset: &Dataset,
    limit: TimeLimit,
    spent: f64,
    rates: &Rates,
) -> Result<(TrainOptions, TimeReport), TrainError> {
    let work = epoch_work(&options, dataset);
    let fitting = fitting(limit, spent, rates, &work, options.epochs)?;
    let images = work.batch.min(work.train) as f64;
    let (options, changed) = resolved(options, &fitting, work.train);
    let time = TimeReport {
        limit: limit.seconds(),
        img_per_s: images / rates.step.max(f64::MIN_POSITIVE),
        measured: true,
        expected: fitting.expected,
        changed,
    };
    Ok((options, time))
}

/// What may end the measuring early.
#[derive(Clone, Copy)]
struct Bounds<'a> {
    /// The time of the run, and when it began.
    limit: TimeLimit,
    begun: Instant,
    stop: &'a Stop,
}

/// Measures the machine on a copy of the run's beginning; the signal, if one came.
fn measured<E: Executor>(
    executor: &mut E,
    run: &Rehearsed,
    bounds: Bounds,
) -> Result<Result<Rates, Signal>, TrainError> {
    let Bounds { limit, begun, stop } = bounds;
    let folder = ScratchFolder::make(&run.options.output, "rehearsal")?;
    let budget = MEASURED * limit.seconds() as f64;
    let mut times = (WARM_STEPS, WARM_BATCHES);
    let mut rates = None;
    for warm in [true, false] {
        let (steps, batches) = times;
        let dataset = run.few(steps, batches);
        let tested = dataset.val.len();
        let options = measuring(run.options, &folder);
        let start = Start { dataset, params: run.params.cloned(), since: None };
        let made = pass(executor, options, start, bounds).map_err(|error| folder.forget(error))?;
        if let Some(signal) = stop.requested() {
            return Ok(Err(signal));
        }
        let Made { marks, whole } = made;
        if !whole {
            // a step, and a test pass and files that are known no better than by it
            let image = marks.step() / run.options.images_per_step() as f64;
            let rates = Rates { step: marks.step(), test_image: image / 3.0, epoch: 0.0 };
            let spent = begun.elapsed().as_secs_f64();
            let work = epoch_work(run.options, run.dataset);
            return Err(too_short(
                limit,
                spent + EpochWork { train: work.batch.min(work.train), ..work }.seconds(&rates),
            ));
        }
        let test_image = run.test_image(executor, batches).map_err(|error| folder.forget(error))?;
        let found = marks.rates(tested, test_image);
        let most = |seconds: f64, most: f64| (budget / seconds.max(1e-6)).clamp(1.0, most) as usize;
        let batch = test_image * run.options.batch_size as f64;
        times = (most(found.step, MOST_STEPS).max(2), most(4.0 * batch, MOST_BATCHES));
        if !warm {
            rates = Some(found);
        }
    }
    rates.map(Ok).ok_or_else(|| too_short(limit, begun.elapsed().as_secs_f64()))
}

/// What a pass gave.
struct Made {
    marks: Marks,
    /// Whether it came to its end before the time did.
    whole: bool,
}

/// The options of an epoch that is measured: the dearest kind of the run. Everything learns if it ever does, and what a frozen part
/// gives is computed again for every image; so a run that keeps it has fewer epochs than would fit.
fn measuring(options: &TrainOptions, folder: &ScratchFolder) -> TrainOptions {
    TrainOptions {
        output: folder.path().into(),
        name: Some(RUN.into()),
        exist_ok: true,
        epochs: 1,
        lr: 0.0,
        min_lr: None,
        sched: Sched::Constant,
        warmup_epochs: 0.0,
        patience: None,
        max_steps: None,
        train_limit: None,
        measure_every: None,
        save_every: SaveEvery::Epoch,
        time: None,
        freeze: if options.unfreeze_after.is_some() { Freeze::None } else { options.freeze },
        unfreeze_after: None,
        cache_features: CacheFeatures::Off,
        feature_views: None,
        ..options.clone()
    }
}

/// One epoch of a few pictures, with its files.
fn pass<E: Executor>(
    executor: &mut E,
    options: TrainOptions,
    start: Start,
    bounds: Bounds,
) -> Result<Made, TrainError> {
    let (inner, mut marks) = (Stop::new(), Marks::new());
    let mut listen = |event: &Event| {
        marks.hear(event);
        passing_on(bounds.stop, &inner);
        if bounds.begun.elapsed().as_secs() >= bounds.limit.seconds() {
            // measuring alone takes longer than all may: any signal does, nobody hears of it
            inner.request(Signal::Terminate);
        }
    };
    let outcome = launch(executor, options, start, &inner, &mut listen)?;
    Ok(Made { marks, whole: is_whole(&outcome) })
}
