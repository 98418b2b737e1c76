"""Numbers that nothing needs to store: images that the tests make again, and statistics for networks that nobody trained."""

import numpy as np


def pixels(*dims):
    """The high bytes of a multiplicative hash of the index, as bytes of these dimensions; the tests make the same."""
    index = np.arange(np.prod(dims), dtype=np.uint64)
    values = (index * np.uint64(2654435761) % np.uint64(1 << 32)) >> np.uint64(24)
    return values.astype(np.uint8).reshape(dims)


def statistics(net):
    """Draws scale, shift and running statistics of every batch norm of `net` from PyTorch's generator, in its order, as a
    training could have left them."""
    from torch import nn

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
