"""
Format the steps of a resolution as a tree.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.answers import Answer, Note
from twisted_ext.drawing.palette import Palette
from twisted_ext.resolver.lookup.explain import recordLines
from twisted_ext.resolver.recursive.recording import Recording
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

__all__ = ["TraceTree"]

#: Steps after which another server is asked.
_TROUBLE: Final = ("timed out", "lame", "malformed", "declined", "not sent")


class TraceTree:
    """
    Formats steps as a tree that grows: each query to a zone is a branch, and what it takes to find a server is one below it.
    """

    def __init__(self, began: float, palette: Palette, unicode: bool) -> None:
        self._began = began
        self._palette = palette
        self._fork, self._last, self._bar = ("├─ ", "└─ ", "│  ") if unicode else ("|- ", "`- ", "|  ")
        self._depth = 0

    def heading(self, question: Question) -> str:
        return f"{self._palette.name(nameToText(question.name))} {self._palette.type(typeName(question.rrType))}"

    def line(self, note: Note) -> str:
        """
        Return the line of one step.
        """
        palette = self._palette
        details = dict(note.details)
        if note.source == "recursion":
            depth = details.pop("depth", None)
            self._depth = depth if isinstance(depth, int) else 0
        why = details.pop("why", None)
        at = palette.comment(f"{(note.at - self._began) * 1000:8.1f} ms")
        if note.event == "asking":
            text = f"{palette.name(printable(str(details['zone'])))} for {printable(str(details['name']))} {details['type']}"
            indent = self._bar * self._depth
        else:
            said = ", ".join([f"{key} {value}" for key, value in details.items() if value not in (None, "")])
            event = printable(note.event if note.source in ("recursion", "forward") else f"{note.source} {note.event}")
            event = palette.error(event) if event in _TROUBLE else event
            text = event + (palette.comment(f"  ({printable(said)})") if said else "")
            indent = self._bar * (self._depth + 1)
        return f"{indent}{self._fork}{at}  {text}" + (f": {printable(str(why))}" if why else "")

    def ending(self, recording: Recording) -> list[str]:
        """
        Return the last branch: the result and the records.
        """
        palette = self._palette
        result = recording.result
        at = palette.comment(f"{(recording.ended - recording.began) * 1000:8.1f} ms")
        sent = f"{recording.sent} {'query' if recording.sent == 1 else 'queries'}"
        if not isinstance(result, Answer):
            return [f"{self._last}{at}  {palette.error(printable(f'{type(result).__name__}: {result}'))}, {sent}"]
        lines = [f"{self._last}{at}  {palette.data(result.outcome.value)} {rcodeName(result.rcode)}, {sent}"]
        return lines + [f"   {printable(line)}" for rrset in result.answer for line in recordLines(rrset)]
