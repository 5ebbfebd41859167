"""The API as others see it: grpcio, curl and promtool against the server over its real socket and port."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from api_client import Client  # noqa: E402

SOURCE_DIR = Path(os.environ["RINGSIDE_SOURCE_DIR"])
BUILD_DIR = Path(os.environ["RINGSIDE_BUILD_DIR"])
TESTBED = BUILD_DIR / "tests" / "support" / "api_testbed"
CLIENT = Path(__file__).parent / "api_client.py"
NOW_NS = 1_700_000_300 * 10**9
IS_ROOT = os.geteuid() == 0
# Uids that nobody has. Without root there is only one user to be: ourselves.
TENANT = 61001 if IS_ROOT else os.geteuid()
STRANGER = 61002


@pytest.fixture(scope="module")
def stubs():
    """The Python code of ringside.v1, readable for every user."""
    folder = Path(tempfile.mkdtemp(prefix="ringside-test-"))
    folder.chmod(0o755)
    protos = sorted(str(p) for p in (SOURCE_DIR / "proto/ringside/v1").glob("*.proto"))
    subprocess.run(
        [
            "protoc",
            f"--proto_path={SOURCE_DIR / 'proto'}",
            f"--python_out={folder}",
            f"--grpc_out={folder}",
            f"--plugin=protoc-gen-grpc={shutil.which('grpc_python_plugin')}",
            *protos,
        ],
        check=True,
    )
    shutil.copy(CLIENT, folder)
    yield folder
    shutil.rmtree(folder)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.01)


class Testbed:
    __test__ = False

    def __init__(self, *arguments):
        self.folder = Path(tempfile.mkdtemp(prefix="ringside-test-"))
        self.folder.chmod(0o755)
        self.socket = self.folder / "agent.sock"
        self.process = subprocess.Popen(
            [TESTBED, "--socket", self.socket, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.http_port = json.loads(self.process.stdout.readline())["http_port"]

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def ask_as(self, uid, stubs, *arguments):
        """The answer of the client program, run as another user where we can be one."""
        identity = {"user": uid, "group": uid, "extra_groups": []} if IS_ROOT else {}
        done = subprocess.run(
            ["/usr/bin/python3", stubs / "api_client.py", stubs, self.socket, *map(str, arguments)],
            **identity,
            cwd="/",
            stdout=subprocess.PIPE,
            check=True,
            timeout=240,
        )
        return json.loads(done.stdout)

    def curl(self, path, *arguments):
        """Status, headers and body of one request."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "60", "--include", *arguments, url],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
        status, *headers = head.split("\n")
        return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in headers), body

    def metric(self, name):
        for line in self.curl("/metrics")[2].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return None

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=60)
        shutil.rmtree(self.folder)
        return code


@pytest.fixture()
def testbed():
    one = Testbed()
    yield one
    assert one.end() == 0


@pytest.fixture()
def client(testbed, stubs):
    return Client(stubs, testbed.socket)


def test_vms_are_listed_and_described(client):
    assert client.vm_ids() == ["alpha", "big", "bravo", "bravo-old"]
    request = client.pb["vm"].GetVmRequest(vm_id="bravo-old")
    (vm,) = client.vm.GetVm(request).vms
    assert vm.state == client.pb["vm"].VM_STATE_DRAINED
    assert vm.ref.epoch == "03" * 16
    assert [metric.name for metric in vm.schema.metrics][:2] == ["requests_total", "cpu_seconds_total"]
    assert not vm.HasField("lag_ns") and not vm.HasField("closed_ns")


def test_values_read_are_those_recorded(client):
    pb = client.pb["series"]
    request = pb.ReadSeriesRequest(resolution_s=1, begin_ns=NOW_NS - 100 * 10**9)
    request.vms.vm_ids.append("alpha")
    series = [one for answer in client.series.ReadSeries(request) for one in answer.series]
    assert len(series) == 8
    for one in series:
        k = range(200, 300)
        assert list(one.end_ns) == [NOW_NS - (299 - i) * 10**9 for i in k]
        if one.series.metric == "requests_total":
            assert list(one.value_u64) == [100 + 1000 * one.series.index + i for i in k]
        if one.series.metric == "cpu_seconds_total":
            assert list(one.value_f64) == [100 + i / 8 for i in k]
        if one.series.metric == "queue_depth":
            assert list(one.min) == [-i for i in k] and list(one.last) == [100 + i for i in k]
        if one.series.metric == "latency_seconds":
            assert list(one.buckets) == [i + b for i in k for b in range(9)]


