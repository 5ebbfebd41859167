"""ringsidectl segment: what it reads from a file is what the writer's own tally says, and a file that is not right is
called so."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from ringsidectl import BUILD_DIR, ctl, fails, ok, ok_csv, ok_json  # noqa: E402

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
TEST_WRITER = BUILD_DIR / "tests/support/test_writer"
GOLDEN = SOURCE_DIR / "tests/golden/archive-v1.rsa"
S = 10**9


@pytest.fixture
def memory():
    with tempfile.TemporaryDirectory(prefix="ringside-test-", dir="/dev/shm") as directory:
        yield Path(directory)


class Writer:
    """Records at times of its own, which lie 10 to 30 seconds back and begin on a whole 10 seconds."""

    def __init__(self, directory, *arguments):
        self.begin_ns = (time.time_ns() // (10 * S) - 2) * 10 * S
        self.process = subprocess.Popen(
            [TEST_WRITER, "--directory", directory, "--vm-id", "vm-1", "--threads", "2", "--seed", "7", "--tick",
             "--first-tick", str(self.begin_ns), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")  # fmt: skip
        self.path = Path(json.loads(self.process.stdout.readline())["path"])

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def record(writer):
    """25 rounds at each of 12 seconds; the tally at the end."""
    for second in range(12):
        writer.tell(f"tick {writer.begin_ns + second * S}")
        tally = writer.tell("run 25")
    return tally["series"]


def newest(points, metric, labels, tier_s):
    found = [p for p in points if (p["metric"], p["labels"], p["resolution_ns"]) == (metric, labels, tier_s * S)]
    assert found and [p["end_ns"] for p in found] == sorted({p["end_ns"] for p in found})
    return found


def test_dump_has_what_the_writer_recorded(memory):
    with Writer(memory, "--tiers", "1x300,10x60") as writer:
        tally = record(writer)
        writer.tell("close 3 that is all")
        document = ok_json("segment", "dump", writer.path, "--series", "{}", "--tier", "all")
        rows = ok_csv("segment", "dump", writer.path, "--series", "{}", "--tier", "all")
    header = document["header"]
    assert (header["vm_id"], header["component"], header["state"]) == ("vm-1", "", "closed")
    assert (header["close_code"], header["close_text"], header["life"]) == (3, "that is all", "dead")
    assert writer.path.name == f"vm-1.{header['epoch']}.seg" and header["exit_cause"] == "closed"
    assert [tier["resolution_ns"] for tier in document["tiers"]] == [S, 10 * S]
    assert len(document["points"]) == len(rows) > 100
    assert len(document["series"]) == 12  # 5 of each thread, one shared, one info

    assert not [p for p in document["points"] if p["kind"] == "info"]  # a constant has no windows
    for one in tally:
        if one["kind"] == "info":
            continue
        for tier_s in (1, 10):
            points = newest(document["points"], one["metric"], one["labels"], tier_s)
            assert points[0]["end_ns"] == writer.begin_ns + tier_s * S, one
            if "value" in one:
                assert points[-1]["value"] == one["value"], one
            elif one["kind"] == "histogram":
                assert (points[-1]["count"], points[-1]["sum"]) == (one["count"], one["sum"]), one
            else:
                assert points[-1]["last"] == one["last"], one
                assert min(p["min"] for p in points) == one["min"] and max(p["max"] for p in points) == one["max"], one
            if one["kind"] == "gauge":
                assert sum(p["count"] for p in points) == one["count"] and sum(p["sum"] for p in points) == one["sum"], one


def test_dump_reads_a_segment_while_it_is_written(memory):
    with Writer(memory, "--tiers", "1x300") as writer:
        record(writer)
        document = ok_json("segment", "dump", writer.path, "--series", "t_shared_total")
        assert (document["header"]["life"], document["header"]["ended_ns"]) == ("alive", None)
        points = document["points"]
        assert "open" in points[-1]["flags"] and points[-1]["value"] > points[0]["value"]


def test_dump_chooses_series_tiers_and_columns(memory):
    with Writer(memory, "--tiers", "1x300,10x60") as writer:
        record(writer)
        writer.tell("close 0 done")
        path = writer.path
        document = ok_json("segment", "dump", path, "--series", '{thread="1",__name__=~"t_(ops|sample).*"}', "--tier", "10s",
                           "--columns", "last,value")  # fmt: skip
        assert {s["metric"] for s in document["series"]} == {"t_ops_total", "t_sample"}
        assert {p["resolution_ns"] for p in document["points"]} == {10 * S}
        assert "value" in document["points"][0] and "sum" not in document["points"][0]
        assert "points" not in ok_json("segment", "dump", path)
        assert [row["metric"] for row in ok_csv("segment", "dump", path)] == [s["metric"] for s in ok_json("segment", "dump", path)["series"]]
        assert [row["metric"] for row in ok_csv("segment", "dump", path, "--section", "metrics")] == [m["metric"] for m in document["metrics"]]
        assert ok_csv("segment", "dump", path, "--section", "header")[0]["vm_id"] == document["header"]["vm_id"]
        text = ok("segment", "dump", path, "--series", "t_latency_seconds")
        assert "histogram in seconds, windows of 1s" in text and "VM_ID" in text and not re.search(r"^TIME.*BUCKETS", text, re.M)
        buckets = ok_json("segment", "dump", path, "--series", 't_latency_seconds{thread="0"}', "--tier", "10s")["points"][-1]["buckets"]
        histogram = next(m for m in document["metrics"] if m["kind"] == "histogram")
        assert len(buckets) == histogram["bucket_count"] + 1 and sum(buckets) > 0
        fails(2, "segment", "dump", path, "--tier", "7s", says=["no tier of 7s", "1s, 10s, and `all`"])
    for args, says in [(("--tier", "soon"), "`soon` is not a duration"), (("--series", "{"), "`{`"), (("--columns", "x"), "`x`")]:
        fails(2, "segment", "dump", path, *args, says=[says])


def test_verify_counts_what_it_read(memory):
    with Writer(memory, "--tiers", "1x300,10x60") as writer:
        record(writer)
        writer.tell("close 0 done")
        (row,) = ok_json("segment", "verify", writer.path)["files"]
        dumped = ok_json("segment", "dump", writer.path, "--series", "{}", "--tier", "all")["points"]
    assert row["valid"] and row["format"] == "segment" and row["vm_id"] == "vm-1" and row["error"] is None
    assert row["points"] == len(dumped) and row["series_count"] == 12


def test_a_killed_writer_is_seen_to_be_dead(memory):
    with Writer(memory) as writer:
        record(writer)
        assert ok_json("segment", "dump", writer.path)["header"]["life"] == "alive"
        writer.process.kill()
        writer.process.wait()
        header = ok_json("segment", "dump", writer.path)["header"]
    assert (header["life"], header["exit_cause"], header["vm_state"]) == ("dead", "killed", "exited")
    assert header["ended_ns"] is not None


def test_a_provisioned_segment_waits(memory):
    path = ok("provision", "--vm-id", "vm-9", "--directory", memory).strip()
    header = ok_json("segment", "dump", path)["header"]
    assert (header["life"], header["vm_state"], header["attached_ns"]) == ("waiting", "provisioned", None)
    assert ok_json("segment", "verify", path)["files"][0]["points"] == 0


def test_a_copy_under_any_name_is_read_as_well(memory, tmp_path):
    with Writer(memory) as writer:
        record(writer)
        writer.tell("close 0 done")
        original = ok_json("segment", "dump", writer.path, "--series", "{}", "--tier", "all")
        copy = tmp_path / "evidence.bin"
        shutil.copy(writer.path, copy)
        copied = ok_json("segment", "dump", copy, "--series", "{}", "--tier", "all")
    assert copied["points"] == original["points"] and copied["series"] == original["series"]


def damaged(path, where, what):
    with open(path, "r+b") as file:
        file.seek(where)
        file.write(what)


def test_verify_names_what_is_wrong_with_each_file_and_goes_on(memory, tmp_path):
    good = Path(ok("provision", "--vm-id", "good", "--directory", memory).strip())

    def bad(vm_id):
        return Path(ok("provision", "--vm-id", vm_id, "--directory", memory).strip())

    short, magic, checksum, version, hole = map(bad, ("short", "magic", "checksum", "version", "hole"))
    os.truncate(short, 8192)
    damaged(magic, 512, b"NOTASEGM")
    damaged(checksum, 576, b"\x01")  # created_ns
    damaged(version, 520, (9).to_bytes(4, "little"))
    size = hole.stat().st_size
    os.truncate(hole, size - 4096)
    os.truncate(hole, size)
    renamed = memory / good.name.replace("good", "other")
    shutil.copy(good, renamed)
    linked = bad("linked")
    os.link(linked, tmp_path / "x" if os.stat(tmp_path).st_dev == os.stat(memory).st_dev else memory / "x")
    symlink = memory / good.name.replace("good", "symlink")
    symlink.symlink_to(good)
    fifo = memory / good.name.replace("good", "fifo")
    os.mkfifo(fifo)
    text = tmp_path / "text"
    text.write_text("no segment")
    archive = tmp_path / "cut.rsa"
    archive.write_bytes(GOLDEN.read_bytes()[:-1])
    flipped = tmp_path / "flipped.rsa"
    content = bytearray(GOLDEN.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)

    expected = {short: "wrong-size", magic: "bad-magic", checksum: "bad-checksum", version: "other-version", hole: "hole",
                renamed: "name-mismatch", linked: "links", symlink: "not-regular", fifo: "neither a segment",
                text: "begins with other bytes", archive: "", flipped: "", memory: "neither"}  # fmt: skip
    done = ctl("segment", "verify", good, *expected, GOLDEN, "-o", "json")
    assert done.returncode == 7 and done.stderr == ""
    rows = {row["path"]: row for row in json.loads(done.stdout)["files"]}
    assert rows[str(good)]["valid"] and rows[str(GOLDEN)]["valid"] and rows[str(GOLDEN)]["format"] == "archive"
    for path, reason in expected.items():
        row = rows[str(path)]
        assert not row["valid"] and reason in row["error"] and row["vm_id"] is None, row

    assert ctl("segment", "verify", good, short).returncode == 7
    fails(4, "segment", "dump", version, says=["other-version"])
    fails(7, "segment", "dump", short, says=[str(short), "wrong-size"])


def test_a_file_that_is_missing_or_kept_from_us_has_its_own_code(memory):
    fails(3, "segment", "dump", memory / "none.seg", says=["none.seg", "No such file"])
    done = ctl("segment", "verify", memory / "none.seg")
    assert done.returncode == 3
    secret = memory / "secret.seg"
    secret.touch()
    os.chmod(memory, 0o755)
    os.chmod(secret, 0)
    other = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    fails(6, "segment", "dump", secret, **other, says=["secret.seg", "Permission denied"])


def test_dump_of_an_archive_has_the_same_fields():
    # One of its series could not be read any more when the VM was drained.
    done = ctl("segment", "dump", GOLDEN, "--series", "{}", "--tier", "all", "-o", "json")
    assert done.returncode == 5 and "was unreadable in the segment already" in done.stderr
    document = json.loads(done.stdout)
    assert document["header"]["format"] == "archive" and document["header"]["vm_state"] == "drained"
    assert document["points"] and document["metrics"] and document["series"]
    (row,) = ok_json("segment", "verify", GOLDEN)["files"]
    assert row["valid"] and row["points"] == len(document["points"]) and row["unreadable"] > 0
    assert re.fullmatch(r"[0-9a-f]{32}", document["header"]["epoch"])
