"""What training scripts keep in a checkpoint beside the weights; torch_files.py saves it.

Requirements: those of torch_files.py.
"""

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import random
import re
import types
import uuid

import numpy as np
import torch
from torch import nn


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Options:
    lr: float = 0.1
    path: pathlib.Path = pathlib.Path("runs/1")


class Meter:
    __slots__ = ("value",)


class Ordered(collections.OrderedDict):
    pass


class Attributes(dict):
    __getattr__ = dict.get


class Reduced:
    def __reduce__(self):
        return Reduced, (), {"a": 1}, iter([1, 2]), iter([("k", "v")])

    def append(self, value):
        pass

    def extend(self, values):
        pass

    def __setitem__(self, key, value):
        pass


Point = collections.namedtuple("Point", "x y")


def measure(x):
    return x


def optimiser(net):
    """Behind one step on `net`, which takes images of 16x16."""
    adam = torch.optim.Adam(net.parameters(), lr=0.1)
    net(torch.zeros(1, 3, 16, 16)).sum().backward()
    adam.step()
    return adam


def histories(net):
    """By the key under which each is saved; `net` is what an optimiser is for."""
    adam = optimiser(net)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 10)
    meter = Meter()
    meter.value = 1.0
    recursive = []
    recursive.append(recursive)
    return {
        "defaultdict": collections.defaultdict(list, loss=[1.0]),
        "deque": collections.deque([1.0, 2.0], maxlen=5),
        "counter": collections.Counter("abca"),
        "subclasses": [Ordered(a=1), Attributes(b=2), Options(), meter, Point(1, 2), Reduced(), types.SimpleNamespace(c=3)],
        "namespace": argparse.Namespace(lr=0.1, milestones=[1, 2], nested=argparse.Namespace(a=None)),
        "optimizer": adam.state_dict(),
        "optimizer_object": adam,
        "scheduler_object": scheduler,
        "scaler": torch.cuda.amp.GradScaler(enabled=False).state_dict(),
        "numpy": [np.float64(0.5), np.int64(3), np.arange(6).reshape(2, 3), np.random.RandomState(1), np.dtype("f4")],
        "random": [random.getstate(), np.random.get_state(), torch.get_rng_state(), np.random.default_rng(1)],
        "times": [datetime.datetime(2020, 1, 2), datetime.timedelta(3), datetime.timezone.utc, datetime.date(2020, 1, 2)],
        "paths": [pathlib.Path("a/b"), pathlib.PurePosixPath("c")],
        "enum": [Colour.RED, re.compile("a.*b"), uuid.UUID(int=5), decimal.Decimal("0.1"), fractions.Fraction(1, 3)],
        "functions": [measure, len, nn.CrossEntropyLoss(), functools.partial(measure, 3), nn.init.kaiming_normal_],
        "sets": [{1, 2}, frozenset("ab"), range(3), slice(1, None, 2), complex(1, 2), 2**80, -(2**63) - 1, b"\xff", bytearray(b"a")],
        "torch": [torch.Size([1, 2]), torch.float16, torch.device("cpu"), torch.tensor(3), torch.Size([])],
        "keys": {None: 1, (1, 2): 2, 0.5: 3, True: 4, 7: torch.ones(2), Colour.RED: torch.ones(3), b"k": 5},
        "error": ValueError("bad"),
        "recursive": recursive,
        "nan": [float("nan"), float("inf"), ...],
        "text": "\ud800 \U0001f600",
    }
