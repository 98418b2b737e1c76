"""What torchvision's networks answer and learn, for the tests of crates/formats/tests/torchvision.rs, which run it:

    python tools/torchvision_reference.py logits FOLDER
    python tools/torchvision_reference.py gradients FOLDER

Each network starts as torchvision draws it from a fixed seed; gammas and betas are drawn, too, as 1 and 0 would hide what is
done with them. BATCHES batches in training mode warm its running statistics. What it is then goes to FOLDER/NAME.pth as
`torch.save` writes it. All other files are raw little-endian float32, images with their channels last; FOLDER/index.json says
what is in them. Nothing of this is committed: it is hundreds of megabytes, and made in a minute.

* `logits`: evaluation of a few images of 224x224 and of more of an odd size, which plusx plans otherwise.
* `gradients`: one training step, computed in f64: losses, the gradient of their sum by every parameter, and the running
  statistics behind it. Beside every tensor stands `error`, max |fp32 - f64|, the worst of four ways in which PyTorch
  computes it in fp32 (contiguous or channels_last, oneDNN on or off), as in golden.py.

Requirements: Python 3.10 or newer, numpy, torch 1.13 and torchvision 0.14 or newer.
"""

import argparse
import copy
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torchvision.models.resnet import BasicBlock, Bottleneck

import philox
from golden import every_way, worst

LOGITS = ["resnet18", "resnet50", "resnet101", "wide_resnet50_2", "resnext50_32x4d"]
GRADIENTS = ["resnet18", "resnet50", "resnext50_32x4d"]
CLASSES = 1000
# of the warming: how many, images in each, and their side
BATCHES, WARM_BATCH, WARM_SIDE = 5, 8, 64
# images, rows and columns; up to four images are planned for latency
SIZES = [(2, 224, 224), (5, 197, 171)]
GRADIENT_BATCH, GRADIENT_SIZE = 4, (72, 65)
# of the last gamma of a block
BRANCH = 0.25
# sizes of betas: for logits any; for gradients such that a unit is clearly on or clearly off, but for about one in two
# thousand. One whose input is within rounding errors of 0 passes its gradient or not, in PyTorch's own arithmetics too, which
# then are percents apart, and the bound so wide that it would let anything pass.
BETAS = {"logits": (0.0, 0.25), "gradients": (3.5, 4.0)}
# streams of the generator: of warming, of evaluation, of the step whose gradients are taken
WARM, EVALUATION, GRADIENT = 200, 201, 202


def images(stream, batch, n, h, w):
    """About as normalised pictures are: mean 0, deviation 1. Each has colours of its own, for logits of its own."""
    colours = philox.uniform(stream, n * 3, batch, 3).reshape(n, 3, 1, 1)
    half = np.float32(0.5)
    return torch.from_numpy(np.float32(5) * (philox.images(stream, batch, n, 3, h, w) - half) + np.float32(2) * (colours - half))


def labels(stream, batch, n):
    return torch.from_numpy(philox.labels(stream, batch, n, CLASSES))


def norms(model):
    return [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def warmed(name, beta):
    """The network as it is stored, in training mode; betas of a size in `beta`, of both signs."""
    torch.manual_seed(philox.SEED)
    model = getattr(torchvision.models, name)(weights=None, num_classes=CLASSES).train()
    for norm in norms(model):
        torch.nn.init.uniform_(norm.weight, 0.75, 1.25)
        torch.nn.init.uniform_(norm.bias, *beta)
        norm.bias.data.mul_(torch.where(torch.rand_like(norm.bias) < 0.5, -1.0, 1.0))
        # the plain mean of the batches: a moving average would still be more than half 0 and 1, and logits of deep networks 1e16
        norm.momentum, usual = None, norm.momentum
    # the last norm of a block small, as training begins (Goyal et al. 2017, 5.1) and mostly ends: at 1, rounding errors grow from
    # block to block until PyTorch's own gradients are 10 % off
    for block in model.modules():
        if isinstance(block, (BasicBlock, Bottleneck)):
            last = block.bn3 if isinstance(block, Bottleneck) else block.bn2
            last.weight.data.mul_(BRANCH)
    with torch.no_grad():
        for batch in range(BATCHES):
            model(images(WARM, batch, WARM_BATCH, WARM_SIDE, WARM_SIDE))
    for norm in norms(model):
        norm.momentum = usual
    return model


class Files:
    """Writes a network's files and remembers what is in them."""

    def __init__(self, folder, model):
        self.folder, self.name = folder, model
        self.index = {}

    def write(self, what, value):
        (self.folder / f"{self.name}.{what}").write_bytes(value.astype("<f4").tobytes())


def logits(model, files):
    model.eval()
    files.index["sizes"] = []
    for number, (n, h, w) in enumerate(SIZES):
        x = images(EVALUATION, number, n, h, w)
        with torch.no_grad():
            found = model(x).numpy()
        # a network that says the same of everything would prove little
        apart = np.abs(found - found[0]).max(axis=1)[1:].min() / np.abs(found).max()
        assert np.isfinite(found).all() and apart > 0.01, (files.name, apart)
        files.write(f"images{number}", x.permute(0, 2, 3, 1).numpy())
        files.write(f"logits{number}", found)
        files.index["sizes"].append({"n": n, "h": h, "w": w, "apart": float(apart)})


def step(model, dtype, layout):
    """Losses, gradients and running statistics of one step, each a list of (name, tensor as f64)."""
    model = copy.deepcopy(model).to(dtype=dtype, memory_format=layout)
    x = images(GRADIENT, 0, GRADIENT_BATCH, *GRADIENT_SIZE).to(dtype=dtype, memory_format=layout)
    losses = F.cross_entropy(model(x), labels(GRADIENT, 0, GRADIENT_BATCH), reduction="none")
    losses.sum().backward()
    gradients = [(name, value.grad) for name, value in model.named_parameters()]
    running = [(name, value) for name, value in model.named_buffers() if value.is_floating_point()]
    parts = {"losses": [("losses", losses)], "gradients": gradients, "running": running}
    as_f64 = lambda value: value.detach().double().contiguous().reshape(-1).numpy()
    return {what: [(name, as_f64(value)) for name, value in values] for what, values in parts.items()}


def gradients(model, files):
    exact, *others = every_way(lambda dtype, layout: step(model, dtype, layout))
    n, (h, w) = GRADIENT_BATCH, GRADIENT_SIZE
    files.write("images", images(GRADIENT, 0, n, h, w).permute(0, 2, 3, 1).numpy())
    files.index.update({"n": n, "h": h, "w": w, "labels": labels(GRADIENT, 0, n).tolist()})
    for what, values in exact.items():
        files.write(what, np.concatenate([value for _, value in values]))
        files.index[what] = [
            {"name": name, "len": len(value), "error": worst(value, [other[what][at][1] for other in others])}
            for at, (name, value) in enumerate(values)
        ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["logits", "gradients"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    names, compute = {"logits": (LOGITS, logits), "gradients": (GRADIENTS, gradients)}[arguments.part]
    index = {}
    for name in names:
        files, model = Files(arguments.folder, name), warmed(name, BETAS[arguments.part])
        torch.save(model.state_dict(), arguments.folder / f"{name}.pth")
        compute(model, files)
        index[name] = files.index
    (arguments.folder / "index.json").write_text(json.dumps(index))


if __name__ == "__main__":
    main()
