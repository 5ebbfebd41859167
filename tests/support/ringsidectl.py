"""Runs ringsidectl for tests."""

import csv
import io
import json
import os
import pty
import subprocess
from pathlib import Path

BUILD_DIR = Path(os.environ.get("RINGSIDE_BUILD_DIR", Path(__file__).resolve().parents[2] / "build"))
RINGSIDECTL = str(BUILD_DIR / "tools/ringsidectl/ringsidectl")

# Far above what any command takes: it ends a test that hangs, it does not measure.
TIMEOUT_S = 60


def ctl(*args, socket=None, env=None, **options):
    """CompletedProcess with text output. No variable of the caller's changes what is printed."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **(env or {})}
    if socket is not None:
        environment["RINGSIDE_SOCKET"] = socket
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    done = subprocess.run(
        [RINGSIDECTL, *map(str, args)],
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT_S,
        check=False,
        **options,
    )
    # By hand: text mode would hide the line ends of a CSV.
    done.stdout = (done.stdout or b"").decode()
    done.stderr = (done.stderr or b"").decode()
    return done


def ok(*args, **options):
    """The standard output of a run that must succeed without a word on stderr."""
    done = ctl(*args, **options)
    assert (done.returncode, done.stderr) == (0, ""), (args, done)
    return done.stdout


def ok_json(*args, **options):
    document = json.loads(ok(*args, "-o", "json", **options))
    assert document["version"] == 1 and document["kind"], document
    return document


def ok_json_lines(*args, **options):
    lines = [json.loads(line) for line in ok(*args, "-o", "json", **options).splitlines()]
    assert all(line["version"] == 1 and line["kind"] for line in lines), lines
    return lines


def ok_csv(*args, **options):
    """The rows as dictionaries, after checking that every line has as many fields as the heading (RFC 4180)."""
    text = ok(*args, "-o", "csv", **options)
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows and all(len(row) == len(rows[0]) for row in rows), text
    assert len(set(rows[0])) == len(rows[0]), rows[0]
    assert text.endswith("\r\n")
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def fails(code, *args, says=(), **options):
    """Runs something that must fail with `code` and one line on stderr in which every text of `says` stands."""
    done = ctl(*args, **options)
    assert done.returncode == code, (args, done)
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("ringsidectl: "), (args, done.stderr)
    for text in says:
        assert text in done.stderr, (text, done.stderr)
    return done


def on_terminal(*args, env):
    """Exit code and output of a run whose stdout and stderr are a terminal."""
    leader, follower = pty.openpty()
    try:
        process = subprocess.Popen(
            [RINGSIDECTL, *args], stdout=follower, stderr=follower, env=env, stdin=subprocess.DEVNULL)  # fmt: skip
        os.close(follower)
        output = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # EIO: the last one on the other side has left
                break
            if not part:
                break
            output += part
        return process.wait(TIMEOUT_S), output.decode()
    finally:
        os.close(leader)
