"""What the documents name is there, and what is there for operators the documents name: metrics, commands, options."""

import contextlib
import json
import re
import subprocess
import tomllib

import pytest

from harness import AGENT, BRIDGE, CTL, SOURCE, Agent, Writer, scratch, wait_until

DOCUMENTS = sorted([*SOURCE.glob("*.md"), *(SOURCE / "docs").glob("*.md"), *(SOURCE / "tools").glob("*/README.md")])
OPERATIONS = (SOURCE / "docs/operations.md").read_text()
PROGRAMS = {"ringsidectl": CTL, "ringside-agent": AGENT, "ringside-bridge": BRIDGE}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document):
    prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.M | re.S)
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", prose)
    assert [link for link in links if not (document.parent / link).exists()] == []


# --- metrics ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exposition():
    """/metrics of an agent that has met a little of everything: so that families with labels have samples."""
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        (disk / "upstreams.toml").write_text('[upstream.away]\nurl = "http://127.0.0.1:1/write"\n'
                                             '[[rule]]\nname = "all"\nmetrics = ".*_total"\noperation = "sum"\n')  # fmt: skip
        agent = stack.enter_context(contextlib.closing(Agent(disk, memory, "--upstreams-file", disk / "upstreams.toml")))
        (agent.directory / f"bad.{'0' * 32}.seg").write_bytes(b"no segment\n" * 1000)
        writer = stack.enter_context(contextlib.closing(Writer(agent.directory, "vm-1", disk / "vm-1.log")))
        writer.kill()
        agent.ctl("ls")
        wait_until("the drain, the quarantine and the call to be counted", lambda: all(
            part in agent.metrics() for part in ('cause="killed"} 1', "ringside_quarantined_files{", "ringside_api_calls_total{")))  # fmt: skip
        yield agent.metrics()


def kinds_of(exposition):
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.M))


def table_of_metrics():
    """{name: (labels, kind)} of the rows of the table."""
    section = OPERATIONS.partition("\n## The agent's metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)(?:\{([\w,]+)\})?` \| (\w+) \| .+ \|$", section, re.M)
    assert len(rows) == len({row[0] for row in rows}) == section.count("\n| `")
    return {name: (labels, kind) for name, labels, kind in rows}


def test_the_table_has_every_metric_and_no_other(exposition):
    assert {name: kind for name, (_, kind) in table_of_metrics().items()} == kinds_of(exposition)


def test_the_table_has_the_labels_of_each_metric(exposition):
    table = table_of_metrics()
    samples = re.findall(r"^(ringside_\w+)(?:\{(.*)\})? \S+$", exposition, re.M)
    assert len(samples) > 60
    for name, labels in samples:
        assert ",".join(re.findall(r'(\w+)="', labels)) == table[name][0], name
    silent = set(table) - {name for name, _ in samples}
    assert silent == {f"ringside_upstream_{what}_total" for what in ("samples_refused", "windows_dropped", "series_left_out")}


@pytest.mark.parametrize("document", [*DOCUMENTS, *(SOURCE / "docs/man").glob("*.scd")], ids=lambda path: path.name)
def test_metrics_that_are_named_exist(document, exposition):
    shown = subprocess.run([CTL, "-o", "json", "schema", "show", "host"], capture_output=True, check=True)
    header = (SOURCE / "agent/upstream/rollup_plan.h").read_text()
    facts = "".join((SOURCE / f"agent/query/vm_samples.{suffix}").read_text() for suffix in ("cpp", "h"))
    known = set(re.findall(r'kExitMetric\[\] = "(\w+)"', header)) | set(re.findall(r'k(?:\w+Name|TierLabel) = "(\w+)"', facts)) | set(kinds_of(exposition)) | {metric["metric"] for metric in json.loads(shown.stdout)["metrics"]}
    assert set(re.findall(r"\bringside_[a-z]\w+", document.read_text().replace("\\_", "_"))) <= known


# --- commands and options ---------------------------------------------------------------------------------------------


def help_of(program, *commands):
    return subprocess.run([PROGRAMS[program], *commands, "--help"], capture_output=True, text=True, check=True).stdout


def commands_in(text):
    return set(re.findall(r"^  ([a-z]+)", text.partition("ommands:\n")[2].partition("\n\n")[0], re.M))


def options_in(text):
    """What stands at the begin of the lines that explain an option."""
    return {name for line in re.findall(r"^  (-\S+)", text, re.M) for name in line.split(",") if name.startswith("-")}


def code_in(document):
    """Lines of code blocks, and code in sentences."""
    text = document.read_text()
    blocks = re.findall(r"^```\w*[^\n]*\n(.*?)^```", text, re.M | re.S) + re.findall(r"(?<=\n\n)(?:    .*\n)+", text)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`]+)`", prose)


def invocations(document):
    """Programs with what follows them, in lines that call them."""
    for line in code_in(document):
        for program, rest in re.findall(r"(?:^|[\s/|(])(ringsidectl|ringside-agent|ringside-bridge)(?= |$)([^|;#]*)", line):
            yield program, rest.split()


def test_there_are_invocations_to_check():
    assert sum(len(list(invocations(document))) for document in DOCUMENTS) > 15


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_that_are_called_exist(document):
    for program, words in invocations(document):
        commands, text, before = [], help_of(program), ""
        known = options_in(text)
        for word in words:
            if word.startswith("-"):
                assert word.partition("=")[0] in known, (program, words)
            elif not before.startswith("-") and commands_in(text):
                assert word in commands_in(text), (program, words)
                commands.append(word)
                text = help_of(program, *commands)
                known |= options_in(text)
            before = word


