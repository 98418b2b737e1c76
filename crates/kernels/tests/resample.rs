//! Every entry of the tables of resampling against the reference: integers, so nothing may differ.

use plusx_kernels::resample::{
    BYTE_LANES, FROM_LANES, RowSumsArgs, SUMS, TO_LANES, TapWindow, Transpose, TransposeArgs, WeightPair,
};

/// Numbers that look random: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn bytes(random: &mut Random, len: usize) -> Vec<u8> {
    (0..len).map(|_| random.next() as u8).collect()
}

#[test]
fn halves_make_the_weight() {
    for w in [0, 1, -1, 32_767, 32_768, -32_768, -32_769, 1 << 22, -(1 << 22), 70_000, i32::MAX, i32::MIN] {
        assert_eq!(WeightPair::new([w, !w]).weights(), [w, !w]);
    }
}

#[test]
fn sums_are_the_reference() {
    let mut random = Random(41);
    // the largest weights wrap, and so must do the same everywhere
    for largest in [1 << 21, 1 << 24, i32::MAX] {
        for width in [1, 31, 32, 33, 63, 64, 96, 129] {
            let (first, src_pitch, dst_pitch) = (3, width + 5, width + 1);
            let mut weights = Vec::new();
            let mut windows = Vec::new();
            for count in [0_usize, 1, 2, 3, 6, 7, 12] {
                let mut weight = || (random.next() % largest as u64) as i32 - largest / 2;
                windows.push(TapWindow { first: first + 12 - count, count, at: weights.len() });
                weights.extend((0..count.div_ceil(2)).map(|_| WeightPair::new([weight(), weight()])));
            }
            let src = bytes(&mut random, 11 * src_pitch + width);
            let run = |entry: fn(RowSumsArgs<'_>)| {
                let mut dst = vec![7; (windows.len() - 1) * dst_pitch + width];
                entry(RowSumsArgs {
                    windows: &windows,
                    weights: &weights,
                    width,
                    src: &src,
                    src_pitch,
                    first,
                    dst: &mut dst,
                    dst_pitch,
                });
                dst
            };
            let expected = run(SUMS[SUMS.len() - 1].run);
            assert!(expected.chunks(dst_pitch).all(|row| row.get(width).is_none_or(|byte| *byte == 7)));
            for entry in SUMS.iter().filter(|entry| entry.level.supported() && (entry.fits)(&width)) {
                assert!(run(entry.run) == expected, "{}: width {width}, weights to {largest}", entry.name);
            }
        }
    }
}

/// Lanes with a row go there and back; nothing else is touched.
#[test]
fn transposing_is_the_reference() {
    let mut random = Random(42);
    for rows in [1, 2, 15, 16, 17, 31, 32] {
        for width in [1, 15, 16, 17, 32, 50] {
            let pitch = width + 3;
            let image = bytes(&mut random, (rows - 1) * pitch + width);
            let to = |entry: Transpose| {
                let mut dst = vec![9; (width + 1) * BYTE_LANES];
                entry(TransposeArgs { size: [rows, width], src: &image, dst: &mut dst, pitch });
                dst
            };
            let lanes = to(TO_LANES[TO_LANES.len() - 1].run);
            for (x, lanes) in lanes.chunks(BYTE_LANES).take(width).enumerate() {
                assert!((0..rows).all(|row| lanes[row] == image[row * pitch + x]));
            }
            for entry in TO_LANES.iter().filter(|entry| entry.level.supported() && (entry.fits)(&width)) {
                assert!(to(entry.run) == lanes, "{}: {rows} rows of {width}", entry.name);
            }
            for entry in FROM_LANES.iter().filter(|entry| entry.level.supported() && (entry.fits)(&width)) {
                let mut back = vec![5; image.len()];
                let args = TransposeArgs { size: [rows, width], src: &lanes, dst: &mut back, pitch };
                (entry.run)(args);
                for (at, byte) in back.into_iter().enumerate() {
                    let want = if at % pitch < width { image[at] } else { 5 };
                    assert_eq!(byte, want, "{}: {rows} rows of {width}", entry.name);
                }
            }
        }
    }
}
