"""The agent as a program: real writers come and go, files go bad beside them, the agent is told to stop, to reload and to
start again, and what it says of all that is true. The writers' own tally is the oracle for values."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from harness import AGENT, CTL, DEADLINE_S, Agent, Process, Writer, http_get, scratch, wait_until

FAST = ("--scan-interval", "100ms")


@pytest.fixture
def place():
    with scratch() as (disk, memory):
        yield disk, memory


@pytest.fixture
def stack(place):  # ends first: an agent that lives on would make its folder again
    with contextlib.ExitStack() as stack:
        yield stack


def make_agent(stack, place, *arguments):
    return stack.enter_context(contextlib.closing(Agent(*place, *FAST, *arguments)))


def make_writer(stack, agent, vm_id, **options):
    log = agent.disk / f"{vm_id}.log"
    return stack.enter_context(contextlib.closing(Writer(agent.directory, vm_id, log, **options)))


def vms(agent):
    """{vm_id: [entry of each epoch]}"""
    found = {}
    for vm in agent.ctl("ls", "--all")["vms"]:
        found.setdefault(vm["vm_id"], []).append(vm)
    return found


def state(agent, vm_id):
    return [vm["state"] for vm in vms(agent).get(vm_id, [])]


def wait_for_state(agent, vm_id, *states):
    wait_until(f"{vm_id} to be {states}", lambda: state(agent, vm_id) == list(states))


def events(agent, vm_id=None):
    done = agent.ctl("events", check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line for line in lines if vm_id is None or line["vm_id"] == vm_id]


def quarantined(agent):
    """{file name: reason} as status tells."""
    return {one["file"]: one["reason"] for one in agent.ctl("status")["quarantined"]}


def counters(agent, vm_id, tier="300s"):
    """The last value of each of the writer's counters of that tier, keyed as the tally is."""
    found = {}
    for metric in ("t_ops_total", "t_busy_seconds_total", "t_shared_total"):
        for point in agent.ctl("read", vm_id, metric, "--tier", tier)["points"]:
            found[(metric, tuple(sorted(point["labels"].items())))] = point["value"]
    return found


def tally_of_counters(writer):
    return {
        (one["metric"], tuple(sorted(one["labels"].items()))): one["value"]
        for one in writer.tally
        if one["kind"] in ("counter", "counter_f64", "shared_counter")
    }


def metric_value(agent, name):
    """One sample of the agent's own metrics, `name` with its labels as printed; 0 when it is not there."""
    for line in agent.metrics().splitlines():
        if line.rpartition(" ")[0] == name:
            return float(line.rpartition(" ")[2])
    return 0.0


def segments(agent):
    return sorted(path.name for path in agent.directory.iterdir())


# --- the life of a VM


def test_a_vm_appears_exits_and_is_drained(stack, place):
    agent = make_agent(stack, place)
    writer = make_writer(stack, agent, "vm-1")
    wait_for_state(agent, "vm-1", "running")
    writer.tell("run 200")
    assert counters(agent, "vm-1") == tally_of_counters(writer) != {}
    writer.close_segment(3, "guest shut down")
    wait_until("the segment to go", lambda: segments(agent) == [])
    wait_until("the last event", lambda: events(agent)[-1]["event"] == "drained")
    entry = vms(agent)["vm-1"][0]
    assert (entry["state"], entry["exit_cause"]) == ("drained", "closed")
    assert entry["archive_bytes"] > 0
    assert counters(agent, "vm-1") == tally_of_counters(writer)
    assert [one["event"] for one in events(agent, "vm-1")] == ["appeared", "exited", "drained"]
    exited = events(agent, "vm-1")[1]
    assert (exited["exit_cause"], exited["close_code"], exited["text"]) == ("closed", 3, "guest shut down")
    assert metric_value(agent, 'ringside_vms{state="drained"}') == 1
    assert metric_value(agent, 'ringside_drain_drained_total{cause="closed"}') == 1


