"""From record to fleet TSDB: writers in several threads, the agent killed and restarted, the receiver down for some
windows, and at the end Prometheus holds exactly what the writers say they recorded. The writers' own tally is the
oracle; nothing here reads a segment."""

import contextlib
import json
import math
import time

import pytest

from harness import Agent, Prometheus, Writer, scratch, wait_until

TIERS = "1x60,2x60,6x60"
ROLLUP_S = 6


@pytest.fixture(scope="module")
def finished():
    """Runs the story once; the tests below each check one side of how it ended."""
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        (disk / "prometheus").mkdir()
        prometheus = stack.enter_context(contextlib.closing(Prometheus(disk / "prometheus")))
        agent = stack.enter_context(
            contextlib.closing(
                Agent(disk, memory, "--upstream", f"central={prometheus.write_url}", "--upstream-grace", "500ms")
            )
        )

        def writer(vm_id, seed):
            made = Writer(agent.directory, vm_id, disk / f"{vm_id}.log", tiers=TIERS, threads=3, seed=seed)
            return stack.enter_context(contextlib.closing(made))

        closes, killed, orphan = writer("closes", 100), writer("killed", 200), writer("orphan", 300)
        writers = [closes, killed, orphan]
        for one in writers:
            one.tell("start")
        next_windows(1)
        wait_until("first windows to arrive", lambda: prometheus.query("count(t_ops_total)"))

        agent.kill()  # SIGKILL, while everybody writes
        orphan.tell("pause")
        orphan.kill()  # dies while no agent looks
        next_windows(1)
        prometheus.kill()
        agent.start()
        next_windows(1)  # windows that nobody takes
        killed.tell("pause")
        in_mid_window()
        killed.kill()
        wait_until("the killed VMs to be drained", lambda: states(agent) == {"running": 1, "drained": 2})
        prometheus.start()
        next_windows(1)
        closes.close_segment(7, "guest shut down")
        wait_until("all to be drained", lambda: states(agent) == {"drained": 3})
        wait_until("all to be pushed", lambda: all_done(agent))
        finished_audit(agent)
        assert agent.terminate() == 0
        yield prometheus, writers, agent


AUDIT = {}


def finished_audit(agent):
    """What the agent itself says of the three, while it is there to be asked."""
    done = agent.ctl("audit", "--all", "--series", check=False)
    AUDIT.update(json.loads(done.stdout), exit_code=done.returncode)


