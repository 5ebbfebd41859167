"""The recipes of docs/writer.md for jails, run as they stand there: what a launcher does, and a static VMM that attaches."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from linking import ARCHIVE, BUILD, INCLUDE, SOURCE, sanitized, segment_folder, values_of

RINGSIDECTL = BUILD / "tools/ringsidectl"
DOCUMENT = (SOURCE / "docs/writer.md").read_text()
OWNER = 1234  # as in the recipe

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, and gives a file to another user")


def recipe(name):
    return re.search(rf"^```(?:c|sh) file={re.escape(name)}\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)[1]


def compiled(folder, name, *more):
    source = folder / name
    source.write_text(recipe(name))
    program = folder / source.stem
    subprocess.run(
        ["gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{INCLUDE}", source, *more, "-o", program],
        check=True,
    )
    return program


def test_every_program_and_script_of_the_document_is_run_by_a_test():
    here = ["vmm.c", "jailer.sh", "landlock.c", "descriptor.sh"]
    elsewhere = ["example.c", "example.cpp", "musl.sh"]  # writer_doc_test.py, musl_test.py
    assert sorted(re.findall(r"^```\w+(?: file=(.*))?$", DOCUMENT, re.MULTILINE)) == sorted(here + elsewhere)


@pytest.fixture(name="jail")
def _jail(tmp_path):
    """A folder with nothing in it but the VMM, which needs nothing else."""
    folder = tmp_path / "jail"
    folder.mkdir()
    tmp_path.chmod(0o755)
    folder.chmod(0o755)
    compiled(tmp_path, "vmm.c", "-static", ARCHIVE).rename(folder / "vmm")
    return folder


def run(name, segments, jail, *prefix):
    environment = {
        **os.environ,
        "PATH": f"{RINGSIDECTL}:{os.environ['PATH']}",
        "SEGMENTS": segments,
        "JAIL": str(jail),
        "VMM": str(jail / "vmm"),
    }
    done = subprocess.run([*prefix, "sh", "-eu", "-c", recipe(name)], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def only_segment(segments):
    (path,) = Path(segments).iterdir()
    return path


def check_recorded(segments):
    assert values_of(only_segment(segments)) == (("closed", "guest shut down"), {"vmm_vcpu_failures_total": 1})


@sanitized
@as_root
def test_a_jailed_vmm_records_into_a_file_that_is_mounted_in_its_jail(jail):
    with segment_folder() as segments:
        os.chmod(segments, 0o755)
        run("jailer.sh", segments, jail, "unshare", "--mount")
        check_recorded(segments)
        assert only_segment(segments).stat().st_uid == OWNER


@sanitized
def test_a_vmm_records_through_a_descriptor_of_its_launcher(jail):
    with segment_folder() as segments:
        run("descriptor.sh", segments, jail)
        check_recorded(segments)


@sanitized
def test_a_vmm_attaches_to_the_one_file_that_landlock_leaves_it(jail, tmp_path):
    landlock = compiled(tmp_path, "landlock.c")

    def attach(rule, path):
        done = subprocess.run([landlock, rule, jail / "vmm", path], capture_output=True, text=True)
        if done.returncode == 3:
            pytest.skip(f"this kernel has no Landlock: {done.stderr}")
        return done

    with segment_folder() as segments:
        provision = [RINGSIDECTL / "ringsidectl", "provision", "--schema", "vmm", "--directory", segments, "--vm-id"]
        path, other = (
            subprocess.run([*provision, vm], check=True, capture_output=True, text=True).stdout.strip()
            for vm in ("vm-1", "vm-2")
        )
        refused = attach(path, other)
        assert refused.returncode == 1 and "errno 13" in refused.stderr, refused.stderr
        done = attach(path, path)
        assert (done.returncode, done.stderr) == (0, "")
        assert values_of(path)[1] == {"vmm_vcpu_failures_total": 1}
