"""Queries over HTTP: promtool and curl against the agent, with real writers whose tally is the oracle."""

import contextlib
import json
import re
import ssl
import subprocess
import urllib.parse

import pytest

import remote_read
from harness import AGENT, DEADLINE_S, Agent, Prometheus, http_get, scratch, wait_until, web_writers
from tls_files import Authority


@pytest.fixture(scope="module")
def place():
    with scratch() as (disk, memory):
        yield disk, memory


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def agent(place):
    """With web-1, which runs, web-2, which was killed and is drained, and a file in quarantine."""
    disk, memory = place
    with contextlib.ExitStack() as stack:
        agent = stack.enter_context(
            contextlib.closing(Agent(disk, memory, "--scan-interval", "100ms", "--http-socket", disk / "http.sock"))
        )
        agent.web_1, agent.web_2 = web_writers(stack, agent.directory, disk)
        (agent.directory / f"bad.{'0' * 32}.seg").write_bytes(b"no segment\n" * 1000)
        wait_until("web-2 to be drained", lambda: value(agent, 'ringside_vm_up{vm_id="web-2"}') != ["1"])
        exact = str(agent.web_1.counted("t_ops_total"))
        wait_until("web-1's windows to be over", lambda: value(agent, 'sum(t_ops_total{vm_id="web-1"})') == [exact])
        yield agent


def query(agent, text, **parameters):
    done = curl(agent.url("/api/v1/query"), "--data-urlencode", f"query={text}", *[
        word for name, one in parameters.items() for word in ("--data-urlencode", f"{name}={one}")])  # fmt: skip
    return json.loads(done)


def value(agent, text):
    return [one["value"][1] for one in query(agent, text)["data"]["result"]]


