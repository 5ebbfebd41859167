"""Compiles the complete examples of docs/writer.md against an installed library and runs them."""

import re
import shutil
import subprocess
import tempfile

import pytest

from installed import SOURCE, pkg_config, root  # noqa: F401: root is a fixture

COMPILERS = {
    "c": ["gcc", "-std=c11"],
    "cpp": ["g++", "-std=c++20"],
}


def examples():
    text = (SOURCE / "docs/writer.md").read_text()
    return re.findall(r"^```(c|cpp) file=(example\.\S+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def segments():
    folder = tempfile.mkdtemp(prefix="ringside-test-", dir="/dev/shm")
    yield folder
    shutil.rmtree(folder)


def compile_example(root, folder, language, name, source):  # noqa: F811
    path = folder / name
    path.write_text(source)
    program = folder / (name + ".out")
    flags = pkg_config(root, "--cflags", "--libs")
    libraries = next(flag for flag in flags if flag.startswith("-L"))[2:]
    subprocess.run(
        [*COMPILERS[language], "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", path, "-o", program, *flags,
         f"-Wl,-rpath,{libraries}"],
        check=True,
    )
    return program


def test_the_document_has_an_example_in_each_language():
    assert sorted(language for language, _, _ in examples()) == ["c", "cpp"]


@pytest.mark.parametrize("language,name,source", examples())
def test_example_compiles_and_leaves_a_closed_segment(root, tmp_path, segments, language, name, source):  # noqa: F811
    program = compile_example(root, tmp_path, language, name, source)
    out = subprocess.run([program, segments], check=True, capture_output=True, text=True, timeout=60)
    assert out.stderr == ""
    path = re.match(r"(/\S+\.seg)", out.stdout).group(1)
    with open(path, "rb") as segment:
        assert segment.read(16) == b"RINGSIDE SEGMENT"


@pytest.mark.parametrize("language,name,source", examples())
def test_example_goes_on_without_a_segment_folder(root, tmp_path, language, name, source):  # noqa: F811
    program = compile_example(root, tmp_path, language, name, source)
    out = subprocess.run([program, "/dev/shm/ringside-no-such-folder"], check=True, capture_output=True, text=True,
                         timeout=60)
    assert "does not exist" in out.stderr


def test_the_archive_links_into_a_program_without_the_c_library_of_cpp(root, tmp_path):  # noqa: F811
    _, name, source = next(example for example in examples() if example[0] == "c")
    path = tmp_path / name
    path.write_text(source)
    archive = next(root.rglob("libringside.a"))
    program = tmp_path / "static"
    subprocess.run(["gcc", "-std=c11", "-static", "-O2", *pkg_config(root, "--cflags"), path, archive, "-o", program],
                   check=True)
    symbols = subprocess.run(["nm", "--undefined-only", archive], check=True, capture_output=True, text=True).stdout
    assert not re.search(r"\b(_Z\w+|__cxa\w+|__gxx\w+|malloc|free)\b", re.sub(r"_Z\w*ringside\w*", "", symbols))
