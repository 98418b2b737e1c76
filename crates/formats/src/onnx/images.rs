//! The images that a file takes, and what it does to them before the network begins.
//!
//! A file may divide by 255, subtract means and divide by standard deviations. All of that is `y = scale x + shift` per
//! channel, and becomes the record of preparation. A file may also take rows, columns and channels in that order.

use plusx_model::shape::ImageShape;

use crate::onnx::constants::type_name;
use crate::onnx::imported::Normalise;
use crate::onnx::layout::{C, H, Layout, N, W};
use crate::onnx::number::{IMAGES, Number};
use crate::onnx::proto;
use crate::onnx::scaling::Scaling;

/// Standard deviations beyond this are of values from 0 to 255: from 0 to 1 there is none above a half.
const LARGEST_STD: f64 = 2.0;

/// Likewise for means, with room for what normalisation in other programs shifts by.
const LARGEST_MEAN: f64 = 2.0;

/// The images that a network takes.
#[derive(Debug)]
pub(super) struct ImageInput<'a> {
    pub(super) name: &'a str,
    pub(super) shape: ImageShape,
    /// How many there are: a symbol, unless the file fixes it.
    count: Number,
    /// Whether they are bytes.
    pub(super) bytes: bool,
    /// Whether channels come last.
    channels_last: bool,
}

impl<'a> ImageInput<'a> {
    /// Those of a file's input; the nodes of `graph` say in what order its sizes are.
    pub(super) fn of(graph: &'a proto::GraphProto, input: &'a proto::ValueInfo) -> Result<Self, String> {
        let name = input.name.as_deref().unwrap_or_default();
        let tensor = input.of.as_ref().and_then(|of| of.tensor_type.as_ref());
        let kind = tensor.and_then(|tensor| tensor.elem_type).unwrap_or_default();
        if ![proto::FLOAT, proto::UINT8, proto::FLOAT16, proto::BFLOAT16, proto::DOUBLE].contains(&kind) {
            let found = type_name(Some(kind));
            return Err(format!("its input {name:?} is of {found}, expected floats or bytes"));
        }
        let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
        let [images, sizes @ ..] = dims else { return Err(format!("its input {name:?} has no shape")) };
        let count =
            images.dim_value.filter(|count| *count > 0).map_or(IMAGES, |count| Number::of(count as f64));
        let sizes: Option<Vec<usize>> = sizes
            .iter()
            .map(|dim| dim.dim_value.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0))
            .collect();
        let Some([first, second, third]) = sizes.as_deref() else {
            return Err(format!(
                "its input {name:?} must have four sizes, all but the first of them fixed: images, channels, rows, \
                 columns; export it with a fixed size of images"
            ));
        };
        let channels_last = channels_come_last(graph, name, *third == 1 && *first != 1);
        let shape = match channels_last {
            true => ImageShape::new(*third, *first, *second),
            false => ImageShape::new(*first, *second, *third),
        };
        Ok(Self { name, shape, count, bytes: kind == proto::UINT8, channels_last })
    }

    /// How the file has them.
    pub(super) fn layout(&self) -> Layout {
        let order = if self.channels_last { [N, H, W, C] } else { [N, C, H, W] };
        Layout::in_order(self.count, self.shape, order)
    }

    /// What must have been done to a picture, if the network in the file begins behind `scaling`; and in words, if that
    /// had to be guessed.
    pub(super) fn normalise(&self, scaling: &Scaling) -> Result<(Option<Normalise>, Option<String>), String> {
        if !self.bytes && scaling.is_none() {
            return Ok((None, None));
        }
        if let Some(scale) = scaling.scale.iter().find(|scale| !(**scale > 0.0 && scale.is_finite())) {
            return Err(format!(
                "it multiplies its images by {scale}; only what can be undone is understood"
            ));
        }
        let std = || scaling.scale.iter().map(|scale| scale.recip());
        let mean = || scaling.shift.iter().zip(&scaling.scale).map(|(shift, scale)| -shift / scale);
        let large = std().any(|std| std > LARGEST_STD) || mean().any(|mean| mean.abs() > LARGEST_MEAN);
        let range = if self.bytes || large { 255.0 } else { 1.0 };
        let part = |value: f64| (value / range) as f32;
        let made = Normalise { mean: mean().map(part).collect(), std: std().map(part).collect() };
        if !made.mean.iter().chain(&made.std).all(|value| value.is_finite()) || made.std.contains(&0.0) {
            return Err("what it does to its images is no preparation of pictures".to_owned());
        }
        let said = format!(
            "the file prepares its images itself: taken to be from 0 to {range}, mean {:?}, standard deviation {:?} of \
             values from 0 to 1",
            made.mean, made.std
        );
        Ok((Some(made), (!self.bytes).then_some(said)))
    }
}

