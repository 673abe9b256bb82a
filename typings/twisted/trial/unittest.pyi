# What is used here of trial's test cases, whose assertions have no types; those that are not named are unittest's.

import unittest
from collections.abc import Callable, Coroutine, Generator, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypedDict, TypeVar, overload

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.python.monkey import MonkeyPatcher

_E = TypeVar("_E", bound=BaseException)
_T = TypeVar("_T")

# Whatever a Deferred is made of.
_Awaited = Deferred[_T] | Coroutine[Deferred[Any], Any, _T] | Generator[Deferred[Any], Any, _T]

class _FailureOf(Failure, Generic[_E]):
    value: _E

class _Raising(Generic[_E]):
    exception: _E
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> bool: ...

class _Warned(TypedDict):
    category: type[Warning]
    message: str
    filename: str
    lineno: int

class SynchronousTestCase(unittest.TestCase):
    # With a function, this gives what it has raised, unlike unittest's.
    @overload  # type: ignore[override]
    def assertRaises(self, exception: type[_E] | tuple[type[_E], ...]) -> _Raising[_E]: ...
    @overload
    def assertRaises(self, exception: type[_E] | tuple[type[_E], ...], f: Callable[..., object], *args: object, **kwargs: object) -> _E: ...
    def assertApproximates(self, first: float, second: float, tolerance: float, msg: object = None) -> float: ...
    def successResultOf(self, deferred: _Awaited[_T]) -> _T: ...
    @overload
    def failureResultOf(self, deferred: _Awaited[Any]) -> Failure: ...
    @overload
    def failureResultOf(self, deferred: _Awaited[Any], *expectedExceptionTypes: type[_E]) -> _FailureOf[_E]: ...
    def assertNoResult(self, deferred: _Awaited[Any]) -> None: ...
    def patch(self, obj: object, attribute: str, value: object) -> MonkeyPatcher: ...
    def flushLoggedErrors(self, *errorTypes: type[BaseException]) -> list[Failure]: ...
    def flushWarnings(self, offendingFunctions: Sequence[Callable[..., object]] | None = None) -> list[_Warned]: ...
    def mktemp(self) -> str: ...
