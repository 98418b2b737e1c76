"""Writes picture files as Pillow writes them, for the tests of crates/data, which compare what plusx makes of them with what
Pillow makes of them.

    python tools/pillow_encode.py FORMAT FOLDER

FORMAT is webp, gif, bmp or tiff. A file is named KIND--NUMBER, with no ending. Tried with Pillow 13.0.0 and Python 3.11.
"""

import io
import pathlib
import sys

import numpy as np
from PIL import Image

import made_up

SIZES = [(1, 1), (5, 3), (16, 16), (33, 17), (17, 40), (100, 75)]
FOLDER = pathlib.Path(sys.argv[2])
COUNTS = {}


def put(kind, data):
    number = COUNTS[kind] = COUNTS.get(kind, -1) + 1
    (FOLDER / f"{kind}--{number:03}").write_bytes(data)


def save(kind, image, how, **options):
    data = io.BytesIO()
    image.save(data, how, **options)
    put(kind, data.getvalue())


def noise(w, h, channels=3):
    return made_up.pixels(h, w, channels)


def photo(w, h, channels=3):
    """Smooth shades with edges and a little noise."""
    y, x = np.mgrid[0:h, 0:w]
    waves = [127 + 90 * np.sin(x / (9 + 4 * c) + c) * np.cos(y / (7 + 3 * c)) for c in range(channels)]
    shades = np.stack(waves, axis=2) + noise(w, h, channels) / 16
    shades[(x + 2 * y) % 50 < 9] += 40
    return shades.clip(0, 255).astype(np.uint8)


def image(pixels, mode="RGB"):
    return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())


def few(w, h, colours):
    """A picture of few colours, in mode P."""
    index = (noise(w, h, 1)[:, :, 0] % colours).astype(np.uint8)
    picture = Image.frombytes("P", (w, h), index.tobytes())
    picture.putpalette(made_up.pixels(colours * 3).tobytes())
    return picture


def exif(value):
    block = Image.Exif()
    block[0x0112] = value
    return block.tobytes()


def packet(value):
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="{value}"/></x:xmpmeta>'.encode()


def webp():
    for w, h in SIZES:
        for quality in (1, 30, 75, 100):
            for make in (photo, noise):
                save("webp-lossy", image(make(w, h)), "WEBP", quality=quality, method=quality % 7)
        save("webp-lossy-alpha", image(photo(w, h, 4), "RGBA"), "WEBP", quality=60)
        for make in (photo, noise):
            save("webp-lossless", image(make(w, h)), "WEBP", lossless=True, quality=w % 100)
            save("webp-lossless-alpha", image(make(w, h, 4), "RGBA"), "WEBP", lossless=True, exact=True)
        for colours in (2, 3, 9, 200):
            save("webp-lossless", few(w, h, colours).convert("RGB"), "WEBP", lossless=True, method=6)
        for lossless in (False, True):
            frames = [image(make(w, h, 4), "RGBA") for make in (photo, noise)]
            save("webp-animated", frames[0], "WEBP", lossless=lossless, save_all=True, append_images=frames[1:],
                 background=(9, 200, 30, 255))
    for value in range(10):
        save("webp-orientation", image(photo(24, 17)), "WEBP", lossless=True, exif=exif(value))
        save("webp-orientation", image(photo(24, 17)), "WEBP", quality=90, xmp=packet(value))
        save("webp-orientation", image(photo(24, 17)), "WEBP", lossless=True, exif=exif(value), xmp=packet(3))


def gif():
    for w, h in SIZES:
        for interlace in (0, 1):
            save("gif", few(w, h, 256), "GIF", interlace=interlace)
            save("gif", image(photo(w, h)), "GIF", interlace=interlace)
            save("gif", image(photo(w, h, 1), "L"), "GIF", interlace=interlace)
            save("gif", few(w, h, 3), "GIF", interlace=interlace, transparency=1)
        frames = [few(w, h, colours) for colours in (9, 17)]
        save("gif-animated", frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2)


def bmp():
    for w, h in SIZES:
        for picture in (image(photo(w, h)), image(photo(w, h, 4), "RGBA"), few(w, h, 200), few(w, h, 3),
                        image(photo(w, h, 1), "L"), image(photo(w, h, 1), "L").convert("1")):
            save("bmp", picture, "BMP")


def tiff():
    for w, h in SIZES:
        pictures = {
            "grey": image(photo(w, h, 1), "L"),
            "rgb": image(photo(w, h)),
            "rgba": image(photo(w, h, 4), "RGBA"),
            "cmyk": image(photo(w, h, 4), "CMYK"),
            "palette": few(w, h, 200),
            "bilevel": image(photo(w, h, 1), "L").convert("1"),
        }
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"):
            for mode, picture in pictures.items():
                save(f"tiff-{mode}", picture, "TIFF", compression=compression)
                if compression and mode not in ("bilevel", "palette") and compression != "packbits":
                    save(f"tiff-{mode}", picture, "TIFF", compression=compression, tiffinfo={317: 2})
        for compression in ("tiff_ccitt", "group3", "group4"):
            for bilevel in (pictures["bilevel"], image(noise(w, h, 1), "L").point(lambda v: 255 * (v > 200), "1")):
                save(f"tiff-{compression}", bilevel, "TIFF", compression=compression)
                save(f"tiff-{compression}", bilevel, "TIFF", compression=compression, tiffinfo={262: 0})
        for options in (1, 4, 5):
            save("tiff-group3", pictures["bilevel"], "TIFF", compression="group3", tiffinfo={292: options})
        for mode in ("grey", "rgb"):
            for quality in (20, 90):
                save(f"tiff-jpeg-{mode}", pictures[mode], "TIFF", compression="jpeg", quality=quality)
        ycbcr = pictures["rgb"].convert("YCbCr")
        save("tiff-jpeg-ycbcr", ycbcr, "TIFF", compression="jpeg", quality=80)
        save("tiff-jpeg-cmyk", pictures["cmyk"], "TIFF", compression="jpeg")
    for value in range(1, 9):
        save("tiff-orientation", image(photo(24, 17)), "TIFF", tiffinfo={0x0112: value})
        save("tiff-orientation", image(photo(24, 17)), "TIFF", tiffinfo={0x0112: value}, compression="tiff_lzw")
    save("tiff-pages", image(photo(24, 17)), "TIFF", save_all=True, append_images=[image(noise(40, 3))])


def main():
    {"webp": webp, "gif": gif, "bmp": bmp, "tiff": tiff}[sys.argv[1]]()


if __name__ == "__main__":
    main()
