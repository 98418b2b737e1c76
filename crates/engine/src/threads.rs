//! The engine's own threads.
//!
//! A region is a number of pieces that are handed out one by one. The caller works, too. Which thread runs which piece
//! depends on timing; no result does, because the pieces of a region write disjoint outputs.
//!
//! Workers spin for a moment between regions and then sleep. A panic in a piece is passed on to the caller after all
//! threads have left the region.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::arena::Floats;

/// How many threads to use: as many as asked for, else one for each core that the process may use. The system's answer
/// respects CPU affinity and cgroup limits; where it gives none, the answer is 1.
pub fn settle_threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Turns of the spin loop before a worker sleeps: some tens of microseconds, longer than the serial gap between two
/// regions and much shorter than a region.
const SPIN: usize = 2000;

/// What one piece is given: its index and this thread's scratch.
type PieceFn<'a> = &'a (dyn Fn(usize, &mut [f32]) + Sync);

/// A region being worked on.
#[derive(Clone, Copy)]
struct Job {
    /// The borrowed closure, its lifetime erased; see [`Threads::run`].
    work: *const (dyn Fn(usize, &mut [f32]) + Sync),
    pieces: usize,
    scratch: usize,
}

// SAFETY: the closure is `Sync`, and `Threads::run` keeps it alive while any thread holds the job.
unsafe impl Send for Job {}

struct State {
    job: Option<Job>,
    stop: bool,
    panic: Option<Box<dyn Any + Send>>,
}

struct Shared {
    state: Mutex<State>,
    /// Workers wait here for a job.
    wake: Condvar,
    /// The caller waits here for the last worker.
    done: Condvar,
    /// Counts regions; changed under the lock, watched without.
    generation: AtomicUsize,
    /// Workers holding the job; changed under the lock, watched without.
    inside: AtomicUsize,
    /// The next piece.
    next: AtomicUsize,
    /// Set when a piece has panicked: the remaining pieces are skipped.
    broken: AtomicBool,
    /// Every thread's own, the caller's first.
    scratch: Vec<Mutex<Floats>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // nothing panics while holding the lock, and the state is valid at every point
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads of one engine.
pub(crate) struct Threads {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl Threads {
    /// `count` threads (at least one), the caller's among them; fewer, if the system refuses more.
    pub(crate) fn new(count: usize) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { job: None, stop: false, panic: None }),
            wake: Condvar::new(),
            done: Condvar::new(),
            generation: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            scratch: (0..count.max(1)).map(|_| Mutex::new(Floats::empty())).collect(),
        });
        let mut threads = Self { shared, workers: Vec::new() };
        for index in 1..count.max(1) {
            let shared = Arc::clone(&threads.shared);
            let builder = std::thread::Builder::new().name(format!("plusx-{index}"));
            match builder.spawn(move || work_until_stopped(&shared, index)) {
                Ok(worker) => threads.workers.push(worker),
                Err(_) => break,
            }
        }
        threads
    }

    /// How many threads work on a region.
    pub(crate) fn count(&self) -> usize {
        self.workers.len() + 1
    }

    /// Makes room for `len` values of scratch on every thread; whether the memory was there.
    pub(crate) fn reserve(&mut self, len: usize) -> bool {
        self.shared.scratch[..self.count()].iter().all(|scratch| {
            let mut scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
            if scratch.len() >= len {
                return true;
            }
            // give the old one back first
            *scratch = Floats::empty();
            Floats::zeros(len).map(|floats| *scratch = floats).is_some()
        })
    }

    /// Calls `work` once with each of `0..pieces`, on all threads; each call gets `scratch` values of its thread's
    /// own, holding anything.
    ///
    /// # Panics
    /// With the panic of a piece, after all threads have stopped; if [`Threads::reserve`] was not asked for the scratch.
    pub(crate) fn run(&mut self, pieces: usize, scratch: usize, work: PieceFn<'_>) {
        if pieces <= 1 || self.workers.is_empty() {
            let mut own = self.shared.scratch[0].lock().unwrap_or_else(PoisonError::into_inner);
            (0..pieces).for_each(|piece| work(piece, &mut own[..scratch]));
            return;
        }
        // SAFETY: only the lifetime is erased. Workers reach the closure through `state.job` alone, counting
        // themselves in `inside`; below, the job is withdrawn and `inside` awaited before this function returns or
        // unwinds, so no use outlives the borrow.
        let work: *const (dyn Fn(usize, &mut [f32]) + Sync) = unsafe { std::mem::transmute(work) };
        let job = Job { work, pieces, scratch };
        {
            let mut state = self.shared.lock();
            self.shared.next.store(0, Ordering::Relaxed);
            self.shared.broken.store(false, Ordering::Relaxed);
            state.job = Some(job);
            self.shared.generation.fetch_add(1, Ordering::Release);
        }
        self.shared.wake.notify_all();
        let mine = take_pieces(&self.shared, job, 0);
        self.shared.lock().job = None;
        // the others end within a piece, mostly a short one: to be woken from sleep takes longer than that
        for _ in 0..SPIN {
            if self.shared.inside.load(Ordering::Acquire) == 0 {
                break;
            }
            std::hint::spin_loop();
        }
        let mut state = self.shared.lock();
        while self.shared.inside.load(Ordering::Acquire) > 0 {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let panic = mine.err().or(state.panic.take());
        state.panic = None;
        drop(state);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.generation.fetch_add(1, Ordering::Release);
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // a worker catches the panics of its pieces; there is nothing to pass on here
            let _ = worker.join();
        }
    }
}

