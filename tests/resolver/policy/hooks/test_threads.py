"""
Tests of hooks that are called in threads.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, current_thread
from threading import enumerate as enumerate_

import pytest
from twisted.internet.task import Clock

from tests.patience import PATIENCE
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import CallerFault, Withheld
from twisted_ext.hooks import PASS, Hook, Verdict, answer, hook, refuse
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.policy.hooks.called import CalledHook
from twisted_ext.resolver.policy.hooks.source import HookSource
from twisted_ext.resolver.policy.hooks.threads import THREADS
from twisted_ext.testing.sources import CannedSource, questionOf


class _Reactor(Clock):
    """
    Calls what comes from threads when the test wants it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.came: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        self.came.put(lambda: callable(*args))

    def turn(self) -> None:
        self.came.get(timeout=PATIENCE)()


class _Asking:
    def __init__(self, function: Callable[..., object], **more: object) -> None:
        make: Callable[..., Hook] = Hook
        self.reactor = _Reactor()
        self.called = CalledHook(make(function, threads=True, keep=0, **more), self.reactor, "", "shop.py:decide")
        inner = CannedSource({("www.example", "A"): "192.0.2.80", ("far.example", "A"): "192.0.2.81"}, now=True)
        self.source = HookSource(inner, self.called, self.reactor)
        self.found: list[str] = []

    def ask(self, name: str) -> None:
        def came(result: Answer) -> None:
            self.found.append(f"{name} {result.answer[0].rdatas[0][-1]}")

        asked = lookUp(self.source, questionOf(name), QueryContext(self.reactor.seconds() + 4))
        asked.addCallbacks(came, lambda failure: self.found.append(f"{name} {failure.type.__name__}"))


def test_inThread() -> None:
    """
    The function runs in another thread, and its verdict or its exception comes back.
    """
    threads: list[str] = []

    def decide(name: str) -> Verdict:
        threads.append(current_thread().name)
        if name == "bad.example":
            raise OSError("no database")
        return answer("A 192.0.2.7") if name == "www.example" else PASS

    asking = _Asking(decide, otherwise=refuse())
    for name in ("www.example", "far.example", "bad.example"):
        asking.ask(name)
        assert asking.found[-1:] != [name]
        asking.reactor.turn()
    assert asking.found == ["www.example 7", "far.example 81", f"bad.example {Withheld.__name__}"]
    assert current_thread().name not in threads
    assert asking.called.failures == {"raised": 1}
    asking.called.close()


def test_waits() -> None:
    """
    Ten run at once. One that has taken too long is given up, and those that still wait for a thread are not made at all then.
    """
    free, begun = Event(), SimpleQueue[str]()
    assert not [each for each in enumerate_() if "shop.py" in each.name and not each.daemon]

    def decide(name: str) -> Verdict:
        begun.put(name)
        free.wait(PATIENCE)
        return PASS

    asking = _Asking(decide, otherwise=refuse())
    for number in range(THREADS + 5):
        asking.ask(f"{number}.example")
    names = {begun.get(timeout=PATIENCE) for _ in range(THREADS)}
    assert (len(names), asking.called.waiting, asking.found) == (THREADS, THREADS + 5, [])
    asking.reactor.advance(0.25)
    assert (len(asking.found), asking.called.failures, asking.called.waiting) == (THREADS + 5, {"late": THREADS + 5}, 0)
    free.set()
    for _ in range(THREADS + 5):
        asking.reactor.turn()
    assert begun.empty()
    threads = [each for each in enumerate_() if "shop.py:decide" in each.name]
    assert threads and all(each.daemon for each in threads)
    asking.called.close()
    for each in threads:
        each.join(PATIENCE)
    assert not any(each.is_alive() for each in threads)


def test_closed() -> None:
    """
    The end does not wait for a function that has not returned; its thread ends after it.
    """
    free, returned = Event(), []

    def decide(name: str) -> Verdict:
        free.wait(PATIENCE)
        returned.append(name)
        return PASS

    asking = _Asking(decide)
    asking.ask("www.example")
    asking.reactor.advance(0.25)
    asking.called.close()
    assert (asking.called.waiting, returned) == (0, [])
    free.set()
    asking.reactor.turn()


def test_coroutine() -> None:
    """
    A coroutine function waits without a thread.
    """
    with pytest.raises(CallerFault, match="is a coroutine function, which waits without a thread; leave threads out"):

        @hook(threads=True)
        async def decide(name: str) -> Verdict:
            return PASS
