"""
The colors of text for terminals.
"""

from __future__ import annotations

__all__ = ["Palette"]


class Palette:
    """
    The colors of the output. With C{on} false the text is returned unchanged.
    """

    __slots__ = ("on",)

    def __init__(self, on: bool) -> None:
        self.on = on

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text

    def comment(self, text: str) -> str:
        return self._paint("2", text)

    def status(self, rcode: str) -> str:
        paint = {"NOERROR": self.good, "NXDOMAIN": self.warning}.get(rcode, self.error)
        return paint(rcode)

    def good(self, text: str) -> str:
        return self._paint("32", text)

    def warning(self, text: str) -> str:
        return self._paint("33", text)

    def name(self, text: str) -> str:
        return self._paint("36", text)

    def type(self, text: str) -> str:
        return self._paint("35", text)

    def data(self, text: str) -> str:
        return self._paint("1", text)

    def error(self, text: str) -> str:
        return self._paint("31;1", text)
