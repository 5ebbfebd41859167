"""ringsidectl without an agent: usage, schemas, provisioning, and what it says when nobody answers."""

import grp
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from ringsidectl import RINGSIDECTL, ctl, fails, ok, ok_csv, ok_json, on_terminal  # noqa: E402

AGENT_COMMANDS = [
    ("ls",),
    ("show", "vm-1"),
    ("stat", "vm-1", "1s", "1"),
    ("read", "vm-1", "x_total"),
    ("query", "x_total"),
    ("graph", "x_total"),
    ("events",),
    ("drain", "vm-1"),
    ("admit", "vm-1", "--uid", "1000", "--bytes", "4096"),
    ("release", "vm-1"),
    ("admissions",),
    ("status",),
]
COMMANDS = sorted({command[0] for command in AGENT_COMMANDS} | {"provision", "schema", "segment", "blackbox", "completion"})


@pytest.fixture
def memory():
    with tempfile.TemporaryDirectory(prefix="ringside-test-", dir="/dev/shm") as directory:
        yield Path(directory)


# --- usage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), ["a command is missing", "ringsidectl --help"]),
        (("lss",), ["no command `lss`", "did you mean ls?"]),
        (("schema",), ["a command is missing", "ringsidectl schema --help"]),
        (("schema", "siz", "vmm"), ["no command `schema siz`", "did you mean size?"]),
        (("ls", "--nope"), ["--nope", "ringsidectl ls --help"]),
        (("--nope",), ["--nope"]),
        (("ls", "-o", "xml"), ["`xml` is not one of table, json or csv"]),
        (("ls", "--state", "runing"), ["`runing` is not one of", "did you mean running?"]),
        (("ls", "--timeout", "5x"), ["`5x` is not a duration", "such as 90s"]),
        (("ls", "--timeout", "-5s"), ["is not a duration"]),
        (("show",), ["VM", "required", "ringsidectl show --help"]),
        (("show", "a", "b"), ["b", "ringsidectl show --help"]),
        (("show", "vm-1", "--match", "{x="), ["--match", "`{x=`"]),
        (("read", "vm-1", "a{b}"), ["SELECTOR", "`a{b}`"]),
        (("read", "vm-1", '{a=~"("}'), ["SELECTOR"]),
        (("read", "vm-1", "--tier", "1.5s"), ["--tier is a whole number of seconds"]),
        (("read", "vm-1", "--begin", "yesterday"), ["`yesterday` is not a time", "UTC"]),
        (("read", "vm-1", "--begin", "-1m", "--end", "-2m"), ["--begin must be before --end"]),
        (("read", "vm-1", "--begin", "-1m", "--last", "5m"), ["--begin", "--last"]),
        (("read", "vm-1", "--columns", "count,bucket"), ["`bucket` is not one of", "did you mean buckets?"]),
        (("stat", "vm-1", "fast"), ["`fast` is not a duration"]),
        (("stat", "vm-1", "0s"), ["INTERVAL", "`0s` is no time at all"]),
        (("stat", "vm-1", "1s", "many"), ["COUNT: `many` is not a whole number from 0 to 18446744073709551615"]),
        (("events", "--count", "x"), ["--count: `x` is not a whole number from 0 to"]),
        (("events", "--count", "18446744073709551616"), ["is not a whole number"]),
        (("admit", "vm-1", "--uid", "4294967296"), ["--uid: `4294967296` is not a whole number from 0 to 4294967295"]),
        (("status", "--section", "budget"), ["`budget` is not one of agent, vms_by_state, budgets, archive, upstreams", "did you mean budgets?"]),
        (("show", "vm-1", "--section", "x"), ["`x` is not one of vms, tiers, metrics, upstreams", "series"]),
        (("stat", "vm-1", "--columns", "a_total:speed"), ["`speed` is no function", "rate, increase"]),
        (("stat", "vm-1", "--columns", "a_total:p200"), ["`p200` is no function"]),
        (("stat", "vm-1", "--columns", "{a=\"b\"}"), ["it names no metric"]),
        (("events", "--new"), ["add --follow"]),
        (("events", "--kind", "died"), ["`died` is not one of"]),
        (("events", "--after", "x"), ["--after"]),
        (("admit", "vm-1", "--bytes", "1"), ["--uid", "required"]),
        (("admit", "vm-1", "--uid", "1"), ["--schema", "--bytes"]),
        (("admit", "vm-1", "--uid", "root", "--bytes", "1"), ["--uid", "root"]),
        (("admit", "vm-1", "--uid", "1", "--bytes", "1Q"), ["`1Q` is not a number of bytes"]),
        (("provision",), ["--vm-id", "required"]),
        (("provision", "--vm-id", "a", "--mode", "888"), ["`888` is not a mode", "0640"]),
        (("provision", "--vm-id", "a", "--owner", "no-such-user-x"), ["no user `no-such-user-x`"]),
        (("provision", "--vm-id", "a", "--group", "no-such-group-x"), ["no group `no-such-group-x`"]),
        (("completion", "tcsh"), ["`tcsh` is not one of bash, zsh or fish"]),
        (("schema", "size", "vmm", "--vms", "x"), ["--vms"]),
        (("schema", "size", "vmm", "--vms", "18446744073709551615"), ["--vms"]),
    ],
)
def test_a_wrong_command_line_is_refused_and_says_why(args, says):
    done = fails(2, *args, socket="/nonexistent/agent.sock", says=says)
    assert done.stdout == ""


