"""What torchvision and timm say about the networks that the zoo has in common with them: writes
crates/model/tests/state_dicts.txt, which zoo.rs beside it reads. `cargo xtask golden` runs it.

A network is one line `= name parameters multiply-accumulates`, the first counted without running statistics, the second
for one image of 3x224x224; below it stands `state_dict()` in its order, a line for each layer: its name, then the
dimensions of its weight. `bn` in place of dimensions is a batch norm of so many channels: weight, bias, running_mean,
running_var and num_batches_tracked. `fc` has a bias, a convolution has none. Where a stage repeats a unit with nothing
changed but its number, the line `...` and the last number stand for all that follow.

Requirements: Python 3.10 or newer, torch, torchvision, timm.
"""

import pathlib

import timm
import torch
import torchvision

OUT = pathlib.Path(__file__).resolve().parent.parent / "crates/model/tests/state_dicts.txt"
TORCHVISION = [
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2",
    "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d",
]
TIMM = ["resnet18d", "resnet34d", "resnet50d"]
NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def layers(state):
    """Name and description of each layer, in the order of the state."""
    found = {}
    for key, value in state.items():
        layer, suffix = key.rsplit(".", 1)
        found.setdefault(layer, []).append((suffix, list(value.shape)))
    for layer, values in found.items():
        suffixes = [suffix for suffix, _ in values]
        dims = "x".join(str(size) for size in values[0][1])
        if suffixes == NORM:
            yield layer, f"bn {dims}"
        else:
            assert suffixes == (["weight", "bias"] if layer == "fc" else ["weight"]), (layer, suffixes)
            yield layer, dims


def shortened(lines):
    """The same lines, runs of equal units replaced by `... last`."""
    units = []
    for layer, what in lines:
        parts = layer.split(".")
        inside = parts[0].startswith("layer")
        unit, rest = (".".join(parts[:2]), ".".join(parts[2:])) if inside else (layer, "")
        if not units or units[-1][0] != unit:
            units.append((unit, []))
        units[-1][1].append((rest, what))
    text, index = [], 0
    while index < len(units):
        unit, content = units[index]
        text += [f"{unit}.{rest} {what}" if rest else f"{unit} {what}" for rest, what in content]
        last = index
        while "." in unit and last + 1 < len(units) and units[last + 1][1] == content:
            last += 1
        if last > index:
            text.append(f"... {units[last][0].split('.')[1]}")
        index = last + 1
    return text


def macs(model):
    """Of convolutions and the dense layer, for one image."""
    total = 0

    def count(module, _, output):
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(count)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, 224, 224))
    return total


def main():
    text = [f"# python tools/zoo_names.py: torchvision {torchvision.__version__.split('+')[0]}, timm {timm.__version__}"]
    for name in TORCHVISION + TIMM:
        model = torchvision.models.get_model(name) if name in TORCHVISION else timm.create_model(name)
        params = sum(value.numel() for value in model.parameters())
        text += [f"= {name} {params} {macs(model)}"] + shortened(layers(model.state_dict()))
    OUT.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
