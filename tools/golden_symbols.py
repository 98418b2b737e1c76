"""Networks of MXNet with their symbols, and what MXNet answers: writes crates/formats/tests/golden/symbols/.
`cargo xtask golden` runs it.

* `v1_18`, `v1_34`, `v2_18`: Gluon's own residual networks of two channels, through `export`: shortcuts before their blocks, and in
  the second version a batch norm with fixed gamma.
* `fixed`: a network of operators, through `save_checkpoint`, with what they do unless told otherwise: gamma fixed at 1 beside
  stored ones, epsilon 1e-3.

Value i of the images (rows, columns, channels) is (37 i mod 251) / 64 - 2. `logits.json` has the answers.
"""

import json
import pathlib
import tempfile

import mxnet as mx
import numpy as np
from mxnet.gluon.model_zoo.vision import BasicBlockV1, BasicBlockV2, ResNetV1, ResNetV2

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "crates/formats/tests/golden/symbols"
CHANNELS, CLASSES, SIDE, IMAGES = [2, 2, 4, 8, 16], 5, 40, 2


def images():
    count = IMAGES * SIDE * SIDE * 3
    flat = (37 * np.arange(count) % 251).astype(np.float32) / 64 - 2
    return mx.nd.array(flat.reshape(IMAGES, SIDE, SIDE, 3).transpose(0, 3, 1, 2))


def drawn(generator, name, shape):
    """Numbers as a training could have left them."""
    if name.endswith("gamma"):
        return generator.uniform(0.5, 1.5, shape)
    if name.endswith(("running_var", "moving_var")):
        return generator.uniform(0.2, 1.5, shape)
    if name.endswith("weight"):
        return generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    return generator.uniform(-0.3, 0.3, shape)


def keep(name, folder):
    """All but the longest symbol, which the tests need not have."""
    for file in sorted(folder.iterdir()):
        if file.name == "v1_34-symbol.json":
            continue
        (GOLDEN / file.name).write_bytes(file.read_bytes())
        print(name, file.name, file.stat().st_size, "bytes")


def gluon(name, net, generator):
    net.initialize()
    net.hybridize()
    net(images())
    for parameter in net.collect_params().values():
        parameter.set_data(mx.nd.array(drawn(generator, parameter.name, parameter.shape)))
    answer = net(images()).asnumpy()
    with tempfile.TemporaryDirectory() as folder:
        net.export(f"{folder}/{name}")
        keep(name, pathlib.Path(folder))
    return answer


def fixed(generator):
    def layer(x, name, channels, kernel=3, stride=1):
        pad = (kernel // 2, kernel // 2)
        x = mx.sym.Convolution(
            x, name=f"{name}_conv", num_filter=channels, kernel=(kernel, kernel), stride=(stride, stride), pad=pad, no_bias=True
        )
        return mx.sym.BatchNorm(x, name=f"{name}_bn")

    def unit(x, name, channels, stride):
        y = mx.sym.Activation(layer(x, f"{name}_a", channels, 3, stride), act_type="relu", name=f"{name}_relu")
        shortcut = layer(x, f"{name}_sc", channels, 1, stride) if stride > 1 else x
        return mx.sym.Activation(layer(y, f"{name}_b", channels) + shortcut, act_type="relu", name=f"{name}_out")

    x = mx.sym.Activation(layer(mx.sym.identity(mx.sym.Variable("data"), name="id"), "first", 4), act_type="relu", name="first_relu")
    x = unit(unit(x, "one", 4, 1), "two", 8, 2)
    x = mx.sym.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool")
    x = mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=CLASSES, name="fc")
    symbol = mx.sym.SoftmaxOutput(x, name="softmax")
    shapes, _, aux_shapes = symbol.infer_shape(data=(IMAGES, 3, SIDE, SIDE))
    fill = lambda names, shapes: {
        name: mx.nd.array(drawn(generator, name, shape))
        for name, shape in zip(names, shapes)
        if name not in ("data", "softmax_label")
    }
    arguments, auxiliary = fill(symbol.list_arguments(), shapes), fill(symbol.list_auxiliary_states(), aux_shapes)
    logits = symbol.get_internals()["fc_output"].bind(
        mx.cpu(), {**arguments, "data": images()}, aux_states=auxiliary
    )
    # a pass sets fixed gammas to 1 in place; saved is what was drawn
    stored = {name: value.copy() for name, value in arguments.items()}
    answer = logits.forward(is_train=False)[0].asnumpy()
    with tempfile.TemporaryDirectory() as folder:
        mx.model.save_checkpoint(f"{folder}/fixed", 3, symbol, stored, auxiliary)
        keep("fixed", pathlib.Path(folder))
    return answer


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(16)
    options = {"classes": CLASSES, "channels": CHANNELS}
    answers = {
        "v1_18": gluon("v1_18", ResNetV1(BasicBlockV1, [2, 2, 2, 2], **options), generator),
        "v1_34": gluon("v1_34", ResNetV1(BasicBlockV1, [3, 4, 6, 3], **options), generator),
        "v2_18": gluon("v2_18", ResNetV2(BasicBlockV2, [2, 2, 2, 2], **options), generator),
        "fixed": fixed(generator),
    }
    numbers = {name: [float(value) for value in answer.reshape(-1)] for name, answer in answers.items()}
    (GOLDEN / "logits.json").write_text(json.dumps(numbers) + "\n")


if __name__ == "__main__":
    main()
