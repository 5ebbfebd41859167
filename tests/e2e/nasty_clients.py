"""Clients that no server wishes for: slow ones of each kind, and queries that cost as much as they can. They run in processes of
their own, at the lowest priority: they stand for processors of other hosts."""

import contextlib
import http.client
import multiprocessing
import os
import socket
import threading
import time
import urllib.parse

EVERYTHING = '{__name__=~".+"}'


def nested(before, inner, after, depth):
    return before * depth + inner + after * depth


def replaced(query, replacement, times):
    """A label that grows with each time."""
    for number in range(times):
        query = f'label_replace({query}, "a", "{replacement}", "{"a" if number else "vm_id"}", "(.*)")'
    return query


def nasty_requests():
    """200 of (page, parameters)."""
    queries = []
    for depth in (50, 200, 1_000, 30_000):
        queries += [nested("(", "1", ")", depth), nested("-", "1", "", depth), nested("abs(", "vector(1)", ")", depth),
                    nested("sum(", EVERYTHING, ")", depth), "1" + "+1" * depth, "1" + "^1" * depth]  # fmt: skip
    for text in ("(a*)*" * 200, "(x+x+)+y", ".{1000}", "(.{0,1000}){1000}", "|".join(f"word{i}" for i in range(160)), "(?i)" + "[a-z]*" * 150,
                 "((((a{30}){30}){30}){30})", "(" * 900, "[" + "\\\\x00-\\\\x7f" * 90 + "]", ".*.*.*.*.*.*.*.*x", "\\\\pL" * 300, ""):  # fmt: skip
        queries += [f'{{__name__=~"{text}"}}', f'label_replace({EVERYTHING}, "a", "$1", "vm_id", "({text})")']
    for function in ("count", "max", "avg", "stddev", "last", "present"):
        for window in ("[1h:1ms]", "[30m:2ms]", "[1d:100ms]", "[100y:1s]", "[1h:1s]"):
            queries.append(f"{function}_over_time({EVERYTHING}{window})")
    inner = EVERYTHING
    for _ in range(4):
        inner = f"max_over_time({inner}[5m:1s])"
        queries.append(inner)
    queries += [f"{inner} {operator} {EVERYTHING}" for operator in ("*", "and", "or", "unless", "> bool", "* on ()", "* on () group_left",
                "or on ()", "* ignoring (vm_id) group_left", "== on (__name__) group_right")]  # fmt: skip
    queries += [f"{EVERYTHING} {operator} {EVERYTHING}" for operator in ("*", "and", "or", "unless", "* on () group_left", "* on (__name__) group_left")]
    queries += [" or ".join(f'label_replace(vector({i}), "n", "{i}", "", "")' for i in range(200))]
    for selector in (EVERYTHING, "rate(t_ops_total[100y])", f"sort({EVERYTHING})", f"count_over_time({EVERYTHING}[1h:1s])"):
        queries += [f"topk(1e9, {selector})", f"quantile(0.5, {selector})", f'count_values("x", {selector})', f"sum without () ({selector})"]
    queries += [replaced(EVERYTHING, "$1$1", depth) for depth in (8, 20, 60)] + [replaced(EVERYTHING, "$1" * 5_000, 2)]
    long, many = "x" * 30_000, ", ".join(['"vm_id"'] * 1_000)
    queries += [f'label_join({EVERYTHING}, "a", "{long}", {many})']
    queries += ["x" * 60_000, '"' + "\\u00e4" * 9_000 + '"', f'{{a="{long + long}"}}', f'{{{long}="1"}}', "#" * 65_000]
    queries += ["\U0001f4a9", '{"\U0001f4a9"="\u202e"}', "\u0645\u0631\u062d\u0628\u0627", "a\x00b", '"\ud7ff\uffff"', "{", "}", "[", "@@@", "\xa0\u2028"]
    requests = [("query", {"query": text}) for text in queries]
    now = int(time.time())
    for text in (EVERYTHING, f"rate({EVERYTHING}[1d])", f"count_over_time({EVERYTHING}[1h:1s])", f"topk(5, {EVERYTHING})", "sum(" + EVERYTHING + ")"):
        for begin, step in ((now - 11_000, 1), (0, (now - 1) / 11_000), (-9e9, 1_636_000), (now, 1e-3), (now - 300, 0.05)):
            requests.append(("query_range", {"query": text, "start": begin, "end": now, "step": step}))
    more = [("series", {"match[]": [EVERYTHING] * 500}), ("labels", {"match[]": [EVERYTHING] * 500}), ("label/vm_id/values", {"match[]": [EVERYTHING] * 100}),
            ("query", {"query": EVERYTHING, "time": "1e300"}), ("query", {"query": EVERYTHING, "lookback_delta": "100y"}),
            ("query_range", {"query": EVERYTHING, "start": "-Inf", "end": "+Inf", "step": "NaN"})]  # fmt: skip
    requests += more
    while len(requests) < 200:
        number = len(requests)
        requests.append(("query", {"query": f"sum by (vm_id) (count_over_time({EVERYTHING}[{number}m:{1 + number % 7}ms]))"}))
    return requests[:200]


