"""A bridge: reads what another program counts, and records it once a second.

    python bridge.py DIRECTORY [SECONDS]

The source here is /proc/stat, as any file, socket or API could be. Without a folder for segments it says so and goes on: metrics are
a guest in the program.
"""

from __future__ import annotations

import sys
import time

import ringside

SCHEMA = ringside.Schema(
    name="proc_stat",
    metrics=[
        ringside.Metric("host_context_switches_total", ringside.Kind.COUNTER, help="Context switches."),
        ringside.Metric("host_cpu_seconds_total", ringside.Kind.COUNTER_F64, labels=["mode"], max_series=2, unit="seconds"),
        ringside.Metric("host_processes_running", ringside.Kind.LEVEL),
        ringside.Metric(
            "bridge_read_seconds",
            ringside.Kind.HISTOGRAM,
            unit="seconds",
            help="Time of one reading.",
            buckets=ringside.Buckets(scale=1, lowest=1e-6, highest=1.0),
        ),
        ringside.Metric("bridge_info", ringside.Kind.INFO, labels=["source"]),
    ],
)
TICKS_A_SECOND = 100


def read_stat() -> dict[str, list[int]]:
    with open("/proc/stat", encoding="ascii") as file:
        return {name: [int(number) for number in numbers] for name, *numbers in (line.split() for line in file)}


class Bridge:
    def __init__(self, segment: ringside.Segment) -> None:
        segment.info("bridge_info", "/proc/stat")
        self.switches = segment.counter("host_context_switches_total")
        self.user = segment.counter_f64("host_cpu_seconds_total", "user")
        self.system = segment.counter_f64("host_cpu_seconds_total", "system")
        self.running = segment.level("host_processes_running")
        self.duration = segment.histogram("bridge_read_seconds")
        # The host counts since it booted, the segment since it began.
        stat = read_stat()
        self.switches.baseline(stat["ctxt"][0])
        self.user.baseline(stat["cpu"][0] / TICKS_A_SECOND)
        self.system.baseline(stat["cpu"][2] / TICKS_A_SECOND)

    def read(self) -> None:
        begin = time.perf_counter()
        stat = read_stat()
        self.switches.total(stat["ctxt"][0])
        self.user.total(stat["cpu"][0] / TICKS_A_SECOND)
        self.system.total(stat["cpu"][2] / TICKS_A_SECOND)
        self.running.set(stat["procs_running"][0])
        self.duration.record(time.perf_counter() - begin)


def main(directory: str, seconds: float = 10) -> None:
    try:
        segment = ringside.Segment.create(SCHEMA, vm_id="host", component="proc_stat", directory=directory)
    except ringside.Error as error:
        print(f"no metrics: {error}", file=sys.stderr)
        return
    with segment:
        print(segment.path, flush=True)
        bridge = Bridge(segment)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            bridge.read()
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))


if __name__ == "__main__":
    main(sys.argv[1], *(float(seconds) for seconds in sys.argv[2:3]))
