"""PyTorch's dropout beside a copy on the same device, in the JSON of `wgpu-dropout bench`.

    python peers/pytorch.py [--device cpu|cuda|all] [--powers 16,20,24] [--json FILE]

Needs PyTorch; on CUDA also Triton, which its Linux wheels bring along. Torchvision's operations need torchvision. See
README.md beside this file.
"""

import argparse
import json
import math
import pathlib
import platform
import statistics
import sys
import time

import torch
import torch.nn.functional as F

try:
    import triton
    import triton.language as tl
except ImportError:
    triton = None

try:
    import torchvision
except ImportError:
    torchvision = None

P = 0.1
SCALE = 1 / (1 - P)
# Where alpha dropout sends what it drops, before its affine map: minus SELU's scale times its alpha.
SATURATION = -1.7580993408473766
WARM_UP = 3
# A plane of channel dropout, as in `wgpu-dropout bench`, and the images and the block of DropBlock.
PLANE = (56, 56)
IMAGES = (64, 64, 56, 56)
BLOCK = 7
# Elements of a sample of stochastic depth.
SAMPLE = 1 << 16
# Columns of the passes around dropout, and the batch, outputs and inputs of DropConnect.
COLUMNS = 1024
CONNECT = (64, 512, 512)
# Together, the rotated inputs are larger than the cache of any GPU.
ROTATED_BYTES = 256 << 20

if triton:

    @triton.jit
    def dropout_kernel(x, y, n, p, seed, BLOCK: tl.constexpr):
        """Seeded dropout with the mask made again in backward: one of the four words of a Philox block an element."""
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        inside = at < n
        value = tl.load(x + at, mask=inside)
        kept = tl.rand(seed, at) > p
        tl.store(y + at, tl.where(kept, value / (1 - p), 0.0), mask=inside)

    @triton.jit
    def dropout_4_words_kernel(x, y, n, p, seed, BLOCK: tl.constexpr):
        """The same with all four words of a block used."""
        first = tl.program_id(0) * BLOCK * 4
        lane = tl.arange(0, BLOCK)
        words = tl.rand4x(seed, tl.program_id(0) * BLOCK + lane)
        for part in tl.static_range(4):
            at = first + part * BLOCK + lane
            inside = at < n
            value = tl.load(x + at, mask=inside)
            tl.store(y + at, tl.where(words[part] > p, value / (1 - p), 0.0), mask=inside)

    def triton_dropout(kernel, elements_a_thread, x, seed, block=1024):
        y = torch.empty_like(x)
        grid = (triton.cdiv(x.numel(), block * elements_a_thread),)
        kernel[grid](x, y, x.numel(), P, seed, BLOCK=block)
        return y


class Subject:
    """One operation: `call(turn)` gives (output, gradient of the input); either may be None. Bytes are those that must
    be moved. `shared` neighbouring elements share a decision; `check(y, x)` gives what was dropped, where it is not that
    of inverted dropout."""

    def __init__(self, op, generator, bytes_an_element, call, shared=1, check=None):
        self.op, self.generator, self.bytes, self.call = op, generator, bytes_an_element, call
        self.shared, self.check = shared, check
        self.samples = []


def check_alpha(y, x):
    """Alpha dropout: an affine map of what is kept, a constant for what is dropped."""
    scale = 1 / math.sqrt((1 - P) * (1 + P * SATURATION**2))
    shift = -scale * P * SATURATION
    kept = torch.isclose(y, x * scale + shift, rtol=1e-5, atol=1e-5)
    assert torch.allclose(y[~kept], torch.tensor(SATURATION * scale + shift)), "a dropped element is not the constant"
    return ~kept


def check_drop_block(y, x):
    """DropBlock: one scale for all that is kept, and about P dropped."""
    kept = y != 0
    scale = y.numel() / int(kept.sum())
    assert torch.allclose(y[kept], x[kept] * scale, rtol=1e-4), "kept elements are not scaled"
    dropped = 1 - 1 / scale
    assert abs(dropped - P) < 0.02, f"{dropped} is dropped"
    return ~kept


