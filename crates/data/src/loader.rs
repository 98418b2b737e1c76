//! Batches made ahead of the engine, on threads of their own.
//!
//! One thread keeps up to [`AHEAD`] finished batches waiting and then sleeps, so it costs the engine's cores only the
//! work itself (an image resized from 28x28 to 96x96 takes some ten microseconds, a photograph decoded and resized some
//! milliseconds). More threads help it with each batch. Which of them makes which image cannot matter: an image is made of
//! its own picture alone. Buffers go round: what the engine gives back with [`Loader::recycle`] is filled again, so an epoch
//! allocates [`Loader::BATCHES`] batches in all.

mod batch;
mod maker;

use crate::{DataError, Samples};
pub use batch::{AugmentPlan, Batch, BatchPlan};
use maker::Maker;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Finished batches that may wait. Two bridge a hiccup of the disk or the scheduler; a batch of 256 images of 96x96
/// is 9 MB, so more would only cost memory.
const AHEAD: usize = 2;

/// Makes the batches of a plan on threads of its own, a few ahead. Dropping it stops and joins them.
///
/// A picture that turns out to be damaged is left out of its batch, which says so. What keeps a sound picture from being read,
/// a disk that is gone say, is an error.
#[derive(Debug)]
pub struct Loader {
    /// `None` once the last batch or an error was delivered.
    ready: Option<Receiver<Result<Batch, DataError>>>,
    used: Sender<Batch>,
    thread: Option<JoinHandle<()>>,
    waited: Duration,
}

impl Loader {
    /// Batches in memory at a time, at most: those that wait, the one being made and the one in use.
    pub const BATCHES: usize = AHEAD + 2;

    /// Starts the thread. A plan that makes no sense (batch size zero, an index past the end of the split, images that
    /// cannot be prepared) is reported by the first [`Loader::next`].
    pub fn new(split: Arc<dyn Samples>, plan: BatchPlan) -> Self {
        Self::spawn(move |out, used| {
            let maker = check(&*split, &plan).and_then(|()| Maker::new(split, &plan));
            let mut maker = match maker {
                Ok(maker) => maker,
                Err(error) => {
                    let _ = out.send(Err(error));
                    return;
                }
            };
            for indices in plan.order.chunks(plan.batch_size).skip(plan.first) {
                let batch = maker.fill(indices, used.try_recv().unwrap_or_default());
                let failed = batch.is_err();
                if out.send(batch).is_err() || failed {
                    return; // the loader was dropped, or there is no more to come
                }
            }
        })
    }

    fn spawn(
        run: impl FnOnce(SyncSender<Result<Batch, DataError>>, Receiver<Batch>) + Send + 'static,
    ) -> Self {
        let (out, ready) = sync_channel(AHEAD);
        let (used, returned) = channel();
        let failed = out.clone();
        let thread =
            std::thread::Builder::new().name("plusx-loader".to_owned()).spawn(move || run(out, returned));
        match thread {
            Ok(thread) => {
                drop(failed);
                Self { ready: Some(ready), used, thread: Some(thread), waited: Duration::ZERO }
            }
            Err(source) => {
                // an empty channel of this capacity takes one message without a receiver waiting
                let error = DataError::Thread { source };
                let _ = failed.send(Err(error));
                Self { ready: Some(ready), used, thread: None, waited: Duration::ZERO }
            }
        }
    }

