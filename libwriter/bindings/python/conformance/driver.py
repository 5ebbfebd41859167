"""The conformance driver in Python: performs an operation file through the module ringside. tests/conformance/README.md says what a
driver has to do.

    python driver.py SEGMENT_PATH OPERATIONS_FILE
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable, NoReturn

import ringside


class Line:
    def __init__(self, place: str, words: list[str]) -> None:
        self.place = place
        self.name, *self.words = words

    def refuse(self, why: str) -> NoReturn:
        raise SystemExit(f"{self.place}: {self.name}: {why}")

    def take(self, low: int, high: int | None = None) -> list[str]:
        if not low <= len(self.words) <= (low if high is None else high):
            self.refuse("takes another number of words, see tests/conformance/README.md")
        return self.words

    def whole(self, word: str, low: int = 0, high: int = 2**64 - 1) -> int:
        if not word.removeprefix("-").isdecimal() or not low <= int(word) <= high:
            self.refuse(f"'{word}' is not a whole number that fits")
        return int(word)

    def real(self, word: str) -> float:
        try:
            return float.fromhex(word)
        except (ValueError, OverflowError):
            self.refuse(f"'{word}' is not a number")


ANY = 1000
Handle = Any  # each kind has its own methods; RECORDS says which operation is for which

REGISTERS: dict[str, tuple[Callable[..., Handle], type[Handle]]] = {
    "counter": (ringside.Segment.counter, ringside.Counter),
    "shared_counter": (ringside.Segment.shared_counter, ringside.SharedCounter),
    "counter_f64": (ringside.Segment.counter_f64, ringside.CounterF64),
    "gauge": (ringside.Segment.gauge, ringside.Gauge),
    "level": (ringside.Segment.level, ringside.Level),
    "histogram": (ringside.Segment.histogram, ringside.Histogram),
}
# The kinds that an operation is for, the method, and how its number is written.
RECORDS: dict[str, tuple[tuple[type[Handle], ...], str, Callable[[Line, str], float]]] = {
    "add": ((ringside.Counter, ringside.SharedCounter), "add", Line.whole),
    "total": ((ringside.Counter,), "total", Line.whole),
    "baseline": ((ringside.Counter,), "baseline", Line.whole),
    "add_f64": ((ringside.CounterF64,), "add", Line.real),
    "total_f64": ((ringside.CounterF64,), "total", Line.real),
    "baseline_f64": ((ringside.CounterF64,), "baseline", Line.real),
    "record": ((ringside.Gauge, ringside.Histogram), "record", Line.real),
    "set": ((ringside.Level,), "set", Line.real),
}


class Driver:
    def __init__(self, segment: ringside.Segment) -> None:
        self.segment = segment
        self.handles: dict[str, Handle] = {}

    def perform(self, line: Line) -> None:
        if self.segment.closed:
            line.refuse("stands behind the close")
        if line.name in REGISTERS:
            self.register(line)
        elif line.name in RECORDS:
            self.record(line)
        elif line.name == "info":
            try:
                self.segment.info(*line.take(1, ANY))
            except ringside.Error:
                pass  # some are there to be refused: the segment counts them
        elif line.name == "tick":
            self.segment.tick(line.whole(line.take(1)[0]))
        elif line.name == "close":
            code, *text = line.take(1, ANY)
            self.segment.close(line.whole(code, -(2**31), 2**31 - 1), " ".join(text))
        elif line.name == "clock":
            if line.take(1) != ["tick"]:
                line.refuse(f"'{line.words[0]}' is not 'tick'")
        elif line.name == "schema":
            line.take(1)  # for the runner, which provisioned the segment with it
        else:
            line.refuse("unknown operation")

    def register(self, line: Line) -> None:
        register, kind = REGISTERS[line.name]
        name, metric, *values = line.take(2, ANY)
        if name in self.handles:
            line.refuse(f"handle '{name}' is there already")
        try:
            self.handles[name] = register(self.segment, metric, *values)
        except ringside.Error:
            self.handles[name] = kind()  # empty

    def record(self, line: Line) -> None:
        kinds, method, number = RECORDS[line.name]
        name, value = line.take(2)
        if not isinstance(self.handles.get(name), kinds):
            line.refuse(f"no handle '{name}' of a kind for it")
        getattr(self.handles[name], method)(number(line, value))


def main(segment_path: str, operations: str) -> None:
    try:
        text = Path(operations).read_text(encoding="utf-8")
        segment = ringside.Segment.attach(segment_path, tick=True, fork_guard=False, lock=False)
    except (OSError, ringside.Error) as error:
        raise SystemExit(str(error)) from error
    driver = Driver(segment)
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.partition("#")[0].split()
        if words:
            driver.perform(Line(f"{operations}:{number}", words))
    if not segment.closed:
        raise SystemExit(f"{operations}: does not end with a close")


if __name__ == "__main__":
    main(*sys.argv[1:])
