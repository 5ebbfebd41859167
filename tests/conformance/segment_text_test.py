"""The text of a segment leaves nothing out."""

import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from conformance_test import DRIVERS, HERE, perform  # noqa: E402
from segment_text import MASKED, Layout, masked, text_of  # noqa: E402


@pytest.fixture(scope="module", params=["one_tier", "lean_columns", "turns"])
def segment(request):
    with tempfile.TemporaryDirectory(prefix="ringside-test-", dir="/dev/shm") as directory:
        yield perform(next(iter(DRIVERS)), HERE / f"operations/{request.param}.txt", Path(directory)).read_bytes()


def test_fields_cover_each_byte_once(segment):
    at = 0
    for field in Layout(segment).fields():
        assert field.offset == at and field.size >= 0, field
        at += field.size
    assert at == len(segment)


def test_parts_lie_where_the_header_says(segment):
    layout = Layout(segment)
    begins = {}
    for field in layout.fields():
        begins.setdefault(field.line.split()[0], field.offset)
    header = layout.values("rside_header", 0)
    assert (begins["entry"], begins["labels"], begins["cell"]) == tuple(
        header[name] for name in ("directory_offset", "arena_offset", "cells_offset")
    )
    assert (begins["origin"], begins["hot"], begins["slot"]) == tuple(
        header[name] for name in ("accumulators_offset", "hot_buckets_offset", "rings_offset")
    )


def test_a_change_of_any_byte_changes_the_text(segment):
    for field in Layout(segment).fields():
        raw = segment[field.offset : field.offset + field.size]
        shown = text_of(field.kind, raw) if any(raw) else ""
        for i in range(field.size):
            for bit in (0x01, 0x80):
                other = bytearray(raw)
                other[i] ^= bit
                assert (text_of(field.kind, bytes(other)) if any(other) else "") != shown, (field, i)


def test_lines_do_not_share_a_name(segment):
    """Two fields of the same line and name could stand for each other."""
    seen = set()
    for field in Layout(segment).fields():
        assert (field.line, field.name) not in seen, field
        seen.add((field.line, field.name))


def test_masks_hide_what_they_name_and_nothing_else(segment):
    changed = {at for at, (a, b) in enumerate(zip(segment, masked(segment))) if a != b}
    header = {field.line.removeprefix("header "): field for field in Layout(segment).header(0)}
    allowed = set()
    for name in [*MASKED, "text"]:
        allowed |= set(range(header[name].offset, header[name].offset + header[name].size))
    assert changed <= allowed
    epoch_line = segment[:512].index(b"epoch: ") + len("epoch: ")
    assert {at for at in changed if at < 512} <= set(range(epoch_line, epoch_line + 32))
