"""Weight files as PyTorch's users write them, and what their networks answer, for the tests of
crates/formats/tests/foreign/imports.rs, which run it:

    python tools/import_reference.py FOLDER

Two small networks, random down to the running statistics: a residual network in torchvision's way, and the chapter's as its
PyTorch edition has it, in both of that edition's ways of putting it together. FOLDER/index.json lists the files: what is in
them, the section to ask for, the network's answers. FOLDER/*.images are float32, channels last.

Requirements: Python 3.10 or newer, torch 1.13 or newer, safetensors.
"""

import collections
import json
import pathlib
import sys

import safetensors.torch
import torch
from torch import nn

CLASSES, WIDTH = 5, 4
SHAPES = {"residual": (3, 24, 20), "chapter": (1, 40, 36)}


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class Residual(nn.Module):
    """Two stages of two blocks."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(Block(WIDTH, WIDTH, 1), Block(WIDTH, WIDTH, 1))
        self.layer2 = nn.Sequential(Block(WIDTH, 2 * WIDTH, 2), Block(2 * WIDTH, 2 * WIDTH, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2 * WIDTH, CLASSES)

    def forward(self, x):
        x = self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x)))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class ChapterBlock(nn.Module):
    def __init__(self, inputs, outputs, use_1x1conv, strides):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, stride=strides)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(inputs, outputs, kernel_size=1, stride=strides) if use_1x1conv else None
        self.bn1 = nn.BatchNorm2d(outputs)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.conv3 is None else self.conv3(x)))


def chapter(named):
    """Two stages of two blocks; `named` as the edition's classes put it together, else as a plain list."""
    stem = nn.Sequential(nn.Conv2d(1, WIDTH, 7, 2, 3), nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    first = nn.Sequential(ChapterBlock(WIDTH, WIDTH, False, 1), ChapterBlock(WIDTH, WIDTH, False, 1))
    second = nn.Sequential(ChapterBlock(WIDTH, 2 * WIDTH, True, 2), ChapterBlock(2 * WIDTH, 2 * WIDTH, False, 1))
    last = [nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(2 * WIDTH, CLASSES)]
    if not named:
        return nn.Sequential(stem, first, second, *last)
    net = nn.Sequential(stem)
    net.add_module("b2", first)
    net.add_module("b3", second)
    net.add_module("last", nn.Sequential(*last))
    whole = nn.Module()
    whole.net, whole.forward = net, net.forward
    return whole


def drawn(model, seed):
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.3, 1.5)
    return model.eval()


def images(kind):
    torch.manual_seed(3)
    return torch.randn(2, *SHAPES[kind])


class Files:
    def __init__(self, folder):
        self.folder, self.index = folder, []

    def add(self, file, model, kind="residual", section=None):
        with torch.no_grad():
            logits = model.float()(images(kind))
        self.index.append({"file": file, "kind": kind, "section": section, "logits": logits.reshape(-1).tolist()})

    def pth(self, file, content, model, **more):
        torch.save(content, self.folder / file)
        self.add(file, model, **more)

    def safetensors(self, file, tensors, model, **more):
        safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, self.folder / file)
        self.add(file, model, **more)


def renamed(model, rule):
    return collections.OrderedDict((rule(name), tensor.clone()) for name, tensor in model.state_dict().items())


def under(prefix):
    return lambda name: prefix + name


def shards(folder, tensors, ending, save):
    """Tensors by turns in two files, and the index of them."""
    (folder).mkdir()
    names = [f"{ending[0]}-0000{part}-of-00002.{ending[1]}" for part in (1, 2)]
    parts = [dict(list(tensors.items())[part::2]) for part in (0, 1)]
    for name, part in zip(names, parts):
        save(part, folder / name)
    places = {key: name for name, part in zip(names, parts) for key in part}
    text = json.dumps({"metadata": {"total_size": 1}, "weight_map": places}, indent=2)
    (folder / f"{ending[0]}.{ending[1]}.index.json").write_text(text)


