//! How it learns: the recipe, the loop, the checkpoints and the run folder.
//!
//! [`run`] trains a network of the zoo; [`open`] and [`resume`] continue a run that stopped, to the very bytes it
//! would have reached undisturbed; [`evaluate`] measures the result. Nothing here prints: an
//! [`Observer`] hears what happens.
#![forbid(unsafe_code)]

mod checkpoint;
mod clock;
mod curves;
mod error;
mod estimate;
mod evaluate;
mod event;
mod folder;
mod job;
mod load;
mod options;
mod outlook;
mod results;
mod session;
mod start;
mod state;
mod stop;

pub use error::{Kept, PathDisplay, TrainError};
pub use evaluate::{EvalReport, evaluate, fitting_batch};
pub use event::{
    EpochReport, Event, Observer, Outcome, PlanReport, Report, SaveReason, Silent, Started, StepEvent,
};
pub use folder::SavedRun;
pub use load::{LoadedModel, Machine, load_model};
pub use options::{Overrides, Recipe, SaveEvery, TrainOptions};
pub use start::{open, plan, resume, resume_on, run, run_on};
pub use stop::{Signal, Stop};
