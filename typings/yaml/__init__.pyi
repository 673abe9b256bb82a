"""
The part of PyYAML that is used here: events, without the objects that are made of them.
"""

from collections.abc import Iterator

from yaml.events import Event

class YAMLError(Exception): ...

class Mark:
    line: int

class MarkedYAMLError(YAMLError):
    problem: str | None
    problem_mark: Mark | None

class SafeLoader: ...

def parse(stream: str, Loader: type[SafeLoader] = ...) -> Iterator[Event]: ...
