"""Golden data for the tests, made with PyTorch in f64: writes tests/golden/. `cargo xtask golden` runs it.

What is stored. Weights, images and labels are not: both sides draw them (philox.py). Big tensors are stored as length,
l2 norm, sum and 64 sampled entries; the narrow network's gradients whole (gradients.f32). Every value is computed in f64;
beside it stands the error of PyTorch's own fp32, the worst of four ways of computing it (contiguous or channels_last,
oneDNN on or off):

* `error` of a tensor: max |fp32 - f64| over all its entries. A test asks |ours - f64| <= 6 error + 1e-6 of each entry;
* `error_norm`: the l2 norm of fp32 - f64. A test asks it of the norm, and sqrt(len) times it of the sum (Cauchy-Schwarz);
* losses of SGD steps: the largest error of any image's loss up to that step, because errors add up over steps.

A gradient jumps where a ReLU opens or a maximum changes hands, and through a batch norm over few values one such jump
moves a loss by more than all rounding. So images come from the first stream (100, 101, ...) in which every ReLU input is
farther from 0 than CLEAR times the `error` of its tensor, and every positive maximum as far above the runner-up: twice for
gradients; a quarter for all steps of a descent (most errors are far below the worst one). The steps of the d2l network are not
chosen so: it has so many gates that some flip in every fp32 run, and none weighs much.

Indices count in our memory order: maps [n][h][w][c], parameters [o][i][kh][kw]. Gradients are of the sum of the losses.
SGD steps scale it by little: larger steps on so few images are chaotic, any rounding grows to the size of the loss.

Requirements: Python 3.10 or newer, numpy, torch 2.x.
"""

import argparse
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

import philox

SAMPLE_STREAM = 99
FIRST_INPUT_STREAM = 100
SAMPLES = 64
EPSILON = float(np.float32(1e-5))
MOMENTUM = float(np.float32(0.9))
LEARNING_RATE = float(np.float32(0.05))
STEPS = 10
CLASSES = 10
# distance to the gates in worst fp32 errors
CLEAR, CLEAR_IN_STEPS = 2.0, 0.25
WAYS = [(layout, onednn) for layout in (torch.contiguous_format, torch.channels_last) for onednn in (True, False)]
DESCENTS = {
    "plain": {"momentum": 0.0, "weight_decay": 0.0},
    "momentum": {"momentum": 0.5, "weight_decay": 0.03125},
}
FOUND = {"plain": 190, "momentum": 161}  # the first clear streams: searching from FIRST_INPUT_STREAM takes half an hour
# odd sizes on purpose: maps of 17x16, 9x8, 5x4, 3x2, 2x1
NARROW = {"channels": (8, 16, 24, 32), "input": (1, 33, 31), "batch": 5, "step_batch": 16, "scale": 2.0**-10}
D2L = {"channels": (64, 128, 256, 512), "input": (1, 48, 48), "batch": 4, "step_batch": 8, "scale": 2.0**-15}


