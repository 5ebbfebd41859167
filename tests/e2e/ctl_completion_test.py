"""Completion in bash, zsh and fish: the shells themselves run the generated scripts against an agent that has VMs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fake_agent import FakeAgent  # noqa: E402
from ringsidectl import RINGSIDECTL, ok  # noqa: E402

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def agent():
    with FakeAgent() as fake:
        vms = [fake.pb.vm.Vm(ref=fake.pb.vm.VmRef(vm_id=vm_id)) for vm_id in ("vm-1", "vm-1", "vm:2", "web.3")]
        fake.answer("VmService/ListVms", lambda request, call: [fake.pb.vm.ListVmsResponse(vms=vms)])
        yield fake


def run(shell, script, cwd, **variables):
    path = os.path.dirname(RINGSIDECTL) + ":" + os.environ["PATH"]
    arguments = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    environment = {"PATH": path, "HOME": str(cwd), "LC_ALL": "C.UTF-8", "TERM": "dumb", **variables}
    done = subprocess.run([shell, *arguments, "-c", script], env=environment, cwd=cwd, stdin=subprocess.DEVNULL,
                          capture_output=True, encoding="utf-8", timeout=120, check=False)  # fmt: skip
    assert done.stderr == "", done.stderr
    return done.stdout.splitlines()


BASH = """
source <(ringsidectl completion bash)
COMP_POINT=${#COMP_LINE}
_ringsidectl
printf '%s\\n' "${COMPREPLY[@]}"
"""
# What zsh's completion system brings along, in as far as the script uses it.
ZSH = """
compdef() { :; }
compadd() { shift; print -rl -- "$@"; }
_files() { print -rl -- *(N); }
eval "$(ringsidectl completion zsh)"
words=("${(@s: :)LINE}"); CURRENT=$#words; PREFIX=$words[-1]
_ringsidectl
true
"""
FISH = """
ringsidectl completion fish | source
complete -C "$LINE" | string replace -r '\\t.*' ''
"""


def complete(shell, line, agent, cwd):
    """The candidates for the last word of `line`, sorted."""
    script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
    found = run(shell, script, cwd, LINE=line, COMP_LINE=line, RINGSIDE_SOCKET=agent.socket)
    current = line.split(" ")[-1]
    if shell == "bash" and ":" in current:
        # readline keeps what stands before the last colon.
        found = [current.rpartition(":")[0] + ":" + word for word in found if word]
    # zsh itself leaves out what does not fit.
    return sorted({word for word in found if word.startswith(current) and word})


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ringsidectl sch", ["schema"]),
        ("ringsidectl schema s", ["show", "size"]),
        ("ringsidectl ls --st", ["--state"]),
        ("ringsidectl ls --state run", ["running"]),
        ("ringsidectl -o j", ["json"]),
        ("ringsidectl ls --output ", ["csv", "json", "table"]),
        ("ringsidectl show v", ["vm-1", "vm:2"]),
        ("ringsidectl show vm:", ["vm:2"]),
        ("ringsidectl --timeout 5s show w", ["web.3"]),
        ("ringsidectl -o json drain --epoch 12 w", ["web.3"]),
        ("ringsidectl ls web.3 vm", ["vm-1", "vm:2"]),
        ("ringsidectl show web.3 vm", []),
        ("ringsidectl stat vm-1 ", []),
        ("ringsidectl stat --columns v", []),
        ("ringsidectl completion ", ["bash", "fish", "zsh"]),
        ("ringsidectl schema check ", ["a.toml", "b.toml"]),
        ("ringsidectl schema check a.toml b", ["b.toml"]),
        ("ringsidectl segment dump a", ["a.toml"]),
        ("ringsidectl admit vm-9 --schema b", ["b.toml"]),
    ],
)
def test_completes(shell, line, expected, agent, tmp_path):
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).touch()
    assert complete(shell, line, agent, tmp_path) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_offers_every_command_first(shell, agent, tmp_path):
    offered = complete(shell, "ringsidectl ", agent, tmp_path)
    commands = [line.split()[0] for line in ok("--help").partition("Commands:\n")[2].partition("\n\n")[0].splitlines() if line[2] != " "]
    assert len(commands) > 10 and set(commands) <= set(offered)


@pytest.mark.parametrize("shell", SHELLS)
def test_says_nothing_when_there_is_no_agent(shell, agent, tmp_path):
    class Nobody:
        socket = "/nonexistent/agent.sock"

    assert complete(shell, "ringsidectl show v", Nobody, tmp_path) == []
