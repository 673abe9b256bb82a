"""
What the package uses of Dask's distributed, most of whose functions have no type annotations.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, Self, TypeVar

_T = TypeVar("_T")

class KilledWorker(Exception): ...

class Future(Generic[_T]):
    status: str
    def result(self) -> _T: ...
    def exception(self) -> BaseException | None: ...
    def release(self) -> None: ...

class _Waited:
    done: set[Future[Any]]

class LocalCluster:
    def __init__(
        self,
        *,
        n_workers: int | None,
        threads_per_worker: int,
        host: str,
        protocol: str,
        security: bool,
        dashboard_address: str | None,
        silence_logs: int,
        local_directory: str,
    ) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

class rpc:
    address: str

class Security:
    @classmethod
    def temporary(cls) -> Security: ...

class Client:
    scheduler: rpc
    def __init__(
        self, address: LocalCluster | str, *, timeout: float = ..., set_as_default: bool = ..., security: Security | None = ...
    ) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def nthreads(self) -> Mapping[str, int]: ...
    def run(self, function: Callable[[], _T], *, workers: Sequence[str], on_error: str) -> dict[str, _T | BaseException]: ...
    def submit(self, function: Callable[..., _T], *arguments: object, pure: bool, retries: int) -> Future[_T]: ...
    def as_current(self) -> AbstractContextManager[Client]: ...

def wait(fs: Sequence[Future[Any]], *, timeout: float, return_when: str) -> _Waited: ...
