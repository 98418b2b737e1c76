"""What torchvision does to pictures of PIL, on fixed draws: writes crates/data/tests/golden/augment.gz. `cargo xtask golden` runs it.

The first part is functions with given parameters, on a coloured and a grey picture. The second is whole transforms, whose
random functions take their draws from Philox as crates/data/src/augment/draws.rs does. crates/data/src/augment/tests.rs
walks through the same list. Made with torchvision 0.14.1 and Pillow 13.
"""

import gzip
import math
import pathlib

import numpy as np
import torch
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as F
from torchvision.transforms import InterpolationMode

from philox import philox

OUT = pathlib.Path(__file__).resolve().parent.parent / "crates/data/tests/golden/augment.gz"
AUGMENT = 6
SAMPLES = 16


def picture(h, w, c):
    y, x, k = np.meshgrid(np.arange(h), np.arange(w), np.arange(c), indexing="ij")
    values = (y * 7 + x * 13 + k * 50 + (y * x * (k + 1)) % 61 * 3) % 256
    values = values.astype(np.uint8)
    return Image.fromarray(values if c == 3 else values[:, :, 0])


def sheared(image, x, y):
    degrees = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return F.affine(image, 0.0, [0, 0], 1.0, degrees, InterpolationMode.NEAREST, center=[0, 0])


def shifted(image, x, y):
    return F.affine(image, 0.0, [x, y], 1.0, [0.0, 0.0], InterpolationMode.NEAREST)


FUNCTIONS = (
    [lambda i, f=f: F.adjust_brightness(i, f) for f in (0.0, 0.35, 1.0, 1.7)]
    + [lambda i, f=f: F.adjust_contrast(i, f) for f in (0.0, 0.35, 1.0, 1.7)]
    + [lambda i, f=f: F.adjust_saturation(i, f) for f in (0.0, 0.35, 1.0, 1.7)]
    + [lambda i, f=f: F.adjust_sharpness(i, f) for f in (0.0, 0.1, 1.0, 1.9)]
    + [lambda i, f=f: F.adjust_hue(i, f) for f in (-0.5, -0.21, 0.1, 0.5)]
    + [lambda i, b=b: F.posterize(i, b) for b in (2, 5, 8)]
    + [lambda i, t=t: F.solarize(i, t) for t in (0.0, 100.5, 255.0)]
    + [F.autocontrast, F.equalize, F.hflip, F.vflip]
    + [lambda i, d=d: F.rotate(i, d, InterpolationMode.NEAREST) for d in (30.0, -135.0, 90.0, 180.0, 10.5, 0.0, 270.0)]
    + [lambda i, s=s: sheared(i, *s) for s in ((0.3, 0.0), (-0.99, 0.0), (0.0, 0.2))]
    + [lambda i, s=s: shifted(i, *s) for s in ((5, 0), (-3, 0), (0, 4))]
)


class Draws:
    """Draw i is word i % 4 of counter (epoch, sample, i / 4, 0)."""

    def __init__(self, seed, epoch, sample):
        self.of, self.next = (seed, epoch, sample), 0

    def word(self):
        seed, epoch, sample = self.of
        counter = np.array([[epoch, sample, self.next // 4, 0]], dtype=np.uint32)
        word = int(philox(seed, AUGMENT, counter)[0, self.next % 4])
        self.next += 1
        return word

    def unit(self):
        return self.word() / 2**32

    def below(self, n):
        return self.word() * n >> 32

    def order(self, n):
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order


class Drawn:
    """In place of torch's random functions."""

    def __init__(self, draws):
        self.draws = draws

    def __enter__(self):
        draws = self.draws
        self.own = {name: getattr(torch, name) for name in ("rand", "empty", "randint", "randperm")}

        class Empty:
            def uniform_(self, low, high):
                low, high = float(low), float(high)
                return torch.tensor([low + (high - low) * draws.unit()], dtype=torch.float64)

        def randint(*bounds, size=None, **_):
            bounds = [bound for bound in bounds if isinstance(bound, int)]
            low, high = bounds if len(bounds) == 2 else (0, bounds[0])
            return torch.tensor([low + draws.below(high - low)])

        torch.rand = lambda *_: torch.tensor([draws.unit()], dtype=torch.float64)
        torch.empty = lambda *_, **__: Empty()
        torch.randint = randint
        torch.randperm = lambda n: torch.tensor(draws.order(n))

    def __exit__(self, *_):
        for name, function in self.own.items():
            setattr(torch, name, function)



def magnitudes(policy, size):
    space = policy._augmentation_space(31, size) if isinstance(policy, T.RandAugment) else policy._augmentation_space(31)
    policy._augmentation_space = lambda *_: space
    return policy


def whole(image, sample, transforms):
    draws = Draws(7, 2, sample)
    for transform in transforms:
        with Drawn(draws):
            image = transform(image)
    return image


def main():
    out = []
    for c in (3, 1):
        for sides in ((12, 9), (10, 10)):
            image = picture(*sides, c)
            out += [np.asarray(function(image)) for function in FUNCTIONS]
    for c in (3, 1):
        image = picture(31, 46, c)
        for sample in range(SAMPLES):
            size = (16, 16)
            jitter = T.ColorJitter(0.4, 0.3, 0.5, 0.2)
            lists = [
                [T.RandomResizedCrop(size, (0.08, 1.0), (3 / 4, 4 / 3), InterpolationMode.BILINEAR), T.RandomHorizontalFlip(0.5)],
                [T.Resize(size), T.RandomHorizontalFlip(0.3), T.RandomVerticalFlip(0.6), magnitudes(T.RandAugment(2, 9), size)],
                [T.Resize(size), magnitudes(T.TrivialAugmentWide(), size)],
                [T.Resize(size), jitter, T.RandomRotation(25.0)],
                [T.Resize(size), T.RandomCrop(size, padding=4)],
            ]
            for number, transforms in enumerate(lists):
                if number != 4:
                    out.append(np.asarray(whole(image, sample, transforms)))
            draws = Draws(7, 2, sample)
            values = torch.from_numpy(np.asarray(F.resize(image, size)).copy()).reshape(16, 16, c).permute(2, 0, 1) + 0
            with Drawn(draws):
                erased = T.RandomErasing(0.7)(values)
            out.append(erased.permute(1, 2, 0).numpy().astype(np.uint8))
    for policy in (T.RandAugment()._augmentation_space(31, (16, 20)), T.TrivialAugmentWide()._augmentation_space(31)):
        for values, _ in policy.values():
            out.append(np.broadcast_to(values.numpy().astype(np.float64), (31,)))
    OUT.write_bytes(gzip.compress(b"".join(part.tobytes() for part in out), mtime=0))


if __name__ == "__main__":
    main()
