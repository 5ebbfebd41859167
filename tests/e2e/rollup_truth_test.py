"""Rollups at the centre against the truth: the same questions, at every window's end and over many spans, to a Prometheus that
holds what a scraper of one second would have seen, and to one that holds rollups (rollup_story.py); a third opinion is
arithmetic over the records. And each query that docs/rollups.md calls exact.

Prometheus before 3.0 takes a range with both of its ends. The sample at T tells of the window before T, so `[k windows]` at a
window's end holds k + 1 samples: what `increase` needs, and one too many for what adds up windows, which are therefore
asked for with a millisecond less.
"""

import bisect
import itertools
import math
import re

import pytest

from harness import SOURCE
from rollup_story import told_story
from scripted_vm import (CLASSIC_BOUNDS, COUNTERS, GAUGE, HISTOGRAM, LEVEL, MS, NATIVE_BOUNDS, S, WINDOW_S, Measure, bound_text,
                         measures, selector_of_all)  # fmt: skip

# Doubles on both sides: a handful of roundings, each of at most 2^-53 of the value.
ROUNDING = 16 * 2.0**-53


@pytest.fixture(scope="module")
def story():
    with told_story() as told:
        yield told


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


def test_everything_was_taken(story):
    for line in story.agent.metrics().splitlines():
        if line.startswith(("ringside_upstream_samples_refused", "ringside_upstream_windows_dropped", "ringside_upstream_series_left_out")):
            assert line.endswith(" 0"), line