def test_a_killed_vm_is_told_from_one_that_closed(stack, place):
    agent = make_agent(stack, place)
    writer = make_writer(stack, agent, "vm-1")
    writer.tell("run 50")
    wait_for_state(agent, "vm-1", "running")
    writer.process.send_signal(signal.SIGBUS)
    # Nobody waits for the process before its end is known: older kernels forget it then.
    wait_for_state(agent, "vm-1", "drained")
    wait_until("the last event", lambda: events(agent)[-1]["event"] == "drained")
    for told in (vms(agent)["vm-1"][0], events(agent, "vm-1")[1], events(agent, "vm-1")[2]):
        assert (told["exit_cause"], told["exit_signal"]) == ("killed", signal.SIGBUS)
    writer.process.wait()
    agent.terminate()
    agent.start()  # the archive says the same
    told = vms(agent)["vm-1"][0]
    assert (told["exit_cause"], told["exit_signal"]) == ("killed", signal.SIGBUS)
    assert counters(agent, "vm-1") == tally_of_counters(writer)


def test_components_and_lives_of_a_vm_stand_side_by_side(stack, place):
    agent = make_agent(stack, place)
    first = make_writer(stack, agent, "vm-1")
    log = agent.disk / "component.log"
    part = stack.enter_context(
        contextlib.closing(Writer(agent.directory, "vm-1", log, arguments=("--component", "virtiofsd")))
    )
    wait_for_state(agent, "vm-1", "running", "running")
    first.tell("run 10")
    first.kill()
    again = make_writer(stack, agent, "vm-1", seed=9)
    wait_until("both lives and the component", lambda: sorted(state(agent, "vm-1")) == ["drained", "running", "running"])
    assert {vm["component"] for vm in vms(agent)["vm-1"]} == {"", "virtiofsd"}
    assert part.alive() and again.alive()


def test_many_vms_that_die_at_once_are_all_drained(stack, place):
    agent = make_agent(stack, place)
    writers = [make_writer(stack, agent, f"vm-{i}", tiers="1x10,300x4", threads=1, seed=i) for i in range(12)]
    for writer in writers:
        writer.tell("run 20")
    for writer in writers:
        writer.kill()
    wait_until("all to be drained", lambda: metric_value(agent, 'ringside_vms{state="drained"}') == len(writers))
    wait_until("all segments to go", lambda: segments(agent) == [])
    for writer in writers:
        assert counters(agent, writer.vm_id) == tally_of_counters(writer)


# --- restarts


def test_a_vm_that_died_while_no_agent_ran_is_drained_at_start(stack, place):
    agent = make_agent(stack, place)
    lives, dies = make_writer(stack, agent, "lives"), make_writer(stack, agent, "dies", seed=2)
    lives.tell("run 30")
    agent.kill()
    dies.tell("run 40")
    dies.kill()
    stranger = make_writer(stack, agent, "stranger", seed=3)
    stranger.tell("run 50")
    agent.start()
    wait_for_state(agent, "dies", "drained")
    assert vms(agent)["dies"][0]["exit_cause"] == "killed"
    assert state(agent, "lives") == state(agent, "stranger") == ["running"]
    for writer in (lives, dies, stranger):
        assert counters(agent, writer.vm_id) == tally_of_counters(writer)


def test_kills_of_the_agent_during_drains_lose_and_double_nothing(stack, place):
    agent = make_agent(stack, place)
    writers = [make_writer(stack, agent, f"vm-{i}", tiers="1x10,300x4", threads=1, seed=i) for i in range(8)]
    for writer in writers:
        writer.tell("run 25")
    for i, writer in enumerate(writers):
        writer.kill()
        if i % 2:
            agent.kill()  # somewhere between the death and the end of its drain
            agent.start()
    wait_until("all to be drained", lambda: metric_value(agent, 'ringside_vms{state="drained"}') == len(writers))
    wait_until("all segments to go", lambda: segments(agent) == [])
    found = vms(agent)
    assert {vm_id: len(entries) for vm_id, entries in found.items()} == {writer.vm_id: 1 for writer in writers}
    for writer in writers:
        assert counters(agent, writer.vm_id) == tally_of_counters(writer)


def test_event_sequences_rise_over_restarts(stack, place):
    agent = make_agent(stack, place)
    make_writer(stack, agent, "vm-1")
    wait_for_state(agent, "vm-1", "running")
    before = events(agent)[-1]["sequence"]
    agent.kill()
    agent.start()
    assert events(agent)[0]["sequence"] > before


