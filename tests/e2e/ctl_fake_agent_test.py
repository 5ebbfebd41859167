"""ringsidectl against an agent that says what each test wants: commands, formats, and every kind of refusal."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fake_agent import FakeAgent  # noqa: E402
from fake_vms import EPOCH, NASTY, S, T0, dead_vm, live_vm, serve_vm  # noqa: E402
from ringsidectl import RINGSIDECTL, ctl, fails, ok, ok_csv, ok_json, ok_json_lines  # noqa: E402


@pytest.fixture
def agent():
    with FakeAgent() as fake:
        yield fake


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
