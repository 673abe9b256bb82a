"""
Run the fragments of a page in one program.

    python tests/docs/inline.py

Standard input has a JSON list of pieces of code. They run in turn in one initially empty namespace, on a reactor over an asyncio loop.
C{await} may be used anywhere. Errors are printed, a line for each piece.
"""

from __future__ import annotations

import ast
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from types import CodeType
from typing import Final, cast

from twisted.internet import asyncioreactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore

__all__ = ["run"]

#: Names of functions in the pages that undo an installation.
_UNDOING: Final = ("undo", "uninstall")


async def _play(blocks: list[str]) -> list[str]:
    namespace: dict[str, object] = {"__name__": "__main__"}
    wrong: list[str] = []
    for block in blocks:
        try:
            code: CodeType = compile(block, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            waiting: object = eval(code, namespace)
            if asyncio.iscoroutine(waiting):
                await Deferred.fromCoroutine(cast("Coroutine[Deferred[object], object, object]", waiting))
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error} in {block!r}")
        for name in _UNDOING:
            undo = namespace.pop(name, None)
            if callable(undo):
                undo()
    return wrong


def run(blocks: list[str]) -> list[str]:
    """
    Return the errors.
    """
    install: Callable[[asyncio.AbstractEventLoop], None] = asyncioreactor.install
    install(asyncio.new_event_loop())
    from twisted.internet import reactor

    core = cast(IReactorCore, reactor)
    wrong: list[str] = []

    def began() -> None:
        def ended(found: object) -> None:
            wrong.extend(found if isinstance(found, list) else [str(found)])
            core.stop()

        Deferred.fromCoroutine(_play(blocks)).addBoth(ended)

    core.callWhenRunning(began)
    core.run()
    return wrong


if __name__ == "__main__":
    sys.stdout.writelines([f"{line}\n" for line in run(json.load(sys.stdin))])
