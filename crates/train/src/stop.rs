//! The request to stop: set by whoever hears the signal, read by the loop between two steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A shared flag; clones see the same value. It allocates nothing when set, so a signal handler may set it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

/// Which signal asked a run to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Ctrl-C: SIGINT, number 2.
    Interrupt,
    /// A polite end from outside: SIGTERM, number 15.
    Terminate,
}

impl Signal {
    /// 128 plus the signal's number: 130 or 143.
    pub fn exit_code(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
        }
    }

    /// `SIGINT` or `SIGTERM`.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        }
    }
}

impl Stop {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to stop after the step it is in. The first request stays. Returns whether one was there
    /// already: a second signal should end the process at once.
    pub fn request(&self, signal: Signal) -> bool {
        let value = match signal {
            Signal::Interrupt => 2,
            Signal::Terminate => 15,
        };
        self.0.compare_exchange(0, value, Ordering::Relaxed, Ordering::Relaxed).is_err()
    }

    /// What was asked for, if anything.
    pub fn requested(&self) -> Option<Signal> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            15 => Some(Signal::Terminate),
            _ => Some(Signal::Interrupt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_stays() {
        let stop = Stop::new();
        assert_eq!(stop.requested(), None);
        assert!(!stop.clone().request(Signal::Terminate));
        assert!(stop.request(Signal::Interrupt));
        assert_eq!(stop.requested(), Some(Signal::Terminate));
        assert_eq!(Signal::Terminate.exit_code(), 143);
    }
}
