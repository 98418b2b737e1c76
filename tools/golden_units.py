"""Golden data of units and stems, made with PyTorch in f64: writes tests/golden/unit-*.json.
`cargo xtask golden` runs it; `--only NAME` makes one of them.

Six networks of two stages with one unit each and few channels. What is stored, which errors stand beside it and how
images are chosen is told in golden.py, whose generator of networks this one extends: here for one training step only, with
fewer samples.

* `unit-grouped`: bottlenecks whose 3x3 convolution has groups, as in ResNeXt;
* `unit-pooled`: the deep stem and pooled shortcuts of ResNet-D;
* `unit-padded`: shortcuts without parameters, on pictures as small as CIFAR's;
* `unit-preact`: pre-activation behind a batch norm of the images;
* `unit-squeezed`: squeeze-and-excitation (Hu et al. 2018), whose maps are multiplied by a number for each channel;
* `unit-dense`: DenseNet's block (Huang et al. 2017), whose maps lie beside each other, of 12 channels each.

Requirements: Python 3.10 or newer, numpy, torch 1.13 or newer.
"""

import argparse
import json
import pathlib

import torch
import torch.nn.functional as F

import golden
import philox
from golden import CLASSES, CLEAR, FIRST_INPUT_STREAM, Run, clear_of_gates, digest, every_way, flat, map_errors, worst

# four small networks instead of one: fewer numbers of each tensor
golden.SAMPLES = 16
BATCH, WIDTH = 5, 8
# of 32 channels in 2 groups for 64 of the stage: 8 in the first stage
GROUPS, BASE = 2, 32
# channels of the squeeze, and of each convolution of a dense unit: no multiple of 16
SQUEEZE, GROWTH = 4, 12
INPUTS = {
    "grouped": (3, 33, 31),
    "pooled": (3, 33, 31),
    "padded": (3, 15, 14),
    "preact": (3, 33, 31),
    "squeezed": (3, 15, 14),
    "dense": (3, 15, 14),
}


