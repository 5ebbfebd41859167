"""The headers as strangers use them: their language, their warnings, their linker."""

import os
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(os.environ["RINGSIDE_SOURCE_DIR"])
BUILD = Path(os.environ["RINGSIDE_BUILD_DIR"]) / "libwriter"
INCLUDE = SOURCE / "libwriter/include"

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

sanitized = pytest.mark.skipif(
    "-fsanitize" in (BUILD.parent / "build.ninja").read_text(), reason="the library wants a sanitizer's runtime"
)

USE = """
#include <ringside/ringside.h>
#include <stdio.h>

static const rside_metric metrics[] = {
    {.name = "a_total", .kind = RSIDE_COUNTER, .max_series = 1},
    {.name = "b_total", .kind = RSIDE_COUNTER, .flags = RSIDE_METRIC_SHARED, .max_series = 1},
    {.name = "c_total", .kind = RSIDE_COUNTER_F64, .max_series = 1},
    {.name = "d", .kind = RSIDE_GAUGE, .max_series = 1},
    {.name = "e", .kind = RSIDE_LEVEL, .max_series = 1},
    {.name = "f", .kind = RSIDE_HISTOGRAM, .max_series = 1, .histogram_lowest = 1.0, .histogram_highest = 8.0},
};
static const rside_schema schema = {.name = "s", .tiers = rside_default_tiers, .tier_count = 3, .metrics = metrics,
                                    .metric_count = 6};

int main(int argc, char **argv) {
    rside_options options;
    rside_options_init(&options);
    options.vm_id = "vm";
    options.directory = argc > 1 ? argv[1] : 0;
    options.schema = &schema;
    rside_error error;
    rside_segment *segment = 0;
    if (rside_segment_create(&options, &segment, &error) < 0) return fprintf(stderr, "%s\\n", error.text), 1;
    rside_counter_add(rside_counter_register(segment, "a_total", 0, 0, &error), 1);
    rside_shared_counter_add(rside_shared_counter_register(segment, "b_total", 0, 0, &error), 2);
    rside_counter_f64_add(rside_counter_f64_register(segment, "c_total", 0, 0, &error), 3.5);
    rside_gauge_record(rside_gauge_register(segment, "d", 0, 0, &error), 4.5);
    rside_level_set(rside_level_register(segment, "e", 0, 0, &error), 5.5);
    rside_histogram_record(rside_histogram_register(segment, "f", 0, 0, &error), 6.5);
    rside_tick(segment, 1);
    printf("%s\\n", rside_segment_path(segment));
    rside_segment_close(segment, 0, "done");
    return 0;
}
"""


def compile_it(folder: Path, compiler: str, source: str, *options: str) -> subprocess.CompletedProcess:
    file = folder / ("use.c" if compiler == "gcc" else "use.cpp")
    file.write_text(source)
    return subprocess.run(
        [compiler, *options, f"-I{INCLUDE}", "-c", str(file), "-o", str(folder / "use.o")], capture_output=True, text=True
    )


@pytest.mark.parametrize("standard", ["c11", "gnu11", "c17", "gnu2x"])
def test_c_headers_compile_without_a_warning(tmp_path, standard):
    done = compile_it(tmp_path, "gcc", USE, f"-std={standard}", "-O2", *WARNINGS)
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
    source = tmp_path / "use.c"
    source.write_text(USE)
    program = tmp_path / "use"
    subprocess.run(
        ["gcc", "-std=c11", "-O2", f"-I{INCLUDE}", str(source), str(BUILD / "libringside.a"), *link, "-o", str(program)],
        check=True,
    )
    run_in_shm(program)


@sanitized
def test_a_c_program_links_the_shared_library_and_runs(tmp_path):
    source = tmp_path / "use.c"
    source.write_text(USE)
    program = tmp_path / "use"
    command = ["gcc", "-std=c11", "-O2", f"-I{INCLUDE}", str(source), f"-L{BUILD}", "-lringside", "-o", str(program)]
    subprocess.run(command, check=True)
    run_in_shm(program, {"LD_LIBRARY_PATH": str(BUILD)})


def run_in_shm(program: Path, environment: dict[str, str] | None = None) -> None:
    folder = subprocess.run(
        ["mktemp", "-d", "/dev/shm/ringside-test-XXXXXX"], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        done = subprocess.run(
            [str(program), folder], capture_output=True, text=True, env={**os.environ, **(environment or {})}
        )
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()).read_bytes()[:16] == b"RINGSIDE SEGMENT"
    finally:
        subprocess.run(["rm", "-r", folder], check=True)
