"""How far logits of plusx at lower precision, OpenVINO and PyTorch in bf16 are from logits of fp32, and how many answers change.

    python tools/bench_logits.py --plusx target/release/plusx --logits target/release/examples/logits --work FOLDER --out DIR

plusx trains ResNet-18 and ResNet-50 for a few epochs in fp32 on made-up pictures of tools/made_up.py: gratings, whose class is
their direction, their width and their colour. Each of these is blurred, so that neighbouring classes overlap, as those of
photos do. Training has pictures of 3x112x112, for the time; the network then becomes one for 3x224x224 (`plusx export`,
`plusx import --input`), in which a grating has as many pixels as before, and more of it is seen.

All answer the same 1,000 new pictures of 3x224x224, as the same prepared numbers: plusx at all precisions, OpenVINO the ONNX file
that plusx wrote, PyTorch the safetensors file. Each is compared with plusx at `highest`. `cargo xtask bench logits` runs this with
the programs it has built. Networks that are in the folder already are not trained again.

Requirements: torch, torchvision, openvino, safetensors, Pillow. Tried with torch 2.15.0, torchvision 0.29.2, openvino 2026.4.1.
"""

import argparse
import os
import pathlib
import subprocess
import sys

import bench_process as process
import made_up
import numpy as np
from bench_torch import autocast

MODELS = ["resnet18", "resnet50"]
TRAINING_SIDE, SIDE = 112, 224
# Of each class in training and in its measurement.
TRAINED, MEASURED = 50, 10
BATCH = 40
# What `--preprocess imagenet` does to pixels.
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plusx", required=True)
    parser.add_argument("--logits", required=True, help="the example of the crate plusx-infer")
    parser.add_argument("--work", required=True, help="a folder for pictures, networks and logits")
    parser.add_argument("--out", required=True, help="the folder of logits.md and logits.csv")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def once(folder, make):
    """Makes a folder unless it is whole already."""
    if not (folder / ".whole").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
        (folder / ".whole").write_text("")
    return folder


def pictures(folder):
    """FOLDER/train/CLASS and FOLDER/val/CLASS."""
    from PIL import Image

    for part, count, seed in [("train", TRAINED, 1), ("val", MEASURED, 2)]:
        draw = np.random.default_rng(seed)
        for kind in range(made_up.GRATINGS):
            place = folder / part / f"{kind:02}"
            place.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                Image.fromarray(made_up.grating(draw, kind, TRAINING_SIDE)).save(place / f"{index}.png")


def ours(args, *words):
    """Runs plusx; what it tells goes to our standard error."""
    subprocess.run([args.plusx, *map(str, words)], check=True, stdout=sys.stderr)


def training(model, args):
    """The options of plusx that say what is learned."""
    recipe = f"--recipe small --batch-size 16 --epochs {args.epochs} --warmup-epochs 0.5"
    # what the recipe says itself takes several times the epochs for a ResNet-50
    quick = "--init kaiming-zero --opt adamw --lr 0.001 --weight-decay 0.01"
    return f"--model {model} --input 3x{TRAINING_SIDE}x{TRAINING_SIDE} --preprocess imagenet {recipe} {quick}"


def network(args, data, model):
    """Trains it; files of it for everybody, for the larger pictures."""

    def make(folder):
        line = training(model, args).split()
        ours(args, "train", "--data", data, *line, "--threads", args.threads, "--output", folder, "--name", "run", "--exist-ok")
        trained, plain = folder / "run/weights/last.safetensors", folder / "plain.safetensors"
        ours(args, "export", "--weights", trained, "--format", "safetensors", "--output", plain, "--overwrite")
        size = ["--input", f"3x{SIDE}x{SIDE}", "--preprocess", "imagenet", "--resize", "both"]
        ours(args, "import", plain, "--model", model, *size, "--output", folder / "plusx.safetensors", "--overwrite")
        ours(args, "export", "--weights", folder / "plusx.safetensors", "--output", folder / "net.onnx", "--overwrite")

    return once(args.work / f"{model}-{args.epochs}", make)


def by_plusx(args, folder, prepared, precision):
    """Logits at this precision."""
    with open(prepared, "rb") as images:
        told = subprocess.run([args.logits, folder / "plusx.safetensors", precision], stdin=images, check=True, capture_output=True)
    return precision, np.frombuffer(told.stdout, np.float32)


def batches(prepared):
    """Of the prepared images, as [n][c][h][w]."""
    images = np.memmap(prepared, np.float32, "r").reshape(-1, SIDE, SIDE, 3)
    for first in range(0, len(images), BATCH):
        yield np.ascontiguousarray(images[first : first + BATCH].transpose(0, 3, 1, 2))


def by_openvino(args, folder, prepared, precision):
    """In fp32, or in what OpenVINO takes by default: that is told."""
    import openvino

    config = {"INFERENCE_NUM_THREADS": args.threads, **({"INFERENCE_PRECISION_HINT": "f32"} if precision == "fp32" else {})}
    net = openvino.Core().compile_model(str(folder / "net.onnx"), "CPU", config)
    told = net.get_property("INFERENCE_PRECISION_HINT").to_string()
    return told.replace("f32", "fp32"), np.concatenate([net(batch)[0] for batch in batches(prepared)])


