#!/usr/bin/env python3
"""Golden data for the bilinear resize: what OpenCV really computes.

    python3 tools/golden_resize.py

needs numpy and opencv-python-headless. It writes to crates/data/tests/golden/:

resize_96.gz      the first 100 test images of the embedded sample, 28x28, enlarged to 96x96 with INTER_LINEAR.
                  Stored as differences between columns, then between rows, modulo 256: a third smaller.
resize_shapes.gz  made-up images of the shapes below, results one after the other: enlarging, reducing, exact
                  halving (OpenCV takes another path there), one row, one column, three and four channels.
"""

import gzip
import pathlib

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
ASSETS = ROOT / "crates/data/assets/fashion-mnist-mini"
GOLDEN = ROOT / "crates/data/tests/golden"

# (rows, columns, channels) -> (rows, columns); the same list is in crates/data/tests/resize.rs
SHAPES = [
    ((50, 37, 3), (41, 53)),
    ((64, 48, 3), (20, 24)),
    ((28, 28, 1), (14, 14)),
    ((28, 28, 1), (14, 40)),
    ((13, 29, 4), (31, 17)),
    ((5, 7, 1), (3, 3)),
    ((1, 9, 1), (4, 20)),
    ((9, 1, 1), (20, 3)),
    ((31, 30, 1), (96, 96)),
    ((100, 75, 3), (7, 5)),
]


def resize(image, rows, columns):
    return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)


def made_up(rows, columns, channels):
    """The high bytes of a multiplicative hash of the index."""
    index = np.arange(rows * columns * channels, dtype=np.uint64)
    values = (index * np.uint64(2654435761) % np.uint64(1 << 32)) >> np.uint64(24)
    return values.astype(np.uint8).reshape(rows, columns, channels)


def write(name, data):
    path = GOLDEN / name
    path.write_bytes(gzip.compress(data, compresslevel=9, mtime=0))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes (OpenCV {cv2.__version__})")


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    idx = gzip.decompress((ASSETS / "t10k-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(idx, np.uint8, offset=16).reshape(-1, 28, 28)[:100]
    large = np.stack([resize(image, 96, 96) for image in images])
    across = np.diff(large, axis=2, prepend=np.uint8(0))
    write("resize_96.gz", np.diff(across, axis=1, prepend=np.uint8(0)).tobytes())
    write("resize_shapes.gz", b"".join(resize(made_up(*src), *dst).tobytes() for src, dst in SHAPES))


if __name__ == "__main__":
    main()