@pytest.mark.parametrize("command", [(), *[(name,) for name in COMMANDS], ("schema", "size"), ("segment", "dump")])
def test_help_goes_to_stdout(command):
    text = ok(*command, "--help")
    assert "Usage: ringsidectl" in text
    assert all(len(line) <= 120 for line in text.splitlines()), text


def test_help_names_every_exit_code_once():
    codes = re.findall(r"^  (\d)  \w", ok("--help"), re.M)
    assert codes == [str(code) for code in range(9)]


def test_version_names_the_program():
    assert re.fullmatch(r"ringsidectl \d+\.\d+\.\d+\n", ok("--version"))


def test_a_vm_may_have_the_name_of_a_command():
    fails(4, "show", "ls", socket="/nonexistent/agent.sock")


def test_global_options_stand_before_and_after_the_command():
    assert json.loads(ok("-o", "json", "schema", "check", "vmm")) == json.loads(ok("schema", "check", "vmm", "-o", "json"))


def test_a_full_disk_is_an_error():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = ctl("schema", "show", "vmm", stdout=full)
    assert done.returncode == 1 and "cannot write to stdout: No space left" in done.stderr


def coloured(*args, env):
    code, output = on_terminal(*args, env=env)
    assert code == 0, output
    return output


def test_colours_only_on_a_terminal_that_wants_them():
    check = ("schema", "check", "vmm")
    assert "\033[1m" in coloured(*check, env={"TERM": "xterm"})
    assert "\033" not in coloured(*check, env={"TERM": "xterm", "NO_COLOR": "1"})
    assert "\033" not in coloured(*check, env={"TERM": "dumb"})
    assert "\033" not in coloured(*check, "-o", "json", env={"TERM": "xterm"})
    assert "\033[1m" in coloured(*check, env={"TERM": "xterm", "NO_COLOR": ""})
    assert "\033" not in ok(*check, env={"TERM": "xterm"})


# --- schemas ----------------------------------------------------------------------------------------------------------

GOOD = """
name = "router"
[[metric]]
name = "router_packets_total"
kind = "counter"
labels = ["port"]
max_series = 3
"""


def test_check_accepts_standard_schemas_and_files(tmp_path):
    good = tmp_path / "good.toml"
    good.write_text(GOOD)
    rows = ok_json("schema", "check", "vmm", "host", good)["schemas"]
    assert [(row["file"], row["valid"]) for row in rows] == [("vmm", True), ("host", True), (str(good), True)]
    assert all(row["segment_bytes"] % 4096 == 0 and row["error"] is None for row in rows)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "name"),
        ("name = 1", "name"),
        (GOOD.replace('"counter"', '"conter"'), "counter"),
        (GOOD.replace("max_series = 3", "max_series = 0"), "max_series"),
        (GOOD.replace('["port"]', '["vm_id"]'), "vm_id"),
        (GOOD + "colour = 1\n", "colour"),
        (GOOD + '[[tier]]\nresolution = "7s"\nslots = 2\n[[tier]]\nresolution = "10s"\nslots = 2\n', "multiple"),
        ("x = [", "bad.toml:1"),
    ],
)
def test_check_says_where_a_schema_breaks_a_rule(tmp_path, text, says):
    bad = tmp_path / "bad.toml"
    bad.write_text(text)
    done = fails(7, "schema", "check", bad, says=[str(bad), says])
    assert done.stdout.splitlines()[1].split() == [str(bad), "no", "-", "-", "-"]
    for output in ("json", "csv"):
        done = ctl("schema", "check", "-o", output, bad)
        assert done.returncode == 7 and done.stderr == "" and says in done.stdout


