"""Files of torch.save for the tests of crates/formats/tests/foreign/torch.rs, which run it:

    python tools/torch_files.py reads FOLDER
    python tools/torch_files.py refused FOLDER
    python tools/torch_files.py whole FOLDER

All hold one small network, the tests' `Net`: torchvision's ResNet class with one block. FOLDER/index.json lists those of
one sort. `reads` are read, each with the logits that PyTorch computes on FOLDER/images; `refused` are not, each with what
the error must say. `whole` are whole modules of torchvision and timm, each with its network of the zoo, and what the error must
say if there is one. Images have their channels last; numbers are little-endian float32.

Requirements: Python 3.10 or newer, numpy, torch 1.13, torchvision 0.14, or newer.
"""

import argparse
import copy
import io
import json
import pathlib
import pickle
import sys

import numpy as np
import torch
import torchvision
from torch import nn

import golden_weights
import made_up
import torch_networks
from torch_histories import Attributes, Ordered, histories, measure, optimiser

CLASSES, SIDE, IMAGES = 5, 16, 2


def network():
    """The tests' Net as an instance of torchvision's class: one stage of one block, no pooling behind the stem."""
    torch.manual_seed(1)
    return made_up.statistics(torch_networks.small([[(4, 8, 2)]], CLASSES)).eval()


class Own(nn.Module):
    """A program of a user's with torchvision's names."""

    def __init__(self, activation=None):
        super().__init__()
        net = network()
        self.conv1, self.bn1, self.layer1, self.avgpool, self.fc = net.conv1, net.bn1, net.layer1, net.avgpool, net.fc
        self.relu = activation or nn.ReLU()

    def forward(self, x):
        x = self.layer1(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Scale(nn.Module):
    def forward(self, x):
        return x * 2


class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class Files:
    """Writes files of one sort, and what is to be known of them."""

    def __init__(self, sort, folder):
        self.sort, self.folder = sort, folder
        self.images = torch.rand(IMAGES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2)) * 4 - 2
        self.index = []

    def save(self, name, value, options):
        if isinstance(value, bytes):
            (self.folder / name).write_bytes(value)
        else:
            torch.save(value, self.folder / name, **options)

    def reads(self, name, value, net=None, notes=(), section=None, **options):
        """A file with `value` in it, which answers as `net` does."""
        if self.sort != "reads":
            return
        self.save(name, value, options)
        net = copy.deepcopy(net if net is not None else network()).float().eval()
        with torch.no_grad():
            logits = net(self.images)
        # two images that nothing tells apart would prove nothing
        assert (logits[0] - logits[1]).abs().max() > 0.01 * logits.abs().max(), name
        self.index.append({"file": name, "logits": logits.flatten().tolist(), "notes": list(notes), "section": section})

    def refused(self, name, value, *says, **options):
        """A file with `value` in it; the error says all of `says`."""
        if self.sort != "refused":
            return
        self.save(name, value, options)
        self.index.append({"file": name, "says": says})


STREAM = {"_use_new_zipfile_serialization": False}


def containers(files):
    state = network().state_dict()
    files.reads("zip.pth", state)
    files.reads("stream.pth", state, **STREAM)
    for protocol in (1, 3, 4, 5):
        files.reads(f"zip{protocol}.pth", state, pickle_protocol=protocol)
        files.reads(f"stream{protocol}.pth", state, pickle_protocol=protocol, **STREAM)
    numbers = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
    table = {name: tuple(tensor.shape) for name, tensor in numbers.items()}
    files.reads("tar.pth", golden_weights.tar_file(table, lambda name, dims: numbers[name].flatten().tolist()))
    files.reads("bare_dict.pth", dict(state))
    # a list of entries whose first one has as many bytes as the records behind the list
    files.reads("name_of_21_characters.pth", state)
    files.reads("nested.pth", {"state": {"ema": 0.9}, "net": {"inner": 3}, "state_dict": state, "epoch": 3}, section="state_dict")


