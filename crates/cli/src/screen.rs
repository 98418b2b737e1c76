//! The two streams and the terminal behind them.

use anyhow::Result;
use std::io::{IsTerminal, Write};

/// Writes one line of results to stdout.
pub(crate) fn result(line: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}

/// Writes one line to stderr; nobody reading it is no reason to stop.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Whether a progress bar can be drawn on stderr.
pub(crate) fn can_draw() -> bool {
    let dumb = || match std::env::var_os("TERM") {
        Some(term) => term == "dumb",
        // consoles of Windows have no such variable
        None => cfg!(unix),
    };
    std::io::stderr().is_terminal() && !dumb()
}

/// Columns of a line of results: the terminal's on stdout, else 80.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(80, |(width, _)| usize::from(width.0))
}

/// Whether results may have characters beyond ASCII: as the locale says, the most particular variable first.
pub(crate) fn is_unicode() -> bool {
    let value = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(value);
    // consoles of Windows have no such variables
    locale.map_or(cfg!(windows), |locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Whether stderr may be coloured: `NO_COLOR` and `CLICOLOR=0` forbid it, `CLICOLOR_FORCE` asks for it, otherwise a
/// terminal decides.
pub(crate) fn can_colour() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is = |name: &str, value: &str| std::env::var_os(name).is_some_and(|found| found == value);
    if set("NO_COLOR") {
        false
    } else if set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") {
        true
    } else {
        !is("CLICOLOR", "0") && can_draw()
    }
}

/// A duration for people: `12.3 s`, `4 min 05 s`, `3 h 07 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Bytes for people, in powers of 1000: `1.07 GB`.
pub(crate) fn bytes(count: u64) -> String {
    match count as f64 {
        count if count >= 1e9 => format!("{:.2} GB", count / 1e9),
        count if count >= 1e6 => format!("{:.1} MB", count / 1e6),
        count if count >= 1e3 => format!("{:.1} kB", count / 1e3),
        count => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(duration(12.34), "12.3 s");
        assert_eq!(duration(59.99), "1 min 00 s");
        assert_eq!(duration(245.0), "4 min 05 s");
        assert_eq!(duration(11_220.0), "3 h 07 min");
        assert_eq!(bytes(1_070_000_000), "1.07 GB");
        assert_eq!(bytes(999), "999 B");
    }
}
