"""
The writer: takes what processes that answer queries tell, and writes it to all targets.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from twisted_ext.server.features.dnstap.writer.batches import HANDSHAKE, SOCKET
from twisted_ext.server.features.dnstap.writer.messages import Messages
from twisted_ext.server.features.dnstap.writer.streams import FileStream, SocketStream
from twisted_ext.server.features.dnstap.writer.target import Target
from twisted_ext.server.process.recorders.intake import Intake, Report

__all__ = ["TapWriter"]

#: Seconds between two reports to the parent, and after which it learns that a target is not there.
_REPORT: Final = 5.0
_SOON: Final = 0.5


class TapWriter(Intake):
    handshake = HANDSHAKE

    def __init__(self, folder: str, settings: Mapping[str, Any], report: Report) -> None:
        """
        @param settings: C{targets}, each with C{place}, C{way}, C{where}, C{port} and C{name}; C{messages}, C{recurses}, C{identity},
            C{version}, C{size} and C{ca}.
        @param report: called with a line for the parent.

        @raise OSError: the socket cannot be made.
        """
        self._targets: dict[tuple[object, ...], Target] = {}
        # Two for one file at once would spoil it: other sizes and authorities are for targets that are there as well.
        self._settings: Mapping[str, Any] = {}
        # Those that end.
        self._former: list[Target] = []
        # Messages that those have got, or not.
        self._written = self._dropped = 0
        self._reportAt = self._lookAt = 0.0
        self._said: dict[str, str] = {}
        self._folder = folder
        super().__init__(f"{folder}/{SOCKET}", report)
        self.apply(settings)

    def apply(self, settings: Mapping[str, Any]) -> None:
        self._messages = Messages(settings["identity"], settings["version"], settings["messages"], settings["recurses"])
        self._settings = settings
        wanted = {tuple(each): each for each in settings["targets"]}
        for key in [key for key in self._targets if key not in wanted]:
            former = self._targets.pop(key)
            former.end()
            self._former.append(former)
        for key, (place, way, where, port, name) in wanted.items():
            if key not in self._targets:
                if way == "file":
                    self._targets[key] = Target(place, partial(FileStream, where, lambda: int(self._settings["size"])))
                else:
                    self._targets[key] = Target(place, partial(SocketStream, way, where, port, name, lambda: str(self._settings["ca"])))

    def pause(self) -> float:
        return _SOON

    def take(self, batch: object) -> None:
        frames = self._messages.of(batch)
        if frames:
            octets = b"".join(frames)
            for target in self._targets.values():
                target.put(octets, len(frames))

    def look(self) -> None:
        self.tell()
        now = time.monotonic()
        if now < self._lookAt:
            return
        self._lookAt = now + _SOON
        said = {target.place: target.said for target in self._targets.values() if target.said}
        if now >= self._reportAt or said != self._said:
            self._reportAt = now + _REPORT
            self._said = said
            self._report()

    def _report(self) -> None:
        for former in [each for each in self._former if each.isOver()]:
            self._former.remove(former)
            self._written += former.written
            self._dropped += former.dropped
        targets = [*self._targets.values(), *self._former]
        written = self._written + sum([each.written for each in targets])
        dropped = self._dropped + sum([each.dropped for each in targets])
        self.report(json.dumps({"written": written, "dropped": dropped, "said": self._said}))

    def write(self) -> None:
        self.tell()

    def close(self) -> None:
        super().close()
        for target in self._targets.values():
            target.end()
        for target in [*self._targets.values(), *self._former]:
            target.join()
        self._report()
        with suppress(OSError):
            os.rmdir(self._folder)
