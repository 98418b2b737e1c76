//! `plusx licenses`: plusx's own licences and the notice of the embedded sample.

use anyhow::Result;

/// Prints them.
pub(crate) fn run() -> Result<u8> {
    crate::screen::result(concat!("plusx ", env!("CARGO_PKG_VERSION"), ", ", env!("CARGO_PKG_LICENSE")))?;
    let own = [
        ("MIT licence of plusx", include_str!("../../../LICENSE-MIT")),
        ("Apache licence of plusx", include_str!("../../../LICENSE-APACHE")),
    ];
    for (title, text) in own.into_iter().chain(plusx_data::licenses()) {
        crate::screen::result(&format!("\n== {title}\n\n{}", text.trim_end()))?;
    }
    Ok(crate::exit::DONE)
}