def test_answers_far_above_the_limit_of_grpc_arrive(client):
    pb = client.pb["series"]
    request = pb.ReadSeriesRequest(resolution_s=1)
    request.vms.vm_ids.append("big")
    request.matchers.add(name="__name__", op=pb.LabelMatcher.OP_EQUAL, value="latency_seconds")
    sizes, windows = [], []
    for answer in client.series.ReadSeries(request):  # grpcio refuses a message above 4 MiB.
        sizes.append(answer.ByteSize())
        for one in answer.series:
            windows.extend(one.end_ns)
    assert windows == [NOW_NS - (19_999 - k) * 10**9 for k in range(20_000)]
    assert sum(sizes) > 4 * 2**20 and max(sizes) < 2**20


def test_errors_have_codes_reasons_and_the_nearest_names(client):
    pb = client.pb
    with pytest.raises(grpc.RpcError) as caught:
        client.vm.GetVm(pb["vm"].GetVmRequest(vm_id="alhpa"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    info = client.error_info(caught.value)
    assert info.reason == pb["error"].ERROR_REASON_NO_SUCH_VM
    assert list(info.nearest) == ["alpha"]

    with pytest.raises(grpc.RpcError) as caught:
        client.vm.Drain(pb["vm"].DrainRequest(vm_id="alpha"))
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION

    demand = pb["admission"].Demand(segment_bytes=2**40)
    with pytest.raises(grpc.RpcError) as caught:
        client.admission.Admit(pb["admission"].AdmitRequest(vm_id="huge", uid=5, demand=demand))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    info = client.error_info(caught.value)
    assert info.reason == pb["error"].ERROR_REASON_VM_BYTES
    assert info.asked == 2**40 and info.limit < info.asked


def test_events_are_followed_as_they_happen(testbed, client):
    pb = client.pb["event"]
    stream = client.event.Watch(pb.WatchRequest(follow=True))
    seen = [next(stream).kind for _ in range(4)]
    assert seen == [pb.EVENT_KIND_APPEARED] * 3 + [pb.EVENT_KIND_QUARANTINED]
    for command, kind in [
        (f"push alpha {NOW_NS}", pb.EVENT_KIND_PUSHED),
        ("exit alpha", pb.EVENT_KIND_EXITED),
        ("add late 7", pb.EVENT_KIND_APPEARED),
    ]:
        testbed.tell(command)
        event = next(stream)
        assert event.kind == kind and event.dropped == 0
    drained = client.vm.Drain(client.pb["vm"].DrainRequest(vm_id="alpha"))
    assert drained.vms[0].state == client.pb["vm"].VM_STATE_DRAINED
    assert next(stream).kind == pb.EVENT_KIND_DRAINED
    stream.cancel()


def test_a_forbidden_user_reaches_no_handler_and_leaves_nothing(stubs):
    testbed = Testbed("--mode", "666", "--own-uid", STRANGER + 1, "--tenants", "none")
    try:
        before = testbed.descriptors()
        answer = testbed.ask_as(STRANGER, stubs, "connect", 10_000)
        assert answer == {"refused": 10_000}
        assert testbed.metric('ringside_api_connections_refused_total{reason="forbidden"}') == 10_000
        assert testbed.metric("ringside_api_connections_total") == 0
        assert "ringside_api_calls_total{" not in testbed.curl("/metrics")[2]
        wait_until(lambda: testbed.descriptors() == before)  # curl's own connection ends in its time
    finally:
        assert testbed.end() == 0


def test_a_tenant_sees_its_own_vms_only(stubs):
    testbed = Testbed("--mode", "666", "--own-uid", STRANGER + 1, "--alpha-uid", TENANT)
    try:
        assert testbed.ask_as(TENANT, stubs, "see-all") == {
            "uid": TENANT,
            "is_operator": False,
            "vms": ["alpha"],
            "series_of": ["alpha"],
            "events_of": ["alpha"],
            "quarantined": [],
            "budgets": 0,
        }
    finally:
        assert testbed.end() == 0


def test_the_user_of_the_agent_sees_everything(stubs):
    testbed = Testbed("--mode", "666", "--own-uid", TENANT)
    try:
        answer = testbed.ask_as(TENANT, stubs, "see-all")
        assert answer["is_operator"] and answer["budgets"] == 7
        assert answer["vms"] == ["alpha", "big", "bravo", "bravo-old"]
        assert answer["quarantined"] == ["bravo-bad.seg"]
    finally:
        assert testbed.end() == 0


def test_a_socket_for_one_group_keeps_others_out(stubs):
    testbed = Testbed("--mode", "600")
    try:
        identity = {"user": STRANGER, "group": STRANGER, "extra_groups": []} if IS_ROOT else {}
        if not IS_ROOT:
            testbed.socket.chmod(0)  # Ourselves is the only other we can be.
        code = f"import socket; socket.socket(socket.AF_UNIX).connect('{testbed.socket}')"
        done = subprocess.run(
            ["/usr/bin/python3", "-c", code], **identity, cwd="/", stderr=subprocess.PIPE, text=True, check=False
        )
        assert "PermissionError" in done.stderr
    finally:
        assert testbed.end() == 0


def test_many_clients_at_once_get_whole_answers(testbed, stubs):
    wrong = []

    def work():
        client = Client(stubs, testbed.socket)
        for _ in range(20):
            if client.vm_ids() != ["alpha", "big", "bravo", "bravo-old"]:
                wrong.append("a list that is not whole")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_curl_gets_every_page(testbed):
    status, headers, body = testbed.curl("/metrics")
    assert status == 200
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE ringside_http_requests_total counter\n" in body
    assert testbed.curl("/-/healthy")[::2] == (200, "healthy\n")
    assert testbed.curl("/-/ready")[::2] == (200, "ready\n")
    testbed.tell("ready 0")
    assert testbed.curl("/-/ready")[0] == 503
    assert testbed.curl("/-/healthy")[0] == 200
    for path in ["/", "/metrics/x", "/-/", "/api/v1/query"]:
        assert testbed.curl(path)[0] == 404


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
def test_curl_heads_and_may_do_nothing_else(testbed, path):
    status, headers, body = testbed.curl(path, "--head")
    assert status == 200 and body == "" and int(headers["content-length"]) > 0
    for method in ["POST", "PUT", "DELETE", "OPTIONS"]:
        status, headers, _ = testbed.curl(path, "--request", method, "--data", "x=1")
        assert status == 405 and headers["allow"] == "get, head"


def test_curl_compressed_and_ranges_get_the_whole_page(testbed):
    assert "ringside_api_connections" in testbed.curl("/metrics", "--compressed")[2]
    status, _, body = testbed.curl("/metrics", "--range", "0-10")
    assert status == 200 and len(body) > 100


def test_promtool_finds_nothing_wrong(testbed, client):
    client.vm_ids()  # So that there are calls to count.
    body = testbed.curl("/metrics")[2]
    assert 'ringside_api_calls_total{method="ListVms",code="ok"} 1\n' in body
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_second_agent_leaves_the_socket_of_the_first(testbed, client):
    done = subprocess.run(
        [TESTBED, "--socket", testbed.socket], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 1
    assert "another agent answers" in done.stderr
    assert len(client.vm_ids()) == 4


def test_an_agent_starts_over_the_socket_of_a_killed_one(stubs):
    testbed = Testbed()
    testbed.process.kill()
    testbed.process.wait()
    assert testbed.socket.exists()
    again = subprocess.Popen(
        [TESTBED, "--socket", testbed.socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert json.loads(again.stdout.readline())["http_port"]
    assert len(Client(stubs, testbed.socket).vm_ids()) == 4
    again.stdin.close()
    assert again.wait(timeout=60) == 0
    assert not testbed.socket.exists()
    shutil.rmtree(testbed.folder)
