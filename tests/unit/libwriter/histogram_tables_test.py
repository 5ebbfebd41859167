"""Whether the tables in the library are those that whole-number arithmetic gives."""

import os
import re
from pathlib import Path

import histogram_tables

SOURCE = Path(os.environ["RINGSIDE_SOURCE_DIR"]) / "libwriter/src/histogram_tables.cpp"


def numbers(name: str) -> list[int]:
    body = re.search(name + r"\[\d+\] = \{(.*?)\}", SOURCE.read_text(), re.DOTALL).group(1)
    return [int(number, 0) for number in re.findall(r"0x[0-9a-f]+|\d+", body.replace("UINT64_C", ""))]


def test_bounds_are_the_roots_rounded_to_nearest():
    assert numbers("rside_histogram_bounds") == histogram_tables.bounds()


def test_start_is_the_first_bound_of_each_step():
    assert numbers("rside_histogram_start") == histogram_tables.start(histogram_tables.bounds())


def test_at_most_two_bounds_fall_into_a_step():
    """The look-up compares twice and no more."""
    bounds = histogram_tables.bounds()
    start = histogram_tables.start(bounds) + [256]
    assert max(after - before for before, after in zip(start, start[1:])) <= 2


def test_roots_agree_with_the_definition():
    for i in (0, 1, 7, 64, 128, 255, 256):
        value = histogram_tables.bound(i) + (1 << 52)
        exact = 2 ** (i + 52 * 256)
        assert abs(2 * value - 1) ** 256 <= exact * 2**256 <= (2 * value + 1) ** 256
