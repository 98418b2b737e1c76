"""Golden data for the ONNX reader: files by PyTorch's two exporters and by the onnx package, with what they compute.
`cargo xtask golden` runs it.

Written to tests/golden/onnx/ are narrow residual networks made of torchvision's blocks, with made-up running statistics,
and logits.json. The logits are PyTorch's for its own files, in f64, and ONNX Runtime's for the others.

basic-script.onnx     basic blocks, the exporter based on TorchScript: batch norms merged into convolutions
basic-kept.onnx       the same, batch norms kept
basic-dynamo.onnx     the same, the exporter based on torch.export, as it is called by default: weights in a .data file
grouped-script.onnx   bottlenecks with groups and dilation, TorchScript
grouped-dynamo.onnx   the same by torch.export, weights inside
padded-script.onnx    a CIFAR network whose shortcut takes every second pixel and adds channels of zeros, TorchScript
padded-dynamo.onnx    the same by torch.export, weights inside
pooled-script.onnx    three convolutions in the stem, bottlenecks with pooled shortcuts (ResNet-D), TorchScript
pooled-dynamo.onnx    the same by torch.export, weights inside
joined-script.onnx    a dense block, squeeze-and-excitation through convolutions and through dense layers, TorchScript
variants.onnx         other ways of saying the same: MatMul + Add, ReduceMean with axes as attribute, constants as nodes,
                      Dropout, Reshape, Softmax, operators of version 13
average.onnx          AveragePool over the whole map, Flatten, float_data, operators of version 9, weights among the inputs

The two small ones are also where the fuzz target starts: fuzz/corpus/onnx/.

Stack traces and other notes of the exporters about the machine they ran on are taken out; nothing else is changed.
"""

import json
import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import SqueezeExcitation

import made_up
from golden_onnx_exports import without_notes

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests/golden/onnx"
CORPUS = ROOT / "fuzz/corpus/onnx"
# channels, rows, columns: a network that mixes up the last two would be found out
INPUT = (3, 20, 17)
BATCH = 2
CLASSES = 5


def images():
    c, h, w = INPUT
    values = made_up.pixels(BATCH, h, w, c).astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


class Narrow(nn.Module):
    """torchvision's ResNet with two stages and few channels, under its names."""

    def __init__(self, block, width, **how):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self.stage(block, 4, width, 1, **how)
        self.layer2 = self.stage(block, width * block.expansion, 2 * width, 2, **how)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(2 * width * block.expansion, CLASSES)

    @staticmethod
    def stage(block, channels, width, stride, **how):
        out = width * block.expansion
        downsample = None
        if stride != 1 or channels != out:
            downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        return nn.Sequential(block(channels, width, stride, downsample, **how))

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Pad(nn.Module):
    """Option A of He et al. 2015, as the CIFAR networks of Akamaster have it."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.channels // 4, self.channels // 4), "constant", 0)


class Padded(nn.Module):
    """A stem for small pictures, two blocks, the second behind a shortcut without parameters."""

    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(BasicBlock(width, width))
        self.layer2 = nn.Sequential(BasicBlock(width, 2 * width, 2, Pad(2 * width)))
        self.linear = nn.Linear(2 * width, CLASSES)

    def forward(self, x):
        x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
        return self.linear(x.mean((2, 3)))


class Pooled(Narrow):
    """timm's ResNet-D with two stages and few channels."""

    def __init__(self, width):
        super().__init__(Bottleneck, width)
        conv = lambda channels, out, stride: nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        half = width // 2
        self.conv1 = nn.Sequential(
            conv(3, half, 2), nn.BatchNorm2d(half), nn.ReLU(), conv(half, half, 1), nn.BatchNorm2d(half), nn.ReLU(),
            conv(half, width, 1),
        )
        self.bn1 = nn.BatchNorm2d(width)

    @staticmethod
    def stage(block, channels, width, stride, **how):
        out = width * block.expansion
        pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
        downsample = nn.Sequential(pool, nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        return nn.Sequential(block(channels, width, stride, downsample, **how))


class Joined(nn.Module):
    """A dense block as torchvision writes it, then squeeze-and-excitation as torchvision and as many others write it."""

    def __init__(self, width, growth):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        widths = [width + growth * layer for layer in range(4)]
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in widths[:3])
        self.convs = nn.ModuleList(nn.Conv2d(c, growth, 3, padding=1, bias=False) for c in widths[:3])
        self.se1 = SqueezeExcitation(widths[3], 4)
        self.conv2 = nn.Conv2d(widths[3], 2 * width, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * width)
        self.se2 = nn.Sequential(nn.Linear(2 * width, 4), nn.ReLU(), nn.Linear(4, 2 * width), nn.Sigmoid())
        self.fc = nn.Linear(2 * width, CLASSES)

    def forward(self, x):
        features = [F.relu(self.bn1(self.conv1(x)))]
        for norm, conv in zip(self.norms, self.convs):
            features.append(conv(F.relu(norm(torch.cat(features, 1)))))
        x = self.bn2(self.conv2(self.se1(torch.cat(features, 1))))
        scale = self.se2(x.mean((2, 3))).view(x.shape[0], x.shape[1], 1, 1)
        return self.fc(F.relu(x * scale).mean((2, 3)))


