"""ringside-bridge beside node_exporter on the same machine: the same names and labels, gauges that agree, and counters
whose increase lies between what node_exporter saw inside and around the same span of time."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from harness import BRIDGE, BUILD, DEADLINE_S, Process, held_port, http_get, scratch, wait_until

SEGMENT_VALUES = BUILD / "tests/support/segment_values"
NODE_EXPORTER = "prometheus-node-exporter"

# Families that the bridge covers. What node_exporter has of them and the bridge has not is listed below, with the reason.
COVERED = re.compile(
    r"node_(uname_info|boot_time_seconds|cpu_(guest_)?seconds_total|context_switches_total|forks_total|intr_total"
    r"|procs_|load|pressure_|memory_|vmstat_|disk_|network_(receive|transmit)_.*_total|network_(up|mtu_bytes|speed_bytes))"
)
NOT_RECORDED = {
    "node_disk_info": "made of udev's data base: facts about the hardware, no measurement",
    "node_disk_ata_rotation_rate_rpm": "made of udev's data base",
    "node_disk_ata_write_cache": "made of udev's data base",
    "node_disk_ata_write_cache_enabled": "made of udev's data base",
    "node_disk_device_mapper_info": "made of udev's data base",
    "node_disk_filesystem_info": "made of udev's data base",
    "node_network_receive_nohandler_total": "told by netlink only, not by /proc/net/dev",
}
OWN = re.compile(r"ringside_bridge_")  # The bridge's own metrics: node_exporter cannot have them.

# Gauges that nothing changes while the test runs.
CONSTANT = {
    "node_boot_time_seconds",
    "node_memory_MemTotal_bytes",
    "node_memory_SwapTotal_bytes",
    "node_memory_Hugepagesize_bytes",
    "node_memory_HugePages_Total",
    "node_memory_CommitLimit_bytes",
    "node_memory_VmallocTotal_bytes",
    "node_network_mtu_bytes",
    "node_network_up",
    "node_network_speed_bytes",
}
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def key_of(metric, labels):
    return metric, tuple(sorted(labels.items()))


class NodeExporter(Process):
    def __init__(self, disk):
        self.port, self.port_holder = held_port()
        super().__init__([NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{self.port}"], disk / "node_exporter.log")
        wait_until("node_exporter to answer", self.ready)

    def ready(self):
        assert self.alive(), f"node_exporter ended: {self.output()}"
        try:
            return http_get(f"http://127.0.0.1:{self.port}/")[0] == 200
        except OSError:
            return False

    def scrape(self):
        """{(metric, labels): value}"""
        status, body = http_get(f"http://127.0.0.1:{self.port}/metrics", timeout_s=DEADLINE_S)
        assert status == 200
        found = {}
        for line in body.splitlines():
            match = SAMPLE.match(line)
            if match and not line.startswith("#"):
                labels = {name: re.sub(r'\\(.)', r"\1", value) for name, value in LABEL.findall(match[2] or "")}
                found[key_of(match[1], labels)] = float(match[3])
        return found


class Bridge(Process):
    def __init__(self, disk, memory, *arguments):
        self.directory = memory
        super().__init__([BRIDGE, "host", "--directory", memory, "--vm-id", "host-1", *arguments], disk / "bridge.log")

    def segment(self):
        """The path of its segment, or None."""
        return next(self.directory.glob("*.seg"), None)

    def values(self):
        """What segment_values prints; None while there is no segment."""
        assert self.segment(), self.output()
        done = subprocess.run([SEGMENT_VALUES, self.segment()], capture_output=True, text=True, timeout=DEADLINE_S)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def last_pass_ns(self):
        """Begin of the newest window into which a whole pass was recorded; 0 for none yet."""
        if not self.segment():
            assert self.alive(), self.output()
            return 0
        # This one is recorded at the very end of a pass.
        ends = [s.get("end_ns", 0) for s in self.values()["series"] if s["metric"] == "ringside_bridge_missed_intervals_total"]
        return max(ends, default=0) - 1_000_000_000


def work(folder):
    """Makes every kind of counter move: disk, CPU, forks, page faults."""
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        for _ in range(5):
            subprocess.run(["true"], check=True)
        with open(folder / "file", "wb") as file:
            file.write(os.urandom(1 << 20))
            file.flush()
            os.fsync(file.fileno())
        sum(i * i for i in range(50_000))


@pytest.fixture(scope="module")
def side_by_side():
    """Scrapes around the bridge's first and last pass, and what its segment holds at the end."""
    with scratch() as (disk, memory):
        exporter = NodeExporter(disk)
        bridge = None
        try:
            before_first = exporter.scrape()
            bridge = Bridge(disk, memory)
            wait_until("the first pass", lambda: bridge.last_pass_ns() > 0)
            after_first = exporter.scrape()
            work(disk)
            before_last = exporter.scrape()
            # A pass into a window that began after the scrape came after the scrape.
            now_ns = time.time_ns()
            wait_until("another pass", lambda: bridge.last_pass_ns() > now_ns)
            assert bridge.terminate() == 0, bridge.output()
            after_last = exporter.scrape()
            yield {
                "before_first": before_first,
                "after_first": after_first,
                "before_last": before_last,
                "after_last": after_last,
                "ours": bridge.values(),
                "log": bridge.output(),
            }
        finally:
            exporter.close()
            if bridge:
                bridge.close()


