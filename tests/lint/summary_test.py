"""tests/summary.py decides whether the suite passed, so what it must never overlook is tested here."""

import json
import os
import subprocess
from pathlib import Path

import pytest

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))

GOOD_CASE = '<testcase classname="A" name="b"/>'
BAD_CASE = '<testcase classname="A" name="c"><failure message="no"/></testcase>'
ERROR_CASE = '<testcase classname="A" name="d"><error message="no"/></testcase>'
SKIPPED_CASE = '<testcase classname="A" name="e"><skipped/></testcase>'
DISABLED_CASE = '<testcase classname="A" name="f" status="notrun"/>'


@pytest.fixture(name="summary")
def _summary(tmp_path):
    """Takes (result, report cases or None, has a report path) per program; returns exit code and last line."""

    def run(*programs, meson_exit=0):
        (tmp_path / "meson-logs").mkdir()
        with open(tmp_path / "meson-logs/testlog.json", "w", encoding="utf-8") as log:
            for index, (result, cases) in enumerate(programs):
                path = tmp_path / f"{index}.xml"
                if cases is not None:
                    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
                entry = {"name": f"program{index}", "result": result, "returncode": 0}
                entry["env"] = {"RINGSIDE_TEST_REPORT": str(path)}
                log.write(json.dumps(entry) + "\n")
        command = ["/usr/bin/python3", SOURCE_DIR / "tests/summary.py", tmp_path, str(meson_exit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()[-1]

    return run


def test_counts_cases_and_not_programs(summary):
    assert summary(("OK", GOOD_CASE * 3), ("OK", GOOD_CASE * 2)) == (0, "5 passed, 0 failed")


def test_a_failed_case_fails_the_run(summary):
    assert summary(("OK", GOOD_CASE), ("FAIL", GOOD_CASE + BAD_CASE)) == (1, "2 passed, 1 failed")


def test_an_error_counts_as_failed(summary):
    assert summary(("FAIL", GOOD_CASE + ERROR_CASE)) == (1, "1 passed, 1 failed")


def test_a_crash_without_report_counts_as_failed(summary):
    assert summary(("OK", GOOD_CASE), ("FAIL", None)) == (1, "1 passed, 1 failed")


def test_a_crash_after_the_report_counts_as_failed(summary):
    assert summary(("FAIL", GOOD_CASE)) == (1, "1 passed, 1 failed")


def test_a_timeout_counts_as_failed(summary):
    assert summary(("OK", GOOD_CASE), ("TIMEOUT", None)) == (1, "1 passed, 1 failed")


def test_a_program_that_tests_nothing_counts_as_failed(summary):
    assert summary(("OK", GOOD_CASE), ("OK", "")) == (1, "1 passed, 1 failed")


def test_skipped_and_disabled_cases_are_named(summary):
    assert summary(("OK", GOOD_CASE + SKIPPED_CASE + DISABLED_CASE)) == (0, "1 passed, 0 failed, 2 skipped")


def test_no_case_at_all_fails_the_run(summary):
    assert summary() == (1, "0 passed, 0 failed")


def test_only_skipped_cases_fail_the_run(summary):
    assert summary(("OK", SKIPPED_CASE)) == (1, "0 passed, 0 failed, 1 skipped")


def test_a_failure_of_meson_itself_fails_the_run(summary):
    assert summary(("OK", GOOD_CASE), meson_exit=1) == (1, "1 passed, 1 failed")
