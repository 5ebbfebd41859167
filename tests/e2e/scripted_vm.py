"""VMs whose lives are made up beforehand: the script that a real writer records, what a scraper of one second would have
seen of it, and what is true of any span of time by adding up the records. Nothing here knows how windows are made.

Values are multiples of 1/8 and small: sums are exact in any order. Records of a second come before its half, when the
scraper looks; gauges have at most one record a second, and levels change where a second begins, so that the scraper
misses nothing and a span that begins and ends with whole seconds is the same to it and to the records.
"""

import bisect
import math

S, MS = 1_000_000_000, 1_000_000
WINDOW_S, SHORT_WINDOW_S = 300, 10
# Upper bounds of the histogram's buckets: two for each factor of two. Classic ones are the powers of two.
NATIVE_BOUNDS = [2.0 ** (i / 2) for i in range(-7, 9)]
CLASSIC_BOUNDS = [bound for bound in NATIVE_BOUNDS if math.log2(bound).is_integer()]
STALE = "stale"

COUNTERS = [("t_exits_total", "io"), ("t_exits_total", "rare"), ("t_exits_total", "late"), ("t_busy_seconds_total", "-")]
GAUGE, LEVEL, HISTOGRAM = ("t_depth", "-"), ("t_memory_bytes", "-"), ("t_wait_seconds", "-")
VERBS = {"t_exits_total": "add", "t_busy_seconds_total": "add", "t_depth": "record", "t_wait_seconds": "record", "t_memory_bytes": "set"}


def bound_text(bound):
    return "+Inf" if bound == math.inf else format(bound, ".17g")