def series_of(side_by_side):
    return [s for s in side_by_side["ours"]["series"] if not OWN.match(s["metric"])]


def test_every_name_and_label_is_one_of_node_exporter(side_by_side):
    theirs = side_by_side["before_last"].keys() | side_by_side["after_last"].keys()
    ours = {key_of(s["metric"], s["labels"]) for s in series_of(side_by_side)}
    assert len(ours) > 100
    assert not ours - theirs


def test_nothing_of_the_covered_families_is_left_out(side_by_side):
    theirs = side_by_side["before_first"].keys() & side_by_side["after_last"].keys()
    ours = {key_of(s["metric"], s["labels"]) for s in series_of(side_by_side)}
    ignored = re.compile(r"lo$|veth|tap|vnet|macvtap")
    left_out = set()
    for metric, labels in theirs - ours:
        if not COVERED.match(metric) or metric in NOT_RECORDED:
            continue
        if metric.startswith("node_network_") and ignored.match(dict(labels)["device"]):
            continue
        # node_exporter takes the -1 of a link that does not know its speed for a speed.
        if metric == "node_network_speed_bytes" and side_by_side["after_last"][metric, labels] < 0:
            continue
        left_out.add((metric, labels))
    assert not left_out


def test_every_series_has_a_value(side_by_side):
    assert not [s for s in side_by_side["ours"]["series"] if "value" not in s]


def test_counters_grow_as_node_exporter_saw_them_grow(side_by_side):
    wrong = {}
    moved = set()
    compared = 0
    for series in series_of(side_by_side):
        if not series["kind"].startswith("counter"):
            continue
        key = key_of(series["metric"], series["labels"])
        if any(key not in side_by_side[when] for when in ("before_first", "after_first", "before_last", "after_last")):
            continue  # A device that came or went meanwhile.
        least = side_by_side["before_last"][key] - side_by_side["after_first"][key]
        most = side_by_side["after_last"][key] - side_by_side["before_first"][key]
        # The kernel's idle and iowait may go back a little; all other room is for the rounding of sums.
        room = 0.5 if series["labels"].get("mode") in ("idle", "iowait") else 1e-6 + 1e-9 * most
        compared += 1
        if series["value"] > 0:
            moved.add(series["metric"])
        if not least - room <= series["value"] <= most + room:
            wrong[key] = (least, series["value"], most)
    assert not wrong, f"(least, ours, most): {wrong}"
    assert compared > 50
    assert {"node_cpu_seconds_total", "node_context_switches_total", "node_forks_total", "node_intr_total",
            "node_vmstat_pgfault"} <= moved


