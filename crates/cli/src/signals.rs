//! Ctrl-C and SIGTERM: the first asks the run to stop after its step, a second leaves at once.

use plusx_train::Stop;

/// Listens until the process ends. `heard` is told about the first signal.
#[cfg(unix)]
pub(crate) fn listen(stop: &Stop, heard: impl Fn(&str) + Send + 'static) -> std::io::Result<()> {
    use plusx_train::Signal;
    use signal_hook::consts::{SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let stop = stop.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for number in signals.forever() {
            let signal = if number == SIGTERM { Signal::Terminate } else { Signal::Interrupt };
            if stop.request(signal) {
                // no destructors, no flushing: files are only ever replaced whole
                signal_hook::low_level::exit(i32::from(signal.exit_code()));
            }
            heard(signal.name());
        }
    })?;
    Ok(())
}

/// Elsewhere signals end the process; a run goes on from its last save.
#[cfg(not(unix))]
pub(crate) fn listen(_stop: &Stop, _heard: impl Fn(&str) + Send + 'static) -> std::io::Result<()> {
    Ok(())
}
