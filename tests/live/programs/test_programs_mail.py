"""
Twisted's mail delivery on our resolver, with the records of a domain in NSD: the exchange, and the address that it is reached at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.mail.relaymanager import MXCalculator
from twisted.names import dns

from tests.live.asking import HEAD
from tests.live.programs.web import Rig, rig
from tests.peers import LivePeer, nsd
from twisted_ext.client import createResolver
from twisted_ext.compat.conversion.errors import ServiceNotAvailable
from twisted_ext.integrations.mail import MailResolver

__all__: list[str] = []

_ZONE: Final = f"""\
{HEAD}
four  A    127.0.0.1
six   AAAA ::1
both  A    127.0.0.1
both  AAAA ::1
best  MX   20 four
best  MX   10 six
equal MX   10 four
equal MX   10 six
alias CNAME equal
void  MX   0 .
void  A    127.0.0.1
"""


class _Calculating(Protocol):
    """
    The mail exchange calculator.
    """

    def getMX(self, domain: str) -> Deferred[dns.Record_MX]:
        """
        Return a Deferred with the mail exchange.
        """


_calculator: Callable[..., _Calculating] = MXCalculator


@pytest.fixture(scope="module")
def server() -> Iterator[LivePeer]:
    """
    Start the server that knows the domains.
    """
    with nsd({"mail.example": _ZONE}) as running:
        yield running


async def _deliver(made: Rig, domain: str) -> tuple[str, str]:
    """
    Return the mail exchange of a domain, and the address at which it is reached.
    """
    exchange = await _calculator(MailResolver(made.resolver)).getMX(f"{domain}.mail.example")
    host = str(exchange.name)
    return host.removesuffix(".mail.example"), await made.connectEndpoint(host)


@pytest_twisted.ensureDeferred
async def test_mailGoesToTheBestExchange(server: LivePeer) -> None:
    """
    C{MXCalculator(resolver=MailResolver(...))} delivers to the best exchange, to one of several equal ones, or to the host itself, over
    either family. It delivers nothing to a domain that accepts no mail.
    """
    async with rig(createResolver(servers=[server.server])) as made:
        undo = made.resolver.install()
        try:
            assert await _deliver(made, "best") == ("six", "::1")
            for domain in ("equal", "alias", "EQUAL"):
                assert await _deliver(made, domain) in (("four", "127.0.0.1"), ("six", "::1"))
            assert await _deliver(made, "six") == ("::1", "::1")
            host, address = await _deliver(made, "both")
            assert host == address == "127.0.0.1"
            with pytest.raises(ServiceNotAvailable):
                await _deliver(made, "void")
            with pytest.raises(DNSLookupError):
                await _deliver(made, "nothing")
        finally:
            undo()
