"""A client of remote write 1.0, for what a test wants a receiver to hold."""

import struct
import urllib.request

import snappy

STALE_BITS = struct.pack("<Q", 0x7FF0000000000002)
SAMPLES_MAX = 200_000  # of one request


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def time_series(labels, samples, stale):
    """`labels` as sorted pairs; a value of a sample may be `stale`, which ends the series."""
    parts = [field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in labels]
    pack = struct.Struct("<d").pack
    for ms, value in samples:
        parts.append(field(2, b"\x09" + (STALE_BITS if value is stale else pack(value)) + b"\x10" + varint(ms)))
    return field(1, b"".join(parts))


def post(url, message):
    request = urllib.request.Request(url, snappy.compress(message), {
        "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0",
    })  # fmt: skip
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status // 100 == 2, answer.status


def push(url, stored, stale):
    """`stored`: {labels: [(ms, value)]}, each rising in time."""
    batch, size = [], 0
    for labels, samples in stored.items():
        batch.append(time_series(labels, samples, stale))
        size += len(samples)
        if size > SAMPLES_MAX:
            post(url, b"".join(batch))
            batch, size = [], 0
    if batch:
        post(url, b"".join(batch))
