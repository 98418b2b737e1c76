#!/usr/bin/env bash
# Pillow colours a GIF frame by the palette for all frames where the frame's own palette is the greys in order.
#
# Pillow 13.0.0 (PyPI), seen 2026-12-01 on Linux x86-64. A frame of a GIF file may have a palette of its own, and then that
# one counts (GIF89a specification, section 21). If the frame's palette is (0, 0, 0), (1, 1, 1), (2, 2, 2) and so on, Pillow
# drops it, because grey pictures need none, and keeps the palette for all frames, which then colours the indices. The
# script writes a frame of four greys in a file whose palette for all is red, green, blue and white. Pillow gives colours.
# Without the palette for all it gives the greys.
#
# Why it matters here: a grey picture in such a file arrives in false colours, and nothing tells.
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

import PIL
from PIL import Image

print("Pillow", PIL.__version__)
COLOURS = bytes((255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255))
GREYS = bytes(value for grey in range(4) for value in (grey, grey, grey))
# LZW of the indices 0, 1, 2, 3: a code and its bits; clear first, end last
CODES = [(4, 3), (0, 3), (1, 3), (2, 3), (3, 4), (5, 4)]


def packed():
    """The bits of all codes, the lowest first."""
    bits = at = 0
    for code, size in CODES:
        bits |= code << at
        at += size
    return bits.to_bytes((at + 7) // 8, "little")


def gif(palette):
    """Four pixels in a row; the frame has a palette of its own."""
    flags = 0x80 | 1 if palette else 0
    data = packed()
    screen = b"GIF89a" + bytes((4, 0, 1, 0, flags, 0, 0)) + palette
    frame = b"," + bytes((0, 0, 0, 0, 4, 0, 1, 0, 0x80 | 1)) + GREYS
    return screen + frame + bytes((2, len(data))) + data + b"\0;"


def pixels(data):
    with Image.open(io.BytesIO(data)) as image:
        flat = image.convert("RGB").tobytes()
    return [tuple(flat[at:at + 3]) for at in range(0, len(flat), 3)]


right = [(grey, grey, grey) for grey in range(4)]
alone, beside = pixels(gif(b"")), pixels(gif(COLOURS))
print("own palette alone:", alone)
print("own palette, and one for all:", beside)
assert alone == right
assert beside == [tuple(COLOURS[at:at + 3]) for at in range(0, 12, 3)]
PY
echo "as described"