@pytest.mark.parametrize("measure", classic_measures(), ids=lambda m: "-".join([m.name, m.series[1], *m.le]))
def test_increase_and_rate(story, measure):
    selector = measure.name + selector_of_all(measure.series, **({"le": measure.le[0]} if measure.le else {}))
    points_of = {vm.vm_id: vm.rollups(measure, story.until_s * S) for vm in story.vms}
    exact = 0
    for windows, ends in story.spans():
        range_s = windows * WINDOW_S
        increase = story.ask_of_all(story.rollups, f"increase({selector}[{range_s}s])")
        rate = story.ask_of_all(story.rollups, f"rate({selector}[{range_s}s])")
        # Nothing to extrapolate for a scraper either, where it has looked just before both ends.
        scraped = story.ask_of_all(story.raw, f"{selector} - {selector} offset {range_s}s")
        for vm in story.vms:
            points = points_of[vm.vm_id]
            sampled = {ms for ms, _ in points}
            for end_s, begin_ns, end_ns in ends:
                recorded = sum(measure.of(value) for value in vm.within(measure.series, begin_ns, end_ns))
                answer = increase[vm.vm_id].get(end_s)
                expected = by_extrapolation(points, begin_ns // MS, end_s * 1000)
                assert answer == (None if expected is None else close(expected)), (vm.vm_id, windows, end_s)
                assert rate[vm.vm_id].get(end_s) == (None if expected is None else close(expected / range_s))
                if answer is None:
                    assert recorded == 0, (vm.vm_id, windows, end_s)
                elif end_s * 1000 in sampled:  # a restart and the begin of a life are no hindrance
                    assert answer == recorded, (vm.vm_id, windows, end_s)
                    exact += 1
                    if end_s in scraped[vm.vm_id] and vm.lived_through(begin_ns, end_ns):
                        assert answer == scraped[vm.vm_id][end_s]
    assert exact > 30


@pytest.mark.parametrize("function, column", [("max_over_time", "max"), ("min_over_time", "min"), ("sum_over_time", "sum"),
                                              ("sum_over_time", "count")])  # fmt: skip
def test_gauge_over_time(story, function, column):
    of = {"max": max, "min": min, "sum": sum, "count": len}[column]
    checked = 0
    for windows, ends in story.spans():
        range_ms = windows * WINDOW_S * 1000 - 1
        rolled_up = story.ask_of_all(story.rollups, f"{function}({GAUGE[0]}:5m_{column}[{range_ms}ms])")
        over_raw = "count_over_time" if column == "count" else function
        scraped = story.ask_of_all(story.raw, f"{over_raw}({GAUGE[0]}[{range_ms}ms])")
        for vm, (end_s, begin_ns, end_ns) in itertools.product(story.vms, ends):
            values = vm.within(GAUGE, begin_ns, end_ns)
            expected = of(values) if values else None
            assert rolled_up[vm.vm_id].get(end_s) == scraped[vm.vm_id].get(end_s) == expected, (vm.vm_id, windows, end_s)
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
                return f"{function}({LEVEL[0]}:5m_{column}{selector}{span})"

            seconds, summed = over("sum_over_time", "count"), over("sum_over_time", "sum")
            averages = story.at_centre(f"{summed} / {seconds}")
            seconds, summed = story.at_centre(seconds), story.at_centre(summed)
            least, most = story.at_centre(over("min_over_time", "min")), story.at_centre(over("max_over_time", "max"))
            scraped = {name: story.in_raw(f"{name}_over_time({LEVEL[0]}{selector}{span})") for name in ("sum", "count")}
            for end_s, begin_ns, end_ns in ends:
                held = vm.held(begin_ns, end_ns)
                if not held:
                    assert end_s not in seconds and end_s not in averages
                    continue
                pieces = len(held) + windows * WINDOW_S  # a second ends a piece at most

                def near(value, pieces=pieces):
                    return pytest.approx(value, rel=3 * pieces * 2.0**-53, abs=0)

                total, total_s = sum(ns * value for ns, value in held) / S, sum(ns for ns, _ in held) / S
                assert seconds[end_s] == near(total_s), (vm.vm_id, windows, end_s)
                assert summed[end_s] == near(total)
                assert averages[end_s] == near(total / total_s)
                values = vm.levels(begin_ns, end_ns)
                assert (least[end_s], most[end_s]) == (min(values), max(values)), (vm.vm_id, windows, end_s)
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
    """A scraper's buckets, at the bounds of either form, give the same quantile: what is linear between bounds is so in both. Of each
    VM, and of two together."""
    metric, classic = HISTOGRAM[0], "|".join([*map(bound_text, CLASSIC_BOUNDS), "[+]Inf"])
    checked = 0
    for vms in (*([vm] for vm in story.vms), [story.vm("steady"), story.vm("beside")]):
        selector = f'{{vm_id=~"{"|".join(vm.vm_id for vm in vms)}"}}'
        for windows, ends in story.spans():
            range_s = windows * WINDOW_S

            def scraped(le, selector=selector, range_s=range_s):
                buckets = metric + "_bucket" + selector[:-1] + f',le=~"{le}"' + "}"
                return story.in_raw(f"histogram_quantile({q}, sum by (le) (({buckets} - {buckets} offset {range_s}s) / {range_s}))")

            by_classic = story.at_centre(f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket{selector}[{range_s}s])))")
            by_native = story.of_native(f"histogram_quantile({q}, sum(rate({metric}{selector}[{range_s}s])))")
            scraped_classic, scraped_native = scraped(classic), scraped(".*")
            for end_s, begin_ns, end_ns in ends:
                values = sorted(value for vm in vms for value in vm.within(HISTOGRAM, begin_ns, end_ns))
                whole = all(vm.lived_through(begin_ns, end_ns) for vm in vms)
                # Of one VM all buckets are stretched alike.
                if not values or not (whole or (len(vms) == 1 and vms[0].window_at(end_ns))):
                    continue
                exact = values[math.ceil(q * len(values)) - 1]
                for rolled_up, scraped_one, bounds, above in (
                    (by_classic, scraped_classic, CLASSIC_BOUNDS, CLASSIC_BOUNDS[-1]),
                    (by_native, scraped_native, NATIVE_BOUNDS, NATIVE_BOUNDS[-1] * 2**0.5),
                ):
                    low, high = bucket_of(exact, bounds, above)
                    assert low <= rolled_up[end_s] <= high, (selector, windows, end_s, exact)
                    if whole and end_s in scraped_native and exact <= bounds[-1]:
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
        selector = HISTOGRAM[0] + vm.selector(HISTOGRAM)
        for (windows, ends), part in itertools.product(story.spans(), of):
            range_s = windows * WINDOW_S
            answers = story.of_native(f"histogram_{part}(increase({selector}[{range_s}s]))")
            points = vm.rollups(Measure("", HISTOGRAM, of[part]), story.until_s * S)
            for end_s, begin_ns, end_ns in ends:
                expected = by_extrapolation(points, begin_ns // MS, end_s * 1000, to_zero=False)
                assert answers.get(end_s) == (None if expected is None else close(expected)), (vm.vm_id, windows, end_s)
                if vm.lived_through(begin_ns, end_ns):
                    assert answers[end_s] == sum(map(of[part], vm.within(HISTOGRAM, begin_ns, end_ns)))


# --- docs/rollups.md --------------------------------------------------------------------------------------------------

DOCUMENT = (SOURCE / "docs/rollups.md").read_text()


def section(title):
    return DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def queries_in(text):
    return re.findall(r"`([a-z][^`\n]*\([^`\n]*\[[^`\n]+\][^`\n]*)`", text)


TABLE = queries_in("".join(re.findall(r"^\|.*\n", section("Queries that stay exact"), re.M)))


def seconds_of(duration):
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|[hms])", duration))