def next_windows(count):
    """Sleeps until `count` more rollup windows have ended."""
    until = (time.time() // ROLLUP_S + count) * ROLLUP_S + 0.2
    while time.time() < until:
        time.sleep(0.05)


def in_mid_window():
    wait_until("the middle of a window", lambda: 1.5 < time.time() % ROLLUP_S < 5 and 0.2 < time.time() % 1 < 0.8, step_s=0.01)


def states(agent):
    found = {}
    for vm in agent.ctl("ls", "--all")["vms"]:
        found[vm["state"]] = found.get(vm["state"], 0) + 1
    return found


def all_done(agent):
    """Whether the upstream has acknowledged all of every VM, stale markers included."""
    return all(
        [upstream["done"] for upstream in agent.ctl("show", vm_id)["upstreams"]] == [True]
        for vm_id in ("closes", "killed", "orphan")
    )


def each(finished, kind):
    """(vm_id, metric, labels, figures) of every series of the kind, from the tallies."""
    _, writers, _ = finished
    for writer in writers:
        for series in writer.tally:
            if series["kind"] == kind:
                yield writer.vm_id, series["metric"], series["labels"], series


def value(finished, expression):
    answer = finished[0].query(expression, at=time.time() + 1)
    assert len(answer) == 1, f"{expression}: {answer}"
    return next(iter(answer.values()))


def selector(metric, vm_id, labels, **more):
    pairs = {"vm_id": vm_id, **labels, **more}
    return metric + "{" + ",".join(f'{name}="{text}"' for name, text in pairs.items()) + "}"


def test_the_tallies_are_not_empty(finished):
    for _, _, _, tally in each(finished, "gauge"):
        assert tally["count"] > 1000


@pytest.mark.parametrize("kind", ["counter", "counter_f64"])
def test_increase_of_counters(finished, kind):
    seen = 0
    for vm_id, metric, labels, tally in each(finished, kind):
        series = selector(metric, vm_id, labels)
        # What a counter grew by over its life; increase() would extrapolate to the edges of the range.
        assert value(finished, f"max_over_time({series}[1h]) - min_over_time({series}[1h])") == tally["value"]
        assert value(finished, f"min_over_time({series}[1h])") == 0
        assert value(finished, f"resets({series}[1h])") == 0
        seen += 1
    assert seen == {"counter": 3 * 4, "counter_f64": 3 * 3}[kind]


def test_gauges(finished):
    for vm_id, metric, labels, tally in each(finished, "gauge"):
        def over(function, suffix):
            series = selector(metric + suffix, vm_id, labels)
            return value(finished, f"{function}({series}[1h])")

        assert over("sum_over_time", ":6s_sum") == tally["sum"]
        assert over("sum_over_time", ":6s_count") == tally["count"]
        assert over("min_over_time", ":6s_min") == tally["min"]
        assert over("max_over_time", ":6s_max") == tally["max"]
        assert over("last_over_time", "") == tally["last"]


def test_levels(finished):
    for vm_id, metric, labels, tally in each(finished, "level"):
        def over(function, suffix):
            series = selector(metric + suffix, vm_id, labels)
            return value(finished, f"{function}({series}[1h])")

        assert over("min_over_time", ":6s_min") == tally["min"]
        assert over("max_over_time", ":6s_max") == tally["max"]
        assert over("last_over_time", "") == tally["last"]
        # Time-weighted: the average lies between the extremes, over no more time than the VM lived.
        seconds = over("sum_over_time", ":6s_count")
        assert 0 < seconds < 300
        assert tally["min"] <= over("sum_over_time", ":6s_sum") / seconds <= tally["max"]


def test_histograms(finished):
    for vm_id, metric, labels, tally in each(finished, "histogram"):
        def total(suffix, **more):
            series = selector(metric + suffix, vm_id, labels, **more)
            return value(finished, f"max_over_time({series}[1h]) - min_over_time({series}[1h])")

        assert total("_count") == tally["count"]
        assert total("_sum") == tally["sum"]
        at_most = {float(bound): count for bound, count in tally["at_most"].items()}
        series = selector(metric + "_bucket", vm_id, labels)
        buckets = finished[0].query(f"max_over_time({series}[1h])", at=time.time() + 1)
        assert len(buckets) > 10
        for pairs, got in buckets.items():
            bound = dict(pairs)["le"]
            limit = math.inf if bound == "+Inf" else float(bound)
            expected = max((count for power, count in at_most.items() if power <= limit), default=0)
            assert got == expected, f"{vm_id} {labels} le={bound}"


def test_info(finished):
    for vm_id, metric, labels, _ in each(finished, "info"):
        assert value(finished, f"last_over_time({selector(metric, vm_id, labels)}[1h])") == 1


def test_ended_vms_are_stale_at_once(finished):
    for vm_id in ("closes", "killed", "orphan"):
        assert value(finished, f'count(last_over_time(t_ops_total{{vm_id="{vm_id}"}}[1h]))') == 3
        assert finished[0].query(f'{{vm_id="{vm_id}",__name__!="ringside_vm_exit"}}', at=time.time() + 1) == {}


def test_how_vms_ended_has_arrived_once_for_each(finished):
    exits = {}
    for labels, samples in finished[0].samples("ringside_vm_exit").items():
        labels = dict(labels)
        assert [value for _, value in samples] == [1.0] and labels["vm_id"] not in exits
        exits[labels["vm_id"]] = (labels["cause"], labels.get("code"), labels.get("signal"))
    assert exits.pop("closes") == ("closed", "7", None)
    # The one that died while no agent looked told nobody by what.
    assert exits == {"killed": ("killed", None, "9"), "orphan": ("killed", None, None)}


def test_no_window_is_pushed_twice_or_out_of_place(finished):
    for pairs, samples in finished[0].samples("t_sample:6s_count").items():
        times = [at for at, _ in samples]
        assert times == sorted(set(times))
        # All but the last, whose window ended with the VM, stand on the grid of the tier.
        assert all(at % ROLLUP_S == 0 for at in times[:-1]), dict(pairs)


def test_the_segments_are_gone(finished):
    _, writers, agent = finished
    assert list(agent.directory.iterdir()) == []
    assert len({writer.epoch for writer in writers}) == 3


def audited(vm_id, metric, labels, place):
    rows = [
        row
        for row in AUDIT["series"]
        if (row["vm_id"], row["metric"], row["place"]) == (vm_id, metric, place) and row["labels"] == labels
    ]
    assert len(rows) == 1, (vm_id, metric, labels, place, rows)
    return rows[0]


def test_the_audit_finds_all_equal(finished):
    assert AUDIT["exit_code"] == 0, AUDIT
    assert [vm["verdict"] for vm in AUDIT["vms"]] == ["equal"] * 3
    assert [vm["archive"] for vm in AUDIT["vms"]] == ["sound"] * 3
    assert all(vm["compared_windows"] > 20 and vm["differing_windows"] == 0 for vm in AUDIT["vms"])
    for upstream in AUDIT["upstreams"]:
        assert upstream["done"] and upstream["verdict"] == "equal" and upstream["digests_equal"], upstream
        assert upstream["accepted_samples"] == upstream["expected_samples"] > 0
    assert AUDIT["losses"] == [] and AUDIT["differences"] == []


def test_the_audit_agrees_with_the_tallies(finished):
    for place in ("1s", "2s", "6s", "upstream central"):
        for vm_id, metric, labels, tally in each(finished, "counter"):
            assert audited(vm_id, metric, labels, place)["count"] == tally["value"]
        for vm_id, metric, labels, tally in each(finished, "counter_f64"):
            assert audited(vm_id, metric, labels, place)["sum"] == tally["value"]
        for vm_id, metric, labels, tally in each(finished, "histogram"):
            assert audited(vm_id, metric, labels, place)["count"] == tally["count"]
            assert audited(vm_id, metric, labels, place)["sum"] == tally["sum"]
    for place in ("6s", "upstream central"):  # finer ones do not reach back to the begin
        for vm_id, metric, labels, tally in each(finished, "gauge"):
            assert audited(vm_id, metric, labels, place)["count"] == tally["count"]
            assert audited(vm_id, metric, labels, place)["sum"] == tally["sum"]


def test_the_audit_counts_what_the_receiver_has(finished):
    """All samples of windows. The zeros that series start with stand within a window and count for none; nor
    does the sample that says how the VM ended."""
    prometheus = finished[0]
    for upstream in AUDIT["upstreams"]:
        everything = prometheus.samples('{vm_id="%s"}' % upstream["vm_id"])
        ends = {
            at for labels, samples in everything.items() for at, _ in samples
            if dict(labels)["__name__"].endswith(":6s_count")
        }
        stored = sum(
            1 for labels, samples in everything.items() for at, _ in samples
            if at in ends and dict(labels)["__name__"] != "ringside_vm_exit"
        )
        assert stored == upstream["accepted_samples"]
