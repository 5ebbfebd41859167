"""The runner of bench/bindings, on programs that say what a test wants."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(os.environ["RINGSIDE_SOURCE_DIR"]) / "bench/bindings/bindings_bench.py"
spec = importlib.util.spec_from_file_location("bindings_bench", RUNNER)
bindings_bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bindings_bench)
CLOCKS = {"c": "tick clock", "rust": "tick clock", "go": "tick", "python": "tick"}
LANGUAGES = list(CLOCKS)

# Leaves a line for each call, needs a folder to be in, and prints its cases with the number of the call as ns.
PROGRAM = """#!/bin/sh
[ -d "$1" ] || exit 1
echo {language} >>{calls}
ns=$(grep -c {language} {calls})
for call in counter_add gauge_record level_set histogram_record; do
  for clock in {clocks}; do
    echo "{{\\"case\\": \\"{language}_${{call}}_$clock\\", \\"ns\\": $ns}}"
  done
done
"""


@pytest.fixture
def place(tmp_path):
    """The runner beside a program for each language, as in the build folder."""
    shutil.copy(RUNNER, tmp_path / "bindings_bench")
    for language in LANGUAGES:
        replace(tmp_path, language, PROGRAM.format(language=language, clocks=CLOCKS[language], calls=tmp_path / "calls"))
    return tmp_path


def replace(place, language, text):
    name = bindings_bench.PROGRAMS[language][0].name
    (place / name).write_text(text)
    (place / name).chmod(0o755)


def run(place, *options):
    command = [sys.executable, place / "bindings_bench", "--benchmark_format=json", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_programs_are_called_in_turn_and_each_call_is_a_repetition(place):
    done = run(place, "--benchmark_repetitions=3")
    assert (done.returncode, done.stderr) == (0, "")
    assert (place / "calls").read_text().split() == LANGUAGES * 3
    result = json.loads(done.stdout)
    entries = [entry for entry in result["benchmarks"] if entry["name"] == "rust_gauge_record_tick"]
    assert [entry["cpu_time"] for entry in entries] == [1, 2, 3]
    assert {entry["name"] for entry in result["benchmarks"]} == set(bindings_bench.CASES)
    assert len(result["benchmarks"]) == 3 * 4 * 6  # repetitions, calls, clocks of all languages
    compare = result["context"]["compare"].split()
    assert len(compare) == 4 * 4 and "c_gauge_record_tick/go_gauge_record_tick" in compare
    assert "c_gauge_record_clock/rust_gauge_record_clock" in compare


def test_what_the_runner_prints_is_what_the_report_reads(place):
    (place / "result.json").write_text(run(place, "--benchmark_repetitions=2").stdout)
    report = subprocess.run(
        [sys.executable, RUNNER.parents[1] / "report.py", place / "result.json"], capture_output=True, text=True, check=True
    )
    assert "rust_histogram_record_tick" in report.stdout and "1.50" in report.stdout


def test_a_filter_calls_only_the_languages_that_it_leaves(place):
    done = run(place, "--benchmark_repetitions=1", "--benchmark_filter=^(c|rust)_level.*_tick")
    assert (place / "calls").read_text().split() == ["c", "rust"]
    assert [entry["name"] for entry in json.loads(done.stdout)["benchmarks"]] == ["c_level_set_tick", "rust_level_set_tick"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#!/bin/sh\necho no room >&2; exit 3\n", "ended with 3: no room"),
        ("#!/bin/sh\necho nonsense\n", "printed something else"),
        ('#!/bin/sh\necho \'{"case": "rust_level_set_tick", "ns": 1}\'\n', "has the cases ['rust_level_set_tick'], not"),
    ],
)
def test_a_program_that_fails_is_no_measurement(place, text, says):
    replace(place, "rust", text)
    done = run(place)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr and "rust" in done.stderr


@pytest.mark.parametrize("option", ["--benchmark_min_time=3", "--benchmark_repetitions=0", "--benchmark_filter=(", "--benchmark_format=csv"])
def test_an_option_that_means_nothing_here_is_refused(place, option):
    done = run(place, option)
    assert done.returncode == 2 and option.split("=")[0] in done.stderr
    assert not (place / "calls").exists()


def test_nothing_stays_in_memory(place):
    before = set(Path("/dev/shm").glob("ringside-bench.*"))
    folder = 'echo "$1" >' + str(place / "folder")
    replace(place, "c", f"#!/bin/sh\n{folder}\nexit 1\n")
    assert run(place).returncode == 1
    used = Path((place / "folder").read_text().strip())
    assert used.parent not in before and not used.parent.exists()
