"""Rollups at the centre against the truth. One Prometheus holds what a scraper of one second would have seen of some VMs,
written by the test itself; the other one what the agent pushed of the same VMs, from segments that real writers recorded.
The same questions go to both, at every window's end and over many spans; a third opinion is arithmetic over the records.

Prometheus before 3.0 takes a range with both of its ends. The sample at T tells of the window before T, so `[k windows]` at a
window's end holds k + 1 samples: what `increase` needs, and one too many for what adds up windows, which are therefore
asked for with a millisecond less.
"""

import bisect
import contextlib
import itertools
import math
import os
import random
import subprocess
import time

import pytest

import remote_write
from harness import BUILD, Agent, Process, Prometheus, scratch, wait_until
from scripted_vm import (CLASSIC_BOUNDS, COUNTERS, GAUGE, HISTOGRAM, LEVEL, MS, NATIVE_BOUNDS, S, STALE, WINDOW_S, Life, Measure, Vm, bound_text,
                         measures)  # fmt: skip

SCRIPTED_WRITER = BUILD / "tests/support/scripted_writer"
WINDOWS = 24  # of the whole story
SPANS = (1, 2, 3, 6, 12)  # in windows
# Samples of one VM may come hours after newer ones of another: its blocks have to be long.
PROMETHEUS = ("--enable-feature=native-histograms", "--storage.tsdb.min-block-duration=1d")
# Doubles on both sides: a handful of roundings, each of at most 2^-53 of the value.
ROUNDING = 16 * 2.0**-53


def make_vms(rng, begin_s, now_s):
    def at(window, seconds=0.0):
        return (begin_s + window * WINDOW_S) * S + round(seconds * 1000) * MS

    steady = Life(rng, at(0, 17.271), now_s * S, None, quiet=[(at(9, -40), at(12, 100))], late_ns=at(15, 111))
    beside = Life(rng, at(2, 211.5), now_s * S, None)
    twice = [
        Life(rng, at(1, 200.25), at(6, 111.9), "killed"),
        Life(rng, at(6, 120.75), at(11, 3.5), "killed"),  # in the same window
        Life(rng, at(14, 3.125), at(20, 123) + 456_789, "closed"),
    ]
    brief = Life(rng, at(16, 100.6), at(16, 145.7), "closed")
    astride = [Life(rng, at(4, 270.3), at(5, 40.2), "killed"), Life(rng, at(5, 60.1), at(8, 10.4), "closed")]
    return [Vm("steady", [steady]), Vm("beside", [beside]), Vm("twice", twice), Vm("brief", [brief]), Vm("astride", astride)]


