//! What a file is, by its first bytes.

use super::encoded::Encoded;
use crate::DataError;

/// The kinds of files that are decoded, as part of a sentence.
pub const FORMATS: &str = "JPEG, PNG, WebP, BMP, GIF and TIFF";

/// What a file is, by its first bytes; its name has no say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PictureKind {
    /// JPEG, several pictures in one (MPO) included.
    Jpeg,
    /// PNG, animated or not.
    Png,
    /// WebP, lossy, lossless or animated.
    WebP,
    /// A Windows or OS/2 bitmap.
    Bmp,
    /// GIF, animated or not.
    Gif,
    /// TIFF or BigTIFF, and what cameras write in this form.
    Tiff,
    /// Something known that is not decoded, with its article: "a HEIC picture".
    Other(&'static str),
    /// Nothing known.
    Unknown,
}

/// First bytes, and what they begin. JPEG needs the first byte of a second marker, as Pillow does.
const STARTS: &[(&[u8], PictureKind)] = &[
    (b"\xff\xd8\xff\xf7", PictureKind::Other("a JPEG-LS picture")),
    (b"\xff\xd8\xff", PictureKind::Jpeg),
    (b"\x89PNG\r\n\x1a\n", PictureKind::Png),
    (b"GIF87a", PictureKind::Gif),
    (b"GIF89a", PictureKind::Gif),
    (b"II*\0", PictureKind::Tiff),
    (b"MM\0*", PictureKind::Tiff),
    (b"II+\0", PictureKind::Tiff),
    (b"MM\0+", PictureKind::Tiff),
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
    if PictureKind::of(file.bytes).is_decoded() { Ok(()) } else { Err(unknown(file)) }
}

/// What is said of such a file.
pub(super) fn unknown(file: &Encoded<'_>) -> DataError {
    match PictureKind::of(file.bytes) {
        PictureKind::Other(what) => file.bad(format!("it is {what}; plusx reads {FORMATS}")),
        _ => file.bad(format!("no picture of a known kind; plusx reads {FORMATS}")),
    }
}

impl PictureKind {
    /// The kind of a file with this content; its first 512 bytes are enough.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return PictureKind::Other("an empty file");
        }
        if let Some(&(_, kind)) = STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
            return kind;
        }
        if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            return PictureKind::WebP;
        }
        // a bitmap's header has zeros where other texts that begin with "BM" have letters
        if bytes.starts_with(b"BM") && bytes.get(6..10) == Some(&[0; 4]) {
            return PictureKind::Bmp;
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

    /// Whether plusx decodes such files, if nothing in them is out of the common.
    pub fn is_decoded(self) -> bool {
        !matches!(self, Self::Other(_) | Self::Unknown)
    }
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
