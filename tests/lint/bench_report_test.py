"""bench/report.py on a recorded result: the figures that people quote, so what it picks and divides is tested here."""

import json
import os
import subprocess
from pathlib import Path

import pytest

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))

# Three repetitions of four cases, one of which timed itself and brought a counter `case:`; with Google Benchmark's means.
RECORDED = SOURCE_DIR / "tests/lint/bench_result.json"

TABLE = """\
AMD EPYC, 2 cores at 2596 MHz; pinned to core 1; 3 repetitions, load average 5.9 at the start
The machine was busy: trust the ratios of this run, and the minima, more than single medians.

case           divided by          ratio
mmv_set        gauge_record_clock  0.55x
promcpp_gauge  gauge_record_clock  0.38x

ns a call              median      min      max
gauge_record_clock       6.48     6.41     6.49
mmv_set                  3.59     3.46     4.21
promcpp_gauge            2.49     2.48     2.51
record_p9999          2223.30  1812.69  2724.05
record_p9999_control   150.22   140.21   310.46
"""

LINES = [
    {"case": "gauge_record_clock", "unit": "ns", "median": 6.479, "min": 6.407, "max": 6.495},
    {"case": "mmv_set", "unit": "ns", "median": 3.592, "min": 3.462, "max": 4.205},
    {"case": "promcpp_gauge", "unit": "ns", "median": 2.493, "min": 2.482, "max": 2.514},
    {"case": "record_p9999", "unit": "ns", "median": 2223.302, "min": 1812.692, "max": 2724.046},
    {"case": "record_p9999_control", "unit": "ns", "median": 150.223, "min": 140.208, "max": 310.461},
]


def report(*arguments) -> subprocess.CompletedProcess:
    command = ["/usr/bin/python3", SOURCE_DIR / "bench/report.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(name="altered")
def _altered(tmp_path):
    """Takes a function that alters the recorded result in place; returns the path of what came out."""

    def alter(change) -> Path:
        result = json.loads(RECORDED.read_text())
        change(result)
        path = tmp_path / "altered.json"
        path.write_text(json.dumps(result))
        return path

    return alter


def test_prints_ratios_and_then_figures():
    done = report(RECORDED)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == TABLE


def test_writes_one_json_object_a_case(tmp_path):
    done = report("--json", tmp_path / "lines", RECORDED)
    assert done.stdout == TABLE
    assert [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()] == LINES


def test_several_results_go_into_one_file(tmp_path):
    assert report("--json", tmp_path / "lines", RECORDED, RECORDED).stdout == TABLE + TABLE
    assert [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()] == LINES + LINES


def test_other_units_become_ns(altered):
    def to_microseconds(result):
        for entry in result["benchmarks"]:
            entry["time_unit"] = "us"
            entry["cpu_time"] /= 1000
            entry["real_time"] /= 1000

    assert report(altered(to_microseconds)).stdout == TABLE


def to_bytes(result):
    """Sizes in place of times: what a case took does not matter then."""
    for at, entry in enumerate(result["benchmarks"]):
        for counter in [key for key in entry if key.startswith("case:")]:
            del entry[counter]
        entry["bytes"] = 2_572_288.0 if entry["name"].startswith("mmv_set") else 5_144_576.0 + at % 2
    result["context"]["compare"] = "gauge_record_clock/mmv_set"


BYTES_TABLE = """
case                divided by  ratio
gauge_record_clock  mmv_set     2.00x

bytes                median      min      max
gauge_record_clock  5144576  5144576  5144577
mmv_set             2572288  2572288  2572288
"""


def test_bytes_are_no_times(altered, tmp_path):
    done = report("--json", tmp_path / "lines", altered(to_bytes))
    assert done.stdout.startswith(BYTES_TABLE)
    assert "ns a call" not in done.stdout
    lines = [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()]
    assert {"case": "mmv_set", "unit": "bytes", "median": 2572288.0, "min": 2572288.0, "max": 2572288.0} in lines
    assert {line["unit"] for line in lines} == {"bytes"}


def test_times_and_bytes_of_one_program_stand_apart(altered):
    def one_case(result):
        for entry in result["benchmarks"]:
            if entry["name"].startswith("mmv_set"):
                entry["bytes"] = 4096.0

    out = report(altered(one_case)).stdout
    times, _, sizes = out.partition("\nbytes ")
    assert "mmv_set " not in times.partition("ns a call")[2]
    assert sizes.splitlines()[1].split() == ["mmv_set", "4096", "4096", "4096"]


def test_an_idle_machine_needs_no_warning(altered):
    def rest(result):
        result["context"]["load_avg"] = [0.0, 0.0, 0.0]

    assert "busy" not in report(altered(rest)).stdout


def test_a_failed_case_fails_the_report(altered, tmp_path):
    def fail(result):
        result["benchmarks"][0] |= {"error_occurred": True, "error_message": "no room"}

    done = report("--json", tmp_path / "lines", altered(fail))
    assert (done.returncode, done.stdout) == (1, "")
    assert "failed: no room" in done.stderr
    assert not (tmp_path / "lines").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"context": {}, "benchmarks": []}'])
def test_a_result_without_cases_fails_the_report(tmp_path, text):
    path = tmp_path / "cut.json"
    path.write_text(text)
    done = report(path)
    assert (done.returncode, done.stdout) == (1, "")
    assert str(path) in done.stderr


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    done = report("--json", tmp_path / "missing/lines", RECORDED)
    assert done.returncode == 1
    assert "missing/lines" in done.stderr


SIDED = {
    "context": {"num_cpus": 2, "mhz_per_cpu": 2596, "cpu_model": "AMD EPYC", "load_avg": [0.1], "sides": "ours prometheus other"},
    "benchmarks": [
        *(
            {"name": "sum/iterations:1/repeats:3", "run_type": "iteration", "ms:ours": ours, "ms:prometheus": 5.0, "ms:other": 6.0}
            for ours in (1.0, 4.0, 2.0)
        ),
        {"name": "sum_mean", "run_type": "aggregate", "ms:ours": 9.0},
        {"name": "memory/iterations:1", "run_type": "iteration", "MB:ours": 20.0, "MB:prometheus": 400.0},
        {"name": "sum/vms:100/iterations:1", "run_type": "iteration", "ms:ours": 0.5},
        {"name": "sum/vms:10/iterations:1", "run_type": "iteration", "ms:ours": 0.25},
        {"name": "memory/vms:10/iterations:1", "run_type": "iteration", "MB:ours": 9.0},
    ],
}

SIDED_TABLE = """\
AMD EPYC, 2 cores at 2596 MHz; 1 or 3 repetitions, load average 0.1 at the start

ms, median (p10 - p90)                   ours             prometheus                  other  prometheus / ours  other / ours
sum                     2.000 (1.200 - 3.600)  5.000 (5.000 - 5.000)  6.000 (6.000 - 6.000)               2.5x          3.0x

MB      ours  prometheus  other  prometheus / ours  other / ours
memory  20.0       400.0      -              20.0x             -

VMs  sum, ms  memory, MB
 10    0.250         9.0
100    0.500           -
"""

SIDED_LINES = [
    {"case": "sum", "unit": "ms", "ours": 2.0, "prometheus": 5.0, "other": 6.0},
    {"case": "memory", "unit": "MB", "ours": 20.0, "prometheus": 400.0, "other": None},
]


def test_sides_that_did_the_same_stand_beside_each_other(tmp_path):
    path = tmp_path / "sided.json"
    path.write_text(json.dumps(SIDED))
    done = report("--json", tmp_path / "lines", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == SIDED_TABLE
    assert [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()] == SIDED_LINES
