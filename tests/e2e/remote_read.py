"""A client of remote read that knows the protocol from its description: requests, both kinds of answers, the frames of a stream
and the chunks in them. It reads what any server sends."""

import struct
import urllib.error
import urllib.request

import snappy

from protobuf_bytes import fields
from protobuf_bytes import varint as read_varint
from remote_write import field, varint

SAMPLES, STREAMED_XOR_CHUNKS = 0, 1
EQUAL, NOT_EQUAL, REGEX, NOT_REGEX = range(4)
XOR, FLOAT_HISTOGRAM = 1, 3


def query(begin_ms, end_ms, *matchers, hints=b""):
    """`matchers`: (type, label, value)."""
    out = b"\x08" + varint(begin_ms) + b"\x10" + varint(end_ms)
    for kind, label, value in matchers:
        out += field(3, (b"\x08" + varint(kind) if kind else b"") + field(2, label.encode()) + field(3, value.encode()))
    return field(1, out + (field(4, hints) if hints else b""))


def request(*queries, accepted=None):
    body = b"".join(queries)
    return body + (field(2, bytes(accepted)) if accepted else b"")


def post(url, message):
    """(status, content type, body)"""
    asked = urllib.request.Request(url, snappy.compress(message), {
        "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Read-Version": "0.1.0",
    })  # fmt: skip
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


# --- protobuf ---------------------------------------------------------------------------------------------------------


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def double(data):
    return struct.unpack("<d", data)[0]


def label(data):
    pair = dict(fields(data))
    return pair[1].decode(), pair.get(2, b"").decode()


def samples_of(body):
    """[{labels: [(ms, value)]}], a result a query, of an answer of samples. Values of histograms are (count, sum)."""
    results = []
    for _, result in fields(snappy.decompress(body)):
        found = {}
        for _, series in fields(result):
            parts = list(fields(series))
            points = []
            for number, data in parts:
                one = dict(fields(data)) if number in (2, 4) else None
                if number == 2:
                    points.append((signed(one.get(2, 0)), double(one.get(1, bytes(8)))))
                elif number == 4:
                    points.append((signed(one[15]), (double(one[2]), double(one[3]))))
            found[tuple(label(data) for number, data in parts if number == 1)] = sorted(points)
        results.append(found)
    return results


# --- frames and chunks ------------------------------------------------------------------------------------------------


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def frames_of(body):
    """Each frame of a stream, its checksum tried."""
    at = 0
    while at < len(body):
        size, at = read_varint(body, at)
        checksum, data = body[at : at + 4], body[at + 4 : at + 4 + size]
        assert len(data) == size and int.from_bytes(checksum, "big") == crc32c(data)
        yield data
        at += 4 + size


def chunks_of(body):
    """[(query, labels, [(begin, end, encoding, bytes)])], one for each series of a frame."""
    found = []
    for frame in frames_of(body):
        parts = list(fields(frame))
        number = dict(parts).get(2, 0)
        for data in (data for tag, data in parts if tag == 1):
            series = list(fields(data))
            chunks = [dict(fields(chunk)) for tag, chunk in series if tag == 2]
            found.append((number, tuple(label(pair) for tag, pair in series if tag == 1),
                          [(signed(c.get(1, 0)), signed(c.get(2, 0)), c[3], c[4]) for c in chunks]))  # fmt: skip
    return found


class Bits:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        whole = int.from_bytes(self.data[self.at // 8 : (self.at + count + 7) // 8], "big")
        spare = -(self.at + count) % 8
        self.at += count
        assert self.at <= 8 * len(self.data)
        return whole >> spare & (1 << count) - 1

    def double(self):
        return struct.unpack(">d", self.take(64).to_bytes(8, "big"))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(8)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def prefixed(self, widths, is_signed=True):
        ones = 0
        while ones < len(widths) and self.take(1):
            ones += 1
        if ones == 0:
            return 0
        width = widths[ones - 1]
        value = self.take(width)
        if is_signed and (value > 1 << width - 1 or width == 64 and value >> 63):
            value -= 1 << width
        return value


class Xored:
    """A value as what differs from the one before it."""

    def __init__(self, bits):
        self.bits, self.value, self.leading, self.trailing = bits, bits.take(64), 0, 0

    def next(self):
        if self.bits.take(1):
            if self.bits.take(1):
                self.leading, width = self.bits.take(5), self.bits.take(6) or 64
                self.trailing = 64 - self.leading - width
            self.value ^= self.bits.take(64 - self.leading - self.trailing) << self.trailing
        return self.number()

    def number(self):
        return struct.unpack(">d", self.value.to_bytes(8, "big"))[0]


def xor_samples(data):
    bits = Bits(data)
    count = bits.take(16)
    zigzag = bits.varint()
    ms, delta, value = zigzag >> 1 ^ -(zigzag & 1), 0, Xored(bits)
    points = [(ms, value.number())]
    for i in range(1, count):
        delta = bits.varint() if i == 1 else delta + bits.prefixed((14, 17, 20, 64))
        ms += delta
        points.append((ms, value.next()))
    return points


VARBIT = (3, 6, 9, 12, 18, 25, 56, 64)


def histogram_samples(data):
    """[(ms, (count, sum))]; the buckets are read and left."""
    bits = Bits(data)
    count = bits.take(16)
    bits.take(8)
    if bits.take(8) == 255:
        bits.take(64)
    schema = bits.prefixed(VARBIT)
    buckets = 0
    for _ in range(2):
        for _ in range(bits.prefixed(VARBIT, False)):
            buckets += bits.prefixed(VARBIT, False)
            bits.prefixed(VARBIT)
    if schema == -53:
        for _ in range(bits.prefixed(VARBIT, False)):
            if bits.prefixed(VARBIT, False) == 0:
                bits.take(64)
    ms, delta, points, values = 0, 0, [], []
    for i in range(count):
        if i == 0:
            ms = bits.prefixed(VARBIT)
            values = [Xored(bits) for _ in range(3 + buckets)]
            numbers = [value.number() for value in values]
        else:
            delta += bits.prefixed(VARBIT)
            ms += delta
            numbers = [value.next() for value in values]
        points.append((ms, (numbers[0], numbers[2])))
    return points


READERS = {XOR: xor_samples, FLOAT_HISTOGRAM: histogram_samples}


def streamed_samples_of(body):
    """{(query, labels): [(ms, value)]} of a stream."""
    found = {}
    for number, labels, chunks in chunks_of(body):
        for begin, end, encoding, data in chunks:
            points = READERS[encoding](data)
            assert (points[0][0], points[-1][0]) == (begin, end)
            found.setdefault((number, labels), []).extend(points)
    return found
