"""Golden data of losses, update rules, freezing and averages, made with PyTorch's own: writes tests/golden/learning.json.
`cargo xtask golden` runs it.

One small network of two convolutions takes ten steps in each case. The losses are `torch.nn.CrossEntropyLoss`, the updates
`torch.optim.SGD` and `torch.optim.AdamW`, clipping is `clip_grad_norm_`, the average is `torch.optim.swa_utils.AveragedModel`
with torchvision's formula. A case says what it is in words that the Rust test reads. Beside the results in f64 stands the
worst error of fp32, as in golden.py, which also tells how images are chosen.

Requirements: Python 3.10 or newer, numpy, torch 2.1 or newer.
"""

import argparse
import collections
import json
import math
import pathlib

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import golden
import philox
from golden import digest, every_way, flat, worst

golden.SAMPLES = 24
BATCH, CLASSES, STEPS, INPUT = 7, 4, 10, (3, 9, 8)
FIRST_STREAM = 400
# how far every ReLU must be from changing, in fp32's worst errors
CLEAR = 8
WEIGHTS = [0.5, 2.0, 1.25, 0.75]
SGD = {"rule": "sgd", "lr": 0.125, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}
ADAMW = {"rule": "adamw", "lr": 0.0078125, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0625}
# a rate for each layer, and no decay of vectors
SCALES = {"conv1": 0.25, "bn1": 0.25, "conv2": 0.5, "bn2": 0.5, "fc": 1.0}
CASES = {
    "soft": {"targets": "soft", "optimiser": SGD},
    "smoothed": {"smoothing": 0.1, "optimiser": SGD},
    "weighted": {"weights": WEIGHTS, "optimiser": SGD},
    "smoothed and weighted": {"smoothing": 0.25, "weights": WEIGHTS, "optimiser": SGD},
    "soft, smoothed and weighted": {"targets": "soft", "smoothing": 0.1, "weights": WEIGHTS, "optimiser": SGD},
    "nesterov": {"optimiser": {**SGD, "nesterov": True, "weight_decay": 0.0625}},
    "groups": {"optimiser": {**SGD, "weight_decay": 0.0625}, "groups": SCALES},
    "clipped": {"optimiser": SGD, "max_norm": 0.5},
    "adamw": {"optimiser": ADAMW},
    "adamw in groups, clipped": {"optimiser": {**ADAMW, "betas": [0.8, 0.99]}, "groups": SCALES, "max_norm": 0.25},
    "head": {"optimiser": SGD, "frozen": ["conv1", "bn1", "conv2", "bn2"], "evaluated": ["bn1", "bn2"]},
    "from conv2": {"optimiser": ADAMW, "frozen": ["conv1", "bn1"], "evaluated": ["bn1"], "max_norm": 0.5},
    "norms that learn in evaluation mode": {"optimiser": SGD, "evaluated": ["bn1", "bn2"]},
    "no norm learns": {"optimiser": SGD, "frozen": ["bn1", "bn2"]},
    "average": {"optimiser": SGD, "decay": 0.75},
}


