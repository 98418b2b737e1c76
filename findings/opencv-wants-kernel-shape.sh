#!/usr/bin/env bash
# OpenCV refuses a valid ONNX convolution that leaves out the optional attribute kernel_shape.
#
# opencv-python-headless 4.12.0.88 (PyPI), seen 2026-11-30 on Linux x86-64 with CPython 3.11. In ONNX, kernel_shape of
# Conv is optional: "if not present, should be inferred from input W". cv2.dnn.readNetFromONNX does not infer it and
# refuses the model, although W is an initializer. The checker of onnx 1.19.1 takes the model and onnxruntime 1.23.2
# computes it. With the attribute, OpenCV computes the same values.
# The error names kernel_size, kernel_h and kernel_w, none of which are attributes of ONNX.
#
# Why it matters here: an exporter whose files OpenCV should read has to write kernel_shape, which nothing but a run of
# OpenCV tells.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet opencv-python-headless==4.12.0.88 onnx==1.19.1 onnxruntime==1.23.2 numpy==2.2.6

env/bin/python - 2> log.txt <<'PY'
import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

print("cv2", cv2.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
random = np.random.default_rng(1)
weight = random.standard_normal((4, 3, 3, 3)).astype(np.float32)
picture = random.standard_normal((1, 3, 8, 8)).astype(np.float32)


def save(name, **attributes):
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[1, 1], pads=[1, 1, 1, 1], **attributes)
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])
    graph = helper.make_graph([node], "conv", [image], [answer], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, name)


def by_onnxruntime(name):
    return onnxruntime.InferenceSession(name, providers=["CPUExecutionProvider"]).run(None, {"x": picture})[0]


save("with.onnx", kernel_shape=[3, 3])
save("without.onnx")
expected = by_onnxruntime("with.onnx")
assert np.array_equal(by_onnxruntime("without.onnx"), expected)
print("onnx's checker and onnxruntime: take both models, equal values")

net = cv2.dnn.readNetFromONNX("with.onnx")
net.setInput(picture)
apart = float(np.abs(net.forward() - expected).max())
print(f"OpenCV, with kernel_shape: largest difference from onnxruntime {apart:.1e}")
assert apart < 1e-4
try:
    net = cv2.dnn.readNetFromONNX("without.onnx")
except cv2.error as error:
    reason = "kernel_size (or kernel_h and kernel_w) not specified"
    assert reason in str(error), error
    print("OpenCV, without kernel_shape: refused:", reason)
else:
    raise SystemExit("OpenCV, without kernel_shape: read")
PY
echo "as described"