# --- files that are not what they should be


def test_bad_files_are_quarantined_beside_healthy_vms(stack, place):
    agent = make_agent(stack, place)
    writer = make_writer(stack, agent, "healthy")
    writer.tell("run 60")
    victim = make_writer(stack, agent, "victim", seed=2)
    victim.tell("run 10")
    image = bytearray(victim.path.read_bytes())

    def plant(name, content):
        path = agent.directory / f"{name}.00112233445566778899aabbccddeeff.seg"
        path.write_bytes(content)
        return path.name

    def changed(offset, content):
        return bytes(image[:offset] + content + image[offset + len(content):])

    renamed = f"other.{victim.epoch}.seg"
    wanted = {
        plant("garbage", os.urandom(len(image))): "bad-magic",
        plant("short", b"RINGSIDE SEGMENT"): "wrong-size",
        plant("cut", bytes(image[:-4096])): "wrong-size",
        plant("version", changed(520, (99).to_bytes(4, "little"))): "other-version",
        plant("checksum", changed(1020, b"\0\0\0\0")): "bad-checksum",
    }
    (agent.directory / renamed).write_bytes(image)
    wanted[renamed] = "name-mismatch"
    for name, make in {
        "link": lambda path: path.symlink_to(writer.path),
        "fifo": os.mkfifo,
        "folder": os.mkdir,
    }.items():
        path = agent.directory / f"{name}.00112233445566778899aabbccddeeff.seg"
        make(path)
        wanted[path.name] = "not-regular"
    sparse = agent.directory / "sparse.00112233445566778899aabbccddeeff.seg"
    with open(sparse, "wb") as file:
        file.truncate(1 << 33)
    wanted[sparse.name] = "too-large"
    hole = agent.directory / "hole.00112233445566778899aabbccddeeff.seg"
    with open(hole, "wb") as file:
        file.truncate(len(image))
    wanted[hole.name] = "hole"
    (agent.directory / "not-a-segment").write_text("left alone")

    wait_until("all bad files to be in quarantine", lambda: quarantined(agent) == wanted)
    assert metric_value(agent, 'ringside_quarantined_files{reason="not-regular"}') == 3
    # None is removed, the VMs are served, and new ones come in.
    assert set(wanted) | {"not-a-segment"} <= set(segments(agent))
    assert counters(agent, "healthy") == tally_of_counters(writer)
    late = make_writer(stack, agent, "late", seed=3)
    late.tell("run 5")
    wait_for_state(agent, "late", "running")
    assert agent.ctl("status")["agent"]["quarantined_count"] == len(wanted)
    told = {one["file"] for one in events(agent) if one["event"] == "quarantined"}
    assert told == set(wanted)

    # What is replaced by a good file, or removed, is no longer in quarantine.
    for name in wanted:
        path = agent.directory / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    wait_until("the quarantine to be empty", lambda: quarantined(agent) == {})


def test_a_segment_that_is_cut_while_it_is_served_harms_its_own_vm_only(stack, place):
    agent = make_agent(stack, place)
    writer, victim = make_writer(stack, agent, "healthy"), make_writer(stack, agent, "victim", seed=2)
    writer.tell("run 60")
    wait_for_state(agent, "victim", "running")
    os.truncate(victim.path, 8192)
    wait_until("the cut segment to be in quarantine", lambda: quarantined(agent) == {victim.path.name: "shrunk"})
    assert state(agent, "victim") == []
    assert counters(agent, "healthy") == tally_of_counters(writer)
    victim.kill()
    swept = metric_value(agent, "ringside_scans_total")
    wait_until("some sweeps", lambda: metric_value(agent, "ringside_scans_total") > swept + 3)
    assert victim.path.exists()  # its death changes nothing


def test_a_vm_whose_name_is_removed_is_read_and_drained_all_the_same(stack, place):
    agent = make_agent(stack, place)
    writer = make_writer(stack, agent, "vm-1")
    wait_for_state(agent, "vm-1", "running")
    writer.path.unlink()
    wait_until("the agent to see it", lambda: metric_value(agent, "ringside_scan_unlinked_total") == 1)
    writer.tell("run 70")
    assert counters(agent, "vm-1") == tally_of_counters(writer)
    writer.kill()
    wait_for_state(agent, "vm-1", "drained")
    assert counters(agent, "vm-1") == tally_of_counters(writer)


