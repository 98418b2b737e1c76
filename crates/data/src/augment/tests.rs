//! Against torchvision on fixed draws (`tools/golden_augment.py`): byte for byte, in the order of that script.

use super::*;
use flate2::read::GzDecoder;
use plusx_model::preprocess::Interpolation;
use plusx_model::shape::ImageShape;
use std::io::Read;

const SAMPLES: u32 = 16;
const SIDE: usize = 16;

fn golden() -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(&include_bytes!("../../tests/golden/augment.gz")[..]).read_to_end(&mut out).unwrap();
    out
}

fn picture([h, w, c]: [usize; 3]) -> Vec<u8> {
    let value = |y: usize, x: usize, k: usize| (y * 7 + x * 13 + k * 50 + (y * x * (k + 1)) % 61 * 3) as u8;
    (0..h * w * c).map(|at| value(at / (w * c), at / c % w, at % c)).collect()
}

type Function = Box<dyn Fn(&mut Raster<'_>)>;

fn functions() -> Vec<(String, Function)> {
    let mut all: Vec<(String, Function)> = Vec::new();
    let mut add = |name: String, function: Function| all.push((name, function));
    let factors = [0.0, 0.35, 1.0, 1.7];
    for f in factors {
        add(format!("brightness {f}"), Box::new(move |image| tone::brightness(image, f)));
    }
    for f in factors {
        add(format!("contrast {f}"), Box::new(move |image| tone::contrast(image, f)));
    }
    for f in factors {
        add(format!("saturation {f}"), Box::new(move |image| tone::saturation(image, f)));
    }
    for f in [0.0, 0.1, 1.0, 1.9] {
        add(format!("sharpness {f}"), Box::new(move |image| tone::sharpness(image, f, &mut Vec::new())));
    }
    for turn in [-0.5, -0.21, 0.1, 0.5] {
        add(format!("hue {turn}"), Box::new(move |image| tone::hue(image, turn)));
    }
    for bits in [2, 5, 8] {
        add(format!("posterize {bits}"), Box::new(move |image| tone::posterize(image, bits)));
    }
    for threshold in [0.0, 100.5, 255.0] {
        add(format!("solarize {threshold}"), Box::new(move |image| tone::solarize(image, threshold)));
    }
    add("autocontrast".into(), Box::new(tone::auto_contrast));
    add("equalize".into(), Box::new(tone::equalize));
    add("hflip".into(), Box::new(|image| flip(image, true)));
    add("vflip".into(), Box::new(|image| flip(image, false)));
    for degrees in [30.0, -135.0, 90.0, 180.0, 10.5, 0.0, 270.0] {
        add(
            format!("rotate {degrees}"),
            Box::new(move |image| warp::rotate(image, degrees, &mut Vec::new())),
        );
    }
    for tangents in [[0.3, 0.0], [-0.99, 0.0], [0.0, 0.2]] {
        add(
            format!("shear {tangents:?}"),
            Box::new(move |image| warp::shear(image, tangents, &mut Vec::new())),
        );
    }
    for by in [[5, 0], [-3, 0], [0, 4]] {
        add(format!("shift {by:?}"), Box::new(move |image| warp::shift(image, by, &mut Vec::new())));
    }
    all
}

/// What torchvision gave next, against what came out here.
fn same(rest: &mut &[u8], ours: &[u8], what: &str) {
    let (theirs, others) = rest.split_at(ours.len());
    *rest = others;
    let differing = ours.iter().zip(theirs).filter(|(a, b)| a != b).count();
    assert_eq!(differing, 0, "{what}: {differing} of {} bytes differ", ours.len());
}

/// The transforms of a list, one after the other.
fn lists() -> [Augment; 4] {
    let center = Augment::default();
    [
        Augment {
            crop: Crop::RandomResized { scale: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0] },
            hflip: 0.5,
            ..center
        },
        Augment { hflip: 0.3, vflip: 0.6, auto: AutoAugment::Rand { ops: 2, magnitude: 9 }, ..center },
        Augment { auto: AutoAugment::TrivialWide, ..center },
        Augment { jitter: [0.4, 0.3, 0.5, 0.2], rotation: 25.0, ..center },
    ]
}

