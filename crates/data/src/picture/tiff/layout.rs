//! How a TIFF file's first picture is stored, as its directory says. What is not decoded is refused here, by its name.

use super::chunk::Packing;
use super::directory::{Directory, tag};
use super::fax::FaxCoding;

/// The most samples of a pixel: four colours and three others.
const MOST_SAMPLES: usize = 7;

/// What samples mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Color {
    Grey {
        white_is_zero: bool,
    },
    Rgb,
    Palette,
    Cmyk,
    /// Inside JPEG only.
    YCbCr,
}

impl Color {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Grey { .. } | Self::Palette => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Cmyk => 4,
        }
    }
}

/// How the picture is stored.
pub(super) struct TiffLayout {
    pub(super) w: usize,
    pub(super) h: usize,
    pub(super) color: Color,
    /// Samples of a pixel, alpha and unknown ones included.
    pub(super) samples: usize,
    pub(super) bits: usize,
    /// Whether each sample has strips or tiles of its own.
    pub(super) planar: bool,
    /// Whether the colours were multiplied by the alpha behind them.
    pub(super) multiplied: bool,
    pub(super) jpeg: bool,
    pub(super) packing: Packing,
    pub(super) differences: bool,
    pub(super) low_bits_first: bool,
    /// Columns and rows of a tile; of strips the columns are all.
    pub(super) chunk: [usize; 2],
    pub(super) tiled: bool,
}

impl TiffLayout {
    /// Reads what the tags say.
    pub(super) fn read(directory: &Directory<'_>) -> Result<Self, String> {
        let one = |tag, otherwise| directory.one(tag, otherwise);
        let side = |tag| match one(tag, 0)? {
            0 => Err("it has no pixels".to_owned()),
            side => {
                u32::try_from(side).map(|side| side as usize).map_err(|_| "its size is impossible".to_owned())
            }
        };
        let (w, h) = (side(tag::WIDTH)?, side(tag::LENGTH)?);
        let packing = one(tag::COMPRESSION, 1)?;
        let jpeg = packing == 7;
        let packing = match packing {
            1 | 7 => Packing::Raw,
            2 => Packing::Fax(FaxCoding::Runs),
            3 if one(tag::T4_OPTIONS, 0)? & 1 == 1 => Packing::Fax(FaxCoding::MixedLines),
            3 => Packing::Fax(FaxCoding::Lines),
            4 => Packing::Fax(FaxCoding::Differences),
            5 => Packing::Lzw,
            8 | 32946 => Packing::Deflate,
            32773 => Packing::PackBits,
            other => {
                return Err(format!("a TIFF of compression {}, which is not decoded", compression(other)));
            }
        };
        let samples = one(tag::SAMPLES, 1)? as usize;
        let all = directory.first(tag::BITS, samples.min(MOST_SAMPLES))?;
        let bits = all.first().map_or(1, |&bits| bits as usize);
        if all.iter().any(|&one| one as usize != bits) || ![1, 2, 4, 8, 16].contains(&bits) {
            return Err(format!("a TIFF of {all:?} bits a sample, which is not decoded"));
        }
        if directory.first(tag::FORMAT, MOST_SAMPLES)?.iter().any(|&format| format != 1) {
            return Err("a TIFF of signed or floating-point samples, which is not decoded".to_owned());
        }
        let color = match one(tag::PHOTOMETRIC, 0)? {
            0 => Color::Grey { white_is_zero: true },
            1 => Color::Grey { white_is_zero: false },
            2 => Color::Rgb,
            3 => Color::Palette,
            5 if !jpeg => Color::Cmyk,
            6 if jpeg => Color::YCbCr,
            other => return Err(format!("a TIFF of {}, which is not decoded", photometric(other))),
        };
        // more extra samples than Pillow knows of
        if samples < color.channels() || samples > color.channels() + 3 {
            return Err(format!("a TIFF of {samples} samples a pixel in {color:?}, which is not decoded"));
        }
        let planar = one(tag::PLANAR, 1)? == 2 && samples > 1;
        let whole_bytes = bits == 8 || (bits == 16 && color != Color::Palette);
        let fits = match (packing, jpeg) {
            (Packing::Fax(_), _) => bits == 1 && samples == 1,
            (_, true) => bits == 8 && samples == color.channels() && !planar && color != Color::Palette,
            _ => whole_bytes || (bits < 8 && samples == 1 && color.channels() == 1),
        };
        if !fits {
            return Err(format!(
                "a TIFF of {samples} samples of {bits} bits in {color:?}, which is not decoded"
            ));
        }
        let differences = matches!(packing, Packing::Lzw | Packing::Deflate)
            && match one(tag::PREDICTOR, 1)? {
                1 => false,
                2 if bits >= 8 => true,
                other => return Err(format!("a TIFF of predictor {other}, which is not decoded")),
            };
        let tiled = directory.has(tag::TILE_OFFSETS);
        let chunk = if tiled {
            [side(tag::TILE_WIDTH)?, side(tag::TILE_LENGTH)?]
        } else {
            match one(tag::ROWS_PER_STRIP, h as u64)? as usize {
                0 => return Err("damaged: strips of no rows".to_owned()),
                rows => [w, rows.min(h)],
            }
        };
        let multiplied =
            samples > color.channels() && color != Color::Palette && directory.one(tag::EXTRA, 0)? == 1;
        let low_bits_first = one(tag::FILL_ORDER, 1)? == 2 && !jpeg;
        Ok(Self {
            w,
            h,
            color,
            samples,
            bits,
            planar,
            multiplied,
            jpeg,
            packing,
            differences,
            low_bits_first,
            chunk,
            tiled,
        })
    }

    /// Bytes of the last strip or tile, if nothing is packed.
    pub(super) fn last_unpacked(&self) -> Option<u64> {
        let [columns, rows] = self.chunk;
        let stored = if self.tiled { rows } else { (self.h - 1) % rows + 1 };
        let samples = if self.planar { 1 } else { self.samples };
        let bits = (columns as u64).saturating_mul((samples * self.bits) as u64);
        let raw = self.packing == Packing::Raw && !self.jpeg;
        raw.then_some(bits.div_ceil(8).saturating_mul(stored as u64))
    }

    /// Samples of a pixel that are kept: the colours, and alpha where they were multiplied by it.
    pub(super) fn kept(&self) -> usize {
        if self.jpeg { 3 } else { self.color.channels() + usize::from(self.multiplied) }
    }
}

/// What a number of a compression stands for.
fn compression(number: u64) -> String {
    let name = match number {
        6 => "JPEG of the old kind",
        32771 => "fax, in words",
        32809 => "ThunderScan",
        34676 | 34677 => "SGILog",
        34712 => "JPEG 2000",
        34925 => "LZMA",
        50000 => "Zstandard",
        50001 => "WebP",
        _ => return number.to_string(),
    };
    format!("{number} ({name})")
}

/// What a number of a photometric interpretation stands for.
fn photometric(number: u64) -> String {
    match number {
        4 => "a mask".to_owned(),
        5 => "CMYK in JPEG".to_owned(),
        6 => "YCbCr outside of JPEG".to_owned(),
        8..=10 => "CIE L*a*b*".to_owned(),
        32803 => "a camera's raw samples".to_owned(),
        _ => format!("photometric interpretation {number}"),
    }
}
