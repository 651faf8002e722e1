#!/usr/bin/env python3
"""Checks the known answers with an implementation of the format that shares no code with the library: format_numpy.py,
made from docs/format.md alone. Exit status 1 when an entry is wrong, and 2 when nothing could be checked.

    scripts/check_vectors.py [FILE …]

Without files those of the repository: conformance/vectors/conformance_v1.json and tests/vectors/family_v1.json.
"""

import json
import sys
import zlib
from pathlib import Path

sys.dont_write_bytecode = True  # no folder beside the scripts

try:
    import numpy as np
except ImportError:
    print("NumPy is missing: 'python3 -m pip install numpy' brings it", file=sys.stderr)
    sys.exit(2)

import format_numpy as form

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / "conformance" / "vectors" / "conformance_v1.json", ROOT / "tests" / "vectors" / "family_v1.json"]

REQUIRED = [  # of conformance_v1.json
    *("blocks", "thresholds", "uniforms", "masks", "views", "values"),
    *("normals", "kinds", "strided", "shared", "gathered", "drop_blocks"),
    *("fused", "samples", "products"),
]

SHOWN = 3  # wrong entries of a section
WHOLE_MASK, WHOLE_NORMALS = 1024, 64  # up to so many elements an answer is in the file whole


# The sections of conformance_v1.json: each function yields (name, expected, actual) of what it compares in an entry.


def words(text):
    return [int(word, 16) for word in text.split()]


def numbers(text):
    return [int(word) for word in text.split()]


def bits(x):
    return [int(x.view(np.uint32))]


def key_of(entry):
    return entry["generator"], int(entry["seed"]), int(entry["stream"])


def check_block(entry):
    counter, key = ([form.u32(word) for word in words(entry[name])] for name in ("counter", "key"))
    generate = {"threefry": form.threefry4x32_20, "philox": form.philox4x32_10}[entry["generator"]]
    yield "block", words(entry["block"]), [int(word[0]) for word in generate(counter, key)]


def check_threshold(entry):
    t = form.threshold(float(entry["p"]))
    yield "threshold", int(entry["threshold"]), t
    yield "scale", words(entry["scale"]), bits(form.scale(t))


def check_uniform(entry):
    u = form.uniforms(key_of(entry), int(entry["index"]), 1)
    yield "uniform", words(entry["uniform"]), [int(u[0])]
    yield "just dropped", False, bool(form.keeps(u, 1.0 - int(u[0]) / 2**32)[0])
    yield "just kept", True, bool(form.keeps(u, 1.0 - (int(u[0]) + 1) / 2**32)[0])


def check_packed(entry, keep):
    if "length" in entry:
        yield "length", int(entry["length"]), len(keep)
    data = form.packed(keep)
    yield "kept", int(entry["kept"]), int(np.count_nonzero(keep))
    yield "crc32", words(entry["crc32"]), [zlib.crc32(data)]
    if "mask" in entry or len(keep) <= WHOLE_MASK:
        yield "mask", words(entry["mask"]), list(data)


def check_packed_at(entry, index):
    return check_packed(entry, form.keeps(form.uniforms_at(key_of(entry), index), float(entry["p"])))


def check_mask(entry):
    u = form.uniforms(key_of(entry), int(entry["start"]), int(entry["length"]))
    return check_packed(entry, form.keeps(u, float(entry["p"])))


