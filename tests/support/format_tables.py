"""The tables of docs/format.md, for tests that hold something against them."""

import os
import re
from pathlib import Path

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
PAGE = (SOURCE_DIR / "docs/format.md").read_text(encoding="utf-8")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables() -> dict[str, tuple[int, list[list[str]]]]:
    """By structure: its size, and its rows of offset, size, type, field, meaning."""
    found = {}
    for name, size, body in re.findall(r"^### `(rside_\w+)`, (\d+) bytes\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL):
        rows = [cells(line) for line in body.splitlines() if re.match(r"\| *\d", line)]
        found[name] = (int(size), [row for row in rows if len(row) == 5])
    return found


def field_of(row: list[str]) -> str:
    return row[3].strip("`")
