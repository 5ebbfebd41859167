"""ringsidectl query and graph: over the agent, and over segments and archive files, with real writers whose tally is the oracle."""

import contextlib
import json
import re
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from harness import Agent, http_get, scratch, wait_until, web_writers  # noqa: E402
from ringsidectl import RINGSIDECTL, ctl, fails, ok, ok_csv, ok_json, ok_json_lines, on_terminal  # noqa: E402

COUNTER = 't_ops_total{vm_id="web-1"}'


@pytest.fixture(scope="module")
def host():
    """An agent with web-1, which runs, and web-2, which was killed and is drained."""
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        agent = stack.enter_context(contextlib.closing(Agent(disk, memory, "--scan-interval", "100ms")))
        agent.web_1, agent.web_2 = web_writers(stack, agent.directory, disk)
        wait_until("web-2 to be drained", lambda: list((disk / "archive").glob("web-2*.rsa")))
        exact = str(agent.web_1.counted("t_ops_total"))
        wait_until("web-1's windows to be over", lambda: [
            row["value"] for row in samples(agent, f"sum({COUNTER})")] == [exact])  # fmt: skip
        yield agent


def rows_of(document):
    """A row a sample, of an answer in the shape of the HTTP API."""
    data = document["data"]
    if data["resultType"] in ("scalar", "string"):
        return [{"metric": "", "labels": {}, "time": data["result"][0], "value": data["result"][1]}]
    rows = []
    for one in data["result"]:
        labels = dict(one["metric"])
        name = labels.pop("__name__", "")
        values = one.get("values", []) + [one[key] for key in ("value", "histogram") if key in one]
        rows += [{"metric": name, "labels": labels, "time": time, "value": value} for time, value in values]
    return rows


def samples(host, *args):
    return rows_of(ok_json("query", *args, socket=host.socket))


def value_of(document):
    (row,) = rows_of(document)
    return float(row["value"])


def archive_of(host, name):
    return next((host.disk / "archive").glob(f"{name}*.rsa"))


def http(host, page, **parameters):
    status, body = http_get(host.url(f"/api/v1/{page}?" + urllib.parse.urlencode(parameters)))
    assert status == 200, body
    return json.loads(body)


# --- the agent --------------------------------------------------------------------------------------------------------


def test_answers_what_the_writer_counted(host):
    rows = samples(host, f"sum by (vm_id) ({COUNTER})")
    assert [(row["metric"], row["labels"], row["value"]) for row in rows] == [
        ("", {"vm_id": "web-1"}, str(host.web_1.counted("t_ops_total")))]  # fmt: skip


@pytest.mark.parametrize("query", [COUNTER, "{vm_id='web-1'}", "avg_over_time(t_sample[5m])", "quantile(0.5, t_ops_total) / 0",
                                   "ringside_vm_info", "t_latency_seconds", "vector(0) / 0", "(-1) / 0", "'text'",
                                   "rate(t_sample[1m])"])  # fmt: skip
def test_json_is_the_answer_of_http(host, query):
    at = samples(host, "vector(1)")[0]["time"]
    ours = json.loads(ctl("query", query, "--time", f"@{at}", "-o", "json", socket=host.socket).stdout)
    assert (ours.pop("version"), ours.pop("kind")) == (1, "query")
    assert ours == http(host, "query", query=query, time=at)


def test_json_of_a_range_is_the_answer_of_http(host):
    end = int(samples(host, "vector(1)")[0]["time"])
    ours = ok_json("query", COUNTER, "--range", "10s", "--step", "2s", "--time", f"@{end}", socket=host.socket)
    theirs = http(host, "query_range", query=COUNTER, start=end - 10, end=end, step=2)
    assert ours["data"]["result"] and ours["data"] == theirs["data"]


