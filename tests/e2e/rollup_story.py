"""A story of some VMs over two hours, told twice: to one Prometheus as a scraper of one second would have seen it, written
by the test itself; and to another one and to VictoriaMetrics by an agent, which got it from segments that real writers
recorded. All programs are the real ones, set up as docs/rollups.md says; only the writers' clocks run ahead.
"""

import contextlib
import os
import random
import subprocess
import time

import remote_write
from harness import BUILD, Agent, Process, Prometheus, VictoriaMetrics, scratch, wait_until
from scripted_vm import HISTOGRAM, MS, S, STALE, WINDOW_S, Life, Vm

SCRIPTED_WRITER = BUILD / "tests/support/scripted_writer"
WINDOWS = 24  # of the whole story
SPANS = (1, 2, 3, 12)  # in windows
# The agent meets the whole story as a backlog: VM after VM, hours of each.
BACKLOG = "storage: {tsdb: {out_of_order_time_window: 2d}}\n"
# That does not hold for native histograms yet. They go to the Prometheus of the scraper, which has long blocks: what is out of
# bounds is measured by these.
LONG_BLOCKS = ("--enable-feature=native-histograms", "--storage.tsdb.min-block-duration=1d")


def make_vms(rng, begin_s, now_s):
    def at(window, seconds=0.0):
        return (begin_s + window * WINDOW_S) * S + round(seconds * 1000) * MS

    steady = Life(rng, at(0, 17.271), now_s * S, None, quiet=[(at(9, -40), at(12, 100))], late_ns=at(15, 111))
    beside = Life(rng, at(2, 211.5), now_s * S, None)
    twice = [
        Life(rng, at(1, 200.25), at(6, 111.9), "killed"),
        Life(rng, at(6, 120.75), at(11, 3.5), "killed"),  # in the same window
        Life(rng, at(14, 3.125), at(20, 123) + 456_789, "closed"),
    ]
    brief = Life(rng, at(16, 100.6), at(16, 145.7), "closed")
    astride = [Life(rng, at(4, 270.3), at(5, 40.2), "killed"), Life(rng, at(5, 60.1), at(8, 10.4), "closed")]
    # Of the first one nobody can tell that it was gone before the second ended: it is taken to have lasted until then.
    hasty = [Life(rng, at(3, 33.3), at(9, 50.6), "killed"), Life(rng, at(9, 50.7), at(13, 222.2), "closed")]
    looping = [Life(rng, at(18, 240.1 + 20 * n), at(18, 258.3 + 20 * n), "killed") for n in range(5)]
    return [Vm("steady", [steady]), Vm("beside", [beside]), Vm("twice", twice), Vm("brief", [brief]), Vm("astride", astride),
            Vm("hasty", hasty), Vm("looping", looping)]  # fmt: skip


