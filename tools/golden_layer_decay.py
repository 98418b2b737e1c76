"""Golden data of layer-wise learning rates: writes crates/train/tests/golden/layer_decay.json.
`cargo xtask golden` runs it.

Each case is a network of timm, what `--layer-decay` is, and what timm's own `param_groups_layer_decay` makes of both: for each
layer the factor of the learning rate, and the names of its parameters that decay and of those that do not. The names are those
of plusx. timm's networks of the first version have them; `resnetv2_50`, the only one whose norms stand before its convolutions,
calls its parts otherwise.

Requirements: Python 3.10 or newer, torch, timm 1.0.31.
"""

import json
import pathlib
import re

import timm
from timm.optim import param_groups_layer_decay

OUT = pathlib.Path(__file__).parent.parent / "crates/train/tests/golden/layer_decay.json"
CASES = [
    ("resnet18", "resnet18", 0.75),
    ("resnet50", "resnet50", 0.65),
    ("resnet50d", "resnet50d", 0.9),
    ("resnetv2_50", "resnet50v2", 0.75),
]
PARTS = [
    (r"^stem\.conv\b", "conv1"),
    (r"^stages\.(\d+)\.blocks\.(\d+)", lambda found: f"layer{int(found[1]) + 1}.{found[2]}"),
    (r"\bdownsample\.conv\b", "downsample.0"),
    (r"^norm\b", "bn2"),
    (r"\bnorm(\d)\b", r"bn\1"),
    (r"^head\.fc\b", "fc"),
]


def ours(name):
    """The name of a parameter in plusx."""
    for pattern, part in PARTS:
        name = re.sub(pattern, part, name)
    return name


def layers(theirs, decay):
    model = timm.create_model(theirs)
    names = {id(value): name for name, value in model.named_parameters()}
    found = {}
    for group in param_groups_layer_decay(model, weight_decay=1.0, layer_decay=decay):
        layer = found.setdefault(group["lr_scale"], {"lr_scale": group["lr_scale"], "decay": [], "no_decay": []})
        key = "decay" if group["weight_decay"] > 0 else "no_decay"
        layer[key] += [ours(names[id(value)]) for value in group["params"]]
    return list(found.values())


def main():
    cases = [
        {"timm": theirs, "model": model, "layer_decay": decay, "layers": layers(theirs, decay)}
        for theirs, model, decay in CASES
    ]
    golden = {"made_by": "python tools/golden_layer_decay.py", "timm": timm.__version__, "cases": cases}
    OUT.write_text(json.dumps(golden, separators=(",", ":")).replace('{"lr_scale"', '\n{"lr_scale"') + "\n")


if __name__ == "__main__":
    main()
