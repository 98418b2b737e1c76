//! A small JPEG writer (ITU-T T.81): any sampling factors, any split into scans, restart intervals, any marker.
//!
//! Pictures are made up where a decoder begins: as quantised coefficients, or samples of lossless files. So no forward transform
//! is needed, and a component of odd size is no harder than another.
#![allow(dead_code, reason = "each test takes what it needs")]

mod huffman;

pub(crate) use huffman::Bits;

/// How a frame is coded: the code of its marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Process {
    Baseline = 0xc0,
    Extended = 0xc1,
    Progressive = 0xc2,
    Lossless = 0xc3,
}

/// A component: identifier and sampling factors.
pub(crate) type Component = (u8, u8, u8);

/// What a file is to be.
#[derive(Clone, Debug)]
pub(crate) struct Jpeg {
    pub(crate) w: u16,
    pub(crate) h: u16,
    pub(crate) components: Vec<Component>,
    pub(crate) process: Process,
    /// Which components each scan holds; a progressive file has these for each band of frequencies.
    pub(crate) scans: Vec<Vec<usize>>,
    /// MCUs between restart markers, 0 for none.
    pub(crate) restart: u16,
    pub(crate) jfif: bool,
    /// The transform that an Adobe segment tells: 0 none, 1 YCbCr, 2 YCCK.
    pub(crate) adobe: Option<u8>,
    /// Segments before the frame: marker and content.
    pub(crate) segments: Vec<(u8, Vec<u8>)>,
    /// Step of every quantisation table.
    pub(crate) step: u8,
    /// Predictor of a lossless scan, 1 to 7.
    pub(crate) predictor: u8,
    pub(crate) precision: u8,
    pub(crate) seed: u32,
}

/// Factors of a picture in YCbCr.
pub(crate) fn sampled(factors: &[(u8, u8)]) -> Vec<Component> {
    factors.iter().zip(1..).map(|(&(h, v), id)| (id, h, v)).collect()
}

impl Jpeg {
    /// A baseline JFIF file in one scan.
    pub(crate) fn new(w: u16, h: u16, factors: &[(u8, u8)]) -> Self {
        Self {
            w,
            h,
            components: sampled(factors),
            process: Process::Baseline,
            scans: vec![(0..factors.len()).collect()],
            restart: 0,
            jfif: factors.len() != 4,
            adobe: None,
            segments: Vec::new(),
            step: 6,
            predictor: 1,
            precision: 8,
            seed: u32::from(w) * 77 + u32::from(h),
        }
    }

    /// Every component in a scan of its own.
    pub(crate) fn apart(self) -> Self {
        let scans = (0..self.components.len()).map(|c| vec![c]).collect();
        Self { scans, ..self }
    }

    /// The file.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8];
        if self.jfif {
            segment(&mut out, 0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        }
        if let Some(transform) = self.adobe {
            segment(&mut out, 0xee, &[&b"Adobe\0\x64\0\0\0\0"[..], &[transform]].concat());
        }
        for (marker, content) in &self.segments {
            segment(&mut out, *marker, content);
        }
        if self.process != Process::Lossless {
            for table in 0..2 {
                let steps = (0..64).map(|k| self.step.saturating_add(k / 8 + table));
                segment(&mut out, 0xdb, &std::iter::once(table).chain(steps).collect::<Vec<u8>>());
            }
        }
        let [hh, hl] = self.h.to_be_bytes();
        let [wh, wl] = self.w.to_be_bytes();
        let mut frame = vec![self.precision, hh, hl, wh, wl, self.components.len() as u8];
        for (index, &(id, h, v)) in self.components.iter().enumerate() {
            let table = u8::from(index != 0 && self.process != Process::Lossless);
            frame.extend([id, h << 4 | v, table]);
        }
        segment(&mut out, self.process as u8, &frame);
        huffman::tables(&mut out, self.process == Process::Lossless);
        if self.restart > 0 {
            segment(&mut out, 0xdd, &self.restart.to_be_bytes());
        }
        match self.process {
            Process::Lossless => self.lossless(&mut out),
            Process::Progressive => {
                // frequencies in three bands; bits one after the other is what jpegtran does to these files
                for (from, to) in [(0, 0), (1, 5), (6, 63)] {
                    for scan in &self.scans {
                        if from == 0 {
                            self.scan(&mut out, scan, (from, to));
                        } else {
                            scan.iter().for_each(|&c| self.scan(&mut out, &[c], (from, to)));
                        }
                    }
                }
            }
            _ => self.scans.iter().for_each(|scan| self.scan(&mut out, scan, (0, 63))),
        }
        out.extend([0xff, 0xd9]);
        out
    }

    fn most(&self) -> (usize, usize) {
        let h = self.components.iter().map(|c| usize::from(c.1)).max().unwrap();
        let v = self.components.iter().map(|c| usize::from(c.2)).max().unwrap();
        (h, v)
    }

    /// Columns and rows of a component's samples (A.1.1).
    fn size(&self, component: usize) -> (usize, usize) {
        let (most_h, most_v) = self.most();
        let (_, h, v) = self.components[component];
        let w = (usize::from(self.w) * usize::from(h)).div_ceil(most_h);
        (w, (usize::from(self.h) * usize::from(v)).div_ceil(most_v))
    }

