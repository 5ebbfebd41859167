"""ringsidectl against an agent that says what each test wants: every command, every format, and every kind of refusal."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fake_agent import FakeAgent  # noqa: E402
from ringsidectl import RINGSIDECTL, ctl, fails, ok, ok_csv, ok_json, ok_json_lines  # noqa: E402

S = 10**9
T0 = 1795293600 * S  # 2026-11-21T20:40:00Z, a multiple of 10 s
EPOCH = "00112233445566778899aabbccddeeff"
NASTY = 'a"b,c\n\x1b[2J'


@pytest.fixture
def agent():
    with FakeAgent() as fake:
        yield fake


def tiers(pb, columns=None):
    C = pb.schema
    every = [C.COLUMN_COUNT, C.COLUMN_SUM, C.COLUMN_MIN, C.COLUMN_MAX, C.COLUMN_LAST, C.COLUMN_VALUE]
    return [
        C.Tier(resolution_s=1, slots=300, columns=columns or every),
        C.Tier(resolution_s=10, slots=360, columns=every + [C.COLUMN_BUCKETS]),
    ]


def schema(pb):
    S_ = pb.schema
    metric = S_.Metric
    layout = S_.HistogramLayout(scale=0, bucket_first=1, bucket_count=3)  # (1,2] (2,4] (4,8], zero bucket up to 1
    return S_.Schema(
        name="router",
        version=2,
        hash="00000000deadbeef",
        tiers=tiers(pb),
        series_capacity=8,
        metric_count=6,
        metrics=[
            metric(name="r_info", kind=S_.METRIC_KIND_INFO, label_names=["image"], max_series=1),
            metric(name="r_bytes_total", kind=S_.METRIC_KIND_COUNTER, unit="bytes", label_names=["op"], max_series=2),
            metric(name="r_busy_seconds_total", kind=S_.METRIC_KIND_COUNTER_F64, unit="seconds", max_series=1),
            metric(name="r_temperature", kind=S_.METRIC_KIND_GAUGE, unit="celsius", max_series=1),
            metric(name="r_memory_bytes", kind=S_.METRIC_KIND_LEVEL, unit="bytes", max_series=1),
            metric(name="r_latency_seconds", kind=S_.METRIC_KIND_HISTOGRAM, unit="seconds", max_series=1, histogram=layout),
        ],
    )


def live_vm(pb, vm_id="vm-1", component="", **fields):
    V = pb.vm
    fields = {"state": V.VM_STATE_RUNNING, "created_ns": T0, "last_write_ns": T0 + 30 * S, "lag_ns": 250_000_000, **fields}
    return V.Vm(
        ref=V.VmRef(vm_id=vm_id, component=component, epoch=EPOCH),
        uid=1000,
        segment_bytes=2202010,
        series_count=5,
        schema=schema(pb),
        writer_counters=V.WriterCounters(rejected_samples=3),
        **fields,
    )


def dead_vm(pb, **fields):
    V = pb.vm
    fields = {"state": V.VM_STATE_DRAINED, "exit_cause": V.EXIT_CAUSE_CLOSED, "close_code": 0, "close_text": NASTY,
              "created_ns": T0, "ended_ns": T0 + 30 * S, "archive_bytes": 4096, **fields}  # fmt: skip
    return V.Vm(ref=V.VmRef(vm_id="vm-1", epoch=EPOCH), uid=1000, segment_bytes=2202010, schema=schema(pb), **fields)


def serve_vm(agent, vm):
    agent.answer("VmService/GetVm", lambda request, call: agent.pb.vm.GetVmResponse(vms=[vm]))


# --- ls, show, drain --------------------------------------------------------------------------------------------------


def serve_two_vms(agent):
    pages = [live_vm(agent.pb), live_vm(agent.pb, "vm-2", "host", state=agent.pb.vm.VM_STATE_PROVISIONED)]
    for vm in pages[1:]:
        vm.ClearField("last_write_ns")
        vm.ClearField("lag_ns")
    # In two messages, as a long list comes.
    agent.answer("VmService/ListVms", lambda request, call: [agent.pb.vm.ListVmsResponse(vms=[vm]) for vm in pages])


def test_ls_prints_a_table_with_units(agent):
    serve_two_vms(agent)
    lines = ok("ls", socket=agent.socket).splitlines()
    assert lines[0].split() == ["VM_ID", "COMPONENT", "EPOCH", "STATE", "EXIT_CAUSE", "SIGNAL", "CODE", "SCHEMA", "SERIES",
                                "SEGMENT", "ARCHIVE", "CREATED", "LAST_WRITE", "LAG"]  # fmt: skip
    assert lines[1].split() == ["vm-1", "-", "00112233", "running", "-", "-", "-", "router", "5", "2.1MiB", "-",
                                "2026-11-21T20:40:00Z", "2026-11-21T20:40:30Z", "250ms"]  # fmt: skip
    assert lines[2].split()[:4] == ["vm-2", "host", "00112233", "provisioned"]
    assert lines[2].split()[-2:] == ["-", "-"]


def test_ls_has_the_same_fields_raw_in_json_and_csv(agent):
    serve_two_vms(agent)
    vms = ok_json("ls", socket=agent.socket)["vms"]
    rows = ok_csv("ls", socket=agent.socket)
    assert [list(vm) for vm in vms] == [list(row) for row in rows]
    assert vms[0]["segment_bytes"] == 2202010 and rows[0]["segment_bytes"] == "2202010"
    assert vms[0]["epoch"] == EPOCH and vms[0]["created_ns"] == T0
    assert vms[1]["lag_ns"] is None and rows[1]["lag_ns"] == ""
    assert vms[0]["component"] == ""


def test_ls_asks_for_live_vms_unless_told_otherwise(agent):
    serve_two_vms(agent)
    V = agent.pb.vm
    for args, states, ids in [
        ((), [V.VM_STATE_PROVISIONED, V.VM_STATE_RUNNING, V.VM_STATE_EXITED], []),
        (("--all",), [], []),
        (("--state", "drained,exited"), [V.VM_STATE_DRAINED, V.VM_STATE_EXITED], []),
        (("vm-1", "vm-2"), [], ["vm-1", "vm-2"]),
    ]:
        ok("ls", *args, socket=agent.socket)
        request = agent.requests[-1][1]
        assert (list(request.filter.states), list(request.filter.vm_ids)) == (states, ids), args


def test_ls_of_nothing_has_a_heading_and_a_hint(agent):
    agent.answer("VmService/ListVms", lambda request, call: [])
    done = ctl("ls", socket=agent.socket)
    assert done.returncode == 0 and done.stdout.startswith("VM_ID") and "--all" in done.stderr
    assert ok_json("ls", socket=agent.socket)["vms"] == []
    assert ok_csv("ls", socket=agent.socket) == []


def test_show_prints_the_vm_its_tiers_and_metrics(agent):
    serve_vm(agent, live_vm(agent.pb))
    text = ok("show", "vm-1", socket=agent.socket)
    for part in ("REJECTED_SAMPLES  3", "CLOSE_CODE        -", "LAG               250ms", "count,sum,min,max,last,value",
                 "r_latency_seconds", "histogram", "Tiers", "Metrics"):  # fmt: skip
        assert part in text, text
    document = ok_json("show", "vm-1", "--component", "", "--epoch", "0011", socket=agent.socket)
    request = agent.requests[-1][1]
    assert (request.vm_id, request.HasField("component"), request.component, request.epoch) == ("vm-1", True, "", "0011")
    assert document["vms"][0]["schema_hash"] == "00000000deadbeef"
    assert document["tiers"][1] == {"component": "", "resolution_ns": 10 * S, "slots": 360, "history_ns": 3600 * S,
                                    "columns": ["count", "sum", "min", "max", "last", "value", "buckets"]}  # fmt: skip
    assert document["upstreams"] == []


def test_show_escapes_what_the_vm_wrote(agent):
    serve_vm(agent, dead_vm(agent.pb))
    text = ok("show", "vm-1", socket=agent.socket)
    assert "\x1b" not in text and r'a"b,c\x0a\x1b[2J' in text
    assert ok_json("show", "vm-1", socket=agent.socket)["vms"][0]["close_text"] == NASTY
    assert ok_csv("show", "vm-1", socket=agent.socket)[0]["close_text"] == NASTY


def test_show_lists_series_that_match(agent):
    serve_vm(agent, live_vm(agent.pb))
    pb = agent.pb

    def series(request, call):
        one = pb.series.Series(index=4, metric="r_bytes_total", kind=pb.schema.METRIC_KIND_COUNTER,
                               labels=[pb.series.Label(name="op", value=NASTY)])  # fmt: skip
        vm = pb.series.VmSeries(vm=pb.vm.VmRef(vm_id="vm-1", epoch=EPOCH), series=[one])
        yield pb.series.ListSeriesResponse(vms=[vm])
        yield pb.series.ListSeriesResponse(vms=[vm])

    agent.answer("SeriesService/ListSeries", series)
    found = ok_json("show", "vm-1", "--match", 'r_bytes_total{op!~"x.*"}', socket=agent.socket)["series"]
    assert len(found) == 2 and found[0]["labels"] == {"op": NASTY} and found[0]["created_ns"] is None
    request = agent.requests[-1][1]
    Matcher = pb.series.LabelMatcher
    assert sorted((m.name, m.op, m.value) for m in request.matchers) == [
        ("__name__", Matcher.OP_EQUAL, "r_bytes_total"), ("op", Matcher.OP_NOT_REGEX, "x.*")]  # fmt: skip
    assert request.vms.epoch == EPOCH
    assert ok_csv("show", "vm-1", "--series", socket=agent.socket)[1]["metric"] == "r_bytes_total"
    document = ok_json("show", "vm-1", "--series", socket=agent.socket)
    assert document["upstreams"] == []
    for name in ("vms", "tiers", "metrics", "upstreams", "series"):
        rows = ok_csv("show", "vm-1", "--section", name, socket=agent.socket)
        assert [list(row) for row in rows] == [list(row) for row in document[name]], name
    assert "ACKNOWLEDGED" in ok("show", "vm-1", "--section", "upstreams", socket=agent.socket)


def test_drain_prints_the_vm_as_it_is_now(agent):
    agent.answer("VmService/Drain", lambda request, call: agent.pb.vm.DrainResponse(vms=[dead_vm(agent.pb)]))
    assert ok_json("drain", "vm-1", socket=agent.socket)["vms"][0]["state"] == "drained"


# --- errors of the agent ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 2, []),
        (grpc.StatusCode.NOT_FOUND, 3, []),
        (grpc.StatusCode.ALREADY_EXISTS, 8, []),
        (grpc.StatusCode.FAILED_PRECONDITION, 8, []),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 8, []),
        (grpc.StatusCode.PERMISSION_DENIED, 6, ["run as root"]),
        (grpc.StatusCode.UNAVAILABLE, 4, ["cannot answer now"]),
        (grpc.StatusCode.DATA_LOSS, 7, []),
        (grpc.StatusCode.INTERNAL, 1, []),
    ],
)
def test_each_refusal_has_its_exit_code_and_keeps_the_agents_words(agent, status, code, says):
    agent.fail("VmService/Drain", status, "the very words \x1b[31m")
    fails(code, "drain", "vm-1", socket=agent.socket, says=["the very words \\x1b[31m", *says])


def test_an_older_agent_is_named_as_such(agent):
    fails(1, "admissions", socket=agent.socket, says=["does not know this call", "upgrade"])


def test_no_such_vm_names_the_nearest(agent):
    agent.fail("VmService/GetVm", grpc.StatusCode.NOT_FOUND, "no VM is called vm-9", nearest=["vm-1", "vm-2"])
    for command in ("show", "stat", "read"):
        fails(3, command, "vm-9", socket=agent.socket, says=["no VM is called vm-9; did you mean vm-1 or vm-2?"])


def test_a_budget_that_is_full_is_told_with_its_numbers(agent):
    agent.fail("AdmissionService/Admit", grpc.StatusCode.RESOURCE_EXHAUSTED, "no room", limit=100, used=90, asked=20)
    fails(8, "admit", "vm-1", "--uid", "1000", "--bytes", "20", socket=agent.socket,
          says=["no room (limit 100, used 90, asked 20)"])  # fmt: skip


def test_warnings_make_an_answer_partial(agent):
    serve_vm(agent, live_vm(agent.pb))
    agent.answer("SeriesService/ReadSeries",
                 lambda request, call: [agent.pb.series.ReadSeriesResponse(warnings=["vm-1: the segment is busy"])])  # fmt: skip
    done = ctl("read", "vm-1", "-o", "json", socket=agent.socket)
    assert done.returncode == 5 and "the segment is busy" in done.stderr
    assert json.loads(done.stdout)["points"] == []


# --- admit, status ----------------------------------------------------------------------------------------------------


def test_admit_asks_for_what_its_schemas_need(agent):
    A = agent.pb.admission
    agent.answer("AdmissionService/Admit", lambda request, call: A.AdmitResponse(admission=A.Admission(
        vm_id=request.vm_id, uid=request.uid, demand=request.demand, admitted_ns=T0)))  # fmt: skip
    vmm = ok_json("schema", "size", "vmm")["schema"]
    host = ok_json("schema", "size", "host")["schema"]
    admission = ok_json("admit", "vm-1", "--uid", "0", "--schema", "vmm", "--schema", "host", "--series", "5",
                        "--dry-run", socket=agent.socket)["admissions"][0]  # fmt: skip
    request = agent.requests[-1][1]
    assert request.dry_run and request.HasField("uid") and request.uid == 0
    assert admission["segment_bytes"] == vmm["segment_bytes"] + host["segment_bytes"]
    assert admission["series"] == vmm["series_capacity"] + host["series_capacity"] + 5
    assert admission["label_bytes"] == vmm["label_arena_bytes"] + host["label_arena_bytes"]
    assert admission["expires_ns"] is None


def test_release_and_admissions(agent):
    A = agent.pb.admission
    one = A.Admission(vm_id="vm-1", uid=7, demand=A.Demand(segment_bytes=4096), admitted_ns=T0, expires_ns=T0 + S)
    agent.answer("AdmissionService/Release", lambda request, call: A.ReleaseResponse(admission=one))
    agent.answer("AdmissionService/ListAdmissions", lambda request, call: A.ListAdmissionsResponse(admissions=[one, one]))
    assert ok_json("release", "vm-1", socket=agent.socket)["admissions"][0]["uid"] == 7
    assert len(ok_csv("admissions", socket=agent.socket)) == 2


def test_status_shows_every_part(agent):
    pb = agent.pb
    agent.answer("StatusService/GetStatus", lambda request, call: pb.status.GetStatusResponse(
        version="0.1.0", started_ns=T0, uptime_ns=3600 * S, directory="/dev/shm/ringside", ready=True, pid=12,
        vms_by_state=[pb.status.StateCount(state=pb.vm.VM_STATE_RUNNING, count=3)],
        quarantined=[pb.status.Quarantined(file="x.seg", reason="bad " + NASTY, uid=5, since_ns=T0, file_bytes=10)],
        quarantined_count=1,
        budgets=[pb.status.Budget(name="host_bytes", unit="bytes", limit=1 << 30, used=1 << 20)],
        archive=pb.status.ArchiveStatus(directory="/var/lib", bytes=5, limit_bytes=10, vms=2, max_age_s=1296000),
        upstreams=[pb.status.UpstreamStatus(name="fleet", url="http://x/write", backlog_windows=4, losses=[
            pb.status.UpstreamLoss(what="windows", reason="too_old", count=7)])],
        caller=pb.status.CallerRights(uid=0, is_operator=True)))  # fmt: skip
    text = ok("status", socket=agent.socket)
    for part in ("UPTIME              1h", "host_bytes  bytes   1GiB  1MiB", "15d", "bad a\"b,c\\x0a\\x1b[2J", "fleet"):
        assert part in text, text
    document = ok_json("status", socket=agent.socket)
    assert document["budgets"] == [{"name": "host_bytes", "unit": "bytes", "limit": 1 << 30, "used": 1 << 20, "reserved": None}]
    assert document["upstreams"][0]["lag_ns"] is None and document["archive"]["max_age_ns"] == 1296000 * S
    assert document["losses"] == [{"upstream": "fleet", "what": "windows", "reason": "too_old", "count": 7}]
    assert document["agent"]["caller_is_operator"] is True
    assert len(ok_csv("status", socket=agent.socket)) == 1
    for name in set(document) - {"version", "kind"}:
        wanted = document[name] if isinstance(document[name], list) else [document[name]]
        rows = ok_csv("status", "--section", name, socket=agent.socket)
        assert [list(row) for row in rows] == [list(row) for row in wanted], name
        assert set(ok_json("status", "--section", name, socket=agent.socket)) == {"version", "kind", name}
    table = ok("status", "--section", "budgets", socket=agent.socket)
    assert "host_bytes" in table and "UPTIME" not in table


def test_status_for_one_who_is_no_operator_leaves_unknown_what_is_kept_from_it(agent):
    agent.answer("StatusService/GetStatus",
                 lambda request, call: agent.pb.status.GetStatusResponse(version="0.1.0", started_ns=T0))  # fmt: skip
    document = ok_json("status", socket=agent.socket)
    assert document["agent"]["pid"] is None and document["agent"]["last_scan_ns"] is None
    assert document["archive"] == {} and document["budgets"] == []


# --- events -----------------------------------------------------------------------------------------------------------


def make_events(pb):
    E, V = pb.event, pb.vm
    ref = V.VmRef(vm_id="vm-1", component="host", epoch=EPOCH)
    return [
        E.Event(sequence=5, time_ns=T0, kind=E.EVENT_KIND_APPEARED, vm=ref, uid=7),
        E.Event(sequence=6, time_ns=T0 + S, kind=E.EVENT_KIND_EXITED, vm=ref, exit_cause=V.EXIT_CAUSE_CLOSED, close_code=3, text=NASTY),
        E.Event(sequence=9, time_ns=T0 + 2 * S, kind=E.EVENT_KIND_PUSHED, vm=ref, upstream="fleet", window_end_ns=T0, samples=12),
        E.Event(sequence=10, time_ns=T0 + 3 * S, kind=E.EVENT_KIND_QUARANTINED, file="x.seg", text="too short"),
    ]


def test_events_are_one_object_a_line(agent):
    agent.answer("EventService/Watch", lambda request, call: make_events(agent.pb))
    lines = ok_json_lines("events", "--kind", "exited", "--after", "4", "vm-1", socket=agent.socket)
    assert [line["event"] for line in lines] == ["appeared", "exited", "pushed", "quarantined"]
    assert [line["sequence"] for line in lines] == [5, 6, 9, 10]
    assert (lines[1]["exit_cause"], lines[1]["close_code"], lines[1]["text"]) == ("closed", 3, NASTY)
    assert lines[0]["close_code"] is None and lines[0]["samples"] is None and lines[2]["samples"] == 12
    request = agent.requests[-1][1]
    assert (list(request.vms.vm_ids), request.after_sequence, request.follow) == (["vm-1"], 4, False)
    rows = ok_csv("events", socket=agent.socket)
    assert list(rows[0]) == [key for key in lines[0] if key not in ("version", "kind")]


def test_events_as_a_table_say_it_in_words(agent):
    agent.answer("EventService/Watch", lambda request, call: make_events(agent.pb))
    text = ok("events", socket=agent.socket)
    assert "\x1b" not in text
    assert "vm-1/host" in text and "closed code=3" in text and "to fleet: 12 samples" in text and "x.seg: too short" in text


def test_events_follow_until_enough_have_come(agent):
    def endless(request, call):
        yield from make_events(agent.pb)
        agent.wait_until_stopped()

    agent.answer("EventService/Watch", endless)
    assert len(ok_json_lines("events", "--follow", "-n", "3", socket=agent.socket)) == 3


def test_each_event_is_printed_when_it_comes(agent):
    def endless(request, call):
        yield make_events(agent.pb)[0]
        agent.wait_until_stopped()

    agent.answer("EventService/Watch", endless)
    with subprocess.Popen([RINGSIDECTL, "--socket", agent.socket, "events", "-f", "-o", "json"],
                          stdout=subprocess.PIPE, encoding="utf-8") as process:  # fmt: skip
        assert json.loads(process.stdout.readline())["sequence"] == 5
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT


def test_lost_events_are_told(agent):
    events = make_events(agent.pb)
    events[2].dropped = 41
    agent.answer("EventService/Watch", lambda request, call: events)
    done = ctl("events", "-o", "json", socket=agent.socket)
    assert done.returncode == 5 and "41 events were lost" in done.stderr and len(done.stdout.splitlines()) == 4


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
