"""Batch norms as a training could have left them, for the golden ONNX files."""

from torch import nn


def fill(net):
    """Draws scale, shift and running statistics of every batch norm of `net` from PyTorch's generator, in its order."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.5, 0.5),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 2.0),
            ):
                nn.init.uniform_(values, low, high)
    return net
