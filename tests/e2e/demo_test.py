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

from harness import BUILD, SOURCE, wait_until

RUN = SOURCE / "tools/demo-vmm/run"


def leftovers():
    return {path for folder in ("/dev/shm", os.environ.get("TMPDIR", "/tmp")) for path in
            pathlib.Path(folder).glob("ringside-demo.*")}


def start(tmp_path, *arguments, **options):
    environment = dict(os.environ, RINGSIDE_BUILD_DIR=str(BUILD), RINGSIDE_SOURCE_DIR=str(SOURCE), TMPDIR=str(tmp_path))
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True, **options}
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


def test_says_what_is_wrong_with_a_time(tmp_path):
    demo = start(tmp_path, "--for", "soon")
    out, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "'soon' is not a time: write 30s, 5m or 1h" in out