    /// The quantised coefficients of a block, in zigzag order: a slope, some texture, a few loud blocks that clip.
    fn block(&self, component: usize, x: usize, y: usize) -> [i16; 64] {
        let mut state = self.seed ^ ((component * 4099 + y * 521 + x) as u32).wrapping_mul(2_654_435_761);
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 17) as i16
        };
        let mut block = [0; 64];
        let gain = 8 / i16::from(self.step.clamp(1, 8)) + 1;
        block[0] = (next() % 181 - 90 + (x * 7) as i16 % 31 - (y * 5) as i16 % 23) * gain;
        let loud = next() % 8 == 0;
        for (k, value) in block.iter_mut().enumerate().skip(1) {
            if next() % 6 == 0 {
                let room = if loud { 60 } else { 40 / k as i16 + 1 };
                *value = (next() % (2 * room + 1) - room) * gain;
            }
        }
        block
    }

    fn scan(&self, out: &mut Vec<u8>, scan: &[usize], (from, to): (usize, usize)) {
        scan_header(
            out,
            scan.iter().map(|&c| (self.components[c].0, u8::from(c != 0))),
            [from as u8, to as u8, 0],
        );
        let mut bits = Bits::new(out);
        let mut last = vec![0_i16; scan.len()];
        // one component alone: only the blocks that its samples reach (A.2.2)
        let alone = scan.len() == 1;
        let (most_h, most_v) = self.most();
        let (wide, high) = if alone {
            let (w, h) = self.size(scan[0]);
            (w.div_ceil(8), h.div_ceil(8))
        } else {
            (usize::from(self.w).div_ceil(8 * most_h), usize::from(self.h).div_ceil(8 * most_v))
        };
        for mcu in 0..wide * high {
            if self.restart > 0 && mcu > 0 && mcu % usize::from(self.restart) == 0 {
                bits.restart((mcu / usize::from(self.restart) - 1) as u8 % 8);
                last.fill(0);
            }
            let (mx, my) = (mcu % wide, mcu / wide);
            for (place, &component) in scan.iter().enumerate() {
                let (_, h, v) = self.components[component];
                let (h, v) = if alone { (1, 1) } else { (usize::from(h), usize::from(v)) };
                for (by, bx) in (0..v).flat_map(|by| (0..h).map(move |bx| (by, bx))) {
                    let block = self.block(component, mx * h + bx, my * v + by);
                    let table = usize::from(component != 0);
                    if from == 0 {
                        bits.first(table, block[0] - last[place]);
                        last[place] = block[0];
                    }
                    if to > 0 {
                        bits.others(table, &block[from.max(1)..=to]);
                    }
                }
            }
        }
        bits.finish();
    }

    /// Samples by the scan's predictor (annex H).
    fn lossless(&self, out: &mut Vec<u8>) {
        for scan in &self.scans {
            scan_header(out, scan.iter().map(|&c| (self.components[c].0, 0)), [self.predictor, 0, 0]);
            let mut bits = Bits::new(out);
            let (w, h) = (usize::from(self.w), usize::from(self.h));
            let restart_rows = usize::from(self.restart) / w;
            let value = |c: usize, x: usize, y: usize| -> i32 {
                let noise = ((x * 31 + y * 17 + c * 7) as u32).wrapping_mul(2_654_435_761) >> 29;
                (((x * (c + 2) + y * 3) as u32 + noise + self.seed) % (1 << self.precision)) as i32
            };
            for y in 0..h {
                let fresh = y == 0 || (restart_rows > 0 && y % restart_rows == 0);
                if fresh && y > 0 {
                    bits.restart(((y / restart_rows - 1) % 8) as u8);
                }
                for x in 0..w {
                    for &c in scan {
                        let left = |x: usize| value(c, x - 1, y);
                        let above = |x: usize| value(c, x, y - 1);
                        let predicted = match (x, fresh) {
                            (0, true) => 1 << (self.precision - 1),
                            (_, true) => left(x),
                            (0, false) => above(x),
                            _ => {
                                let (a, b, c) = (left(x), above(x), value(c, x - 1, y - 1));
                                match self.predictor {
                                    1 => a,
                                    2 => b,
                                    3 => c,
                                    4 => a + b - c,
                                    5 => a + ((b - c) >> 1),
                                    6 => b + ((a - c) >> 1),
                                    _ => (a + b) >> 1,
                                }
                            }
                        };
                        bits.first(0, (value(c, x, y) - predicted) as i16);
                    }
                }
            }
            bits.finish();
        }
    }
}

/// Appends a marker and its segment.
pub(crate) fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xff, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}

fn scan_header(out: &mut Vec<u8>, components: impl ExactSizeIterator<Item = (u8, u8)>, end: [u8; 3]) {
    let mut content = vec![components.len() as u8];
    for (id, table) in components {
        content.extend([id, table << 4 | table]);
    }
    content.extend(end);
    segment(out, 0xda, &content);
}