def ask(port, page, parameters, timeout_s=60):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        body = urllib.parse.urlencode(parameters, doseq=True, errors="surrogatepass")
        method = "GET" if page.startswith("label/") else "POST"
        where = f"/api/v1/{page}" + (f"?{body}" if method == "GET" else "")
        connection.request(method, where, body if method == "POST" else None,
                           {"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def send_nasty(port, threads, pause_s, statuses, asked):
    """Each request once, then all of them again, without end; each thread rests between two."""
    requests = nasty_requests()
    lock = threading.Lock()
    position = [0]

    def work():
        while True:
            with lock:
                page, parameters = requests[position[0] % len(requests)]
                position[0] += 1
            try:
                status, _ = ask(port, page, parameters)
            except (OSError, http.client.HTTPException):
                status = 0  # dropped
            with asked.get_lock():
                statuses[status] += 1
                asked.value += 1
            time.sleep(pause_s)

    for _ in range(threads - 1):
        threading.Thread(target=work, daemon=True).start()
    work()


class SlowClient:
    """One of four kinds; who is sent away comes back a while later."""

    def __init__(self, port, number):
        self.port, self.kind, self.socket, self.later = port, number % 4, None, time.monotonic() + number / 500

    def step(self):
        if self.socket is None:
            if time.monotonic() >= self.later:
                self.connect()
            return
        try:
            self.go_on()
        except BlockingIOError:
            pass
        except OSError:
            self.socket.close()
            self.socket, self.later = None, time.monotonic() + 2

    def connect(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", self.port))
        self.sent = 0

    def go_on(self):
        if self.kind == 0:  # headers, byte by byte
            self.say(b"GET /api/v1/query?query=1 HTTP/1.1\r\nX-Filler: " + b"x" * 10_000, 1)
        elif self.kind == 1:  # a body in small pieces
            self.say(b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                     b"Content-Length: 200000\r\n\r\nquery=" + b"1" * 199_000, 500)  # fmt: skip
        elif self.kind == 2:  # asks for much and reads a byte at a time
            self.say(b"GET /api/v1/series?match[]=" + urllib.parse.quote(EVERYTHING).encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 1000)
            self.read(1)
        else:  # asks once and stays
            self.say(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n", 1000)
            self.read(4096)

    def say(self, text, bytes_at_a_time):
        if self.sent < len(text):
            self.sent += self.socket.send(text[self.sent : self.sent + bytes_at_a_time])
        elif self.kind < 2:
            self.read(1)

    def read(self, count):
        if self.socket.recv(count) == b"":
            raise OSError("the server has hung up")


def be_slow(port, clients):
    every = [SlowClient(port, number) for number in range(clients)]
    while True:
        for client in every:
            client.step()
        time.sleep(0.2)


@contextlib.contextmanager
def crowd(port, slow, nasty_threads, pause_s=0.0):
    """`slow` slow clients, and nasty queries on so many connections at a time, for as long as it lasts. Yields what counts the
    answers: an array by status, and their number."""
    context = multiprocessing.get_context("fork")
    statuses, asked = context.Array("l", 600, lock=False), context.Value("l", 0)

    def run(target, *arguments):
        os.nice(19)
        target(*arguments)

    processes = [context.Process(target=run, args=(be_slow, port, slow), daemon=True),
                 context.Process(target=run, args=(send_nasty, port, nasty_threads, pause_s, statuses, asked), daemon=True)]  # fmt: skip
    for process in processes:
        process.start()
    try:
        yield statuses, asked
    finally:
        for process in processes:
            process.kill()
            process.join()