def with_histories(files):
    state = network().state_dict()
    beside = histories(network().train())
    for name, value in beside.items():
        files.reads(f"history_{name}.pth", {"state_dict": state, name: value}, section="state_dict")
    everything = {"state_dict": state, **beside}
    files.reads("history.pth", everything, section="state_dict")
    files.reads("history_stream.pth", everything, section="state_dict", **STREAM)
    files.reads("history_protocol4.pth", everything, section="state_dict", pickle_protocol=4)
    # half a million losses take five megabytes of description
    losses = [float(step) for step in range(500_000)]
    files.reads("history_long.pth", {"state_dict": state, "losses": losses}, section="state_dict")
    files.reads("history_long_stream.pth", {"losses": losses, "state_dict": state}, section="state_dict", **STREAM)
    ordered = Ordered(state)
    ordered._metadata = state._metadata
    files.reads("subclass.pth", ordered)
    files.reads("attributes.pth", {"state_dict": Attributes(state)}, section="state_dict")
    files.reads("namespace.pth", argparse.Namespace(state_dict=state, epoch=1), section="state_dict")
    # the same numbers three times
    files.reads("thrice.pth", {"state_dict": state, "best": state, "last": dict(state), "model_object": network()}, section="state_dict")


def of_types(files):
    net = network()
    half = copy.deepcopy(net).half()
    # as the script that gave the case has it: counts of batches as well
    files.reads("half.pth", {name: tensor.half() for name, tensor in net.state_dict().items()}, half)
    files.reads("bfloat16.pth", copy.deepcopy(net).bfloat16().state_dict(), copy.deepcopy(net).bfloat16())
    files.reads("double.pth", copy.deepcopy(net).double().state_dict())
    mixed = net.state_dict()
    mixed["conv1.weight"], mixed["fc.weight"] = mixed["conv1.weight"].double(), mixed["fc.weight"].t().contiguous().t()
    mixed["layer1.0.conv1.weight"] = mixed["layer1.0.conv1.weight"].to(memory_format=torch.channels_last)
    files.reads("mixed.pth", mixed)
    floats = {name: tensor.float() for name, tensor in net.state_dict().items()}
    files.reads("float_counts.pth", floats)
    # views into one buffer, with a gap before each
    flat, views = torch.full((4000,), 7.0), {}
    at = 3
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            views[name] = flat[at : at + tensor.numel()].view(tensor.shape)
            views[name].copy_(tensor)
            at += tensor.numel() + 5
    files.reads("views.pth", views)
    files.reads("views_stream.pth", views, **STREAM)
    parameters = dict(net.named_parameters()) | dict(net.named_buffers())
    files.reads("parameters.pth", parameters)
    marked = dict(net.named_parameters()) | dict(net.named_buffers())
    marked["conv1.weight"].tag = "a state of its own"
    marked["fc.weight"].register_hook(measure)
    files.reads("marked.pth", {name: value if name != "fc.weight" else value.detach() for name, value in marked.items()})
    fine = net.state_dict()
    for name, tensor, says in [
        ("sparse", fine["fc.weight"].to_sparse(), "sparse"),
        ("quantised", torch.quantize_per_tensor(fine["fc.weight"], 0.1, 0, torch.qint8), "quantised"),
        ("meta", fine["fc.weight"].to("meta"), "meta"),
        ("complex", fine["fc.weight"].to(torch.complex64), "complex64"),
        ("whole", fine["fc.weight"].to(torch.int32), "int32"),
        ("expanded", torch.ones(1, 1).expand(5, 8), "repeats"),
    ]:
        broken = dict(fine) | {"fc.weight": tensor}
        files.refused(f"{name}.pth", broken, "fc.weight", says)


def with_change(change):
    net = network()
    change(net)
    return net.eval()


def norms(net, **attributes):
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            vars(module).update(attributes)