    /// The next batch; `None` after the last one, or after an error.
    ///
    /// # Errors
    /// [`DataError::Plan`] for a plan that makes no sense, those of [`Preparer::new`](plusx_pixels::Preparer::new), those of
    /// [`Samples::read`] that are no fault of a picture, [`DataError::LoaderPanicked`] if the thread died,
    /// [`DataError::Thread`] if the system gave none.
    #[allow(clippy::should_implement_trait)] // a `for` loop would borrow the loader and leave no way to recycle
    pub fn next(&mut self) -> Option<Result<Batch, DataError>> {
        let ready = self.ready.as_ref()?;
        let start = Instant::now();
        let received = ready.recv();
        self.waited += start.elapsed();
        match received {
            Ok(Ok(batch)) => Some(Ok(batch)),
            Ok(Err(error)) => {
                self.ready = None;
                Some(Err(error))
            }
            Err(_) => {
                self.ready = None;
                let panic = self.thread.take()?.join().err()?;
                Some(Err(DataError::LoaderPanicked { message: panic_message(panic.as_ref()) }))
            }
        }
    }

    /// Gives the buffers of a used batch back, to be filled again.
    pub fn recycle(&mut self, batch: Batch) {
        // after the last batch nobody listens, and the buffers are freed here
        let _ = self.used.send(batch);
    }

