"""Checks a weight file that plusx wrote with torchvision: `load_state_dict(strict=True)` must take it as it is.

    pip install torch torchvision safetensors numpy
    python tools/check_torchvision.py FILE --model NAME [--images IMAGES --logits LOGITS]

The header's entry must name the network and as many classes as the file has. With --images and --logits (raw little-endian
float32: prepared images, channels first, and logits as plusx computed them) torchvision's logits must be within 1e-4 of the
largest, image by image. Prints one line of JSON.

Requirements: Python 3.10 or newer, torch 1.13, torchvision 0.14 or newer, safetensors, numpy.
"""

import argparse
import json
import sys

import numpy as np
import torch
import torchvision
from safetensors import safe_open

TOLERANCE = 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--model", required=True)
    parser.add_argument("--images")
    parser.add_argument("--logits")
    arguments = parser.parse_args()
    # through numpy, which every release of safetensors can: not each knows torch as old as 1.13
    with safe_open(arguments.file, framework="np") as file:
        about = json.loads(file.metadata()["plusx"])
        state = {name: torch.from_numpy(np.array(file.get_tensor(name))) for name in file.keys()}
    classes = len(state["fc.bias"])
    if about["architecture"] != arguments.model or len(about["classes"]) != classes:
        sys.exit(f"{arguments.file} says that it is {about['architecture']} of {len(about['classes'])} classes")
    model = getattr(torchvision.models, arguments.model)(weights=None, num_classes=classes).eval()
    model.load_state_dict(state, strict=True)
    report = {"model": arguments.model, "tensors": len(state), "classes": classes}
    if arguments.images and arguments.logits:
        x = torch.from_numpy(np.fromfile(arguments.images, "<f4").reshape(-1, *about["preprocess"]["input"]))
        with torch.no_grad():
            found = model(x).numpy()
        logits = np.fromfile(arguments.logits, "<f4").reshape(found.shape)
        report["worst"] = float((np.abs(found - logits).max(1) / np.abs(logits).max(1)).max())
        if not report["worst"] <= TOLERANCE:
            sys.exit(f"torchvision is {report['worst']} away, more than {TOLERANCE}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
