"""What it costs to open a folder of many small pictures: wall time, processor time and memory of `plusx train --dry-run` and of
`plusx check` on 100,000 PNG files of 16x16 in ten folders, beside 1,000 of them. Needs nothing but Python.

    python3 tools/bench_many_files.py target/release/plusx [ROUNDS]
"""

import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib

COUNTS = [1_000, 100_000]
TRAIN = "train --model resnet20 --resize 16 --batch-size 32 --dry-run --data".split()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def make(folder, count):
    """The same pictures each time: noise."""
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
    noise = random.Random(1)
    for label in range(10):
        os.makedirs(f"{folder}/class_{label}")
    for index in range(count):
        rows = b"".join(b"\0" + noise.randbytes(48) for _ in range(16))
        with open(f"{folder}/class_{index % 10}/IMG_{index:06}.png", "wb") as file:
            file.write(head + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def measure(command):
    """Wall seconds, processor seconds, and the most memory that was resident, in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{' '.join(command)}: status {status}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main(plusx, rounds):
    with tempfile.TemporaryDirectory() as root:
        for count in COUNTS:
            make(f"{root}/{count}", count)
        for name, command in [("train --dry-run", TRAIN), ("check", ["check"])]:
            memory = []
            for count in COUNTS:
                line = [plusx, *command, f"{root}/{count}"]
                measure(line)  # what is on the disk is in memory from here on
                found = sorted(measure(line) for _ in range(rounds))
                wall = ", ".join(f"{one[0]:.2f}" for one in found)
                processor = sorted(one[1] for one in found)[rounds // 2]
                memory.append(max(one[2] for one in found))
                print(f"{name}, {count:,} files: {wall} s of wall time, {processor:.2f} s of processor time, {memory[-1] / 1e6:.1f} MB")
            print(f"{name}: {(memory[1] - memory[0]) / (COUNTS[1] - COUNTS[0]):.0f} bytes a picture")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5)