/// The life of worker `index`.
fn work_until_stopped(shared: &Shared, index: usize) {
    let mut seen = 0;
    loop {
        for _ in 0..SPIN {
            if shared.generation.load(Ordering::Acquire) != seen {
                break;
            }
            std::hint::spin_loop();
        }
        let mut state = shared.lock();
        let job = loop {
            if state.stop {
                return;
            }
            let generation = shared.generation.load(Ordering::Acquire);
            if generation != seen {
                seen = generation;
                if let Some(job) = state.job {
                    shared.inside.fetch_add(1, Ordering::Relaxed);
                    break job;
                }
                // the region ended before this thread came
            }
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        let result = take_pieces(shared, job, index);
        let mut state = shared.lock();
        if let Err(panic) = result {
            state.panic.get_or_insert(panic);
        }
        // the caller may see it without the lock, and what this thread has written with it
        if shared.inside.fetch_sub(1, Ordering::Release) == 1 {
            shared.done.notify_one();
        }
    }
}

/// Works on pieces until none is left, as thread `index`.
fn take_pieces(shared: &Shared, job: Job, index: usize) -> Result<(), Box<dyn Any + Send>> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        // nobody else takes this one; after a panic it holds anything, as always
        let mut own = shared.scratch[index].lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = &mut own[..job.scratch];
        // SAFETY: the job is held, so `Threads::run` is still waiting and the closure is alive.
        let work = unsafe { &*job.work };
        while !shared.broken.load(Ordering::Relaxed) {
            let piece = shared.next.fetch_add(1, Ordering::Relaxed);
            if piece >= job.pieces {
                break;
            }
            work(piece, scratch);
        }
    }));
    if result.is_err() {
        shared.broken.store(true, Ordering::Relaxed);
    }
    result
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn every_piece_runs_once() {
        for count in [1, 2, 3, 7] {
            let mut threads = Threads::new(count);
            assert_eq!(threads.count(), count);
            for pieces in [0, 1, 2, 5, 100] {
                let counts: Vec<AtomicU32> = (0..pieces).map(|_| AtomicU32::new(0)).collect();
                assert!(threads.reserve(3));
                threads.run(pieces, 3, &|piece, scratch| {
                    assert_eq!(scratch.len(), 3);
                    counts[piece].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_threads_live_on() {
        let mut threads = Threads::new(3);
        for broken in [0, 7, 31] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                threads.run(32, 0, &|piece, _| assert!(piece != broken, "piece {piece}"));
            }));
            let message = *result.unwrap_err().downcast::<String>().unwrap();
            assert_eq!(message, format!("piece {broken}"));
            let sum = AtomicUsize::new(0);
            threads.run(10, 0, &|piece, _| {
                sum.fetch_add(piece, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 45);
        }
    }
}
