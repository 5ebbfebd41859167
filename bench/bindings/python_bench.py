"""Times the four calls of bench/bindings in Python: python_bench FOLDER, one line of JSON per case.

A call costs what a call from a loop in Python to a method in C costs, with the loop in it; the record is a part of that.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Callable

import ringside
from ringside import Buckets, Kind, Metric

SCHEMA = ringside.Schema(
    "bench_bindings",
    [
        Metric("bench_counter_total", Kind.COUNTER),
        Metric("bench_gauge", Kind.GAUGE),
        Metric("bench_level", Kind.LEVEL),
        Metric("bench_histogram_seconds", Kind.HISTOGRAM, unit="seconds", buckets=Buckets(scale=3, lowest=1e-6, highest=10.0)),
    ],
)
SAMPLES = [30e-6 + (i * 709 % 1024) * 1.5e-6 for i in range(1024)]
ONES = [1] * len(SAMPLES)
WARM_UP_ROUNDS, BATCH_ROUNDS = 100, 256
TIMED_NS = 20_000_000


class Clock:
    """What the ticks tell: goes on by a millisecond a round, so that windows end as they do in life."""

    def __init__(self, segment: ringside.Segment) -> None:
        self.segment = segment
        self.now_ns = time.time_ns()

    def tick(self) -> None:
        self.now_ns += 1_000_000
        self.segment.tick(self.now_ns)


def time_calls(clock: Clock, call: Callable[[float], None] | Callable[[int], None], values: list[float] | list[int]) -> float:
    """The ns of one call, by the CPU time of this thread."""

    def rounds(count: int) -> None:
        for _ in range(count):
            clock.tick()
            for value in values:
                call(value)  # type: ignore[arg-type]

    rounds(WARM_UP_ROUNDS)
    calls, took_ns, begin_ns = 0, 0, time.thread_time_ns()
    while took_ns < TIMED_NS:
        rounds(BATCH_ROUNDS)
        calls += BATCH_ROUNDS * len(values)
        took_ns = time.thread_time_ns() - begin_ns
    return took_ns / calls


def main(folder: str) -> None:
    with ringside.Segment.create(SCHEMA, vm_id="bench-python", directory=folder, tick=True) as segment:
        clock = Clock(segment)
        cases = [
            ("counter_add", time_calls(clock, segment.counter("bench_counter_total").add, ONES)),
            ("gauge_record", time_calls(clock, segment.gauge("bench_gauge").record, SAMPLES)),
            ("level_set", time_calls(clock, segment.level("bench_level").set, SAMPLES)),
            ("histogram_record", time_calls(clock, segment.histogram("bench_histogram_seconds").record, SAMPLES)),
        ]
    for name, ns in cases:
        print(json.dumps({"case": f"python_{name}_tick", "ns": round(ns, 3)}))


if __name__ == "__main__":
    main(sys.argv[1])
