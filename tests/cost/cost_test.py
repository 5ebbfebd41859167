"""What a record costs in instructions and cache lines, counted by callgrind: a guard that a noisy machine cannot fool.

costs.json has, for each way to record, instructions (without those of the loop around it) and the cache lines that it is the
first to touch: those of its cell and what else it reads or writes. `turn_` is the first record of a window that ends
windows of 1 s, of 10 s too, and of 5 min too. More than is kept there fails, since somebody's VM pays for it; so does much less,
as the guard would be blunt then. To keep the new figures, when the change is meant:

    RINGSIDE_KEEP_COSTS=1 ./dev test cost && git diff tests/cost/costs.json
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(os.environ["RINGSIDE_SOURCE_DIR"])
BUILD = Path(os.environ["RINGSIDE_BUILD_DIR"])
KEPT = SOURCE / "tests/cost/costs.json"
SERIES = 1024  # as in record_costs.c
LEFT_OUT = ("first:", "between:")
# The cache of the simulation is not that of the machine: every machine counts the same.
CACHES = ["--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=2097152,16,64"]


def counts_of(dump: str) -> tuple[str, dict[str, int]]:
    """The pass that a dump of callgrind is about, and its events."""
    trigger = re.search(r"^desc: Trigger: Client Request: (\S+)$", dump, re.MULTILINE)
    events = re.search(r"^events: (.+)$", dump, re.MULTILINE)[1].split()
    totals = re.search(r"^(?:summary|totals): (.+)$", dump, re.MULTILINE)[1].split()
    return trigger[1] if trigger else "", dict(zip(events, map(int, totals)))


def measure(folder: str) -> dict[str, dict[str, float]]:
    program = BUILD / "tests/cost/record_costs"
    out = Path(folder) / "callgrind"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *CACHES, program, folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    passes = dict(counts_of(dump.read_text()) for dump in Path(folder).glob("callgrind.*"))
    loop = passes.pop("loop")

    def cost(events):
        extra = {name: count - loop.get(name, 0) for name, count in events.items()}
        lines = extra["D1mr"] + extra["D1mw"]
        return {"instructions": round(extra["Ir"] / SERIES, 1), "lines": round(lines / SERIES, 2)}

    return {name: cost(passes[name]) for name in sorted(passes) if name and not name.startswith(LEFT_OUT)}


@pytest.fixture(name="measured", scope="module")
def _measured():
    folder = tempfile.mkdtemp(prefix="ringside-test-", dir="/dev/shm")
    try:
        yield measure(folder)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(name="kept", scope="module")
def _kept(measured):
    if os.environ.get("RINGSIDE_KEEP_COSTS"):
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(cost)}" for name, cost in measured.items())
        KEPT.write_text(f"{{\n{lines}\n}}\n")
    return json.loads(KEPT.read_text())


def test_every_way_to_record_is_kept(measured, kept):
    assert sorted(measured) == sorted(kept)


# How the memory of the program happens to be aligned is worth a few lines in 1,024 records, and no instruction.
@pytest.mark.parametrize("unit, slack, much", [("instructions", 0, 2), ("lines", 0.1, 0.5)])
def test_no_record_costs_more_than_it_did(measured, kept, unit, slack, much):
    dearer = {
        name: f"{kept[name][unit]} -> {cost[unit]}"
        for name, cost in measured.items()
        if cost[unit] > kept[name][unit] + slack
    }
    assert not dearer, f"{unit} a record have risen: find out why, or keep the new figures (see above)"
    cheaper = {
        name: f"{kept[name][unit]} -> {cost[unit]}"
        for name, cost in measured.items()
        if cost[unit] < kept[name][unit] - max(much, kept[name][unit] / 10)
    }
    assert not cheaper, f"{unit} a record have fallen: keep the new figures, so that they stay (see above)"
