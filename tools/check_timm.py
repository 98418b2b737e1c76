"""Checks a folder that `plusx export --format timm` wrote with timm itself.

    pip install timm torch numpy
    python tools/check_timm.py FOLDER [--images IMAGES --logits LOGITS]

timm must open the folder, and take classes and preprocessing from it. With --images and --logits (raw little-endian
float32: prepared images, channels first, and logits as plusx computed them) timm's logits must be within 1e-4 of the
largest, image by image. Prints one line of JSON.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import timm
import torch

TOLERANCE = 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--images")
    parser.add_argument("--logits")
    arguments = parser.parse_args()
    config = json.loads((pathlib.Path(arguments.folder) / "config.json").read_text())
    model = timm.create_model(f"local-dir:{arguments.folder}", pretrained=True).eval()
    taken = model.pretrained_cfg
    data = timm.data.resolve_data_config({}, model=model)
    wanted = config["pretrained_cfg"]
    for key in ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std"):
        found = list(data[key]) if isinstance(wanted[key], list) else data[key]
        if found != wanted[key]:
            sys.exit(f"{key}: timm took {found}, the folder says {wanted[key]}")
    if list(taken["label_names"]) != config["label_names"] or model.num_classes != config["num_classes"]:
        sys.exit(f"classes: timm took {taken['label_names']}")
    if model.num_features != config["num_features"]:
        sys.exit(f"features: timm has {model.num_features}, the folder says {config['num_features']}")
    report = {"architecture": config["architecture"], "classes": model.num_classes}
    if arguments.images and arguments.logits:
        x = torch.from_numpy(np.fromfile(arguments.images, "<f4").reshape(-1, *wanted["input_size"]))
        with torch.no_grad():
            found = model(x).numpy()
        logits = np.fromfile(arguments.logits, "<f4").reshape(found.shape)
        apart = (np.abs(found - logits).max(1) / np.abs(logits).max(1)).max()
        report["worst"] = float(apart)
        if not report["worst"] <= TOLERANCE:
            sys.exit(f"timm is {report['worst']} away, more than {TOLERANCE}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