class Run:
    """One pass through a network. Parameters are declared in the order of their first use, as the Rust trace does."""

    def __init__(self, dtype, layout=torch.contiguous_format, init="xavier"):
        self.dtype, self.layout, self.init = dtype, layout, init
        self.params, self.roles, self.running = {}, {}, {}
        self.training = True
        self.begin()

    def begin(self):
        self.nodes, self.statistics, self.gates, self.pools = [], {}, [], []

    def param(self, name, dims, role):
        if name not in self.params:
            if role in ("conv_weight", "dense_weight"):
                fan = math.prod(dims[2:])
                c = 0.07 if self.init == "uniform" else math.sqrt(6.0 / (dims[1] * fan + dims[0] * fan))
                value = philox.weights(len(self.roles), dims, c)
            else:
                value = np.full(dims, 1.0 if role == "gamma" else 0.0, dtype=np.float32)
            value = torch.tensor(value).to(self.dtype)
            if len(dims) == 4:
                value = value.contiguous(memory_format=self.layout)
            self.params[name] = value.requires_grad_(True)
            self.roles[name] = (role, list(dims))
        return self.params[name]

    def note(self, op, value):
        self.nodes.append((op, value))
        return value

    def input(self, x):
        return self.note("Input", torch.tensor(x).to(self.dtype).contiguous(memory_format=self.layout))

    def conv(self, x, name, k, kernel, stride=1, padding=0):
        weight = self.param(name + ".weight", [k, x.shape[1], kernel, kernel], "conv_weight")
        bias = self.param(name + ".bias", [k], "bias")
        return self.note("Conv2d", F.conv2d(x, weight, bias, stride=stride, padding=padding))

    def bn(self, x, name):
        c = x.shape[1]
        gamma, beta = self.param(name + ".weight", [c], "gamma"), self.param(name + ".bias", [c], "beta")
        for what, role, start in (("running_mean", "running_mean", 0.0), ("running_var", "running_var", 1.0)):
            if (key := f"{name}.{what}") not in self.roles:
                self.roles[key] = (role, [c])
                self.running[key] = torch.full([c], start, dtype=self.dtype)
        mean, var = self.running[name + ".running_mean"], self.running[name + ".running_var"]
        if not self.training:
            return self.note("BatchNorm", F.batch_norm(x, mean, var, gamma, beta, False, 0.0, EPSILON))
        count = x.numel() // c
        # torch's own running update gives the batch statistics at its precision: momentum 1 replaces them
        self.statistics[name] = (torch.zeros_like(mean), torch.zeros_like(var), count)
        y = F.batch_norm(x, self.statistics[name][0], self.statistics[name][1], gamma, beta, True, 1.0, EPSILON)
        return self.note("BatchNorm", y)

    def move_running(self, unbiased):
        """running = 0.9 running + 0.1 batch; the batch variance divided by N - 1 (torch) or N (MXNet)."""
        for name, (mean, var, count) in self.statistics.items():
            var = var if unbiased else var * ((count - 1) / count)
            for what, value in (("running_mean", mean), ("running_var", var)):
                key = f"{name}.{what}"
                self.running[key] = MOMENTUM * self.running[key] + (1.0 - MOMENTUM) * value

    def relu(self, x):
        self.gates.append(x)
        return self.note("Relu", torch.relu(x))

    def max_pool(self, x):
        self.pools.append(x)
        return self.note("MaxPool2d", F.max_pool2d(x, 3, stride=2, padding=1))

    def residual(self, x, path, k, stride=1, shortcut=False):
        y = self.relu(self.bn(self.conv(x, path + "conv1", k, 3, stride, 1), path + "bn1"))
        y = self.bn(self.conv(y, path + "conv2", k, 3, 1, 1), path + "bn2")
        if shortcut:
            x = self.conv(x, path + "downsample.0", k, 1, stride)
        return self.relu(self.note("Add", y + x))

    def resnet18(self, x, channels=(64, 128, 256, 512), classes=10):
        """The chapter's network; returns the logits."""
        x = self.relu(self.bn(self.conv(self.input(x), "conv1", channels[0], 7, 2, 3), "bn1"))
        x = self.max_pool(x)
        for stage, k in enumerate(channels):
            for block in range(2):
                first = stage > 0 and block == 0
                x = self.residual(x, f"layer{stage + 1}.{block}.", k, 2 if first else 1, first)
        x = self.note("GlobalAvgPool2d", x.mean((2, 3), keepdim=True))
        weight = self.param("fc.weight", [classes, channels[-1]], "dense_weight")
        return self.note("Dense", F.linear(x.flatten(1), weight, self.param("fc.bias", [classes], "bias")))


def flat(value):
    """In our memory order, f64."""
    value = value.detach().double()
    if value.dim() == 4:
        value = value.permute(0, 2, 3, 1)
    return value.reshape(-1).numpy()


def digest(exact, others, index):
    """Norm, sum, sampled entries and fp32's errors of a tensor; `index` picks the sampled positions."""
    length = len(exact)
    if length <= SAMPLES:
        at = np.arange(length)
    else:
        at = np.unique((philox.words(SAMPLE_STREAM, SAMPLES, index) * np.uint64(length)) >> np.uint64(32)).astype(np.int64)
    return {
        "len": length,
        "norm": float(np.linalg.norm(exact)),
        "sum": float(exact.sum()),
        "at": at.tolist(),
        "values": exact[at].tolist(),
        "error": worst(exact, others),
        "error_norm": max(float(np.linalg.norm(other - exact)) for other in others),
    }


def worst(exact, others):
    return max(float(np.abs(other - exact).max()) for other in others)


def every_way(job, states=None):
    """Results of `job(dtype, layout)`, or of `job(state)`: in f64, then in fp32 in each of the WAYS."""
    ways = [(torch.float64, torch.contiguous_format, True)] + [(torch.float32, *way) for way in WAYS]
    results = []
    for (dtype, layout, onednn), state in zip(ways, states or ways):
        with torch.backends.mkldnn.flags(enabled=onednn):
            results.append(job(state) if states else job(dtype, layout))
    return results


def node_digests(runs):
    """Of every node, in order of the trace."""
    out = []
    for index, (op, value) in enumerate(runs[0].nodes):
        shape = list(value.shape[1:]) + [1, 1]
        entry = {"op": op, "shape": shape[:3]}
        entry.update(digest(flat(value), [flat(run.nodes[index][1]) for run in runs[1:]], index))
        out.append(entry)
    return out


