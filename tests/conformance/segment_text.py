"""Every byte of a segment as text, in the words of docs/format.md: two segments with the same text have the same bytes, but
for the fields that MASKED names.

A segment is cut into fields without gap or overlap. A field whose bytes are all 0 is left out, and so is a line without
fields; all else is written such that the bytes can be told from it. The names and offsets inside structures come from the
tables of docs/format.md, and where the parts lie from its sums, so no header of the project is believed here.
"""

import struct
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from format_tables import field_of, tables  # noqa: E402

PAGE_BYTES = 4096
COUNTER, COUNTER_F64, GAUGE, LEVEL, HISTOGRAM, INFO = range(1, 7)
VIEWS = {COUNTER: "u.counter.", COUNTER_F64: "u.counter.", GAUGE: "u.gauge.", LEVEL: "u.level.", HISTOGRAM: "u.histogram.",
         INFO: "u.level."}  # fmt: skip
# Bit, name and type of the columns that a slot keeps in two words each, in the order of the slot.
COLUMNS = ((1, "count", "u64"), (2, "sum", "f64"), (4, "min", "f64"), (8, "max", "f64"), (16, "last", "f64"), (32, "value", "u64"))
KEPT_BUCKETS = 64
KEPT = {COUNTER: 32, COUNTER_F64: 32, GAUGE: 31, LEVEL: 31, HISTOGRAM: 1 | 2 | KEPT_BUCKETS, INFO: 0}

# What no two segments share, however they were written, and why.
MASKED = {
    "epoch": "random; the header's text has it too",
    "boot_id": "of the host",
    "created_ns": "of the clock, when the segment was provisioned",
    "created_boottime_ns": "likewise",
    "checksum": "covers the four above",
    "attached_ns": "of the clock, when the driver attached: tick mode has no time yet",
}

TABLES = tables()
FORMATS = {"u8": "B", "i8": "b", "u32": "I", "i32": "i", "u64": "Q", "f64": "d"}


class Field(NamedTuple):
    offset: int
    size: int
    line: str  # fields of one line stand together
    name: str
    kind: str  # as in the tables, or "buckets" for an array of which few elements are set


