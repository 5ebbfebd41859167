#!/usr/bin/python3
"""Runs the distribution's Go on the package beside this file: offline, with everything that it makes inside the build folder,
against the library and the headers of this tree.

usage: go_tool.py build PROGRAM OUTPUT    builds one of internal/cmd, if that is not up to date, and copies it
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[3]))
BUILD_DIR = Path(os.environ.get("RINGSIDE_BUILD_DIR", SOURCE_DIR / "build"))
PACKAGE = Path(__file__).resolve().parent
ARCHIVE = BUILD_DIR / "libwriter/libringside.a"
OUT = BUILD_DIR / "go"
GO = "/usr/bin/go"  # not one earlier in PATH: packages.list says which version is tried

STATIC = "ringside_static"  # links the archive
ATOMIC = "ringside_static,ringside_atomic"  # with the stores of other processors


HEADERS = sorted((SOURCE_DIR / "libwriter/include").rglob("*.h"))


def library():
    """A number for the headers and the archive as they are. Go does not see that files outside of a package change: with this
    among the flags of the compiler it does not take what it kept from another library."""
    digest = hashlib.sha256()
    for file in [*HEADERS, ARCHIVE]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def environment(**more):
    """The variables of a run of Go; `more` has the last word."""
    for folder in ("cache", "path", "tmp", "bin"):
        (OUT / folder).mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO_"))}
    return {
        **kept,
        "HOME": str(OUT),
        "GOENV": "off",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod -buildvcs=false",
        "GOCACHE": str(OUT / "cache"),
        "GOPATH": str(OUT / "path"),
        "GOTMPDIR": str(OUT / "tmp"),
        "TMPDIR": str(OUT / "tmp"),
        "CC": "/usr/bin/gcc",
        "CGO_ENABLED": "1",
        "CGO_CFLAGS": f"-O2 -I{SOURCE_DIR}/libwriter/include -DRINGSIDE_LIBRARY_{library()}",
        "CGO_LDFLAGS": f"-L{ARCHIVE.parent}",
        **more,
    }


def go(*arguments, folder=PACKAGE, **more):
    """CompletedProcess of `go ARGUMENT...` in the package or another folder, with `more` variables."""
    command = [GO, *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment(**more), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def build(program, tags=STATIC):
    """The path of internal/cmd/PROGRAM, built again only when something that it is made from has changed, has come or has gone."""
    path = OUT / "bin" / (program + "".join(f"-{tag}" for tag in tags.split(",") if tag != STATIC))
    environment()  # for the folder
    with open(path.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests may want it at once
        sources = [ARCHIVE, Path(__file__), *HEADERS, *sorted(PACKAGE.rglob("*.go"))]
        made_from = "".join(f"{source} {source.stat().st_mtime_ns}\n" for source in sources)
        stamp = path.with_suffix(".sources")
        if not path.exists() or not stamp.exists() or stamp.read_text(encoding="utf-8") != made_from:
            stamp.unlink(missing_ok=True)
            # The new file appears whole: another test may be about to run the old one.
            done = go("build", "-tags", tags, "-o", f"{path}.new", f"./internal/cmd/{program}")
            if done.returncode != 0:
                raise RuntimeError(f"cannot build {program}; is golang-go installed (./dev setup test)?\n{done.stderr}")
            os.rename(f"{path}.new", path)
            stamp.write_text(made_from, encoding="utf-8")
    return path


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] != "build":
        sys.exit(__doc__)
    try:
        shutil.copy(build(sys.argv[2]), sys.argv[3])
    except (RuntimeError, OSError) as error:
        sys.exit(f"go_tool.py: {error}")
