"""An agent with few descriptors, and several times as many segments."""

import contextlib
import os
import re
import signal
import subprocess

import pytest

from harness import AGENT, BUILD, Agent, Process, http_get, scratch, wait_until

LIMIT = 256  # the fewest with which the agent starts
DEAD = 3 * LIMIT


class ManyWriters(Process):
    """tests/support/make_segments: see its head comment."""

    def __init__(self, agent, prefix, count):
        command = [BUILD / "tests/support/make_segments", agent.directory, prefix, count]
        super().__init__(command, agent.disk / f"{prefix}.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", self.output()


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def agent(stack):
    """Not running, its folders made."""
    agent = stack.enter_context(contextlib.closing(Agent(*stack.enter_context(scratch()), "--scan-interval", "100ms")))
    agent.kill()
    agent.arguments = ["prlimit", f"--nofile={LIMIT}:{LIMIT}", *agent.arguments]
    return agent


def make_writers(stack, agent, prefix, count):
    return stack.enter_context(contextlib.closing(ManyWriters(agent, prefix, count)))


def make_dead(stack, agent, prefix, count):
    make_writers(stack, agent, prefix, count).kill()


def metric(agent, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", agent.metrics(), re.MULTILINE)
    return float(found[1]) if found else 0


def in_state(agent, state):
    return {vm["vm_id"] for vm in agent.ctl("ls", "--all")["vms"] if vm["state"] == state}


def wait_until_drained(agent, count):
    """Whenever the agent is asked meanwhile, it answers."""

    def drained():
        assert http_get(agent.url("/-/healthy"))[0] == 200
        assert agent.ctl("status")["agent"]["ready"]
        assert len(os.listdir(f"/proc/{agent.pid}/fd")) < LIMIT / 2
        return metric(agent, 'ringside_vms{state="drained"}') == count

    wait_until(f"{count} VMs to be drained", drained, deadline_s=240)
    wait_until("their segments to go", lambda: list(agent.directory.glob("dead-*")) == [])  # after all of a batch are listed
    assert metric(agent, 'ringside_scan_files_waiting{state="dead"}') == 0
    assert metric(agent, 'ringside_drain_failures_total{step="archive"}') == 0


def test_dead_vms_that_wait_for_the_start_use_up_no_descriptors(stack, agent):
    make_dead(stack, agent, "dead", DEAD)
    make_writers(stack, agent, "live", 1)
    agent.start()
    # Ready means that the first look is over: the living VM is there, whatever waits.
    assert in_state(agent, "running") == {"live-0"}
    assert metric(agent, 'ringside_scan_files_waiting{state="dead"}') > 0
    assert agent.ctl("status")["agent"]["waiting_count"] > 0
    wait_until_drained(agent, DEAD)
    assert in_state(agent, "running") == {"live-0"}


def test_dead_vms_that_come_while_the_agent_runs_use_up_no_descriptors(stack, agent):
    agent.start()
    agent.process.send_signal(signal.SIGSTOP)
    make_dead(stack, agent, "dead", DEAD)
    live = make_writers(stack, agent, "live", 1)
    agent.process.send_signal(signal.SIGCONT)
    wait_until("the living VM", lambda: in_state(agent, "running") == {"live-0"})
    live.kill()
    wait_until("its end to be seen", lambda: "live-0" not in in_state(agent, "running"))
    wait_until_drained(agent, DEAD + 1)


def test_living_vms_without_a_descriptor_are_left_alone_until_there_is_one(stack, agent):
    agent.start()
    writers = [make_writers(stack, agent, f"live-{i}", 60) for i in range(2)]
    wait_until("some to wait", lambda: metric(agent, 'ringside_scan_files_waiting{state="living"}') > 60)
    assert "raise it (LimitNOFILE=, ulimit -n)" in agent.output()
    # The dead have room of their own.
    make_dead(stack, agent, "dead", 30)
    wait_until_drained(agent, 30)
    for writer in writers:
        writer.kill()
    wait_until_drained(agent, 150)
    assert metric(agent, 'ringside_scan_files_waiting{state="living"}') == 0


def test_says_when_the_limit_cannot_hold_the_budget(agent):
    agent.start()
    assert re.search(r"option host-segments is 10000, but the limit of open files \(256\) holds \d+ segments", agent.output())

    def check(limit, *arguments):
        command = ["prlimit", f"--nofile={limit}:{limit}", AGENT, "--check-config", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    done = check(LIMIT)
    assert done.returncode == 0 and "warning: option host-segments is 10000" in done.stderr
    assert check(LIMIT, "--host-segments", "40").stderr == ""
    assert "to 256 at least" in check(LIMIT - 1).stderr


def test_refuses_to_start_with_too_few_descriptors(agent):
    command = ["prlimit", f"--nofile={LIMIT - 1}:{LIMIT - 1}", *agent.arguments[2:]]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "the limit of open files is 255; raise it (LimitNOFILE= of the unit, ulimit -n) to 256 at least" in done.stderr
