#!/usr/bin/env bash
# MNN's converter installs a package that nobody asked for, on every run on which it is missing.
#
# MNN 3.6.1 (PyPI), seen 2026-11-30 on Linux with CPython 3.11. `mnnconvert` imports a client of a logging service
# (`aliyun.log`). Where that is not installed, the program runs `pip install -U aliyun-log-python-sdk`: in whatever
# environment `pip` belongs to, without a version, without asking. The package is none of MNN's declared dependencies.
# It is not needed: where the installation fails, the conversion succeeds all the same.
#
# Why it matters here: a benchmark or a check of exports that uses MNN changes its own Python environment on the first
# run, and a program for which nobody asked for a network uses one.
#
# The script puts a `pip` of its own first on the PATH. It notes how it is called and installs nothing.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet MNN==3.6.1 onnx==1.19.1 numpy==2.2.6

env/bin/python - <<'PY'
import onnx
from onnx import TensorProto, helper

image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [image], [answer])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, "relu.onnx")
PY

echo "declared dependencies of MNN 3.6.1:"
env/bin/python -c 'import importlib.metadata as m; print(m.requires("MNN"))' | tee declared.txt
mkdir noting
cat > noting/pip <<'SH'
#!/bin/sh
echo "pip $*" >> called.txt
exit 1
SH
chmod +x noting/pip

convert() { env/bin/mnnconvert -f ONNX --modelFile relu.onnx --MNNModel relu.mnn --bizCode none; }
status=0
PATH="$work/noting:$PATH" convert > said.txt 2>&1 || status=$?
echo "exit status of mnnconvert: $status"
echo "what it said last: $(tail -n 1 said.txt)"
echo "what it ran:"
cat called.txt

grep -qx 'pip install -U aliyun-log-python-sdk' called.txt
! grep -q aliyun declared.txt
[ "$status" -eq 0 ]
[ -s relu.mnn ]
echo "as described"
