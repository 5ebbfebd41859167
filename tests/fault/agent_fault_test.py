"""The agent on a disk that fails: each system call of its drain and its upstreams refused in turn, by strace, a call that
keeps being refused, and a file system that is full or read-only. The agent stays up, keeps the segments, says so, says it
once, and goes on by itself; nothing is lost or doubled (tests/support/drain_trial.py looks)."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from drain_trial import Dead, Trial, dead, needs_strace, place
from harness import Agent, scratch, wait_until

SOAK = "RINGSIDE_SOAK" in os.environ

pytestmark = needs_strace


def metric(agent, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", agent.metrics(), re.MULTILINE)[1])


FAULTS = [
    ("drain", "openat", "EMFILE"),
    ("drain", "write", "ENOSPC"),
    ("drain", "fsync", "EIO"),
    ("drain", "fstat,newfstatat", "EIO"),
    ("drain", "rename", "EROFS"),
    ("drain", "unlink,unlinkat", "EIO"),
    ("upstream", "sendto", "ECONNRESET"),
    ("upstream", "rename", "ENOSPC"),
]
MORE_FAULTS = [
    ("drain", "openat", "EROFS"),
    ("drain", "write", "EIO"),
    ("drain", "pread64", "EIO"),
    ("drain", "fsync", "ENOSPC"),
    ("drain", "rename", "EIO"),
    ("drain", "unlink,unlinkat", "EROFS"),
    ("scan", "openat", "EMFILE"),
    ("scan", "pread64", "EIO"),
    ("scan", "newfstatat", "EIO"),
    ("upstream", "connect", "ENETUNREACH"),
    ("upstream", "openat", "EROFS"),
    ("upstream", "write", "ENOSPC"),
    ("upstream", "fsync", "EIO"),
    ("upstream", "recvfrom", "ECONNRESET"),
]


@pytest.mark.parametrize(("thread", "calls", "error"), FAULTS + (MORE_FAULTS if SOAK else []))
def test_a_call_that_fails_once_loses_and_doubles_nothing(dead, place, thread, calls, error):
    disk, memory = place
    failed = 0
    for number in range(1, 1000 if SOAK else 3):
        with Trial(dead, disk / f"trial-{number}", memory / f"trial-{number}") as trial:
            tracer, log = trial.strace(thread, f"{calls}:error={error}:when={number}")
            trial.lay_out()
            wait_until("the VMs to be drained and pushed", trial.done, step_s=0.02)
            assert trial.agent.alive()
            injected = "(INJECTED)" in log.read_text()
            failed += injected
            tracer.close()
            trial.finish()
        if not injected:
            break
    print(f"{thread} {calls} {error}: {failed} faults")
    assert failed > 0


@pytest.mark.parametrize(("calls", "error", "said"), [("write", "ENOSPC", "No space left"), ("fsync", "EIO", "Input/output error")])
def test_a_disk_that_keeps_failing_is_told_once_and_waited_for(place, calls, error, said):
    with scratch() as made:
        many = Dead(made, 12)
        with Trial(many, place[0] / "trial", place[1] / "trial") as trial:
            agent = trial.agent
            tracer, _ = trial.strace("drain", f"{calls}:error={error}:when=1+")
            trial.lay_out()
            if calls == "write":
                wait_until("a failed drain", lambda: metric(agent, "ringside_drain_retrying") == 12)
            wait_until("many attempts", lambda: metric(agent, 'ringside_drain_failures_total{step="archive"}') > 30)
            assert sorted(path.name for path in agent.directory.iterdir()) == many.names
            status = agent.ctl("status")
            assert said in status["archive"]["last_error"]
            assert {vm["state"] for vm in agent.ctl("ls")["vms"]} == {"exited"}
            tracer.process.send_signal(signal.SIGINT)  # lets go of the thread
            tracer.process.wait()
            trial.finish()
            log = agent.output()
            if calls != "write":  # else the log's own writes were refused too
                assert len(re.findall("drain of VM", log)) == 1, log
            assert len(re.findall("drains have passed step archive again", log)) == 1, log


class CrampedAgent(Agent):
    """Its archive is a file system of one page, in a namespace of its own."""

    def start(self):
        folder = self.disk / "archive"
        folder.mkdir(exist_ok=True)
        namespace = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        mount = f"mount -t tmpfs -o size=4k,mode=700 tmpfs '{folder}' && exec \"$@\""
        self.arguments = [*namespace, "sh", "-c", mount, "sh", *self.arguments]
        super().start()

    @property
    def archive(self):
        return Path(f"/proc/{self.pid}/root{self.disk}/archive")

    def remount(self, options):
        namespaces = ["--mount"] if os.geteuid() == 0 else ["--mount", "--user", "--preserve-credentials"]
        command = ["nsenter", *namespaces, "-t", str(self.pid), "mount", "-o", f"remount,{options}", self.disk / "archive"]
        subprocess.run(command, check=True, timeout=30)


def test_a_full_and_a_read_only_disk_are_waited_for(place):
    with scratch() as made:
        dead = Dead(made, 3)
        with Trial(dead, place[0] / "trial", place[1] / "trial", agent=CrampedAgent) as trial:
            agent = trial.agent
            trial.lay_out()
            wait_until("the disk to be full", lambda: "No space left" in agent.ctl("status")["archive"]["last_error"])
            wait_until("failures", lambda: metric(agent, 'ringside_drain_failures_total{step="archive"}') > 5)
            agent.remount("ro")
            wait_until("the disk to be read-only", lambda: "Read-only" in agent.ctl("status")["archive"]["last_error"])
            agent.remount("rw")
            wait_until("the disk to be full again", lambda: "No space left" in agent.ctl("status")["archive"]["last_error"])
            waiting = sorted(path.name for path in agent.directory.iterdir())
            archived = sorted(path.name.replace(".rsa", ".seg") for path in agent.archive.glob("*.rsa"))
            assert sorted({*waiting, *archived}) == dead.names
            assert len(archived) <= 1 and len(waiting) >= 2, "a page holds one file at most"
            agent.remount("size=16m")
            trial.finish()
            # Full, read-only and full again, for the archive and for the black box beside it.
            assert len(re.findall("drain of VM", agent.output())) <= 6, agent.output()
            assert "drains have passed step archive again" in agent.output()
