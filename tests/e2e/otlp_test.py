"""Rollups as OTLP over gRPC has them, against what was recorded: read by otlp_wire, from the bytes that a gRPC server got."""

import concurrent.futures
import random
import time

import grpc
import pytest

from harness import scratch
from otlp_wire import attributes, decode
from tls_files import Authority
from upstream_test import S, each, end_s, make_vm, points, push, windows

SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
CUMULATIVE = 2


class Receiver:
    """A gRPC server that keeps the bytes and the metadata of each Export."""

    def __init__(self, credentials=None):
        self.requests, self.metadata = [], []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        handler = grpc.unary_unary_rpc_method_handler(self._export)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),))
        if credentials:
            self.port = self.server.add_secure_port("127.0.0.1:0", credentials)
        else:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def _export(self, request, context):
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        return b""

    def close(self):
        self.server.stop(0).wait()

    def data_points(self):
        """{(metric, attributes): [(kind, point), ...]} in the order of arrival, with what all metrics must be."""
        series = {}
        for request in self.requests:
            for resource in decode("ExportMetricsServiceRequest", request)["resource_metrics"]:
                assert attributes(resource["resource"]) == {"service.name": "ringside", "service.instance.id": "test-host"}
                for scope in resource["scope_metrics"]:
                    assert scope["scope"]["name"] == "ringside"
                    for metric in scope["metrics"]:
                        self._add(metric, series)
        return series

    @staticmethod
    def _add(metric, series):
        assert metric.get("unit", "") == ""
        (kind,) = metric.keys() & {"gauge", "sum", "exponential_histogram"}
        data = metric[kind]
        if kind != "gauge":
            assert data["aggregation_temporality"] == CUMULATIVE
        if kind == "sum":
            assert data["is_monotonic"]
        for point in data["data_points"]:
            labels = attributes(point)
            assert not labels.keys() & {"__name__", "job", "instance"}
            series.setdefault((metric["name"], frozenset(labels.items())), []).append((kind, point))


def upstreams_file(disk, text):
    path = disk / "upstreams.toml"
    path.write_text(text)
    return path


def labels_of(vm, metric, series, **more):
    return frozenset((dict(zip(metric.get("labels", []), series.labels)) | {"vm_id": vm["vm_id"]} | more).items())