def test_constant_gauges_are_equal_and_others_near(side_by_side):
    memory_bytes = side_by_side["after_last"][key_of("node_memory_MemTotal_bytes", {})]
    wrong = {}
    compared = set()
    for series in series_of(side_by_side):
        if series["kind"] not in ("gauge", "level"):
            continue
        metric, key = series["metric"], key_of(series["metric"], series["labels"])
        around = [side_by_side[when].get(key) for when in ("before_last", "after_last")]
        if None in around:
            continue
        if metric in CONSTANT:
            room = 0.0
        elif metric.startswith("node_memory_"):
            room = max(memory_bytes / 10, 1 << 30) if metric.endswith("_bytes") else 0.0  # Others use the machine too.
        elif metric.startswith("node_load"):
            room = 2.0  # It is computed anew every 5 s.
        else:
            room = 200.0  # Processes and requests of this very moment.
        compared.add(metric)
        if not min(around) - room <= series["value"] <= max(around) + room:
            wrong[key] = (around, series["value"])
    assert not wrong
    assert {"node_boot_time_seconds", "node_memory_MemTotal_bytes", "node_load1", "node_procs_running"} <= compared


def test_most_memory_gauges_are_equal_to_the_byte(side_by_side):
    """What stood still at both scrapes stood still between them, for all but a few fields that flicker."""
    still = equal = 0
    for series in series_of(side_by_side):
        if not series["metric"].startswith("node_memory_"):
            continue
        key = key_of(series["metric"], series["labels"])
        samples = {side_by_side[when][key] for when in ("after_first", "before_last", "after_last")}
        if len(samples) == 1:
            still += 1
            equal += series["value"] in samples
    assert still > 5
    assert equal >= 0.8 * still


def test_the_segment_tells_who_ended_it(side_by_side):
    ours = side_by_side["ours"]
    assert (ours["vm_id"], ours["component"], ours["cause"]) == ("host-1", "host", "closed")
    assert ours["close_text"] == "stopped by SIGTERM"
    assert "warning" not in side_by_side["log"] and "error" not in side_by_side["log"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ends_cleanly_on_other_signals(number):
    with scratch() as (disk, memory):
        bridge = Bridge(disk, memory)
        wait_until("the segment", lambda: bridge.last_pass_ns() > 0)
        bridge.process.send_signal(number)
        assert bridge.process.wait(DEADLINE_S) == 0
        assert bridge.values()["close_text"] == f"stopped by {number.name}"
        bridge.close()


def test_ends_by_itself_when_the_time_is_over():
    with scratch() as (disk, memory):
        bridge = Bridge(disk, memory, "--for", "300ms", "--interval", "100ms")
        assert bridge.process.wait(DEADLINE_S) == 0
        assert bridge.values()["close_text"] == "the time is over"
        bridge.close()


def test_a_killed_bridge_leaves_a_segment_that_says_so():
    with scratch() as (disk, memory):
        bridge = Bridge(disk, memory)
        wait_until("the first pass", lambda: bridge.last_pass_ns() > 0)
        bridge.kill()
        ours = bridge.values()
        assert (ours["state"], ours["cause"]) == ("exited", "killed")
        bridge.close()


def run(*arguments):
    return subprocess.run([BRIDGE, *arguments], capture_output=True, text=True, timeout=DEADLINE_S)


def test_a_directory_that_is_missing_is_named_and_fails():
    done = run("host", "--directory", "/nonexistent/ringside")
    assert done.returncode == 1
    assert "/nonexistent/ringside" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "subcommand"),
        (("guest",), "guest"),
        (("host", "--interval", "5"), "'5' must be a time such as 1s"),
        (("host", "--interval", "99ms"), "at least 100ms"),
        (("host", "--for", "0s"), "'0s' must be a time"),
        (("host", "--for", "99999999999999h"), "must be a time"),
        (("host", "--max-disks", "0"), "--max-disks"),
        (("host", "--log-level", "loud"), "loud"),
    ],
)
def test_a_wrong_command_line_is_explained(arguments, said):
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr + done.stdout


def test_the_version_is_told():
    done = run("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"ringside-bridge \d+\.\d+\.\d+\n", done.stdout)
