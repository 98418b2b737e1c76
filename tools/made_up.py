"""Numbers that nothing needs to store: images that the tests make again, pictures that a network can learn, and statistics for
networks that nobody trained."""

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


# Classes of gratings: directions, widths and colours of stripes.
DIRECTIONS, WIDTHS, HUES = 4, 3, 4
GRATINGS = DIRECTIONS * WIDTHS * HUES


def grating(draw, kind, side):
    """A picture of class `kind`, bytes of [side][side][3]: stripes with a direction, a width and a colour that are drawn around
    those of the class, so that neighbours overlap; before a grey slope, in noise. `draw` is a numpy.random.Generator."""
    direction, width, hue = kind % DIRECTIONS, kind // DIRECTIONS % WIDTHS, kind // (DIRECTIONS * WIDTHS)
    angle = np.pi * (direction + draw.normal(0, 0.25)) / DIRECTIONS
    # pixels of a stripe and a gap: 6 to 24
    period = 6 * 2 ** (width + draw.normal(0, 0.25))
    turn = 2 * np.pi * (hue + draw.normal(0, 0.25)) / HUES
    colour = 0.5 + 0.5 * np.cos(turn + 2 * np.pi / 3 * np.arange(3))
    y, x = np.mgrid[:side, :side]
    wave = np.sin(2 * np.pi * ((x * np.cos(angle) + y * np.sin(angle)) / period + draw.random()))
    # soft edges, and stripes that cover more or less of the picture
    stripes = (1 / (1 + np.exp(-4 * (wave - draw.uniform(-0.5, 0.5)))))[..., None]
    slope = draw.uniform(0.2, 0.6) + draw.uniform(-0.3, 0.3) * x / side + draw.uniform(-0.3, 0.3) * y / side
    picture = draw.uniform(0.6, 1) * stripes * colour + (1 - stripes) * slope[..., None]
    return (255 * np.clip(picture + draw.normal(0, 0.05, (side, side, 3)), 0, 1)).astype(np.uint8)
