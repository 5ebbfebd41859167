"""The demo behind ./dev run: a VM dies and is drained before the eyes of the user, and nothing stays behind."""

import contextlib
import fcntl
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness import BUILD, SOURCE, wait_until

RUN = SOURCE / "tools/demo-vmm/run"


def leftovers():
    return {path for folder in ("/dev/shm", os.environ.get("TMPDIR", "/tmp")) for path in
            pathlib.Path(folder).glob("ringside-demo.*")}


def start(tmp_path, *arguments, build=BUILD, **options):
    environment = dict(os.environ, RINGSIDE_BUILD_DIR=str(build), RINGSIDE_SOURCE_DIR=str(SOURCE), TMPDIR=str(tmp_path))
    # A shell cannot trap what is ignored when it starts, as SIGHUP is below nohup.
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True,
               "preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL), **options}  # fmt: skip
    return subprocess.Popen([RUN, *arguments], env=environment, **options)


def test_shows_a_vm_die_and_be_drained(tmp_path):
    before = leftovers()
    demo = start(tmp_path, "--for", "31s")
    out, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, out
    assert re.search(r"exited +demo-vm-3 +killed", out), out
    assert re.search(r"drained +demo-vm-3 +killed", out), out
    assert re.search(r"demo-vm-1 .* running ", out), out
    assert re.search(r"demo-vm-3 .* drained +killed ", out), out
    assert leftovers() == before
    assert list(tmp_path.iterdir()) == []


def test_fits_into_a_terminal_and_stops_by_ctrl_c(tmp_path):
    before = leftovers()
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    demo = start(tmp_path, stdin=terminal, stdout=terminal, stderr=terminal,
                 preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))  # fmt: skip
    os.close(terminal)
    shown = b""
    while not re.search(rb"demo-vm-1 .* running .*try in another", shown, re.S):
        shown += os.read(master, 65536)  # fails when the demo ends
    os.write(master, b"\x03")
    with contextlib.suppress(OSError):
        while os.read(master, 65536):
            pass
    assert demo.wait(60) == 0
    os.close(master)
    lines = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shown.decode()).splitlines()
    assert [line for line in lines if re.match(r"VM_ID|demo-vm-\d  |TIME", line) and len(line) > 80] == []
    assert leftovers() == before
    assert list(tmp_path.iterdir()) == []


def test_stops_on_a_signal_and_leaves_nothing(tmp_path):
    before = leftovers()
    demo = start(tmp_path)
    wait_until("the demo to make its folders", lambda: leftovers() - before)
    demo.send_signal(signal.SIGINT)
    out, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, out
    assert leftovers() == before
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_that_closes_leaves_nothing(tmp_path):
    """It says so more than once, and to every process of the terminal: the clean-up has to live through it."""
    before = leftovers()
    demo = start(tmp_path)
    wait_until("the demo to start its writers", lambda: list(tmp_path.glob("*/demo-vm-3.log")))
    while demo.poll() is None:
        os.killpg(demo.pid, signal.SIGHUP)
        time.sleep(0.02)
    demo.communicate(timeout=60)
    assert leftovers() == before
    assert list(tmp_path.iterdir()) == []


AGENT = "agent/ringside-agent"
CTL = "tools/ringsidectl/ringsidectl"
BRIDGE = "tools/bridge/ringside-bridge"
VMM = "tools/demo-vmm/ringside-demo-vmm"


def build_with(folder, program, script):
    """A build folder whose `program` is this script; $real is the true one."""
    for name in (AGENT, CTL, BRIDGE, VMM):
        (folder / name).parent.mkdir(parents=True)
        if name != program:
            (folder / name).symlink_to(BUILD / name)
    (folder / program).write_text(f"#!/bin/sh\nreal={BUILD / program}\n{script}\n")
    (folder / program).chmod(0o755)
    return folder


def test_waits_for_slow_vms_before_the_first_picture(tmp_path, tmp_path_factory):
    build = build_with(tmp_path_factory.mktemp("build"), VMM, 'sleep 0.5; exec "$real" "$@"')
    demo = start(tmp_path, "--for", "1s", build=build)
    out, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, out
    first = out[: out.index("try in another terminal")]
    assert [re.search(rf"demo-vm-{i} ", first) is not None for i in (1, 2, 3)] == [True] * 3, out
    assert "no VM" not in out
    assert "over after" in out


def test_goes_on_when_a_part_of_the_picture_fails(tmp_path, tmp_path_factory):
    script = 'case " $* " in *" stat "* | *" read "*) exit 3 ;; esac; exec "$real" "$@"'
    demo = start(tmp_path, "--for", "1s", build=build_with(tmp_path_factory.mktemp("build"), CTL, script))
    out, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, out
    assert "try in another terminal" in out
    assert "over after" in out


def test_says_what_an_agent_said_that_does_not_get_ready(tmp_path, tmp_path_factory):
    before = leftovers()
    script = "echo waiting for the moon; exec sleep 600"
    demo = start(tmp_path, build=build_with(tmp_path_factory.mktemp("build"), AGENT, script))
    out, _ = demo.communicate(timeout=120)
    assert demo.returncode == 1, out
    assert "waiting for the moon\ndev run: the agent was not ready after 10 s" in out
    assert leftovers() == before


def test_takes_the_port_from_the_agent(tmp_path):
    demo = start(tmp_path, "--for", "1s")
    out, _ = demo.communicate(timeout=120)
    assert re.search(r"curl -s http://127\.0\.0\.1:[1-9][0-9]*/metrics", out), out


@pytest.mark.parametrize("time", ["soon", "0s", "0", "-5s", ""])
def test_says_what_is_wrong_with_a_time(tmp_path, time):
    demo = start(tmp_path, f"--for={time}")
    out, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert f"'{time}' is not a time above zero: write 30s, 5m or 1h" in out


@pytest.mark.parametrize(("time", "seconds"), [("08m", 480), ("09h", 32400), ("90s", 90), ("7", 7)])
def test_times_are_decimal(time, seconds):
    script = f". {SOURCE}/tools/seconds_of.sh && seconds_of {time}"
    assert subprocess.check_output(["bash", "-c", script], text=True) == f"{seconds}\n"
