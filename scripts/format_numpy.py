"""The format of docs/format.md in Python with NumPy: made from that page alone, it shares no code with the library.

Elements of all storage types are given and returned as their bits, in arrays of uint32. What is outside a limit of the
format raises ValueError.
"""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np

NORMAL_TABLE = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "normal_table_v1.txt"

KEEP_DOMAIN, NORMAL_DOMAIN = 0, 1


# The generators. Counters and keys are lists of arrays of uint32, so that one call makes many blocks.

ROTATIONS = [(10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20)]


def u32(*values):
    return np.array(values, dtype=np.uint32)


def rotl(x, n):
    return (x << np.uint32(n)) | (x >> np.uint32(32 - n))


def threefry4x32_20(counter, key):
    k = list(key) + [u32(0x1BD11BDA) ^ key[0] ^ key[1] ^ key[2] ^ key[3]]
    x = [counter[i] + k[i] for i in range(4)]
    for r in range(20):
        m, n = ROTATIONS[r % 8]
        a, b = (1, 3) if r % 2 == 0 else (3, 1)
        x[0] = x[0] + x[a]
        x[a] = rotl(x[a], m) ^ x[0]
        x[2] = x[2] + x[b]
        x[b] = rotl(x[b], n) ^ x[2]
        if r % 4 == 3:
            s = (r + 1) // 4
            x = [x[i] + k[(s + i) % 5] for i in range(4)]
            x[3] = x[3] + u32(s)
    return x


def philox4x32_10(counter, key):
    def product(factor, x):
        p = np.uint64(factor) * x.astype(np.uint64)
        return (p >> np.uint64(32)).astype(np.uint32), p.astype(np.uint32)

    x, k = list(counter), list(key)
    for _ in range(10):
        high_0, low_0 = product(0xD2511F53, x[0])
        high_1, low_1 = product(0xCD9E8D57, x[2])
        x = [high_1 ^ x[1] ^ k[0], low_1, high_0 ^ x[3] ^ k[1], low_0]
        k = [k[0] + u32(0x9E3779B9), k[1] + u32(0xBB67AE85)]
    return x


def low(x):
    return x & 0xFFFFFFFF


def block(key, group, part, domain):
    """The blocks of an array of groups, uint64. A key is (generator, seed, stream)."""
    generator, seed, stream = key
    g_lo = group.astype(np.uint32)
    g_hi = (group >> np.uint64(32)).astype(np.uint32)
    same = np.zeros_like(g_lo)
    seed, stream = [u32(low(seed)), u32(seed >> 32)], [u32(low(stream)), u32(stream >> 32)]
    if generator == "threefry":
        return threefry4x32_20([g_lo, g_hi, same + u32(part), same + u32(domain)], seed + stream)
    if generator == "philox":
        high = g_hi | u32(part << 31 | domain << 24)
        return philox4x32_10([g_lo, high, same + stream[0], same + stream[1]], seed)
    raise ValueError(f"unknown generator {generator!r}")


def check_end(key, end, bits):
    """One past the largest index is at most 2^64, and with Philox what 56 bits of a group leave: 2^59 or 2^58."""
    limit = 2**64 if key[0] == "threefry" else 2 ** (56 + bits)
    if end > limit:
        raise ValueError(f"the indexes end at {end}, past {limit}")


# The keep rule: which elements are kept.


def lanes(blocks):
    """The eight lanes of each block: an array of shape (blocks, 8)."""
    words = np.stack(blocks, axis=-1)
    return np.concatenate([words & u32(0xFFFF), words >> np.uint32(16)], axis=-1)


def uniforms_of_groups(key, group):
    h = [lanes(block(key, group, part, KEEP_DOMAIN)) for part in (0, 1)]
    return h[0] << np.uint32(16) | h[1]


def groups(start, length, bits):
    """The groups of 2^bits indexes that hold those from start on, and where in them start lies."""
    first, last = start >> bits, (start + max(length, 1) - 1) >> bits
    return np.uint64(first) + np.arange(last - first + 1, dtype=np.uint64), start - (first << bits)


def uniforms(key, start, length):
    """Of the indexes from start on."""
    check_end(key, start + length, 3)
    group, offset = groups(start, length, 3)
    return uniforms_of_groups(key, group).reshape(-1)[offset:][:length]


def uniforms_at(key, index):
    """Of an array of indexes. Many may be equal: each group is made once."""
    group, place = np.unique(index >> np.uint64(3), return_inverse=True)
    return uniforms_of_groups(key, group)[place.reshape(-1), (index & np.uint64(7)).astype(np.int64)]


def threshold(p):
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}")
    if p == 0:
        return 2**32
    if p == 1:
        return 0
    return min(max(math.floor((1.0 - p) * 4294967296.0 + 0.5), 1), 2**32 - 1)


