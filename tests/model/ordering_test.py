"""The protocol between writer and readers, explored by Spin: it holds, and not without any one of its orders."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = (ROOT / "docs/ordering.md").read_text()

# Each model, and the orders without any one of which it fails. Without -DREADER it asks what a killed writer leaves.
# P7_FIRST is the P7 of a gauge's first window; those with BEFORE in their name are the orders of rside_before_.
NEEDED = {
    "gauge": "P1 P2 P3 P4 P5 P7 P7_FIRST P8 P9",
    "gauge -DREADER": "P1 P2 P3 P7 P7_FIRST P9 R1 R2 R3 R7 R8 R9",
    "gauge -DREADER -DSTUCK": "P4 P5 R4 R5",
    "level": "P7 P8 P9 SUM_BEFORE_SINCE SINCE_BEFORE_LAST LAST_BEFORE_MAX REBASED_BEFORE_SINCE SINCE_BEFORE_ORIGIN",
    "level -DREADER": "P1 P2 R1 R2",
    "histogram": "P1 P2 PENDING_BEFORE_BUCKET",
    "histogram -DREADER": "P1 P2 R1 R2",
    "counter": "P3 P4 P5 P6 P7",
    "counter -DREADER": "P3 P7 R6 R7",
}
# What the page says of orders that one kind of reader can do without.
NOT_NEEDED = {"gauge -DREADER": "P8", "level": "P1 P2", "counter -DREADER": "P6"}


def pairs(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(model, order) for model, orders in table.items() for order in orders.split()]


def explore(folder: Path, model: str, *options: str) -> tuple[int, int]:
    """Errors found (it stops at the first) and states seen. Compiling takes longer than exploring: not optimised."""
    name, *more = model.split()
    for file in HERE.glob("*.pml"):
        shutil.copy(file, folder)
    subprocess.run(["spin", "-a", *more, *options, f"{name}.pml"], cwd=folder, check=True, capture_output=True)
    subprocess.run(
        ["gcc", "-O0", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=4096", "-o", "pan", "pan.c"], cwd=folder, check=True
    )
    out = subprocess.run(["./pan", "-m100000", "-w20"], cwd=folder, check=True, capture_output=True, text=True).stdout
    assert "max search depth too small" not in out
    found = re.search(r"errors: (\d+)", out)
    assert found, out
    assert found.group(1) == "0" or "assertion violated" in out, out
    return int(found.group(1)), int(re.search(r"(\d+) states, stored", out).group(1))


@pytest.mark.parametrize("model", NEEDED)
def test_protocol_holds(tmp_path, model):
    errors, states = explore(tmp_path, model)
    assert errors == 0
    assert states > 300


@pytest.mark.parametrize(("model", "order"), pairs(NEEDED))
def test_protocol_fails_without(tmp_path, model, order):
    assert explore(tmp_path, model, f"-DNO_{order}")[0] > 0


@pytest.mark.parametrize(("model", "order"), pairs(NOT_NEEDED))
def test_protocol_holds_even_without(tmp_path, model, order):
    with_it = explore(tmp_path, model)
    without = explore(tmp_path, model, f"-DNO_{order}")
    assert without[0] == 0
    assert without[1] > with_it[1]  # the order was really left out


@pytest.mark.parametrize("model", sorted({model.split()[0] for model in NEEDED}))
def test_every_order_of_a_model_is_tried(model):
    in_model = set(re.findall(r"\bNO_(\w+)", re.sub(r"/\*.*?\*/", "", (HERE / f"{model}.pml").read_text(), flags=re.DOTALL)))
    assert in_model == {order for tried, order in pairs(NEEDED) if tried.split()[0] == model}


def test_every_pair_of_the_page_is_tried():
    """All but registering, closing and attaching, whose pairs are plain publication."""
    told = {label for row in re.findall(r"^\| (P\d.*?) \|", PAGE, re.MULTILINE) for label in re.findall(r"[PR]\d+", row)}
    assert told - {order for _, order in pairs(NEEDED)} == {"P10", "R10", "P11", "R11", "P12"}


def test_every_order_for_the_dead_is_tried():
    sources = [*(ROOT / "libwriter/include").rglob("*.h"), *(ROOT / "libwriter/src").glob("*.cpp")]
    made = sum(len(re.findall(r"\brside_before_\(\);", source.read_text())) for source in sources)
    tried = [order for _, order in pairs(NEEDED) if "_BEFORE_" in order]
    assert made == len(tried) == len(set(tried))
