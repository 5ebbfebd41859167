"""The labels of docs/ordering.md against those in the code: every order is made somewhere, and told."""

import os
import re
from pathlib import Path

import pytest

SOURCE = Path(os.environ["RINGSIDE_SOURCE_DIR"])
PAGE = (SOURCE / "docs/ordering.md").read_text()


def labels_of(file: Path, letter: str) -> set[str]:
    comments = re.findall(r"//[^\n]*|/\*.*?\*/", file.read_text(), flags=re.DOTALL)
    return {label for comment in comments for label in re.findall(rf"\b{letter}\d+\b", comment)}


def labels_in(folder: str, letter: str) -> set[str]:
    files = [file for file in (SOURCE / folder).rglob("*") if file.suffix in (".h", ".hpp", ".cpp")]
    return {label for file in files for label in labels_of(file, letter)}


def rows() -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if re.match(r"\| P\d", line)]


def test_each_row_says_all_of_it():
    for row in rows():
        assert len(row) == 4 and all(row), row


def test_writer_labels_are_those_of_the_page():
    told = {re.match(r"P\d+", row[0]).group() for row in rows()}
    assert len(told) == len(rows())
    assert labels_in("libwriter/include", "P") | labels_in("libwriter/src", "P") == told


@pytest.mark.parametrize("files", [["rust/ringside/src/hot.rs"], ["go/gauge.go", "go/histogram.go"]], ids=["rust", "go"])
def test_other_languages_label_the_orders_of_the_hot_path_as_the_header_does(files):
    header = labels_of(SOURCE / "libwriter/include/ringside/detail/hot_inline.h", "P")
    assert header >= {"P1", "P2"}
    for file in files:
        assert labels_of(SOURCE / "libwriter/bindings" / file, "P") == header, file


def test_reader_labels_are_those_of_the_page():
    told = {label for row in rows() for label in re.findall(r"R\d+", row[0])}
    assert labels_in("agent/segment", "R") == told


def test_pairs_have_one_number():
    for row in rows():
        numbers = re.findall(r"[PR](\d+)", row[0])
        assert len(set(numbers)) == 1, row[0]


def test_prose_speaks_of_no_other_label():
    told = {label for row in rows() for label in re.findall(r"[PR]\d+", row[0])}
    assert set(re.findall(r"\b[PR]\d+\b", PAGE)) == told
