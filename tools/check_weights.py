"""Checks what plusx wrote for other programs with these programs themselves.

    python tools/check_weights.py torchvision FILE [--images IMAGES --logits LOGITS]
    python tools/check_weights.py timm FOLDER [--images IMAGES --logits LOGITS]

torchvision's network of the name in the file's header must take the file as it is, `load_state_dict(strict=True)`, and the header
must name as many classes as the file has. timm must open a folder of `plusx export --format timm`, and take classes and
preprocessing from it. With --images and --logits (raw little-endian float32: prepared images, channels first, and logits
as plusx computed them) the program's logits must be within 1e-4 of the largest, image by image. Prints one line of JSON.

Requirements: Python 3.10 or newer, torch 1.13, numpy; torchvision 0.14 or newer and safetensors, or timm.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import torch

TOLERANCE = 1e-4


def of_torchvision(path):
    """The network, its input, and what to report."""
    import torchvision
    from safetensors import safe_open

    # through numpy, which every release of safetensors can: not each knows torch as old as 1.13
    with safe_open(path, framework="np") as file:
        about = json.loads(file.metadata()["plusx"])
        state = {name: torch.from_numpy(np.array(file.get_tensor(name))) for name in file.keys()}
    name, classes = about["architecture"], len(state["fc.bias"])
    if len(about["classes"]) != classes:
        sys.exit(f"{path} has {classes} classes and names {len(about['classes'])}")
    model = getattr(torchvision.models, name)(weights=None, num_classes=classes)
    model.load_state_dict(state, strict=True)
    return model, about["preprocess"]["input"], {"model": name, "tensors": len(state), "classes": classes}


def of_timm(path):
    import timm

    config = json.loads((pathlib.Path(path) / "config.json").read_text())
    model = timm.create_model(f"local-dir:{path}", pretrained=True)
    data = timm.data.resolve_data_config({}, model=model)
    wanted, names = config["pretrained_cfg"], list(model.pretrained_cfg["label_names"])
    said = [(key, data[key], wanted[key]) for key in ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std")]
    said += [("label_names", names, config["label_names"])]
    said += [(key, getattr(model, key), config[key]) for key in ("num_classes", "num_features")]
    for key, found, value in said:
        if (list(found) if isinstance(value, list) else found) != value:
            sys.exit(f"{key}: timm took {found}, the folder says {value}")
    return model, wanted["input_size"], {"model": config["architecture"], "classes": model.num_classes}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", choices=["torchvision", "timm"])
    parser.add_argument("path")
    parser.add_argument("--images")
    parser.add_argument("--logits")
    arguments = parser.parse_args()
    model, shape, report = {"torchvision": of_torchvision, "timm": of_timm}[arguments.program](arguments.path)
    if arguments.images and arguments.logits:
        with torch.no_grad():
            found = model.eval()(torch.from_numpy(np.fromfile(arguments.images, "<f4").reshape(-1, *shape))).numpy()
        logits = np.fromfile(arguments.logits, "<f4").reshape(found.shape)
        report["worst"] = float((np.abs(found - logits).max(1) / np.abs(logits).max(1)).max())
        if not report["worst"] <= TOLERANCE:
            sys.exit(f"{arguments.program} is {report['worst']} away, more than {TOLERANCE}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
