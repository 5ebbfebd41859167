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
  - a case with a counter `bytes`, `bytes_a_sample` or `ns_a_window` counts with that, and not with its time;
  - the context `sides` lists who did the same, ours first. A counter `UNIT:SIDE` of a case is a figure of that side, and the
    time of such a case counts for nothing. In a case `NAME/vms:COUNT` it is a figure of a host with so many VMs, which is
    for people alone.
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
# Of figures that several sides have, and their decimals.
SIDE_UNITS = {"ms": 3, "MB": 1, "cores": 4}
OURS = "ours"
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


@dataclass
class SidedCase:
    """A case that several sides did, with the figures of each in one unit."""

    name: str
    unit: str
    runs: dict[str, list]  # by side; a side that has no figure has no list

    def median(self, side: str) -> float | None:
        return statistics.median(self.runs[side]) if side in self.runs else None

    def cell(self, side: str) -> str:
        """The median, and between what 8 in 10 runs were where there is more than one."""
        if side not in self.runs:
            return "-"
        runs, decimals = self.runs[side], SIDE_UNITS[self.unit]
        text = f"{self.median(side):.{decimals}f}"
        if len(runs) == 1:
            return text
        deciles = statistics.quantiles(runs, n=10, method="inclusive")
        return f"{text} ({deciles[0]:.{decimals}f} - {deciles[-1]:.{decimals}f})"

    def as_json(self, sides: list[str]) -> str:
        medians = {side: self.median(side) for side in sides}
        rounded = {side: median if median is None else round(median, 6) for side, median in medians.items()}
        return json.dumps({"case": self.name, "unit": self.unit} | rounded)


def load(path: str) -> tuple[dict, list[dict]]:
    """The context of a result and its entries, in the order in which the program has them."""
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        context, entries = result["context"], result["benchmarks"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadResult(f"{path} is not a result of Google Benchmark ({error}); run ./dev bench again") from error
    for entry in entries:
        if entry.get("error_occurred"):
            raise BadResult(f"{path}: {entry['name']} failed: {entry.get('error_message', 'no reason given')}")
    entries = [entry for entry in entries if entry["run_type"] == "iteration"]  # no mean or deviation, which it adds
    if not entries:
        raise BadResult(f"{path} has no case: does the filter match any?")
    return context, sorted(entries, key=lambda entry: entry.get("family_index", 0))


def read_cases(entries: list[dict]) -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for entry in entries:
        add(cases, entry)
    return cases


def read_sided(context: dict, entries: list[dict]) -> tuple[list[SidedCase], dict[int, list[SidedCase]]]:
    """The cases, and those of the growth by number of VMs."""
    cases: dict[tuple[str, str], SidedCase] = {}
    for entry in entries:
        for unit in SIDE_UNITS:
            for side in context["sides"].split():
                if f"{unit}:{side}" not in entry:
                    continue
                name, *options = entry["name"].split("/")
                vms = next((option for option in options if option.startswith("vms:")), "")
                case = cases.setdefault((name, vms), SidedCase(name, unit, {}))
                case.runs.setdefault(side, []).append(entry[f"{unit}:{side}"])
    growth: dict[int, list[SidedCase]] = {}
    for (_, vms), case in cases.items():
        if vms:
            growth.setdefault(int(vms.removeprefix("vms:")), []).append(case)
    return [case for (_, vms), case in cases.items() if not vms], growth


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


def machine(context: dict, counts: set[int]) -> list[str]:
    repetitions = " or ".join(str(count) for count in sorted(counts))
    load = context.get("load_avg") or [0.0]
    pinned = f" pinned to core {context['core']};" if "core" in context else ""
    lines = [
        f"{context.get('cpu_model', 'unknown CPU')}, {context['num_cpus']} cores at {context['mhz_per_cpu']} MHz;"
        f"{pinned} {repetitions} repetitions, load average {load[0]:.1f} at the start"
    ]
    if load[0] >= 1.0:
        lines.append("The machine was busy: trust the ratios of this run, and the minima, more than single medians.")
    return lines


def table(rows: list[list[str]]) -> list[str]:
    """Columns as wide as they must be: names to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    is_figure = [all(cell[:1].isdigit() or cell == "-" for cell in column[1:]) for column in zip(*rows)]
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


def ratio(case: SidedCase, side: str) -> str:
    ours, theirs = case.median(OURS), case.median(side)
    return f"{theirs / ours:.1f}x" if ours and theirs else "-"


def sided_figures(sides: list[str], cases: list[SidedCase]) -> list[str]:
    lines = []
    peers = [side for side in sides if side != OURS]
    for unit in SIDE_UNITS:
        rows = [
            [case.name, *(case.cell(side) for side in sides), *(ratio(case, side) for side in peers)]
            for case in cases
            if case.unit == unit
        ]
        if rows:
            heading = f"{unit}, median (p10 - p90)" if unit == "ms" else unit
            lines += ["", *table([[heading, *sides, *(f"{side} / {OURS}" for side in peers)], *rows])]
    return lines


def growth_figures(growth: dict[int, list[SidedCase]]) -> list[str]:
    """Ours alone, a line a number of VMs."""
    if not growth:
        return []
    names = list(dict.fromkeys(f"{case.name}, {case.unit}" for cases in growth.values() for case in cases))
    rows = []
    for vms, cases in sorted(growth.items()):
        cells = {f"{case.name}, {case.unit}": f"{case.median(OURS):.{SIDE_UNITS[case.unit]}f}" for case in cases}
        rows.append([str(vms), *(cells.get(name, "-") for name in names)])
    return ["", *table([["VMs", *names], *rows])]


@dataclass
class Report:
    """What one result says: lines for people, and objects of JSON."""

    text: list[str]
    objects: list[str]


def plain_report(context: dict, entries: list[dict]) -> Report:
    cases = read_cases(entries)
    # Sizes are the same on a busy machine.
    timed = any(case.unit == "ns" for case in cases.values())
    head = machine(context, {len(case.runs) for case in cases.values()}) if timed else []
    return Report(head + ratios(context, cases) + figures(cases), [case.as_json() for case in cases.values()])


def sided_report(context: dict, entries: list[dict]) -> Report:
    sides = context["sides"].split()
    cases, growth = read_sided(context, entries)
    head = machine(context, {len(runs) for case in cases for runs in case.runs.values()}) if cases else []
    text = head + sided_figures(sides, cases) + growth_figures(growth)
    return Report(text, [case.as_json(sides) for case in cases])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="also write one JSON object per case and line")
    parser.add_argument("results", metavar="RESULT.json", nargs="+")
    options = parser.parse_args()
    try:
        reports = []
        for context, entries in map(load, options.results):
            reports.append((sided_report if "sides" in context else plain_report)(context, entries))
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                file.writelines(line + "\n" for report in reports for line in report.objects)
    except (BadResult, OSError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    for report in reports:
        print("\n".join(report.text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
