"""Remote read in both of its forms, read by a client that knows the protocol and nothing of the agent; and the chunks beside
those that Prometheus makes of the same samples."""

import contextlib
import json
import struct
import time
import urllib.parse

import pytest

import remote_read as wire
import remote_write
from harness import Agent, Prometheus, Writer, http_get, scratch, wait_until

STREAM = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
OPS = (wire.REGEX, "__name__", "t_ops_total|ringside_vm_up")
LATENCY = (wire.EQUAL, "__name__", "t_latency_seconds")


@pytest.fixture(scope="module")
def agent():
    """With web-1, which has counted for some seconds and stands still."""
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        agent = stack.enter_context(contextlib.closing(Agent(disk, memory, "--scan-interval", "100ms")))
        writer = stack.enter_context(contextlib.closing(Writer(agent.directory, "web-1", disk / "web-1.log", tiers="1x300")))
        for _ in range(4):
            writer.tell("run 100")
            time.sleep(1.1)
        wait_until("its windows to be over", lambda: agent_value(agent, "count(count_over_time(t_latency_seconds[1m]) > 2)"))
        yield agent


def agent_value(agent, query):
    status, body = http_get(agent.url("/api/v1/query?" + urllib.parse.urlencode({"query": query})))
    assert status == 200, body
    return json.loads(body)["data"]["result"]


def read(agent, *queries, accepted):
    return wire.post(agent.url("/api/v1/read"), wire.request(*queries, accepted=accepted))


def past():
    """(begin, end) of what does not change any more."""
    now_ms = int(time.time() * 1000)
    return now_ms - 60_000, now_ms - 1_000


def bits(points):
    return [(ms, struct.pack("<d", value) if isinstance(value, float) else value) for ms, value in points]


def test_chunks_have_the_samples_of_the_other_answer(agent):
    begin, end = past()
    queries = [wire.query(begin, end, OPS), wire.query(begin, end, LATENCY), wire.query(begin, end, (wire.EQUAL, "a", "none"))]
    status, kind, body = read(agent, *queries, accepted=[wire.STREAMED_XOR_CHUNKS, wire.SAMPLES])
    assert (status, kind) == (200, STREAM), body
    streamed = wire.streamed_samples_of(body)
    status, kind, body = read(agent, *queries, accepted=[wire.SAMPLES])
    assert (status, kind) == (200, "application/x-protobuf")
    plain = {(number, labels): points for number, result in enumerate(wire.samples_of(body)) for labels, points in result.items()}
    assert {key: bits(points) for key, points in streamed.items()} == {key: bits(points) for key, points in plain.items()}
    assert {number for number, _ in plain} == {0, 1}
    assert any(dict(labels)["__name__"] == "t_latency_seconds" and points[-1][1][0] > 0 for (_, labels), points in plain.items())
    assert sum(len(points) for points in plain.values()) > 20


def test_who_says_nothing_gets_samples(agent):
    assert read(agent, wire.query(*past(), OPS), accepted=None)[1] == "application/x-protobuf"


def test_chunks_are_those_of_prometheus(agent):
    begin, end = past()
    asked = wire.query(begin, end, OPS)
    stored = {labels: points for labels, points in wire.samples_of(read(agent, asked, accepted=[wire.SAMPLES])[2])[0].items()}
    with scratch() as (disk, _), contextlib.closing(Prometheus(disk)) as prometheus:
        remote_write.push(prometheus.write_url, stored, None)
        message = wire.request(asked, accepted=[wire.STREAMED_XOR_CHUNKS])
        status, kind, theirs = wire.post(prometheus.url("/api/v1/read"), message)
        assert (status, kind) == (200, STREAM)
        ours = read(agent, asked, accepted=[wire.STREAMED_XOR_CHUNKS])[2]
        assert wire.streamed_samples_of(ours) == wire.streamed_samples_of(theirs)
        chunks = {labels: chunks for _, labels, chunks in wire.chunks_of(theirs)}
        same = [labels for _, labels, mine in wire.chunks_of(ours) if mine == chunks[labels]]
        assert len(same) == len(stored), "byte for byte: none of the series has more samples than a chunk"


def test_a_hint_chooses_the_tier(agent):
    begin, end = past()
    # An hour is asked for, and a step at the end of it: older samples would only stand in.
    instant = wire.query(end - 3_600_000, end, OPS, hints=b"\x08" + remote_write.varint(15_000))
    status, _, body = read(agent, instant, accepted=[wire.SAMPLES])
    assert status == 200 and wire.samples_of(body)[0]


def test_a_type_that_nobody_knows_is_refused(agent):
    status, _, body = read(agent, wire.query(*past(), OPS), accepted=[7])
    assert status == 400 and b"STREAMED_XOR_CHUNKS" in body
