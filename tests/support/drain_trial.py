"""Dead VMs laid before a real agent with a receiver, and what must have become of them in the end: each VM is in the archive
once, no segment is left, and the receiver has, series by series and sample by sample, what it got from an agent that
nobody disturbed."""

import os
import shutil
import time
from pathlib import Path

import pytest

from harness import Agent, Process, Writer, scratch, wait_until
from tally_receiver import TallyReceiver

OPTIONS = ("--scan-interval", "100ms", "--upstream-grace", "500ms")


needs_strace = pytest.mark.skipif(
    os.environ["RINGSIDE_SANITIZE"] != "none", reason="a leak checker and strace cannot both hold the process"
)


@pytest.fixture(scope="module")
def dead():
    with scratch() as place:
        yield Dead(place, 2)


@pytest.fixture
def place():
    with scratch() as folders:
        yield folders


class Dead:
    """Segments of VMs that were killed, and what a receiver has of them after an undisturbed run."""

    def __init__(self, place, count):
        disk, memory = place
        (memory / "made").mkdir(mode=0o700)
        self.folder = disk / "dead"
        self.folder.mkdir()
        for i in range(count):
            writer = Writer(memory / "made", f"vm-{i}", disk / f"writer-{i}.log", tiers="1x10,2x10", threads=1, seed=i)
            writer.tell("run 20")
            writer.kill()
            shutil.copy(writer.path, self.folder)
            writer.close()
        self.names = sorted(path.name for path in self.folder.iterdir())
        self.expected = {}
        # A VM that was killed ends with its last window, but not later than it was found: from here on that is the same.
        last_s = int(time.time()) + 1
        wait_until("the last window to end", lambda: time.time() > last_s)
        with Trial(self, disk / "reference", memory / "reference") as trial:
            trial.lay_out()
            trial.finish()
            self.expected = trial.receiver.tally()
        assert len(self.expected) > 5 * count


def difference(tally, expected):
    """Lines that say which samples are where they should not be, or not where they should."""
    return [
        f"{labels} at {at}: {tally.get(labels, {}).get(at)}, not {expected.get(labels, {}).get(at)}"
        for labels in sorted(tally.keys() | expected.keys())
        for at in sorted(tally.get(labels, {}).keys() | expected.get(labels, {}).keys())
        if tally.get(labels, {}).get(at) != expected.get(labels, {}).get(at)
    ]


class Trial:
    """One agent with folders and a receiver of its own."""

    def __init__(self, dead, disk, memory, agent=Agent):
        self.dead = dead
        disk.mkdir()
        memory.mkdir()
        self.memory = memory
        self.receiver = TallyReceiver()
        self.agent = agent(disk, memory, "--upstream", f"central={self.receiver.url}", *OPTIONS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.agent.close()
        self.receiver.close()
        shutil.rmtree(self.memory, ignore_errors=True)
        shutil.rmtree(self.agent.disk, ignore_errors=True)

    def lay_out(self):
        for name in self.dead.names:
            shutil.copy(self.dead.folder / name, self.memory / name)
            os.rename(self.memory / name, self.agent.directory / name)

    def thread(self, name):
        def named():
            tasks = Path(f"/proc/{self.agent.pid}/task").iterdir()
            return [int(task.name) for task in tasks if (task / "comm").read_text().strip() == name]

        return wait_until(f"the agent's thread {name}", named)[0]  # threads are named when they run already

    def strace(self, thread, inject):
        """strace on one thread; its output says which calls it made."""
        log = self.agent.disk / "strace.log"
        call = inject.split(":")[0]
        command = ["strace", "-y", "-o", log, "-e", f"trace={call}", "-e", f"inject={inject}", "-p", str(self.thread(thread))]
        tracer = Process(command, self.agent.disk / "tracer.log")
        wait_until("strace to hold the thread", lambda: "attached" in tracer.output() or not tracer.alive())
        assert "attached" in tracer.output(), tracer.output()
        return tracer, log

    def done(self):
        archive = getattr(self.agent, "archive", self.agent.disk / "archive")
        names = sorted(path.name for path in archive.iterdir() if path.is_file()) if archive.is_dir() else []
        return (
            names == [name.removesuffix(".seg") + ".rsa" for name in self.dead.names]
            and not list(self.agent.directory.iterdir())
            and (self.receiver.tally().keys() >= self.dead.expected.keys() and self.receiver.ended())
        )

    def state(self):
        """What there is, for whoever has to find out why it does not come to an end."""
        files = [str(path) for folder in (self.agent.disk, self.agent.directory) for path in sorted(folder.rglob("*"))]
        lacking = difference(self.receiver.tally(), self.dead.expected)
        return "\n".join([*files, *lacking, *self.receiver.breaches, self.agent.output()[-4000:]])

    def finish(self):
        """Lets the agent go on undisturbed, and looks at what has become of everything."""
        if not self.agent.alive():
            self.agent.close()
            self.agent.start()
        def done():
            assert self.agent.alive(), "the agent ended by itself"
            return self.done()

        try:
            wait_until("the VMs to be drained and pushed", done, step_s=0.02)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.state()}") from None
        assert self.agent.terminate() == 0
        assert self.receiver.breaches == []
        if self.dead.expected:
            wrong = difference(self.receiver.tally(), self.dead.expected)
            assert not wrong, "\n".join(wrong)
        cursors = [path for path in (self.agent.disk / "state").rglob("*.tmp")]
        assert cursors == []
