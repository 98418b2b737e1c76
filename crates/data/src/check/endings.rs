//! Whether a file's name promises the format that the file has. Nothing depends on it but other programs, and people.

/// Formats with an ending of their own: name, endings, and how files begin.
const FORMATS: [(&str, &[&str], &[u8]); 6] = [
    ("JPEG", &["jpg", "jpeg", "jpe", "jfif", "jif", "mpo"], b"\xff\xd8\xff"),
    ("PNG", &["png", "apng"], b"\x89PNG\r\n\x1a\n"),
    ("GIF", &["gif"], b"GIF8"),
    ("WebP", &["webp"], b"RIFF"),
    ("BMP", &["bmp", "dib"], b"BM"),
    ("TIFF", &["tif", "tiff"], b""),
];

/// What is to be said of a picture of this name and content; nothing if name and content agree, or the name says nothing.
pub(super) fn remark(name: &str, content: &[u8]) -> Option<String> {
    let (_, ending) = name.rsplit('/').next()?.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    let promised = FORMATS.iter().find(|(_, endings, _)| endings.contains(&&*ending))?.0;
    let is = FORMATS.iter().find(
        |(name, _, start)| {
            if *name == "TIFF" { is_tiff(content) } else { content.starts_with(start) }
        },
    );
    let is = is?.0;
    (is != promised).then(|| format!("its name ends in .{ending}, and it is {is}"))
}

/// In the byte order of one maker of processors or the other.
fn is_tiff(content: &[u8]) -> bool {
    content.starts_with(b"II*\0") || content.starts_with(b"MM\0*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_held_to_its_content() {
        let png = b"\x89PNG\r\n\x1a\n....";
        assert_eq!(remark("a/b.JPG", png).as_deref(), Some("its name ends in .jpg, and it is PNG"));
        for name in ["a/b.png", "a/b", "a.jpg/b", "b.backup", "b."] {
            assert_eq!(remark(name, png), None, "{name}");
        }
        assert_eq!(remark("a.tif", b"MM\0*"), None);
        assert_eq!(remark("a.jfif", b"\xff\xd8\xff\xe0"), None);
        assert!(remark("a.png", b"II*\0").unwrap().ends_with("is TIFF"));
    }
}
