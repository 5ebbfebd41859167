"""Manual pages: they render without complaint, and that of ringsidectl has exactly the commands and options that
the program has."""

import os
import re
import subprocess
from pathlib import Path

import pytest

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
BUILD_DIR = Path(os.environ.get("RINGSIDE_BUILD_DIR", SOURCE_DIR / "build"))
RINGSIDECTL = BUILD_DIR / "tools/ringsidectl/ringsidectl"
PAGES = sorted((SOURCE_DIR / "docs/man").glob("*.scd"))


def test_there_are_pages():
    names = {page.name for page in PAGES}
    assert {"ringsidectl.1.scd", "ringside-bridge.1.scd", "ringside-segment.5.scd", "ringside-agent.8.scd"} <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_renders_without_a_warning(page, tmp_path):
    with open(page, encoding="utf-8") as source:
        roff = subprocess.run(["scdoc"], stdin=source, capture_output=True, check=True).stdout
    (tmp_path / page.stem).write_bytes(roff)
    lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page.stem], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    # scdoc puts a paragraph where a heading has made one already; the page looks the same.
    complaints = [line for line in lint.stdout.splitlines() if "skipping paragraph macro" not in line]
    assert complaints == []
    assert roff.startswith(b".\\\"") and page.stem.partition(".")[0].encode() in roff


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_is_installed(page):
    assert f"'{page.stem}'" in (SOURCE_DIR / "docs/meson.build").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_see_also_names_pages_that_exist(page):
    tail = page.read_text().partition("# SEE ALSO")[2]
    named = re.findall(r"\*(ringside[\w-]*)\*\((\d)\)", tail)
    assert named and all((SOURCE_DIR / f"docs/man/{name}.{section}.scd").is_file() for name, section in named)


# --- ringsidectl ------------------------------------------------------------------------------------------------------


def help_of(*command):
    return subprocess.run([RINGSIDECTL, *command, "--help"], capture_output=True, encoding="utf-8", check=True).stdout


def part(text, heading):
    return text.partition(f"\n{heading}:\n")[2].partition("\n\n")[0]


def commands_of(*command):
    """All commands below this one that do something."""
    names = re.findall(r"^  ([a-z]+)", part(help_of(*command), "Commands"), re.M)
    for name in names:
        below = list(commands_of(*command, name))
        yield from below or [(*command, name)]


def commands():
    return list(commands_of())


def options_in_help(*command):
    lines = re.findall(r"^  (-[^ ]+)", part(help_of(*command), "Options"), re.M)
    return {name for line in lines for name in line.split(",")} - {"-h", "--help"}


def page_section(name):
    text = (SOURCE_DIR / "docs/man/ringsidectl.1.scd").read_text()
    found = re.search(rf"^#+ {re.escape(name)}\n(.*?)(?=^#)", text, re.M | re.S)
    assert found, f"ringsidectl(1) has no section {name}"
    return found[1]


def options_in_page(name):
    """What stands in bold in the lines that begin an entry."""
    entries = re.findall(r"^\*-.*$", page_section(name), re.M)
    return {option for entry in entries for option in re.findall(r"\*(--?[a-z-]+)\*", entry)}


def test_every_command_has_a_section_and_no_other_has():
    text = (SOURCE_DIR / "docs/man/ringsidectl.1.scd").read_text()
    sections = re.findall(r"^## (.*)$", text, re.M)
    assert sections == [" ".join(command) for command in commands()]


def test_every_option_is_in_the_page_and_no_other_is():
    assert len(commands()) > 12
    for command in commands():
        assert options_in_help(*command) == options_in_page(" ".join(command)), command
    assert options_in_help() | {"-h", "--help"} == options_in_page("GLOBAL OPTIONS")


def test_every_argument_is_in_the_synopsis_of_its_command():
    for command in commands():
        arguments = re.findall(r"^  ([A-Z]+)", part(help_of(*command), "Arguments"), re.M)
        synopsis = page_section(" ".join(command)).strip().splitlines()[0]
        for argument in arguments:
            # The word itself, or for a closed list its words.
            assert f"_{argument}_" in synopsis or argument == "SHELL", (command, argument)


def test_exit_codes_are_those_of_the_program():
    in_help = re.findall(r"^  (\d)  (.*)$", part(help_of(), "Exit codes"), re.M)
    in_page = re.findall(r"^\*(\d)\*\n\t(.*)$", page_section("EXIT STATUS"), re.M)
    assert len(in_help) == 9 and in_help == in_page