class Unit(Run):
    """Networks by the names of INPUTS."""

    def conv(self, x, name, k, kernel, stride=1, padding=0, groups=1):
        weight = self.param(name + ".weight", [k, x.shape[1] // groups, kernel, kernel], "conv_weight")
        return self.note("Conv2d", F.conv2d(x, weight, stride=stride, padding=padding, groups=groups))

    def biased(self, x, name, k):
        weight = self.param(name + ".weight", [k, x.shape[1], 1, 1], "conv_weight")
        return self.note("Conv2d", F.conv2d(x, weight, self.param(name + ".bias", [k], "bias")))

    def stem(self, x, kind):
        if kind == "preact":
            x = self.bn(x, "bn0")
        if kind in ("padded", "squeezed", "dense"):
            return self.relu(self.bn(self.conv(x, "conv1", WIDTH, 3, 1, 1), "bn1"))
        if kind == "pooled":
            x = self.relu(self.bn(self.conv(x, "conv1.0", WIDTH // 2, 3, 2, 1), "conv1.1"))
            x = self.relu(self.bn(self.conv(x, "conv1.3", WIDTH // 2, 3, 1, 1), "conv1.4"))
            x = self.conv(x, "conv1.6", WIDTH, 3, 1, 1)
        else:
            x = self.conv(x, "conv1", WIDTH, 7, 2, 3)
        return self.max_pool(self.relu(self.bn(x, "bn1")))

    def grouped(self, x, path, width, stride):
        inner = width * BASE // 64 * GROUPS
        y = self.relu(self.bn(self.conv(x, path + "conv1", inner, 1), path + "bn1"))
        y = self.relu(self.bn(self.conv(y, path + "conv2", inner, 3, stride, 1, GROUPS), path + "bn2"))
        y = self.bn(self.conv(y, path + "conv3", 4 * width, 1), path + "bn3")
        x = self.bn(self.conv(x, path + "downsample.0", 4 * width, 1, stride), path + "downsample.1")
        return self.relu(self.note("Add", y + x))

    def basic(self, x, path, width, stride):
        y = self.relu(self.bn(self.conv(x, path + "conv1", width, 3, stride, 1), path + "bn1"))
        return self.bn(self.conv(y, path + "conv2", width, 3, 1, 1), path + "bn2")

    def pooled(self, x, path, width, stride):
        y = self.basic(x, path, width, stride)
        if stride > 1:
            x = F.avg_pool2d(x, 2, stride, ceil_mode=True, count_include_pad=False)
            x = self.bn(self.conv(self.note("AvgPool2d", x), path + "downsample.1", width, 1), path + "downsample.2")
        return self.relu(self.note("Add", y + x))

    def padded(self, x, path, width, stride):
        y = self.basic(x, path, width, stride)
        if stride > 1:
            more = (width - x.shape[1]) // 2
            x = self.note("Subsample", F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, more, more)))
        return self.relu(self.note("Add", y + x))

    def preact(self, x, path, width, stride):
        z = self.relu(self.bn(x, path + "bn1"))
        y = self.relu(self.bn(self.conv(z, path + "conv1", width, 3, stride, 1), path + "bn2"))
        y = self.conv(y, path + "conv2", width, 3, 1, 1)
        return self.note("Add", y + (self.conv(z, path + "downsample.0", width, 1, stride) if stride > 1 else x))

    def squeezed(self, x, path, width, stride):
        y = self.basic(x, path, width, stride)
        s = self.note("GlobalAvgPool2d", y.mean((2, 3), keepdim=True))
        s = self.relu(self.biased(s, path + "fc1", SQUEEZE))
        s = self.note("Sigmoid", torch.sigmoid(self.biased(s, path + "fc2", width)))
        y = self.note("Multiply", y * s)
        if stride > 1:
            x = self.bn(self.conv(x, path + "downsample.0", width, 1, stride), path + "downsample.1")
        return self.relu(self.note("Add", y + x))

    def dense(self, x, path, width, stride):
        if stride > 1:
            x = self.note("AvgPool2d", F.avg_pool2d(x, 2, stride))
        for layer in ("1", "2"):
            y = self.conv(self.relu(self.bn(x, path + "bn" + layer)), path + "conv" + layer, GROWTH, 3, 1, 1)
            x = self.note("Concat", torch.cat((x, y), 1))
        return x

    def logits(self, x, kind):
        x = self.stem(self.input(x), kind)
        for stage in (1, 2):
            x = getattr(self, kind)(x, f"layer{stage}.0.", WIDTH * stage, stage)
        if kind in ("preact", "dense"):
            x = self.relu(self.bn(x, "bn2"))
        x = self.note("GlobalAvgPool2d", x.mean((2, 3), keepdim=True))
        weight = self.param("fc.weight", [CLASSES, x.shape[1]], "dense_weight")
        return self.note("Dense", F.linear(x.flatten(1), weight, self.param("fc.bias", [CLASSES], "bias")))


def step(kind, stream, dtype, layout):
    """Forward and backward on batch 0 of a stream."""
    run = Unit(dtype, layout)
    x, y = philox.images(stream, 0, BATCH, *INPUTS[kind]), philox.labels(stream, 0, BATCH, CLASSES)
    losses = F.cross_entropy(run.logits(x, kind), torch.tensor(y), reduction="none")
    losses.sum().backward()
    run.losses = losses.detach().double().numpy()
    return run


def network(kind):
    """Golden data of one training step; images from the first stream that is clear of gates."""
    stream = FIRST_INPUT_STREAM
    while True:
        runs = every_way(lambda dtype, layout: step(kind, stream, dtype, layout))
        if clear_of_gates(runs[0], map_errors(runs), CLEAR):
            break
        stream += 1
    print(f"{kind}: stream {stream}, losses {runs[0].losses.round(3).tolist()}")
    exact = runs[0]
    gold = {"seed": philox.SEED, "stream": stream, "classes": CLASSES, "input": INPUTS[kind], "batch": BATCH}
    gold["params"] = [{"name": key, "role": role, "dims": dims} for key, (role, dims) in exact.roles.items()]
    gold["nodes"] = golden.node_digests(runs)
    gold["losses"] = {"values": exact.losses.tolist(), "error": worst(exact.losses, [r.losses for r in runs[1:]])}
    gold["initial"], gold["gradients"] = {}, {}
    for index, (key, value) in enumerate(exact.params.items()):
        start = flat(value)
        gold["initial"][key] = {"norm": float((start**2).sum() ** 0.5), "sum": float(start.sum())}
        grads = [run.params[key].grad.double().reshape(-1).numpy() for run in runs]
        gold["gradients"][key] = digest(grads[0], grads[1:], index)
    return gold


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("tests/golden"))
    parser.add_argument("--only", choices=INPUTS, help="default: all of them")
    args = parser.parse_args()
    for kind in [args.only] if args.only else INPUTS:
        gold = {"made_by": "python tools/golden_units.py", "torch": torch.__version__.split("+")[0], **network(kind)}
        text = json.dumps(gold, separators=(",", ":")).replace("},{", "},\n{") + "\n"
        (args.out / f"unit-{kind}.json").write_text(text)


if __name__ == "__main__":
    main()