def up(at: int, unit: int) -> int:
    return -(-at // unit) * unit


def masked(data: bytes) -> bytes:
    """A copy with zeros where two segments may differ."""
    out = bytearray(data)
    rows = {field_of(row): row for row in TABLES["rside_header"][1]}
    epoch = rows["epoch"]
    digits = data[int(epoch[0]) : int(epoch[0]) + int(epoch[1])].hex().encode()
    at = data.index(digits, 0, int(rows["text"][1]))
    out[at : at + len(digits)] = b"0" * len(digits)
    for name in MASKED:
        begin, size = int(rows[name][0]), int(rows[name][1])
        out[begin : begin + size] = bytes(size)
    return bytes(out)


class Layout:
    """Cuts one segment into fields, by what its schema block says."""

    def __init__(self, data: bytes):
        self.data = data
        self.tiers: list[dict] = []
        self.metrics: list[dict] = []
        at = PAGE_BYTES
        self.schema = self.values("rside_schema_block", at)
        at += TABLES["rside_schema_block"][0]
        for records, count, name in ((self.tiers, self.schema["tier_count"], "rside_tier_record"),
                                     (self.metrics, self.schema["metric_count"], "rside_metric_record")):  # fmt: skip
            for _ in range(count):
                records.append(self.values(name, at))
                at += TABLES[name][0]
        for metric in self.metrics:
            begin = at + metric["name"]
            metric["text"] = data[begin : data.index(b"\0", begin)].decode()
        self.strings_at = at
        # Metric and number in it, for each entry of the directory.
        self.series = [(metric, i) for metric in self.metrics for i in range(metric["max_series"])]

    def values(self, structure: str, at: int) -> dict:
        """The fields that are single numbers."""
        rows = [row for row in TABLES[structure][1] if row[2] in FORMATS]
        return {field_of(row): struct.unpack_from("<" + FORMATS[row[2]], self.data, at + int(row[0]))[0] for row in rows}

    def structure(self, name: str, at: int, line: str) -> Iterator[Field]:
        for row in TABLES[name][1]:
            yield Field(at + int(row[0]), int(row[1]), line, field_of(row), row[2])

    def padding(self, at: int, unit: int) -> Iterator[Field]:
        if at % unit:
            yield Field(at, up(at, unit) - at, "padding", f"at_{at}", f"u8[{up(at, unit) - at}]")

    def fields(self) -> Iterator[Field]:
        """All of the segment, in the order of the file."""
        at = 0
        for part in (self.header, self.schema_block, self.directory, self.cells, self.accumulators, self.hot_buckets, self.rings):
            for field in part(at):
                yield field
                at = field.offset + field.size
        yield Field(at, len(self.data) - at, "padding", "at_the_end", f"u8[{len(self.data) - at}]")

    def header(self, at: int) -> Iterator[Field]:
        for field in self.structure("rside_header", at, ""):
            yield field._replace(line=f"header {field.name}", name="")

    def schema_block(self, at: int) -> Iterator[Field]:
        records = [("rside_schema_block", "schema")]
        records += [("rside_tier_record", f"tier {i}") for i in range(len(self.tiers))]
        records += [("rside_metric_record", f"metric {i}") for i in range(len(self.metrics))]
        for structure, line in records:
            yield from self.structure(structure, at, line)
            at += TABLES[structure][0]
        size = self.schema["strings_bytes"]
        yield Field(at, size, "strings", "", f"char[{size}]")
        yield from self.padding(at + size, 64)

    def title(self, entry: int) -> str:
        metric, i = self.series[entry]
        return metric["text"] + (f" #{i}" if metric["max_series"] > 1 else "")

    def directory(self, at: int) -> Iterator[Field]:
        for entry in range(len(self.series)):
            yield from self.structure("rside_series_record", at, f"entry {entry} {self.title(entry)}")
            at += TABLES["rside_series_record"][0]
        size = self.schema["label_arena_bytes"]
        yield Field(at, size, "labels", "", f"char[{size}]")
        yield from self.padding(at + size, 64)

    def cells(self, at: int) -> Iterator[Field]:
        for entry, (metric, _) in enumerate(self.series):
            view, end, line = VIEWS[metric["kind"]], at, f"cell {entry} {self.title(entry)}"
            for row in TABLES["rside_cell"][1]:
                name = field_of(row)
                if name.startswith("u.") and not name.startswith(view):
                    continue
                kind = "f64" if metric["kind"] == COUNTER_F64 and name.startswith("u.") else row[2]
                yield Field(at + int(row[0]), int(row[1]), line, name.removeprefix(view), kind)
                end = at + int(row[0]) + int(row[1])
            at += TABLES["rside_cell"][0]
            if end < at:
                yield Field(end, at - end, line, "unused", f"u8[{at - end}]")

    def accumulators(self, at: int) -> Iterator[Field]:
        for entry, (metric, _) in enumerate(self.series):
            if metric["kind"] not in (GAUGE, LEVEL):
                continue
            title = self.title(entry)
            yield from self.structure("rside_origin", at, f"origin {title}")
            at += TABLES["rside_origin"][0]
            for bank in range(2):
                for tier in self.tiers[1:]:
                    yield from self.structure("rside_accumulator", at, f"bank {bank} {tier['resolution_s']}s {title}")
                    at += TABLES["rside_accumulator"][0]
            yield from self.padding(at, 64)
            at = up(at, 64)

    def hot_buckets(self, at: int) -> Iterator[Field]:
        for entry, (metric, _) in enumerate(self.series):
            if metric["kind"] != HISTOGRAM:
                continue
            size = 8 * (1 + metric["bucket_count"])
            yield Field(at, size, f"hot buckets {self.title(entry)}", "", "buckets u64")
            yield from self.padding(at + size, 64)
            at = up(at + size, 64)

    def rings(self, at: int) -> Iterator[Field]:
        for tier in self.tiers:
            for entry, (metric, _) in enumerate(self.series):
                kept = tier["columns"] & KEPT[metric["kind"]]
                if not kept:
                    continue
                for slot in range(tier["slots"]):
                    line = f"slot {tier['resolution_s']}s {self.title(entry)} {slot}"
                    for field in self.slot(at, kept, metric, line):
                        yield field
                        at = field.offset + field.size
                yield from self.padding(at, 64)
                at = up(at, 64)

    def slot(self, at: int, kept: int, metric: dict, line: str) -> Iterator[Field]:
        yield Field(at, 4, line, "window", "u32")
        at += 4
        for bit, name, kind in COLUMNS:
            if kept & bit:
                yield Field(at, 8, line, name, "f64" if metric["kind"] == COUNTER_F64 else kind)
                at += 8
        if kept & KEPT_BUCKETS:
            yield Field(at, 4 * (1 + metric["bucket_count"]), line, "buckets", "buckets u32")


def number(kind: str, raw: bytes) -> str:
    (value,) = struct.unpack("<" + FORMATS[kind], raw)
    if value != value:
        return f"nan({raw[::-1].hex()})"
    return repr(value)  # the shortest text that names this double and no other


def text_of(kind: str, raw: bytes) -> str:
    if kind in FORMATS:
        return number(kind, raw)
    if kind.startswith("buckets "):
        element = kind.removeprefix("buckets ")
        step = struct.calcsize("<" + FORMATS[element])
        filled = ((i // step, raw[i : i + step]) for i in range(0, len(raw), step) if any(raw[i : i + step]))
        return "{" + " ".join(f"{i}:{number(element, one)}" for i, one in filled) + "}"
    element = kind.partition("[")[0]
    if element == "char":
        return repr(raw.rstrip(b"\0").decode(errors="surrogateescape"))
    if element == "u8":
        return raw.hex()
    step = struct.calcsize("<" + FORMATS[element])
    return "[" + " ".join(number(element, raw[i : i + step]) for i in range(0, len(raw), step)) + "]"


def render(data: bytes) -> str:
    """`data` after masked(), a line for each structure that is not all zero."""
    lines: dict[str, list[str]] = {}
    for field in Layout(data).fields():
        raw = data[field.offset : field.offset + field.size]
        if any(raw):
            lines.setdefault(field.line, []).append((field.name and field.name + "=") + text_of(field.kind, raw))
    return "".join(f"{line}: {' '.join(fields)}\n" for line, fields in lines.items())
