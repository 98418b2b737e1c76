//! How names are written that a line of text cannot hold as they are.

use std::path::Path;

/// A name as text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SpelledName {
    /// The text.
    pub(crate) text: String,
    /// Whether that is not the name itself, because the name is not Unicode.
    pub(crate) is_escaped: bool,
}

/// A path as text: bytes that are not UTF-8 (on Windows: halves of UTF-16
/// pairs, in their three bytes) are written `\xNN`, a backslash in the same name `\\`. A name that is Unicode stays as
/// it is, whatever is in it.
pub(crate) fn name(path: &Path) -> SpelledName {
    if let Some(text) = path.to_str() {
        return SpelledName { text: text.to_owned(), is_escaped: false };
    }
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text += &chunk.valid().replace('\\', r"\\");
        chunk.invalid().iter().for_each(|byte| text += &format!(r"\x{byte:02x}"));
    }
    SpelledName { text, is_escaped: true }
}

/// A path in a line for people: as [`name`] writes it, on [`one_line`].
pub(crate) fn path(path: &Path) -> String {
    one_line(&name(path).text)
}

/// Text without control characters, which could end the line or change the terminal: `\n`, `\t`, `\u{1b}`.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unicode_stays_and_control_characters_do_not_act() {
        let plain = SpelledName { text: "Grün\\x\n.png".to_owned(), is_escaped: false };
        assert_eq!(name(Path::new("Grün\\x\n.png")), plain);
        assert_eq!(path(Path::new("a\nb\x1b[31m\u{9b}é.png")), r"a\nb\u{1b}[31m\u{9b}é.png");
    }

    #[cfg(unix)]
    #[test]
    fn other_bytes_are_written_in_hexadecimal() {
        use std::os::unix::ffi::OsStrExt;
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9 \\ \xc3\xa9\xff.png"));
        assert_eq!(name(odd), SpelledName { text: r"caf\xe9 \\ é\xff.png".to_owned(), is_escaped: true });
    }
}
