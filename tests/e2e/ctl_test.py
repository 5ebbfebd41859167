"""ringsidectl against the real agent: what it shows of live and drained VMs is what the segment, the archive file and the
writer's own tally hold."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import Agent, Writer, scratch, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from ringsidectl import RINGSIDECTL, ctl, fails, ok, ok_csv, ok_json, ok_json_lines  # noqa: E402

S = 10**9
TIERS = "1x300,2x150"


@pytest.fixture(scope="module")
def host():
    """An agent, a VM that runs and stands still, one that was killed and drained, one that waits for its VMM, a bad file."""
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        agent = stack.enter_context(contextlib.closing(Agent(disk, memory, "--vm-bytes", "16MiB", "--operator-user", "0")))
        os.chmod(disk, 0o755)  # so that somebody else gets as far as the socket

        def writer(vm_id, seed, *arguments):
            made = Writer(agent.directory, vm_id, disk / f"{vm_id}.log", tiers=TIERS, threads=2, seed=seed, arguments=arguments)
            return stack.enter_context(contextlib.closing(made))

        live, dead = writer("web-1", 1), writer("web-2", 2)
        for one in (live, dead):
            one.tell("run 300")
        dead.kill()
        ok("provision", "--vm-id", "web-3", "--directory", agent.directory)
        (agent.directory / f"bad.{'0' * 32}.seg").write_bytes(b"RINGSIDE SEGMENT but no more\n" * 100)
        socket = str(agent.socket)

        def settled():
            states = {vm["vm_id"]: vm["state"] for vm in ok_json("ls", "--all", socket=socket)["vms"]}
            quarantined = ok_json("status", socket=socket)["quarantined"]
            return states == {"web-1": "running", "web-2": "drained", "web-3": "provisioned"} and quarantined

        wait_until("the agent to have found and drained everything", settled)
        yield Host(agent, socket, live, dead)


class Host:
    def __init__(self, agent, socket, live, dead):
        self.agent, self.socket, self.live, self.dead = agent, socket, live, dead


def by_series(points, tier_s, newest_closed_ns=2**63):
    """{(metric, labels): {T: values}} of the closed windows of a tier."""
    found = {}
    for point in points:
        if point["resolution_ns"] == tier_s * S and "open" not in point["flags"] and point["end_ns"] <= newest_closed_ns:
            key = (point["metric"], tuple(point["labels"].items()))
            values = {name: point[name] for name in ("count", "sum", "min", "max", "last", "value", "buckets")}
            found.setdefault(key, {})[point["end_ns"]] = values
    return found


def test_ls_lists_live_vms_and_with_all_the_drained(host):
    assert [vm["vm_id"] for vm in ok_json("ls", socket=host.socket)["vms"]][:2] == ["web-1", "web-3"]
    vms = {vm["vm_id"]: vm for vm in ok_json("ls", "--all", socket=host.socket)["vms"]}
    assert vms["web-2"]["exit_cause"] == "killed" and vms["web-2"]["archive_bytes"] > 0
    assert vms["web-1"]["segment_bytes"] == host.live.path.stat().st_size and vms["web-1"]["lag_ns"] is not None
    assert vms["web-3"]["series_count"] == 0 and vms["web-3"]["last_write_ns"] is None
    assert len(ok_csv("ls", "web-1", "web-2", "web-3", socket=host.socket)) == 3
    table = ok("ls", socket=host.socket)
    assert table.splitlines()[0].startswith("VM_ID") and "web-1" in table


def test_show_agrees_with_the_segment(host):
    shown = ok_json("show", "web-1", "--series", socket=host.socket)
    dumped = ok_json("segment", "dump", host.live.path)
    vm, header = shown["vms"][0], dumped["header"]
    for field in ("vm_id", "epoch", "component", "segment_bytes", "series_count", "series_capacity", "created_ns",
                  "writer_pid", "rejected_samples", "refused_series"):  # fmt: skip
        assert vm[field] == header[field], field
    assert header["close_code"] is None and header["closed_ns"] is None  # it has not closed: that is not the code 0
    assert [(t["resolution_ns"], t["slots"], t["columns"]) for t in shown["tiers"]] == [
        (t["resolution_ns"], t["slots"], t["columns"]) for t in dumped["tiers"]]  # fmt: skip
    fields = ("index", "metric", "labels", "created_ns")
    assert [[s[field] for field in fields] for s in shown["series"]] == [
        [s[field] for field in fields] for s in dumped["series"]]  # fmt: skip


def test_times_of_registration_are_kept_in_the_archive(host):
    shown = ok_json("show", "web-2", "--series", socket=host.socket)["series"]
    (file,) = (host.agent.disk / "archive").glob("web-2.*")
    assert shown and None not in [series["created_ns"] for series in shown]
    assert [s["created_ns"] for s in shown] == [s["created_ns"] for s in ok_json("segment", "dump", file)["series"]]


@pytest.mark.parametrize("tier_s", [1, 2])
def test_read_agrees_with_the_segment_and_the_tally(host, tier_s):
    def closed():
        points = ok_json("read", "web-1", "--tier", f"{tier_s}s", "--closed", socket=host.socket)["points"]
        return len({(point["metric"], str(point["labels"])) for point in points}) == 11 and points

    read = wait_until("a closed window of every series", closed)
    dumped = ok_json("segment", "dump", host.live.path, "--series", "{}", "--tier", "all")["points"]
    assert len({point["epoch"] for point in read}) == 1
    answered = by_series(read, tier_s)
    newest = max(end for points in answered.values() for end in points)
    # The writer stands still: whatever has closed since holds the same, and what the file gained is newer.
    held = by_series(dumped, tier_s, newest)
    assert answered == {key: held[key] for key in answered} and len(answered) == 11
    for one in host.live.tally:
        if one["kind"].startswith("counter"):
            points = answered[(one["metric"], tuple(one["labels"].items()))]
            assert points[max(points)]["value"] == one["value"], one


def test_a_drained_vm_reads_like_its_archive_file(host):
    (archive,) = (host.agent.disk / "archive").glob("web-2.*.rsa")
    assert ok_json("segment", "verify", archive)["files"][0]["valid"]
    read = ok_json("read", "web-2", "--tier", "1s", socket=host.socket)["points"]
    dumped = ok_json("segment", "dump", archive, "--series", "{}", "--tier", "1s")["points"]
    assert read and by_series(read, 1) == by_series(dumped, 1)
    for one in host.dead.tally:
        if one["kind"].startswith("counter"):
            points = by_series(read, 1)[(one["metric"], tuple(one["labels"].items()))]
            assert points[max(points)]["value"] == one["value"], one
    # `--last` ends where the VM ended, however long ago that is.
    assert ok_json("read", "web-2", "t_shared_total", "--last", "1m", socket=host.socket)["points"]


def test_read_chooses_by_selector(host):
    points = ok_json("read", "web-1", 't_ops_total{thread=~"[1-9]"}', socket=host.socket)["points"]
    assert {(p["metric"], p["labels"]["thread"]) for p in points} == {("t_ops_total", "1")}
    table = ok("read", "web-1", "t_latency_seconds", "--columns", "count,sum", socket=host.socket)
    assert "histogram in seconds, windows of 1s" in table


def test_stat_of_a_drained_vm_adds_up_to_its_tally(host):
    total = next(one["value"] for one in host.dead.tally if one["metric"] == "t_shared_total")
    done = ctl("stat", "web-2", "200s", "1", "--columns", "n=t_shared_total:increase", "-o", "json", socket=host.socket)
    assert done.returncode == 0 and "ended at" in done.stderr and "killed" in done.stderr
    assert json.loads(done.stdout)["n"] == total


def test_stat_of_a_live_vm_prints_a_line_a_second(host):
    columns = "n=t_shared_total:increase,busy=t_busy_seconds_total,p50=t_latency_seconds:p50"
    lines = ok_json_lines("stat", "web-1", "1s", "3", "--columns", columns, socket=host.socket)
    assert [b["time_ns"] - a["time_ns"] for a, b in zip(lines, lines[1:])] == [S, S]
    # It stands still: what grew by nothing is 0, and no observation has a quantile.
    assert [(line["n"], line["busy"], line["p50"]) for line in lines[1:]] == [(0.0, 0.0, None)] * 2


def test_events_tell_the_story_of_the_killed_vm(host):
    events = ok_json_lines("events", "web-2", socket=host.socket)
    assert [event["event"] for event in events] == ["appeared", "exited", "drained"]
    assert events[1]["exit_cause"] == "killed" and events[0]["epoch"] == host.dead.epoch
    (bad,) = ok_json_lines("events", "--kind", "quarantined", socket=host.socket)
    assert bad["file"].startswith("bad.") and bad["text"]
    assert len(ok_csv("events", "--kind", "appeared,drained", socket=host.socket)) >= 3


def test_events_follow_what_happens(host):
    with subprocess.Popen([RINGSIDECTL, "--socket", host.socket, "events", "--follow", "-n", "2", "web-9", "web-1", "-o", "json"],
                          stdout=subprocess.PIPE, encoding="utf-8") as watch:  # fmt: skip
        assert json.loads(watch.stdout.readline())["vm_id"] == "web-1"  # from before; so the watch is there
        ok("provision", "--vm-id", "web-9", "--directory", host.agent.directory)
        event = json.loads(watch.stdout.readline())
        assert watch.wait(60) == 0
    assert (event["event"], event["vm_id"]) == ("appeared", "web-9")


def test_drain_takes_the_dead_and_refuses_the_living(host):
    fails(8, "drain", "web-1", socket=host.socket, says=["web-1"])
    assert ok_json("drain", "web-2", socket=host.socket)["vms"][0]["state"] == "drained"


@pytest.mark.parametrize("command", ["show", "stat", "read", "drain"])
def test_a_name_that_is_nearly_right_gets_a_hint(host, command):
    fails(3, command, "web1", socket=host.socket, says=["web1", "web-1"])


def test_admission_reserves_binds_and_gives_back(host):
    admitted = ok_json("admit", "job-1", "--uid", "4242", "--schema", "vmm", socket=host.socket)["admissions"][0]
    assert admitted["segment_bytes"] == ok_json("schema", "size", "vmm")["schema"]["segment_bytes"]
    assert [a["vm_id"] for a in ok_json("admissions", socket=host.socket)["admissions"] if a["uid"] == 4242] == ["job-1"]
    fails(8, "admit", "job-1", "--uid", "4243", "--schema", "vmm", socket=host.socket, says=["job-1"])
    fails(8, "admit", "job-2", "--uid", "1", "--bytes", "17MiB", socket=host.socket, says=["asked"])
    assert ok_json("release", "job-1", socket=host.socket)["admissions"][0]["vm_id"] == "job-1"
    fails(3, "release", "job-1", socket=host.socket, says=["job-1"])


def test_status_shows_quarantine_budgets_and_archive(host):
    document = ok_json("status", socket=host.socket)
    assert document["agent"]["ready"] is True and document["agent"]["caller_is_operator"] is True
    states = {row["state"]: row["count"] for row in document["vms_by_state"]}
    assert states.pop("provisioned") in (1, 2)  # web-3, and web-9 of another test
    assert states == {"running": 1, "exited": 0, "drained": 1}
    (bad,) = document["quarantined"]
    assert bad["file"].startswith("bad.") and bad["reason"]
    budgets = {budget["name"]: budget for budget in document["budgets"]}
    assert budgets["vm-bytes"]["limit"] == 16 << 20
    assert document["archive"]["vms"] == 1 and document["archive"]["bytes"] > 0
    text = ok("status", socket=host.socket)
    assert "16MiB" in text and "bad." in text


def test_status_says_what_the_archive_failed_with_and_when():
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        agent = stack.enter_context(contextlib.closing(Agent(disk, memory)))
        writer = stack.enter_context(contextlib.closing(Writer(agent.directory, "web-1", disk / "web-1.log", tiers=TIERS)))
        writer.tell("run 5")

        def archive():
            return ok_json("status", socket=str(agent.socket))["archive"]

        wait_until("the VM to be found", lambda: ok_json("ls", socket=str(agent.socket))["vms"])
        assert archive()["last_error"] == "" and archive()["last_error_ns"] is None
        shutil.rmtree(disk / "archive")
        (disk / "archive").write_text("no folder")
        killed_ns = time.time_ns()
        writer.kill()
        failed = wait_until("the archive to fail", lambda: archive()["last_error_ns"] and archive())
        assert str(disk / "archive") in failed["last_error"]
        assert killed_ns <= failed["last_error_ns"] <= time.time_ns()


def test_somebody_else_is_told_how_to_be_let_in(host):
    other = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else None
    if other is None:
        os.chmod(host.socket, 0)  # not even its owner may connect then, unless it is root
    try:
        fails(6, "ls", socket=host.socket, **(other or {}), says=["no permission", host.socket, "--socket-group" if other else "usermod -aG"])
    finally:
        os.chmod(host.socket, 0o660)


def test_a_stopped_agent_is_told_from_one_that_never_was(host):
    with scratch() as (disk, memory), contextlib.closing(Agent(disk, memory)) as agent:
        agent.kill()
        fails(4, "ls", socket=str(agent.socket), says=["nobody listens", "journalctl -u ringside-agent"])