def check_view(entry):
    names = ("start", "row_length", "row_pitch", "skip", "length")
    start, row_length, row_pitch, skip, length = (int(entry[name]) for name in names)
    # In Python's integers, which have no end.
    index = [start + (skip + j) // row_length * row_pitch + (skip + j) % row_length for j in range(length)]
    form.check_end(key_of(entry), max(index, default=-1) + 1, 3)
    return check_packed_at(entry, np.array(index, dtype=np.uint64))


def check_values(entry):
    p = float(entry["p"])
    yield "scale", words(entry["scale"]), bits(form.scale(form.threshold(p)))
    yield from check_kind({**entry, "kind": "inverted", "direction": "forward"})


def check_kind(entry):
    kind, direction, dtype, p = entry["kind"], entry["direction"], entry["dtype"], float(entry["p"])
    x, expected = (np.array(words(entry[name]), dtype=np.uint32) for name in ("x", "y"))
    actual = form.element_kind(dtype, kind, direction, key_of(entry), p, int(entry["start"]), x)
    if len(actual) == len(expected) and not form.copies_bits(kind, direction, p):
        # A NaN stands for any NaN.
        actual = np.where(form.is_nan(dtype, actual) & form.is_nan(dtype, expected), expected, actual)
    yield "y", expected.tolist(), actual.tolist()


def check_normals(entry):
    z = form.normals(key_of(entry), int(entry["start"]), int(entry["length"]))
    yield "crc32", words(entry["crc32"]), [zlib.crc32(z.astype("<i4").tobytes())]
    if "z" in entry or len(z) <= WHOLE_NORMALS:
        yield "z", numbers(entry["z"]), z.tolist()


def check_strided(entry):
    shape, strides = numbers(entry["shape"]), numbers(entry["strides"])
    index = form.strided(key_of(entry), int(entry["start"]), shape, strides, int(entry["skip"]))
    return check_packed_at(entry, index)


def check_shared(entry):
    shape = numbers(entry["shape"])
    strides = form.shared_strides(shape, numbers(entry["shared"]))
    return check_packed_at(entry, form.strided(key_of(entry), int(entry["start"]), shape, strides))


def check_gathered(entry):
    shape, shared, ids = (numbers(entry[name]) for name in ("shape", "shared", "ids"))
    return check_packed_at(entry, form.gathered(key_of(entry), int(entry["start"]), shape, shared, ids))


def check_drop_block(entry):
    start, shape, block = int(entry["start"]), numbers(entry["shape"]), numbers(entry["block"])
    mask = form.DropBlock(key_of(entry), float(entry["p"]), start, shape, block)
    yield "threshold", int(entry["threshold"]), mask.threshold
    yield from check_packed(entry, mask.keep)
    yield "scale_count", words(entry["scale_count"]), bits(mask.scale_count())
    yield "scale_expected", words(entry["scale_expected"]), bits(mask.scale_expected())


def pattern(entry, name):
    return np.array(words(entry[name]), dtype=np.uint32)


def compared(name, entry, dtype, actual):
    """A NaN stands for any NaN."""
    expected = pattern(entry, name)
    if len(actual) == len(expected):
        actual = np.where(form.is_nan(dtype, actual) & form.is_nan(dtype, expected), expected, actual)
    return name, expected.tolist(), actual.tolist()


def check_fused(entry):
    dtype, columns = entry["dtype"], int(entry["columns"])
    row_key = entry["generator"], int(entry["row_seed"]), int(entry["row_stream"])
    rows = row_key, float(entry["row_p"]), int(entry["row_start"])
    of = dtype, entry["activation"], key_of(entry), float(entry["p"]), int(entry["start"]), rows, columns
    x, bias, residual, dy = (pattern(entry, name) for name in ("x", "bias", "residual", "dy"))
    yield compared("y", entry, dtype, form.fused(*of, x, bias, residual))
    yield compared("dx", entry, dtype, form.fused_gradient(*of, x, bias, dy))


def check_samples(entry):
    dtype, first, count = entry["dtype"], int(entry["first_sample"]), int(entry["samples"])
    of = dtype, key_of(entry), float(entry["p"]), int(entry["start"])
    yield compared("y", entry, dtype, form.samples(*of, first, count, pattern(entry, "x")))


def check_product(entry):
    shape = (int(entry[name]) for name in ("masks", "batch", "outputs", "inputs"))
    of = form.DropConnect(key_of(entry), float(entry["p"]), int(entry["start"]), *shape)
    w, x, dy = (pattern(entry, name).view(np.float32) for name in ("w", "x", "dy"))
    sums = {"y": of.product(w, x), "dx": of.input_gradient(w, dy), "dw": of.weights_gradient(x, dy)}
    for name, actual in sums.items():
        # A sum of nothing is +0.
        yield name, words(entry[name]), (actual + np.float32(0)).view(np.uint32).tolist()


SECTIONS = {
    "blocks": check_block,
    "thresholds": check_threshold,
    "uniforms": check_uniform,
    "masks": check_mask,
    "views": check_view,
    "values": check_values,
    "normals": check_normals,
    "kinds": check_kind,
    "strided": check_strided,
    "shared": check_shared,
    "gathered": check_gathered,
    "drop_blocks": check_drop_block,
    "fused": check_fused,
    "samples": check_samples,
    "products": check_product,
}


# The sections of family_v1.json, whose lists are lists and whose small numbers are numbers. Its masks are bytes in
# hexadecimal without the last word's unused ones.


def hex_words(list):
    return np.array([int(word, 16) for word in list], dtype=np.uint32)


def check_family_mask(entry, keep):
    yield "mask", list(bytes.fromhex(entry["mask"])), list(form.packed(keep)[: (len(keep) + 7) // 8])


def check_family_mask_at(entry, index):
    return check_family_mask(entry, form.keeps(form.uniforms_at(key_of(entry), index), float(entry["p"])))


def check_family_normal_of_word(entry):
    yield "z_q21", entry["z_q21"], int(form.normals_of_words(hex_words([entry["u"]]))[0])


def check_family_normals(entry):
    yield "z_q21", entry["z_q21"], form.normals(key_of(entry), int(entry["start"]), len(entry["z_q21"])).tolist()


def check_family_constants(entry):
    p = float(entry["p"])
    a, b, v = form.alpha_constants(p)
    yield "sigma", words(entry["sigma"]), bits(form.sigma(p))
    yield "alpha_scale", words(entry["alpha_scale"]), bits(a)
    yield "alpha_shift", words(entry["alpha_shift"]), bits(b)
    yield "alpha_dropped", words(entry["alpha_dropped"]), bits(v)
    yield "standard_evaluation", words(entry["standard_evaluation"]), bits(form.standard_evaluation(p))


def check_family_value(entry, kind, direction, answer):
    x, expected = hex_words(entry["x"]), hex_words(entry[answer])
    actual = form.element_kind("f32", kind, direction, key_of(entry), float(entry["p"]), int(entry["start"]), x)
    if len(actual) == len(expected):
        actual = np.where(form.is_nan("f32", actual) & form.is_nan("f32", expected), expected, actual)
    yield answer, expected.tolist(), actual.tolist()


def check_family_values(entry):
    for kind in ("alpha", "gaussian"):
        yield from check_family_value(entry, kind, "forward", kind)


def check_family_kind(entry):
    # "standard", "standard evaluation", "alpha backward", …
    kind, _, direction = entry["kind"].partition(" ")
    return check_family_value(entry, kind, direction or "forward", "y")


def check_family_shared(entry):
    strides = form.shared_strides(entry["shape"], entry["shared"])
    return check_family_mask_at(entry, form.strided(key_of(entry), int(entry["start"]), entry["shape"], strides))


def check_family_gathered(entry):
    start, shape, shared, ids = int(entry["start"]), entry["shape"], entry["shared"], entry["ids"]
    return check_family_mask_at(entry, form.gathered(key_of(entry), start, shape, shared, ids))


def check_family_drop_block(entry):
    mask = form.DropBlock(key_of(entry), float(entry["p"]), int(entry["start"]), entry["shape"], entry["block"])
    yield "rate", float(entry["rate"]), mask.rate
    yield "rate_bits", int(entry["rate_bits"], 16), int(np.float64(mask.rate).view(np.uint64))
    yield "threshold", int(entry["threshold"]), mask.threshold
    yield "kept", int(entry["kept"]), int(np.count_nonzero(mask.keep))
    yield from check_family_mask(entry, mask.keep)
    yield "scale_count", words(entry["scale_count"]), bits(mask.scale_count())
    yield "scale_expected", words(entry["scale_expected"]), bits(mask.scale_expected())


FAMILY_SECTIONS = {
    "normal_of_word": check_family_normal_of_word,
    "normals": check_family_normals,
    "constants": check_family_constants,
    "values": check_family_values,
    "kinds": check_family_kind,
    "shared": check_family_shared,
    "gathered": check_family_gathered,
    "drop_block": check_family_drop_block,
}


def difference(name, expected, actual):
    if isinstance(expected, list) and len(expected) != len(actual):
        return f"{name}: the file has {len(expected)} values, this program {len(actual)}"
    if isinstance(expected, list) and len(expected) > 4:
        place = next(i for i, pair in enumerate(zip(expected, actual)) if pair[0] != pair[1])
        return f"{name}[{place}]: the file has {expected[place]:x}, this program {actual[place]:x}"
    if isinstance(expected, list):
        expected, actual = (" ".join(f"{word:x}" for word in words) for words in (expected, actual))
    return f"{name}: the file has {expected}, this program {actual}"


def differences(check, entry):
    """What is wrong with an entry, a line each."""
    try:
        return [difference(*answer) for answer in check(entry) if answer[1] != answer[2]]
    except KeyError as error:
        return [f"it has no {error}"]
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        return [f"it cannot be read: {error!r}"]


def check_file(path):
    """How many entries are wrong and how many were checked; None for a file that is not one of the two."""
    try:
        vectors = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return None
    if not isinstance(vectors, dict):
        vectors = {}
    if vectors.pop("keep_rule_version", None) == "1":
        sections, required = SECTIONS, REQUIRED
    elif str(vectors.pop("about", "")).startswith("Known answers of the family, version 1"):
        sections, required = FAMILY_SECTIONS, list(FAMILY_SECTIONS)
    else:
        print(f"{path}: it is no file of known answers of version 1", file=sys.stderr)
        return None
    print(f"{path}:")
    wrong_entries = checked = 0
    for section in vectors.keys() - sections.keys():
        print(f"{section}: an unknown section, which nothing checks")
        wrong_entries += 1
    for section, check in sections.items():
        entries = vectors.get(section, [])
        wrong = [(i, entry, lines) for i, entry in enumerate(entries) if (lines := differences(check, entry))]
        checked += len(entries)
        wrong_entries += len(wrong)
        if entries:
            print(f"{section}: {len(entries) - len(wrong)} of {len(entries)} entries right")
        elif section in required:
            print(f"{section}: 0 entries, but it must have some")
            wrong_entries += 1
        else:
            print(f"{section}: 0 entries")
        for number, entry, lines in wrong[:SHOWN]:
            text = json.dumps(entry)
            print(f"  entry {number}: {text[:200]}{'…' if len(text) > 200 else ''}")
            for line in lines:
                print(f"    {line}")
    return wrong_entries, checked


def main():
    results = [check_file(path) for path in [Path(name) for name in sys.argv[1:]] or FILES]
    if None in results or any(checked == 0 for _, checked in results):
        return 2
    return 1 if any(wrong for wrong, _ in results) else 0


if __name__ == "__main__":
    sys.exit(main())
