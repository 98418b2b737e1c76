//! The only place where output sizes are computed.
//!
//! A window of `k` taps, `d` pixels apart, spans `d (k - 1) + 1` pixels. Moved by `s` over `n` pixels with `p` zeros on
//! each side, it fits `floor((n + 2p - d (k - 1) - 1) / s) + 1` times (Dumoulin & Visin 2016, "A guide to convolution
//! arithmetic for deep learning", relationship 15).
//!
//! Where sizes round up, it fits once more if pixels are left over and it would still begin inside the map or its first
//! border, as in PyTorch's `ceil_mode`.

use crate::error::ModelError;
use crate::graph::{ConvSpec, Op, PoolSpec, SubsampleSpec};
use crate::op::conv_weight_dims;

pub use crate::image_shape::{ImageShape, MAX_VALUES};

/// Reads "1x96x96": channels, rows, columns.
impl std::str::FromStr for ImageShape {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let wrong = || ModelError::ShapeText { text: text.to_owned() };
        let mut sizes = [0; 3];
        let mut parts = text.split('x');
        for size in &mut sizes {
            *size = parts.next().and_then(|part| part.parse().ok()).ok_or_else(wrong)?;
        }
        let shape = Self::new(sizes[0], sizes[1], sizes[2]);
        match (parts.next(), product(&sizes)) {
            (None, Some(1..)) => Ok(shape),
            _ => Err(wrong()),
        }
    }
}

/// Shape of the value of `op`, called `layer` in errors. `inputs` are the shapes it reads, as many as the op takes;
/// the images themselves are the input of [`Op::Input`].
pub fn output(layer: &str, op: &Op, inputs: &[ImageShape]) -> Result<ImageShape, ModelError> {
    let arity = op.arity().max(1);
    if inputs.len() != arity {
        let problem = format!("{} takes {arity} inputs, got {}", op.kind(), inputs.len());
        return Err(ModelError::Malformed { layer: layer.to_owned(), problem });
    }
    let input = inputs[0];
    let sizes = Sizes { layer, input };
    let shape = match op {
        Op::Input => {
            let dims = [input.c, input.h, input.w];
            sizes.positive("the shape of the images", &dims)?;
            input
        }
        Op::Conv2d { spec, .. } => sizes.conv(spec)?,
        Op::BatchNorm { spec, .. } => {
            sizes.setting("epsilon", "a positive number", spec.epsilon, spec.epsilon > 0.0)?;
            sizes.setting(
                "momentum",
                "between 0 and 1",
                spec.momentum,
                (0.0..=1.0).contains(&spec.momentum),
            )?;
            input
        }
        Op::Relu => input,
        Op::MaxPool2d { spec } => sizes.pool(spec, false)?,
        Op::AvgPool2d { spec, ceil } => sizes.pool(spec, *ceil)?,
        Op::GlobalAvgPool2d => ImageShape::new(input.c, 1, 1),
        Op::Subsample { spec } => sizes.subsample(spec)?,
        Op::Dense { units, .. } => {
            sizes.positive("units", &[*units])?;
            sizes.bounded("weight", &[*units, input.len()])?;
            ImageShape::new(*units, 1, 1)
        }
        Op::Add => {
            if inputs[0] != inputs[1] {
                let (left, right) = (inputs[0], inputs[1]);
                return Err(ModelError::Shapes { layer: layer.to_owned(), left, right });
            }
            input
        }
        Op::Sigmoid => input,
        Op::Multiply => {
            if inputs[1] != ImageShape::new(input.c, 1, 1) {
                let (layer, scale) = (layer.to_owned(), inputs[1]);
                return Err(ModelError::Scale { layer, input, scale });
            }
            input
        }
        Op::Concat { .. } => sizes.concat(inputs)?,
    };
    sizes.bounded("value", &[shape.c, shape.h, shape.w])?;
    Ok(shape)
}

/// The rules of one layer: what it is called and what it reads.
struct Sizes<'a> {
    layer: &'a str,
    input: ImageShape,
}

