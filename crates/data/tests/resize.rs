//! The resize against what OpenCV computed (`tools/golden_pictures.py`), pixel for pixel.

use flate2::read::GzDecoder;
use plusx_data::{FindOptions, load};
use plusx_pixels::resize::bilinear_u8;
use std::io::Read;

fn golden(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

#[test]
fn a_hundred_images_at_96() {
    const SIDE: usize = 96;
    let mut expected = golden(include_bytes!("golden/resize_96.gz"));
    assert_eq!(expected.len(), 100 * SIDE * SIDE);
    // undo the differences: rows first, then columns
    for image in expected.chunks_exact_mut(SIDE * SIDE) {
        for i in SIDE..image.len() {
            image[i] = image[i].wrapping_add(image[i - SIDE]);
        }
        for i in (0..image.len()).filter(|i| i % SIDE != 0) {
            image[i] = image[i].wrapping_add(image[i - 1]);
        }
    }
    let test = load("fashion-mnist-mini", &FindOptions::default()).unwrap().val;
    let mut buffer = Vec::new();
    for (i, expected) in expected.chunks_exact(SIDE * SIDE).enumerate() {
        let ours = bilinear_u8(test.read(i, &mut buffer).unwrap().bytes, [28, 28, 1], [SIDE, SIDE]);
        let differing = ours.iter().zip(expected).filter(|(a, b)| a != b).count();
        assert_eq!(differing, 0, "image {i}: {differing} pixels differ");
    }
}

#[test]
fn other_shapes_and_channels() {
    let shapes = [
        ([50, 37, 3], [41, 53]),
        ([64, 48, 3], [20, 24]),
        ([28, 28, 1], [14, 14]),
        ([28, 28, 1], [14, 40]),
        ([13, 29, 4], [31, 17]),
        ([5, 7, 1], [3, 3]),
        ([1, 9, 1], [4, 20]),
        ([9, 1, 1], [20, 3]),
        ([31, 30, 1], [96, 96]),
        ([100, 75, 3], [7, 5]),
    ];
    let expected = golden(include_bytes!("golden/resize_shapes.gz"));
    let mut rest = expected.as_slice();
    for (from, to) in shapes {
        let len: usize = from.iter().product();
        let src: Vec<u8> = (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let ours = bilinear_u8(&src, from, to);
        let (theirs, after) = rest.split_at(ours.len());
        assert!(ours == theirs, "{from:?} to {to:?}");
        rest = after;
    }
    assert!(rest.is_empty());
}
