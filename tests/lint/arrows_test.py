"""The arrows between folders: who may include whom. A folder that is not drawn here does not exist.

The build checks the same by link dependencies; this test also sees headers that need no linking, and says which line.
"""

import os
import re
from pathlib import Path

import pytest

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))

# What an #include can reach besides folders of the project.
PUBLIC = "<ringside/*>"  # libwriter/include without format.h
FORMAT = "<ringside/format.h>"  # the byte layout: one reader on the agent's side
PROTO = "generated protobuf headers"
WIRE = "protobuf or gRPC"
HTTP = "an HTTP library"

BELOW_CATALOG = {"agent/base", "agent/segment", "agent/archive", PUBLIC}
BELOW_API = BELOW_CATALOG | {"agent/catalog"}
PROMQL = {"agent/promql/syntax", "agent/promql/value", "agent/promql/engine", "agent/promql/run"}
MIDDLE = {"agent/query", "agent/drain", "agent/upstream", "agent/placement"}

ARROWS = {
    "libwriter/include": {PUBLIC, FORMAT},
    "libwriter/src": {PUBLIC, FORMAT},
    "libwriter/toml": {PUBLIC, FORMAT},
    "libwriter/bindings": {PUBLIC},
    "proto": {WIRE},
    "agent/base": set(),
    "agent/http": {"agent/base", HTTP},
    "agent/segment": {"agent/base", "libwriter/toml", PUBLIC, FORMAT},
    "agent/witness": {"agent/base"},
    "agent/archive": {"agent/base", PUBLIC},
    "agent/catalog": BELOW_CATALOG | {"libwriter/toml"},
    "agent/promql/syntax": {"agent/base"},
    "agent/promql/value": {"agent/base"},
    "agent/promql/engine": {"agent/base", "agent/promql/syntax", "agent/promql/value"},
    "agent/promql/run": {"agent/base", "agent/promql/syntax", "agent/promql/value", "agent/promql/engine"},
    "agent/prometheus": {"agent/base", "agent/http", WIRE} | PROMQL,
    "agent/query": BELOW_API | PROMQL,
    "agent/drain": BELOW_API,
    "agent/upstream": BELOW_API | {PROTO, WIRE, HTTP},
    "agent/placement": BELOW_API,
    "agent/audit": {"agent/base", "agent/upstream"},  # counts again what upstreams have counted
    "agent/api": BELOW_API | MIDDLE | PROMQL | {"agent/audit", "libwriter/toml", PROTO, WIRE, HTTP},
    # main.cpp and what stands beside it
    "agent": BELOW_API | MIDDLE | PROMQL | {"agent/api", "agent/http", "agent/prometheus", "agent/audit", "agent/witness", "libwriter/toml"},
    "tools/ringsidectl": {
        "agent/base",
        "agent/segment",
        "agent/archive",
        "agent/catalog",
        "agent/query",
        "libwriter/toml",
        PUBLIC,
        PROTO,
        WIRE,
    }
    | PROMQL,
    "tools/bridge": {"libwriter/toml", PUBLIC},
    "tools/demo-vmm": {"libwriter/toml", PUBLIC},
}
ROOTS = ("libwriter", "proto", "agent", "tools")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SUFFIXES = {".c", ".h", ".cc", ".cpp", ".hpp"}


def folder_of(path: str) -> str:
    """The folder of ARROWS that owns this path: its longest entry, or nothing."""
    beside = parts = path.split("/")[:-1]
    while parts and "/".join(parts) not in ARROWS:
        parts = parts[:-1]
    if parts == ["agent"] and beside != parts:
        return ""  # `agent` stands for main.cpp alone, not for folders that nobody drew.
    return "/".join(parts)


def target_of(root: Path, source: str, quote: str, name: str) -> str | None:
    """What an include reaches: an entry of the table, None for the outside world, or a `!` and what is wrong."""
    if name.endswith(".pb.h"):
        return PROTO
    if name == "ringside/format.h":
        return FORMAT
    if name.startswith("ringside/"):
        return PUBLIC
    if name.startswith(("google/protobuf/", "grpc/", "grpcpp/")):
        return WIRE
    if name.startswith(("httplib.h", "curl/", "boost/beast/")):
        return HTTP
    if quote == "<":
        return None
    if ".." in name.split("/"):
        return "! has `..` in it: name the file from the root of the project"
    if name.split("/")[0] in ROOTS:
        return folder_of(name) or f"! no folder of the table owns {name}"
    beside = (Path(source).parent / name).as_posix()
    if (root / beside).is_file():
        return folder_of(beside)
    return "! is neither a path from the root of the project nor a file beside this one"


def complaint(root: Path, source: str, quote: str, name: str) -> str | None:
    folder = folder_of(source)
    if not folder:
        return "stands in a folder that the table of arrows does not know"
    target = target_of(root, source, quote, name)
    if target is None:
        if folder == "libwriter/include" and source.endswith(".h") and not name.endswith(".h"):
            return "a public C header reaches the C library and its own kind, nothing else"
        return None
    if target.startswith("!"):
        return target[2:]
    if target == folder or target in ARROWS[folder]:
        return None
    return f"{folder} may not include {target}"


