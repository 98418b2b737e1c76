"""Weight files as other programs write them, for the tests of crates/formats: writes crates/formats/tests/golden/, and
small ones to fuzz/corpus/, where the fuzz targets start. `cargo xtask golden` runs it.

Of its three parts, `torch` and `mxnet` use the real programs; `bare` writes, with nothing but Python, what no current program writes:
the tar container of torch.save before 0.1.10, and files that mean harm.

All hold one small network under torchvision's names (NET), or the chapter's (CHAPTER). Value i of the tensor called
`name` is ((37 i + sum of the bytes of the name) mod 251 - 125) / 64, in whatever file: exact in 16 bits, too, and known to
the tests without a copy. A legacy stream names its storages by where they lay in memory: it differs every time. The files in fuzz/corpus/ hold TINY, with zeros.
"""

import io
import math
import pathlib
import pickle
import struct
import sys
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "crates/formats/tests/golden"
CORPUS = ROOT / "fuzz/corpus"

NORM = ("weight", "bias", "running_mean", "running_var")


def norm(name, channels):
    return {f"{name}.{part}": (channels,) for part in NORM}


NET = {
    "conv1.weight": (4, 3, 3, 3),
    **norm("bn1", 4),
    "layer1.0.conv1.weight": (8, 4, 3, 3),
    **norm("layer1.0.bn1", 8),
    "layer1.0.conv2.weight": (8, 8, 3, 3),
    **norm("layer1.0.bn2", 8),
    "layer1.0.downsample.0.weight": (8, 4, 1, 1),
    **norm("layer1.0.downsample.1", 8),
    "fc.weight": (5, 8),
    "fc.bias": (5,),
}


def with_bias(name, dims):
    return {f"{name}.weight": dims, f"{name}.bias": dims[:1]}


CHAPTER = {
    **with_bias("conv1", (4, 1, 7, 7)),
    **norm("bn1", 4),
    **with_bias("layer1.0.conv1", (4, 4, 3, 3)),
    **norm("layer1.0.bn1", 4),
    **with_bias("layer1.0.conv2", (4, 4, 3, 3)),
    **norm("layer1.0.bn2", 4),
    **with_bias("layer2.0.conv1", (8, 4, 3, 3)),
    **norm("layer2.0.bn1", 8),
    **with_bias("layer2.0.conv2", (8, 8, 3, 3)),
    **norm("layer2.0.bn2", 8),
    **with_bias("layer2.0.downsample.0", (8, 4, 1, 1)),
    **with_bias("fc", (5, 8)),
}


TINY = {"conv1.weight": (2, 1, 1, 1), **norm("bn1", 2), "fc.weight": (2, 2), "fc.bias": (2,)}


def values(name, dims):
    seed = sum(name.encode())
    return [((37 * i + seed) % 251 - 125) / 64 for i in range(math.prod(dims))]


# torch


def torch_files():
    import collections

    import safetensors.torch
    import torch

    def tensors(rename=lambda name: name, counts=True):
        state = collections.OrderedDict()
        for name, dims in NET.items():
            state[rename(name)] = torch.tensor(values(name, dims)).reshape(dims)
            if counts and name.endswith("running_var"):
                count = rename(name.replace("running_var", "num_batches_tracked"))
                state[count] = torch.tensor(7)
        return state

    def save(name, value, **options):
        torch.save(value, GOLDEN / name, **options)

    save("zip.pth", tensors())
    # as the training script of torchvision saves: more than one network, and things that are no tensors
    average = tensors(lambda name: "module." + name)
    average["n_averaged"] = torch.tensor(3)
    nested = {"model": tensors(), "model_ema": average, "epoch": 3, "optimizer": {"param_groups": [{"lr": 0.1}]}}
    save("nested.pth", nested)
    # as the CIFAR networks of Akamaster are: the old stream, DataParallel, names of their own
    own = lambda name: "module." + name.replace("downsample", "shortcut").replace("fc", "linear")
    akamaster = {"state_dict": tensors(own, counts=False), "best_prec1": 91.78}
    save("legacy.th", akamaster, _use_new_zipfile_serialization=False)
    # parameters in memory that is not contiguous
    strided = tensors()
    strided["fc.weight"] = strided["fc.weight"].t().contiguous().t()
    strided["conv1.weight"] = strided["conv1.weight"].to(memory_format=torch.channels_last)
    save("strided.pth", {"net": strided})

    # whole modules, alone and beside other things
    import torch_files

    module = torch_files.network()
    module.load_state_dict(tensors())
    save("module.pth", module)
    torch.save(module, CORPUS / "torch/module.pth")
    # streams keep the programs of all classes; those of others stay theirs
    torch.serialization.get_source_lines_and_file = lambda *_: ([], 0, "")
    save("module.th", {"epoch": 3, "model": module}, _use_new_zipfile_serialization=False)
    mixed = tensors()
    for name, dtype in [("conv1.weight", torch.float16), ("bn1.weight", torch.bfloat16), ("fc.weight", torch.float64)]:
        mixed[name] = mixed[name].to(dtype)
    safetensors.torch.save_file(dict(mixed), GOLDEN / "mixed.safetensors", metadata={"format": "pt"})
    tiny = {name: torch.zeros(dims) for name, dims in TINY.items()}
    torch.save(tiny, CORPUS / "torch/zip.pth")
    torch.save({"net": tiny}, CORPUS / "torch/legacy.pth", _use_new_zipfile_serialization=False)
    halves = {name: tensor.half() for name, tensor in tiny.items()}
    safetensors.torch.save_file(halves, CORPUS / "safetensors/half.safetensors")
    integers = tensors()
    integers["fc.bias"] = integers["fc.bias"].to(torch.int32)
    safetensors.torch.save_file(dict(integers), GOLDEN / "integers.safetensors")


