"""
Names hooks that hold up the server: code that computes for long, or waits without C{await}. No answer is sent meanwhile, so a thread looks.
"""

from __future__ import annotations

import sys
from threading import Event, Thread, get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted_ext.resolver.policy.hooks.called import CalledHook

__all__ = ["HookWatch", "watch"]

_log: Final = Logger(__name__)

#: Seconds for which a hook may run before it is named: clients ask again after one.
_LONG: Final = 0.5

#: Seconds between two looks.
_PAUSE: Final = 0.1


class HookWatch:
    """
    Watches hooks, as long as there are any. To be made and used in the thread of the reactor.
    """

    def __init__(self) -> None:
        self._hooks: tuple[CalledHook, ...] = ()
        self._thread = 0
        self._ends: Event | None = None

    def add(self, hook: CalledHook) -> None:
        if hook in self._hooks:
            return
        self._hooks = (*self._hooks, hook)
        if self._ends is None:
            self._thread, self._ends = get_ident(), Event()
            Thread(target=self._look, args=(self._ends,), name="hooks", daemon=True).start()

    def remove(self, hook: CalledHook) -> None:
        self._hooks = tuple([each for each in self._hooks if each is not hook])
        if not self._hooks and self._ends is not None:
            self._ends.set()
            self._ends = None

    def _look(self, ends: Event) -> None:
        told = 0.0
        while not ends.wait(_PAUSE):
            for hook in self._hooks:
                began = hook.runs
                if began and began != told and perf_counter() - began >= _LONG:
                    told = began
                    place = self._placeOf(hook)
                    text = "hook {name} has held up all answers for {seconds:.1f} s, at {place}; it should await, or compute elsewhere"
                    _log.critical(text, name=hook.name, seconds=perf_counter() - began, place=place)

    def _placeOf(self, hook: CalledHook) -> str:
        """
        Return where the hook is, in its own file if it is in a library.
        """
        frame = last = sys._current_frames().get(self._thread)
        while frame is not None and frame.f_code.co_filename != hook.file:
            frame = frame.f_back
        found = frame or last
        return "an unknown line" if found is None else f"{found.f_code.co_filename}:{found.f_lineno}"


#: That of this process.
watch: Final = HookWatch()
