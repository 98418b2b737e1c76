#!/usr/bin/env python3
"""Golden data for the resizing of evaluation: what Pillow, torchvision and timm really compute.

    pip install pillow numpy torchvision timm
    python tools/golden_pillow.py

writes to crates/data/tests/golden/:

pillow.gz     made-up images of SHAPES, each resized by Image.resize with BILINEAR, then with BICUBIC: enlarging,
              reducing, a side that stays, one row, one column. Pillow must be 13 or newer.
evaluate.gz   made-up pictures of PICTURES as torchvision's Resize, CenterCrop, ToTensor and Normalize prepare them
              (float32), then as timm's transforms_imagenet_eval does.

The same lists are in crates/data/tests/pillow.rs.
"""

import gzip
import pathlib

import numpy as np
import PIL
import timm
import torchvision
from PIL import Image
from timm.data.transforms_factory import transforms_imagenet_eval
from torchvision import transforms
from torchvision.transforms import InterpolationMode

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "crates/data/tests/golden"

# (rows, columns, channels) -> (rows, columns)
SHAPES = [
    ((50, 37, 3), (41, 53)),
    ((64, 48, 3), (20, 24)),
    ((28, 28, 1), (14, 14)),
    ((28, 28, 1), (14, 40)),
    ((28, 28, 1), (96, 96)),
    ((5, 7, 1), (3, 3)),
    ((1, 9, 1), (4, 20)),
    ((9, 1, 1), (20, 3)),
    ((31, 30, 1), (31, 17)),
    ((31, 30, 3), (12, 30)),
    ((100, 75, 3), (7, 5)),
    ((211, 17, 3), (3, 17)),
    ((17, 301, 1), (16, 2)),
    ((2, 2, 3), (7, 9)),
    # Pillow 13 takes columns first, rows first, columns first
    ((131, 50, 3), (40, 21)),
    ((44, 28, 1), (20, 16)),
    ((45, 28, 1), (20, 16)),
    ((90, 7, 3), (33, 15)),
]

# (rows, columns), shorter side, rows and columns cut out, interpolation: the halves of what is left over are rounded
# up and down
PICTURES = [
    ((75, 100), 32, (28, 28), "bilinear"),
    ((100, 75), 31, (24, 25), "bilinear"),
    ((41, 40), 43, (40, 32), "bicubic"),
    ((97, 211), 19, (16, 13), "bicubic"),
    ((30, 30), 30, (23, 25), "bilinear"),
    ((64, 48), 48, (48, 48), "bilinear"),
    ((211, 60), 24, (24, 23), "bicubic"),
]

# (rows, columns), side of the input, crop_pct, interpolation
SHARES = [
    ((75, 100), 28, 0.875, "bilinear"),
    ((100, 75), 28, 0.95, "bicubic"),
    ((90, 121), 33, 0.965, "bicubic"),
]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def made_up(rows, columns, channels):
    """The high bytes of a multiplicative hash of the index."""
    index = np.arange(rows * columns * channels, dtype=np.uint64)
    values = (index * np.uint64(2654435761) % np.uint64(1 << 32)) >> np.uint64(24)
    return values.astype(np.uint8).reshape(rows, columns, channels)


def picture(rows, columns, channels):
    values = made_up(rows, columns, channels)
    return Image.fromarray(values if channels == 3 else values[:, :, 0])


def resized(src, dst, how):
    return np.asarray(picture(*src).resize((dst[1], dst[0]), how))


def as_evaluated(size, shorter, crop, interpolation):
    steps = transforms.Compose([
        transforms.Resize(shorter, interpolation=InterpolationMode(interpolation)),
        transforms.CenterCrop(crop),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ])
    return floats(steps(picture(*size, 3)))


def as_timm_does(size, side, crop_pct, interpolation):
    steps = transforms_imagenet_eval(side, crop_pct=crop_pct, interpolation=interpolation, mean=MEAN, std=STD)
    return floats(steps(picture(*size, 3)))


def floats(tensor):
    """[c][h][w] to the bytes of [h][w][c]."""
    return tensor.numpy().transpose(1, 2, 0).astype("<f4").tobytes()


def write(name, data):
    path = GOLDEN / name
    path.write_bytes(gzip.compress(data, compresslevel=9, mtime=0))
    versions = f"Pillow {PIL.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}"
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes ({versions})")


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    both = [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]
    write("pillow.gz", b"".join(resized(src, dst, how).tobytes() for src, dst in SHAPES for how in both))
    evaluated = [as_evaluated(*one) for one in PICTURES] + [as_timm_does(*one) for one in SHARES]
    write("evaluate.gz", b"".join(evaluated))


if __name__ == "__main__":
    main()
