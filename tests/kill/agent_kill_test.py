"""The agent killed at every system call with which it drains and pushes, and at random instants.

Dead VMs' segments are laid before an agent that runs already, so that what its threads do from then on is the path of a
drain and nothing else. strace holds one of its threads and ends the process at the Nth call of a kind, for each N until a
run comes through. Then an undisturbed agent goes on with what is left, and tests/support/drain_trial.py looks at the result.
"""

import os
import random
import re
import time

import pytest

from drain_trial import Trial, dead, needs_strace, place
from harness import wait_until

SOAK = "RINGSIDE_SOAK" in os.environ
SEED = int(os.environ.get("RINGSIDE_SEED") or random.SystemRandom().randrange(1 << 32))
# Hardly any of the time of a kill is CPU time: several runs side by side, of so many each, are soon done.
KILLS = int(os.environ.get("RINGSIDE_KILLS") or (10_000 if SOAK else 30))

pytestmark = needs_strace


def calls_in(log):
    """What the thread did while strace held it, with the files' paths."""
    return [line for line in log.read_text().splitlines() if "(" in line and not line.startswith(("---", "+++"))]


# What the drain and an upstream change, or ask of somebody else. Reads change nothing: they are for the soak.
CHANGES = {
    "drain": ("fsync", "rename", "unlink,unlinkat"),
    "upstream": ("connect", "sendto", "fsync", "rename"),
}
THE_REST = {
    "drain": ("openat", "write", "pread64", "close", "fstat,newfstatat", "fcntl", "futex"),
    "upstream": ("openat", "write", "pread64", "recvfrom", "poll", "close", "futex"),
    "scan": ("openat", "pread64", "fcntl", "close", "newfstatat", "getdents64"),
}
CALLS = [(thread, calls) for table in ((CHANGES, THE_REST) if SOAK else (CHANGES,)) for thread in table for calls in table[thread]]
STEPS = {
    "drain": {"fsync": "archive/vm-0[^ ]*tmp", "rename": "archive/vm-", "unlink,unlinkat": "vm-[01][^ ]*seg"},
    "upstream": {"connect": "connect", "sendto": "sendto", "fsync": "state/", "rename": "state/"},
}
killed_at = []


@pytest.mark.parametrize(("thread", "calls"), CALLS)
def test_a_kill_at_any_call_loses_and_doubles_nothing(dead, place, thread, calls):
    disk, memory = place
    kills = 0
    for number in range(1, 1000):
        with Trial(dead, disk / f"trial-{number}", memory / f"trial-{number}") as trial:
            tracer, log = trial.strace(thread, f"{calls}:signal=KILL:when={number}")
            trial.lay_out()
            wait_until("the kill, or the end", lambda: not trial.agent.alive() or trial.done(), step_s=0.02)
            # What there is to do may be done before the last call, and a kill takes its time.
            tracer.close()
            came_through = len(calls_in(log)) < number
            if not came_through:
                wait_until("the kill", lambda: not trial.agent.alive())
                kills += 1
                killed_at.append((thread, calls, calls_in(log)[-1]))
            trial.finish()
        if came_through:
            break
        # Threads that wait or look around do so for ever: these calls have no end.
        if (calls in ("futex", "poll") or thread == "scan") and number >= 30:
            break
    print(f"{thread} {calls}: {kills} kills")
    wanted = STEPS.get(thread, {}).get(calls)
    if wanted is not None:
        assert any(re.search(wanted, call) for who, what, call in killed_at if (who, what) == (thread, calls)), killed_at
    assert kills > 0 or SOAK


def what_is_left(trial):
    """How far a drain had come when the agent died."""
    archive = trial.agent.disk / "archive"
    names = [path.name for path in archive.iterdir() if path.is_file()] if archive.is_dir() else []
    segments = [path.name for path in trial.agent.directory.iterdir()]
    if any(name.endswith(".tmp") for name in names):
        return "written in part"
    if any(name.removesuffix(".rsa") + ".seg" in segments for name in names):
        return "archived, not unlinked"
    if segments:
        return "not begun"
    return "pushed" if trial.receiver.ended() else "drained, not pushed"


def test_kills_at_random_instants_lose_and_double_nothing(dead, place):
    disk, memory = place
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    kills, trials, left = 0, 0, {}
    latest_s = 0.5
    # Those that come after all is done prove nothing: on, until enough have come before.
    while (kills < KILLS or kills - left.get("pushed", 0) < KILLS / 2) and trials < 4 * KILLS:
        trials += 1
        with Trial(dead, disk / f"trial-{trials}", memory / f"trial-{trials}") as trial:
            trial.lay_out()
            for _ in range(rng.randrange(1, 4)):
                # Half of them early, where the steps of the drain are; the others up to the end of what there is to do.
                time.sleep(rng.random() * (latest_s if rng.random() < 0.5 else latest_s / 10))
                done = trial.done()
                latest_s *= 0.8 if done else 1.1
                trial.agent.kill()
                kills += 1
                step = what_is_left(trial)
                left[step] = left.get(step, 0) + 1
                if done:
                    break
                trial.agent.close()
                trial.agent.start()
            trial.finish()
    print(f"{kills} kills in {trials} lives of two VMs: {left}")
    assert kills - left.get("pushed", 0) >= KILLS / 2, "too few came before the end to prove anything"
    if SOAK:
        steps = ("not begun", "written in part", "archived, not unlinked", "drained, not pushed", "pushed")
        assert min(left.get(step, 0) for step in steps) > 10, left
