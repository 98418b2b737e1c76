//! Which way a camera was held: the orientation in a file's EXIF block, else in its XMP packet, understood as Pillow's
//! `ImageOps.exif_transpose` understands them.

/// The eight values of EXIF 2.3, section 4.6.4, by what the stored picture is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Orientation {
    Upright = 1,
    Mirrored,
    UpsideDown,
    Flipped,
    Transposed,
    /// To be turned right by a quarter.
    Right,
    Transverse,
    /// To be turned left by a quarter.
    Left,
}

impl Orientation {
    /// Other numbers than 1 to 8 mean nothing, and leave the picture as it is.
    pub(super) fn from_number(number: f64) -> Self {
        let all = [
            Self::Mirrored,
            Self::UpsideDown,
            Self::Flipped,
            Self::Transposed,
            Self::Right,
            Self::Transverse,
            Self::Left,
        ];
        all.into_iter().find(|&one| f64::from(one as u8) == number).unwrap_or(Self::Upright)
    }

    /// Whether turning takes a second picture.
    pub(super) fn exchanges_sides(self) -> bool {
        self as u8 > Self::Flipped as u8
    }
}

/// Where a file may say it.
#[derive(Default, Debug)]
pub(super) struct Metadata {
    /// A TIFF file, perhaps after the bytes `Exif\0\0`.
    pub(super) exif: Option<Vec<u8>>,
    /// RDF as text.
    pub(super) xmp: Option<Vec<u8>>,
}

impl Metadata {
    /// What the EXIF block says; the XMP packet counts where the block has no such tag. A block that cannot be read says
    /// nothing, and Pillow does not look further then.
    pub(super) fn orientation(&self) -> Orientation {
        let tag = match &self.exif {
            Some(exif) => in_exif(exif),
            None => Tag::Absent,
        };
        match (tag, &self.xmp) {
            (Tag::Is(number), _) => Orientation::from_number(number),
            (Tag::Absent, Some(xmp)) => in_xmp(xmp),
            _ => Orientation::Upright,
        }
    }
}

/// What an EXIF block says of one tag.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Tag {
    Absent,
    /// A number; NaN for what is none.
    Is(f64),
    /// The block is no TIFF file.
    Broken,
}

/// The prefix of EXIF blocks in JPEG files. In PNG files it is wrong, and is found.
const PREFIX: &[u8] = b"Exif\0\0";

/// Byte orders and versions of TIFF files; the two in the middle are written by mistake, and read.
const HEADERS: [&[u8; 4]; 5] = [b"MM\0*", b"II*\0", b"MM*\0", b"II\0*", b"MM\0+"];

/// The tag of the orientation in a TIFF file's first directory (TIFF 6.0, section 2).
fn in_exif(exif: &[u8]) -> Tag {
    const ORIENTATION: u16 = 0x0112;
    let tiff = exif.strip_prefix(PREFIX).unwrap_or(exif);
    let tiff = tiff.strip_prefix(PREFIX).unwrap_or(tiff);
    if tiff.is_empty() {
        return Tag::Absent;
    }
    if !HEADERS.iter().any(|header| tiff.starts_with(*header)) {
        return Tag::Broken;
    }
    let bytes = Bytes { tiff, big: tiff.starts_with(b"MM") };
    let Some(directory) = bytes.u32(4).map(|at| at as usize) else { return Tag::Broken };
    let entries = bytes.u16(directory).unwrap_or(0);
    // sizes of values that do not fit into their entry: together they cannot be more than the block is
    let mut outside = 0_u64;
    for index in 0..usize::from(entries) {
        // a directory that is cut off has the entries before the cut
        let Some(entry) = directory.checked_add(2 + 12 * index) else { break };
        let (Some(tag), Some(kind), Some(count)) =
            (bytes.u16(entry), bytes.u16(entry + 2), bytes.u32(entry + 4))
        else {
            break;
        };
        let (Some(offset), Some(unit)) = (bytes.u32(entry + 8), size_of(kind)) else { continue };
        let size = u64::from(count) * unit;
        let mut at = entry + 8;
        if size > 4 {
            outside += size;
            if outside > tiff.len() as u64 {
                continue;
            }
            at = offset as usize;
            if at as u64 + size > tiff.len() as u64 {
                break;
            }
        }
        if tag == ORIENTATION && count > 0 {
            return bytes.number(kind, at).map_or(Tag::Broken, Tag::Is);
        }
    }
    Tag::Absent
}

/// Bytes of a value of a TIFF type; `None` for types that nobody knows.
fn size_of(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 => Some(8),
        _ => None,
    }
}

/// A TIFF file's bytes in its order.
struct Bytes<'a> {
    tiff: &'a [u8],
    big: bool,
}

impl Bytes<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = self.tiff.get(at..)?.first_chunk().copied()?;
        if !self.big {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// The first number of a value. Unsigned bytes and text are none: Pillow does not take them for one.
    fn number(&self, kind: u16, at: usize) -> Option<f64> {
        Some(match kind {
            3 => f64::from(self.u16(at)?),
            4 | 13 => f64::from(self.u32(at)?),
            5 => f64::from(self.u32(at)?) / f64::from(self.u32(at + 4)?),
            6 => f64::from(i8::from_be_bytes(self.array(at)?)),
            8 => f64::from(i16::from_be_bytes(self.array(at)?)),
            9 => f64::from(i32::from_be_bytes(self.array(at)?)),
            10 => {
                f64::from(i32::from_be_bytes(self.array(at)?))
                    / f64::from(i32::from_be_bytes(self.array(at + 4)?))
            }
            11 => f64::from(f32::from_be_bytes(self.array(at)?)),
            12 => f64::from_be_bytes(self.array(at)?),
            16 => u64::from_be_bytes(self.array(at)?) as f64,
            _ => f64::NAN,
        })
    }
}

/// The first `tiff:Orientation="6"` or `<tiff:Orientation>6` of a packet.
fn in_xmp(xmp: &[u8]) -> Orientation {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut rest = xmp;
    while let Some(at) = rest.windows(NAME.len()).position(|window| window == NAME) {
        rest = &rest[at + NAME.len()..];
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"));
        if let Some(&[digit @ b'0'..=b'9', ..]) = value {
            return Orientation::from_number(f64::from(digit - b'0'));
        }
    }
    Orientation::Upright
}
