#!/usr/bin/env python3
"""Checks conformance/vectors/conformance_v1.json with an implementation of the keep rule that shares no code with the library:
made from docs/keep-rule.md alone, with NumPy. Exit status 1 when an entry is wrong, and 2 when nothing could be checked.

    scripts/check_vectors.py [FILE]
"""

import json
import math
import sys
import zlib
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("NumPy is missing: 'python3 -m pip install numpy' brings it", file=sys.stderr)
    sys.exit(2)

SHOWN = 3  # wrong entries of a section


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


# The keep rule.


def low(x):
    return x & 0xFFFFFFFF


def block(generator, seed, stream, group, part):
    """The blocks of an array of groups, uint64. The domain is 0."""
    g_lo = group.astype(np.uint32)
    g_hi = (group >> np.uint64(32)).astype(np.uint32)
    same = np.zeros_like(g_lo)
    seed, stream = [u32(low(seed)), u32(seed >> 32)], [u32(low(stream)), u32(stream >> 32)]
    if generator == "threefry":
        return threefry4x32_20([g_lo, g_hi, same + u32(part), same], seed + stream)
    if generator == "philox":
        return philox4x32_10([g_lo, g_hi | u32(part << 31), same + stream[0], same + stream[1]], seed)
    raise ValueError(f"unknown generator {generator!r}")


def lanes(blocks):
    """The eight lanes of each block: an array of shape (blocks, 8)."""
    words = np.stack(blocks, axis=-1)
    return np.concatenate([words & u32(0xFFFF), words >> np.uint32(16)], axis=-1)


def uniforms_of_groups(generator, seed, stream, group):
    h = [lanes(block(generator, seed, stream, group, part)) for part in (0, 1)]
    return h[0] << np.uint32(16) | h[1]


def uniforms(generator, seed, stream, start, length):
    """Of the indexes from start on."""
    first, last = start >> 3, (start + max(length, 1) - 1) >> 3
    group = np.uint64(first) + np.arange(last - first + 1, dtype=np.uint64)
    u = uniforms_of_groups(generator, seed, stream, group).reshape(-1)
    return u[start & 7 :][:length]


def uniforms_at(generator, seed, stream, index):
    """Of an array of indexes."""
    u = uniforms_of_groups(generator, seed, stream, index >> np.uint64(3))
    return u[np.arange(len(index)), (index & np.uint64(7)).astype(np.int64)]


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


# Values.


def dropout(dtype, x, keep, p):
    """What becomes of elements, given and returned as their bits."""
    if p == 0:
        return x
    factor = scale(threshold(p))
    with np.errstate(all="ignore"):
        if dtype == "f32":
            y = (x.astype(np.uint32).view(np.float32) * factor).view(np.uint32)
        elif dtype == "f16":
            wide = x.astype(np.uint16).view(np.float16).astype(np.float32) * factor
            y = wide.astype(np.float16).view(np.uint16)
        elif dtype == "bf16":
            y = round_to_bf16((x.astype(np.uint32) << np.uint32(16)).view(np.float32) * factor)
        else:
            raise ValueError(f"unknown dtype {dtype!r}")
    return np.where(keep, y, 0).astype(np.uint32)


def round_to_bf16(x):
    """To nearest, ties to even; the carry runs into the exponent, up to infinity."""
    bits = x.view(np.uint32)
    upper = bits >> np.uint32(16)
    rounded = (bits.astype(np.uint64) + np.uint64(0x7FFF) + (upper & np.uint32(1)).astype(np.uint64)) >> np.uint64(16)
    return np.where(np.isnan(x), upper | np.uint32(0x40), rounded.astype(np.uint32))


INFINITY = {"f32": (0x7FFFFFFF, 0x7F800000), "f16": (0x7FFF, 0x7C00), "bf16": (0x7FFF, 0x7F80)}


def is_nan(dtype, bits):
    magnitude, infinity = INFINITY[dtype]
    return (bits & np.uint32(magnitude)) > np.uint32(infinity)


# The sections of the file: each function yields (name, expected, actual) of what it compares in an entry.


def words(text):
    return [int(word, 16) for word in text.split()]


def named(entry):
    return entry["generator"], int(entry["seed"]), int(entry["stream"])


