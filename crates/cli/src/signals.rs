//! Ctrl-C, SIGTERM, and SIGHUP, which a closed terminal sends. The first of them asks the run to stop after its step and save. A
//! second Ctrl-C leaves at once.
//!
//! Only Ctrl-C can mean that. The others may come twice without anybody's impatience: `timeout` sends its signal to the process
//! and to its group, service managers send SIGHUP after SIGTERM, and a closing terminal may send SIGHUP again.
//!
//! A signal that was ignored when the program started stays ignored. `nohup` ignores one, and so does a shell for what it runs
//! in the background.

use plusx_train::{Signal, Stop};

/// What was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// The first signal: the run stops and saves.
    First(Signal),
    /// A second Ctrl-C: the process ends as soon as this is told.
    Leaving,
}

/// Listens until the process ends. `tell` is called on a thread of its own, so that a terminal which takes no more text
/// cannot keep a signal from being heard.
#[cfg(unix)]
pub(crate) fn listen(stop: &Stop, tell: impl Fn(Heard) + Send + 'static) -> std::io::Result<()> {
    use std::sync::mpsc::channel;
    use std::thread::Builder;
    use std::time::{Duration, Instant};

    /// A wrapper that passes the terminal's own signal on does so within this time; nobody presses twice as fast.
    const ECHO: Duration = Duration::from_millis(50);
    /// The last words may take this long.
    const PATIENCE: Duration = Duration::from_secs(1);

    let status = std::fs::read_to_string("/proc/self/status").ok();
    let mut signals = signal_hook::iterator::Signals::new(wanted(status.as_deref()))?;
    let (words, to_tell) = channel();
    let (told, telling) = channel();
    Builder::new().name("signal-words".into()).spawn(move || {
        for heard in to_tell {
            tell(heard);
            let _ = told.send(());
        }
    })?;
    let stop = stop.clone();
    Builder::new().name("signals".into()).spawn(move || {
        let mut first: Option<Instant> = None;
        for number in signals.forever() {
            let Some(signal) = named(number) else { continue };
            if !stop.request(signal) {
                first = Some(Instant::now());
                let _ = words.send(Heard::First(signal));
            } else if signal == Signal::Interrupt && first.is_none_or(|first| first.elapsed() >= ECHO) {
                let _ = words.send(Heard::Leaving);
                // of this message and of the first one
                let deadline = Instant::now() + PATIENCE;
                for _ in 0..2 {
                    let _ = telling.recv_timeout(deadline.saturating_duration_since(Instant::now()));
                }
                // no destructors, no flushing: files are only ever replaced whole
                signal_hook::low_level::exit(i32::from(signal.exit_code()));
            }
        }
    })?;
    Ok(())
}

#[cfg(unix)]
fn named(number: i32) -> Option<Signal> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    match number {
        SIGINT => Some(Signal::Interrupt),
        SIGTERM => Some(Signal::Terminate),
        SIGHUP => Some(Signal::Hangup),
        _ => None,
    }
}

/// The signals to listen to: those that were not ignored at the start. `status` is Linux's `/proc/self/status`; where the
/// system does not tell, `nohup` must be believed in, and SIGHUP is left alone.
#[cfg(unix)]
fn wanted(status: Option<&str>) -> Vec<i32> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mask = status.and_then(|status| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    match mask {
        None => vec![SIGINT, SIGTERM],
        Some(mask) => {
            [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|number| mask >> (number - 1) & 1 == 0).collect()
        }
    }
}

/// Elsewhere signals end the process; a run goes on from its last save.
#[cfg(not(unix))]
pub(crate) fn listen(_stop: &Stop, _tell: impl Fn(Heard) + Send + 'static) -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_was_ignored_stays_so() {
        let status = |mask: &str| format!("Name:\tplusx\nSigBlk:\t0000000000000000\nSigIgn:\t{mask}\n");
        assert_eq!(wanted(Some(&status("0000000000001000"))), [2, 15, 1]);
        // nohup; a job in the background of a script
        assert_eq!(wanted(Some(&status("0000000000000001"))), [2, 15]);
        assert_eq!(wanted(Some(&status("0000000000000006"))), [15, 1]);
        assert_eq!(wanted(None), [2, 15]);
        assert_eq!(wanted(Some("nothing of the kind")), [2, 15]);
    }

    #[test]
    fn signals_have_the_numbers_of_their_codes() {
        for number in [1, 2, 15] {
            assert_eq!(named(number).map(|signal| i32::from(signal.exit_code())), Some(128 + number));
        }
        assert_eq!(named(9), None);
    }
}
