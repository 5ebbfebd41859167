"""The tables of docs/format.md against format.h: each row is one static assert, and no field is missing."""

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from format_tables import PAGE, field_of, tables  # noqa: E402

SOURCE = Path(os.environ["RINGSIDE_SOURCE_DIR"])
INCLUDE = SOURCE / "libwriter/include"
HEADER = (INCLUDE / "ringside/format.h").read_text()

TYPES = {"u8": "uint8_t", "i8": "int8_t", "u32": "uint32_t", "i32": "int32_t", "u64": "uint64_t", "f64": "double", "char": "char"}


def c_type(written: str) -> str:
    base, _, length = written.partition("[")
    return TYPES[base] + (f"[{length}" if length else "")


def compiles(assertions: list[str]) -> str:
    """What gcc says to a file with these lines."""
    source = "#include <ringside/ringside.h>\n" + "\n".join(assertions) + "\n"
    command = ["gcc", "-std=gnu11", "-fsyntax-only", f"-I{INCLUDE}", "-x", "c", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True).stderr


def asserting(condition: str, what: str) -> str:
    return f'_Static_assert({condition}, "{what}");'


def test_tables_are_found():
    assert set(tables()) == {
        "rside_header",
        "rside_schema_block",
        "rside_tier_record",
        "rside_metric_record",
        "rside_series_record",
        "rside_cell",
        "rside_origin",
        "rside_accumulator",
    }


def test_each_row_is_what_the_compiler_lays_out():
    lines = []
    for name, (size, rows) in tables().items():
        lines.append(asserting(f"sizeof({name}) == {size}", name))
        for row in rows:
            field, what = field_of(row), f"{name}.{field_of(row)}"
            lines.append(asserting(f"offsetof({name}, {field}) == {row[0]}", f"offset of {what}"))
            lines.append(asserting(f"sizeof((({name} *)0)->{field}) == {row[1]}", f"size of {what}"))
            same = f"__builtin_types_compatible_p(__typeof__((({name} *)0)->{field}), {c_type(row[2])})"
            lines.append(asserting(same, f"type of {what}"))
    assert len(lines) > 280
    assert compiles(lines) == ""


def test_a_wrong_row_would_be_noticed():
    assert "offset of magic" in compiles([asserting("offsetof(rside_header, magic) == 513", "offset of magic")])


def test_no_field_is_missing():
    """format.h pins each field with a static assert on its offset."""
    pinned = set(re.findall(r"^RSIDE_PIN\((rside_\w+), ([\w.]+),", HEADER, re.MULTILINE))
    written = {(name, field_of(row)) for name, (_, rows) in tables().items() for row in rows}
    assert written == pinned


def test_rows_leave_no_gap():
    for name, (size, rows) in tables().items():
        end = 0
        for row in rows:
            if name == "rside_cell" and row[0] == "16":
                end = 16  # each kind has its own view of the rest
            assert int(row[0]) == end, f"{name}.{field_of(row)}"
            end += int(row[1])
        if name != "rside_cell":
            assert end == size, name


def named_numbers(pattern: str) -> list[tuple[str, str]]:
    return re.findall(pattern, PAGE, re.MULTILINE)


def test_limits_kinds_columns_and_flags_have_their_numbers():
    limits = named_numbers(r"^\| `(RSIDE_MAX_\w+)` \| (\d+) \|")
    others = [(name, number) for number, name in named_numbers(r"^\| (\d+) \| `(RSIDE_\w+)` \|")]
    assert len(limits) == 14 and len(others) == 6 + 7 + 3
    assert compiles([asserting(f"{name} == {number}", name) for name, number in limits + others]) == ""
    in_header = set(re.findall(r"^#define (RSIDE_MAX_\w+)", HEADER, re.MULTILINE))
    assert {name for name, _ in limits} == in_header
    kinds = set(re.findall(r"^    (RSIDE_\w+) = \d+,? +/\*", HEADER, re.MULTILINE)) - {
        name for name in re.findall(r"RSIDE_STATE_\w+", HEADER)
    }
    columns = set(re.findall(r"^#define (RSIDE_COLUMN_\w+) \d", HEADER, re.MULTILINE))
    flags = set(re.findall(r"^#define (RSIDE_OPEN_(?:BANK|STALE|TURNING))", HEADER, re.MULTILINE))
    assert {name for name, _ in others} == kinds | columns | flags


def test_invariants_are_those_of_the_header():
    assert re.findall(r"^- \*\*(F\d)\*\*", PAGE, re.MULTILINE) == re.findall(r"^ \*  (F\d)  ", HEADER, re.MULTILINE)


EXAMPLE = """
#include <ringside/ringside.h>
#include <stdio.h>
int main(void) {
    struct { rside_schema_block head; rside_tier_record tiers[2]; rside_metric_record metrics[3]; } block = {
        .head = {.tier_count = 2, .metric_count = 3, .label_arena_bytes = 256, .strings_bytes = 64},
        .tiers = {{1, 300, RSIDE_COLUMNS_ALL, 0}, {10, 360, RSIDE_COLUMNS_ALL, 0}},
        .metrics = {{.kind = RSIDE_COUNTER, .max_series = 4, .label_count = 1},
                    {.kind = RSIDE_GAUGE, .max_series = 1},
                    {.kind = RSIDE_HISTOGRAM, .max_series = 1, .bucket_first = 1, .bucket_count = 8}}};
    rside_geometry at;
    if (rside_geometry_compute(&block.head, block.tiers, block.metrics, &at, 0)) return 1;
    printf("schema_bytes %lu\\n", at.schema_bytes);
    printf("directory_offset %lu\\narena_offset %lu\\n", at.directory_offset, at.arena_offset);
    printf("cells_offset %lu\\naccumulators_offset %lu\\n", at.cells_offset, at.accumulators_offset);
    printf("hot_buckets_offset %lu\\nrings_offset %lu\\n", at.hot_buckets_offset, at.rings_offset);
    printf("segment_bytes %lu\\n", at.segment_bytes);
    return 0;
}
"""


def test_the_example_adds_up(tmp_path):
    strings = sum(len(text) + 1 for text in ("requests_total", "", "", "device", "delay_seconds", "", "", "size_bytes", "", ""))
    source = tmp_path / "example.c"
    source.write_text(EXAMPLE.replace("strings_bytes = 64", f"strings_bytes = {(strings + 7) // 8 * 8}"))
    program = tmp_path / "example"
    subprocess.run(["gcc", "-std=gnu11", "-w", f"-I{INCLUDE}", str(source), "-o", str(program)], check=True)
    told = dict(line.split() for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines())
    written = dict(named_numbers(r"^\| `(\w+)` \| (\d+) \|$"))
    assert written == told
