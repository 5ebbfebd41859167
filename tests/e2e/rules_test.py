"""Recording rules on real programs: what two VMs of each tenant counted arrives as one series that never falls, while one
VM ends and the agent is killed and started again, and in the end is what the writers say they recorded."""

import contextlib
import time

from harness import Agent, Prometheus, Writer, scratch, wait_until
from whole_path_test import next_windows

FILE = """
[upstream.central]
url = "{url}"
tier = "6s"
grace = "500ms"
[[rule]]
name = "tenant:ops_total"
metrics = "t_ops_total"
by = "image"
operation = "sum"
keep-sources = false
[[rule]]
name = "tenant:latency_seconds"
metrics = "t_latency_seconds"
by = "image"
operation = "merge"
[[rule]]
name = "fleet:vms"
metrics = "t_info"
operation = "count"
"""


def recorded(writers, metric, field, image):
    return sum(series[field] for writer in writers[image] for series in writer.tally if series["metric"] == metric)


def test_sums_by_tenant_are_exact_across_ends_and_restarts():
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        (disk / "prometheus").mkdir()
        prometheus = stack.enter_context(contextlib.closing(Prometheus(disk / "prometheus")))
        (disk / "upstreams.toml").write_text(FILE.format(url=prometheus.write_url))
        agent = stack.enter_context(contextlib.closing(Agent(disk, memory, "--upstreams-file", disk / "upstreams.toml")))
        writers = {"red": [], "blue": []}
        for number, image in enumerate(["red", "red", "blue"]):
            made = Writer(agent.directory, f"vm-{number}", disk / f"vm-{number}.log", tiers="1x60,2x60,6x60", threads=2,
                          seed=number, arguments=("--image", image))  # fmt: skip
            writers[image].append(stack.enter_context(contextlib.closing(made)))
            made.tell("start")

        def newest(metric, image):
            return max(prometheus.query(f'{metric}{{image="{image}"}}', at=time.time() + 1).values(), default=-1)

        next_windows(1)
        wait_until("the first sums to arrive", lambda: newest("tenant:ops_total", "red") > 0)
        writers["red"][0].close_segment()
        agent.kill()  # SIGKILL, most likely with that end in no sum yet
        next_windows(1)
        agent.start()
        next_windows(1)
        for image in writers:
            writers[image][-1].tell("pause")  # They live on, so that the sums have windows to come to rest in.
        for image in writers:
            total = recorded(writers, "t_ops_total", "value", image)
            assert total > 1000
            wait_until("the sum of all that was recorded", lambda: newest("tenant:ops_total", image) == total)
            count = recorded(writers, "t_latency_seconds", "count", image)
            wait_until("all observations", lambda: newest("tenant:latency_seconds_count", image) == count)
        next_windows(1)
        wait_until("the living to be counted", lambda: list(prometheus.query("fleet:vms", at=time.time() + 1).values()) == [2])

        for name in ("tenant:ops_total", "tenant:latency_seconds_count", "tenant:latency_seconds_bucket"):
            stored = prometheus.samples(name)
            assert len(stored) == 2 if name != "tenant:latency_seconds_bucket" else len(stored) > 20
            for labels, samples in stored.items():
                assert "vm_id" not in dict(labels) and dict(labels)["image"] in writers
                values = [value for _, value in samples]
                assert values[0] == 0 and values == sorted(values), dict(labels)
                assert [at % 6 for at, _ in samples] == [0] * len(samples)
        for image in writers:
            assert newest("tenant:ops_total", image) == recorded(writers, "t_ops_total", "value", image)
        # The rule's sources stay on the host; the audit of VMs knows nothing of rules.
        assert prometheus.samples("t_ops_total") == {} and prometheus.samples("t_shared_total") != {}
        audit = agent.ctl("audit", "vm-0", check=False)
        assert audit.returncode == 0, audit.stdout + audit.stderr
        assert 'ringside_rule_write_failures_total{upstream="central"} 0' in agent.metrics()
        assert agent.terminate() == 0
