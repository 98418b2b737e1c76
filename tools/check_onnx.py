"""Checks an exported ONNX file with other people's programs: the onnx package's checker and ONNX Runtime.

    pip install onnx onnxruntime numpy pillow
    python tools/check_onnx.py FILE [--images IMAGES --logits LOGITS] [--ultralytics ORDINARY]

The file must pass `onnx.checker.check_model` with shape inference, and run in ONNX Runtime with as many images as it takes,
or with one and with three where that is free. Shortcuts written as convolutions of zeros and ones are put back into
Slice and Pad: the answers must have the same bytes (without ONNX Runtime's optimisations, which merge another convolution
into the sum behind it, and so round otherwise). With --images and --logits (raw little-endian numbers: images as the
file's input wants them, outputs as plusx computed them) ONNX Runtime's outputs must be within 1e-4 of the largest, image
by image.

With --ultralytics, FILE was exported for Ultralytics and ORDINARY is the same network with a softmax and prepared images:
pictures of several shapes are prepared as Ultralytics does for the one (`ClassificationPredictor.preprocess` and
`BaseBackend.apply_metadata` of version 8.4, with Pillow in torchvision's place) and as its record says for the other. A
picture of the input's own size must get the same probabilities to 1e-5, one of another size, where the record resizes the
shorter side, too. Prints one line of JSON.
"""

import argparse
import ast
import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

TOLERANCE = 1e-4
ORDINARY = ["class_names", "input_format", "plusx", "preprocess"]
ULTRALYTICS = ["batch", "channels", "imgsz", "names", "plusx", "stride", "task"]


def session(model, optimised=True):
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check(path):
    """The model, after the checks that need no images."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    versions = (model.ir_version, [(one.domain, one.version) for one in model.opset_import], model.model_version)
    if versions != (8, [("", 17)], 1):
        sys.exit(f"{path}: expected IR version 8, opset 17 and model version 1, found {versions}")
    keys = [entry.key for entry in model.metadata_props]
    if keys not in (ORDINARY, ULTRALYTICS):
        sys.exit(f"{path}: unexpected metadata keys {keys}")
    return model


def without_filters(model):
    """The model with Slice and Pad for the convolutions whose filter copies channels, and how many those are."""
    old = onnx.ModelProto()
    old.CopyFrom(model)
    filters = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    nodes, count = [], 0
    for node in old.graph.node:
        filter = filters.get(node.input[1]) if node.op_type == "Conv" and len(node.input) == 2 else None
        if filter is None or not node.input[1].endswith("_filter"):
            nodes.append(node)
            continue
        (wide, narrow), name = filter.shape[:2], node.output[0]
        before = int(filter[:, 0].argmax())
        copies = np.eye(wide, narrow, -before, dtype=np.float32)
        if filter.shape[2:] != (1, 1) or not (filter[:, :, 0, 0] == copies).all():
            sys.exit(f"{name} is no shortcut")
        stride = next(list(one.ints) for one in node.attribute if one.name == "strides")
        lists = {"starts": [0, 0], "ends": [2**31 - 1] * 2, "axes": [2, 3], "steps": stride}
        lists["pads"] = [0, before, 0, 0, 0, wide - narrow - before, 0, 0]
        for key, values in lists.items():
            old.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), f"{name}_{key}"))
        inputs = [f"{name}_{key}" for key in ("starts", "ends", "axes", "steps")]
        old.graph.initializer.remove(next(one for one in old.graph.initializer if one.name == node.input[1]))
        nodes.append(helper.make_node("Slice", [node.input[0], *inputs], [f"{name}_pixels"]))
        nodes.append(helper.make_node("Pad", [f"{name}_pixels", f"{name}_pads"], [name]))
        count += 1
    del old.graph.node[:]
    old.graph.node.extend(nodes)
    return old, count


def run(session, x):
    """What the session makes of images, in batches of its size."""
    (value,) = session.get_inputs()
    size = value.shape[0] if isinstance(value.shape[0], int) else len(x)
    found = []
    for start in range(0, len(x), size):
        part = x[start : start + size]
        rest = np.zeros((size - len(part), *x.shape[1:]), x.dtype)
        found.append(session.run(None, {value.name: np.concatenate([part, rest])})[0][: len(part)])
    return np.concatenate(found)


def kind(session):
    return np.dtype(np.uint8 if session.get_inputs()[0].type == "tensor(uint8)" else "<f4")


def compare(session, images, logits):
    """The worst difference of an output, as a part of its image's largest one."""
    x = np.fromfile(images, kind(session)).reshape(-1, *session.get_inputs()[0].shape[1:])
    found = run(session, x)
    wanted = np.fromfile(logits, "<f4").reshape(found.shape)
    apart = np.abs(found - wanted).reshape(len(x), -1).max(1)
    return float((apart / np.abs(wanted).reshape(len(x), -1).max(1)).max())