/// Whether the first thing that moves axes brings channels to the front. `one` says that there is one channel if it does,
/// which a Reshape may move as well.
fn channels_come_last(graph: &proto::GraphProto, input: &str, one: bool) -> bool {
    /// Steps of preparation that come before; there are never many.
    const MOST: usize = 16;
    let mut value = input;
    for _ in 0..MOST {
        let mut next = None;
        for node in graph.node.iter().filter(|node| node.input.iter().any(|name| name == value)) {
            match node.op_type.as_deref().unwrap_or_default() {
                "Transpose" => {
                    let order = node.attribute.iter().find(|one| one.name.as_deref() == Some("perm"));
                    return order.is_some_and(|order| order.ints == [0, 3, 1, 2]);
                }
                "Reshape" => return one,
                "Cast" | "Identity" | "Add" | "Sub" | "Mul" | "Div" => next = node.output.first(),
                _ => {}
            }
        }
        match next {
            Some(next) => value = next,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(bytes: bool) -> ImageInput<'static> {
        ImageInput { name: "x", shape: ImageShape::new(2, 4, 4), count: IMAGES, bytes, channels_last: false }
    }

    fn prepared(bytes: bool, steps: &[([f64; 2], [f64; 2])]) -> Normalise {
        let mut scaling = Scaling::none(2);
        for (scale, shift) in steps {
            scaling = scaling.then(scale, shift);
        }
        images(bytes).normalise(&scaling).unwrap().0.unwrap()
    }

    #[test]
    fn numbers_come_back_as_they_were_written() {
        let of = |values: [f32; 2]| values.map(f64::from);
        let (mean, std) = ([0.485, 0.406], [0.229, 0.225]);
        let negative = of(mean).map(|mean| -mean);
        let inverse = of(std).map(f64::recip);
        let record = Normalise { mean: mean.to_vec(), std: std.to_vec() };
        // from bytes, from floats up to 255, and from floats up to 1
        let byte = ([1.0 / 255.0; 2], [0.0; 2]);
        let steps = [byte, ([1.0; 2], negative), (inverse, [0.0; 2])];
        assert_eq!(prepared(true, &steps), record);
        assert_eq!(prepared(false, &steps), record);
        assert_eq!(prepared(false, &steps[1..]), record);
        // from -1 to 1, in one step
        let half = Normalise { mean: vec![0.5; 2], std: vec![0.5; 2] };
        assert_eq!(prepared(false, &[([1.0 / 127.5; 2], [-1.0; 2])]), half);
        assert_eq!(prepared(false, &[([2.0; 2], [-1.0; 2])]), half);
        // means alone
        let subtracted = prepared(false, &[([1.0; 2], [-123.675, -103.53])]);
        assert_eq!(subtracted, Normalise { mean: vec![0.485, 0.406], std: vec![1.0 / 255.0; 2] });
    }

    #[test]
    fn what_cannot_be_undone_is_refused() {
        let turned = Scaling { scale: vec![1.0, -1.0], shift: vec![0.0; 2] };
        assert!(images(false).normalise(&turned).unwrap_err().contains("-1"));
        assert_eq!(images(false).normalise(&Scaling::none(2)), Ok((None, None)));
    }
}
