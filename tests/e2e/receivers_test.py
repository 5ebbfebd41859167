"""Receivers that other people wrote, as operators run them: VictoriaMetrics, and Prometheus behind TLS and passwords.

Neither package of Debian 12 knows remote write 2.0: what they show is that the agent finds that out and loses nothing.
"""

import base64
import contextlib
import json
import random
import ssl
import subprocess
import time
import urllib.parse
import urllib.request
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt  # Prometheus wants bcrypt, which nothing else here has.

from harness import DEADLINE_S, Process, Prometheus, VictoriaMetrics, scratch, wait_until
from tls_files import Authority
from upstream_test import PUSH, S, as_json, each, end_s, make_vm, push, windows, wire_s

FELL_BACK = "does not know remote write 2.0 (HTTP 204): it gets 1.0"


def make_vms(vm_id="six"):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    now_s = int(time.time()) - 60
    return [make_vm(rng, vm_id, 2, "drained", 6, (now_s - 300) * S + 3 * S // 2, now_s * S - S // 4)]


def test_victoria_metrics_has_every_counter_to_the_last_increment():
    vms = make_vms()
    with scratch() as (disk, _):
        receiver = VictoriaMetrics(disk)
        try:
            said = push(receiver.url("/api/v1/write"), disk / "state", vms)
            assert said["flushed"] and said["retries"] == 0 and said["samples_refused"] == {}
            assert said["log"].count(FELL_BACK) == 1, said["log"]
            checked = 0
            for vm, metric, series, _ in each(vms, ("counter", "counter_f64")):
                labels = dict(zip(metric.get("labels", []), series.labels))
                labels |= {"__name__": metric["name"], "vm_id": vm["vm_id"], "job": "ringside", "instance": "test-host"}
                stored = receiver.samples(metric["name"])[frozenset(labels.items())]
                values = [(t, v) for t, v in stored if v is not None]  # null: the stale marker
                ends = [end for end in windows(vm) if end > series.created_ns]
                expected = [(series.created_ns // 1_000_000, 0.0)]
                expected += [(round(wire_s(e) * 1000), float(sum(v for at, v in series.records if at < e))) for e in ends]
                assert values == expected
                assert stored[-1] == (expected[-1][0] + 1, None)
                checked += len(expected)
            assert checked > 100
        finally:
            receiver.close()


class SecurePrometheus(Prometheus):
    """Prometheus with a server certificate, that wants one of the client, and a user with a password."""

    def __init__(self, disk, authority, alternatives="IP:127.0.0.1"):
        self.authority = authority
        certificate, key = authority.issue("server", alternatives)
        self.client = authority.issue("client")
        (disk / "web.yml").write_text(json.dumps({
            "tls_server_config": {"cert_file": str(certificate), "key_file": str(key), "client_ca_file": str(authority.path),
                                  "client_auth_type": "RequireAndVerifyClientCert"},
            "basic_auth_users": {"edge": crypt.crypt("open sesame", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 4))},
        }))  # fmt: skip
        super().__init__(disk)

    def start(self):
        self.config = self.disk / "prometheus.yml"
        Process.__init__(
            self,
            ["prometheus", f"--config.file={self.config}", f"--storage.tsdb.path={self.disk / 'prometheus-data'}",
             f"--web.listen-address=127.0.0.1:{self.port}", f"--web.config.file={self.disk / 'web.yml'}",
             "--web.enable-remote-write-receiver"],
            self.disk / "prometheus.log",
        )  # fmt: skip
        wait_until("prometheus to be ready", self.ready)

    def get(self, path):
        context = ssl.create_default_context(cafile=self.authority.path)
        context.check_hostname = False
        context.load_cert_chain(*self.client)
        request = urllib.request.Request(self.url(path))
        request.add_header("Authorization", "Basic " + base64.b64encode(b"edge:open sesame").decode())
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.read().decode()

    def ready(self):
        assert self.alive(), f"prometheus ended: {self.output()}"
        with contextlib.suppress(OSError):
            return bool(self.get("/-/ready"))
        return False

    def url(self, path):
        return f"https://127.0.0.1:{self.port}{path}"

    def value(self, expression, at):
        result = json.loads(self.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression, "time": repr(at)})))
        (series,) = result["data"]["result"]
        return float(series["value"][1])

    def upstream(self, tls, password_file):
        path = self.disk / "upstreams.toml"
        path.write_text(f"""
[upstream.a]
url = "{self.write_url}"
[upstream.a.tls]
{tls}
[upstream.a.auth]
user = "edge"
password-file = "{password_file}"
""")
        return path

    def trust(self, authority=None):
        certificate, key = self.client
        return f'ca-file = "{(authority or self.authority).path}"\ncert-file = "{certificate}"\nkey-file = "{key}"'


