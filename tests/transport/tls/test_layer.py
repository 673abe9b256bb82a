"""
Tests of what is left of connections over TLS.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from OpenSSL import SSL
from twisted.protocols.tls import TLSMemoryBIOProtocol

from tests.transport.tls.chains import ADDRESS, NAME, TRANSPORTS, Rig, Shown
from tests.transport.tls.test_matrix import leaf, root
from twisted_ext.transport.tls.layer import TLSLayer
from twisted_ext.transport.tls.terms import TLSTerms


class Watch:
    """
    Watches the connections of OpenSSL that a client makes.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._all: list[weakref.ref[SSL.Connection]] = []
        connection = TLSTerms.connection

        def connecting(terms: TLSTerms) -> SSL.Connection:
            made = connection(terms)
            self._all.append(weakref.ref(made))
            return made

        monkeypatch.setattr(TLSTerms, "connection", connecting)

    @property
    def made(self) -> int:
        return len(self._all)

    @property
    def left(self) -> int:
        """
        The number of those that still exist.
        """
        return len([each for each in self._all if each() is not None])


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    gc.collect()
    gc.disable()
    try:
        yield Watch(monkeypatch)
    finally:
        gc.enable()


@pytest.mark.parametrize("transport", ["tls", "https"])
@pytest.mark.parametrize("how", ["closed", "wrong certificate", "reset"])
def test_nothingWaitsForTheGarbageCollector(how: str, transport: str, watch: Watch, tmp_path: Path) -> None:
    """
    The buffers of a connection are released at its end, without the garbage collector: a client may have thousands.
    """
    rig = Rig(tmp_path)
    ca = rig.write("ca.pem", root().certificate)
    rig.serve(transport, Shown([leaf(root())]))
    name = "other.example" if how == "wrong certificate" else NAME
    if how == "reset":
        rig.network.clock.callLater(0.03, _reset, rig)
    for _ in range(3):
        rig.look(f"{TRANSPORTS[transport].format(address=ADDRESS, name=name)}:ca={ca}", 2.0)
    assert (watch.made, watch.left) == (3, 0)


@pytest.mark.parametrize("transport", ["tls", "https"])
def test_withoutTheLayerTheyWait(transport: str, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Twisted's own layer leaves a reference cycle.
    """
    monkeypatch.setattr(TLSLayer, "_tlsShutdownFinished", TLSMemoryBIOProtocol._tlsShutdownFinished)
    with pytest.raises(AssertionError):
        test_nothingWaitsForTheGarbageCollector("closed", transport, watch, tmp_path)


def _reset(rig: Rig) -> None:
    for connection in list(rig.here.connections):
        connection.abortConnection()