def test_the_folder_is_made_anew_when_somebody_removes_it(stack, place):
    agent = make_agent(stack, place)
    writer = make_writer(stack, agent, "vm-1")
    wait_for_state(agent, "vm-1", "running")
    shutil.rmtree(agent.directory)
    wait_until("the folder", agent.directory.exists)
    late = make_writer(stack, agent, "late", seed=2)
    wait_for_state(agent, "late", "running")
    writer.tell("run 20")
    assert counters(agent, "vm-1") == tally_of_counters(writer)
    assert "anew" in agent.output()
    assert late.alive()


def test_the_folder_that_stands_where_it_was_told_to_look_is_the_one(stack, place):
    agent = make_agent(stack, place)
    writer = make_writer(stack, agent, "vm-1")
    wait_for_state(agent, "vm-1", "running")
    agent.directory.rename(agent.directory.with_name("away"))
    wait_until("the folder", agent.directory.exists)
    make_writer(stack, agent, "late", seed=2)
    wait_for_state(agent, "late", "running")
    writer.tell("run 20")
    assert counters(agent, "vm-1") == tally_of_counters(writer)


def test_what_a_killed_writer_left_half_made_is_removed(stack, place):
    agent = make_agent(stack, place, "--creating-max-age", "1s")
    left, open_one = agent.directory / ".left.tmp", agent.directory / ".open.tmp"
    left.write_bytes(b"x" * 4096)
    with open(open_one, "wb") as held:
        held.write(b"x")
        held.flush()
        wait_until("the leftover to go", lambda: not left.exists())
        assert open_one.exists()  # as old, but somebody is at it
    wait_until("the other one to go", lambda: not open_one.exists())
    assert metric_value(agent, "ringside_scan_leftovers_removed_total") == 2


# --- admission and budgets


def test_only_the_admitted_user_may_bring_a_vm_over_restarts_too(stack, place):
    agent = make_agent(stack, place)
    agent.ctl("admit", "vm-1", "--uid", "12345", "--bytes", "16MiB")
    agent.kill()
    agent.start()
    writer = make_writer(stack, agent, "vm-1")  # of this test's user
    wait_until("it to be refused", lambda: quarantined(agent) == {writer.path.name: "wrong-owner"})
    assert state(agent, "vm-1") == []
    agent.ctl("release", "vm-1")
    wait_for_state(agent, "vm-1", "running")
    assert quarantined(agent) == {}


def test_a_vm_over_the_budget_comes_in_when_a_reload_makes_room(stack, place):
    disk, _ = place
    config = disk / "agent.toml"
    config.write_text('vm-bytes = "1MiB"\nlog-level = "info"\n')
    agent = make_agent(stack, place, "--config", config)
    writer = make_writer(stack, agent, "vm-1")
    wait_until("it to be refused", lambda: quarantined(agent) == {writer.path.name: "over-budget"})

    config.write_text('vm-bytes = "64MiB"\nlog-level = "debug"\njob = "other"\n')
    agent.process.send_signal(signal.SIGHUP)
    wait_for_state(agent, "vm-1", "running")
    assert quarantined(agent) == {}
    assert "option vm-bytes is now 64MiB" in agent.output()
    assert "option job has changed, which needs a restart" in agent.output()

    config.write_text("vm-bytes = nonsense\n")
    agent.process.send_signal(signal.SIGHUP)
    wait_until("the refusal in the log", lambda: "nothing reloaded: " in agent.output())
    assert agent.alive() and state(agent, "vm-1") == ["running"]


# --- starting and stopping


def test_sigterm_leaves_living_vms_alone_and_ends_with_0(stack, place):
    agent = make_agent(stack, place)
    writer = make_writer(stack, agent, "vm-1")
    wait_for_state(agent, "vm-1", "running")
    assert agent.terminate() == 0
    assert writer.path.exists() and writer.alive()
    assert not agent.socket.exists()
    writer.tell("run 20")
    agent.start()
    assert counters(agent, "vm-1") == tally_of_counters(writer)