def subjects(device, n):
    """Every operation for n elements, and the reasons why some are missing."""
    torch.manual_seed(42)
    sets = max(1, min(32, ROTATED_BYTES // (n * 8)))
    plane = math.prod(PLANE)
    planes = -(-n // plane)
    # Channel dropout takes whole planes.
    padded = [(torch.arange(planes * plane, device=device) % 1000).float() + 1 for _ in range(sets)]
    images = [tensor.view(1, planes, *PLANE) for tensor in padded]
    x = [tensor[:n] for tensor in padded]
    rows = [tensor.view(-1, min(SAMPLE, n)) for tensor in x]
    leaf = [tensor.clone().requires_grad_() for tensor in x]
    ones = torch.ones(n, device=device)
    target = torch.empty(n, device=device)
    mask = torch.native_dropout(x[0], P, True)[1]
    philox = "philox" if device == "cuda" else "mersenne twister or MKL"

    def forward_backward(function):
        def call(turn):
            source = leaf[turn % sets]
            y = function(source)
            return y.detach(), torch.autograd.grad(y, source, ones)[0]

        return call

    def native(source):
        return torch.native_dropout(source, P, True)

    def native_forward_backward(turn):
        y, kept = native(x[turn % sets])
        return y, torch.ops.aten.native_dropout_backward(ones, kept, SCALE)

    def functional(source):
        return F.dropout(source, P, True)

    result = [
        Subject("copy", "", 8, lambda turn: (target.copy_(x[turn % sets]), None)),
        Subject("pytorch F.dropout forward", philox, 8, lambda turn: (functional(x[turn % sets]), None)),
        Subject("pytorch F.dropout forward + backward", philox, 16, forward_backward(functional)),
        Subject("pytorch native_dropout forward", philox, 8, lambda turn: (native(x[turn % sets])[0], None)),
        Subject(
            "pytorch native_dropout_backward", philox, 8,
            lambda turn: (None, torch.ops.aten.native_dropout_backward(x[turn % sets], mask, SCALE)),
        ),
        Subject("pytorch native_dropout forward + backward", philox, 16, native_forward_backward),
        Subject(
            "pytorch feature_dropout forward, planes of 56 × 56", philox, 8,
            lambda turn: (torch.feature_dropout(images[turn % sets], P, True).view(-1)[:n], None),
            shared=plane,
        ),
        Subject(
            "pytorch F.alpha_dropout forward", philox, 8, lambda turn: (F.alpha_dropout(x[turn % sets], P, True), None),
            check=check_alpha,
        ),
    ]
    missing = []
    stochastic_depth = "torchvision stochastic_depth forward, row, samples of 2^16"
    if torchvision:

        def by_row(turn):
            return torchvision.ops.stochastic_depth(rows[turn % sets], P, "row").view(-1), None

        result.append(Subject(stochastic_depth, philox, 8, by_row, shared=rows[0].shape[1]))
    else:
        missing.append({"op": stochastic_depth, "n": n, "why": "torchvision is not installed"})
    if device == "cuda" and triton:
        compiled = torch.compile(functional, dynamic=False)
        result += [
            Subject("torch.compile F.dropout forward", philox, 8, lambda turn: (compiled(x[turn % sets]), None)),
            Subject("torch.compile F.dropout forward + backward", philox, 16, forward_backward(compiled)),
        ]
        for name, kernel, elements in [
            ("triton seeded dropout", dropout_kernel, 1),
            ("triton seeded dropout, 4 words a block", dropout_4_words_kernel, 4),
        ]:

            def forward(turn, kernel=kernel, elements=elements):
                return triton_dropout(kernel, elements, x[turn % sets], turn), None

            def both(turn, kernel=kernel, elements=elements):
                y = triton_dropout(kernel, elements, x[turn % sets], turn)
                return y, triton_dropout(kernel, elements, ones, turn)

            result += [
                Subject(f"{name} forward", philox, 8, forward),
                Subject(f"{name} forward + backward", philox, 16, both),
            ]
    elif device == "cuda":
        missing.append({"op": "triton seeded dropout", "n": n, "why": "Triton is not installed"})
    return result, x[0], missing


def drop_block_subjects(device):
    """DropBlock at its own size, beside a copy."""
    n = math.prod(IMAGES)
    op = f"torchvision drop_block2d forward, {BLOCK} × {BLOCK} of {IMAGES}"
    if not torchvision:
        return [], None, [{"op": op, "n": n, "why": "torchvision is not installed"}]
    sets = max(1, ROTATED_BYTES // (n * 8))
    x = [(torch.arange(n, device=device) % 1000).float() + 1 for _ in range(sets)]
    target = torch.empty(n, device=device)
    generator = "philox" if device == "cuda" else "mersenne twister or MKL"

    def drop_block(turn):
        return torchvision.ops.drop_block2d(x[turn % sets].view(IMAGES), P, BLOCK).view(-1), None

    return [
        Subject("copy", "", 8, lambda turn: (target.copy_(x[turn % sets]), None)),
        Subject(op, generator, 8, drop_block, check=check_drop_block),
    ], x[0], []


def pass_subjects(device, n):
    """What surrounds dropout, beside a copy: bias, gelu and residual, and a softmax; both of rows of COLUMNS elements."""
    torch.manual_seed(42)
    sets = max(1, min(32, ROTATED_BYTES // (n * 12)))
    # From 1 to 2: gelu is far from 0 there, and no exponential is small.
    x = [(torch.arange(n, device=device) % 1000).float() / 1000 + 1 for _ in range(sets)]
    residual = torch.full((n // COLUMNS, COLUMNS), 3.0, device=device)
    bias = torch.full((COLUMNS,), 0.5, device=device)
    target = torch.empty(n, device=device)
    ones = torch.ones(n // COLUMNS, COLUMNS, device=device)
    generator = "philox" if device == "cuda" else "mersenne twister or MKL"

    def fused(x):
        return F.dropout(F.gelu(x.view(-1, COLUMNS) + bias), P, True) + residual

    def softmax(x):
        return F.dropout(torch.softmax(x.view(-1, COLUMNS), -1), P, True)

    def forward(function):
        return lambda turn: (function(x[turn % sets]).view(-1), None)

    def both(function):
        leaf = [tensor.clone().requires_grad_() for tensor in x]

        def call(turn):
            source = leaf[turn % sets]
            y = function(source)
            return y.detach().view(-1), torch.autograd.grad(y, source, ones)[0]

        return call

    def check_kept(y, kept, expected):
        assert torch.allclose(y[kept], expected.view(-1)[kept], rtol=1e-4), "a kept element is another"
        return ~kept

    def check_fused(y, x):
        expected = F.gelu(x.view(-1, COLUMNS) + bias) * SCALE + residual
        return check_kept(y, y != 3.0, expected)

    def check_softmax(y, x):
        return check_kept(y, y != 0, torch.softmax(x.view(-1, COLUMNS), -1) * SCALE)

    return [
        Subject("copy", "", 8, lambda turn: (target.copy_(x[turn % sets]), None)),
        Subject("pytorch F.dropout(F.gelu(x + b)) + r forward", generator, 12, forward(fused), check=check_fused),
        Subject("pytorch F.dropout(F.gelu(x + b)) + r forward + backward", generator, 24, both(fused), check=check_fused),
        Subject("pytorch F.dropout(softmax(x)) forward", generator, 8, forward(softmax), check=check_softmax),
        Subject("pytorch F.dropout(softmax(x)) forward + backward", generator, 20, both(softmax), check=check_softmax),
    ], x[0], []


def connect_subjects(device):
    """DropConnect as PyTorch can: a dropped copy of the weights for each example, and a batched product. n are decisions."""
    batch, outputs, inputs = CONNECT
    n = math.prod(CONNECT)
    weights = torch.ones(outputs, inputs, device=device)
    x = torch.ones(batch, inputs, 1, device=device)
    source = torch.ones(n, device=device)
    target = torch.empty(n, device=device)

    def product(_):
        dropped = F.dropout(weights.expand(batch, outputs, inputs), P, True)
        return torch.bmm(dropped, x).view(-1), None

    def check_product(y, _):
        # All terms are 1, so a sum tells how many are left.
        kept = y / SCALE
        assert torch.allclose(kept, kept.round(), atol=1e-2), "a sum is of no whole number of terms"
        return inputs - kept.round()

    generator = "philox" if device == "cuda" else "mersenne twister or MKL"
    bytes_a_decision = 4 * (outputs * inputs + batch * (inputs + outputs)) / n
    op = f"pytorch bmm(F.dropout(W), x), batch {batch}, {outputs} × {inputs}"
    return [
        Subject("copy", "", 8, lambda turn: (target.copy_(source), None)),
        Subject(op, generator, bytes_a_decision, product, check=check_product),
    ], source, []


def check(subject, x):
    """Checks every element and the number of dropped ones; gives the measured rate."""
    n = x.numel()
    y, gradient = subject.call(0)
    if subject.op == "copy":
        assert torch.equal(y, x), "the copy differs"
        return None
    if y is None:
        # Backward alone, fed with x.
        y, gradient = gradient, None
    if subject.check:
        dropped = int(subject.check(y, x).sum())
        # Blocks are no independent decisions.
        sigmas = None if subject.check is check_drop_block else (dropped - n * P) / math.sqrt(n * P * (1 - P))
        assert sigmas is None or abs(sigmas) <= 5, f"{subject.op}: {dropped} of {n} dropped, {sigmas:.1f} σ off"
        return {"op": subject.op, "n": n, "dropped": dropped / n, "sigmas": sigmas}
    kept = y != 0
    assert torch.allclose(y[kept], x[kept] * SCALE, rtol=1e-5), f"{subject.op}: kept elements are not scaled"
    if gradient is not None:
        assert torch.equal(gradient != 0, kept), f"{subject.op}: backward has another mask than forward"
        assert torch.allclose(gradient[kept], torch.tensor(SCALE, device=x.device), rtol=1e-5), subject.op
    # Decisions, of which the last may be for fewer elements.
    decided = F.pad(kept, (0, -n % subject.shared), value=bool(kept[-1])).view(-1, subject.shared)
    assert torch.equal(decided.all(1), decided.any(1)), f"{subject.op}: a decision is not shared"
    decisions, dropped = decided.shape[0], int((~decided[:, 0]).sum())
    sigmas = (dropped - decisions * P) / math.sqrt(decisions * P * (1 - P))
    assert abs(sigmas) <= 5, f"{subject.op}: {dropped} of {decisions} dropped, {sigmas:.1f} standard deviations off"
    return {"op": subject.op, "n": n, "dropped": dropped / decisions, "sigmas": sigmas}


def sample(device, subject, calls, first):
    """Milliseconds a call."""
    if device == "cpu":
        begin = time.perf_counter()
        for turn in range(first, first + calls):
            subject.call(turn)
        return (time.perf_counter() - begin) * 1e3 / calls
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    begin.record()
    for turn in range(first, first + calls):
        subject.call(turn)
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / calls


def adapter(device):
    if device == "cuda":
        return {
            "name": torch.cuda.get_device_name(),
            "backend": f"CUDA {torch.version.cuda}",
            "driver": f"PyTorch {torch.__version__}" + (f", Triton {triton.__version__}" if triton else ""),
        }
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    threads = torch.get_num_threads()
    return {"name": name, "backend": f"CPU, {threads} threads", "driver": f"PyTorch {torch.__version__}"}


def cases(device, sizes):
    """For each size what is measured there, made when its turn comes."""
    for n in sizes:
        yield n, *subjects(device, n)
    for n in sizes:
        if n >= COLUMNS:
            yield n, *pass_subjects(device, n)
    yield math.prod(IMAGES), *drop_block_subjects(device)
    yield math.prod(CONNECT), *connect_subjects(device)


def size(n):
    return f"2^{n.bit_length() - 1}" if n & (n - 1) == 0 else str(n)


def measure(device, powers, rounds):
    results, rates, not_timed, copy = [], [], [], None
    # A CPU call is over when it returns; on CUDA several calls hide the cost of waiting.
    sample_elements = 1 << (24 if device == "cpu" else 30)
    sizes = [1 << power for power in powers]
    for n, everything, x, missing in cases(device, sizes):
        calls = max(1, min(256, sample_elements // n))
        not_timed += missing
        if not everything:
            continue
        contestants = []
        for subject in everything:
            try:
                rate = check(subject, x)
            except Exception as error:  # What does not run or is wrong is reported instead of timed.
                not_timed.append({"op": subject.op, "n": n, "why": f"{type(error).__name__}: {error}"[:500]})
                print(f"n = {n}, {subject.op}: not timed: {error}", file=sys.stderr)
                continue
            if rate:
                rates.append(rate)
            contestants.append(subject)
        for turn in range(WARM_UP + rounds):
            print(f"\r{device}, n = {n}: round {turn + 1} of {WARM_UP + rounds}  ", end="", file=sys.stderr)
            # Another order each round, so that nobody always follows the same neighbour.
            for place in range(len(contestants)):
                subject = contestants[(place + turn) % len(contestants)]
                milliseconds = sample(device, subject, calls, turn * calls)
                if turn >= WARM_UP:
                    subject.samples.append(milliseconds)
        print(file=sys.stderr)
        copy_ms = statistics.median(contestants[0].samples)
        # The report's is at the largest of the sizes that were asked for.
        if n in sizes:
            copy = {"best": "dst.copy_(src)", "n": n, "median_ms": copy_ms, "gb_per_s": n * 8 / copy_ms * 1e-6}
        for subject in contestants:
            first, median, third = statistics.quantiles(subject.samples, n=4, method="inclusive")
            results.append({
                "op": subject.op,
                "generator": subject.generator,
                "dtype": "f32",
                "n": n,
                "p": None if subject.op == "copy" else P,
                "median_ms": median,
                "quartiles_ms": [first, third],
                "gb_per_s": n * subject.bytes / median * 1e-6,
                "ratio_to_copy": median / copy_ms,
            })
    clock = "CUDA events" if device == "cuda" else "wall time of the calls"
    return {
        "adapter": adapter(device), "torchvision": torchvision and torchvision.__version__, "clock": clock, "copy": copy, "results": results,
        "rounds": rounds, "rates": rates, "not_timed": not_timed,
    }


def table(report):
    print(f"{report['adapter']['name']} ({report['adapter']['backend']}, {report['adapter']['driver']}); {report['clock']}\n")
    print("| n | operation | median ms | quartiles ms | GB/s | × copy |\n|---|---|---|---|---|---|")
    for row in report["results"]:
        first, third = row["quartiles_ms"]
        print(f"| {size(row['n'])} | {row['op']} | {row['median_ms']:.4f} | {first:.4f}–{third:.4f} | "
              f"{row['gb_per_s']:.2f} | {row['ratio_to_copy']:.2f} |")
    print("\n| n | operation | dropped | σ off 0.1 |\n|---|---|---|---|")
    for rate in report["rates"]:
        sigmas = "" if rate["sigmas"] is None else f"{rate['sigmas']:+.2f}"
        print(f"| {size(rate['n'])} | {rate['op']} | {rate['dropped']:.6f} | {sigmas} |")
    for missing in report["not_timed"]:
        print(f"\nnot timed: {missing['op']} at n = {missing['n']}: {missing['why']}")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda", "all"], default="all", help="default: what is there")
    parser.add_argument("--powers", help="sizes as powers of two; default 16,20,24,26 and on CUDA also 28")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", type=pathlib.Path, help="with two devices: FILE-cpu and FILE-cuda")
    arguments = parser.parse_args()
    if arguments.rounds < 11:
        parser.error("--rounds must be at least 11: fewer give no quartiles worth reading")
    cuda = torch.cuda.is_available()
    if arguments.device == "cuda" and not cuda:
        parser.error("PyTorch finds no CUDA device; choose --device cpu")
    devices = {"cpu": ["cpu"], "cuda": ["cuda"], "all": ["cpu"] + ["cuda"] * cuda}[arguments.device]
    for device in devices:
        default = "16,20,24,26" + (",28" if device == "cuda" else "")
        powers = [int(power) for power in (arguments.powers or default).split(",")]
        report = measure(device, powers, arguments.rounds)
        table(report)
        if path := arguments.json:
            if len(devices) > 1:
                path = path.with_name(f"{path.stem}-{device}{path.suffix}")
            path.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
