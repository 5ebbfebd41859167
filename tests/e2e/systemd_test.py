"""The units, users and folders as systemd's own checkers see them. Nothing is started."""

import configparser
import re
import subprocess

import pytest

from installed import find, root  # noqa: F401: root is a fixture

UNITS = ["ringside-agent.service", "ringside-bridge-host.service"]
EXPOSURE_MAX = 2.0


def run(*arguments, **options):
    return subprocess.run([str(one) for one in arguments], capture_output=True, text=True, timeout=60, **options)


class Unit(configparser.ConfigParser):
    """A unit file; of a setting that is given twice the last one counts here."""

    def __init__(self, path):
        super().__init__(strict=False, interpolation=None)
        self.optionxform = str
        self.read(path)


@pytest.mark.parametrize("unit", UNITS)
def test_exposure_is_low(root, unit):  # noqa: F811
    done = run("systemd-analyze", "security", "--offline=true", f"--threshold={int(EXPOSURE_MAX * 10)}", "--no-pager",
               find(root, unit))
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert level, done.stdout + done.stderr
    assert float(level.group(1)) <= EXPOSURE_MAX
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", UNITS)
def test_unit_verifies(root, tmp_path, unit):  # noqa: F811
    # The checker wants every program and page to be where the unit says; here they are below the DESTDIR.
    text = find(root, unit).read_text()
    program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE).group(1)
    assert (root / program.lstrip("/")).is_file(), program
    text = text.replace(program, str(root / program.lstrip("/")))
    text = re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE)
    copy = tmp_path / unit
    copy.write_text(text)
    done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copy)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_stopping_the_unit_removes_no_segments(root, unit):  # noqa: F811
    service = Unit(find(root, unit))["Service"]
    assert service["RemoveIPC"] == "no"
    assert service["DynamicUser"] == "no"


def test_agent_has_one_capability(root):  # noqa: F811
    service = Unit(find(root, "ringside-agent.service"))["Service"]
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == "CAP_LEASE"


def test_agent_may_lower_the_priority_of_long_queries(root):  # noqa: F811
    filters = re.findall(r"^SystemCallFilter=(.*)$", find(root, "ringside-agent.service").read_text(), re.M)
    # The later line counts.
    last = [line for line in filters if "setpriority" in line or "@resources" in line][-1]
    assert "setpriority" in last and "sched_setscheduler" in last and not last.startswith("~"), filters


def test_sysusers_makes_the_users_of_the_units(root, tmp_path):  # noqa: F811
    # The folder and the drop-in share the name ringside.conf; sysusers.d is the one with users.
    config = next(root.rglob("sysusers.d/ringside.conf"))
    (tmp_path / "etc").mkdir()
    done = run("systemd-sysusers", f"--root={tmp_path}", config)
    assert done.returncode == 0, done.stderr
    users = {line.split(":")[0] for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    for unit in UNITS:
        assert Unit(find(root, unit))["Service"]["User"] in users


def test_tmpfiles_makes_the_segment_folder_with_its_mode(root, tmp_path):  # noqa: F811
    config = next(root.rglob("tmpfiles.d/ringside.conf"))
    (tmp_path / "etc").mkdir()
    assert run("systemd-sysusers", f"--root={tmp_path}", next(root.rglob("sysusers.d/ringside.conf"))).returncode == 0
    copy = tmp_path / "usr/lib/tmpfiles.d/ringside.conf"
    copy.parent.mkdir(parents=True)
    copy.write_text(config.read_text())
    done = run("systemd-tmpfiles", "--create", f"--root={tmp_path}", "ringside.conf")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "dev/shm/ringside"
    uid = next(int(line.split(":")[2]) for line in (tmp_path / "etc/passwd").read_text().splitlines()
               if line.startswith("ringside:"))
    status = folder.stat()
    assert (oct(status.st_mode & 0o7777), status.st_uid) == (oct(0o3753), uid)
