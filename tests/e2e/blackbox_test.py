"""The black box on real programs: a VM dies badly beside the host's collector, and its last minutes can be listed, shown and
carried away, with the agent and without."""

import contextlib
import json
import os
import shutil
import subprocess

import pytest

from harness import CTL, DEADLINE_S, Agent, Writer, scratch, wait_until

FAST = ("--scan-interval", "100ms")


def ctl(*arguments):
    done = subprocess.run(
        [CTL, *[str(argument) for argument in arguments]], capture_output=True, text=True, timeout=DEADLINE_S
    )
    return done


def ctl_json(*arguments):
    done = ctl("-o", "json", *arguments)
    assert done.returncode == 0, f"{arguments}: {done.returncode} {done.stderr}"
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def crashed():
    """An agent, a host's collector that lives, a VM that was killed, one that closed well and one that did not."""
    with scratch() as place, contextlib.ExitStack() as stack:
        agent = stack.enter_context(contextlib.closing(Agent(*place, *FAST)))

        def writer(vm_id, *arguments):
            log = agent.disk / f"{vm_id}.log"
            return stack.enter_context(contextlib.closing(Writer(agent.directory, vm_id, log, arguments=arguments)))

        host = writer("host-1", "--component", "host")
        host.tell("run 50")
        wait_until("the host's signals", lambda: [vm["state"] for vm in agent.ctl("ls")["vms"]] == ["running"])
        dies, well, badly = writer("dies"), writer("well"), writer("badly")
        for one in (dies, well, badly):
            one.tell("run 50")
        dies.kill()
        well.close_segment(0, "as planned")
        badly.close_segment(7, "no disk")
        wait_until("all to be drained", lambda: [vm["state"] for vm in agent.ctl("ls", "--all")["vms"]].count("drained") == 3)
        yield agent, dies
        assert host.alive()


def test_it_has_those_that_ended_badly_and_the_host_beside_them(crashed):
    agent, dies = crashed
    files = agent.ctl("blackbox", "list")["files"]
    assert sorted((file["vm_id"], file["host_signals"]) for file in files) == [
        ("badly", False),
        ("badly", True),
        ("dies", False),
        ("dies", True),
    ]
    told = {file["vm_id"]: file for file in files if not file["host_signals"]}
    assert told["dies"]["exit_cause"] == "killed" and told["dies"]["epoch"] == dies.epoch
    assert (told["badly"]["exit_cause"], told["badly"]["close_code"], told["badly"]["close_text"]) == ("closed", 7, "no disk")
    signals = next(file for file in files if file["vm_id"] == "dies" and file["host_signals"])
    assert signals["epoch"] == dies.epoch and "host-1" in signals["close_text"]
    assert [file["vm_id"] for file in agent.ctl("blackbox", "list", "badly")["files"]] == ["badly", "badly"]
    assert "ringside_black_box_files 4\n" in agent.metrics()
    table = ctl("--socket", agent.socket, "blackbox", "list")
    assert "EXIT_CAUSE" in table.stdout and "killed" in table.stdout
    csv = ctl("--socket", agent.socket, "-o", "csv", "blackbox", "list").stdout.splitlines()
    assert len(csv) == 5 and csv[0].startswith("vm_id,component,epoch,host_signals,exit_cause")


def test_it_shows_the_windows_that_the_archive_has(crashed):
    agent, _ = crashed
    shown = agent.ctl("blackbox", "show", "dies", "--series", "t_ops_total")
    assert shown["header"]["exit_cause"] == "killed" and shown["points"]
    assert {point["resolution_ns"] for point in shown["points"]} == {10**9}, "of the finest tier"
    path = next((agent.disk / "archive").glob("dies.*.rsa"))
    whole = ctl_json("segment", "dump", path, "--series", "t_ops_total")
    assert shown["points"] == whole["points"]
    signals = agent.ctl("blackbox", "show", "dies", "--host-signals")
    assert signals["header"]["vm_id"] == "dies" and signals["header"]["component"] == "host"
    none = ctl("--socket", agent.socket, "blackbox", "show", "well")
    assert none.returncode == 3 and "the black box has nothing of VM 'well'" in none.stderr


def test_what_is_exported_is_read_without_an_agent(crashed, tmp_path):
    agent, dies = crashed
    files = agent.ctl("blackbox", "export", "dies", "--to", tmp_path)["files"]
    names = [f"dies.{dies.epoch}.rsa", f"dies.{dies.epoch}.host.rsa"]
    assert [os.path.basename(file["path"]) for file in files] == names
    for name in names:
        original = agent.disk / "archive/blackbox" / name
        assert (tmp_path / name).read_bytes() == original.read_bytes()
    assert all(file["valid"] for file in ctl_json("segment", "verify", *[file["path"] for file in files])["files"])
    dumped = ctl_json("segment", "dump", files[0]["path"], "--series", "{}")
    assert dumped["points"] == agent.ctl("blackbox", "show", "dies", "--series", "{}")["points"]
    again = ctl("--socket", agent.socket, "blackbox", "export", "dies", "--to", tmp_path)
    assert again.returncode == 8 and "exists already" in again.stderr


def test_a_folder_is_read_without_an_agent_too(crashed, tmp_path):
    agent, _ = crashed
    folder = tmp_path / "copy"
    shutil.copytree(agent.disk / "archive/blackbox", folder)
    nobody = ("--socket", tmp_path / "no.sock")
    listed = ctl_json(*nobody, "blackbox", "list", "--directory", folder)["files"]
    assert listed == agent.ctl("blackbox", "list")["files"]
    shown = ctl_json(*nobody, "blackbox", "show", "badly", "--directory", folder)
    assert shown["header"]["close_text"] == "no disk"
    assert ctl(*nobody, "blackbox", "show", "nobody", "--directory", folder).returncode == 3
    assert ctl(*nobody, "blackbox", "list").returncode == 4
    victim = next(folder.glob("dies.*.host.rsa"))
    victim.write_bytes(victim.read_bytes()[:-1])
    part = ctl(*nobody, "-o", "json", "blackbox", "list", "--directory", folder)
    assert part.returncode == 5 and victim.name in part.stderr
    assert len(json.loads(part.stdout)["files"]) == 3


def test_a_file_under_another_name_is_told_and_not_taken(crashed, tmp_path):
    agent, _ = crashed
    folder = tmp_path / "copy"
    shutil.copytree(agent.disk / "archive/blackbox", folder)
    moved = next(path for path in folder.glob("dies.*.rsa") if not path.name.endswith(".host.rsa"))
    moved.rename(folder / "renamed.rsa")
    nobody = ("--socket", tmp_path / "no.sock")
    part = ctl(*nobody, "-o", "json", "blackbox", "list", "--directory", folder)
    assert part.returncode == 5 and f"rename it to {moved.name}" in part.stderr
    assert len(json.loads(part.stdout)["files"]) == 3
    assert ctl(*nobody, "blackbox", "export", "dies", "--directory", folder, "--to", tmp_path).returncode == 3
