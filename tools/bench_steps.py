"""How the scripts that time a peer for `cargo xtask bench` take turns with the others.

A script says {"ready": true} when its warm-up is over. Then it reads numbers of steps from standard input, one a line, and
answers each with {"step_ms": [...]}. When the input ends, it says what it is, in the keys of `plusx bench --json`. What
goes wrong is said as {"failed": why} in place of any of these, so that the others can go on without it. By hand:

    echo 5 | python tools/bench_torch.py --batch-size 32 --threads 2
"""

import argparse
import contextlib
import json
import os
import resource
import sys
import time

# What runs before the steps of a turn, uncounted: the programs in between have had the caches.
TURN_WARM_UP_MS = 50

# The network that needs no torchvision.
CHAPTER = "resnet18-d2l"

# Characters of a reason: it becomes a line of a summary.
REASON = 200


def options(description):
    """A parser with the options that all of the scripts have."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--model", default=CHAPTER, help="the chapter's network, or one of torchvision's by its name")
    parser.add_argument("--input", default="1x96x96", help="channels x rows x columns")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return parser


def add_precision(parser):
    """The option of those scripts whose programs compute in either; what it makes them do, each says itself."""
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")


def sizes(args):
    """Channels, rows and columns."""
    return tuple(int(part) for part in args.input.split("x"))


def limit_threads(args):
    """To be called before an engine is imported: OpenMP runtimes read these once."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(args.threads)


def reason(error):
    """The first line of what an exception says, with its type unless it is one of ours."""
    lines = str(error).strip().splitlines() or [""]
    text = lines[0] if isinstance(error, SystemExit) else f"{type(error).__name__}: {lines[0]}"
    return text[:REASON]


@contextlib.contextmanager
def failures_told(stdout=sys.stdout):
    """Says why what is inside fails; it fails all the same."""
    try:
        yield
    except (Exception, SystemExit) as error:
        print(json.dumps({"failed": reason(error)}), file=stdout, flush=True)
        raise


def timed(step):
    """Milliseconds that one call of `step` takes."""
    start = time.perf_counter()
    step()
    return round((time.perf_counter() - start) * 1e3, 3)


def take_turns(step, warmup, stdout=sys.stdout):
    """Runs `step` as often as each line of standard input says, after `warmup` calls that nobody waits for."""
    for _ in range(warmup):
        step()
    print(json.dumps({"ready": True}), file=stdout, flush=True)
    for line in sys.stdin:
        warm = 0
        while warm < TURN_WARM_UP_MS:
            warm += timed(step)
        times = [timed(step) for _ in range(int(line))]
        print(json.dumps({"step_ms": times}), file=stdout, flush=True)


def report(args, about, stdout=sys.stdout):
    """Says what was measured; `about` has what only the script knows, `isa` and `version` among it."""
    # Linux counts kilobytes
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1)
    known = {"model": args.model, "input": args.input, "batch": args.batch_size, "threads": args.threads}
    print(json.dumps({**known, "peak_rss_mb": peak, **about}), file=stdout, flush=True)
