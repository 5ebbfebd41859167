"""The flags with which the writer library is compiled: who compiles its sources in another build compares with them."""

import os
import re
from pathlib import Path


def missing_flags(path):
    """Those that do not stand, as strings, in the file that builds the sources."""
    build = (Path(os.environ["RINGSIDE_SOURCE_DIR"]) / "libwriter/meson.build").read_text()
    flags = re.findall(r"'(-[^']+)'", re.search(r"ringside_cpp_args = \[(.*?)\]", build, re.DOTALL)[1])
    assert "-fno-exceptions" in flags
    return [flag for flag in [*flags, "-std=c++20", "-fvisibility=hidden"] if f'"{flag}"' not in path.read_text()]
