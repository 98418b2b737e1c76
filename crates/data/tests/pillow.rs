//! The resize of evaluation against what Pillow, torchvision and timm computed (`tools/golden_pictures.py`), bit for bit.

use flate2::read::GzDecoder;
use plusx_data::picture::{Picture, prepare};
use plusx_model::preprocess::{Interpolation, Preprocess, Preset, Resize, shorter_side};
use plusx_model::shape::ImageShape;
use plusx_pixels::resample::{Filter, Resample};
use plusx_pixels::resize::Cut;
use std::io::Read;

fn golden(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

/// The high bytes of a multiplicative hash of the index.
fn made_up(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn shapes_and_channels_with_both_filters() {
    let shapes = [
        ([50, 37, 3], [41, 53]),
        ([64, 48, 3], [20, 24]),
        ([28, 28, 1], [14, 14]),
        ([28, 28, 1], [14, 40]),
        ([28, 28, 1], [96, 96]),
        ([5, 7, 1], [3, 3]),
        ([1, 9, 1], [4, 20]),
        ([9, 1, 1], [20, 3]),
        ([31, 30, 1], [31, 17]),
        ([31, 30, 3], [12, 30]),
        ([100, 75, 3], [7, 5]),
        ([211, 17, 3], [3, 17]),
        ([17, 301, 1], [16, 2]),
        ([2, 2, 3], [7, 9]),
        ([131, 50, 3], [40, 21]),
        ([44, 28, 1], [20, 16]),
        ([45, 28, 1], [20, 16]),
        ([90, 7, 3], [33, 15]),
    ];
    let expected = golden(include_bytes!("golden/pillow.gz"));
    let mut rest = expected.as_slice();
    for (from, to) in shapes {
        let src = made_up(from.iter().product());
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            let cut = Cut::whole(from, to);
            let mut ours = vec![0; cut.dst_len()];
            Resample::new(filter, cut).run(&src, &mut ours);
            let (theirs, after) = rest.split_at(ours.len());
            assert!(ours == theirs, "{filter:?} from {from:?} to {to:?}");
            rest = after;
        }
    }
    assert!(rest.is_empty());
}

#[test]
fn pictures_as_torchvision_and_timm_evaluate_them() {
    use Interpolation::{Bicubic, Bilinear};
    let torchvision = [
        ([75, 100], 32, [28, 28], Bilinear),
        ([100, 75], 31, [24, 25], Bilinear),
        ([41, 40], 43, [40, 32], Bicubic),
        ([97, 211], 19, [16, 13], Bicubic),
        ([30, 30], 30, [23, 25], Bilinear),
        ([64, 48], 48, [48, 48], Bilinear),
        ([211, 60], 24, [24, 23], Bicubic),
    ];
    let timm =
        [([75, 100], 28, 0.875, Bilinear), ([100, 75], 28, 0.95, Bicubic), ([90, 121], 33, 0.965, Bicubic)];
    let timm = timm.map(|(picture, side, part, how)| (picture, shorter_side(side, part), [side, side], how));
    let bytes = golden(include_bytes!("golden/evaluate.gz"));
    let mut rest = bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value));
    for (index, ([h, w], shorter, crop, interpolation)) in torchvision.into_iter().chain(timm).enumerate() {
        let picture = Picture { rgb8: made_up(3 * h * w), w, h };
        let record = Preset::Imagenet.record(ImageShape::new(3, crop[0], crop[1]));
        let record = Preprocess { resize: Resize::Shorter(shorter), interpolation, ..record };
        let ours = prepare(&picture, &record).unwrap();
        let theirs: Vec<f32> = rest.by_ref().take(ours.len()).collect();
        assert!(ours == theirs, "picture {index}: {record}");
    }
    assert_eq!(rest.next(), None);
}
