"""Images a second of the loader alone, plusx and torchvision in turns: `bench_loader.py FOLDER [ROUNDS]`.

FOLDER has a folder for each class, inside of a folder train. Before: `cargo build --release -p plusx-data --example loader_speed`.
Both decode, take a random part (RandomResizedCrop, bilinear), flip half, normalise, and stack batches of 32. torchvision is tried
with 0 to 4 workers, torch on one thread in each; plusx with 2 threads. Two epochs a turn: the second one of plusx with
--cache ram finds the pictures decoded.

Requirements: torch, torchvision, Pillow.
"""

import pathlib
import statistics
import subprocess
import sys
import time

import torch
from torchvision import datasets, transforms

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ROOT / "target/release/examples/loader_speed"


def theirs(folder, workers):
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    data = datasets.ImageFolder(f"{folder}/train", transform)
    loader = torch.utils.data.DataLoader(data, 32, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    speeds = []
    for _ in range(2):
        start, images = time.perf_counter(), 0
        for batch, _ in loader:
            images += len(batch)
        speeds.append(images / (time.perf_counter() - start))
    return speeds


def ours(folder, cache):
    done = subprocess.run([OURS, folder, "2", cache, "2"], check=True, capture_output=True, text=True)
    return [float(line) for line in done.stdout.split()]


def main():
    folder, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    torch.set_num_threads(1)
    found = {}
    for _ in range(rounds):
        for cache in ("off", "ram"):
            found.setdefault(f"plusx, cache {cache}", []).append(ours(folder, cache))
        for workers in (0, 1, 2, 3, 4):
            found.setdefault(f"torchvision, {workers} workers", []).append(theirs(folder, workers))
    for name, speeds in found.items():
        first, second = zip(*speeds)
        show = lambda values: f"{statistics.median(values):7.1f} ({min(values):.1f} to {max(values):.1f})"
        print(f"{name:28} first epoch {show(first)}, second {show(second)} images/s")


if __name__ == "__main__":
    main()
