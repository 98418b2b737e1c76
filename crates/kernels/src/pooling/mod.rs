//! Pooling: one file for each operation of the graph, named after it, and the windows that two of them share.

pub mod avg_pool2d;
pub mod global_avg_pool2d;
pub mod max_pool2d;
mod windows;
