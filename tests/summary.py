#!/usr/bin/python3
"""Adds up the single cases of one `meson test` run and prints `N passed, N failed` as the last line.

usage: summary.py BUILD_DIR [EXIT_CODE_OF_MESON_TEST]

Meson knows programs; people count cases. Each program leaves a JUnit report (GoogleTest and pytest both can), named in
its environment as RINGSIDE_TEST_REPORT. The caller removes old reports before the run. What counts as failed:
  - every case that its report calls failed or in error;
  - one more for a program that failed although no case in its report did: it crashed, hung or could not start;
  - one for a program that succeeded but reported no case at all, since then nothing was tested;
  - one when `meson test` itself failed and nothing above says why.
A program without a report (a plain executable) is one case. The exit code is 0 only if at least one case passed and
none failed.
"""

import json
import os
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

GOOD = {"OK", "EXPECTEDFAIL"}


@dataclass
class Tally:
    passed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)

    def line(self) -> str:
        text = f"{self.passed} passed, {len(self.failures)} failed"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


def add_report(tally: Tally, program: str, path: str) -> tuple[int, int]:
    """Adds the cases of one report; returns how many cases it had and how many failed."""
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (FileNotFoundError, ElementTree.ParseError):
        return 0, 0  # The program ended before it could write its report: the caller judges by its result.
    failed = 0
    for case in cases:
        name = f"{program}: {case.get('classname', '')}.{case.get('name', '')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            tally.failures.append(name)
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            tally.skipped += 1
        else:
            tally.passed += 1
    return len(cases), failed


def add_program(tally: Tally, entry: dict) -> None:
    name, result = entry["name"], entry["result"]
    report = entry.get("env", {}).get("RINGSIDE_TEST_REPORT")
    if report is None:
        if result in GOOD:
            tally.passed += 1
        elif result == "SKIP":
            tally.skipped += 1
        else:
            tally.failures.append(f"{name}: {result}")
        return
    cases, failed = add_report(tally, name, report)
    if result not in GOOD and failed == 0:
        tally.failures.append(f"{name}: {result} outside of its cases (exit code {entry.get('returncode')})")
    elif result in GOOD and cases == 0:
        tally.failures.append(f"{name}: ended well but reported no case")


def add_up(log_path: str, meson_exit: int) -> Tally:
    tally = Tally()
    seen = set()
    try:
        with open(log_path, encoding="utf-8") as log:
            for line in log:
                entry = json.loads(line)
                # With --repeat the same program is logged more than once but leaves one report: count its cases once.
                if entry["name"] in seen and entry["result"] in GOOD:
                    continue
                seen.add(entry["name"])
                add_program(tally, entry)
    except FileNotFoundError:
        tally.failures.append("no test ran: meson wrote no log")
    if meson_exit != 0 and not tally.failures:
        tally.failures.append(f"meson test ended with exit code {meson_exit}")
    return tally


def main(argv: list) -> int:
    if len(argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    log_path = os.path.join(argv[1], "meson-logs", "testlog.json")
    tally = add_up(log_path, int(argv[2]) if len(argv) == 3 else 0)
    for failure in tally.failures:
        print(f"FAILED {failure}")
    print(tally.line())
    return 0 if tally.passed and not tally.failures else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
