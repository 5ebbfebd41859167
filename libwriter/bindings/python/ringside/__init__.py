"""Metrics of a VM into a shared-memory segment: the writer library of Ringside for Python.

    schema = Schema("router", [Metric("router_packets_total", Kind.COUNTER, labels=["port"], max_series=4)])
    with Segment.create(schema, vm_id="vm-7") as segment:
        packets = segment.counter("router_packets_total", "eth0")
        packets.add(3)

For bridges and tests: a record costs what a call from Python costs. README.md has the rules.
"""

from ._error import Error
from ._native import Counter, CounterF64, Gauge, Histogram, Level, SharedCounter
from ._schema import DEFAULT_TIERS, Buckets, Column, Kind, Metric, Schema, Tier
from ._segment import EXCEPTION_CODE, Segment

__all__ = [
    "DEFAULT_TIERS",
    "EXCEPTION_CODE",
    "Buckets",
    "Column",
    "Counter",
    "CounterF64",
    "Error",
    "Gauge",
    "Histogram",
    "Kind",
    "Level",
    "Metric",
    "Schema",
    "Segment",
    "SharedCounter",
    "Tier",
]