def windows_of(query):
    (text,) = set(re.findall(r"\[(.*?)\]", query))
    return round(seconds_of(text) / WINDOW_S)


def quantile_bounds(bounds, above):
    def quantile(vm, begin_ns, end_ns, _):
        values = sorted(vm.within(HISTOGRAM, begin_ns, end_ns))
        return bucket_of(values[math.ceil(0.99 * len(values)) - 1], bounds, above) if values else None

    return quantile


def average(vm, begin_ns, end_ns, series):
    if series == LEVEL:
        held = vm.held(begin_ns, end_ns)
        return sum(ns * value for ns, value in held) / sum(ns for ns, _ in held) if held else None
    values = vm.within(series, begin_ns, end_ns)
    return sum(values) / len(values) if values else None


def extreme(of):
    def over(vm, begin_ns, end_ns, series):
        values = vm.levels(begin_ns, end_ns) if series == LEVEL else vm.within(series, begin_ns, end_ns)
        return of(values) if values else None

    return over


def last_recorded(vm, begin_ns, end_ns, series):
    """The sample at the begin of the range is in it, and tells of the window before."""
    return vm.last(series, begin_ns - vm.window_at(begin_ns) * S, end_ns)


# By query without its range: the series that x stands for, and the answer.
ANSWERS = {
    "increase(x_total[])": (COUNTERS, lambda vm, begin, end, series: sum(vm.within(series, begin, end))),
    "rate(x_total[])": (COUNTERS, lambda vm, begin, end, series: sum(vm.within(series, begin, end)) / ((end - begin) / S)),
    "max_over_time(x:5m_max[])": ([GAUGE, LEVEL], extreme(max)),
    "min_over_time(x:5m_min[])": ([GAUGE, LEVEL], extreme(min)),
    "sum_over_time(x:5m_sum[]) / sum_over_time(x:5m_count[])": ([GAUGE, LEVEL], average),
    "last_over_time(x[])": ([GAUGE], last_recorded),
    "histogram_quantile(0.99, sum(rate(x[])))": ([HISTOGRAM], quantile_bounds(NATIVE_BOUNDS, NATIVE_BOUNDS[-1] * 2**0.5)),
    "histogram_quantile(0.99, sum by (le) (rate(x_bucket[])))": ([HISTOGRAM], quantile_bounds(CLASSIC_BOUNDS, CLASSIC_BOUNDS[-1])),
}
ENDS = "sum by (cause) (count_over_time(ringside_vm_exit[]))"


def without_range(query):
    return re.sub(r"\[.*?\]", "[]", query)


def of_series(query, vm, series):
    """The query with the name and the labels of a series of the VM in place of x."""
    name = re.sub("_total$", "", series[0])
    return re.sub(r"\bx(_total|_bucket|:5m_[a-z]+|)\[", lambda part: name + part[1] + vm.selector(series) + "[", query)


def ends_of_points(vm, series, story):
    """{ms} at which a cumulative series has samples."""
    return {ms for ms, _ in vm.rollups(Measure("", series, lambda value: 1.0), story.until_s * S)}


def check_answers(story, query, ask, after_ends=False):
    """Asks it of every series that x may stand for, and compares the answers at every window's end. Those of a cumulative
    series that has ended before are left out, unless they too have to be right."""
    candidates, truth = ANSWERS[without_range(query)]
    checked = 0
    for vm, series in itertools.product(story.vms, candidates):
        answers = ask(of_series(query, vm, series))
        points = None if series in (GAUGE, LEVEL) else ends_of_points(vm, series, story)
        for end_s in story.ends_s:
            begin_ns, end_ns = (end_s - windows_of(query) * WINDOW_S) * S, end_s * S
            if end_s not in answers or (points is not None and end_s * 1000 not in points and not after_ends):
                continue
            expected, answer = truth(vm, begin_ns, end_ns, series), answers[end_s]
            if isinstance(expected, tuple):
                assert expected[0] <= answer <= expected[1], (vm.vm_id, series, end_s)
            elif series == LEVEL:
                assert answer == pytest.approx(expected, rel=3 * windows_of(query) * WINDOW_S * 2.0**-53, abs=0), (vm.vm_id, end_s)
            elif expected is not None:
                assert answer == close(expected), (vm.vm_id, series, end_s)
            else:
                assert math.isnan(answer), (vm.vm_id, series, end_s)  # a quantile of nothing
            checked += 1
        if vm.vm_id == "steady" and series[1] not in ("late", "rare"):
            assert set(answers) >= set(story.ends_s[1:]) - quiet_ends(story, vm, series, query)
    assert checked > 50


