"""
Runs a small internet of signed zones on loopback addresses, then resolves names from its root and proves them (C{make resolve}).

The servers listen on real sockets in this process; C{txdns trace} and C{txdns validate}, each a process of its own, query them as they
would query the servers of the Internet. It needs neither the Internet nor the rights of root.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shlex import join
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from twisted_ext.server.process.jobs.subprocess import spawnModule

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.testing.internet import Internet

__all__ = ["NETWORK", "main", "show", "smallInternet"]

_PORT: Final = 5300

#: Exit codes of the commands.
_OK: Final = 0
_INSECURE: Final = 3
_BOGUS: Final = 4

#: The addresses of the servers: any of 127.0.0.0/8 is this machine.
NETWORK: Final = "127.53.0.0/16"

#: The commands, what they show, and their exit codes.
_STEPS: Final = (
    ("trace", "www.example.org", _OK, "resolve a name from the root, and show each query"),
    ("validate", "www.example.org", _OK, "prove it from the root's key down: secure"),
    ("validate", "nothing.example.org", _OK, "prove that a name does not exist: secure too"),
    ("validate", "www.plain.org", _INSECURE, "prove that a zone is not signed: insecure"),
    ("validate", "www.broken.org", _BOGUS, "find the link of the chain that is broken: bogus"),
)


def smallInternet(now: float) -> Internet:
    """
    Return an internet with a signed zone, one that is not, and one whose signatures have expired.

    @param now: the time at which signatures are made, in seconds since 1970.
    """
    from twisted_ext.testing.internet import Fault, Internet

    internet = Internet(seed=53, start=now, families=(4,), prefix=NETWORK)
    internet.zone("example.org", "www A 192.0.2.80\nwww AAAA 2001:db8::80\n@ MX 10 mail\nmail A 192.0.2.25", nsec3=True)
    internet.zone("plain.org", "www A 192.0.2.81", signed=False)
    internet.zone("broken.org", "www A 192.0.2.82")
    internet.inject(Fault.EXPIRED, "broken.org", name="www.broken.org")
    return internet


async def show(reactor: IReactorTime, internet: Internet, port: int, folder: Path) -> int:
    """
    Run the commands, whose output is that of this process.

    @param folder: where to write the root's hints and anchors, and a drawing.

    @return: an exit code; 1 if a command did not show what it should.
    """
    hints, anchors = folder / "root.hints", folder / "root.key"
    hints.write_text(internet.hints, "utf-8")
    anchors.write_text(internet.anchors, "utf-8")
    options = ["--hints", str(hints), "--port", str(port)]
    print(f"A small internet runs at {len(internet.servers)} addresses of {NETWORK}, port {port}: the root, org. and three zones below it.")
    for word, name, expected, what in _STEPS:
        words = [word, name, *options]
        if word == "validate":
            words += ["--anchor", str(anchors)]
        if expected == _BOGUS:
            words += ["--html", str(folder / "broken.html")]
        print(f"\n# {what}\n$ txdns {join(words)}", flush=True)
        code = await _run(reactor, words)
        if code != expected:
            print(f"make resolve: txdns {word} {name} ended with {code} instead of {expected}", file=sys.stderr)
            return 1
    return _OK


def _run(reactor: object, words: Sequence[str]) -> Deferred[int]:
    """
    Run C{txdns} at this process's terminal. Fires with its exit code, that of shells if a signal ended it.
    """
    from twisted.internet.defer import Deferred
    from twisted.internet.protocol import ProcessProtocol
    from twisted.python.failure import Failure

    ended: Deferred[int] = Deferred()

    class Ending(ProcessProtocol):
        def processEnded(self, reason: Failure) -> None:
            code = getattr(reason.value, "exitCode", None)
            ended.callback(128 + (getattr(reason.value, "signal", None) or 0) if code is None else code)

    spawnModule(reactor, Ending(), "twisted_ext", words, descriptors={0: 0, 1: 1, 2: 2})
    return ended


def _toTry(folder: Path, port: int) -> str:
    options = f"--hints {folder}/root.hints --port {port}"
    description = f"recursive:hints={folder}/root.hints:anchor={folder}/root.key:loopback=yes:port={port}"
    return "\n".join(
        [
            "",
            "The internet keeps running. In another terminal, try:",
            f"    .venv/bin/txdns trace mail.example.org {options}",
            f"    .venv/bin/txdns explain example.org MX @{description}",
            f"In a browser: file://{folder}/broken.html",
            "Ctrl-C ends it.",
        ]
    )


async def _main(reactor: IReactorTime, port: int, stays: bool) -> int:
    from twisted.internet.defer import Deferred
    from twisted.internet.error import CannotListenError
    from twisted.internet.interfaces import IReactorCore

    internet = smallInternet(time.time())
    try:
        internet.listen(reactor, port)
    except CannotListenError as error:
        where = f"{error.interface or '127.0.0.1'}, port {port}"
        print(f"make resolve: {where}: {error.socketError}; another port: make resolve PORT=5400", file=sys.stderr)
        return 1
    with TemporaryDirectory(prefix="internet-") as folder:
        try:
            code = await show(reactor, internet, port, Path(folder))
            if code == _OK and stays:
                print(_toTry(Path(folder), port), flush=True)
                stopping: Deferred[None] = Deferred()
                IReactorCore(reactor).addSystemEventTrigger("before", "shutdown", stopping.callback, None)
                await stopping
            return code
        finally:
            await internet.close()


def main(words: Sequence[str] = ()) -> int:
    """
    Show it all; at a terminal, keep the internet running until Ctrl-C.
    """
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.error import ReactorNotRunning
    from twisted.python.failure import Failure

    text = words[0] if words else str(_PORT)
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        print(f"make resolve: PORT={text}: write a number from 1 to 65535", file=sys.stderr)
        return 1
    stays = sys.stdin.isatty() and sys.stdout.isatty()
    results: list[int | Failure] = []

    def end(result: int | Failure) -> None:
        results.append(result)
        # After a signal it is stopping already.
        with suppress(ReactorNotRunning):
            reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(_main(reactor, int(text), stays)).addBoth(end))
    reactor.run()
    if not results:
        # Ended by a signal, usually Ctrl-C.
        return 128 + (getattr(reactor, "_exitSignal", None) or signal.SIGINT)
    result = results[0]
    if isinstance(result, Failure):
        result.raiseException()
        raise AssertionError("unreachable")
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
