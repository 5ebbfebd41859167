"""docs/archive.md is complete: a decoder that knows nothing but its tables reads the golden archive file."""

import os
import re
import struct
from pathlib import Path

import pytest

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
GOLDEN = SOURCE_DIR / "tests/golden"

FORMATS = {"u8": "<B", "i8": "<b", "u16": "<H", "u32": "<I", "i32": "<i", "u64": "<Q"}
CAUSES = {1: "closed", 2: "killed", 3: "host-rebooted", 4: "unknown"}
KINDS = {1: "counter", 2: "counter_f64", 3: "gauge", 4: "level", 5: "histogram", 6: "info"}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def tables():
    """Every table of "The file", in order: a list of rows, each a dict by column title."""
    text = (SOURCE_DIR / "docs/archive.md").read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text[text.index("## The file") :], re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()]
        found.append([dict(zip(rows[0], row)) for row in rows[2:]])
    return found


(HEADER, FOOTER, VM, SCHEMA, TIER, METRIC, SERIES, ENTRY_HEAD, ENTRY_TIER, ENTRY_TAIL, CHUNK_HEAD, CHUNK_COLUMN, CHUNK_TAIL, COLUMNS) = tables()


def size_of(table):
    return int(table[-1]["offset"]) + int(table[-1]["size"])


def fixed(table, data):
    """A structure with offsets."""
    values = {}
    at = 0
    for row in table:
        assert int(row["offset"]) == at, f"a hole before {row['field']}"
        size = int(row["size"])
        raw = data[at : at + size]
        assert len(raw) == size, row["field"]
        if row["type"] == "bytes":
            values[row["field"]] = raw
        else:
            assert struct.calcsize(FORMATS[row["type"]]) == size, row["field"]
            values[row["field"]] = struct.unpack(FORMATS[row["type"]], raw)[0]
        if row["field"] == "reserved":
            assert not any(raw)
        at += size
    return values


class Fields:
    """Structures without offsets, one field after the other."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def one(self, kind):
        if kind == "text":
            return self.raw(self.one("u32"))
        if kind.startswith("bytes"):
            return self.raw(int(kind[5:]))
        return struct.unpack(FORMATS[kind], self.raw(struct.calcsize(FORMATS[kind])))[0]

    def raw(self, size):
        self.at += size
        assert self.at <= len(self.data)
        return self.data[self.at - size : self.at]

    def all(self, table):
        return {row["field"]: self.one(row["type"]) for row in table}

    def texts(self, count):
        return [self.one("text") for _ in range(count)]

    def finished(self):
        assert self.at == len(self.data)


def text(data):
    return data.hex() or "-"


def section(data, footer, name):
    begin = footer[name + "_offset"]
    part = data[begin : begin + footer[name + "_bytes"]]
    assert crc32c(part) == footer[name + "_crc"], name
    return Fields(part)


def decode_chunk(data, at, entry, tier):
    """Returns the chunk's length and its columns by name."""
    head = fixed(CHUNK_HEAD, data[at : at + size_of(CHUNK_HEAD)])
    assert head["magic"] == b"CHK0"
    assert (head["series_index"], head["tier"]) == (entry["series_index"], tier)
    records = []
    here = at + size_of(CHUNK_HEAD)
    for _ in range(head["column_count"]):
        records.append(fixed(CHUNK_COLUMN, data[here : here + size_of(CHUNK_COLUMN)]))
        here += size_of(CHUNK_COLUMN)
    tail = fixed(CHUNK_TAIL, data[here : here + size_of(CHUNK_TAIL)])
    assert tail["crc"] == crc32c(data[at:here])
    here += size_of(CHUNK_TAIL)
    columns = {}
    for record in records:
        row = COLUMNS[record["column"]]
        assert int(row["column"]) == record["column"]
        assert record["encoding"] == 0
        raw = data[here : here + record["bytes"]]
        assert crc32c(raw) == record["crc"]
        width = 1 if row["type"] == "u8" else 8
        # Floats by their bits, as the dump has them.
        columns[row["name"]] = list(struct.unpack(f"<{len(raw) // width}{'B' if width == 1 else 'Q'}", raw))
        stride = head["stride"] if row["name"] == "buckets" else 1
        assert len(columns[row["name"]]) == head["points"] * stride
        here += record["bytes"]
    assert columns["end_ns"][0] == head["first_end_ns"] and columns["end_ns"][-1] == head["last_end_ns"]
    return here - at, head["points"], columns