def test_options_that_are_named_alone_exist():
    known = set().union(*(options_in(help_of(program)) for program in PROGRAMS), options_in(help_of("ringside-bridge", "host")))
    pages = (SOURCE / "docs/man/ringsidectl.1.scd").read_text()  # which tests/lint/man_test.py holds to the program
    known |= set(re.findall(r"\*(--[a-z-]+)\*", pages))
    known |= set(re.findall(r"--[a-z]+", (SOURCE / "dev").read_text()))
    known |= {"--static"}  # of pkg-config
    known |= {"--enable-feature", "--query.lookback-delta", "--web.enable-remote-write-receiver"}  # of Prometheus
    for document in DOCUMENTS:
        for code in code_in(document):
            if re.match(r"--\w", code):
                assert re.split(r"[ =]", code)[0] in known, (document.name, code)


def agent_options():
    return {name[2:] for name in options_in(help_of("ringside-agent")) if name.startswith("--")}


def test_settings_that_operations_names_are_options_of_the_agent():
    text = re.sub(r"^\| `ringside_.*\n", "", OPERATIONS, flags=re.M)  # where values of labels look like settings
    named = re.findall(r"`([a-z]+(?:-[a-z]+)+)(?: = [^`]+)?`", text)
    assert "upstream-grace" in named
    assert {name for name in named if not name.startswith("ringside-")} <= agent_options()


def test_the_example_of_a_configuration_is_accepted(tmp_path):
    (example,) = re.findall(r"^```toml\n(.*?)^```", OPERATIONS, re.M | re.S)
    assert tomllib.loads(example)
    (tmp_path / "agent.toml").write_text(example)
    subprocess.run([AGENT, "--config", tmp_path / "agent.toml", "--check-config"], check=True)


UPSTREAMS = (SOURCE / "docs/upstreams.md").read_text()


def check_upstreams(tmp_path, text):
    (tmp_path / "upstreams.toml").write_text(text)
    return subprocess.run([AGENT, "--upstreams-file", tmp_path / "upstreams.toml", "--check-config"], capture_output=True, text=True)


def test_the_example_of_an_upstreams_file_is_accepted(tmp_path):
    (example,) = re.findall(r"^```toml\n(.*?)^```", UPSTREAMS, re.M | re.S)
    files = re.findall(r'-file = "(.*)"', example)
    assert files
    for path in files:
        (tmp_path / path.rpartition("/")[2]).write_text("-----BEGIN CERTIFICATE-----\n" if path.endswith(".pem") else "token\n")
        example = example.replace(path, str(tmp_path / path.rpartition("/")[2]))
    done = check_upstreams(tmp_path, example)
    assert done.returncode == 0, done.stderr
    (tmp_path / "central.token").unlink()
    done = check_upstreams(tmp_path, example)
    assert done.returncode == 2 and "central.token" in done.stderr


@pytest.mark.parametrize("example", re.findall(r"^```toml\n(.*?)^```", (SOURCE / "docs/rollups.md").read_text(), re.M | re.S))
def test_the_examples_of_choices_and_rules_are_accepted(tmp_path, example):
    done = check_upstreams(tmp_path, example)
    assert done.returncode == 0, done.stderr


def keys_of_the_upstreams_file(section):
    """By table of the document; the first is that of [upstream.NAME]."""
    tables = re.findall(r"^\| key .*\n\|---.*\n((?:\|.*\n)+)", UPSTREAMS, re.M)
    return set(re.findall(r"`([a-z-]+)`", "\n".join(row.split("|")[1] for row in tables[section].splitlines())))


SECTIONS = ["upstream.a", "upstream.a.tls", "upstream.a.auth", "upstream.a", "upstream.a.relabel", "rule"]


@pytest.mark.parametrize("number, section", enumerate(SECTIONS), ids=["upstream", "tls", "auth", "choice", "relabel", "rule"])
def test_keys_of_the_upstreams_file_are_known_and_in_the_manual(tmp_path, number, section):
    page = (SOURCE / "docs/man/ringside-agent.8.scd").read_text()
    in_page = set(re.findall(r"\*([a-z-]+)\*", page[page.index("# UPSTREAMS FILE") : page.index("# SIGNALS")]))
    keys = keys_of_the_upstreams_file(number)
    assert len(keys) > 2
    for key in keys:
        assert key in in_page
        # A date is the right value of no key, so a key that is known is complained of in another way.
        header = f"[[{section}]]" if section in ("upstream.a.relabel", "rule") else f"[{section}]"
        said = check_upstreams(tmp_path, f"{header}\n{key} = 2000-01-01\n").stderr
        assert f"line 2: {section}.{key}: needs" in said, said


@pytest.mark.parametrize(
    ("page", "texts"),
    [("ringside-agent.8.scd", [("ringside-agent",)]), ("ringside-bridge.1.scd", [("ringside-bridge",), ("ringside-bridge", "host")])],
)
def test_a_manual_page_has_every_option_and_no_other(page, texts):
    entries = re.findall(r"^\*-.*$", (SOURCE / "docs/man" / page).read_text(), re.M)
    in_page = {option for entry in entries for option in re.findall(r"\*(--?[a-z-]+)\*", entry)}
    in_help = set().union(*(options_in(help_of(*text)) for text in texts))
    assert in_page | {"-h", "--help"} == in_help


@pytest.mark.parametrize("command, output", [
    pytest.param(command, output, id=command)
    for block in re.findall(r"^```console\n(.*?)^```", (SOURCE / "docs/schemas.md").read_text(), re.M | re.S)
    for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)
])  # fmt: skip
def test_sizes_that_are_shown_are_those_that_are_printed(command, output):
    program, *words = command.split()
    printed = subprocess.run([PROGRAMS[program], *words], capture_output=True, text=True, check=True).stdout
    assert output.strip() == printed.strip()