class Life:
    """One life of a VM. `ending`: "closed" at `until_ns`; "killed", with records up to there; None: it lives on."""

    def __init__(self, rng, created_ns, until_ns, ending, *, quiet=(), late_ns=None):
        self.created_ns, self.ending = created_ns, ending
        self.records = {series: [] for series in [*COUNTERS, GAUGE, LEVEL, HISTOGRAM]}

        def record(series, at_ns, value):
            if created_ns <= at_ns < until_ns:
                self.records[series].append((at_ns, value))

        record(LEVEL, created_ns, rng.randrange(1, 1000))
        record(COUNTERS[0], created_ns, 1)
        for second in range(-(-created_ns // S), until_ns // S):
            if rng.random() < 1 / 400 and second % WINDOW_S:  # also in the quiet: it lives, and what it holds may change
                record(LEVEL, second * S, rng.randrange(1, 1000))
            if any(begin <= second * S < end for begin, end in quiet):
                continue
            if second % WINDOW_S == 0:  # in the instant that ends one window and begins the next
                record(COUNTERS[0], second * S, 1)
                record(HISTOGRAM, second * S, 1)
                record(LEVEL, second * S, rng.randrange(1, 1000))
            for _ in range(rng.randrange(3)):
                record(COUNTERS[0], second * S + rng.randrange(400) * MS, rng.randrange(1, 9))
            if rng.random() < 1 / 100:
                record(COUNTERS[1], second * S + rng.randrange(400) * MS, 1)
            if late_ns is not None and second * S >= late_ns and rng.random() < 1 / 3:
                record(COUNTERS[2], second * S + rng.randrange(400) * MS, rng.randrange(1, 5))
            if rng.random() < 1 / 2:
                record(COUNTERS[3], second * S + rng.randrange(400) * MS, rng.randrange(1, 16) / 8)
            if rng.random() < 1 / 2:
                value = rng.randrange(80) / 8
                if rng.random() < 1 / 300:
                    value = rng.choice([-1, 1]) * rng.randrange(1000, 9000)  # for this one record
                # Not where a window begins: a scraper's own sample there is in the range that ends there, too.
                record(GAUGE, second * S + rng.randrange(1, 400) * MS, value)
            for _ in range(rng.randrange(3)):
                value = min(rng.expovariate(1.2), 15)
                if rng.random() < 1 / 500:
                    value = 20  # above the range of the histogram
                record(HISTOGRAM, second * S + rng.randrange(400) * MS, round(value * 64) / 64)
        for records in self.records.values():
            records.sort(key=lambda record: record[0])
        last_ns = max(records[-1][0] for records in self.records.values() if records)
        # Of a writer that was killed nothing is known but its last record: it lived for all of that second.
        self.until_ns = {"closed": until_ns, "killed": (last_ns // S + 1) * S, None: until_ns}[ending]
        self.last_ns = last_ns

    @property
    def window_s(self):
        short = self.ending is not None and self.until_ns - self.created_ns < WINDOW_S * S
        return SHORT_WINDOW_S if short else WINDOW_S

    def script(self):
        lines = [
            (at_ns, f"{at_ns} {VERBS[metric]} {metric} {label} {value!r}")
            for (metric, label), records in self.records.items() for at_ns, value in records
        ]  # fmt: skip
        lines.sort(key=lambda line: line[0])
        if self.ending == "closed":
            return "\n".join(line for _, line in lines) + f"\n{self.until_ns} close 3 as scripted\n"
        return "\n".join(line for _, line in lines) + (f"\n{self.until_ns} stand\n" if self.ending is None else "\n")

    def window_ends(self, known_until_ns):
        """Of all windows of this life that are over at `known_until_ns`; the last one is the true end."""
        step = self.window_s * S
        ends = list(range(self.created_ns // step * step + step, min(self.until_ns, known_until_ns) + 1, step))
        if self.ending is not None and self.until_ns % step and self.until_ns <= known_until_ns:
            ends.append(self.until_ns)
        return ends

    def scrapes_ms(self):
        first = self.created_ns // S
        return [s * 1000 + 500 for s in range(first, self.until_ns // S + 1) if self.created_ns <= s * S + S // 2 < self.until_ns]


def selector_of_all(series, **more):
    """The labels of a series, of whatever VM."""
    pairs = ({"reason": series[1]} if series[1] != "-" else {}) | more
    return "{" + ",".join(f'{name}="{value}"' for name, value in pairs.items()) + "}"


class Vm:
    """Lives that follow each other under one name."""

    def __init__(self, vm_id, lives):
        self.vm_id, self.lives = vm_id, lives

    def selector(self, series):
        return selector_of_all(series, vm_id=self.vm_id)

    def within(self, series, begin_ns, end_ns):
        """Values recorded from `begin_ns` on and before `end_ns`."""
        found = []
        for life in self.lives:
            records = life.records[series]
            begin = bisect.bisect_left(records, begin_ns, key=lambda record: record[0])
            end = bisect.bisect_left(records, end_ns, key=lambda record: record[0])
            found += [value for _, value in records[begin:end]]
        return found

    def held(self, begin_ns, end_ns):
        """[(ns, value)]: how long the level had which value."""
        pieces = []
        for life in self.lives:
            changes = [*life.records[LEVEL], (life.until_ns, None)]
            for (since_ns, value), (until_ns, _) in zip(changes, changes[1:]):
                ns = min(until_ns, end_ns) - max(since_ns, begin_ns)
                if ns > 0:
                    pieces.append((ns, value))
        return pieces

    def levels(self, begin_ns, end_ns):
        """The values that the level had; one that was replaced in the very instant in which the span begins is one of them."""
        values = [value for _, value in self.held(begin_ns, end_ns)]
        for life in self.lives:
            changes = life.records[LEVEL]
            values += [before for (_, before), (at_ns, _) in zip(changes, changes[1:]) if at_ns == begin_ns]
        return values

    def last(self, series, begin_ns, end_ns):
        values = self.within(series, begin_ns, end_ns)
        return values[-1] if values else None

    def window_at(self, ns):
        """How long the window is that ends at the end of a window of the usual kind; 0: there is no life there."""
        return next((life.window_s for life in self.lives if life.created_ns < ns and (life.ending is None or life.until_ns >= ns)), 0)

    def lived_through(self, begin_ns, end_ns):
        return any(life.created_ns <= begin_ns and (life.ending is None or life.until_ns >= end_ns) for life in self.lives)

    def rollups(self, measure, known_until_ns):
        """[(ms, value)] of a cumulative series as it should arrive: a zero where the series begins, then the total at the end of
        each window, in each life anew. Where a life had to be taken to have lasted into the next one, that one's zero comes after it
        and its stale marker."""
        points, free_ms = [], 0
        for life in self.lives:
            records = life.records[measure.series]
            begin_ms, free_ms = free_ms, -(-life.until_ns // MS) + 2
            if not records:
                continue
            points.append((max(records[0][0] // MS, begin_ms), 0.0))
            total, at = 0.0, 0
            for end_ns in life.window_ends(known_until_ns):
                while at < len(records) and records[at][0] < end_ns:
                    total += measure.of(records[at][1])
                    at += 1
                if end_ns > records[0][0]:
                    points.append((-(-end_ns // MS), total))
        return points

    def scraped(self):
        """{labels: [(ms, value)]} of everything that a scraper of one second would have stored."""
        stored = {}
        for life, following in zip(self.lives, [*self.lives[1:], None]):
            times = life.scrapes_ms()
            next_ms = following.created_ns // MS if following else math.inf
            ended_ms = [times[-1] + 1000] if life.ending and times and times[-1] + 1000 < next_ms else []

            def add(name, series, samples):
                labels = {"__name__": name, "vm_id": self.vm_id} | ({"reason": series[1]} if series[1] != "-" else {})
                labels = labels | ({"le": series[2]} if len(series) > 2 else {})
                if samples:
                    stored.setdefault(tuple(sorted(labels.items())), []).extend([*samples, *((ms, STALE) for ms in ended_ms)])

            for measure in measures():
                records = life.records[measure.series]
                totals = as_scraped(times, records, lambda total, value, of=measure.of: (total or 0.0) + of(value))
                add(measure.name, (*measure.series, *measure.le), totals)
            add(LEVEL[0], LEVEL, as_scraped(times, life.records[LEVEL], lambda _, value: float(value)))
            add(GAUGE[0], GAUGE, [(at_ns // MS, float(value)) for at_ns, value in life.records[GAUGE]])
        return stored


def as_scraped(times_ms, records, after):
    samples, at, value = [], 0, None
    for ms in times_ms:
        while at < len(records) and records[at][0] <= ms * MS:
            value = after(value, records[at][1])
            at += 1
        if value is not None:
            samples.append((ms, value))
    return samples


class Measure:
    """A cumulative series, and what a record adds to it."""

    def __init__(self, name, series, of, le=()):
        self.name, self.series, self.of, self.le = name, series, of, le


def measures():
    counters = [Measure(series[0], series, float) for series in COUNTERS]
    histogram = HISTOGRAM[0]
    return counters + [
        Measure(histogram + "_count", HISTOGRAM, lambda value: 1.0),
        Measure(histogram + "_sum", HISTOGRAM, float),
    ] + [
        Measure(histogram + "_bucket", HISTOGRAM, lambda value, bound=bound: float(value <= bound), (bound_text(bound),))
        for bound in [*NATIVE_BOUNDS, math.inf]
    ]  # fmt: skip
