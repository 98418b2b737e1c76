//! Strips and tiles: from their bytes in a file to samples of eight bits.

use super::fax::{self, FaxCoding};
use flate2::read::ZlibDecoder;
use std::io::Read;
use weezl::{BitOrder, LzwStatus, decode::Configuration};

/// How strips and tiles are compressed. JPEG is another matter: it gives a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Packing {
    Raw,
    Lzw,
    Deflate,
    PackBits,
    Fax(FaxCoding),
}

/// How the samples of a strip or tile lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkLayout {
    pub(super) packing: Packing,
    pub(super) w: usize,
    /// Samples of a pixel that are stored together.
    pub(super) samples: usize,
    /// Bits of a sample: 1, 2, 4, 8 or 16.
    pub(super) bits: usize,
    pub(super) big_endian: bool,
    /// Whether the lowest bit of a byte comes first.
    pub(super) low_bits_first: bool,
    /// Whether each sample is stored as the difference to the one before.
    pub(super) differences: bool,
}

impl ChunkLayout {
    /// Bytes of a row.
    pub(super) fn pitch(&self) -> usize {
        (self.w * self.samples * self.bits).div_ceil(8)
    }

    /// The unpacked bytes of `h` rows.
    pub(super) fn unpack(&self, data: &[u8], h: usize) -> Result<Vec<u8>, String> {
        let size = self.pitch() * h;
        let turned: Vec<u8>;
        let data = if self.low_bits_first {
            // what is not compressed is as long as it is; the rest of the file need not be turned
            let part = if self.packing == Packing::Raw { &data[..size.min(data.len())] } else { data };
            turned = part.iter().map(|byte| byte.reverse_bits()).collect();
            &turned
        } else {
            data
        };
        let early = || "the file is truncated or damaged: its compressed data end early".to_owned();
        let mut bytes = match self.packing {
            Packing::Raw => data.get(..size).ok_or("the file is truncated")?.to_vec(),
            Packing::Deflate => {
                let mut bytes = vec![0; size];
                ZlibDecoder::new(data).read_exact(&mut bytes).map_err(|_| early())?;
                bytes
            }
            Packing::Lzw => lzw(data, size)?,
            Packing::PackBits => pack_bits(data, size).ok_or_else(early)?,
            Packing::Fax(coding) => fax::decode(data, coding, [self.w, h])?,
        };
        if self.differences {
            bytes.chunks_exact_mut(self.pitch()).for_each(|row| self.add_up(row));
        }
        Ok(bytes)
    }

    /// Undoes horizontal differencing (TIFF 6.0, section 14).
    fn add_up(&self, row: &mut [u8]) {
        if self.bits == 8 {
            for at in self.samples..row.len() {
                row[at] = row[at].wrapping_add(row[at - self.samples]);
            }
            return;
        }
        let back = 2 * self.samples;
        for at in (back..row.len()).step_by(2) {
            let value = |at: usize| {
                let two = [row[at], row[at + 1]];
                if self.big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }
            };
            let sum = value(at).wrapping_add(value(at - back));
            let two = if self.big_endian { sum.to_be_bytes() } else { sum.to_le_bytes() };
            row[at..at + 2].copy_from_slice(&two);
        }
    }

    /// A sample of a row: up to 8 bits as they are, of 16 the upper 8.
    pub(super) fn sample(&self, row: &[u8], index: usize) -> u8 {
        match self.bits {
            16 => row[2 * index + usize::from(!self.big_endian)],
            8 => row[index],
            bits => {
                let at = index * bits;
                row[at / 8] >> (8 - bits - at % 8) & ((1 << bits) - 1)
            }
        }
    }
}

fn lzw(data: &[u8], size: usize) -> Result<Vec<u8>, String> {
    // a clear code comes first; the other order of bits is that of libtiff before 1992
    if let [0, second, ..] = data
        && second & 1 == 1
    {
        return Err("a TIFF of LZW with the bits in the old order, which is not decoded".to_owned());
    }
    let mut bytes = vec![0; size];
    let mut decoder =
        Configuration::with_tiff_size_switch(BitOrder::Msb, 8).with_yield_on_full_buffer(true).build();
    let (mut data, mut filled) = (data, 0);
    while filled < size {
        let result = decoder.decode_bytes(data, &mut bytes[filled..]);
        data = &data[result.consumed_in..];
        filled += result.consumed_out;
        match result.status {
            Err(error) if filled < size => return Err(format!("damaged: {error}")),
            Ok(LzwStatus::Ok) if result.consumed_in + result.consumed_out > 0 => {}
            _ if filled < size => {
                return Err("the file is truncated or damaged: its compressed data end early".to_owned());
            }
            _ => {}
        }
    }
    Ok(bytes)
}

/// Apple's run lengths (TIFF 6.0, section 9).
fn pack_bits(mut data: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        let (&count, rest) = data.split_first()?;
        match count as i8 {
            -128 => data = rest,
            count @ 0.. => {
                let (values, rest) = rest.split_at_checked(count as usize + 1)?;
                bytes.extend(values);
                data = rest;
            }
            count => {
                let (&value, rest) = rest.split_first()?;
                bytes.extend(std::iter::repeat_n(value, 1 + usize::from(count.unsigned_abs())));
                data = rest;
            }
        }
    }
    // a run may go on into nothing
    bytes.truncate(size);
    Some(bytes)
}
