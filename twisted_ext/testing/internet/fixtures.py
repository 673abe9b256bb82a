"""
Fixtures for pytest, which finds this module by its entry point wherever the package is installed. Nothing else of the package is imported
before a test asks for a fixture::

    def test_mail(internet, resolver):
        internet.zone("example.org", "@ MX 10 mail\\nmail A 192.0.2.25")
        assert internet.wait(resolver.resolve("example.org", "MX"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from twisted.internet.task import Clock

    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.testing.hooked import HookTester
    from twisted_ext.testing.internet import Internet
    from twisted_ext.testing.network import MemoryNetwork

__all__ = ["clock", "hooked", "internet", "network", "pytest_configure", "resolver"]

_MARKER = "internet(**arguments): the arguments of the Internet that the fixture of that name makes, such as seed=7, signed=False"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def network(request: pytest.FixtureRequest) -> MemoryNetwork:
    """
    An in-memory network (twisted_ext.testing.network), on which packets take 10 ms; that of the fixture internet, if a test uses both.
    """
    from twisted_ext.testing.network import MemoryNetwork

    make: Callable[..., MemoryNetwork] = MemoryNetwork
    made = make(seed=_arguments(request).get("seed", 0))
    made.link.delay = 0.01
    return made


@pytest.fixture
def clock(network: MemoryNetwork) -> Clock:
    """
    The clock of the fixture network, which the test advances by network.advance() or internet.advance().
    """
    return network.clock


@pytest.fixture
def internet(request: pytest.FixtureRequest, network: MemoryNetwork) -> Internet:
    """
    A simulated internet (twisted_ext.testing.internet) without zones of its own.
    """
    from twisted_ext.testing.internet import Internet

    arguments = _arguments(request)
    rtt = arguments.pop("rtt", None)
    if isinstance(rtt, int | float):
        network.link.delay = rtt / 2
    network.recording = False
    make: Callable[..., Internet] = Internet
    return make(network, **arguments)


@pytest.fixture
def resolver(internet: Internet) -> Iterator[NamesResolver]:
    """
    A validating resolver of a client in the fixture internet, which begins at the root. It is closed after the test, which fails if the
    client has anything left open then.
    """
    here = internet.reactor()
    made = internet.resolver(here)
    yield made
    internet.wait(made.close())
    left = here.pending()
    if left:
        pytest.fail(f"left open by the test: {', '.join(left)}", pytrace=False)


@pytest.fixture
def hooked(internet: Internet) -> Iterator[HookTester]:
    """
    Asks servers with hooks, whose upstream resolves names of the fixture internet; see twisted_ext.testing.hooked.
    """
    from twisted_ext.testing.hooked import HookTester

    made = HookTester(internet)
    yield made
    made.close()


def _arguments(request: pytest.FixtureRequest) -> dict[str, object]:
    marker = request.node.get_closest_marker("internet")
    return {} if marker is None else dict(marker.kwargs)
