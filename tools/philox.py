"""The generator that both sides draw weights, images and labels from: Philox4x32-10 (Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3") in numpy, as crates/model/src/random.rs has it. Nothing it makes needs to be stored.

Requirements: Python 3.10 or newer, numpy.
"""

import numpy as np

SEED = 42
INIT_STREAM = 1
# edge of the cells that make an image coarse: images of pure noise differ so little after pooling that a batch norm
# behind it divides by almost nothing
CELL = 8


def philox(seed, stream, counters):
    """An array [n, 4] of 32-bit counters to an array [n, 4] of random words."""
    c = [counters[:, i].astype(np.uint64) for i in range(4)]
    k0, k1 = seed, stream
    high, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> high) ^ c[1] ^ np.uint64(k0), p1 & low, (p0 >> high) ^ c[3] ^ np.uint64(k1), p0 & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1)


# the known answer of the authors' library for counter 0 and key 0
KNOWN = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox(0, 0, np.zeros((1, 4), dtype=np.uint32))[0].tolist() == KNOWN


def words(stream, length, first=0, second=0):
    """Word i is word i % 4 of counter [first, second, 0, i / 4]."""
    counters = np.zeros(((length + 3) // 4, 4), dtype=np.uint32)
    counters[:, 0], counters[:, 1] = first, second
    counters[:, 3] = np.arange(len(counters))
    return philox(SEED, stream, counters).reshape(-1)[:length]


def uniform(stream, length, first=0, second=0):
    """Values in [0, 1): the upper 24 bits, exact in f32."""
    return (words(stream, length, first, second) >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)


def weights(parameter, dims, c):
    """Parameter number `parameter`, uniform in [-c, c), f32."""
    u = uniform(INIT_STREAM, int(np.prod(dims)), parameter)
    return ((np.float32(2) * u - np.float32(1)) * np.float32(c)).reshape(dims)


def noise(stream, batch, n, c, h, w):
    """A batch as NCHW, f32, uniform: value i of [n][h][w][c] is number i of counters [batch, 0, 0, .]."""
    return uniform(stream, n * c * h * w, batch).reshape(n, h, w, c).transpose(0, 3, 1, 2).copy()


def images(stream, batch, n, c, h, w):
    """As `noise`, but (3 coarse + fine) / 4 with `noise` as the fine part; the coarse number of a value is that of its
    cell, counted in [n][h / CELL][w / CELL][c], of counters [batch, 2, 0, .]."""
    rows, columns = -(-h // CELL), -(-w // CELL)
    coarse = uniform(stream, n * rows * columns * c, batch, 2).reshape(n, rows, columns, c).transpose(0, 3, 1, 2)
    coarse = coarse.repeat(CELL, axis=2).repeat(CELL, axis=3)[:, :, :h, :w]
    return (np.float32(3) * coarse + noise(stream, batch, n, c, h, w)) * np.float32(0.25)


def labels(stream, batch, n, classes):
    """Label i is word i of counters [batch, 1, 0, .] times `classes`, divided by 2^32."""
    return ((words(stream, n, batch, 1) * np.uint64(classes)) >> np.uint64(32)).astype(np.int64)
