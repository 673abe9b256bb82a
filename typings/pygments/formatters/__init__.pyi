from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T", str, bytes)

class HtmlFormatter(Generic[_T]):
    def wrap(self, source: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]: ...
