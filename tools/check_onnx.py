"""Checks an exported ONNX file with other people's programs: the onnx package's checker and ONNX Runtime.

    pip install onnx onnxruntime numpy
    python tools/check_onnx.py FILE [--images IMAGES --logits LOGITS]

The file must pass `onnx.checker.check_model` with shape inference, and run in ONNX Runtime with one image and with
three. With --images and --logits (raw little-endian numbers: images as the file's input wants them, outputs as plusx
computed them) ONNX Runtime's outputs must be within 1e-4 of the largest, image by image. Prints one line of JSON.
"""

import argparse
import json
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-4


def check(path):
    """The session, after the checks that need no images."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    if (model.ir_version, [(one.domain, one.version) for one in model.opset_import]) != (8, [("", 17)]):
        sys.exit(f"{path}: expected IR version 8 and opset 17")
    keys = [entry.key for entry in model.metadata_props]
    if keys != ["input_format", "names", "plusx", "preprocess", "task"]:
        sys.exit(f"{path}: unexpected metadata keys {keys}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def compare(session, images, logits):
    """The worst difference of an output, as a part of its image's largest one."""
    (value,) = session.get_inputs()
    kind = np.uint8 if value.type == "tensor(uint8)" else np.dtype("<f4")
    x = np.fromfile(images, kind).reshape(-1, *value.shape[1:])
    (found,) = session.run(None, {value.name: x})
    wanted = np.fromfile(logits, "<f4").reshape(found.shape)
    apart = np.abs(found - wanted).reshape(len(x), -1).max(1)
    return float((apart / np.abs(wanted).reshape(len(x), -1).max(1)).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--images")
    parser.add_argument("--logits")
    arguments = parser.parse_args()
    session = check(arguments.file)
    (value,) = session.get_inputs()
    (output,) = session.get_outputs()
    for n in (1, 3):
        x = np.zeros((n, *value.shape[1:]), np.uint8 if value.type == "tensor(uint8)" else np.float32)
        (found,) = session.run(None, {value.name: x})
        if len(found) != n or not np.isfinite(found).all():
            sys.exit(f"{arguments.file}: {n} images gave {found.shape}")
    report = {"input": [value.name, value.type, value.shape], "output": [output.name, output.shape]}
    if arguments.images and arguments.logits:
        report["worst"] = compare(session, arguments.images, arguments.logits)
        if not report["worst"] <= TOLERANCE:
            sys.exit(f"{arguments.file}: ONNX Runtime is {report['worst']} away, more than {TOLERANCE}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
