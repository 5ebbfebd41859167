#!/usr/bin/python3
"""Runs clang-tidy over the sources of a build folder, for ./dev lint.

usage: tidy.py BUILD_DIR JOBS [REGEX...]

The compiler's own database does not serve as it is: gcc's precompiled headers stop clang, some of gcc's warnings are
unknown to it, and generated sources are not ours to mend. So a filtered copy is made in BUILD_DIR/tidy.
"""

import json
import re
import sys
from pathlib import Path
from subprocess import run


def filtered(command: str) -> str:
    command = command.removeprefix("ccache ")
    # The precompiled header of a target; each source also names what it needs, so it compiles without.
    command = re.sub(r"-include \S*_pch\.h\b", "", command)
    return command.replace("-fpch-preprocess", "").replace("-Winvalid-pch", "")


def main(argv: list) -> int:
    if len(argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    build, jobs, chosen = Path(argv[1]).resolve(), argv[2], argv[3:]
    source_dir = Path(__file__).resolve().parents[2]
    entries = []
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = (Path(entry["directory"]) / entry["file"]).resolve()
        ours = path.is_relative_to(source_dir) and not path.is_relative_to(build)
        if ours and path.suffix in {".c", ".cpp"}:
            entries.append(entry | {"command": filtered(entry["command"]), "file": str(path)})
    if not entries:
        print("tidy: nothing is compiled in this build folder", file=sys.stderr)
        return 1
    (build / "tidy").mkdir(exist_ok=True)
    (build / "tidy/compile_commands.json").write_text(json.dumps(entries), encoding="utf-8")
    command = ["run-clang-tidy", "-quiet", "-p", build / "tidy", "-j", jobs]
    command += ["-extra-arg=-Wno-unknown-warning-option"] + chosen
    return run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv))
