//! How a network learns: the recipe, the loop, the checkpoints and the run folder.
//!
//! [`run`] trains a network of the zoo. [`open`] and [`resume`] continue a run that stopped, to the very bytes that it would have
//! reached undisturbed. [`Comparison`] does so with several networks under one recipe. [`evaluate`] measures the result.
//!
//! Nothing here prints: an [`Observer`] hears what happens.
#![forbid(unsafe_code)]

mod answers;
mod average;
mod by_name;
mod checkpoint;
mod class_names;
mod class_weights;
mod clock;
mod compare;
mod curves;
mod error;
mod estimate;
mod evaluate;
mod event;
mod export_proof;
mod first_batch;
mod folder;
mod import_proof;
mod job;
mod left_out;
mod load;
mod memory;
mod network;
mod newest;
mod options;
mod origin;
mod outlook;
mod pictures;
mod points;
mod position;
mod pretrained;
mod remarks;
mod results;
mod run_files;
mod sampler;
mod schedule;
mod session;
mod start;
mod state;
mod stop;

pub use class_names::ClassNamePolicy;
pub use compare::{
    Claim, CompareOptions, CompareOverrides, Compared, Comparison, Deeper, Findings, ModelErrors, Spread,
    plan as plan_comparison,
};
pub use error::{Checkpoint, Kept, PathDisplay, TrainError};
pub use evaluate::{EvalOptions, EvalReport, evaluate, evaluate_with, fitting_batch};
pub use event::{
    BestAccuracy, ComparePlan, CompareRun, CompareRunDone, EpochReport, Event, Observer, Outcome, PlanReport,
    RunReport, SaveReason, Silent, Started, StepEvent,
};
pub use export_proof::OnnxExport;
pub use folder::SavedRun;
pub use import_proof::{Import, ImportProof};
pub use load::{LoadedModel, Machine, load_model, processor};
pub use memory::RunMemory;
pub use options::{
    AugmentPolicy, Bounds, ClassWeights, ColorJitter, FirstValues, LastBatchScale, Milestones, Opt,
    OptionRow, Overrides, Recipe, RecipeEntry, Sampler, SaveEvery, Sched, SchedPer, TrainOptions, level,
};
pub use origin::Pretrained;
pub use pictures::Pictures;
pub use position::RunPosition;
pub use pretrained::PretrainedFile;
pub use start::{open, plan, resume, resume_on, run, run_on};
pub use stop::{Signal, Stop};