/// The bytes of an image whose values were only divided by 255.
fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().map(|value| (value * 255.0).round() as u8).collect()
}

#[test]
fn as_torchvision_byte_for_byte() {
    let golden = golden();
    let mut rest = golden.as_slice();
    for c in [3, 1] {
        for [h, w] in [[12, 9], [10, 10]] {
            for (name, function) in functions() {
                let mut bytes = picture([h, w, c]);
                function(&mut Raster { bytes: &mut bytes, h, w, c });
                same(&mut rest, &bytes, &format!("{name} of {h}x{w}x{c}"));
            }
        }
    }
    for c in [3, 1] {
        let shape = [31, 46, c];
        let pixels = picture(shape);
        let record = Preprocess {
            interpolation: Interpolation::Bilinear,
            ..Preprocess::chapter(ImageShape::new(c, SIDE, SIDE))
        };
        let mut out = vec![0.0; SIDE * SIDE * c];
        for sample in 0..SAMPLES {
            for augment in lists() {
                let mut draws = Draws::new(7, 2, sample);
                Augmenter::new(augment, &record).fill(&pixels, shape, &mut draws, &mut out).unwrap();
                same(&mut rest, &bytes(&out), &format!("sample {sample} of {c} channels, {augment:?}"));
            }
            let erase = Augment { erasing: 0.7, ..Augment::default() };
            let mut draws = Draws::new(7, 2, sample);
            Augmenter::new(erase, &record).fill(&pixels, shape, &mut draws, &mut out).unwrap();
            same(&mut rest, &bytes(&out), &format!("sample {sample} of {c} channels, erased"));
        }
    }
    for rand in [true, false] {
        for magnitudes in auto::magnitudes(rand, [SIDE, 20]) {
            for (bin, ours) in magnitudes.iter().enumerate() {
                let (theirs, others) = rest.split_first_chunk().unwrap();
                rest = others;
                let theirs = f64::from_le_bytes(*theirs);
                // torch's last bit depends on the machine: its vectors add in another order than its single numbers
                assert!((ours - theirs).abs() <= 3e-7 * theirs.abs(), "{rand}, {bin}: {ours} and {theirs}");
            }
        }
    }
    assert!(rest.is_empty(), "{} bytes were not compared", rest.len());
}

#[test]
fn a_padded_crop_shifts_the_image() {
    let record = Preprocess::chapter(ImageShape::new(1, 8, 8));
    let pixels = picture([8, 8, 1]);
    let padded = Augment { crop: Crop::RandomPadded(2), ..Augment::default() };
    let mut augmenter = Augmenter::new(padded, &record);
    let mut out = vec![0.0; 64];
    let mut shifts = std::collections::BTreeSet::new();
    for sample in 0..200 {
        augmenter.fill(&pixels, [8, 8, 1], &mut Draws::new(0, 0, sample), &mut out).unwrap();
        let image = bytes(&out);
        let mut draws = Draws::new(0, 0, sample);
        let (down, right) = (draws.below(5) as i64 - 2, draws.below(5) as i64 - 2);
        shifts.insert((down, right));
        for at in 0..64 {
            let (y, x) = (at / 8 + down, at % 8 + right);
            let inside = (0..8).contains(&y) && (0..8).contains(&x);
            let expected = if inside { pixels[(y * 8 + x) as usize] } else { 0 };
            assert_eq!(image[at as usize], expected, "sample {sample}, {at}");
        }
    }
    assert_eq!(shifts.len(), 25);
}

#[test]
fn without_augmentation_an_image_is_prepared_as_for_evaluation() {
    let record = plusx_model::preprocess::Preset::Imagenet.record(ImageShape::new(3, 20, 20));
    let pixels = picture([40, 33, 3]);
    let mut expected = Vec::new();
    Preparer::new([40, 33, 3], &record).unwrap().append(&pixels, &mut expected);
    let mut out = vec![0.0; expected.len()];
    let mut augmenter = Augmenter::new(Augment::default(), &record);
    augmenter.fill(&pixels, [40, 33, 3], &mut Draws::new(0, 0, 0), &mut out).unwrap();
    assert_eq!(out, expected);
}
