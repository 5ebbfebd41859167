"""Real programs under test: each object owns a process and a place of its own, and cleans up after itself."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

BUILD = pathlib.Path(os.environ["RINGSIDE_BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["RINGSIDE_SOURCE_DIR"])
DEADLINE_S = 60  # generous: a loaded machine may be slow, but a test never waits for nothing

TEST_WRITER = BUILD / "tests/support/test_writer"
AGENT = BUILD / "agent/ringside-agent"
CTL = BUILD / "tools/ringsidectl/ringsidectl"
BRIDGE = BUILD / "tools/bridge/ringside-bridge"


def held_port():
    """(a port, what holds it): nobody else is given it, neither to listen nor to connect from, also while the server for which
    it is does not run. As neither of both listens, one that sets SO_REUSEADDR can bind beside the holder."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder.getsockname()[1], holder


def wait_until(what, condition, deadline_s=DEADLINE_S, step_s=0.05):
    """The first true value of condition(); fails the test with `what` when the deadline passes."""
    until = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"waited {deadline_s} s for {what}"
        time.sleep(step_s)


def http_get(url, timeout_s=10):
    """(status, body) also of errors that the server answered."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@contextlib.contextmanager
def scratch():
    """A folder on disk, and one on tmpfs; both gone afterwards."""
    disk = tempfile.mkdtemp(prefix="ringside-test-")
    memory = tempfile.mkdtemp(prefix="ringside-test-", dir="/dev/shm")
    try:
        yield pathlib.Path(disk), pathlib.Path(memory)
    finally:
        shutil.rmtree(memory, ignore_errors=True)
        shutil.rmtree(disk, ignore_errors=True)


class Process:
    """A child process with its output in a file."""

    def __init__(self, arguments, log, **options):
        self.log = pathlib.Path(log)
        self._out = open(self.log, "ab")
        self.process = subprocess.Popen(
            [str(argument) for argument in arguments], stdout=options.pop("stdout", self._out), stderr=self._out, **options
        )

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def terminate(self):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def output(self):
        return self.log.read_text(errors="replace")

    def close(self):
        if self.alive():
            self.kill()
        self._out.close()


class Writer(Process):
    """tests/support/test_writer: see its head comment. Killing it while it stands leaves `tally` exact."""

    def __init__(self, directory, vm_id, log, *, tiers="1x300,10x360,300x288", threads=3, seed=1, arguments=()):
        command = [TEST_WRITER, "--directory", directory, "--vm-id", vm_id, "--tiers", tiers, "--threads", threads,
                   "--seed", seed, *arguments]
        super().__init__(command, log, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.vm_id = vm_id
        self.tally = None
        first = self._read()
        self.path = pathlib.Path(first["path"])
        self.epoch = self.path.name.split(".")[-2 if "--component" not in command else -3]

    def _read(self):
        line = self.process.stdout.readline()
        assert line, f"the writer ended: {self.output()}"
        return json.loads(line)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self._read()
        if "series" in answer:
            self.tally = answer["series"]
        return answer

    def counted(self, metric):
        return sum(one["value"] for one in self.tally if one["metric"] == metric)

    def close_segment(self, code=0, text="done"):
        self.tell(f"close {code} {text}")
        assert self.process.wait(DEADLINE_S) == 0


def web_writers(stack, directory, disk):
    """web-1, which runs, and web-2, which was killed; both recorded the same way before, and close with `stack`."""
    writers = []
    for name in ("web-1", "web-2"):
        writer = Writer(directory, name, disk / f"{name}.log", tiers="1x300,10x360")
        stack.enter_context(contextlib.closing(writer))
        writer.tell("run 200")
        writers.append(writer)
    writers[1].kill()
    return writers


class Agent(Process):
    """The agent on folders of its own; start() again after kill() goes on with the same folders."""

    def __init__(self, disk, memory, *arguments):
        self.disk = pathlib.Path(disk)
        self.directory = pathlib.Path(memory) / "vms"
        self.socket = self.disk / "agent.sock"
        self.http_port, self.port_holder = held_port()
        self.arguments = [
            AGENT,
            "--directory", self.directory,
            "--archive-directory", self.disk / "archive",
            "--state-directory", self.disk / "state",
            "--socket", self.socket,
            "--http-listen", f"127.0.0.1:{self.http_port}",
            *arguments,
        ]
        self.start()

    def start(self):
        super().__init__(self.arguments, self.disk / "agent.log")
        wait_until("the agent to be ready", self.ready)

    def ready(self):
        assert self.alive(), f"the agent ended: {self.output()}"
        with contextlib.suppress(OSError):
            return http_get(self.url("/-/ready"))[0] == 200
        return False

    def url(self, path):
        return f"http://127.0.0.1:{self.http_port}{path}"

    def metrics(self):
        status, body = http_get(self.url("/metrics"))
        assert status == 200
        return body

    def ctl(self, *arguments, check=True):
        """The answer of ringsidectl -o json, or the finished process when check is off."""
        done = subprocess.run(
            [CTL, "--socket", self.socket, "-o", "json", *[str(argument) for argument in arguments]],
            capture_output=True, text=True, timeout=DEADLINE_S,
        )
        if not check:
            return done
        assert done.returncode == 0, f"{arguments}: {done.returncode} {done.stderr}"
        return json.loads(done.stdout)


class Queries:
    """The query API of Prometheus, behind url()."""

    def query(self, expression, at=None):
        """{frozenset of labels without __name__: value} of an instant query."""
        parameters = {"query": expression}
        if at is not None:
            parameters["time"] = repr(at)
        status, body = http_get(self.url("/api/v1/query?" + urllib.parse.urlencode(parameters)))
        assert status == 200, f"{expression}: {body}"
        result = json.loads(body)["data"]["result"]
        return {
            frozenset((name, value) for name, value in series["metric"].items() if name != "__name__"): float(series["value"][1])
            for series in result
        }

    def range(self, expression, begin_s, end_s, step_s, **more):
        """{frozenset of labels without __name__: {time: value}} of a range query."""
        parameters = {"query": expression, "start": begin_s, "end": end_s, "step": step_s, **more}
        status, body = http_get(self.url("/api/v1/query_range?" + urllib.parse.urlencode(parameters)))
        assert status == 200, f"{expression}: {body}"
        return {
            frozenset((name, value) for name, value in series["metric"].items() if name != "__name__"):
                {int(t): float(v) for t, v in series["values"]}
            for series in json.loads(body)["data"]["result"]
        }  # fmt: skip


class Prometheus(Process, Queries):
    """The packaged Prometheus as a remote-write receiver; start() again after kill() keeps its data."""

    def __init__(self, disk, *arguments, configuration=""):
        self.disk = pathlib.Path(disk)
        self.arguments = arguments
        self.port, self.port_holder = held_port()
        (self.disk / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n" + configuration)
        self.start()

    def start(self):
        super().__init__(
            [
                "prometheus",
                f"--config.file={self.disk / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.disk / 'prometheus-data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.enable-remote-write-receiver",
                "--query.lookback-delta=15m",
                *self.arguments,
            ],
            self.disk / "prometheus.log",
        )
        wait_until("prometheus to be ready", self.ready)

    def ready(self):
        assert self.alive(), f"prometheus ended: {self.output()}"
        with contextlib.suppress(OSError):
            return http_get(self.url("/-/ready"))[0] == 200
        return False

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def write_url(self):
        return self.url("/api/v1/write")

    def samples(self, selector, range_s=3600, at=None):
        """{frozenset of labels: [(time, value), ...]} of everything stored in the range."""
        parameters = {"query": f"{selector}[{range_s}s]", "time": repr(at if at is not None else time.time() + 60)}
        status, body = http_get(self.url("/api/v1/query?" + urllib.parse.urlencode(parameters)))
        assert status == 200, f"{selector}: {body}"
        return {
            frozenset(series["metric"].items()): [(float(t), float(v)) for t, v in series["values"]]
            for series in json.loads(body)["data"]["result"]
        }


class VictoriaMetrics(Process, Queries):
    """The packaged VictoriaMetrics."""

    def __init__(self, disk, *arguments):
        self.port, self.port_holder = held_port()
        super().__init__(
            ["victoria-metrics", f"-storageDataPath={disk}/victoria-metrics-data", f"-httpListenAddr=127.0.0.1:{self.port}",
             "-loggerDisableTimestamps", *arguments],
            disk / "victoria-metrics.log",
        )  # fmt: skip
        wait_until("victoria-metrics to be ready", self.ready)

    def ready(self):
        assert self.alive(), f"victoria-metrics ended: {self.output()}"
        with contextlib.suppress(OSError):
            return http_get(self.url("/health"))[0] == 200
        return False

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def samples(self, name):
        """{frozenset of labels: [(time in ms, value), ...]} of everything stored under a name."""
        http_get(self.url("/internal/force_flush"))
        status, body = http_get(self.url("/api/v1/export?" + urllib.parse.urlencode({"match[]": name})))
        assert status == 200, body
        series = {}
        for line in body.splitlines():
            one = json.loads(line)
            series[frozenset(one["metric"].items())] = list(zip(one["timestamps"], one["values"], strict=True))
        return series
