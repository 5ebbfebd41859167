"""docs/archive.md is complete: a decoder that knows nothing but its tables reads the golden archive file."""

import os
import re
import struct
import subprocess
from pathlib import Path

import pytest

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
GOLDEN = SOURCE_DIR / "tests/golden"

FORMATS = {"u8": "<B", "i8": "<b", "u16": "<H", "u32": "<I", "i32": "<i", "u64": "<Q"}
CAUSES = {1: "closed", 2: "killed", 3: "host-rebooted", 4: "unknown", 5: "oom", 6: "exited"}
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


(
    HEADER,
    FOOTER,
    VM,
    PACKED,
    SCHEMA,
    TIER,
    METRIC,
    SERIES,
    PAGE_ENTRY,
    SERIES_ENTRY,
    RUN_ENTRY,
    BLOCK_ENTRY,
    COLUMNS,
    COLUMN_HEAD,
    BLOCK_NAME,
    ENCODINGS,
    LIST_HEAD,
    ORDERS,
    CODES,
) = tables()

SEEN = set()  # what of the format the decoder met
WORD = (1 << 64) - 1
GROUP = 32


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


def unzigzag(value):
    return value // 2 if value % 2 == 0 else -(value + 1) // 2


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
        if kind == "varint":
            value = shift = 0
            while True:
                byte = self.one("u8")
                value |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    assert value <= WORD
                    return value
        if kind == "zigzag":
            return unzigzag(self.one("varint"))
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


def unpacked(fields):
    """The fields of a section that may be compressed."""
    head = fixed(PACKED, fields.raw(size_of(PACKED)))
    body = fields.raw(len(fields.data) - fields.at)
    SEEN.add(("packing", head["packing"]))
    if head["packing"] == 1:
        body = subprocess.run(["zstd", "-dc"], input=body, stdout=subprocess.PIPE, check=True).stdout
    else:
        assert head["packing"] == 0
    assert len(body) == head["plain_bytes"]
    return Fields(body)


class Bits:
    def __init__(self, data):
        self.text = "".join(f"{byte:08b}"[::-1] for byte in data)
        self.at = 0

    def number(self, count):
        self.at += count
        assert self.at <= len(self.text)
        return int("0" + self.text[self.at - count : self.at][::-1], 2)

    def unary(self):
        zero = self.text.index("0", self.at)
        count, self.at = zero - self.at, zero + 1
        return count

    def gamma(self):
        length = self.unary()
        return 0 if length == 0 else 1 << (length - 1) | self.number(length - 1)

    def finished(self):
        assert len(self.text) - self.at < 8 and "1" not in self.text[self.at :]


def decode_residuals(data, count):
    bits = Bits(data)
    residuals = []
    while len(residuals) < count:
        group = min(GROUP, count - len(residuals))
        code = bits.number(7)
        SEEN.add(("code", "0" if code == 0 else "1" if code <= 64 else "65"))
        if code == 0:
            groups = bits.gamma()
            assert groups >= 1
            residuals += [0] * min(count - len(residuals), groups * GROUP)
        elif code <= 64:
            residuals += [bits.unary() << (code - 1) | bits.number(code - 1) for _ in range(group)]
        else:
            residuals += [bits.gamma() << (code - 65) | bits.number(code - 65) for _ in range(group)]
    bits.finished()
    return residuals


def decode_list(data, count):
    fields = Fields(data)
    head = fields.one("u8")
    order = head & 3
    SEEN.add(("order", order))
    SEEN.update(("head", bit) for bit in (4, 8, 16) if head & bit)
    base = fields.one("zigzag")
    scale = fields.one("varint") if head & 4 else 1
    ys = ([], [0], [0, fields.one("zigzag")] if order == 2 else None)[order][:count]
    missing = count - len(ys)
    if head & 8:
        residuals = [0] * missing
    else:
        residuals = decode_residuals(fields.raw(len(data) - fields.at), missing)
        if not head & 16:
            residuals = [unzigzag(value) for value in residuals]
    fields.finished()
    for residual in residuals:
        if order == 0:
            ys.append(residual)
        elif order == 1:
            ys.append(ys[-1] + residual)
        else:
            ys.append(ys[-1] + (ys[-1] - ys[-2]) + residual)
    return [(base + scale * y) & WORD for y in ys]


