"""
One server of ours for each module.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.encrypted.serving import Encrypted, serving
from tests.live.encrypted.websites import Website

__all__ = ["server", "twoWorkers", "website"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    """
    Start our server.
    """
    with serving(tmp_path_factory.mktemp("encrypted")) as server:
        yield server


@pytest.fixture(scope="module")
def twoWorkers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    """
    Start our server with two processes.
    """
    with serving(tmp_path_factory.mktemp("workers"), "--workers", "2") as server:
        yield server


@pytest.fixture(scope="module")
def website() -> Iterator[Website]:
    """
    Start the web server.
    """
    with Website() as website:
        yield website
