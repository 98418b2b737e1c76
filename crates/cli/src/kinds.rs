//! Which files of a folder are pictures that can be read, and of which kinds the others are.

use plusx_data::picture::{FORMATS, PictureKind};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Endings under which files go that plusx decodes: such a file is meant to be answered, and named if it cannot be.
const ENDINGS: [&str; 13] =
    ["png", "apng", "jpg", "jpeg", "jpe", "jif", "jfif", "mpo", "webp", "bmp", "gif", "tif", "tiff"];

/// What files of pictures begin with that are not decoded: kind, where the bytes stand, the bytes.
const SIGNATURES: [(&str, usize, &[u8]); 8] = [
    ("AVIF", 4, b"ftypavi"),
    ("HEIF", 4, b"ftyphei"),
    ("HEIF", 4, b"ftyphev"),
    ("HEIF", 4, b"ftypmif1"),
    ("JPEG XL", 0, b"\xff\x0a"),
    ("JPEG XL", 0, b"\0\0\0\x0cJXL "),
    ("JPEG 2000", 0, b"\0\0\0\x0cjP  "),
    ("Photoshop", 0, b"8BPS"),
];

/// What the first bytes of a file say.
enum Sniffed {
    Decoded,
    /// A picture of another kind.
    Other(&'static str),
    Unknown,
}

/// As many bytes as the longest signature reaches.
const SNIFFED: u64 = 16;

/// Kinds that are counted by name; more are summed up.
const LISTED: usize = 10;

/// Whether a file of this name is meant to be a picture that plusx decodes.
pub(crate) fn is_called_picture(name: &OsStr) -> bool {
    ending(name).is_some_and(|found| ENDINGS.contains(&found.as_str()))
}

/// Of a file in a folder: nothing if it is to be answered, else its kind. What is called a picture is taken at its word;
/// of others the first bytes are looked at.
///
/// # Errors
/// If it cannot be read, and its name does not say what it is.
pub(crate) fn left_out_as(path: &Path) -> io::Result<Option<String>> {
    let name = path.file_name().unwrap_or_default();
    if is_called_picture(name) {
        return Ok(None);
    }
    let content = sniffed(path);
    match (content, ending(name)) {
        (Ok(Sniffed::Decoded), _) => Ok(None),
        (_, Some(ending)) => Ok(Some(format!(".{ending}"))),
        (Ok(Sniffed::Other(kind)), None) => Ok(Some(kind.to_owned())),
        (Ok(Sniffed::Unknown), None) => Ok(Some("without an ending".to_owned())),
        (Err(error), None) => Err(error),
    }
}

/// What follows the last dot, in small letters; nothing where that is no ending such as programs give.
fn ending(name: &OsStr) -> Option<String> {
    const LONGEST: usize = 10;
    let found = Path::new(name).extension()?.to_str()?;
    let usual = found.len() <= LONGEST && found.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (usual && !found.is_empty()).then(|| found.to_ascii_lowercase())
}

/// What a file is, by its first bytes.
fn sniffed(path: &Path) -> io::Result<Sniffed> {
    let file = File::open(path)?;
    // files that a system makes up while they are read have no size, and some wait until there is something to say
    if file.metadata()?.len() == 0 {
        return Ok(Sniffed::Unknown);
    }
    let mut bytes = Vec::new();
    file.take(SNIFFED).read_to_end(&mut bytes)?;
    if PictureKind::of(&bytes).is_decoded() {
        return Ok(Sniffed::Decoded);
    }
    let starts = |at: usize, with: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(with));
    let other = SIGNATURES.iter().find(|(_, at, with)| starts(*at, with));
    Ok(other.map_or(Sniffed::Unknown, |(kind, ..)| Sniffed::Other(kind)))
}

/// How many files were left out, of each kind.
#[derive(Debug, Default)]
pub(crate) struct SkippedKinds(BTreeMap<String, u64>);

impl SkippedKinds {
    pub(crate) fn add(&mut self, kind: String) {
        *self.0.entry(kind).or_default() += 1;
    }

    /// For example `12 files of other kinds than JPEG and PNG: 7 .heic, 3 .mp4, 2 .txt` (and so on); nothing if none was left out.
    pub(crate) fn text(&self) -> Option<String> {
        let all = match self.0.values().sum::<u64>() {
            0 => return None,
            1 => "1 file".to_owned(),
            all => format!("{all} files"),
        };
        let mut kinds: Vec<_> = self.0.iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let rest: u64 = kinds.iter().skip(LISTED).map(|(_, count)| **count).sum();
        let listed = kinds.iter().take(LISTED).map(|(kind, count)| format!("{count} {kind}"));
        let rest = (rest > 0).then(|| format!("{rest} of other kinds"));
        let listed = listed.chain(rest).collect::<Vec<_>>().join(", ");
        Some(format!("{all} of other kinds than {FORMATS}: {listed}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_where_the_name_does_not() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let look = |name: &str, bytes: &[u8]| {
            let path = place.path().join(name);
            std::fs::write(&path, bytes)?;
            left_out_as(&path)
        };
        let (png, jpeg): (&[u8], &[u8]) = (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xe0\0\x10JFIF\0");
        for (name, bytes) in [
            ("a.JPG", &b"not"[..]),
            ("a.jfif", b""),
            ("a.Tiff", b""),
            ("a", jpeg),
            ("b.dat", png),
            ("1.5", png),
            ("w", b"RIFF\x10\0\0\0WEBPVP8 "),
            ("g", b"GIF89a\x01\0\x01\0"),
            ("b", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0"),
            ("t", b"MM\0*\0\0\0\x08"),
            ("l", b"II+\0\x08\0\0\0"),
        ] {
            assert_eq!(look(name, bytes)?, None, "{name}");
        }
        for (name, bytes, kind) in [
            ("a.HEIC", &b"\0\0\0\x18ftypheic\0\0\0\0"[..], ".heic"),
            ("bm", b"BM, a text", "without an ending"),
            ("h", b"\0\0\0\x18ftypheic\0\0\0\0", "HEIF"),
            ("notes.tar.gz", b"\x1f\x8b", ".gz"),
            ("png", b"\x89PN", "without an ending"),
            ("e", b"", "without an ending"),
            ("IMG.of a long day", b"x", "without an ending"),
        ] {
            assert_eq!(look(name, bytes)?.as_deref(), Some(kind), "{name}");
        }
        Ok(())
    }

    #[test]
    fn counts_read_well() {
        let mut out = SkippedKinds::default();
        assert_eq!(out.text(), None);
        out.add(".txt".to_owned());
        assert_eq!(
            out.text().as_deref(),
            Some("1 file of other kinds than JPEG, PNG, WebP, BMP, GIF and TIFF: 1 .txt")
        );
        for (kind, count) in [(".heic", 7), (".mp4", 3), (".txt", 1)] {
            (0..count).for_each(|_| out.add(kind.to_owned()));
        }
        let said = "12 files of other kinds than JPEG, PNG, WebP, BMP, GIF and TIFF: 7 .heic, 3 .mp4, 2 .txt";
        assert_eq!(out.text().as_deref(), Some(said));
        (0..20).for_each(|index| out.add(format!(".z{index:02}")));
        assert!(
            out.text().is_some_and(|text| text.ends_with(", 1 .z06, 13 of other kinds")),
            "{:?}",
            out.text()
        );
    }
}