def test_explained_json_has_the_stats_of_http(host):
    at = samples(host, "vector(1)")[0]["time"]
    ours = ok_json("query", COUNTER, "--explain", "--time", f"@{at}", socket=host.socket)["data"]["stats"]
    theirs = http(host, "query", query=COUNTER, time=at, stats="all")["data"]["stats"]
    assert ours["samples"] == theirs["samples"] and ours["ringside"] == theirs["ringside"]
    assert ours["ringside"]["selections"][0]["columns"] == ["value"]
    assert ours["timings"].keys() == theirs["timings"].keys()


def test_a_csv_has_a_line_a_sample(host):
    rows = ok_csv("query", COUNTER, socket=host.socket)
    assert {row["metric"] for row in rows} == {"t_ops_total"} and len(rows) == 3
    assert 'thread="0"' in rows[0]["labels"] and 'vm_id="web-1"' in rows[0]["labels"]
    assert sum(int(row["value"]) for row in rows) == host.web_1.counted("t_ops_total")


def test_a_table_has_what_differs_in_columns_and_the_rest_above(host):
    lines = ok("query", COUNTER, socket=host.socket).splitlines()
    assert re.fullmatch(r't_ops_total\{instance=".*",job="ringside",vm_id="web-1"\} at 2\S+Z', lines[0]), lines
    assert lines[1].split() == ["THREAD", "VALUE"]
    assert [line.split()[0] for line in lines[2:]] == ["0", "1", "2"]
    assert len({len(line) for line in lines[1:]}) == 1, lines  # values end in one column
    assert ok("query", "1 + 1", socket=host.socket).split() == ["VALUE", "2"]


def test_a_range_has_a_column_a_series_where_there_is_room(host):
    three = " or ".join(f'label_replace(vector({i}), "a", "{i}", "", "")' for i in range(3))
    arguments = ("query", three, "--range", "4s", "--step", "1s")
    wide = ok(*arguments, socket=host.socket).splitlines()
    assert wide[0] == "by a" and wide[1].split() == ["TIME", "0", "1", "2"], wide
    assert [line.split()[1:] for line in wide[2:]] == [["0", "1", "2"]] * 5
    narrow = ok(*arguments, socket=host.socket, env={"COLUMNS": "28"}).splitlines()
    assert sum(line.startswith("{a=") for line in narrow) == 3, narrow


def test_explain_tells_tiers_columns_and_age(host):
    text = ok("query", "max_over_time(t_sample[4m])", "--explain", socket=host.socket)
    assert re.search(r"^SELECTOR +TIERS +COLUMNS +SERIES +WINDOWS +BYTES +NEWEST +AGE$", text, re.M), text
    assert re.search(r"t_sample.* 1s +.*max.* 6 ", text), text
    forced = 't_ops_total{ringside_tier="10s",vm_id="web-2"}'
    selection = ok_csv("query", forced, "--section", "selections", socket=host.socket)[0]
    assert (selection["tiers"], selection["columns"], selection["series_count"]) == ("10s", "value", "3")
    rows = ok_csv("query", COUNTER, "--section", "selections", socket=host.socket)
    assert int(rows[0]["windows"]) > 0 and int(rows[0]["bytes"]) > 0 and int(rows[0]["newest_age_ns"]) >= 0


def test_a_mistake_is_shown_at_its_place(host):
    done = ctl("query", "t_ops_total{vm_id=}", socket=host.socket)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert "1:19: parse error" in lines[0], lines
    assert lines[1:] == ["  t_ops_total{vm_id=}", "  " + " " * 18 + "^"]
    second_line = ctl("graph", "sum(\n t_ops_total @@)", socket=host.socket)
    assert second_line.stderr.splitlines()[1] == "   t_ops_total @@)", second_line.stderr


def test_no_data_says_what_to_look_at(host):
    done = ctl("query", "no_such_metric", socket=host.socket)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no series fits" in done.stderr and "ringsidectl ls --all" in done.stderr
    done = ctl("query", COUNTER, "--time", "-1h", socket=host.socket)
    assert (done.returncode, done.stdout) == (0, "") and "ringsidectl" in done.stderr
    assert samples(host, "no_such_metric") == []


