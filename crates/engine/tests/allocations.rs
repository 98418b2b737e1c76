//! A prepared network allocates nothing from the second call of a batch size on: neither from the allocator, which is
//! counted here, nor pages from the system. A test process of its own, with one test: others would be counted too.
#![cfg(target_os = "linux")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use plusx_engine::{Prepared, PreparedOptions};
use plusx_model::executor::Images;
use plusx_model::init::{Init, initialize};
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};

/// The system's allocator, counting.
struct Counting;

/// Calls that gave memory.
static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`; the block came from there.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes of address space this process has: the engine's arenas come from the system, past the allocator.
fn mapped() -> String {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').next().unwrap().to_owned()
}

#[test]
fn nothing_is_allocated_from_the_second_call_on() {
    const BATCHES: [usize; 3] = [5, 1, 2];
    const CALLERS: usize = 3;
    let block = zoo::build("resnet18-d2l", ZooOptions { classes: 10 }).unwrap();
    let graph = trace(block.as_ref(), "1x64x64".parse().unwrap(), &mut Names::new()).unwrap();
    let params = initialize(&graph, Init::Xavier, 1);
    let options = PreparedOptions { threads: 2, at_once: 1, ..PreparedOptions::default() };
    let net = Prepared::new(graph, &params, options).unwrap();
    let len = net.graph().input_shape().len();
    let data = vec![0.5; 5 * len];
    let call = |n: usize, logits: &mut [f32]| {
        net.infer(Images { data: &data[..n * len], n }, &mut logits[..n * 10]).unwrap();
    };

    let mut logits = vec![0.0; 50];
    BATCHES.iter().for_each(|n| call(*n, &mut logits));
    let before = (mapped(), CALLS.load(Ordering::SeqCst));
    BATCHES.iter().cycle().take(12).for_each(|n| call(*n, &mut logits));
    let calls = CALLS.load(Ordering::SeqCst);
    assert_eq!((mapped(), calls), before, "one caller");

    // callers in other threads, waiting for each other
    let meet = Barrier::new(CALLERS + 1);
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                let mut logits = vec![0.0; 50];
                meet.wait();
                meet.wait();
                BATCHES.iter().cycle().take(6).for_each(|n| call(*n, &mut logits));
                meet.wait();
                meet.wait();
            });
        }
        meet.wait();
        let before = CALLS.load(Ordering::SeqCst);
        meet.wait();
        meet.wait();
        let after = CALLS.load(Ordering::SeqCst);
        meet.wait();
        assert_eq!(after, before, "{CALLERS} callers");
    });
}
