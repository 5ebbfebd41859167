"""The writer beside a reader under ThreadSanitizer: no race; and a race wherever a shared word is not touched as one."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

PROGRAMS = Path(os.environ["RINGSIDE_BUILD_DIR"]) / "tests/model"
KINDS = "Counter CounterTotal CounterF64 Gauge Level Histogram SharedCounter Registration".split()

# What is taken away, and the tests in which that must be seen.
MUTANTS = {
    "race_plain_stores": "Counter CounterTotal CounterF64 Gauge Level Histogram SharedCounter",
    "race_plain_f64_and_add": "Gauge Level Histogram SharedCounter Registration",
    "race_plain_loads_and_release": "SharedCounter Registration",
}


def run(program: str, test: str) -> tuple[int, str]:
    """With the first race as the end."""
    command = [PROGRAMS / program, f"--gtest_filter=Race.{test}"]
    with tempfile.TemporaryDirectory(prefix="ringside-test-", dir="/dev/shm") as folder:
        environment = os.environ | {"TSAN_OPTIONS": "halt_on_error=1:exitcode=66", "RINGSIDE_RACE_FOLDER": folder}
        environment.pop("GTEST_OUTPUT", None)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if "unexpected memory mapping" in done.stderr:  # this ThreadSanitizer knows fewer random bits than some kernels
            command = ["setarch", "-R", *command]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("test", KINDS)
def test_writer_and_reader_do_not_race(test):
    code, output = run("race", test)
    assert code == 0, output
    assert "[  PASSED  ] 1 test." in output


@pytest.mark.parametrize(("mutant", "test"), [(mutant, test) for mutant, tests in MUTANTS.items() for test in tests.split()])
def test_a_word_that_is_not_touched_as_a_shared_one_is_a_race(mutant, test):
    code, output = run(mutant, test)
    assert code == 66, output
    assert "WARNING: ThreadSanitizer: data race" in output