def scale(t):
    return np.float32(0) if t == 0 else np.float32(4294967296.0 / t)


def keeps(u, p):
    return u.astype(np.uint64) < np.uint64(threshold(p))


def packed(keep):
    """The bytes of a mask on disk: bit j & 7 of byte j >> 3, in whole words."""
    data = np.packbits(keep, bitorder="little").tobytes()
    return data + bytes(-len(data) % 4)


# The index map: which decision governs an element.


def shared_strides(shape, shared):
    """The row-major strides of the shape with the shared axes set to 1, and 0 on those axes."""
    if len(set(shared)) != len(shared) or not all(0 <= axis < len(shape) for axis in shared):
        raise ValueError(f"the shape {shape} has no axes {shared}")
    strides, decisions = [0] * len(shape), 1
    for axis in reversed(range(len(shape))):
        if axis not in shared:
            strides[axis] = decisions
            decisions *= shape[axis]
    return strides


def strided(key, start, shape, strides, skip=0):
    """The indexes of the elements after the first `skip`, in an array of one dimension."""
    if len(shape) != len(strides):
        raise ValueError(f"{len(strides)} strides for {len(shape)} axes")
    if 0 in shape:
        return np.zeros(0, dtype=np.uint64)
    check_end(key, start + sum((n - 1) * stride for n, stride in zip(shape, strides)) + 1, 3)
    index = np.full(shape, start, dtype=np.uint64)
    for axis, (n, stride) in enumerate(zip(shape, strides)):
        # An axis of one element has only the coordinate 0, whatever its stride.
        steps = np.arange(n, dtype=np.uint64) * np.uint64(stride if n > 1 else 0)
        index += steps.reshape([n if k == axis else 1 for k in range(len(shape))])
    return index.reshape(-1)[skip:]


def gathered(key, start, shape, shared, ids):
    """The indexes where row r takes the decisions of row ids[r] of the whole."""
    if 0 in shared or len(ids) != shape[0] or not all(0 <= id < 2**32 for id in ids):
        raise ValueError(f"{len(ids)} ids for the shape {shape}, shared along {shared}")
    strides = shared_strides(shape, shared)
    check_end(key, start + 2**32 * strides[0], 3)
    rows = np.array(ids, dtype=np.uint64) * np.uint64(strides[0])
    return (rows[:, None] + strided(key, start, shape[1:], strides[1:])[None, :]).reshape(-1)


# Normals.


def read_normal_table():
    """512 rows of A, B, C."""
    lines = NORMAL_TABLE.read_text(encoding="utf-8").splitlines()
    table = np.array([[int(x) for x in line.split()] for line in lines if line and line[0] != "#"], dtype=np.uint32)
    if table.shape != (512, 3):
        raise ValueError(f"{NORMAL_TABLE} has the shape {table.shape}")
    return table


def normals_of_words(u):
    """In units of 2^-21, as int32."""
    m = u << np.uint32(1) | np.uint32(1)
    # m is never 0, and exact in binary64, whose exponent tells the leading zeros.
    k = 32 - np.frexp(m.astype(np.float64))[1]
    n = m << k.astype(np.uint32)
    a, b, c = read_normal_table()[16 * k + (n >> np.uint32(27) & np.uint32(15)).astype(np.int64)].T
    x = n >> np.uint32(11) & np.uint32(0xFFFF)
    z = (a - (x * (b - (x * c >> np.uint32(16))) >> np.uint32(15))).astype(np.int32)
    return np.where(u >> np.uint32(31) == 1, -z, z)


def normals(key, start, length):
    """Those of the indexes from start on, in units of 2^-21."""
    check_end(key, start + length, 2)
    group, offset = groups(start, length, 2)
    words = np.stack(block(key, group, 0, NORMAL_DOMAIN), axis=-1).reshape(-1)
    return normals_of_words(words[offset:][:length])


# Values: what happens to an element.


def kept_probability(p):
    """q, the probability really used, and d = 1 - q."""
    q = threshold(p) / 4294967296.0
    return q, 1.0 - q


def sigma(p):
    q, d = kept_probability(p)
    return np.float32(math.sqrt(d / q))


def alpha_constants(p):
    """A, B, V: what alpha dropout multiplies by, adds, and puts where it drops."""
    alpha = -1.7580993408473766
    q, d = kept_probability(p)
    a = 1.0 / math.sqrt(q * (1.0 + d * (alpha * alpha)))
    b = -((a * d) * alpha)
    return np.float32(a), np.float32(b), np.float32(a * alpha + b)


def standard_evaluation(p):
    return np.float32(kept_probability(p)[0])


