"""ringsidectl audit: live VMs, losses, what a person sees, and how it ends. tests/e2e/whole_path_test.py has the audit of
VMs that were drained and pushed, beside the writers' own tallies."""

import contextlib
import http.server
import json
import subprocess
import threading

import pytest

from harness import CTL, DEADLINE_S, Agent, Writer, scratch, wait_until

TIERS = "1x60,2x60"


class Refusing(http.server.BaseHTTPRequestHandler):
    """A receiver that takes nothing, for good."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture()
def place():
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        yield disk, memory, lambda made: stack.enter_context(contextlib.closing(made))


def pushed(agent, vm_id):
    vms = agent.ctl("ls", vm_id)["vms"]
    if not vms:
        return False  # the agent has not yet looked at the folder
    (vm,) = vms
    upstreams = agent.ctl("show", vm_id)["upstreams"]
    return vm["state"] == "drained" and all(upstream["done"] for upstream in upstreams)


def audit(agent, *arguments):
    done = agent.ctl("audit", *arguments, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode


def test_a_live_vm_adds_up_while_it_writes(place):
    disk, memory, keep = place
    agent = keep(Agent(disk, memory))
    writer = keep(Writer(agent.directory, "lives", disk / "writer.log", tiers=TIERS))
    writer.tell("start")
    wait_until("the VM to be seen", lambda: agent.ctl("ls")["vms"])
    wait_until("windows of both tiers", lambda: audit(agent, "lives")[0]["vms"][0]["compared_windows"] > 20)
    for _ in range(20):
        report, code = audit(agent, "lives")
        assert code == 0, report["differences"]
        assert report["vms"][0]["state"] == "running"
        assert report["vms"][0]["archive"] == ""
    tally = writer.tell("pause")["series"]
    report, _ = audit(agent, "lives")
    for series in tally:
        if series["kind"] != "counter":
            continue
        rows = [row for row in report["series"] if row["metric"] == series["metric"] and row["labels"] == series["labels"]]
        assert {row["place"]: row["count"] for row in rows} == {"1s": series["value"], "2s": series["value"]}


def test_losses_are_told_with_their_reason(place):
    disk, memory, keep = place
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/write"
        agent = keep(Agent(disk, memory, "--upstream", f"strict={url}", "--upstream-grace", "500ms"))
        writer = keep(Writer(agent.directory, "refused", disk / "writer.log", tiers=TIERS))
        writer.tell("run 1000")
        writer.close_segment()
        wait_until("the VM to be done with", lambda: pushed(agent, "refused"))
        report, code = audit(agent, "refused")
        assert code == 5
        assert report["vms"][0]["verdict"] == "lossy"
        (upstream,) = report["upstreams"]
        assert upstream["verdict"] == "lost" and upstream["accepted_samples"] == 0
        # Each sample was answered once, and its refusal is on record.
        assert upstream["answered_samples"] == upstream["expected_samples"] > 0 and upstream["digests_equal"]
        assert {loss["reason"] for loss in report["losses"]} <= {"http_403", "several"}
        agent.kill()  # It stands in the cursor's file.
        agent.start()
        again, code = audit(agent, "refused")
        assert code == 5 and again["losses"] == report["losses"]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_damaged_archive_is_told(place):
    disk, memory, keep = place
    agent = keep(Agent(disk, memory))
    writer = keep(Writer(agent.directory, "rots", disk / "writer.log", tiers=TIERS))
    writer.tell("run 1000")
    writer.close_segment()
    wait_until("the drain", lambda: pushed(agent, "rots"))
    assert audit(agent, "rots")[1] == 0
    (file,) = (disk / "archive").glob("rots.*.rsa")
    content = bytearray(file.read_bytes())
    content[len(content) // 4] ^= 1
    file.write_bytes(content)
    report, code = audit(agent, "--all")
    assert code == 5
    assert "checksum" in report["vms"][0]["archive"], report["vms"]


def test_the_table_and_the_mistakes(place):
    disk, memory, keep = place
    agent = keep(Agent(disk, memory))
    writer = keep(Writer(agent.directory, "seen", disk / "writer.log", tiers=TIERS))
    writer.tell("run 1000")

    def ctl(*arguments):
        return subprocess.run([CTL, "--socket", agent.socket, *arguments], capture_output=True, text=True, timeout=DEADLINE_S)

    wait_until("the VM to be seen", lambda: "seen" in ctl("ls").stdout)
    table = ctl("audit", "seen")
    assert table.returncode == 0 and table.stderr == ""
    assert "VERDICT" in table.stdout and "t_ops_total" in table.stdout and "1s" in table.stdout
    assert "t_ops_total" not in ctl("audit", "--all").stdout
    assert "t_ops_total" in ctl("audit", "--all", "--series").stdout
    csv = ctl("-o", "csv", "audit", "seen", "--section", "series").stdout.splitlines()
    assert csv[0].startswith("vm_id,epoch,index,metric,labels,kind,place") and len(csv) > 10
    assert ctl("audit").returncode == 2
    assert ctl("audit", "seen", "--all").returncode == 2
    unknown = ctl("audit", "sean")
    assert unknown.returncode == 3 and "seen" in unknown.stderr
