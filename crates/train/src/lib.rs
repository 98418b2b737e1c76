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
mod choice;
mod class_names;
mod class_weights;
mod clock;
mod compare;
mod curves;
mod deadline;
mod error;
mod estimate;
mod evaluate;
mod event;
mod export_proof;
mod features;
mod first_batch;
mod folder;
mod freezing;
mod import_proof;
mod job;
mod layer_decay;
mod left_out;
mod load;
mod lr_find;
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
mod rehearsal;
mod remarks;
mod results;
mod run_files;
mod sampler;
mod schedule;
mod session;
mod smoke;
mod start;
mod state;
mod stop;
mod time_plan;
mod timed;

pub use choice::{PictureFacts, RecipeChoice};
pub use class_names::ClassNamePolicy;
pub use compare::{
    Claim, CompareOptions, CompareOverrides, Compared, Comparison, Deeper, Findings, ModelErrors, Spread,
    plan as plan_comparison,
};
pub use error::{Checkpoint, Kept, PathDisplay, TrainError};
pub use evaluate::{EvalOptions, EvalReport, evaluate, evaluate_with, fitting_batch};
pub use event::{
    BestAccuracy, ComparePlan, CompareRun, CompareRunDone, EpochReport, Event, FeatureReport, Observer,
    Outcome, PlanReport, RangePoint, RunReport, SaveReason, Silent, Started, StepEvent, TimeReport,
};
pub use export_proof::OnnxExport;
pub use folder::SavedRun;
pub use import_proof::{Import, ImportProof};
pub use load::{LoadedModel, Machine, load_model, processor};
pub use lr_find::{RangeEnd, RangeOutcome, RangeReport, Valley, lr_find, lr_find_on, valley};
pub use memory::RunMemory;
pub use options::{
    AugmentPolicy, Bounds, CacheFeatures, ClassWeightTable, ClassWeights, ColorJitter, FirstValues, Freeze,
    GivenClassWeights, LastBatchScale, Milestones, Opt, OptionRow, Overrides, Recipe, RecipeEntry, Sampler,
    SaveEvery, Sched, SchedPer, TimeLimit, TrainOptions, level,
};
pub use origin::Pretrained;
pub use pictures::Pictures;
pub use position::RunPosition;
pub use pretrained::PretrainedFile;
pub use smoke::{Smoke, SmokeReport, smoke, smoke_on};
pub use start::{open, resume, resume_on};
pub use stop::{Signal, Stop};
pub use timed::{plan, run, run_on};
