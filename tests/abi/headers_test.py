"""The headers as strangers use them: their language, their warnings, their linker."""

import subprocess
from pathlib import Path

import pytest

from linking import ARCHIVE, INCLUDE, RECORDER, check_recorder, sanitized

WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wshadow",
    "-Wcast-align",
    "-Wcast-qual",
    "-Wundef",
    "-Wfloat-conversion",
    "-Werror",
]
C_HEADERS = ["ringside/format.h", "ringside/schema.h", "ringside/ringside.h"]


def compile_it(folder: Path, compiler: str, source: str, *options: str) -> subprocess.CompletedProcess:
    file = folder / ("use.c" if compiler == "gcc" else "use.cpp")
    file.write_text(source)
    return subprocess.run(
        [compiler, *options, f"-I{INCLUDE}", "-c", str(file), "-o", str(folder / "use.o")], capture_output=True, text=True
    )


@pytest.mark.parametrize("standard", ["c11", "gnu11", "c17", "gnu2x"])
def test_c_headers_compile_without_a_warning(tmp_path, standard):
    done = compile_it(tmp_path, "gcc", RECORDER.read_text(), f"-std={standard}", "-O2", *WARNINGS)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("standard", ["c++17", "c++20", "gnu++2b"])
def test_cpp_header_compiles_without_a_warning(tmp_path, standard):
    source = "#include <ringside/ringside.hpp>\nint main() { ringside::Segment segment; return segment ? 1 : 0; }\n"
    done = compile_it(tmp_path, "g++", source, f"-std={standard}", "-O2", *WARNINGS)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("compiler,standard", [("gcc", "c11"), ("g++", "c++17")])
@pytest.mark.parametrize("header", C_HEADERS)
def test_each_header_stands_alone_and_twice(tmp_path, header, compiler, standard):
    source = f"#include <{header}>\n#include <{header}>\nextern int nothing;\n"
    done = compile_it(tmp_path, compiler, source, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", [["-fno-exceptions", "-fno-rtti"], ["-O0"], ["-O3", "-march=native"]])
def test_cpp_header_compiles_as_vmms_are_built(tmp_path, options):
    source = "#include <ringside/ringside.hpp>\nint main() { return 0; }\n"
    done = compile_it(tmp_path, "g++", source, "-std=c++20", *options, "-Werror")
    assert done.returncode == 0, done.stderr


@sanitized
@pytest.mark.parametrize("link", [["-static"], ["-static-pie", "-fPIE"], []])
def test_a_c_program_links_the_static_library_and_runs(tmp_path, link):
    """With the C compiler's driver, so that a need for the C++ library would not link."""
    program = tmp_path / "recorder"
    subprocess.run(["gcc", "-std=c11", "-O2", f"-I{INCLUDE}", RECORDER, ARCHIVE, *link, "-o", program], check=True)
    check_recorder(program)


@sanitized
def test_a_program_that_is_linked_as_cpp_needs_no_cpp_library(tmp_path):
    program = tmp_path / "recorder"
    compiled = tmp_path / "recorder.o"
    subprocess.run(["gcc", "-std=c11", "-O2", f"-I{INCLUDE}", "-c", RECORDER, "-o", compiled], check=True)
    # What newer compilers call -nostdlib++.
    libraries = ["-nodefaultlibs", "-Wl,--start-group", "-lc", "-lgcc", "-lgcc_eh", "-Wl,--end-group"]
    subprocess.run(["g++", "-static", compiled, ARCHIVE, *libraries, "-o", program], check=True)
    check_recorder(program)


@sanitized
def test_a_program_whose_compiler_knows_no_nan_rejects_it_all_the_same(tmp_path):
    program = tmp_path / "recorder"
    subprocess.run(["gcc", "-std=c11", "-O2", "-ffast-math", f"-I{INCLUDE}", RECORDER, ARCHIVE, "-o", program], check=True)
    check_recorder(program)


@sanitized
def test_a_c_program_links_the_shared_library_and_runs(tmp_path):
    program = tmp_path / "recorder"
    folder = ARCHIVE.parent
    command = ["gcc", "-std=c11", "-O2", f"-I{INCLUDE}", RECORDER, f"-L{folder}", "-lringside", "-o", program]
    subprocess.run(command, check=True)
    check_recorder(program, {"LD_LIBRARY_PATH": str(folder)})
