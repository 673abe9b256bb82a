"""
A browser that is told what to do over a pipe (the Chrome DevTools protocol): screens of any width, and what a page measures there.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType

__all__ = ["Browsing"]

#: Seconds that a page gets to draw itself.
_PATIENCE = 60.0


class Browsing:
    """
    One browser with one page. Use it in a C{with}: the browser is gone behind it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """
        @param command: the browser and its options.
        """
        self._command = [*command, "--remote-debugging-pipe", "about:blank"]
        self._number = 0
        self._session = ""

    def __enter__(self) -> Browsing:
        theirInput, self._input = os.pipe()
        self._output, theirOutput = os.pipe()

        def place() -> None:
            # Where a browser expects them; with copies first, since one of these numbers may be the other pipe's.
            first, second = os.dup(theirInput), os.dup(theirOutput)
            os.dup2(first, 3)
            os.dup2(second, 4)

        try:
            # Not with close_fds, which would close these two.
            self._process = subprocess.Popen(
                self._command, preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        finally:
            os.close(theirInput)
            os.close(theirOutput)
        self._received = b""
        found = self._call("Target.getTargets")["targetInfos"]
        assert isinstance(found, list)
        (page,) = [each["targetId"] for each in found if each["type"] == "page"]
        session = self._call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        assert isinstance(session, str)
        self._session = session
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        with self._process as process:
            process.terminate()
        os.close(self._input)
        os.close(self._output)

    def _call(self, method: str, **parameters: object) -> dict[str, object]:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._input, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._received:
                octets = os.read(self._output, 65536)
                assert octets, "the browser has ended"
                self._received += octets
            reply, _, self._received = self._received.partition(b"\0")
            said = json.loads(reply)
            if said.get("id") == self._number:
                assert "result" in said, said
                result = said["result"]
                assert isinstance(result, dict)
                return result

    def screen(self, width: int, height: int = 900, *, phone: bool = False) -> None:
        """
        Have a screen of so many pixels.
        """
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def open(self, address: str, drawn: str) -> None:
        """
        Go to a page, and wait until an expression is true there.
        """
        self._call("Page.navigate", url=address)
        end = time.monotonic() + _PATIENCE
        while not self.value(drawn):
            assert time.monotonic() < end, f"{drawn} does not become true"
            time.sleep(0.1)

    def value(self, expression: str) -> object:
        """
        @return: what an expression of JavaScript is worth in the page.
        """
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]
        assert isinstance(found, dict)
        return found.get("value")
