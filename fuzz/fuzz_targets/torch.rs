//! What `torch.save` writes, in any of its containers.
#![no_main]

#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::torch(bytes));
