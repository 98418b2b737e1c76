"""Weight files as PyTorch's users write them, and what their networks answer, for the tests of
crates/formats/tests/foreign/imports.rs, which run it:

    python tools/import_reference.py FOLDER

Two small networks, random down to the running statistics: a residual network in torchvision's way, and the chapter's as its
PyTorch edition has it, in both of that edition's ways of putting it together. FOLDER/index.json lists the files: what is in
them, the section to ask for, the network's answers. FOLDER/*.images are float32, channels last.

Requirements: Python 3.10 or newer, torch 1.13 or newer, torchvision 0.14 or newer, safetensors.
"""

import collections
import json
import pathlib
import sys

import safetensors.torch
import torch
from torch import nn

import made_up
import torch_networks

CLASSES, WIDTH = 5, 4
SHAPES = {"residual": (3, 24, 20), "chapter": (1, 40, 36)}


def residual(seed):
    """Two stages of two blocks."""
    blocks = [[(WIDTH, WIDTH, 1)] * 2, [(WIDTH, 2 * WIDTH, 2), (2 * WIDTH, 2 * WIDTH, 1)]]
    torch.manual_seed(seed)
    return made_up.statistics(torch_networks.small(blocks, CLASSES)).eval()


def chapter(named):
    """The chapter's network; `named` as the edition's classes put it together, else as a plain list."""
    torch.manual_seed(5)
    stem, first, second, *last = torch_networks.chapter(1, [WIDTH, 2 * WIDTH], CLASSES)
    whole = nn.Sequential(stem, first, second, *last)
    if named:
        net = nn.Sequential(stem)
        net.add_module("b2", first)
        net.add_module("b3", second)
        net.add_module("last", nn.Sequential(*last))
        whole = nn.Module()
        whole.net, whole.forward = net, net.forward
    return made_up.statistics(whole).eval()


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
    net, other = residual(1), residual(2)

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
        whole = chapter(named)
        name = "chapter1" if named else "chapter2"
        files.pth(f"{name}.pth", whole.state_dict(), whole, kind="chapter")
        files.safetensors(f"{name}.safetensors", whole.state_dict(), whole, kind="chapter")

    # memory formats and types
    last = residual(1).to(memory_format=torch.channels_last)
    files.pth("channels_last.pth", last.state_dict(), net)
    files.pth("double.pth", {name: tensor.double() for name, tensor in net.state_dict().items()}, net)
    for dtype, name in ((torch.float16, "half"), (torch.bfloat16, "bfloat")):
        rounded = residual(1).to(dtype)
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
