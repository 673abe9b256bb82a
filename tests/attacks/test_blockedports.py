"""
Downgrade: a network that blocks the ports of encrypted DNS, so that clients fall back to plain DNS, which it lets through and answers.

Everything that the client sends is recorded, datagrams and streams alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.certificates import written
from tests.networks import Recorder
from twisted_ext.answers import QueryContext
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.resolver.system import configured
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameToText

#: The label of the looked-up name that must never appear in the clear.
_SECRET: Final = b"secret"

_SERVER: Final = "192.0.2.53"

#: Where a plain resolver answers everything.
_PLAIN: Final = "192.0.2.1"

_PORTS: Final = {"tls": 853, "https": 443, "quic": 853}

_BY_ADDRESS: Final = {
    "tls": f"tls:{_SERVER}#dns.example",
    "https": f"https://dns.example:address={_SERVER}",
    "quic": f"quic:{_SERVER}#dns.example",
}

_BY_NAME: Final = {"tls": "tls://dns.example", "https": "https://dns.example", "quic": "quic://dns.example"}


class Wire:
    """
    A client behind a network that blocks ports.
    """

    def __init__(self, folder: Path) -> None:
        self.network = MemoryNetwork(seed=1)
        self.recorder = self.network.link = Recorder(delay=0.01)
        self.here = self.network.reactor("192.0.2.7")
        records = {("www.secret.test", "A"): "203.0.113.66", ("dns.example", "A"): _SERVER}
        self.plain = [CannedServer(records), CannedServer(records)]
        for canned, address in zip(self.plain, (_SERVER, _PLAIN), strict=True):
            canned.listen(self.network.reactor(address))
        self.ca = str(written(folder))

    def block(self, how: str) -> None:
        """
        Block the ports of encrypted DNS: the network drops what is sent there, or refuses it as if nothing listened.
        """
        if how == "drops":
            self.recorder.blocked = frozenset((443, 853))

    def look(self, description: str, stream: bool = True) -> str:
        """
        Look a name up.

        @param stream: C{False} switches off the rule that a forwarder with another transport than TCP uses no other one.

        @return: the error; C{""} if there was an answer.
        """
        source = sourceFromString(self.here, description)
        if not stream:
            for each in behind(source, ForwardingSource):
                each.stream = False
        outcome: list[str] = []
        asked = lookUp(source, questionOf("www.secret.test"), QueryContext(self.here.seconds() + 5))
        asked.addCallbacks(lambda answer: outcome.append(""), lambda failure: outcome.append(failure.getErrorMessage()))
        self.network.advance(10)
        source.close()
        self.network.advance(5)
        assert self.here.pending() == []
        (text,) = outcome
        return text

    @property
    def clear(self) -> list[str]:
        """
        The names in queries to the port of plain DNS, in order.
        """
        return [nameToText(Message.fromWire(each.octets).questions[0].name) for each in self.network.datagrams if each.destination[1] == 53]

    @property
    def ports(self) -> set[int]:
        """
        The ports that the client has sent to.
        """
        sent = {each.destination[1] for each in self.network.datagrams if each.source[0] == "192.0.2.7"}
        return sent | {port for _, port in self.network.dialed}

    def assertNothingInClear(self) -> None:
        wire = b"".join([*self.recorder.octets, *[each.octets for each in self.network.datagrams]])
        assert _SECRET not in wire.lower()
        assert [asked for canned in self.plain for asked in canned.asked if _SECRET in asked.question.name] == []


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    yield Wire(tmp_path)


@pytest.mark.parametrize("how", ["drops", "refuses"])
@pytest.mark.parametrize("transport", _PORTS)
def test_serverByAddress(wire: Wire, transport: str, how: str) -> None:
    """
    A look-up at a server with a known address fails in one line that names the server, and nothing goes to another port than its own.
    """
    wire.block(how)
    outcome = wire.look(f"{_BY_ADDRESS[transport]}:ca={wire.ca}")
    assert outcome.startswith("www.secret.test. A: ")
    assert f"{_SERVER}:{_PORTS[transport]} " in outcome
    assert "\n" not in outcome
    assert wire.ports == {_PORTS[transport]}
    wire.assertNothingInClear()


@pytest.mark.parametrize("transport", ["tls", "https"])
def test_withoutDefense(wire: Wire, transport: str) -> None:
    """
    Without the rule that no other transport is tried, the query would be sent in the clear.
    """
    wire.look(f"{_BY_ADDRESS[transport]}:ca={wire.ca}", stream=False)
    with pytest.raises(AssertionError):
        wire.assertNothingInClear()


@pytest.mark.parametrize("how", ["drops", "refuses"])
@pytest.mark.parametrize("transport", _PORTS)
def test_bootstrapIsTheOnlyException(wire: Wire, transport: str, how: str) -> None:
    """
    Of a server given by its name, this name alone is sent in the clear, once for each address family, and to the bootstrap servers only.
    """
    wire.block(how)
    outcome = wire.look(f"{_BY_NAME[transport]}:ca={wire.ca}:bootstrap={_PLAIN}")
    assert f"{_SERVER}:{_PORTS[transport]} " in outcome
    assert "\n" not in outcome
    assert wire.clear == ["dns.example."] * 2
    assert {each.question.rrType for each in wire.plain[1].asked} == {1, 28}
    assert (wire.plain[0].asked, wire.ports) == ([], {53, _PORTS[transport]})
    wire.assertNothingInClear()


@pytest.mark.parametrize("transport", _PORTS)
def test_systemBootstrapIsTheOnlyException(wire: Wire, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without C{bootstrap} the same applies to the servers of the system, whose search list is not applied.
    """
    path = tmp_path / "resolv.conf"
    path.write_text(f"nameserver {_PLAIN}\nsearch corp.example home.example\noptions ndots:5\n")
    monkeypatch.setattr(configured, "SYSTEM_RESOLV_CONF", str(path))
    wire.block("drops")
    outcome = wire.look(f"{_BY_NAME[transport]}:ca={wire.ca}")
    assert f"{_SERVER}:{_PORTS[transport]} " in outcome
    assert wire.clear == ["dns.example."] * 2
    wire.assertNothingInClear()


@pytest.mark.parametrize("transport", _PORTS)
def test_missingServerIsNotSearched(wire: Wire, transport: str) -> None:
    """
    If the server's name has no address, the look-up fails, and no other name is tried.
    """
    for canned in wire.plain:
        canned.set("dns.example", "A", [])
    assert wire.look(f"{_BY_NAME[transport]}:ca={wire.ca}:bootstrap={_PLAIN}") == "dns.example cannot be reached: it has no address"
    assert set(wire.clear) == {"dns.example."}
    assert wire.ports == {53}
    wire.assertNothingInClear()


@pytest.mark.parametrize("transport", _PORTS)
def test_encryptedBootstrap(wire: Wire, transport: str) -> None:
    """
    If the name is looked up over an encrypted transport as well, nothing at all is sent in the clear.
    """
    wire.block("drops")
    outcome = wire.look(f"{_BY_NAME[transport]}:ca={wire.ca}:dane=(validate:tls:{_PLAIN}#other.example:ca={wire.ca})")
    assert outcome.startswith("dns.example cannot be authenticated by DANE: ")
    assert f"{_PLAIN}:853" in outcome
    assert "\n" not in outcome
    assert (wire.network.datagrams, wire.clear, wire.ports) == ([], [], {853})
    wire.assertNothingInClear()