def check_block(entry):
    counter, key = ([u32(word) for word in words(entry[name])] for name in ("counter", "key"))
    generate = {"threefry": threefry4x32_20, "philox": philox4x32_10}[entry["generator"]]
    yield "block", words(entry["block"]), [int(word[0]) for word in generate(counter, key)]


def check_threshold(entry):
    t = threshold(float(entry["p"]))
    yield "threshold", int(entry["threshold"]), t
    yield "scale", words(entry["scale"]), [int(scale(t).view(np.uint32))]


def check_uniform(entry):
    u = uniforms(*named(entry), int(entry["index"]), 1)
    yield "uniform", words(entry["uniform"]), [int(u[0])]
    yield "just dropped", False, bool(keeps(u, 1.0 - int(u[0]) / 2**32)[0])
    yield "just kept", True, bool(keeps(u, 1.0 - (int(u[0]) + 1) / 2**32)[0])


def check_packed(entry, keep):
    data = packed(keep)
    yield "kept", int(entry["kept"]), int(np.count_nonzero(keep))
    yield "crc32", words(entry["crc32"]), [zlib.crc32(data)]
    if "mask" in entry or len(keep) <= 1024:
        yield "mask", words(entry["mask"]), list(data)


def check_mask(entry):
    u = uniforms(*named(entry), int(entry["start"]), int(entry["length"]))
    return check_packed(entry, keeps(u, float(entry["p"])))


def check_view(entry):
    names = ("start", "row_length", "row_pitch", "skip", "length")
    start, row_length, row_pitch, skip, length = (int(entry[name]) for name in names)
    # In Python's integers, which have no end.
    index = [start + (skip + j) // row_length * row_pitch + (skip + j) % row_length for j in range(length)]
    u = uniforms_at(*named(entry), np.array(index, dtype=np.uint64))
    return check_packed(entry, keeps(u, float(entry["p"])))


def check_values(entry):
    dtype, p = entry["dtype"], float(entry["p"])
    x, expected = (np.array(words(entry[name]), dtype=np.uint32) for name in ("x", "y"))
    keep = keeps(uniforms(*named(entry), int(entry["start"]), len(x)), p)
    actual = dropout(dtype, x, keep, p)
    if p != 0:
        # A NaN stands for any NaN.
        actual = np.where(is_nan(dtype, actual) & is_nan(dtype, expected), expected, actual)
    yield "scale", words(entry["scale"]), [int(scale(threshold(p)).view(np.uint32))]
    yield "y", expected.tolist(), actual.tolist()


SECTIONS = {
    "blocks": check_block,
    "thresholds": check_threshold,
    "uniforms": check_uniform,
    "masks": check_mask,
    "views": check_view,
    "values": check_values,
}


def difference(name, expected, actual):
    if isinstance(expected, list) and len(expected) == len(actual) > 4:
        place = next(i for i, pair in enumerate(zip(expected, actual)) if pair[0] != pair[1])
        return f"{name}[{place}]: the file has {expected[place]:x}, this program {actual[place]:x}"
    if isinstance(expected, list):
        expected, actual = (" ".join(f"{word:x}" for word in words) for words in (expected, actual))
    return f"{name}: the file has {expected}, this program {actual}"


def main():
    default = Path(__file__).resolve().parent.parent / "conformance" / "vectors" / "conformance_v1.json"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    try:
        vectors = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    if vectors.pop("keep_rule_version", None) != "1" or set(vectors) != set(SECTIONS):
        print(f"{path}: it is not of version 1 with the sections {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    wrong_entries = 0
    for section, check in SECTIONS.items():
        wrong = []
        for number, entry in enumerate(vectors[section]):
            try:
                compared = [difference(*answer) for answer in check(entry) if answer[1] != answer[2]]
            except (ArithmeticError, KeyError, TypeError, ValueError) as error:
                compared = [f"it cannot be read: {error!r}"]
            if compared:
                wrong.append((number, entry, compared))
        print(f"{section}: {len(vectors[section]) - len(wrong)} of {len(vectors[section])} entries right")
        for number, entry, compared in wrong[:SHOWN]:
            text = json.dumps(entry)
            print(f"  entry {number}: {text[:200]}{'…' if len(text) > 200 else ''}")
            for line in compared:
                print(f"    {line}")
        # A section without entries shows nothing.
        wrong_entries += len(wrong) if vectors[section] else 1
    return 1 if wrong_entries else 0


if __name__ == "__main__":
    sys.exit(main())
