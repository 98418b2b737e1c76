"""Times a training step in PyTorch, for comparison with `plusx bench train`; `cargo xtask bench train` runs it.

One step is forward, softmax cross-entropy, backward and a plain SGD update on input made outside the clock.

Requirements: Python 3.10 or newer, torch 2.x. Networks: the d2l ResNet-18 (no batch norm on the shortcut, biases on all
convolutions; 10 classes), and with `--model resnet50 --input 3x224x224` or any other name of torchvision's those that
torchvision builds (1000 classes, without its weights), which needs torchvision in the version that fits torch. fp32, or
with `--precision bf16` the forward pass under autocast, the loss and the update in fp32; `--compile` adds torch.compile.
"""

import contextlib
import os
import tempfile

import bench_steps


def parse():
    parser = bench_steps.options(__doc__)
    parser.add_argument("--layout", choices=["channels_last", "contiguous"], default="channels_last")
    parser.add_argument("--compile", action="store_true", help="torch.compile, default mode")
    bench_steps.add_precision(parser)
    return parser.parse_args()


def classes_of(model):
    """As many as the network was made for: what `plusx bench` gives it."""
    return 10 if model == bench_steps.CHAPTER else 1000


def build(torch, model, channels):
    """The chapter's network, or the one that torchvision has under this name, with weights as `plusx bench` draws them."""
    torch.manual_seed(42)
    if model == bench_steps.CHAPTER:
        import torch_networks

        net = torch.nn.Sequential(*torch_networks.chapter(channels, [64, 128, 256, 512], classes_of(model)))
    else:
        import torchvision

        try:
            make = torchvision.models.get_model_builder(model)
        except ValueError:
            raise SystemExit(f"torchvision has no network {model}") from None
        if channels != 3:
            raise SystemExit(f"torchvision's networks take 3 channels, not {channels}")
        net = make(weights=None, num_classes=classes_of(model))
    for weight in net.parameters():
        if weight.dim() > 1:
            torch.nn.init.xavier_uniform_(weight)
    return net


def autocast(torch, precision):
    """What the forward pass runs under."""
    return torch.autocast("cpu", dtype=torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()


def bench(args):
    bench_steps.limit_threads(args)
    import torch

    torch.set_num_threads(args.threads)
    sizes = bench_steps.sizes(args)
    layout = torch.channels_last if args.layout == "channels_last" else torch.contiguous_format
    net = build(torch, args.model, sizes[0]).to(memory_format=layout).train()
    step_of = torch.compile(net) if args.compile else net
    images = torch.rand(args.batch_size, *sizes).to(memory_format=layout)
    labels = torch.randint(0, classes_of(args.model), (args.batch_size,))
    loss_of = torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05)

    def step():
        optimiser.zero_grad()
        with autocast(torch, args.precision):
            logits = step_of(images)
        loss_of(logits.float(), labels).backward()
        optimiser.step()

    bench_steps.take_turns(step, 3)
    isa = torch.backends.cpu.get_cpu_capability()
    bench_steps.report(args, {"isa": isa, "precision": args.precision, "version": torch.__version__})


def main():
    args = parse()
    with bench_steps.failures_told(), tempfile.TemporaryDirectory() as folder:
        # the compiler would take what it made for another instruction set from its shared cache, and fail or be slow
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        bench(args)


if __name__ == "__main__":
    main()