def test_wrong_command_lines_are_refused(host):
    fails(2, "query", says=["EXPRESSION", "required"])
    fails(2, "query", "1", "--step", "1s", socket=host.socket, says=["--range"])
    fails(2, "query", "1", "--count", "2", socket=host.socket, says=["--watch"])
    fails(2, "query", "1", "--watch", "1s", "--range", "1m", socket=host.socket, says=["--range"])
    fails(2, "query", "1", "--watch", "1s", "/dev/null", socket=host.socket, says=["files"])
    fails(2, "query", "1", "--watch", "10ms", socket=host.socket, says=["interval_ms 10"])
    fails(2, "query", "1", "-o", "json", "--section", "samples", socket=host.socket, says=["--section"])
    fails(2, "query", "1", "--range", "1s", "--step", "100us", socket=host.socket, says=["--step", "1ms"])
    fails(2, "query", "1", "--watch", "500us", socket=host.socket, says=["--watch", "1ms"])
    fails(2, "query", "1", "--watch", "1s", "--lookback", "500us", socket=host.socket, says=["--lookback", "1ms"])
    fails(2, "query", "t_ops_total[1m]", "--range", "1m", socket=host.socket, says=["range vector"])
    fails(8, "query", "t_ops_total + on () t_ops_total", socket=host.socket, says=["match"])
    fails(4, "query", "1", socket="/nonexistent/agent.sock", says=["/nonexistent/agent.sock"])


def test_watch_goes_on(host):
    lines = ok_json_lines("query", f"sum({COUNTER})", "--watch", "1s", "-n", "2", socket=host.socket)
    assert len(lines) == 2 and {line["kind"] for line in lines} == {"query"}
    first, second = (rows_of(line)[0]["time"] for line in lines)
    assert first < second == int(second)
    assert [value_of(line) for line in lines] == [host.web_1.counted("t_ops_total")] * 2
    rows = ok_csv("query", f"sum({COUNTER})", "--watch", "1s", "-n", "2", socket=host.socket)
    assert [int(row["value"]) for row in rows] == [host.web_1.counted("t_ops_total")] * 2
    text = ok("query", "vector(1)", "--watch", "1s", "-n", "2", socket=host.socket)
    assert text.count("VALUE") == 2


def test_watch_tells_what_answers_lack(host):
    arguments = ("query", "quantile(2, vector(1))", "--watch", "1s", "-n", "2")
    done = ctl(*arguments, socket=host.socket)
    assert done.returncode == 5 and done.stderr.count("quantile value") == 2, done
    code, output = on_terminal(*arguments, env={"TERM": "xterm", "RINGSIDE_SOCKET": host.socket})
    screens = output.split("\033[H\033[J")[1:]
    assert code == 5 and len(screens) == 2, output
    assert all(0 < screen.find("VALUE") < screen.find("quantile value") for screen in screens), screens