def modules(files):
    """Whole modules: read where they compute what Net does, else refused with the layer's name."""
    net = network()
    files.reads("module.pth", net)
    files.reads("module_stream.pth", net, **STREAM)
    files.reads("module_protocol4.pth", net, pickle_protocol=4)
    files.reads("module_protocol1.pth", net, pickle_protocol=1)
    files.reads("module_protocol1_stream.pth", net, pickle_protocol=1, **STREAM)
    files.reads("module_inside.pth", {"epoch": 1, "model": net, "optimizer": optimiser(network())}, section="model")
    files.reads("module_parallel.pth", nn.DataParallel(net))
    files.reads("module_half.pth", copy.deepcopy(net).half(), copy.deepcopy(net).half())
    other = with_change(lambda net: norms(net, eps=1e-3))
    files.reads("module_epsilon.pth", other, other, ["epsilon 1e-3"])
    files.reads("module_epsilon_stream.pth", other, other, ["epsilon 1e-3"], **STREAM)
    files.reads("module_momentum.pth", with_change(lambda net: norms(net, momentum=0.3)))

    def plain_norm(net):
        net.layer1[0].bn2 = nn.BatchNorm2d(8, affine=False)
        net.layer1[0].bn2.running_mean += 0.25

    other = with_change(plain_norm)
    files.reads("module_not_affine.pth", other, other)

    def no_bias(net):
        net.fc = nn.Linear(8, CLASSES, bias=False)

    torch.manual_seed(3)
    other = with_change(no_bias)
    files.reads("module_no_bias.pth", other, other)
    files.reads("module_sync.pth", nn.SyncBatchNorm.convert_sync_batchnorm(network()))

    def dropout(net):
        net.drop = nn.Dropout(0.5)
        net.layer1[0].drop = nn.Dropout2d(0.1)

    files.reads("module_dropout.pth", with_change(dropout))
    files.reads("module_own.pth", Own(), None, ["what __main__.Own computes"])
    own = Own()
    own.criterion = nn.CrossEntropyLoss()
    own.register_forward_hook(measure)
    files.reads("module_hooked.pth", own, Own(), ["functions are hooked to the network"])

    def replace(path, **attributes):
        """Attributes of the layer at `path` take other values."""

        def change(net):
            vars(net.get_submodule(path)).update(attributes)

        return with_change(change)

    def put(path, module):
        def change(net):
            parent, _, name = path.rpartition(".")
            setattr(net.get_submodule(parent), name, module)

        return with_change(change)

    two = (2, 2)
    for name, net, says in [
        ("dilated", replace("layer1.0.conv2", dilation=two, padding=two), ["layer1.0.conv2: dilation 2 in the file, 1"]),
        ("strided", replace("layer1.0.conv1", stride=(1, 1)), ["layer1.0.conv1: stride 1 in the file, 2"]),
        ("stem", replace("conv1", stride=(2, 1)), ["conv1: stride 2x1 in the file, 1"]),
        ("padded", replace("conv1", padding=(0, 0)), ["conv1: padding 0 in the file, 1"]),
        ("reflected", replace("layer1.0.conv2", padding_mode="reflect"), ["layer1.0.conv2: padding with reflect"]),
        ("untracked", put("bn1", nn.BatchNorm2d(4, track_running_stats=False)), ["bn1"]),
        ("leaky", put("relu", nn.LeakyReLU()), ["relu: torch.nn.modules.activation.LeakyReLU"]),
        ("silu", put("layer1.0.relu", nn.SiLU()), ["layer1.0.relu: torch.nn.modules.activation.SiLU"]),
        ("swish", put("relu", Swish()), ["relu: __main__.Swish"]),
        ("no_relu", put("relu", nn.Identity()), ["relu: nothing in the file, a ReLU"]),
        ("pooled", put("maxpool", nn.MaxPool2d(3, 2, 1)), ["maxpool: a max pooling in the file, none"]),
        ("averaged", put("avgpool", nn.AvgPool2d(4, 4)), ["avgpool: an average pooling in the file"]),
        ("largest", put("avgpool", nn.AdaptiveMaxPool2d(1)), ["avgpool: torch.nn.modules.pooling.AdaptiveMaxPool2d"]),
        ("two_by_two", put("avgpool", nn.AdaptiveAvgPool2d(2)), ["avgpool: torch.nn.modules.pooling.AdaptiveAvgPool2d"]),
        ("instances", put("bn1", nn.InstanceNorm2d(4, affine=True, track_running_stats=True)), ["bn1: torch.nn.modules.instancenorm"]),
        ("own_leaky", Own(nn.LeakyReLU()), ["relu: torch.nn.modules.activation.LeakyReLU"]),
        ("scaled", nn.Sequential(Scale(), network()), ["0: __main__.Scale in the file, before or behind"]),
        ("softmax", nn.Sequential(network(), nn.Softmax(1)), ["1: torch.nn.modules.activation.Softmax"]),
    ]:
        files.refused(f"module_{name}.pth", net, *says)
    files.refused("module_dilated_stream.pth", replace("layer1.0.conv2", dilation=two, padding=two), "layer1.0.conv2: dilation 2", **STREAM)
    inside = {"epoch": 3, "net": replace("layer1.0.conv2", dilation=two, padding=two)}
    files.refused("module_dilated_inside.pth", inside, "layer1.0.conv2: dilation 2")


