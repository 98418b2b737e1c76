"""Times inference by another engine, for comparison with `plusx bench infer`.

One step is one batch: the engine's own conversion of the input to its inner layout, the net with batch norm in
evaluation mode, and the logits readable as fp32. The input tensor is made outside the clock. Before and after the
timing the logits are compared with those of eager PyTorch in fp32; more than 1e-3 of the largest logit apart is an error.
With `--precision bf16` OpenVINO computes in its default precision, which is bf16 where the processor has products of it,
and torch.compile under autocast; then more than 15 % apart is an error. How far they are is in the JSON.
The net is the d2l ResNet-18, or with `--model resnet50 --input 3x224x224` or any other name of torchvision's the one
that torchvision builds, with 1000 classes. `cargo xtask bench infer` runs it.

Requirements: Python 3.10 or newer; torch 2.x and numpy for every engine (they make the net and the reference), onnx for
all but torch-compile (the exporter imports it), and the engine's own package; torchvision for networks other than the
d2l net; torch-compile needs a C++ compiler. Tried with torch 2.15.0, torchvision 0.29.2, onnx 1.23.2, onnxruntime
1.32.0, openvino 2026.4.1, MNN 3.6.1, ncnn 1.0.20261020 (batches need a version from July 2026 on) and pnnx 20261020.

The net is built, exported to ONNX (opset 17, static batch, batch norm folded by the exporter) and converted in a
child process, so that peak_rss_mb, the peak of this process, has no converter in it: it is that of Python, NumPy,
loading the model, and inference. torch-compile has torch, torchvision and its compiler in it: it has to run here.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any, Callable

import bench_steps
from bench_torch import autocast, build

TOLERANCE = 1e-3
# Of bf16, with 8 bits of precision: ResNet-50 in OpenVINO was seen to be 9 % off.
ROUNDED_TOLERANCE = 0.15

# Where the child says why it failed.
FAILURE = "failure.txt"


@dataclass
class Started:
    """An engine with the network and the batch."""

    version: str
    isa: str
    # gives the logits
    run: Callable[[], Any]
    # what it really computes in
    precision: str = "fp32"

    def difference(self, logits, expected):
        """How far logits are from PyTorch's, as a part of the largest of these; ends the run if that is too much."""
        if logits.shape != expected.shape:
            raise SystemExit(f"logits of shape {logits.shape}, not {expected.shape}")
        error = float(abs(logits - expected).max() / abs(expected).max())
        most = TOLERANCE if self.precision == "fp32" else ROUNDED_TOLERANCE
        # not a comparison that a NaN would pass
        if not error <= most:
            raise SystemExit(f"logits differ from PyTorch's by {error:.3e} of the largest, more than {most}")
        return error


