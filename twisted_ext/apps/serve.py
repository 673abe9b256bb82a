"""
Runs a local forwarding server with its status page, and prints commands to try against it (C{make serve}).
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final

from twisted_ext._compiled import isCompiled
from twisted_ext.resolver.system.probe import PROBE, reaches
from twisted_ext.server.process.jobs.subprocess import pythonCommand
from twisted_ext.server.process.prepare import prepareProcess

__all__ = ["commandFor", "main", "serve", "told"]

_PORT: Final = 5300

#: The status page's port minus the server's port.
_PAGE: Final = 80

#: A local record of this server, for use without the Internet.
_LOCAL: Final = "www.example.test"


def commandFor(online: bool, port: int = _PORT) -> list[str]:
    page = f"127.0.0.1:{port + _PAGE}"
    words = ["-n", "--pidfile=", "txdns", "--interface", "127.0.0.1", "--port", str(port), "--http", page]
    if not online:
        words += ["--local", f"{_LOCAL} A 192.0.2.80", "--local", f"{_LOCAL} TXT \"no Internet access\""]
    return words


def told(online: bool, port: int = _PORT) -> str:
    name = PROBE if online else _LOCAL
    lines = [""]
    if not online:
        lines += [
            "None of the servers that this machine is configured to use (/etc/resolv.conf) resolves names on the Internet now: queries for",
            f"such names will fail, with the reason in the reply. {_LOCAL} is a local record of the server.",
            "",
        ]
    lines += [
        "In another terminal, try:",
        f"    dig @127.0.0.1 -p {port} {name}",
        f"    .venv/bin/txdns query {name} @127.0.0.1:{port}",
        f"In a browser: http://127.0.0.1:{port + _PAGE}/",
    ]
    if not isCompiled():
        lines.append("It runs uncompiled, as every checkout does. With a C compiler, \"make compiled\" builds a faster installation.")
    lines += [
        "Ctrl-C ends it.",
        "",
    ]
    return "\n".join(lines)


def serve(online: bool, port: int) -> None:
    """
    Turn this process into C{twistd}, and print how to try the server once it listens.
    """
    prepareProcess()
    from twisted.internet import reactor
    from twisted.scripts import twistd

    def tell() -> None:
        # twistd has redirected sys.stdout to its log.
        if sys.__stdout__ is not None:
            print(told(online, port), file=sys.__stdout__, flush=True)

    # twistd binds all ports before it runs the reactor, and exits if that fails.
    reactor.callWhenRunning(tell)
    sys.argv[1:] = commandFor(online, port)
    run: Callable[[], object] = twistd.run
    run()


def main(words: Sequence[str] = ()) -> int:
    """
    Find out whether the machine's servers can resolve names on the Internet, and start the server.
    """
    text = words[0] if words else str(_PORT)
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= 65535 - _PAGE):
        print(f"make serve: PORT={text}: write a number from 1 to {65535 - _PAGE}", file=sys.stderr)
        return 1
    port = int(text)
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    from twisted_ext.resolver.system.configured import System

    found: list[bool] = []

    async def probe() -> None:
        system = System(reactor)
        found.append(await reaches(system, reactor))
        await system.close()

    def end(result: object) -> None:
        if reactor.running:
            reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(probe()).addBoth(end))
    reactor.run()
    if not found:
        # Ended by a signal, usually Ctrl-C.
        return 128 + (getattr(reactor, "_exitSignal", None) or signal.SIGINT)
    print(f"Starting: twistd {shlex.join(commandFor(found[0], port))}", flush=True)
    # A reactor cannot be restarted, so the server needs a new process image.
    program = f"from {__spec__.name if __spec__ else __name__} import serve; serve({found[0]}, {port})"
    os.execv(sys.executable, pythonCommand("-c", program))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
