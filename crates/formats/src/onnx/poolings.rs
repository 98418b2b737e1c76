//! Poolings of ONNX: the largest and the mean of windows, and means over rows and columns.

use plusx_model::graph::{Op, PoolSpec, SubsampleSpec};

use crate::onnx::attributes::Attributes;
use crate::onnx::builder::{Builder, Map, Pending, Value};
use crate::onnx::layout::{H, W};
use crate::onnx::proto;
use crate::onnx::windows::Window;

impl<'a> Builder<'a> {
    /// The largest of each window.
    pub(super) fn max_pool(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
    ) -> Result<Value<'a>, String> {
        let (x, border, filled) = self.windowed(node)?;
        let (stride, kernel) = (a.sizes("strides")?.unwrap_or([1, 1]), kernel_of(a)?);
        // the order of the indices, a second output that nothing here can read
        a.ignore(&["storage_order"]);
        match a.sizes("dilations")? {
            None | Some([1, 1]) => {}
            Some(other) => return Err(format!("attribute dilations is {other:?}, only 1 is understood")),
        }
        let source = self.graph.node(x.id);
        // zeros win no maximum over what a ReLU left, of which every window has some
        let lowest = filled == f64::NEG_INFINITY || (filled == 0.0 && source.op == Op::Relu);
        if border != [0; 4] && !lowest {
            return Err(format!(
                "the Pad before it fills with {filled}, which may be larger than what is pooled"
            ));
        }
        let window = Window { kernel, stride, dilation: [1, 1], ceil: a.int("ceil_mode", 0)? != 0 };
        let padding = window.padding(a, [source.shape.h, source.shape.w], border, false)?;
        self.pooled(x, PoolSpec { kernel, stride, padding }, |spec| Op::MaxPool2d { spec })
    }

    /// The mean of each window.
    pub(super) fn average_pool(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
    ) -> Result<Value<'a>, String> {
        let x = self.map(node, 0)?;
        let shape = self.graph.node(x.id).shape;
        let size = [shape.h, shape.w];
        let (stride, kernel) = (a.sizes("strides")?.unwrap_or([1, 1]), kernel_of(a)?);
        match a.sizes("dilations")? {
            None | Some([1, 1]) => {}
            Some(other) => return Err(format!("attribute dilations is {other:?}, only 1 is understood")),
        }
        let ceil = a.int("ceil_mode", 0)? != 0;
        let border = a.int("count_include_pad", 0)? != 0;
        let window = Window { kernel, stride, dilation: [1, 1], ceil };
        let padding = window.padding(a, size, [0; 4], true)?;
        if kernel == size && padding == [0, 0] {
            let id = self.plain(Op::GlobalAvgPool2d, &[x.id])?;
            return Ok(self.made(id, &x.layout));
        }
        if border && (padding != [0, 0] || window.overhangs(size, padding)) {
            return Err(
                "it counts the border in its means; only count_include_pad 0 is understood".to_owned()
            );
        }
        self.pooled(x, PoolSpec { kernel, stride, padding }, |spec| Op::AvgPool2d { spec, ceil })
    }

    /// Pooling; a window of one pixel takes every s-th.
    fn pooled(&mut self, x: Map, spec: PoolSpec, op: impl Fn(PoolSpec) -> Op) -> Result<Value<'a>, String> {
        let op = match spec {
            PoolSpec { kernel: [1, 1], padding: [0, 0], stride: [1, 1] } => return Ok(Value::Map(x)),
            PoolSpec { kernel: [1, 1], padding: [0, 0], stride } => {
                Op::Subsample { spec: SubsampleSpec { stride, before: 0, after: 0 } }
            }
            _ => op(spec),
        };
        let id = self.plain(op, &[x.id])?;
        Ok(self.made(id, &x.layout))
    }

    /// The mean over rows and columns, of both at once or of one after the other.
    pub(super) fn reduce_mean(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
    ) -> Result<Value<'a>, String> {
        let mut x = self.any(node, 0)?;
        let nothing = a.int("noop_with_empty_axes", 0)? != 0;
        let kept = a.int("keepdims", 1)? != 0;
        // an attribute before version 18, an input since
        let stated = self.setting(node, a, "axes", 1)?.unwrap_or_default();
        if stated.is_empty() && nothing {
            return Ok(Value::Map(x));
        }
        if x.pending != Pending::Mean {
            x = self.settle(x)?;
        }
        let mut axes = stated.iter().map(|axis| x.layout.axis(*axis)).collect::<Result<Vec<_>, _>>()?;
        axes.sort_unstable();
        axes.dedup();
        let shape = self.graph.node(x.id).shape;
        let over: Vec<usize> = axes.iter().flat_map(|axis| x.layout.parts(*axis)).copied().collect();
        if axes.is_empty() || !over.iter().all(|axis| [H, W].contains(axis)) {
            return Err(format!(
                "its axes are {stated:?}; only the mean over rows and columns is understood"
            ));
        }
        let ones = axes.len();
        for axis in axes.into_iter().rev() {
            x.layout = x.layout.averaged(axis, kept);
        }
        let left = |x: &Map| {
            (0..x.layout.rank()).any(|axis| x.layout.parts(axis).iter().any(|axis| [H, W].contains(axis)))
        };
        if left(&x) {
            x.pending = Pending::Mean;
            return Ok(Value::Map(x));
        }
        // over a map of one pixel it is nothing, but still what the file says
        if x.pending == Pending::Mean || shape.pixels() > 1 || ones > 1 {
            x.id = self.plain(Op::GlobalAvgPool2d, &[x.id])?;
            x.alone = true;
        }
        x.pending = Pending::Nothing;
        Ok(Value::Map(x))
    }
}

fn kernel_of(a: &mut Attributes<'_>) -> Result<[usize; 2], String> {
    a.sizes("kernel_shape")?.ok_or_else(|| "it has no kernel_shape".to_owned())
}
