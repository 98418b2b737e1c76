"""Pictures a second of torchvision's datasets and torch's DataLoader: the peer of tools/bench_loader.py.

    python tools/bench_loader_torch.py FOLDER --workers 2 [--epochs 2] [--cache] [--tensors] [--limit N]

FOLDER has a folder for each class. Each picture is decoded; a random part of it is resized to 224x224, half of them are flipped, all
are normalised, 32 make a batch. Prints a JSON object with the pictures a second of each epoch. torch has one thread in each process.

    --cache      decodes all pictures before the first batch, in that epoch's time, and keeps them as uint8 arrays, which
                 the workers share with their parent
    --tensors    torchvision's second generation of transforms, on tensors of bytes, in place of the first on pictures of PIL

Requirements: torch, torchvision, Pillow.
"""

import argparse
import json
import time

import numpy
import torch
import torchvision
from PIL import Image
from torchvision import datasets, transforms
from torchvision.transforms import v2

SIDE, BATCH = 224, 32
NORMALISE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Kept(torch.utils.data.Dataset):
    """Pictures as arrays of bytes in memory."""

    def __init__(self, data, part):
        self.transform = data.transform
        self.pictures = [(numpy.array(data.loader(path)), label) for path, label in (data.samples[index] for index in part)]

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        picture, label = self.pictures[index]
        return self.transform(picture), label


def transform_of(args):
    """From what the data set gives to the network's input."""
    if args.tensors:
        changes = [v2.RandomResizedCrop(SIDE, antialias=True), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*NORMALISE)]
        # a view: rows of pixels stay as they lie
        first = [lambda array: torch.from_numpy(array).permute(2, 0, 1)] if args.cache else []
        return transforms.Compose(first + changes)
    changes = [transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(*NORMALISE)]
    return transforms.Compose(([Image.fromarray] if args.cache else []) + changes)


def read(path):
    return torchvision.io.decode_image(path, torchvision.io.ImageReadMode.RGB)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--cache", action="store_true")
    parser.add_argument("--tensors", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    loader = {"loader": read} if args.tensors and not args.cache else {}
    data = datasets.ImageFolder(args.folder, transform_of(args), **loader)
    part = torch.randperm(len(data))[: args.limit].tolist()
    start = time.perf_counter()
    chosen = Kept(data, part) if args.cache else torch.utils.data.Subset(data, part)
    batches = torch.utils.data.DataLoader(chosen, BATCH, shuffle=True, num_workers=args.workers, persistent_workers=args.workers > 0)
    speeds = []
    for _ in range(args.epochs):
        pictures = 0
        for images, _ in batches:
            pictures += len(images)
        speeds.append(pictures / (time.perf_counter() - start))
        start = time.perf_counter()
    versions = f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}"
    print(json.dumps({"speeds": speeds, "pictures": pictures, "versions": versions}), flush=True)


if __name__ == "__main__":
    main()
