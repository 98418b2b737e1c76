//! Where a plan runs: memory for its maps, and threads with their scratch. One run at a time.

use crate::arena::Arena;
use crate::error::EngineError;
use crate::plan::Plan;
use crate::threads::Threads;
use plusx_model::words::count;

/// An arena and threads.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) arena: Arena,
    pub(crate) threads: Threads,
}

impl Seat {
    /// Without memory, with `threads` threads: at least the caller's, fewer than asked for if the system refuses some.
    pub(crate) fn new(threads: usize) -> Self {
        Self { arena: Arena::empty(), threads: Threads::new(threads) }
    }

    /// Makes room for `plan`. What is in the arena is lost if it was too small, or if this fails.
    pub(crate) fn reserve(&mut self, plan: &Plan) -> Result<(), EngineError> {
        let scratch = plan.scratch();
        if !self.threads.reserve(scratch) {
            let mib = (scratch * size_of::<f32>() * self.threads.count()) >> 20;
            return Err(EngineError::Memory { mib, what: "the scratch of all threads".to_owned() });
        }
        if !self.arena.reserve(plan.arena_bytes) {
            let what = format!("the maps of {}", count(plan.batch, "image"));
            return Err(EngineError::Memory { mib: plan.arena_bytes >> 20, what });
        }
        Ok(())
    }
}
