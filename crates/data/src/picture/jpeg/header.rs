//! What a JPEG file says of itself before its pixels (ITU-T T.81, annex B), and where its scans are.

use super::super::orientation::Metadata;

/// How samples are coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Process {
    Sequential,
    Progressive,
    Lossless,
}

/// A component and its sampling factors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Component {
    pub(super) id: u8,
    pub(super) h: u8,
    pub(super) v: u8,
}

/// Everything up to the first scan.
#[derive(Debug)]
pub(super) struct JpegHeader {
    pub(super) process: Process,
    /// Arithmetic coding instead of Huffman's.
    pub(super) arithmetic: bool,
    pub(super) w: u16,
    pub(super) h: u16,
    pub(super) components: Vec<Component>,
    pub(super) metadata: Metadata,
    /// Whether restart markers are to stand between the units of a scan.
    restarts: bool,
    /// Whether the file announces that other pictures follow this one.
    pub(super) many_pictures: bool,
    /// Where the marker of the first scan is.
    pub(super) first_scan: usize,
}

/// Blocks of a scan's smallest unit, at most (B.2.3); libjpeg keeps to it.
const BLOCKS: usize = 10;

/// The start of an XMP segment.
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

impl JpegHeader {
    /// Reads it, or says why the file is none that is decoded.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let truncated = || "the file is truncated".to_owned();
        let mut header = Self {
            process: Process::Sequential,
            arithmetic: false,
            w: 0,
            h: 0,
            components: Vec::new(),
            metadata: Metadata::default(),
            restarts: false,
            many_pictures: false,
            first_scan: 0,
        };
        let mut at = 2; // after the start marker
        loop {
            let code;
            (code, at) = next_marker(bytes, at).ok_or_else(truncated)?;
            // stuffed bytes, and markers without a segment
            if matches!(code, 0x00 | 0x01 | 0xd0..=0xd8) {
                continue;
            }
            if code == 0xd9 {
                return Err("it ends before its picture".to_owned());
            }
            let content = segment(bytes, at).ok_or_else(truncated)?;
            match code {
                0xda => {
                    header.first_scan = at - 2;
                    break;
                }
                0xc0..=0xcf if !matches!(code, 0xc4 | 0xc8 | 0xcc) => header.frame(code, content)?,
                0xdd => header.restarts |= content != [0, 0],
                0xe1 => header.application_1(content),
                0xe2 if content.starts_with(b"MPF\0") => header.many_pictures = true,
                _ => {}
            }
            at += 2 + content.len();
        }
        if header.components.is_empty() {
            return Err("damaged: a scan without a frame".to_owned());
        }
        Ok(header)
    }

    /// The segment of a frame (B.2.2).
    fn frame(&mut self, code: u8, content: &[u8]) -> Result<(), String> {
        self.process = match code {
            0xc0 | 0xc1 | 0xc9 => Process::Sequential,
            0xc2 | 0xca => Process::Progressive,
            0xc3 => Process::Lossless,
            0xcb => return Err("a lossless JPEG with arithmetic coding, which is not decoded".to_owned()),
            _ => return Err("a hierarchical JPEG, which is not decoded".to_owned()),
        };
        self.arithmetic = matches!(code, 0xc9 | 0xca);
        let &[precision, h0, h1, w0, w1, count, ref components @ ..] = content else {
            return Err("damaged: its frame is cut short".to_owned());
        };
        if precision != 8 {
            return Err(format!("a JPEG of {precision} bits a sample; 8 are decoded"));
        }
        if !self.components.is_empty() {
            return Err("damaged: a second frame".to_owned());
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(format!("a JPEG of {count} components; 1, 3 and 4 are decoded"));
        }
        (self.h, self.w) = (u16::from_be_bytes([h0, h1]), u16::from_be_bytes([w0, w1]));
        if self.w == 0 || self.h == 0 {
            return Err("a JPEG whose header does not tell its height or width".to_owned());
        }
        let components = components.as_chunks::<3>().0;
        if components.len() != usize::from(count) {
            return Err("damaged: its frame is cut short".to_owned());
        }
        self.components =
            components.iter().map(|&[id, hv, _]| Component { id, h: hv >> 4, v: hv & 15 }).collect();
        if self.components.iter().any(|one| !(1..=4).contains(&one.h) || !(1..=4).contains(&one.v)) {
            return Err("damaged: sampling factors must be 1 to 4".to_owned());
        }
        Ok(())
    }

    /// EXIF, which may come in parts, or XMP, of which the last counts.
    fn application_1(&mut self, content: &[u8]) {
        if let Some(part) = content.strip_prefix(b"Exif\0\0") {
            self.metadata.exif.get_or_insert_default().extend(part);
        } else if let Some(xmp) = content.strip_prefix(XMP) {
            self.metadata.xmp = Some(xmp.to_vec());
        }
    }

    /// The largest sampling factors.
    pub(super) fn most(&self) -> (u8, u8) {
        let most = |factor: fn(&Component) -> u8| self.components.iter().map(factor).max().unwrap_or(1);
        (most(|one| one.h), most(|one| one.v))
    }

    /// Whether the decoder's own way from samples to pixels is not the original's: it takes the first component for the
    /// finest, and those of four for equal.
    pub(super) fn needs_planes(&self) -> bool {
        let (h, v) = self.most();
        let finest = |one: &Component| (one.h, one.v) == (h, v);
        match self.components.len() {
            3 => !finest(&self.components[0]),
            4 => !self.components.iter().all(|one| (one.h, one.v) == (1, 1)),
            _ => false,
        }
    }

    /// Bytes that decoding takes beside the picture: samples of all components, as coefficients too if they come bit by
    /// bit, and the picture in the form that the decoder returns.
    pub(super) fn working_memory(&self) -> u64 {
        let (h, v) = self.most();
        let blocks = |size: u16, factor: u8| u64::from(size).div_ceil(8 * u64::from(factor));
        let units = blocks(self.w, h) * blocks(self.h, v);
        let samples: u64 =
            self.components.iter().map(|one| 64 * units * u64::from(one.h) * u64::from(one.v)).sum();
        let pixels = u64::from(self.w) * u64::from(self.h);
        let returned = match self.components.len() {
            1 => pixels,
            4 => 4 * pixels,
            _ => 0,
        };
        returned + samples * if self.process == Process::Sequential { 1 } else { 3 }
    }

    /// Refuses what the original refuses, and damage that the decoder would not notice.
    pub(super) fn check_scans(&self, scans: &Scans) -> Result<(), String> {
        if self.arithmetic && (self.restarts || scans.restarts) {
            return Err("a JPEG of arithmetic coding with restart markers, which is not decoded".to_owned());
        }
        if scans.out_of_order {
            return Err("damaged: its restart markers are not in order".to_owned());
        }
        // a sequential picture has each component once; the file's last scans may be cut off, which is found out elsewhere
        let times =
            |id| scans.all.iter().flat_map(|scan| &scan.components).filter(|&&other| other == id).count();
        if self.process != Process::Progressive
            && scans.end.is_some()
            && self.components.iter().any(|one| times(one.id) != 1)
        {
            return Err("damaged: a component without a scan, or in two".to_owned());
        }
        for scan in &scans.all {
            let blocks = |id: &u8| {
                let one = self.components.iter().find(|one| one.id == *id);
                one.map_or(0, |one| usize::from(one.h) * usize::from(one.v))
            };
            if scan.components.len() > 1 && scan.components.iter().map(blocks).sum::<usize>() > BLOCKS {
                return Err(format!("a JPEG whose sampling takes more than {BLOCKS} blocks at a time"));
            }
        }
        Ok(())
    }

    /// Whether the first scan is all there must be, and shows by itself that it is: of arithmetic codes any beginning can be
    /// decoded, into something.
    pub(super) fn complete_in_one(&self, scans: &Scans) -> bool {
        self.process != Process::Progressive
            && !self.arithmetic
            && scans.all.first().is_some_and(|scan| scan.components.len() == self.components.len())
    }
}

