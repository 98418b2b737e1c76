"""Golden data for augmentation, by running torchvision on pictures of PIL: writes tests/golden/augment.txt. With the argument
`more` it prints other and larger cases instead, for crates/data/tests/augment.rs.

Each line is `name number ... = answer`. Pictures are made up: byte i of picture s is the upper byte of (i xor s) 2654435761 modulo
2^32, for some of them lessened so that few values occur. torch's random functions are replaced by ones that take the next word
of the stream that plusx draws from, so that what the transforms do with their draws can be compared.

Requirements: Python 3.10 or newer, numpy, torch, torchvision, Pillow 13, a processor with AVX2.
"""

import os
import pathlib
import sys

# torch.linspace, and so the magnitudes of the policies, differ between instruction sets
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"

import numpy as np
import torch
from philox import philox
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode, autoaugment
from torchvision.transforms import functional as F

SEED, STREAM, MIX_STREAM = 42, 6, 7
# places of plusx' `Use`
CROP, JITTER, ROTATION, POLICY, ERASE, MIX = 0, 3, 4, 5, 6, 7
WARPS = [InterpolationMode.NEAREST, InterpolationMode.BILINEAR]


def picture(h, w, c, seed):
    values = (np.arange(h * w * c, dtype=np.uint64) ^ np.uint64(seed)) * np.uint64(2654435761)
    values = ((values >> np.uint64(24)) & np.uint64(255)).astype(np.uint8)
    if seed % 3 == 1:
        values = 60 + values // 3
    if seed % 3 == 2:
        values = values // 16 * 9
    values = values.astype(np.uint8).reshape(h, w, c)
    return Image.fromarray(values[:, :, 0] if c == 1 else values)


class Words:
    """The stream, and torch's functions over it."""

    def begin(self, epoch, sample, use, stream=STREAM):
        counters = np.zeros((256, 4), dtype=np.uint32)
        counters[:, 0], counters[:, 1], counters[:, 3] = epoch, sample, use
        counters[:, 2] = np.arange(256)
        self.words = iter(philox(SEED, stream, counters).reshape(-1).tolist())

    def unit(self):
        return (next(self.words) >> 8) * 2.0**-24

    def below(self, n):
        return (next(self.words) * n) >> 32

    def uniform_(self, tensor, low=0.0, high=1.0):
        low, high = float(low), float(high)
        return tensor.fill_(low + (high - low) * self.unit())

    def randint(self, *args, size=None, dtype=None):
        args = [a for a in args if isinstance(a, int)]
        low, high = args if len(args) == 2 else (0, args[0])
        return torch.tensor([low + self.below(high - low)])

    def randperm(self, n):
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return torch.tensor(order)


WORDS = Words()
torch.Tensor.uniform_ = lambda tensor, low=0.0, high=1.0: WORDS.uniform_(tensor, low, high)
torch.randint = WORDS.randint
torch.randperm = WORDS.randperm
torch.rand = lambda *_: torch.tensor([WORDS.unit()])


def line(name, numbers, answer):
    print(name, *(repr(float(n)) if isinstance(n, float) else n for n in numbers), "=", answer)


def pixels(image):
    return np.asarray(image).tobytes().hex()


def tones(shape, seed, factors, hues):
    image = picture(*shape, seed)
    for name, run in [
        ("brightness", F.adjust_brightness),
        ("contrast", F.adjust_contrast),
        ("saturation", F.adjust_saturation),
        ("sharpness", F.adjust_sharpness),
    ]:
        for factor in factors:
            line(name, [*shape, seed, factor], pixels(run(image, factor)))
    for factor in hues:
        line("hue", [*shape, seed, factor], pixels(F.adjust_hue(image, factor)))
    for bits in (1, 3, 8):
        line("posterize", [*shape, seed, bits], pixels(F.posterize(image, bits)))
    for threshold in (0.0, 128.0, 76.5, 255.0):
        line("solarize", [*shape, seed, threshold], pixels(F.solarize(image, threshold)))
    for name in ("invert", "autocontrast", "equalize", "hflip", "vflip"):
        line(name, [*shape, seed], pixels(getattr(F, name)(image)))


