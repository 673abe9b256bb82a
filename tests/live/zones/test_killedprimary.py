"""
A primary of ours that is killed in the middle of a transfer over TLS (XoT, RFC 9103).
"""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.live.servers.test_serve import put, serialOf, text
from tests.live.twistds import Twistd, wait
from tests.live.zones.encrypting import Files
from tests.live.zones.test_ownsecondaries import settings
from tests.peers import freePort
from tests.server.zones.transfer.overtls import NAME

__all__: list[str] = []

#: Octets of a transfer that pass before the rest is held back.
_PART: Final = 40_000


class _Network(threading.Thread):
    """
    Passes TCP connections on to the primary. What the primary sends is held back after L{_PART} octets once C{holds} is set.

    @ivar held: set when octets are held back.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        self.holds = False
        self.held = threading.Event()
        self._primary = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    primary = socket.create_connection(self._primary)
                except OSError:
                    client.close()
                    continue
                self._open += [client, primary]
                for source, target, isReply in ((client, primary, False), (primary, client, True)):
                    thread = threading.Thread(target=self._copy, args=(source, target, isReply))
                    self._threads.append(thread)
                    thread.start()

    def _copy(self, source: socket.socket, target: socket.socket, isReply: bool) -> None:
        passed = 0
        with suppress(OSError):
            while octets := source.recv(4096):
                if isReply and self.holds:
                    passed += len(octets)
                    if passed > _PART:
                        self.held.set()
                        # The rest arrives here, and no further.
                        continue
                target.sendall(octets)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.join()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._open:
            each.close()


def test_primaryIsKilledInATransfer(tmp_path: Path) -> None:
    """
    The secondary goes on serving the old zone when its primary is killed in the middle of a transfer over TLS, and logs one line. When the
    primary is back, the next refresh gets the new zone.
    """
    files = Files(tmp_path)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    path = put(first, text(1))
    ports = freePort("127.0.0.1"), freePort("127.0.0.1"), freePort("127.0.0.1")
    notified = f'notify = ["127.0.0.1:{ports[1]} key=one.key"]'
    primary = settings(first, f'file = "{path}"', 'allow-transfer = ["key=one.key tls"]', notified)
    primary += ["--tls", f"127.0.0.1:{ports[2]}", "--certificate", files.server]
    with _Network(ports[2]) as network:
        url = f"tls://127.0.0.1:{network.port}#{NAME} ca={files.ca} key=one.key"
        secondary = settings(second, f'primaries = ["{url}"]', 'allow-notify = ["127.0.0.1 key=one.key"]')
        with Twistd(second, *secondary, port=ports[1]) as there:
            with Twistd(first, *primary, port=ports[0]) as here:
                wait(lambda: serialOf(there) == 1, there)
                before = len(there.text())
                network.holds = True
                put(first, text(2, "".join([f"new{number} A 192.0.2.99\n" for number in range(8000)])))
                assert network.held.wait(60), there.text()
                assert here.process is not None
                here.process.send_signal(signal.SIGKILL)
                here.process.wait()
                wait(lambda: "could not be fetched" in there.text()[before:], there)
                assert serialOf(there) == 1
                assert there.ask("h3999.example.org") == ["192.0.2.249"]
            lines = there.text()[before:].splitlines()
            assert len(lines) == 1 and "zone example.org. could not be fetched: 127.0.0.1" in lines[0], lines
            network.holds = False
            # After a failure it takes seconds until a NOTIFY is heeded again.
            with Twistd(first, *primary, port=ports[0]):
                wait(lambda: serialOf(there) == 2, there)
                assert there.ask("new7999.example.org") == ["192.0.2.99"]
