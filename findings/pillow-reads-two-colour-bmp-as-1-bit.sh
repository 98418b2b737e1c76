#!/usr/bin/env bash
# Pillow reads a BMP of 8 bits a pixel as one of 1 bit where its palette is black and white alone, without an error.
#
# Pillow 13.0.0 (PyPI), seen 2026-12-01 on Linux x86-64. A BMP header says how many colours its palette has (biClrUsed);
# with 8 bits a pixel, two is a valid number. Pillow takes a palette of black and white for "bilevel", and then unpacks
# bits where the file has bytes: one index becomes eight pixels. The script writes a checkerboard of 8 x 8 pixels. Pillow
# gives another picture. With a third colour, which no pixel uses, it gives the right one.
#
# Why it matters here: scans and masks are saved so, and a network would be trained on noise. The values cannot be told
# from the right ones by looking at their kind: mode "1", the right size.
#
# Needs: python3 with venv.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet pillow==13.0.0

env/bin/python - <<'PY'
import io
import struct

import PIL
from PIL import Image

print("Pillow", PIL.__version__)
SIDE = 8
board = [[(x + y) % 2 for x in range(SIDE)] for y in range(SIDE)]


def bmp(palette):
    """An uncompressed BMP of 8 bits a pixel, rows from the bottom."""
    colours = b"".join(bytes((blue, green, red, 0)) for red, green, blue in palette)
    pixels = b"".join(bytes(row) for row in reversed(board))
    offset = 14 + 40 + len(colours)
    header = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 0, len(pixels), 0, 0, len(palette), 0)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + colours + pixels


def greys(data):
    with Image.open(io.BytesIO(data)) as image:
        mode = image.mode
        return mode, list(image.convert("L").tobytes())


right = [255 * value for row in board for value in row]
black_and_white = [(0, 0, 0), (255, 255, 255)]
mode, of_two = greys(bmp(black_and_white))
print("two colours: mode", mode, "first row", of_two[:SIDE], "right", right[:SIDE])
assert mode == "1" and of_two != right
mode, of_three = greys(bmp([*black_and_white, (9, 9, 9)]))
print("three colours: mode", mode, "first row", of_three[:SIDE])
assert mode == "P" and of_three == right
PY
echo "as described"