# MXNet

GLUON = {"gamma": "weight", "beta": "bias"}


def mxnet_files():
    import tempfile

    import mxnet as mx
    from mxnet.gluon import nn

    class Block(nn.HybridBlock):
        """As BasicBlockV1 of Gluon's model zoo."""

        def __init__(self, channels, **options):
            super().__init__(**options)
            self.body = nn.HybridSequential(prefix="")
            self.body.add(nn.Conv2D(channels, 3, 2, 1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"))
            self.body.add(nn.Conv2D(channels, 3, 1, 1, use_bias=False), nn.BatchNorm())
            self.downsample = nn.HybridSequential(prefix="")
            self.downsample.add(nn.Conv2D(channels, 1, 2, use_bias=False), nn.BatchNorm())

        def hybrid_forward(self, F, x):
            return F.Activation(self.body(x) + self.downsample(x), act_type="relu")

    class Net(nn.HybridBlock):
        """As ResNetV1 of Gluon's model zoo, with its prefixes."""

        def __init__(self, **options):
            super().__init__(**options)
            with self.name_scope():
                self.features = nn.HybridSequential(prefix="")
                self.features.add(nn.Conv2D(4, 3, 1, 1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"))
                stage = nn.HybridSequential(prefix="stage1_")
                with stage.name_scope():
                    stage.add(Block(8, prefix=""))
                self.features.add(stage, nn.GlobalAvgPool2D())
                self.output = nn.Dense(5, in_units=8)

        def hybrid_forward(self, F, x):
            return self.output(self.features(x))

    class Residual(nn.Block):
        """The chapter's."""

        def __init__(self, channels, use_1x1conv=False, strides=1, **options):
            super().__init__(**options)
            self.conv1 = nn.Conv2D(channels, kernel_size=3, padding=1, strides=strides)
            self.conv2 = nn.Conv2D(channels, kernel_size=3, padding=1)
            self.conv3 = nn.Conv2D(channels, kernel_size=1, strides=strides) if use_1x1conv else None
            self.bn1, self.bn2 = nn.BatchNorm(), nn.BatchNorm()

        def forward(self, x):
            y = self.bn2(self.conv2(mx.nd.relu(self.bn1(self.conv1(x)))))
            return mx.nd.relu(y + (self.conv3(x) if self.conv3 else x))

    def fill(net, table, names):
        """Values by torchvision's names; `names` are the layers in the order in which Gluon made them."""
        layers = {}
        for name, parameter in net._collect_params_with_prefix().items():
            layers.setdefault(name.rpartition(".")[0], {})[name.rpartition(".")[2]] = parameter
        assert len(layers) == len(names), list(layers)
        for own, layer in zip(names, layers.values()):
            for part, parameter in layer.items():
                name = f"{own}.{GLUON.get(part, part)}"
                parameter.set_data(mx.nd.array(values(name, table[name])).reshape(table[name]))

    net = Net(prefix="resnetv10_")
    net.initialize()
    net.hybridize()
    net(mx.nd.zeros((1, 3, 16, 16)))
    block = [f"layer1.0.{part}" for part in ("conv1", "bn1", "conv2", "bn2", "downsample.0", "downsample.1")]
    fill(net, NET, ["conv1", "bn1", *block, "fc"])
    net(mx.nd.zeros((1, 3, 16, 16)))
    net.save_parameters(str(GOLDEN / "gluon.params"))
    with tempfile.TemporaryDirectory() as folder:
        net.export(f"{folder}/net")
        (GOLDEN / "export.params").write_bytes(pathlib.Path(folder, "net-0000.params").read_bytes())

    chapter = nn.Sequential()
    chapter.add(nn.Conv2D(4, kernel_size=7, strides=2, padding=3), nn.BatchNorm(), nn.Activation("relu"))
    stages = [nn.Sequential(), nn.Sequential()]
    stages[0].add(Residual(4))
    stages[1].add(Residual(8, use_1x1conv=True, strides=2))
    chapter.add(nn.MaxPool2D(3, 2, 1), *stages, nn.GlobalAvgPool2D(), nn.Dense(5))
    chapter.initialize()
    chapter(mx.nd.zeros((1, 1, 32, 32)))
    blocks = [f"layer1.0.{part}" for part in ("conv1", "conv2", "bn1", "bn2")]
    blocks += [f"layer2.0.{part}" for part in ("conv1", "conv2", "downsample.0", "bn1", "bn2")]
    fill(chapter, CHAPTER, ["conv1", "bn1", *blocks, "fc"])
    chapter.save_parameters(str(GOLDEN / "chapter.params"))
    # names that count over the whole program, as the chapter's first edition saved them
    chapter.collect_params().save(str(GOLDEN / "counted.params"))
    roles = {"bn1.weight": "bn1.gamma", "bn1.bias": "bn1.beta"}
    tiny = {roles.get(name, name): mx.nd.zeros(dims) for name, dims in TINY.items()}
    mx.nd.save(str(CORPUS / "params/tiny.params"), tiny)
    sparse = mx.nd.sparse.row_sparse_array((mx.nd.ones((2, 3)), [1, 4]), shape=(6, 3))
    mx.nd.save(str(GOLDEN / "sparse.params"), {"embedding.weight": sparse})


# without any of them


class Name:
    """Pickles as a name that the reader looks up, and nothing else."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Persistent:
    """Pickles as the persistent id of a tensor."""

    def __init__(self, key):
        self.key = key


class OldPickler(pickle._Pickler):
    """Protocol 2 with bare names, and persistent ids."""

    def persistent_id(self, value):
        return value.key if isinstance(value, Persistent) else None

    def save_name(self, value):
        self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())

    dispatch = {**pickle._Pickler.dispatch, Name: save_name}


def pickled(value):
    stream = io.BytesIO()
    OldPickler(stream, protocol=2).dump(value)
    return stream.getvalue()


def tar_file(table, values):
    """What torch.save wrote before 0.1.10: sys_info, pickle, tensors, storages."""
    storages, tensors, state = [pickled(len(table))], [pickled(len(table))], {}
    for index, (name, dims) in enumerate(table.items()):
        key, storage = 1000 + index, 5000 + index
        numbers = values(name, dims)
        storages.append(pickled((storage, "cpu", Name("torch", "FloatStorage"))))
        storages.append(struct.pack("<q", len(numbers)) + struct.pack(f"<{len(numbers)}f", *numbers))
        tensors.append(pickled((key, storage, Name("torch", "FloatTensor"))))
        strides = [math.prod(dims[axis + 1 :]) for axis in range(len(dims))]
        tensors.append(struct.pack("<ii", len(dims), 0) + struct.pack(f"<{2 * len(dims) + 1}q", *dims, *strides, 0))
        state[name] = Persistent(str(key))
    storages.append(pickled([]))
    system = {"protocol_version": 1000, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 8}}
    parts = {"sys_info": pickled(system), "pickle": pickled(state), "tensors": b"".join(tensors), "storages": b"".join(storages)}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    # 20 records of zeros end what the module writes; two will do
    return stream.getvalue()[: sum(512 + (len(data) + 511) // 512 * 512 for data in parts.values()) + 1024]


def archive(entries, compression):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as container:
        for name, data in entries.items():
            container.writestr(zipfile.ZipInfo(name), data, compression)
    return stream.getvalue()


def bare_files():
    # Python would call os.system("echo ran") here
    call = b"\x80\x02cposix\nsystem\nX\x08\x00\x00\x00echo ran\x85R."
    # a few kilobytes that unpack to twenty million empty tuples
    bomb = {"archive/data.pkl": b"\x80\x02(" + b")" * 20_000_000 + b"t.", "archive/version": b"3\n"}
    for path, data in {
        GOLDEN / "tar.pth": tar_file(NET, values),
        CORPUS / "torch/tar.pth": tar_file(TINY, lambda name, dims: [0] * math.prod(dims)),
        GOLDEN / "call.pkl": call,
        GOLDEN / "call.pth": archive({"archive/data.pkl": call, "archive/version": b"3\n"}, zipfile.ZIP_STORED),
        GOLDEN / "bomb.pth": archive(bomb, zipfile.ZIP_DEFLATED),
    }.items():
        path.write_bytes(data)


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    {"torch": torch_files, "mxnet": mxnet_files, "bare": bare_files}[sys.argv[1]]()
    for path in sorted(path for path in GOLDEN.iterdir() if path.is_file()):
        print(f"{path.name}: {path.stat().st_size} bytes")
