"""Schemas: what a segment will hold, as dataclasses."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Sequence

from . import _native


class Kind(enum.IntEnum):
    """What a metric is, and so which method registers its series."""

    COUNTER = _native.COUNTER
    COUNTER_F64 = _native.COUNTER_F64
    GAUGE = _native.GAUGE
    LEVEL = _native.LEVEL
    HISTOGRAM = _native.HISTOGRAM
    INFO = _native.INFO


class Column(enum.IntFlag):
    """What the windows of a tier keep, each kind of it what it has."""

    COUNT = _native.COLUMN_COUNT
    SUM = _native.COLUMN_SUM
    MIN = _native.COLUMN_MIN
    MAX = _native.COLUMN_MAX
    LAST = _native.COLUMN_LAST
    VALUE = _native.COLUMN_VALUE
    BUCKETS = _native.COLUMN_BUCKETS
    ALL = COUNT | SUM | MIN | MAX | LAST | VALUE | BUCKETS


@dataclass(frozen=True)
class Tier:
    """One resolution: `slots` windows of `resolution_s` seconds."""

    resolution_s: int
    slots: int
    columns: Column = Column.ALL


#: One hour and more in three steps: 1 s x 300, 10 s x 360, 5 m x 288.
DEFAULT_TIERS = tuple(Tier(resolution_s, slots, Column(columns)) for resolution_s, slots, columns in _native.DEFAULT_TIERS)


@dataclass(frozen=True)
class Buckets:
    """Of a histogram: 2**scale buckets per factor of two, between two values above 0."""

    scale: int
    lowest: float
    highest: float


@dataclass(frozen=True)
class Metric:
    """A name, a kind, and room for `max_series` series that differ by the values of `labels`."""

    name: str
    kind: Kind
    labels: Sequence[str] = ()
    max_series: int = 1
    unit: str = ""
    help: str = ""
    shared: bool = False  # counters that native threads of the process feed too
    buckets: Buckets | None = None  # histograms

    def _native(self) -> _native.MetricTuple:
        buckets = self.buckets or Buckets(0, 0.0, 0.0)
        flags = _native.METRIC_SHARED if self.shared else 0
        return (self.name, self.kind, flags, self.unit, self.help, tuple(self.labels), self.max_series, buckets.scale,
                buckets.lowest, buckets.highest)  # fmt: skip


@dataclass(frozen=True)
class Schema:
    """What a segment will hold; its size follows from it and never changes."""

    name: str
    metrics: Sequence[Metric]
    tiers: Sequence[Tier] = DEFAULT_TIERS  # finest first
    version: int = 1  # the author's own count
    label_arena_bytes: int = 0  # for all label values; 0 is 64 bytes a series that has labels

    def check(self) -> None:
        """Raises Error when a rule is broken."""
        _native.schema_check(self._native())

    @property
    def segment_bytes(self) -> int:
        """What a segment will take, to the byte. Raises Error when a rule is broken."""
        return _native.schema_size(self._native())

    def _native(self) -> _native.SchemaTuple:
        tiers = tuple((tier.resolution_s, tier.slots, int(tier.columns)) for tier in self.tiers)
        return (self.name, self.version, tiers, tuple(metric._native() for metric in self.metrics), self.label_arena_bytes)
