#!/usr/bin/env bash
# MXNet's BatchNorm computes with a gamma of 1 by default, but saves the gamma that it does not use.
#
# mxnet 1.9.1 (PyPI, the last release) with numpy 1.23.5, seen 2026-11-30 on Linux x86-64 with CPython 3.11. The default
# of `mx.sym.BatchNorm` is fix_gamma=True: a forward pass takes gamma as 1, whatever its array holds. A gamma of 0.5 that
# was set stays in arg_params, and save_checkpoint writes it to the .params file. Only the attribute in the symbol
# (the .json file) tells that the value is not in use, and there it is left out where it was left at its default.
#
# Why it matters here: a converter that reads the .params file alone scales each channel by a number that MXNet never
# used. It has to read the symbol, and to know that a missing fix_gamma means true.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet mxnet==1.9.1 numpy==1.23.5

env/bin/python - 2> log.txt <<'PY'
import json

import mxnet as mx
import numpy as np

print("mxnet", mx.__version__, "numpy", np.__version__)
values = np.random.default_rng(1).standard_normal((2, 3, 4, 4)).astype(np.float32)


def run(prefix, **options):
    """What a network of one BatchNorm with gamma 0.5 computes, and the gamma and the symbol in its checkpoint."""
    net = mx.sym.BatchNorm(mx.sym.Variable("data"), name="bn", eps=1e-5, **options)
    module = mx.mod.Module(net, data_names=["data"], label_names=None, context=mx.cpu())
    module.bind([("data", values.shape)], for_training=False)
    module.init_params(
        arg_params={"bn_gamma": mx.nd.full(3, 0.5), "bn_beta": mx.nd.zeros(3)},
        aux_params={"bn_moving_mean": mx.nd.zeros(3), "bn_moving_var": mx.nd.ones(3)},
    )
    module.forward(mx.io.DataBatch([mx.nd.array(values)]), is_train=False)
    answer = module.get_outputs()[0].asnumpy()
    module.save_checkpoint(prefix, 0)
    saved = mx.nd.load(prefix + "-0000.params")["arg:bn_gamma"].asnumpy()
    node = [n for n in json.load(open(prefix + "-symbol.json"))["nodes"] if n["op"] == "BatchNorm"][0]
    scale = float(np.median(answer / values))
    print(f"{prefix}: computed with gamma {scale:.3f}, saved {saved.tolist()}, symbol says {node.get('attrs')}")
    assert np.allclose(answer, scale * values, atol=1e-5)
    return scale, saved.tolist(), node.get("attrs", {})


scale, saved, attributes = run("default")
assert abs(scale - 1) < 1e-3 and saved == [0.5] * 3 and "fix_gamma" not in attributes
scale, saved, _ = run("free", fix_gamma=False)
assert abs(scale - 0.5) < 1e-3 and saved == [0.5] * 3
PY
echo "as described"