def parse():
    parser = bench_steps.options(__doc__)
    parser.add_argument("--engine", choices=sorted(ENGINES), required=True)
    bench_steps.add_precision(parser)
    # the child's half of the work: write the net, its input and its logits into this folder
    parser.add_argument("--prepare", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.precision != "fp32" and args.engine not in ROUNDING:
        parser.error(f"--precision {args.precision}: only for {' and '.join(ROUNDING)}")
    return args


def prepare(args):
    """Runs in the child: makes the net, the batch and the reference, and converts the net for the engine."""
    import numpy
    import torch

    # nothing here is timed: one thread does not suffer from other work on the machine
    torch.set_num_threads(1)
    sizes = bench_steps.sizes(args)
    net = build(torch, args.model, sizes[0])
    # running statistics off their initial 0 and 1, or folding them would go untested
    net.train()
    with torch.no_grad():
        for _ in range(10):
            net(torch.rand(8, *sizes))
    net.eval()
    # of different brightness, so that the logits tell the images apart and a mixed up batch is seen; as random weights
    # hardly tell noise from noise, the brightest are four times as bright as those of the running statistics
    brightness = torch.linspace(0.2, 4, args.batch_size).reshape(-1, 1, 1, 1)
    images = torch.rand(args.batch_size, *sizes) * brightness
    with torch.inference_mode():
        logits = net(images)
    numpy.save("images.npy", images.numpy())
    numpy.save("logits.npy", logits.numpy())
    if args.engine == "torch-compile":
        torch.save({"model": args.model, "parameters": net.state_dict()}, "net.pt")
        return
    # the newer exporter (dynamo=True) cannot write opset 17 for this net: its converter down from 18 fails
    names = {"input_names": ["images"], "output_names": ["logits"]}
    torch.onnx.export(net, (images,), "net.onnx", opset_version=17, dynamo=False, **names)
    if args.engine == "mnn":
        # what MNN's command mnnconvert calls; that command itself installs a logging package with pip and phones home
        import _tools

        files = ["--modelFile", "net.onnx", "--MNNModel", "net.mnn"]
        _tools.mnnconvert(["mnnconvert", "-f", "ONNX", *files, "--bizCode", "MNN"])
        if not os.path.exists("net.mnn"):
            raise SystemExit("MNN's converter wrote no network")
    if args.engine == "ncnn":
        import pnnx

        # by default pnnx stores the weights as fp16
        status = subprocess.run([pnnx.EXEC_PATH, "net.onnx", "fp16=0"]).returncode
        if status != 0:
            raise SystemExit(f"ncnn's converter pnnx failed with status {status}")


def start_torch_compile(images, args):
    """In channels_last, which is the documented layout for CPUs."""
    import torch
    import torch._inductor.config

    torch.set_num_threads(args.threads)
    saved = torch.load("net.pt")
    net = build(torch, saved["model"], images.shape[1])
    net.load_state_dict(saved["parameters"])
    # weights become constants: batch norm is folded and the weights are packed for oneDNN
    torch._inductor.config.freezing = True
    net = torch.compile(net.eval().to(memory_format=torch.channels_last), mode="max-autotune")
    batch = torch.from_numpy(images).to(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode(), autocast(torch, args.precision):
            return net(batch).float().numpy()

    return Started(torch.__version__, torch.backends.cpu.get_cpu_capability(), run, args.precision)


def start_onnxruntime(images, args):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession("net.onnx", options, providers=["CPUExecutionProvider"])

    def run():
        return session.run(None, {"images": images})[0]

    return Started(onnxruntime.__version__, "default", run)


def start_openvino(images, args):
    """Throughput hint and as many requests in flight as OpenVINO asks for, each with an equal part of the batch.

    A batch of one, or one that has no such parts (a prime), is one request with the latency hint: in throughput mode a
    request runs on its own share of the threads only.
    """
    import numpy
    import openvino

    batch = images.shape[0]
    core = openvino.Core()
    model = core.read_model("net.onnx")
    config = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "THROUGHPUT"}
    if args.precision == "fp32":
        config["INFERENCE_PRECISION_HINT"] = "f32"
    parts = 1
    if batch > 1:
        wanted = core.compile_model(model, "CPU", config).get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        parts = max(part for part in range(1, batch + 1) if part <= wanted and batch % part == 0)
    if parts == 1:
        config["PERFORMANCE_HINT"] = "LATENCY"
    else:
        config["PERFORMANCE_HINT_NUM_REQUESTS"] = parts
        model.reshape([batch // parts, *images.shape[1:]])
    compiled = core.compile_model(model, "CPU", config)
    requests = [compiled.create_infer_request() for _ in range(parts)]
    for request, part in zip(requests, numpy.split(images, parts)):
        request.set_input_tensor(openvino.Tensor(part, shared_memory=True))

    def run():
        for request in requests:
            request.start_async()
        for request in requests:
            request.wait()
        return numpy.concatenate([request.get_output_tensor().data for request in requests])

    # without a hint it is OpenVINO's choice
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    print(f"openvino: {parts} requests, {config['PERFORMANCE_HINT']}, {precision}", file=sys.stderr)
    # of the engines without a question for it, OpenVINO is the one that can be limited from outside
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA", "default")
    return Started(openvino.__version__, isa, run, {"f32": "fp32", "f16": "fp16"}.get(precision, precision))


def start_mnn(images, args):
    """The Module interface, with the shape fixed."""
    import MNN
    import numpy

    # high: fp32 throughout
    config = {"backend": "CPU", "precision": "high", "numThread": args.threads}
    manager = MNN.nn.create_runtime_manager((config,))
    net = MNN.nn.load_module_from_file("net.mnn", ["images"], ["logits"], runtime_manager=manager, shape_mutable=False)
    batch = MNN.expr.const(images, list(images.shape), MNN.expr.NCHW)

    def run():
        # a copy: MNN reuses the memory
        return numpy.array(net.forward(batch).read())

    return Started(MNN.version(), "default", run)


def start_ncnn(images, args):
    """Batched Mats (the batch interface of 2026), one part of the batch for each thread, the parts in parallel.

    ncnn documents both: several images in one Mat, and several extractors of one net at once. Together they are as
    fast as one Mat of the whole batch with all threads inside each layer, and wait less on a busy machine; a loop over
    images takes about a fifth more.
    """
    from concurrent.futures import ThreadPoolExecutor

    import ncnn
    import numpy

    parts = min(images.shape[0], args.threads)
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    # all threads, when there are as many parts; a thread left over by the division idles
    net.opt.num_threads = args.threads // parts
    # fp32 throughout; Winograd, sgemm and packed layouts are on by default
    for name in ["fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"]:
        setattr(net.opt, f"use_{name}", False)
    if net.load_param("net.ncnn.param") != 0 or net.load_model("net.ncnn.bin") != 0:
        raise SystemExit("ncnn does not load the converted net")
    # clone: the Mat of an array borrows memory that ncnn's alignment does not fit
    mats = [ncnn.Mat(part, batch_index=0).clone() for part in numpy.array_split(images, parts)]

    def infer(mat):
        with net.create_extractor() as extractor:
            extractor.input("in0", mat)
            failed, logits = extractor.extract("out0")
            if failed:
                raise SystemExit("ncnn fails to infer")
            # a copy: the memory is the extractor's
            return numpy.array(logits.numpy(batch_index=0))

    pool = ThreadPoolExecutor(parts)

    def run():
        # one part needs no other thread
        return infer(mats[0]) if parts == 1 else numpy.concatenate(list(pool.map(infer, mats)))

    return Started(ncnn.__version__, "default", run)


ENGINES = {
    "torch-compile": start_torch_compile,
    "onnxruntime": start_onnxruntime,
    "openvino": start_openvino,
    "mnn": start_mnn,
    "ncnn": start_ncnn,
}

# Those that are also measured in less than fp32.
ROUNDING = ["openvino", "torch-compile"]


def bench(args, stdout):
    bench_steps.limit_threads(args)
    import numpy

    images = numpy.load("images.npy")
    expected = numpy.load("logits.npy")
    # or the comparison in fp32 could not see the images in another order; some networks of random weights hardly tell images
    # further apart than bf16 rounds
    if args.batch_size > 1 and expected.std(axis=0).max() < 10 * TOLERANCE * abs(expected).max():
        raise SystemExit("the reference does not tell the images apart")
    started = ENGINES[args.engine](images, args)
    started.difference(started.run(), expected)
    last = {}

    def step():
        last["logits"] = started.run()

    bench_steps.take_turns(step, 5, stdout)
    about = {"isa": started.isa, "precision": started.precision, "version": started.version}
    bench_steps.report(args, {**about, "logit_difference": started.difference(last["logits"], expected)}, stdout)


def child(args):
    """Prepares; what goes wrong is left for the parent to say."""
    os.chdir(args.prepare)
    try:
        prepare(args)
    except (Exception, SystemExit) as error:
        with open(FAILURE, "w") as file:
            file.write(bench_steps.reason(error))
        raise


def prepared(folder):
    """Has a child prepare everything in `folder`, and goes there."""
    command = [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--prepare", folder]
    status = subprocess.run(command).returncode
    os.chdir(folder)
    if os.path.exists(FAILURE):
        with open(FAILURE) as file:
            raise SystemExit(file.read())
    if status != 0:
        raise SystemExit(f"making or converting the network ended with status {status}")


def main():
    args = parse()
    if args.prepare:
        child(args)
        return
    # engines and converters print, some from C when the process ends: all of it goes to stderr, only the JSON to stdout
    stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with bench_steps.failures_told(stdout), tempfile.TemporaryDirectory() as folder:
        # what torch-compile makes is no other run's, and goes away with the folder
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(folder, "inductor")
        prepared(folder)
        bench(args, stdout)


if __name__ == "__main__":
    main()
