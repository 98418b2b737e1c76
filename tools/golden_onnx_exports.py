"""One small network as PyTorch's two exporters write it, whichever way it flattens: golden data for the ONNX reader.

    python tools/golden_onnx_exports.py dynamo tests/golden/onnx/dynamo
    python tools/golden_onnx_exports.py script OUT

writes files of the exporter based on torch.export, which are committed, or of the one based on TorchScript, which the tests
make, since Debian's PyTorch has it; and KIND.json with the logits that PyTorch computes in f64. Both take turns in versions of
the operators, orders in memory, fixed and free batches, and forms of the shortcut.

Notes of the exporters about the machine they ran on are taken out; nothing else is changed.
"""

import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

import made_up
from onnx_nodes import CLASSES, INPUT, images

HEADS = {
    "flatten": lambda x: torch.flatten(F.adaptive_avg_pool2d(x, 1), 1),
    "view": lambda x: F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1),
    "view-shape": lambda x: F.adaptive_avg_pool2d(x, 1).view(-1, x.shape[1]),
    "reshape": lambda x: F.adaptive_avg_pool2d(x, 1).reshape(x.shape[0], x.shape[1]),
    "squeeze": lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(),
    "squeezes": lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
    "index": lambda x: F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0],
    "mean": lambda x: x.mean([2, 3]),
    "means": lambda x: x.mean(3).mean(2),
    "flat-mean": lambda x: x.flatten(2).mean(-1),
    "view-mean": lambda x: x.view(x.size(0), x.size(1), -1).mean(2),
    "kept": lambda x: x.mean((-2, -1), keepdim=True).flatten(1),
    "average": lambda x: F.avg_pool2d(x, (INPUT[1] // 2, INPUT[2] // 2)).view(x.size(0), -1),
    "numel": lambda x: F.adaptive_avg_pool2d(x, 1).view(x.size(0), x[0].numel() // (x.size(2) * x.size(3))),
}


def network(head, shortcut, seed):
    """resnet20 with four channels and one unit for each of two stages."""

    class Unit(nn.Module):
        def __init__(self, inner, out, stride):
            super().__init__()
            self.stride, self.more = stride, (out - inner) // 2
            self.conv1, self.bn1 = nn.Conv2d(inner, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
            self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)

        def forward(self, x):
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            if self.stride > 1:
                if shortcut == "pool":
                    x = F.avg_pool2d(x, 1, self.stride)
                else:
                    x = x[:, :, :: self.stride, :: self.stride]
                if shortcut != "cat":
                    x = F.pad(x, (0, 0, 0, 0, self.more, self.more))
                else:
                    zeros = torch.zeros(x.size(0), self.more, x.size(2), x.size(3), device=x.device)
                    x = torch.cat([zeros, x, zeros], 1)
            return F.relu(y + x)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4)
            self.layer1, self.layer2 = nn.Sequential(Unit(4, 4, 1)), nn.Sequential(Unit(4, 8, 2))
            self.linear = nn.Linear(8, CLASSES)

        def forward(self, x):
            x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
            return self.linear(HEADS[head](x))

    torch.manual_seed(seed)
    return made_up.statistics(Network().eval())


def source(net, x):
    """What the program that was exported computes."""
    with torch.no_grad():
        net = net.double()
        answers = [net(torch.tensor(one[None].astype(np.float64) / 255)).reshape(-1).numpy() for one in x]
        net.float()
    return np.stack(answers)


def script(out):
    x, cases = images(), []
    sample = torch.zeros(2, *INPUT)
    for at, head in enumerate(HEADS):
        for opset in (9, 11, 13, 16):
            # each head meets every version, and the other choices take turns
            kept, last, one = (at + opset) % 2 == 0, (at + opset) % 3 == 0, (at + opset) % 5 == 0
            # before version 10, that exporter has no steps
            shortcut = "pool" if opset < 10 else ("pad", "cat")[(at + opset) // 2 % 2]
            net = network(head, shortcut, at)
            image = sample[:1] if one else sample
            image = image.to(memory_format=torch.channels_last) if last else image
            how = {"opset_version": opset, "input_names": ["images"], "output_names": ["out"]}
            if not one:
                how["dynamic_axes"] = {"images": {0: "batch"}, "out": {0: "batch"}}
            if kept:
                how |= {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
            name = f"{head}-{opset}"
            torch.onnx.export(net, (image,), str(out / f"{name}.onnx"), **how)
            cases.append({"file": name, "logits": source(net, x).tolist(), "prepared": False})
    return cases


def dynamo(out):
    x, cases = images(), []
    heads = ["flatten", "view", "squeeze", "index", "means", "view-mean", "average", "reshape"]
    for at, head in enumerate(heads):
        last, one, opset = at % 2 == 1, at % 4 == 2, (18, 20, 22)[at % 3]
        net = network(head, ("pad", "cat")[at % 2], at)
        image = torch.zeros(1 if one else 2, *INPUT)
        image = image.to(memory_format=torch.channels_last) if last else image
        how = {} if one else {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
        name = f"{head}-{opset}"
        path = out / f"{name}.onnx"
        torch.onnx.export(net, (image,), path, dynamo=True, opset_version=opset, external_data=False, **how)
        without_notes(path, keep_shapes=False)
        cases.append({"file": name, "logits": source(net, x).tolist(), "prepared": False})
    return cases


def without_notes(path, keep_shapes=True):
    """Takes out the exporters' notes, among which are paths of this machine, and the shapes of inner values if told so."""
    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    if not keep_shapes:
        del graph.value_info[:]
    for part in [graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)


def main():
    warnings.simplefilter("ignore")
    kind, out = sys.argv[1], pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    cases = {"script": script, "dynamo": dynamo}[kind](out)
    (out / f"{kind}.json").write_text(json.dumps(cases, indent=1) + "\n")
    print(f"{len(cases)} files")


if __name__ == "__main__":
    main()
