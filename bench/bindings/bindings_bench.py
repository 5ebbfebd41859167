#!/usr/bin/python3
"""Calls the programs of bench/bindings in turn, one of each language, and prints what they measured as Google Benchmark would.

Each program is called with a folder for its segments, times its cases once and prints a line of JSON for each:
{"case": "rust_gauge_record_tick", "ns": 3.1}. This script lies beside them in the build folder.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = {
    "c": [HERE / "c_bench"],
    "rust": [HERE / "rust_bench"],
    "go": [HERE / "go_bench"],
    "python": [HERE / "python_bench"],
}
CALLS = ("counter_add", "gauge_record", "level_set", "histogram_record")
# By the clock that a record counts with: who has cases of it.
CLOCKS = {"tick": ["c", "rust", "go", "python"], "clock": ["c", "rust"]}
CASES = {  # in the order of the output
    f"{language}_{call}_{clock}": language for clock, languages in CLOCKS.items() for call in CALLS for language in languages
}
TIMEOUT_S = 120


class BadProgram(Exception):
    """A program that did not do its part: a figure that is missing must not pass unseen."""


def measure(language: str, folder: str) -> dict[str, float]:
    """The ns of each case of a language, in one call of its program."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        command = [str(word) for word in [*PROGRAMS[language], own]]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BadProgram(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise BadProgram(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    try:
        figures = {line["case"]: float(line["ns"]) for line in map(json.loads, done.stdout.splitlines())}
    except (ValueError, KeyError, TypeError) as error:
        raise BadProgram(f"{command[0]} printed something else than its cases: {error}") from error
    expected = {case for case in CASES if CASES[case] == language}
    if figures.keys() != expected:
        raise BadProgram(f"{command[0]} has the cases {sorted(figures)}, not {sorted(expected)}")
    return figures


def pin_to_one_core() -> int:
    """The last core that the caller allows, as interrupts tend to go to the first. The programs inherit it."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def cpu_field(name: str, default: str) -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith(name) and ": " in line), default)


def context(core: int, load: tuple[float, float, float]) -> dict:
    pairs = [(case, case.replace(f"{language}_", "c_", 1)) for case, language in CASES.items() if language != "c"]
    return {
        "num_cpus": os.cpu_count(),
        "mhz_per_cpu": round(float(cpu_field("cpu MHz", "0"))),
        "load_avg": list(load),
        "cpu_model": cpu_field("model name", "unknown CPU"),
        "core": str(core),
        "compare": " ".join(f"{in_c}/{case}" for case, in_c in pairs),
    }


def entries(rounds: list[dict[str, float]], cases: list[str]) -> list[dict]:
    return [
        {
            "name": name,
            "family_index": index,
            "run_type": "iteration",
            "repetitions": len(rounds),
            "repetition_index": repetition,
            "real_time": figures[name],
            "cpu_time": figures[name],
            "time_unit": "ns",
        }
        for index, name in enumerate(cases)
        for repetition, figures in enumerate(rounds)
    ]


def pattern(text: str) -> re.Pattern:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no regular expression: {error}") from error


def options() -> argparse.Namespace:
    # Of Google Benchmark's own options, those that mean something here; argparse refuses the rest.
    parser = argparse.ArgumentParser(prog="bindings_bench", description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--benchmark_format", choices=["json"], default="json")
    parser.add_argument("--benchmark_repetitions", type=int, default=9, metavar="N", help="calls of each program (9)")
    parser.add_argument("--benchmark_filter", type=pattern, default=re.compile(""), metavar="REGEX", help="cases to print")
    parsed = parser.parse_args()
    if parsed.benchmark_repetitions < 1:
        parser.error("--benchmark_repetitions must be 1 at least")
    return parsed


def main() -> int:
    parsed = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the folder goes
    load = os.getloadavg()
    core = pin_to_one_core()
    cases = [case for case in CASES if parsed.benchmark_filter.search(case)]
    languages = [language for language in PROGRAMS if any(CASES[case] == language for case in cases)]
    rounds = []
    try:
        with tempfile.TemporaryDirectory(prefix="ringside-bench.", dir="/dev/shm") as folder:
            for _ in range(parsed.benchmark_repetitions):
                # In turn: what disturbs the machine for a while disturbs all languages alike.
                rounds.append({case: ns for language in languages for case, ns in measure(language, folder).items()})
    except BadProgram as error:
        print(f"bindings_bench: {error}", file=sys.stderr)
        return 1
    result = {"context": context(core, load), "benchmarks": entries(rounds, cases)}
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
