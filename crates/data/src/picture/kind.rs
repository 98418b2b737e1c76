//! What a file is, by its first bytes.

use super::encoded::Encoded;
use crate::DataError;

/// A file's kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PictureKind {
    Jpeg,
    Png,
    /// Something known that is not decoded: "a WebP picture".
    Other(&'static str),
    Unknown,
}

/// First bytes, and what they begin. JPEG needs the first byte of a second marker, as Pillow does.
const STARTS: &[(&[u8], PictureKind)] = &[
    (b"\xff\xd8\xff\xf7", PictureKind::Other("a JPEG-LS picture")),
    (b"\xff\xd8\xff", PictureKind::Jpeg),
    (b"\x89PNG\r\n\x1a\n", PictureKind::Png),
    (b"GIF87a", PictureKind::Other("a GIF picture")),
    (b"GIF89a", PictureKind::Other("a GIF picture")),
    (b"II*\0", PictureKind::Other("a TIFF picture, or a camera's raw file")),
    (b"MM\0*", PictureKind::Other("a TIFF picture, or a camera's raw file")),
    (b"II+\0", PictureKind::Other("a BigTIFF picture")),
    (b"MM\0+", PictureKind::Other("a BigTIFF picture")),
    (b"\xff\x0a", PictureKind::Other("a JPEG XL picture")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", PictureKind::Other("a JPEG XL picture")),
    (b"\0\0\0\x0cjP  \r\n\x87\n", PictureKind::Other("a JPEG 2000 picture")),
    (b"\xff\x4f\xff\x51", PictureKind::Other("a JPEG 2000 picture")),
    (b"\0\0\x01\0", PictureKind::Other("an icon (ICO)")),
    (b"8BPS", PictureKind::Other("a Photoshop file")),
    (b"qoif", PictureKind::Other("a QOI picture")),
    (b"DDS ", PictureKind::Other("a DirectDraw texture (DDS)")),
    (b"\x76\x2f\x31\x01", PictureKind::Other("an OpenEXR picture")),
    (b"#?RADIANCE", PictureKind::Other("a Radiance picture (HDR)")),
    (b"\x8aMNG\r\n\x1a\n", PictureKind::Other("an MNG animation")),
    (b"gimp xcf", PictureKind::Other("a GIMP file (XCF)")),
    (b"%PDF", PictureKind::Other("a PDF document")),
    (b"%!PS", PictureKind::Other("a PostScript document")),
    (b"PK\x03\x04", PictureKind::Other("a ZIP archive")),
    (b"\x1f\x8b", PictureKind::Other("a gzip archive")),
    (b"PAR1", PictureKind::Other("a Parquet file, which is a data set of its own")),
    (b"\x93NUMPY", PictureKind::Other("a NumPy array")),
    (b"\x1aE\xdf\xa3", PictureKind::Other("a Matroska or WebM video")),
    (
        b"version https://git-lfs.github.com/",
        PictureKind::Other("a Git LFS pointer, not the picture (`git lfs pull` fetches it)"),
    ),
];

/// Refuses a file that is no picture which is decoded here.
pub(super) fn known(file: &Encoded<'_>) -> Result<(), DataError> {
    match of(file.bytes) {
        PictureKind::Jpeg | PictureKind::Png => Ok(()),
        _ => Err(unknown(file)),
    }
}

/// What is said of such a file.
pub(super) fn unknown(file: &Encoded<'_>) -> DataError {
    match of(file.bytes) {
        PictureKind::Other(what) => file.bad(format!("it is {what}; plusx reads PNG and JPEG")),
        _ => file.bad("neither PNG nor JPEG"),
    }
}

/// The kind of a file with this content.
pub(super) fn of(bytes: &[u8]) -> PictureKind {
    if bytes.is_empty() {
        return PictureKind::Other("an empty file");
    }
    if let Some(&(_, kind)) = STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return kind;
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return PictureKind::Other("a WebP picture");
    }
    // a bitmap's header has zeros where other texts that begin with "BM" have letters
    if bytes.starts_with(b"BM") && bytes.get(6..10) == Some(&[0; 4]) {
        return PictureKind::Other("a BMP picture");
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return PictureKind::Other(match bytes.get(8..12) {
            Some(b"avif" | b"avis") => "an AVIF picture",
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => {
                "a HEIC picture"
            }
            _ => "a video (MP4 or QuickTime)",
        });
    }
    if let [b'P', b'1'..=b'7', space, ..] = bytes
        && space.is_ascii_whitespace()
    {
        return PictureKind::Other("a PNM picture");
    }
    text(bytes)
}

/// Documents that begin with a tag, after a byte order mark and space.
fn text(bytes: &[u8]) -> PictureKind {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = &bytes[..bytes.len().min(512)];
    let start = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") || start.starts_with("<head") {
        // what a server answers when the picture is not there
        PictureKind::Other("an HTML page")
    } else if start.starts_with("<svg") || (start.starts_with("<?xml") && start.contains("<svg")) {
        PictureKind::Other("an SVG drawing")
    } else if start.starts_with("<?xml") {
        PictureKind::Other("an XML document")
    } else {
        PictureKind::Unknown
    }
}