impl Sizes<'_> {
    fn conv(&self, spec: &ConvSpec) -> Result<ImageShape, ModelError> {
        self.positive("channels", &[spec.channels])?;
        self.positive("kernel", &spec.kernel)?;
        self.positive("strides", &spec.stride)?;
        self.positive("dilation", &spec.dilation)?;
        self.positive("groups", &[spec.groups])?;
        if !self.input.c.is_multiple_of(spec.groups) || !spec.channels.is_multiple_of(spec.groups) {
            return Err(ModelError::Groups {
                layer: self.layer.to_owned(),
                input: self.input,
                channels: spec.channels,
                groups: spec.groups,
            });
        }
        self.bounded("weight", &conv_weight_dims(spec, self.input.c))?;
        let [h, w] = self.window(Window {
            kernel: spec.kernel,
            stride: spec.stride,
            padding: spec.padding,
            dilation: spec.dilation,
            ceil: false,
        })?;
        Ok(ImageShape::new(spec.channels, h, w))
    }

    fn pool(&self, spec: &PoolSpec, ceil: bool) -> Result<ImageShape, ModelError> {
        self.positive("pool size", &spec.kernel)?;
        self.positive("strides", &spec.stride)?;
        if spec.padding[0] >= spec.kernel[0] || spec.padding[1] >= spec.kernel[1] {
            return Err(ModelError::Padding {
                layer: self.layer.to_owned(),
                window: spec.kernel,
                padding: spec.padding,
            });
        }
        let [h, w] = self.window(Window {
            kernel: spec.kernel,
            stride: spec.stride,
            padding: spec.padding,
            dilation: [1, 1],
            ceil,
        })?;
        Ok(ImageShape::new(self.input.c, h, w))
    }

    fn subsample(&self, spec: &SubsampleSpec) -> Result<ImageShape, ModelError> {
        self.positive("strides", &spec.stride)?;
        let channels = self.input.c.checked_add(spec.before).and_then(|c| c.checked_add(spec.after));
        let c = channels.ok_or_else(|| self.too_large("value"))?;
        Ok(ImageShape::new(c, self.input.h.div_ceil(spec.stride[0]), self.input.w.div_ceil(spec.stride[1])))
    }

    fn concat(&self, parts: &[ImageShape]) -> Result<ImageShape, ModelError> {
        let layer = || self.layer.to_owned();
        if parts.len() < 2 {
            return Err(ModelError::Parts { layer: layer() });
        }
        if let Some(&other) = parts.iter().find(|part| [part.h, part.w] != [self.input.h, self.input.w]) {
            return Err(ModelError::Beside { layer: layer(), first: self.input, other });
        }
        let channels = parts.iter().try_fold(0usize, |sum, part| sum.checked_add(part.c));
        let c = channels.ok_or_else(|| self.too_large("value"))?;
        Ok(ImageShape::new(c, self.input.h, self.input.w))
    }

    /// Rows and columns of positions that a window can take.
    fn window(&self, window: Window) -> Result<[usize; 2], ModelError> {
        let too_large = || self.too_large("value");
        let span = window.span().ok_or_else(too_large)?;
        // rounding up asks for one pixel of the last step only
        let spare = window.stride.map(|stride| if window.ceil { stride - 1 } else { 0 });
        let mut positions = [0; 2];
        for (axis, size) in [self.input.h, self.input.w].into_iter().enumerate() {
            let padded = window.padding[axis].checked_mul(2).and_then(|padding| padding.checked_add(size));
            let padded = padded.and_then(|padded| padded.checked_add(spare[axis])).ok_or_else(too_large)?;
            let Some(room) = padded.checked_sub(span[axis]) else {
                let needed = |axis: usize| {
                    span[axis]
                        .saturating_sub(window.padding[axis].saturating_mul(2))
                        .saturating_sub(spare[axis])
                };
                return Err(ModelError::Window {
                    layer: self.layer.to_owned(),
                    input: self.input,
                    window: span,
                    padding: window.padding,
                    smallest: [0, 1].map(|axis| needed(axis).max(1)),
                });
            };
            positions[axis] = room / window.stride[axis] + 1;
            if window.ceil && (positions[axis] - 1) * window.stride[axis] >= size + window.padding[axis] {
                positions[axis] -= 1;
            }
        }
        Ok(positions)
    }

    fn positive(&self, setting: &'static str, values: &[usize]) -> Result<(), ModelError> {
        match values.contains(&0) {
            false => Ok(()),
            true => Err(ModelError::Setting {
                layer: self.layer.to_owned(),
                setting,
                expected: "at least 1",
                value: values.iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
            }),
        }
    }

    fn setting(
        &self,
        setting: &'static str,
        expected: &'static str,
        value: f32,
        good: bool,
    ) -> Result<(), ModelError> {
        if good && value.is_finite() {
            return Ok(());
        }
        let (layer, value) = (self.layer.to_owned(), value.to_string());
        Err(ModelError::Setting { layer, setting, expected, value })
    }

    fn bounded(&self, what: &'static str, dims: &[usize]) -> Result<(), ModelError> {
        match product(dims) {
            Some(_) => Ok(()),
            None => Err(self.too_large(what)),
        }
    }

    fn too_large(&self, what: &'static str) -> ModelError {
        ModelError::TooLarge { layer: self.layer.to_owned(), what, input: self.input }
    }
}

/// A window that slides over rows and columns.
#[derive(Clone, Copy)]
struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    /// Whether positions round up.
    ceil: bool,
}

impl Window {
    /// Rows and columns from the first tap to the last; the kernel is at least 1.
    fn span(&self) -> Option<[usize; 2]> {
        let axis = |i: usize| self.dilation[i].checked_mul(self.kernel[i] - 1)?.checked_add(1);
        Some([axis(0)?, axis(1)?])
    }
}

/// The product, if it is at most [`MAX_VALUES`].
fn product(sizes: &[usize]) -> Option<usize> {
    sizes
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .filter(|&product| product <= MAX_VALUES)
}