def test_watch_ends_with_the_agent():
    with scratch() as (disk, memory), contextlib.closing(Agent(disk, memory)) as agent:
        watch = subprocess.Popen(
            [RINGSIDECTL, "--socket", agent.socket, "query", "vector(1)", "--watch", "1s"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert watch.stdout.readline().startswith("at ")
        agent.terminate()
        _, error = watch.communicate(timeout=60)
        assert watch.returncode == 4, error


# --- files ------------------------------------------------------------------------------------------------------------


def test_files_answer_as_the_agent_does(host):
    assert value_of(ok_json("query", "sum(t_ops_total)", host.web_1.path)) == host.web_1.counted("t_ops_total")
    archived = archive_of(host, "web-2")
    offline = rows_of(ok_json("query", "t_ops_total", archived))
    assert sum(float(row["value"]) for row in offline) == host.web_2.counted("t_ops_total")
    online = samples(host, 't_ops_total{vm_id="web-2"}', "--time", f"@{offline[0]['time']}")
    for row in online:
        del row["labels"]["instance"], row["labels"]["job"]
    assert online == offline


def test_several_files_and_folders_are_one_host(host):
    both = ok_json("query", "sum by (vm_id) (increase(t_ops_total[30m])) > 0", host.web_1.path, archive_of(host, "web-2"))
    assert {row["labels"]["vm_id"] for row in rows_of(both)} == {"web-1", "web-2"}
    folder = ok_json("query", "count(count by (vm_id) (t_ops_total))", host.disk / "archive")
    assert value_of(folder) == 1
    # The same segment twice is one VM.
    twice = ok_json("query", "count(ringside_vm_up)", host.web_1.path, host.directory)
    assert value_of(twice) == 1


def test_a_file_that_cannot_be_read_is_named(host, tmp_path):
    bad = tmp_path / "bad.seg"
    bad.write_bytes(b"no segment\n" * 1000)
    fails(7, "query", "1", bad, says=["bad.seg"])
    fails(3, "query", "1", tmp_path / "none", says=["none"])
    (tmp_path / "empty").mkdir()
    fails(3, "query", "1", tmp_path / "empty", says=["no segment and no archive file"])
    done = ctl("query", "sum(t_ops_total)", bad, host.web_1.path)
    assert done.returncode == 5 and "bad.seg" in done.stderr
    assert str(host.web_1.counted("t_ops_total")) in done.stdout


def test_files_know_experimental_functions(host):
    assert len(rows_of(ok_json("query", "limitk(1, t_ops_total)", host.web_1.path))) == 1
    fails(8, "query", "t_ops_total + on () t_ops_total", host.web_1.path, says=["match"])
    done = ctl("query", "no_such_metric", host.web_1.path)
    assert "ringsidectl segment dump" in done.stderr
    assert ctl("query", "sum(", host.web_1.path).stderr.splitlines()[1] == "  sum("


# --- graph ------------------------------------------------------------------------------------------------------------


def test_graph_draws_curves_in_the_terminal(host):
    text = ok("graph", f"sum({COUNTER})", "--range", "1m", "--width", "70", "--height", "12", socket=host.socket)
    lines = text.splitlines()
    assert lines[0] == f"sum({COUNTER})"
    assert len(lines) == 14
    assert sum(1 for line in lines if re.search("[\u2801-\u28ff]", line)) >= 1
    assert max(map(len, lines)) <= 70
    assert lines[-2].split() == ["CURVE", "LAST", "MIN", "MAX"]
    assert re.fullmatch(r"  a value +\S+ +\S+ +\S+", lines[-1]), lines[-1]


def test_graph_knows_units_and_names(host):
    text = ok("graph", "sum by (vm_id) (rate(t_busy_seconds_total[30s]))", "--range", "2m", socket=host.socket)
    assert "[s/s]" in text.splitlines()[0]
    assert re.search(r"^  a .*web-1", text, re.M), text
    assert "\x1b" not in text


def test_graph_writes_an_svg(host, tmp_path):
    path = tmp_path / "ops.svg"
    assert ok("graph", COUNTER, host.web_1.path, "--range", "1m", "--svg", path, "--width", "640") == ""
    root = xml.etree.ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("width") == "640"
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert COUNTER in texts and {"0", "1", "2"} <= set(texts)
    fails(3, "graph", COUNTER, host.web_1.path, "--svg", tmp_path / "none" / "x.svg", says=["x.svg"])


def test_graph_prints_its_points_as_json(host):
    document = ok_json("graph", COUNTER, "--range", "10s", "--step", "5s", socket=host.socket)
    assert document["kind"] == "query" and document["data"]["resultType"] == "matrix"
    times = {row["time"] for row in rows_of(document)}
    assert times and all(time % 5 == min(times) % 5 for time in times) and len(times) <= 3
    assert len(ok_csv("graph", COUNTER, "--range", "10s", "--step", "5s", socket=host.socket)) == len(rows_of(document))


def test_graph_tells_what_it_cannot_draw(host):
    done = ctl("graph", 't_latency_seconds{vm_id="web-1"}', "--range", "1m", socket=host.socket)
    assert done.returncode == 0 and "histogram_quantile" in done.stderr
    done = ctl("graph", "no_such_metric", socket=host.socket)
    assert (done.returncode, done.stdout) == (0, "") and "no series fits" in done.stderr
