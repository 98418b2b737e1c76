//! A decoder's panic ends the file, not the program.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// Whether this thread is inside a decoder.
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a decoder whose panic will be caught and reported as an error of the file. A program's panic
/// hook may ask, and print nothing then; no hook is set here, for there is only one in a process, and it is the program's.
pub fn is_decoding() -> bool {
    DECODING.get()
}

/// What `decode` returns, or why it panicked.
pub(crate) fn caught<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    DECODING.set(true);
    // what was being made is dropped, so nobody sees it half done
    let result = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(false);
    result.unwrap_or_else(|panic| {
        Err(format!(
            "the decoder failed on this file, which is the decoder's fault: {}",
            message(panic.as_ref())
        ))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let inside: Result<bool, String> = caught(|| Ok(is_decoding()));
        assert_eq!(inside, Ok(true));
        let number = 7;
        for (said, result) in [
            ("index 7", caught::<()>(|| panic!("index {number}"))),
            ("plain", caught(|| panic!("plain"))),
            ("did not say", caught(|| std::panic::panic_any(7))),
        ] {
            assert!(result.unwrap_err().contains(said));
            assert!(!is_decoding());
        }
    }
}