def map_errors(runs):
    """fp32's worst error of each map in front of a ReLU or a max pool."""
    maps = [run.gates + run.pools for run in runs]
    return [worst(flat(tensors[0]), [flat(tensor) for tensor in tensors[1:]]) for tensors in zip(*maps)]


def clear_of_gates(run, errors, times):
    """Whether no error of `times` the worst ones can change a ReLU or a maximum."""
    errors = [times * error for error in errors]
    for x, bound in zip(run.gates, errors):
        if float(x.detach().abs().min()) <= bound:
            return False
    for x, bound in zip(run.pools, errors[len(run.gates):]):
        n, c = x.shape[:2]
        windows = F.unfold(F.pad(x.detach(), (1, 1, 1, 1), value=-math.inf), 3, stride=2).reshape(n, c, 9, -1)
        top = windows.topk(2, dim=2).values
        if bool(((top[:, :, 0] > 0) & (top[:, :, 0] - top[:, :, 1] <= bound)).any()):
            return False
    return True


def forward(run, sizes, x):
    run.begin()
    return run.resnet18(x, sizes["channels"], CLASSES)


def step(run, sizes, x, y):
    """Forward and backward in training mode: fills gradients, returns the losses of the images."""
    for value in run.params.values():
        value.grad = None
    losses = F.cross_entropy(forward(run, sizes, x), torch.tensor(y), reduction="none")
    losses.sum().backward()
    return losses.detach().double().numpy()


def descend(run, scale, momentum, weight_decay):
    """v = momentum v + g; w -= lr v; every parameter decays, as in the chapter's recipe."""
    with torch.no_grad():
        for key, value in run.params.items():
            g = scale * value.grad + weight_decay * value
            v = run.velocity[key] = momentum * run.velocity.get(key, torch.zeros_like(g)) + g
            value -= LEARNING_RATE * v
    run.move_running(unbiased=False)


def network(name, sizes, kinds):
    """Golden data of one training step, and of STEPS steps of each kind of descent, of a ResNet-18."""
    n, shape = sizes["batch"], sizes["input"]

    def once(dtype, layout, backward=True):
        run = Run(dtype, layout)
        x, y = philox.images(stream, 0, n, *shape), philox.labels(stream, 0, n, CLASSES)
        if backward:
            run.losses = step(run, sizes, x, y)
        else:
            with torch.no_grad():
                forward(run, sizes, x)
        return run

    stream = FIRST_INPUT_STREAM
    errors = map_errors(every_way(once))
    while True:
        # the errors hardly differ from stream to stream: look at f64 first, then make sure
        if clear_of_gates(once(torch.float64, torch.contiguous_format, backward=False), errors, CLEAR):
            runs = every_way(once)
            if clear_of_gates(runs[0], map_errors(runs), CLEAR):
                break
        stream += 1
    exact = runs[0]
    logits = [flat(run.nodes[-1][1]) for run in runs]
    print(f"{name}: stream {stream}, logits' error {worst(logits[0], logits[1:]):.2g}", flush=True)
    gold = {"seed": philox.SEED, "stream": stream, "classes": CLASSES, **sizes}
    gold["params"] = [{"name": key, "role": role, "dims": dims} for key, (role, dims) in exact.roles.items()]
    gold["nodes"] = node_digests(runs)
    gold["losses"] = {"values": exact.losses.tolist(), "error": worst(exact.losses, [r.losses for r in runs[1:]])}
    gold["initial"], gold["gradients"], whole = {}, {}, []
    for index, key in enumerate(exact.params):
        start = exact.params[key].detach().double().reshape(-1).numpy()
        gold["initial"][key] = {"norm": float(np.linalg.norm(start)), "sum": float(start.sum())}
        grads = [run.params[key].grad.double().reshape(-1).numpy() for run in runs]
        gold["gradients"][key] = digest(grads[0], grads[1:], index)
        whole.append(grads[0].astype("<f4"))
    for kind, unbiased in (("running_biased", False), ("running_unbiased", True)):
        after = []
        for run in runs:
            before = dict(run.running)
            run.move_running(unbiased)
            after.append(run.running)
            run.running = before
        gold[kind] = {
            key: digest(flat(value), [flat(other[key]) for other in after[1:]], index)
            for index, (key, value) in enumerate(after[0].items())
        }
    gold["sgd"] = {"lr": LEARNING_RATE, **{kind: descent(name, kind, sizes) for kind in kinds}}
    return gold, np.concatenate(whole)