def two_lists(fields, first_count, second_count):
    first = decode_list(fields.raw(fields.one("varint")), first_count)
    rest = fields.raw(len(fields.data) - fields.at)
    return first, decode_list(rest, second_count) if second_count else []


def signed(word):
    return word - (1 << 64) if word >> 63 else word


def decode_column(encoding, data, points, stride, block, resolution_ns):
    name = {int(row["encoding"]): row["name"] for row in ENCODINGS}[encoding]
    count = points * stride
    SEEN.add(("encoding", name))
    fields = Fields(data)
    if name == "plain":
        return list(struct.unpack(f"<{count}Q", data))
    if name == "integers":
        return decode_list(data, count)
    if name == "same":
        assert len(data) == 1
        return block["columns"][COLUMNS[data[0]]["name"]]
    if name == "decimals":
        digits = fields.one("u8")
        integers, rests = two_lists(fields, count, count)
        floats = [struct.unpack("<Q", struct.pack("<d", float(signed(n)) / 10**digits))[0] for n in integers]
        return [(bits + rest) & WORD for bits, rest in zip(floats, rests)]
    if name == "times":
        windows, early = two_lists(fields, count, count)
        return [((block["first_window"] + w) * resolution_ns - e) & WORD for w, e in zip(windows, early)]
    assert name == "buckets"
    values, steps = two_lists(fields, stride, stride * (points - 1))
    for point in range(1, points):
        for bucket in range(stride):
            step = steps[bucket * (points - 1) + point - 1]
            values.append((values[(point - 1) * stride + bucket] + step) & WORD)
    return values