def strace_agent(stack, agent, delay_us, call="fsync", until="ready: "):
    """The agent again, each fsync (or other call) of which takes longer."""
    inject = f"inject={call}:delay_enter={delay_us}"
    command = ["strace", "-f", "-q", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, *agent.arguments]
    traced = stack.enter_context(contextlib.closing(Process(command, agent.disk / "traced.log")))
    wait_until("the traced agent", lambda: until in traced.output())
    children = (f"/proc/{traced.pid}/task/{traced.pid}/children",)
    agent_pid = int(open(children[0]).read().split()[0])
    return traced, agent_pid


def test_a_list_is_whole_or_refused_while_the_agent_starts(stack, place):
    agent = make_agent(stack, place)
    make_writer(stack, agent, "vm-1")
    wait_for_state(agent, "vm-1", "running")
    assert agent.terminate() == 0
    # The first scan begins with this call, when the API answers already.
    traced, pid = strace_agent(stack, agent, 600_000_000, "inotify_add_watch", until=" starts")
    try:
        wait_until("the API", lambda: "cannot answer now" in agent.ctl("ls", "--all", check=False).stderr)
        for command in (["ls"], ["ls", "vm-1"], ["show", "vm-1"], ["read", "vm-1", "t_ops_total"]):
            done = agent.ctl(*command, check=False)
            assert done.returncode == 4 and "the agent is starting" in done.stderr and "try again" in done.stderr
        assert agent.ctl("status")["agent"]["ready"] is False
        traced.kill()  # lets go of the agent
        wait_until("the first scan", lambda: agent.ctl("status")["agent"]["ready"])
        assert state(agent, "vm-1") == ["running"]
    finally:
        os.kill(pid, signal.SIGKILL)


def test_sigterm_finishes_the_drain_in_hand(stack, place):
    agent = make_agent(stack, place)
    writer = make_writer(stack, agent, "vm-1")
    writer.tell("run 20")
    wait_for_state(agent, "vm-1", "running")
    assert agent.terminate() == 0
    traced, pid = strace_agent(stack, agent, 1_000_000)
    follow = [CTL, "--socket", agent.socket, "events", "--follow", "-o", "json"]
    watcher = stack.enter_context(contextlib.closing(Process(follow, agent.disk / "events.log")))
    writer.kill()
    wait_until("the drain to begin", lambda: "ended: killed" in traced.output())
    wait_until("the archive file to be written", lambda: any((agent.disk / "archive").glob("*.rsa*")))
    wait_until("the watcher to hear of the exit", lambda: '"exited"' in watcher.output())
    os.kill(pid, signal.SIGTERM)
    assert traced.process.wait(DEADLINE_S) == 0
    assert "drained: " in traced.output()
    watcher.process.wait(DEADLINE_S)
    assert '"drained"' in watcher.output()  # the last word, before the stream ends
    assert segments(agent) == []
    assert [path.suffix for path in (agent.disk / "archive").iterdir() if path.is_file()] == [".rsa"]


def test_a_second_sigterm_ends_at_once_and_the_next_start_goes_on(stack, place):
    agent = make_agent(stack, place)
    writer = make_writer(stack, agent, "vm-1")
    writer.tell("run 20")
    wait_for_state(agent, "vm-1", "running")
    assert agent.terminate() == 0
    traced, pid = strace_agent(stack, agent, 30_000_000)
    writer.kill()
    wait_until("the drain to begin", lambda: "ended: killed" in traced.output())
    wait_until("the archive file to be begun", lambda: any((agent.disk / "archive").glob("*.rsa*")))
    os.kill(pid, signal.SIGTERM)
    wait_until("the first to be heard", lambda: "stopping" in traced.output())
    os.kill(pid, signal.SIGTERM)
    # exit_group waits for no thread, not for the one that strace holds either, but strace may report it late.
    wait_until("the second to be heard", lambda: "ending at once" in traced.output())
    traced.kill()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    agent.start()
    wait_for_state(agent, "vm-1", "drained")
    assert counters(agent, "vm-1") == tally_of_counters(writer)


