"""One small network in many ONNX files, with what they compute: what the ONNX reader is held to.

    pip install onnx onnxruntime
    python tools/onnx_variants.py made OUT       the same said otherwise, and what has to be refused
    python tools/onnx_variants.py endless OUT    small files that would become very large

writes OUT/*.onnx and OUT/KIND.json: for each file either the logits (ONNX Runtime's on two images, one at a time, as the file
takes them) or the parts that a refusal must name. Files of PyTorch's exporters: golden_onnx_exports.py.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from onnx_nodes import INPUT, Made, images

# name: (opset, how); each is resnet20, and computes what ONNX Runtime says
SAME = {
    "plain": (17, {}),
    "opset7": (7, {"head": "squeeze-axes", "shortcut": "average"}),
    "opset8": (8, {"shortcut": "pool", "sum": "Sum", "head": "average"}),
    "opset9": (9, {"shortcut": "pool", "pads": "node", "head": "view"}),
    "opset10": (10, {"head": "index", "relu": "Clip"}),
    "opset11": (11, {"head": "squeeze", "shortcut": "concat", "identities": True}),
    "opset12": (12, {"head": "mean-mean", "bn": "affine", "constants": "nodes"}),
    "opset13": (13, {"head": "view-features", "bn": "defined", "shortcut": "two"}),
    "opset14": (14, {"head": "slice", "dense": "matmul", "relu": "Max"}),
    "opset15": (15, {"head": "gather", "pads": "split", "bn": "biased"}),
    "opset16": (16, {"head": "squeeze-axes", "pads": "less", "dense": "factors"}),
    "opset18": (18, {"head": "mean-input", "pads": "lower", "shortcut": "expand"}),
    "opset20": (20, {"head": "transposed", "nhwc": True, "weights": "transposed"}),
    "opset22": (22, {"head": "expand", "pads": "auto", "weights": "scaled", "end": "softmax"}),
    "kept": (17, {"head": "mean-kept", "weights": "split", "end": "log"}),
    "flat-mean": (17, {"head": "mean-flat", "dense": "temperature"}),
    "one": (17, {"head": "constant", "batch": 1, "bn": "folded"}),
    "one-squeezed": (17, {"head": "squeeze", "batch": 1, "dense": "matmul", "bn": "added"}),
    "for-one": (17, {"head": "constant"}),
    "conv-head": (17, {"head": "conv"}),
    "both": (17, {"end": "both"}),
    "logits": (17, {"end": "logits"}),
    "epsilon": (17, {"epsilon": 1e-3}),
    "scaled": (17, {"sum": "scaled"}),
    "unit": (17, {"prepare": "unit"}),
    "bytes": (17, {"prepare": "bytes"}),
    "uint8": (17, {"prepare": "uint8"}),
    "half": (17, {"prepare": "half"}),
    "last": (17, {"prepare": "last"}),
    "nhwc": (17, {"prepare": "nhwc"}),
    "halves": (17, {"weights": "cast"}),
    "like": (17, {"weights": "like"}),
    "double": (17, {"dtype": np.float64}),
    "float16": (17, {"dtype": np.float16}),
    "nhwc-affine": (17, {"prepare": "nhwc", "head": "transposed", "bn": "affine", "relu": "Clip", "shortcut": "concat", "sum": "Sum"}),
}

# name: (opset, how, what a refusal must say); the last four are read, and are no resnet20
REFUSED = {
    "mean-columns": (17, {"head": "mean-columns"}, ["Gemm", "mean over only one"]),
    "reversed": (17, {"head": "reversed"}, ["Gather", "in their order"]),
    "asymmetric": (17, {"pads": "asymmetric"}, ["Conv", "padding of rows is 1 before and 2 behind"]),
    "clip6": (17, {"relu": "Clip6"}, ["Clip", "above 6"]),
    "leaky": (17, {"relu": "LeakyRelu"}, ["LeakyRelu", "not understood", "ReLU"]),
    "difference": (17, {"sum": "Sub"}, ["Sub", "only sums"]),
    "crop": (17, {"shortcut": "crop"}, ["Slice", "cuts axis 2"]),
    "features": (17, {"end": "features"}, ["2 outputs", "gemm", "relu", "logits"]),
    "quantised": (17, {"end": "quantised"}, ["QuantizeLinear", "quantised"]),
    "if": (17, {"end": "if"}, ["(If)", "networks of its own"]),
    "turned": (17, {"prepare": "turned"}, ["Gather", "[2, 1, 0]"]),
    "twice": (17, {"prepare": "twice"}, ["prepared in another way"]),
    "training": (15, {"bn_attributes": {"training_mode": 1}, "bn_outputs": 3}, ["BatchNormalization", "training"]),
    "statistics": (9, {"shortcut": "pool", "bn_outputs": 5}, ["BatchNormalization", "training"]),
    "dilated": (17, {"dilation": 2}, ["its network is not resnet20"]),
    "linear": (17, {"relu": "none"}, ["its network is not resnet20"]),
    "times": (17, {"shortcut": "times"}, ["its network is not resnet20", "subsample"]),
    "sigmoid": (17, {"end": "sigmoid"}, ["its network is not resnet20", "sigmoid"]),
}


def given(how, x):
    """What a file's first steps are given, of images of bytes."""
    prepare = how.get("prepare")
    if prepare == "uint8":
        return x
    if prepare == "last":
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    if prepare in ("bytes", "half"):
        return x.astype(np.float32)
    x = x.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if prepare == "nhwc" else x