@contextlib.contextmanager
def recorded(vms, disk, made, directory):
    """Segments of all lives, moved to where the agent looks once their clock has caught up."""
    made.mkdir()
    with contextlib.ExitStack() as stack:
        for vm in vms:
            for number, life in enumerate(vm.lives):
                log = disk / f"{vm.vm_id}-{number}.log"
                writer = Process([SCRIPTED_WRITER, "--directory", made, "--vm-id", vm.vm_id, "--created", life.created_ns], log,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
                stack.enter_context(contextlib.closing(writer))
                writer.process.stdin.write(life.script())
                writer.process.stdin.flush()
                if life.ending is None:
                    assert writer.process.stdout.readline(), writer.output()
                else:
                    writer.process.stdin.close()
                    assert writer.process.wait(60) == 0, writer.output()
                (segment,) = made.iterdir()
                segment.rename(directory / segment.name)
        yield


class Story:
    def __init__(self, raw, rollups, vms, begin_s, until_s, agent):
        self.raw, self.rollups, self.vms, self.agent = raw, rollups, vms, agent
        self.begin_s, self.until_s = begin_s, until_s
        self.ends_s = range(begin_s + WINDOW_S, until_s + 1, WINDOW_S)

    def vm(self, vm_id):
        (vm,) = [vm for vm in self.vms if vm.vm_id == vm_id]
        return vm

    def ask(self, prometheus, expression):
        """{window's end: value} of a query with one answer at most at a time."""
        answer = prometheus.range(expression, self.ends_s[0], self.ends_s[-1], WINDOW_S)
        assert len(answer) <= 1, (expression, answer.keys())
        return next(iter(answer.values()), {})

    def at_centre(self, expression):
        return self.ask(self.rollups, expression)

    def in_raw(self, expression):
        return self.ask(self.raw, expression)

    def spans(self):
        """(windows, begins in ns, ends in s)"""
        for windows in SPANS:
            yield windows, [(end_s, (end_s - windows * WINDOW_S) * S, end_s * S) for end_s in self.ends_s]


def pushed_all(agent, ended, alive):
    metrics = agent.metrics()

    def gauge(name, upstream):
        return float(metrics.partition(f'\nringside_upstream_{name}{{upstream="{upstream}"}} ')[2].split()[0])

    return all(
        gauge("vms", name) == alive and gauge("backlog_windows", name) == 0 and gauge("windows_total", name) > ended
        for name in ("classic", "native")
    )


@pytest.fixture(scope="module")
def story():
    seed = int(os.environ.get("RINGSIDE_SEED") or random.randrange(1 << 32))
    print(f"seed {seed}")
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        def prometheus(name):
            (disk / name).mkdir()
            return stack.enter_context(contextlib.closing(Prometheus(disk / name, *PROMETHEUS)))

        raw, rollups = prometheus("raw"), prometheus("rollups")
        now_s = int(time.time()) - 10
        until_s = (now_s - 5) // WINDOW_S * WINDOW_S
        begin_s = until_s - WINDOWS * WINDOW_S
        vms = make_vms(random.Random(seed), begin_s, now_s)
        for vm in vms:
            remote_write.push(raw.write_url, vm.scraped(), STALE)
        (memory / "vms").mkdir()
        (memory / "vms").chmod(0o3753)  # as the agent would make it
        stack.enter_context(recorded(vms, disk, memory / "made", memory / "vms"))
        (disk / "upstreams.toml").write_text(f"""
[upstream.classic]
url = "{rollups.write_url}"
grace = "500ms"

[upstream.native]
url = "{rollups.write_url}"
grace = "500ms"
protocol = "remote-write-1"
histograms = "native"
metrics = ["{HISTOGRAM[0]}"]
labels = {{ form = "native" }}
""")
        agent = stack.enter_context(contextlib.closing(Agent(disk, memory, "--upstreams-file", disk / "upstreams.toml")))
        lives = [life for vm in vms for life in vm.lives]
        alive = sum(1 for life in lives if life.ending is None)
        wait_until("everything to be pushed", lambda: pushed_all(agent, len(lives), alive))
        yield Story(raw, rollups, vms, begin_s, until_s, agent)


def by_extrapolation(points, begin_ms, end_ms, to_zero=True):
    """What Prometheus' increase makes of samples: the growth from the first one in the range to the last, with resets, times the
    range's share that it takes them to stand for. On either side the range is taken in to its end where that is nearer than
    1.1 mean distances of samples, else half a mean distance is; and at the begin no more than it took to grow from zero."""
    inside = [(ms, value) for ms, value in points if begin_ms <= ms <= end_ms]
    if len(inside) < 2:
        return None
    growth = inside[-1][1] - inside[0][1]
    for (_, before), (_, after) in zip(inside, inside[1:]):
        growth += before if after < before else 0
    covered = (inside[-1][0] - inside[0][0]) / 1000
    mean = covered / (len(inside) - 1)
    to_begin, to_end = (inside[0][0] - begin_ms) / 1000, (end_ms - inside[-1][0]) / 1000
    if to_zero and growth > 0 and inside[0][1] >= 0:
        to_begin = min(to_begin, covered * (inside[0][1] / growth))
    stands_for = covered
    for distance in (to_begin, to_end):
        stands_for += distance if distance < mean * 1.1 else mean / 2
    return growth * (stands_for / covered)


def close(value):
    return pytest.approx(value, rel=ROUNDING, abs=0)


def classic_measures():
    classic = {bound_text(bound) for bound in CLASSIC_BOUNDS} | {"+Inf"}
    return [m for m in measures() if not m.le or m.le[0] in classic]


def selector_of(vm, measure):
    return measure.name + vm.selector(measure.series, **({"le": measure.le[0]} if measure.le else {}))


def test_everything_was_taken(story):
    for line in story.agent.metrics().splitlines():
        if line.startswith(("ringside_upstream_samples_refused", "ringside_upstream_windows_dropped", "ringside_upstream_series_left_out")):
            assert line.endswith(" 0"), line


@pytest.mark.parametrize("measure", classic_measures(), ids=lambda m: "-".join([m.name, m.series[1], *m.le]))
def test_increase_and_rate(story, measure):
    exact = 0
    for vm in story.vms:
        selector = selector_of(vm, measure)
        points = vm.rollups(measure, story.until_s * S)
        sampled = {ms for ms, _ in points}
        for windows, ends in story.spans():
            range_s = windows * WINDOW_S
            increase = story.at_centre(f"increase({selector}[{range_s}s])")
            rate = story.at_centre(f"rate({selector}[{range_s}s])")
            # Nothing to extrapolate for a scraper either, where it has looked just before both ends.
            scraped = story.in_raw(f"{selector} - {selector} offset {range_s}s")
            for end_s, begin_ns, end_ns in ends:
                recorded = sum(measure.of(value) for value in vm.within(measure.series, begin_ns, end_ns))
                answer = increase.get(end_s)
                expected = by_extrapolation(points, begin_ns // MS, end_s * 1000)
                assert answer == (None if expected is None else close(expected)), (vm.vm_id, windows, end_s)
                assert rate.get(end_s) == (None if expected is None else close(expected / range_s))
                if answer is None:
                    assert recorded == 0, (vm.vm_id, windows, end_s)
                elif end_s * 1000 in sampled:  # a restart and the begin of a life are no hindrance
                    assert answer == recorded, (vm.vm_id, windows, end_s)
                    exact += 1
                    if end_s in scraped and vm.lived_through(begin_ns, end_ns):
                        assert answer == scraped[end_s]
    assert exact > 30


@pytest.mark.parametrize("function, column", [("max_over_time", "max"), ("min_over_time", "min"), ("sum_over_time", "sum"),
                                              ("sum_over_time", "count")])  # fmt: skip
def test_gauge_over_time(story, function, column):
    of = {"max": max, "min": min, "sum": sum, "count": len}[column]
    checked = 0
    for vm in story.vms:
        selector = vm.selector(GAUGE)
        for windows, ends in story.spans():
            range_ms = windows * WINDOW_S * 1000 - 1
            rolled_up = story.at_centre(f"{function}({GAUGE[0]}:5m_{column}{selector}[{range_ms}ms])")
            over_raw = "count_over_time" if column == "count" else function
            scraped = story.in_raw(f"{over_raw}({GAUGE[0]}{selector}[{range_ms}ms])")
            for end_s, begin_ns, end_ns in ends:
                values = vm.within(GAUGE, begin_ns, end_ns)
                expected = of(values) if values else None
                assert rolled_up.get(end_s) == scraped.get(end_s) == expected, (vm.vm_id, windows, end_s)
                checked += expected is not None
    assert checked > 200


def test_average_of_observations(story):
    for vm in story.vms:
        selector = vm.selector(GAUGE)
        for windows, ends in story.spans():
            span = f"{selector}[{windows * WINDOW_S * 1000 - 1}ms]"
            rolled_up = story.at_centre(f"sum_over_time({GAUGE[0]}:5m_sum{span}) / sum_over_time({GAUGE[0]}:5m_count{span})")
            for end_s, begin_ns, end_ns in ends:
                values = vm.within(GAUGE, begin_ns, end_ns)
                assert rolled_up.get(end_s) == (sum(values) / len(values) if values else None), (vm.vm_id, windows, end_s)


def test_level_is_weighted_by_time(story):
    """The writer adds up value times seconds piece by piece: two roundings for each, and one for each sum of two."""
    checked = 0
    for vm in story.vms:
        selector = vm.selector(LEVEL)
        for windows, ends in story.spans():
            span = f"[{windows * WINDOW_S * 1000 - 1}ms]"

            def over(function, column, selector=selector, span=span):
                return story.at_centre(f"{function}({LEVEL[0]}:5m_{column}{selector}{span})")

            seconds, summed, least, most = over("sum_over_time", "count"), over("sum_over_time", "sum"), over("min_over_time", "min"), over("max_over_time", "max")
            averages = story.at_centre(f"sum_over_time({LEVEL[0]}:5m_sum{selector}{span}) / sum_over_time({LEVEL[0]}:5m_count{selector}{span})")
            scraped = {name: story.in_raw(f"{name}_over_time({LEVEL[0]}{selector}{span})") for name in ("sum", "count")}
            for end_s, begin_ns, end_ns in ends:
                held = vm.held(begin_ns, end_ns)
                if not held:
                    assert end_s not in seconds and end_s not in averages
                    continue
                pieces = len(held) + windows * WINDOW_S  # a second ends a piece at most
                near = lambda value, pieces=pieces: pytest.approx(value, rel=(3 * pieces) * 2.0**-53, abs=0)  # noqa: E731
                total, total_s = sum(ns * value for ns, value in held) / S, sum(ns for ns, _ in held) / S
                assert seconds[end_s] == near(total_s), (vm.vm_id, windows, end_s)
                assert summed[end_s] == near(total)
                assert averages[end_s] == near(total / total_s)
                assert (least[end_s], most[end_s]) == (min(value for _, value in held), max(value for _, value in held))
                if vm.lived_through(begin_ns, end_ns):
                    assert averages[end_s] == near(scraped["sum"][end_s] / scraped["count"][end_s])
                    checked += 1
    assert checked > 150


@pytest.mark.parametrize("series", [GAUGE, LEVEL, *COUNTERS], ids="-".join)
def test_last_value(story, series):
    """Also that there is none once a VM has ended, in both."""
    shown = 0
    for vm in story.vms:
        selector = series[0] + vm.selector(series)
        # What is looked back for has both of its ends, too, and an observation is older than the sample that has it.
        bare = [] if series == GAUGE else [selector]
        for query in (*bare, f"last_over_time({selector}[899999ms])", f"last_over_time({selector}[1799999ms])"):
            rolled_up, scraped = story.at_centre(query), story.in_raw(query)
            assert rolled_up == scraped, (vm.vm_id, query)
            shown += len(rolled_up)
    assert shown > (20 if series == ("t_exits_total", "late") else 150)


def bucket_of(value, bounds, above):
    """Where a quantile may lie that is `value`: in its bucket, give or take roundings of the bounds. `above` ends what lies
    above all of them."""
    at = bisect.bisect_left(bounds, value)
    low, high = (bounds[at - 1] if at else 0.0), (bounds[at] if at < len(bounds) else above)
    return low * (1 - ROUNDING), high * (1 + ROUNDING)


@pytest.mark.parametrize("q", [0.513, 0.887, 0.9893])  # no rank is a whole number, on which a quantile may jump
def test_quantiles(story, q):
    """A scraper's buckets, at the bounds of either form, give the same quantile: what is linear between bounds is so in both."""
    metric, classic = HISTOGRAM[0], "|".join([*map(bound_text, CLASSIC_BOUNDS), "[+]Inf"])
    checked = 0
    for vm in story.vms:
        selector = vm.selector(HISTOGRAM)
        for windows, ends in story.spans():
            range_s = windows * WINDOW_S
            form = vm.selector(HISTOGRAM, form="native")

            def scraped(le, selector=selector, range_s=range_s):
                buckets = metric + "_bucket" + selector[:-1] + f',le=~"{le}"' + "}"
                return story.in_raw(f"histogram_quantile({q}, sum by (le) (({buckets} - {buckets} offset {range_s}s) / {range_s}))")

            by_classic = story.at_centre(f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket{selector}[{range_s}s])))")
            by_native = story.at_centre(f"histogram_quantile({q}, sum(rate({metric}{form}[{range_s}s])))")
            scraped_classic, scraped_native = scraped(classic), scraped(".*")
            for end_s, begin_ns, end_ns in ends:
                values = sorted(vm.within(HISTOGRAM, begin_ns, end_ns))
                if not values or not vm.lives_at(end_ns):
                    continue
                exact = values[math.ceil(q * len(values)) - 1]
                seen_whole = vm.lived_through(begin_ns, end_ns) and end_s in scraped_native
                for rolled_up, scraped_one, bounds, above in (
                    (by_classic, scraped_classic, CLASSIC_BOUNDS, CLASSIC_BOUNDS[-1]),
                    (by_native, scraped_native, NATIVE_BOUNDS, NATIVE_BOUNDS[-1] * 2**0.5),
                ):
                    low, high = bucket_of(exact, bounds, above)
                    assert low <= rolled_up[end_s] <= high, (vm.vm_id, windows, end_s, exact)
                    if seen_whole and exact <= bounds[-1]:
                        # Of a rank, and of the count below the bucket that is taken from it, each has a rounding per bucket
                        # at most, relative to all observations; what is left of it goes over the bucket's own count, 1 or more.
                        slack = 2 * len(bounds) * 2.0**-53 * len(values) * (high - low)
                        assert rolled_up[end_s] == pytest.approx(scraped_one[end_s], rel=ROUNDING, abs=slack)
                        checked += 1
    assert checked > 200


def test_native_histograms_count_and_sum(story):
    """As `increase` of their classic series, but for the begin of a life: of histograms Prometheus does not know what is zero, and
    takes the range in to its begin."""
    of = {"count": lambda value: 1.0, "sum": float}
    for vm in story.vms:
        selector = HISTOGRAM[0] + vm.selector(HISTOGRAM, form="native")
        for (windows, ends), part in itertools.product(story.spans(), of):
            range_s = windows * WINDOW_S
            answers = story.at_centre(f"histogram_{part}(increase({selector}[{range_s}s]))")
            points = vm.rollups(Measure("", HISTOGRAM, of[part]), story.until_s * S)
            for end_s, begin_ns, end_ns in ends:
                expected = by_extrapolation(points, begin_ns // MS, end_s * 1000, to_zero=False)
                assert answers.get(end_s) == (None if expected is None else close(expected)), (vm.vm_id, windows, end_s)
                if vm.lived_through(begin_ns, end_ns):
                    assert answers[end_s] == sum(map(of[part], vm.within(HISTOGRAM, begin_ns, end_ns)))
