//! Augmentation is torchvision's on pictures of PIL: against golden lines, and against more of them where Python has
//! torchvision. `tools/golden_augment.py` writes both.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use plusx_data::augment::policy::{self, Operation, Space};
use plusx_data::augment::{Augment, Augmenter, Crop, Draws, Mixed, Raster, Use, Warp, boxes, tone, warp};
use plusx_model::preprocess::{Interpolation, Preprocess, Resize};
use plusx_model::shape::ImageShape;
use plusx_pixels::resample::{Filter, Resample};
use plusx_pixels::resize::Cut;

const SEED: u32 = 42;
const EPOCH: u32 = 1;
/// Those of `RandomErasing`.
const ERASED: [[f64; 2]; 2] = [[0.02, 0.33], [0.3, 3.3]];

fn picture([h, w, c]: [usize; 3], seed: u32) -> Raster {
    let byte = |i: u32| ((i ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8;
    let few = |byte: u8| match seed % 3 {
        0 => byte,
        1 => 60 + byte / 3,
        _ => byte / 16 * 9,
    };
    let bytes = (0..(h * w * c) as u32).map(|i| few(byte(i))).collect();
    Raster::new(bytes, [h, w, c]).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn floats(values: &[f32]) -> String {
    values.iter().fold(String::new(), |text, value| text + &hex(&value.to_le_bytes()))
}

fn batch(n: usize, h: usize, w: usize) -> Vec<f32> {
    (0..n * h * w * 3).map(|i| ((i % 251) as f32 - 100.0) / 7.0).collect()
}

/// Numbers of a line.
struct Numbers(Vec<f64>);

impl Numbers {
    fn whole(&self, at: usize) -> usize {
        self.0[at] as usize
    }

    fn sample(&self, at: usize, purpose: Use) -> Draws {
        let mut draws = Draws::of_sample(SEED, EPOCH, self.0[at] as u32);
        draws.begin(purpose);
        draws
    }

    fn warp(&self, at: usize) -> Warp {
        if self.0[at] == 0.0 { Warp::Nearest } else { Warp::Bilinear }
    }
}

/// What plusx answers to the question of a line; `None` if the line was compared here.
fn answer(name: &str, numbers: &Numbers, expected: &str) -> Option<String> {
    let n = &numbers.0;
    let place = |part: boxes::Rectangle| format!("{} {} {} {}", part.top, part.left, part.h, part.w);
    match name {
        "magnitudes" => {
            let space = if n[2] == 0.0 { Space::Rand } else { Space::TrivialWide };
            let operation = Operation::ALL[numbers.whole(3)];
            let size = [numbers.whole(0), numbers.whole(1)];
            for (bin, value) in expected.split(' ').enumerate() {
                let (value, found) = (value.parse::<f64>().unwrap(), operation.magnitude(space, bin, size));
                // torch's vectors add up in another order: a last bit of f32
                assert!(
                    (value - found).abs() <= value.abs() * 1.2e-7,
                    "{operation:?} {bin}: {found} {value}"
                );
                assert_eq!(value as i64, found as i64, "{operation:?} {bin}");
            }
            return None;
        }
        "targets" => {
            let labels: Vec<u32> = (0..n[0] as u32).map(|i| 3 * i % 4).collect();
            let mut targets = Vec::new();
            Mixed::Whole { lambda: n[1] }.targets(&labels, 5, n[2] as f32, &mut targets);
            for (found, value) in targets.iter().zip(expected.split(' ')) {
                assert!((f64::from(*found) - value.parse::<f64>().unwrap()).abs() < 1e-6);
            }
            assert_eq!(targets.len(), expected.split(' ').count());
            return None;
        }
        "mixup" => {
            let [count, h, w] = [0, 1, 2].map(|at| numbers.whole(at));
            let mut images = batch(count, h, w);
            Mixed::Whole { lambda: n[3] }.images(&mut images, [h, w, 3], &mut Vec::new());
            return Some(floats(&images));
        }
        "cutmix" => {
            let [count, h, w] = [0, 1, 2].map(|at| numbers.whole(at));
            let mut images = batch(count, h, w);
            let mixed = Mixed::part([h, w], n[3], [numbers.whole(4), numbers.whole(5)]);
            mixed.images(&mut images, [h, w, 3], &mut Vec::new());
            return Some(format!("{:?} {}", mixed.lambda(), floats(&images)));
        }
        "resized_crop" => {
            let mut draws = numbers.sample(2, Use::Crop);
            let size = [numbers.whole(0), numbers.whole(1)];
            return Some(place(boxes::resized_crop(size, [n[3], n[4]], [n[5], n[6]], &mut draws)));
        }
        "crop" => {
            let [h, w, rows, columns] = [0, 1, 2, 3].map(|at| numbers.whole(at));
            let [top, left] = boxes::crop([h, w], [rows, columns], &mut numbers.sample(4, Use::Crop));
            return Some(format!("{top} {left}"));
        }
        "erased" => {
            let mut draws = numbers.sample(2, Use::Erase);
            let size = [numbers.whole(0), numbers.whole(1)];
            let part =
                draws.happens(0.5).then(|| boxes::erased(size, ERASED[0], ERASED[1], &mut draws)).flatten();
            // a part may have no pixels
            let part = part.filter(|part| part.h * part.w > 0);
            return Some(part.map_or("none".to_owned(), place));
        }
        _ => {}
    }
    let shape = [0, 1, 2].map(|at| numbers.whole(at));
    let mut image = picture(shape, n[3] as u32);
    let factor = n.get(4).copied().unwrap_or_default();
    match name {
        "brightness" => tone::brightness(&mut image, factor as f32),
        "contrast" => tone::contrast(&mut image, factor as f32),
        "saturation" => tone::saturation(&mut image, factor as f32),
        "sharpness" => tone::sharpness(&mut image, factor as f32),
        "hue" => tone::hue(&mut image, factor),
        "posterize" => tone::posterize(&mut image, factor as u32),
        "solarize" => tone::solarize(&mut image, factor),
        "invert" => tone::invert(&mut image),
        "autocontrast" => tone::auto_contrast(&mut image),
        "equalize" => tone::equalize(&mut image),
        "hflip" => warp::hflip(&mut image),
        "vflip" => warp::vflip(&mut image),
        "rotate" => warp::rotate(&mut image, factor, numbers.warp(5)),
        "ShearX" => Operation::ShearX.apply(&mut image, factor, numbers.warp(5)),
        "ShearY" => Operation::ShearY.apply(&mut image, factor, numbers.warp(5)),
        "TranslateX" => Operation::TranslateX.apply(&mut image, factor, numbers.warp(5)),
        "TranslateY" => Operation::TranslateY.apply(&mut image, factor, numbers.warp(5)),
        "rand" => {
            let mut draws = numbers.sample(3, Use::Policy);
            policy::rand_augment(&mut image, numbers.whole(4), numbers.whole(5), numbers.warp(6), &mut draws);
        }
        "trivial" => policy::trivial_wide(&mut image, numbers.warp(4), &mut numbers.sample(3, Use::Policy)),
        "jitter" => return Some(through(image, |record| record.jitter = [n[4], n[5], n[6], n[7]], n[3])),
        "rotation" => {
            let change = |record: &mut Augment| (record.rotation, record.warp) = (n[4], numbers.warp(5));
            return Some(through(image, change, n[3]));
        }
        "crop_and_resize" => {
            let [top, left, h, w, rows, columns] = [4, 5, 6, 7, 8, 9].map(|at| numbers.whole(at));
            let lines = image.bytes().chunks_exact(shape[1] * shape[2]).skip(top).take(h);
            let part: Vec<u8> =
                lines.flat_map(|row| row[left * shape[2]..][..w * shape[2]].to_vec()).collect();
            let cut = Cut::whole([h, w, shape[2]], [rows, columns]);
            let mut resized = vec![0; cut.dst_len()];
            Resample::new(Filter::Bilinear, cut).run(&part, &mut resized);
            return Some(hex(&resized));
        }
        other => panic!("no line is called {other}"),
    }
    Some(hex(image.bytes()))
}

/// A picture through an augmenter that does one thing, back in bytes.
fn through(image: Raster, change: impl FnOnce(&mut Augment), sample: f64) -> String {
    let [h, w, c] = image.shape();
    let input = ImageShape::new(c, h, w);
    let preprocess = Preprocess {
        resize: Resize::Both,
        interpolation: Interpolation::Bilinear,
        mean: vec![0.0; c],
        std: vec![1.0; c],
        ..Preprocess::chapter(input)
    };
    let mut record = Augment { crop: Crop::Whole, ..Augment::default() };
    change(&mut record);
    let mut values = vec![0.0; h * w * c];
    let mut draws = Draws::of_sample(SEED, EPOCH, sample as u32);
    let mut augmenter = Augmenter::new(record, preprocess).unwrap();
    augmenter.fill(image.bytes(), [h, w, c], &mut draws, &mut values).unwrap();
    hex(&values.iter().map(|value| (value * 255.0).round() as u8).collect::<Vec<u8>>())
}

/// Compares every line, and returns how many there were.
fn compare(lines: &str) -> usize {
    let mut wrong = Vec::new();
    for line in lines.lines() {
        let (question, expected) = line.split_once(" = ").unwrap();
        let (name, numbers) = question.split_once(' ').unwrap();
        let numbers = Numbers(numbers.split(' ').map(|number| number.parse().unwrap()).collect());
        if answer(name, &numbers, expected).is_some_and(|found| found != expected) {
            wrong.push(question);
        }
    }
    assert!(wrong.is_empty(), "{} differ: {wrong:#?}", wrong.len());
    lines.lines().count()
}

#[test]
fn as_torchvision_committed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/augment.txt");
    assert!(compare(&std::fs::read_to_string(path).unwrap()) > 200);
}

/// Cases that are too large to keep.
#[test]
fn as_torchvision_at_hand() {
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-python").join("bin/python");
    let check = "import PIL, torchvision, sys; sys.exit(int(PIL.__version__.split('.')[0]) < 13)";
    let has = |python: &std::path::PathBuf| {
        Command::new(python).args(["-c", check]).output().is_ok_and(|output| output.status.success())
    };
    let Some(python) = [made, "python3".into()].into_iter().find(has) else {
        println!("SKIPPED: needs Python with torchvision and Pillow 13");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/golden_augment.py");
    let output = Command::new(python).arg(script).arg("more").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(compare(std::str::from_utf8(&output.stdout).unwrap()) > 1500);
}
