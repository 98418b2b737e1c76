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
    /// The terminal was closed: SIGHUP, number 1.
    Hangup,
}

impl Signal {
    /// 128 plus the signal's number: 130, 143 or 129.
    pub fn exit_code(self) -> u8 {
        128 + self.number()
    }

    /// `SIGINT`, `SIGTERM` or `SIGHUP`.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
            Signal::Hangup => "SIGHUP",
        }
    }

    /// The same on every Unix.
    fn number(self) -> u8 {
        match self {
            Signal::Interrupt => 2,
            Signal::Terminate => 15,
            Signal::Hangup => 1,
        }
    }
}

impl Stop {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to stop after the step it is in. The first request stays. Returns whether one was there
    /// already: what a second one means is for the caller to say.
    pub fn request(&self, signal: Signal) -> bool {
        self.0.compare_exchange(0, signal.number(), Ordering::Relaxed, Ordering::Relaxed).is_err()
    }

    /// What was asked for, if anything.
    pub fn requested(&self) -> Option<Signal> {
        let number = self.0.load(Ordering::Relaxed);
        [Signal::Interrupt, Signal::Terminate, Signal::Hangup].into_iter().find(|one| one.number() == number)
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
        let codes = [Signal::Interrupt, Signal::Terminate, Signal::Hangup].map(Signal::exit_code);
        assert_eq!(codes, [130, 143, 129]);
    }

    #[test]
    fn every_signal_comes_back() {
        for signal in [Signal::Interrupt, Signal::Terminate, Signal::Hangup] {
            let stop = Stop::new();
            stop.request(signal);
            assert_eq!(stop.requested(), Some(signal));
        }
    }
}
