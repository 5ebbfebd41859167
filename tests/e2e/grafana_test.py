"""The files for Grafana: each is what its reader expects, and every query of the dashboard is asked of an agent with VMs that
live, one that is drained, and the host beside them."""

import contextlib
import json
import pathlib
import re
import time
import urllib.parse

import pytest
import yaml

from harness import BRIDGE, BUILD, SOURCE, Agent, Process, http_get, scratch, wait_until

FOLDER = SOURCE / "docs/grafana"
DASHBOARD = json.loads((FOLDER / "dashboards/ringside-host.json").read_text())
DEMO_VMM = BUILD / "tools/demo-vmm/ringside-demo-vmm"

# What Grafana puts in by itself, for a panel of some hundred pixels over the last five minutes.
BUILT_IN = {"$__rate_interval": "4s", "$__interval": "1s", "$__range": "300s"}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel, target) for panel in PANELS for target in panel["targets"]]
VARIABLES = {one["name"]: one for one in DASHBOARD["templating"]["list"] if one["type"] == "query"}


def may_be_empty(expression):
    """Why a query has no answer on this machine, if there is a reason."""
    if "node_pressure_" in expression and not pathlib.Path("/proc/pressure/cpu").exists():
        return "a kernel without pressure stall information"
    if "node_disk_" in expression and not any(pathlib.Path("/sys/block").glob("[!lr]*")):
        return "no disk that is no RAM disk or loop device"
    interfaces = pathlib.Path("/sys/class/net")
    if "node_network_" in expression and {path.name for path in interfaces.glob("*")} <= {"lo", "bonding_masters"}:
        return "no interface but the loopback"
    return None


@pytest.fixture(scope="module")
def agent():
    with scratch() as (disk, memory), contextlib.ExitStack() as stack:
        agent = stack.enter_context(contextlib.closing(Agent(disk, memory, "--scan-interval", "100ms")))
        start = lambda name, *command: stack.enter_context(contextlib.closing(Process(command, disk / f"{name}.log")))  # noqa: E731
        start("host", BRIDGE, "host", "--directory", agent.directory)
        vms = {name: start(name, DEMO_VMM, "--vm-id", name, "--directory", agent.directory) for name in ("vm-1", "vm-2", "vm-3")}
        wait_until("some seconds of each VM", lambda: len(result(agent, 'rate(vmm_vcpu_run_seconds_total[4s])')) >= 3)
        vms["vm-3"].kill()
        wait_until("vm-3 to be drained", lambda: result(agent, 'last_over_time(ringside_vm_info{state="drained"}[5m])'))
        yield agent


def ask(agent, page, **parameters):
    status, body = http_get(agent.url(f"/api/v1/{page}?" + urllib.parse.urlencode(parameters, doseq=True)))
    assert status == 200, (parameters, body)
    return json.loads(body)["data"]


def result(agent, expression):
    return ask(agent, "query", query=expression)["result"]


def chosen(agent):
    """The first value of each variable, asked for as Grafana does: a later one may use those before."""
    values = dict(BUILT_IN)
    for name, variable in VARIABLES.items():
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", substituted(variable["query"]["query"], values)).groups()
        values[f"${name}"] = ask(agent, f"label/{label}/values", **{"match[]": metric})
        assert values[f"${name}"], f"variable {name} has no values"
        values[f"${name}"] = values[f"${name}"][0] if not variable["multi"] else variable["allValue"]
    return values


def substituted(text, values):
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def test_provisioning_files_are_what_grafana_reads():
    source = yaml.safe_load((FOLDER / "datasources/ringside.yaml").read_text())
    assert source["apiVersion"] == 1
    (one,) = source["datasources"]
    assert (one["type"], one["access"], one["uid"]) == ("prometheus", "proxy", "ringside")
    assert one["url"] == "http://127.0.0.1:9465" and one["jsonData"]["httpMethod"] == "POST"
    provider = yaml.safe_load((FOLDER / "dashboards/ringside.yaml").read_text())
    assert provider["apiVersion"] == 1
    assert [one["type"] for one in provider["providers"]] == ["file"]


def test_the_dashboard_is_whole():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids)) and all(isinstance(one, int) and one > 0 for one in ids)
    assert DASHBOARD["uid"] and "id" not in DASHBOARD
    for panel in PANELS:
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEFG"[: len(panel["targets"])]), panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


def test_variables_that_are_used_are_there():
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    known = {name.strip("$") for name in BUILT_IN} | {one["name"] for one in DASHBOARD["templating"]["list"]} | {"__all"}
    assert used <= known, used - known


def test_variables_have_the_values_of_the_vms(agent):
    assert ask(agent, "label/vm_id/values", **{"match[]": 'ringside_vm_up{component=""}'}) == ["vm-1", "vm-2", "vm-3"]
    assert chosen(agent)["$vm"] == "vm-1"


@pytest.mark.parametrize(("panel", "target"), TARGETS, ids=[f"{panel['id']}{target['refId']}" for panel, target in TARGETS])
def test_a_query_of_the_dashboard_has_an_answer(agent, panel, target):
    expression = substituted(target["expr"], chosen(agent))
    assert "$" not in expression, expression
    # What a VM sets now and then may take some seconds to have its first window.
    for _ in range(100):
        now = time.time()
        if target["instant"]:
            answer = ask(agent, "query", query=expression, time=now)["result"]
        else:
            answer = ask(agent, "query_range", query=expression, start=int(now) - 300, end=int(now), step=1)["result"]
        if answer or may_be_empty(expression):
            break
        time.sleep(0.1)
    assert answer or may_be_empty(expression), f"{panel['title']}: {expression}"
    for series in answer:
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert named <= set(series["metric"]), (target["legendFormat"], series["metric"])
