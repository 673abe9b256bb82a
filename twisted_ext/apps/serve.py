"""
What C{make serve} runs: a forwarding server of one's own on this machine, with its status page, and what to type to see it answer.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.server.processes.children import pythonCommand
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

__all__ = ["commandFor", "main", "reaches", "told"]

_PORT: Final = 5300
_PAGE: Final = "127.0.0.1:5380"

#: Known to every server of the internet.
_PROBE: Final = "www.python.org"

#: Known to our own server where there is no internet.
_LOCAL: Final = "www.example.test"

#: Seconds that the system's servers get to show that they are there.
_PATIENCE: Final = 3.0


async def reaches(source: IAnswerSource, reactor: IReactorTime) -> bool:
    """
    @return: whether this source knows the internet.
    """
    question = Question(nameFromText(_PROBE), A)
    context = QueryContext(reactor.seconds() + _PATIENCE)
    try:
        answer = source.answerNow(question, context) or await source.answer(question, context)
    except DNSFault:
        return False
    return answer.outcome is Outcome.DATA


def commandFor(online: bool) -> list[str]:
    """
    @return: the words of the command that serves, the first one left out, which is C{twistd}.
    """
    words = ["-n", "--pidfile=", "txdns", "--interface", "127.0.0.1", "--port", str(_PORT), "--http", _PAGE]
    if not online:
        words += ["--local", f"{_LOCAL} A 192.0.2.80", "--local", f"{_LOCAL} TXT \"there is no internet here\""]
    return words


def told(online: bool) -> str:
    """
    @return: what is going to be started, and how to try it.
    """
    name = _PROBE if online else _LOCAL
    lines = [f"This starts: twistd {shlex.join(commandFor(online))}", ""]
    if not online:
        lines += [
            "No server that this machine is configured to use (/etc/resolv.conf) knows the internet at the moment: names of it will fail,",
            f"with the reason in the reply. {_LOCAL} is known to the server itself.",
            "",
        ]
    lines += [
        "In another terminal, try:",
        f"    dig @127.0.0.1 -p {_PORT} {name}",
        f"    .venv/bin/txdns query {name} @127.0.0.1:{_PORT}",
        f"In a browser: http://{_PAGE}/",
        "Ctrl-C ends it.",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """
    @return: an exit code, where it has not become the server.
    """
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    from twisted_ext.resolver.discovering import System

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
        # A signal, mostly that of Ctrl-C, has ended it.
        return 128 + (getattr(reactor, "_exitSignal", None) or signal.SIGINT)
    print(told(found[0]), flush=True)
    twistd = "from twisted.scripts.twistd import run; run()"
    os.execv(sys.executable, pythonCommand("-c", twistd, *commandFor(found[0])))


if __name__ == "__main__":
    sys.exit(main())
