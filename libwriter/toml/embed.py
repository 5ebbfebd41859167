"""Writes standard_schemas.cpp: the text of each schema file as a string constant named after the file."""

import sys
from pathlib import Path

HEAD = """// Generated from {names}.
#include "libwriter/toml/standard_schemas.h"

#include <array>

namespace ringside::schemas {{
"""
DELIMITER = "ringside_toml"


def main(out: str, *paths: str) -> None:
    texts = {Path(path).stem: Path(path).read_text(encoding="utf-8") for path in sorted(paths)}
    cpp = HEAD.format(names=", ".join(Path(path).name for path in sorted(paths)))
    for name, text in texts.items():
        if f"){DELIMITER}\"" in text:
            sys.exit(f"{name}: the text has the end of the string literal in it")
        cpp += f'\nconstexpr std::string_view {name}_toml = R"{DELIMITER}({text}){DELIMITER}";\n'
    cpp += f"\nstatic constexpr std::array<Standard, {len(texts)}> standard_schemas = {{{{\n"
    for name in texts:
        cpp += f'    {{"{name}", {name}_toml}},\n'
    cpp += "}};\n\nstd::span<const Standard> all() noexcept { return standard_schemas; }\n\n"
    cpp += "}  // namespace ringside::schemas\n"
    Path(out).write_text(cpp, encoding="utf-8")


main(*sys.argv[1:])
