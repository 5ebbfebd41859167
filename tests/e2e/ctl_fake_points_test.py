"""ringsidectl read and stat against an agent that says what each test wants: exact windows, and what is made of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fake_agent import FakeAgent  # noqa: E402
from fake_vms import EPOCH, NASTY, S, T0, dead_vm, live_vm, schema, serve_vm  # noqa: E402
from ringsidectl import RINGSIDECTL, ctl, fails, ok, ok_csv, ok_json  # noqa: E402


@pytest.fixture
def agent():
    with FakeAgent() as fake:
        yield fake


# --- read -------------------------------------------------------------------------------------------------------------


def series(pb, metric, **labels):
    entry = next(m for m in schema(pb).metrics if m.name == metric)
    message = pb.series.Series(index=hash((metric, *labels.values())) & 0xFFFF, metric=metric, kind=entry.kind, unit=entry.unit,
                               labels=[pb.series.Label(name=k, value=v) for k, v in labels.items()])  # fmt: skip
    if entry.HasField("histogram"):
        message.histogram.CopyFrom(entry.histogram)
    return message


def points(pb, metric, resolution_s=1, labels=None, created_ns=None, **columns):
    n = len(columns["end_ns"])
    one = series(pb, metric, **(labels or {}))
    if created_ns is not None:
        one.created_ns = created_ns
    columns.setdefault("flags", [0] * n)
    return pb.series.SeriesPoints(vm=pb.vm.VmRef(vm_id="vm-1", epoch=EPOCH), series=one, resolution_s=resolution_s, **columns)


def serve_points(agent, *runs):
    """Answers with the runs of the tier and the names that were asked for, a message each."""
    import re

    def reply(request, call):
        wanted = [run for run in runs if run.resolution_s == request.resolution_s]
        for matcher in request.matchers:
            if matcher.name == "__name__":
                wanted = [run for run in wanted if re.fullmatch(matcher.value, run.series.metric)]
        return [agent.pb.series.ReadSeriesResponse(series=[run]) for run in wanted]

    agent.answer("SeriesService/ReadSeries", reply)


def test_read_puts_a_series_of_several_messages_together(agent):
    serve_vm(agent, live_vm(agent.pb))
    pb = agent.pb
    serve_points(
        agent,
        points(pb, "r_bytes_total", labels={"op": NASTY}, end_ns=[T0, T0 + S], value_u64=[2**53 + 1, 2**64 - 1]),
        points(pb, "r_bytes_total", labels={"op": NASTY}, end_ns=[T0 + 2 * S], flags=[1], value_u64=[7]),
        points(pb, "r_temperature", end_ns=[T0], flags=[14], count=[2], sum=[0.1], min=[-1], max=[1], last=[0.25]),
    )
    found = ok_json("read", "vm-1", "--tier", "1s", socket=agent.socket)["points"]
    assert [point["end_ns"] for point in found] == [T0, T0 + S, T0 + 2 * S, T0]
    assert [point["value"] for point in found] == [2**53 + 1, 2**64 - 1, 7, None]
    assert found[2]["flags"] == ["open"] and found[3]["flags"] == ["carried", "partial"]
    assert found[0]["labels"] == {"op": NASTY} and found[0]["resolution_ns"] == S
    assert (found[3]["count"], found[3]["sum"], found[3]["min"], found[3]["last"]) == (2, 0.1, -1.0, 0.25)
    text = ok("read", "vm-1", "--tier", "1s", socket=agent.socket)
    assert "\x1b" not in text and text.count("r_bytes_total{") == 1 and "counter in bytes, windows of 1s" in text


def test_read_has_the_columns_that_were_asked_for(agent):
    serve_vm(agent, live_vm(agent.pb))
    pb = agent.pb
    serve_points(agent, points(pb, "r_latency_seconds", end_ns=[T0], count=[9], buckets=[1, 2, 3, 4], resolution_s=10))
    rows = ok_csv("read", "vm-1", "--tier", "10s", "--columns", "buckets,count", socket=agent.socket)
    assert list(rows[0])[-2:] == ["count", "buckets"] and rows[0]["buckets"] == "1 2 3 4"
    assert list(agent.requests[-1][1].columns) == [pb.schema.COLUMN_BUCKETS, pb.schema.COLUMN_COUNT]
    found = ok_json("read", "vm-1", "--tier", "10s", socket=agent.socket)["points"]
    assert found[0]["buckets"] == [1, 2, 3, 4]
    text = ok("read", "vm-1", "--tier", "10s", socket=agent.socket)
    assert "BUCKETS" not in text


def test_read_sends_the_range_that_was_asked_for(agent):
    serve_vm(agent, live_vm(agent.pb))
    serve_points(agent)

    def sent(*args):
        assert ctl("read", "vm-1", *args, "-o", "json", socket=agent.socket).returncode == 0
        request = agent.requests[-1][1]
        return request.begin_ns, request.end_ns, request.resolution_s

    assert sent("--begin", "2026-11-21T20:40:00Z", "--end", "@1795293610", "--tier", "10s") == (T0, T0 + 10 * S, 10)
    assert sent("--last", "1m", "--end", "@1795293610")[:2] == (T0 - 50 * S, T0 + 10 * S)
    assert sent("--tier", "5m") == (0, 0, 300)
    begin, end, tier = sent()
    assert end == 0 and tier == 0 and begin > T0 - 10**18


def test_read_of_an_ended_vm_goes_back_from_its_end(agent):
    serve_vm(agent, dead_vm(agent.pb))
    serve_points(agent)
    ctl("read", "vm-1", "--last", "10s", socket=agent.socket)
    assert agent.requests[-1][1].begin_ns == T0 + 20 * S


def test_read_of_nothing_names_the_tiers(agent):
    serve_vm(agent, live_vm(agent.pb))
    serve_points(agent)
    done = ctl("read", "vm-1", "r_bytes_total", socket=agent.socket)
    assert done.returncode == 0 and "the tiers are 1s, 10s" in done.stderr and "show vm-1 --series" in done.stderr


def test_an_answer_that_contradicts_itself_is_refused(agent):
    serve_vm(agent, live_vm(agent.pb))
    serve_points(agent, points(agent.pb, "r_temperature", end_ns=[T0, T0 + S], last=[1.0], resolution_s=1))
    for args in (("read", "vm-1", "--tier", "1s"), ("stat", "vm-1", "--columns", "r_temperature")):
        fails(1, *args, socket=agent.socket, says=["columns of different lengths"])


# --- stat -------------------------------------------------------------------------------------------------------------


def serve_ended_vm_with_points(agent):
    """10 s before its end: 1000 bytes a second read, 500 written by a series born on the way, half busy, 20 to 29 degrees."""
    pb = agent.pb
    end = T0 + 30 * S
    seconds = [end - i * S for i in range(10, -1, -1)]
    serve_vm(agent, dead_vm(pb))
    serve_points(
        agent,
        points(pb, "r_bytes_total", labels={"op": "read"}, created_ns=T0, end_ns=seconds, value_u64=[2**60 + 1000 * i for i in range(11)]),
        points(pb, "r_bytes_total", labels={"op": "write"}, created_ns=end - 5 * S, end_ns=seconds[6:], value_u64=[500 * i for i in range(1, 6)]),
        points(pb, "r_busy_seconds_total", created_ns=T0, end_ns=seconds, value_f64=[7 + 0.5 * i for i in range(11)]),
        points(pb, "r_temperature", end_ns=seconds[1:], count=[2] * 10, sum=[2.0 * (20 + i) for i in range(10)],
               min=[20.0 + i for i in range(10)], max=[20.5 + i for i in range(10)], last=[20.25 + i for i in range(10)]),
        points(pb, "r_memory_bytes", end_ns=seconds[1:], count=[S] * 10, sum=[1000.0] * 5 + [3000.0] * 5,
               min=[1000.0] * 10, max=[3000.0] * 10, last=[3000.0] * 10),
        points(pb, "r_latency_seconds", created_ns=T0, end_ns=seconds, count=[10 * i for i in range(11)], sum=[30.0 * i for i in range(11)]),
        points(pb, "r_latency_seconds", resolution_s=10, created_ns=T0, end_ns=[end - 10 * S, end], count=[0, 100],
               sum=[0, 300.0], buckets=[0, 0, 0, 0, 0, 0, 100, 0]),
    )  # fmt: skip


COLUMNS = ("read=r_bytes_total{op=\"read\"},all=r_bytes_total:increase,busy=r_busy_seconds_total,t=r_temperature,"
           "t_avg=r_temperature:avg,t_min=r_temperature:min,t_max=r_temperature:max,mem=r_memory_bytes:avg,"
           "ops=r_latency_seconds,mean=r_latency_seconds:avg,p50=r_latency_seconds:p50,p100=r_latency_seconds:p100")  # fmt: skip


def test_stat_computes_each_function_exactly(agent):
    serve_ended_vm_with_points(agent)
    done = ctl("stat", "vm-1", "10s", "1", "--columns", COLUMNS, "-o", "json", socket=agent.socket)
    assert done.returncode == 0 and "ended at 2026-11-21T20:40:30.000Z: closed" in done.stderr
    (line,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert line == {
        "version": 1, "kind": "stat", "time_ns": T0 + 30 * S,
        "read": 1000.0, "all": 12500.0, "busy": 0.5, "t": 29.25, "t_avg": 24.5, "t_min": 20.0, "t_max": 29.5,
        "mem": 2000.0, "ops": 10.0, "mean": 3.0,
        "p50": pytest.approx(2.0 * 2**0.5), "p100": 4.0,
    }  # fmt: skip


def test_stat_of_an_ended_vm_prints_the_last_intervals_of_its_life(agent):
    serve_ended_vm_with_points(agent)
    done = ctl("stat", "vm-1", "2s", "3", "--columns", "read=r_bytes_total{op=\"read\"},t=r_temperature:max", "-o", "csv",
               socket=agent.socket)  # fmt: skip
    assert done.stdout.split() == [
        "time_ns,read,t", f"{T0 + 26 * S},1000,25.5", f"{T0 + 28 * S},1000,27.5", f"{T0 + 30 * S},1000,29.5"]  # fmt: skip
    # Before its life there is nothing: only as many lines as it lived for.
    done = ctl("stat", "vm-1", "10s", "100", "--columns", "t=r_temperature", "-o", "csv", socket=agent.socket)
    assert len(done.stdout.split()) == 1 + 3


def test_stat_says_unknown_where_nothing_is_known(agent):
    serve_vm(agent, dead_vm(agent.pb))
    # Older than the interval, and no window at its begin: what it grew by is not known.
    serve_points(agent, points(agent.pb, "r_bytes_total", created_ns=T0 - 3600 * S, end_ns=[T0 + 30 * S], value_u64=[5]))
    columns = "r_bytes_total,r_temperature,r_latency_seconds:p99"
    text = ctl("stat", "vm-1", "10s", "1", "--columns", columns, socket=agent.socket).stdout
    assert text.splitlines()[-1].split() == ["2026-11-21T20:40:30Z", "-", "-", "-"]
    line = json.loads(ctl("stat", "vm-1", "10s", "1", "--columns", columns, "-o", "json", socket=agent.socket).stdout)
    assert line["r_bytes_total"] is None and line["r_latency_seconds:p99"] is None


def test_stat_counts_a_series_from_0_that_began_inside_its_first_window(agent):
    pb = agent.pb
    partial = pb.series.POINT_FLAG_PARTIAL
    serve_vm(agent, dead_vm(pb))
    ends = [T0 + 29 * S, T0 + 30 * S]
    serve_points(
        agent,
        points(pb, "r_bytes_total", labels={"op": "new"}, end_ns=ends, flags=[partial, 0], value_u64=[3, 5]),
        # Partial because the VM ended in it: the series was there before, and nobody knows what it held then.
        points(pb, "r_bytes_total", labels={"op": "old"}, end_ns=[T0 + 30 * S - 1], flags=[partial], value_u64=[700]),
    )
    columns = 'new=r_bytes_total{op="new"}:increase,old=r_bytes_total{op="old"}:increase'
    line = json.loads(ctl("stat", "vm-1", "10s", "1", "--columns", columns, "-o", "json", socket=agent.socket).stdout)
    assert (line["new"], line["old"]) == (5.0, None)


def test_a_metric_that_the_schema_lacks_is_not_found(agent):
    serve_vm(agent, live_vm(agent.pb))
    serve_points(agent)
    fails(3, "read", "vm-1", "r_byte_total", socket=agent.socket, says=["no metric r_byte_total; did you mean r_bytes_total?"])
    fails(3, "read", "vm-1", "nope", socket=agent.socket, says=["no metric nope", "ringsidectl show"])
    # A schema that came without all of its metrics may have it.
    whole = live_vm(agent.pb)
    whole.schema.metric_count = 1000
    serve_vm(agent, whole)
    assert ctl("read", "vm-1", "nope", socket=agent.socket).returncode == 0


def test_a_narrow_terminal_gets_what_it_has_room_for(agent):
    agent.answer("VmService/ListVms", lambda request, call: [agent.pb.vm.ListVmsResponse(vms=[live_vm(agent.pb)])])
    serve_ended_vm_with_points(agent)
    width = {"env": {**os.environ, "COLUMNS": "80"}}
    for command in (["ls"], ["stat", "vm-1"]):
        lines = ctl(*command, socket=agent.socket, **width).stdout.splitlines()
        assert len(lines) >= 2 and max(map(len, lines)) <= 80, lines
    assert "CREATED" in ctl("ls", socket=agent.socket).stdout
    columns = ctl("stat", "vm-1", "--columns", COLUMNS, socket=agent.socket, **width).stdout.splitlines()[0].split()
    assert len(columns) == 13  # what was asked for is there


def test_stat_heads_its_columns_with_units(agent):
    serve_ended_vm_with_points(agent)
    lines = ctl("stat", "vm-1", "10s", "1", "--columns", COLUMNS, socket=agent.socket).stdout.splitlines()
    assert lines[0].split() == ["TIME", "read", "all", "busy", "t", "t_avg", "t_min", "t_max", "mem", "ops", "mean", "p50", "p100"]
    assert lines[1].split() == ["B/s", "B", "s/s", "celsius", "celsius", "celsius", "celsius", "B", "1/s", "s", "s", "s"]
    assert lines[2].split() == ["2026-11-21T20:40:30Z", "1000B", "12.2KiB", "0.5", "29.25", "24.5", "20", "29.5", "1.95KiB", "10", "3s", "2.83s", "4s"]  # fmt: skip


def test_stat_chooses_columns_for_a_schema_that_it_does_not_know(agent):
    serve_ended_vm_with_points(agent)
    lines = ctl("stat", "vm-1", socket=agent.socket).stdout.splitlines()
    assert lines[0].split() == ["TIME", "bytes", "busy_seconds", "temperature", "memory_bytes", "latency_seconds"]
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("columns", "code", "says"),
    [
        ("r_byte_total", 3, ["no metric r_byte_total", "did you mean r_bytes_total?"]),
        ("r_temperature:rate", 2, ["gauge does not have that function"]),
        ("r_bytes_total:p99", 2, ["counter does not have that function"]),
        ("r_info", 2, ["info does not have that function"]),
    ],
)
def test_stat_refuses_columns_that_make_no_sense_for_the_schema(agent, columns, code, says):
    serve_vm(agent, live_vm(agent.pb))
    fails(code, "stat", "vm-1", "--columns", columns, socket=agent.socket, says=says)


def test_stat_follows_a_live_vm_until_it_ends(agent):
    vms = [live_vm(agent.pb), live_vm(agent.pb), dead_vm(agent.pb, ended_ns=T0 + 10 * S)]
    agent.answer("VmService/GetVm", lambda request, call: agent.pb.vm.GetVmResponse(vms=[vms.pop(0)]))
    serve_points(agent, points(agent.pb, "r_temperature", end_ns=[T0], last=[1.0]))
    done = ctl("stat", "vm-1", "1s", "--columns", "r_temperature", "-o", "csv", socket=agent.socket)
    assert done.returncode == 0 and "VM vm-1 ended at" in done.stderr
    times = [int(line.split(",")[0]) for line in done.stdout.split()[1:]]
    assert len(times) == 3 and times[1] - times[0] >= S and times[0] % S == 0


def test_stat_rounds_an_interval_up_to_the_tier(agent):
    serve_ended_vm_with_points(agent)
    done = ctl("stat", "vm-1", "1500ms", "1", "--columns", "r_temperature", socket=agent.socket)
    assert "rounded up to 2s" in done.stderr


def test_stat_of_several_components_wants_one(agent):
    vms = [live_vm(agent.pb, component="a"), live_vm(agent.pb, component="b")]
    agent.answer("VmService/GetVm", lambda request, call: agent.pb.vm.GetVmResponse(vms=vms))
    fails(2, "stat", "vm-1", socket=agent.socket, says=["choose one of a, b", "--component"])


def test_stat_stops_when_the_agent_goes_away():
    with FakeAgent() as agent:
        serve_vm(agent, live_vm(agent.pb))
        serve_points(agent, points(agent.pb, "r_temperature", end_ns=[T0], last=[1.0]))
        process = subprocess.Popen([RINGSIDECTL, "--socket", agent.socket, "stat", "vm-1", "1s", "--columns", "r_temperature", "-o", "csv"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")  # fmt: skip
        assert process.stdout.readline() == "time_ns,r_temperature\n"
        assert process.stdout.readline()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4 and "the agent" in errors and os.path.basename(agent.socket) in errors
