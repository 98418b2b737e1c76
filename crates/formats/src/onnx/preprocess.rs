//! Preprocessing at the start of a graph, as this crate writes it and finds it again: what the file takes becomes what the
//! network takes. The network begins behind it.
//!
//! | the file takes | steps |
//! |---|---|
//! | bytes | become floats, channels come first; `/ 255`, `- mean`, `/ std` |
//! | floats from 0 to 255 | `/ 255`, `- mean`, `/ std` |
//! | what Ultralytics prepares | the middle is cut out, if the network takes less; three channels become grey, if it takes one; `- mean`, `/ std` |

use std::rc::Rc;

use plusx_model::graph::{ConvSpec, Op};
use plusx_model::preprocess::Preprocess;
use plusx_model::shape::{self, ImageShape};

use crate::error::FormatError;
use crate::onnx::builder::{Builder, Map, Pending, Value};
use crate::onnx::layout::Layout;
use crate::onnx::moves::SliceRange;
use crate::onnx::options::{Input, OnnxOptions};
use crate::onnx::proto::{self, Attribute, FLOAT, UINT8, ValueInfo};
use crate::onnx::scaling::Scaling;
use crate::onnx::ultralytics;
use crate::onnx::write::{Writer, conv_attributes, encode_error};

/// Name of the input, but for Ultralytics.
const INPUT: &str = "input";

/// The convolution that makes grey. All of its settings are written: OpenCV wants them.
const GREY: ConvSpec =
    ConvSpec { channels: 1, kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 };

/// Red, green and blue in grey: the luma of ITU-R BT.601 in the 16-bit parts with which `plusx-pixels` makes it.
const LUMA: [f32; 3] = [19_595.0 / 65_536.0, 38_470.0 / 65_536.0, 7_471.0 / 65_536.0];

impl Writer<'_> {
    /// What the file takes, and the name of what the network takes: the steps between them in the order in which
    /// [`Preprocess`] defines them, so that they round alike.
    pub(super) fn front(
        &mut self,
        preprocess: &Preprocess,
        options: OnnxOptions,
    ) -> Result<(ValueInfo, String), FormatError> {
        let ImageShape { c, h, w } = preprocess.input;
        let images = |name, kind, sizes: [usize; 3]| ValueInfo::batch_of(name, kind, options.batch, &sizes);
        Ok(match options.input {
            Input::Prepared => (images(INPUT, FLOAT, [c, h, w]), INPUT.to_owned()),
            Input::Bytes => {
                let to = [Attribute::int("to", i64::from(FLOAT))];
                let floats = self.node("Cast", "preprocess_floats", &[INPUT], &to);
                let order = [Attribute::ints("perm", &[0, 3, 1, 2])];
                let first = self.node("Transpose", "preprocess_channels_first", &[floats], &order);
                let scaled = self.scale(first);
                (images(INPUT, UINT8, [h, w, c]), self.normalise(scaled, preprocess))
            }
            Input::Floats => {
                let scaled = self.scale(INPUT.to_owned());
                (images(INPUT, FLOAT, [c, h, w]), self.normalise(scaled, preprocess))
            }
            Input::Ultralytics => {
                let sides = ultralytics::sides(preprocess);
                let mut value = ultralytics::INPUT.to_owned();
                if sides != [h, w] {
                    value = self.cut(value, preprocess, sides);
                }
                value = match c {
                    3 => value,
                    1 => {
                        let luma = self.floats("preprocess_luma", &[1, LUMA.len(), 1, 1], &LUMA);
                        self.node("Conv", "preprocess_grey", &[value, luma], &conv_attributes(&GREY))
                    }
                    _ => {
                        return Err(encode_error(format!(
                            "Ultralytics gives pictures of three channels, and the network takes {c}"
                        )));
                    }
                };
                let taken = images(ultralytics::INPUT, FLOAT, [LUMA.len(), sides[0], sides[1]]);
                (taken, self.normalise(value, preprocess))
            }
        })
    }

    /// The middle, where the record cuts it out of pictures of such `sides`.
    fn cut(&mut self, value: String, preprocess: &Preprocess, sides: [usize; 2]) -> String {
        let ImageShape { h, w, .. } = preprocess.input;
        let corner = preprocess.corner(sides);
        let lists = [("starts", corner), ("ends", [corner[0] + h, corner[1] + w]), ("axes", [2, 3])];
        let mut inputs = vec![value];
        for (list, values) in lists {
            inputs.push(self.ints(&format!("preprocess_{list}"), &values.map(|value| value as i64)));
        }
        self.node("Slice", "preprocess_middle", &inputs, &[])
    }

    fn scale(&mut self, value: String) -> String {
        let by = self.floats("preprocess_scale_by", &[], &[255.0]);
        self.node("Div", "preprocess_scale", &[value, by], &[])
    }

    fn normalise(&mut self, mut value: String, preprocess: &Preprocess) -> String {
        let steps =
            [("Sub", "preprocess_mean", &preprocess.mean), ("Div", "preprocess_std", &preprocess.std)];
        for (op, name, values) in steps {
            let constant = self.floats(&format!("{name}_by"), &[values.len(), 1, 1], values);
            value = self.node(op, name, &[value, constant], &[]);
        }
        value
    }
}

