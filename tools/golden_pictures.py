"""Writes crates/data/tests/golden/jpeg/pixels.gz: what Pillow makes of the JPEG files beside it, in order of their names,
as RGB, one after the other.

    python tools/golden_pictures.py

The files themselves were written by the writer in crates/data/tests/jpeg and turned into other processes by libjpeg-turbo's
jpegtran. Made with Pillow 13.0.0, which carries libjpeg-turbo 3.2.0.
"""

import gzip
from pathlib import Path

from PIL import Image, ImageOps

FOLDER = Path(__file__).resolve().parent.parent / "crates/data/tests/golden/jpeg"


def main():
    pixels = b""
    for path in sorted(FOLDER.glob("*.jpg")):
        with Image.open(path) as image:
            pixels += ImageOps.exif_transpose(image).convert("RGB").tobytes()
    # no date: equal runs write equal files
    (FOLDER / "pixels.gz").write_bytes(gzip.compress(pixels, mtime=0))


if __name__ == "__main__":
    main()