def descent(name, kind, sizes):
    """Losses of STEPS steps on a batch each (batches 1, 2, ...), then the logits of batch 0 in predict mode."""
    stream = FIRST_INPUT_STREAM
    runs = steps(kind, sizes, stream)
    if sizes is NARROW:
        stream = FOUND[kind] - 1
        errors, runs = map_errors(runs), None
        while runs is None:
            stream += 1
            # f64 alone is quicker: the errors hardly differ from stream to stream
            if steps(kind, sizes, stream, errors, alone=True):
                runs = steps(kind, sizes, stream, errors)
    losses = [np.stack(run.losses) for run in runs]
    errors = np.max([np.abs(other - losses[0]).max(axis=1) for other in losses[1:]], axis=0)
    errors = np.maximum.accumulate(errors)
    shown = f"{losses[0].mean(axis=1).round(3).tolist()}, errors {[f'{error:.0e}' for error in errors]}"
    print(f"{name} {kind}: stream {stream}, mean losses {shown}", flush=True)
    x = philox.images(stream, 0, sizes["step_batch"], *sizes["input"])
    for run in runs:
        run.training = False

    with torch.no_grad():
        logits = every_way(lambda run: flat(forward(run, sizes, x)), runs)
    found = {"losses": losses[0].tolist(), "error": errors.tolist(), "logits": digest(logits[0], logits[1:], 0)}
    return {"stream": stream, **DESCENTS[kind], **found}


def steps(kind, sizes, stream, errors=None, alone=False):
    """All ways (or f64 alone) after STEPS steps; none if one step is not clear of the gates for `errors`, if given."""
    runs = [Run(torch.float64)] if alone else every_way(Run)
    for run in runs:
        run.losses, run.velocity = [], {}
    for number in range(1, STEPS + 1):
        x = philox.images(stream, number, sizes["step_batch"], *sizes["input"])
        y = philox.labels(stream, number, sizes["step_batch"], CLASSES)

        def one(run):
            run.losses.append(step(run, sizes, x, y))
            descend(run, sizes["scale"], **DESCENTS[kind])

        every_way(one, runs)
        if errors and not clear_of_gates(runs[0], errors if alone else map_errors(runs), CLEAR_IN_STEPS):
            return None
    return runs


def chapter():
    """The chapter's cells: predict mode, Uniform(0.07), running statistics at 0 and 1; X of the blocks is shared."""
    def blocks(dtype, layout, forward, x):
        run = Run(dtype, layout, init="uniform")
        run.training = False
        with torch.no_grad():
            forward(run, x)
        return run

    small, large = philox.noise(100, 0, 4, 3, 6, 6), philox.noise(101, 0, 1, 1, 224, 224)
    cells = [
        ("residual", {"stream": 100, "batch": 4, "input": [3, 6, 6]}, small,
         lambda run, x: run.residual(run.input(x), "", 3)),
        ("residual_1x1", {"stream": 100, "batch": 4, "input": [3, 6, 6]}, small,
         lambda run, x: run.residual(run.input(x), "", 6, 2, True)),
        ("net", {"stream": 101, "batch": 1, "input": [1, 224, 224]}, large, lambda run, x: run.resnet18(x)),
    ]
    gold = {"seed": philox.SEED, "init": "uniform 0.07"}
    # the ten layers the chapter prints, with their positions in the trace
    stages = {"sequential1": 18, "sequential2": 33, "sequential3": 48, "sequential4": 63}
    layers = {"conv5": 1, "batchnorm4": 2, "relu0": 3, "pool0": 4, **stages, "pool1": 64, "dense0": 65}
    for name, sizes, x, forward in cells:
        runs = every_way(lambda dtype, layout: blocks(dtype, layout, forward, x))
        digests = node_digests(runs)
        if name == "net":
            gold[name] = {**sizes, "layers": [{"name": label, **digests[at]} for label, at in layers.items()]}
            print([layer["shape"] for layer in gold[name]["layers"]])
        else:
            gold[name] = {**sizes, "output": digests[-1]}
    return gold


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("tests/golden"))
    parser.add_argument("--only", choices=["narrow", "d2l", "chapter"], help="default: all of them")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    made = {}
    if args.only in (None, "narrow"):
        made["narrow"], gradients = network("narrow", NARROW, DESCENTS)
        # every gradient, parameter after parameter in the order of `params`, f32 little-endian
        (args.out / "narrow.gradients.f32").write_bytes(gradients.tobytes())
    if args.only in (None, "d2l"):
        made["d2l"], _ = network("d2l", D2L, ["plain"])
    if args.only in (None, "chapter"):
        made["chapter"] = chapter()
    for name, gold in made.items():
        gold = {"made_by": "python tools/golden.py", "torch": torch.__version__.split("+")[0], **gold}
        (args.out / f"{name}.json").write_text(json.dumps(gold, separators=(",", ":")).replace("},{", "},\n{") + "\n")
    total = sum(file.stat().st_size for file in args.out.iterdir())
    print(f"{total} bytes in {args.out}")
    assert total < 2_000_000, "golden data must stay under 2 MB"


if __name__ == "__main__":
    main()