def widened(dtype, bits):
    if dtype == "f32":
        return bits.astype(np.uint32).view(np.float32)
    if dtype == "f16":
        return bits.astype(np.uint16).view(np.float16).astype(np.float32)
    if dtype == "bf16":
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    raise ValueError(f"unknown dtype {dtype!r}")


def narrowed(dtype, y):
    """To nearest, ties to even."""
    y = np.asarray(y, dtype=np.float32)
    if dtype == "f32":
        return y.view(np.uint32)
    if dtype == "f16":
        return y.astype(np.float16).view(np.uint16).astype(np.uint32)
    # The carry runs into the exponent, up to infinity.
    bits = y.view(np.uint32)
    upper = bits >> np.uint32(16)
    rounded = (bits.astype(np.uint64) + np.uint64(0x7FFF) + (upper & np.uint32(1)).astype(np.uint64)) >> np.uint64(16)
    return np.where(np.isnan(y), upper | np.uint32(0x40), rounded.astype(np.uint32))


def copies_bits(kind, direction, p):
    """Whether a NaN and a subnormal that are kept stay as they are."""
    if kind == "standard":
        return direction != "evaluation" or p in (0, 1)
    return direction == "evaluation" or p in (0, 1)


def element_kind(dtype, kind, direction, key, p, start, x):
    """What becomes of elements, whose decisions are those from start on. `x` is the gradient going backward."""
    if kind not in ("inverted", "standard", "alpha", "gaussian"):
        raise ValueError(f"unknown kind {kind!r}")
    if direction not in ("forward", "backward", "evaluation"):
        raise ValueError(f"unknown direction {direction!r}")
    if kind == "gaussian" and p == 1:
        raise ValueError("Gaussian dropout with p = 1")
    evaluates = direction == "evaluation"
    if p == 0 or (evaluates and kind != "standard"):
        return x
    if p == 1:
        return np.zeros_like(x)
    wide = widened(dtype, x)
    dropped = np.zeros(len(x), dtype=np.uint32)
    with np.errstate(all="ignore"):
        if kind == "gaussian":
            z = normals(key, start, len(x)).astype(np.float32) * np.float32(2.0**-21)
            r = np.float32(1) + sigma(p) * z
            return narrowed(dtype, wide * r)
        if evaluates:
            return narrowed(dtype, wide * standard_evaluation(p))
        if kind == "standard":
            y = x
        elif kind == "inverted":
            y = narrowed(dtype, wide * scale(threshold(p)))
        else:
            a, b, v = alpha_constants(p)
            y = wide * a
            if direction == "forward":
                y = y + b
                dropped = narrowed(dtype, np.full(len(x), v))
            y = narrowed(dtype, y)
    return np.where(keeps(uniforms(key, start, len(x)), p), y, dropped).astype(np.uint32)


INFINITY = {"f32": (0x7FFFFFFF, 0x7F800000), "f16": (0x7FFF, 0x7C00), "bf16": (0x7FFF, 0x7F80)}


def is_nan(dtype, bits):
    magnitude, infinity = INFINITY[dtype]
    return (bits & np.uint32(magnitude)) > np.uint32(infinity)


# Passes.


def fused(dtype, activation, key, p, start, rows, columns, x, bias, residual):
    """Bias, activation, dropout, row keep and residual. `rows` is the key, p and start of the rows."""
    wide, keep, row_keep, row_scale = fused_parts(dtype, key, p, start, rows, columns, x)
    with np.errstate(all="ignore"):
        e = activated(activation, wide + widened(dtype, bias)) * scale(threshold(p))
        e = np.where(keep, e, np.float32(0)) * row_scale
        e = np.where(row_keep, e, np.float32(0))
        return narrowed(dtype, widened(dtype, residual).reshape(e.shape) + e).reshape(-1)


def fused_gradient(dtype, activation, key, p, start, rows, columns, x, bias, dy):
    wide, keep, row_keep, row_scale = fused_parts(dtype, key, p, start, rows, columns, x)
    with np.errstate(all="ignore"):
        g = widened(dtype, dy).reshape(wide.shape) * row_scale * scale(threshold(p))
        if activation == "relu":
            g = np.where(wide + widened(dtype, bias) <= 0, np.float32(0), g)
    return narrowed(dtype, np.where(keep & row_keep, g, np.float32(0))).reshape(-1)


def fused_parts(dtype, key, p, start, rows, columns, x):
    """x as rows, what is kept of it and of the rows, and the rows' scale."""
    row_key, row_p, row_start = rows
    wide = widened(dtype, x).reshape(-1, columns)
    keep = keeps(uniforms(key, start, wide.size), p).reshape(wide.shape)
    row_keep = keeps(uniforms(row_key, row_start, len(wide)), row_p)[:, None]
    return wide, keep, row_keep, scale(threshold(row_p))


