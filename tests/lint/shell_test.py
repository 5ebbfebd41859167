"""Every shell script of the project passes shellcheck."""

import os
import subprocess
from pathlib import Path

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
SHEBANGS = (b"#!/usr/bin/env bash", b"#!/bin/bash", b"#!/bin/sh")


def shellcheck(*paths: Path) -> subprocess.CompletedProcess:
    follow = ["--external-sources", "--source-path", SOURCE_DIR]
    return subprocess.run(["shellcheck", *follow, *paths], capture_output=True, text=True, check=False)


def scripts() -> list[Path]:
    found = []
    for folder, folders, files in os.walk(SOURCE_DIR):
        # Build folders lie beside the sources; what they hold is generated.
        folders[:] = [name for name in folders if name != ".git" and not name.startswith("build")]
        for path in (Path(folder, name) for name in files):
            if path.is_file() and os.access(path, os.X_OK) and is_shell(path):
                found.append(path)
    return sorted(found)


def is_shell(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.readline(64).startswith(SHEBANGS)


def test_every_script_passes():
    found = scripts()
    assert {SOURCE_DIR / "dev", SOURCE_DIR / ".ci/run"} <= set(found)
    result = shellcheck(*found)
    assert result.returncode == 0, result.stdout


def test_a_planted_mistake_is_found(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nrm -rf $1/tmp\n")
    assert "SC2086" in shellcheck(script).stdout
