"""The Python binding as a package: its build, its types, its example and its README."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from python_binding import BUILD_DIR, ENVIRONMENT, PACKAGE, SITE_PACKAGES, SOURCE_DIR, dump, header, memory, offline_venv, python  # noqa: E402, F401
from library_flags import missing_flags  # noqa: E402

import ringside  # noqa: E402: python_binding has installed it


def test_the_package_is_what_the_library_is():
    header_text = (SOURCE_DIR / "libwriter/include/ringside/ringside.h").read_text()
    version = ".".join(re.search(rf"RSIDE_VERSION_{part} (\d+)", header_text)[1] for part in ("MAJOR", "MINOR", "PATCH"))
    installed = Path(ringside.__file__).parent
    assert (installed.parent / f"ringside-{version}.dist-info").is_dir()
    assert (installed / "py.typed").exists() and (installed / "_native.pyi").exists()
    (native,) = installed.glob("_native*.so")
    exported = subprocess.run(["nm", "-D", "--defined-only", native], check=True, capture_output=True, text=True).stdout
    assert [line.split()[-1] for line in exported.splitlines()] == ["PyInit__native"]  # another copy stays another
    needed = subprocess.run(["readelf", "-dW", native], check=True, capture_output=True, text=True).stdout
    assert re.findall(r"\(NEEDED\).*\[(.*)\]", needed) == ["libc.so.6"]


def test_the_sources_are_compiled_with_the_flags_of_the_library():
    assert missing_flags(PACKAGE / "setup.py") == []


def test_outside_of_the_tree_the_build_says_what_to_do(tmp_path):
    package = tmp_path / "a/b/python"
    shutil.copytree(PACKAGE, package, ignore=offline_venv.LEFT_OUT)
    done = offline_venv.pip_install(ENVIRONMENT, package, "--target", tmp_path / "out")
    assert done.returncode != 0
    assert "build the binding inside the source tree of Ringside, or install a wheel" in done.stdout


def test_an_update_of_the_tree_is_what_is_installed(tmp_path):
    """pip leaves build/ behind in the tree, and the next install starts from there."""
    package = offline_venv.copy_library(tmp_path / "libwriter")
    changes = [("src/create.cpp", "leave it null for", "Leave it null for"), ("include/ringside/ringside.h", '"/dev/shm/ringside"', '"/dev/shm/Ringside"')]
    for name, (path, old, new) in enumerate([(None, "", ""), *changes]):
        if path:
            source = tmp_path / "libwriter" / path
            assert old in source.read_text()
            source.write_text(source.read_text().replace(old, new))
            os.utime(source, (time.time() + 1,) * 2)  # setuptools compares whole seconds
        done = offline_venv.pip_install(ENVIRONMENT, package, "--target", tmp_path / str(name))
        assert done.returncode == 0, done.stdout
        (native,) = (tmp_path / str(name) / "ringside").glob("_native*.so")
        assert new.strip('"').encode() in native.read_bytes(), path


def test_the_environment_is_made_anew_for_each_change_of_the_sources(tmp_path, monkeypatch):
    made = []

    def make(folder):
        made.append(folder)
        (folder / "venv/lib/python3.0/site-packages").mkdir(parents=True, exist_ok=True)

    offline_venv.copy_library(tmp_path / "libwriter")
    monkeypatch.setattr(offline_venv, "LIBRARY", tmp_path / "libwriter")
    monkeypatch.setattr(offline_venv, "make", make)
    source = tmp_path / "libwriter/src/create.cpp"
    for change in (lambda: None, source.unlink, source.touch, lambda: os.utime(source, (1, 1))):
        change()
        made.clear()
        for _ in range(2):
            offline_venv.install(tmp_path / "environment")
        assert made == [tmp_path / "environment"]


def test_a_configuration_of_the_caller_changes_no_install(tmp_path, monkeypatch):
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip/pip.conf").write_text("[install]\nuser = true\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    python = offline_venv.python_of(ENVIRONMENT)
    assert "user" not in offline_venv.run(python, "-m", "pip", "config", "list").stdout
    assert offline_venv.run(python, "-c", "import site; print(site.ENABLE_USER_SITE)").stdout == "False\n"


def mypy(*arguments):
    """What `mypy --strict` says, with the installed module before its eyes."""
    command = ["/usr/bin/mypy", "--strict", "--cache-dir", BUILD_DIR / "mypy", "--python-executable", offline_venv.python_of(ENVIRONMENT)]
    return offline_venv.run(*command, *arguments).stdout


def test_the_types_hold():
    said = mypy(PACKAGE / "ringside", PACKAGE / "examples/bridge.py", PACKAGE / "conformance/driver.py", SOURCE_DIR / "bench/bindings/python_bench.py")
    assert "Success: no issues found" in said, said


def test_the_stub_is_what_the_extension_module_has():
    program = f"import sys; sys.path.insert(0, {str(SITE_PACKAGES)!r}); from mypy.stubtest import main; sys.exit(main())"
    done = offline_venv.run(offline_venv.SYSTEM_PYTHON, "-c", program, "ringside._native")
    assert done.returncode == 0, done.stdout


def test_a_slip_in_a_program_is_a_type_error():
    slips = ["ringside.Gauge().add(1)", "ringside.Counter().add(1.5)", "ringside.Segment().counter(1)",
             "ringside.Segment.create(ringside.Schema('s', []))", "ringside.Metric('a', 1)"]  # fmt: skip
    said = mypy("-c", "\n".join(["import ringside", *slips]))
    assert re.findall(r"^<string>:(\d+): error", said, re.MULTILINE) == ["2", "3", "4", "5", "6"], said


def test_the_example_records_what_it_reads(memory):
    out, err = python("-W", "error", PACKAGE / "examples/bridge.py", memory, "0.2")
    assert err == ""
    points = {(point["metric"], *point["labels"].values()): point for point in dump(out.strip())["points"]}
    assert points["host_context_switches_total",]["value"] < 10**9
    assert points["host_processes_running",]["last"] >= 1
    assert points["bridge_read_seconds",]["count"] >= 1 and points["bridge_read_seconds",]["sum"] > 0
    head = header(out.strip())
    assert (head["component"], head["state"], head["close_code"]) == ("proc_stat", "closed", 0)


def test_the_example_goes_on_without_a_segment_folder(memory):
    out, err = python(PACKAGE / "examples/bridge.py", memory / "missing", "0.2")
    assert out == "" and "no metrics:" in err and "does not exist" in err


def test_the_readme_runs(memory):
    """Its snippets one after the other, as one program; the second one inside the block of the first."""
    first, second = re.findall(r"^```python\n(.*?)^```", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    names = {"directory": str(memory)}
    exec(first + "".join(f"    {line}" for line in second.splitlines(keepends=True)), names)  # noqa: S102
    assert names["segment"].closed and not names["packets"]  # registered twice: the second time is refused
    points = {point["metric"]: point for point in dump(names["segment"].path)["points"]}
    assert points["router_packets_total"]["value"] == 3 and points["router_queue_depth"]["last"] == 17
    assert points["router_forward_seconds"]["sum"] == 0.000120