def network(dtype, layout):
    """The network, with the parameters that both sides draw."""
    net = nn.Sequential(
        collections.OrderedDict(
            conv1=nn.Conv2d(3, 6, 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(6),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(6, 10, 3, stride=2, padding=1),
            bn2=nn.BatchNorm2d(10),
            relu2=nn.ReLU(),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(10, CLASSES),
        )
    ).to(dtype)
    # in the order of the trace, running statistics included
    for index, (name, value) in enumerate((n, v) for n, v in net.state_dict().items() if not n.endswith("tracked")):
        if value.dim() > 1:
            fan = math.prod(value.shape[2:])
            c = math.sqrt(6.0 / ((value.shape[0] + value.shape[1]) * fan))
            value.copy_(torch.tensor(philox.weights(index, list(value.shape), c)))
        else:
            value.fill_(1.0 if name.endswith(("running_var",)) or name in ("bn1.weight", "bn2.weight") else 0.0)
    return net.to(memory_format=layout)


def optimiser(net, case):
    options = dict(case["optimiser"])
    rule, lr, decay = options.pop("rule"), options["lr"], options["weight_decay"]
    groups = []
    for name, value in net.named_parameters():
        value.requires_grad_(name.split(".")[0] not in case.get("frozen", []))
        if "groups" in case:
            scale = case["groups"][name.split(".")[0]]
            groups.append({"params": [value], "lr": lr * scale, "weight_decay": decay if value.dim() > 1 else 0.0})
        else:
            groups.append({"params": [value]})
    return (torch.optim.SGD if rule == "sgd" else torch.optim.AdamW)(groups, **options)


def targets(case, stream, number):
    """Labels; or a mixture of two of them, as mixup makes it."""
    labels = torch.tensor(philox.labels(stream, number, BATCH, CLASSES))
    if case.get("targets") != "soft":
        return labels
    one_hot = nn.functional.one_hot(labels, CLASSES).double()
    return 0.75 * one_hot + 0.25 * one_hot.flip(0)


def steps(case, stream, dtype, layout):
    """STEPS steps on a batch each (batches 1, 2, ...)."""
    net = network(dtype, layout)
    descent, gates, losses = optimiser(net, case), [], []
    average = None
    if "decay" in case:
        decay = case["decay"]
        # torchvision's ExponentialMovingAverage (references/classification/utils.py)
        average = AveragedModel(net, use_buffers=True, avg_fn=lambda a, p, _: decay * a + (1 - decay) * p)
    for relu in (net.relu1, net.relu2):
        relu.register_forward_hook(lambda _, inputs, __: gates.append(flat(inputs[0])))
    for number in range(1, STEPS + 1):
        net.train()
        for name in case.get("evaluated", []):
            getattr(net, name).eval()
        x = torch.tensor(philox.images(stream, number, BATCH, *INPUT)).to(dtype).contiguous(memory_format=layout)
        y = targets(case, stream, number)
        y = y.to(dtype) if y.is_floating_point() else y
        weight = torch.tensor(case["weights"], dtype=dtype) if "weights" in case else None
        loss = {"weight": weight, "label_smoothing": case.get("smoothing", 0.0)}
        logits = net(x)
        losses.append(flat(nn.CrossEntropyLoss(**loss, reduction="none")(logits, y)))
        descent.zero_grad()
        nn.CrossEntropyLoss(**loss)(logits, y).backward()
        if "max_norm" in case:
            nn.utils.clip_grad_norm_(net.parameters(), case["max_norm"])
        descent.step()
        if average is not None:
            average.update_parameters(net)
    tensors = {name: value for name, value in net.state_dict().items() if not name.endswith("tracked")}
    results = {"params": tensors}
    if average is not None:
        results["average"] = {name: average.module.state_dict()[name] for name in tensors}
    memory = {"momentum_buffer": "velocity", "exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq"}
    for theirs, ours in memory.items():
        state = {n: descent.state[p][theirs] for n, p in net.named_parameters() if theirs in descent.state[p]}
        if state:
            results[ours] = state
    # PyTorch's own layout of a tensor is ours outside the engine
    logical = {key: {n: v.detach().double().reshape(-1).numpy() for n, v in r.items()} for key, r in results.items()}
    return losses, gates, logical


def gold(name, case):
    stream = FIRST_STREAM
    while True:
        runs = every_way(lambda dtype, layout: steps(case, stream, dtype, layout))
        gates = zip(*(run[1] for run in runs))
        if all(np.abs(ways[0]).min() > CLEAR * worst(ways[0], ways[1:]) for ways in gates):
            break
        stream += 1
    losses = [np.stack(run[0]) for run in runs]
    errors = np.maximum.accumulate(np.max([np.abs(other - losses[0]).max(axis=1) for other in losses[1:]], axis=0))
    print(f"{name}: stream {stream}, mean losses {losses[0].mean(axis=1).round(3).tolist()}, error {errors[-1]:.0e}")
    out = {"name": name, "stream": stream, **case, "losses": losses[0].tolist(), "error": errors.tolist()}
    for key, tensors in runs[0][2].items():
        out[key] = {
            n: digest(value, [run[2][key][n] for run in runs[1:]], index)
            for index, (n, value) in enumerate(tensors.items())
        }
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("tests/golden"))
    args = parser.parse_args()
    made = {"made_by": "python tools/golden_learning.py", "torch": torch.__version__.split("+")[0]}
    made |= {"classes": CLASSES, "input": INPUT, "batch": BATCH, "cases": [gold(*case) for case in CASES.items()]}
    text = json.dumps(made, separators=(",", ":")).replace("},{", "},\n{").replace("},\"", "},\n\"") + "\n"
    (args.out / "learning.json").write_text(text)


if __name__ == "__main__":
    main()