def test_check_goes_on_after_a_bad_schema(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("x = 1")
    done = ctl("schema", "check", tmp_path / "none.toml", bad, "vmm", "-o", "json")
    assert done.returncode == 7
    assert [row["valid"] for row in json.loads(done.stdout)["schemas"]] == [False, False, True]


def test_missing_schemas_are_not_found(tmp_path):
    fails(3, "schema", "show", "vnm", says=["vnm", "did you mean 'vmm'?"])
    fails(3, "schema", "size", tmp_path / "none.toml", says=["none.toml", "No such file"])
    fails(3, "provision", "--vm-id", "a", "--schema", "nope.toml", says=["nope.toml"])


def test_size_adds_up_to_the_byte():
    document = ok_json("schema", "size", "vmm", "--vms", 1000)
    schema = document["schema"]
    tiers = sum(tier["bytes"] for tier in document["tiers"])
    assert schema["segment_bytes"] == schema["fixed_bytes"] + schema["label_arena_bytes"] + schema["hot_bytes"] + tiers
    assert schema["total_bytes"] == 1000 * schema["segment_bytes"]
    assert schema["series_capacity"] == sum(metric["max_series"] for metric in document["metrics"])
    assert all(metric["bytes"] == metric["max_series"] * metric["series_bytes"] for metric in document["metrics"])
    assert sum(metric["bytes"] for metric in document["metrics"]) == tiers + schema["hot_bytes"]
    for tier in document["tiers"]:
        rings = [ring for ring in document["rings"] if ring["resolution_ns"] == tier["resolution_ns"]]
        assert sum(ring["bytes"] for ring in rings) == tier["bytes"]
        assert all(ring["bytes"] == ring["series"] * ring["series_bytes"] for ring in rings)
        assert all(0 <= ring["series_bytes"] - ring["slot_bytes"] * tier["slots"] < 64 for ring in rings)
        assert all(set(ring["columns"]) <= set(tier["columns"]) for ring in rings)


@pytest.mark.parametrize("tiers", range(1, 9))
def test_size_leaves_nothing_of_a_series_in_what_is_fixed(tmp_path, tiers):
    """What is not told of a series ends up in `fixed`: with any number of tiers that is a header, a schema and round-ups."""
    resolutions = "".join(f'[[tier]]\nresolution = "{2**t}s"\nslots = 7\n' for t in range(tiers))
    kinds = ("counter", "counter_f64", "gauge", "level", "histogram", "info")
    metrics = "".join(f'[[metric]]\nname = "{kind}_{"total" if "counter" in kind else "x"}"\nkind = "{kind}"\nlabels = ["n"]\nmax_series = 500\n'
                      + ("histogram = { scale = 0, lowest = 1.0, highest = 8.0 }\n" if kind == "histogram" else "")
                      for kind in kinds)  # fmt: skip
    path = tmp_path / "many.toml"
    path.write_text('name = "many"\n' + resolutions + metrics)
    schema = ok_json("schema", "size", path)["schema"]
    assert 4096 < schema["fixed_bytes"] < 4 * 4096


def test_size_of_rings_tells_what_each_tier_keeps_of_a_kind():
    rings = ok_json("schema", "size", "lean", "--section", "rings")["rings"]
    kept = {(ring["resolution_ns"] // 10**9, kind): (ring["slot_bytes"], ring["columns"]) for ring in rings for kind in ring["kinds"]}
    assert kept[1, "counter"] == kept[300, "counter_f64"] == (12, ["value"])
    assert kept[10, "level"] == (36, ["count", "sum", "max", "last"])
    assert kept[1, "histogram"] == (20, ["count", "sum"])
    assert kept[300, "histogram"] == (24 + 4 * 47, ["count", "sum", "buckets"])
    assert not any(kind == "info" for _, kind in kept)


def test_show_as_toml_reads_back_as_the_same_schema(tmp_path):
    copy = tmp_path / "copy.toml"
    copy.write_text(ok("schema", "show", "host", "--toml"))
    assert [row["hash"] for row in ok_csv("schema", "check", "host", copy)] == [ok_json("schema", "show", "host")["schema"]["hash"]] * 2


def test_show_lists_every_metric():
    document = ok_json("schema", "show", "vmm")
    rows = ok_csv("schema", "show", "vmm")
    assert [metric["metric"] for metric in document["metrics"]] == [row["metric"] for row in rows]
    histogram = next(row for row in rows if row["kind"] == "histogram")
    counter = next(row for row in rows if row["kind"] == "counter")
    assert float(histogram["histogram_lowest"]) == 1e-6 and counter["histogram_lowest"] == ""


@pytest.mark.parametrize(("command", "section"), [
    *((("schema", "show"), section) for section in ("schema", "tiers", "metrics")),
    *((("schema", "size"), section) for section in ("schema", "tiers", "rings", "metrics")),
])  # fmt: skip
def test_each_section_of_a_schema_is_a_csv(command, section):
    whole = ok_json(*command, "vmm")[section]
    rows = ok_csv(*command, "vmm", "--section", section)
    wanted = [whole] if isinstance(whole, dict) else whole
    assert [list(row) for row in rows] == [list(row) for row in wanted]


# --- provision --------------------------------------------------------------------------------------------------------


def test_provision_lays_out_a_segment_of_the_promised_size(memory):
    path = Path(ok("provision", "--vm-id", "vm-7", "--directory", memory, "--mode", "0660").removesuffix("\n"))
    assert re.fullmatch(r"vm-7\.[0-9a-f]{32}\.seg", path.name) and path.parent == memory
    status = path.stat()
    assert status.st_size == ok_json("schema", "size", "vmm")["schema"]["segment_bytes"]
    assert stat.S_IMODE(status.st_mode) == 0o660
    assert status.st_blocks * 512 >= status.st_size  # every page is reserved


def test_provision_takes_schema_component_owner_and_group(memory, tmp_path):
    schema = tmp_path / "router.toml"
    schema.write_text(GOOD)
    segment = ok_json("provision", "--vm-id", "r:1.x_y", "--directory", memory, "--schema", schema, "--component", "nic",
                      "--owner", os.getuid(), "--group", os.getgid())["segment"]  # fmt: skip
    assert (segment["vm_id"], segment["component"], segment["schema"]) == ("r:1.x_y", "nic", "router")
    status = os.stat(segment["path"])
    assert (status.st_uid, status.st_gid, status.st_size) == (os.getuid(), os.getgid(), segment["segment_bytes"])


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("--vm-id", "-x"), 2, ["vm_id"]),
        (("--vm-id", "a/b"), 2, ["vm_id"]),
        (("--vm-id", "x" * 64), 2, ["vm_id"]),
        (("--vm-id", ""), 2, ["vm_id"]),
        (("--vm-id", "a", "--component", "A"), 2, ["component"]),
        (("--vm-id", "a", "--directory", "/nonexistent/ringside"), 3, ["/nonexistent/ringside", "--directory"]),
        (("--vm-id", "a", "--directory", "/proc"), None, ["/proc"]),
    ],
)
def test_provision_leaves_nothing_behind_when_it_fails(memory, args, code, says):
    directory = () if "--directory" in args else ("--directory", memory)
    done = ctl("provision", *args, *directory)
    assert done.returncode == code if code is not None else done.returncode != 0, done
    assert all(text in done.stderr for text in says), done.stderr
    assert done.stdout == "" and list(memory.iterdir()) == []