def test_tells_systemd_what_it_does(stack, place):
    disk, _ = place
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(disk / "notify"))
        notices.settimeout(DEADLINE_S)
        os.environ["NOTIFY_SOCKET"] = str(disk / "notify")
        os.environ["WATCHDOG_USEC"] = "200000"
        try:
            agent = make_agent(stack, place)
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]

        def wait_for(word):
            while True:
                text = notices.recv(4096).decode()
                if word in text:
                    return text

        assert "0 running" in wait_for("READY=1")
        wait_for("WATCHDOG=1")
        agent.process.send_signal(signal.SIGHUP)
        wait_for("RELOADING=1")
        wait_for("READY=1")
        agent.process.send_signal(signal.SIGTERM)
        wait_for("STOPPING=1")
        assert agent.process.wait(DEADLINE_S) == 0


def run_agent(*arguments):
    return subprocess.run([AGENT, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE_S)


def refused(place, *, says, **options):
    """Starts an agent beside whatever runs, on a place of its own but for `options`; it must end with 1 and say so."""
    disk, memory = place
    wanted = {
        "directory": memory / "vms", "state_directory": disk / "other", "socket": disk / "other.sock", "http_listen": "off",
        **options,
    }
    arguments = [word for name, value in wanted.items() for word in (f"--{name.replace('_', '-')}", value)]
    done = run_agent(*arguments)
    assert done.returncode == 1, done.stderr
    for text in says:
        assert text in done.stderr


def test_a_second_agent_on_the_same_state_or_socket_is_refused(stack, place):
    agent = make_agent(stack, place)
    refused(place, state_directory=agent.disk / "state", says=["another agent", f"process {agent.pid}"])
    refused(place, socket=agent.socket, says=[str(agent.socket)])
    refused(place, http_listen=f"127.0.0.1:{agent.http_port}", says=[str(agent.http_port)])
    assert agent.ready()


def test_refuses_a_folder_that_others_could_list_or_that_is_on_a_disk(stack, place):
    disk, memory = place
    (memory / "vms").mkdir()
    (memory / "vms").chmod(0o777)
    refused(place, says=["mode 0777", "chmod 3753"])
    refused(place, directory=disk / "vms", says=["not on a memory file system", "option directory"])
    (memory / "file").write_text("")
    refused(place, directory=memory / "file", says=["is not a folder"])


def test_makes_the_folder_with_the_mode_that_keeps_vms_apart(stack, place):
    agent = make_agent(stack, place)
    assert oct(agent.directory.stat().st_mode & 0o7777) == "0o3753"


def test_check_config_says_what_is_wrong_and_starts_nothing(place):
    disk, memory = place
    good = disk / "good.toml"
    good.write_text(f'directory = "{memory}/vms"\nupstream = ["central=http://127.0.0.1:9/api/v1/write"]\n')
    done = run_agent("--check-config", "--config", good)
    assert (done.returncode, done.stdout) == (0, "the configuration is good\n")
    assert not (memory / "vms").exists()

    bad = disk / "bad.toml"
    bad.write_text('job = "x"\narchive-max-age = "15 days"\n')
    done = run_agent("--check-config", "--config", bad)
    assert done.returncode == 2
    assert re.search(r'bad\.toml, line 2: option archive-max-age: "15 days" is not a duration', done.stderr)
    done = run_agent("--vm-bytes", "lots")
    assert done.returncode == 2 and 'option vm-bytes: "lots" is not a size' in done.stderr


def test_printed_configuration_is_one_that_reads_back(place):
    disk, _ = place
    printed = run_agent("--print-config", "--upstream", "a=http://127.0.0.1:9/w#x", "--archive-max-age", "3h", "--label", "dc=x")
    assert printed.returncode == 0
    (disk / "again.toml").write_text(printed.stdout)
    again = run_agent("--print-config", "--config", disk / "again.toml")
    assert again.stdout == printed.stdout


def test_readiness_and_health_are_served_over_http(stack, place):
    agent = make_agent(stack, place)
    assert http_get(agent.url("/-/healthy"))[0] == 200
    assert http_get(agent.url("/-/ready"))[0] == 200
    assert metric_value(agent, 'ringside_build_info{version="%s"}' % agent.ctl("status")["agent"]["version"]) == 1