def decode_block(data, series, tier, block, resolution_ns):
    """Puts the columns of a block into it, by name."""
    name = struct.pack("<IIIQ", series, tier, block["points"], block["first_window"])
    assert len(name) == size_of(BLOCK_NAME)
    assert struct.unpack("<I", data[-4:])[0] == crc32c(name + data[:-4])
    fields = Fields(data[:-4])
    there = fields.one("varint")
    rows = [row for row in COLUMNS if there >> int(row["column"]) & 1]
    stride = fields.one("varint") if rows[-1]["name"] == "buckets" else 0
    heads = [fields.all(COLUMN_HEAD) for _ in rows]
    block["columns"] = {}
    for row, head in zip(rows, heads):
        assert (row["name"] == "end_ns") == (ENCODINGS[head["encoding"]]["name"] == "times")
        here = stride if row["name"] == "buckets" else 1
        values = decode_column(head["encoding"], fields.raw(head["bytes"]), block["points"], here, block, resolution_ns)
        block["columns"][row["name"]] = values
    fields.finished()
    ends = block["columns"]["end_ns"]
    assert [-(-ends[i] // resolution_ns) for i in (0, -1)] == [block["first_window"], block["last_window"]]


def decode_directory(data, footer):
    """Of each series its index and its tiers: a state and blocks with their offsets."""
    at = footer["directory_offset"]
    next_block = size_of(HEADER)
    entries = []
    for i in range(footer["page_count"]):
        raw = data[footer["index_offset"] + i * size_of(PAGE_ENTRY) :][: size_of(PAGE_ENTRY)]
        page = fixed(PAGE_ENTRY, raw)
        assert page["crc"] == crc32c(raw[:-4]) and page["offset"] == at
        fields = Fields(data[at : at + page["bytes"]])
        assert crc32c(fields.data) == page["page_crc"]
        assert fields.one("varint") == next_block
        index = page["first_series"]
        last_window = [0] * footer["tier_count"]
        while fields.at < len(fields.data):
            index += fields.all(SERIES_ENTRY)["step"]
            tiers = []
            for tier in range(footer["tier_count"]):
                blocks, state = divmod(fields.all(RUN_ENTRY)["run"], 4)
                SEEN.add(("state", state))
                tiers.append((state, [fields.all(BLOCK_ENTRY) for _ in range(blocks)]))
                for block in tiers[-1][1]:
                    block["first_window"] += last_window[tier]
                    block["last_window"] += block["first_window"]
                    last_window[tier] = block["last_window"]
                    block["offset"] = next_block
                    next_block += block["bytes"]
            entries.append((index, tiers))
        at += page["bytes"]
    assert at == footer["index_offset"] and next_block == footer["vm_offset"]
    assert footer["index_offset"] + footer["page_count"] * size_of(PAGE_ENTRY) + size_of(FOOTER) == len(data)
    return entries


def decode(data):
    """The file as the lines of the golden dump."""
    header = fixed(HEADER, data)
    assert header["text"].startswith(b"RINGSIDE ARCHIVE") and header["format"] == 1
    assert header["header_bytes"] == size_of(HEADER)
    assert header["crc"] == crc32c(data[: int(HEADER[-1]["offset"])])
    end = data[-size_of(FOOTER) :]
    footer = fixed(FOOTER, end)
    assert footer["magic"] == b"RSAREND\n" and footer["file_bytes"] == len(data)
    assert footer["crc"] == crc32c(end[: int(FOOTER[-2]["offset"])])
    lines = []

    fields = section(data, footer, "vm")
    vm = fields.all(VM[:-1])
    assert VM[-1]["field"] == "exit_signal"  # left out where it is not known
    fields.finished()
    assert vm["epoch"] == header["epoch"]
    vm["exit_cause"] = CAUSES[vm["exit_cause"]]
    vm["epoch"] = vm["epoch"].hex()
    lines.append("vm " + " ".join(text(v) if isinstance(v, bytes) else str(v) for v in vm.values()))

    fields = unpacked(section(data, footer, "schema"))
    schema = fields.all(SCHEMA)
    lines.append(
        f"schema {text(schema['name'])} {schema['version']} {schema['hash']} {schema['series_capacity']} "
        f"{schema['label_arena_bytes']}"
    )
    tiers = [fields.all(TIER) for _ in range(schema["tier_count"])]
    for tier in tiers:
        lines.append("tier " + " ".join(str(value) for value in tier.values()))
    for _ in range(fields.one("u32")):
        metric = fields.all(METRIC)
        assert metric.pop("reserved") == 0
        labels = fields.texts(metric.pop("label_count"))
        metric["kind"] = KINDS[metric["kind"]]
        words = [text(v) if isinstance(v, bytes) else str(v) for v in metric.values()]
        lines.append(" ".join(["metric"] + words + [text(label) for label in labels]))
    fields.finished()

    fields = unpacked(section(data, footer, "series"))
    directory = decode_directory(data, footer)
    assert fields.one("u32") == footer["series_count"] == len(directory)
    for index, runs in directory:
        series = fields.all(SERIES)
        assert series["index"] == index
        labels = fields.texts(series.pop("label_count"))
        lines.append(" ".join(["series"] + [str(v) for v in series.values()] + [text(label) for label in labels]))
        for tier, (state, blocks) in enumerate(runs):
            columns = {}
            for block in blocks:
                raw = data[block["offset"] : block["offset"] + block["bytes"]]
                decode_block(raw, index, tier, block, tiers[tier]["resolution_s"] * 10**9)
                for name, values in block["columns"].items():
                    columns.setdefault(name, []).extend(values)
            points = sum(block["points"] for block in blocks)
            lines.append(f" tier {tier} " + ("corrupt" if state == 1 else str(points)))
            for name, values in columns.items():
                lines.append(f"  {name} " + " ".join(f"{value:x}" for value in values))
    fields.finished()
    return lines


def test_the_tables_decode_the_golden_file():
    data = (GOLDEN / "archive-v1.rsa").read_bytes()
    expected = (GOLDEN / "archive-v1.txt").read_text(encoding="ascii").splitlines()
    SEEN.clear()
    assert decode(data) == expected
    # The file has everything that the tables have.
    assert SEEN == (
        {("encoding", row["name"]) for row in ENCODINGS}
        | {("order", int(row["order"])) for row in ORDERS}
        | {("code", row["code"].split()[0]) for row in CODES}
        | {("head", bit) for bit in (4, 8, 16)}
        | {("packing", 1), ("state", 0), ("state", 1), ("state", 2)}
    )


@pytest.mark.parametrize("at", [5, 40, 70, 200, -60])
def test_the_decoder_notices_a_changed_byte(at):
    data = bytearray((GOLDEN / "archive-v1.rsa").read_bytes())
    data[at] ^= 0x40
    with pytest.raises(AssertionError):
        decode(bytes(data))
