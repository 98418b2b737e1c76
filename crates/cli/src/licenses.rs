//! `plusx licenses`: plusx's own licences and the notices of what is inside the program: images, fonts, crates.
//!
//! `cargo xtask notices` writes the files in `notices/`.

use anyhow::Result;

const FONTS: &str = include_str!("../notices/fonts.txt");
const CRATES: &str = include_str!("../notices/crates.txt");

/// Prints them.
pub(crate) fn run() -> Result<u8> {
    crate::screen::result(concat!("plusx ", env!("CARGO_PKG_VERSION"), ", ", env!("CARGO_PKG_LICENSE")))?;
    let own = [
        ("MIT licence of plusx", include_str!("../../../LICENSE-MIT")),
        ("Apache licence of plusx", include_str!("../../../LICENSE-APACHE")),
    ];
    let inside = [
        ("DejaVu Sans, Bold, Oblique and Mono: fonts for curves.png, embedded in this program", FONTS),
        ("crates that this program is built from", CRATES),
    ];
    for (title, text) in own.into_iter().chain(plusx_data::licenses()).chain(inside) {
        crate::screen::result(&format!("\n== {title}\n\n{}", text.trim_end()))?;
    }
    Ok(crate::exit::DONE)
}
