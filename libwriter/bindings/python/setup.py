"""Builds the extension module with the library inside: the C and C++ sources of libwriter are compiled along with it, so there
is nothing to be found at run time, and the inline record calls are those of this release."""

import re
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parents[1]
INCLUDE = LIBRARY / "include"

# As libwriter/meson.build has them, where the reasons are.
LIBRARY_FLAGS = [
    "-std=c++20", "-O2", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics",
    "-fno-asynchronous-unwind-tables", "-U_FILE_OFFSET_BITS", "-U_FORTIFY_SOURCE",
]  # fmt: skip
NATIVE_FLAGS = ["-std=c11", "-O2", "-fvisibility=hidden"]


def library_version():
    header = INCLUDE / "ringside/ringside.h"
    if not header.is_file():
        raise SystemExit(f"{header} is missing: build the binding inside the source tree of Ringside, or install a wheel")
    return ".".join(re.search(rf"RSIDE_VERSION_{part} (\d+)", header.read_text())[1] for part in ("MAJOR", "MINOR", "PATCH"))


class BuildWithLibrary(build_ext):
    def build_extension(self, extension):
        # By absolute paths, which distutils lays out below build_temp; a path with `..` would leave it.
        sources = sorted(str(path) for path in (LIBRARY / "src").glob("*.cpp"))
        extension.extra_objects = self.compiler.compile(
            sources, output_dir=self.build_temp, include_dirs=[str(INCLUDE)], extra_postargs=LIBRARY_FLAGS
        )
        super().build_extension(extension)


setup(
    version=library_version(),
    ext_modules=[
        Extension(
            "ringside._native",
            sources=[f"native/{name}.c" for name in ("handles", "module", "schema", "segment")],
            # With the library: pip leaves build/ behind, and what is there is linked anew only when one of these is newer.
            depends=["native/native.h", "native/module.map", *map(str, (LIBRARY / "src").glob("*")), *map(str, INCLUDE.rglob("*.h"))],
            include_dirs=[str(INCLUDE)],
            extra_compile_args=NATIVE_FLAGS,
            # nodelete, as the library itself: its fork handlers stay registered. The map keeps this copy of the library apart from
            # another one that the process may have loaded.
            extra_link_args=["-Wl,-z,nodelete", f"-Wl,--version-script={HERE / 'native/module.map'}"],
        )
    ],
    cmdclass={"build_ext": BuildWithLibrary},
)