/// What a scan's header says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Scan {
    pub(super) components: Vec<u8>,
    /// First and last coefficient.
    from: u8,
    to: u8,
    /// The bit that the scan leaves for later ones to fill in.
    low: u8,
}

/// The scans of a file.
#[derive(Debug)]
pub(super) struct Scans {
    pub(super) all: Vec<Scan>,
    /// Where the file's end marker ends.
    pub(super) end: Option<usize>,
    /// Whether a later scan than the first is to have restart markers.
    restarts: bool,
    /// Whether a scan's restart markers are not numbered one after the other (B.2.1).
    out_of_order: bool,
}

impl Scans {
    /// Follows the markers from the first scan to the end.
    ///
    /// Following the segments, not searching for the marker's two bytes, keeps out the thumbnail that a camera hides in a
    /// segment with an end marker of its own.
    pub(super) fn walk(bytes: &[u8], first: usize) -> Self {
        let mut scans = Self { all: Vec::new(), end: None, restarts: false, out_of_order: false };
        let mut next_restart = 0;
        let mut at = first;
        while let Some((code, after)) = next_marker(bytes, at) {
            at = after;
            match code {
                // stuffed bytes and restart markers are part of a scan
                0xd0..=0xd7 => {
                    scans.out_of_order |= code & 7 != next_restart;
                    next_restart = (code + 1) & 7;
                    continue;
                }
                0x00 | 0x01 | 0xd8 => continue,
                0xd9 => {
                    scans.end = Some(after);
                    break;
                }
                _ => {}
            }
            let Some(content) = segment(bytes, at) else { break };
            scans.restarts |= code == 0xdd && content != [0, 0];
            if code == 0xda {
                next_restart = 0;
            }
            if code == 0xda
                && let Some((&count, rest)) = content.split_first()
                && let Some((components, &[from, to, bits])) = rest.split_at_checked(2 * usize::from(count))
            {
                let components = components.as_chunks::<2>().0.iter().map(|&[id, _]| id).collect();
                scans.all.push(Scan { components, from, to, low: bits & 15 });
            }
            at += 2 + content.len();
        }
        scans
    }

    /// Whether a progressive file leaves bits of the coefficients untold for which libjpeg would smooth between blocks: the
    /// first ten of any component.
    pub(super) fn unfinished(&self, header: &JpegHeader) -> bool {
        header.components.iter().any(|component| {
            let mut known = [None; 10];
            for scan in self.all.iter().filter(|scan| scan.components.contains(&component.id)) {
                let band = usize::from(scan.from)..(usize::from(scan.to) + 1).min(known.len());
                if let Some(band) = known.get_mut(band) {
                    band.fill(Some(scan.low));
                }
            }
            known.iter().any(|&low| low != Some(0))
        })
    }
}

/// The next marker at or after `at`, over whatever is between: its code, and where it ends.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    at = find_ff(bytes, at)?;
    // fill bytes may stand before the code
    while *bytes.get(at)? == 0xff {
        at += 1;
    }
    Some((bytes[at], at + 1))
}

/// Where the next byte 0xff is, eight bytes at a time: a scan has few.
fn find_ff(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        // a byte of the complement is zero where the word's is 0xff
        let word = !u64::from_ne_bytes(*word);
        if word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080 != 0 {
            break;
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|&byte| byte == 0xff).map(|step| at + step)
}

/// The content of the segment whose length is at `at`.
fn segment(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    bytes.get(at + 2..at + length.max(2))
}
