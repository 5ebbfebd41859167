"""One `meson install` into a folder of its own, shared by the tests that look at what a user gets."""

import os
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(os.environ["RINGSIDE_BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["RINGSIDE_SOURCE_DIR"])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The DESTDIR; the prefix below it is that of the build."""
    destdir = tmp_path_factory.mktemp("destdir")
    subprocess.run(
        ["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", destdir],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return destdir


def find(root, name):
    """The only installed file of that name."""
    found = [path for path in root.rglob(name) if path.is_file() or path.is_symlink()]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def pkg_config(root, *arguments):
    environment = dict(
        os.environ,
        PKG_CONFIG_PATH=str(find(root, "ringside.pc").parent),
        PKG_CONFIG_SYSROOT_DIR=str(root),
    )
    out = subprocess.run(
        ["pkg-config", *arguments, "ringside"], check=True, capture_output=True, text=True, env=environment
    )
    return out.stdout.split()
