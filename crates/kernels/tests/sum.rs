//! Sums over images: the tree's shape, and independence of how columns and segments are split.

mod support;

use plusx_kernels::rows::RowsMut;
use plusx_kernels::sum::{SEGMENT, bias_gradient, reduce_sums, sum_tree};
use support::Random;

/// The tree by its recursive definition: the left part is the largest power of two below the count.
fn tree<T: Copy + std::ops::Add<Output = T>>(parts: &[T]) -> T {
    match parts {
        [part] => *part,
        _ => {
            let left = (parts.len() - 1).checked_ilog2().map_or(1, |bits| 1 << bits);
            tree(&parts[..left]) + tree(&parts[left..])
        }
    }
}

#[test]
fn parts_are_added_as_a_tree() {
    let mut random = Random(51);
    for count in 1..=33 {
        for len in [1, 16, 37] {
            let parts: Vec<f32> = (0..count * len).map(|_| random.real()).collect();
            let mut whole = vec![0.0; len];
            sum_tree(&parts, count, 0..len, &mut whole);
            for (index, sum) in whole.iter().enumerate() {
                let values: Vec<f32> = (0..count).map(|part| parts[part * len + index]).collect();
                assert_eq!(sum.to_bits(), tree(&values).to_bits(), "{count} parts");
            }
            for cut in 0..len {
                let mut piece = vec![0.0; len - cut];
                sum_tree(&parts, count, cut..len, &mut piece);
                assert_eq!(piece, whole[cut..]);
            }
        }
    }
}

#[test]
fn images_are_added_in_segments() {
    let mut random = Random(52);
    for images in [1, 5, SEGMENT, SEGMENT + 1, 3 * SEGMENT + 7] {
        let pitch = 48;
        let partials: Vec<f64> = (0..images * 2 * pitch).map(|_| f64::from(random.real()) / 3.0).collect();
        let mut whole = vec![0.0; 2 * pitch];
        reduce_sums(&partials, images, pitch, 0..pitch, RowsMut::new(&mut whole, pitch, 0, pitch));
        for (index, sum) in whole.iter().enumerate() {
            let (row, lane) = (index / pitch, index % pitch);
            let values: Vec<f64> =
                (0..images).map(|image| partials[(image * 2 + row) * pitch + lane]).collect();
            let segments: Vec<f64> = values.chunks(SEGMENT).map(|segment| segment.iter().sum()).collect();
            assert_eq!(sum.to_bits(), tree(&segments).to_bits(), "{images} images");
        }
        let mut pieces = vec![0.0; 2 * pitch];
        for lanes in [0..16, 16..23, 23..48] {
            let out = RowsMut::new(&mut pieces, pitch, lanes.start, lanes.len());
            reduce_sums(&partials, images, pitch, lanes, out);
        }
        assert_eq!(pieces, whole);
        let mut bias = vec![0.0; 5];
        bias_gradient(&whole, &mut bias);
        assert_eq!(bias[4], whole[4] as f32);
    }
}
