"""Times the resize of plusx beside Pillow's, in turns, one thread each, and prints a table in Markdown.

    cargo build --release -p plusx-pixels --example resize_speed
    python3 tools/bench_resize.py target/release/examples/resize_speed [ROUNDS]

An image of 500x375 becomes one of 224x224: as a whole, or by a shorter side of 256 and a cut of the middle, which Pillow
computes as a resize and a crop. Milliseconds are the median of the rounds, each the median of its runs. The set-up of a
shape counts on both sides.
"""

import json
import statistics
import subprocess
import sys
import time

import PIL
from PIL import Image

SECONDS = 0.1
FILTERS = {"Bilinear": Image.Resampling.BILINEAR, "Bicubic": Image.Resampling.BICUBIC}


def made_up(length):
    return bytes((i * 2654435761 & 0xFFFFFFFF) >> 24 for i in range(length))


def whole(image, how):
    return image.resize((224, 224), how)


def evaluated(image, how):
    return image.resize((341, 256), how).crop((58, 16, 282, 240))


CASES = {"plain": whole, "shorter side 256, cut": evaluated}


def pillow(images):
    for channels, image in images.items():
        for case, run in CASES.items():
            for name, how in FILTERS.items():
                times = []
                started = time.perf_counter()
                while time.perf_counter() - started < SECONDS:
                    one = time.perf_counter()
                    run(image, how)
                    times.append(1e3 * (time.perf_counter() - one))
                yield (channels, case, name), statistics.median(times)


def plusx(program):
    lines = subprocess.run([program, str(SECONDS)], check=True, capture_output=True, text=True).stdout
    for line in map(json.loads, lines.splitlines()):
        yield (line["channels"], line["case"], line["filter"]), line["level"], line["ms"]


def main():
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    size = (500, 375)
    images = {
        3: Image.frombytes("RGB", size, made_up(375 * 500 * 3)),
        1: Image.frombytes("L", size, made_up(375 * 500)),
    }
    found = {}
    for _ in range(rounds):
        for case, level, ms in plusx(program):
            found.setdefault(case, {}).setdefault(level, []).append(ms)
        for case, ms in pillow(images):
            found[case].setdefault(f"Pillow {PIL.__version__}", []).append(ms)
    columns = list(next(iter(found.values())))
    print("| channels | resize | filter |", " | ".join(columns), "|")
    print("|---" * (3 + len(columns)) + "|")
    for (channels, case, name), times in found.items():
        values = " | ".join(f"{statistics.median(times[column]):.3f}" for column in columns)
        print(f"| {channels} | {case} | {name.lower()} | {values} |")


if __name__ == "__main__":
    main()
