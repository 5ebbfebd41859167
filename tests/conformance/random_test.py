"""Operations drawn at random: every driver leaves the bytes that C leaves, and the oracle agrees with them. What the files of
operations/ do not think of, as the bindings have hot paths of their own.

The seed is printed, and RINGSIDE_SEED repeats it. With RINGSIDE_SOAK=1 there are many more.
"""

import difflib
import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from conformance_test import DRIVERS, ORACLE, memory, perform, run  # noqa: E402, F401: memory is a fixture
from segment_text import masked, render  # noqa: E402

S = 10**9
GRAIN = S // 64  # parts of a second that doubles add up exactly, as they do quarters
TIERS_S = (1, 10, 300)
YEAR = 365 * 86400 * S
OPERATIONS = 400
SEED = int(os.environ.get("RINGSIDE_SEED", random.SystemRandom().randrange(2**32)))
FILES = 200 if os.environ.get("RINGSIDE_SOAK") else 4

REGISTER = """schema every_kind
clock tick
tick {now}
counter counter requests_total vda read
counter total requests_total vda write
counter_f64 sum busy_seconds_total
shared_counter shared faults_total
gauge gauge delay_seconds rx
level level memory_bytes
histogram histogram size_bytes
"""


class Script:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now = self.random.randrange(YEAR, 100 * YEAR, GRAIN)
        self.lines = [REGISTER.format(now=self.now)]
        for _ in range(OPERATIONS):
            self.move_time()
            self.record()
        self.lines.append("close 0 by chance\n")

    def text(self):
        return "".join(self.lines)

    def move_time(self):
        r, resolution = self.random, self.random.choice(TIERS_S) * S
        moves = [
            (60, lambda: self.now),
            (12, lambda: self.now + r.randrange(0, S, GRAIN)),
            (6, lambda: self.now - self.now % resolution + resolution),  # an edge
            (4, lambda: self.now - self.now % resolution + resolution - GRAIN),
            (6, lambda: self.now + r.randrange(1, 6) * S),
            (3, lambda: self.now + r.randrange(GRAIN, 900 * S, GRAIN)),
            (2, lambda: self.now + r.randrange(1, 6 * 3600) * S),
            (1, lambda: self.now - r.randrange(GRAIN, S, GRAIN)),
            (2, lambda: self.now - r.randrange(GRAIN, 300 * S, GRAIN)),  # absorbed
            (1, lambda: self.now - self.now % S - r.choice((300 * S, 300 * S + GRAIN, 301 * S))),  # just, and just not
            (0.3, lambda: self.now - r.randrange(GRAIN, 3000 * S, GRAIN)),
            (0.1, lambda: r.choice((0, S - 1, 2**32 * S, 2**64 - 1))),  # where no window is
        ]  # fmt: skip
        move = r.choices([move for _, move in moves], [weight for weight, _ in moves])[0]
        before, now = self.now, max(move(), 0)
        if now != before:
            self.lines.append(f"tick {now}\n")
        # From the ends of time it goes on where it was.
        self.now = now if YEAR <= now < 130 * YEAR else before

    def record(self):
        r = self.random
        quarters = r.choice((r.randrange(-40, 40) / 4, r.randrange(-40, 40) / 4, -0.0))
        no_number = r.choice((float("nan"), float("inf"), -float("inf")))
        any_size = r.choice((r.lognormvariate(2, 3), r.random(), 2 ** (r.randrange(-4, 20) / 2), 0.0, 5e-324, 1e300))
        lines = {
            f"add counter {r.choice((0, 1, r.randrange(2**64)))}": 6,
            f"add shared {r.randrange(100)}": 6,
            f"total total {r.randrange(50)}": 6,
            f"baseline total {r.randrange(50)}": 1,
            f"add_f64 sum {abs(any_size) % 1e9:.17g}": 4,
            f"total_f64 sum {abs(any_size) % 1e9:.17g}": 2,
            f"baseline_f64 sum {r.randrange(50)}": 1,
            f"record gauge {quarters}": 8,
            f"set level {quarters}": 8,
            f"record histogram {any_size}": 8,
            f"{r.choice(('add_f64 sum', 'total_f64 sum', 'record histogram'))} {r.choice((no_number, -1.0, -5e-324))}": 1,
            f"{r.choice(('record gauge', 'set level'))} {no_number}": 1,
            f"gauge late{len(self.lines)} delay_seconds {r.choice(('rx', 'tx'))}": 0.3,
        }
        operation, name, value = r.choices(list(lines), list(lines.values()))[0].split(maxsplit=2)
        if operation in ("add_f64", "total_f64", "baseline_f64", "record", "set"):
            value = float(value).hex()
        self.lines.append(f"{operation} {name} {value}\n")


@pytest.mark.parametrize("seed", range(SEED, SEED + FILES))
def test_every_driver_leaves_what_c_leaves(seed, memory):  # noqa: F811
    operations = memory / "random.txt"
    operations.write_text(Script(seed).text())
    paths = {driver: perform(driver, operations, memory) for driver in DRIVERS}
    done = run([ORACLE, paths["c"], operations])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), f"RINGSIDE_SEED={seed}"
    expected = render(masked(paths["c"].read_bytes()))
    for driver, path in paths.items():
        found = render(masked(path.read_bytes()))
        difference = difflib.unified_diff(expected.splitlines(), found.splitlines(), "c", driver, n=0, lineterm="")
        assert "\n".join(difference) == "", f"RINGSIDE_SEED={seed}"


def test_chance_goes_everywhere(memory):  # noqa: F811
    """Over some files every line of a segment has been something else than 0: each counter of the header, each tier."""
    seen = set()
    for seed in range(20):
        operations = memory / "random.txt"
        operations.write_text(Script(seed).text())
        lines = render(masked(perform("c", operations, memory).read_bytes())).splitlines()
        seen |= {line.partition(":")[0] for line in lines}
    for name in ("clock_steps_back", "rebases", "rebased_windows", "rejected_samples", "refused_series"):
        assert f"header {name}" in seen, name
    for tier in TIERS_S:
        for metric in ("requests_total #0", "busy_seconds_total", "faults_total", "delay_seconds #0", "memory_bytes", "size_bytes"):
            assert any(line.startswith(f"slot {tier}s {metric}") for line in seen), (tier, metric)
