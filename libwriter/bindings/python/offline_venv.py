"""Installs the binding as the project's own tests and benchmarks use it: by pip, into a virtual environment, without a network, with the
distribution's setuptools and compiler, and with all that is written below FOLDER.

usage: offline_venv.py FOLDER SCRIPT OUTPUT

Makes the environment, if it is not up to date, and OUTPUT, a program that runs SCRIPT in it.
"""

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
LIBRARY = PACKAGE.parents[1]
PARTS = ("include", "src", PACKAGE.relative_to(LIBRARY))  # of the library, from which the binding is built
SYSTEM_PYTHON = "/usr/bin/python3"  # not one earlier in PATH: packages.list says which version is tried
WARNINGS = "-Wall -Wextra -Wshadow -Werror -Wno-missing-field-initializers"  # Python's own macros leave fields out
LEFT_OUT = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")


def python_of(folder):
    return Path(folder) / "venv/bin/python"


def run(*command):
    """CompletedProcess, with both outputs as one text. No variable or file of the caller's changes what pip does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return subprocess.run(
        [str(word) for word in command],
        env={**kept, "CFLAGS": WARNINGS, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
             "PIP_CONFIG_FILE": os.devnull, "PYTHONNOUSERSITE": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def pip_install(folder, package, *arguments):
    python = python_of(folder)
    return run(python, "-m", "pip", "install", "--no-index", "--no-build-isolation", "--no-deps", *arguments, package)


def copy_library(copy):
    """The path of the package in a copy of all that it is built from: pip builds inside of what it installs."""
    shutil.rmtree(copy, ignore_errors=True)
    for part in PARTS:
        shutil.copytree(LIBRARY / part, copy / part, ignore=LEFT_OUT)
    return copy / PARTS[-1]


def make(folder):
    """A new environment with the binding in it."""
    package = copy_library(folder / "libwriter")
    # The distribution's pip serves the environment, so nothing has to be put into it first.
    made = run(SYSTEM_PYTHON, "-m", "venv", "--clear", "--without-pip", "--system-site-packages", folder / "venv")
    if made.returncode == 0:
        made = pip_install(folder, package)
    if made.returncode != 0:
        raise RuntimeError(f"cannot install the binding; has ./dev setup test been run?\n{made.stdout}")


def install(folder):
    """The folder with the installed module; made anew when one of its sources has changed, has come or has gone."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several may want it at once
        installed = folder / "installed"
        sources = sorted(path for part in PARTS for path in (LIBRARY / part).rglob("*") if path.is_file() and path.suffix != ".pyc")
        made_from = "".join(f"{path} {path.stat().st_mtime_ns}\n" for path in sources)
        if not installed.exists() or installed.read_text(encoding="utf-8") != made_from:
            installed.unlink(missing_ok=True)
            make(folder)
            installed.write_text(made_from, encoding="utf-8")
    (site_packages,) = folder.glob("venv/lib/python3*/site-packages")
    return site_packages


def write_program(folder, script, output):
    python = python_of(folder)
    output.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} {shlex.quote(str(script))} "$@"\n', encoding="utf-8")
    output.chmod(0o755)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        install(sys.argv[1])
        write_program(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), Path(sys.argv[3]))
    except (RuntimeError, OSError) as error:
        sys.exit(f"offline_venv.py: {error}")
