"""promql_suite: what it counts, what it reports, and when it fails."""

import json
import os
import subprocess
from pathlib import Path

import pytest

SUITE = Path(os.environ["RINGSIDE_BUILD_DIR"]) / "tests/promql_suite"

SCRIPT = """load 1m
  m 1 2

eval instant at 1m m
  m 2

eval instant at 1m m
  m 3

clear

load 1m
  m what

eval instant at 1m vector(1)
  {} 1
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "some.test").write_text(SCRIPT)
    return tmp_path


def run(folder, *arguments):
    return subprocess.run([SUITE, folder, *arguments], capture_output=True, text=True, timeout=60)


def test_a_wrong_answer_and_data_that_cannot_be_loaded_fail(folder):
    done = run(folder)
    assert done.returncode == 1
    assert "FAILED some.test:7 m\n       {__name__=\"m\"}: expected 3, got 2" in done.stdout
    assert "FAILED some.test:15 vector(1)\n       data not loaded: line 13: " in done.stdout
    assert done.stdout.splitlines()[-1] == "1 passed, 2 failed"


def test_known_failures_are_no_failure_and_must_fail(folder):
    known = folder / "KNOWN_FAILURES"
    known.write_text("# why\nsome.test:7 the script is wrong\nsome.test:15 so is its data\n")
    done = run(folder)
    assert done.returncode == 0, done.stdout
    assert "known  some.test:7 m" in done.stdout
    known.write_text(known.read_text() + "some.test:4 this one passes\n")
    done = run(folder)
    assert done.returncode == 1
    assert "PASSES NOW some.test:4" in done.stdout


def test_the_report_counts_by_file_and_tag(folder):
    rows = ["file\tline\torig_line\tkind\ttags\ton_2.42", "some.test\t4\t1\tinstant\t-\tpass"]
    rows += ["some.test\t7\t2\tinstant\tat,exp_func=info\tpass", "some.test\t15\t3\tinstant\tat\tpass"]
    (folder / "CASES.tsv").write_text("\n".join(rows) + "\n")
    report = folder / "report.json"
    done = run(folder, "--json", report)
    found = json.loads(report.read_text())
    assert found["passed"] == 1 and found["failed"] == 2
    assert found["files"] == {"some.test": {"passed": 1, "failed": 2}}
    assert found["tags"]["at"] == {"passed": 0, "failed": 2}
    assert found["tags"]["exp_func"] == {"passed": 0, "failed": 1}
    assert found["tags"]["stable"] == {"passed": 1, "failed": 1}
    assert found["failures"][0]["line"] == 7 and "expected 3" in found["failures"][0]["reason"]
    assert "exp_func                    0 passed, 1 failed" in done.stdout


def test_a_folder_without_scripts_is_a_mistake(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2
    assert "no .test file" in done.stderr
    assert run(tmp_path, "--what").returncode == 2
