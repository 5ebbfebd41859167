"""Rollups as a real Prometheus has them, against what was recorded.

This file is the oracle: it makes up what VMs record, instant by instant, cuts that into windows by its own arithmetic,
has the upstream push the windows, and compares the answers of Prometheus' HTTP API with the raw records.
All values are multiples of 1/8 and small, so that every sum is exact in any order.
"""

import json
import random
import struct
import subprocess
import time

import pytest

from harness import BUILD, DEADLINE_S, Prometheus, http_get, scratch, wait_until

PUSH = BUILD / "tests/support/push_windows"
S = 1_000_000_000
PARTIAL, CARRIED = 8, 4


class Series:
    """Raw records of one series: times in ns and values, oldest first."""

    def __init__(self, labels, created_ns, records):
        self.labels, self.created_ns, self.records = labels, created_ns, records


def wire_s(end_ns):
    """The time of a sample as it goes over the wire: rounded up to a millisecond."""
    return -(-end_ns // 1_000_000) / 1000


def windows(vm):
    """Ends of the closed windows of a VM's life; the last one is the true end of a drained one."""
    step = vm["resolution_s"] * S
    end_ns = vm.get("ended_ns") or vm["closed_until_ns"]
    ends = list(range(vm["created_ns"] // step * step + step, end_ns + 1, step))
    if end_ns % step:
        ends.append(end_ns)
    return ends


def within(records, begin_ns, end_ns):
    return [value for at_ns, value in records if begin_ns <= at_ns < end_ns]


def points(vm, metric, series):
    step = vm["resolution_s"] * S
    result, begin_ns, first = [], vm["created_ns"] // step * step, True
    for end_ns in windows(vm):
        inside = within(series.records, begin_ns, end_ns)
        before = within(series.records, 0, end_ns)
        flags = PARTIAL if end_ns % step else 0
        point = {"end_ns": end_ns, "flags": flags}
        if metric["kind"] in ("counter", "counter_f64"):
            point["value"] = sum(before)
            if metric["kind"] == "counter_f64":  # as in a segment: the bits
                (point["value"],) = struct.unpack("<Q", struct.pack("<d", sum(before)))
            result.append(point)
        elif metric["kind"] == "gauge" and inside:
            point |= {"count": len(inside), "sum": sum(inside), "min": min(inside), "max": max(inside), "last": inside[-1]}
            result.append(point)
        elif metric["kind"] == "level" and before:
            held = level_pieces(series.records, begin_ns, end_ns)
            values = [value for _, value in held]
            point |= {"count": sum(ns for ns, _ in held), "sum": sum(ns / S * value for ns, value in held),
                      "min": min(values), "max": max(values), "last": values[-1]}
            result.append(point)
        elif metric["kind"] == "histogram":
            zero = 2.0 ** (metric["first"] - 1)
            buckets = [sum(1 for v in before if v <= zero)]
            for index in range(metric["first"], metric["first"] + metric["buckets"]):
                buckets.append(sum(1 for v in before if 2.0 ** (index - 1) < v <= 2.0**index))
            point |= {"count": len(before), "sum": sum(before), "buckets": buckets}
            result.append(point)
        begin_ns = end_ns
    return result


def level_pieces(records, begin_ns, end_ns):
    """[(ns held, value)] of a level gauge between two instants."""
    pieces, value, since_ns = [], None, begin_ns
    for at_ns, new in records:
        if at_ns >= end_ns:
            break
        if at_ns > begin_ns:
            if value is not None:
                pieces.append((at_ns - since_ns, value))
            since_ns = at_ns
        value = new
    if value is not None:
        pieces.append((end_ns - since_ns, value))
    return [piece for piece in pieces if piece[0] > 0]


def eighths(rng, low, high):
    return rng.randrange(low * 8, high * 8) / 8


def make_vm(rng, vm_id, epoch, state, resolution_s, created_ns, end_ns):
    def times(count, from_ns=created_ns):
        # Whole eighths of a second: level gauges weigh by them.
        return sorted(rng.randrange(from_ns * 8 // S + 1, end_ns * 8 // S) * S // 8 for _ in range(count))

    late_ns = created_ns + (end_ns - created_ns) // 2
    metrics = [
        {"name": "t_exits_total", "kind": "counter", "help": "Exits.", "labels": ["reason"], "series": [
            Series(["io"], created_ns, [(t, rng.randrange(1, 9)) for t in times(80)]),
            Series(["idle"], created_ns, []),
            Series(["late"], late_ns, [(t, rng.randrange(1, 9)) for t in times(20, late_ns)]),
        ]},
        {"name": "t_busy_seconds_total", "kind": "counter_f64", "unit": "seconds", "series": [
            Series([], created_ns, [(t, eighths(rng, 0, 5)) for t in times(60)]),
        ]},
        {"name": "t_depth", "kind": "gauge", "labels": ["disk"], "series": [
            Series(["vda"], created_ns, [(t, eighths(rng, -50, 50)) for t in times(100)]),
            Series(["vdb"], created_ns, [(t, eighths(rng, 0, 5)) for t in times(2)]),
        ]},
        {"name": "t_memory_bytes", "kind": "level", "unit": "bytes", "series": [
            Series([], created_ns, [(t, rng.randrange(1, 1000)) for t in times(6)]),
        ]},
        {"name": "t_wait_seconds", "kind": "histogram", "unit": "seconds", "scale": 0, "first": -3, "buckets": 8, "series": [
            Series([], created_ns, [(t, eighths(rng, 0, 30)) for t in times(120)]),
        ]},
        {"name": "t_vm_info", "kind": "info", "labels": ["image"], "series": [Series(["debian"], created_ns, [])]},
    ]
    vm = {"vm_id": vm_id, "epoch": epoch, "state": state, "resolution_s": resolution_s, "created_ns": created_ns,
          "closed_until_ns": end_ns, "metrics": metrics}
    if state == "drained":
        vm["ended_ns"] = end_ns
    return vm


def as_json(vms):
    def series_json(vm, metric, series):
        return {"labels": series.labels, "created_ns": series.created_ns,
                "points": [p for p in points(vm, metric, series) if p["end_ns"] > series.created_ns]}

    return json.dumps({"vms": [
        vm | {"metrics": [metric | {"series": [series_json(vm, metric, s) for s in metric["series"]]}
                          for metric in vm["metrics"]]}
        for vm in vms
    ]})


def push(prometheus_url, state, vms, flush_s=DEADLINE_S):
    done = subprocess.run([PUSH, prometheus_url, state, str(flush_s)], input=as_json(vms), capture_output=True, text=True,
                          timeout=DEADLINE_S + flush_s)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"log": done.stderr}


def each(vms, kind):
    for vm in vms:
        for metric in vm["metrics"]:
            if metric["kind"] in kind:
                for series in metric["series"]:
                    labels = dict(zip(metric.get("labels", []), series.labels)) | {"vm_id": vm["vm_id"]}
                    yield vm, metric, series, "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}"


def one(answer):
    assert len(answer) == 1, answer
    return next(iter(answer.values()))


def end_s(vm):
    """Time of the VM's last sample."""
    return wire_s(windows(vm)[-1])


@pytest.fixture(scope="module")
def pushed():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    now_s = int(time.time()) - 60
    minutes5 = now_s // 300 * 300
    vms = [
        # Ends in mid-window, at a time that no millisecond hits.
        make_vm(rng, "five", 1, "drained", 300, (minutes5 - 2400) * S + 17 * S + 1234567, minutes5 * S - 111 * S + 7),
        make_vm(rng, "six", 2, "drained", 6, (now_s - 300) * S + 3 * S // 2, now_s * S - S // 4),
        make_vm(rng, "alive", 3, "running", 6, (now_s - 200) * S, now_s // 6 * 6 * S),
    ]
    with scratch() as (disk, _):
        prometheus = Prometheus(disk)
        said = push(prometheus.write_url, disk / "state", vms)
        try:
            yield prometheus, vms, said, disk
        finally:
            prometheus.close()


def test_everything_was_taken(pushed):
    _, vms, said, _ = pushed
    assert said["flushed"]
    assert said["samples_refused"] == {} and said["windows_dropped"] == {} and said["series_left_out"] == {}
    assert said["retries"] == 0
    # This Prometheus answers 204 to 2.0, of which it understands nothing.
    assert said["log"].count("does not know remote write 2.0 (HTTP 204): it gets 1.0") == 1
    # The agent's own windows go on to be due for the one that lives; those of the others are counted exactly.
    assert said["windows_sent"] >= sum(len(windows(vm)) for vm in vms)


def test_increase_is_exact_from_the_first_increment_on(pushed):
    prometheus, vms, _, _ = pushed
    checked = 0
    for vm, metric, series, selector in each(vms, ("counter", "counter_f64")):
        first_ms = series.created_ns // 1_000_000
        last_ms = round(end_s(vm) * 1000)
        # From sample to sample: nothing to extrapolate.
        answer = prometheus.query(f"increase({metric['name']}{selector}[{last_ms - first_ms}ms])", last_ms / 1000)
        assert one(answer) == pytest.approx(sum(v for _, v in series.records), rel=1e-12)
        stored = one(prometheus.samples(metric["name"] + selector, at=last_ms / 1000))
        assert stored[0] == (first_ms / 1000, 0.0)
        assert stored[-1] == (last_ms / 1000, float(sum(v for _, v in series.records)))
        ends = [e for e in windows(vm) if e > series.created_ns]
        assert [t for t, _ in stored[1:]] == [wire_s(e) for e in ends]
        checked += 1
    assert checked == 12


@pytest.mark.parametrize("kind", ["gauge", "level"])
def test_columns_of_gauges(pushed, kind):
    prometheus, vms, _, _ = pushed
    for vm, metric, series, selector in each(vms, (kind,)):
        suffix = ":5m_" if vm["resolution_s"] == 300 else ":6s_"
        step = vm["resolution_s"] * S
        span = f"[{round(end_s(vm) - vm['created_ns'] / S) + 1}s]"

        def over(function, column):
            return one(prometheus.query(f"{function}({metric['name']}{suffix}{column}{selector}{span})", end_s(vm)))

        pieces = level_pieces(series.records, vm["created_ns"] // step * step, windows(vm)[-1])
        values = [v for _, v in series.records] if kind == "gauge" else [v for _, v in pieces]
        assert over("min_over_time", "min") == min(values)
        assert over("max_over_time", "max") == max(values)
        if kind == "gauge":
            assert over("sum_over_time", "sum") == sum(values)
            assert over("sum_over_time", "count") == len(values)
        else:
            assert over("sum_over_time", "sum") == pytest.approx(sum(ns / S * v for ns, v in pieces), rel=1e-12)
            assert over("sum_over_time", "count") == pytest.approx(sum(ns for ns, _ in pieces) / S, rel=1e-12)
        last = one(prometheus.query(f"last_over_time({metric['name']}{selector}{span})", end_s(vm)))
        assert last == series.records[-1][1]
        stored = one(prometheus.samples(metric["name"] + selector, at=end_s(vm)))
        expected = [(wire_s(p["end_ns"]), float(p["last"])) for p in points(vm, metric, series)]
        assert stored == expected


def test_histograms_are_cumulative_and_start_at_zero(pushed):
    prometheus, vms, _, _ = pushed
    for vm, metric, series, selector in each(vms, ("histogram",)):
        values = [v for _, v in series.records]
        at = end_s(vm)
        assert one(prometheus.query(f"{metric['name']}_count{selector}", at)) == len(values)
        assert one(prometheus.query(f"{metric['name']}_sum{selector}", at)) == sum(values)
        buckets = {dict(labels)["le"]: value for labels, value in prometheus.query(f"{metric['name']}_bucket{selector}", at).items()}
        assert set(buckets) == {"0.0625", "0.125", "0.25", "0.5", "1", "2", "4", "8", "16", "+Inf"}
        for le, value in buckets.items():
            assert value == sum(1 for v in values if v <= float(le)), le
        first = {v[0] for v in prometheus.samples(f"{metric['name']}_bucket{selector}", at=at).values()}
        assert first == {(series.created_ns // 1_000_000 / 1000, 0.0)}
        quantile = one(prometheus.query(f"histogram_quantile(0.5, {metric['name']}_bucket{selector})", at))
        rank = sorted(values)[len(values) // 2]
        assert quantile / 2 <= rank <= quantile * 2  # within the bucket, of a factor of two


def test_info_stands_beside_every_sample(pushed):
    prometheus, vms, _, _ = pushed
    for vm, metric, _, selector in each(vms, ("info",)):
        stored = one(prometheus.samples(metric["name"] + selector, at=end_s(vm)))
        assert stored == [(wire_s(e), 1.0) for e in windows(vm)]


def test_an_ended_vm_is_gone_one_millisecond_after_its_last_sample(pushed):
    prometheus, vms, _, _ = pushed
    for vm in vms:
        everything = f'{{vm_id="{vm["vm_id"]}"}}'
        assert prometheus.query(everything, end_s(vm))
        after = prometheus.query(everything, end_s(vm) + 0.001)
        if vm["state"] == "drained":
            exits = prometheus.query(f'ringside_vm_exit{{vm_id="{vm["vm_id"]}",cause="killed",code="",signal=""}}', end_s(vm))
            assert list(exits.values()) == [1.0] and after.keys() == exits.keys()
        else:
            assert after


def test_every_series_carries_the_agents_labels(pushed):
    prometheus, _, _, _ = pushed
    status, body = http_get(prometheus.url('/api/v1/series?match[]={__name__=~"t_.*"}'))
    assert status == 200
    found = json.loads(body)["data"]
    assert found
    for labels in found:
        assert labels["instance"] == "test-host" and labels["job"] == "ringside" and labels["vm_id"] in ("five", "six", "alive")


def test_pushing_it_all_again_changes_nothing(pushed):
    prometheus, vms, _, disk = pushed
    everything = '{vm_id=~"five|six"}'
    before = prometheus.samples(everything)
    assert before
    drained = [vm for vm in vms if vm["state"] == "drained"]
    # With its cursors it has nothing to say; without them it says it all again.
    again = push(prometheus.write_url, disk / "state", drained)
    assert again["requests"] == 0
    for number in range(2):
        again = push(prometheus.write_url, disk / f"state-{number}", drained)
        assert again["requests"] > 0
    assert prometheus.samples(everything) == before


def test_a_receiver_that_comes_late_gets_everything(pushed):
    _, vms, _, _ = pushed
    drained = [vm for vm in vms if vm["state"] == "drained"]
    with scratch() as (disk, _):
        prometheus = Prometheus(disk)
        url = prometheus.write_url
        prometheus.kill()
        pushing = subprocess.Popen([PUSH, url, disk / "state", str(DEADLINE_S)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=open(disk / "push.log", "w"), text=True)
        try:
            pushing.stdin.write(as_json(drained))
            pushing.stdin.close()
            wait_until("the first complaint", lambda: "cannot push" in (disk / "push.log").read_text())
            prometheus.start()
            said = json.loads(pushing.stdout.read())
            assert pushing.wait(DEADLINE_S) == 0
            assert said["flushed"] and said["retries"] > 0 and said["samples_refused"] == {}
            assert said["windows_sent"] == sum(len(windows(vm)) for vm in drained)
            for vm, metric, series, selector in each(drained, ("counter",)):
                stored = one(prometheus.samples(metric["name"] + selector))
                assert stored[-1][1] == sum(v for _, v in series.records)
        finally:
            if pushing.poll() is None:
                pushing.kill()
            prometheus.close()
