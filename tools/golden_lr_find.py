"""Golden data of the range test of the learning rate: writes crates/train/tests/golden/lr_find.json.
`cargo xtask golden` runs it.

fastai says what is right. Its wheel is fetched when this runs and read, not installed: the text of `valley` and `LRFinder` of
fastai/callback/schedule.py and of `AvgSmoothLoss` of fastai/learner.py runs here with stand-ins for what it inherits.

* `rates`: the rates of the 100 steps, by `sched_exp`;
* `valleys`: curves and the index that `valley` suggests of each;
* `tests`: losses of whole tests, the smoothed ones as fastai has them, after how many steps its `LRFinder` stops, and the rate that
  `lr_find` would then suggest.

Requirements: Python 3.10 or newer, pip, torch.
"""

import ast
import hashlib
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import zipfile

import torch

OUT = pathlib.Path(__file__).parent.parent / "crates/train/tests/golden/lr_find.json"
FASTAI = "fastai==2.7.19"
SHA256 = "8c47d72ac28cd09671ce85f42100436b99af44e4147bd9df0495049b50708d3b"
STEPS = 100


class Stopped(Exception):
    """What fastai ends a training with."""


class ParamScheduler:
    """Stands for the base of `LRFinder`."""

    def after_batch(self):
        pass


class Metric:
    """Stands for the base of `AvgSmoothLoss`."""


def fetched():
    """The texts of the two files."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, FASTAI]
        subprocess.run(pip, check=True)
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        assert found == SHA256, f"{wheel.name} has the SHA-256 {found}"
        with zipfile.ZipFile(wheel) as files:
            return [files.read(f"fastai/{name}.py").decode() for name in ("callback/schedule", "learner")]


def defined(text, names, scope):
    """Runs the definitions of `names` in a text, without their decorators."""
    for node in ast.parse(text).body:
        if getattr(node, "name", None) in names:
            node.decorator_list = []
            exec(compile(ast.Module([node], []), "fastai", "exec"), scope)


scope = {
    "torch": torch,
    "tensor": lambda value: torch.tensor(value, dtype=torch.float64),
    "to_detach": lambda value: value,
    "is_listy": lambda value: isinstance(value, (list, tuple)),
    "SchedExp": lambda start, end: (start, end),
    "ParamScheduler": ParamScheduler,
    "Metric": Metric,
    "CancelFitException": Stopped,
    "CancelValidException": Stopped,
}
schedule, learner = fetched()
defined(schedule, {"valley", "LRFinder", "sched_exp"}, scope)
defined(learner, {"AvgSmoothLoss"}, scope)

RATES = [scope["sched_exp"](1e-7, 10, step / STEPS) for step in range(STEPS)]


class Step:
    """What `AvgSmoothLoss` looks at of a learner."""

    def __init__(self, loss):
        self.loss = torch.tensor([loss], dtype=torch.float64)


def suggested(losses):
    """The index that `valley` suggests; its rates are indices."""
    index = scope["valley"](list(range(len(losses))), losses, STEPS)[0]
    return int(index)


def test(losses):
    """A whole range test over these losses."""
    smooth, finder = scope["AvgSmoothLoss"](), scope["LRFinder"](num_it=STEPS)
    smooth.reset()
    finder.best_loss = float("inf")
    smoothed = []
    for step, loss in enumerate(losses):
        smooth.accumulate(Step(loss))
        smoothed.append(float(smooth.value))
        finder.smooth_loss, finder.train_iter = smooth.value, step + 1
        try:
            finder.after_batch()
        except Stopped:
            break
    # as lr_find does
    rates, looked_at = RATES[: len(smoothed)][STEPS // 10 : -5], smoothed[STEPS // 10 : -5]
    rate = scope["valley"](rates, looked_at, STEPS)[0]
    return {"losses": losses[: len(smoothed)], "smoothed": smoothed, "suggestion": rate}


def typical(seed, bottom, noise, last=STEPS):
    """A plateau, a fall and a blow-up, with noise."""
    draw = random.Random(seed)
    losses = []
    for step in range(last):
        x = math.log10(RATES[step])
        fall = 2.3 - 1.6 / (1 + math.exp(-2.5 * (x + 2.5)))
        rise = math.exp(3 * (x - bottom))
        losses.append(fall + rise + draw.uniform(-noise, noise))
    return losses


def curves():
    draw = random.Random(7)
    yield [0.1 * i for i in range(20)]  # only rises
    yield [5.0] * 20
    yield [20.0 - i for i in range(20)]  # only falls
    yield [3.0, 2.0, 4.0, 5.0]  # falls once at its beginning
    yield [3.0, 2.0, 1.0]
    yield [1.0]
    yield [2.0, 9.0, 8.0, 1.0, 7.0, 6.0, 5.0, 0.5, 4.0]
    for length in (6, 17, 85, 85):
        yield [round(draw.uniform(0, 1), 3) for _ in range(length)]
    for seed in range(4):
        yield typical(seed, 0.5, 0.2)[10:-5]


data = {
    "fastai": FASTAI,
    "rates": RATES,
    "valleys": [{"losses": losses, "index": suggested(losses)} for losses in curves()],
    "tests": [
        test(typical(1, -0.5, 0.05)),
        test(typical(2, -1.5, 0.3)),
        test(typical(3, 5.0, 0.1)),
        test(typical(4, -3.0, 0.02)),
    ],
}
OUT.write_text(json.dumps(data, indent=1) + "\n")