def warps(shape, seed, angles, shears, shifts):
    image = picture(*shape, seed)
    for warp, mode in enumerate(WARPS):
        for angle in angles:
            line("rotate", [*shape, seed, angle, warp], pixels(F.rotate(image, angle, interpolation=mode)))
        for name, values in [("ShearX", shears), ("ShearY", shears), ("TranslateX", shifts), ("TranslateY", shifts)]:
            for value in values:
                moved = autoaugment._apply_op(image, name, value, interpolation=mode, fill=None)
                line(name, [*shape, seed, value, warp], pixels(moved))


def spaces(h, w):
    rand = autoaugment.RandAugment()._augmentation_space(31, (h, w))
    wide = autoaugment.TrivialAugmentWide()._augmentation_space(31)
    for space, table in enumerate([rand, wide]):
        for number, (values, _) in enumerate(table.values()):
            values = values.expand(31) if values.ndim == 0 else values
            line("magnitudes", [h, w, space, number], " ".join(repr(float(v)) for v in values.tolist()))


def places(h, w, samples):
    tensor = torch.zeros(3, h, w)
    for sample in samples:
        for scale, ratio in [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.9, 1.0), (0.5, 0.6))]:
            WORDS.begin(1, sample, CROP)
            i, j, a, b = transforms.RandomResizedCrop.get_params(tensor, scale, ratio)
            line("resized_crop", [h, w, sample, *scale, *ratio], f"{i} {j} {a} {b}")
        WORDS.begin(1, sample, CROP)
        i, j, _, _ = transforms.RandomCrop.get_params(torch.zeros(3, h + 8, w + 8), (h, w))
        line("crop", [h + 8, w + 8, h, w, sample], f"{i} {j}")
        WORDS.begin(1, sample, ERASE)
        erased = transforms.RandomErasing(p=0.5)(torch.ones(3, h, w))
        at = (erased[0] == 0).nonzero()
        answer = "none"
        if len(at):
            (i, j), (y, x) = at[0].tolist(), at[-1].tolist()
            answer = f"{i} {j} {y - i + 1} {x - j + 1}"
        line("erased", [h, w, sample], answer)


def wholes(shape, samples):
    for sample in samples:
        image = picture(*shape, sample)
        for strengths in [(0.4, 0.4, 0.4, 0.1), (0.0, 1.5, 0.0, 0.5)]:
            WORDS.begin(1, sample, JITTER)
            line("jitter", [*shape, sample, *strengths], pixels(transforms.ColorJitter(*strengths)(image)))
        for warp, mode in enumerate(WARPS):
            WORDS.begin(1, sample, ROTATION)
            turned = transforms.RandomRotation(50, interpolation=mode)(image)
            line("rotation", [*shape, sample, 50.0, warp], pixels(turned))
            WORDS.begin(1, sample, POLICY)
            changed = autoaugment.RandAugment(2, 9 + sample % 22, interpolation=mode)(image)
            line("rand", [*shape, sample, 2, 9 + sample % 22, warp], pixels(changed))
            WORDS.begin(1, sample, POLICY)
            changed = autoaugment.TrivialAugmentWide(interpolation=mode)(image)
            line("trivial", [*shape, sample, warp], pixels(changed))
        resized = F.resized_crop(image, 1, 2, shape[0] - 3, shape[1] - 2, [7, 9], antialias=True)
        line("crop_and_resize", [*shape, sample, 1, 2, shape[0] - 3, shape[1] - 2, 7, 9], pixels(resized))


