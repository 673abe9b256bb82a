"""
Live test of compiler processes that hang.
"""

from __future__ import annotations

from typing import cast

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twisted_ext.server.zones.images import compilers
from twisted_ext.server.zones.images.compilers import Compilers, Job, Result

__all__: list[str] = []


@pytest_twisted.ensureDeferred
async def test_hangingCompilersAreKilled(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Two hanging processes are killed one after the other, and one line reports that the zone was not built. Nothing of them is left.
    """
    clock = cast("IReactorTime", reactor)
    ended: list[Failure] = []
    came: Deferred[list[Result]] = Deferred()
    before = compilers._Compiler.processEnded

    def processEnded(self: compilers._Compiler, reason: Failure) -> None:
        ended.append(reason)
        before(self, reason)

    monkeypatch.setattr(compilers._Compiler, "processEnded", processEnded)
    several = Compilers(clock, came.callback, silence=0.1, module="tests.live.zones.silent")
    several.add(Job("/nowhere", [("example.org.", "/zones/example.org")]))
    (result,) = await came
    assert result["name"] == "example.org."
    assert "wrote nothing for 0.1 s" in str(result["complaints"])
    while len(ended) < 2:
        await deferLater(clock, 0.01)
    several.close()
    assert not several.busy
    for reason in ended:
        assert isinstance(reason.value, ProcessTerminated)
        assert reason.value.signal == 9
