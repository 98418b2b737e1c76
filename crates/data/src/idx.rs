//! IDX.
