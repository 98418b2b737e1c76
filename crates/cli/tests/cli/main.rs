//! Runs the real `plusx` binary, as a user would.

mod checking;
mod class_weights;
mod codes;
mod commands_page;
mod compare;
mod disk;
mod export;
mod files;
mod folder;
mod import;
mod looking;
mod lr_find;
mod memory;
mod predicting;
mod pretrained;
mod program;
mod recipes;
mod resume;
mod same_bytes;
mod signals;
mod smoke;
mod train;
mod usage;
mod weights;