def activated(activation, v):
    if activation == "none":
        return v
    if activation == "relu":
        return np.where(v < 0, np.float32(0), v)
    raise ValueError(f"{activation!r} has not the same bits everywhere")


def key_of_sample(key, sample):
    if not 0 <= sample < 2**16:
        raise ValueError(f"a key has no sample {sample}")
    generator, seed, stream = key
    return generator, seed, stream & 0xFFFF0000FFFFFFFF | sample << 32


def samples(dtype, key, p, start, first, count, x):
    keys = (key_of_sample(key, first + sample) for sample in range(count))
    each = [element_kind(dtype, "inverted", "forward", key, p, start, x) for key in keys]
    return np.concatenate([np.zeros(0, dtype=np.uint32), *each])


class DropConnect:
    """A product of dropped weights. All numbers are small integers, so that no order of a sum matters."""

    def __init__(self, key, p, start, masks, batch, outputs, inputs):
        if masks not in (1, batch):
            raise ValueError(f"{masks} masks for {batch} examples")
        decisions = keeps(uniforms(key, start, masks * outputs * inputs), p)
        self.keep = np.broadcast_to(decisions.reshape(masks, outputs, inputs), (batch, outputs, inputs))
        self.scale = scale(threshold(p))

    def sum(self, terms, axis):
        with np.errstate(all="ignore"):
            return np.where(self.keep, terms * self.scale, np.float32(0)).sum(axis=axis).reshape(-1)

    def product(self, w, x):
        batch, outputs, inputs = self.keep.shape
        return self.sum(w.reshape(1, outputs, inputs) * x.reshape(batch, 1, inputs), 2)

    def input_gradient(self, w, dy):
        batch, outputs, inputs = self.keep.shape
        return self.sum(w.reshape(1, outputs, inputs) * dy.reshape(batch, outputs, 1), 1)

    def weights_gradient(self, x, dy):
        batch, outputs, inputs = self.keep.shape
        return self.sum(x.reshape(batch, 1, inputs) * dy.reshape(batch, outputs, 1), 0)


# DropBlock.


class DropBlock:
    """The mask over an array whose last axes, as many as the block has, are spatial. The axes before are planes."""

    def __init__(self, key, p, start, shape, block):
        if not 1 <= len(block) <= min(3, len(shape)) or min(block) < 1:
            raise ValueError(f"blocks of {block} in the shape {shape}")
        planes, self.sizes = math.prod(shape[: -len(block)]), shape[-len(block) :]
        self.block = [min(b, size) for b, size in zip(block, self.sizes)]
        self.seeds = [size - b + 1 for b, size in zip(self.block, self.sizes)]
        self.rate = self.seed_rate(p)
        self.threshold = threshold(self.rate)
        seeds = planes * math.prod(self.seeds)
        check_end(key, start + seeds, 3)
        if p in (0, 1):
            keep = np.full([planes, *self.sizes], p == 0)
        else:
            fires = ~keeps(uniforms(key, start, seeds), self.rate).reshape([planes, *self.seeds])
            keep = np.ones([planes, *self.sizes], dtype=bool)
            for corner in np.ndindex(*self.block):
                where = tuple(slice(offset, offset + n) for offset, n in zip(corner, self.seeds))
                keep[(slice(None), *where)] &= ~fires
        self.keep = keep.reshape(-1)

    def seed_rate(self, p):
        if p in (0, 1):
            return p
        return (p * float(math.prod(self.sizes))) / float(math.prod(self.block) * math.prod(self.seeds))

    def scale_count(self):
        kept = int(np.count_nonzero(self.keep))
        return nearest_f32(Fraction(len(self.keep), kept)) if kept else np.float32(0)

    def scale_expected(self):
        if self.threshold == 0:
            return np.float32(0)
        q = self.threshold / 4294967296.0
        # How many windows lie over a position, an axis at a time.
        windows = np.ones([], dtype=np.int64)
        for size, b, n in zip(self.sizes, self.block, self.seeds):
            over = [min(x, n - 1) - max(x - b + 1, 0) + 1 for x in range(size)]
            windows = np.multiply.outer(windows, np.array(over, dtype=np.int64))
        total, weight = 0.0, 1.0
        for positions in np.bincount(windows.reshape(-1))[1:]:
            weight *= q
            total += float(positions) * weight
        return np.float32(float(math.prod(self.sizes)) / total)


def nearest_f32(x):
    """Of a fraction, rounded once; through binary64 it would be twice."""
    near = np.float32(float(x))
    around = (np.nextafter(near, np.float32(0)), near, np.nextafter(near, np.float32(np.inf)))
    # Of two that are as near the even one, which ends in a bit 0.
    return min(around, key=lambda y: (abs(Fraction(float(y)) - x), int(y.view(np.uint32)) & 1))