def sources(root: Path) -> list[Path]:
    return sorted(p for r in ROOTS for p in (root / r).rglob("*") if p.suffix in SUFFIXES and p.is_file())


def complaints(root: Path) -> list[str]:
    found = []
    for path in sources(root):
        source = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            match = INCLUDE.match(line)
            if match and (why := complaint(root, source, *match.groups())):
                found.append(f"{source}:{number}: {match[2]}: {why}")
    return found


def test_every_include_follows_an_arrow():
    assert sources(SOURCE_DIR), f"no sources below {SOURCE_DIR}"
    found = complaints(SOURCE_DIR)
    assert not found, "\n" + "\n".join(found)


def test_arrows_only_name_folders_of_the_table():
    outside = {PUBLIC, FORMAT, PROTO, WIRE, HTTP}
    for folder, reaches in ARROWS.items():
        assert reaches <= ARROWS.keys() | outside, folder


def test_arrows_have_no_circle():
    left = {folder: reaches & ARROWS.keys() for folder, reaches in ARROWS.items()}
    while left:
        ready = {folder for folder, reaches in left.items() if not reaches & left.keys()}
        assert ready, f"these include each other in a circle: {sorted(left)}"
        left = {folder: reaches for folder, reaches in left.items() if folder not in ready}


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("agent/segment/reader.cpp", '#include "agent/catalog/vm.h"'),  # up
        ("agent/archive/file.cpp", '#include "agent/segment/snapshot.h"'),  # sideways
        ("agent/segment/reader.cpp", '#include "agent/archive/file.h"'),
        ("agent/query/eval.h", '#  include "agent/drain/step.h"'),
        ("agent/promql/syntax/ast.h", '#include "agent/promql/engine/engine.h"'),
        ("agent/promql/engine/engine.cpp", '#include "agent/catalog/vm.h"'),  # it knows no storage
        ("agent/base/result.h", "#include <ringside/ringside.h>"),
        ("agent/catalog/vm.cpp", "#include <ringside/format.h>"),  # the byte layout has one reader
        ("tools/ringsidectl/dump.cpp", "#include <ringside/format.h>"),
        ("agent/drain/drain.cpp", '#include "ringside/v1/agent.pb.h"'),  # wire types end at api and upstream
        ("agent/query/eval.cpp", "#include <google/protobuf/message.h>"),
        ("agent/catalog/vm.cpp", "#include <curl/curl.h>"),
        ("agent/query/eval.cpp", '#include "libwriter/toml/schema_toml.h"'),
        ("tools/bridge/main.cpp", '#include "agent/base/result.h"'),
        ("tools/bridge/main.cpp", '#include "tools/ringsidectl/table.h"'),
        ("tools/ringsidectl/main.cpp", '#include "agent/api/server.h"'),
        ("agent/query/eval.cpp", '#include "../segment/reader.h"'),  # around the table
        ("agent/query/eval.cpp", '#include "segment/reader.h"'),
        ("agent/newcomer/x.h", '#include "agent/api/server.h"'),
        ("libwriter/include/ringside/ringside.h", "#include <atomic>"),
        ("libwriter/src/create.cpp", '#include "agent/base/result.h"'),
    ],
)
def test_a_planted_bad_include_is_found(tmp_path, source, line):
    (tmp_path / source).parent.mkdir(parents=True)
    (tmp_path / source).write_text(f"#include <string>\n\n{line}\n" if source.endswith("cpp") else f"\n\n{line}\n")
    assert [text.split(":")[:2] for text in complaints(tmp_path)] == [[source, "3"]]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("agent/main.cpp", '#include "agent/api/server.h"'),
        ("agent/api/vms.cpp", '#include "ringside/v1/agent.grpc.pb.h"'),
        ("agent/segment/reader.cpp", "#include <ringside/format.h>"),
        ("agent/archive/file.cpp", "#include <ringside/schema.h>"),
        ("agent/query/eval.cpp", "#include <re2/re2.h>"),
        ("libwriter/include/ringside/ringside.hpp", "#include <string_view>"),
        ("tools/bridge/main.cpp", "#include <ringside/ringside.hpp>"),
    ],
)
def test_a_good_include_passes(tmp_path, source, line):
    (tmp_path / source).parent.mkdir(parents=True)
    (tmp_path / source).write_text(f"{line}\n")
    assert complaints(tmp_path) == []


def test_a_file_beside_may_be_named_alone(tmp_path):
    (tmp_path / "libwriter/src").mkdir(parents=True)
    (tmp_path / "libwriter/src/layout.h").write_text("\n")
    (tmp_path / "libwriter/src/create.cpp").write_text('#include "layout.h"\n')
    assert complaints(tmp_path) == []