def decode(data):
    """The file as the lines of the golden dump."""
    header = fixed(HEADER, data)
    assert header["text"].startswith(b"RINGSIDE ARCHIVE") and header["format"] == 0
    assert header["header_bytes"] == size_of(HEADER)
    assert header["crc"] == crc32c(data[: int(HEADER[-1]["offset"])])
    end = data[-size_of(FOOTER) :]
    footer = fixed(FOOTER, end)
    assert footer["magic"] == b"RSAREND\n" and footer["file_bytes"] == len(data)
    assert footer["crc"] == crc32c(end[: int(FOOTER[-2]["offset"])])
    lines = []

    fields = section(data, footer, "vm")
    vm = fields.all(VM)
    fields.finished()
    assert vm["epoch"] == header["epoch"]
    vm["exit_cause"] = CAUSES[vm["exit_cause"]]
    vm["epoch"] = vm["epoch"].hex()
    lines.append("vm " + " ".join(text(v) if isinstance(v, bytes) else str(v) for v in vm.values()))

    fields = section(data, footer, "schema")
    schema = fields.all(SCHEMA)
    lines.append(
        f"schema {text(schema['name'])} {schema['version']} {schema['hash']} {schema['series_capacity']} "
        f"{schema['label_arena_bytes']}"
    )
    for _ in range(schema["tier_count"]):
        lines.append("tier " + " ".join(str(value) for value in fields.all(TIER).values()))
    for _ in range(fields.one("u32")):
        metric = fields.all(METRIC)
        assert metric.pop("reserved") == 0
        labels = fields.texts(metric.pop("label_count"))
        metric["kind"] = KINDS[metric["kind"]]
        words = [text(v) if isinstance(v, bytes) else str(v) for v in metric.values()]
        lines.append(" ".join(["metric"] + words + [text(label) for label in labels]))
    fields.finished()

    fields = section(data, footer, "series")
    entry_bytes = size_of(ENTRY_HEAD) + footer["tier_count"] * size_of(ENTRY_TIER) + size_of(ENTRY_TAIL)
    assert footer["directory_offset"] + footer["series_count"] * entry_bytes + size_of(FOOTER) == len(data)
    runs_at = size_of(HEADER)
    count = fields.one("u32")
    assert count == footer["series_count"]
    for position in range(count):
        series = fields.all(SERIES)
        labels = fields.texts(series.pop("label_count"))
        lines.append(" ".join(["series"] + [str(v) for v in series.values()] + [text(label) for label in labels]))
        at = footer["directory_offset"] + position * entry_bytes
        entry = fixed(ENTRY_HEAD, data[at:])
        assert (entry["series_index"], entry["metric"]) == (series["index"], series["metric"])
        assert fixed(ENTRY_TAIL, data[at + entry_bytes - size_of(ENTRY_TAIL) :])["crc"] == crc32c(
            data[at : at + entry_bytes - size_of(ENTRY_TAIL)]
        )
        for tier in range(footer["tier_count"]):
            run = fixed(ENTRY_TIER, data[at + size_of(ENTRY_HEAD) + tier * size_of(ENTRY_TIER) :])
            lines.append(f" tier {tier} " + ("corrupt" if run["state"] == 1 else str(run["points"])))
            if run["state"] != 2:
                assert run["offset"] == runs_at, "runs follow each other"
            columns, points = {}, 0
            while run["state"] != 2 and runs_at < run["offset"] + run["bytes"]:
                length, more, part = decode_chunk(data, runs_at, entry, tier)
                runs_at += length
                points += more
                for name, values in part.items():
                    columns.setdefault(name, []).extend(values)
            assert points == run["points"]
            for name, values in columns.items():
                lines.append(f"  {name} " + " ".join(f"{value:x}" for value in values))
    fields.finished()
    assert runs_at == footer["vm_offset"]
    return lines


def test_the_tables_decode_the_golden_file():
    data = (GOLDEN / "archive-v0.rsa").read_bytes()
    expected = (GOLDEN / "archive-v0.txt").read_text(encoding="ascii").splitlines()
    assert decode(data) == expected


@pytest.mark.parametrize("at", [5, 40, 70, 200, -60])
def test_the_decoder_notices_a_changed_byte(at):
    data = bytearray((GOLDEN / "archive-v0.rsa").read_bytes())
    data[at] ^= 0x40
    with pytest.raises(AssertionError):
        decode(bytes(data))