impl<'a> Builder<'a> {
    /// Images that a file of plusx has alone, and how they are scaled.
    fn own_images(&self, map: &Map) -> Option<Rc<Scaling>> {
        match &map.pending {
            Pending::Images(scaling) if self.own && map.alone && map.layout.is_map() => {
                Some(Rc::clone(scaling))
            }
            _ => None,
        }
    }

    /// The network begins with images of this shape.
    fn begin(&mut self, map: &Map, shape: ImageShape, scaling: Scaling) -> Result<Value<'a>, String> {
        let shape = shape::output("input", &Op::Input, &[shape]).map_err(|error| error.to_string())?;
        self.graph.nodes[0].shape = shape;
        let layout = Layout::map(map.layout.images(), shape);
        let pending = Pending::Images(Rc::new(scaling));
        Ok(Value::Map(Map { layout, pending, ..map.clone() }))
    }

    /// What plusx cuts out of images that Ultralytics prepares; `None` for another Slice.
    pub(super) fn middle(&mut self, map: &Map, cuts: &[SliceRange]) -> Result<Option<Value<'a>>, String> {
        let Some(scaling) = self.own_images(map) else { return Ok(None) };
        let mut shape = self.graph.node(map.id).shape;
        for cut in cuts {
            let size = match cut.axis {
                2 => &mut shape.h,
                3 => &mut shape.w,
                _ => return Ok(None),
            };
            if cut.step != 1 {
                return Ok(None);
            }
            *size = cut.of(*size)?.count;
        }
        self.begin(map, shape, (*scaling).clone()).map(Some)
    }

    /// Three channels that plusx makes grey; `None` for another convolution.
    pub(super) fn grey(&mut self, node: &'a proto::NodeProto) -> Result<Option<Value<'a>>, String> {
        let Value::Map(map) = self.input(node, 0)? else { return Ok(None) };
        let Some(scaling) = self.own_images(&map) else { return Ok(None) };
        let mut shape = self.graph.node(map.id).shape;
        let Value::Tensor(filter) = self.input(node, 1)? else { return Ok(None) };
        let own = node.input.len() == 2 && node.attribute == conv_attributes(&GREY);
        let plain = own && *scaling == Scaling::none(shape.c);
        // only this filter is looked at: what layers may take of a file is counted
        if !plain || filter.dims != [1, LUMA.len() as i64, 1, 1] || self.constants.floats(filter)?.1 != LUMA {
            return Ok(None);
        }
        shape.c = 1;
        self.begin(&map, shape, Scaling::none(1)).map(Some)
    }
}
