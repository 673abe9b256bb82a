"""
A browser that is controlled over a pipe (Chrome DevTools protocol): screens of any width, and measurements within a page.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.patience import PATIENCE
from tests.requirements import missing

__all__ = ["Browsing", "Page", "browserPath", "commandOf"]


class Page(ABC):
    """
    A page of a browser.
    """

    @abstractmethod
    def value(self, expression: str) -> object:
        """
        Return the value of a JavaScript expression within the page.
        """

    def wait(self, drawn: str) -> None:
        """
        Wait until an expression is true.
        """
        end = time.monotonic() + PATIENCE
        while not self.value(f"Boolean({drawn})"):
            assert time.monotonic() < end, f"{drawn} does not become true"
            time.sleep(0.1)


class Browsing(Page):
    """
    A browser with one page. Use it in a C{with} statement, which ends the browser.
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
            # The browser expects these descriptors. Copy first, since one of the numbers may belong to the other pipe.
            first, second = os.dup(theirInput), os.dup(theirOutput)
            os.dup2(first, 3)
            os.dup2(second, 4)

        try:
            # close_fds would close these two.
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
            answer = json.loads(reply)
            if answer.get("id") == self._number:
                if "navigated" in str(answer.get("error")):
                    # What was asked for has led to another page, or came between two: it was done, and there is no value.
                    return {"result": {}}
                assert "result" in answer, answer
                result = answer["result"]
                assert isinstance(result, dict)
                return result

    def screen(self, width: int, height: int = 900, *, phone: bool = False) -> None:
        """
        Set the size of the screen, in pixels.
        """
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def open(self, address: str, drawn: str) -> None:
        """
        Open a page and wait until the expression C{drawn} is true.
        """
        self._call("Page.navigate", url=address)
        self.wait(drawn)

    def value(self, expression: str) -> object:
        """
        Return the value of a JavaScript expression within the page.
        """
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]
        assert isinstance(found, dict)
        return found.get("value")

    def prefer(self, scheme: str) -> None:
        """
        Prefer C{"light"} or C{"dark"} pages.
        """
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def shot(self, path: Path) -> None:
        """
        Write a picture of the screen as PNG.
        """
        data = self._call("Page.captureScreenshot")["data"]
        assert isinstance(data, str)
        path.write_bytes(b64decode(data))

    def press(self, key: str) -> None:
        """
        Press a key: C{"Tab"}, C{"Enter"}, C{"Escape"} or C{"ArrowLeft"}, or one that writes a character.
        """
        code = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37}.get(key, 0)
        text = {"Tab": "", "Enter": "\r", "Escape": "", "ArrowLeft": ""}.get(key, key)
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, text=text, windowsVirtualKeyCode=code)

    def selectAll(self) -> None:
        """
        Press Ctrl-A.
        """
        key = {"key": "a", "code": "KeyA", "modifiers": 2, "windowsVirtualKeyCode": 65}
        self._call("Input.dispatchKeyEvent", type="rawKeyDown", commands=["selectAll"], **key)
        self._call("Input.dispatchKeyEvent", type="keyUp", **key)


def browserPath() -> str:
    """
    Return the path of the browser, or skip the test.
    """
    found = shutil.which("chromium")
    if found is None:
        missing("browser", "no chromium to try the page in: apt install chromium")
    return found


def commandOf(browser: str, folder: Path) -> list[str]:
    """
    Return the command that starts the browser without requests to other hosts.
    """
    return [
        browser,
        *"--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split(),
        *"--disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage".split(),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={folder}",
    ]
