"""A remote write 1.0 receiver that keeps a strict tally: of each series each sample once, in order of time.

A sample that comes again is counted as a repeat when it is what is stored under its time, bit by bit, and breaches the
tally when it is not. One that is older than the newest of its series and not stored came out of order. Breaches are kept
in words; a test wants none.
"""

import http.server
import re
import struct
import threading

from protobuf_bytes import fields, varint

STALE = 0x7FF0000000000002  # the bits of a value that ends a series


def uncompress(data):
    """A snappy block."""
    size, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind, size_bits = tag & 3, tag >> 2
        if kind == 0:
            if size_bits >= 60:
                width = size_bits - 59
                size_bits = int.from_bytes(data[at : at + width], "little")
                at += width
            out += data[at : at + size_bits + 1]
            at += size_bits + 1
            continue
        width = (1, 2, 4)[kind - 1]
        offset = int.from_bytes(data[at : at + width], "little")
        at += width
        length = size_bits + 1
        if kind == 1:
            length, offset = (size_bits & 7) + 4, (size_bits >> 3) << 8 | offset
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == size
    return bytes(out)


def series_of(message):
    """(labels as text, [(time in ms, bits)]) of each series of a WriteRequest; of a native histogram its bytes are the bits."""
    for number, value in fields(message):
        if number != 1:
            continue
        labels, samples = [], []
        for part, content in fields(value):
            if part == 1:
                pair = dict(fields(content))
                labels.append(f'{pair[1].decode()}="{pair[2].decode()}"')
            elif part == 2:
                sample = dict(fields(content))
                samples.append((sample.get(2, 0), struct.unpack("<Q", sample.get(1, bytes(8)))[0]))
            elif part == 4:
                samples.append((dict(fields(content))[15], bytes(content)))
        yield ",".join(labels), samples


def vm_id(labels):
    return re.search(r'vm_id="([^"]*)"', labels)[1]


class TallyReceiver:
    """Listens on a port of its own until close()."""

    def __init__(self):
        self.series = {}  # labels: {time: bits}
        self.repeats, self.requests, self.breaches = 0, 0, []
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802, the name is the library's
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.take(self.headers.get("Content-Type", ""), body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/v1/write"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, content_type, body):
        if "io.prometheus.write.v2" in content_type:
            return 415
        with self._lock:
            self.requests += 1
            for labels, samples in series_of(uncompress(body)):
                stored = self.series.setdefault(labels, {})
                for at, bits in samples:
                    if stored.get(at) == bits:
                        self.repeats += 1
                    elif at in stored:
                        self.breaches.append(f"{labels} at {at}: {bits} after {stored[at]}")
                    elif stored and at < max(stored):
                        self.breaches.append(f"{labels} at {at} came after {max(stored)}")
                    stored.setdefault(at, bits)
        return 204

    def tally(self):
        with self._lock:
            return {labels: dict(samples) for labels, samples in self.series.items()}

    def ended(self):
        """Whether each series that came has ended by a stale marker, and each VM has said how it ended."""
        tally = self.tally()
        said = {labels for labels in tally if '__name__="ringside_vm_exit"' in labels}
        ends = all(samples[max(samples)] == STALE for labels, samples in tally.items() if labels not in said)
        return bool(tally) and ends and {vm_id(labels) for labels in tally} == {vm_id(labels) for labels in said}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