def resized(image, resize, filter):
    """torchvision's Resize: to both sides, or the shorter one."""
    w, h = image.size
    if isinstance(resize, int):
        short = min(w, h)
        resize = [int(resize * h / short), int(resize * w / short)]
    return image.resize((resize[1], resize[0]), filter)


def cut(image, sides):
    """torchvision's CenterCrop, of images that are not smaller."""
    w, h = image.size
    top, left = round((h - sides[0]) / 2), round((w - sides[1]) / 2)
    return image.crop((left, top, left + sides[1], top + sides[0]))


def for_ultralytics(image, metadata):
    """Values from 0 to 1, channels first."""
    from PIL import Image

    stride, imgsz = int(metadata["stride"]), ast.literal_eval(metadata["imgsz"])
    sides = [-(-side // stride) * stride for side in imgsz]
    image = resized(image, sides[0] if sides[0] == sides[1] else sides, Image.BILINEAR)
    return np.asarray(cut(image, sides), np.float32).transpose(2, 0, 1) / np.float32(255)


def as_recorded(image, record):
    """The network's input as the record says."""
    from PIL import Image

    filter = Image.BICUBIC if record["interpolation"] == "bicubic" else Image.BILINEAR
    channels, h, w = record["input"]
    image = image.convert("L") if channels == 1 else image
    image = cut(resized(image, record["resize"], filter), [h, w])
    x = np.asarray(image, np.float32).reshape(h, w, channels).transpose(2, 0, 1) / np.float32(255)
    mean, std = (np.array(record[key], np.float32).reshape(-1, 1, 1) for key in ("mean", "std"))
    return (x - mean) / std


def beside_ultralytics(model, ordinary):
    """The worst difference of a probability over pictures that the file and its record should see alike."""
    from PIL import Image

    metadata = {entry.key: entry.value for entry in model.metadata_props}
    own = {entry.key: entry.value for entry in onnx.load(ordinary).metadata_props}
    record = json.loads(own["preprocess"])
    names = ast.literal_eval(metadata["names"])
    if names != dict(enumerate(json.loads(own["class_names"]))) or metadata["task"] != "classify":
        sys.exit(f"Ultralytics would read the names {names}, not {own['class_names']}")
    channels, h, w = record["input"]
    sizes = [(h, w)]
    if isinstance(record["resize"], int):
        sizes += [(2 * h + 5, 3 * w), (3 * h + 1, 2 * w), (h // 2, w), (record["resize"], record["resize"])]
    one, other = session(model.SerializeToString()), session(ordinary)
    worst = 0.0
    for index, size in enumerate(sizes):
        random = np.random.RandomState(index)
        # grey ones for a grey network: colours are rounded on the way to grey by the one and not by the other
        cells = random.randint(0, 256, (size[0] // 4 + 1, size[1] // 4 + 1, 1 if channels == 1 else 3))
        cells = np.broadcast_to(cells, (*cells.shape[:2], 3)).astype(np.uint8)
        image = Image.fromarray(cells).resize((size[1], size[0]), Image.BICUBIC)
        if channels == 1:
            image = image.convert("L").convert("RGB")
        found = run(one, for_ultralytics(image, metadata)[None])
        wanted = run(other, as_recorded(image, record)[None])
        worst = max(worst, float(np.abs(found - wanted).max()))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--images")
    parser.add_argument("--logits")
    parser.add_argument("--ultralytics")
    arguments = parser.parse_args()
    model = check(arguments.file)
    net = session(arguments.file)
    (value,), (output,) = net.get_inputs(), net.get_outputs()
    fixed = isinstance(value.shape[0], int)
    if fixed != isinstance(output.shape[0], int):
        sys.exit(f"{arguments.file}: {value.shape} become {output.shape}")
    old, shortcuts = without_filters(model)
    plain = [session(one.SerializeToString(), False) for one in (model, old)]
    for n in [value.shape[0]] if fixed else [1, 3]:
        x = np.random.RandomState(n).randint(0, 256, (n, *value.shape[1:])).astype(kind(net))
        (found,) = net.run(None, {value.name: x})
        if len(found) != n or not np.isfinite(found).all():
            sys.exit(f"{arguments.file}: {n} images gave {found.shape}")
        one, other = (plain.run(None, {value.name: x})[0].tobytes() for plain in plain)
        if one != other:
            sys.exit(f"{arguments.file}: {shortcuts} shortcuts as Slice and Pad gave other answers")
    report = {"input": [value.name, value.type, value.shape], "output": [output.name, output.shape]}
    report["shortcuts"] = shortcuts
    if arguments.images and arguments.logits:
        report["worst"] = compare(net, arguments.images, arguments.logits)
        if not report["worst"] <= TOLERANCE:
            sys.exit(f"{arguments.file}: ONNX Runtime is {report['worst']} away, more than {TOLERANCE}")
    if arguments.ultralytics:
        report["ultralytics"] = beside_ultralytics(model, arguments.ultralytics)
        if not report["ultralytics"] <= 1e-5:
            sys.exit(f"{arguments.file}: Ultralytics would answer {report['ultralytics']} otherwise")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