    /// Time the caller has spent in [`Loader::next`] waiting for the thread, so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // with the receiver gone the thread's next send fails, and it ends
        self.ready = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic nobody asked about any more
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

fn check(split: &dyn Samples, plan: &BatchPlan) -> Result<(), DataError> {
    let bad = |reason: String| Err(DataError::Plan { reason });
    if plan.batch_size == 0 || plan.threads == 0 {
        return bad("the batch size or the number of threads is 0".to_owned());
    }
    if let Some(shape) = split.shape().filter(|shape| shape.is_empty()) {
        return bad(format!("images of {shape} cannot become {}", plan.preprocess.input));
    }
    match plan.order.iter().find(|&&index| index as usize >= split.len()) {
        Some(index) => bad(format!("picture {index} of {} is asked for", split.len())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InMemory;
    use plusx_model::preprocess::Preprocess;
    use plusx_model::shape::ImageShape;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// `n` images of 2x2, image `i` all `i`, labelled `i % 10`.
    fn split(n: u32) -> Arc<InMemory> {
        Arc::new(InMemory {
            images: (0..n).flat_map(|i| [i as u8; 4]).collect(),
            labels: (0..n).map(|i| i % 10).collect(),
            shape: ImageShape::new(1, 2, 2),
        })
    }

    fn plan(order: Vec<u32>, batch_size: usize) -> BatchPlan {
        BatchPlan { order, batch_size, first: 0, preprocess: chapter(3, 5), augment: None, threads: 2 }
    }

    fn chapter(h: usize, w: usize) -> Preprocess {
        Preprocess::chapter(ImageShape::new(1, h, w))
    }

    fn labels_of(mut loader: Loader) -> Vec<Vec<u32>> {
        let mut all = Vec::new();
        while let Some(batch) = loader.next() {
            let batch = batch.unwrap();
            assert_eq!(batch.n, batch.labels.len());
            all.push(batch.labels.clone());
            loader.recycle(batch);
        }
        assert!(loader.next().is_none());
        all
    }

    #[test]
    fn batches_follow_the_order_and_the_last_is_smaller() {
        let plan = plan(vec![4, 0, 3, 1, 2, 4, 4], 3);
        assert_eq!(labels_of(Loader::new(split(5), plan.clone())), [vec![4, 0, 3], vec![1, 2, 4], vec![4]]);
        let resumed = BatchPlan { first: 2, ..plan.clone() };
        assert_eq!(labels_of(Loader::new(split(5), resumed)), [vec![4]]);
        let done = BatchPlan { first: 3, ..plan };
        assert!(labels_of(Loader::new(split(5), done)).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Every sample once, in order, whatever the batch size; a resumed epoch is the rest of the whole one.
        #[test]
        fn a_resumed_epoch_is_the_rest_of_it(
            order in prop::collection::vec(0_u32..50, 0..70),
            batch_size in 1_usize..20,
            first in 0_usize..10,
        ) {
            let plan = plan(order.clone(), batch_size);
            let all = labels_of(Loader::new(split(50), plan.clone()));
            prop_assert_eq!(all.len(), order.len().div_ceil(batch_size));
            prop_assert_eq!(all.concat(), order.iter().map(|i| i % 10).collect::<Vec<_>>());
            let rest = labels_of(Loader::new(split(50), BatchPlan { first, ..plan }));
            prop_assert_eq!(&rest[..], &all[first.min(all.len())..]);
        }
    }

    #[test]
    fn values_are_resized_and_divided_by_255() {
        let mut loader = Loader::new(split(200), plan(vec![199, 7], 2));
        let batch = loader.next().unwrap().unwrap();
        assert_eq!(batch.images.len(), 2 * 15);
        assert!(batch.images[..15].iter().all(|&value| value == 199.0 / 255.0));
        assert!(batch.images[15..].iter().all(|&value| value == 7.0 / 255.0));
        let mut same_size =
            Loader::new(split(9), BatchPlan { preprocess: chapter(2, 2), ..plan(vec![8], 1) });
        assert_eq!(same_size.next().unwrap().unwrap().images, [8.0 / 255.0; 4]);
    }

    #[test]
    fn buffers_come_round_again() {
        let mut loader = Loader::new(split(10), plan((0..10).cycle().take(400).collect(), 4));
        let mut seen = std::collections::HashSet::new();
        while let Some(batch) = loader.next() {
            let batch = batch.unwrap();
            seen.insert(batch.images.as_ptr() as usize);
            loader.recycle(batch);
        }
        assert!(seen.len() <= Loader::BATCHES, "{} buffers", seen.len());
    }

    #[test]
    fn a_plan_without_sense_is_an_error_then_the_end() {
        for bad in [plan(vec![0], 0), plan(vec![5], 1)] {
            let mut loader = Loader::new(split(5), bad);
            assert!(matches!(loader.next(), Some(Err(DataError::Plan { .. }))));
            assert!(loader.next().is_none());
        }
        let mut flat = Loader::new(split(5), BatchPlan { preprocess: chapter(0, 1), ..plan(vec![0], 1) });
        assert!(matches!(flat.next(), Some(Err(DataError::Pixels(_)))));
        assert!(flat.next().is_none());
        let short = Arc::new(InMemory { images: vec![0; 7], ..(*split(2)).clone() });
        assert!(matches!(Loader::new(short, plan(vec![1], 1)).next(), Some(Err(DataError::Plan { .. }))));
    }

    #[test]
    fn a_panic_in_the_thread_is_an_error() {
        let mut loader = Loader::spawn(|out, _| {
            out.send(Ok(Batch::default())).unwrap();
            panic!("broken on purpose");
        });
        assert!(loader.next().unwrap().is_ok());
        let error = loader.next().unwrap().unwrap_err();
        assert!(error.to_string().contains("broken on purpose"), "{error}");
        assert!(loader.next().is_none());
    }

    #[test]
    fn dropping_joins_the_thread() {
        let ended = Arc::new(AtomicBool::new(false));
        let flag = ended.clone();
        let loader = Loader::spawn(move |out, _| {
            while out.send(Ok(Batch::default())).is_ok() {}
            std::thread::sleep(Duration::from_millis(20));
            flag.store(true, Ordering::SeqCst);
        });
        drop(loader);
        assert!(ended.load(Ordering::SeqCst));
    }

    #[test]
    fn the_wait_is_counted() {
        let mut loader = Loader::spawn(|out, _| {
            loop {
                std::thread::sleep(Duration::from_millis(20));
                if out.send(Ok(Batch::default())).is_err() {
                    return;
                }
            }
        });
        assert_eq!(loader.waited(), Duration::ZERO);
        // a busy machine may keep this thread from asking until the batch is there: now and then, not every time
        let waits = (0..100).any(|_| {
            loader.next();
            loader.waited() >= Duration::from_millis(10)
        });
        assert!(waits, "{:?}", loader.waited());
    }
}
