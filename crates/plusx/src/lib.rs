//! Residual networks on ordinary computers: y = f(x) + x.
//!
//! The front door for programs that embed `plusx`. A network is a [`Block`](model::block::Block); a [`Model`] runs it on numbers:
//!
//! ```
//! use plusx::prelude::*;
//!
//! let mut block = Model::new(Residual::new(3));
//! block.initialize(Init::default(), 42)?;
//! let x = Tensor::uniform([4, 3, 6, 6], 0.0, 1.0, 42)?;
//! assert_eq!(block.forward(&x)?.shape().to_string(), "(4, 3, 6, 6)");
//! # Ok::<(), plusx::Error>(())
//! ```
//!
//! A [`Classifier`] answers from a weight file, for any number of threads at once:
//!
//! ```no_run
//! use plusx::prelude::*;
//!
//! let net = Classifier::load("model.safetensors")?;
//! let image = picture::open("cat.jpg".as_ref())?;
//! println!("{:?}", net.predict(&image)?[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A program that only infers, on pixels or numbers of its own, needs the crate `plusx-infer` and not this one. That is 14
//! crates in all, with no decoder and no network client.
//!
//! Training can be driven from outside:
//!
//! - [`Model::train_step`] does one step.
//! - [`Model::train`] does one step after another. A callback may break off.
//! - [`train::run`] does all that `plusx train` does, with an observer and a flag to stop.
//!
//! Shapes are deferred, as in the chapter that this project is built from: the first [`Model::forward`] tells the network
//! how large its images are.
//!
//! The crates behind this one are re-exported whole: [`model`] (what a network is), [`engine`] (how it becomes time on
//! cores), [`infer`], [`data`], [`formats`] and [`train`].
#![forbid(unsafe_code)]

mod error;
mod files;
mod network;
mod shape;
mod tensor;
mod training;

pub use error::Error;
pub use network::Model;
pub use shape::Shape;
pub use tensor::Tensor;
pub use training::{Step, Trained};

pub use plusx_data as data;
pub use plusx_engine as engine;
pub use plusx_formats as formats;
pub use plusx_infer as infer;
pub use plusx_infer::Classifier;
pub use plusx_model as model;
pub use plusx_train as train;

/// What a program that embeds `plusx` usually needs.
pub mod prelude {
    pub use crate::{Error, Model, Shape, Step, Tensor, Trained};
    pub use plusx_data::picture;
    pub use plusx_engine::Precision;
    pub use plusx_infer::{Classifier, InferError, Picture, Prediction, PreparedOptions};
    pub use plusx_model::ModelError;
    pub use plusx_model::block::{Block, Var};
    pub use plusx_model::containers::{Residual, Sequential};
    pub use plusx_model::executor::{StepOptions, StepResult};
    pub use plusx_model::init::Init;
    pub use plusx_model::layers::{
        Activation, AvgPool2d, BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d,
    };
    pub use plusx_model::learning::Learning;
    pub use plusx_model::targets::{Loss, Targets};
    pub use plusx_model::trace::Names;
    pub use plusx_model::update::{ParamRule, ParamRules, Rule, Update};
}
