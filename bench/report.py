#!/usr/bin/python3
"""Turns the JSON of Google Benchmark programs into a table for people and, with --json, into one JSON object a line.

usage: report.py [--json FILE] RESULT.json...

A figure is the median, the minimum and the maximum over the repetitions of a case, in ns a call. It is the CPU time of the
measuring thread, so that what others did with the core meanwhile is not in it; a case that timed itself (manual_time)
counts with what it said. Conventions between a program of bench/ and this one:
  - the context `compare` lists pairs `CASE/OTHER` of cases to print as ratios, the first divided by the second: a peer by
    ours, or ours in a harder place by ours in an easy one;
  - the contexts `cpu_model` and `core` say where it ran;
  - a counter `case:NAME` of a case is a case of its own, in ns;
  - a counter `bytes:NAME` of a case is a case of its own, in bytes;
  - a case with a counter `bytes`, `bytes_a_sample` or `ns_a_window` counts with that, and not with its time.
The exit code is 0 only if every result could be read and no case in it failed.
"""

import argparse
import json
import statistics
import sys
from dataclasses import dataclass

NS_PER_UNIT = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
CASE_COUNTER = "case:"
BYTES_CASE_COUNTER = "bytes:"
# Counters that are figures, and their units.
COUNTERS = {"bytes": "bytes", "bytes_a_sample": "bytes a sample", "ns_a_window": "ns a window"}
# By unit, in the order in which they are printed.
HEADINGS = {"ns": "ns a call", "bytes": "bytes", "bytes a sample": "bytes a sample", "ns a window": "ns a window"}
DECIMALS = {"ns": 2, "bytes": 0, "bytes a sample": 3, "ns a window": 0}


class BadResult(Exception):
    """A result that must not pass for a measurement; the text says why."""


@dataclass
class Case:
    name: str
    unit: str
    runs: list

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def figures(self) -> tuple[float, float, float]:
        return self.median, min(self.runs), max(self.runs)

    def as_json(self) -> str:
        figures = dict(zip(("median", "min", "max"), self.figures))
        return json.dumps({"case": self.name, "unit": self.unit} | {key: round(figure, 3) for key, figure in figures.items()})


def read(path: str) -> tuple[dict, dict[str, Case]]:
    """The context of a result and its cases by name, in the order in which the program has them."""
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        context, entries = result["context"], result["benchmarks"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadResult(f"{path} is not a result of Google Benchmark ({error}); run ./dev bench again") from error
    cases: dict[str, Case] = {}
    for entry in sorted(entries, key=lambda entry: entry.get("family_index", 0)):
        if entry.get("error_occurred"):
            raise BadResult(f"{path}: {entry['name']} failed: {entry.get('error_message', 'no reason given')}")
        if entry["run_type"] == "iteration":  # not a mean or deviation that Google Benchmark adds
            add(cases, entry)
    if not cases:
        raise BadResult(f"{path} has no case: does the filter match any?")
    return context, cases


def add(cases: dict[str, Case], entry: dict) -> None:
    for key in entry:
        if key.startswith(BYTES_CASE_COUNTER):
            case = key[len(BYTES_CASE_COUNTER) :]
            cases.setdefault(case, Case(case, "bytes", [])).runs.append(entry[key])
    name, *options = entry["name"].split("/")
    for counter, unit in COUNTERS.items():
        if counter in entry:
            cases.setdefault(name, Case(name, unit, [])).runs.append(entry[counter])
            return
    time = entry["real_time" if "manual_time" in options else "cpu_time"]
    figures = {name: time * NS_PER_UNIT[entry["time_unit"]]}
    figures |= {key[len(CASE_COUNTER) :]: entry[key] for key in entry if key.startswith(CASE_COUNTER)}
    for case, nanoseconds in figures.items():
        cases.setdefault(case, Case(case, "ns", [])).runs.append(nanoseconds)


def machine(context: dict, cases: dict[str, Case]) -> list[str]:
    if all(case.unit != "ns" for case in cases.values()):
        return []  # sizes are the same on a busy machine
    counts = sorted({len(case.runs) for case in cases.values()})
    repetitions = " or ".join(str(count) for count in counts)
    load = context.get("load_avg") or [0.0]
    lines = [
        f"{context.get('cpu_model', 'unknown CPU')}, {context['num_cpus']} cores at {context['mhz_per_cpu']} MHz;"
        f" pinned to core {context.get('core', '?')}; {repetitions} repetitions, load average {load[0]:.1f} at the start"
    ]
    if load[0] >= 1.0:
        lines.append("The machine was busy: trust the ratios of this run, and the minima, more than single medians.")
    return lines


def table(rows: list[list[str]]) -> list[str]:
    """Columns as wide as they must be: names to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    is_figure = [column[-1][:1].isdigit() for column in zip(*rows)]
    return [
        "  ".join(f"{cell:>{width}}" if right else f"{cell:<{width}}" for cell, width, right in zip(row, widths, is_figure))
        for row in rows
    ]


def ratios(context: dict, cases: dict[str, Case]) -> list[str]:
    pairs = [pair.split("/") for pair in context.get("compare", "").split()]
    # A filter may have left one side out.
    pairs = [(cases[this], cases[other]) for this, other in pairs if this in cases and other in cases]
    rows = [[this.name, other.name, f"{this.median / other.median:.2f}x"] for this, other in pairs]
    return ["", *table([["case", "divided by", "ratio"], *rows])] if rows else []


def figures(cases: dict[str, Case]) -> list[str]:
    lines = []
    for unit, heading in HEADINGS.items():
        of_unit = [case for case in cases.values() if case.unit == unit]
        rows = [[case.name, *(f"{figure:.{DECIMALS[unit]}f}" for figure in case.figures)] for case in of_unit]
        if rows:
            lines += ["", *table([[heading, "median", "min", "max"], *rows])]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="also write one JSON object per case and line")
    parser.add_argument("results", metavar="RESULT.json", nargs="+")
    options = parser.parse_args()
    try:
        results = [read(path) for path in options.results]
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                file.writelines(case.as_json() + "\n" for _, cases in results for case in cases.values())
    except (BadResult, OSError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    for context, cases in results:
        print("\n".join(machine(context, cases) + ratios(context, cases) + figures(cases)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
