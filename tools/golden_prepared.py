"""How pictures are prepared for published weights, as their publishers say: writes crates/cli/tests/golden/prepared.json.
`cargo xtask golden` runs it.

Of torchvision every weights enum of a network of the zoo: the name of its file, and resize, crop, interpolation, mean and
deviation of its transforms. Of timm the configurations of the weights that `plusx weights get` fetches and torchvision does
not have. Made with torchvision 0.14.1 and timm 1.0.
"""

import json
import pathlib

import timm
from torchvision.models import resnet

from zoo_names import TORCHVISION

OUT = pathlib.Path(__file__).resolve().parent.parent / "crates/cli/tests/golden/prepared.json"
TIMM = ["resnet101.a1_in1k", "resnet18d.ra2_in1k", "resnet34d.ra2_in1k", "resnet50d.a1_in1k"]


def of_torchvision(name):
    enums = {key.lower(): value for key, value in vars(resnet).items() if key.endswith("_Weights")}
    entries = {}
    for weights in enums[f"{name}_weights"]:
        transforms = weights.transforms()
        (resize,), (crop,) = transforms.resize_size, transforms.crop_size
        entries[weights.name] = {
            "file": weights.url.rpartition("/")[2],
            "resize": resize,
            "crop": crop,
            "interpolation": transforms.interpolation.value,
            "mean": transforms.mean,
            "std": transforms.std,
        }
    return entries


def of_timm(name):
    config = timm.models.get_pretrained_cfg(name)
    side = config.input_size[1]
    own = {key: getattr(config, key) for key in ("crop_pct", "interpolation", "mean", "std")}
    return {**own, "crop": side, "resize": side}


def main():
    found = {"torchvision": {name: of_torchvision(name) for name in TORCHVISION}, "timm": {name: of_timm(name) for name in TIMM}}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