def others(files):
    """Files of torch, numpy and Python that hold no state_dict of torch.save."""
    net = network()
    stream = io.BytesIO()
    torch.jit.save(torch.jit.trace(net, files.images), stream)
    files.refused("traced.pt", stream.getvalue(), "TorchScript", "state_dict")
    stream = io.BytesIO()
    np.savez(stream, **{name: tensor.numpy() for name, tensor in net.state_dict().items()})
    files.refused("net.npz", stream.getvalue(), "numpy (.npz)")
    stream = io.BytesIO()
    np.save(stream, np.ones(3))
    files.refused("one.npy", stream.getvalue(), "numpy (.npy)")
    files.refused("pickled.pkl", pickle.dumps({"conv1.weight": np.ones(3)}), "pickle of Python, a dict", "torch.save")
    files.refused("nothing.pth", {"epoch": 3}, "no tensor")


def whole(files):
    """In 16 bits: they take half the time to write and to read."""
    import timm

    models = torchvision.models
    dilated = models.resnet50(replace_stride_with_dilation=[False, False, True])
    moved = models.resnet50()
    for stage in (moved.layer2, moved.layer3, moved.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    other = models.resnet18()
    other.maxpool = nn.Identity()
    for name, net, says in [
        ("resnet18", models.resnet18(), []),
        ("resnet18d", timm.create_model("resnet18d"), []),
        ("resnet18", timm.create_model("resnet18", num_classes=7, drop_rate=0.2), []),
        ("resnet18", timm.create_model("resnet18", act_layer=nn.SiLU), ["act1: torch.nn.modules.activation.SiLU"]),
        ("resnet18", timm.create_model("resnet18", global_pool="max"), ["global_pool"]),
        ("resnet18", other, ["no max pooling in the file"]),
        ("resnet50", dilated, ["layer4.0.conv2: stride 1 in the file, 2", "layer4.1.conv2: dilation 2 in the file, 1"]),
        ("resnet50", moved, ["layer2.0.conv1: stride 2 in the file, 1", "layer2.0.conv2: stride 1 in the file, 2"]),
    ]:
        file = f"{len(files.index)}.pth"
        torch.save(net.half(), files.folder / file)
        files.index.append({"file": file, "model": name, "says": says})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sort", choices=["reads", "refused", "whole"])
    parser.add_argument("folder", type=pathlib.Path)
    files = Files(**vars(parser.parse_args()))
    torch.set_num_threads(1)
    # classes of this script are pickled as those of a user's
    sys.modules["__main__"] = sys.modules[__name__]
    makers = (whole,) if files.sort == "whole" else (containers, with_histories, of_types, modules, others)
    for make in makers:
        make(files)
    files.save("images", files.images.permute(0, 2, 3, 1).contiguous().numpy().astype("<f4").tobytes(), {})
    (files.folder / "index.json").write_text(json.dumps(files.index))


if __name__ == "__main__":
    main()
