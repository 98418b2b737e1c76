"""Times a training step of the d2l ResNet-18 in PyTorch, for comparison with `plusx bench train`.

One step is forward, softmax cross-entropy, backward and a plain SGD update on input made outside the clock. Prints one
JSON object with the keys of `plusx bench train --json`. `cargo xtask bench train` runs it; by hand:

    pip install torch
    python tools/bench_torch.py --batch-size 256 --steps 5 --threads 2 --layout channels_last

Requirements: Python 3.10 or newer, torch 2.x. Networks: the d2l net only (no batch norm on the shortcut, biases on all
convolutions). fp32; `--compile` adds torch.compile.
"""

import argparse
import json
import os
import resource
import time


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", default="1x96x96", help="channels x rows x columns")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores this process may use")
    parser.add_argument("--layout", choices=["channels_last", "contiguous"], default="channels_last")
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--compile", action="store_true", help="torch.compile, default mode")
    return parser.parse_args()


def build(torch, channels, classes=10):
    """The chapter's network, deferred nowhere: input channels are given."""
    nn = torch.nn

    class Residual(nn.Module):
        def __init__(self, c, k, stride, shortcut):
            super().__init__()
            self.conv1 = nn.Conv2d(c, k, 3, padding=1, stride=stride)
            self.conv2 = nn.Conv2d(k, k, 3, padding=1)
            self.conv3 = nn.Conv2d(c, k, 1, stride=stride) if shortcut else None
            self.bn1 = nn.BatchNorm2d(k)
            self.bn2 = nn.BatchNorm2d(k)

        def forward(self, x):
            y = torch.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            return torch.relu(y + (x if self.conv3 is None else self.conv3(x)))

    layers = [nn.Conv2d(channels, 64, 7, stride=2, padding=3), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, stride=2, padding=1))
    c = 64
    for stage, k in enumerate([64, 128, 256, 512]):
        for block in range(2):
            first = stage > 0 and block == 0
            layers.append(Residual(c, k, 2 if first else 1, first))
            c = k
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))


def percentile(values, share):
    """Linear interpolation between the sorted values."""
    values = sorted(values)
    at = share * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def main():
    args = parse()
    threads = args.threads or len(os.sched_getaffinity(0))
    # before torch is imported: its OpenMP runtime reads these once
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["MKL_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(42)
    channels, rows, columns = (int(part) for part in args.input.split("x"))
    layout = torch.channels_last if args.layout == "channels_last" else torch.contiguous_format
    net = build(torch, channels)
    for weight in net.parameters():
        if weight.dim() > 1:
            torch.nn.init.xavier_uniform_(weight)
    net = net.to(memory_format=layout).train()
    step_of = torch.compile(net) if args.compile else net
    images = torch.rand(args.batch_size, channels, rows, columns).to(memory_format=layout)
    labels = torch.randint(0, 10, (args.batch_size,))
    loss_of = torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(net.parameters(), lr=args.lr)
    times = []
    for step in range(args.warmup + args.steps):
        start = time.perf_counter()
        optimiser.zero_grad()
        loss = loss_of(step_of(images), labels)
        loss.backward()
        optimiser.step()
        if step >= args.warmup:
            times.append((time.perf_counter() - start) * 1e3)
    median = percentile(times, 0.5)
    print(json.dumps({
        "model": "resnet18-d2l",
        "input": args.input,
        "batch": args.batch_size,
        "threads": threads,
        "isa": torch.backends.cpu.get_cpu_capability(),
        "steps": args.steps,
        "step_ms_median": round(median, 3),
        "step_ms_p10": round(percentile(times, 0.1), 3),
        "step_ms_p90": round(percentile(times, 0.9), 3),
        "img_per_s": round(args.batch_size * 1e3 / median, 3),
        # Linux counts kilobytes
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
        "torch": torch.__version__,
        "layout": args.layout,
        "loss": round(loss.item(), 6),
    }))


if __name__ == "__main__":
    main()