def answers(model, x):
    """Logits, or logarithms of probabilities, of images one at a time."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    kinds = {"tensor(double)": np.float64, "tensor(float16)": np.float16}
    x = x.astype(kinds.get(session.get_inputs()[0].type, x.dtype))
    names = [out.name for out in session.get_outputs()]
    wanted = "logits" if "logits" in names else names[-1]
    return np.stack([session.run([wanted], {name: one[None]})[0].reshape(-1) for one in x]).astype(np.float64)


def made(out):
    x, cases = images(), []
    for name, (opset, how) in SAME.items():
        model = Made(opset, **how).network()
        # ONNX Runtime has convolutions of 32-bit floats only, and takes the usual form of a Cast
        other = {"rounded": how["dtype"]} if "dtype" in how else {"weights": "cast"} if "like" in how.values() else None
        sound = model if other is None else Made(opset, **other).network()
        logits = answers(sound, given(how, x))
        if how.get("end") == "softmax":
            logits = np.log(logits)
        onnx.save(model, out / f"{name}.onnx")
        range_ = {"unit": 1, "bytes": 255, "uint8": 255, "last": 255, "half": 255}.get(how.get("prepare"))
        cases.append({"file": name, "logits": logits.tolist(), "prepared": range_ is not None})
    for name, (opset, how, parts) in REFUSED.items():
        onnx.save(Made(opset, **how).network(), out / f"{name}.onnx")
        cases.append({"file": name, "refused": parts})
    # weights in a file beside
    onnx.save(Made(17).network(), out / "beside.onnx", save_as_external_data=True, location="beside.onnx_data", size_threshold=0)
    cases.append({**cases[0], "file": "beside"})
    return cases


def endless(out):
    """Small files that would become very large."""
    node, cases = helper.make_node, {}
    filter_ = lambda *dims: [node("Constant", [], ["sizes"], value_ints=list(dims)), node("ConstantOfShape", ["sizes"], ["w"])]
    conv = node("Conv", ["images", "w"], ["y"])
    one = [node("Constant", [], ["c0"], value_ints=[1, 1])]
    doubled = [node("Concat", [f"c{i}"] * 2, [f"c{i + 1}"], axis=0) for i in range(1000)]
    cases["doubled"] = [*one, *doubled, node("Reshape", ["images", "c1000"], ["y"])]
    cases["filled"] = [*filter_(2**29, 3, 1, 1), conv]
    cases["wide"] = [*filter_(2**20, 0, 2**40, 2**40), node("Slice", ["w", "sizes", "sizes"], ["v"]), node("Conv", ["images", "v"], ["y"])]
    many = node("Constant", [], ["times"], value_ints=[2**40])
    cases["repeated"] = [*one, many, node("Tile", ["c0", "times"], ["c1"]), node("Reshape", ["images", "c1"], ["y"])]
    limits = [node("Constant", [], [name], value_int=value) for name, value in (("a", 0), ("b", 2**40), ("c", 1))]
    cases["counted"] = [*limits, node("Range", ["a", "b", "c"], ["i"]), node("Gather", ["images", "i"], ["y"], axis=1)]
    for name, nodes in cases.items():
        taken = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", *INPUT])
        made = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        model = helper.make_model(helper.make_graph(nodes, "g", [taken], [made]), ir_version=8)
        model.opset_import[0].version = 17
        onnx.save(model, out / f"{name}.onnx")
    return list(cases)


def main():
    kind, out = sys.argv[1], pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    cases = {"made": made, "endless": endless}[kind](out)
    (out / f"{kind}.json").write_text(json.dumps(cases, indent=1) + "\n")
    print(f"{len(cases)} files")


if __name__ == "__main__":
    main()
