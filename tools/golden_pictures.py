"""Golden data for what is done with pictures, by the programs that plusx is compared with: writes to
crates/data/tests/golden/.

pillow.gz         made-up images of PILLOW_SHAPES, each resized by Pillow with BILINEAR, then with BICUBIC: enlarging,
                  reducing, a side that stays, one row, one column. Pillow must be 13 or newer.
evaluate.gz       made-up pictures of PICTURES as torchvision's Resize, CenterCrop, ToTensor and Normalize prepare them
                  (float32), then those of SHARES as timm's transforms_imagenet_eval does.
jpeg/pixels.gz    what Pillow makes of the JPEG files beside it, in order of their names, as RGB, one after the other. The files
                  were written by the writer in crates/data/tests/jpeg and turned into other processes by libjpeg-turbo's
                  jpegtran. Made with Pillow 13.0.0, which carries libjpeg-turbo 3.2.0.
others/pixels.gz  the same of the WebP, GIF, BMP and TIFF files beside it, which Pillow wrote (OTHERS).
resize_96.gz      the first 100 test images of the embedded sample, 28x28, enlarged to 96x96 by OpenCV with INTER_LINEAR.
                  Stored as differences between columns, then between rows, modulo 256: a third smaller.
resize_shapes.gz  made-up images of OPENCV_SHAPES, resized likewise: enlarging, reducing, exact halving (OpenCV takes
                  another path there), one row, one column, three and four channels.

The same lists are in crates/data/tests/pillow.rs and resize.rs.
"""

import gzip
import pathlib

import cv2
import numpy as np
import PIL
import timm
import torchvision
from PIL import Image, ImageOps
from timm.data.transforms_factory import transforms_imagenet_eval
from torchvision import transforms
from torchvision.transforms import InterpolationMode

import made_up

DATA = pathlib.Path(__file__).resolve().parent.parent / "crates/data"
GOLDEN = DATA / "tests/golden"

# (rows, columns, channels) -> (rows, columns)
PILLOW_SHAPES = [
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

# (rows, columns, channels) -> (rows, columns)
OPENCV_SHAPES = [
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

# name, how the picture is made, what Pillow's `save` gets
OTHERS = [
    ("lossy.webp", "RGB", {"quality": 40}),
    ("lossy_alpha.webp", "RGBA", {"quality": 80}),
    ("lossless.webp", "RGB", {"lossless": True}),
    ("lossless_alpha.webp", "RGBA", {"lossless": True, "exact": True}),
    ("turned.webp", "RGB", {"lossless": True, "exif": b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"}),
    ("palette.gif", "P", {"interlace": 0}),
    ("interlaced.gif", "P", {"interlace": 1, "transparency": 3}),
    ("grey.gif", "L", {}),
    ("rgb.bmp", "RGB", {}),
    ("palette.bmp", "P", {}),
    ("bilevel.bmp", "1", {}),
    ("rgb.tif", "RGB", {}),
    ("lzw.tif", "RGBA", {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
    ("deflate.tif", "CMYK", {"compression": "tiff_adobe_deflate"}),
    ("packbits.tif", "P", {"compression": "packbits"}),
    ("runs.tif", "1", {"compression": "tiff_ccitt"}),
    ("group3.tif", "1", {"compression": "group3", "tiffinfo": {292: 5}}),
    ("group4.tif", "1", {"compression": "group4", "tiffinfo": {262: 0}}),
    ("jpeg.tif", "RGB", {"compression": "jpeg", "quality": 60}),
    ("turned.tif", "L", {"compression": "tiff_lzw", "tiffinfo": {274: 7}}),
]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def picture(rows, columns, channels):
    values = made_up.pixels(rows, columns, channels)
    return Image.fromarray(values if channels == 3 else values[:, :, 0])


def resized(src, dst, how):
    return np.asarray(picture(*src).resize((dst[1], dst[0]), how)).tobytes()


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


def decoded(path):
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB").tobytes()


def write_others():
    """Smooth shades, a little noise on them, of 43 x 29 pixels."""
    y, x = np.mgrid[0:29, 0:43]
    waves = [127 + 90 * np.sin(x / (9 + 4 * c) + c) * np.cos(y / (7 + 3 * c)) for c in range(4)]
    shades = np.stack(waves, axis=2) + made_up.pixels(29, 43, 4) / 16
    image = Image.frombytes("RGBA", (43, 29), shades.astype(np.uint8).tobytes())
    for name, mode, options in OTHERS:
        # a method of its own for palettes: the usual one depends on the build
        how = {"colors": 200, "method": Image.Quantize.FASTOCTREE}
        picture = image.quantize(**how) if mode == "P" else image.convert("RGB").convert(mode)
        (image if mode == "RGBA" else picture).save(GOLDEN / "others" / name, **options)


def enlarged(image, rows, columns):
    return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)


def sample():
    idx = gzip.decompress((DATA / "assets/fashion-mnist-mini/t10k-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(idx, np.uint8, offset=16).reshape(-1, 28, 28)[:100]
    large = np.stack([enlarged(image, 96, 96) for image in images])
    across = np.diff(large, axis=2, prepend=np.uint8(0))
    return np.diff(across, axis=1, prepend=np.uint8(0)).tobytes()


def main():
    write_others()
    both = [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]
    for name, parts in {
        "pillow.gz": [resized(src, dst, how) for src, dst in PILLOW_SHAPES for how in both],
        "evaluate.gz": [as_evaluated(*one) for one in PICTURES] + [as_timm_does(*one) for one in SHARES],
        "jpeg/pixels.gz": [decoded(path) for path in sorted((GOLDEN / "jpeg").glob("*.jpg"))],
        "others/pixels.gz": [decoded(path) for path in sorted((GOLDEN / "others").glob("*.*")) if path.suffix != ".gz"],
        "resize_96.gz": [sample()],
        "resize_shapes.gz": [enlarged(made_up.pixels(*src), *dst).tobytes() for src, dst in OPENCV_SHAPES],
    }.items():
        # no date: equal runs write equal files
        (GOLDEN / name).write_bytes(gzip.compress(b"".join(parts), mtime=0))
        print(f"{name}: {(GOLDEN / name).stat().st_size} bytes")
    versions = f"Pillow {PIL.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}"
    print(f"{versions}, OpenCV {cv2.__version__}")


if __name__ == "__main__":
    main()
