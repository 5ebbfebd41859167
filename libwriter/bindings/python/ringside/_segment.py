"""The segment as a context manager."""

from __future__ import annotations

import os
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, Union

from . import _native
from ._schema import Schema

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_Self = TypeVar("_Self", bound="Segment")
_Path = Union[str, "os.PathLike[str]"]

#: The code with which a `with` block closes its segment when an exception leaves it.
EXCEPTION_CODE = 1


def _flags(fork_guard: bool, lock: bool) -> int:
    return (_native.FORK_GUARD if fork_guard else 0) | (_native.LOCK if lock else 0)


class Segment(_native.Segment):
    """One segment that this process writes.

        with ringside.Segment.create(schema, vm_id="vm-7") as segment:
            requests = segment.counter("requests_total", "eth0")
            requests.add()

    The end of the block closes it with code 0, and so does sys.exit(0) in it; an exception that leaves the block, with
    EXCEPTION_CODE and a text that names the exception. `Segment()` is one that was closed before it began: nothing can be registered in it.
    """

    @classmethod
    def create(
        cls: type[_Self],
        schema: Schema,
        *,
        vm_id: str,
        component: str = "",
        directory: _Path = _native.DEFAULT_DIRECTORY,
        tick: bool = False,
        fork_guard: bool = True,
        lock: bool = True,
        mode: int = 0o640,
    ) -> _Self:
        """Makes a segment under `directory`, which lies on a tmpfs, and attaches to it. Raises Error; no file is left then.

        With `tick` the time stands until tick() moves it, else it is the clock's. `fork_guard` keeps forked children out of the
        segment. `lock` holds a lock on the file as a second proof of life.
        """
        self = cls()
        self._create(schema._native(), vm_id, component, directory, tick, _flags(fork_guard, lock), -1, -1, mode)
        return self

    @classmethod
    def attach(
        cls: type[_Self],
        source: _Path | FileDescriptorLike,
        schema: Schema | None = None,
        *,
        tick: bool = False,
        fork_guard: bool = True,
        lock: bool = True,
    ) -> _Self:
        """Attaches to a segment that was provisioned, by path or by a descriptor (or a file object) open for reading and
        writing. Raises Error; the segment is untouched then. With a schema it must be the one that the segment was laid out with."""
        self = cls()
        self._attach(source, None if schema is None else schema._native(), tick, _flags(fork_guard, lock))
        return self

    @staticmethod
    def provision(
        schema: Schema,
        *,
        vm_id: str,
        component: str = "",
        directory: _Path = _native.DEFAULT_DIRECTORY,
        owner: int = -1,
        group: int = -1,
        mode: int = 0o640,
    ) -> str:
        """Lays out a segment for somebody else to attach to, and returns its path. Raises Error; no file is left then."""
        return _native.Segment._provision(schema._native(), vm_id, component, directory, False, 0, owner, group, mode)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # sys.exit(), or sys.exit(0), is an end as planned too.
        if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
            self.close()
            return
        # Whatever the exception says, and if it fails to say it, the close must not fail.
        try:
            said = str(error)
        except Exception:
            said = ""
        name = type(error).__name__
        text = f"{name}: {said}" if said else name
        self.close(EXCEPTION_CODE, text.replace("\0", " ").encode(errors="replace").decode())

    def __del__(self) -> None:
        if not self.closed:
            warnings.warn(f"segment {self.path} was not closed", ResourceWarning, source=self)
            self.close(0, "dropped without a close")