# --- no agent ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", AGENT_COMMANDS, ids=lambda command: command[0])
def test_without_an_agent_every_command_says_how_to_start_it(tmp_path, command):
    path = tmp_path / "agent.sock"
    says = ["the agent is not running", str(path), "systemctl start ringside-agent", "--socket PATH", "RINGSIDE_SOCKET"]
    done = fails(4, *command, "--socket", path, says=says)
    assert done.stdout == "" or command[0] == "events"


def test_a_socket_that_was_left_behind_says_so(tmp_path):
    path = str(tmp_path / "agent.sock")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    fails(4, "ls", socket=path, says=["nobody listens on " + path, "journalctl"])


def test_a_file_that_is_no_socket_says_so(tmp_path):
    path = tmp_path / "agent.sock"
    path.write_text("")
    fails(4, "ls", socket=str(path), says=["nobody listens on " + str(path)])


def test_a_socket_may_have_any_name_and_be_relative(tmp_path):
    for name in ("a b%20#?.sock", "ä.sock"):
        fails(4, "ls", socket=name, cwd=tmp_path, says=["there is no socket " + name])
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.bind(str(tmp_path / name))
            deaf.listen()
            fails(4, "ls", "--timeout", "300ms", socket=name, cwd=tmp_path, says=["did not answer"])


def test_a_path_too_long_for_a_socket_is_an_error_of_usage(tmp_path):
    fails(2, "ls", socket=str(tmp_path / ("x" * 120)), says=["at most 107 bytes"])


def test_an_agent_that_never_answers_runs_into_the_timeout(tmp_path):
    path = str(tmp_path / "agent.sock")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(path)
        deaf.listen()
        fails(4, "ls", "--timeout", "300ms", socket=path, says=["did not answer within 300ms", "--timeout"])


def test_without_permission_it_names_the_group():
    # root may connect to anything, so as root somebody else has to try.
    other = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="ringside-test-") as directory:
        os.chmod(directory, 0o755)
        path = os.path.join(directory, "agent.sock")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            os.chmod(path, 0o060)
            if other:
                os.chown(path, 0, grp.getgrnam("daemon").gr_gid)  # nobody is told to join the group root
            group = grp.getgrgid(os.stat(path).st_gid).gr_name
            fails(6, "ls", socket=path, **other, says=["no permission", path, "group " + group, "usermod -aG " + group])
