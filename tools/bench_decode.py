"""Times the decoding of a folder of pictures by another program, on one thread, or makes such folders.

    python tools/bench_decode.py make photos FOLDER      64 JPEG files of 500x375, quality 75 to 90, 4:2:0
    python tools/bench_decode.py make small FOLDER       1000 JPEG files of 32x32, likewise
    python tools/bench_decode.py pillow FOLDER SECONDS
    python tools/bench_decode.py torchvision FOLDER SECONDS

The pictures are made up: clouds, edges and noise, in the proportions that give files as large as photographs. The timings
print a JSON object with the microseconds for a file, from its name to its pixels as RGB in memory: the median over passes
through the folder. `cargo xtask bench decode` runs this. Tried with Pillow 13.0.0 and with torchvision 0.14.1 of Debian 12.
"""

import json
import os
import sys
import time


def make(kind, folder):
    import numpy
    from PIL import Image

    random = numpy.random.default_rng(7)
    width, height, count = {"photos": (500, 375, 64), "small": (32, 32, 1000)}[kind]
    os.makedirs(folder, exist_ok=True)
    y, x = numpy.mgrid[0:height, 0:width].astype(float)

    def clouds(cells):
        # a coarse grid of noise, smoothly enlarged
        grid = random.normal(size=(cells, cells, 3))
        channels = [Image.fromarray(grid[:, :, c].astype("float32")) for c in range(3)]
        enlarged = [numpy.asarray(channel.resize((width, height), Image.Resampling.BICUBIC)) for channel in channels]
        return numpy.stack(enlarged, axis=2)

    for index in range(count):
        picture = 120 + 45 * clouds(3) + 20 * clouds(8) + 8 * clouds(24)
        for _ in range(6):
            angle, offset = random.uniform(0, 6.3), random.uniform(0.2, 0.8)
            edge = (x / width - 0.5) * numpy.cos(angle) + (y / height - 0.5) * numpy.sin(angle) + 0.5 > offset
            picture += edge[:, :, None] * random.normal(scale=18, size=3)
        picture += random.normal(scale=5, size=(height, width, 1))
        pixels = numpy.clip(picture, 0, 255).astype("uint8")
        quality = [75, 80, 85, 90][index % 4]
        Image.fromarray(pixels).save(f"{folder}/{index:04}.jpg", quality=quality, subsampling="4:2:0")


def decoder(name):
    """A function from a file's name to its pixels, and what it is."""
    if name == "pillow":
        import PIL
        from PIL import Image, features

        def decode(path):
            with Image.open(path) as image:
                return image.convert("RGB")

        return decode, f"Pillow {PIL.__version__} (libjpeg-turbo {features.version_feature('libjpeg_turbo')})"
    import torch
    import torchvision
    from torchvision.io import ImageReadMode, decode_jpeg, read_file

    torch.set_num_threads(1)
    return lambda path: decode_jpeg(read_file(path), ImageReadMode.RGB), f"torchvision {torchvision.__version__}"


def measure(name, folder, seconds):
    decode, version = decoder(name)
    paths = [os.path.join(folder, file) for file in sorted(os.listdir(folder))]
    passes = []
    # the first pass warms files and tables up
    started = None
    while started is None or time.perf_counter() - started < seconds:
        begin = time.perf_counter()
        for path in paths:
            decode(path)
        if started is None:
            started = time.perf_counter()
        else:
            passes.append((time.perf_counter() - begin) * 1e6 / len(paths))
    print(json.dumps({"us": sorted(passes)[len(passes) // 2], "version": version}))


def main():
    what, *rest = sys.argv[1:]
    if what == "make":
        make(*rest)
    else:
        measure(what, rest[0], float(rest[1]))


if __name__ == "__main__":
    main()
