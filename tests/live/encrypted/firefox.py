"""
Firefox without a window, driven by its Marionette protocol.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from tests.live.encrypted.namespaces import withFiles
from tests.patience import PATIENCE
from tests.peers import freePort, peer

__all__ = ["Firefox"]

#: No requests to other hosts.
_QUIET: Final[Mapping[str, object]] = {
    "app.update.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.provider.mozilla.updateURL": "",
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "",
}


class Firefox:
    """
    A running browser. Leaving ends it.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, object], environment: Mapping[str, str], files: Mapping[str, str] | None = None
    ) -> None:
        """
        @param folder: its profile.
        @param settings: its preferences.
        @param files: files in C{/etc} that only it sees.
        """
        self._files = dict(files or {})
        self._folder = folder
        self._port = freePort("127.0.0.1")
        self._settings = {**_QUIET, "marionette.port": self._port, **settings}
        self._environment = dict(environment)
        self._cleaning = ExitStack()
        self._connection: socket.socket | None = None
        self._stream: IO[bytes] | None = None
        self._number = 0

    def __enter__(self) -> Self:
        program = peer("firefox-esr")
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in self._settings.items()]
        (self._folder / "user.js").write_text("".join(lines))
        command = [str(program), "--headless", "--no-remote", "--marionette", "--profile", str(self._folder)]
        if self._files:
            command = withFiles(self._folder, self._files, command)
        process = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self._cleaning.callback(self._end, process)
        try:
            self._connect(process)
        except BaseException:
            self._cleaning.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._cleaning.close()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        # Its other processes are in the same group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _connect(self, process: subprocess.Popen[bytes]) -> None:
        giveUp = time.monotonic() + PATIENCE
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
                break
            except OSError:
                assert process.poll() is None, f"Firefox ended with {process.returncode}"
                assert time.monotonic() < giveUp, "Firefox does not listen"
                time.sleep(0.05)
        self._connection = self._cleaning.enter_context(connection)
        self._stream = self._cleaning.enter_context(connection.makefile("rb"))
        self._read()
        self._call("WebDriver:NewSession", {})

    def _read(self) -> object:
        assert self._stream is not None
        length = b""
        while not length.endswith(b":"):
            octet = self._stream.read(1)
            assert octet, "Firefox has ended"
            length += octet
        return json.loads(self._stream.read(int(length[:-1])))

    def _call(self, method: str, parameters: Mapping[str, object]) -> tuple[object, object]:
        """
        @return: the error and the result.
        """
        assert self._connection is not None
        self._number += 1
        octets = json.dumps([0, self._number, method, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(octets), octets))
        reply = self._read()
        assert isinstance(reply, list)
        return reply[2], reply[3]

    def load(self, url: str) -> str:
        """
        Load a page.

        @return: its text, or why it was not loaded.
        """
        error, _ = self._call("WebDriver:Navigate", {"url": url})
        if error is not None:
            assert isinstance(error, dict)
            return f"error: {error.get('message')}"
        _, result = self._call("WebDriver:ExecuteScript", {"script": "return document.body.textContent", "args": []})
        assert isinstance(result, dict)
        return str(result.get("value"))
