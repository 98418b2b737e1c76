//! What a network *is*: shapes, operations, the graph, blocks that trace themselves into it, parameters.
//! Runs nothing and reads no file.
#![forbid(unsafe_code)]

pub mod executor;
pub mod graph;
pub mod params;
pub mod shape;