def quiet_ends(story, vm, series, query):
    """Where a gauge has nothing to say for a whole range."""
    if series != GAUGE:
        return set()
    span_s = (windows_of(query) + 1) * WINDOW_S
    return {end_s for end_s in story.ends_s if not vm.within(series, (end_s - span_s) * S, end_s * S)}


@pytest.mark.parametrize("query", [query for query in TABLE if without_range(query) != ENDS])
def test_queries_of_the_document(story, query):
    check_answers(story, query, story.of_native if "sum(rate(x[" in query else story.at_centre)


def test_ends_are_counted(story):
    (query,) = [query for query in TABLE if without_range(query) == ENDS]
    answer = story.rollups.range(query, story.ends_s[0], story.ends_s[-1], WINDOW_S)
    for cause in ("killed", "closed"):
        counts = answer[frozenset({("cause", cause)})]
        for end_s in story.ends_s:
            begin_ns = (end_s - windows_of(query) * WINDOW_S) * S
            ends = [life for vm in story.vms for life in vm.lives if life.ending == cause and begin_ns < life.until_ns <= end_s * S]
            assert counts.get(end_s, 0) == len(ends), (cause, end_s)


@pytest.mark.parametrize("query", [query for query in TABLE if without_range(query).startswith(("increase", "max_", "min_", "sum_"))])
def test_victoria_metrics_needs_no_missing_millisecond_and_adds_nothing_to_an_end(story, query):
    check_answers(story, query.replace("59m59s999ms", "1h"), lambda q: story.ask(story.elsewhere, q), after_ends=True)


def test_what_the_document_says_of_ranges(story):
    steady = story.vm("steady")
    level, counter = LEVEL[0] + ":5m_max" + steady.selector(LEVEL), COUNTERS[0][0] + steady.selector(COUNTERS[0])
    whole, millisecond_more = story.at_centre(f"increase({counter}[15m])"), story.at_centre(f"increase({counter}[15m1ms])")
    counts, counts_elsewhere = (story.ask(receiver, f"count_over_time({level}[1h])") for receiver in (story.rollups, story.elsewhere))
    for end_s in story.ends_s[12:]:
        assert (counts[end_s], counts_elsewhere[end_s]) == (13, 12)
        assert millisecond_more[end_s] == close(whole[end_s] * 900_001 / 900_000)


def test_what_the_document_says_of_other_times(story):
    """A hundred seconds after each window's end."""
    for vm in story.vms:
        level = LEVEL[0] + ":5m_max" + vm.selector(LEVEL)
        at_end, later = story.at_centre(f"max_over_time({level}[59m59s999ms])"), story.at_centre(f"max_over_time({level}[1h])", 100)
        ends = [end_ns for life in vm.lives for end_ns in life.window_ends((story.until_s + 100) * S)]
        for end_s in story.ends_s[:-1]:
            # Windows of lives that ended or were short end between, too.
            if not any(at_s * S < end_ns <= (at_s + 100) * S for end_ns in ends for at_s in (end_s, end_s - 3600)):
                assert at_end.get(end_s) == later.get(end_s), (vm.vm_id, end_s)
        points = vm.rollups(Measure("", COUNTERS[0], float), (story.until_s + 100) * S)
        increase = story.at_centre(f"increase({COUNTERS[0][0]}{vm.selector(COUNTERS[0])}[15m])", 100)
        for end_s in story.ends_s[:-1]:
            expected = by_extrapolation(points, (end_s + 100 - 900) * 1000, (end_s + 100) * 1000)
            assert increase.get(end_s) == (None if expected is None else close(expected)), (vm.vm_id, end_s)


def test_what_the_document_says_of_vms_that_end(story):
    """The brief one lived for 45 seconds: a zero, and five points."""
    brief = story.vm("brief")
    (life,) = brief.lives
    total = sum(value for _, value in life.records[COUNTERS[0]])
    assert total > 0 and len(life.window_ends(story.until_s * S)) == 5
    counter = COUNTERS[0][0] + brief.selector(COUNTERS[0]) + "[1h]"
    increase, last = story.at_centre(f"increase({counter})"), story.at_centre(f"last_over_time({counter})")
    elsewhere = story.ask(story.elsewhere, f"increase({counter})")
    asked = [end_s for end_s in story.ends_s if end_s * S >= life.until_ns]
    assert len(asked) > 5
    for end_s in asked:
        assert increase[end_s] == close(total * 1.1)
        assert last[end_s] == elsewhere[end_s] == total


def test_the_document_asks_nothing_else():
    in_prose = {"increase(x_total[15m1ms])", "histogram_count(increase(x[1h]))", "last_over_time(x_total[1h])"}  # asked above
    assert set(queries_in(DOCUMENT)) == {*TABLE, *in_prose}
    assert {without_range(query) for query in TABLE} == {*ANSWERS, ENDS}