def mixes(n, h, w, lambdas):
    """RandomMixup's and RandomCutmix's arithmetic (references/classification/transforms.py of torchvision), and the targets as
    torch's cross_entropy smooths them: with logits that are 0 but for one, differences of losses are targets."""
    batch = torch.arange(n * h * w * 3, dtype=torch.float32).remainder(251).reshape(n, h, w, 3).sub(100).div(7)
    labels = torch.tensor([(3 * i) % 4 for i in range(n)])
    one_hot = torch.nn.functional.one_hot(labels, 5).float()
    for lam in lambdas:
        mixed = batch.clone().mul_(lam).add_(batch.roll(1, 0).mul_(1.0 - lam))
        target = one_hot.clone().mul_(lam).add_(one_hot.roll(1, 0).mul_(1.0 - lam))
        line("mixup", [n, h, w, lam], mixed.numpy().tobytes().hex())
        for smoothing in (0.0, 0.1):
            # a logit raised far above the others has a loss of (sum of the other targets) x
            losses = []
            for k in range(5):
                logits = torch.zeros(n, 5, dtype=torch.float64)
                logits[:, k] = 1.0
                losses.append(
                    torch.nn.functional.cross_entropy(
                        logits, target.double(), label_smoothing=smoothing, reduction="none"
                    )
                )
            # loss of column k is log(e + 4) - target k
            found = float(np.log(np.e + 4)) - torch.stack(losses, 1)
            line("targets", [n, lam, smoothing], " ".join(repr(v) for v in found.flatten().tolist()))
        r = 0.5 * np.sqrt(1.0 - lam)
        for y, x in [(0, 0), (h // 2, w - 1), (h - 1, w // 3)]:
            rw, rh = int(r * w), int(r * h)
            x1, y1, x2, y2 = max(x - rw, 0), max(y - rh, 0), min(x + rw, w), min(y + rh, h)
            cut = batch.clone()
            cut[:, y1:y2, x1:x2] = batch.roll(1, 0)[:, y1:y2, x1:x2]
            line("cutmix", [n, h, w, lam, y, x], f"{float(1.0 - (x2 - x1) * (y2 - y1) / (w * h))!r} {cut.numpy().tobytes().hex()}")


def main():
    if sys.argv[1:] == ["more"]:
        for seed, shape in enumerate([(37, 29, 3), (24, 24, 3), (33, 40, 1), (2, 9, 3), (1, 1, 3), (3, 3, 1)]):
            tones(shape, seed, [0.0, 0.1, 0.35, 0.999, 1.0, 1.2, 1.99, 7.5], [-0.5, -0.27, -0.1, 0.0, 0.003, 0.1, 0.33, 0.5])
            # every magnitude that the policies have, for colour and for grey
            bins = range(31) if seed in (0, 2) else (4, 9, 30)
            tables = [torch.linspace(0.0, most, 31).tolist() for most in (0.3, 0.99)]
            steps = [sign * table[bin] for table in tables for bin in bins for sign in (1, -1)]
            angles = [0.0, 90.0, 180.0, 270.0, -90.0, 360.0, 45.0, 30.0, -60.0, 0.01, 133.7, -7.25, 200.0]
            warps(shape, seed, angles, steps, [0.0, 0.9, 5.5, -3.7, -12.0, 32.0, 60.0])
        # all the colours that a hue can be computed from, coarsely
        tones((64, 64, 3), 0, [0.7], [0.05, -0.45])
        for h, w in [(224, 224), (32, 32), (331, 662), (97, 500)]:
            spaces(h, w)
        for h, w in [(224, 224), (500, 375), (32, 32), (3, 200), (1, 1)]:
            places(h, w, range(60))
        wholes((23, 31, 3), range(60))
        wholes((23, 31, 1), range(20))
        mixes(4, 7, 9, [0.0, 0.25, 0.3, 0.77, 1.0])
        return
    out = pathlib.Path(__file__).parent.parent / "tests/golden/augment.txt"
    with out.open("w") as file:
        sys.stdout = file
        for seed, shape in enumerate([(7, 5, 3), (6, 6, 1)]):
            tones(shape, seed + 1, [0.0, 0.35, 1.7], [-0.27, 0.1, 0.5])
            warps(shape, seed, [90.0, 180.0, 33.3], [0.3, -0.85], [2.5, -3.0])
        spaces(48, 331)
        places(50, 37, range(8))
        places(3, 60, range(2))
        wholes((6, 8, 3), range(10))
        mixes(3, 3, 5, [0.3, 0.77])
        sys.stdout = sys.__stdout__


if __name__ == "__main__":
    main()