def by_torch(args, folder, prepared, precision):
    """In channels_last; in bf16 under autocast."""
    import torch
    import torchvision
    from safetensors.torch import load_file

    torch.set_num_threads(args.threads)
    weights = load_file(folder / "plain.safetensors")
    net = torchvision.models.get_model(folder.name.split("-")[0], weights=None, num_classes=len(weights["fc.bias"]))
    # strict but for the counts of batches, which no answer depends on
    rest = net.load_state_dict(weights, strict=False)
    if rest.unexpected_keys or any(not key.endswith("num_batches_tracked") for key in rest.missing_keys):
        sys.exit(f"{folder}: PyTorch misses {rest.missing_keys} and does not know {rest.unexpected_keys}")
    net = net.eval().to(memory_format=torch.channels_last)
    logits = []
    for batch in batches(prepared):
        with torch.inference_mode(), autocast(torch, precision):
            logits.append(net(torch.from_numpy(batch).to(memory_format=torch.channels_last)).float().numpy())
    return precision, np.concatenate(logits)


# The first is what the others are compared with; those of fp32 after it show that all have the same network.
PROGRAMS = [
    ("plusx", "highest", by_plusx),
    ("PyTorch", "fp32", by_torch),
    ("OpenVINO", "fp32", by_openvino),
    ("plusx", "high", by_plusx),
    ("plusx", "medium", by_plusx),
    ("OpenVINO", "default", by_openvino),
    ("PyTorch", "bf16", by_torch),
]


def compare(args, model, folder, prepared, labels):
    """A row for each program."""
    rows, reference = [], None
    for program, wanted, logits_of in PROGRAMS:
        precision, logits = logits_of(args, folder, prepared, wanted)
        logits = logits.reshape(len(labels), -1).astype(np.float64)
        reference = logits if reference is None else reference
        apart, answers = logits - reference, logits.argmax(axis=1)
        row = {
            "network": model,
            "program": program,
            "precision": precision if wanted != "default" else f"default ({precision})",
            "largest": float(abs(apart).max() / abs(reference).max()),
            "rms": float(np.sqrt((apart**2).mean() / (reference**2).mean())),
            "changed": int((answers != reference.argmax(axis=1)).sum()),
            "right": int((answers == labels).sum()),
        }
        print(row, flush=True)
        rows.append(row)
    return rows


def part(share):
    """For a table: a share as per cent, a tiny one as a power of ten."""
    return "0" if share == 0 else f"{100 * share:.2f} %" if share > 1e-4 else f"{share:.1e}"


def summary(args, rows):
    import openvino
    import torch

    count = made_up.GRATINGS
    lines = [
        "# Logits at lower precision beside fp32\n",
        process.machine(args.plusx),
        f"- peers: OpenVINO {openvino.__version__.split('-')[0]}, PyTorch {torch.__version__}\n",
        f"plusx trained both networks in fp32 on {TRAINED * count:,} made-up pictures of 3x{TRAINING_SIDE}x{TRAINING_SIDE} in {count} classes.",
        f"All answer the same {args.images:,} other pictures of 3x{SIDE}x{SIDE}, and are compared with plusx at `highest`.",
        "`tools/bench_logits.py` says at its top what the pictures are. OpenVINO has the ONNX file that `plusx export` wrote, PyTorch the",
        "safetensors file. PyTorch's bf16 is autocast.\n",
        f"```sh\nplusx train --data FOLDER {training('MODEL', args)}\ncargo xtask bench logits\n```\n",
        "- Largest: the largest difference of a logit, as a part of the largest logit.",
        "- Rms: that of all differences, as a part of that of all logits.",
        "- Changed: pictures whose likeliest class is another one.",
        "- Right: pictures whose likeliest class is the one they were made as.",
    ]
    for model in MODELS:
        of = [row for row in rows if row["network"] == model]
        lines += [f"\n## {model}\n", "| program | precision | largest | rms | changed | right |", "|---|---|---|---|---|---|"]
        for row in of:
            changed, right = (f"{100 * row[key] / args.images:.1f} %" for key in ("changed", "right"))
            lines.append(
                f"| {row['program']} | {row['precision']} | {part(row['largest'])} | {part(row['rms'])} | {changed} | {right} |"
            )
        medium = next(row for row in of if row["precision"] == "medium")
        lines.append("")
        for peer in of[-2:]:
            lines.append(
                f"Of plusx at `medium` the largest difference is {medium['largest'] / peer['largest']:.2f} times that of"
                f" {peer['program']}, {peer['precision']}; the rms is {medium['rms'] / peer['rms']:.2f} times its."
            )
    return "\n".join(lines) + "\n"


def main():
    args = options()
    args.work = pathlib.Path(args.work).resolve()
    data = once(args.work / "pictures", pictures)
    draw, prepared = np.random.default_rng(3), args.work / "prepared.f32"
    labels = np.arange(args.images) % made_up.GRATINGS
    with open(prepared, "wb") as file:
        for kind in labels:
            picture = made_up.grating(draw, kind, SIDE).astype(np.float32) / 255
            file.write(((picture - MEAN) / STD).astype("<f4").tobytes())
    rows = []
    for model in MODELS:
        rows += compare(args, model, network(args, data, model), prepared, labels)
    prepared.unlink()
    told = [{key: f"{value:.3e}" if isinstance(value, float) else value for key, value in row.items()} for row in rows]
    process.write(args.out, "logits", told, summary(args, rows))


if __name__ == "__main__":
    main()
