"""A small network as an ONNX file, node by node, in many ways of saying it; `onnx_variants.py` says which.

It is resnet20 (option A) of plusx's zoo with four channels and one unit for each of two stages, weights at random.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import made_up

INPUT = (3, 20, 18)
CLASSES = 5
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def images():
    """As channels, rows, columns."""
    c, h, w = INPUT
    return np.ascontiguousarray(made_up.pixels(2, h, w, c).transpose(0, 3, 1, 2))


class Made:
    """A network node by node; `how` says what is said otherwise."""

    def __init__(self, opset, **how):
        self.opset, self.how = opset, how
        self.rng = np.random.default_rng(5)
        self.nodes, self.tensors, self.count = [], [], 0

    def get(self, key, default=None):
        return self.how.get(key, default)

    def name(self, what):
        self.count += 1
        return f"{what}_{self.count}"

    def const(self, value, what="c"):
        value = np.asarray(value)
        if value.dtype == np.float64:
            value = value.astype(self.get("dtype", np.float32))
            if self.get("rounded") is not None:
                value = value.astype(self.get("rounded")).astype(np.float32)
        name = self.name(what)
        if self.get("constants") == "nodes":
            self.nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value, name)))
        else:
            self.tensors.append(numpy_helper.from_array(value, name))
        return name

    def ints(self, *values):
        return self.const(np.array(values, dtype=np.int64), "i")

    def node(self, op, inputs, outputs=1, **attributes):
        names = [self.name(op.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, self.name("n"), **attributes))
        if self.get("identities") and outputs == 1:
            # a copy behind every node
            names[0] = self.name("same")
            self.nodes.append(helper.make_node("Identity", [self.nodes[-1].output[0]], [names[0]]))
        return names[0]

    def draw(self, *dims):
        return self.rng.uniform(-0.5, 0.5, dims)

    def conv(self, x, out, kernel, stride=1):
        w = self.draw(out, x[1], kernel, kernel)
        b = self.draw(out)
        how = self.get("pads", "pads")
        p = kernel // 2
        a = {"strides": [stride, stride], "dilations": [self.get("dilation", 1)] * 2}
        if self.get("dilation", 1) > 1:
            p *= self.get("dilation")
        name = x[0]
        if p and how == "node":
            name = self.pad(name, [0, 0, p, p, 0, 0, p, p])
        elif p and how == "split":
            # part of it in a node of its own
            name = self.pad(name, [0, 0, p, 0, 0, 0, p, 0])
            a["pads"] = [0, p, 0, p]
        elif how == "auto" and stride == 1:
            a["auto_pad"] = "SAME_UPPER"
        elif how == "lower":
            a["auto_pad"] = "SAME_LOWER"
        elif how == "less" and stride == 2:
            # even sizes: what is added behind is never read
            a["pads"] = [p, p, 0, 0]
        elif how == "asymmetric":
            a["pads"] = [p, p, p + 1, p + 1]
        else:
            a["pads"] = [p, p, p, p]
        weight = self.weight(w)
        if self.get("bn") == "folded":
            y = self.node("Conv", [name, weight, self.const(b)], **a)
            return (y, out)
        if self.get("bn") == "biased":
            y = self.node("Conv", [name, weight, self.const(b)], **a)
        elif self.get("bn") == "added":
            y = self.node("Conv", [name, weight], **a)
            y = self.node("Add", [self.const(b.reshape(out, 1, 1)), y])
            return (y, out)
        else:
            y = self.node("Conv", [name, weight], **a)
        return (self.norm(y, out), out)

    def weight(self, w):
        how = self.get("weights")
        if how == "transposed":
            return self.node("Transpose", [self.const(w.transpose(1, 0, 3, 2))], perm=[1, 0, 3, 2])
        if how == "like":
            return self.node("CastLike", [self.const(w.astype(np.float16)), self.const(np.zeros(1))])
        if how == "cast":
            return self.node("Cast", [self.const(w.astype(np.float16))], to=TensorProto.FLOAT)
        if how == "scaled":
            return self.node("Mul", [self.const(w * 2), self.const(0.5 * np.ones(1))])
        if how == "split":
            parts = self.node("Split", [self.const(np.concatenate([w, w]))], 2, axis=0)
            return parts
        return self.const(w, "w")

    def norm(self, y, c):
        gamma, beta, mean = self.draw(c) + 1, self.draw(c), self.draw(c)
        var, eps = self.draw(c) + 1, self.get("epsilon", 1e-5)
        how = self.get("bn", "node")
        if how in ("node", "biased"):
            inputs = [y] + [self.const(v) for v in (gamma, beta, mean, var)]
            more = self.get("bn_attributes", {})
            return self.node("BatchNormalization", inputs, self.get("bn_outputs", 1), epsilon=eps, **more)
        column = lambda v: self.const(v.reshape(1, c, 1, 1))
        scale = gamma / np.sqrt(var + eps)
        if how == "affine":
            return self.node("Add", [self.node("Mul", [y, column(scale)]), column(beta - mean * scale)])
        # as it is defined
        y = self.node("Sub", [y, column(mean)])
        root = self.node("Sqrt", [self.node("Add", [column(var), self.const(np.array(eps))])])
        y = self.node("Div", [y, root])
        return self.node("Add", [self.node("Mul", [y, column(gamma)]), column(beta)])

    def relu(self, x):
        how = self.get("relu", "Relu")
        if how == "Clip" and self.opset >= 11:
            y = self.node("Clip", [x[0], self.const(np.array(0.0))])
        elif how == "Clip":
            y = self.node("Clip", [x[0]], min=0.0)
        elif how == "Clip6":
            y = self.node("Clip", [x[0], self.const(np.array(0.0)), self.const(np.array(6.0))])
        elif how == "Max":
            y = self.node("Max", [self.const(np.zeros(1)), x[0]])
        elif how == "none":
            y = self.node("Identity", [x[0]])
        elif how == "LeakyRelu":
            y = self.node("LeakyRelu", [x[0]], alpha=0.1)
        else:
            y = self.node(how, [x[0]])
        return (y, x[1])

    def pad(self, x, pads, value=0.0):
        if self.opset < 11:
            return self.node("Pad", [x], pads=pads, value=value)
        return self.node("Pad", [x, self.ints(*pads), self.const(np.array(value))], mode="constant")

    def slice(self, x, starts, ends, axes, steps):
        return self.node("Slice", [x, self.ints(*starts), self.ints(*ends), self.ints(*axes), self.ints(*steps)])

    def shortcut(self, x, out):
        inner, how = x[1], self.get("shortcut", "pad")
        big = 2**63 - 1
        before = (out - inner) // 2
        if how == "pool":
            y = self.node("MaxPool", [x[0]], kernel_shape=[1, 1], strides=[2, 2])
        elif how == "average":
            y = self.node("AveragePool", [x[0]], kernel_shape=[1, 1], strides=[2, 2])
        elif how == "two":
            y = self.slice(self.slice(x[0], [0], [big], [-2], [2]), [-100], [1000], [3], [2])
        elif how == "crop":
            y = self.slice(x[0], [1, 0], [big, big], [2, 3], [2, 2])
        else:
            y = self.slice(x[0], [0, 0], [big, big], [2, 3], [2, 2])
        if how == "times":
            # twice the channels, the second half of them zeros
            zeros = self.node("Mul", [y, self.const(np.array(0.0))])
            y = self.node("Concat", [y, zeros], axis=1)
        elif how == "concat":
            zeros = self.zeros(y, before)
            y = self.node("Concat", [zeros, y, zeros], axis=1)
        elif how == "expand":
            zeros = self.node("Expand", [self.const(np.zeros((1, 1, 1, 1))), self.sized(y, before)])
            y = self.node("Concat", [zeros, y, zeros], axis=-3)
        else:
            y = self.pad(y, [0, before, 0, 0, 0, before, 0, 0])
        return (y, out)

    def sized(self, y, channels):
        """The sizes of a value, with so many channels."""
        shape = self.node("Shape", [y])
        first = self.node("Gather", [shape, self.ints(0)])
        rest = self.slice(shape, [2], [2**31], [0], [1])
        return self.node("Concat", [first, self.ints(channels), rest], axis=0)

    def zeros(self, y, channels):
        return self.node("ConstantOfShape", [self.sized(y, channels)])

    def add(self, x, y):
        if self.get("sum") == "Sum":
            return (self.node("Sum", [x[0], y[0]]), x[1])
        if self.get("sum") == "Sub":
            return (self.node("Sub", [x[0], y[0]]), x[1])
        if self.get("sum") == "scaled":
            half = self.node("Mul", [x[0], self.const(np.array(0.5))])
            return (self.node("Add", [half, y[0]]), x[1])
        return (self.node("Add", [y[0], x[0]]), x[1])

    def unit(self, x, out, stride):
        y = self.relu(self.conv(x, out, 3, stride))
        y = self.conv(y, out, 3)
        short = self.shortcut(x, out) if stride > 1 else x
        return self.relu(self.add(y, short))

    def head(self, x):
        how, c = self.get("head", "flatten"), x[1]
        y, size = x[0], [INPUT[1] // 2, INPUT[2] // 2]
        if how == "mean-mean":
            y = self.node("ReduceMean", [self.node("ReduceMean", [y], axes=[3], keepdims=0)], axes=[-1], keepdims=0)
        elif how == "mean-kept":
            y = self.node("ReduceMean", [self.node("ReduceMean", [y], axes=[-1], keepdims=1)], axes=[2], keepdims=0)
            y = self.node("Flatten", [y])
        elif how == "mean-input":
            y = self.node("ReduceMean", [y, self.ints(2, 3)], keepdims=0)
        elif how == "mean-flat":
            y = self.node("ReduceMean", [self.node("Reshape", [y, self.ints(0, 0, -1)])], axes=[2], keepdims=0)
        elif how == "mean-columns":
            y = self.node("Flatten", [self.node("ReduceMean", [y], axes=[3], keepdims=0)])
        else:
            if how == "average":
                y = self.node("AveragePool", [y], kernel_shape=size)
            else:
                y = self.node("GlobalAveragePool", [y])
            if how == "squeeze":
                y = self.node("Squeeze", [y])
            elif how == "squeeze-axes" and self.opset < 13:
                y = self.node("Squeeze", [self.node("Squeeze", [y], axes=[3])], axes=[2])
            elif how == "squeeze-axes":
                y = self.node("Squeeze", [y, self.ints(2, -1)])
            elif how == "index":
                zero = self.const(np.array(0, dtype=np.int64))
                y = self.node("Gather", [self.node("Gather", [y, zero], axis=3), zero], axis=2)
            elif how == "slice":
                y = self.node("Flatten", [self.slice(y, [0, 0], [1, 1], [2, 3], [1, 1])])
            elif how == "gather":
                many = self.node("Range", [self.const(np.array(v, dtype=np.int64)) for v in (0, c, 1)])
                y = self.node("Flatten", [self.node("Gather", [y, many], axis=1)])
            elif how == "reversed":
                many = self.const(np.arange(c)[::-1].astype(np.int64))
                y = self.node("Flatten", [self.node("Gather", [y, many], axis=1)])
            elif how == "view":
                batch = self.node("Gather", [self.node("Shape", [y]), self.const(np.array(0, dtype=np.int64))], axis=0)
                batch = self.unsqueeze(batch)
                y = self.node("Reshape", [y, self.node("Concat", [batch, self.ints(-1)], axis=0)])
            elif how == "view-features":
                shape = self.node("Shape", [y])
                count = self.node("ReduceProd", [self.slice(shape, [1], [2**31], [0], [1])], keepdims=1)
                y = self.node("Reshape", [y, self.node("Concat", [self.ints(-1), count], axis=0)])
            elif how == "constant":
                y = self.node("Reshape", [y, self.ints(self.get("batch", 1), c)])
            elif how == "transposed":
                y = self.node("Transpose", [y], perm=[0, 2, 3, 1])
                y = self.node("Reshape", [y, self.ints(-1, c)])
            elif how == "expand":
                y = self.node("Expand", [y, self.ints(1, c, 1, 1)])
                y = self.node("Flatten", [self.node("Dropout", [y])])
            elif how == "conv":
                pass
            else:
                y = self.node("Flatten", [y], axis=1)
        return self.dense(y, c)

    def unsqueeze(self, x):
        return self.node("Unsqueeze", [x], axes=[0]) if self.opset < 13 else self.node("Unsqueeze", [x, self.ints(0)])

    def dense(self, y, c):
        w, b, how = self.draw(CLASSES, c), self.draw(CLASSES), self.get("dense", "gemm")
        if self.get("head") == "conv":
            y = self.node("Conv", [y, self.const(w.reshape(CLASSES, c, 1, 1)), self.const(b)], kernel_shape=[1, 1])
            return self.node("Flatten", [y])
        if how == "matmul":
            y = self.node("MatMul", [y, self.node("Transpose", [self.const(w)])])
            return self.node("Add", [y, self.const(b)])
        if how == "factors":
            return self.node("Gemm", [y, self.const(w.T * 2), self.const(b * 4)], alpha=0.5, beta=0.25)
        if how == "temperature":
            y = self.node("Gemm", [y, self.const(w), self.const(b)], transB=1)
            return self.node("Div", [y, self.const(np.array(1.5))])
        return self.node("Gemm", [y, self.const(w), self.const(b)], transB=1)

    def prepare(self, x):
        how, column = self.get("prepare"), lambda v: self.const(np.array(v, dtype=np.float64).reshape(1, 3, 1, 1))
        if how == "unit":
            x = self.node("Div", [self.node("Sub", [x, column(MEAN)]), column(STD)])
        elif how == "bytes":
            x = self.node("Div", [x, self.const(np.array(255.0))])
            x = self.node("Div", [self.node("Sub", [x, column(MEAN)]), column(STD)])
        elif how == "uint8":
            x = self.node("Cast", [x], to=TensorProto.FLOAT)
            x = self.node("Mul", [x, column([1 / 255 / s for s in STD])])
            x = self.node("Add", [column([-m / s for m, s in zip(MEAN, STD)]), x])
        elif how == "half":
            x = self.node("Sub", [self.node("Div", [x, self.const(np.array(127.5))]), self.const(np.array(1.0))])
        elif how == "last":
            x = self.node("Cast", [x], to=TensorProto.FLOAT)
            x = self.node("Div", [x, self.const(np.array([255.0] * 3))])
            x = self.node("Sub", [x, self.const(np.array(MEAN))])
            x = self.node("Transpose", [x], perm=[0, 3, 1, 2])
            x = self.node("Div", [x, column(STD)])
        elif how == "nhwc":
            x = self.node("Transpose", [x], perm=[0, 3, 1, 2])
        elif how == "turned":
            x = self.node("Gather", [x, self.ints(2, 1, 0)], axis=1)
        elif how == "twice":
            y = self.node("Sub", [x, column(MEAN)])
            # the images again, prepared otherwise
            return self.node("Add", [self.node("Relu", [y]), self.node("Relu", [x])])
        return x

    def network(self):
        last, kind = self.get("prepare") in ("last", "nhwc"), TensorProto.FLOAT
        if self.get("prepare") in ("uint8", "last"):
            kind = TensorProto.UINT8
        if self.get("dtype") is not None:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.get("dtype")))
        batch = self.get("batch", "batch")
        sizes = [*INPUT[1:], INPUT[0]] if last else list(INPUT)
        taken = helper.make_tensor_value_info("images", kind, [batch, *sizes])
        x = self.prepare("images")
        x = self.relu(self.conv((x, 3), 4, 3))
        if self.get("nhwc"):
            # to and fro, with work in between
            y = self.node("Relu", [self.node("Transpose", [x[0]], perm=[0, 2, 3, 1])])
            x = (self.node("Transpose", [y], perm=[0, 3, 1, 2]), x[1])
        x = self.unit(x, 4, 1)
        x = self.unit(x, 8, 2)
        y = self.head(x)
        outputs = [y]
        end = self.get("end")
        if end == "softmax":
            outputs = [self.node("Softmax", [y], axis=1)]
        elif end == "log":
            outputs = [self.node("LogSoftmax", [y], axis=-1)]
        elif end == "both":
            outputs = [self.node("Softmax", [y], axis=1), y]
        elif end == "features":
            outputs = [y, x[0]]
        elif end == "logits":
            self.nodes.append(helper.make_node("Identity", [y], ["logits"]))
            outputs = [x[0], "logits"]
        elif end == "sigmoid":
            outputs = [self.node("Sigmoid", [y])]
        elif end == "quantised":
            q = self.node("QuantizeLinear", [y, self.const(np.array(0.1)), self.const(np.array(0, dtype=np.uint8))])
            outputs = [self.node("DequantizeLinear", [q, self.const(np.array(0.1)), self.const(np.array(0, dtype=np.uint8))])]
        elif end == "if":
            outputs = [self.branch(y)]
        made = kind if self.get("dtype") is not None else TensorProto.FLOAT
        outs = [helper.make_tensor_value_info(o, made, None) for o in outputs]
        more = []
        if self.opset <= 8:
            more = [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in self.tensors]
        graph = helper.make_graph(self.nodes, "g", [taken, *more], outs, self.tensors)
        ir = {7: 3, 8: 3, 9: 4, 10: 5}.get(self.opset, 8)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="tools/golden_onnx_variants.py")

    def branch(self, y):
        out = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
        same = lambda: helper.make_graph([helper.make_node("Identity", [y], ["b"])], "b", [], [out])
        yes = self.const(np.array(True))
        return self.node("If", [yes], then_branch=same(), else_branch=same())
