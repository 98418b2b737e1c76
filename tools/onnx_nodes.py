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
        (name, inner), how, bn = x, self.get("pads"), self.get("bn")
        w, b, dilation = self.draw(out, inner, kernel, kernel), self.draw(out), self.get("dilation", 1)
        p = kernel // 2 * dilation
        a = {"strides": [stride, stride], "dilations": [dilation, dilation]}
        if how == "node":
            name = self.pad(name, [0, 0, p, p, 0, 0, p, p])
        elif how == "split":
            # part of it in a node of its own
            name = self.pad(name, [0, 0, p, 0, 0, 0, p, 0])
            a["pads"] = [0, p, 0, p]
        elif how == "lower" or how == "auto" and stride == 1:
            a["auto_pad"] = {"lower": "SAME_LOWER", "auto": "SAME_UPPER"}[how]
        else:
            # even sizes: what is added behind is never read
            behind = 0 if how == "less" and stride == 2 else p + (how == "asymmetric")
            a["pads"] = [p, p, behind, behind]
        weight = self.weight(w)
        bias = [self.const(b)] if bn in ("folded", "biased") else []
        y = self.node("Conv", [name, weight, *bias], **a)
        if bn == "folded":
            return (y, out)
        if bn == "added":
            return (self.node("Add", [self.const(b.reshape(out, 1, 1)), y]), out)
        return (self.norm(y, out), out)

    def weight(self, w):
        half = lambda: self.const(w.astype(np.float16))
        return {
            None: lambda: self.const(w, "w"),
            "transposed": lambda: self.node("Transpose", [self.const(w.transpose(1, 0, 3, 2))], perm=[1, 0, 3, 2]),
            "like": lambda: self.node("CastLike", [half(), self.const(np.zeros(1))]),
            "cast": lambda: self.node("Cast", [half()], to=TensorProto.FLOAT),
            "scaled": lambda: self.node("Mul", [self.const(w * 2), self.const(0.5 * np.ones(1))]),
            "split": lambda: self.node("Split", [self.const(np.concatenate([w, w]))], 2, axis=0),
        }[self.get("weights")]()

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
        root = self.node("Sqrt", [self.node("Add", [column(var), self.const(eps)])])
        y = self.node("Div", [y, root])
        return self.node("Add", [self.node("Mul", [y, column(gamma)]), column(beta)])

    def relu(self, x):
        old = self.opset < 11
        y = {
            "Relu": lambda x: self.node("Relu", [x]),
            "Clip": lambda x: self.node("Clip", [x], min=0.0) if old else self.node("Clip", [x, self.const(0.0)]),
            "Clip6": lambda x: self.node("Clip", [x, self.const(0.0), self.const(6.0)]),
            "Max": lambda x: self.node("Max", [self.const(np.zeros(1)), x]),
            "none": lambda x: self.node("Identity", [x]),
            "LeakyRelu": lambda x: self.node("LeakyRelu", [x], alpha=0.1),
        }[self.get("relu", "Relu")](x[0])
        return (y, x[1])

    def pad(self, x, pads):
        if self.opset < 11:
            return self.node("Pad", [x], pads=pads, value=0.0)
        return self.node("Pad", [x, self.ints(*pads), self.const(0.0)], mode="constant")

    def slice(self, x, starts, ends, axes, steps):
        return self.node("Slice", [x, self.ints(*starts), self.ints(*ends), self.ints(*axes), self.ints(*steps)])

    def shortcut(self, x, out):
        (x, inner), how, big = x, self.get("shortcut"), 2**63 - 1
        before = (out - inner) // 2
        every_second = lambda start: self.slice(x, [start, 0], [big, big], [2, 3], [2, 2])
        y = {
            "pool": lambda: self.node("MaxPool", [x], kernel_shape=[1, 1], strides=[2, 2]),
            "average": lambda: self.node("AveragePool", [x], kernel_shape=[1, 1], strides=[2, 2]),
            "two": lambda: self.slice(self.slice(x, [0], [big], [-2], [2]), [-100], [1000], [3], [2]),
            "crop": lambda: every_second(1),
        }.get(how, lambda: every_second(0))()
        if how == "times":
            # twice the channels, the second half of them zeros
            return (self.node("Concat", [y, self.node("Mul", [y, self.const(0.0)])], axis=1), out)
        if how == "concat":
            zeros = self.node("ConstantOfShape", [self.sized(y, before)])
            return (self.node("Concat", [zeros, y, zeros], axis=1), out)
        if how == "expand":
            zeros = self.node("Expand", [self.const(np.zeros((1, 1, 1, 1))), self.sized(y, before)])
            return (self.node("Concat", [zeros, y, zeros], axis=-3), out)
        return (self.pad(y, [0, before, 0, 0, 0, before, 0, 0]), out)

    def sized(self, y, channels):
        """The sizes of a value, with so many channels."""
        shape = self.node("Shape", [y])
        first = self.node("Gather", [shape, self.ints(0)])
        rest = self.slice(shape, [2], [2**31], [0], [1])
        return self.node("Concat", [first, self.ints(channels), rest], axis=0)

    def add(self, x, y):
        how = self.get("sum", "Add")
        if how == "scaled":
            return (self.node("Add", [self.node("Mul", [x[0], self.const(0.5)]), y[0]]), x[1])
        return (self.node(how, [y[0], x[0]] if how == "Add" else [x[0], y[0]]), x[1])

    def unit(self, x, out, stride):
        y = self.relu(self.conv(x, out, 3, stride))
        y = self.conv(y, out, 3)
        short = self.shortcut(x, out) if stride > 1 else x
        return self.relu(self.add(y, short))

    def means(self, y):
        """Heads that take means over the map by themselves."""
        mean = lambda y, axes, keep=0: self.node("ReduceMean", [y], axes=axes, keepdims=keep)
        return {
            "mean-mean": lambda: mean(mean(y, [3]), [-1]),
            "mean-kept": lambda: self.node("Flatten", [mean(mean(y, [-1], 1), [2])]),
            "mean-input": lambda: self.node("ReduceMean", [y, self.ints(2, 3)], keepdims=0),
            "mean-flat": lambda: mean(self.node("Reshape", [y, self.ints(0, 0, -1)]), [2]),
            "mean-columns": lambda: self.node("Flatten", [mean(y, [3])]),
        }.get(self.get("head"))

    def flat(self, y, c):
        """What stands behind a pooling."""
        flatten = lambda y: self.node("Flatten", [y])
        joined = lambda *parts: self.node("Concat", list(parts), axis=0)
        gather = lambda y, at, axis: self.node("Gather", [y, at], axis=axis)

        def squeezed():
            if self.opset < 13:
                return self.node("Squeeze", [self.node("Squeeze", [y], axes=[3])], axes=[2])
            return self.node("Squeeze", [y, self.ints(2, -1)])

        def index():
            zero = self.const(0)
            return gather(gather(y, zero, 3), zero, 2)

        def view():
            batch = gather(self.node("Shape", [y]), self.const(0), 0)
            old = self.opset < 13
            batch = self.node("Unsqueeze", [batch], axes=[0]) if old else self.node("Unsqueeze", [batch, self.ints(0)])
            return self.node("Reshape", [y, joined(batch, self.ints(-1))])

        def features():
            shape = self.node("Shape", [y])
            count = self.node("ReduceProd", [self.slice(shape, [1], [2**31], [0], [1])], keepdims=1)
            return self.node("Reshape", [y, joined(self.ints(-1), count)])

        return {
            "squeeze": lambda: self.node("Squeeze", [y]),
            "squeeze-axes": squeezed,
            "index": index,
            "slice": lambda: flatten(self.slice(y, [0, 0], [1, 1], [2, 3], [1, 1])),
            "gather": lambda: flatten(gather(y, self.node("Range", [self.const(v) for v in (0, c, 1)]), 1)),
            "reversed": lambda: flatten(gather(y, self.const(np.arange(c)[::-1].astype(np.int64)), 1)),
            "view": view,
            "view-features": features,
            "constant": lambda: self.node("Reshape", [y, self.ints(self.get("batch", 1), c)]),
            "transposed": lambda: self.node("Reshape", [self.node("Transpose", [y], perm=[0, 2, 3, 1]), self.ints(-1, c)]),
            "expand": lambda: flatten(self.node("Dropout", [self.node("Expand", [y, self.ints(1, c, 1, 1)])])),
            "conv": lambda: y,
        }.get(self.get("head"), lambda: self.node("Flatten", [y], axis=1))()

    def head(self, x):
        y, c = x
        if (means := self.means(y)) is not None:
            return self.dense(means(), c)
        if self.get("head") == "average":
            y = self.node("AveragePool", [y], kernel_shape=[INPUT[1] // 2, INPUT[2] // 2])
        else:
            y = self.node("GlobalAveragePool", [y])
        return self.dense(self.flat(y, c), c)

    def dense(self, y, c):
        w, b, how = self.draw(CLASSES, c), self.draw(CLASSES), self.get("dense")
        if self.get("head") == "conv":
            y = self.node("Conv", [y, self.const(w.reshape(CLASSES, c, 1, 1)), self.const(b)], kernel_shape=[1, 1])
            return self.node("Flatten", [y])
        if how == "matmul":
            y = self.node("MatMul", [y, self.node("Transpose", [self.const(w)])])
            return self.node("Add", [y, self.const(b)])
        if how == "factors":
            return self.node("Gemm", [y, self.const(w.T * 2), self.const(b * 4)], alpha=0.5, beta=0.25)
        y = self.node("Gemm", [y, self.const(w), self.const(b)], transB=1)
        return self.node("Div", [y, self.const(1.5)]) if how == "temperature" else y

    def prepare(self, x):
        """What stands before the network; of `twice`, the images are prepared again in another way."""
        column = lambda v: self.const(np.array(v, dtype=np.float64).reshape(1, 3, 1, 1))
        two = lambda op: lambda x, y: self.node(op, [x, y])
        sub, div, mul, add = two("Sub"), two("Div"), two("Mul"), two("Add")
        floats = lambda x: self.node("Cast", [x], to=TensorProto.FLOAT)
        turn = lambda x: self.node("Transpose", [x], perm=[0, 3, 1, 2])
        relu = lambda x: self.node("Relu", [x])
        unit = lambda x: div(sub(x, column(MEAN)), column(STD))

        def scaled(x):
            x = mul(floats(x), column([1 / 255 / s for s in STD]))
            return add(column([-m / s for m, s in zip(MEAN, STD)]), x)

        return {
            None: lambda x: x,
            "unit": unit,
            "bytes": lambda x: unit(div(x, self.const(255.0))),
            "uint8": scaled,
            "half": lambda x: sub(div(x, self.const(127.5)), self.const(1.0)),
            "last": lambda x: div(turn(sub(div(floats(x), self.const([255.0] * 3)), self.const(MEAN))), column(STD)),
            "nhwc": turn,
            "turned": lambda x: self.node("Gather", [x, self.ints(2, 1, 0)], axis=1),
            "twice": lambda x: add(relu(sub(x, column(MEAN))), relu(x)),
        }[self.get("prepare")](x)

    def end(self, y, x):
        """The outputs, of the logits and of what the units give."""
        tenth, zero = lambda: self.const(0.1), lambda: self.const(np.uint8(0))
        return {
            None: lambda: [y],
            "softmax": lambda: [self.node("Softmax", [y], axis=1)],
            "log": lambda: [self.node("LogSoftmax", [y], axis=-1)],
            "both": lambda: [self.node("Softmax", [y], axis=1), y],
            "features": lambda: [y, x],
            "logits": lambda: self.nodes.append(helper.make_node("Identity", [y], ["logits"])) or [x, "logits"],
            "sigmoid": lambda: [self.node("Sigmoid", [y])],
            "quantised": lambda: [
                self.node("DequantizeLinear", [self.node("QuantizeLinear", [y, tenth(), zero()]), tenth(), zero()])
            ],
            "if": lambda: [self.branch(y)],
        }[self.get("end")]()

    def network(self):
        prepare, kind, dtype = self.get("prepare"), TensorProto.FLOAT, self.get("dtype")
        if prepare in ("uint8", "last"):
            kind = TensorProto.UINT8
        if dtype is not None:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        sizes = [*INPUT[1:], INPUT[0]] if prepare in ("last", "nhwc") else INPUT
        taken = helper.make_tensor_value_info("images", kind, [self.get("batch", "batch"), *sizes])
        x = self.relu(self.conv((self.prepare("images"), 3), 4, 3))
        if self.get("nhwc"):
            # to and fro, with work in between
            y = self.node("Relu", [self.node("Transpose", [x[0]], perm=[0, 2, 3, 1])])
            x = (self.node("Transpose", [y], perm=[0, 3, 1, 2]), x[1])
        x = self.unit(self.unit(x, 4, 1), 8, 2)
        made = kind if dtype is not None else TensorProto.FLOAT
        outs = [helper.make_tensor_value_info(out, made, None) for out in self.end(self.head(x), x[0])]
        more = []
        if self.opset <= 8:
            more = [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in self.tensors]
        graph = helper.make_graph(self.nodes, "g", [taken, *more], outs, self.tensors)
        ir = {7: 3, 8: 3, 9: 4, 10: 5}.get(self.opset, 8)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="tools/onnx_variants.py")

    def branch(self, y):
        out = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
        same = lambda: helper.make_graph([helper.make_node("Identity", [y], ["b"])], "b", [], [out])
        return self.node("If", [self.const(True)], then_branch=same(), else_branch=same())
