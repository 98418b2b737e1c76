"""Times a training step of the d2l ResNet-18 in MXNet Gluon, for comparison with `plusx bench train`; `cargo xtask bench
train` runs it.

One step is forward, softmax cross-entropy, backward, a plain SGD update by gluon.Trainer and the wait for all of it
(the engine of MXNet is asynchronous), on input made outside the clock.

Requirements: Python 3.8 to 3.11, mxnet 1.9.1 (the last release; its wheel has oneDNN 2.4 and GNU OpenMP), numpy 1.23.5
(MXNet uses np.bool, which numpy 1.24 removed; numpy 1.23 has no wheel for Python 3.12). Networks: the d2l net only (no
batch norm on the shortcut, biases on all convolutions; any other `--model` is refused). fp32, NCHW outside (oneDNN
blocks it inside); hybridized with static memory and shapes, which is the fastest mode documented.
"""

import os

import bench_steps


def build(nn, channels, classes=10):
    """The chapter's network, deferred nowhere: input channels are given."""

    class Residual(nn.HybridBlock):
        def __init__(self, c, k, stride, shortcut):
            super().__init__()
            self.conv1 = nn.Conv2D(k, 3, padding=1, strides=stride, in_channels=c)
            self.conv2 = nn.Conv2D(k, 3, padding=1, in_channels=k)
            self.conv3 = nn.Conv2D(k, 1, strides=stride, in_channels=c) if shortcut else None
            self.bn1 = nn.BatchNorm(in_channels=k)
            self.bn2 = nn.BatchNorm(in_channels=k)

        def hybrid_forward(self, F, x):
            y = F.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            return F.relu(y + (x if self.conv3 is None else self.conv3(x)))

    net = nn.HybridSequential()
    net.add(nn.Conv2D(64, 7, strides=2, padding=3, in_channels=channels), nn.BatchNorm(in_channels=64))
    net.add(nn.Activation("relu"), nn.MaxPool2D(3, strides=2, padding=1))
    c = 64
    for stage, k in enumerate([64, 128, 256, 512]):
        for block in range(2):
            first = stage > 0 and block == 0
            net.add(Residual(c, k, 2 if first else 1, first))
            c = k
    net.add(nn.GlobalAvgPool2D(), nn.Dense(classes, in_units=c))
    return net


def bench(args):
    if args.model != bench_steps.CHAPTER:
        raise SystemExit(f"--model {args.model}: this script has {bench_steps.CHAPTER} only")
    # unset, its engine would take half of the cores
    bench_steps.limit_threads(args)
    import mxnet as mx

    mx.random.seed(42)
    sizes = bench_steps.sizes(args)
    net = build(mx.gluon.nn, sizes[0])
    # uniform, magnitude 3, average of fan in and fan out: torch's xavier_uniform_
    net.initialize(mx.init.Xavier())
    loss_of = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    net.hybridize(static_alloc=True, static_shape=True)
    loss_of.hybridize(static_alloc=True, static_shape=True)
    images = mx.nd.random.uniform(shape=(args.batch_size, *sizes))
    labels = mx.nd.random.randint(0, 10, shape=(args.batch_size,)).astype("float32")
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.05})
    # the input is made lazily, too: not in the first step's time
    mx.nd.waitall()

    def step():
        with mx.autograd.record():
            loss = loss_of(net(images), labels)
        loss.backward()
        # the loss is one value an image: the trainer divides the summed gradient by the batch
        trainer.step(args.batch_size)
        mx.nd.waitall()

    bench_steps.take_turns(step, 3)
    # MXNet cannot be asked what oneDNN chose; only a limit set from outside is known
    isa = os.environ.get("DNNL_MAX_CPU_ISA", "default")
    bench_steps.report(args, {"isa": isa, "version": mx.__version__})


if __name__ == "__main__":
    with bench_steps.failures_told():
        bench(bench_steps.options(__doc__).parse_args())