@contextlib.contextmanager
def recorded(vms, disk, made, directory):
    """Segments of all lives, moved to where the agent looks once their clock has caught up."""
    made.mkdir()
    with contextlib.ExitStack() as stack:
        for vm in vms:
            for number, life in enumerate(vm.lives):
                log = disk / f"{vm.vm_id}-{number}.log"
                writer = Process([SCRIPTED_WRITER, "--directory", made, "--vm-id", vm.vm_id, "--created", life.created_ns], log,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
                stack.enter_context(contextlib.closing(writer))
                writer.process.stdin.write(life.script())
                writer.process.stdin.flush()
                if life.ending is None:
                    assert writer.process.stdout.readline(), writer.output()
                else:
                    writer.process.stdin.close()
                    assert writer.process.wait(60) == 0, writer.output()
                (segment,) = made.iterdir()
                segment.rename(directory / segment.name)
        yield


class Story:
    def __init__(self, raw, rollups, elsewhere, vms, begin_s, until_s, agent):
        self.raw, self.rollups, self.elsewhere, self.vms, self.agent = raw, rollups, elsewhere, vms, agent
        self.until_s = until_s
        self.ends_s = range(begin_s + WINDOW_S, until_s + 1, WINDOW_S)

    def vm(self, vm_id):
        (vm,) = [vm for vm in self.vms if vm.vm_id == vm_id]
        return vm

    def ask(self, receiver, expression, later_s=0):
        """{window's end: value} of a query with one answer at most at a time, asked so much later than the end."""
        answer = receiver.range(expression, self.ends_s[0] + later_s, self.ends_s[-1] + later_s, WINDOW_S)
        assert len(answer) <= 1, (expression, answer.keys())
        return {at_s - later_s: value for at_s, value in next(iter(answer.values()), {}).items()}

    def ask_of_all(self, receiver, expression):
        """The same of all VMs at once: {VM: {window's end: value}}."""
        answer = receiver.range(expression, self.ends_s[0], self.ends_s[-1], WINDOW_S)
        by_vm = {dict(labels)["vm_id"]: values for labels, values in answer.items()}
        assert len(by_vm) == len(answer), (expression, answer.keys())
        return {vm.vm_id: by_vm.get(vm.vm_id, {}) for vm in self.vms}

    def at_centre(self, expression, later_s=0):
        return self.ask(self.rollups, expression, later_s)

    def of_native(self, expression):
        """Of native histograms, which went to the scraper's Prometheus."""
        return self.ask(self.raw, expression)

    def in_raw(self, expression):
        return self.ask(self.raw, expression)

    def spans(self):
        """(windows, begins in ns, ends in s)"""
        for windows in SPANS:
            yield windows, [(end_s, (end_s - windows * WINDOW_S) * S, end_s * S) for end_s in self.ends_s]


def pushed_all(agent, vms, until_s):
    """Whether all lives that have ended are done with, and of the others all windows up to `until_s`."""
    lives = [life for vm in vms for life in vm.lives]
    windows = sum(len(life.window_ends(until_s * S)) for life in lives)
    metrics = agent.metrics()

    def gauge(name, upstream):
        return float(metrics.partition(f'\nringside_upstream_{name}{{upstream="{upstream}"}} ')[2].split()[0])

    return all(
        gauge("vms", name) == sum(1 for life in lives if life.ending is None) and gauge("backlog_windows", name) == 0
        and gauge("windows_total", name) >= windows - len(lives)  # in a first one there may be no histogram yet
        for name in ("classic", "native", "elsewhere")
    )  # fmt: skip


@contextlib.contextmanager
def told_story():
    seed = int(os.environ.get("RINGSIDE_SEED") or random.randrange(1 << 32))
    print(f"seed {seed}")
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        def prometheus(name, *arguments, **more):
            (disk / name).mkdir()
            return stack.enter_context(contextlib.closing(Prometheus(disk / name, *arguments, **more)))

        raw, rollups = prometheus("raw", *LONG_BLOCKS), prometheus("rollups", configuration=BACKLOG)
        # Of neither cache nor guard against late samples there is need.
        elsewhere = stack.enter_context(contextlib.closing(VictoriaMetrics(disk, "-search.disableCache", "-search.latencyOffset=0s")))
        now_s = int(time.time()) - 10
        until_s = (now_s - 5) // WINDOW_S * WINDOW_S
        begin_s = until_s - WINDOWS * WINDOW_S
        vms = make_vms(random.Random(seed), begin_s, now_s)
        for vm in vms:
            remote_write.push(raw.write_url, vm.scraped(), STALE)
        (memory / "vms").mkdir()
        (memory / "vms").chmod(0o3753)  # as the agent would make it
        stack.enter_context(recorded(vms, disk, memory / "made", memory / "vms"))
        (disk / "upstreams.toml").write_text(f"""
[upstream.classic]
url = "{rollups.write_url}"
grace = "500ms"

[upstream.native]
url = "{raw.write_url}"
grace = "500ms"
protocol = "remote-write-1"
histograms = "native"
metrics = ["{HISTOGRAM[0]}"]

[upstream.elsewhere]
url = "{elsewhere.url("/api/v1/write")}"
grace = "500ms"
""")
        agent = stack.enter_context(contextlib.closing(Agent(disk, memory, "--upstreams-file", disk / "upstreams.toml")))
        wait_until("everything to be pushed", lambda: pushed_all(agent, vms, until_s))
        elsewhere.samples(HISTOGRAM[0] + "_count")  # which makes what came visible
        yield Story(raw, rollups, elsewhere, vms, begin_s, until_s, agent)
