"""A C++20 loop over `f()->x` walks what has died already when f returns the last owner: it must be kept in a variable."""

import os
import re
from pathlib import Path

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))


def range_of(line: str) -> str:
    """What the loop that begins in this line walks over; "" when there is none."""
    begin = re.search(r"\bfor \(", line)
    if not begin:
        return ""
    depth, head = 1, ""
    for letter in line[begin.end() :]:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            break
        head += letter
    return head.partition(" : ")[2] if ";" not in head else ""


def test_no_loop_walks_what_a_temporary_owns():
    assert range_of("for (const Vm& vm : catalog.view()->vms) count(a()->b);") == "catalog.view()->vms"
    assert range_of("for (const Vm& vm : vms) count(a()->b);") == "vms"
    found = [
        f"{path.relative_to(SOURCE_DIR)}:{number}: {line.strip()}"
        for folder in ("agent", "libwriter", "tools", "tests", "bench")
        for path in sorted((SOURCE_DIR / folder).rglob("*"))
        if path.suffix in (".cpp", ".h", ".hpp")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if ")->" in range_of(line)
    ]
    assert found == []