def main():
    folder = pathlib.Path(sys.argv[1])
    files = Files(folder)
    for kind, shape in SHAPES.items():
        raw = images(kind).permute(0, 2, 3, 1).contiguous().numpy().astype("<f4")
        (folder / f"{kind}.images").write_bytes(raw.tobytes())
    net, other = drawn(Residual(), 1), drawn(Residual(), 2)

    # prefixes
    files.pth("lightning.ckpt", {"epoch": 1, "state_dict": renamed(net, under("model."))}, net)
    files.pth("flat.pth", renamed(net, under("model.")), net)
    files.pth("backbone.pth", renamed(net, under("backbone.")), net)
    files.pth("wrapped.pth", {"state_dict": renamed(net, under("module.encoder.net."))}, net)
    files.pth("compiled.pth", renamed(net, under("_orig_mod.")), net)
    stage = lambda name: name.replace("layer1.", "layer1._orig_mod.").replace("layer2.1.", "layer2.1._orig_mod.")
    files.pth("stage.pth", {"state_dict": renamed(net, lambda name: "module." + stage(name))}, net)
    files.safetensors("prefix.safetensors", renamed(net, under("_orig_mod.module.net.")), net)
    files.safetensors("stage.safetensors", renamed(net, stage), net)
    akamaster = lambda name: "module." + name.replace("downsample", "shortcut").replace("fc", "linear")
    files.pth("akamaster.th", {"state_dict": renamed(net, akamaster), "best_prec1": 90.1}, net)
    dropout = lambda name: name.replace("fc.", "fc.1.")
    files.pth("dropout.pth", renamed(net, dropout), net)
    beside = {**renamed(net, under("")), "projector.0.weight": torch.randn(8, 8), "projector.0.bias": torch.randn(8)}
    files.pth("beside.pth", beside, net)

    # several sets
    both = {"state_dict": renamed(net, under("")), "state_dict_ema": renamed(other, under("module."))}
    files.pth("ema.pth", both, net)
    files.pth("ema2.pth", both, other, section="state_dict_ema")
    files.pth("params.pth", {"params_ema": renamed(other, under("")), "params": renamed(net, under(""))}, net)
    pair = {**renamed(net, under("online.")), **renamed(other, under("target."))}
    files.pth("online.pth", pair, net, section="online")
    files.safetensors("target.safetensors", pair, other, section="target")
    files.pth("teacher.pth", {"model": {"student": renamed(net, under("")), "teacher": renamed(other, under(""))}}, other, section="teacher")

    # other ways of putting a network together
    files.pth("children.pth", nn.Sequential(*net.children()).state_dict(), net)
    for named in (False, True):
        whole = drawn(chapter(named), 5)
        name = "chapter1" if named else "chapter2"
        files.pth(f"{name}.pth", whole.state_dict(), whole, kind="chapter")
        files.safetensors(f"{name}.safetensors", whole.state_dict(), whole, kind="chapter")

    # memory formats and types
    last = drawn(Residual(), 1).to(memory_format=torch.channels_last)
    files.pth("channels_last.pth", last.state_dict(), net)
    files.pth("double.pth", {name: tensor.double() for name, tensor in net.state_dict().items()}, net)
    for dtype, name in ((torch.float16, "half"), (torch.bfloat16, "bfloat")):
        rounded = drawn(Residual(), 1).to(dtype)
        files.safetensors(f"{name}.safetensors", {**rounded.state_dict()}, rounded)

    # in several files
    shards(folder / "parts", net.state_dict(), ("model", "safetensors"), safetensors.torch.save_file)
    for file in ("parts", "parts/model.safetensors.index.json", "parts/model-00002-of-00002.safetensors"):
        files.add(file, net)
    shards(folder / "bins", net.state_dict(), ("pytorch_model", "bin"), torch.save)
    files.add("bins/pytorch_model.bin.index.json", net)

    (folder / "index.json").write_text(json.dumps(files.index))


if __name__ == "__main__":
    main()
