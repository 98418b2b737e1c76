//! Bilevel rows as fax machines send them: ITU-T T.4 (runs, and differences to the row before) and T.6 (differences alone).
//! The tables of codes are those of `fax`. Whatever is not a row of the right length ends in an error.

use fax::{BitReader, ByteReader, maps};
use std::convert::Infallible;
use std::iter::{Chain, Cloned, RepeatN};
use std::slice::Iter;

/// How the rows of a picture are coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FaxCoding {
    /// Runs, each row from a whole byte on (TIFF's compression 2).
    Runs,
    /// Runs after an end-of-line code (T.4).
    Lines,
    /// The same, with a bit that says whether the row is one of differences (T.4, two-dimensional).
    MixedLines,
    /// Differences (T.6).
    Differences,
}

/// What a reader of bits reads: the data, and zeros behind them, so that the last codes can be looked up.
type Bits<'a> = ByteReader<Box<dyn Iterator<Item = Result<u8, Infallible>> + 'a>>;

/// Decodes `h` rows of `w` pixels to one bit a pixel, black is 1, each row from a whole byte on.
pub(super) fn decode(data: &[u8], coding: FaxCoding, [w, h]: [usize; 2]) -> Result<Vec<u8>, String> {
    let damaged = || "the file is truncated or damaged: its fax codes end early".to_owned();
    let padded: Chain<Cloned<Iter<'_, u8>>, RepeatN<u8>> =
        data.iter().cloned().chain(std::iter::repeat_n(0, 4));
    let bytes: Box<dyn Iterator<Item = Result<u8, Infallible>>> = Box::new(padded.map(Ok));
    let Ok(mut bits) = ByteReader::new(bytes);
    let pitch = w.div_ceil(8);
    let mut packed = vec![0; pitch * h];
    // where colours change in the row before and in this one: white first
    let (mut before, mut row) = (Vec::new(), Vec::new());
    for out in packed.chunks_exact_mut(pitch) {
        row.clear();
        let found = match coding {
            FaxCoding::Runs => {
                let rest = bits.bits_to_byte_boundary();
                let Ok(()) = bits.consume(rest);
                runs(&mut bits, w, &mut row)
            }
            FaxCoding::Lines => end_of_line(&mut bits).and_then(|()| runs(&mut bits, w, &mut row)),
            FaxCoding::MixedLines => end_of_line(&mut bits).and_then(|()| {
                let one = bits.peek(1)?;
                let Ok(()) = bits.consume(1);
                if one == 1 {
                    runs(&mut bits, w, &mut row)
                } else {
                    differences(&mut bits, w, &before, &mut row)
                }
            }),
            FaxCoding::Differences => differences(&mut bits, w, &before, &mut row),
        };
        found.ok_or_else(damaged)?;
        for black in row.chunks(2) {
            let end = black.get(1).copied().unwrap_or(w);
            (black[0]..end).for_each(|x| out[x / 8] |= 0x80 >> (x % 8));
        }
        std::mem::swap(&mut before, &mut row);
    }
    Ok(packed)
}

/// Passes over zeros up to the one that ends a line's code: eleven zeros at least.
fn end_of_line(bits: &mut Bits<'_>) -> Option<()> {
    let mut zeros = 0;
    while bits.peek(1)? == 0 {
        let Ok(()) = bits.consume(1);
        zeros += 1;
    }
    let Ok(()) = bits.consume(1);
    (zeros >= 11).then_some(())
}

/// The length of a run: make-up codes, then one below 64.
fn run(bits: &mut Bits<'_>, black: bool) -> Option<usize> {
    let mut length = 0;
    loop {
        let part = if black { maps::black::decode(bits)? } else { maps::white::decode(bits)? };
        length += usize::from(part);
        // no row is as long as 2^20 pixels, and zeros cannot be added for ever
        if part < 64 || length > 1 << 20 {
            return Some(length);
        }
    }
}

/// Adds a change of colour; `None` out of the row.
fn change(row: &mut Vec<usize>, at: usize, w: usize) -> Option<()> {
    if at > w || row.last().is_some_and(|&last| at < last) {
        return None;
    }
    row.push(at);
    Some(())
}

/// A row of runs.
fn runs(bits: &mut Bits<'_>, w: usize, row: &mut Vec<usize>) -> Option<()> {
    let (mut at, mut black) = (0, false);
    while at < w {
        at += run(bits, black)?;
        change(row, at, w)?;
        black = !black;
    }
    Some(())
}

/// A row of differences to the row before (T.4, section 4.2).
fn differences(bits: &mut Bits<'_>, w: usize, before: &[usize], row: &mut Vec<usize>) -> Option<()> {
    let (mut at, mut black, mut first) = (0, false, true);
    let mut index = 0;
    while at < w {
        // the first change of the row before right of here, to the other colour; the second one is behind it
        while index > 0 && before[index - 1] > at {
            index -= 1;
        }
        let right = |change: usize| change > at || (first && change == 0);
        while index < before.len() && (!right(before[index]) || (index % 2 == 1) != black) {
            index += 1;
        }
        let [b1, b2] = [index, index + 1].map(|index| before.get(index).copied().unwrap_or(w));
        match maps::mode::decode(bits)? {
            maps::Mode::Pass => at = b2,
            maps::Mode::Vertical(shift) => {
                at = b1.checked_add_signed(isize::from(shift))?;
                change(row, at, w)?;
                black = !black;
            }
            maps::Mode::Horizontal => {
                for colour in [black, !black] {
                    at += run(bits, colour)?;
                    change(row, at, w)?;
                }
            }
            maps::Mode::Extension | maps::Mode::EOF => return None,
        }
        first = false;
    }
    Some(())
}
