//! Files for Ultralytics, which opens ONNX files of classifiers.
//!
//! It prepares pictures in its own way (`classify_transforms` in `ultralytics/data/augment.py` of version 8.4): it resizes the
//! shorter side to the file's with Pillow's bilinear filter, cuts out the middle, and scales values to 0 to 1. It takes the
//! outputs for probabilities. So such a file cuts out what is left to cut out, normalises, and ends with a softmax. Its
//! metadata are those of Ultralytics' own exports: they say the size of pictures, the classes and what the file is for.

use plusx_model::preprocess::{Interpolation, Preprocess, Resize};
use plusx_model::shape::ImageShape;
use serde_json::Value;

use crate::metadata::ModelFile;

/// Names of the input and of the output, as in Ultralytics' exports.
pub(super) const INPUT: &str = "images";
pub(super) const OUTPUT: &str = "output0";

/// Rows and columns of the pictures that the file takes.
pub(super) fn sides(preprocess: &Preprocess) -> [usize; 2] {
    match preprocess.resize {
        // of a square it resizes the shorter side and cuts, of any other shape both sides
        Resize::Shorter(side) => [side; 2],
        Resize::Both => [preprocess.input.h, preprocess.input.w],
    }
}

/// What Ultralytics looks for, as Python literals, for files that take `batch` images.
pub(super) fn entries(meta: &ModelFile, batch: Option<usize>) -> Vec<(&'static str, String)> {
    let [h, w] = sides(&meta.preprocess);
    // every string of JSON is one of Python, too
    let names = meta.classes.iter().enumerate();
    let names: Vec<String> =
        names.map(|(index, name)| format!("{index}: {}", Value::from(&name[..]))).collect();
    vec![
        ("batch", batch.unwrap_or(1).to_string()),
        ("channels", "3".to_owned()),
        ("imgsz", format!("[{h}, {w}]")),
        ("names", format!("{{{}}}", names.join(", "))),
        // sizes are rounded up to multiples of it
        ("stride", "1".to_owned()),
        ("task", "classify".to_owned()),
    ]
}

/// What Ultralytics does to pictures otherwise than the record says, in a sentence; `None` if nothing.
pub fn differs(preprocess: &Preprocess) -> Option<String> {
    let Preprocess { input: ImageShape { c, h, w }, resize, interpolation, .. } = *preprocess;
    let mut all = Vec::new();
    if interpolation != Interpolation::Bilinear {
        all.push(format!(
            "it resizes with Pillow's bilinear filter, where the network wants {interpolation}"
        ));
    }
    match resize {
        Resize::Both if h == w => all.push(
            "of pictures that are not square it cuts off the ends, where the network wants both sides resized"
                .to_owned(),
        ),
        // halves of what is left over are rounded twice
        Resize::Shorter(side) if [h, w].iter().any(|own| !side.saturating_sub(*own).is_multiple_of(4)) => {
            all.push("what it cuts out may lie one pixel beside the middle".to_owned());
        }
        _ => {}
    }
    if c == 1 {
        all.push(
            "the file makes pictures grey after they were resized, and does not round grey values".to_owned(),
        );
    }
    (!all.is_empty()).then(|| format!("Ultralytics prepares pictures a little otherwise: {}", all.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::preprocess::Preset;

    #[test]
    fn differences_are_said_where_there_are_any() {
        let imagenet = Preset::Imagenet.record(ImageShape::new(3, 224, 224));
        assert_eq!((sides(&imagenet), differs(&imagenet)), ([256, 256], None));
        let odd = Preprocess { resize: Resize::Shorter(235), ..imagenet.clone() };
        assert!(differs(&odd).unwrap().contains("one pixel"));
        let timm = Preset::Timm.record(ImageShape::new(3, 224, 224));
        assert!(differs(&timm).unwrap().contains("bicubic"));
        let wide = Preset::Cifar10.record(ImageShape::new(3, 32, 30));
        assert_eq!((sides(&wide), differs(&wide)), ([32, 30], None));
        let said = differs(&Preprocess::chapter(ImageShape::new(1, 28, 28))).unwrap();
        for part in ["bilinear-opencv", "not square", "grey"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
