"""The Go package: its own tests in each form that a user may build, what the tools of Go say of the sources, what ringsidectl
reads of its segments, and writers that are killed."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "libwriter/bindings/go"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import go_tool  # noqa: E402
from go_tool import ATOMIC, BUILD_DIR, OUT, PACKAGE, SOURCE_DIR, STATIC, build, environment, go, library  # noqa: E402
from ringsidectl import ok, ok_json  # noqa: E402

pytestmark = pytest.mark.skipif(os.environ["RINGSIDE_SANITIZE"] != "none", reason="the library wants a sanitizer's runtime")

FILES = set(PACKAGE.rglob("*"))
TESTS = sorted(re.findall(r"^func ((?:Test|Example)\w*)\(", "".join(p.read_text() for p in PACKAGE.glob("*_test.go")), re.MULTILINE))

SCHEMA = """
name = "test_go"
version = 1
tier = [{ resolution = "1s", slots = 60 }, { resolution = "10s", slots = 60 }, { resolution = "5m", slots = 4 }]
metric = [
  { name = "ops_total", kind = "counter" },
  { name = "sample", kind = "gauge" },
  { name = "depth", kind = "level" },
  { name = "latency_seconds", kind = "histogram", unit = "seconds", histogram = { scale = 2, lowest = 1e-6, highest = 10.0 } },
]
"""


@pytest.fixture
def memory():
    with tempfile.TemporaryDirectory(prefix="ringside-test-", dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="session", params=["plain", "atomic", "race"])
def tests_program(request):
    """The package's tests: with the stores of this processor, with those of others, and under the race detector."""
    path = OUT / "bin" / f"package-test-{request.param}"
    form = {"plain": ["-tags", STATIC], "atomic": ["-tags", ATOMIC], "race": ["-race", "-tags", STATIC]}[request.param]
    done = go("test", "-c", *form, "-o", path, ".")
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("name", TESTS)
def test_go(tests_program, name):
    done = subprocess.run(
        [tests_program, "-test.v", "-test.run", f"^{name}$"], cwd=PACKAGE, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"--- PASS: {name} " in done.stdout and "--- SKIP" not in done.stdout


def test_the_sources_are_formatted_and_vetted():
    done = subprocess.run(["/usr/bin/gofmt", "-l", PACKAGE], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    for tags in (STATIC, ATOMIC):
        done = go("vet", "-tags", tags, "./...")
        assert (done.returncode, done.stderr) == (0, "")


def test_a_program_is_built_anew_for_each_change_of_the_sources(tmp_path, monkeypatch):
    built = []

    def fake_go(*arguments):
        built.append(arguments[-1])
        Path(arguments[arguments.index("-o") + 1]).touch()
        return subprocess.CompletedProcess(arguments, 0)

    monkeypatch.setattr(go_tool, "go", fake_go)
    monkeypatch.setattr(go_tool, "OUT", tmp_path / "out")
    monkeypatch.setattr(go_tool, "PACKAGE", tmp_path)
    source = tmp_path / "source.go"
    for change in (source.touch, source.unlink, source.touch, lambda: os.utime(source, (1, 1))):
        change()
        built.clear()
        for _ in range(2):
            build("record")
        assert built == ["./internal/cmd/record"]


# As README.md says: without tags the package asks pkg-config, and the program wants the shared library.
def test_it_links_the_shared_library_by_pkg_config(memory):
    program = OUT / "bin/conform-shared"
    flags = {"CGO_CFLAGS": f"-O2 -DRINGSIDE_LIBRARY_{library()}", "CGO_LDFLAGS": "", "PKG_CONFIG_PATH": str(BUILD_DIR / "meson-uninstalled")}
    done = go("build", "-o", program, "./internal/cmd/conform", **flags)
    assert done.returncode == 0, done.stderr
    needed = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
    assert "libringside.so.0" in needed
    operations = memory / "operations.txt"
    operations.write_text("close 0\n")
    done = subprocess.run(
        [program, memory / "none.seg", operations], env={**os.environ, "LD_LIBRARY_PATH": str(BUILD_DIR / "libwriter")}, capture_output=True, text=True
    )
    assert done.returncode == 2 and "none.seg" in done.stderr


def test_it_links_the_archive_by_tag():
    needed = subprocess.run(["readelf", "-d", build("conform")], capture_output=True, text=True, check=True).stdout
    assert "NEEDED" in needed and "libringside" not in needed


def test_it_links_into_a_static_program():
    program = OUT / "bin/conform-all-static"
    done = go("build", "-tags", STATIC, "-ldflags", "-linkmode external -extldflags -static", "-o", program, "./internal/cmd/conform")
    assert (done.returncode, done.stderr) == (0, "")
    needed = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
    assert "NEEDED" not in needed
    done = subprocess.run([program, "none.seg", os.devnull], capture_output=True, text=True)
    assert done.returncode == 2 and "close" in done.stderr


@pytest.mark.parametrize("tags", [STATIC, ATOMIC])
def test_a_killed_writer_leaves_each_record_done_or_not_done(tags):
    done = subprocess.run(
        [BUILD_DIR / "tests/bindings/recorder_kill"],
        # Stopped after each instruction the runtime would want to preempt the recorder all the time.
        env={**os.environ, "RINGSIDE_RECORDER": str(build("record", tags)), "GODEBUG": "asyncpreemptoff=1", "GTEST_OUTPUT": ""},
        capture_output=True,
        text=True,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ringsidectl_reads_what_was_recorded(memory):
    """Ten minutes of ticks, a record of each kind in each second, read from the file in all tiers."""
    begin_s, seconds = 1_700_000_100, 600  # the begin of a window of 5m
    lines = ["counter c ops_total", "gauge g sample", "level l depth", "histogram h latency_seconds"]
    for second in range(seconds):
        lines += [f"tick {(begin_s + second) * 10**9}", "add c 2", f"record g {second}", f"set l {second}", "record h 0x1p-3"]
    lines += [f"tick {(begin_s + seconds) * 10**9}", "add c 1", "record g 0", "set l 0", "record h 0x1p-3", "close 3 that is all"]
    operations = memory / "operations.txt"
    operations.write_text("\n".join(lines) + "\n")
    schema = memory / "schema.toml"
    schema.write_text(SCHEMA)
    path = ok("provision", "--vm-id", "vm-1", "--directory", memory, "--schema", schema).strip()
    done = subprocess.run([build("conform"), path, operations], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

    assert ok_json("segment", "verify", path)["files"][0]["valid"]
    document = ok_json("segment", "dump", path, "--series", "{}", "--tier", "all")
    header = document["header"]
    assert (header["state"], header["close_code"], header["close_text"]) == ("closed", 3, "that is all")
    for tier_s in (1, 10, 300):
        end_ns = (begin_s + seconds) * 10**9  # of the last window that is closed
        first = seconds - tier_s  # the second in which it began
        at = {p["metric"]: p for p in document["points"] if p["resolution_ns"] == tier_s * 10**9 and p["end_ns"] == end_ns}
        assert at["ops_total"]["value"] == 2 * seconds
        sampled, depth = at["sample"], at["depth"]
        total = sum(range(first, seconds))
        assert (sampled["count"], sampled["sum"], sampled["min"], sampled["max"]) == (tier_s, total, first, seconds - 1)
        # The value that a level carries into a window counts among its extremes, for no time.
        assert (depth["sum"], depth["min"], depth["max"], depth["last"]) == (total, first - 1, seconds - 1, seconds - 1)
        assert (at["latency_seconds"]["count"], at["latency_seconds"]["sum"]) == (seconds, seconds / 8)


def test_the_program_of_the_readme_runs(memory):
    (program,) = re.findall(r"^```go file=main.go\n(.*?)^```", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    folder = OUT / "readme"
    folder.mkdir(exist_ok=True)
    (folder / "main.go").write_text(program)
    (folder / "go.mod").write_text(f"module example\n\ngo 1.19\n\nrequire ringside v0.0.0\n\nreplace ringside => {PACKAGE}\n")
    done = go("build", "-tags", STATIC, "-o", folder / "example", ".", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run([folder / "example", memory], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    (path,) = memory.iterdir()
    assert done.stdout == f"vm-7 {path.stat().st_size}\n"
    document = ok_json("segment", "dump", path, "--series", "{}")
    assert document["header"]["close_text"] == "guest shut down" and len(document["series"]) == 3
    # Without a folder the VM runs on.
    done = subprocess.run([folder / "example", memory / "none"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, " 0\n") and "none" in done.stderr


def test_nothing_was_written_into_the_sources():
    """By any test above."""
    assert set(PACKAGE.rglob("*")) == FILES
