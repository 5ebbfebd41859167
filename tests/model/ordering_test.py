"""The protocol between writer and readers, explored by Spin: it holds, and not without any one of its orders."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PAGE = (HERE.parents[1] / "docs/ordering.md").read_text()

# Which model notices that an order is missing. P7 of gauges is also given by the P1 that stands just before it.
NOTICED_BY = {
    "P1": "gauge",
    "P2": "gauge",
    "P3": "gauge",
    "P4": "gauge",
    "P5": "gauge",
    "P6": "counter",
    "P7": "counter",
    "P8": "gauge",
    "P9": "gauge",
    "R1": "gauge -DHOT_READER",
    "R2": "gauge -DHOT_READER",
    "R3": "gauge -DRING_READER",
    "R4": "gauge -DSTUCK_READER",
    "R5": "gauge -DSTUCK_READER",
    "R6": "counter",
    "R7": "gauge -DRING_READER",
}
WHOLE = ["gauge", "gauge -DRING_READER", "gauge -DHOT_READER", "gauge -DSTUCK_READER", "counter"]


def explore(folder: Path, model: str, *options: str, optimise: str = "-O0") -> tuple[int, int]:
    """Errors found (it stops at the first) and states seen. Compiling takes longer than most explorations."""
    name, *more = model.split()
    for file in HERE.glob("*.pml"):
        shutil.copy(file, folder)
    subprocess.run(["spin", "-a", *more, *options, f"{name}.pml"], cwd=folder, check=True, capture_output=True)
    subprocess.run(
        ["gcc", optimise, "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=4096", "-o", "pan", "pan.c"], cwd=folder, check=True
    )
    out = subprocess.run(["./pan", "-m100000"], cwd=folder, check=True, capture_output=True, text=True).stdout
    assert "max search depth too small" not in out
    found = re.search(r"errors: (\d+)", out)
    assert found, out
    return int(found.group(1)), int(re.search(r"(\d+) states, stored", out).group(1))


@pytest.mark.parametrize("model", WHOLE)
def test_protocol_holds(tmp_path, model):
    errors, states = explore(tmp_path, model, optimise="-O1")
    assert errors == 0
    assert states > 1000


@pytest.mark.parametrize("label,model", NOTICED_BY.items())
def test_protocol_fails_without(tmp_path, label, model):
    assert explore(tmp_path, model, f"-DNO_{label}")[0] > 0


def test_every_pair_of_the_page_is_tried():
    """All but registering, closing and attaching, whose pairs are plain publication, and R8 and R9: fences of R1 and R2."""
    told = {label for row in re.findall(r"^\| (P\d.*?) \|", PAGE, re.MULTILINE) for label in re.findall(r"[PR]\d+", row)}
    assert told - set(NOTICED_BY) == {"P10", "R10", "P11", "R11", "P12", "R8", "R9"}
