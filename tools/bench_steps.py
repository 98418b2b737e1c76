"""How the scripts that time a peer run their steps, and the JSON object that they print: the keys of `plusx bench --json`.

With `--turns` a script takes turns with others: it says {"ready": true} when its warm-up is over, then reads numbers of
steps from standard input, one a line, and answers each with {"step_ms": [...]}; the object comes when the input ends.
What goes wrong is said as {"failed": why} in place of any of these, so that the others can go on without it.
"""

import contextlib
import json
import resource
import sys
import time

# What runs before the steps of a turn, uncounted: the programs in between have had the caches.
TURN_WARM_UP_MS = 50

# The network that needs no torchvision.
CHAPTER = "resnet18-d2l"

# Characters of a reason: it becomes a line of a summary.
REASON = 200


def add_options(parser, steps, warmup):
    """The options that all of them have."""
    parser.add_argument("--model", default=CHAPTER, help="the chapter's network, or one of torchvision's by its name")
    parser.add_argument("--input", default="1x96x96", help="channels x rows x columns")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--warmup", type=int, default=warmup)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores this process may use")
    parser.add_argument("--turns", action="store_true", help="take turns, as standard input says")


def reason(error):
    """The first line of what an exception says, with its type unless it is one of ours."""
    lines = str(error).strip().splitlines() or [""]
    text = lines[0] if isinstance(error, SystemExit) else f"{type(error).__name__}: {lines[0]}"
    return text[:REASON]


@contextlib.contextmanager
def failures_told(args, stdout=sys.stdout):
    """Says why what is inside fails, to whom we take turns with; it fails all the same."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if args.turns:
            print(json.dumps({"failed": reason(error)}), file=stdout, flush=True)
        raise


def percentile(values, share):
    """Linear interpolation between the sorted values."""
    values = sorted(values)
    at = share * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def timed(step):
    """Milliseconds that one call of `step` takes."""
    start = time.perf_counter()
    step()
    return (time.perf_counter() - start) * 1e3


def measure(step, args, stdout=sys.stdout):
    """Milliseconds of each counted step."""
    for _ in range(args.warmup):
        step()
    if not args.turns:
        return [timed(step) for _ in range(args.steps)]
    print(json.dumps({"ready": True}), file=stdout, flush=True)
    every = []
    for line in sys.stdin:
        warm = 0
        while warm < TURN_WARM_UP_MS:
            warm += timed(step)
        times = [timed(step) for _ in range(int(line))]
        print(json.dumps({"step_ms": [round(ms, 3) for ms in times]}), file=stdout, flush=True)
        every += times
    return every


def report(times, args, about, stdout=sys.stdout):
    """Prints the object; `about` has what only this script knows, and `threads` and `isa`."""
    median = percentile(times, 0.5)
    print(json.dumps({
        "model": args.model,
        "input": args.input,
        "batch": args.batch_size,
        "steps": len(times),
        "step_ms_median": round(median, 3),
        "step_ms_p10": round(percentile(times, 0.1), 3),
        "step_ms_p90": round(percentile(times, 0.9), 3),
        "img_per_s": round(args.batch_size * 1e3 / median, 3),
        # Linux counts kilobytes
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
        **about,
    }), file=stdout, flush=True)