@pytest.fixture(scope="module")
def secure():
    with scratch() as (disk, _):
        (disk / "password").write_text("open sesame\n")
        prometheus = SecurePrometheus(disk, Authority(disk))
        try:
            yield prometheus
        finally:
            prometheus.close()


def check_stored(prometheus, vms):
    for vm, metric, series, selector in each(vms, ("counter",)):
        assert prometheus.value(metric["name"] + selector, end_s(vm)) == sum(v for _, v in series.records)


def test_tls_with_both_certificates_and_a_password(secure):
    vms = make_vms()
    path = secure.upstream(secure.trust(), secure.disk / "password")
    said = push(path, secure.disk / "state", vms)
    assert said["flushed"] and said["retries"] == 0 and said["samples_refused"] == {}
    assert said["log"].count(FELL_BACK) == 1
    assert "open sesame" not in said["log"]
    check_stored(secure, vms)


def test_a_wrong_password_is_final_and_the_log_names_the_file(secure):
    (secure.disk / "wrong").write_text("close sesame\n")
    vms = make_vms()
    said = push(secure.upstream(secure.trust(), secure.disk / "wrong"), secure.disk / "state-wrong", vms)
    assert said["samples_sent"] == 0
    assert said["samples_refused"].keys() == {"http_401"}
    assert f"put a good password into {secure.disk}/wrong" in said["log"]
    assert "close sesame" not in said["log"]


def test_a_receiver_that_cannot_be_trusted_gets_nothing(secure):
    other = Authority(secure.disk, "other")
    said = push(secure.upstream(secure.trust(other), secure.disk / "password"), secure.disk / "state-other", make_vms(), flush_s=1)
    assert not said["flushed"] and said["samples_sent"] == 0 and said["samples_refused"] == {}
    assert "certificate" in said["log"]


def test_a_client_without_its_certificate_is_tried_again(secure):
    path = secure.upstream(f'ca-file = "{secure.authority.path}"', secure.disk / "password")
    said = push(path, secure.disk / "state-nobody", make_vms(), flush_s=1)
    assert not said["flushed"] and said["samples_sent"] == 0 and said["samples_refused"] == {}


def test_files_that_are_put_in_place_later_are_read_then(secure):
    """The authority is another one at first and the password is not there; both come while the agent tries."""
    disk = secure.disk
    other = Authority(disk, "first")
    (disk / "ca-now.pem").write_text(other.path.read_text())
    certificate, key = secure.client
    path = secure.upstream(f'ca-file = "{disk}/ca-now.pem"\ncert-file = "{certificate}"\nkey-file = "{key}"', disk / "later")
    vms = make_vms("later")
    pushing = subprocess.Popen([PUSH, path, disk / "state-later", str(DEADLINE_S)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=open(disk / "push.log", "w"), text=True)  # fmt: skip
    try:
        pushing.stdin.write(as_json(vms))
        pushing.stdin.close()
        wait_until("the first complaint", lambda: "cannot open" in (disk / "push.log").read_text())
        (disk / "later.new").write_text("open sesame\n")
        (disk / "later.new").rename(disk / "later")
        time.sleep(0.5)  # Time to meet the authority that it cannot trust; the outcome does not hang on it.
        (disk / "ca-now.pem").write_text(secure.authority.path.read_text())
        said = json.loads(pushing.stdout.read())
        assert pushing.wait(DEADLINE_S) == 0
        assert said["flushed"] and said["retries"] > 0 and said["samples_refused"] == {}
        check_stored(secure, vms)
    finally:
        if pushing.poll() is None:
            pushing.kill()


def test_another_name_of_the_server_has_to_be_given():
    with scratch() as (disk, _):
        (disk / "password").write_text("open sesame\n")
        prometheus = SecurePrometheus(disk, Authority(disk), "DNS:prometheus.internal")
        try:
            vms = make_vms()
            said = push(prometheus.upstream(prometheus.trust(), disk / "password"), disk / "state", vms, flush_s=1)
            assert not said["flushed"] and said["samples_sent"] == 0
            named = prometheus.trust() + '\nserver-name = "prometheus.internal"'
            said = push(prometheus.upstream(named, disk / "password"), disk / "state", vms)
            assert said["flushed"] and said["samples_refused"] == {}
            check_stored(prometheus, vms)
        finally:
            prometheus.close()