def curl(url, *arguments):
    done = subprocess.run(["curl", "-sS", url, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_sum_of_counters_is_what_the_writer_counted(agent):
    assert float(value(agent, 'sum(t_ops_total{vm_id="web-1"})')[0]) == agent.web_1.counted("t_ops_total")


def test_promtool_asks_for_one_time(agent):
    out = promtool("query", "instant", agent.url(""), 'sum by (vm_id) (t_ops_total{vm_id="web-1"})')
    assert re.fullmatch(r'\{vm_id="web-1"\} => [0-9]+ @\[[0-9.]+\]\n', out), out


def test_promtool_asks_for_a_range(agent):
    newest = query(agent, "time()")["data"]["result"][0]
    out = promtool("query", "range", f"--start={newest - 5:.0f}", f"--end={newest:.0f}", "--step=1s", agent.url(""), "vector(1)")
    assert out.count("1 @[") == 6, out


def test_promtool_lists_series_and_labels(agent):
    out = promtool("query", "series", '--match=t_ops_total{thread="0"}', agent.url(""))
    assert 'vm_id="web-1"' in out and 'vm_id="web-2"' in out, out
    assert promtool("query", "labels", agent.url(""), "vm_id").split() == ["web-1", "web-2"]


def test_answers_name_what_they_lack(agent):
    assert any("quarantine" in text and "bad." in text for text in query(agent, "ringside_vm_up")["warnings"])


def test_curl_gets_compressed_answers_and_the_same_plain(agent):
    arguments = ("--get", "--data-urlencode", 'match[]={__name__=~"t_.*"}')
    plain = curl(agent.url("/api/v1/series"), *arguments)
    head = curl(agent.url("/api/v1/series"), *arguments, "--compressed", "--dump-header", "-", "--output", "/dev/null")
    assert "content-encoding: gzip" in head.lower()
    assert curl(agent.url("/api/v1/series"), *arguments, "--compressed") == plain


def test_federation_is_in_a_form_that_promtool_takes(agent):
    body = curl(agent.url("/federate"), "--get", "--data-urlencode", 'match[]={vm_id="web-1"}')
    assert re.search(r'^t_ops_total\{.*vm_id="web-1".*\} [0-9]+ [0-9]{13}$', body, re.M), body
    # Counters of a federation have no type any more, which is all that promtool minds.
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, text=True, timeout=DEADLINE_S)
    assert "error while linting" not in done.stderr, done.stderr


def test_another_prometheus_reads_and_federates(agent):
    configuration = f"""
remote_read: [{{url: "{agent.url("/api/v1/read")}", read_recent: true}}]
scrape_configs:
- job_name: federate
  honor_labels: true
  metrics_path: /federate
  scrape_interval: 1s
  params: {{"match[]": ['{{vm_id="web-1"}}']}}
  static_configs: [{{targets: ["127.0.0.1:{agent.http_port}"]}}]
"""
    with scratch() as (disk, _), contextlib.closing(Prometheus(disk, configuration=configuration)) as central:
        exact = str(agent.web_1.counted("t_ops_total"))
        # What web-2 was is not federated, so it comes by remote read alone.
        read = central.samples('ringside_vm_up{vm_id="web-2"}')
        assert len(read) == 1 and all(value in (0.0, 1.0) for _, value in next(iter(read.values())))
        # Its lookback of 15m is beyond the tier of seconds, so the window of 10 s has to be over.
        wait_until("the counters to be read", lambda: [
            one["value"][1] for one in central_vector(central, 'sum(t_ops_total{vm_id="web-1"})')] == [exact])  # fmt: skip
        wait_until("the federation to be scraped", lambda: [
            one["value"][1] for one in central_vector(central, 'up{job="federate"}')] == ["1"])  # fmt: skip


def central_vector(central, text):
    status, body = http_get(central.url("/api/v1/query?" + urllib.parse.urlencode({"query": text})))
    assert status == 200, body
    return json.loads(body)["data"]["result"]


def test_the_unix_socket_answers_the_same(agent):
    out = curl("http://x/api/v1/label/vm_id/values", "--unix-socket", agent.disk / "http.sock")
    assert json.loads(out)["data"] == ["web-1", "web-2"]


def test_metadata_has_the_types_of_the_schemas(agent):
    data = json.loads(curl(agent.url("/api/v1/metadata")))["data"]
    assert data["t_ops_total"][0]["type"] == "counter"
    assert data["t_busy_seconds_total"][0]["unit"] == "seconds"


def test_a_tier_that_cannot_be_read_from_its_matcher_is_the_askers_mistake(agent):
    for matcher in ('up{ringside_tier="fine"}', 'up{ringside_tier=~"1s"}'):
        for page in ("/federate", "/api/v1/series", "/api/v1/labels", "/api/v1/label/vm_id/values"):
            status, body = http_get(agent.url(page + "?" + urllib.parse.urlencode({"match[]": matcher})))
            assert status == 400 and "names no tier" in body, (page, status, body)
    asked = remote_read.request(remote_read.query(0, 10**13, (remote_read.EQUAL, "ringside_tier", "fine")))
    status, _, body = remote_read.post(agent.url("/api/v1/read"), asked)
    assert status == 400 and b"names no tier" in body, body


def test_stats_tell_which_tiers_were_read(agent):
    selections = query(agent, "t_ops_total", stats="1")["data"]["stats"]["ringside"]["selections"]
    assert selections[0]["seriesByTierSeconds"] == {"1": 6} and selections[0]["windows"] > 0


def test_nasty_queries_leave_the_agent_answering(agent):
    nasty = ["(" * 1000 + "1" + ")" * 1000, '{__name__=~"' + "(a*)*" * 300 + '"}', "x" * 70_000, "1+" * 30_000 + "1",
             'count_over_time(t_ops_total[100y:1ms])', "{", 'label_replace(t_ops_total,"a","$1","b","(((")']  # fmt: skip
    for text in nasty:
        answer = query(agent, text)
        assert answer["status"] == "error" and answer["errorType"] in ("bad_data", "execution", "timeout"), (text[:50], answer)
    assert value(agent, "vector(1)") == ["1"]
    assert http_get(agent.url("/-/healthy"))[0] == 200


def test_another_address_needs_tls_and_a_token(place, authority):
    disk, memory = place
    done = subprocess.run(
        [AGENT, "--directory", memory / "other", "--state-directory", disk / "other", "--socket", disk / "other.sock",
         "--http-listen", "0.0.0.0:0", "--check-config"],
        capture_output=True, text=True, timeout=DEADLINE_S,
    )  # fmt: skip
    assert done.returncode != 0
    assert "http-certificate, http-key and http-token-file" in done.stderr


def test_tls_and_token_guard_the_port(authority):
    with scratch() as (disk, memory):
        certificate, key = authority.issue("agent")
        (disk / "token").write_text("s3cret\n")
        agent = GuardedAgent(disk, memory, authority, "--http-certificate", certificate, "--http-key", key,
                             "--http-token-file", disk / "token")  # fmt: skip
        with contextlib.closing(agent):
            url = agent.url("/api/v1/query?query=1")
            trust = ("--cacert", authority.path)
            assert json.loads(curl(url, *trust, "-H", "Authorization: Bearer s3cret"))["status"] == "success"
            assert curl(url, *trust, "-o", "/dev/null", "-w", "%{http_code}") == "401"
            assert curl(agent.url("/metrics"), *trust, "-o", "/dev/null", "-w", "%{http_code}") == "401"
            plain = subprocess.run(["curl", "-sS", url.replace("https", "http")], capture_output=True, timeout=DEADLINE_S)
            assert plain.returncode != 0


def test_renewed_certificates_and_tokens_count_without_a_restart(authority):
    with scratch() as (disk, memory):
        certificate, key, token = disk / "agent.pem", disk / "agent.key", disk / "token"

        def put(name):
            """Key and certificate one after the other, as who renews them does."""
            for source, place in zip(authority.issue(name), (certificate, key)):
                place.write_bytes(source.read_bytes())

        put("agent")
        token.write_text("first\n")
        agent = GuardedAgent(disk, memory, authority, "--http-certificate", certificate, "--http-key", key,
                             "--http-token-file", token)  # fmt: skip

        def status(secret):
            return curl(agent.url("/metrics"), "--cacert", authority.path, "-H", f"Authorization: Bearer {secret}", "-o", "/dev/null",
                        "-w", "%{http_code}")  # fmt: skip

        def shown():
            return ssl.get_server_certificate(("127.0.0.1", agent.http_port))

        with contextlib.closing(agent):
            old = shown()
            certificate.write_text(certificate.read_text()[:200])
            wait_until("the broken renewal to be told", lambda: shown() == old and "cannot be used" in agent.output())
            put("renewed")
            token.write_text("second\n")
            wait_until("the renewal to count", lambda: shown() == certificate.read_text() and status("second") == "200")
            assert status("first") == "401"
            assert agent.output().count("cannot be used") == 1


class GuardedAgent(Agent):
    """Its port speaks TLS."""

    def __init__(self, disk, memory, authority, *arguments):
        self.authority = authority
        super().__init__(disk, memory, *arguments)

    def url(self, path):
        return f"https://127.0.0.1:{self.http_port}{path}"

    def ready(self):
        assert self.alive(), f"the agent ended: {self.output()}"
        done = subprocess.run(["curl", "-s", "--cacert", self.authority.path, self.url("/-/ready")],
                              capture_output=True, text=True, timeout=DEADLINE_S)  # fmt: skip
        return done.stdout == "ready\n"
