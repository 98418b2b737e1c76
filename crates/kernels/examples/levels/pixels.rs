//! The kernels of the resize: widths of whole vectors and others, blocks of rows that are full and that are not.

use plusx_kernels::resample::{
    BYTE_LANES, FROM_LANES, RowSumsArgs, SUMS, TO_LANES, TapWindow, TransposeArgs, WeightPair,
};

use crate::LevelReport;
use crate::data::{Fnv, Random};

pub(crate) fn all(report: &mut LevelReport) {
    for width in [32, 33, 96, 672] {
        let mut random = Random(width as u64);
        let src = bytes(&mut random, 20 * width);
        let windows: Vec<TapWindow> =
            (1..8).map(|count| TapWindow { first: 2 * count, count: count - 1, at: 4 * count }).collect();
        let weights: Vec<WeightPair> = (0..32)
            .map(|_| WeightPair::new([random.next() as i32 >> 7, random.next() as i32 >> 7]))
            .collect();
        report.check(SUMS, &width, &format!("{width} bytes"), |run, pieces| {
            let mut dst = vec![0; windows.len() * width];
            let rows = if pieces { 2 } else { windows.len() };
            for (windows, dst) in windows.chunks(rows).zip(dst.chunks_mut(rows * width)) {
                let (src, weights) = (&src[..], &weights[..]);
                run(RowSumsArgs {
                    windows,
                    weights,
                    width,
                    src,
                    src_pitch: width,
                    first: 0,
                    dst,
                    dst_pitch: width,
                });
            }
            Fnv::new().bytes(&dst)
        });
    }
    for (rows, width) in [(1, 16), (17, 50), (32, 1500)] {
        let mut random = Random(width as u64);
        let (image, lanes) = (bytes(&mut random, rows * width), bytes(&mut random, BYTE_LANES * width));
        let (size, case) = ([rows, width], format!("{rows} rows of {width}"));
        report.check(TO_LANES, &width, &case, |run, _| {
            let mut dst = vec![0; lanes.len()];
            run(TransposeArgs { size, src: &image, dst: &mut dst, pitch: width });
            Fnv::new().bytes(&dst)
        });
        report.check(FROM_LANES, &width, &case, |run, _| {
            let mut dst = vec![0; image.len()];
            run(TransposeArgs { size, src: &lanes, dst: &mut dst, pitch: width });
            Fnv::new().bytes(&dst)
        });
    }
}

fn bytes(random: &mut Random, len: usize) -> Vec<u8> {
    (0..len).map(|_| random.next() as u8).collect()
}
