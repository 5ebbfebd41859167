"""What goes wrong in set-up. In a module of its own, for the extension module to find it before the rest is there."""


class Error(Exception):
    """Set-up failed: a segment could not be made or attached to, or a series not be registered.

    `errno` is a number of the module errno, `text` a sentence that names what was wrong and the next step.
    """

    errno: int
    text: str

    def __init__(self, errno: int, text: str) -> None:
        super().__init__(errno, text)
        self.errno = errno
        self.text = text

    def __str__(self) -> str:
        return self.text