def made(network, seed):
    """A network with running statistics as a training could have left them."""
    torch.manual_seed(seed)
    return made_up.statistics(network().eval())


def script(net, name, x, **how):
    export(net, name, x, dynamo=False, dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}}, **how)


def dynamo(net, name, x, **how):
    export(net, name, x, dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},), **how)


def export(net, name, x, **how):
    torch.onnx.export(net, (x,), OUT / name, input_names=["input"], output_names=["logits"], **how)
    without_notes(OUT / name)


def logits(net, x):
    with torch.no_grad():
        return net.double()(x.double()).numpy()


def variants(x):
    rng = np.random.default_rng(1)
    draw = lambda *dims: rng.uniform(-0.5, 0.5, dims).astype(np.float32)
    stored = {"w": draw(4, 3, 3, 3), "m": draw(4, CLASSES), "b": draw(CLASSES)}
    initializers = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    bias = numpy_helper.from_array(draw(1, 4, 1, 1), "")
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["c"], "conv", strides=[2, 1], pads=[1, 0, 1, 0]),
        helper.make_node("Constant", [], ["cb"], value=bias),
        helper.make_node("Add", ["cb", "c"], ["cc"]),
        helper.make_node("Relu", ["cc"], ["r"]),
        helper.make_node("ReduceMean", ["r"], ["g"], axes=[-1, 2], keepdims=1),
        helper.make_node("Constant", [], ["to"], value_ints=[0, -1]),
        helper.make_node("Reshape", ["g", "to"], ["f"]),
        helper.make_node("Dropout", ["f"], ["d"]),
        helper.make_node("MatMul", ["d", "m"], ["mm"], "head"),
        helper.make_node("Add", ["mm", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
        helper.make_node("Sigmoid", ["logits"], ["unused"]),
    ]
    write("variants.onnx", nodes, initializers, "probabilities", (13, 7, []))
    probabilities = run("variants.onnx", x)
    return np.log(probabilities.astype(np.float64))


def average(x):
    rng = np.random.default_rng(2)
    draw = lambda *dims: rng.uniform(-0.5, 0.5, dims).astype(np.float32)
    stored = {"w": draw(4, 3, 2, 2), "wb": draw(4), "m": draw(4, CLASSES), "b": draw(CLASSES)}
    make = lambda name, value: helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.flatten().tolist())
    initializers = [make(name, value) for name, value in stored.items()]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in stored.items()]
    nodes = [
        helper.make_node("Conv", ["input", "w", "wb"], ["c"], "conv", auto_pad="VALID"),
        helper.make_node("AveragePool", ["c"], ["a"], kernel_shape=[INPUT[1] - 1, INPUT[2] - 1]),
        helper.make_node("Flatten", ["a"], ["f"]),
        helper.make_node("Identity", ["f"], ["i"]),
        helper.make_node("Gemm", ["i", "m", "b"], ["logits"], "head"),
    ]
    write("average.onnx", nodes, initializers, "logits", (9, 3, inputs))
    return run("average.onnx", x)


def write(name, nodes, initializers, output, versions):
    opset, ir, more_inputs = versions
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *INPUT])
    out = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", CLASSES])
    graph = helper.make_graph(nodes, "graph", [image, *more_inputs], [out], initializers)
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="tools/golden_onnx.py")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, OUT / name)


def run(name, x):
    session = onnxruntime.InferenceSession(OUT / name, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})[0]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    x = images()
    sample = torch.tensor(x)
    answers = {"variants": variants(x), "average": average(x)}
    basic = made(lambda: Narrow(BasicBlock, 4), 0)
    grouped = made(lambda: Narrow(Bottleneck, 2, groups=2, dilation=2), 1)
    script(basic, "basic-script.onnx", sample)
    keep = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    script(basic, "basic-kept.onnx", sample, **keep)
    dynamo(basic, "basic-dynamo.onnx", sample)
    script(grouped, "grouped-script.onnx", sample)
    dynamo(grouped, "grouped-dynamo.onnx", sample, external_data=False)
    # seeds under which few ReLUs are silent: answers depend on all of the parameters
    for name, net in [("padded", made(lambda: Padded(4), 54)), ("pooled", made(lambda: Pooled(4), 17))]:
        script(net, f"{name}-script.onnx", sample)
        dynamo(net, f"{name}-dynamo.onnx", sample, external_data=False)
        answers[name] = logits(net, sample)
    joined = made(lambda: Joined(6, 5), 3)
    script(joined, "joined-script.onnx", sample)
    answers["joined"] = logits(joined, sample)
    answers["basic"], answers["grouped"] = logits(basic, sample), logits(grouped, sample)
    text = json.dumps({name: values.tolist() for name, values in answers.items()}, indent=1)
    (OUT / "logits.json").write_text(text + "\n")
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name in ["average.onnx", "joined-script.onnx", "variants.onnx"]:
        shutil.copy(OUT / name, CORPUS / name)
    for path in sorted(OUT.iterdir()):
        print(f"{path.name}: {path.stat().st_size} bytes (torch {torch.__version__}, onnx {onnx.__version__})")


if __name__ == "__main__":
    main()