def wire_ns(end_ns):
    return -(-end_ns // 1_000_000) * 1_000_000


def make_vms():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    now_s = int(time.time()) - 60
    minutes5 = now_s // 300 * 300
    return [
        make_vm(rng, "five", 1, "drained", 300, (minutes5 - 2400) * S + 17 * S + 1234567, minutes5 * S - 111 * S + 7),
        make_vm(rng, "six", 2, "drained", 6, (now_s - 300) * S + 3 * S // 2, now_s * S - S // 4),
    ]


@pytest.fixture(scope="module")
def pushed():
    vms = make_vms()
    receiver = Receiver()
    try:
        with scratch() as (disk, _):
            path = upstreams_file(disk, f'[upstream.a]\nurl = "http://127.0.0.1:{receiver.port}"\nprotocol = "otlp-grpc"\ngzip = true\n')
            said = push(path, disk / "state", vms)
        yield receiver, vms, said
    finally:
        receiver.close()


def test_everything_was_taken(pushed):
    receiver, vms, said = pushed
    assert said["flushed"] and said["retries"] == 0
    assert said["samples_refused"] == {} and said["windows_dropped"] == {} and said["series_left_out"] == {}
    assert said["windows_sent"] == sum(len(windows(vm)) for vm in vms)
    assert said["samples_sent"] == sum(len(of_series) for of_series in receiver.data_points().values())


def test_a_request_stays_below_the_usual_limit(pushed):
    receiver, _, _ = pushed
    assert max(map(len, receiver.requests)) < 4 << 20


def test_points_of_a_series_come_oldest_first_and_end_without_a_value(pushed):
    receiver, _, _ = pushed
    for key, of_series in receiver.data_points().items():
        times = [point["time_unix_nano"] for _, point in of_series]
        assert times == sorted(set(times)), key
        if key[0] == "ringside_vm_exit":
            assert [point["as_double"] for _, point in of_series] == [1.0]
            continue
        assert [point.get("flags", 0) for _, point in of_series] == [0] * (len(times) - 1) + [1], key
        last = of_series[-1][1]
        assert "as_double" not in last and last.get("count", 0) == 0


def test_counters_are_cumulative_from_their_start(pushed):
    receiver, vms, _ = pushed
    found = receiver.data_points()
    for vm, metric, series, _ in each(vms, ("counter", "counter_f64")):
        of_series = found[metric["name"], labels_of(vm, metric, series)]
        assert {kind for kind, _ in of_series} == {"sum"}
        started = series.created_ns // 1_000_000 * 1_000_000
        values = [(point["time_unix_nano"], point["as_double"]) for _, point in of_series[:-1]]
        assert values[0] == (started, 0.0)
        ends = [end for end in windows(vm) if end > series.created_ns]
        assert values[1:] == [
            (wire_ns(end), float(sum(value for at, value in series.records if at < end))) for end in ends
        ]
        assert {point["start_time_unix_nano"] for _, point in of_series[1:-1]} == {started}


def test_gauges_leave_with_their_columns(pushed):
    receiver, vms, _ = pushed
    found = receiver.data_points()
    for vm, metric, series, _ in each(vms, ("gauge", "level")):
        suffix = ":5m_" if vm["resolution_s"] == 300 else ":6s_"
        labels = labels_of(vm, metric, series)
        recorded = points(vm, metric, series)
        for name, column in [(metric["name"], "last")] + [(metric["name"] + suffix + c, c) for c in ("min", "max")]:
            of_series = found[name, labels]
            assert {kind for kind, _ in of_series} == {"gauge"}
            values = [(point["time_unix_nano"], point["as_double"]) for _, point in of_series[:-1]]
            assert values == [(wire_ns(p["end_ns"]), float(p[column])) for p in recorded]


def test_histograms_have_every_bucket_where_it_belongs(pushed):
    receiver, vms, _ = pushed
    found = receiver.data_points()
    checked = 0
    for vm, metric, series, _ in each(vms, ("histogram",)):
        of_series = found[metric["name"], labels_of(vm, metric, series)]
        assert {kind for kind, _ in of_series} == {"exponential_histogram"}
        zero = 2.0 ** (metric["first"] - 1)
        last = metric["first"] + metric["buckets"]
        for (_, point), end in zip(of_series[1:-1], windows(vm), strict=True):
            values = [value for at, value in series.records if at < end]
            assert point["time_unix_nano"] == wire_ns(end)
            assert point.get("count", 0) == len(values)
            assert point.get("sum", 0.0) == sum(values)
            assert point.get("scale", 0) == metric["scale"] == 0
            assert point["zero_threshold"] == zero
            assert point.get("zero_count", 0) == sum(1 for value in values if value <= zero)
            buckets = point.get("positive", {})
            counts = {}
            for index, count in enumerate(buckets.get("bucket_counts", []), buckets.get("offset", 0)):
                counts[index] = count  # of what is above 2^index, and not above 2^(index + 1)
            assert sum(counts.values()) + point.get("zero_count", 0) == len(values)
            for index in range(metric["first"] - 1, last - 1):
                assert counts.get(index, 0) == sum(1 for value in values if 2.0**index < value <= 2.0 ** (index + 1)), index
            checked += len(values)
    assert checked > 0


def test_an_info_stands_beside_every_window(pushed):
    receiver, vms, _ = pushed
    found = receiver.data_points()
    for vm, metric, series, _ in each(vms, ("info",)):
        values = [(point["time_unix_nano"], point["as_double"]) for _, point in found[metric["name"], labels_of(vm, metric, series)][:-1]]
        assert values == [(wire_ns(end), 1.0) for end in windows(vm)]
        assert values[-1][0] == round(end_s(vm) * 1000) * 1_000_000


@pytest.mark.parametrize("trust", ["authority", "name", "nobody"])
def test_both_sides_show_certificates(trust):
    vms = make_vms()[1:]
    with scratch() as (disk, _):
        authority = Authority(disk)
        host = "DNS:collector.internal" if trust == "name" else "IP:127.0.0.1"
        server_certificate, server_key = authority.issue("server", host)
        certificate, key = authority.issue("client")
        credentials = grpc.ssl_server_credentials(
            [(server_key.read_bytes(), server_certificate.read_bytes())],
            root_certificates=authority.path.read_bytes(), require_client_auth=True,
        )  # fmt: skip
        (disk / "token").write_text("s3cret\n")
        receiver = Receiver(credentials)
        try:
            how = {"authority": f'ca-file = "{authority.path}"',
                   "name": f'ca-file = "{authority.path}"\nserver-name = "collector.internal"',
                   "nobody": "insecure-skip-verify = true"}[trust]  # fmt: skip
            path = upstreams_file(disk, f"""
[upstream.a]
url = "https://127.0.0.1:{receiver.port}"
protocol = "otlp-grpc"
headers = {{ X-Scope-OrgID = "edge" }}
[upstream.a.tls]
{how}
cert-file = "{certificate}"
key-file = "{key}"
[upstream.a.auth]
bearer-token-file = "{disk}/token"
""")
            said = push(path, disk / "state", vms)
            assert said["flushed"] and said["samples_refused"] == {}
            assert said["samples_sent"] == sum(len(of_series) for of_series in receiver.data_points().values())
            assert {m["authorization"] for m in receiver.metadata} == {"Bearer s3cret"}
            assert {m["x-scope-orgid"] for m in receiver.metadata} == {"edge"}
            assert "s3cret" not in said["log"]
        finally:
            receiver.close()


def test_a_receiver_of_another_authority_gets_nothing():
    with scratch() as (disk, _):
        authority, other = Authority(disk), Authority(disk, "other")
        certificate, key = authority.issue("server")
        receiver = Receiver(grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())]))
        try:
            path = upstreams_file(disk, f"""
[upstream.a]
url = "https://127.0.0.1:{receiver.port}"
protocol = "otlp-grpc"
tls = {{ ca-file = "{other.path}" }}
""")
            said = push(path, disk / "state", make_vms()[1:], flush_s=1)
            assert not said["flushed"] and said["samples_sent"] == 0 and said["samples_refused"] == {}
            assert receiver.requests == []
            assert "UNAVAILABLE" in said["log"]
        finally:
            receiver.close()
